"""Whether a score ranks what it should: AUROC, its graded form CPA, curves of error against what is kept.

Also who is whose nearest neighbour, which decides whether an embedding is right without any classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Curve", "auroc", "cpa", "keep_best", "nearest_other", "rank_correlation"]


def auroc(score: ArrayLike, label: ArrayLike) -> float:
    """Share of (positive, negative) pairs that the score puts in the right order, ties half. NaN with one class only.

    score (M,): higher for positives. label (M,): 0 or 1.
    """
    from scipy.stats import rankdata

    s, y = np.asarray(score, float), np.asarray(label).astype(bool)
    positive, negative = int(y.sum()), int((~y).sum())
    if not positive or not negative:
        return float("nan")
    return float((rankdata(s)[y].sum() - positive * (positive + 1) / 2) / (positive * negative))


def cpa(response: ArrayLike, predictor: ArrayLike) -> float:
    """Coefficient of predictive ability: AUROC for a graded response; 1 perfect, 0.5 none, NaN for one that is constant.

    Source: Gneiting and Walz 2022, "Receiver operating characteristic (ROC) movies, universal ROC (UROC) curves, and
    coefficient of predictive ability (CPA)", Machine Learning 111: covariances of the response's classes with mid
    ranks of predictor and response.
    """
    from scipy.stats import rankdata

    y, x = np.asarray(response, float), np.asarray(predictor, float)
    if len(y) < 2 or (y == y[0]).all():
        return float("nan")
    dense = rankdata(y, "dense")
    own = np.cov(dense, rankdata(y))[0, 1]
    return float((np.cov(dense, rankdata(x))[0, 1] / own + 1) / 2)


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's; items with a NaN are left out; NaN for one that is constant."""
    from scipy.stats import spearmanr

    x, y = np.asarray(a, float), np.asarray(b, float)
    fine = np.isfinite(x) & np.isfinite(y)
    x, y = x[fine], y[fine]
    return float("nan") if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0 else float(spearmanr(x, y).statistic)


def nearest_other(vectors: ArrayLike, *, place: ArrayLike | None = None, block: int = 1024) -> NDArray[np.int64]:
    """Index of the most similar other vector by cosine, (M,); never the item itself, also among exact duplicates.

    place (M,): items of one place are not neighbours of each other either. -1 where nothing is left. Ties: the first.
    """
    v = np.asarray(vectors, np.float32)
    v = v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)
    where = np.arange(len(v)) if place is None else np.unique(np.asarray(place), return_inverse=True)[1]
    out = np.full(len(v), -1, np.int64)
    for start in range(0, len(v), block):
        likeness = v[start : start + block] @ v.T
        likeness[where[start : start + block, None] == where[None, :]] = -np.inf
        best = likeness.argmax(1)
        found = np.isfinite(likeness[np.arange(len(best)), best])
        out[start : start + len(best)] = np.where(found, best, -1)
    return out


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean error among the items kept against the share kept, the surest first. share, error: (M,). area: mean of error."""

    share: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve: the mean error over all shares; lower is better."""
        return float(self.error.mean())


def keep_best(error: ArrayLike, doubt: ArrayLike) -> Curve:
    """The curve of selective risk (El-Yaniv and Wiener 2010): keep the items of least doubt, and look at their error.

    error (M,): 0 or 1, or any loss; doubt (M,). Items of equal doubt share their mean error, so that their order cannot
    matter.
    """
    e, d = np.asarray(error, float), np.asarray(doubt, float)
    _, group = np.unique(d, return_inverse=True)
    mean = np.bincount(group, e) / np.bincount(group)
    ranked = mean[np.sort(group)]
    n = np.arange(1, len(e) + 1)
    return Curve(n / len(e), np.cumsum(ranked) / n)
