"""How far numbers are from the truth: rmse, mae, r2, bias, how often intervals hold. Arrays in, numbers out.

Scores are computed from sums of `moments`, so that places can be resampled: every score takes (..., 6).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bias", "interval_coverage", "mae", "moments", "moments_by_place", "r2", "rmse"]

Floats = NDArray[np.float64]


def moments(
    predicted: ArrayLike, truth: ArrayLike, *, weight: ArrayLike | None = None, valid: ArrayLike | None = None
) -> Floats:
    """(6,): sums of weight, error, |error|, error squared, truth, truth squared; pairs that are not finite are left out.

    error = predicted - truth. The truth is centred on its mean first, so that r2 loses no digits.
    """
    return np.asarray(moments_by_place(predicted, truth, weight=weight, valid=valid)[0])


def moments_by_place(
    predicted: ArrayLike,
    truth: ArrayLike,
    *,
    place: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Floats:
    """`moments` of each place: (P, 6), places in sorted order of their ids. Raises ValueError when shapes differ."""
    p, t = np.asarray(predicted, float).ravel(), np.asarray(truth, float).ravel()
    if p.shape != t.shape:
        raise ValueError(f"prediction and truth have one shape; got {np.shape(predicted)} and {np.shape(truth)}")
    keep = np.isfinite(p) & np.isfinite(t)
    if valid is not None:
        keep &= np.asarray(valid, bool).ravel()
    w = np.ones(len(p)) if weight is None else np.asarray(weight, float).ravel()
    ids, where = (np.zeros(1), np.zeros(len(p), int)) if place is None else np.unique(place, return_inverse=True)
    where = np.asarray(where).ravel()[keep]
    p, t, w = p[keep], t[keep], w[keep]
    centred = t - (np.average(t, weights=w) if w.sum() > 0 else 0.0)
    error = p - t
    columns = (w, w * error, w * np.abs(error), w * error**2, w * centred, w * centred**2)
    return np.stack([np.bincount(where, weights=c, minlength=len(ids)) for c in columns], axis=1)


def rmse(sums: ArrayLike) -> Floats:
    """Root of the mean squared error, in the unit of the truth."""
    s = np.asarray(sums, float)
    return np.sqrt(_ratio(s[..., 3], s[..., 0]))


def mae(sums: ArrayLike) -> Floats:
    """Mean absolute error, in the unit of the truth."""
    s = np.asarray(sums, float)
    return _ratio(s[..., 2], s[..., 0])


def bias(sums: ArrayLike) -> Floats:
    """Mean of predicted minus true, in the unit of the truth."""
    s = np.asarray(sums, float)
    return _ratio(s[..., 1], s[..., 0])


def r2(sums: ArrayLike) -> Floats:
    """1 - squared errors / squared deviations of the truth from its mean; NaN for a constant truth; may be negative."""
    s = np.asarray(sums, float)
    spread = s[..., 5] - _ratio(s[..., 4] ** 2, s[..., 0])
    enough = spread > 1e-12 * np.maximum(np.abs(s[..., 5]), 1e-300)
    return np.asarray(np.where(enough, 1 - _ratio(s[..., 3], np.where(enough, spread, 0.0)), np.nan))


def interval_coverage(low: ArrayLike, high: ArrayLike, truth: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Share of the truth inside [low, high]; triples that are not finite are left out; NaN when none is left."""
    lo, hi, t = (np.asarray(v, float).ravel() for v in (low, high, truth))
    keep = np.isfinite(lo) & np.isfinite(hi) & np.isfinite(t)
    w = np.ones(len(t)) if weight is None else np.asarray(weight, float).ravel()
    inside = (lo <= t) & (t <= hi)
    return float(_ratio((w * inside)[keep].sum(), w[keep].sum()))


def _ratio(top: ArrayLike, bottom: ArrayLike) -> Floats:
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
