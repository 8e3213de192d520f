"""Whether a neighbour's labels are right: equality, sets of labels, and the shares of classes in a mask.

Source: "On the Generalization of Representation Uncertainty in Earth Observation" (arXiv 2503.07082), criteria of its code.
Query and neighbour: (M, K) multi-hot labels or shares of classes, or (M, H, W) masks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["all_of", "cells", "hellinger", "one_of", "same", "same_shares", "share_of", "shares"]


def same(query: ArrayLike, neighbour: ArrayLike) -> NDArray[np.float64]:
    """1 where the two labels (M,) are equal."""
    return np.equal(query, neighbour).astype(np.float64)


def one_of(query: ArrayLike, neighbour: ArrayLike) -> NDArray[np.float64]:
    """1 where the neighbour has at least one of the query's labels; NaN for a query without labels."""
    q, n = np.asarray(query, bool), np.asarray(neighbour, bool)
    return np.where(q.any(1), (q & n).any(1), np.nan)


def all_of(query: ArrayLike, neighbour: ArrayLike) -> NDArray[np.float64]:
    """1 where the neighbour has every label of the query, whatever else it has; NaN for a query without labels."""
    q, n = np.asarray(query, bool), np.asarray(neighbour, bool)
    return np.where(q.any(1), (~q | n).all(1), np.nan)


def share_of(query: ArrayLike, neighbour: ArrayLike) -> NDArray[np.float64]:
    """Share of the query's labels that the neighbour has (graded); NaN for a query without labels."""
    q, n = np.asarray(query, bool), np.asarray(neighbour, bool)
    count = q.sum(1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, (q & n).sum(1) / count, np.nan)


def shares(masks: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Shares of the classes 0..K-1 in masks (..., H, W): (..., K); negative pixels do not count; NaN where none counts."""
    m = np.asarray(masks)
    found = np.stack([(m == k).sum((-2, -1)) for k in range(classes)], -1).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(found / found.sum(-1, keepdims=True))


def hellinger(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Hellinger distance of two distributions (..., K), 0 to 1: sqrt(sum (sqrt p - sqrt q)^2 / 2)."""
    gap = np.sqrt(np.asarray(p, float)) - np.sqrt(np.asarray(q, float))
    return np.asarray(np.sqrt(0.5 * (gap**2).sum(-1)))


def same_shares(query: ArrayLike, neighbour: ArrayLike, *, within: float = 0.1) -> NDArray[np.float64]:
    """1 where the shares of classes (M, K) lie within a Hellinger distance of each other."""
    far = hellinger(query, neighbour)
    return np.where(np.isfinite(far), far < within, np.nan)


def cells(masks: ArrayLike, side: int = 3) -> list[NDArray[np.int64]]:
    """The side x side cells of masks (M, H, W), row by row, as even as whole pixels allow."""
    m = np.asarray(masks)
    rows, columns = (np.linspace(0, n, side + 1).round().astype(int) for n in m.shape[1:])
    return [m[:, rows[i] : rows[i + 1], columns[j] : columns[j + 1]] for i in range(side) for j in range(side)]
