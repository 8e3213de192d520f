"""How stored numbers become physical ones: by the user's word, the file's, the sensor's table; never by a silent guess.

What stays open is an error that names both readings and the flag that settles it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.cube.judge import Look, fits, implausible, look, offset_doubt
from swath.cube.layer import FileBand, Layer
from swath.earth.sensor import Band, Sensor
from swath.errors import UnitError

__all__ = ["Settled", "describe", "settle"]

CLASS_NAMES = re.compile(
    r"(^|_)(lulc|lc|land_?cover|landuse|class(es)?|classification|labels?|mask|truth|category)(_|$|\d)", re.I
)
INDEX_NAMES = re.compile(
    r"^(ndvi|evi2?|ndwi|mndwi|ndmi|nbr2?|savi|msavi|osavi|ndsi|ndbi|gndvi|ndre|bsi|arvi)(?![a-z])", re.I
)
HEIGHT_NAMES = re.compile(r"(^|_)(elevation|altitude|dem|dsm|dtm|height|srtm|copdem)(_|$|\d)", re.I)
HEAT_NAMES = re.compile(r"(^|_)(lst|temperature|t2m|skt|sst|bt|st_b10|temp)(_|$|\d)", re.I)
RADAR_NAMES = re.compile(r"^(sigma0_?|gamma0_?|beta0_?)?(VV|VH|HH|HV)(?![A-Za-z])", re.I)
TEXT_SCALE = re.compile(r"(\w+)\s*=\s*(?:DN|value|stored)\s*(/|\*)\s*([\d.eE+-]+)", re.I)
UNITS = {
    "k": ("temperature", "K"), "kelvin": ("temperature", "K"), "degc": ("temperature", "degC"),
    "celsius": ("temperature", "degC"), "°c": ("temperature", "degC"), "db": ("backscatter", "dB"),
    "metre": ("", "m"), "meter": ("", "m"), "metres": ("", "m"), "meters": ("", "m"), "m": ("", "m"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settled:
    """The bands with the rule that makes them physical, whether the numbers stay as stored, and what was found."""

    bands: tuple[Band, ...]
    stored: bool
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    doubt: UnitError | None = None


def settle(
    layer: Layer,
    matched: dict[int, Band],
    sensor: Sensor | None,
    *,
    gsd: float,
    offset: float | None = None,
    scale: float | None = None,
    stem: str = "",
) -> Settled:
    """Settle every band of a layer. matched: sensor bands by index. gsd: of the grid, m or NaN."""
    notes: list[str] = []
    problems: list[str] = []
    kind = layer.source.dtype
    nodata = [_nodata(b, matched.get(i), kind) for i, b in enumerate(layer.bands)]
    if layer.settled and offset is None and scale is None:
        return _as_told(layer, matched, kind, gsd)
    seen = look(layer, nodata)
    told = _told_in_words(layer, notes)
    bands: list[Band] = []
    doubts: list[int] = []
    for i, own in enumerate(layer.bands):
        band, doubt = _band(own, matched.get(i), sensor, seen[i], kind, told, stem, layer.tags)
        if doubt:
            doubts.append(i)
        native = band.gsd if own.gsd is not None else _native(band.gsd, gsd)
        bands.append(replace(band, nodata=nodata[i], gsd=native))
    if offset is not None or scale is not None:
        bands = _asked(bands, matched, seen, offset, scale, notes)
        doubts = []
    elif doubts:
        bands = [
            replace(b, scale=1.0, offset=0.0, quantity="digital_number", units="1") if i in doubts else b
            for i, b in enumerate(bands)
        ]
    doubt_error = offset_doubt(sensor, [seen[i] for i in doubts], [bands[i].name for i in doubts]) if doubts else None
    if doubt_error is not None:
        problems.append(str(doubt_error))
    return _finish(bands, kind, sensor, seen, notes, problems, doubt_error)


def _as_told(layer: Layer, matched: dict[int, Band], kind: np.dtype, gsd: float) -> Settled:
    """Every band just as its file says, which swath wrote; no pixel is looked at."""
    bands = []
    for i, own in enumerate(layer.bands):
        base = matched.get(i) or Band(name=own.name, quantity="digital_number", units="1")
        known = {k: v for k in ("wavelength", "fwhm", "gsd") if (v := getattr(own, k)) is not None}
        band = replace(
            base,
            **known,
            name=own.name,
            quantity=own.quantity or "digital_number",
            units=own.units or "1",
            scale=1.0 if own.scale is None else own.scale,
            offset=0.0 if own.offset is None else own.offset,
            nodata=math.nan if own.nodata is None else own.nodata,
            common=own.common or base.common,
            polarisation=own.polarisation or base.polarisation,
        )
        bands.append(replace(band, gsd=_native(band.gsd, gsd) if own.gsd is None else band.gsd))
    stays = {"digital_number", "class"}
    stored = kind.kind in "iu" and all(b.quantity in stays and (b.scale, b.offset) == (1.0, 0.0) for b in bands)
    return Settled(tuple(bands), stored)


def _why_digital(sensor: Sensor | None, kind: np.dtype) -> str:
    if sensor is None:
        return "nothing tells the unit"
    if sensor.scene_scale:
        return f"the scale of {sensor.key} stands in each scene's metadata, which are not here"
    if sensor.quantity != "digital_number" and kind.itemsize == 1:
        return f"8-bit numbers are a stretch of {sensor.key}, not its product"
    return f"{sensor.key} has no physical unit"


def _finish(
    bands: list[Band], kind: np.dtype, sensor: Sensor | None, seen: list[Look], notes: list[str], problems: list[str],
    doubt: UnitError | None,
) -> Settled:  # fmt: skip
    stays = {"digital_number", "class"}
    stored = kind.kind in "iu" and all(b.quantity in stays and (b.scale, b.offset) == (1.0, 0.0) for b in bands)
    if not stored:
        loose = [i for i, b in enumerate(bands) if b.quantity == "digital_number"]
        for i in loose:
            bands[i] = replace(bands[i], quantity="other")
        if loose:
            names = ", ".join(bands[i].name for i in loose[:4]) + (" ..." if len(loose) > 4 else "")
            notes.append(f"unit of {names} unknown: opened as `other`; nothing physical is computed from it")
    elif all(b.quantity == "digital_number" for b in bands) and doubt is None:
        notes.append(_why_digital(sensor, kind) + ": opened as digital numbers; indices and physical verbs refuse them")
    problems += [] if stored else implausible(bands, seen, sensor)
    return Settled(tuple(bands), stored, tuple(notes), tuple(problems), doubt)


def _native(native: float, grid: float) -> float:
    """A band's GSD: the sensor's own where the grid is finer by half or more (a repeated pixel), else the grid's."""
    if math.isnan(native) or math.isnan(grid):
        return grid if math.isnan(native) else native
    return grid if grid > 0.55 * native else native


