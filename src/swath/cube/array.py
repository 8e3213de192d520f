"""Windows of named n-dimensional variables as a Source: what NetCDF, HDF and Zarr files have in common.

A Reader knows one kind of file; this module turns its variables into dates and bands, puts rows north up, rolls
longitudes and marks what is missing. What the variables mean is in `cf.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

__all__ = ["Plane", "Reader", "Variable", "VariableSource"]


_STRIP = 512


class Reader(Protocol):
    """Reads hyper-rectangles of one file's variables; holds a path, no handle, so that it can be pickled."""

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """Stored numbers of `name` in the file's own order of dimensions; slices have step 1 and lie inside."""
        ...


@dataclass(frozen=True)
class Variable:
    """One variable as its file tells of it. name: full path without leading "/"; dims: unique names in the file."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attrs: Mapping[str, Any]
    load: Callable[[], np.ndarray] = field(repr=False, compare=False)

    @property
    def leaf(self) -> str:
        """The name without its groups."""
        return self.name.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Plane:
    """One band: which slice of which variable. Axes are positions in the variable's dims; `fixed` pins the others.

    dtype: of the numbers after the file's `_Unsigned` mark. missing, low, high: stored numbers that count as missing
    and are set to `nodata`.
    """

    variable: str
    y: int
    x: int
    time: int | None = None
    fixed: tuple[tuple[int, int], ...] = ()
    dtype: str = ""
    missing: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    nodata: float | None = None


@dataclass(frozen=True)
class VariableSource:
    """A Source over planes of variables that share rows and columns.

    flip_y, flip_x: the file counts from the south or the east. roll: columns that wrap around the globe: column 0 here
    is column `roll` there. dates: position in the file of each date (sorted here).
    """

    reader: Reader
    planes: tuple[Plane, ...]
    shape: tuple[int, int, int, int]
    dtype: np.dtype
    dates: tuple[int, ...] = (0,)
    flip_y: bool = False
    flip_x: bool = False
    roll: int = 0

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """(len(dates), len(bands), rows, columns) in `dtype`."""
        height, width = rows.stop - rows.start, columns.stop - columns.start
        out = np.empty((len(dates), len(bands), height, width), self.dtype)
        y = slice(self.shape[2] - rows.stop, self.shape[2] - rows.start) if self.flip_y else rows
        at = 0
        for x in self._columns(columns):
            part = slice(at, at + x.stop - x.start)
            if self.flip_x:
                part = slice(width - part.stop, width - part.start)
            for members in _by_variable([self.planes[b] for b in bands]):
                self._fill(out[:, :, :, part], members, [self.planes[b] for b in bands], dates, y, x)
            at += x.stop - x.start
        return out

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel; a date at a time and in strips of 512 rows, so that chunks are decoded once."""
        rows = ((np.arange(height) + 0.5) * self.shape[2] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * self.shape[3] / width).astype(int)
        out = np.empty((len(dates), len(bands), height, width), self.dtype)
        for strip in np.unique(rows // _STRIP):
            where = np.flatnonzero(rows // _STRIP == strip)
            first, last = int(rows[where[0]]), int(rows[where[-1]]) + 1
            for i, date in enumerate(dates):
                lines = self.read([date], bands, slice(first, last), slice(0, self.shape[3]))
                out[i, :, where] = lines[0][:, rows[where] - first][:, :, columns].transpose(1, 0, 2)
        return out

    def _columns(self, columns: slice) -> list[slice]:
        """The file's columns for ours: one run, or two where the window crosses the file's seam."""
        width = self.shape[3]
        if self.flip_x:
            columns = slice(width - columns.stop, width - columns.start)
        if not self.roll:
            return [columns]
        first, last = columns.start + self.roll, columns.stop + self.roll
        if last <= width:
            return [slice(first, last)]
        if first >= width:
            return [slice(first - width, last - width)]
        return [slice(first, width), slice(0, last - width)]

    def _fill(
        self, out: np.ndarray, members: list[int], planes: list[Plane], dates: Sequence[int], y: slice, x: slice
    ) -> None:
        """Read every plane of one variable together, so that chunks shared by bands are decoded once."""
        plane = planes[members[0]]
        wanted = [self.dates[d] for d in dates] if plane.time is not None else [0]
        for run in _runs(wanted):
            index = {plane.y: y, plane.x: x}
            if plane.time is not None:
                index[plane.time] = slice(min(run), max(run) + 1)
            for axis, _ in plane.fixed:
                positions = [dict(planes[m].fixed)[axis] for m in members]
                index[axis] = slice(min(positions), max(positions) + 1)
            block = self.reader.read(plane.variable, tuple(index[axis] for axis in range(len(index))))
            for m in members:
                self._place(out, m, planes[m], block, index, wanted, run)

    def _place(
        self,
        out: np.ndarray,
        m: int,
        plane: Plane,
        block: np.ndarray,
        index: dict[int, slice],
        wanted: list[int],
        run: list[int],
    ) -> None:
        take: list[Any] = [slice(None)] * block.ndim
        for axis, position in plane.fixed:
            take[axis] = position - index[axis].start
        part = block[tuple(take)]
        order = sorted(axis for axis in (plane.time, plane.y, plane.x) if axis is not None)
        part = part.transpose([order.index(axis) for axis in (plane.time, plane.y, plane.x) if axis is not None])
        if plane.time is None:
            part = part[None]
        part = clean(part, plane)
        part = part[:, :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        if plane.time is None:
            out[:, m] = part[0]
            return
        for i, date in enumerate(wanted):
            if date in run:
                out[i, m] = part[date - run[0]]


def clean(values: np.ndarray, plane: Plane) -> np.ndarray:
    """Stored numbers in the plane's type, everything that its file calls missing set to the plane's nodata."""
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if plane.dtype and (kind := np.dtype(plane.dtype)) != values.dtype:
        values = values.view(kind) if values.dtype.kind + kind.kind in ("iu", "ui") else values.astype(kind)
    if plane.nodata is None or not (plane.missing or plane.low is not None or plane.high is not None):
        return values
    bad = np.zeros(values.shape, bool)
    for number in plane.missing:
        bad |= values == number
    if plane.low is not None:
        bad |= values < plane.low
    if plane.high is not None:
        bad |= values > plane.high
    if not bad.any():
        return values
    values = np.array(values)
    values[bad] = plane.nodata
    return values


def _by_variable(planes: list[Plane]) -> list[list[int]]:
    """Positions of planes that one read can serve: the same variable and axes."""
    groups: dict[Any, list[int]] = {}
    for i, plane in enumerate(planes):
        groups.setdefault((plane.variable, plane.y, plane.x, plane.time), []).append(i)
    return [part for members in groups.values() for part in _near(members, planes)]


def _near(members: list[int], planes: list[Plane]) -> list[list[int]]:
    """Split planes far apart on their extra axes, so that a read never takes over twice what is asked."""
    if len(members) < 2 or not planes[members[0]].fixed:
        return [members]
    spans = 1
    for axis, _ in planes[members[0]].fixed:
        at = [dict(planes[m].fixed)[axis] for m in members]
        spans *= max(at) - min(at) + 1
    return [members] if spans <= 2 * len(members) else [[m] for m in members]


def _runs(wanted: list[int]) -> list[list[int]]:
    """Dates in runs that are read at once: a gap starts a new run."""
    runs: list[list[int]] = []
    for date in sorted(set(wanted)):
        if runs and date == runs[-1][-1] + 1:
            runs[-1].append(date)
        else:
            runs.append([date])
    return runs
