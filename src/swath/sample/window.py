"""A window of several aligned cubes as one Batch: what features, encoders and predict all read."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.cube import contract
from swath.cube.contract import bands_of
from swath.earth.sensor import Band
from swath.earth.time import days
from swath.errors import GridError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Windows", "bands_of", "block_bytes", "read"]


def read(cubes: Mapping[str, xr.DataArray], rows: slice, columns: slice, *, allow: Iterable[str] = ("snow",)) -> Batch:
    """One window (B = 1) of cubes that share a grid: values float32, invalid where missing, infinite or flagged.

    cubes: {sensor name: cube (time, band, y, x) or (band, y, x)}. A cube without time has one day, NaN.
    For many windows of the same cubes `Windows` is quicker.
    """
    return Windows(cubes, allow=allow, budget=0).read(rows, columns)


def block_bytes(cubes: Mapping[str, xr.DataArray], unit: int) -> int:
    """Bytes of one block of `unit` pixels of all cubes that are not in memory already, as they are kept."""
    return sum(
        unit * unit * da.dtype.itemsize * int(np.prod([n for d, n in da.sizes.items() if d not in ("y", "x")]))
        for da in cubes.values()
        if not _in_memory(da)
    )


@dataclass(frozen=True)
class _Facts:
    """What is the same for every window of a cube."""

    bands: tuple[Band, ...]
    gsd: float
    day: np.ndarray
    nodata: np.ndarray
    good: np.ndarray
    affine: Any
    crs: str | None

    @classmethod
    def of(cls, da: xr.DataArray, allow: Iterable[str]) -> _Facts:
        gsd = da.coords["gsd"].values.astype(float)
        day = days(da.coords["time"].values) if "time" in da.dims else np.array([np.nan])
        box = contract.grid(da)
        good = np.zeros(256, bool)
        good[[0, *(contract.FLAGS[name] for name in allow)]] = True
        return cls(
            bands=bands_of(da),
            gsd=float(np.nanmin(gsd)) if np.isfinite(gsd).any() else np.nan,
            day=day,
            nodata=da.coords["nodata"].values.astype(float),
            good=good,
            affine=None if box is None else box.affine,
            crs=None if box is None or box.crs is None else box.crs.to_wkt(),
        )


class Windows:
    """Windows of aligned cubes, for many threads: a block is read once and kept while its neighbours need it.

    unit: side of the blocks in pixels; budget: bytes of blocks kept (0: none, every window is read as asked).
    """

    def __init__(
        self,
        cubes: Mapping[str, xr.DataArray],
        *,
        allow: Iterable[str] = ("snow",),
        unit: int = 512,
        budget: int = 128 << 20,
    ) -> None:
        """cubes: {sensor name: cube}, all on one grid."""
        self.cubes = dict(cubes)
        self.unit, self.budget = unit, budget
        allow = tuple(allow)
        self._facts = {name: _Facts.of(da, allow) for name, da in self.cubes.items()}
        self._direct = {name: budget <= 0 or _in_memory(da) for name, da in self.cubes.items()}
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int], Future[tuple[np.ndarray, np.ndarray | None]]] = OrderedDict()
        self._bytes = 0
        self._uses: Counter[tuple[str, int, int]] = Counter()

    def expect(self, windows: Iterable[tuple[slice, slice]]) -> None:
        """Say which windows (rows, columns) will be read, each once: a block is let go after its last one."""
        for rows, columns in windows:
            for name in (n for n, direct in self._direct.items() if not direct):
                self._uses.update(self._keys(name, rows, columns))

    def read(self, rows: slice, columns: slice) -> Batch:
        """One window (B = 1); rows and columns lie inside the grid."""
        pixels = {name: self._pixels(name, rows, columns) for name in self.cubes}
        return Batch(pixels=pixels, key=(f"{rows.start}_{columns.start}",))

    def stored(self, name: str, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray | None]:
        """What a cube stores in a window: numbers (T, B, h, w) and flags (T, h, w) or None."""
        return _load(self.cubes[name], rows, columns)

    def judge(self, name: str, stored: np.ndarray, flag: np.ndarray | None) -> np.ndarray:
        """Validity (T, B, h, w) of stored numbers, not to be written to: one True for all where nothing can be missing."""
        facts = self._facts[name]
        if flag is None and _never_missing(stored.dtype, facts.nodata):
            return np.broadcast_to(np.True_, stored.shape)
        valid = np.empty(stored.shape, bool)
        _mark_valid(stored, facts.nodata, valid)
        if flag is not None:
            valid &= facts.good[flag][:, None]
        return valid

    def _pixels(self, name: str, rows: slice, columns: slice) -> Pixels:
        facts = self._facts[name]
        if self._direct[name]:
            stored, flag = _load(self.cubes[name], rows, columns)
            values, valid = stored.astype(np.float32, copy=False), np.empty(stored.shape, bool)
            _mark_valid(stored, facts.nodata, valid)
        else:
            values, valid, flag = self._assemble(name, rows, columns)
        if flag is not None:
            valid &= facts.good[flag][:, None]
        return Pixels(
            values=values[None],
            valid=valid[None],
            bands=facts.bands,
            gsd=facts.gsd,
            day=facts.day[None],
            lonlat=_centre(facts, rows, columns)[None],
        )

    def _assemble(self, name: str, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Values, validity and flags of the window, put together from kept blocks, each number copied once."""
        unit, nodata = self.unit, self._facts[name].nodata
        keys = self._keys(name, rows, columns)
        if not keys:
            raise GridError(rule="a window has at least one pixel", got=f"{rows}, {columns}", remedy="widen the window")
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        dates_bands = tuple(n for d, n in self.cubes[name].sizes.items() if d not in ("y", "x"))
        dates_bands = (1,) * (2 - len(dates_bands)) + dates_bands
        values = np.empty((*dates_bands, *shape), np.float32)
        whole = _never_missing(self.cubes[name].dtype, nodata)
        valid = np.ones(values.shape, bool) if whole else np.empty(values.shape, bool)
        flags: np.ndarray | None = None
        for (_, i, j), (stored, flag) in self._blocks(keys):
            y, into_y = _overlap(rows, i * unit, stored.shape[-2])
            x, into_x = _overlap(columns, j * unit, stored.shape[-1])
            part = stored[..., y, x]
            values[..., into_y, into_x] = part
            if not whole:
                _mark_valid(part, nodata, valid[..., into_y, into_x])
            if flag is not None:
                flags = np.empty((len(flag), *shape), flag.dtype) if flags is None else flags
                flags[..., into_y, into_x] = flag[..., y, x]
        self._used(keys)
        return values, valid, flags

    def _keys(self, name: str, rows: slice, columns: slice) -> list[tuple[str, int, int]]:
        """The blocks that a window touches."""
        unit = self.unit
        return [
            (name, i, j)
            for i in range(rows.start // unit, -(-rows.stop // unit))
            for j in range(columns.start // unit, -(-columns.stop // unit))
        ]

    def _blocks(self, keys: list[tuple[str, int, int]]) -> Any:
        """(key, block) of every key: first those that nobody reads yet are read, then the others are waited for."""
        with self._lock:
            mine, futures = [], {}
            for key in keys:
                future = self._kept.get(key)
                if future is None:
                    future = Future()
                    self._kept[key] = future
                    mine.append(key)
                else:
                    self._kept.move_to_end(key)
                futures[key] = future
        for k, key in enumerate(mine):
            try:
                block = self._read_block(key)
            except BaseException as error:
                with self._lock:
                    for other in mine[k:]:
                        self._kept.pop(other, None)
                for other in mine[k:]:
                    futures[other].set_exception(error)
                raise
            futures[key].set_result(block)
            self._keep(block)
        for key in keys:
            yield key, futures[key].result()

    def _read_block(self, key: tuple[str, int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        name, i, j = key
        da = self.cubes[name]
        rows = slice(i * self.unit, min((i + 1) * self.unit, da.sizes["y"]))
        columns = slice(j * self.unit, min((j + 1) * self.unit, da.sizes["x"]))
        return _load(da, rows, columns)

    def _used(self, keys: list[tuple[str, int, int]]) -> None:
        """One expected window less for these blocks; those of the last one go."""
        with self._lock:
            for key in keys:
                left = self._uses.pop(key, 0)
                if left > 1:
                    self._uses[key] = left - 1
                elif left == 1 and key in self._kept:
                    self._bytes -= _size(self._kept.pop(key).result())

    def _keep(self, block: tuple[np.ndarray, np.ndarray | None]) -> None:
        """Count a new block, and let the longest unused ones go when the budget is spent."""
        with self._lock:
            self._bytes += _size(block)
            for key in list(self._kept):
                if self._bytes <= self.budget:
                    break
                if self._kept[key].done() and self._kept[key].exception() is None:
                    self._bytes -= _size(self._kept.pop(key).result())


def _size(block: tuple[np.ndarray, np.ndarray | None]) -> int:
    return block[0].nbytes + (0 if block[1] is None else block[1].nbytes)


def _overlap(asked: slice, start: int, length: int) -> tuple[slice, slice]:
    """Which part of a block (start, length) is asked for, and where it goes in the window."""
    low, high = max(asked.start, start), min(asked.stop, start + length)
    return slice(low - start, high - start), slice(low - asked.start, high - asked.start)


def _in_memory(da: xr.DataArray) -> bool:
    return isinstance(getattr(da.variable, "_data", None), np.ndarray)


def _load(da: xr.DataArray, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray | None]:
    """Stored numbers (T, B, h, w) and flags (T, h, w) of a window."""
    where = {"y": rows, "x": columns}
    stored = np.asarray(da.variable.isel(where).values)
    flag = None
    if "flag" in da.coords:
        variable = da.coords["flag"].variable
        flag = np.asarray(variable.isel({d: s for d, s in where.items() if d in variable.dims}).values)
        flag = flag if flag.ndim == 3 else flag[None]
    return (stored if "time" in da.dims else stored[None]), flag


def _mark_valid(stored: np.ndarray, nodata: np.ndarray, valid: np.ndarray) -> None:
    """Tell in `valid` where numbers are finite and not nodata; nodata that the stored type cannot hold never occurs."""
    kind = stored.dtype.kind
    if kind == "f":
        valid[...] = np.isfinite(stored)  # NumPy 2.4 answers wrongly when it writes into a strided `out`
        return
    for b, value in enumerate(nodata):
        if _holds(stored.dtype, value):
            valid[:, b] = stored[:, b] != stored.dtype.type(int(value))
        else:
            valid[:, b] = True


def _never_missing(dtype: np.dtype, nodata: np.ndarray) -> bool:
    """Whether every number of this type is a value: whole numbers without nodata that the type can hold."""
    return dtype.kind in "iub" and not any(_holds(dtype, value) for value in nodata)


def _holds(dtype: np.dtype, value: float) -> bool:
    """Whether a type of whole numbers can hold this nodata value."""
    if dtype.kind not in "iu" or not np.isfinite(value) or value != int(value):
        return False
    info = np.iinfo(dtype)
    return bool(info.min <= value <= info.max)


def _centre(facts: _Facts, rows: slice, columns: slice) -> np.ndarray:
    """Longitude and latitude of the window's middle; NaN without a CRS."""
    if facts.crs is None or facts.affine is None:
        return np.array([np.nan, np.nan])
    x, y = facts.affine * ((columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2)
    lon, lat = _to_lonlat(facts.crs).transform(x, y)
    return np.array([lon, lat]) if np.isfinite([lon, lat]).all() else np.array([np.nan, np.nan])


@lru_cache(maxsize=64)
def _to_lonlat(crs: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
