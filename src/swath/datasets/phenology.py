"""The seasons of made worlds: what each object is made of on a given day, with its own timing and vigour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swath.datasets.spectra import MATERIALS

__all__ = ["CLASSES", "Traits", "draw_traits", "fractions"]

CLASSES = ("water", "conifer", "broadleaf", "meadow", "wheat", "maize", "bare", "town", "wetland")
_LEAF, _NEEDLE, _STRAW, _SOIL, _WATER, _ROOF, _ASPHALT = range(7)
_W, _C, _B, _M, _H, _Z, _S, _T, _R = range(len(CLASSES))


@dataclass(frozen=True, slots=True)
class Traits:
    """What makes one object (field, stand, quarter) differ from others of its class; arrays of n objects.

    shift: days its season runs late. vigour: factor on green cover. mix: 0..1, class-specific second ingredient.
    """

    shift: np.ndarray
    vigour: np.ndarray
    mix: np.ndarray


def draw_traits(n: int, rng: np.random.Generator) -> Traits:
    """Traits of n objects: season shift of 7 days, vigour of 9 %."""
    return Traits(
        shift=rng.normal(0.0, 7.0, n), vigour=np.clip(rng.normal(1.0, 0.09, n), 0.7, 1.2), mix=rng.beta(2.0, 2.0, n)
    )


def _rise(day: np.ndarray, middle: float, width: float) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-(day - middle) / width))


def _hump(day: np.ndarray, start: float, end: float, width: float) -> np.ndarray:
    return _rise(day, start, width) * (1.0 - _rise(day, end, width))


def fractions(classes: np.ndarray, day_of_year: float, traits: Traits, *, late: np.ndarray | None = None) -> np.ndarray:
    """What n objects of `classes` (n,) are made of on a day of the year: (n, len(MATERIALS)), rows sum to 1.

    late: (len(CLASSES),) days by which a class is late in this year.
    """
    n = len(classes)
    out = np.zeros((n, len(MATERIALS)))
    year = np.zeros(len(CLASSES)) if late is None else late
    day = day_of_year - traits.shift - year[classes]
    mix, vigour = traits.mix, traits.vigour
    for code in np.unique(classes):
        at = np.flatnonzero(classes == code)
        out[at] = _of_class(int(code), day[at], vigour[at], mix[at])
    out[:, _LEAF] = np.clip(out[:, _LEAF], 0.0, 0.97)
    whole: np.ndarray = out / out.sum(1, keepdims=True)
    return whole


def _of_class(code: int, d: np.ndarray, vigour: np.ndarray, mix: np.ndarray) -> np.ndarray:
    out = np.zeros((len(d), len(MATERIALS)))
    if code == _W:
        out[:, _WATER], out[:, _SOIL] = 1.0, 0.08 * mix
    elif code == _C:
        out[:, _NEEDLE] = (0.82 + 0.06 * _hump(d, 130, 290, 15)) * vigour
        out[:, _LEAF], out[:, _SOIL] = 0.06 + 0.10 * mix * _hump(d, 120, 290, 10), 0.08
    elif code == _B:
        green = 0.85 * _hump(d, 118, 292, 7) * vigour
        out[:, _LEAF], out[:, _NEEDLE] = green, 0.12
        out[:, _STRAW], out[:, _SOIL] = 0.45 * (1 - green), 0.25 * (1 - green)
    elif code == _M:
        cut = 0.55 * np.exp(-np.clip(d - 155 - 25 * mix, 0, None) / 18) * (d > 155 + 25 * mix)
        cut += 0.45 * np.exp(-np.clip(d - 235, 0, None) / 16) * (d > 235)
        green = (0.30 + 0.55 * _hump(d, 90, 310, 12)) * (1 - cut) * vigour
        out[:, _LEAF], out[:, _STRAW], out[:, _SOIL] = green, 0.6 * (1 - green), 0.4 * (1 - green)
    elif code == _H:
        green = (0.18 + 0.72 * _rise(d, 95, 9)) * (1 - _rise(d, 178, 6)) * vigour + 0.18 * _rise(d, 300, 10)
        ripe = 0.9 * _hump(d, 180, 225, 5)
        out[:, _LEAF], out[:, _STRAW] = green, ripe + 0.12 * (1 - green)
        out[:, _SOIL] = np.clip(1 - green - ripe, 0.04, None)
    elif code == _Z:
        green = 0.88 * _hump(d, 165, 258, 8) * vigour
        ripe = 0.55 * _hump(d, 258, 285, 5)
        out[:, _LEAF], out[:, _STRAW] = green, ripe + 0.06
        out[:, _SOIL] = np.clip(1 - green - ripe, 0.04, None)
    elif code == _S:
        out[:, _SOIL], out[:, _STRAW], out[:, _LEAF] = 0.75, 0.12 * mix, 0.05 * _hump(d, 110, 250, 15)
        out[:, _ASPHALT] = 0.15 * (1 - mix)
    elif code == _T:
        out[:, _ROOF], out[:, _ASPHALT] = 0.25 + 0.35 * mix, 0.50 - 0.30 * mix
        out[:, _LEAF], out[:, _SOIL] = 0.22 * _hump(d, 110, 290, 12) * vigour, 0.10
    else:
        green = 0.55 * _hump(d, 135, 270, 12) * vigour
        out[:, _WATER], out[:, _LEAF], out[:, _STRAW] = 0.35 + 0.15 * mix, green, 0.5 * (0.6 - green)
    return out
