"""Whether settled numbers can be what they are said to be: quick looks, impossible values, Sentinel-2's open offset."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from swath.cube.contract import FLAGS
from swath.cube.layer import Layer
from swath.cube.sources import coarse, glance
from swath.earth.sensor import Band, Sensor
from swath.earth.unit import RANGES, plausible
from swath.errors import UnitError

__all__ = ["Look", "fits", "implausible", "look", "offset_doubt"]


@dataclass(frozen=True, slots=True)
class Look:
    """A quick look at one band: stored values thinned over the scene (NaN where missing), percentiles 1 and 99, count."""

    values: np.ndarray
    low: float
    high: float
    n: int


def look(layer: Layer, nodata: list[float], side: int = 96) -> list[Look]:
    """A thinned read of every band, at most three dates and side x side pixels; pixels flagged never seen are missing."""
    t, b, h, w = layer.source.shape
    dates = sorted({0, t // 2, t - 1})
    values = glance(layer.source, dates, range(b), side).astype(np.float64)
    if layer.flag is not None and h * w <= 1_000_000:
        never = coarse(layer.flag, dates, [0], *values.shape[2:]) == FLAGS["never_seen"]
        values[np.broadcast_to(never, values.shape)] = np.nan
    seen = []
    for i in range(b):
        band = values[:, i].ravel()
        band[~np.isfinite(band)] = np.nan
        if not math.isnan(nodata[i]):
            band[band == nodata[i]] = np.nan
        finite = band[np.isfinite(band)]
        low, high = np.percentile(finite, [1, 99]) if finite.size else (math.nan, math.nan)
        seen.append(Look(band, float(low), float(high), int(finite.size)))
    return seen


def fits(quantity: str, units: str, low: float, high: float, *, strict: bool = False) -> bool:
    """Whether percentiles 1 and 99 of a band can be this quantity. strict: and are not all next to nothing."""
    least, most = RANGES.get((quantity, units), (-math.inf, math.inf))
    return least <= low and high <= most and not (strict and "reflectance" in quantity and high < 0.005)


def implausible(bands: list[Band], seen: list[Look], sensor: Sensor | None) -> list[str]:
    """Sentences on bands whose values cannot be what they are said to be, with the other reading."""
    found: dict[str, list[str]] = {}
    for band, s in zip(bands, seen, strict=True):
        if not s.n:
            continue
        values = s.values * band.scale + band.offset
        if band.quantity == "other":
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            far = abs(band.offset) > 20 * max(abs(s.low * band.scale), abs(s.high * band.scale))
            if far and fits(
                "reflectance", "1", (s.low + band.offset) * band.scale, (s.high + band.offset) * band.scale
            ):
                other = f"{(s.low + band.offset) * band.scale:.4g} to {(s.high + band.offset) * band.scale:.4g}"
                text = f"stored x {band.scale:g} + {band.offset:g}, as the file says, is {low:.6g} to {high:.6g}; "
                text += f"(stored + {band.offset:g}) x {band.scale:g} is {other}: --offset {band.offset:g} --scale {band.scale:g}"
                found.setdefault(text, []).append(band.name)
            continue
        verdict = plausible(values, band.quantity, units=band.units)
        if verdict.share_outside > 0.01 or "next to nothing" in verdict.words:
            found.setdefault(verdict.words, []).append(band.name)
    out = []
    for text, names in list(found.items())[:6]:
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        out.append(f"{', '.join(names[:4])}{more}: {text}")
    if len(found) > 6:
        out.append(f"{len(found) - 6} more bands hold values that cannot be what they are said to be")
    return out + _too_bright(bands, seen, sensor)


def _too_bright(bands: list[Band], seen: list[Look], sensor: Sensor | None) -> list[str]:
    """Whether an offset that some products carry still stands in reflectances that nothing dark is among."""
    if sensor is not None and not sensor.ambiguous_offset:
        return []
    for quantity in ("reflectance", "toa_reflectance"):
        index = [i for i, b in enumerate(bands) if b.quantity == quantity and seen[i].n]
        if len(index) >= 4:
            values = np.stack([seen[i].values * bands[i].scale + bands[i].offset for i in index])[:, :, None]
            verdict = plausible(values, quantity, [bands[i] for i in index])
            if not verdict.ok and "darker" in verdict.words:
                return [verdict.words]
    return []


def offset_doubt(sensor: Sensor | None, seen: list[Look], names: list[str]) -> UnitError:
    """Sentinel-2's -1000 when nothing but numbers is there: both readings, what speaks for each, and the flags."""
    known = [(s, n) for s, n in zip(seen, names, strict=True) if s.n]
    low, name = min(((s.low, n) for s, n in known), default=(math.nan, "?"))
    with_, without = (low - 1000) * 1e-4, low * 1e-4
    hint = ""
    if with_ < -0.02:
        hint = " (the first would be below what the surface can send back)"
    elif low >= 990:
        hint = " (nothing is stored below 990, as products with the offset have it)"
    title = sensor.key if sensor is not None else "Sentinel-2"
    remedy = "--offset -1000 if the offset still stands in the numbers, --offset 0 if it was taken out or never was"
    return UnitError(
        rule="Sentinel-2 since baseline 04.00 stores reflectance x 10000 + 1000, and only the metadata tell the baseline",
        got=f"{title} numbers without it: the darkest 1 % of {name} is {with_:.3f} with -1000 or {without:.3f} without{hint}",
        remedy=remedy,
    )
