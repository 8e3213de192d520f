"""How networks of change learn from labelled pieces: crops, both terms of every map, and a running average of the weights."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from swath.batch import Batch, array
from swath.metric.classes import confusion
from swath.metric.pairs import f1
from swath.models.schanger import AFTER, BEFORE
from swath.objective.supervise import Deep
from swath.train.crops import Crops, Piece, pixels_of
from swath.train.fit import Rules, fit

if TYPE_CHECKING:
    from swath.models.schanger_input import Scaling
    from swath.objective.loss import Loss

__all__ = ["Averaged", "Course", "held_f1", "learn"]

STEPS_AN_EPOCH = 8


@dataclass(frozen=True, slots=True)
class Course:
    """How a network learns. steps of `batch` crops; rate at its height after a tenth of them; average: of weights (EMA), at most,
    once in eight steps, less in the beginning; dropout: of paths and of hidden layers.

    What stands here serves some hundred steps on a processor: such short runs need forty times the published rate, and no dropout
    (chosen on made cities, docs/recipes/schanger.md). `Course.published(steps)` is what the publishers used.
    """

    steps: int = 400
    batch: int = 8
    rate: float = 2e-2
    decay: float = 2e-4
    average: float = 0.9998
    dropout: float = 0.0
    swap: bool = True
    vary: bool = True

    @classmethod
    def published(cls, steps: int = 660_000) -> Course:
        """Rate 5e-4, dropout 0.2, batch 8 of crops of 256 pixels; 660,000 steps on LEVIR-CD."""
        return cls(steps=steps, rate=5e-4, dropout=0.2)


class Averaged(nn.Module):
    """An objective that also keeps the running average of the model's weights and batch statistics; saved with the run."""

    def __init__(self, model: nn.Module, objective: Any, most: float) -> None:
        super().__init__()
        self.objective, self.most = objective, most
        self.kept = copy.deepcopy(model).requires_grad_(False)
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, model: Any, batch: Batch) -> Loss:
        """The loss of the model itself."""
        found: Loss = self.objective(model, batch)
        return found

    def follow(self, model: nn.Module) -> None:
        """Take one step towards the model: 1 - average of it, faster in the beginning."""
        self.count += 1
        share = min(self.most, (1.0 + float(self.count)) / (10.0 + float(self.count)))
        with torch.no_grad():
            now = model.state_dict()
            for name, value in self.kept.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(now[name], 1.0 - share)
                else:
                    value.copy_(now[name])


def learn(
    model: nn.Module,
    pieces: Sequence[Piece],
    course: Course,
    *,
    side: int,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Train any network with `logits(batch)` (B, M, H, W) on pieces, in place; it ends with its averaged weights. The history.

    Dates swap places only where both are scaled alike (a network with `scaling` that differs by date keeps them).
    """
    scaling: Scaling | None = getattr(model, "scaling", None)
    deviation = np.ones(len(pieces[0].bands)) if scaling is None else _deviation(scaling, pieces[0])
    alike = scaling is None or list(scaling.mean[BEFORE]) == list(scaling.mean[AFTER])
    epochs = max(1, -(-course.steps // STEPS_AN_EPOCH))
    source = Crops(
        pieces,
        side,
        deviation,
        course.batch,
        min(course.steps, STEPS_AN_EPOCH),
        seed,
        course.swap and alike,
        course.vary,
    )
    objective = Averaged(model, Deep(), course.average)
    rules = Rules(
        epochs=epochs, rate=course.rate, warmup=max(1, course.steps // 10), decay=course.decay, clip=0.0, seed=seed,
        kernels_only=True,
    )  # fmt: skip
    history = fit(
        model,
        source,
        objective,
        rules,
        folder=folder,
        on_epoch=lambda now: objective.follow(now.model),
        progress=progress,
    )
    model.load_state_dict(objective.kept.state_dict())
    model.eval()
    return history


def _deviation(scaling: Scaling, piece: Piece) -> np.ndarray:
    """By band of the piece; 0 for bands that the network does not take."""
    out = np.zeros(len(piece.bands))
    out[scaling.columns(piece.bands)] = scaling.deviation[BEFORE]
    return out


def held_f1(model: Any, pieces: Sequence[Piece]) -> float:
    """F1 of "yes" at the threshold 0.5 over known pixels of pieces, pooled; NaN where neither truth nor answer has one."""
    counts = np.zeros((2, 2))
    for piece in pieces:
        one = {n: pixels_of(v[None], piece.valid[None], piece) for n, v in piece.values.items()}
        answer = model.change(one[BEFORE], one[AFTER]) if len(one) == 2 else model.segment(next(iter(one.values())))
        said = (array(answer)[0, 0] > 0.5).astype(int)
        counts += confusion(said, piece.target, 2, valid=piece.target >= 0)
    return float(f1(counts))
