"""A source seen from further away: every k-th pixel by windows, from overviews where the files have them.

`zoom(source, step)` is a Source again, of ceil(H / step) x ceil(W / step) pixels, each the one nearest to the middle of
the step x step pixels that it stands for (an overview's own mean of them where there is an overview). Step 1 is the
source itself. Grids that are warped are taken by the nearest pixel where they are seen from further away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.cube import gdal, series, sources, stack, warp, warped
from swath.cube.flagged import Flagged
from swath.cube.geotiff import MaskSource, RasterSource
from swath.cube.lazy import ArraySource, Source
from swath.cube.look import look
from swath.cube.told import GuardedSource
from swath.cube.under import source_of
from swath.errors import FormatError

__all__ = ["Nearest", "Overview", "Strided", "zoom"]

_READ = 2048  # rows and columns that are read for one window before the whole is looked at coarsely instead


def zoom(source: Source, step: int) -> Source:
    """The source with pixels `step` times as large (a power of two). Raises what reading the source raises."""
    own = _ZOOMS.get(type(source))
    if step <= 1 and type(source) not in _SEEN_THROUGH:
        return source
    return Strided(source, step) if own is None else own(source, step)


def _less(size: int, step: int) -> int:
    return -(-size // step)


def _near(at: int, step: int) -> int:
    return math.floor(at / step + 0.5)


class _Coarser:
    """What a grid of larger pixels has in common, whatever it is read from."""

    source: Source
    step: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W) of the coarser grid."""
        t, b, h, w = self.source.shape
        return t, b, _less(h, self.step), _less(w, self.step)

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return self.source.dtype


