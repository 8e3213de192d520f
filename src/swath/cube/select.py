"""The part of a scene that was asked for: an area, dates, bands. Each option takes what people type."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.scene import Piece
from swath.cube.sources import Part
from swath.earth import recognise
from swath.earth.time import span
from swath.errors import BandError, GridError, SwathError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from odc.geo.geom import Geometry

__all__ = ["Outside", "area_of", "check_bands", "cut", "pick_bands", "pick_dates", "pixels_of", "window_of"]


class Outside(GridError):  # noqa: N818 - where it lies, in the words of the message
    """A scene lies outside the area or the dates that were asked for: of several scenes, the others count."""


def area_of(area: Any) -> Geometry | None:
    """An area as a geometry with CRS: a vector file, "west,south,east,north" in degrees, numbers, or a geometry.

    Raises GridError for text that is neither a file nor four numbers.
    """
    from odc.geo.geom import Geometry, box

    if area is None or isinstance(area, Geometry):
        return area
    if hasattr(area, "total_bounds") and getattr(area, "crs", None) is not None:
        return box(*(float(v) for v in area.total_bounds), crs=str(area.crs))
    if hasattr(area, "bounds") and hasattr(area, "geom_type"):
        return box(*area.bounds, crs="EPSG:4326")
    if isinstance(area, (str, os.PathLike)) and os.path.exists(area):
        import pyogrio

        info = pyogrio.read_info(area)
        return box(*(float(v) for v in info["total_bounds"]), crs=str(info["crs"] or "EPSG:4326"))
    try:
        numbers = re.split(r"[,;\s]+", area.strip()) if isinstance(area, str) else list(area)
        west, south, east, north = (float(v) for v in numbers)
    except (TypeError, ValueError) as error:
        raise GridError(
            rule="an area is a vector file or west,south,east,north in degrees",
            got=repr(area)[:80],
            remedy="for example --area 11.2,46.4,11.4,46.6 or --area field.gpkg",
        ) from error
    if not (south < north and south >= -90 and north <= 90 and west != east):
        raise GridError(
            rule="an area goes west, south, east, north in degrees",
            got=f"{west:g},{south:g},{east:g},{north:g}",
            remedy="latitudes are the second and fourth number; the smaller one first",
        )
    return box(west, south, east, north, crs="EPSG:4326")


_PIXELS = re.compile(r"\s*rows\s+(\d+)\s*:\s*(\d+)\s*,?\s*columns\s+(\d+)\s*:\s*(\d+)\s*", re.IGNORECASE)


def pixels_of(area: Any, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """(first, last) rows and columns of an area told as "rows 0:512, columns 100:612"; None where it is told otherwise.

    The part that lies on a grid of this shape. Raises Outside where none does.
    """
    told = _PIXELS.fullmatch(area) if isinstance(area, str) else None
    if told is None:
        return None
    top, bottom, left, right = (int(v) for v in told.groups())
    bottom, right = min(bottom, shape[0]), min(right, shape[1])
    if top >= bottom or left >= right:
        raise Outside(
            rule="the area must meet the scene",
            got=f"{area.strip()} of {shape[0]} rows and {shape[1]} columns",
            remedy="rows and columns are counted from 0 at the top left, the smaller one first",
        )
    return (top, bottom), (left, right)


def cut(piece: Piece, area: Geometry | None) -> Piece:
    """The piece within the area's bounds on its own grid. Raises GridError where they do not meet."""
    if area is None:
        return piece
    box = piece.geobox
    if box is None or box.crs is None:
        raise GridError(
            rule="an area needs a scene with a CRS", got=f"{piece.name} without one", remedy="leave --area out"
        )
    rows_, columns_ = window_of(box, area)
    flag = None if piece.flag is None else Part.of(piece.flag, rows=rows_, columns=columns_)
    return replace(
        piece,
        source=Part.of(piece.source, rows=rows_, columns=columns_),
        flag=flag,
        geobox=box[slice(*rows_), slice(*columns_)],
    )


