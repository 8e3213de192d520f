"""Where a model is asked about what it never saw: the area of applicability.

Source: Meyer and Pebesma 2021, "Predicting into unknown space? Estimating the area of applicability of spatial
prediction models", Methods in Ecology and Evolution 12, 1620-1633, eqs. 1-6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.errors import LabelError

__all__ = ["Applicability", "fit"]

_BLOCK = 64  # training points compared at once
_CHUNK = 16_384  # pixels compared at once
_PAIRS = 2000  # training points whose mutual distances give the mean


@dataclass(frozen=True, slots=True)
class Applicability:
    """The dissimilarity index (DI) of pixels and the threshold above which they lie outside.

    mean, scale: (F,) of the training features; scale holds importance / standard deviation, 0 where a feature does not
    count. points: (n, G) scaled training points, those that settle most pixels first. distance: mean distance
    between training points. threshold: of the DI. training: (n,) DI of the training points across folds.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    points: NDArray[np.float32]
    distance: float
    threshold: float
    training: NDArray[np.float32]

    def _scaled(self, features: ArrayLike) -> NDArray[np.float32]:
        x = np.asarray(features, np.float32)
        use = self.scale > 0
        return np.ascontiguousarray((x[:, use] - self.mean[use]) * self.scale[use])

    def dissimilarity(self, features: ArrayLike) -> NDArray[np.float32]:
        """DI of (n, F) features: distance to the nearest training point over the mean distance; NaN where missing."""
        x = self._scaled(features)
        nearest = np.full(len(x), np.nan, np.float32)
        fine = np.flatnonzero(np.isfinite(x).all(1))
        for start in range(0, len(fine), _CHUNK):
            here = fine[start : start + _CHUNK]
            nearest[here] = np.sqrt(_squares(x[here], self.points).min(1))
        return nearest / np.float32(self.distance)

    def outside(self, features: ArrayLike) -> NDArray[np.bool_]:
        """(n,) bool: no training point is near enough. The same as DI > threshold, but stops at the first near one."""
        x = self._scaled(features)
        far = np.ones(len(x), bool)
        radius = np.float32((self.threshold * self.distance) ** 2)
        fine = np.flatnonzero(np.isfinite(x).all(1))
        for start in range(0, len(fine), _CHUNK):
            left = fine[start : start + _CHUNK]
            for at in range(0, len(self.points), _BLOCK):
                near = (_squares(x[left], self.points[at : at + _BLOCK]) <= radius).any(1)
                far[left[near]] = False
                left = left[~near]
                if not len(left):
                    break
        return far


def fit(features: ArrayLike, weight: ArrayLike | None, fold: ArrayLike) -> Applicability:
    """Learn the DI from training features and the folds of the spatial cross-validation.

    features: (n, F); weight: (F,) importance of each feature (None: all alike); fold: (n,) ids. Features are scaled to
    mean 0 and deviation 1, then weighted (eqs. 1-2); a training point's own DI is its distance to the nearest point of
    another fold (eq. 4); the threshold is the largest of them up to the upper quartile + 1.5 interquartile ranges.
    Raises LabelError with fewer than two training points.
    """
    x = np.asarray(features, np.float64)
    fine = np.isfinite(x).all(1)
    x, groups = x[fine], np.asarray(fold)[fine]
    if len(x) < 2:
        raise LabelError(
            rule="an area of applicability needs two labelled pixels", got=f"{len(x)}", remedy="add labels"
        )
    mean, deviation = x.mean(0), x.std(0)
    w = np.ones(x.shape[1]) if weight is None else np.clip(np.asarray(weight, float), 0, None)
    w = w / w.max() if w.max() > 0 else np.ones_like(w)
    scale = np.divide(w, deviation, out=np.zeros_like(w), where=deviation > 1e-12 * np.maximum(np.abs(mean), 1e-30))
    if not (scale > 0).any():
        scale = np.ones_like(scale)
    scaled = ((x - mean) * scale)[:, scale > 0].astype(np.float32)
    sample = scaled[:: max(1, len(scaled) // _PAIRS)]
    pairs = np.sqrt(_squares(sample, sample))
    distance = float(pairs.sum() / max(1, len(sample) * (len(sample) - 1))) or 1.0
    own = _across_folds(scaled, groups) / np.float32(distance)
    quarter, three = np.quantile(own, [0.25, 0.75])
    threshold = float(own[own <= three + 1.5 * (three - quarter)].max())
    order = _settling_order(scaled, threshold * distance)
    return Applicability(
        mean.astype(np.float32), scale.astype(np.float32), scaled[order], distance, threshold, own.astype(np.float32)
    )


def _squares(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) squared distances."""
    square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.maximum(square, 0))


def _across_folds(points: NDArray[np.float32], fold: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n,) distance to the nearest point of another fold (of any other point when there is one fold)."""
    out = np.empty(len(points), np.float32)
    single = len(np.unique(fold)) < 2
    for start in range(0, len(points), 1024):
        part = slice(start, min(start + 1024, len(points)))
        square = _squares(points[part], points)
        same = np.zeros(square.shape, bool) if single else fold[part, None] == fold[None]
        same[np.arange(square.shape[0]), np.arange(part.start, part.stop)] = True
        out[part] = np.sqrt(np.where(same, np.inf, square).min(1))
    return out


def _settling_order(points: NDArray[np.float32], radius: float) -> NDArray[np.int64]:
    """Points that have most others within the radius come first, then those that the first leave uncovered."""
    sample = points[:: max(1, len(points) // _PAIRS)]
    near = np.concatenate(
        [_squares(points[i : i + 1024], sample) <= radius**2 for i in range(0, len(points), 1024)], axis=0
    )
    left = np.ones(len(sample), bool)
    order: list[int] = []
    free = np.ones(len(points), bool)
    while len(order) < _BLOCK and left.any():
        gain = (near & left).sum(1) * free
        best = int(gain.argmax())
        if gain[best] == 0:
            break
        order.append(best)
        free[best] = False
        left &= ~near[best]
    return np.concatenate([np.array(order, np.int64), np.flatnonzero(free)])