@dataclass(frozen=True)
class Strided(_Coarser):
    """Every `step`-th pixel of any source; beyond a window of 2048 pixels a side from one coarse look that is kept."""

    source: Source
    step: int

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, in the coarser grid's rows and columns."""
        _, _, height, width = self.source.shape
        y = _middles(rows, self.step, height)
        x = _middles(columns, self.step, width)
        high, wide = int(y[-1] - y[0]) + 1, int(x[-1] - x[0]) + 1
        if high * wide > _READ * _READ and not isinstance(self.source, ArraySource):
            return self._coarse(dates, bands, y, x)
        part = self.source.read(dates, bands, slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1))
        return part[:, :, y - y[0]][:, :, :, x - x[0]]

    def _coarse(self, dates: Sequence[int], bands: Sequence[int], y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """From a look at the whole."""
        _, _, height, width = self.source.shape
        out = np.empty((len(dates), len(bands), len(y), len(x)), self.dtype)
        for i, d in enumerate(dates):
            looks = look(self.source, d, bands)
            for k, b in enumerate(bands):
                high, wide = looks[b].shape
                rows = np.minimum((y + 0.5) * high / height, high - 1).astype(int)
                columns = np.minimum((x + 0.5) * wide / width, wide - 1).astype(int)
                out[i, k] = looks[b][rows][:, columns]
        return out


def _middles(part: slice, step: int, size: int) -> np.ndarray:
    """The pixels that stand for steps: the middle one, the last one where the step reaches past the edge."""
    found: np.ndarray = np.minimum(np.arange(part.start, part.stop) * step + step // 2, size - 1)
    return found


@dataclass(frozen=True)
class Overview(_Coarser):
    """A raster file's pixels `step` times as large: its own overview where there is one, thinned where it is finer.

    mask: its flags (1 where its own mask hides a pixel) instead of its numbers.
    """

    source: RasterSource | MaskSource
    step: int

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window. Raises FormatError when a block is damaged."""
        from rasterio.errors import RasterioError

        path = self.source.path
        with gdal.environment(path):
            level, factor = _level(path, self.step)
            dataset = gdal.handle(path) if level is None else gdal.handle(path, overview_level=level)
            rest = self.step // factor
            high, wide = int(dataset.height), int(dataset.width)
            y, x = _middles(rows, rest, high), _middles(columns, rest, wide)
            try:
                part = self._get(dataset, bands, y, x)
            except (RasterioError, ValueError, MemoryError) as error:
                raise FormatError(
                    rule="every block of a raster must decode", got=f"{path}: {error}", remedy="fetch the file again"
                ) from error
        return np.broadcast_to(part, (len(dates), *part.shape))

    def _get(self, dataset: Any, bands: Sequence[int], y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(bands, rows, columns) at these rows and columns of an overview; far apart, GDAL takes the nearest itself."""
        from rasterio.windows import Window

        step = max(1, int(y[1] - y[0]) if len(y) > 1 else 1, int(x[1] - x[0]) if len(x) > 1 else 1)
        half = step // 2
        top, left = max(0, int(y[0]) - half), max(0, int(x[0]) - half)
        bottom, right = min(dataset.height, int(y[-1]) + step - half), min(dataset.width, int(x[-1]) + step - half)
        options: dict[str, Any] = {"window": Window(left, top, right - left, bottom - top)}
        thin = (bottom - top) * (right - left) > _READ * _READ
        if thin:
            options["out_shape"] = (len(y), len(x))
        if isinstance(self.source, MaskSource):
            stored = (gdal.retried(lambda: dataset.dataset_mask(**options)) == 0).astype(np.uint8)[None]
        else:
            parts = [self.source.parts[b] for b in bands]
            if thin:
                options["out_shape"] = (len(parts), len(y), len(x))
            stored = gdal.retried(lambda: dataset.read([index for index, _ in parts], **options))
            if any(part for _, part in parts):
                pairs = zip(stored, parts, strict=True)
                stored = np.stack([getattr(a, part) if part else a.real for a, (_, part) in pairs])
        found: np.ndarray = stored.astype(self.dtype, copy=False)
        if thin or step == 1:
            return found
        return found[:, y - top][:, :, x - left]


def _level(path: str, step: int) -> tuple[int | None, int]:
    """(overview, its factor): the coarsest that is not coarser than `step` and divides it; (None, 1): the file itself."""
    factors = gdal.handle(path).overviews(1)
    fits = [(int(f), i) for i, f in enumerate(factors) if f <= step and step % f == 0]
    if not fits:
        return None, 1
    factor, level = max(fits)
    return level, factor


@dataclass(frozen=True)
class Nearest:
    """A zoomed source at places of another grid, by the nearest pixel."""

    source: Source
    place: Any  # has at(rows, columns) -> (row, column) in the source before it was zoomed
    size: tuple[int, int]
    step: int  # of this grid
    own: int  # of the source
    fill: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W) of the coarser grid."""
        return *self.source.shape[:2], _less(self.size[0], self.step), _less(self.size[1], self.step)

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return self.source.dtype

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, from the smallest window of the zoomed source that holds it."""
        y = (np.arange(rows.start, rows.stop) + 0.5) * self.step
        x = (np.arange(columns.start, columns.stop) + 0.5) * self.step
        row, column = np.broadcast_arrays(*self.place.at(y, x))
        high, wide = self.source.shape[2:]
        out = np.empty((len(dates), len(bands), len(y), len(x)), self.dtype)
        for k, b in enumerate(bands):
            out[:, k] = self.dtype.type(self.fill[b])
        with np.errstate(invalid="ignore"):
            r, c = np.floor(row / self.own), np.floor(column / self.own)
            inside = (row >= 0) & (r < high) & (column >= 0) & (c < wide)
        if not inside.any():
            return out
        i, j = r[inside].astype(np.intp), c[inside].astype(np.intp)
        top, left = int(i.min()), int(j.min())
        part = self.source.read(dates, bands, slice(top, int(i.max()) + 1), slice(left, int(j.max()) + 1))
        out[:, :, inside] = part[:, :, i - top, j - left]
        return out


@dataclass(frozen=True)
class _Affine:
    """Where a `warped.Warped` finds its pixels, as `Nearest` asks."""

    warped: warped.Warped

    def at(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, column) in the source, pixel edges."""
        return self.warped._places(rows - 0.5, columns - 0.5)


def _coarser(step: int, ratio: float) -> int:
    """The power of two by which a warped source is zoomed, so that nothing is read finer than it is shown."""
    return int(2 ** max(0, math.floor(math.log2(max(1.0, step * ratio)))))


def _nearest(source: Nearest, step: int) -> Source:
    own = _coarser(step, float(getattr(source.place, "ratio", 1.0)))
    return replace(source, source=zoom(source.source, own), step=step, own=own)


def _warp(source: warp.Warped, step: int) -> Source:
    inner = source_of(source.cube)
    assert inner is not None
    own = _coarser(step, source.places.ratio)
    return Nearest(zoom(inner, own), source.places, source.places.shape, step, own, source.fill)


def _warp_flags(source: warp.Flags, step: int) -> Source:
    inner = source_of(source.cube, flag=True)
    if inner is None:
        return Strided(source, step)
    own = _coarser(step, source.places.ratio)
    return Nearest(zoom(inner, own), source.places, source.places.shape, step, own, (1.0,))


def _warped(source: warped.Warped, step: int) -> Source:
    row, column = source._places(np.arange(2) + source.size[0] // 2, np.arange(2) + source.size[1] // 2)
    ratio = float(max(np.hypot(row[1, 0] - row[0, 0], column[1, 0] - column[0, 0]), 1e-9))
    own = _coarser(step, ratio if math.isfinite(ratio) else 1.0)
    fill = tuple(0.0 if math.isnan(v) and source.dtype.kind != "f" else v for v in source.empty)
    fill += (fill[-1] if fill else math.nan,) * (source.shape[1] - len(fill))
    return Nearest(zoom(source.source, own), _Affine(source), source.size, step, own, fill)


def _part(source: sources.Part, step: int) -> Source:
    inner = zoom(source.source, step)
    (top, bottom), (left, right) = source.rows, source.columns
    high, wide = inner.shape[2:]
    y, x = min(_near(top, step), high - 1), min(_near(left, step), wide - 1)
    rows, columns = _less(bottom - top, step), _less(right - left, step)
    if y + rows > high or x + columns > wide:
        return Strided(source, step)
    return sources.Part(inner, source.dates, source.bands, (y, y + rows), (x, x + columns))


def _placed(source: sources.Placed, step: int) -> Source:
    inner = zoom(source.source, step)
    size = (_less(source.size[0], step), _less(source.size[1], step))
    return sources.Placed(inner, size, (_near(source.at[0], step), _near(source.at[1], step)), source.fill)


def _stacked(source: stack.Stacked, step: int) -> Source:
    size = (_less(source.size[0], step), _less(source.size[1], step))
    parts = tuple(zoom(p, step) for p in source.parts)
    flags = tuple(None if f is None else zoom(f, step) for f in source.flags)
    return replace(source, parts=parts, flags=flags, size=size)


def _cube(source: stack.CubeSource, step: int) -> Source:
    inner = source_of(source.cube, source.flag)
    return (
        Strided(source, step)
        if inner is None or inner is source or isinstance(inner, stack.CubeSource)
        else zoom(inner, step)
    )


def _raster(source: Any, step: int) -> Source:
    """From the file's overviews; from one coarse look at the whole where it has none and the step is large."""
    if not gdal.is_remote(source.path) and step > 8 and not gdal.handle(source.path).overviews(1):
        return Strided(source, step)
    return Overview(source, step)


def _guarded(source: GuardedSource, step: int) -> Source:
    """By the child that decodes the file, where the file holds smaller copies of itself."""
    if not source.overviews or source.step > 1:
        return Strided(source, step)
    t, b, h, w = source.shape
    return replace(source, shape=(t, b, _less(h, step), _less(w, step)), step=step)


def _many(source: Any, step: int) -> Source:
    made: Source = type(source)(tuple(zoom(s, step) for s in source.sources))
    return made


def _mosaic(source: warped.Mosaic, step: int) -> Source:
    return replace(
        source, sources=tuple(zoom(s, step) for s in source.sources), flags=tuple(zoom(s, step) for s in source.flags)
    )


def _flagged(source: Flagged, step: int) -> Source:
    own = None if source.own is None else zoom(source.own, step)
    return replace(source, sources=tuple(zoom(s, step) for s in source.sources), own=own)


def _constant(source: warped.Constant, step: int) -> Source:
    t, b, h, w = source.shape
    return replace(source, shape=(t, b, _less(h, step), _less(w, step)))


def _inner(source: Any, step: int) -> Source:
    zoomed: Source = replace(source, source=zoom(source.source, step))
    return zoomed


_ZOOMS: dict[type, Any] = {
    Nearest: _nearest,
    RasterSource: _raster,
    GuardedSource: _guarded,
    MaskSource: _raster,
    sources.Physical: _inner,
    series.Turned: _inner,
    series.Folded: _inner,
    sources.Part: _part,
    sources.Placed: _placed,
    sources.Times: _many,
    sources.Bands: _many,
    stack.Stacked: _stacked,
    stack.CubeSource: _cube,
    warp.Warped: _warp,
    warp.Flags: _warp_flags,
    warped.Warped: _warped,
    warped.Mosaic: _mosaic,
    warped.Constant: _constant,
    Flagged: _flagged,
}
_SEEN_THROUGH = frozenset(
    (
        *(
            stack.Stacked,
            stack.CubeSource,
            sources.Part,
            sources.Physical,
            sources.Times,
            sources.Bands,
            sources.Placed,
        ),
        *(warped.Mosaic, Flagged, series.Turned, series.Folded),
    )
)
"""Trees of these are made anew at step 1 as well, without the cubes between them."""
