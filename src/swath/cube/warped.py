"""Sources that make pixels anew: warped from another grid, chosen from several scenes of one day, or constant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.lazy import Source
from swath.cube.sources import coarse

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Constant", "Mosaic", "Warped"]

Shape = tuple[int, int, int, int]
# Which flag is better to have: usable, snow, saturated, shadow, cloud, read failed, never seen.
ORDER = np.array([0, 6, 4, 3, 1, 2, 5], np.uint8)


@dataclass(frozen=True)
class Constant:
    """The same number everywhere."""

    shape: Shape
    value: float
    kind: str

    @property
    def dtype(self) -> np.dtype:
        """The type of the number."""
        return np.dtype(self.kind)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window."""
        return self.coarse(dates, bands, rows.stop - rows.start, columns.stop - columns.start)

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Any size."""
        return np.full((len(dates), len(bands), height, width), self.value, self.dtype)


@dataclass(frozen=True)
class Warped:
    """A source on another grid, by the nearest pixel: no value is made up. Outside it, `empty` of each band."""

    source: Source
    affine: tuple[float, ...]
    crs: str
    to_affine: tuple[float, ...]
    to_crs: str
    size: tuple[int, int]
    empty: tuple[float, ...]

    @classmethod
    def of(cls, source: Source, box: GeoBox, to: GeoBox, empty: Sequence[float]) -> Warped:
        """The source of grid `box` on grid `to`."""
        if box.crs is None or to.crs is None:
            from swath.errors import GridError

            raise GridError(
                rule="only scenes with a CRS can be warped", got="a scene without one", remedy="open them one by one"
            )
        size = (int(to.shape[0]), int(to.shape[1]))
        return cls(
            source, tuple(box.affine)[:6], box.crs.to_wkt(), tuple(to.affine)[:6], to.crs.to_wkt(), size, tuple(empty)
        )

    @property
    def shape(self) -> Shape:
        """(T, B, H, W) of the new grid."""
        return (*self.source.shape[:2], *self.size)

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return self.source.dtype

    def _places(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The source's row and column (float, pixel edges) of the new grid's pixel centres."""
        from affine import Affine
        from pyproj import Transformer

        x, y = Affine(*self.to_affine) @ np.meshgrid(columns + 0.5, rows + 0.5)
        if self.crs != self.to_crs:
            x, y = Transformer.from_crs(self.to_crs, self.crs, always_xy=True).transform(x, y)
        with np.errstate(invalid="ignore"):
            column, row = ~Affine(*self.affine) @ (np.asarray(x), np.asarray(y))
        return row, column

    def _take(self, dates: Sequence[int], bands: Sequence[int], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        row, column = self._places(rows, columns)
        height, width = self.source.shape[2:]
        with np.errstate(invalid="ignore"):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        out = np.empty((len(dates), len(bands), len(rows), len(columns)), self.dtype)
        for i, b in enumerate(bands):
            gone = self.empty[b] if b < len(self.empty) else math.nan
            out[:, i] = gone if self.dtype.kind == "f" or not math.isnan(gone) else 0
        if not inside.any():
            return out
        r, c = row[inside].astype(np.int64), column[inside].astype(np.int64)
        top, left = int(r.min()), int(c.min())
        part = self.source.read(dates, bands, slice(top, int(r.max()) + 1), slice(left, int(c.max()) + 1))
        out[:, :, inside] = part[:, :, r - top, c - left]
        return out

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, from the smallest window of the source that holds it."""
        return self._take(dates, bands, np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop))


@dataclass(frozen=True)
class Mosaic:
    """Scenes of one day on one grid: at each pixel the first usable one; else the least bad by its flag.

    what: "values" or "flags". Without flags each band takes the first value that is not missing.
    """

    sources: tuple[Source, ...]
    flags: tuple[Source, ...]
    empty: tuple[float, ...]
    what: str

    @property
    def shape(self) -> Shape:
        """(T, B, H, W)."""
        return self.sources[0].shape if self.what == "values" else self.flags[0].shape

    @property
    def dtype(self) -> np.dtype:
        """The type that holds all."""
        return np.result_type(*(s.dtype for s in (self.sources if self.what == "values" else self.flags)))

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window; scenes are read until nothing better can come."""
        return self._pick(dates, bands, lambda s, b: s.read(dates, b, rows, columns))

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        return self._pick(dates, bands, lambda s, b: coarse(s, dates, b, height, width))

    def _pick(self, dates: Sequence[int], bands: Sequence[int], get: Any) -> np.ndarray:
        if not self.flags:
            return self._first(bands, get)
        flags = np.stack([get(f, [0])[:, 0] for f in self.flags])  # (S, T, H, W)
        rank = ORDER[np.minimum(flags, 6)]
        best = rank.argmin(0)[None]  # the first of equals
        if self.what == "flags":
            taken: np.ndarray = np.take_along_axis(flags, best, 0)[0][:, None]
            return taken
        out = np.array(get(self.sources[0], bands), self.dtype)
        for k in range(1, len(self.sources)):
            chosen = (best[0] == k)[:, None]
            gaps = self._gaps(out, bands)
            if chosen.any() or gaps.any():
                values = get(self.sources[k], bands)
                out = np.where(chosen & ~self._gaps(values, bands) | gaps, values, out)
        return out

    def _first(self, bands: Sequence[int], get: Any) -> np.ndarray:
        out = np.array(get(self.sources[0], bands), self.dtype)
        for source in self.sources[1:]:
            gaps = self._gaps(out, bands)
            if not gaps.any():
                break
            out = np.where(gaps, get(source, bands), out)
        return out

    def _gaps(self, values: np.ndarray, bands: Sequence[int]) -> np.ndarray:
        gone = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        for i, b in enumerate(bands):
            if not math.isnan(self.empty[b]):
                gone[:, i] |= values[:, i] == self.empty[b]
        return gone
