"""What is described: a raster of codes read by strips of whole rows, from a file, an array or a cube."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, GridError, LabelError
from swath.language.legend import Legend, legend_of, read_legend

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Raster", "open_raster", "strips"]

STRIP_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True)
class Raster:
    """Codes on a grid. read(first, last) gives (codes (n, W) integer, valid (n, W) bool) of rows first to last - 1."""

    shape: tuple[int, int]
    grid: GeoBox | None
    legend: Legend
    read: Callable[[int, int], tuple[np.ndarray, np.ndarray]]
    name: str = ""
    simulated: bool = False
    meta: dict[str, Any] = field(default_factory=dict)


def strips(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """(first, last) rows of strips of about a million pixels."""
    rows = max(1, STRIP_PIXELS // max(1, shape[1]))
    for top in range(0, shape[0], rows):
        yield top, min(shape[0], top + rows)


def open_raster(
    what: Any, legend: Any = None, *, grid: GeoBox | None = None, valid: np.ndarray | None = None, safe: bool = False
) -> Raster:
    """A map as a Raster. what: path, (H, W) array of codes, or a DataArray whose last two dimensions are y, x.

    Raises FormatError for what is no map, LabelError for floats or codes without names (the error names the fix).
    """
    if isinstance(what, Raster):
        return what
    if isinstance(what, (str, os.PathLike)):
        return _from_file(Path(what), legend, safe)
    if hasattr(what, "dims") and hasattr(what, "values"):
        from swath.cube import contract

        grid = grid if grid is not None else contract.grid(what)
        names = what.attrs.get("classes")
        if legend is None and isinstance(names, dict):
            legend = names
        what = np.asarray(what.values)
    codes = np.asarray(what)
    codes = codes.reshape(codes.shape[-2:]) if codes.ndim > 2 and codes.size == np.prod(codes.shape[-2:]) else codes
    if codes.ndim != 2:
        raise FormatError(
            rule="a map is (rows, columns)", got=f"an array of shape {codes.shape}", remedy="give one band"
        )
    if codes.dtype.kind not in "iub":
        raise _floats("an array of floats")
    if legend is None:
        raise _nameless("an array", np.unique(codes)[:8].tolist())
    known = read_legend(legend)
    mask = np.ones(codes.shape, bool) if valid is None else np.asarray(valid, bool)
    return Raster((int(codes.shape[0]), int(codes.shape[1])), grid, known, lambda a, b: (codes[a:b], mask[a:b]))


def _floats(got: str) -> LabelError:
    return LabelError(
        rule="a description needs a map of classes, whole numbers with names",
        got=got,
        remedy="classify it first (swath map), or cut the numbers into classes and give --legend FILE",
    )


def _nameless(got: str, codes: list[int]) -> LabelError:
    from swath.language.legend import KNOWN

    shown = ", ".join(str(c) for c in codes[:8])
    return LabelError(
        rule="classes have names",
        got=f"{got} with codes {shown} and no names",
        remedy=f"give --legend FILE (lines like '1 water') or --legend {'|'.join(KNOWN)}",
    )


def _from_file(path: Path, legend: Any, safe: bool) -> Raster:
    from swath.sample.classmap import open_map

    made = open_map(path, safe=safe)
    if made.kind == "number":
        raise _floats(f"{path.name}: floating-point numbers")
    if made.path.suffix.lower() in (".jpg", ".jpeg") or len(made.bands) > 2:
        raise LabelError(
            rule="a description needs a map of classes, one band of codes",
            got=f"{path.name} with {len(made.bands)} bands",
            remedy="give the map, not the picture; swath map makes one",
        )
    given = read_legend(legend) if legend is not None else None
    if given is None:
        names = {c: n for c, n in made.names.items() if made.nodata is None or c != made.nodata}
        if not names:
            first = np.unique(made.read(slice(0, min(512, made.shape[0])), slice(0, min(512, made.shape[1]))))
            raise _nameless(path.name, [int(c) for c in first])
        shared = [n.lower() for n in names.values()]
        names = {c: f"{n} ({c})" if shared.count(n.lower()) > 1 else n for c, n in names.items()}
        given = legend_of(names, colours=_colours(path), source=f"names in {path.name}")
    nodata = made.nodata
    if given.index(0) >= 0 and nodata == 0 and _declared(path) is None:
        nodata = None  # the legend has a class 0 and the file does not call it no data

    def read(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        values = made.read(slice(first, last), slice(0, made.shape[1]))
        return values, (values != nodata if nodata is not None else np.ones(values.shape, bool))

    return Raster(made.shape, made.grid, given, read, path.name, made.simulated, _meta(path))


def _declared(path: Path) -> float | None:
    from swath.cube import gdal

    found = gdal.handle(str(path)).nodata
    return None if found is None else float(found)


def _colours(path: Path) -> dict[int, tuple[int, int, int]]:
    from swath.cube import gdal

    try:
        table = gdal.handle(str(path)).colormap(1)
    except ValueError:
        return {}
    return {int(k): (int(v[0]), int(v[1]), int(v[2])) for k, v in table.items()}


def _meta(path: Path) -> dict[str, Any]:
    """What the file says of itself that a sentence may carry: its date and sensor, never guessed."""
    from swath.cube import gdal

    tags = gdal.handle(str(path)).tags()
    found: dict[str, Any] = {}
    stamp = str(tags.get("TIFFTAG_DATETIME") or tags.get("date") or tags.get("year") or "")
    if stamp:
        found["date"] = stamp.split(" ")[0].replace(":", "-")
    if tags.get("sensor"):
        found["sensor"] = str(tags["sensor"])
    return found


def cropped(raster: Raster, rows: tuple[int, int], columns: tuple[int, int], inside: Any = None) -> Raster:
    """A window of a raster; inside: a shapely geometry in the grid's CRS whose outside counts as not asked for."""
    grid = raster.grid[slice(*rows), slice(*columns)] if raster.grid is not None else None
    shape = (rows[1] - rows[0], columns[1] - columns[0])

    def read(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        values, valid = raster.read(rows[0] + first, rows[0] + last)
        return values[:, slice(*columns)], valid[:, slice(*columns)]

    return Raster(shape, grid, raster.legend, read, raster.name, raster.simulated, raster.meta)


def on_grid(raster: Raster, path: Path, target: Raster) -> Raster:
    """An earlier map on the later one's grid: as it is, or warped by nearest neighbour. Raises GridError where it cannot."""
    from swath.earth.grid import same

    if raster.shape == target.shape and (same(raster.grid, target.grid) or raster.grid is None or target.grid is None):
        return raster
    if raster.grid is None or target.grid is None or raster.grid.crs is None or target.grid.crs is None:
        raise GridError(
            rule="two maps without CRS have the same shape",
            got=f"{raster.shape} and {target.shape}",
            remedy="give both a CRS, or crop them alike",
        )
    import rasterio
    from rasterio.vrt import WarpedVRT
    from rasterio.windows import Window

    from swath.cube import gdal

    box = target.grid
    nodata = _declared(path)
    options = {} if nodata is not None else {"add_alpha": True}
    vrt = WarpedVRT(
        gdal.handle(str(path)), crs=box.crs.to_wkt(), transform=box.affine, width=box.shape[1], height=box.shape[0],
        resampling=rasterio.enums.Resampling.nearest, **options,
    )  # fmt: skip
    known = np.array([c.code for c in raster.legend.classes])

    def read(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        window = Window(0, first, box.shape[1], last - first)
        values = np.asarray(vrt.read(1, window=window))
        valid = values != nodata if nodata is not None else np.asarray(vrt.read(vrt.count, window=window)) > 0
        return values, valid & (np.isin(values, known) | (values != 0))

    if not _meets(raster.grid, box):
        raise GridError(
            rule="the two maps lie on common ground",
            got=f"{raster.name} elsewhere",
            remedy="give two maps of one place",
        )
    meta = {**raster.meta, "warped": "brought onto the later map's grid by nearest neighbour"}
    return Raster(target.shape, box, raster.legend, read, raster.name, raster.simulated, meta)


def _meets(one: GeoBox, other: GeoBox) -> bool:
    a, b = one.extent.to_crs("EPSG:4326").boundingbox, other.extent.to_crs("EPSG:4326").boundingbox
    return bool(a.left < b.right and b.left < a.right and a.bottom < b.top and b.bottom < a.top)
