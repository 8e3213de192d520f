"""A finished map as a population: its classes, how many pixels and how much ground each has, read window by window."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np

from swath.cube import gdal, guard
from swath.cube.georeference import geobox_of
from swath.earth.grid import area_unit, cell_area
from swath.errors import FormatError, GridError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from rasterio.io import DatasetReader

__all__ = ["ClassMap", "Counted", "count", "open_map", "windows"]

SIDE = 1024
MOST_CLASSES = 1000
_MOST_SIDECAR = 4 << 20
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class ClassMap:
    """A raster of classes or numbers. codes and names: what its tags tell (may be empty). unit: of areas."""

    path: Path
    grid: GeoBox | None
    shape: tuple[int, int]
    kind: Literal["class", "number"]
    nodata: float | None
    names: dict[int, str]
    bands: tuple[str, ...]
    units: str
    simulated: bool

    @property
    def unit(self) -> str:
        """`ha`, or `pixel` without a CRS."""
        return area_unit(self.grid)

    def name(self, code: int) -> str:
        """The class's name, else its code as text."""
        return self.names.get(int(code), str(int(code)))

    def area(self, rows: slice) -> np.ndarray:
        """(rows, 1) area of a pixel of each row in `unit`."""
        box = self.grid if self.grid is not None and self.grid.crs is not None else None
        return np.asarray(cell_area(box, rows, self.shape))

    def read(self, rows: slice, columns: slice, band: int = 1) -> np.ndarray:
        """Stored numbers of a window."""
        return _read(self.path, rows, columns, band)

    def valid(self, values: np.ndarray) -> np.ndarray:
        """Where a window has an answer: neither nodata nor NaN; 0 is no class when the map names no class 0."""
        fine = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        if self.nodata is not None and np.isfinite(self.nodata):
            fine &= values != self.nodata
        return fine

    def at(self, row: np.ndarray, column: np.ndarray, band: int = 1) -> np.ndarray:
        """(n,) stored numbers at pixels, read block by block."""
        out: np.ndarray | None = None
        key = row // SIDE * (self.shape[1] // SIDE + 1) + column // SIDE
        for one in np.unique(key):
            here = np.flatnonzero(key == one)
            top, left = int(row[here].min()), int(column[here].min())
            rows, columns = slice(top, int(row[here].max()) + 1), slice(left, int(column[here].max()) + 1)
            values = self.read(rows, columns, band)
            if out is None:
                out = np.zeros(len(row), values.dtype)
            out[here] = values[row[here] - top, column[here] - left]
        return np.zeros(len(row)) if out is None else out


def _read(path: Path, rows: slice, columns: slice, band: int) -> np.ndarray:
    from rasterio.windows import Window

    window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
    return np.asarray(gdal.handle(str(path)).read(band, window=window))


def open_map(path: str | Path, *, safe: bool = False) -> ClassMap:
    """Open a finished map (GeoTIFF or any raster): whole numbers are classes, floats numbers.

    Names come from the tags `class_CODE=name`, else from GDAL's category names beside the file. Raises FormatError.
    """
    file = Path(path)
    if not file.is_file():
        raise FormatError(rule="a map is a raster file", got=f"no file at {file.name}", remedy="give a classes.tif")
    guard.check_path(str(file), safe=safe)
    guard.check_file(str(file), safe=safe)
    dataset = gdal.handle(str(file))
    guard.check_declared(str(file), dataset, safe=safe)
    kind: Literal["class", "number"] = "number" if dataset.dtypes[0].startswith("float") else "class"
    if dataset.dtypes[0].startswith("complex"):
        raise FormatError(rule="a map holds classes or numbers", got="complex numbers", remedy="give another raster")
    tags = dataset.tags()
    names = {int(k[6:]): v for k, v in tags.items() if k.startswith("class_") and k[6:].isdigit()}
    nodata = dataset.nodata
    names = names or _categories(file, nodata)
    if nodata is None and kind == "class" and 0 not in names:
        nodata = 0.0
    return ClassMap(
        path=file,
        grid=_grid(dataset),
        shape=(dataset.height, dataset.width),
        kind=kind,
        nodata=nodata,
        names=names,
        bands=tuple(d or "" for d in dataset.descriptions),
        units=(dataset.units[0] or "") if dataset.units else "",
        simulated=str(tags.get("simulated", "")).lower() in ("yes", "true", "1"),
    )


