"""Patch kernels of one size used at others: kernels that see a resized patch as the first saw the whole one.

Beyer et al. 2023, FlexiViT (arXiv 2212.08013), section 3.4: the pseudo-inverse of a bicubic resize. Plain arrays.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["bicubic", "inverse", "resized"]

_SHARPNESS = -0.5  # of Keys' cubic, as antialiased resizing uses it


@cache
def bicubic(size: int, wanted: int) -> np.ndarray:
    """(wanted, size) float64: antialiased cubic resize along one axis, pixel centres, weights that add to 1."""
    scale = size / wanted
    wide = max(scale, 1.0)
    out = np.zeros((wanted, size))
    for i in range(wanted):
        centre = scale * (i + 0.5)
        low, high = max(int(centre - 2 * wide + 0.5), 0), min(int(centre + 2 * wide + 0.5), size)
        weight = _cubic((np.arange(low, high) - centre + 0.5) / wide)
        out[i, low:high] = weight / weight.sum()
    return out


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel."""
    a, x = _SHARPNESS, np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.asarray(np.where(x < 1, near, np.where(x < 2, far, 0.0)))


@cache
def inverse(size: int, wanted: int) -> np.ndarray:
    """(wanted^2, size^2) float64: pseudo-inverse of resizing each of the size^2 unit pictures to wanted x wanted."""
    one = bicubic(size, wanted)
    return np.asarray(np.linalg.pinv(np.kron(one, one).T))


def resized(kernel: Tensor, wanted: int) -> Tensor:
    """A patch kernel (D, C, k, k) for patches of wanted x wanted pixels; itself where that is its own size."""
    size = kernel.shape[-1]
    if size == wanted:
        return kernel
    matrix = torch.tensor(inverse(size, wanted), dtype=kernel.dtype, device=kernel.device)
    return (kernel.flatten(-2) @ matrix.T).reshape(*kernel.shape[:2], wanted, wanted)
