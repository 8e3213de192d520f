"""Sources made of Sources: a part, a stack over time or bands, a scaled one, one placed on a larger grid, a mosaic.

Nothing is read before a window is asked for; all of them can be pickled and read from many threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.cube.lazy import Source

__all__ = ["Bands", "Part", "Physical", "Placed", "Times", "coarse", "glance", "has_levels"]

Shape = tuple[int, int, int, int]


def coarse(source: Source, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
    """(len(dates), len(bands), height, width): every k-th pixel, from overviews where the source has them."""
    direct = getattr(source, "coarse", None)
    if direct is not None:
        out: np.ndarray = direct(dates, bands, height, width)
        return out
    rows = _spread(source.shape[2], height)
    columns = _spread(source.shape[3], width)
    if source.shape[2] * source.shape[3] <= 4_000_000:
        whole = source.read(dates, bands, slice(0, source.shape[2]), slice(0, source.shape[3]))
        picked: np.ndarray = whole[:, :, rows][:, :, :, columns]
        return picked
    lines: list[np.ndarray] = [
        source.read(dates, bands, slice(r, r + 1), slice(0, source.shape[3]))[:, :, :, columns] for r in rows
    ]
    return np.concatenate(lines, axis=2)


def glance(source: Source, dates: Sequence[int], bands: Sequence[int], side: int = 96, pieces: int = 4) -> np.ndarray:
    """(len(dates), len(bands), up to side, up to side): a thinned look that decodes little.

    From overviews where there are any; else pieces x pieces small windows spread over the scene, side by side.
    """
    height, width = source.shape[2:]
    high, wide = min(height, side), min(width, side)
    if height * width <= 1_000_000 or has_levels(source):
        return coarse(source, dates, bands, high, wide)
    part = side // pieces
    tops = np.linspace(0, height - min(part, height), pieces if height > side else 1).astype(int)
    lefts = np.linspace(0, width - min(part, width), pieces if width > side else 1).astype(int)
    rows = [
        np.concatenate(
            [source.read(dates, bands, _from(t, part, height), _from(c, part, width)) for c in lefts], axis=3
        )
        for t in tops
    ]
    return np.concatenate(rows, axis=2)


def _from(start: int, length: int, size: int) -> slice:
    return slice(int(start), int(min(start + length, size)))


def has_levels(source: Any) -> bool:
    """Whether the file under a source holds smaller copies of itself."""
    for _ in range(20):
        if hasattr(source, "layered"):
            return bool(source.layered())
        inner = getattr(source, "source", None)
        source = inner if inner is not None else next(iter(getattr(source, "sources", ())), None)
        if source is None:
            return False
    return False


def _spread(size: int, n: int) -> np.ndarray:
    """N pixel indices spread evenly over a side: the middle of each of n equal parts."""
    places: np.ndarray = np.minimum(((np.arange(n) + 0.5) * size / n).astype(int), size - 1)
    return places


@dataclass(frozen=True)
class Part:
    """Some dates, bands and a window of a source."""

    source: Source
    dates: tuple[int, ...]
    bands: tuple[int, ...]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @classmethod
    def of(
        cls,
        source: Source,
        *,
        dates: Sequence[int] | None = None,
        bands: Sequence[int] | None = None,
        rows: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
    ) -> Part:
        """The part; what is not named is taken whole."""
        t, b, h, w = source.shape
        return cls(
            source,
            tuple(range(t) if dates is None else dates),
            tuple(range(b) if bands is None else bands),
            rows or (0, h),
            columns or (0, w),
        )

    @property
    def shape(self) -> Shape:
        """(T, B, H, W)."""
        return (
            len(self.dates), len(self.bands), self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]
        )  # fmt: skip

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return self.source.dtype

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, from the source at its own place."""
        y, x = self.rows[0], self.columns[0]
        return self.source.read(
            [self.dates[d] for d in dates],
            [self.bands[b] for b in bands],
            slice(rows.start + y, rows.stop + y),
            slice(columns.start + x, columns.stop + x),
        )

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel; a part of the area is read by lines."""
        d, b = [self.dates[i] for i in dates], [self.bands[i] for i in bands]
        h, w = self.source.shape[2:]
        if self.rows == (0, h) and self.columns == (0, w):
            return coarse(self.source, d, b, height, width)
        rows, columns = _spread(self.shape[2], height), _spread(self.shape[3], width)
        if self.shape[2] * self.shape[3] <= 16_000_000:
            whole = self.read(dates, bands, slice(0, self.shape[2]), slice(0, self.shape[3]))
            return whole[:, :, rows][:, :, :, columns]
        lines = [self.read(dates, bands, slice(r, r + 1), slice(0, self.shape[3]))[:, :, :, columns] for r in rows]
        return np.concatenate(lines, axis=2)


@dataclass(frozen=True)
class _Stack:
    """Sources of one grid, one after the other along an axis (0 dates, 1 bands)."""

    sources: tuple[Source, ...]
    axis = 0

    @property
    def dtype(self) -> np.dtype:
        """The type that holds all."""
        return np.result_type(*(s.dtype for s in self.sources))

    @property
    def shape(self) -> Shape:
        """(T, B, H, W)."""
        sizes = list(self.sources[0].shape)
        sizes[self.axis] = sum(s.shape[self.axis] for s in self.sources)
        return sizes[0], sizes[1], sizes[2], sizes[3]

    def _find(self, wanted: Sequence[int]) -> list[tuple[Source, list[int], list[int]]]:
        """Which source holds which of the wanted indices: (source, its own indices, their places in the answer)."""
        ends = np.cumsum([s.shape[self.axis] for s in self.sources])
        which = np.searchsorted(ends, np.asarray(wanted), side="right")
        found = []
        for k in dict.fromkeys(which.tolist()):
            places = np.flatnonzero(which == k).tolist()
            start = int(ends[k]) - self.sources[k].shape[self.axis]
            found.append((self.sources[k], [int(wanted[p]) - start for p in places], places))
        return found

    def _gather(self, wanted: Sequence[int], shape: Shape, get: Any) -> np.ndarray:
        out = np.empty(shape, self.dtype)
        for source, own, places in self._find(wanted):
            if self.axis == 0:
                out[places] = get(source, own)
            else:
                out[:, places] = get(source, own)
        return out


@dataclass(frozen=True)
class Times(_Stack):
    """Sources of the same bands and grid, stacked over time."""

    axis = 0

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window of each date, from the source that holds it."""
        shape = (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start)
        return self._gather(dates, shape, lambda s, own: s.read(own, bands, rows, columns))

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        shape = (len(dates), len(bands), height, width)
        return self._gather(dates, shape, lambda s, own: coarse(s, own, bands, height, width))


