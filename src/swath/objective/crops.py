"""Several views of the same ground: windows of different size, turned and mirrored, with fresh speckle where it is radar."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from swath.batch import Batch, Pixels

__all__ = ["Crops"]


@dataclass(frozen=True)
class Crops:
    """Views of a Batch of tensors: two large ones, then `local` small ones, each example cut in its own random way.

    size, small: pixels a side of large and small views. wide, narrow: share of the area that a large and a small view
    sees. Colours are never changed: numbers are physical. speckle: looks of gamma-distributed noise that backscatter is
    multiplied with (dB are added to); 0 for none.
    """

    size: int = 32
    small: int = 16
    local: int = 4
    wide: tuple[float, float] = (0.4, 1.0)
    narrow: tuple[float, float] = (0.1, 0.4)
    speckle: float = 0.0

    def __call__(self, batch: Batch) -> list[Batch]:
        """Large views first."""
        plan = [(self.size, self.wide)] * 2 + [(self.small, self.narrow)] * self.local
        return [self._view(batch, size, share) for size, share in plan]

    def _view(self, batch: Batch, size: int, share: tuple[float, float]) -> Batch:
        b = len(batch)
        area = torch.empty(b).uniform_(*share)
        side = area.sqrt()
        centre = (torch.rand(b, 2) * 2 - 1) * (1 - side)[:, None]
        turn = torch.randint(4, (b,)).float() * (math.pi / 2)
        mirror = torch.randint(2, (b,)).float() * 2 - 1
        cos, sin = turn.cos() * side, turn.sin() * side
        affine = torch.stack(
            [torch.stack([cos * mirror, -sin, centre[:, 0]], 1), torch.stack([sin * mirror, cos, centre[:, 1]], 1)], 1
        )
        pixels = {name: self._cut(p, affine, size) for name, p in batch.pixels.items()}
        return replace(batch, pixels=pixels, target=None)

    def _cut(self, p: Pixels, affine: Tensor, size: int) -> Pixels:
        b, t, c, h, w = p.values.shape
        grid = functional.affine_grid(affine.to(p.values), [b, 1, size, size], align_corners=False)
        weight = p.valid.to(p.values.dtype)
        both = torch.cat([torch.where(p.valid, p.values, 0.0), weight], 1).reshape(b, 2 * t * c, h, w)
        out = functional.grid_sample(both, grid, padding_mode="border", align_corners=False)
        total, seen = out.reshape(b, 2, t, c, size, size).unbind(1)
        valid = seen > 0.5
        values = torch.where(valid, total / seen.clamp(min=1e-6), 0.0)
        return replace(p, values=self._noise(values, p), valid=valid)

    def _noise(self, values: Tensor, p: Pixels) -> Tensor:
        """Multiplicative gamma noise of mean 1 on radar bands (Ulaby and Long 2014, chapter 5)."""
        radar = [i for i, band in enumerate(p.bands) if band.quantity == "backscatter"]
        if not self.speckle or not radar:
            return values
        shape = (*values.shape[:2], len(radar), *values.shape[3:])
        looks = torch.full(shape, float(self.speckle), device=values.device)
        factor = torch.distributions.Gamma(looks, looks).sample().clamp(min=1e-6)
        decibel = torch.tensor([p.bands[i].units == "dB" for i in radar], device=values.device)[:, None, None]
        out = values.clone()
        out[:, :, radar] = torch.where(decibel, values[:, :, radar] + 10 * factor.log10(), values[:, :, radar] * factor)
        return out
