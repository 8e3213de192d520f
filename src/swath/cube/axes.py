"""Axes of NetCDF, HDF and Zarr variables: which one is rows, columns or time; even steps; dates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.cube.array import Variable

__all__ = ["Axis", "decode_times", "regular", "role"]

_NAMES = {
    "y": {"y", "lat", "latitude", "latitudes", "northing", "northings", "ydim", "yc", "rlat", "row", "rows", "line",
          "lines", "nlat", "number_of_lines", "height", "north_south", "south_north", "downtrack"},
    "x": {"x", "lon", "longitude", "longitudes", "easting", "eastings", "xdim", "xc", "rlon", "col", "cols", "column",
          "columns", "samples", "nlon", "number_of_pixels", "pixels_per_line", "width", "east_west", "west_east",
          "crosstrack"},
    "time": {"time", "t", "times", "date", "dates", "valid_time", "time_counter", "day"},
}  # fmt: skip
_STANDARD = {
    "projection_y_coordinate": "y", "latitude": "y", "grid_latitude": "y",
    "projection_x_coordinate": "x", "longitude": "x", "grid_longitude": "x", "time": "time",
}  # fmt: skip
_SINCE = re.compile(r"\s+since\s+", re.IGNORECASE)


def role(dim: str, variable: Variable | None) -> str:
    """One of "y", "x", "time" and "": what an axis is by its variable's attributes, else by its name."""
    if variable is not None:
        attrs = {k: _text(v) for k, v in variable.attrs.items() if k in ("axis", "standard_name", "units")}
        if attrs.get("axis", "").upper() in ("X", "Y"):
            return attrs["axis"].lower()
        if attrs.get("standard_name") in _STANDARD:
            return _STANDARD[attrs["standard_name"]]
        units = attrs.get("units", "").lower()
        if re.match(r"degrees?_?(north|n)$", units):
            return "y"
        if re.match(r"degrees?_?(east|e)$", units):
            return "x"
        if _SINCE.search(units) or attrs.get("axis", "").upper() == "T":
            return "time"
    leaf = dim.rsplit("/", 1)[-1].split(":")[0].lower()
    return next((kind for kind, names in _NAMES.items() if leaf in names), "")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@dataclass(frozen=True)
class Axis:
    """Pixel centres from `first` (least) to `last` in even steps; `descending` says the order in the file."""

    known: bool
    first: float = 0.0
    last: float = 0.0
    step: float = 1.0
    descending: bool | None = None
    size: int = 0
    problem: str = ""

    def stepped(self, step: float | None) -> Axis:
        """The same, with the step that a transform tells where the axis has one pixel only."""
        return replace(self, step=step) if self.size == 1 and step else self

    def west_to_east(self, width: int, notes: list[str]) -> tuple[Axis, int]:
        """Longitudes brought to -180..180, and the column of the file that becomes the first."""
        if self.first >= 180 - 1e-6:
            notes.append(f"longitudes {self.first:g}..{self.last:g}: 360 taken off")
            return replace(self, first=self.first - 360, last=self.last - 360), 0
        if self.last <= 180 + self.step or self.descending or abs(self.step * width - 360) > self.step * 1.01:
            return self, 0
        roll = int(np.ceil((180 - self.first) / self.step - 1e-6))
        notes.append(
            f"longitudes {self.first:g}..{self.last:g}: rolled to start at {self.first + roll * self.step - 360:g}"
        )
        first = self.first + roll * self.step - 360
        return replace(self, first=first, last=first + (width - 1) * self.step), roll


def regular(variable: Variable | None, size: int) -> Axis:
    """The axis of pixel centres; unknown, with the problem in words, when its numbers are missing or uneven."""
    if variable is None or variable.shape != (size,) or variable.dtype.kind not in "iuf":
        return Axis(known=False)
    values = np.asarray(variable.load())
    precision = float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        return Axis(known=False, problem=f"axis {variable.leaf} holds missing numbers")
    scale, offset = (variable.attrs.get(key) for key in ("scale_factor", "add_offset"))
    values = values * (1.0 if scale is None else float(scale)) + (0.0 if offset is None else float(offset))
    if precision > 1e-10 and scale is None and offset is None:  # float32: the numbers that were meant
        values[[0, -1]] = [float(str(v)) for v in (np.float32(values[0]), np.float32(values[-1]))]
    if size == 1:
        return Axis(known=True, first=values[0], last=values[0], descending=None, size=1, step=1.0)
    steps = np.diff(values)
    step = (values[-1] - values[0]) / (size - 1)
    slack = 0.02 * abs(step) + 4 * precision * np.abs(values).max()
    if step == 0 or np.abs(steps - step).max() > slack:
        return Axis(known=False, problem=f"axis {variable.leaf} has uneven steps ({steps.min():g} to {steps.max():g})")
    low, high = min(values[0], values[-1]), max(values[0], values[-1])
    return Axis(known=True, first=low, last=high, step=abs(step), descending=bool(step < 0), size=size)


def decode_times(values: np.ndarray, attrs: Mapping[str, Any]) -> np.ndarray | None:
    """datetime64[ns] of a time axis (CF units "... since ...", ISO texts, YYYYMMDD numbers); None when unreadable."""
    values = np.asarray(values)
    if values.dtype.kind == "M":
        return values.astype("datetime64[ns]")
    if values.dtype.kind in "OSU":
        return _from_text(values)
    units = _text(attrs.get("units", ""))
    if not _SINCE.search(units):
        whole = values.astype(np.float64)
        if np.isfinite(whole).all() and ((whole >= 19000101) & (whole <= 21991231)).all():
            return _from_text(np.array([str(int(v)) for v in whole.ravel()]))
        return None
    return _decode_cf(values, units, _text(attrs.get("calendar", "standard")))


def _decode_cf(values: np.ndarray, units: str, calendar: str) -> np.ndarray | None:
    import xarray as xr

    bad = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    safe = np.where(bad, 0, values)
    data = xr.Dataset(coords={"time": ("time", safe, {"units": units, "calendar": calendar})})
    try:
        times = xr.decode_cf(data)["time"].values
    except (ValueError, OverflowError, ImportError):
        return None  # a calendar that no clock follows (noleap, 360_day), or units that are none
    if times.dtype.kind != "M":
        return None
    found: np.ndarray = times.astype("datetime64[ns]")
    found[bad] = np.datetime64("NaT")
    return found


def _from_text(values: np.ndarray) -> np.ndarray | None:
    out = []
    for value in values.ravel():
        text = _text(value).strip().removesuffix("Z")
        if re.fullmatch(r"\d{8}(T\d{6})?", text):
            text = f"{text[:4]}-{text[4:6]}-{text[6:8]}" + (
                f"T{text[9:11]}:{text[11:13]}:{text[13:15]}" if "T" in text else ""
            )
        try:
            out.append(np.datetime64(text, "ns"))
        except ValueError:
            return None
    return np.array(out, dtype="datetime64[ns]")
