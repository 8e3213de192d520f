"""Where files hide their coordinate reference system and transform: grid mappings, attributes, WKT, proj4, EPSG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from affine import Affine
    from pyproj import CRS

    from swath.cube.array import Variable

__all__ = ["Mapping_", "find_crs", "parse_crs", "transform_attribute"]

_TEXTS = (
    "crs_wkt", "spatial_ref", "esri_pe_string", "proj4", "proj4text", "proj4_string", "proj_string", "crs",
    "epsg_code", "epsg", "EPSG", "proj:epsg", "proj:code", "proj:wkt2", "projection", "geospatial_bounds_crs", "srs",
)  # fmt: skip
_NOT_FOUND = ("", "none", "unknown", "undefined")


@dataclass(frozen=True)
class Mapping_:  # noqa: N801 - `Mapping` is taken
    """A grid mapping: its attributes, and the factor that turns the axes' unit into the CRS's."""

    attrs: Mapping[str, Any]
    factor: float = 1.0


def parse_crs(text: Any) -> CRS | None:
    """A CRS from WKT, proj4, an EPSG number or a name; None when it is none."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if isinstance(text, (list, tuple, np.ndarray)):
        return None
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if isinstance(text, (int, np.integer)) or re.fullmatch(r"\d{4,6}", str(text).strip()):
        text = f"EPSG:{text}"
    if str(text).strip().lower() in _NOT_FOUND:
        return None
    text = re.sub(r"\+init=(?=\w+:\d+)", "", str(text).strip(), flags=re.IGNORECASE)
    try:
        return CRS.from_user_input(text)
    except CRSError:
        return None


def find_crs(
    variable: Variable,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    dims: tuple[str, str],
    notes: list[str],
) -> tuple[CRS | None, Mapping_ | None]:
    """The CRS of a variable and the grid mapping it came from; looks in the order of how sure each place is."""
    group = variable.name.rpartition("/")[0]
    named = _text(variable.attrs.get("grid_mapping", "")).split(":")[0].strip()
    candidates = [named, f"{group}/{named}"] if named else []
    candidates += [
        f"{prefix}{name}"
        for prefix in (f"{group}/" if group else "", "")
        for name in ("spatial_ref", "crs", "projection")
    ]
    for name in candidates:
        if (mapping := variables.get(name.lstrip("/"))) is not None and len(mapping.shape) <= 1:
            if (crs := _from_mapping(mapping.attrs)) is not None:
                return crs, Mapping_(mapping.attrs, _factor(variables.get(dims[1].lstrip("/")), mapping.attrs))
            if named and name.endswith(named):
                notes.append(f"the grid mapping {named} tells no coordinate reference system that is known")
    for place, where in ((variable.attrs, f"the attributes of {variable.leaf}"), (attrs, "the file's attributes")):
        for key in _TEXTS:
            if key in place and (crs := parse_crs(_plain(place[key]))) is not None:
                notes.append(f"coordinate reference system from {key} in {where}")
                return crs, Mapping_({})
    return _from_axes(variables, dims, notes), None


def _plain(value: Any) -> Any:
    return value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value


def _from_mapping(attrs: Mapping[str, Any]) -> CRS | None:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    for key in _TEXTS:
        if key in attrs and (crs := parse_crs(_plain(attrs[key]))) is not None:
            return crs
    if "grid_mapping_name" not in attrs:
        return None
    plain = {
        k: (v.decode() if isinstance(v, bytes) else v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v)
        for k, v in attrs.items()
    }
    plain = {k: v[0] if isinstance(v, list) and len(v) == 1 else v for k, v in plain.items()}
    try:
        return CRS.from_cf(plain)
    except (CRSError, KeyError, TypeError, ValueError):
        return None


def _factor(axis: Variable | None, attrs: Mapping[str, Any]) -> float:
    """Geostationary axes may be angles (rad): metres are angle times the satellite's height (CF appendix F)."""
    units = _text(axis.attrs.get("units", "")).lower() if axis is not None else ""
    if _text(attrs.get("grid_mapping_name", "")) == "geostationary" and units.startswith("rad"):
        return float(_plain(attrs.get("perspective_point_height", 1.0)))
    return 1000.0 if units in ("km", "kilometer", "kilometre", "kilometers") else 1.0


def _from_axes(variables: Mapping[str, Variable], dims: tuple[str, str], notes: list[str]) -> CRS | None:
    """Longitude and latitude by the axes' own names or units."""
    from pyproj import CRS

    axes = [variables.get(dim.lstrip("/")) for dim in dims]
    leaves = [dim.rsplit("/", 1)[-1].lower() for dim in dims]
    units = [_text(a.attrs.get("units", "")).lower() if a is not None else "" for a in axes]
    if all(re.match(r"degrees?_?(north|east|n|e)$", unit) for unit in units) or (
        leaves[0].startswith("lat") and leaves[1].startswith("lon")
    ):
        notes.append("axes are longitude and latitude and no datum is named: WGS 84 (EPSG:4326) assumed")
        return CRS.from_epsg(4326)
    return None


def transform_attribute(variable: Variable, mapping: Mapping_ | None, attrs: Mapping[str, Any]) -> Affine | None:
    """The affine from a GeoTransform (GDAL's order) or transform attribute (rasterio's order)."""
    from affine import Affine

    for place in (mapping.attrs if mapping else {}, variable.attrs, attrs):
        for key, gdal in (("GeoTransform", True), ("transform", False), ("proj:transform", False)):
            numbers = _numbers(place.get(key))
            if len(numbers) >= 6:
                a, b, c, d, e, f = numbers[:6]
                return Affine(b, c, a, e, f, d) if gdal else Affine(a, b, c, d, e, f)
    return None


def _numbers(value: Any) -> list[float]:
    if value is None:
        return []
    if isinstance(value, (str, bytes)):
        value = [v for v in re.split(r"[\s,]+", _text(value).strip("[]() ")) if v]
    try:
        return [float(v) for v in np.atleast_1d(np.asarray(value)).ravel()]
    except ValueError:
        return []


def _text(value: Any) -> str:
    value = _plain(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
