"""Plain answers for hidden values of a Batch: straight lines in time, median or mean of the other dates, the last clear one.

Each is a filler for `task.restore`: (batch, draws) -> {sensor: (1, B, T, C, H, W)}, NaN where a pixel has no valid date.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from swath.baseline import series
from swath.batch import Batch, Pixels

__all__ = ["FILLERS", "linear", "mean", "median", "or_mean", "previous"]

Filler = Callable[..., dict[str, np.ndarray]]


def linear(batch: Batch, draws: int = 1) -> dict[str, np.ndarray]:
    """On the straight line between the clear dates before and after; beyond the ends their value."""
    return _each(batch, lambda v, ok, day: series.linear(v, ok, day))


def previous(batch: Batch, draws: int = 1) -> dict[str, np.ndarray]:
    """The last clear value before, else the first one after."""
    return _each(batch, lambda v, ok, day: series.previous(v, ok))


def mean(batch: Batch, draws: int = 1) -> dict[str, np.ndarray]:
    """Mean of the clear dates."""
    return _each(batch, lambda v, ok, day: series.band_mean(v, ok))


def median(batch: Batch, draws: int = 1) -> dict[str, np.ndarray]:
    """Median of the clear dates."""
    return _each(batch, lambda v, ok, day: _median(v, ok))


FILLERS: dict[str, Filler] = {
    "linear in time": linear,
    "temporal median": median,
    "temporal mean": mean,
    "previous date": previous,
}


def _median(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Half way between the two middle values of those that are valid: (..., T), the same for every date."""
    rows = np.sort(np.where(valid, values, np.inf), axis=-1)
    n = valid.sum(-1, keepdims=True)
    low, high = (
        np.take_along_axis(rows, np.clip(k, 0, None), -1)
        for k in ((n - 1) // 2, np.minimum(n // 2, rows.shape[-1] - 1))
    )
    with np.errstate(invalid="ignore"):
        middle = np.where(n > 0, (low + high) / 2, np.nan)
    return np.broadcast_to(middle, values.shape)


def _each(batch: Batch, how: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    return {name: _one(pixels, how) for name, pixels in batch.pixels.items()}


def _one(pixels: Pixels, how: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    valid = np.moveaxis(np.asarray(pixels.valid), 1, -1)
    values = np.where(valid, np.moveaxis(np.asarray(pixels.values, np.float64), 1, -1), 0.0)
    day = np.asarray(pixels.day, np.float64)
    day = np.where(np.isfinite(day).all(1, keepdims=True), day, np.arange(day.shape[1]))
    found = how(values, valid, np.broadcast_to(day[:, None, None, None], values.shape))
    return np.ascontiguousarray(np.moveaxis(found, -1, 1)[None], dtype=np.float32)


def or_mean(filler: Filler) -> Filler:
    """The same, and where it has no value the mean of what is valid in the example's date and band, else in its band."""

    def filled(batch: Batch, draws: int = 1) -> dict[str, np.ndarray]:
        found = dict(filler(batch, draws))
        for name, p in batch.pixels.items():
            ok = np.asarray(p.valid)
            values = np.where(ok, np.asarray(p.values, np.float64), 0.0)
            date, band = (
                _ratio(values.sum(axes, keepdims=True), ok.sum(axes, keepdims=True)) for axes in ((3, 4), (1, 3, 4))
            )
            spare = np.where(np.isfinite(date), date, band).astype(np.float32)
            found[name] = np.where(np.isfinite(found[name]), found[name], spare[None])
        return found

    return filled


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
