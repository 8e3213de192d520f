"""How alike two pictures are in structure. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ssim"]


def ssim(a: ArrayLike, b: ArrayLike, *, peak: float, sigma: float = 1.5) -> NDArray[np.float64]:
    """Structural similarity around every pixel of two pictures (H, W): 1 where they are the same there.

    Wang et al. 2004, eqs. 13 to 15: Gaussian window of `sigma` pixels cut at 5, K1 0.01, K2 0.03. peak: the value range
    that K1 and K2 are shares of; always named beside the number, since it decides it. Raises ValueError.
    """
    from scipy.ndimage import gaussian_filter

    x, y = np.asarray(a, float), np.asarray(b, float)
    if x.shape != y.shape or x.ndim != 2:
        raise ValueError(f"two pictures (H, W) of one shape; got {x.shape} and {y.shape}")
    if not peak > 0:
        raise ValueError(f"a peak is positive; got {peak}")

    def blurred(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(v, sigma, truncate=3.5, mode="reflect"))

    mean_x, mean_y = blurred(x), blurred(y)
    var_x, var_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    both = blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    out: NDArray[np.float64] = ((2 * mean_x * mean_y + c1) * (2 * both + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return out
