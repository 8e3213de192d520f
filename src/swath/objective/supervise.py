"""Learning from labels: the loss of a task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import LabelError
from swath.objective.loss import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from swath.batch import Batch

__all__ = ["Deep", "Supervise", "bce_dice", "deep", "supervise"]


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


@dataclass(frozen=True)
class Deep:
    """The objective of a yes-or-no map said at several depths: cross-entropy and Dice of every map, all added.

    The model gives logits (B, M, H, W) by `logits(batch)`: the answer and its side maps. Targets (B, H, W): 1, 0, negative where
    unknown. The 2 M terms are summed, not averaged: rates tuned for a mean do not carry over.
    """

    name: str = ""

    def __call__(self, model: Any, batch: Batch) -> Loss:
        """Two terms, bce and dice. Raises LabelError for a Batch without targets."""
        if batch.target is None:
            raise LabelError(
                rule="supervised training needs targets", got="a batch without", remedy="give labels to the loader"
            )
        output = model.logits(batch)
        terms = bce_dice(output, batch.to(str(output.device)).target)
        return Loss({f"{self.name}.{k}" if self.name else k: v for k, v in terms.items()})


def bce_dice(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    """{"bce", "dice"}, each summed over the M maps of logits (B, M, H, W); targets (B, H, W) below 0 do not count.

    Cross-entropy is a mean over examples and pixels; Dice is 1 - (2 sum(p t) + e) / (sum(p) + sum(t) + e) with sums over examples
    and pixels together, e = 1e-7. Without a known target both are 0.
    """
    import torch
    from torch.nn import functional

    known = (target >= 0).to(logits.dtype)[:, None]
    wanted = (target > 0).to(logits.dtype)[:, None].expand_as(logits)
    count = known.sum()
    if count == 0:
        return {"bce": logits.sum() * 0.0, "dice": logits.sum() * 0.0}
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * known
    p = torch.sigmoid(logits) * known
    over = (0, 2, 3)
    alike = (2 * (p * wanted).sum(over) + 1e-7) / (p.sum(over) + (wanted * known).sum(over) + 1e-7)
    return {"bce": (each.sum(over) / count).sum(), "dice": (1 - alike).sum()}


def deep() -> Deep:
    """The objective of networks with side maps."""
    return Deep()


def examples() -> Iterator[tuple[Any, Any, Batch]]:
    """(objective, model, Batch) that suit each other, small, for `swath.testing.check_objective`."""
    import torch

    from swath.models.schanger import SChanger
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
        yield deep(), *SChanger.example()
