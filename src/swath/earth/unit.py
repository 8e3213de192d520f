"""Stored numbers and physical ones: two ways to write a scale, decibels, per cent, and what a quantity can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.errors import UnitError

if TYPE_CHECKING:
    from swath.earth.sensor import Band

__all__ = [
    "Verdict", "from_db", "from_percent", "gdal_offset", "offset_verdict", "plausible", "stored_offset", "to_db",
    "to_physical", "to_stored",
]  # fmt: skip

# quantity: (least, most) that the bulk of a scene can have in the quantity's own unit, noise and clouds allowed.
RANGES: dict[tuple[str, str], tuple[float, float]] = {
    ("reflectance", "1"): (-0.02, 1.6), ("toa_reflectance", "1"): (-0.005, 1.8), ("index", "1"): (-1.3, 1.3),
    ("probability", "1"): (0.0, 1.0), ("coherence", "1"): (0.0, 1.0), ("temperature", "K"): (150.0, 400.0),
    ("brightness_temperature", "K"): (150.0, 400.0), ("temperature", "degC"): (-90.0, 120.0),
    ("brightness_temperature", "degC"): (-120.0, 120.0), ("elevation", "m"): (-11_000.0, 9_000.0),
    ("backscatter", "dB"): (-50.0, 35.0), ("backscatter", "1"): (0.0, 200.0), ("phase", "rad"): (-6.2832, 6.2832),
    ("radiance", "W m-2 sr-1 um-1"): (-5.0, 1000.0), ("radiance", "nW cm-2 sr-1"): (-2.0, 1e6),
    ("count", "1"): (0.0, math.inf),
}  # fmt: skip
# A scene whose darkest thousandth is brighter than this still carries +0.1, unless clouds, snow or sand fill it.
_OFFSET = 0.1
_DARK = 0.095


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether values can be what they are said to be: share of them outside, and a sentence."""

    ok: bool
    share_outside: float
    words: str


def to_physical(
    stored: np.ndarray, *, scale: float = 1.0, offset: float = 0.0, nodata: float = math.nan, before: bool = False
) -> np.ndarray:
    """Physical values, float32; NaN where stored equals nodata or is not finite.

    before False (GDAL, CF, STAC, the sensor table): stored * scale + offset.
    before True (--offset on the command line, ESA's documents): (stored + offset) * scale.

    >>> to_physical(np.array([0, 1000, 2000], np.uint16), scale=1e-4, offset=-1000, nodata=0, before=True).round(3).tolist()
    [nan, 0.0, 0.1]
    """
    values = np.asarray(stored)
    out: np.ndarray = values.astype(np.float64)
    out = (out + offset) * scale if before else out * scale + offset
    missing = ~np.isfinite(out)
    if not math.isnan(nodata):
        missing |= values == nodata
    out[missing] = np.nan
    return out.astype(np.float32)


def to_stored(
    physical: np.ndarray, *, scale: float, offset: float = 0.0, nodata: float, dtype: np.dtype | str
) -> np.ndarray:
    """Whole numbers for physical values, stored * scale + offset: rounded, clipped to the type, NaN as nodata."""
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        raise UnitError(rule="stored numbers are whole", got=kind.name, remedy="ask for an integer type")
    info = np.iinfo(kind)
    if not info.min <= nodata <= info.max:
        raise UnitError(rule=f"nodata fits {kind.name}", got=f"{nodata}", remedy=f"{info.min} to {info.max}")
    values = np.asarray(physical, np.float64)
    with np.errstate(invalid="ignore"):
        whole = np.clip(np.round((values - offset) / scale), info.min, info.max)
    return np.where(np.isfinite(values), whole, nodata).astype(kind)


def gdal_offset(before: float, scale: float) -> float:
    """The offset of stored * scale + offset for N of (stored + N) * scale."""
    return before * scale


def stored_offset(after: float, scale: float) -> float:
    """N of (stored + N) * scale for the offset of stored * scale + offset."""
    if scale == 0:
        raise UnitError(rule="a scale is not zero", got="0", remedy="give the scale of the band")
    return after / scale