def window_of(box: GeoBox, area: Geometry) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first, last) rows and columns of a grid that hold the area's bounds. Raises Outside where they do not meet."""
    x, y = _edges(area, box.crs.to_wkt())
    if not len(x):
        raise _apart(box, area)
    columns, rows = ~box.affine @ (x, y)
    height, width = box.shape
    near = 1e-6
    top, bottom = max(0, int(np.floor(rows.min() + near))), min(height, int(np.ceil(rows.max() - near)))
    left, right = max(0, int(np.floor(columns.min() + near))), min(width, int(np.ceil(columns.max() - near)))
    if top >= bottom or left >= right:
        raise _apart(box, area)
    return (top, bottom), (left, right)


def _edges(area: Geometry, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Points along the area's bounds in another CRS; those that it cannot show are left out."""
    from pyproj import Transformer

    bounds = area.boundingbox
    t = np.linspace(0.0, 1.0, 33)
    x = bounds.left + np.concatenate([t, t, 0 * t, 0 * t + 1]) * (bounds.right - bounds.left)
    y = bounds.bottom + np.concatenate([0 * t, 0 * t + 1, t, t]) * (bounds.top - bounds.bottom)
    there = Transformer.from_crs(area.crs.to_wkt(), crs, always_xy=True).transform(x, y)
    x, y = np.asarray(there[0]), np.asarray(there[1])
    fine = np.isfinite(x) & np.isfinite(y)
    return x[fine], y[fine]


def _apart(box: GeoBox, area: Geometry) -> Outside:
    """The error that names where both lie."""
    x, y = _edges(box.extent, "EPSG:4326")
    shown = f"{x.min():.4f},{y.min():.4f},{x.max():.4f},{y.max():.4f}" if len(x) else "unknown"
    west, east = _edges(area, "EPSG:4326")
    asked = f"{west.min():.4f},{east.min():.4f},{west.max():.4f},{east.max():.4f}" if len(west) else "unknown"
    return Outside(
        rule="the area must meet the scene",
        got=f"area {asked} and scene {shown}",
        remedy="the order is west,south,east,north in degrees",
    )


def pick_dates(piece: Piece, dates: Any) -> Piece:
    """The dates asked for: "2020-06-01/2020-09-30", one date, a year, a month, or a list of them."""
    if dates is None:
        return piece
    if piece.time is None:
        raise SwathError(
            rule="--dates needs a scene whose dates are known",
            got=f"{piece.name} without a date",
            remedy="leave it out",
        )
    keep = np.zeros(len(piece.time), bool)
    for text in [dates] if isinstance(dates, str) else list(dates):
        for part in str(text).split(","):
            first, last = span(part)
            keep |= (piece.time >= first) & (piece.time < last)
    if not keep.any():
        known = f"{str(piece.time.min())[:10]} to {str(piece.time.max())[:10]}"
        raise Outside(rule="--dates must leave at least one date", got=f"{dates} of {known}", remedy="widen the dates")
    index = np.flatnonzero(keep).tolist()
    flag = None if piece.flag is None else Part.of(piece.flag, dates=index)
    return replace(piece, source=Part.of(piece.source, dates=index), flag=flag, time=piece.time[keep])


def pick_bands(piece: Piece, bands: Any) -> Piece | None:
    """The bands asked for, in the order asked; None where this piece has none of them."""
    if bands is None:
        return piece
    index: list[int] = []
    for name in _names(bands):
        place = recognise.find(piece.bands, name)
        if place is not None and place not in index:
            index.append(place)
    if not index:
        return None
    return replace(piece, source=Part.of(piece.source, bands=index), bands=tuple(piece.bands[i] for i in index))


def _names(bands: Any) -> list[str]:
    return re.split(r"[,;\s]+", bands.strip()) if isinstance(bands, str) else [str(b) for b in bands]


def check_bands(asked: Any, found: list[str], there: list[str]) -> None:
    """Refuse names that no grid of the scene has. Raises BandError that lists what there is."""
    if asked is not None and len(found) < len(set(_names(asked))):
        raise BandError(
            rule="--bands names bands of the scene",
            got=f"{', '.join(_names(asked))}, of which {', '.join(found) or 'none'} are there",
            remedy=f"there are {', '.join(there[:30])}; a colour (red) or spyndex's letter (R) will do",
        )
