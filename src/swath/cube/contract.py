"""The cube contract: what an `xarray.DataArray` must keep to be called a cube, checked in one place.

dims: a subset of ("draw", "time", "band", "y", "x") in that order, `band` always; or `place` in the stead of y, x.
Coordinates on `band`: wavelength, fwhm (nm, NaN where none), gsd (m), quantity, units, nodata. See docs/concepts.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.earth.sensor import Band
from swath.errors import BandError, GridError, UnitError

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["DIMS", "FLAGS", "QUANTITIES", "bands_of", "check", "grid", "make", "sensor_key", "usable", "validate"]

DIMS = ("draw", "time", "band", "y", "x")
QUANTITIES = (
    "digital_number", "reflectance", "toa_reflectance", "radiance", "brightness_temperature", "temperature",
    "backscatter", "coherence", "phase", "elevation", "index", "count", "embedding", "probability", "class", "other",
)  # fmt: skip
FLAGS = {"usable": 0, "never_seen": 1, "cloud": 2, "shadow": 3, "snow": 4, "saturated": 5, "read_failed": 6}
_BAND_COORDS = ("wavelength", "fwhm", "gsd", "quantity", "units", "nodata")


def make(
    values: Any,
    *,
    bands: Sequence[str],
    geobox: GeoBox | None,
    time: Sequence[Any] | np.ndarray | None = None,
    wavelength: Sequence[float] | None = None,
    fwhm: Sequence[float] | None = None,
    gsd: Sequence[float] | None = None,
    quantity: str | Sequence[str] = "digital_number",
    units: str | Sequence[str] = "1",
    nodata: float | Sequence[float] = np.nan,
    flag: Any | None = None,
    sensor: str | None = None,
    attrs: dict[str, Any] | None = None,
) -> xr.DataArray:
    """A cube from values (T, B, H, W), or (B, H, W) when `time` is None.

    values: a NumPy array or anything xarray takes as lazy data. geobox: the grid; without CRS areas are in pixels;
    None means a plain pixel grid. flag: (T, H, W) uint8 reasons of FLAGS. Raises as `check` does.
    """
    import xarray as xr

    n = len(bands)

    def spread(value: Any, kind: Any = float) -> np.ndarray:
        if value is None:
            value = np.nan
        if isinstance(value, str) or np.isscalar(value):
            value = [value] * n
        return np.asarray(list(value), dtype=object if kind is str else kind).astype(str if kind is str else kind)

    dims = (("time",) if time is not None else ()) + ("band", "y", "x")
    coords: dict[str, Any] = {
        "band": [str(b) for b in bands],
        "wavelength": ("band", spread(wavelength)),
        "fwhm": ("band", spread(fwhm)),
        "gsd": ("band", spread(gsd)),
        "quantity": ("band", spread(quantity, str)),
        "units": ("band", spread(units, str)),
        "nodata": ("band", spread(nodata)),
    }
    if time is not None:
        coords["time"] = np.asarray(time, dtype="datetime64[ns]")
    coords.update(grid_coords(geobox, values.shape[-2:]))
    if flag is not None:
        coords["flag"] = (("time", "y", "x") if time is not None else ("y", "x"), flag)
    da = xr.DataArray(values, dims=dims, coords=coords, attrs={**(attrs or {})})
    if sensor is not None:
        da.attrs["sensor"] = sensor
    return validate(da)


def grid_coords(geobox: GeoBox | None, shape: tuple[int, int]) -> dict[str, Any]:
    """Coordinates y, x and spatial_ref of a grid: pixel centres; for a rotated grid pixel numbers, the affine in GeoTransform."""
    import xarray as xr

    height, width = shape
    if geobox is None:
        return {"y": np.arange(height) + 0.5, "x": np.arange(width) + 0.5}
    a = geobox.affine
    attrs: dict[str, Any] = {"GeoTransform": " ".join(repr(float(v)) for v in (a.c, a.a, a.b, a.f, a.d, a.e))}
    if geobox.crs is not None:
        attrs |= {"crs_wkt": geobox.crs.to_wkt(), "spatial_ref": geobox.crs.to_wkt()}
    if abs(a.b) + abs(a.d) > 1e-12 * (abs(a.a) + abs(a.e)):
        y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    else:
        y, x = a.f + a.e * (np.arange(height) + 0.5), a.c + a.a * (np.arange(width) + 0.5)
    return {"y": y, "x": x, "spatial_ref": xr.DataArray(np.int32(0), attrs=attrs)}


def grid(da: xr.DataArray) -> GeoBox | None:
    """The GeoBox of a cube; None when it has neither CRS nor transform. A window cut from a cube keeps its place."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    if "spatial_ref" not in da.coords or "y" not in da.dims:
        return None
    attrs = da.coords["spatial_ref"].attrs
    c, a, b, f, d, e = (float(v) for v in str(attrs["GeoTransform"]).split())
    whole = Affine(a, b, c, d, e, f)
    y, x = da.coords["y"].values, da.coords["x"].values
    if not len(y) or not len(x):
        raise GridError(rule="a cube has at least one pixel", got=f"shape {da.shape}", remedy="widen the area")
    if abs(b) + abs(d) > 1e-12 * (abs(a) + abs(e)):
        col, row, step_x, step_y = x[0] - 0.5, y[0] - 0.5, _step(x, 1.0), _step(y, 1.0)
    else:
        col, row = (x[0] - c) / a - 0.5, (y[0] - f) / e - 0.5
        step_x, step_y = _step(x, a) / a, _step(y, e) / e
    affine = whole @ Affine.translation(round(col, 6), round(row, 6)) @ Affine.scale(step_x, step_y)
    return GeoBox((len(y), len(x)), affine, attrs.get("crs_wkt"))