def _nodata(own: FileBand, band: Band | None, kind: np.dtype) -> float:
    """The stored value that means missing: the file's, else the table's; NaN where the type cannot hold it."""
    value = own.nodata
    if value is None and band is not None and kind.kind in "iu" and not math.isnan(band.nodata):
        value = band.nodata
    if value is None or math.isnan(value):
        return math.nan
    if kind.kind in "iu" and (value != int(value) or not np.iinfo(kind).min <= value <= np.iinfo(kind).max):
        return math.nan
    return float(value)


def _told_in_words(layer: Layer, notes: list[str]) -> tuple[str, float] | None:
    """(quantity word, factor) where a tag says it in words, such as `reflectance = DN / 10000`."""
    for key, text in layer.tags.items():
        match = TEXT_SCALE.search(text) if key.lower() in ("scale", "units", "unit", "description", "comment") else None
        if match:
            factor = float(match[3])
            notes.append(f"the file says in words: {text[:80]}")
            return match[1].lower(), (1.0 / factor if match[2] == "/" else factor)
    return None


def _band(
    own: FileBand, band: Band | None, sensor: Sensor | None, seen: Look, kind: np.dtype,
    told: tuple[str, float] | None, stem: str, tags: dict[str, str],
) -> tuple[Band, bool]:  # fmt: skip
    """The band with its scale, offset, quantity and units; True when Sentinel-2's offset is left open."""
    base = band or Band(name=own.name, quantity="digital_number", units="1")
    base = replace(
        base,
        name=own.name if band is None else base.name,
        wavelength=own.wavelength if own.wavelength is not None else base.wavelength,
        fwhm=own.fwhm if own.fwhm is not None else base.fwhm,
        gsd=own.gsd if own.gsd is not None else base.gsd,
        common=own.common or base.common,
        polarisation=own.polarisation or base.polarisation,
    )
    if own.quantity or own.units or own.scale is not None or own.offset is not None:
        return _by_file(base, own, band, seen, kind, stem), False
    if told is not None:
        word, factor = told
        quantity = "index" if INDEX_NAMES.match(word) else word if word == "reflectance" else _by_name(base, own, stem)
        if word == "reflectance" and band is not None:
            quantity = band.quantity
        if quantity in ("", "digital_number"):
            quantity = "reflectance" if _reads_as_reflectance(base, stem) else "other"
        return replace(base, scale=factor, offset=0.0, quantity=quantity, units="1"), False
    if band is None:
        return _unknown(base, own, seen, kind, stem), False
    return _by_table(base, sensor, seen, kind)


