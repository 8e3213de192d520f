"""Hiding that varies from batch to batch, and what lies around each pixel: how swath-tiny learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from swath.objective.loss import Loss
from swath.objective.mask import Masked, hide

if TYPE_CHECKING:
    from swath.batch import Batch

__all__ = ["Hiding", "surroundings"]

# (unit, ratio) whose union is hidden, one row drawn for each batch. "patch": token places of PATCH x PATCH pixels, all dates.
PATCH = 4
SERIES = ((("token", 0.35), ("group", 0.15)), (("token", 0.6),), (("token", 0.2), ("sensor", 0.4)))
PICTURE = (
    (("patch", 0.5),), (("patch", 0.7),), (("token", 0.5),), (("block", 0.3),), (("group", 0.5),),
    (("patch", 0.3), ("group", 0.3)),
)  # fmt: skip
CUBE = (
    (("patch", 0.5),), (("token", 0.4), ("group", 0.15)), (("date", 0.4),), (("patch", 0.3), ("date", 0.3)),
    (("block", 0.3), ("token", 0.2)), (("sensor", 0.5), ("token", 0.2)),
)  # fmt: skip


@dataclass(frozen=True)
class Hiding:
    """The objective: what is hidden is drawn from a list that suits the batch (series, picture, cube); beside what was
    hidden the model says mean and spread of every band around each pixel, from what was left to see.

    surroundings: weight of that second part. alone: how often the answer is read from the pooled token alone. asked: what
    is asked around a pixel (models.tiny.SURROUNDINGS).
    """

    asked: Sequence[tuple[str, int]]
    surroundings: float = 0.5
    shown: float = 0.3
    alone: float = 0.6
    masked: Masked = field(default_factory=lambda: Masked(loss="huber"))

    def __call__(self, model: Any, batch: Batch, generator: torch.Generator | None = None) -> Loss:
        """Terms `masked` and, for pictures and cubes, `around`."""
        hidden = self.hidden(batch, generator)
        tokens = float(torch.rand(1, generator=generator) >= self.alone)
        once = _Once(model, tokens)
        terms = {"masked": self.masked.difference(once, batch, hidden)}
        assert once.around is not None
        assert once.values is not None
        truth = model.scaled(batch)
        if tokens == 0:
            terms["shown"] = self.shown * _shown(once.values, truth, hidden, batch)
        if min(next(iter(once.around.values())).shape[-2:]) >= 8:
            truth = surroundings(truth, {k: p.valid for k, p in batch.pixels.items()}, self.asked)
            terms["around"] = self.surroundings * _around(once.around, truth)
        return Loss(terms)

    def hidden(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """What is hidden of each sensor: {sensor: (B, T, C, H, W) bool}; patches of all sensors lie on the same ground."""
        shapes = [p.values.shape for p in batch.pixels.values()]
        b, h, w = shapes[0][0], max(s[-2] for s in shapes), max(s[-1] for s in shapes)
        dates = sum(s[1] for s in shapes)
        rows = SERIES if h * w == 1 else PICTURE if dates == 1 else CUBE
        drawn = rows[int(torch.randint(len(rows), (1,), generator=generator))]
        others = [(u, r) for u, r in drawn if u != "patch"]
        masked = Masked([r for _, r in others], [u for u, _ in others])
        out = masked.hidden(batch, generator) if others else {}
        for unit, ratio in drawn:
            if unit == "patch":
                grid = (b, 1, 1, -(-h // PATCH), -(-w // PATCH))
                part = hide(grid, ratio, "token", generator).reshape(b, *grid[3:])
                part = part.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[:, :h, :w]
                for name, p in batch.pixels.items():
                    full = part[:, None, None].expand(p.values.shape)
                    out[name] = full if name not in out else out[name] | full
        return out


class _Once:
    """A model whose two answers come from one forward."""

    def __init__(self, model: Any, tokens: float) -> None:
        self.model, self.tokens = model, tokens
        self.around: dict[str, Tensor] | None = None
        self.values: dict[str, Tensor] | None = None
        self.parameters, self.scaled = model.parameters, model.scaled

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        self.values, self.around = self.model.told(batch, tokens=self.tokens)
        return self.values


def surroundings(
    scaled: Mapping[str, Tensor], valid: Mapping[str, Tensor], asked: Sequence[tuple[str, int]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Truth of what lies around each pixel in the mean over its valid dates, and where it counts.

    scaled, valid: {sensor: (B, T, C, H, W)}. asked: ("mean" | "spread", side). Gives {sensor: ((B, K, C, H, W), bool)};
    spread is half the logarithm of variance + 0.001, plus 1.5. It counts where half of the window was seen.
    """
    out = {}
    for name, values in scaled.items():
        weight = valid[name].to(values.dtype).sum(1)
        mean = (values * valid[name]).sum(1) / weight.clamp(min=1)
        seen = (weight > 0).to(values.dtype)
        rows, counts = [], []
        for what, side in asked:
            share = _box(seen, side)
            local = _box(mean * seen, side) / share.clamp(min=1e-6)
            if what == "spread":
                square = _box(mean.square() * seen, side) / share.clamp(min=1e-6)
                local = 0.5 * ((square - local.square()).clamp(min=0) + 1e-3).log() + 1.5
            rows.append(local)
            counts.append(share >= 0.5 * _box(torch.ones_like(seen), side))
        out[name] = (torch.stack(rows, 1), torch.stack(counts, 1))
    return out


def _box(x: Tensor, side: int) -> Tensor:
    x = functional.avg_pool2d(x, (1, side), 1, (0, side // 2), count_include_pad=True)
    return functional.avg_pool2d(x, (side, 1), 1, (side // 2, 0), count_include_pad=True)


def _shown(
    said: Mapping[str, Tensor], truth: Mapping[str, Tensor], hidden: Mapping[str, Tensor], batch: Batch
) -> Tensor:
    """What was to be seen, said again: from the pooled token alone, so that it must hold the pixel's own values."""
    lost, count = [], []
    for name, p in batch.pixels.items():
        counts = p.valid & ~hidden[name].to(p.valid.device)
        lost.append(
            torch.where(counts, functional.huber_loss(said[name].float(), truth[name], reduction="none"), 0.0).sum()
        )
        count.append(counts.sum())
    return torch.stack(lost).sum() / torch.stack(count).sum().clamp(min=1)


def _around(said: Mapping[str, Tensor], truth: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
    lost = [
        torch.where(counts, functional.huber_loss(said[name].float(), want, reduction="none"), 0.0).sum()
        for name, (want, counts) in truth.items()
    ]
    return torch.stack(lost).sum() / torch.stack([c.sum() for _, c in truth.values()]).sum().clamp(min=1)
