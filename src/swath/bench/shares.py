"""Few labels, drawn so that smaller sets lie inside larger ones and no class is lost."""

from __future__ import annotations

import numpy as np

from swath.errors import LabelError
from swath.sample.burn import priority

__all__ = ["nested", "strata"]

_BINS = 3


def nested(stratum: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Sorted indices of `share` of the items of each stratum, rounded half up, and at least one.

    stratum: (n,) of anything that sorts. The order within a stratum is a function of index and seed alone, so that with
    one seed 10 % lie inside 50 %. Raises LabelError unless 0 < share <= 1.
    """
    if not 0 < share <= 1:
        raise LabelError(rule="a share of labels lies above 0 and up to 1", got=f"{share}", remedy="give e.g. 0.1")
    group = np.unique(np.asarray(stratum), return_inverse=True)[1].ravel()
    order = np.lexsort((priority(np.arange(len(group)), seed), group))
    size = np.bincount(group)
    rank = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    quota = np.maximum(1, np.floor(size * share + 0.5 + 1e-9).astype(np.int64))
    return np.sort(order[rank < np.repeat(quota, size)])


def strata(target: np.ndarray, *, classes: int | None = None) -> np.ndarray:
    """(n,) stratum of each item, for `nested`.

    target: class index (n,) or text; numbers (n,): five groups of equal size, the largest value among them; masks
    (n, H, W) of class indices, negative where none: items with alike shares of each class (none, up to a third, up to
    two thirds, more) make a stratum.
    """
    target = np.asarray(target)
    if target.ndim == 3 and target.dtype.kind in "iub":
        count = int(target.max(initial=0)) + 1 if classes is None else classes
        return np.unique(_mixture(target, count), axis=0, return_inverse=True)[1].ravel()
    if target.ndim > 1:
        target = np.nanmean(target.reshape(len(target), -1).astype(float), axis=1)
    if target.dtype.kind == "f":
        edges = np.unique(np.quantile(target, np.linspace(0, 1, 6)[1:-1]))
        return np.searchsorted(edges, target, side="right")
    return np.unique(target, return_inverse=True)[1].ravel()


def _mixture(mask: np.ndarray, classes: int) -> np.ndarray:
    """(n, K): in which third the share of each class lies, 0 for none."""
    flat = mask.reshape(len(mask), -1)
    counts = np.stack([(flat == k).sum(1) for k in range(classes)], axis=1)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return np.asarray(np.ceil(share * _BINS - 1e-9).astype(np.int64))
