"""Several cubes of one grid as one: bands joined, dates stacked, looks of one day laid over one another, all lazily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import contract
from swath.cube.lazy import Source, lazy

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["CubeSource", "Stacked", "cube_of", "merge", "stack"]

_BAND_EXTRAS = ("common", "polarisation")


def merge(cubes: Sequence[xr.DataArray]) -> xr.DataArray:
    """Bands of several cubes of one grid as one cube; a band that is there twice is taken from the first.

    Bands are sorted by wavelength where all have one. Dates that a part lacks are missing in its bands.
    """
    if len(cubes) == 1:
        return cubes[0]
    bands: list[tuple[int, int]] = []
    seen: set[str] = set()
    for p, cube in enumerate(cubes):
        for b, name in enumerate(cube.coords["band"].values):
            if str(name) not in seen:
                seen.add(str(name))
                bands.append((p, b))
    wavelength = [float(cubes[p].coords["wavelength"].values[b]) for p, b in bands]
    if np.isfinite(wavelength).all():
        bands = [bands[k] for k in np.argsort(wavelength, kind="stable")]
    days, when = _days(cubes)
    table = tuple(tuple(tuple((p, t, b) for t in _dates_on(cubes[p], day)) for p, b in bands) for day in days)
    return _stacked(cubes, bands, table, when, days)


def stack(cubes: Sequence[xr.DataArray]) -> xr.DataArray:
    """Cubes of one sensor, grid and bands as one cube over time; within a day the first usable value wins."""
    if len(cubes) == 1:
        return cubes[0]
    days, when = _days(cubes)
    bands = [(0, b) for b in range(cubes[0].sizes["band"])]
    table = tuple(
        tuple(tuple((p, t, b) for p, cube in enumerate(cubes) for t in _dates_on(cube, day)) for _, b in bands)
        for day in days
    )
    return _stacked(cubes, bands, table, when, days)


@dataclass(frozen=True)
class Stacked:
    """A Source: each date and band from the first of several sources (on one grid) that has a usable value there.

    table[date][band]: (part, date, band) in order. nodata: of each band; fill: where no part has a value.
    """

    parts: tuple[Source, ...]
    flags: tuple[Source | None, ...]
    nodata: tuple[float, ...]
    fill: tuple[float, ...]
    table: tuple[tuple[tuple[tuple[int, int, int], ...], ...], ...]
    kind: str
    size: tuple[int, int]
    flag: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        return len(self.table), 1 if self.flag else len(self.table[0]), *self.size

    @property
    def dtype(self) -> np.dtype:
        """The common stored type."""
        return np.dtype(np.uint8 if self.flag else self.kind)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window."""
        shape = (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start)
        if self.flag:
            out = np.empty(shape, np.uint8)
            for n, d in enumerate(dates):
                out[n] = self._reasons(d, rows, columns)
            return out
        out = np.empty(shape, self.dtype)
        for n, d in enumerate(dates):
            # Bands that come from the same looks are read together: a file's blocks often hold all of them.
            groups: dict[tuple[tuple[int, int], ...], list[int]] = {}
            for k, b in enumerate(bands):
                groups.setdefault(tuple((p, t) for p, t, _ in self.table[d][b]), []).append(k)
            for looks, places in groups.items():
                out[n, places] = self._first(looks, d, [bands[k] for k in places], rows, columns)
        return out

    def _first(
        self, looks: tuple[tuple[int, int], ...], d: int, bands: list[int], rows: slice, columns: slice
    ) -> np.ndarray:
        """(len(bands), rows, columns): the first usable value of each pixel, else the first that is there, else fill."""
        out = np.empty((len(bands), rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        out[:] = np.array([self.fill[b] for b in bands], self.dtype)[:, None, None]
        usable, there = np.zeros(out.shape, bool), np.zeros(out.shape, bool)
        nodata = np.array([self.nodata[b] for b in bands])[:, None, None]
        for k, (p, t) in enumerate(looks):
            values: np.ndarray = self.parts[p].read([t], [self.table[d][b][k][2] for b in bands], rows, columns)[0]
            if len(looks) == 1 and values.dtype == self.dtype:
                return values
            seen = np.isfinite(values) if values.dtype.kind == "f" else values != nodata
            flag = self.flags[p]
            good = seen
            if flag is not None and len(looks) > 1:
                good = seen & (flag.read([t], [0], rows, columns)[0] == 0)
            new = (good & ~usable) | (seen & ~there)
            out[new] = values[new].astype(self.dtype)
            usable |= good
            there |= seen
            if usable.all():
                break
        return out

    def _reasons(self, d: int, rows: slice, columns: slice) -> np.ndarray:
        """0 where any part of this date is usable, else the first reason that is not 'never seen'."""
        pairs = list(dict.fromkeys((p, t) for order in self.table[d] for p, t, _ in order))
        out: np.ndarray | None = None
        for p, t in pairs:
            flag = self.flags[p]
            if flag is None:
                continue
            reasons = flag.read([t], [0], rows, columns)[0, 0]
            if out is None:
                out = reasons.copy()
                continue
            if self._mosaic:
                new = (out != 0) & ((reasons == 0) | (out == contract.FLAGS["never_seen"]))
            else:
                new = (out == 0) | ((out == contract.FLAGS["never_seen"]) & (reasons != 0))
            out[new] = reasons[new]
        if out is None:
            return np.full(
                (rows.stop - rows.start, columns.stop - columns.start), contract.FLAGS["never_seen"], np.uint8
            )
        return out

    @property
    def _mosaic(self) -> bool:
        """Whether parts are other looks at the same bands (else they are other bands of the same look)."""
        return any(len(order) > 1 for row in self.table for order in row)


@dataclass(frozen=True)
class CubeSource:
    """A cube's values (or flags) as a Source again."""

    cube: xr.DataArray
    flag: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        s = self.cube.sizes
        return s.get("time", 1), 1 if self.flag else s["band"], s["y"], s["x"]

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return np.dtype(np.uint8 if self.flag else self.cube.dtype)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window."""
        variable = self.cube.coords["flag"].variable if self.flag else self.cube.variable
        where: dict[str, Any] = {"time": list(dates), "band": list(bands), "y": rows, "x": columns}
        values = np.asarray(variable.isel({d: where[d] for d in variable.dims}).values)
        values = values if "time" in variable.dims else values[None]
        return values[:, None] if self.flag else values


def _stacked(
    cubes: Sequence[xr.DataArray], bands: list[tuple[int, int]], table: Any, when: np.ndarray | None, days: Any
) -> xr.DataArray:
    first = cubes[0]
    kinds = {c.dtype for c in cubes}
    kind = kinds.pop() if len(kinds) == 1 else np.result_type(*{c.dtype for c in cubes}, np.float32)
    stored = np.dtype(kind).kind in "iu"
    nodata = [float(cubes[p].coords["nodata"].values[b]) for p, b in bands]
    fill = tuple((v if np.isfinite(v) else 0.0) if stored else np.nan for v in nodata)
    gaps = stored and not np.isfinite(nodata).all()
    source = Stacked(
        parts=tuple(CubeSource(c) for c in cubes),
        flags=tuple(CubeSource(c, flag=True) if "flag" in c.coords else None for c in cubes),
        nodata=tuple(nodata),
        fill=fill,
        table=table,
        kind=str(np.dtype(kind)),
        size=(first.sizes["y"], first.sizes["x"]),
    )
    flagged = any("flag" in c.coords for c in cubes) or (gaps and any(not o for row in table for o in row))
    flags = Stacked(**{**source.__dict__, "flag": True}) if flagged else None
    said = "; ".join(dict.fromkeys(str(c.attrs["resampling"]) for c in cubes if c.attrs.get("resampling")))
    template = _template(cubes, bands, when)
    return cube_of(template, source, flags, contract.grid(first), said)


def _template(cubes: Sequence[xr.DataArray], bands: list[tuple[int, int]], when: np.ndarray | None) -> xr.DataArray:
    """Band coordinates and attributes of the cube to come, over an empty stand-in of no pixels."""
    import xarray as xr

    coords: dict[str, Any] = {}
    for name in ("band", "wavelength", "fwhm", "gsd", "quantity", "units", "nodata", *_BAND_EXTRAS):
        if all(name in c.coords for c in cubes):
            coords[name] = ("band", np.array([cubes[p].coords[name].values[b] for p, b in bands]))
    dims: tuple[str, ...] = ("band", "y", "x")
    shape: tuple[int, ...] = (len(bands), 0, 0)
    if when is not None:
        dims, shape, coords["time"] = ("time", *dims), (len(when), *shape), when
    return xr.DataArray(np.empty(shape), dims=dims, coords=coords, attrs=dict(cubes[0].attrs))


def cube_of(like: xr.DataArray, source: Source, flag: Source | None, grid: GeoBox | None, said: str) -> xr.DataArray:
    """A lazy cube with the bands, dates and attributes of another, on `grid`."""
    import xarray as xr

    c = like.coords
    dated = "time" in like.dims
    values = xr.Variable(("time", "band", "y", "x"), lazy(source))
    flags = None if flag is None else xr.Variable(("time", "band", "y", "x"), lazy(flag)).isel(band=0)
    if not dated:
        values, flags = values.isel(time=0), None if flags is None else flags.isel(time=0)
    made = contract.make(
        values._data,
        bands=[str(b) for b in c["band"].values],
        geobox=grid,
        time=c["time"].values if dated else None,
        wavelength=c["wavelength"].values,
        fwhm=c["fwhm"].values,
        gsd=c["gsd"].values,
        quantity=[str(q) for q in c["quantity"].values],
        units=[str(u) for u in c["units"].values],
        nodata=c["nodata"].values,
        flag=None if flags is None else flags._data,
        attrs={**like.attrs, **({"resampling": said} if said else {})},
    )
    extras = {name: ("band", c[name].values) for name in _BAND_EXTRAS if name in c}
    return made.assign_coords(extras) if extras else made


def _days(cubes: Sequence[xr.DataArray]) -> tuple[list[Any], np.ndarray | None]:
    """Days on which any cube has a date, and the first exact time of each; [None] when no cube has dates."""
    if not any("time" in c.dims for c in cubes):
        return [None], None
    times = np.sort(np.concatenate([c.coords["time"].values for c in cubes if "time" in c.dims]))
    days, first = np.unique(times.astype("datetime64[D]"), return_index=True)
    return list(days), times[first]


def _dates_on(cube: xr.DataArray, day: Any) -> list[int]:
    if day is None or "time" not in cube.dims:
        return [0]
    return [int(t) for t in np.flatnonzero(cube.coords["time"].values.astype("datetime64[D]") == day)]
