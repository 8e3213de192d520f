"""Sensors as data: what an instrument measures, in which band, how stored numbers become physical ones.

The numbers stand in sensors.toml; this file loads them. How to recognise a sensor by its bands: recognise.py.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from swath.errors import BandError, SwathError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Band", "Sensor", "Spectrum", "from_product_name", "load", "sensor", "sensors"]

_UNITS = {"temperature": "K", "brightness_temperature": "K", "elevation": "m", "radiance": "W m-2 sr-1 um-1"}


@dataclass(frozen=True, slots=True)
class Band:
    """One band: operator's name, centre wavelength and full width at half maximum (nm, NaN where none), GSD (m).

    physical = stored * scale + offset. common: spyndex's letter (N for near infrared ...) or "". polarisation: VV ...
    aliases: other names in use. becomes: the quantity that a scene's own metadata make of digital numbers, or "".
    """

    name: str
    wavelength: float = math.nan
    fwhm: float = math.nan
    gsd: float = math.nan
    quantity: str = "reflectance"
    units: str = "1"
    scale: float = 1.0
    offset: float = 0.0
    nodata: float = math.nan
    common: str = ""
    polarisation: str = ""
    aliases: tuple[str, ...] = ()
    becomes: str = ""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A hyperspectral range instead of a list of bands: the exact centres stand in each file's metadata.

    low, high: nm. count, sampling (nm), fwhm (nm): smallest and largest. gsd: m or NaN.
    """

    low: float
    high: float
    count: tuple[int, int]
    sampling: tuple[float, float]
    fwhm: tuple[float, float]
    gsd: float = math.nan


@dataclass(frozen=True, slots=True)
class Sensor:
    """One product of one instrument: `key` as in sensors.toml, e.g. sentinel-2a-l2a. source: the operator's document.

    ambiguous_offset: values of N in (stored + N) * scale between which only metadata or the user can decide.
    ambiguous_units: units that providers disagree about. scene_scale: scale and offset stand in each scene's
    metadata (physical numbers need them; the quantity is then `becomes`). spectrum, quantity, units, scale, offset and
    nodata serve hyperspectral sensors, whose `bands` are empty.
    detector_scale: (detector, first band, last band, scale). masks: (file band, kind of cube.mask).
    product: regular expressions of product and file names.
    """

    key: str
    title: str
    bands: tuple[Band, ...]
    source: str = ""
    family: str = ""
    quantity: str = "reflectance"
    units: str = "1"
    scale: float = 1.0
    offset: float = 0.0
    nodata: float = math.nan
    becomes: str = ""
    scene_scale: bool = False
    ambiguous_offset: tuple[float, ...] = ()
    ambiguous_units: tuple[str, ...] = ()
    spectrum: Spectrum | None = None
    detector_scale: tuple[tuple[str, int, int, float], ...] = ()
    masks: tuple[tuple[str, str], ...] = ()
    product: tuple[str, ...] = ()
    like: str = ""
    note: str = ""


@cache
def sensors() -> dict[str, Sensor]:
    """{key: Sensor} of sensors.toml and of installed packages with an entry point `swath.sensors`.

    An entry point gives a Sensor, several, or the path of a TOML file in the form of sensors.toml. It is cached.
    """
    from importlib.metadata import entry_points
    from pathlib import Path

    known = load(Path(__file__).with_name("sensors.toml"))
    for entry in entry_points(group="swath.sensors"):
        given = entry.load()
        given = given() if callable(given) else given
        if isinstance(given, Sensor):
            given = [given]
        more = {s.key: s for s in given} if not isinstance(given, (str, Path)) else load(Path(given))
        if doubled := sorted(set(more) & set(known)):
            raise SwathError(
                rule="a sensor's key is its own",
                got=f"{', '.join(doubled)} again from {entry.value}",
                remedy="rename the key in the package that adds it",
            )
        known |= more
    return known


def sensor(key: str) -> Sensor:
    """The sensor of a key of sensors.toml. Raises BandError with the nearest spellings when there is none."""
    from difflib import get_close_matches

    found = sensors().get(key.strip().lower())
    if found is None:
        near = get_close_matches(key.lower(), sensors(), n=4, cutoff=0.5)
        raise BandError(
            rule="a sensor is named by a key of sensors.toml",
            got=repr(key),
            remedy=f"did you mean {', '.join(near)}?" if near else f"keys are {', '.join(sensors())}",
        )
    return found


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    out = []
    for key, s in sensors().items():
        named = [rf"(?<![A-Za-z0-9]){re.escape(key)}(?![A-Za-z0-9-])"] if "-" in key else []  # not rgb, dem ...
        for text in (*s.product, *named):
            try:
                out.append((key, re.compile(text)))
            except re.error as error:
                raise BandError(
                    rule="a sensor's product names are regular expressions",
                    got=f"{text!r} of {key}: {error}",
                    remedy="mend the sensor's table",
                ) from error
    return out