def _by_file(base: Band, own: FileBand, band: Band | None, seen: Look, kind: np.dtype, stem: str) -> Band:
    known = own.quantity or (band.quantity if band is not None else "")
    quantity, units = UNITS.get((own.units or "").strip().lower(), ("", own.units or ""))
    unit_of_band = band.units if band is not None and known == band.quantity else ""
    scaled = replace(
        base,
        scale=1.0 if own.scale is None else own.scale,
        offset=0.0 if own.offset is None else own.offset,
        quantity=known or quantity or _by_name(base, own, stem) or "other",
        units=units or unit_of_band or "1",
    )
    if own.scale is None and own.offset is None and band is not None and not units and not own.quantity:
        return replace(scaled, scale=band.scale, offset=band.offset)
    if scaled.quantity == "digital_number" and (scaled.scale, scaled.offset) != (1.0, 0.0):
        scaled = replace(scaled, quantity="other")
    if scaled.quantity == "other" and scaled.units == "1" and (scaled.scale, scaled.offset) == (1.0, 0.0):
        return _unknown(base, own, seen, kind, stem)
    return scaled


def _by_name(base: Band, own: FileBand, stem: str) -> str:
    """The quantity that a band's name, or a one-band file's name, gives away; "" where neither does."""
    for text in (own.name, own.description, stem):
        if INDEX_NAMES.match(text) or re.search(r"(^|[_.\- ])(NDVI|EVI|NDWI|NBR)([_.\- ]|$)", text, re.I):
            return "index"
        if HEIGHT_NAMES.search(text):
            return "elevation"
        if HEAT_NAMES.search(text):
            return "temperature"
        if RADAR_NAMES.match(text):
            return "backscatter"
        if not re.match(r"(band_?\d+|lyr\.?\d+|)$", text, re.I):
            break
    return ""


def _reads_as_reflectance(base: Band, stem: str) -> bool:
    return bool(not math.isnan(base.wavelength) or base.common or re.match(r"(red|green|blue|nir|swir)", stem, re.I))


def _unknown(base: Band, own: FileBand, seen: Look, kind: np.dtype, stem: str) -> Band:
    """A band of no known sensor: what its name and type allow to be said, and no more."""
    whole = kind.kind in "iu"
    if whole and any(CLASS_NAMES.search(text) for text in (own.name, own.description, stem)):
        return replace(base, quantity="class", units="1")
    quantity = _by_name(base, own, stem)
    if quantity == "elevation":
        return replace(base, quantity="elevation", units="m")
    if quantity == "index" and not whole and seen.n and seen.low >= -1.5 and seen.high <= 1.5:
        return replace(base, quantity="index", units="1")
    if quantity == "temperature" and seen.n and not whole:
        if seen.low > 150 and seen.high < 400:
            return replace(base, quantity="temperature", units="K")
        if "degc" in own.name.lower() or "celsius" in own.name.lower():
            return replace(base, quantity="temperature", units="degC")
    if quantity == "backscatter" and seen.n and not whole:
        unit = "dB" if seen.low < 0 else "1"
        return replace(base, quantity="backscatter", units=unit, polarisation=RADAR_NAMES.match(own.name)[2].upper())  # type: ignore[index]
    return replace(base, quantity="digital_number" if whole else "other", units="1")


