"""Cubes of several sensors, scenes, resolutions and dates brought onto one grid, lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import contract
from swath.cube.stack import cube_of, merge, stack
from swath.cube.warp import Flags, Warped, places
from swath.earth.grid import same, same_crs
from swath.errors import GridError

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["align", "crop", "finest", "to_grid"]

Cube = Any  # xarray.DataArray or {gsd: DataArray}


def align(
    cubes: Mapping[str, Cube] | Sequence[Cube],
    *,
    grid: GeoBox | xr.DataArray | None = None,
    gsd: float | None = None,
    area: Any = None,
) -> dict[str, xr.DataArray]:
    """All cubes on one grid, read and resampled window by window when asked.

    cubes: {name: cube or {gsd: cube}}; a sequence is named after its sensors. grid: a GeoBox or the cube whose grid
    is meant; by default the extent, CRS and finest pixels of the first. gsd: another pixel size in metres (degrees are
    derived from it). area: keep the part of the grid under a GeoBox, a geometry with CRS or (west, south, east, north)
    in degrees. {gsd: cube} of one sensor becomes one cube of all bands; cubes of one sensor, bands and units with
    different dates become one cube over time (within a day: one date, the first usable value wins).

    Cubes that have the grid already pass untouched; `attrs["resampling"]` says how the others were resampled.
    Raises GridError: nothing given, no CRS and different shapes, no overlap between area and grid.
    """
    named = _named(cubes)
    if not named:
        raise GridError(rule="there is at least one cube to align", got="none", remedy="name a scene")
    parts = {
        name: [cube[g] for g in sorted(cube)] if isinstance(cube, dict) else [cube] for name, cube in named.items()
    }
    target = contract.grid(grid) if hasattr(grid, "sizes") else grid  # a cube has sizes, a GeoBox has none
    if grid is None:
        target = contract.grid(finest(next(iter(parts.values()))))
    if target is None:
        return _without_grid(parts, gsd)
    if gsd is not None:
        target = _with_gsd(target, gsd)
    if area is not None:
        target = crop(target, area)
    aligned = {name: merge([to_grid(cube, target) for cube in some]) for name, some in parts.items()}
    return _over_time(aligned)


def finest(cubes: Sequence[xr.DataArray]) -> xr.DataArray:
    """The cube with the smallest pixels."""

    def size(cube: xr.DataArray) -> float:
        box = contract.grid(cube)
        return float(abs(box.affine.determinant)) if box is not None else 0.0

    return min(cubes, key=size)


def crop(grid: GeoBox, area: Any) -> GeoBox:
    """The part of a grid under an area, cut at whole pixels. Raises GridError when they do not meet."""
    from odc.geo.geobox import GeoBox
    from odc.geo.geom import Geometry, box

    if isinstance(area, GeoBox):
        shape: Any = area.extent
    elif isinstance(area, (tuple, list, np.ndarray)):
        west, south, east, north = (float(v) for v in area)
        shape = box(west, south, east + 360.0 if east < west else east, north, "EPSG:4326")
    else:
        shape = area if isinstance(area, Geometry) else Geometry(area, "EPSG:4326")
    if grid.crs is not None and shape.crs is not None and not same_crs(shape.crs, grid.crs):
        # Straight lines in one CRS are curves in another: follow the outline in a hundred steps.
        shape = shape.segmented(max(max(shape.boundingbox.span_x, shape.boundingbox.span_y) / 100, 1e-9)).to_crs(
            grid.crs
        )
    bounds = shape.boundingbox
    corners = [
        ~grid.affine * p
        for p in (
            (bounds.left, bounds.top),
            (bounds.right, bounds.top),
            (bounds.left, bounds.bottom),
            (bounds.right, bounds.bottom),
        )
    ]
    left, right = (f(c[0] for c in corners) for f in (min, max))
    top, bottom = (f(c[1] for c in corners) for f in (min, max))
    x0, x1 = max(0, int(np.floor(left + 1e-6))), min(grid.shape[1], int(np.ceil(right - 1e-6)))
    y0, y1 = max(0, int(np.floor(top + 1e-6))), min(grid.shape[0], int(np.ceil(bottom - 1e-6)))
    if x0 >= x1 or y0 >= y1:
        raise GridError(
            rule="the area must lie on the scene",
            got=f"area {_rounded(bounds)}, scene {_rounded(grid.boundingbox)}",
            remedy="bounds are west, south, east, north in degrees: check their order",
        )
    return grid[y0:y1, x0:x1]


def _rounded(bounds: Any) -> tuple[float, ...]:
    return tuple(round(float(v), 5) for v in bounds)


def to_grid(cube: xr.DataArray, target: GeoBox) -> xr.DataArray:
    """A cube on another grid, lazily; untouched when it has that grid already."""
    box = contract.grid(cube)
    if box is None:
        if (cube.sizes.get("y"), cube.sizes.get("x")) == tuple(target.shape):
            return cube
        raise GridError(
            rule="a scene without georeference can only join others of its own shape",
            got=f"{cube.sizes.get('y')} x {cube.sizes.get('x')} pixels against {target.shape[0]} x {target.shape[1]}",
            remedy="give it a grid (swath prepare), or map it alone",
        )
    if same(target, box, 0.01):
        return cube
    found = places(target, box)
    stored = cube.dtype.kind in "iu"
    nodata = cube.coords["nodata"].values.astype(float)
    fill = tuple(float(v) if stored and np.isfinite(v) else (0.0 if stored else np.nan) for v in nodata)
    source = Warped(cube, found, fill)
    needs_flag = "flag" in cube.coords or (stored and not np.isfinite(nodata).all())
    return cube_of(cube, source, Flags(cube, found) if needs_flag else None, target, source.said())


def _over_time(cubes: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Cubes of one sensor with the same bands and units become one over time, under the first name."""
    groups: dict[Any, list[str]] = {}
    for name, cube in cubes.items():
        key: Any = name
        if cube.attrs.get("sensor") and "time" in cube.dims:
            c = cube.coords
            key = (
                cube.attrs["sensor"],
                *(tuple(map(str, c[k].values)) for k in ("band", "quantity", "units", "nodata")),
                str(cube.dtype),
            )
        groups.setdefault(key, []).append(name)
    return {names[0]: stack([cubes[n] for n in names]) for names in groups.values()}


