"""What clouds of haze, noise, optics and coarser pixels do to a picture, in physical values and at graded levels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from swath.batch import Pixels
from swath.errors import SwathError

__all__ = ["CORRUPTIONS", "LEVELS", "corrupt"]

LEVELS = range(6)
Array = NDArray[np.float32]
_OPTICAL = ("reflectance", "toa_reflectance", "radiance", "digital_number")


def corrupt(pixels: Pixels, name: str, level: int, key: str | int = 0) -> Pixels:
    """Pixels (NumPy) made worse: level 0 is the identity bit for bit, 5 the worst; validity stays.

    name: one of CORRUPTIONS. The seed comes from key, name, level and the example's number of dates and pixels, never from
    the others in the batch. Raises SwathError for an unknown name or level.
    """
    if name not in CORRUPTIONS or level not in LEVELS:
        raise SwathError(
            rule=f"corruptions are {', '.join(CORRUPTIONS)}, levels 0 to 5", got=f"{name}, {level}", remedy="choose one"
        )
    if level == 0:
        return pixels
    values = np.array(pixels.values, np.float32)
    for i, example in enumerate(values):
        digest = hashlib.sha256(f"{key} {name} {level} {example.shape}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        seen = pixels.valid[i]
        filled = np.where(seen, example, _means(example, seen))
        values[i] = np.where(seen, CORRUPTIONS[name](filled, pixels, level, rng), example)
    return replace(pixels, values=values)


def _means(example: Array, seen: NDArray[np.bool_]) -> Array:
    """Mean of the valid pixels of each date and band (T, C, 1, 1), 0 where there is none: what stands in for the others."""
    count = seen.sum((2, 3), keepdims=True)
    total = np.where(seen, example, 0).sum((2, 3), keepdims=True)
    return np.asarray(total / np.maximum(count, 1), np.float32)


def _noise(x: Array, pixels: Pixels, level: int, rng: np.random.Generator) -> Array:
    """Gaussian, a share of the band's own deviation in the picture."""
    share = (0.1, 0.2, 0.4, 0.7, 1.0)[level - 1]
    return np.asarray(x + share * x.std((2, 3), keepdims=True) * rng.standard_normal(x.shape), np.float32)


def _blur(x: Array, pixels: Pixels, level: int, rng: np.random.Generator) -> Array:
    """Gaussian, of 0.5 to 3 pixels."""
    from scipy.ndimage import gaussian_filter

    sigma = (0.5, 1.0, 1.5, 2.0, 3.0)[level - 1]
    return np.asarray(gaussian_filter(x, (0, 0, sigma, sigma), mode="nearest"), np.float32)


def _haze(x: Array, pixels: Pixels, level: int, rng: np.random.Generator) -> Array:
    """Light of the air in front of optical bands, more in the blue: towards the picture's own bright values.

    The share falls with the wavelength to the power 1.3, as an aerosol's does (Angstrom 1929).
    """
    at_550 = (0.1, 0.2, 0.3, 0.45, 0.6)[level - 1]
    out = x.copy()
    for c, band in enumerate(pixels.bands):
        if band.quantity not in _OPTICAL:
            continue
        wavelength = band.wavelength if math.isfinite(band.wavelength) else 550.0
        share = min(0.95, at_550 * (550.0 / wavelength) ** 1.3)
        bright = np.quantile(x[:, c], 0.98, axis=(1, 2), keepdims=True)
        out[:, c] = x[:, c] * (1 - share) + bright * share
    return out


def _coarse(x: Array, pixels: Pixels, level: int, rng: np.random.Generator) -> Array:
    """Means over 2, 4, 8, 16, 32 pixels, laid out at the old size: what a coarser instrument would have seen."""
    factor = 2**level
    h, w = x.shape[2:]
    rows, columns = np.arange(h) // factor, np.arange(w) // factor
    cell = rows[:, None] * (columns[-1] + 1) + columns
    count = np.bincount(cell.ravel())
    flat = x.reshape(-1, h * w)
    mean = np.stack([np.bincount(cell.ravel(), plane) / count for plane in flat])
    return np.asarray(mean[:, cell.ravel()].reshape(x.shape), np.float32)


CORRUPTIONS: dict[str, Callable[[Array, Pixels, int, np.random.Generator], Array]] = {
    "noise": _noise,
    "blur": _blur,
    "haze": _haze,
    "coarse": _coarse,
}
