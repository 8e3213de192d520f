"""Ways to show a scene: composites, indices, bands; each with a stretch that holds for the whole scene and all dates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.earth.recognise import common_of, letter_index
from swath.errors import SwathError

if TYPE_CHECKING:
    import xarray as xr

    from swath.earth.sensor import Band

__all__ = ["COMPOSITES", "band_records", "nice", "plain_name", "shows_of", "stretched"]

Show = dict[str, Any]
COMPOSITES = (
    ("rgb", "True colour", ("R", "G", "B")),
    ("infrared", "Plants in red", ("N", "R", "G")),
    ("moisture", "Water and soil", ("S1", "N", "R")),
)
MAIN = {
    "NDVI": ("Greenness (NDVI)", -0.2, 1.0, "greenness"),
    "NDWI": ("Open water (NDWI)", -0.6, 0.6, "water"),
    "NBR": ("Burnt ground (NBR)", -0.5, 1.0, "greenness"),
}
WORDS = {
    "A": "coastal blue", "B": "blue", "G": "green", "G1": "green", "Y": "yellow", "R": "red", "RE1": "red edge",
    "RE2": "red edge", "RE3": "red edge", "N": "near infrared", "N2": "near infrared", "WV": "water vapour",
    "S1": "shortwave infrared", "S2": "shortwave infrared", "T": "thermal", "T1": "thermal", "T2": "thermal",
}  # fmt: skip
_RANGES = ((380, 450, "violet"), (450, 500, "blue"), (500, 570, "green"), (570, 620, "yellow"), (620, 700, "red"),
           (700, 760, "red edge"), (760, 1300, "near infrared"), (1300, 3000, "shortwave infrared"),
           (3000, 8000, "mid infrared"), (8000, 15000, "thermal"))  # fmt: skip
_RAMPED = ("elevation", "temperature", "brightness_temperature", "probability")
_MOST_INDICES = 80
_ENOUGH = 20_000


def plain_name(band: Band) -> str:
    """A band's name for people: "near infrared"; its own name where nothing tells the wavelength."""
    letter = band.common or common_of(band.name)
    if letter in WORDS:
        return WORDS[letter]
    return next((word for low, high, word in _RANGES if low <= band.wavelength < high), band.name)


def band_records(own: Sequence[Band]) -> list[dict[str, Any]]:
    """The bands as the page knows them: id, name, common, nm, unit."""
    return [
        {
            "id": b.name,
            "name": plain_name(b),
            "common": b.common or common_of(b.name) or None,
            "nm": b.wavelength if math.isfinite(b.wavelength) else None,
            "unit": _unit(b),
        }
        for b in own
    ]


def shows_of(own: Sequence[Band], dtype: str = "float32") -> list[Show]:
    """Every way to show these bands, the usual first: {id, name, hint, kind, bands, unit, ramp, index?}; lo and hi come
    by `stretched` (those of the usual indices are fixed).
    """
    shows = [s for key, name, letters in COMPOSITES if (s := _composite(own, key, name, letters)) is not None]
    if not shows and _picture(own):
        shows.append(_of_bands("rgb", "True colour", own, (0, 1, 2)))
    names = _indices(own, dtype)
    main = [_index(own, n, dtype) for n in names if n in MAIN]
    bands = [_band(own, i) for i in range(len(own))]
    return [*shows, *main, *bands, *(_index(own, n, dtype) for n in names if n not in MAIN)]


def _composite(own: Sequence[Band], key: str, name: str, letters: tuple[str, ...]) -> Show | None:
    places = [_lettered(own, letter) for letter in letters]
    known = [p for p in places if p is not None]
    if len(known) != 3 or len(set(known)) != 3 or len({own[p].quantity for p in known}) != 1:
        return None
    return _of_bands(key, name, own, tuple(known))


def _lettered(own: Sequence[Band], letter: str) -> int | None:
    """The band of a letter: as the sensor has it, else by a name that says the colour."""
    found = letter_index(own, letter)
    return found if found is not None else next((i for i, b in enumerate(own) if common_of(b.name) == letter), None)


def _of_bands(key: str, name: str, own: Sequence[Band], places: tuple[int, ...]) -> Show:
    names = [own[p].name for p in places]
    said = {"id": key, "name": name, "hint": "bands " + ", ".join(names), "kind": "composite", "bands": names}
    return {**said, "unit": _unit(own[places[0]])}


def _picture(own: Sequence[Band]) -> bool:
    """Three or four bands without wavelengths, of one quantity: a photo."""
    if len(own) not in (3, 4) or any(math.isfinite(b.wavelength) for b in own):
        return False
    return len({b.units for b in own}) == 1 and not any(common_of(b.name) in ("N", "S1", "S2") for b in own)


def _band(own: Sequence[Band], i: int) -> Show:
    band = own[i]
    name = plain_name(band)
    said: Show = {"id": f"band-{i}", "name": f"{band.name}, {name}" if name != band.name else band.name, "kind": "band"}
    said |= {"hint": f"{band.wavelength:.0f} nm" if math.isfinite(band.wavelength) else "", "unit": _unit(band)}
    said |= {"bands": [band.name], "ramp": "cividis" if band.quantity in _RAMPED else "grey"}
    known = MAIN.get(band.name.upper()) if band.quantity == "index" else None
    if known is not None:  # computed by whoever made the file
        title, lo, hi, ramp = known
        said |= {"name": title, "ramp": ramp, "lo": lo, "hi": hi}
    return said


