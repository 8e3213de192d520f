"""What surrounds a pixel: smoothing at several scales, openings and closings by flat disks, local texture.

Every function has a bounded reach, leaves out missing pixels, and gives bit for bit the same at a pixel whether the
array is the scene or a window that holds everything within the reach: sums run in a fixed order per pixel.
Reconstruction is not here: its reach has no bound.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

__all__ = ["closing", "disk_reach", "gaussian", "gaussian_reach", "opening", "spread"]

TRUNCATE = 3.0


def gaussian_reach(sigma: float) -> int:
    """Pixels that a truncated Gaussian looks to each side."""
    return math.ceil(TRUNCATE * sigma)


def disk_reach(radius: int) -> int:
    """Pixels that an opening or closing by a disk looks to each side: once to shrink, once to grow."""
    return 2 * radius


def gaussian(planes: np.ndarray, valid: np.ndarray, sigma: float) -> np.ndarray:
    """Mean of the valid neighbours by Gaussian weight (normalised convolution); the value itself where none is valid.

    planes: (F, H, W) float32. valid: (H, W) bool; what lies outside counts as missing. sigma in pixels, truncated at
    three sigma. Source: Knutsson and Westin 1993, "Normalized and differential convolution".
    """
    kernel = _kernel(sigma)
    weight = _blur(valid.astype(np.float64), kernel)
    inside = weight > 0
    divisor = np.where(inside, weight, 1.0)
    out = np.empty_like(planes, dtype=np.float32)
    for i, plane in enumerate(planes):
        total = _blur(np.where(valid, plane, 0).astype(np.float64), kernel)
        out[i] = np.where(inside, total / divisor, plane)
    return out


def spread(planes: np.ndarray, valid: np.ndarray, sigma: float) -> np.ndarray:
    """Local standard deviation (F, H, W) under the same weights as `gaussian`; 0 where no neighbour is valid."""
    kernel = _kernel(sigma)
    weight = _blur(valid.astype(np.float64), kernel)
    inside = weight > 0
    divisor = np.where(inside, weight, 1.0)
    out = np.empty_like(planes, dtype=np.float32)
    for i, plane in enumerate(planes):
        p = np.where(valid, plane, 0).astype(np.float64)
        mean, square = _blur(p, kernel) / divisor, _blur(p * p, kernel) / divisor
        out[i] = np.where(inside, np.sqrt(np.maximum(square - mean * mean, 0)), 0)
    return out


def opening(planes: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """Bright things narrower than a disk of `radius` pixels removed: (F, H, W). Missing pixels take no part.

    Source: Serra 1982, "Image Analysis and Mathematical Morphology"; flat disk, erosion then dilation.
    """
    return np.stack([_grow(_shrink(p, valid, radius), valid, radius, p) for p in planes])


def closing(planes: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """Dark things narrower than a disk of `radius` pixels filled: (F, H, W); the opening of the negative."""
    return np.asarray(-opening(-planes, valid, radius))


def _kernel(sigma: float) -> np.ndarray:
    offset = np.arange(-gaussian_reach(sigma), gaussian_reach(sigma) + 1)
    weight = np.exp(-0.5 * (offset / sigma) ** 2)
    return np.asarray(weight / weight.sum())


def _blur(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    once = ndimage.correlate1d(plane, kernel, axis=0, mode="constant", cval=0.0)
    return np.asarray(ndimage.correlate1d(once, kernel, axis=1, mode="constant", cval=0.0))


def _half_widths(radius: int) -> list[int]:
    """Half width of a disk's rows, from its centre row to its last."""
    return [int(math.sqrt((radius + 0.5) ** 2 - dy * dy)) for dy in range(radius + 1)]


def _shrink(plane: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """Minimum over the valid pixels of a disk; +inf where there is none."""
    p = np.where(valid, plane, np.inf).astype(np.float32)
    out = np.full_like(p, np.inf)
    run = p.copy()
    half = 0
    for dy, wanted in sorted(enumerate(_half_widths(radius)), key=lambda row: row[1]):
        while half < wanted:  # the minimum over a longer run of a row, from that over a shorter one
            half += 1
            if half < p.shape[1]:
                np.minimum(run[:, :-half], p[:, half:], out=run[:, :-half])
                np.minimum(run[:, half:], p[:, :-half], out=run[:, half:])
        if dy < len(p):
            np.minimum(out[: len(out) - dy], run[dy:], out=out[: len(out) - dy])
            np.minimum(out[dy:], run[: len(run) - dy], out=out[dy:])
    return out


def _grow(plane: np.ndarray, valid: np.ndarray, radius: int, otherwise: np.ndarray) -> np.ndarray:
    """Maximum over the valid pixels of a disk; `otherwise` at missing pixels."""
    grown = -_shrink(-np.where(valid, plane, -np.inf).astype(np.float32), valid, radius)
    return np.asarray(np.where(valid, grown, otherwise), dtype=np.float32)
