"""Learning from labels: the loss of a task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

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


def examples() -> Iterator[tuple[Any, Any, Batch]]:
    """(objective, model, Batch) that suit each other, small, for `swath.testing.check_objective`."""
    import torch

    from swath.models.tiny import Tiny
    from swath.task import Classify, Segment, Solver

    encoder, batch = Tiny.example()
    h, w = next(iter(batch.pixels.values())).values.shape[-2:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        segment, classify = Segment(("a", "b")), Classify(("a", "b"))
        yield (
            supervise(segment),
            Solver(encoder, segment, encoder.dim),
            replace(batch, target=np.arange(len(batch) * h * w).reshape(-1, h, w) % 2),
        )
        yield (
            supervise(classify),
            Solver(encoder, classify, encoder.dim),
            replace(batch, target=np.arange(len(batch)) % 2),
        )