def _named(cubes: Mapping[str, Cube] | Sequence[Cube]) -> dict[str, Cube]:
    if isinstance(cubes, Mapping):
        return dict(cubes)
    named: dict[str, Cube] = {}
    for cube in cubes:
        first = next(iter(cube.values())) if isinstance(cube, dict) else cube
        base = name = str(first.attrs.get("sensor") or "scene")
        n = 2
        while name in named:
            name, n = f"{base}-{n}", n + 1
        named[name] = cube
    return named


def _without_grid(parts: dict[str, list[xr.DataArray]], gsd: float | None) -> dict[str, xr.DataArray]:
    """Scenes without any georeference: only those of one shape go together."""
    shapes = {(c.sizes.get("y"), c.sizes.get("x")) for some in parts.values() for c in some}
    if len(shapes) > 1 or gsd is not None:
        raise GridError(
            rule="scenes without georeference go together when they have one shape, and keep their pixels",
            got=f"shapes {sorted(map(str, shapes))}" + (f", gsd {gsd}" if gsd is not None else ""),
            remedy="give them a grid (swath prepare), or map them alone",
        )
    return _over_time({name: merge(some) for name, some in parts.items()})


def _with_gsd(grid: GeoBox, gsd: float) -> GeoBox:
    """The same extent (to whole pixels) and corner with pixels of `gsd` metres."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    if not gsd > 0:
        raise GridError(rule="a pixel size is positive", got=str(gsd), remedy="give metres, e.g. 10")
    size = float(gsd)
    if grid.crs is not None and grid.crs.geographic:
        size = gsd / 111_319.49
    elif grid.crs is not None:
        size = gsd / float(grid.crs.proj.axis_info[0].unit_conversion_factor or 1.0)
    a = grid.affine
    wide, high = np.hypot(a.a, a.d), np.hypot(a.b, a.e)
    shape = (
        max(1, int(np.ceil(grid.shape[0] * high / size - 1e-6))),
        max(1, int(np.ceil(grid.shape[1] * wide / size - 1e-6))),
    )
    return GeoBox(shape, a * Affine.scale(size / wide, size / high), grid.crs)