def _by_table(base: Band, sensor: Sensor | None, seen: Look, kind: np.dtype) -> tuple[Band, bool]:
    """By the sensor's table; floats may be physical already, and 8-bit numbers are never a 16-bit product's own."""
    if base.quantity == "digital_number" or not seen.n:
        return base, False
    if base.quantity == "backscatter" and kind.kind == "f":
        unit = "dB" if seen.low < 0 else "1"
        return replace(base, scale=1.0, offset=0.0, units=unit), False
    if (base.scale, base.offset) == (1.0, 0.0):
        return base, False
    if kind.itemsize == 1:
        return replace(base, scale=1.0, offset=0.0, quantity="digital_number", units="1"), False
    if kind.kind == "f":
        physical = (seen.low, seen.high)
        stored = tuple(v * base.scale + base.offset for v in physical)
        if fits(base.quantity, base.units, *physical) and not fits(base.quantity, base.units, *stored, strict=True):
            return replace(base, scale=1.0, offset=0.0), False
        if "reflectance" in base.quantity and seen.high <= 2.0:
            return replace(base, scale=1.0, offset=0.0), False
    return base, sensor is not None and bool(sensor.ambiguous_offset)


def _asked(
    bands: list[Band],
    matched: dict[int, Band],
    seen: list[Look],
    offset: float | None,
    scale: float | None,
    notes: list[str],
) -> list[Band]:
    """The user's word: physical = (stored + offset) x scale, on every band that is a count of something physical."""
    out = []
    for i, band in enumerate(bands):
        if band.quantity in ("class", "backscatter", "elevation", "temperature") and matched.get(i) is None:
            out.append(band)
            continue
        known = matched.get(i)
        if known is not None and known.quantity not in ("reflectance", "toa_reflectance", "digital_number", "radiance"):
            out.append(band)
            continue
        factor = scale if scale is not None else band.scale
        if scale is None and factor == 1.0:
            raise UnitError(
                rule="--offset alone needs a scale that the file or the sensor's table names",
                got=f"band {band.name} of no known scale",
                remedy="give both: physical = (stored + N) x F with --offset N --scale F, or name the --sensor",
            )
        # (stored + N) x F = stored x F + N x F. Without N the offset that is known stays.
        shift = offset * factor if offset is not None else band.offset * (factor / band.scale if band.scale else 1.0)
        quantity = band.quantity
        if quantity in ("digital_number", "other"):
            low, high = seen[i].low * factor + shift, seen[i].high * factor + shift
            spectral = not math.isnan(band.wavelength) or bool(band.common)
            quantity = "reflectance" if spectral and fits("reflectance", "1", low, high) else "other"
            if known is not None and known.quantity != "digital_number":
                quantity = known.quantity
        out.append(replace(band, scale=factor, offset=shift, quantity=quantity))
    said = f"(stored + {0 if offset is None else offset:g}) x " + ("the known scale" if scale is None else f"{scale:g}")
    notes.append(f"as asked: physical = {said}")
    return out


def describe(band: Band) -> dict[str, Any]:
    """A band as `swath info` prints it in JSON: NaN is null; offset as GDAL writes it (stored x scale + offset)."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) or math.isinf(value) else float(value)

    return {
        "name": band.name,
        "wavelength_nm": number(band.wavelength),
        "fwhm_nm": number(band.fwhm),
        "gsd_m": number(band.gsd),
        "quantity": band.quantity,
        "units": band.units,
        "scale": number(band.scale),
        "offset": number(band.offset),
        "nodata": number(band.nodata),
    }