def _index(own: Sequence[Band], name: str, dtype: str) -> Show:
    from swath.cube.index import plan

    names = [own[p].name for p in plan(own, name, dtype=dtype).needs]
    said = {"id": f"index-{name}", "hint": "bands " + ", ".join(names), "kind": "index", "bands": names, "unit": ""}
    if name not in MAIN:
        return {**said, "name": name, "ramp": "cividis", "index": name}
    title, lo, hi, ramp = MAIN[name]
    return {**said, "name": title, "ramp": ramp, "index": name, "lo": lo, "hi": hi}


def _indices(own: Sequence[Band], dtype: str) -> list[str]:
    """Indices that the bands allow, the three usual ones first."""
    import spyndex

    from swath.cube.index import plan

    names = []
    for name in (*MAIN, *(n for n in spyndex.indices if n not in MAIN)):
        try:
            plan(own, str(name), dtype=dtype)
        except SwathError:
            continue
        names.append(str(name))
    return names[:_MOST_INDICES]


def _unit(band: Band) -> str:
    words = {"reflectance": "reflectance", "toa_reflectance": "reflectance", "digital_number": "number"}
    if band.units not in ("1", ""):
        return band.units
    return words.get(band.quantity, "" if band.quantity in ("other", "index") else band.quantity.replace("_", " "))


def stretched(shows: Sequence[Show], cube: xr.DataArray, dates: Sequence[int | None] = (None,)) -> list[Show]:
    """The ways with `lo` and `hi`: 2 and 98 % of the scene, in steps that can be said; and `legend`.

    Of several dates the middle one of each end counts: a date under clouds that nothing flags does not darken the others.
    """
    from swath.cube.contract import bands_of

    own = bands_of(cube)
    looks = [_clear_look(cube, len(own), d) for d in list(dates)[:3]]
    flats = [v.reshape(len(own), -1) for v in looks]
    return [_stretched(dict(s), flats, own, cube) for s in shows]


def _clear_look(cube: xr.DataArray, bands: int, date: int | None) -> np.ndarray:
    """(bands, h, w): a thinned look at a date, clouds left out where the flags tell them and leave something."""
    from swath.cube.contract import FLAGS
    from swath.cube.sources import glance
    from swath.cube.under import source_of
    from swath.doors.web.glance import SIDE, look

    many = bands > 12
    values = look(cube, range(bands), date, many=many)
    flags = source_of(cube, flag=True)
    if flags is not None and flags.shape[2:] != (0, 0):
        seen = glance(flags, [date or 0], [0], 128 if many else SIDE, 5)[0, 0]
        hidden = (seen == FLAGS["never_seen"]) | (seen == FLAGS["cloud"]) | (seen == FLAGS["read_failed"])
        if seen.shape == values.shape[1:] and hidden.mean() < 0.95:
            values[:, hidden] = np.nan
    return values


def _stretched(show: Show, flats: Sequence[np.ndarray], own: Sequence[Band], cube: xr.DataArray) -> Show:
    if "lo" not in show:
        show["lo"], show["hi"] = _range(show, flats, own, cube)
    if show["kind"] == "composite" and not _comparable(show, own, cube):
        alone = [_range({**show, "bands": [name]}, flats, own, cube) for name in show["bands"]]
        if len(set(alone)) > 1:
            show["balance"] = [list(pair) for pair in alone]
            show["hint"] += ", each by its own range"
    if show["kind"] != "composite":
        show["legend"] = {"ramp": show["ramp"], "lo": show["lo"], "hi": show["hi"], "unit": show["unit"]}
    return show


def _comparable(show: Show, own: Sequence[Band], cube: xr.DataArray) -> bool:
    """Whether equal numbers of the bands look equally bright: reflectance of the surface, and photos; not radiance or
    backscatter, nor what the top of the atmosphere sends back, where the air is blue.
    """
    kinds = {b.quantity for b in own if b.name in show["bands"]}
    return kinds <= {"reflectance"} or cube.dtype == np.uint8


def _range(show: Show, flats: Sequence[np.ndarray], own: Sequence[Band], cube: xr.DataArray) -> tuple[float, float]:
    places = [i for i, b in enumerate(own) if b.name in show["bands"]]
    if show["kind"] != "index":
        if cube.dtype == np.uint8 and all(own[p].quantity == "digital_number" for p in places):
            return 0.0, 255.0
        if all(own[p].quantity == "probability" for p in places):
            return 0.0, 1.0
    ends = []
    for flat in flats:
        if show["kind"] == "index":
            from swath.cube.index import plan

            some = flat[:, :: max(1, flat.shape[1] // _ENOUGH)]  # many indices, and percentiles need few pixels
            values = plan(own, show["index"], dtype=str(cube.dtype))(some[None, :, :, None])[0, 0]
        else:
            values = flat[places]
        seen = values[np.isfinite(values)]
        if seen.size:
            ends.append(np.percentile(seen, [2, 98]))
    if not ends:
        return 0.0, 1.0
    low, high = (float(v) for v in np.median(ends, axis=0))
    return nice(low, high)


def nice(low: float, high: float) -> tuple[float, float]:
    """A range in steps of about a hundredth of its own size, so that it can be said; never empty."""
    if not high > low:
        spread = max(abs(low) * 0.1, 1e-6)
        low, high = low - spread, high + spread
    step = 10.0 ** math.floor(math.log10((high - low) / 10))
    digits = max(0, -math.floor(math.log10(step)))
    return round(math.floor(low / step + 1e-9) * step, digits), round(math.ceil(high / step - 1e-9) * step, digits)
