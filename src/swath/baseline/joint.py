"""Two classifications of one place judged together: a pair of classes is believed by what both dates say and how common it is.

Two maps that err apart show change where nothing changed: with accuracy a of each date and K classes, independent errors
mark 1 - a^2 - (1 - a)^2 / (K - 1) of the unchanged ground. How common each pair is, is learned from the scene itself by
expectation-maximisation (Bruzzone and Serpico 1997, IEEE TGRS 35, 858-867), so that rare pairs need strong evidence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["false_change", "posterior", "prior"]

Floats = NDArray[np.float64]
ROUNDS = 60
LEAST = 1e-4  # no pair is ruled out


def false_change(accuracy: float, classes: int) -> float:
    """Share of unchanged pixels that two independent classifications of this accuracy mark as changed.

    >>> round(false_change(0.6, 10), 3)
    0.622
    """
    return 1 - accuracy**2 - (1 - accuracy) ** 2 / (classes - 1)


def posterior(before: ArrayLike, after: ArrayLike, pairs: ArrayLike, share: ArrayLike) -> NDArray[np.float32]:
    """(K, K, ...) probability of each pair of classes, from class probabilities (K, ...) of both dates.

    pairs (K, K): how common each pair is; share (K,): of the classes where the classifier was trained.
    """
    a, b = np.asarray(before, np.float32), np.asarray(after, np.float32)
    weight = (np.asarray(pairs, float) / _outer(share)).astype(np.float32)
    extra = (1,) * (a.ndim - 1)
    out = a[:, None] * b[None] * weight.reshape(*weight.shape, *extra)
    return np.asarray(out / np.maximum(out.sum((0, 1)), 1e-12), np.float32)


def prior(before: ArrayLike, after: ArrayLike, share: ArrayLike, *, rounds: int = ROUNDS) -> Floats:
    """(K, K) how common each pair of classes is, from probabilities (n, K) of pixels on both dates; sums to 1."""
    a, b = np.asarray(before, float), np.asarray(after, float)
    inverse = 1 / _outer(share)
    k = a.shape[1]
    pairs = np.full((k, k), 0.1 / max(1, k * k - k))
    np.fill_diagonal(pairs, 0.9 / k)
    for _ in range(rounds):
        weight = pairs * inverse
        total = np.einsum("ni,nj,ij->n", a, b, weight, optimize=True)
        new = weight * (a.T @ (b / np.maximum(total, 1e-300)[:, None])) / max(1, len(a))
        new = np.maximum(new, LEAST / k**2)
        new /= new.sum()
        done = np.abs(new - pairs).max() < 1e-6
        pairs = new
        if done:
            break
    return np.asarray(pairs)


def _outer(share: ArrayLike) -> Floats:
    one = np.asarray(share, float)
    return np.asarray(np.outer(one, one))
