"""Bands of CF variables: a name, scale, missing numbers, quantity and wavelength for each slice of rows and columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.cube.array import Plane, Variable
from swath.cube.layer import FileBand

__all__ = ["Roles", "attribute", "bands_of", "packing", "quantity", "unit_text"]

_SPECTRAL = {
    "wavelength": ("wavelength", "wavelengths", "wl", "center_wavelength"),
    "fwhm": ("fwhm", "bandwidth"),
}
_NO_UNIT = {"none", "unitless", "dimensionless", "n/a", "-", "ndvi", "evi", "reflectance", "rank", "bit field", "nd"}
_NAMELESS = {"__xarray_dataarray_variable__", "band_data", "__xarray_data_array_variable__"}


@dataclass(frozen=True)
class Roles:
    """The roles of one variable's dims."""

    y: int
    x: int
    time: int | None
    extra: tuple[int, ...]


def attribute(value: Any) -> Any:
    """An attribute as a plain value: bytes to text, arrays of one to the one."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip("\x00")
    if isinstance(value, np.ndarray):
        if value.size == 1:
            return attribute(value.reshape(-1)[0])
        return [attribute(v) for v in value.reshape(-1)]
    if isinstance(value, np.float32):
        return float(str(value))  # the number that was meant: 0.001, not 0.0010000000474974513
    return value.item() if isinstance(value, np.generic) else value


def bands_of(variable: Variable, shape: Roles, variables: Mapping[str, Variable], *, alone: bool) -> list[Any]:
    """A Plane and a FileBand for every position on the variable's extra axes."""
    attrs = {str(k): attribute(v) for k, v in variable.attrs.items()}
    packed = packing(variable.dtype, attrs)
    base = "" if variable.leaf in _NAMELESS else variable.leaf
    out = []
    for position in np.ndindex(*[variable.shape[axis] for axis in shape.extra]):
        fixed = tuple(zip(shape.extra, (int(p) for p in position), strict=True))
        words: list[str] = []
        facts: dict[str, float] = {}
        names = False
        for axis, at in fixed:
            if variable.shape[axis] == 1 and base:
                continue
            word, extra, names = _label(variable.dims[axis], at, variables)
            words.append(word)
            facts |= extra
        name = "_".join([base, *words]) if base and not (alone and len(words) == 1 and names) else "_".join(words)
        plane = Plane(variable.name, shape.y, shape.x, shape.time, fixed, **packed)
        out.append((plane, _file_band(name or "band1", attrs, plane, facts)))
    return out


def _label(dim: str, at: int, variables: Mapping[str, Variable]) -> tuple[str, dict[str, float], bool]:
    """The name of one position on an extra axis, its wavelength where told, whether the axis itself names it (B02)."""
    leaf = dim.rsplit("/", 1)[-1]
    group = dim.lstrip("/").rpartition("/")[0]
    facts: dict[str, float] = {}
    factor = 1.0
    for key, names in _SPECTRAL.items():  # wavelength first: a width without a unit has the wavelength's
        for variable in variables.values():
            if variable.leaf.lower() in names and variable.dims == (dim,):
                value, units = float(variable.load()[at]), str(attribute(variable.attrs.get("units", "")))
                factor = _to_nanometres(value, units) if key == "wavelength" or units else factor
                facts[key] = value * factor
    axis = variables.get(dim.lstrip("/")) or variables.get(f"{group}/{leaf}".lstrip("/"))
    if axis is None or axis.dims != (dim,):
        return f"{leaf}{at + 1}", facts, False
    value = attribute(axis.load()[at])
    if isinstance(value, str):
        return value.strip(), facts, True
    return f"{leaf}{value:g}" if isinstance(value, (int, float)) else f"{leaf}{at + 1}", facts, False


def _to_nanometres(value: float, units: str) -> float:
    """The factor to nm of a wavelength; without a unit a value below 100 can only be micrometres."""
    if units in ("um", "µm", "micrometer", "micrometers", "micrometre", "micron", "microns") or (
        not units and value < 100
    ):
        return 1000.0
    return 1e9 if units in ("m", "metre", "meter") else 1.0


