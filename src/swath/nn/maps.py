"""Tokens of an encoder as maps that a decoder takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from swath.batch import Tokens
from swath.nn.dates import pool_mean

__all__ = ["maps", "stacked"]


def stacked(tokens: Tokens) -> tuple[Tensor, Tensor, Tensor]:
    """Values (B, T, D, h, w), day (B, T), valid (B, T, h, w) of one level, as tensors. Raises ValueError without a grid."""
    if tokens.shape is None:
        raise ValueError("maps need tokens on a grid; these have none; use an encoder or a level that has one")
    t, h, w = tokens.shape
    values = torch.as_tensor(tokens.grid().copy() if isinstance(tokens.values, np.ndarray) else tokens.grid())
    b = len(values)
    day = torch.as_tensor(tokens.day).reshape(b, t, h * w)[:, :, 0]
    return values, day, torch.as_tensor(tokens.valid).reshape(b, t, h, w)


def maps(
    levels: Sequence[Tokens], pool_dates: Sequence[Callable[[Tensor, Tensor, Tensor], Tensor]] | None = None
) -> list[Tensor]:
    """Levels of an encoder as maps (B, D, h, w), the dates pooled: by the mean, or by one `PoolDates` a level.

    Where no date is valid a map is 0 (by the mean), so that a decoder can live with it.
    """
    out = []
    for i, tokens in enumerate(levels):
        values, day, valid = stacked(tokens)
        if pool_dates is None:
            out.append(pool_mean(values, valid))
        else:
            out.append(pool_dates[i](values, day, valid))
    return out