def _grid(dataset: DatasetReader) -> GeoBox | None:
    return geobox_of(dataset)[0]


def _categories(file: Path, nodata: float | None) -> dict[int, str]:
    """GDAL's category names in NAME.tif.aux.xml: the n-th name belongs to code n; empty names to none."""
    beside = file.with_name(file.name + ".aux.xml")
    if not beside.is_file() or beside.stat().st_size > _MOST_SIDECAR:
        return {}
    text = beside.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return {}
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no DTD, bounded size
    except ElementTree.ParseError:
        return {}
    band = root.find("PAMRasterBand[@band='1']/CategoryNames")
    found = [] if band is None else [(i, (c.text or "").strip()) for i, c in enumerate(band.findall("Category"))]
    return {i: name for i, name in found if name and i != nodata}


def windows(shape: tuple[int, int], side: int = SIDE) -> Iterator[tuple[slice, slice]]:
    """Squares that cover a raster once, row by row."""
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            yield slice(top, min(shape[0], top + side)), slice(left, min(shape[1], left + side))


@dataclass(frozen=True, slots=True)
class Counted:
    """Of each stratum and class: pixels (S, K) and area (S, K) in the map's unit. strata, codes: sorted. digest: of it."""

    strata: tuple[int, ...]
    codes: tuple[int, ...]
    pixels: np.ndarray
    area: np.ndarray
    digest: str


def count(made: ClassMap, *, strata: ClassMap | None = None, progress: Progress | None = None) -> Counted:
    """Count a map of classes in bounded memory, by its own classes or within other strata on the same grid.

    Raises FormatError when the raster has more than 1000 different codes (it is no map of classes), GridError when
    strata lie on another grid.
    """
    if strata is not None:
        from swath.earth.grid import same

        if strata.shape != made.shape or not same(strata.grid, made.grid):
            raise GridError(
                rule="strata lie on the map's own grid",
                got=f"{strata.path.name} {strata.shape} for a map {made.shape}",
                remedy="warp the strata onto the map's grid first: swath prepare, or gdalwarp",
            )
    pixels: dict[tuple[int, int], int] = {}
    area: dict[tuple[int, int], float] = {}
    parts = list(windows(made.shape))
    for i, (rows, columns) in enumerate(parts):
        if progress is not None:
            progress(i, len(parts), "counting the map")
        values = made.read(rows, columns)
        good = made.valid(values)
        cell = np.broadcast_to(made.area(rows), values.shape)
        group = values if strata is None else strata.read(rows, columns)
        if strata is not None:
            good = good & strata.valid(group)
        both = np.stack([group[good].astype(np.int64), values[good].astype(np.int64)])
        pairs, where, number = np.unique(both, axis=1, return_inverse=True, return_counts=True)
        ground = np.bincount(np.asarray(where).ravel(), weights=cell[good], minlength=pairs.shape[1])
        for (s, c), k, g in zip(pairs.T.tolist(), number.tolist(), ground.tolist(), strict=True):
            pixels[s, c] = pixels.get((s, c), 0) + k
            area[s, c] = area.get((s, c), 0.0) + g
        if len({c for _, c in pixels}) > MOST_CLASSES:
            raise FormatError(
                rule=f"a map of classes has at most {MOST_CLASSES} codes",
                got=f"more in {made.path.name}",
                remedy="give classes.tif, or a map of numbers as floats",
            )
    if progress is not None:
        progress(len(parts), len(parts), "counting the map")
    return _tabled(pixels, area, made)


def _tabled(pixels: dict[tuple[int, int], int], area: dict[tuple[int, int], float], made: ClassMap) -> Counted:
    rows, columns = sorted({s for s, _ in pixels}), sorted({c for _, c in pixels})
    if not columns:
        raise FormatError(rule="a map has pixels with a class", got=f"none in {made.path.name}", remedy="check nodata")
    table, ground = np.zeros((len(rows), len(columns)), np.int64), np.zeros((len(rows), len(columns)))
    for (s, c), k in pixels.items():
        table[rows.index(s), columns.index(c)] = k
        ground[rows.index(s), columns.index(c)] = area[s, c]
    by_class: dict[str, Any] = {str(c): int(k) for c, k in zip(columns, table.sum(0), strict=True)}
    digest = f"m{zlib.crc32(json.dumps(by_class).encode()):08x}"
    return Counted(tuple(rows), tuple(columns), table, ground, digest)
