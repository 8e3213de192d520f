"""Whether stated probabilities come true: reliability bins, expected calibration error, Brier score."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["brier", "calibration_error", "reliability"]

Floats = NDArray[np.float64]


def reliability(
    probability: ArrayLike, truth: ArrayLike, *, bins: int = 10, weight: ArrayLike | None = None
) -> dict[str, Floats]:
    """Bins of the most probable class's probability: what was stated against what came true.

    probability: (n, K), rows sum to 1; rows that are not finite are left out. truth: (n,) class index.
    Gives edges (bins + 1), stated and observed (bins, NaN where empty) and count (bins, the weight in each).
    """
    p, t = np.asarray(probability, float), np.asarray(truth)
    keep = np.isfinite(p).all(1) & (t >= 0) & (t < p.shape[1])
    p, t = p[keep], t[keep]
    w = np.ones(len(t)) if weight is None else np.asarray(weight, float)[keep]
    top = p.max(1) if len(p) else np.zeros(0)
    right = p.argmax(1) == t if len(p) else np.zeros(0, bool)
    edges = np.linspace(0.0, 1.0, bins + 1)
    where = np.clip(np.digitize(top, edges[1:-1], right=True), 0, bins - 1)
    count = np.bincount(where, weights=w, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        stated = np.bincount(where, weights=w * top, minlength=bins) / count
        observed = np.bincount(where, weights=w * right, minlength=bins) / count
    return {"edges": edges, "stated": stated, "observed": observed, "count": np.asarray(count, float)}


def calibration_error(bins: dict[str, Floats]) -> float:
    """Expected calibration error (Naeini et al. 2015): the gaps of `reliability`, weighted by count; NaN when empty."""
    count = bins["count"]
    if count.sum() <= 0:
        return float("nan")
    gap = np.where(count > 0, np.abs(bins["stated"] - bins["observed"]), 0.0)
    return float((count * gap).sum() / count.sum())


def brier(probability: ArrayLike, truth: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Mean squared distance of (n, K) probabilities from the one-hot truth (Brier 1950): 0 best, 2 worst."""
    p, t = np.asarray(probability, float), np.asarray(truth, int)
    keep = np.isfinite(p).all(1) & (t >= 0) & (t < p.shape[1])
    if not keep.any():
        return float("nan")
    one = np.eye(p.shape[1])[t[keep]]
    w = None if weight is None else np.asarray(weight, float)[keep]
    return float(np.average(((p[keep] - one) ** 2).sum(1), weights=w))
