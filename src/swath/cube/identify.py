"""Which sensor made a layer: asked for, named by metadata or product name, or known by its bands; else nobody says."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, replace

from swath.cube.layer import FileBand, Layer
from swath.cube.scene import gsd_of
from swath.earth import recognise
from swath.earth.recognise import Match
from swath.earth.sensor import Band, Sensor, from_product_name, sensor, sensors
from swath.errors import BandError

__all__ = ["Found", "identify"]

NAMELESS = re.compile(r"band_?\d+(#\d+)?|lyr\.?\d+|", re.I)


@dataclass(frozen=True, slots=True)
class Found:
    """The sensor, which of its bands each band of the layer is (by index), and why."""

    sensor: Sensor | None
    bands: dict[int, Band]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    doubt: BandError | None = None


def identify(layer: Layer, path: str, asked: str | None = None) -> Found:
    """Find the sensor of a layer. Raises BandError for an asked key that is not in the table."""
    if asked is not None:
        return _with(sensor(asked), layer, f"sensor as asked: {asked}")
    table = sensors()
    if layer.sensor is not None and layer.sensor in table:
        return _with(table[layer.sensor], layer, f"sensor {layer.sensor} by the product's metadata or name")
    names = _names(path)
    for name in names[:2]:
        key = from_product_name(name)
        if key is None:
            continue
        found = _with(table[key], layer, f"sensor {key} by the name {name}")
        if found.bands:
            return found
    return _by_bands(layer, names)


def _names(path: str) -> list[str]:
    """The file's name and those of the folders above it: products keep their name in one of them."""
    parts = [p for p in os.path.normpath(path.split("?")[0]).split(os.sep) if p]
    return parts[::-1][:3]


def match_bands(bands: tuple[FileBand, ...], found: Sensor) -> dict[int, Band]:
    """Which band of the sensor each file band is: by name or alias, by its wavelength, or by a colour word."""
    if found.spectrum is not None:
        return {i: _of_spectrum(b, found, i) for i, b in enumerate(bands) if b.wavelength is not None}
    out: dict[int, Band] = {}
    for i, own in enumerate(bands):
        for name in dict.fromkeys((own.name, own.description, own.name.split("#")[0], _unnumbered(own.name))):
            place = recognise.find(found.bands, name) if name else None
            if place is not None:
                out[i] = found.bands[place]
                break
        else:
            place = None if own.wavelength is None else recognise.nearest(found.bands, own.wavelength)
            if place is not None:
                out[i] = found.bands[place]
    return out


def _unnumbered(name: str) -> str:
    """Names of stacked dates carry a number (B4_11): the band is B4."""
    return re.sub(r"(?<=[A-Za-z0-9])_\d{1,3}$", "", name)


def _of_spectrum(own: FileBand, found: Sensor, index: int) -> Band:
    scale = found.scale
    number = re.search(r"\d+", own.name)
    place = int(number[0]) if number else index + 1
    for _, first, last, factor in found.detector_scale:
        if first <= place <= last:
            scale = factor
    gsd = found.spectrum.gsd if found.spectrum is not None else math.nan
    return Band(
        own.name, own.wavelength or math.nan, own.fwhm or math.nan, gsd, found.quantity, found.units, scale, found.offset,
        found.nodata, becomes=found.becomes,
    )  # fmt: skip


def _with(found: Sensor, layer: Layer, why: str) -> Found:
    """The layer's bands as the sensor's; bands in the sensor's order when names say nothing and the count fits."""
    bands = match_bands(layer.bands, found)
    notes = [why]
    if not bands and len(layer.bands) == len(found.bands) and all(NAMELESS.fullmatch(b.name) for b in layer.bands):
        bands = dict(enumerate(found.bands))
        order = ", ".join(b.name for b in found.bands[:4])
        notes.append(f"bands have no names: taken in the order of {found.key} ({order} ...)")
    doubt = _swapped(layer.bands, bands, found)
    return Found(found, bands, tuple(notes), () if doubt is None else (str(doubt),), doubt)


def _swapped(own: tuple[FileBand, ...], bands: dict[int, Band], found: Sensor) -> BandError | None:
    """Bands whose name and whose wavelength in the file name two bands of the sensor: wrong or swapped."""
    wrong = []
    for i, band in bands.items():
        told, known = own[i].wavelength, band.wavelength
        if told is None or math.isnan(known) or found.spectrum is not None:
            continue
        if abs(told - known) > max(60.0, 0.03 * known, 0.0 if math.isnan(band.fwhm) else band.fwhm):
            wrong.append(f"{own[i].name} at {told:g} nm (it is {known:g} nm in {found.key})")
    if not wrong:
        return None
    return BandError(
        rule="a band's name and its wavelength agree",
        got=", ".join(wrong[:4]),
        remedy="bands are wrong or swapped: mend the names or the wavelengths, or name another --sensor",
    )


