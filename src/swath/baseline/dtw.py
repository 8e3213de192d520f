"""The nearest labelled series under dynamic time warping: slow, strong on few labels, knows nothing of dates."""

from __future__ import annotations

import numpy as np

__all__ = ["distances", "nearest"]

MOST = 4_000_000  # numbers held at once


def distances(a: np.ndarray, b: np.ndarray, *, band: int | None = None) -> np.ndarray:
    """(M, N) warping distances of series a (M, T, C) and b (N, S, C): least sum of absolute differences along a path.

    band: steps by which a path may leave the diagonal (Sakoe and Chiba 1978); none by default.
    """
    m, t, _ = a.shape
    n, s, _ = b.shape
    out = np.empty((m, n))
    step = max(1, MOST // max(1, n * s))
    for first in range(0, m, step):
        part = a[first : first + step]
        before = np.full((len(part), n, s + 1), np.inf)
        before[..., 0] = 0.0
        for i in range(t):
            now = np.full_like(before, np.inf)
            for j in range(s):
                if band is None or abs(i * s / t - j) <= band:
                    cost = np.abs(part[:, None, i] - b[None, :, j]).sum(-1)
                    least = np.minimum(np.minimum(before[..., j], before[..., j + 1]), now[..., j])
                    now[..., j + 1] = cost + least
            before = now
        out[first : first + step] = before[..., s]
    return out


def nearest(train: np.ndarray, y: np.ndarray, test: np.ndarray, classes: int, *, band: int | None = None) -> np.ndarray:
    """(M, K): 1 for the class of the nearest labelled series, 0 for others."""
    return np.asarray(np.eye(classes)[y[distances(test, train, band=band).argmin(1)]])
