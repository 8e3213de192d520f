"""Numbers as vectors: sines and cosines of positions, of repeating positions, and of places on a grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["grid_code", "repeating", "sincos"]


def sincos(position: Tensor, dim: int, *, longest: float = 10_000.0, dtype: torch.dtype = torch.float64) -> Tensor:
    """All sines, then all cosines of a position: (...,) -> (..., dim) in float32; 0 where the position is NaN.

    Frequencies fall geometrically from 1 to 1/`longest` (Vaswani et al. 2017, section 3.5). dim is even. dtype: what is
    computed in; weights that were trained with codes of large numbers in float32 (a year) need float32 again.
    """
    half = dim // 2
    step = torch.arange(half, dtype=dtype, device=position.device)
    rate = 1.0 / longest ** (step / half) if dtype == torch.float32 else torch.exp(-math.log(longest) * step / half)
    angle = torch.nan_to_num(position).to(dtype)[..., None] * rate
    out = torch.cat([angle.sin(), angle.cos()], -1).float()
    return out * torch.isfinite(position)[..., None]


def repeating(position: Tensor, period: float, dim: int) -> Tensor:
    """Harmonics of a position that repeats: (...,) -> (..., dim), sines then cosines of 1 .. dim/2 turns a period.

    0 where the position is NaN.
    """
    turn = torch.arange(1, dim // 2 + 1, dtype=torch.float64, device=position.device) * (2 * math.pi / period)
    angle = torch.nan_to_num(position).double()[..., None] * turn
    out = torch.cat([angle.sin(), angle.cos()], -1).float()
    return out * torch.isfinite(position)[..., None]


def grid_code(
    dates: int, rows: int, columns: int, dim: int, *, share: tuple[int, int, int] = (4, 6, 6), order: str = "t h w"
) -> Tensor:
    """Fixed code of a (dates, rows, columns) grid: (dates * rows * columns, dim) float32.

    share: sixteenths of `dim` that say date, row and column. order: in which these parts are concatenated; an argument,
    since families differ in it.
    """
    part = {k: dim * s // sum(share) for k, s in zip("thw", share, strict=True)}
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (dates, rows, columns)), indexing="ij")
    codes = {k: sincos(axis.reshape(-1), part[k]) for k, axis in zip("thw", axes, strict=True)}
    return torch.cat([codes[k] for k in order.split()], -1)