def _by_bands(layer: Layer, names: list[str]) -> Found:
    """By wavelengths when the file has them, else by band names, told apart by words in the path."""
    waves = [b.wavelength for b in layer.bands if b.wavelength is not None]
    if len(waves) >= 3 and len(waves) == len(layer.bands):
        return _pick(recognise.by_wavelengths(waves), layer, names, f"its {len(waves)} wavelengths")
    stems = list(dict.fromkeys(_unnumbered(b.name.split("#")[0]) for b in layer.bands))
    if len(stems) < 2 and not (stems and re.fullmatch(r"(VV|VH|HH|HV)", stems[0])):
        return Found(None, {})
    return _pick(recognise.by_band_names(stems), layer, names, f"its band names {stems[0]} to {stems[-1]}")


def _pick(matches: list[Match], layer: Layer, names: list[str], what: str) -> Found:
    """The best match; of several equal ones the one whose words stand in the path; else none, and they are named."""
    if not matches:
        return Found(None, {})
    said = " ".join(layer.tags.get(k, "") for k in ("scale", "quantity", "description", "units")).lower()
    if "reflectance" in said or "radiance" in said:
        fits = [
            m for m in matches if m.sensor.quantity.removeprefix("toa_") in said or m.sensor.becomes in said.split()
        ]
        matches = fits or matches
    matches = _of_size(matches, layer) or matches
    told = _by_words(matches, names)
    if told is not None:
        return _with(told, layer, f"sensor {told.key} by {what} and the words in its path")
    equal = [m for m in matches if (m.exact, m.share) == (matches[0].exact, matches[0].share)]
    keys = [m.sensor.key for m in equal]
    parents = {m.sensor.like or m.sensor.key for m in equal}
    general = [m.sensor for m in equal if m.sensor.key in parents and m.sensor.family]
    if len(equal) == 1 or (len(general) == 1 and all(_within(k, general[0].key) for k in keys)):
        best = equal[0].sensor if len(equal) == 1 else general[0]
        if matches[0].share >= 0.7 or (len(equal) == 1 and matches[0].exact == 1.0 and len(layer.bands) >= 5):
            return _with(best, layer, f"sensor {best.key} by {what}")
    listed = ", ".join(dict.fromkeys(keys)) if len(keys) <= 5 else ", ".join(keys[:5]) + " ..."
    return Found(None, {}, (f"{what} fit {listed}: --sensor says which it is",))


def _of_size(matches: list[Match], layer: Layer) -> list[Match]:
    """The matches whose finest pixels are not far coarser than the layer's own grid (HLS has no 10 m pixels)."""
    size = gsd_of(layer.geobox)
    if math.isnan(size):
        return matches
    finest = [min((b.gsd for b in m.sensor.bands if not math.isnan(b.gsd)), default=0.0) for m in matches]
    return [m for m, gsd in zip(matches, finest, strict=True) if size >= 0.6 * gsd]


def _within(key: str, general: str) -> bool:
    """Whether a product is one of the general one's: the same family and level (sentinel-2a-l2a, sentinel-2-l2a)."""
    table = sensors()
    return table[key].family == table[general].family and key.split("-")[-1] == general.split("-")[-1]


def _by_words(matches: list[Match], names: list[str]) -> Sensor | None:
    """The one fitting sensor whose words stand in the path (hls_l30, S2L2A, landsat-8): the most words, the general one."""
    text = re.sub(r"[^a-z0-9]", "", " ".join(names[:2]).lower())
    scores: dict[str, int] = {}
    for match in matches:
        parts = match.sensor.key.split("-")
        short = {"sentinel": "s", "landsat": "l"}.get(parts[0], parts[0])
        forms = {"".join(parts), short + "".join(parts[1:])}
        scores[match.sensor.key] = max((len(form) for form in forms if form in text), default=0)
    top = max(scores.values())
    winners = [k for k, v in scores.items() if v == top]
    return sensors()[winners[0]] if top > 0 and len(winners) == 1 else None


def named(band: Band, own: FileBand) -> Band:
    """The sensor's band under its own name, with what the file says of wavelength and width."""
    return replace(
        band,
        wavelength=own.wavelength if own.wavelength is not None else band.wavelength,
        fwhm=own.fwhm if own.fwhm is not None else band.fwhm,
    )
