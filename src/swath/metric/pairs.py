"""How well change between two dates is told: pooled counts in, numbers out. Class 0 is no change.

Rows are what was said, columns the truth, as in `metric.classes`; every score takes (..., K, K), so that resampled matrices
go in at once. Counts are pooled over scenes before anything is divided: means of scores of single pictures, of which most
hold no change, say something else. Where there is no change in truth and answer, scores of change are not applicable: NaN,
and `why` says so; they are never 0 or 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.metric.classes import kappa

__all__ = [
    "NOT_APPLICABLE", "binary", "f1", "f_semantic", "iou", "miou", "precision", "recall", "sek", "transitions", "why",
]  # fmt: skip

Floats = NDArray[np.float64]
NOT_APPLICABLE = "no change in truth and prediction: not applicable"


def binary(matrix: ArrayLike) -> Floats:
    """(..., 2, 2) of (..., K, K): no change against any change."""
    c = np.asarray(matrix, float)
    out = np.zeros((*c.shape[:-2], 2, 2))
    out[..., 0, 0], out[..., 0, 1] = c[..., 0, 0], c[..., 0, 1:].sum(-1)
    out[..., 1, 0], out[..., 1, 1] = c[..., 1:, 0].sum(-1), c[..., 1:, 1:].sum((-2, -1))
    return out


def precision(matrix: ArrayLike) -> Floats:
    """Share of the change that was said which is change; NaN where none was said."""
    b = binary(matrix)
    return _ratio(b[..., 1, 1], b[..., 1, :].sum(-1))


def recall(matrix: ArrayLike) -> Floats:
    """Share of the true change that was found; NaN where there is none."""
    b = binary(matrix)
    return _ratio(b[..., 1, 1], b[..., :, 1].sum(-1))


def f1(matrix: ArrayLike) -> Floats:
    """F1 of change, 2 TP / (2 TP + FP + FN); NaN where there is change neither in truth nor in the answer."""
    b = binary(matrix)
    hit, wrong = b[..., 1, 1], b[..., 1, 0] + b[..., 0, 1]
    return _ratio(2 * hit, 2 * hit + wrong)


def iou(matrix: ArrayLike) -> Floats:
    """Intersection over union of change; NaN where there is change neither in truth nor in the answer."""
    b = binary(matrix)
    return _ratio(b[..., 1, 1], b[..., 1, 1] + b[..., 1, 0] + b[..., 0, 1])


def miou(matrix: ArrayLike) -> Floats:
    """Mean IoU of no change and of change; NaN where either is not applicable."""
    b = binary(matrix)
    return (_ratio(b[..., 0, 0], b[..., 0, 0] + b[..., 1, 0] + b[..., 0, 1]) + iou(matrix)) / 2


def sek(matrix: ArrayLike) -> Floats:
    """Separated kappa: kappa of the matrix without its unchanged-and-told-so pixels, times exp(IoU of change - 1).

    Source: Yang et al. 2022, IEEE TGRS 60 (SECOND). NaN where there is change neither in truth nor in the answer.
    """
    c = np.array(matrix, float)
    c[..., 0, 0] = 0
    return kappa(c) * np.exp(iou(matrix) - 1)


def f_semantic(matrix: ArrayLike) -> Floats:
    """F1 of kinds of change: harmonic mean of right kinds among what was said, and among what changed.

    0 where something was said or changed and no kind is right; NaN where there is neither.
    """
    c = np.asarray(matrix, float)
    right = np.trace(c[..., 1:, 1:], axis1=-2, axis2=-1)
    b = binary(matrix)
    return _ratio(2 * right, b[..., 1, :].sum(-1) + b[..., :, 1].sum(-1))


def transitions(before: ArrayLike, after: ArrayLike, classes: int, *, weight: ArrayLike | None = None) -> Floats:
    """(K, K) area (or count) of each pair of classes, before down, after across; indices outside 0..K-1 are left out."""
    a, b = np.asarray(before).ravel(), np.asarray(after).ravel()
    if a.shape != b.shape:
        raise ValueError(f"both dates have one shape; got {np.shape(before)} and {np.shape(after)}")
    keep = (a >= 0) & (a < classes) & (b >= 0) & (b < classes)
    w = None if weight is None else np.asarray(weight, float).ravel()[keep]
    counts = np.bincount(a[keep].astype(np.int64) * classes + b[keep], weights=w, minlength=classes**2)
    return counts.reshape(classes, classes).astype(float)


def why(matrix: ArrayLike) -> str:
    """The reason for which scores of change are not applicable; "" where they are."""
    b = binary(np.asarray(matrix, float))
    return NOT_APPLICABLE if b[..., 1, :].sum() + b[..., 0, 1].sum() == 0 else ""


def _ratio(top: ArrayLike, bottom: ArrayLike) -> Floats:
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
