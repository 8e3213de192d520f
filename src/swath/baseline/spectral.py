"""What the spectrum of a pixel tells: index pairs, and components that separate signal from noise.

A projection is summed band by band in one order for every pixel, so that no window size changes a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.earth.sensor import Band

__all__ = ["Components", "fit_components", "index_pairs", "letters", "normalised_difference", "project"]

_NOMINAL = {"B": 490.0, "G": 560.0, "R": 665.0, "N": 842.0, "S1": 1610.0, "S2": 2200.0}
_PAIRS = (("N", "R"), ("G", "N"), ("N", "S1"), ("S1", "S2"), ("R", "B"), ("G", "R"))
_BLOCK = 16384


@dataclass(frozen=True, slots=True)
class Components:
    """A linear map to few components: (value - mean) @ weight. mean (L,), weight (L, n) float32."""

    mean: np.ndarray
    weight: np.ndarray

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        """(L, H, W) to (n, H, W) float32."""
        return project(planes, self.weight, -(self.mean @ self.weight))

    def state(self) -> dict[str, Any]:
        """Arrays that `Components(**state)` makes again."""
        return {"mean": self.mean, "weight": self.weight}


def project(planes: np.ndarray, weight: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Linear map: the sum over L of planes (L, ...) times weight (L, n), plus offset (n,): (n, ...) float32.

    Elementwise in blocks that stay in the cache; BLAS would sum in an order that depends on the window's size.
    """
    flat = planes.reshape(len(planes), -1)
    weight, offset = weight.astype(np.float32), offset.astype(np.float32)
    out = np.empty((weight.shape[1], flat.shape[1]), np.float32)
    part = np.empty(min(_BLOCK, flat.shape[1]), np.float32)
    for start in range(0, flat.shape[1], _BLOCK):
        block = np.ascontiguousarray(flat[:, start : start + _BLOCK], dtype=np.float32)
        scratch = part[: block.shape[1]]
        for n in range(weight.shape[1]):
            total = out[n, start : start + _BLOCK]
            total[...] = offset[n]
            for band, factor in zip(block, weight[:, n], strict=True):
                np.multiply(band, factor, out=scratch)
                total += scratch
    return out.reshape(weight.shape[1], *planes.shape[1:])


def fit_components(sample: np.ndarray, difference: np.ndarray | None, count: int) -> Components:
    """Minimum noise fraction: components ordered by signal against noise, each with unit noise.

    sample: (n, L) spectra. difference: (m, L) neighbour minus neighbour, whose covariance is twice the noise's; without
    it (points, no neighbours) components are principal ones of standardised layers.
    Source: Green et al. 1988, "A transformation for ordering multispectral data in terms of image quality".
    """
    s = sample.astype(np.float64)
    mean, layers = s.mean(0), s.shape[1]
    if difference is not None and len(difference) > layers:
        d = difference.astype(np.float64)
        noise = d.T @ d / len(d) / 2
        ridge = 1e-6 * np.trace(noise) / layers + 1e-12
        value, vector = np.linalg.eigh(noise + ridge * np.eye(layers))
        white = vector / np.sqrt(np.maximum(value, ridge))
    else:
        deviation = s.std(0)
        white = np.diag(1 / np.where(deviation > 0, deviation, 1.0))
    z = (s - mean) @ white
    value, vector = np.linalg.eigh(z.T @ z / max(1, len(z)))
    order = np.argsort(-value, kind="stable")[: min(count, layers)]
    weight = white @ vector[:, order]
    sign = np.sign(weight[np.abs(weight).argmax(0), np.arange(weight.shape[1])])
    return Components(mean.astype(np.float32), (weight * np.where(sign == 0, 1, sign)).astype(np.float32))


def letters(bands: tuple[Band, ...]) -> dict[str, int]:
    """Which reflectance band plays blue, green, red, near or shortwave infrared: by letter, else by wavelength."""
    found: dict[str, int] = {}
    optical = [i for i, b in enumerate(bands) if b.quantity in ("reflectance", "toa_reflectance")]
    for letter, nominal in _NOMINAL.items():
        named = [i for i in optical if bands[i].common == letter]
        near = sorted(
            (abs(bands[i].wavelength - nominal), i)
            for i in optical
            if abs(bands[i].wavelength - nominal) <= 0.05 * nominal
        )
        if named or near:
            found[letter] = named[0] if named else near[0][1]
    return found


def index_pairs(bands: tuple[Band, ...]) -> list[tuple[str, int, int]]:
    """Normalised differences that these bands allow: (name, first band, second band)."""
    at = letters(bands)
    return [(f"nd_{a}_{b}", at[a], at[b]) for a, b in _PAIRS if a in at and b in at]


def normalised_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(a - b) / (a + b), held within -1 to 1; 0 where the sum is nothing."""
    total = first + second
    safe = np.abs(total) > 1e-6
    ratio = np.where(safe, (first - second) / np.where(safe, total, 1), 0)
    return np.clip(ratio, -1, 1).astype(np.float32)