def packing(dtype: np.dtype, attrs: dict[str, Any]) -> dict[str, Any]:
    """Type, missing numbers and valid range as Plane takes them (CF 2.5.1, NetCDF users' guide: _Unsigned)."""
    kind = dtype.newbyteorder("=")
    unsigned = str(attrs.get("_Unsigned", "")).lower() == "true"
    if unsigned and kind.kind == "i":
        kind = np.dtype(f"u{kind.itemsize}")
    if kind.kind == "b":
        kind = np.dtype("uint8")

    def number(value: Any) -> float | None:
        try:
            found = float(value)
        except (TypeError, ValueError):
            return None
        return found + 256.0**kind.itemsize if unsigned and found < 0 else found

    missing: list[float] = []
    for key in ("_FillValue", "missing_value", "nodata", "nodatavals", "NoData"):
        values = attrs.get(key)
        for value in values if isinstance(values, list) else [values]:
            found = number(value)
            if found is not None and np.isfinite(found) and found not in missing:
                missing.append(found)
    low, high = number(attrs.get("valid_min")), number(attrs.get("valid_max"))
    if isinstance(span := attrs.get("valid_range"), list) and len(span) == 2:
        low, high = number(span[0]), number(span[1])
    if low is not None and high is not None and low > high:
        low = high = None
    nodata = missing[0] if missing else None
    if nodata is not None and kind.kind in "iu" and not np.iinfo(kind).min <= nodata <= np.iinfo(kind).max:
        nodata, missing = None, []
    if nodata is None and (low is not None or high is not None):
        nodata = _free_number(kind, low, high)
    return {"dtype": kind.str, "missing": tuple(missing), "low": low, "high": high, "nodata": nodata}


def _free_number(kind: np.dtype, low: float | None, high: float | None) -> float | None:
    """A number outside the valid range that can stand for missing; None when the range leaves none."""
    if kind.kind == "f":
        return float("nan")
    info = np.iinfo(kind)
    if low is not None and low > info.min:
        return float(info.min)
    return float(info.max) if high is not None and high < info.max else None


def unit_text(value: Any) -> str:
    """The unit that a file names: "1" for words that mean none (MODIS writes the quantity's name), "" for silence."""
    text = str(value or "").strip()
    return "1" if text.lower() in _NO_UNIT else text


def _file_band(name: str, attrs: dict[str, Any], plane: Plane, facts: dict[str, Any]) -> FileBand:
    scale, offset = (attrs.get(key) for key in ("scale_factor", "add_offset"))
    units = unit_text(attrs.get("units"))
    return FileBand(
        name=name,
        description=str(attrs.get("long_name", "") or attrs.get("standard_name", "") or ""),
        wavelength=facts.get("wavelength") or _attribute_wavelength(attrs),
        fwhm=facts.get("fwhm"),
        scale=None if scale is None else float(scale),
        offset=None if offset is None else float(offset),
        nodata=plane.nodata,
        quantity=quantity(name, attrs, units),
        units=units or None,
    )


def _attribute_wavelength(attrs: dict[str, Any]) -> float | None:
    for key in ("radiation_wavelength", "wavelength", "central_wavelength", "center_wavelength"):
        if isinstance(value := attrs.get(key), (int, float)):
            units = str(attrs.get(f"{key}_unit", attrs.get("wavelength_units", "")))
            return float(value) * _to_nanometres(float(value), units)
    return None


def quantity(name: str, attrs: Mapping[str, Any], units: str) -> str | None:
    """The quantity that CF names or units tell; None when they are silent."""
    words = f"{attrs.get('standard_name', '')} {attrs.get('long_name', '')}".lower().replace("_", " ")
    unit = units.lower()
    if attrs.get("flag_values") is not None or attrs.get("flag_masks") is not None:
        return "class"
    if unit in ("dn", "digital number", "digital numbers", "counts"):
        return "digital_number"
    if "brightness temperature" in words:
        return "brightness_temperature"
    if unit in ("k", "kelvin", "degc", "celsius", "degree_celsius", "degrees_celsius"):
        return "temperature"
    if (
        "toa bidirectional reflectance" in words
        or "top of atmosphere reflectance" in words
        or "toa reflectance" in words
    ):
        return "toa_reflectance"
    if "reflectance" in words or name.lower().startswith(("rho_", "rrs_", "reflectance", "rhos_")):
        return "reflectance"
    if "radiance" in words and "irradiance" not in words:
        return "radiance"
    if "vegetation index" in words or re.fullmatch(r"(ndvi|evi|savi|ndwi|ndmi|nbr)\d?", name.lower()):
        return "index"
    if "altitude" in words or "elevation" in words or "height above" in words:
        return "elevation"
    return "other" if units and words.strip() else None
