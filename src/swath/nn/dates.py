"""Several dates to one: mean, a learned weight a date, L-TAE without or with dates. Dates not valid weigh exactly 0."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from swath.nn.ltae import LTAE

__all__ = ["KINDS", "PoolDates", "pool_mean"]

Kind = Literal["mean", "linear", "ltae", "ltae-days"]
KINDS: tuple[Kind, ...] = ("mean", "linear", "ltae", "ltae-days")
_YEAR = 365.25


def pool_mean(values: Tensor, valid: Tensor) -> Tensor:
    """(B, T, D, h, w) and valid (B, T, h, w) -> (B, D, h, w): mean over valid dates, 0 where none is."""
    weight = valid[:, :, None].to(values.dtype)
    return torch.where(valid[:, :, None], values, 0.0).sum(1) / weight.sum(1).clamp(min=1)


class PoolDates(nn.Module):
    """(values (B, T, D, h, w), day (B, T), valid (B, T, h, w)) -> (B, D, h, w).

    kind: "mean"; "linear", one weight for each of `dates` dates (at the start the mean), scaled up where dates are
    missing; "ltae"; "ltae-days" with a code of the day of the year.
    """

    def __init__(self, kind: Kind = "mean", width: int = 0, dates: int = 1, heads: int = 16) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"dates are pooled by {', '.join(KINDS)}; got {kind}; choose one")
        self.kind = kind
        if kind == "linear":
            self.weight = nn.Parameter(torch.full((dates,), 1.0 / dates))
            self.bias = nn.Parameter(torch.zeros(1))
        elif kind != "mean":
            heads = next(h for h in (heads, 8, 4, 2, 1) if width % h == 0)
            self.ltae = LTAE(width, heads=heads, dates=kind == "ltae-days")

    def forward(self, values: Tensor, day: Tensor, valid: Tensor) -> Tensor:
        """One map for all dates. Raises ValueError for another number of dates than the linear weights have."""
        if self.kind == "mean":
            return pool_mean(values, valid)
        if self.kind == "linear":
            if values.shape[1] != len(self.weight):
                raise ValueError(f"weights of {len(self.weight)} dates; got {values.shape[1]}; use mean or L-TAE")
            weight = self.weight[:, None, None] * valid
            share = valid.to(values.dtype).mean(1, keepdim=True).clamp(min=1e-6)
            clean = torch.where(valid[:, :, None], values, 0.0)
            return (clean * (weight / share)[:, :, None]).sum(1) + self.bias
        return self.ltae(values, torch.remainder(day, _YEAR) if self.kind == "ltae-days" else None, valid)