def from_product_name(text: str) -> str | None:
    """The sensor's key in a product, file or path name; None when nothing tells.

    The unit that flew beats the family (S2A_MSIL1C... beats a granule's T32TQM...B02.jp2); then the longest match wins.
    """
    hits: dict[str, int] = {}
    for key, pattern in _patterns():
        if found := pattern.search(text):
            hits[key] = max(hits.get(key, 0), len(found.group()))
    table = sensors()
    family = {table[key].like for key in hits}
    named = {key: length for key, length in hits.items() if key not in family} or hits
    return max(named, key=lambda key: named[key]) if named else None


def load(path: Path) -> dict[str, Sensor]:
    """Sensors of one TOML file. Raises SwathError where a row names an instrument or sensor that is not there."""
    import tomllib

    with open(path, "rb") as file:
        table = tomllib.load(file)
    rows: Mapping[str, Any] = table.get("sensor", {})
    instruments: Mapping[str, Any] = table.get("instrument", {})
    return {key: _sensor(key, _resolve(key, rows), instruments) for key in rows}


def _resolve(key: str, rows: Mapping[str, Any], seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """A row with everything that it takes over by `like`."""
    if key not in rows or key in seen:
        raise SwathError(rule="`like` names another sensor of the table", got=repr(key), remedy="mend sensors.toml")
    row = rows[key]
    if "like" not in row:
        return dict(row)
    return _resolve(row["like"], rows, (*seen, key)) | dict(row)


def _sensor(key: str, row: Mapping[str, Any], instruments: Mapping[str, Any]) -> Sensor:
    instrument = instruments.get(row.get("instrument", ""), {"bands": [], "source": ""})
    quantity = row.get("quantity", "reflectance")
    spectrum = row.get("spectrum")
    emissive = set(row.get("emissive", ()))
    base = Band(
        name="",
        quantity=quantity,
        units=row.get("units", _UNITS.get(quantity, "1")),
        scale=float(row.get("scale", 1.0)),
        offset=float(row.get("offset", 0.0)),
        nodata=float(row.get("nodata", math.nan)),
        becomes=row.get("becomes", ""),
    )
    return Sensor(
        key=key,
        title=row["title"],
        bands=_bands(row, instrument["bands"], base, emissive),
        source=row.get("source", instrument["source"]),
        family=row.get("family", key),
        quantity=base.quantity,
        units=base.units,
        scale=base.scale,
        offset=base.offset,
        nodata=base.nodata,
        becomes=base.becomes,
        scene_scale=bool(row.get("scene_scale", False)),
        ambiguous_offset=tuple(float(v) for v in row.get("ambiguous_offset", ())),
        ambiguous_units=tuple(row.get("ambiguous_units", ())),
        spectrum=None if spectrum is None else Spectrum(**{k: _pair(v) for k, v in spectrum.items()}),
        detector_scale=tuple((str(d), int(a), int(b), float(s)) for d, a, b, s in row.get("detector_scale", ())),
        masks=tuple(row.get("masks", {}).items()),
        product=tuple(row.get("product", ())),
        like=row.get("like", ""),
        note=row.get("note", ""),
    )


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else float(value)


def _bands(row: Mapping[str, Any], rows: Iterable[list[Any]], base: Band, emissive: set[str]) -> tuple[Band, ...]:
    """The instrument's bands under this product's names, with what differs for single bands."""
    own = {r[0]: r for r in rows}
    wanted = [name for name in row.get("only", own) if name not in row.get("drop", ())]
    special: dict[str, dict[str, Any]] = {k: dict(v) for k, v in row.get("band", {}).items()}
    source = {values.pop("from"): name for name, values in special.items() if "from" in values}
    gsd_of = {float(k): float(v) for k, v in row.get("gsd_of", {}).items()}
    bands = []
    for operator in wanted:
        _, wavelength, fwhm, gsd, common = own[operator]
        name = source.get(operator) or _renamed(row.get("names", "{}"), operator)
        band = replace(
            base,
            name=name,
            wavelength=float(wavelength),
            fwhm=float(fwhm),
            gsd=float(row.get("gsd", gsd_of.get(float(gsd), gsd))),
            common=common,
            aliases=(operator,) if operator != name else (),
            becomes="radiance" if operator in emissive else base.becomes,
        )
        values = special.pop(name, {})
        if "quantity" in values and "units" not in values:
            values["units"] = _UNITS.get(values["quantity"], "1")
        values["aliases"] = (*band.aliases, *values.get("aliases", ()))
        bands.append(replace(band, **values))
    if special:
        raise SwathError(
            rule="`band.NAME` names a band of the sensor", got=", ".join(special), remedy="mend the sensor's table"
        )
    return tuple(bands)


def _renamed(pattern: str, name: str) -> str:
    digits = "".join(c for c in name if c.isdigit())
    return pattern.replace("{}", name).replace("{:l}", name.lower()).replace("{:02}", digits.zfill(2))
