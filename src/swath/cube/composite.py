"""One clear picture from many dates: composites of a window, as plain functions over arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from swath.errors import SwathError

__all__ = ["HOW", "How", "clearest", "composite", "count", "median"]

How = Literal["median", "clearest"]
HOW: tuple[How, ...] = ("median", "clearest")


def composite(values: np.ndarray, valid: np.ndarray, how: How) -> np.ndarray:
    """(C, H, W) float32 of (T, C, H, W) values by `median` or `clearest`. Raises SwathError for another name."""
    if how not in HOW:
        raise SwathError(rule=f"a composite is one of {', '.join(HOW)}", got=repr(how), remedy="choose one of them")
    return median(values, valid) if how == "median" else clearest(values, valid)[0]


def median(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The median of the usable dates, band by band: (C, H, W) float32; NaN where no date is usable.

    values: (T, C, H, W). valid: the same shape, True = usable. Of an even number the mean of the middle two.

    >>> median(np.array([[[[0.1]]], [[[0.9]]], [[[0.2]]]]), np.array([[[[True]]], [[[True]]], [[[True]]]])).item()
    0.20000000298023224
    """
    known = valid & np.isfinite(values)
    ordered = np.sort(np.where(known, values, np.inf), axis=0)
    n = known.sum(0)
    low = np.take_along_axis(ordered, np.maximum(n - 1, 0)[None] // 2, 0)[0]
    high = np.take_along_axis(ordered, np.minimum(n // 2, len(values) - 1)[None], 0)[0]
    with np.errstate(invalid="ignore"):
        middle = (low.astype(np.float64) + high) / 2
    return np.where(n > 0, middle, np.nan).astype(np.float32)


def clearest(
    values: np.ndarray, valid: np.ndarray, judges: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The one usable date whose spectrum lies nearest to the median of all: ((C, H, W) float32, (H, W) date or -1).

    All bands of a pixel come from one date, so they are a real observation; clouds and shadows that the mask missed lie
    far from the median. judges: indices of the bands that are compared (of one quantity; default all). Missing bands do
    not count; a date must have half of the bands that any has; of two equally near the darker wins (cloud and haze are
    bright). Source: medoid composites, Flood 2013, Remote Sensing 5, 6481-6500, sect. 2.
    """
    known = valid & np.isfinite(values)
    judged = list(range(values.shape[1])) if judges is None else list(judges)
    seen = known[:, judged]
    filled = np.where(seen, values[:, judged], 0.0).astype(np.float64)
    middle = np.nan_to_num(median(values[:, judged], valid[:, judged]).astype(np.float64))
    n = seen.sum(1)
    away = np.where(seen, filled - middle[None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.sqrt((away**2).sum(1) / n)
        bright = filled.sum(1) / n
    enough = (n > 0) & (2 * n >= n.max(0))
    nearest = np.where(enough, distance, np.inf).min(0)
    tied = enough & (distance <= nearest * (1 + 1e-6) + 1e-12)
    chosen = np.where(tied, bright, np.inf).argmin(0)
    any_date = enough.any(0)
    picked = np.take_along_axis(np.where(known, values, np.nan), chosen[None, None], 0)[0]
    out = np.where(any_date, picked, np.nan).astype(np.float32)
    return out, np.where(any_date, chosen, -1).astype(np.int16)


def count(valid: np.ndarray) -> np.ndarray:
    """(H, W) uint16: dates with at least one usable band, of (T, C, H, W) valid."""
    return np.asarray(valid.any(1).sum(0), np.uint16)
