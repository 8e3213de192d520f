"""Learning from labels: the loss of a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.errors import LabelError
from swath.objective.loss import Loss

if TYPE_CHECKING:
    from swath.batch import Batch

__all__ = ["Supervise", "supervise"]


@dataclass(frozen=True)
class Supervise:
    """The objective: the task's loss between what a Solver puts out and the Batch's targets."""

    task: Any

    def __call__(self, model: Any, batch: Batch) -> Loss:
        """One term, named as the task. Raises LabelError for a Batch without targets."""
        if batch.target is None:
            raise LabelError(
                rule="supervised training needs targets", got="a batch without", remedy="give labels to the loader"
            )
        output = model(batch)
        target = batch.to(str(output.device)).target
        return Loss({self.task.name: self.task.loss(output, target)})


def supervise(task: Any) -> Supervise:
    """The objective of a task."""
    return Supervise(task)
