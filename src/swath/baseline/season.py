"""What the dates of a pixel tell, with gaps and uneven spacing: filled series, statistics over time, harmonics.

Series are (T, C, H, W) with a mask of the same shape and T days since 1970. Every pixel is worked by itself in a
fixed order, so windows and the whole scene agree bit for bit.
"""

from __future__ import annotations

import numpy as np

__all__ = ["HARMONIC_NAMES", "STATISTIC_NAMES", "harmonics", "interpolate", "statistics"]

YEAR = 365.25
STATISTIC_NAMES = ("mean", "deviation", "p10", "p50", "p90")
HARMONIC_NAMES = ("level", "cos1", "sin1", "cos2", "sin2", "amplitude1")
_RIDGE = 0.5


def interpolate(values: np.ndarray, valid: np.ndarray, day: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The series at `wanted` days: (U, C, H, W), straight between the valid dates around, constant beyond them.

    A valid date is given back as it is; NaN where a pixel has no valid date at all.
    """
    dates = len(day)
    if dates == 1:
        only = np.where(valid[0], values[0], np.nan).astype(np.float32)
        return np.broadcast_to(only, (len(wanted), *only.shape)).copy()
    index = np.arange(dates).reshape(-1, 1, 1, 1)
    before = np.maximum.accumulate(np.where(valid, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(valid, index, dates)[::-1], axis=0)[::-1]
    out = np.empty((len(wanted), *values.shape[1:]), np.float32)
    for u, when in enumerate(wanted):
        k = int(np.searchsorted(day, when, side="right")) - 1
        left = before[k] if k >= 0 else np.full(values.shape[1:], -1)
        next_one = k if k >= 0 and day[k] == when else k + 1
        right = after[next_one] if next_one < dates else np.full(values.shape[1:], dates)
        from_left = np.where(left < 0, right, left)
        from_right = np.where(right >= dates, left, right)
        nothing = (from_left < 0) | (from_left >= dates)
        a, b = np.where(nothing, 0, from_left), np.where(nothing, 0, from_right)
        va, vb = (np.take_along_axis(values, i[None], axis=0)[0] for i in (a, b))
        gap = day[b] - day[a]
        share = np.where(gap > 0, (when - day[a]) / np.where(gap > 0, gap, 1), 0).astype(np.float32)
        out[u] = np.where(nothing, np.nan, np.where(share == 0, va, va + share * (vb - va)))
    return out


def statistics(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Mean, deviation and percentiles over the valid dates: (5, C, H, W) in the order of STATISTIC_NAMES.

    NaN without any. Percentiles are straight between ordered values (Hyndman and Fan 1996, type 7).
    """
    count = valid.sum(0)
    divisor = np.maximum(count, 1)
    total = np.zeros(values.shape[1:], np.float64)
    for date, good in zip(values, valid, strict=True):
        total += np.where(good, date, 0)
    mean = total / divisor
    square = np.zeros_like(mean)
    for date, good in zip(values, valid, strict=True):
        square += np.where(good, date - mean, 0) ** 2
    ordered = np.sort(np.where(valid, values, np.inf), axis=0)
    rows = [mean, np.sqrt(square / divisor)]
    for share in (0.1, 0.5, 0.9):
        place = share * (divisor - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, divisor - 1)
        a, b = (np.take_along_axis(ordered, i[None], axis=0)[0].astype(np.float64) for i in (low, high))
        with np.errstate(invalid="ignore"):
            rows.append(a + (place - low) * (b - a))
    return np.where(count > 0, np.stack(rows), np.nan).astype(np.float32)


def harmonics(values: np.ndarray, valid: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Yearly and half-yearly waves fitted to the valid dates: (6, C, H, W) in the order of HARMONIC_NAMES.

    Least squares with a small ridge on the waves, so that few dates give a flat curve and not a wild one; a date
    counts where all C bands are valid; NaN where none does. Source: Roerink et al. 2000 (HANTS), without its rejection.
    """
    good = np.asarray(valid.all(axis=1))
    phase = np.asarray(2 * np.pi * (day - np.floor(day.min() / YEAR) * YEAR) / YEAR, np.float64)
    basis = np.stack([np.ones_like(phase), np.cos(phase), np.sin(phase), np.cos(2 * phase), np.sin(2 * phase)])
    terms, (_, bands, height, width) = len(basis), values.shape
    normal = np.zeros((terms, terms, height, width))
    right = np.zeros((terms, bands, height, width))
    for t in range(len(day)):
        weight = good[t].astype(np.float64)
        date = np.where(good[t], values[t], 0).astype(np.float64)
        for i in range(terms):
            right[i] += basis[i, t] * date
            for j in range(i, terms):
                normal[i, j] += basis[i, t] * basis[j, t] * weight
    for i in range(terms):
        normal[i, i] += _RIDGE if i else 1e-9
        for j in range(i):
            normal[i, j] = normal[j, i]
    solved = _solve(normal, right)
    amplitude = np.sqrt(solved[1] ** 2 + solved[2] ** 2)
    out = np.concatenate([solved, amplitude[None]])
    return np.where(good.any(0), out, np.nan).astype(np.float32)


def _solve(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve for x: normal (P, P, H, W) x = right (P, C, H, W) by Cholesky, plane by plane."""
    size = len(normal)
    low = np.zeros_like(normal)
    for j in range(size):
        for i in range(j, size):
            rest = normal[i, j].copy()
            for k in range(j):
                rest -= low[i, k] * low[j, k]
            low[i, j] = np.sqrt(np.maximum(rest, 1e-12)) if i == j else rest / low[j, j]
    forward = np.empty_like(right)
    for i in range(size):
        rest = right[i].copy()
        for k in range(i):
            rest -= low[i, k] * forward[k]
        forward[i] = rest / low[i, i]
    out = np.empty_like(right)
    for i in reversed(range(size)):
        rest = forward[i].copy()
        for k in range(i + 1, size):
            rest -= low[k, i] * out[k]
        out[i] = rest / low[i, i]
    return out
