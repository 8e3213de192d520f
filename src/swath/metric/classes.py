"""How well classes agree: the confusion matrix and everything counted from it. Arrays in, numbers out.

Rows are map classes, columns truth. Every score takes (..., K, K), so many resampled matrices go in at once.
A class in neither truth nor map is undefined (NaN) and means leave it out; a class only mapped scores 0 in F1 and IoU.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "balanced",
    "confusion",
    "confusion_by_place",
    "f1",
    "f1_macro",
    "iou",
    "kappa",
    "overall",
    "present",
    "producers",
    "users",
]

Floats = NDArray[np.float64]


def confusion(
    mapped: ArrayLike,
    truth: ArrayLike,
    classes: int,
    *,
    weight: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Floats:
    """Count pairs: (K, K), rows = map, columns = truth.

    mapped, truth: class indices 0..K-1 of one shape; pairs with an index outside (no data) or not `valid` are left out.
    weight: what each pair counts, 1 by default. Raises ValueError when shapes differ.
    """
    return np.asarray(confusion_by_place(mapped, truth, classes, weight=weight, valid=valid)[0])


def confusion_by_place(
    mapped: ArrayLike,
    truth: ArrayLike,
    classes: int,
    *,
    place: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    valid: ArrayLike | None = None,
) -> Floats:
    """One matrix a place: (P, K, K), places in sorted order of their ids (P = 1 without `place`).

    They sum to `confusion`; the block bootstrap resamples them.
    """
    m, t = np.asarray(mapped).ravel(), np.asarray(truth).ravel()
    if m.shape != t.shape:
        raise ValueError(f"map and truth have one shape; got {np.shape(mapped)} and {np.shape(truth)}")
    keep = (m >= 0) & (m < classes) & (t >= 0) & (t < classes)
    if valid is not None:
        keep &= np.asarray(valid, bool).ravel()
    if place is None:
        where, count = np.zeros(len(m), np.int64), 1
    else:
        ids, where = np.unique(np.asarray(place).ravel(), return_inverse=True)
        count = len(ids)
    w = None if weight is None else np.asarray(weight, float).ravel()[keep]
    flat = (where[keep] * classes + m[keep].astype(np.int64)) * classes + t[keep].astype(np.int64)
    counts = np.bincount(flat, weights=w, minlength=count * classes * classes)
    return counts.astype(np.float64).reshape(count, classes, classes)


def present(matrix: ArrayLike) -> NDArray[np.bool_]:
    """(..., K): classes that occur in the truth or in the map; the others are undefined."""
    c = np.asarray(matrix, float)
    return np.asarray((c.sum(-1) > 0) | (c.sum(-2) > 0))


def overall(matrix: ArrayLike) -> Floats:
    """Share of the weight on the diagonal (overall accuracy); NaN for an empty matrix."""
    c = np.asarray(matrix, float)
    return _ratio(np.trace(c, axis1=-2, axis2=-1), c.sum((-2, -1)))


def users(matrix: ArrayLike) -> Floats:
    """(..., K): share of each map class that is right (user's accuracy, precision); NaN where a class is not mapped."""
    c = np.asarray(matrix, float)
    return _ratio(_diagonal(c), c.sum(-1))


def producers(matrix: ArrayLike) -> Floats:
    """(..., K): share of each true class that the map has (producer's accuracy, recall); NaN where no truth."""
    c = np.asarray(matrix, float)
    return _ratio(_diagonal(c), c.sum(-2))


def f1(matrix: ArrayLike) -> Floats:
    """(..., K): harmonic mean of user's and producer's accuracy, 2 n_kk / (row + column); NaN for an absent class."""
    c = np.asarray(matrix, float)
    return _ratio(2 * _diagonal(c), c.sum(-1) + c.sum(-2))


def iou(matrix: ArrayLike) -> Floats:
    """(..., K): intersection over union; NaN for an absent class."""
    c = np.asarray(matrix, float)
    return _ratio(_diagonal(c), c.sum(-1) + c.sum(-2) - _diagonal(c))


def balanced(matrix: ArrayLike) -> Floats:
    """Mean producer's accuracy over the classes that the truth has (balanced accuracy)."""
    return _mean(producers(matrix))


def f1_macro(matrix: ArrayLike) -> Floats:
    """Mean F1 over the classes present in truth or map."""
    return _mean(f1(matrix))


def kappa(matrix: ArrayLike) -> Floats:
    """Cohen's kappa (Cohen 1960): agreement beyond chance; NaN where chance alone agrees fully."""
    c = np.asarray(matrix, float)
    total = c.sum((-2, -1))
    chance = _ratio((c.sum(-1) * c.sum(-2)).sum(-1), total**2)
    return _ratio(overall(c) - chance, 1 - chance)


def _diagonal(c: Floats) -> Floats:
    return np.asarray(np.diagonal(c, axis1=-2, axis2=-1))


def _ratio(top: ArrayLike, bottom: ArrayLike) -> Floats:
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out


def _mean(scores: Floats) -> Floats:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    defined = np.isfinite(scores)
    return _ratio(np.where(defined, scores, 0.0).sum(-1), defined.sum(-1))