def _step(values: np.ndarray, default: float) -> float:
    if len(values) < 2:
        return default
    step = float(values[-1] - values[0]) / (len(values) - 1)
    return default if abs(step - default) < 1e-6 * abs(default) else step


def check(da: xr.DataArray) -> str:
    """Say in one line what breaks the contract; an empty text when nothing does."""
    dims = tuple(str(d) for d in da.dims)
    if "band" not in dims:
        return f"a cube has the dimension band; got {dims}"
    order = tuple(d for d in (*DIMS[:3], "place", *DIMS[3:]) if d in dims)
    if dims != order or ("place" in dims and "y" in dims):
        return f"a cube's dimensions are of {DIMS} in that order (or place in the stead of y, x); got {dims}"
    if missing := [name for name in _BAND_COORDS if name not in da.coords or da.coords[name].dims != ("band",)]:
        return f"band coordinates missing: {', '.join(missing)}"
    names = [str(v) for v in da.coords["band"].values]
    if len(set(names)) != len(names):
        return f"band names are unique; got {sorted({n for n in names if names.count(n) > 1})} more than once"
    if unknown := sorted({str(q) for q in da.coords["quantity"].values} - set(QUANTITIES)):
        return f"quantities are of {QUANTITIES}; got {unknown}"
    if "time" in dims:
        time = da.coords["time"].values
        if time.dtype.kind != "M" or np.isnat(time).any():
            return f"time is datetime64 without gaps; got {time.dtype}"
        if (np.diff(time.astype("datetime64[ns]").astype(np.int64)) <= 0).any():
            return "time is sorted and unique; got dates out of order or doubled"
    if da.dtype.kind == "c":
        return "complex numbers open as two bands; got a complex array"
    if da.dtype.kind == "f" and "digital_number" in da.coords["quantity"].values.tolist() and not da.attrs.get("raw"):
        return "floats are physical; got a float of digital numbers (set attrs raw=True only inside `cube`)"
    return ""


def validate(da: xr.DataArray) -> xr.DataArray:
    """The same cube, or an error that says what breaks the contract."""
    if text := check(da):
        rule, _, got = text.partition("; got ")
        kind = BandError if "band" in rule else UnitError if "float" in rule or "quantit" in rule else GridError
        raise kind(rule=rule, got=got or "a DataArray", remedy="make cubes with swath.open or swath.cube.contract.make")
    return da


def bands_of(da: xr.DataArray) -> tuple[Band, ...]:
    """The bands of a cube as Band values (already physical: scale 1, offset 0)."""
    c = da.coords
    texts = {k: c[k].values if k in c else [""] * da.sizes["band"] for k in ("common", "polarisation")}
    return tuple(
        Band(
            name=str(c["band"].values[i]),
            wavelength=float(c["wavelength"].values[i]),
            fwhm=float(c["fwhm"].values[i]),
            gsd=float(c["gsd"].values[i]),
            quantity=str(c["quantity"].values[i]),
            units=str(c["units"].values[i]),
            common=str(texts["common"][i]),
            polarisation=str(texts["polarisation"][i]),
        )
        for i in range(da.sizes["band"])
    )


def usable(da: xr.DataArray, allow: Iterable[str] = ()) -> np.ndarray:
    """Where values count: (T, H, W) or (H, W) bool from the flag; all True without one.

    allow: names of FLAGS whose pixels still count, e.g. ("snow",).
    """
    shape = tuple(da.sizes[d] for d in ("time", "y", "x") if d in da.dims)
    if "flag" not in da.coords:
        return np.ones(shape, bool)
    good = [0, *(FLAGS[name] for name in allow)]
    return np.isin(da.coords["flag"].values, good)


def sensor_key(da: xr.DataArray) -> str | None:
    """The key of sensors.toml that the cube names, if any."""
    value = da.attrs.get("sensor")
    return str(value) if value else None
