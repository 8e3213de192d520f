"""Bands and dates that are not there, that lie beside one another, or that another instrument took."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.earth.sensor import Band, sensor
from swath.transform.corrupt_geometry import shift
from swath.transform.corrupt_values import OPTICAL, View, Worse

__all__ = ["mixing", "misregistration", "missing_bands", "missing_dates", "sensor_swap", "sibling", "why_no_swap"]


def missing_bands(view: View, share: float) -> Worse:
    """Some bands without values on all dates; one at least stays."""
    n = len(view.bands)
    gone = view.rng.permutation(n)[: min(n - 1, max(1, round(share * n)))]
    lost = np.isin(np.arange(n), gone)[None, :, None, None]
    return np.where(lost, np.float32(np.nan), view.values), view.valid & ~lost


def missing_dates(view: View, share: float) -> Worse:
    """Some dates without values; one at least stays."""
    n = len(view.values)
    gone = view.rng.permutation(n)[: min(n - 1, max(1, round(share * n)))]
    lost = np.isin(np.arange(n), gone)[:, None, None, None]
    return np.where(lost, np.float32(np.nan), view.values), view.valid & ~lost


def misregistration(view: View, pixels: float) -> Worse:
    """Every date but the first moved by so many pixels in a direction of its own; of one date every band but the first, of
    one band the picture itself (against its truth).
    """
    out, valid = view.values.copy(), view.valid.copy()
    t, c = out.shape[:2]
    angles = view.rng.uniform(0, 2 * math.pi, max(t, c))
    pieces: list[Any] = [(i, slice(None)) for i in range(1, t)]
    if t == 1:
        pieces = [(0, i) for i in range(1, c)] or [(0, slice(None))]
    for piece, angle in zip(pieces, angles, strict=False):
        move = shift(pixels * math.sin(angle), pixels * math.cos(angle))
        out[piece], valid[piece] = move.linear(out[piece], valid[piece])
    return out, valid


def sensor_swap(view: View, share: float, to: tuple[Band, ...] = ()) -> Worse:
    """Values part of the way to what a sibling's bands would read of the same ground, made from the own bands.

    The own spectrum, linear between band centres, is averaged over the sibling's response (a box as wide as its FWHM); each
    own band is then read from the sibling's nearest one. Ground pixels of a coarser sibling are not imitated (`coarse`).
    """
    weight = mixing(view.bands, to or sibling(view.bands))
    x = view.filled()
    other = np.einsum("cd,tdhw->tchw", weight, x).astype(np.float32)
    return view.values + np.float32(share) * (other - view.values), view.valid


def sibling(bands: tuple[Band, ...]) -> tuple[Band, ...]:
    """Landsat 8's bands of light, or Sentinel-2's for bands that are Landsat's."""
    own = [b.wavelength for b in bands if _light(b)]
    landsat = [b for b in sensor("landsat-8-c2-l2").bands if _light(b)]
    oli = [b.wavelength for b in landsat]
    same = sum(min(abs(w - o) for o in oli) < 2 for w in own)
    if same * 2 > len(own):
        return tuple(b for b in sensor("sentinel-2a-l1c").bands if _light(b) and b.name not in ("B09", "B10"))
    return tuple(landsat)


def why_no_swap(bands: tuple[Band, ...], to: tuple[Band, ...] = ()) -> str:
    """Why no sibling can be imitated, or "": two bands of light at least, half of them where the sibling looks too."""
    known = [b for b in bands if _light(b)]
    if len(known) < 2:
        return f"{len(known)} bands of light have a wavelength; a sibling sensor is imitated from two or more"
    theirs = [b for b in to or sibling(bands) if _light(b)]
    met = sum(any(abs(b.wavelength - o.wavelength) <= (_half(b) + _half(o)) for o in theirs) for b in known)
    if 2 * met < len(known):
        return (
            f"{len(known) - met} of {len(known)} bands lie where the sibling ({len(theirs)} bands of "
            f"{theirs[0].wavelength:.0f} to {theirs[-1].wavelength:.0f} nm) does not look: what it would read there cannot be said"
        )
    return ""


def _half(band: Band) -> float:
    return band.fwhm / 2 if math.isfinite(band.fwhm) else 0.0


def mixing(bands: tuple[Band, ...], to: tuple[Band, ...]) -> NDArray[np.float32]:
    """(C, C): what each own band reads after the swap as a weighted sum of the own bands; others are as they were."""
    weight = np.eye(len(bands), dtype=np.float32)
    light = [i for i, b in enumerate(bands) if _light(b)]
    theirs = [b for b in to if _light(b)]
    if len(light) < 2 or not theirs:
        return weight
    order = sorted(light, key=lambda i: bands[i].wavelength)
    centres = np.array([bands[i].wavelength for i in order])
    read = np.stack([_response(b, centres) for b in theirs])
    for i in light:
        nearest = int(np.argmin([abs(b.wavelength - bands[i].wavelength) for b in theirs]))
        weight[i] = 0
        weight[i, order] = read[nearest]
    return weight


def _response(band: Band, centres: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n,) weights of bands at `centres` in a box around another band's centre."""
    grid = np.linspace(band.wavelength - _half(band), band.wavelength + _half(band), 41)
    unit = np.eye(len(centres))
    return np.array([np.interp(grid, centres, row).mean() for row in unit], np.float32)


def _light(band: Band) -> bool:
    return band.quantity in OPTICAL and math.isfinite(band.wavelength) and band.wavelength < 2600
