"""Packed scenes (.swath): opened like any other, window by window; nothing is decoded that nobody asked for."""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from swath.cube import packed_chunk
from swath.cube.kept import Kept
from swath.cube.layer import FileBand, Layer
from swath.cube.packed_form import (
    ENTRY,
    MAGIC,
    PREAMBLE,
    Grid,
    Header,
    Preamble,
    damaged,
    inflated,
)  # fmt: skip
from swath.errors import FormatError

__all__ = ["SUFFIX", "PackedFile", "PackedSource", "claims", "layers", "open_packed", "read"]

SUFFIX = ".swath"
_KEPT = 128 << 20  # bytes of decoded chunks that a process keeps
RATIO = 1_000_000  # declared bytes for each byte of the file, as in guard.py
SAFE_RATIO = 1_000


def claims(path: str) -> bool:
    """Whether this is a packed file: by its first bytes, or by its name where nothing else would read it."""
    if "://" in path:
        return path.split("?")[0].endswith(SUFFIX)
    if not os.path.isfile(path):
        return False
    if path.endswith(SUFFIX):
        return True
    with open(path, "rb") as file:
        return file.read(6) == MAGIC[:6]


def read(path: str) -> list[Layer]:
    """The layers of a packed file, the finest grid first as it was written. Raises FormatError."""
    return layers(open_packed(path))


