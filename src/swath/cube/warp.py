"""One cube seen on another grid: windows are read, resampled and given back the same however they are cut.

Each target pixel is computed from its own place on the whole grid, in the same order of operations, so that a window
equals the same part of the whole to the last bit (GDAL's warper works with the window's own extent and does not).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import contract
from swath.earth.grid import same_crs
from swath.errors import GridError

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["Flags", "Places", "Warped", "places"]

_READ = 64 << 20  # bytes of source pixels held at once
_TOLERANCE = 0.02  # source pixels that places may be off between nodes
_CATEGORIES = ("class", "phase")
_NUDGE = 1e-6  # source pixels: which neighbour is nearest never hangs on rounding


@dataclass(frozen=True)
class Places:
    """Where target pixels lie in the source, in pixels from its corner.

    matrix: target pixel -> source pixel where both have one CRS. Else target pixel -> target CRS (`outwards`), its
    transform at nodes every `step` pixels, source CRS -> source pixel (`inwards`), and straight lines between nodes.
    """

    shape: tuple[int, int]
    matrix: tuple[float, ...] | None
    outwards: tuple[float, ...] = ()
    inwards: tuple[float, ...] = ()
    crs: tuple[str, str] = ("", "")
    centre: float = math.nan
    step: int = 1
    ratio: float = 1.0

    def at(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, column) in the source for target rows and columns (1-D, pixel centres at .5); they broadcast to 2-D."""
        y, x = rows[:, None], columns[None, :]
        if self.matrix is not None:
            a, b, c, d, e, f = self.matrix
            if b == 0 and d == 0:
                return e * y + f, a * x + c
            return d * x + e * y + f, a * x + b * y + c
        if self.step == 1:
            return self._exact(*np.broadcast_arrays(y, x))
        return self._between(rows, columns)

    def _exact(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b, c, d, e, f = self.outwards
        u, v = _transformer(*self.crs).transform(a * x + b * y + c, d * x + e * y + f)
        u, v = np.where(np.isfinite(u), u, np.nan), np.where(np.isfinite(v), v, np.nan)
        if math.isfinite(self.centre):
            u = u + 360.0 * np.round((self.centre - u) / 360.0)
        a, b, c, d, e, f = self.inwards
        return d * u + e * v + f, a * u + b * v + c

    def _between(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        step = float(self.step)
        i0, j0 = math.floor(rows[0] / step), math.floor(columns[0] / step)
        i1, j1 = math.floor(rows[-1] / step) + 2, math.floor(columns[-1] / step) + 2
        node_y, node_x = np.arange(i0, i1) * step, np.arange(j0, j1) * step
        nodes = self._exact(*np.meshgrid(node_y, node_x, indexing="ij"))
        i, j = np.floor(rows / step).astype(int), np.floor(columns / step).astype(int)
        ty, tx = (rows / step - i)[:, None], (columns / step - j)[None, :]
        i, j = i - i0, j - j0
        out = []
        for g in nodes:
            top = g[i][:, j] * (1 - tx) + g[i][:, j + 1] * tx
            bottom = g[i + 1][:, j] * (1 - tx) + g[i + 1][:, j + 1] * tx
            out.append(top * (1 - ty) + bottom * ty)
        return out[0], out[1]


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def places(target: GeoBox, source: GeoBox) -> Places:
    """How to find the pixels of `target` in `source`. Raises GridError when only one of them has a CRS."""
    shape = (int(target.shape[0]), int(target.shape[1]))
    if (target.crs is None) != (source.crs is None):
        raise GridError(
            rule="grids with and without a CRS cannot be brought together",
            got=f"{target.crs or 'no CRS'} and {source.crs or 'no CRS'}",
            remedy="give the scene its CRS (swath prepare), or map it alone",
        )
    if same_crs(target.crs, source.crs):
        m = ~source.affine * target.affine
        found = Places(shape, tuple(round(float(v), 9) for v in m[:6]))
    else:
        found = _nodes(target, source, shape)
    return Places(**{**found.__dict__, "ratio": _ratio(found)})


def _nodes(target: GeoBox, source: GeoBox, shape: tuple[int, int]) -> Places:
    centre = math.nan
    if source.crs.geographic:
        centre = float((source.affine * (source.shape[1] / 2, source.shape[0] / 2))[0])
    facts: dict[str, Any] = {
        "shape": shape,
        "matrix": None,
        "outwards": tuple(float(v) for v in target.affine[:6]),
        "inwards": tuple(float(v) for v in (~source.affine)[:6]),
        "crs": (target.crs.to_wkt(), source.crs.to_wkt()),
        "centre": centre,
    }
    spots_y = np.unique(np.linspace(0, max(shape[0] - 1, 0), 7).astype(int)) + 0.5
    spots_x = np.unique(np.linspace(0, max(shape[1] - 1, 0), 7).astype(int)) + 0.5
    exact = Places(**facts, step=1).at(spots_y, spots_x)
    for step in (32, 16, 8, 4, 2):
        found = Places(**facts, step=step)
        error = [np.abs(a - b) for a, b in zip(found.at(spots_y, spots_x), exact, strict=True)]
        finite = [e[np.isfinite(e)] for e in error]
        if all(e.max(initial=0.0) < _TOLERANCE for e in finite):
            return found
    return Places(**facts, step=1)


def _ratio(found: Places) -> float:
    """How many source pixels a target pixel is wide, the larger of both directions, in the middle of the grid."""
    y, x = found.shape[0] / 2, found.shape[1] / 2
    rows, columns = found.at(np.array([y - 0.5, y + 0.5]), np.array([x - 0.5, x + 0.5]))
    rows, columns = np.broadcast_arrays(rows, columns)
    down = math.hypot(rows[1, 0] - rows[0, 0], columns[1, 0] - columns[0, 0])
    right = math.hypot(rows[0, 1] - rows[0, 0], columns[0, 1] - columns[0, 0])
    return max(down, right) if math.isfinite(down + right) else 1.0


@dataclass(frozen=True)
class Warped:
    """A Source: the values of a cube on another grid.

    Bilinear where the output is as fine or finer, the mean of what lies under a pixel where it is coarser, nearest for
    classes and phases; decibels are averaged as power. Missing and flagged pixels have no weight (flagged ones have
    where nothing else is there); a pixel of which less than half is seen is nodata. Whole numbers stay whole.
    """

    cube: xr.DataArray
    places: Places
    fill: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        return self.cube.sizes.get("time", 1), self.cube.sizes["band"], *self.places.shape

    @property
    def dtype(self) -> np.dtype:
        """As stored in the cube."""
        kind: np.dtype = np.dtype(self.cube.dtype)
        return kind

    @property
    def samples(self) -> int:
        """Samples along each side of a target pixel when it is averaged; 1 means bilinear."""
        ratio = self.places.ratio
        if ratio <= 1.25:
            return 1
        whole = round(ratio)
        return min(32, whole if abs(ratio - whole) < 1e-6 * whole else math.ceil(2 * ratio))

    def said(self) -> str:
        """How it resamples, in words."""
        categories = {str(q) for q in self.cube.coords["quantity"].values} & set(_CATEGORIES)
        if len(categories) and categories >= {str(q) for q in self.cube.coords["quantity"].values}:
            return "nearest"
        smooth = "bilinear" if self.samples == 1 else "average"
        return f"{smooth}; nearest for {', '.join(sorted(categories))}" if categories else smooth

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, in row strips so small that the source pixels under them fit the memory."""
        out = np.empty((len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        ratio = max(self.places.ratio, 1e-3)
        width = (columns.stop - columns.start) * ratio + 4
        layer = width * max(1, len(dates) * len(bands)) * (self.dtype.itemsize + 9)
        strip = max(1, int(_READ / layer / ratio))
        for top in range(rows.start, rows.stop, strip):
            part = slice(top, min(rows.stop, top + strip))
            out[:, :, part.start - rows.start : part.stop - rows.start] = self._strip(dates, bands, part, columns)
        return out

    def _strip(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        shape = (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start)
        out = np.empty(shape, self.dtype)
        for k, b in enumerate(bands):
            out[:, k] = self.dtype.type(self.fill[b])
        window = _under(self.places, rows, columns, self.cube.sizes["y"], self.cube.sizes["x"])
        if window is None:
            return out
        stored, flag = _take(self.cube, dates, bands, window)
        kinds = [str(self.cube.coords["quantity"].values[b]) in _CATEGORIES for b in bands]
        decibel = [str(self.cube.coords["units"].values[b]) == "dB" for b in bands]
        nodata = [float(self.cube.coords["nodata"].values[b]) for b in bands]
        for nearest in (True, False):
            chosen = [k for k, kind in enumerate(kinds) if kind is nearest]
            if not chosen:
                continue
            valid = np.stack([_seen(stored[:, k], nodata[k]) for k in chosen], axis=1)
            numbers = stored[:, chosen]
            if nearest:
                value, good = self._nearest(numbers, valid, window, rows, columns)
            else:
                for n, k in enumerate(chosen):
                    if decibel[k]:
                        numbers = numbers.astype(np.float64, copy=n == 0)
                        numbers[:, n] = 10.0 ** (numbers[:, n] / 10.0)
                value, good = self._smooth(numbers, valid, flag, window, rows, columns)
                for n, k in enumerate(chosen):
                    if decibel[k]:
                        with np.errstate(divide="ignore", invalid="ignore"):
                            value[:, n] = 10.0 * np.log10(value[:, n])
            for n, k in enumerate(chosen):
                new = np.rint(value[:, n]) if self.dtype.kind in "iu" else value[:, n]
                out[:, k][good[:, n]] = new[good[:, n]].astype(self.dtype)
        return out

    def _nearest(
        self, numbers: np.ndarray, valid: np.ndarray, window: tuple[slice, slice], rows: slice, columns: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        y, x = self.places.at(_centres(rows), _centres(columns))
        i, j, inside = _index(y, x, self.cube.sizes["y"], self.cube.sizes["x"], window)
        return numbers[..., i, j], valid[..., i, j] & inside

    def _smooth(
        self,
        numbers: np.ndarray,
        valid: np.ndarray,
        flag: np.ndarray | None,
        window: tuple[slice, slice],
        rows: slice,
        columns: slice,
    ) -> tuple[np.ndarray, np.ndarray]:
        usable = valid if flag is None else valid & (flag == 0)[:, None]
        kind = np.float64 if numbers.dtype.itemsize > 4 or numbers.dtype.kind in "iu" else np.float32
        clean = np.where(valid, numbers, 0).astype(kind)
        value, weight = self._mean(clean, usable, window, rows, columns)
        if flag is not None and not usable.all():
            second, weight_all = self._mean(clean, valid, window, rows, columns)
            value = np.where(weight >= 0.5 - 1e-6, value, second)
            weight = np.where(weight >= 0.5 - 1e-6, weight, weight_all)
        return value, weight >= 0.5 - 1e-6

    def _mean(
        self, clean: np.ndarray, mask: np.ndarray, window: tuple[slice, slice], rows: slice, columns: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and share of weight of the good neighbours or samples of each pixel."""
        high, wide = self.cube.sizes["y"], self.cube.sizes["x"]
        total: np.ndarray | float = 0.0
        weight: np.ndarray | float = 0.0
        whole = bool(mask.all())
        good = clean if whole else np.where(mask, clean, 0)
        for i, j, w in self._neighbours(window, rows, columns, high, wide):
            total = total + w * good[..., i, j]
            weight = weight + (w if whole else w * mask[..., i, j])
        total = np.asarray(total)
        share = np.broadcast_to(np.asarray(weight, total.dtype), total.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            return total / share, share

    def _neighbours(self, window: tuple[slice, slice], rows: slice, columns: slice, high: int, wide: int) -> Any:
        """(row, column, weight) index arrays into the read window, always in the same order."""
        k = self.samples
        if k > 1:
            for a in range(k):
                for b in range(k):
                    y, x = self.places.at(_centres(rows, (a + 0.5) / k), _centres(columns, (b + 0.5) / k))
                    i, j, inside = _index(y, x, high, wide, window)
                    yield i, j, inside / (k * k)
            return
        y, x = self.places.at(_centres(rows), _centres(columns))
        _, _, inside = _index(y, x, high, wide, window)
        y, x = np.nan_to_num(y, nan=-9.0) - 0.5, np.nan_to_num(x, nan=-9.0) - 0.5
        top, left = np.floor(y + _NUDGE), np.floor(x + _NUDGE)
        fy, fx = np.clip(y - top, 0.0, 1.0), np.clip(x - left, 0.0, 1.0)
        for a, wy in ((0, 1.0 - fy), (1, fy)):
            for b, wx in ((0, 1.0 - fx), (1, fx)):
                i = np.clip(np.clip(top + a, 0, high - 1).astype(np.intp) - window[0].start, 0, _length(window[0]) - 1)
                j = np.clip(np.clip(left + b, 0, wide - 1).astype(np.intp) - window[1].start, 0, _length(window[1]) - 1)
                yield i, j, np.where(inside, wy * wx, 0.0)


@dataclass(frozen=True)
class Flags:
    """A Source (T, 1, H, W): the reasons of a cube's flag on another grid, nearest; never seen outside."""

    cube: xr.DataArray
    places: Places

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, 1, H, W)."""
        return self.cube.sizes.get("time", 1), 1, *self.places.shape

    @property
    def dtype(self) -> np.dtype:
        """Flags are bytes."""
        return np.dtype(np.uint8)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window of reasons."""
        shape = (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start)
        out = np.full(shape, contract.FLAGS["never_seen"], np.uint8)
        high, wide = self.cube.sizes["y"], self.cube.sizes["x"]
        window = _under(self.places, rows, columns, high, wide)
        if window is None:
            return out
        y, x = self.places.at(_centres(rows), _centres(columns))
        i, j, inside = _index(y, x, high, wide, window)
        if "flag" in self.cube.coords:
            variable = self.cube.coords["flag"].variable.isel(y=window[0], x=window[1])
            reasons = np.asarray(variable.values)
            reasons = (reasons if reasons.ndim == 3 else reasons[None])[list(dates)]
        else:
            reasons = np.zeros((len(dates), _length(window[0]), _length(window[1])), np.uint8)
        return np.where(inside, reasons[:, i, j], out[:, 0])[:, None].repeat(len(bands), axis=1)


def _length(part: slice) -> int:
    return int(part.stop) - int(part.start)


def _centres(part: slice, inside: float = 0.5) -> np.ndarray:
    return np.arange(part.start, part.stop) + inside


def _index(
    y: np.ndarray, x: np.ndarray, high: int, wide: int, window: tuple[slice, slice]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest source pixel (row, column in the read window) and whether the place lies on the source at all."""
    i, j = np.floor(np.nan_to_num(y, nan=-9.0) + _NUDGE), np.floor(np.nan_to_num(x, nan=-9.0) + _NUDGE)
    inside = (i >= 0) & (i < high) & (j >= 0) & (j < wide)
    i = np.clip(i - window[0].start, 0, _length(window[0]) - 1).astype(np.intp)
    j = np.clip(j - window[1].start, 0, _length(window[1]) - 1).astype(np.intp)
    return i, j, inside


def _under(found: Places, rows: slice, columns: slice, high: int, wide: int) -> tuple[slice, slice] | None:
    """The source window under a target window, with a margin; None where they do not meet."""
    y, x = found.at(
        np.unique(np.concatenate([np.arange(rows.start, rows.stop, 4.0), [float(rows.stop)]])),
        np.unique(np.concatenate([np.arange(columns.start, columns.stop, 4.0), [float(columns.stop)]])),
    )
    y, x = np.broadcast_arrays(y, x)
    good = np.isfinite(y) & np.isfinite(x)
    if not good.any():
        return None
    margin = 2.0 + 4.0 * (found.ratio if found.matrix is None and found.step == 1 else 0.0)
    top, bottom = math.floor(y[good].min() - margin), math.ceil(y[good].max() + margin)
    left, right = math.floor(x[good].min() - margin), math.ceil(x[good].max() + margin)
    top, left, bottom, right = max(0, top), max(0, left), min(high, bottom), min(wide, right)
    return None if top >= bottom or left >= right else (slice(top, bottom), slice(left, right))


def _take(
    cube: xr.DataArray, dates: Sequence[int], bands: Sequence[int], window: tuple[slice, slice]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Stored numbers (T, B, h, w) and flags (T, h, w) of a source window."""
    where: dict[str, Any] = {"band": list(bands), "y": window[0], "x": window[1]}
    if "time" in cube.dims:
        where["time"] = list(dates)
    stored = np.asarray(cube.variable.isel(where).values)
    stored = stored if "time" in cube.dims else stored[None]
    if "flag" not in cube.coords:
        return stored, None
    variable = cube.coords["flag"].variable
    flag = np.asarray(variable.isel({d: where[d] for d in variable.dims}).values)
    return stored, flag if flag.ndim == 3 else flag[None]


def _seen(stored: np.ndarray, nodata: float) -> np.ndarray:
    seen: np.ndarray = np.isfinite(stored) if stored.dtype.kind == "f" else np.ones(stored.shape, bool)
    if stored.dtype.kind != "f" and math.isfinite(nodata):
        np.not_equal(stored, nodata, out=seen)
    return seen
