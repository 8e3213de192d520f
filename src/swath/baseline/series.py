"""Plain answers for hidden values of a series: the last clear date, straight lines in time, the band's mean."""

from __future__ import annotations

import numpy as np

__all__ = ["band_mean", "linear", "previous"]


def previous(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The last valid value before each date, else the first valid one after: (..., T) -> (..., T); NaN without any.

    valid: same shape, bool. A date's own value is never used.
    """
    t = values.shape[-1]
    index = np.where(valid, np.arange(t), -1)
    before = np.maximum.accumulate(index, axis=-1)
    before = np.concatenate([np.full((*values.shape[:-1], 1), -1), before[..., :-1]], -1)
    after = _next(valid)
    chosen = np.where(before >= 0, before, after)
    found = np.take_along_axis(values, np.clip(chosen, 0, t - 1), -1)
    return np.where((chosen >= 0) & (chosen < t), found, np.nan)


def linear(values: np.ndarray, valid: np.ndarray, day: np.ndarray) -> np.ndarray:
    """On the straight line between the valid dates before and after; beyond the ends their value; NaN without any.

    values, valid (..., T); day (T,) or (..., T). A date's own value is never used.
    """
    t = values.shape[-1]
    day = np.broadcast_to(day, values.shape)
    index = np.where(valid, np.arange(t), -1)
    before = np.maximum.accumulate(index, axis=-1)
    before = np.concatenate([np.full((*values.shape[:-1], 1), -1), before[..., :-1]], -1)
    after = _next(valid)
    has_before, has_after = before >= 0, after < t
    low = np.where(has_before, before, np.clip(after, 0, t - 1))
    high = np.where(has_after, after, np.clip(before, 0, t - 1))
    a, b = np.take_along_axis(values, low, -1), np.take_along_axis(values, high, -1)
    day_a, day_b = np.take_along_axis(day, low, -1), np.take_along_axis(day, high, -1)
    apart = day_b - day_a
    share = np.where(apart > 0, (day - day_a) / np.where(apart > 0, apart, 1.0), 0.0)
    return np.where(has_before | has_after, a + share * (b - a), np.nan)


def band_mean(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Mean of the valid values over the last axis, spread over it; NaN without any."""
    n = valid.sum(-1, keepdims=True)
    total = np.where(valid, values, 0.0).sum(-1, keepdims=True)
    mean = np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
    return np.broadcast_to(mean, values.shape)


def _next(valid: np.ndarray) -> np.ndarray:
    """Index of the next valid date after each; T where there is none."""
    t = valid.shape[-1]
    index = np.where(valid, np.arange(t), t)
    at = np.minimum.accumulate(index[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([at[..., 1:], np.full((*valid.shape[:-1], 1), t)], -1)