def to_db(power: np.ndarray) -> np.ndarray:
    """Decibels, float32, of linear power; NaN where power is not positive."""
    values = np.asarray(power, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = 10.0 * np.log10(np.where(values > 0, values, np.nan))
    return np.asarray(out, np.float32)


def from_db(decibels: np.ndarray) -> np.ndarray:
    """Linear power, float32, of decibels."""
    return np.asarray(np.power(10.0, np.asarray(decibels, np.float64) / 10.0), np.float32)


def from_percent(percent: np.ndarray) -> np.ndarray:
    """Shares, float32, of per cent."""
    return np.asarray(np.asarray(percent, np.float64) / 100.0, np.float32)


def plausible(values: np.ndarray, quantity: str, bands: Sequence[Band] | None = None, units: str = "") -> Verdict:
    """Whether physical values can be this quantity; the sentence names the other reading where one suggests itself.

    values: any shape; with `bands` the first axis (or the second of four) is the band. units: "" takes the bands' or
    the quantity's usual. At most 1 % may lie outside; missing values do not count.
    """
    data = np.asarray(values)
    unit = units or (bands[0].units if bands else "") or next((u for q, u in RANGES if q == quantity), "1")
    finite = data[np.isfinite(data)].astype(np.float64, copy=False)
    if not finite.size:
        return Verdict(True, 0.0, "no values to judge")
    limits = RANGES.get((quantity, unit))
    if limits is None:
        return Verdict(True, 0.0, f"nothing is known of what {quantity} in {unit} can be")
    outside = float(np.mean((finite < limits[0]) | (finite > limits[1])))
    low, high = (float(v) for v in np.percentile(finite, [1, 99]))
    said = f"values {low:.4g} to {high:.4g} (1 to 99 %)"
    if outside > 0.01:
        return Verdict(False, outside, f"{said} are no {quantity} in {unit}{_reading(quantity, unit, low, high)}")
    if quantity in ("reflectance", "toa_reflectance"):
        if low >= 0 and high < 3e-4:
            return Verdict(False, outside, f"{said} are next to nothing: was a scale applied twice?")
        darkest = float(np.percentile(_darkest(data, bands), 0.1))
        if darkest > _DARK and high < 1.0:
            words = (
                f"{said}: nothing is darker than {darkest:.3f}; either every surface is bright (snow, sand, cloud), or "
                f"an offset of -{_OFFSET:g} (Sentinel-2 since baseline 04.00: --offset -1000) still stands in the numbers"
            )
            return Verdict(False, outside, words)
    return Verdict(True, outside, f"{said} can be {quantity} in {unit}")


def _darkest(data: np.ndarray, bands: Sequence[Band] | None) -> np.ndarray:
    """Finite values of the band that should see the darkest surfaces: all bands when they are not told apart."""
    axis = {3: 0, 4: 1}.get(data.ndim)
    if bands and axis is not None and data.shape[axis] == len(bands):
        medians = [np.nanmedian(np.take(data, i, axis)) for i in range(len(bands))]
        data = np.take(data, int(np.nanargmin(medians)), axis)
    return np.asarray(data[np.isfinite(data)])


def _reading(quantity: str, unit: str, low: float, high: float) -> str:
    """What else the numbers could be, as the end of a sentence."""
    if quantity.endswith("reflectance"):
        if low < 0 and high < 1.6:
            return f"; read without the offset they are {low + _OFFSET:.3g} to {high + _OFFSET:.3g} (--offset 0)"
        if 2 < high <= 160:
            return "; they look like per cent (--scale 0.01)"
        if high > 160:
            return "; they look like reflectance x 10000 (--scale 0.0001)"
    if quantity in ("temperature", "brightness_temperature"):
        if unit == "K" and high < 120:
            return "; they look like degrees Celsius"
        return "; they look like kelvin" if unit == "degC" and low > 150 else ""
    if quantity == "backscatter":
        return "; below zero: they look like dB" if unit == "1" else "; they look like linear power or amplitudes"
    if quantity == "index" and high > 2:
        return "; they look like an index x 10000 (--scale 0.0001)"
    return ""


def offset_verdict(
    stored: np.ndarray, *, scale: float = 1e-4, offset: float = -1000.0, nodata: float = 0.0
) -> tuple[Verdict, Verdict]:
    """Both readings of stored reflectances whose offset nobody tells: with `offset` applied, and without.

    Source: ESA, Sentinel-2 Products Specification Document, issue 14.9: RADIO_ADD_OFFSET (L1C) and BOA_ADD_OFFSET (L2A)
    of -1000 since processing baseline 04.00. Negative reflectance beyond 1 % speaks against the offset; a darkest
    thousandth near 0.1 speaks for it. Both, one or none of the readings may be `ok`: the caller never chooses alone.
    """
    with_offset = to_physical(stored, scale=scale, offset=offset, nodata=nodata, before=True)
    without = to_physical(stored, scale=scale, nodata=nodata, before=True)
    first, second = plausible(with_offset, "reflectance"), plausible(without, "reflectance")
    return (
        Verdict(first.ok, first.share_outside, f"with {offset:g}: {first.words}"),
        Verdict(second.ok, second.share_outside, f"without: {second.words}"),
    )