@dataclass(frozen=True)
class Bands(_Stack):
    """Sources of the same dates and grid, stacked over bands."""

    axis = 1

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window of each band, from the source that holds it."""
        shape = (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start)
        return self._gather(bands, shape, lambda s, own: s.read(dates, own, rows, columns))

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        shape = (len(dates), len(bands), height, width)
        return self._gather(bands, shape, lambda s, own: coarse(s, dates, own, height, width))


@dataclass(frozen=True)
class Physical:
    """Stored numbers as physical float32: stored * scale + offset; missing (nodata of the band, inf) is NaN."""

    source: Source
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    nodata: tuple[float, ...]

    @property
    def shape(self) -> Shape:
        """(T, B, H, W)."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """float32."""
        return np.dtype(np.float32)

    def _convert(self, stored: np.ndarray, bands: Sequence[int]) -> np.ndarray:
        # 16-bit numbers fit float32 exactly; wider ones are scaled in double first.
        wide = stored.dtype.itemsize > 2 and stored.dtype != np.float32
        out = np.empty(stored.shape, np.float32)
        for i, b in enumerate(bands):
            part = stored[:, i]
            scale, offset, nodata = self.scale[b], self.offset[b], self.nodata[b]
            if scale == 1.0 and offset == 0.0:
                with np.errstate(over="ignore"):
                    out[:, i] = part
            else:
                kind: Any = np.float64 if wide else np.float32
                with np.errstate(over="ignore", invalid="ignore"):
                    out[:, i] = part.astype(kind) * kind(scale) + kind(offset)
            if not np.isnan(nodata):
                out[:, i][part == _as(nodata, stored.dtype)] = np.nan
        if stored.dtype.kind == "f":
            out[np.isinf(out)] = np.nan
        return out

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window in physical values."""
        return self._convert(self.source.read(dates, bands, rows, columns), bands)

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel in physical values."""
        return self._convert(coarse(self.source, dates, bands, height, width), bands)


def _as(nodata: float, dtype: np.dtype) -> Any:
    """A nodata value in the type in which it was stored (float32 -3.4e38 is not the double of the same digits)."""
    return np.float32(nodata) if dtype == np.float32 else nodata


@dataclass(frozen=True)
class Placed:
    """A source at its place (row, column) on a larger grid; outside it, `fill`."""

    source: Source
    size: tuple[int, int]
    at: tuple[int, int]
    fill: float

    @property
    def shape(self) -> Shape:
        """(T, B, H, W) of the larger grid."""
        return (*self.source.shape[:2], *self.size)

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return self.source.dtype

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window; what the source does not cover is `fill`."""
        out = np.full(
            (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start), self.fill, self.dtype
        )
        y0, x0 = self.at
        top, bottom = max(rows.start, y0), min(rows.stop, y0 + self.source.shape[2])
        left, right = max(columns.start, x0), min(columns.stop, x0 + self.source.shape[3])
        if top < bottom and left < right:
            inside = self.source.read(dates, bands, slice(top - y0, bottom - y0), slice(left - x0, right - x0))
            out[:, :, top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = inside
        return out

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        out = np.full((len(dates), len(bands), height, width), self.fill, self.dtype)
        rows = _spread(self.size[0], height) - self.at[0]
        columns = _spread(self.size[1], width) - self.at[1]
        _, _, h, w = self.source.shape
        y, x = np.flatnonzero((rows >= 0) & (rows < h)), np.flatnonzero((columns >= 0) & (columns < w))
        if len(y) and len(x):
            out[:, :, y[0] : y[-1] + 1, x[0] : x[-1] + 1] = coarse(self.source, dates, bands, len(y), len(x))
        return out
