"""Learning by hiding: some values are hidden from the model, which must say what they were."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from swath.errors import SwathError
from swath.objective.loss import Loss

if TYPE_CHECKING:
    from swath.batch import Batch

__all__ = ["UNITS", "Masked", "hide"]

Unit = Literal["token", "block", "group", "date", "sensor"]
UNITS: tuple[str, ...] = ("token", "block", "group", "date", "sensor")


def hide(
    shape: tuple[int, int, int, int, int], ratio: float, unit: Unit, generator: torch.Generator | None = None
) -> Tensor:
    """What to hide: (B, N) bool over a grid of B examples and N = G * T * h * w places of `shape` (B, G, T, h, w).

    G are groups of bands. unit: "token" hides (date, row, column) for all groups; "date" whole dates; "group" whole
    groups; "block" a rectangle of all dates and groups with a `ratio` of the area; "sensor" all of an example with
    probability `ratio`. Of tokens, dates and groups exactly the rounded share is hidden in every example.
    Ratio 0 hides nothing. Raises SwathError for an unknown unit or a ratio outside 0 to 1.
    """
    if unit not in UNITS or not 0.0 <= ratio <= 1.0:
        raise SwathError(
            rule=f"units are {', '.join(UNITS)}; ratios 0 to 1", got=f"{unit}, {ratio}", remedy="choose one"
        )
    b, g, t, h, w = shape
    if unit == "sensor":
        part = (torch.rand(b, 1, 1, 1, 1, generator=generator) < ratio).expand(shape)
    elif unit == "block":
        part = _rectangles(b, h, w, ratio, generator)[:, None, None].expand(shape)
    else:
        inner = {"token": (1, t, h, w), "date": (1, t, 1, 1), "group": (g, 1, 1, 1)}[unit]
        n = inner[0] * inner[1] * inner[2] * inner[3]
        rank = torch.rand(b, n, generator=generator).argsort(1).argsort(1)
        part = (rank < round(ratio * n)).reshape(b, *inner).expand(shape)
    return part.reshape(b, -1)


def _rectangles(b: int, h: int, w: int, ratio: float, generator: torch.Generator | None) -> Tensor:
    out = torch.zeros(b, h, w, dtype=torch.bool)
    if ratio <= 0:
        return out
    draw = torch.rand(b, 3, generator=generator)
    for i in range(b):
        stretch = 2.0 ** (2 * float(draw[i, 0]) - 1)
        tall = min(h, max(1, math.ceil(ratio * h), round(h * (ratio * stretch) ** 0.5)))
        wide = min(w, max(1, round(ratio * h * w / tall)))
        top, left = int(float(draw[i, 1]) * (h - tall + 1)), int(float(draw[i, 2]) * (w - wide + 1))
        out[i, top : top + tall, left : left + wide] = True
    return out


@dataclass(frozen=True)
class Masked:
    """The objective: hide some values, have the model say them, count only what was hidden *and* valid.

    ratio, unit: what is hidden, one pair or several whose union is hidden. loss: of the difference in deviations.
    per_token_norm: each token's truth is brought to mean 0, deviation 1 over its bands first (He et al. 2022).
    scales: the differences are also compared after averaging over so many pixels. The model has `scaled(batch)` and
    gives {sensor: (B, T, C, H, W)} when called.
    """

    ratio: float | Sequence[float] = 0.5
    unit: str | Sequence[str] = "token"
    loss: Literal["l2", "l1", "huber"] = "l2"
    per_token_norm: bool = False
    scales: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        if self.loss not in ("l2", "l1", "huber"):
            raise SwathError(rule="losses are l2, l1, huber", got=str(self.loss), remedy="choose one of them")

    def hidden(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """What is hidden of each sensor: {sensor: (B, T, C, H, W) bool}; a sensor that is alone is never hidden whole."""
        ratios = [self.ratio] if isinstance(self.ratio, (int, float)) else list(self.ratio)
        units = [self.unit] if isinstance(self.unit, str) else list(self.unit)
        out = {}
        for name, pixels in batch.pixels.items():
            b, t, c, h, w = pixels.values.shape
            part = torch.zeros(b, c * t * h * w, dtype=torch.bool)
            for ratio, unit in zip(ratios, units, strict=True):
                if unit != "sensor" or len(batch.pixels) > 1:
                    part |= hide((b, c, t, h, w), float(ratio), unit, generator)  # type: ignore[arg-type]
            out[name] = part.reshape(b, c, t, h, w).permute(0, 2, 1, 3, 4)
        return out

    def __call__(self, model: Any, batch: Batch, generator: torch.Generator | None = None) -> Loss:
        """Mean difference over values that are hidden and valid; 0 where there are none."""
        hidden = self.hidden(batch, generator)
        return Loss({"masked": self.difference(model, batch, hidden)})

    def difference(self, model: Any, batch: Batch, hidden: dict[str, Tensor]) -> Tensor:
        """The same for given hidden values."""
        device = str(next(model.parameters()).device)
        batch = batch.to(device)
        hidden = {name: part.to(device) for name, part in hidden.items()}
        shown = {name: replace(p, valid=p.valid & ~hidden[name]) for name, p in batch.pixels.items()}
        said, truth = model(replace(batch, pixels=shown)), model.scaled(batch)
        lost, counted = [], []
        for name, p in batch.pixels.items():
            counts = hidden[name] & p.valid
            want = _normed(truth[name], p.valid) if self.per_token_norm else truth[name]
            gap = torch.where(counts, said[name].to(want.dtype) - want, 0.0)
            for scale in self.scales:
                if scale == 1:
                    lost.append(self._cost(gap).sum())
                    counted.append(counts.sum())
                else:
                    mean, whole = _coarse(gap, counts, scale)
                    lost.append(torch.where(whole, self._cost(mean), 0.0).sum())
                    counted.append(whole.sum())
        return torch.stack(lost).sum() / torch.stack(counted).sum().clamp(min=1)

    def _cost(self, gap: Tensor) -> Tensor:
        if self.loss == "l2":
            return gap.square()
        return gap.abs() if self.loss == "l1" else functional.huber_loss(gap, torch.zeros_like(gap), reduction="none")


def _normed(values: Tensor, valid: Tensor) -> Tensor:
    """Each token (b, t, y, x) to mean 0 and deviation 1 over its valid bands."""
    weight = valid.to(values.dtype)
    n = weight.sum(2, keepdim=True).clamp(min=1.0)
    mean = (values * weight).sum(2, keepdim=True) / n
    spread = ((values - mean).square() * weight).sum(2, keepdim=True) / n
    return (values - mean) / (spread + 1e-6).sqrt()


def _coarse(gap: Tensor, counts: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Mean difference over scale x scale pixels that all count; an incomplete rim is dropped."""
    b, t, c, h, w = gap.shape
    rows, columns = h // scale, w // scale
    cut = (slice(None), slice(None), slice(None), slice(0, rows * scale), slice(0, columns * scale))
    shape = (b, t, c, rows, scale, columns, scale)
    return gap[cut].reshape(shape).mean((4, 6)), counts[cut].reshape(shape).all(6).all(4)


def examples() -> Iterator[tuple[Any, Any, Batch]]:
    """(objective, model, Batch) that suit each other, small, for `swath.testing.check_objective`."""
    from swath.models.tiny import Tiny

    model, batch = Tiny.example()
    for one in (Masked(), Masked(loss="l1", unit="date"), Masked(0.3, "block", per_token_norm=True, scales=(1, 2))):
        yield one, model, batch
