"""How good answers over time are: errors by how far ahead, coverage and width of intervals, CRPS. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LEVELS", "bin_of", "covered", "crps", "crps_of_quantiles", "pinball", "width"]

Floats = NDArray[np.float64]
LEVELS = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""Quantile levels at which an interval's whole distribution is told."""


def crps(draws: ArrayLike, truth: ArrayLike) -> Floats:
    """Continuous ranked probability score of D draws (D, ...) against the truth (...), in its unit; smaller is better.

    Unbiased in the number of draws ("fair": Ferro 2014), so that models of different draws compare; one draw gives the
    absolute error. NaN where any draw or the truth is missing. Source: Gneiting and Raftery 2007, eq. 21.
    """
    x, y = np.asarray(draws, float), np.asarray(truth, float)
    n = len(x)
    near = np.abs(x - y).mean(0)
    if n < 2:
        return np.asarray(near)
    ordered = np.sort(x, axis=0)
    weight = (2 * np.arange(1, n + 1) - n - 1).reshape(-1, *[1] * y.ndim)
    spread = (weight * ordered).sum(0) / (n * (n - 1))  # half the mean distance of two different draws
    return np.asarray(near - spread)


def pinball(quantile: ArrayLike, level: ArrayLike, truth: ArrayLike) -> Floats:
    """Loss of a quantile at its level: level x miss above, (1 - level) x miss below."""
    miss = np.asarray(truth, float) - np.asarray(quantile, float)
    a = np.asarray(level, float)
    return np.asarray(np.maximum(a * miss, (a - 1) * miss))


def crps_of_quantiles(quantiles: ArrayLike, truth: ArrayLike, levels: ArrayLike = LEVELS) -> Floats:
    """CRPS from Q quantiles (Q, ...) at evenly spaced levels: twice their mean pinball loss."""
    q = np.asarray(quantiles, float)
    a = np.asarray(levels, float).reshape(-1, *[1] * (q.ndim - 1))
    return np.asarray(2 * pinball(q, a, np.asarray(truth, float)[None]).mean(0))


def covered(low: ArrayLike, high: ArrayLike, truth: ArrayLike) -> Floats:
    """1 where the truth lies in its interval, 0 where not, NaN where one of the three is missing."""
    lo, hi, y = (np.asarray(v, float) for v in (low, high, truth))
    known = np.isfinite(lo) & np.isfinite(hi) & np.isfinite(y)
    return np.where(known, (lo <= y) & (y <= hi), np.nan)


def width(low: ArrayLike, high: ArrayLike) -> Floats:
    """How wide intervals are."""
    return np.asarray(np.asarray(high, float) - np.asarray(low, float))


def bin_of(size: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Which bin a gap or lead belongs to: bin k ends with edges[k], the last is open. edges: rising."""
    return np.asarray(np.searchsorted(np.asarray(edges, float), np.asarray(size, float), side="left"), np.int64)