@dataclass(frozen=True)
class PackedFile:
    """A packed file understood: its header, its index and what was measured when it was written."""

    path: str
    header: Header
    index: np.ndarray
    certificate: dict[str, Any]
    size: int
    version: tuple[int, int]

    def chunk(self, number: int) -> bytes:
        """The coded bytes of one chunk, whose checksum was compared. Raises FormatError."""
        entry = self.index[number]
        data = fetch(self.path, int(entry["place"]), int(entry["length"]))
        if len(data) != int(entry["length"]) or zlib.crc32(data) != int(entry["crc"]):
            raise damaged(self.path, f"chunk {number + 1} of {len(self.index)} has changed ({self._where(number)})")
        return data

    def _where(self, number: int) -> str:
        grid = next(g for g in reversed(self.header.grids) if g.first <= number)
        place, group = divmod(number - grid.first, grid.deep)
        _, rows, columns = grid.across
        at = (place // (rows * columns), place // columns % rows, place % columns)
        t, y, x = grid.window(at)
        what = "flag" if group == len(grid.groups) else "values"
        return f"{what} of dates {t.start + 1}-{t.stop}, rows {y.start}-{y.stop - 1}, columns {x.start}-{x.stop - 1}"

    def decoded(self, number: int) -> np.ndarray:
        """One chunk's numbers (dates, bands or 1, rows, columns), from the kept ones where it is there."""
        key = (self.path, self.version, number)
        found = _chunks.get(key)
        if found is None:
            found = self._decode(number)
            _chunks.put(key, found)
        return found

    def _decode(self, number: int) -> np.ndarray:
        grid = next(g for g in reversed(self.header.grids) if g.first <= number)
        place, group = divmod(number - grid.first, grid.deep)
        _, rows, columns = grid.across
        t, y, x = grid.window((place // (rows * columns), place // columns % rows, place % columns))
        flag = group == len(grid.groups)
        members = (0,) if flag else grid.groups[group]
        kind = np.dtype(np.uint8) if flag else grid.coded
        nodata = [np.nan] if flag else [_number(grid.bands[b].get("nodata")) for b in members]
        shape = (t.stop - t.start, len(members), y.stop - y.start, x.stop - x.start)
        try:
            values = packed_chunk.decode(self.chunk(number), shape, kind, nodata)
        except FormatError as error:
            if str(error.got).startswith(self.path):
                raise
            raise damaged(self.path, f"chunk {number + 1} of {len(self.index)}: {error.got}") from error
        return values if flag else values.astype(grid.dtype, copy=False)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


_chunks = Kept(_KEPT)


def fetch(path: str, place: int, length: int) -> bytes:
    """Bytes of a local file or an object of a store: all that is ever read of a packed file comes through here."""
    if "://" in path:
        return _fetch_remote(path, place, length)
    with open(path, "rb", buffering=0) as file:
        file.seek(place)
        parts, left = [], length
        while left:
            part = file.read(left)
            if not part:
                break
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def _fetch_remote(path: str, place: int, length: int) -> bytes:
    from urllib.parse import urlsplit

    from swath.cube.remote import store_of
    from swath.errors import need

    obstore = need("obstore", extra="s3", why="reading packed files from object stores")
    folder, _, name = path.rpartition("/")
    if not urlsplit(path).netloc:
        raise FormatError(rule="a URL names a host", got=path, remedy="check the address")
    try:
        return bytes(obstore.get_range(store_of(folder), name, start=place, length=length))
    except Exception as error:  # obstore's own classes
        text = " ".join(str(error).split())[:200]
        raise FormatError(
            rule="a packed file at a URL must answer ranges", got=f"{path}: {text}", remedy="fetch the file first"
        ) from error


def _state(path: str) -> tuple[int, int]:
    """(size, time of the last change) of a local file; of a remote one (size, 0)."""
    if "://" in path:
        from swath.cube.remote import store_of
        from swath.errors import need

        obstore = need("obstore", extra="s3", why="reading packed files from object stores")
        folder, _, name = path.rpartition("/")
        try:
            return int(obstore.head(store_of(folder), name)["size"]), 0
        except Exception as error:  # obstore's own classes
            text = " ".join(str(error).split())[:200]
            raise FormatError(rule="the file must be there", got=f"{path}: {text}", remedy="check the URL") from error
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def open_packed(path: str | os.PathLike[str], *, safe: bool = False) -> PackedFile:
    """Read and check everything but the chunks. safe: tighter limits, for files of strangers. Raises FormatError."""
    name = str(path)
    name = name if "://" in name else os.path.abspath(name)
    found = _opened(name, _state(name))
    _check_declared(found, SAFE_RATIO if safe else RATIO)
    return found


@lru_cache(maxsize=64)
def _opened(path: str, version: tuple[int, int]) -> PackedFile:
    size = version[0]
    start = Preamble.unpack(fetch(path, 0, PREAMBLE.size), path, size)
    header = _part(path, "header", start.header, size)
    place, chunks, crc = start.index
    index = np.frombuffer(_part(path, "index", (place, chunks * ENTRY.itemsize, crc), size), ENTRY)
    told = Header.of(inflated(header, path, "header"), path, chunks)
    ends = index["place"].astype(np.float64) + index["length"]
    if size < start.size:
        lost = int((ends > size).sum())
        raise damaged(
            path, f"cut short: {size:,} of {start.size:,} bytes, so {lost} of its {chunks} chunks are missing or broken"
        )
    if (ends > size).any():
        raise damaged(path, "its index points outside it")
    certificate = inflated(_part(path, "certificate", start.certificate, size), path, "certificate")
    return PackedFile(path, told, index, certificate, size, version)


def _part(path: str, what: str, where: tuple[int, int, int], size: int) -> bytes:
    place, length, crc = where
    if place + length > size:
        raise damaged(path, f"cut short: {size:,} bytes, its {what} is missing")
    data = fetch(path, place, length)
    if len(data) != length or zlib.crc32(data) != crc:
        raise damaged(path, f"its {what} has changed")
    return data


def _check_declared(found: PackedFile, most: int) -> None:
    """Refuse a file that declares more numbers than its bytes can hold."""
    for grid in found.header.grids:
        declared = int(np.prod(grid.shape, dtype=object)) * np.dtype(grid.dtype).itemsize
        if declared > 2**30 and declared / found.size > most:
            raise FormatError(
                rule="a file must be able to hold the pixels that it declares",
                got=f"{found.path}: {found.size:,} bytes that declare {declared / 1e9:.1f} GB",
                remedy="the file is damaged or made to do harm; do not use it",
            )


@dataclass(frozen=True)
class PackedSource:
    """A grid of a packed file (its values, or its flag) as a Source; chunks are decoded by several threads."""

    path: str
    grid: int
    version: tuple[int, int]
    shape: tuple[int, int, int, int]
    kind: str
    flag: bool = False

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return np.dtype(self.kind)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window. Raises FormatError when a chunk that it touches is damaged."""
        file = _opened(self.path, self.version)
        grid = file.header.grids[self.grid]
        out = np.empty((len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        todo = list(self._touched(grid, dates, bands, rows, columns))

        def one(task: tuple[int, tuple[slice, slice, slice], list[tuple[int, int]]]) -> None:
            number, (t, y, x), members = task
            values = file.decoded(number)
            top, bottom = max(y.start, rows.start), min(y.stop, rows.stop)
            left, right = max(x.start, columns.start), min(x.stop, columns.stop)
            part = values[:, :, top - y.start : bottom - y.start, left - x.start : right - x.start]
            window = slice(top - rows.start, bottom - rows.start), slice(left - columns.start, right - columns.start)
            for i, date in enumerate(dates):
                if t.start <= date < t.stop:
                    for place, inside in members:
                        out[i, place][window] = part[date - t.start, inside]

        if len(todo) < 2 or threading.current_thread().name.startswith(_POOL):
            for task in todo:
                one(task)
        else:
            list(_pool(os.getpid()).map(one, todo))
        return out

    def _touched(self, grid: Grid, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> Any:
        """(number of the chunk, its window, [(place in the answer, band in the chunk)]) of all that the window needs."""
        a, b, c = grid.chunk
        groups: list[tuple[int, list[tuple[int, int]]]] = []
        if self.flag:
            groups = [(len(grid.groups), [(place, 0) for place, _ in enumerate(bands)])]
        else:
            for k, members in enumerate(grid.groups):
                inside = {band: i for i, band in enumerate(members)}
                hits = [(place, inside[band]) for place, band in enumerate(bands) if band in inside]
                if hits:
                    groups.append((k, hits))
        for i in sorted({d // a for d in dates}):
            for j in range(rows.start // b, -(-rows.stop // b)):
                for k in range(columns.start // c, -(-columns.stop // c)):
                    for group, hits in groups:
                        yield grid.number((i, j, k), group), grid.window((i, j, k)), hits

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel, a row of chunks at a time, so that each is decoded once."""
        grid = _opened(self.path, self.version).header.grids[self.grid]
        rows = np.minimum(((np.arange(height) + 0.5) * self.shape[2] / height).astype(int), self.shape[2] - 1)
        columns = np.minimum(((np.arange(width) + 0.5) * self.shape[3] / width).astype(int), self.shape[3] - 1)
        out = np.empty((len(dates), len(bands), height, width), self.dtype)
        for strip in np.unique(rows // grid.chunk[1]):
            where = np.flatnonzero(rows // grid.chunk[1] == strip)
            first, last = int(rows[where[0]]), int(rows[where[-1]]) + 1
            for i, date in enumerate(dates):
                lines = self.read([date], bands, slice(first, last), slice(0, self.shape[3]))[0]
                out[i, :, where[0] : where[-1] + 1] = lines[:, rows[where] - first][:, :, columns]
        return out


_POOL = "swath-unpack"


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Threads that decode; one set for a process (a forked child makes its own)."""
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix=_POOL)


def layers(file: PackedFile) -> list[Layer]:
    """Layers of an opened file. Raises FormatError where its CRS or band facts cannot be."""
    said = [_promise(file)] if file.header.promise else []
    return [_layer(file, k, grid, said) for k, grid in enumerate(file.header.grids)]


def _promise(file: PackedFile) -> str:
    words = str(file.header.promise.get("words", ""))[:300] or "by swath"
    told = file.certificate
    worst, psnr = told.get("max_error_stored"), told.get("psnr_db")
    if not isinstance(worst, (int, float)) or not worst:
        return f"packed: {words}"
    more = f", PSNR {psnr:.2f} dB ({str(told.get('peak'))[:100]})" if isinstance(psnr, (int, float)) else ""
    return f"packed: {words}; measured {worst:g} in stored numbers{more}"


def _layer(file: PackedFile, k: int, grid: Grid, said: list[str]) -> Layer:
    try:
        bands = tuple(_band(b, grid) for b in grid.bands)
        box = _geobox(grid)
        time = None if grid.time is None else np.array(grid.time, np.int64).astype("datetime64[ns]")
    except FormatError:
        raise
    except Exception as error:  # pyproj and odc-geo raise of many kinds on a CRS that is none
        raise damaged(file.path, f"its header says {type(error).__name__}: {str(error)[:200]}") from error
    values = PackedSource(file.path, k, file.version, grid.shape, grid.dtype)
    t, _, h, w = grid.shape
    flag = PackedSource(file.path, k, file.version, (t, 1, h, w), "uint8", flag=True) if grid.flag else None
    return Layer(
        source=values,
        geobox=box,
        bands=bands,
        time=time,
        flag=flag,
        sensor=grid.sensor,
        tags=dict(file.header.tags),
        notes=tuple(said),
        attrs=dict(grid.attrs) | ({"sensor": grid.sensor} if grid.sensor else {}),
        settled=not grid.open,
    )


def _geobox(grid: Grid) -> Any:
    if grid.affine is None:
        return None
    from affine import Affine
    from odc.geo.geobox import GeoBox

    return GeoBox((grid.shape[2], grid.shape[3]), Affine(*grid.affine), grid.crs)


def _band(told: dict[str, Any], grid: Grid) -> FileBand:
    """A band as its header tells of it; where units were left open, they stay open."""

    def number(name: str) -> float | None:
        return None if told.get(name) is None else float(told[name])

    loose = grid.open and told.get("quantity") == "digital_number"
    name = str(told["name"])
    return FileBand(
        name=name,
        description=str(told.get("description") or name),
        wavelength=number("wavelength"),
        fwhm=number("fwhm"),
        scale=None if loose else number("scale"),
        offset=None if loose else number("offset"),
        nodata=number("nodata"),
        quantity=None if loose else str(told["quantity"]),
        units=None if loose else str(told["units"]),
        gsd=number("gsd"),
        common=str(told.get("common", "")),
        polarisation=str(told.get("polarisation", "")),
    )
