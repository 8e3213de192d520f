"""A cube moved by parts of a pixel, or brought to another radiometry: lazily, each window when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.cube import contract
from swath.cube.stack import cube_of
from swath.geometry.shift import TAPS, shift

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["moved", "scaled"]


def moved(cube: xr.DataArray, dy: float, dx: float) -> xr.DataArray:
    """The cube's picture moved down by dy and right by dx pixels on its own grid, by Lanczos; stored numbers stay so.

    Flags move by whole pixels; a flagged pixel never lends its value; what comes from outside is never seen.
    """
    if not dy and not dx:
        return cube
    stored = cube.dtype.kind in "iu"
    flag = _MovedFlag(cube, dy, dx) if "flag" in cube.coords or stored else None
    made = cube_of(cube, _Moved(cube, dy, dx), flag, contract.grid(cube), str(cube.attrs.get("resampling") or ""))
    made.attrs["moved"] = f"{dy:+.3f} pixels down, {dx:+.3f} right (Lanczos)"
    return made if stored else _floats(made)


def scaled(cube: xr.DataArray, gain: Sequence[float], offset: Sequence[float]) -> xr.DataArray:
    """Each band times gain plus offset (one of each a band); float32, missing is NaN, flags stay.

    Digital numbers become `other`: floats of them are no stored numbers any more.
    """
    source = _Scaled(cube, tuple(float(g) for g in gain), tuple(float(o) for o in offset))
    flag = _Flag(cube) if "flag" in cube.coords else None
    quantity = ["other" if q == "digital_number" else str(q) for q in cube.coords["quantity"].values]
    like = _floats(cube.assign_coords(quantity=("band", quantity)))
    like.attrs = {"long_name": "numbers brought to another date's radiometry", **cube.attrs}
    made = cube_of(like, source, flag, contract.grid(cube), str(cube.attrs.get("resampling") or ""))
    made.attrs["normalised"] = "gain and offset of each band from pixels that did not change"
    return made


def _floats(cube: xr.DataArray) -> xr.DataArray:
    """The nodata of floats is NaN."""
    return cube.assign_coords(nodata=("band", np.full(cube.sizes["band"], np.nan)))


def _shape(cube: xr.DataArray, bands: int) -> tuple[int, int, int, int]:
    return cube.sizes.get("time", 1), bands, cube.sizes["y"], cube.sizes["x"]


def _read(cube: xr.DataArray, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
    """(t, b, h, w) float32 with NaN where missing."""
    where = {"band": list(bands), "y": rows, "x": columns, **({"time": list(dates)} if "time" in cube.dims else {})}
    stored = np.asarray(cube.variable.isel(where).values)
    stored = stored if "time" in cube.dims else stored[None]
    values = stored.astype(np.float32)
    if stored.dtype.kind in "iu":
        for k, b in enumerate(bands):
            values[:, k][stored[:, k] == float(cube.coords["nodata"].values[b])] = np.nan
    return values


def _flags(cube: xr.DataArray, dates: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
    variable = cube.coords["flag"].variable
    where = {"y": rows, "x": columns, **({"time": list(dates)} if "time" in variable.dims else {})}
    flag = np.asarray(variable.isel(where).values)
    return flag if flag.ndim == 3 else flag[None]


@dataclass(frozen=True)
class _Scaled:
    cube: xr.DataArray
    gain: tuple[float, ...]
    offset: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return _shape(self.cube, self.cube.sizes["band"])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        values = _read(self.cube, dates, bands, rows, columns)
        gain, offset = (np.array([v[b] for b in bands], np.float32)[:, None, None] for v in (self.gain, self.offset))
        return np.asarray(values * gain + offset, np.float32)


@dataclass(frozen=True)
class _Flag:
    cube: xr.DataArray

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return _shape(self.cube, 1)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        return _flags(self.cube, dates, rows, columns)[:, None]


@dataclass(frozen=True)
class _Moved:
    cube: xr.DataArray
    dy: float
    dx: float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return _shape(self.cube, self.cube.sizes["band"])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.cube.dtype if self.cube.dtype.kind in "iu" else np.float32)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        outer, inner = _around(self.cube, rows, columns, self.dy, self.dx)
        values = _read(self.cube, dates, bands, *outer)
        if "flag" in self.cube.coords:
            flag = _flags(self.cube, dates, *outer)
            bad = (flag != 0) & (flag != contract.FLAGS["snow"])
            values = np.where(bad[:, None], np.float32(np.nan), values)
        out = shift(values, self.dy, self.dx)[(..., *inner)]
        if self.dtype.kind == "f":
            return out
        info = np.iinfo(self.dtype)
        nodata = self.cube.coords["nodata"].values.astype(float)[list(bands)]
        whole = np.clip(np.rint(np.nan_to_num(out)), info.min, info.max)
        fill = np.where(np.isfinite(nodata), nodata, 0)[:, None, None]
        return np.where(np.isfinite(out), whole, fill).astype(self.dtype)


@dataclass(frozen=True)
class _MovedFlag:
    cube: xr.DataArray
    dy: float
    dx: float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return _shape(self.cube, 1)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        height, width = self.cube.sizes["y"], self.cube.sizes["x"]
        y = np.arange(rows.start, rows.stop) - round(self.dy)
        x = np.arange(columns.start, columns.stop) - round(self.dx)
        inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
        top, left = max(0, int(y.min())), max(0, int(x.min()))
        bottom, right = min(height, int(y.max()) + 1), min(width, int(x.max()) + 1)
        out = np.full((len(dates), 1, len(y), len(x)), contract.FLAGS["never_seen"], np.uint8)
        if top < bottom and left < right:
            part = np.zeros((len(dates), bottom - top, right - left), np.uint8)
            if "flag" in self.cube.coords:
                part = _flags(self.cube, dates, slice(top, bottom), slice(left, right))
            picked = part[:, np.clip(y - top, 0, bottom - top - 1)][:, :, np.clip(x - left, 0, right - left - 1)]
            out[:, 0] = np.where(inside, picked, out[:, 0])
        return out


def _around(
    cube: xr.DataArray, rows: slice, columns: slice, dy: float, dx: float
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of the cube that a moved window comes from, and where the window lies in it."""
    outer, inner = [], []
    for part, size, by in ((rows, cube.sizes["y"], dy), (columns, cube.sizes["x"], dx)):
        far = TAPS + int(np.ceil(abs(by))) + 1
        low, high = max(0, part.start - far), min(size, part.stop + far)
        outer.append(slice(low, high))
        inner.append(slice(part.start - low, part.stop - low))
    return (outer[0], outer[1]), (inner[0], inner[1])
