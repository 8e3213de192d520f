"""Geometries onto a grid: any CRS to pixel coordinates, what cannot be used counted, what is wrong said with a
remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import GridError, LabelError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from swath.sample.vector import Frame

__all__ = ["Placed", "as_pixels", "named", "place"]

MOST_VERTICES = 50_000_000


@dataclass(frozen=True, slots=True)
class Placed:
    """Geometries in pixel coordinates (n,), which of them to use, why others fell, and how it was done."""

    geometry: np.ndarray
    use: np.ndarray
    dropped: dict[str, int]
    crs_note: str
    notes: list[str]


def place(frame: Frame, grid: GeoBox | None, shape: tuple[int, int], *, source: str) -> Placed:
    """Bring geometries into pixel coordinates (x = column, y = row, edges at whole numbers) and say which can be used.

    Raises LabelError when none lies on the scene (with both extents, and whether swapping the axes would help).
    """
    import shapely

    geometry, notes, dropped = frame.geometry.copy(), list(frame.notes), {}
    empty = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    if empty.any():
        dropped["empty geometry"] = int(empty.sum())
    if shapely.get_num_coordinates(geometry).sum() > MOST_VERTICES:
        raise LabelError(
            rule=f"labels have at most {MOST_VERTICES:,} vertices", got=source, remedy="simplify the polygons"
        )
    geometry = shapely.force_2d(geometry)
    bad = ~empty & ~shapely.is_valid(geometry)
    if bad.any():
        geometry[bad] = [_mended(g) for g in geometry[bad]]
        notes.append(f"{int(bad.sum())} invalid geometries mended")
        lost = bad & (shapely.is_missing(geometry) | shapely.is_empty(geometry))
        dropped |= {"geometry beyond repair": int(lost.sum())} if lost.any() else {}
        empty |= lost
    pixel, crs_note = _to_pixels(frame, geometry, empty, grid, shape, source)
    finite = np.isfinite(shapely.bounds(pixel)).all(axis=1)
    if (lost := ~finite & ~empty).any():
        dropped["outside the projection"] = int(lost.sum())
    box = shapely.box(0, 0, shape[1], shape[0])
    inside = finite & shapely.intersects(pixel, box)
    if not inside.any():
        raise _none_inside(frame, geometry[~empty], grid, shape, source)
    if (out := finite & ~inside).any():
        dropped["outside the scene"] = int(out.sum())
    return Placed(pixel, inside, dropped, crs_note, notes)


def _mended(geometry: Any) -> Any:
    """A valid geometry of the same kind: of what comes out, the parts of the highest dimension."""
    import shapely

    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return None
    whole = shapely.make_valid(geometry)
    parts = shapely.get_parts(shapely.get_parts(whole))
    rank = shapely.get_dimensions(parts)
    parts = parts[rank == rank.max()] if len(parts) else parts
    return shapely.union_all(parts) if len(parts) else None


def _to_pixels(
    frame: Frame, geometry: np.ndarray, empty: np.ndarray, grid: GeoBox | None, shape: tuple[int, int], source: str
) -> tuple[np.ndarray, str]:
    if frame.pixels:
        return geometry, "rows and columns of the scene"
    if grid is None or grid.crs is None:
        return _without_crs(frame, geometry, empty, grid, shape, source)
    here = f"EPSG:{grid.crs.epsg}" if grid.crs.epsg else "the scene's CRS"
    crs = frame.crs
    if crs is None:
        if _any_inside(as_pixels(geometry, grid), shape):
            return as_pixels(
                geometry, grid
            ), f"the labels name no CRS: coordinates taken in {here}, where they lie on the scene"
        if _any_inside(_projected(geometry, "EPSG:4326", grid), shape):
            return _projected(
                geometry, "EPSG:4326", grid
            ), "the labels name no CRS: taken as longitude, latitude (EPSG:4326)"
        return as_pixels(geometry, grid), ""
    pixel = _projected(geometry, crs, grid)
    if not _any_inside(pixel, shape) and frame.silent and _any_inside(as_pixels(geometry, grid), shape):
        return as_pixels(
            geometry, grid
        ), f"the file names no CRS: coordinates taken in {here}, where they lie on the scene"
    return pixel, f"labels in {named(crs)} brought to {here}" if named(
        crs
    ) != here else f"labels and scene share {here}"


def _without_crs(
    frame: Frame, geometry: np.ndarray, empty: np.ndarray, grid: GeoBox | None, shape: tuple[int, int], source: str
) -> tuple[np.ndarray, str]:
    if frame.crs is not None and not frame.silent:
        raise GridError(
            rule="a scene without a CRS takes labels in pixel coordinates (x = column, y = row)",
            got=f"{source} in {named(frame.crs)}",
            remedy="give a raster mask of the scene's shape, a table with row and column, or the scene's CRS",
        )
    if grid is not None and not grid.affine.is_identity:
        own = as_pixels(geometry, grid)
        if _any_inside(own, shape):
            return own, "the scene has no CRS: labels taken in the coordinates of its transform"
    return geometry, "the scene has no CRS: labels taken in pixel coordinates (x = column, y = row)"


def as_pixels(geometry: np.ndarray, grid: GeoBox) -> np.ndarray:
    """Map coordinates to pixel coordinates, also for rotated and flipped grids."""
    import shapely

    inverse = ~grid.affine
    matrix = np.array([[inverse.a, inverse.b], [inverse.d, inverse.e]])
    with np.errstate(invalid="ignore"):
        moved = shapely.transform(geometry, lambda xy: xy @ matrix.T + (inverse.c, inverse.f))
    return np.asarray(moved, dtype=object)


def _projected(geometry: np.ndarray, crs: Any, grid: GeoBox) -> np.ndarray:
    import pyproj
    import shapely

    source, target = pyproj.CRS.from_user_input(crs), pyproj.CRS.from_user_input(grid.crs.to_wkt())
    if source.equals(target, ignore_axis_order=True) or source.to_epsg() == target.to_epsg() != None:  # noqa: E711
        moved = geometry
    else:
        change = pyproj.Transformer.from_crs(source, target, always_xy=True)
        extent = pyproj.Transformer.from_crs(target, source, always_xy=True).transform_bounds(
            *grid.extent.boundingbox, densify_pts=21
        )
        reach = max(extent[2] - extent[0], extent[3] - extent[1]) / 64
        if np.isfinite(reach) and reach > 0:
            area = np.isin(shapely.get_type_id(geometry), (1, 3, 5, 6))
            geometry = geometry.copy()
            near = area & shapely.intersects(geometry, shapely.box(*extent))
            near &= shapely.length(geometry) < 100_000 * reach  # longer ones have coordinates off the Earth
            geometry[near] = shapely.segmentize(geometry[near], reach)
        moved = shapely.transform(geometry, lambda xy: np.stack(change.transform(xy[:, 0], xy[:, 1]), axis=1))
    if target.is_geographic:
        moved = _unwrapped(moved, grid)
    return as_pixels(moved, grid)


def _unwrapped(geometry: np.ndarray, grid: GeoBox) -> np.ndarray:
    """Longitudes moved by whole turns to where the grid is (scenes across the 180th meridian)."""
    import shapely

    box = grid.extent.boundingbox
    middle = (box.left + box.right) / 2
    bounds = shapely.bounds(geometry)
    turns = np.round((middle - (bounds[:, 0] + bounds[:, 2]) / 2) / 360.0)
    for turn in np.unique(turns[np.isfinite(turns) & (turns != 0)]):
        which = turns == turn
        geometry = geometry.copy()
        geometry[which] = shapely.transform(geometry[which], _shift(360.0 * turn))
    return geometry


def _shift(by: float) -> Any:
    return lambda xy: xy + np.array([by, 0.0])


def _any_inside(pixel: np.ndarray, shape: tuple[int, int]) -> bool:
    import shapely

    bounds = shapely.bounds(pixel)
    with np.errstate(invalid="ignore"):
        hit = (bounds[:, 0] < shape[1]) & (bounds[:, 2] > 0) & (bounds[:, 1] < shape[0]) & (bounds[:, 3] > 0)
    return bool(hit.any())


def named(crs: Any) -> str:
    """A CRS in few words: EPSG code where there is one, else its name."""
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    code = known.to_epsg()
    return f"EPSG:{code}" if code else known.name


def _none_inside(
    frame: Frame, geometry: np.ndarray, grid: GeoBox | None, shape: tuple[int, int], source: str
) -> LabelError:
    import shapely

    n = len(geometry)
    if not n:
        return LabelError(
            rule="labels have geometries", got=f"{source} with empty ones only", remedy="give points or polygons"
        )
    theirs = " ".join(f"{v:.6g}" for v in shapely.total_bounds(geometry))
    if grid is None or grid.crs is None:
        return LabelError(
            rule="labels must lie on the scene",
            got=f"0 of {n} labels of {source} ({theirs}) on the {shape[1]} x {shape[0]} pixels of a scene without CRS",
            remedy="give pixel coordinates (x = column, y = row) or a raster mask of the same shape",
        )
    ours = " ".join(f"{v:.6g}" for v in grid.extent.boundingbox)
    where = named(frame.crs) if frame.crs is not None else "no CRS"
    scene = named(grid.crs.to_wkt())
    got = f"0 of {n} labels of {source} ({where}, extent {theirs}) inside the scene ({scene}, extent {ours})"
    swapped = shapely.transform(geometry, lambda a: a[:, ::-1])
    if _any_inside(_projected(swapped, frame.crs or "EPSG:4326", grid), shape):
        remedy = "points look like lat/lon swapped: try --xy lat,lon"
    elif (
        frame.crs is not None and named(frame.crs) == "EPSG:4326" and np.abs(shapely.total_bounds(geometry)).max() > 400
    ):
        remedy = "the coordinates are no degrees: set the labels' true CRS in their file"
    elif _any_inside(as_pixels(geometry, grid), shape):
        remedy = f"the coordinates fit {named(grid.crs.to_wkt())}: set that as the labels' CRS"
    else:
        remedy = "check that labels and scene show the same place, and the labels' CRS"
    return LabelError(rule="labels must lie on the scene", got=got, remedy=remedy)
