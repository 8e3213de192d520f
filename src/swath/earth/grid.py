"""Grids as odc.geo GeoBoxes: ground size of pixels, areas, bounds in degrees, and which UTM zone a place is in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from swath.errors import GridError

if TYPE_CHECKING:
    from odc.geo.crs import CRS
    from odc.geo.geobox import GeoBox

__all__ = ["area_unit", "cell_area", "gsd", "in_crs", "lonlat_bounds", "pixel_size", "same", "same_crs", "utm"]

_HECTARE = 10_000.0


def pixel_size(box: GeoBox) -> tuple[float, float]:
    """(height, width) of a pixel in metres at the grid's centre; NaN without a CRS. Rotated and geographic grids too."""
    if box.crs is None:
        return math.nan, math.nan
    a = box.affine
    down, right = math.hypot(a.b, a.e), math.hypot(a.a, a.d)
    if not box.crs.geographic:
        metre = _metre(box)
        return down * metre, right * metre
    from pyproj import Geod

    height, width = box.shape
    centre = (width / 2, height / 2)
    lon, lat = a @ centre
    below, beside = a @ (centre[0], centre[1] + 1), a @ (centre[0] + 1, centre[1])
    geod = Geod(ellps="WGS84")
    return abs(geod.inv(lon, lat, *below)[2]), abs(geod.inv(lon, lat, *beside)[2])


def gsd(box: GeoBox | None) -> float:
    """Ground size of a pixel in metres: the side of the square of the same area; NaN without a CRS."""
    if box is None:
        return math.nan
    down, right = pixel_size(box)
    return math.sqrt(down * right)


def _metre(box: GeoBox) -> float:
    """Metres in one unit of a projected CRS (feet, kilometres ...)."""
    axis = box.crs.proj.axis_info
    return float(axis[0].unit_conversion_factor) if axis and axis[0].unit_conversion_factor else 1.0


def area_unit(box: GeoBox | None) -> str:
    """The unit that areas on this grid have: "ha", or "pixel" when there is no CRS."""
    return "pixel" if box is None or box.crs is None else "ha"


def cell_area(box: GeoBox | None, rows: slice | None = None, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Area of each pixel, (H, 1) or (H, W) float64, in hectares on the ellipsoid; 1 (pixel) without a CRS.

    Geographic grids: exact between parallels on WGS 84. Equal-area CRSs: the pixel's own size. Other projected CRSs:
    the pixel's size without the projection's scale error (UTM: within 0.1 %); Web Mercator: corrected by latitude.
    Source: Snyder 1987, USGS Professional Paper 1395, eqs. 3-12 (authalic area between parallels).
    """
    if box is None or box.crs is None:
        height = (shape or (1, 1))[0] if box is None else box.shape[0]
        ones = np.ones((height, 1))
        return ones if rows is None else ones[rows]
    height = box.shape[0]
    a = box.affine
    index = np.arange(height)[rows if rows is not None else slice(None)]
    straight = abs(a.b) + abs(a.d) < 1e-12 * (abs(a.a) + abs(a.e))
    if box.crs.geographic:
        if not straight:
            down, right = pixel_size(box)
            return np.full((len(index), 1), down * right / _HECTARE)
        top, bottom = a.f + a.e * index, a.f + a.e * (index + 1)
        strip = np.abs(_authalic(np.clip(top, -90, 90)) - _authalic(np.clip(bottom, -90, 90)))
        return np.asarray((strip * math.radians(abs(a.a)) / _HECTARE)[:, None])
    metre = _metre(box)
    flat = abs(a.a * a.e - a.b * a.d) * metre * metre / _HECTARE
    if box.crs.epsg in (3857, 900913) and straight:
        y = (a.f + a.e * (index + 0.5)) * metre
        return np.asarray((flat / np.cosh(y / 6_378_137.0) ** 2)[:, None])
    return np.full((len(index), 1), flat)


def _authalic(latitude: np.ndarray) -> np.ndarray:
    """Area per radian of longitude from the equator to a latitude (degrees) on WGS 84, in square metres."""
    major, squared = 6_378_137.0, 0.00669437999014
    e = math.sqrt(squared)
    sine = np.sin(np.radians(latitude))
    q = sine / (1 - squared * sine**2) + np.arctanh(e * sine) / e
    return np.asarray(major**2 * (1 - squared) * q / 2)


def same_crs(one: CRS | None, other: CRS | None) -> bool:
    """Whether two CRSs are one: the same text, or the same EPSG code (formats write its details differently)."""
    if one is None or other is None:
        return one is other
    return bool(one == other) or (one.epsg is not None and one.epsg == other.epsg)


def same(one: GeoBox | None, other: GeoBox | None, tolerance: float = 1e-3) -> bool:
    """Whether two grids are one: shape, CRS, and corners within `tolerance` of a pixel."""
    if one is None or other is None:
        return one is None and other is None
    if tuple(one.shape) != tuple(other.shape) or not same_crs(one.crs, other.crs):
        return False
    height, width = one.shape
    inverse = ~other.affine
    for corner in ((0, 0), (width, 0), (0, height), (width, height)):
        x, y = inverse @ (one.affine @ corner)
        if math.hypot(x - corner[0], y - corner[1]) > tolerance:
            return False
    return True


def lonlat_bounds(box: GeoBox | None, points: int = 21) -> tuple[float, float, float, float] | None:
    """West, south, east, north in degrees (GeoJSON's order); east < west where the grid crosses the 180th meridian.

    None without a CRS. The edge is sampled at `points` places a side, so that curved edges count; a pole inside makes
    the box reach it and go all around.
    """
    if box is None or box.crs is None:
        return None
    from pyproj import Transformer

    height, width = box.shape
    along = np.linspace(0, 1, points)
    zero, one = np.zeros(points), np.ones(points)
    column = np.concatenate([along, one, along[::-1], zero]) * width
    row = np.concatenate([zero, along, one, along[::-1]]) * height
    x, y = box.affine @ (column, row)
    to_degrees = Transformer.from_crs(box.crs.proj, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(x, y)
    seen = np.isfinite(lon) & np.isfinite(lat)
    if not seen.any():
        return None
    lon, lat = np.asarray(lon)[seen], np.asarray(lat)[seen]
    south, north = float(lat.min()), float(lat.max())
    step = (np.diff(np.append(lon, lon[0])) + 180.0) % 360.0 - 180.0
    if abs(float(step.sum())) > 180.0 and not box.crs.geographic:
        return (-180.0, south, 180.0, 90.0) if south + north > 0 else (-180.0, -90.0, 180.0, north)
    if box.crs.geographic:
        west, east = float(lon.min()), float(lon.max())
        if east - west >= 359.999:
            return -180.0, south, 180.0, north
        return _wrap(west), south, _wrap(east, True), north
    unrolled = lon[0] + np.concatenate([[0.0], np.cumsum(step[:-1])])
    return _wrap(float(unrolled.min())), south, _wrap(float(unrolled.max()), True), north


def _wrap(longitude: float, end: bool = False) -> float:
    """A longitude within -180 and 180; an eastern end of -180 is written 180."""
    if -180.0 <= longitude <= 180.0:
        return longitude
    wrapped = (longitude + 180.0) % 360.0 - 180.0
    return 180.0 if end and wrapped == -180.0 else wrapped


def in_crs(box: GeoBox | None, crs: str) -> GeoBox:
    """A north-up grid over the same ground in another CRS, with pixels of the same size (or as many, in degrees).

    crs: anything that pyproj reads, or "utm" for the zone of the grid's middle. Raises GridError without a CRS to start
    from or for one that nobody knows.
    """
    from odc.geo.crs import CRS

    if box is None or box.crs is None:
        raise GridError(
            rule="a grid without CRS cannot be brought into another", got=f"--crs {crs}", remedy="leave --crs out"
        )
    if crs.strip().lower() == "utm":
        west, south, east, north = lonlat_bounds(box) or (math.nan,) * 4
        crs = utm([west, east], [south, north])
    try:
        target = CRS(crs)
    except Exception as error:
        raise GridError(rule="a CRS is one that pyproj knows", got=repr(crs)[:80], remedy="e.g. EPSG:32632") from error
    if target.geographic:
        return box.to_crs(target, resolution="fit")
    side = gsd(box) / float(target.proj.axis_info[0].unit_conversion_factor or 1.0)
    nice = round(side) if side and abs(side - round(side)) < 0.01 * side else side
    return box.to_crs(target, resolution=nice)


def utm(lon: float | Sequence[float], lat: float | Sequence[float]) -> str:
    """The UTM zone's CRS ("EPSG:32632") of a place, or of the middle of several; the exceptions of Norway and Svalbard.

    Raises GridError beyond 84 N and 80 S, where polar stereographic belongs.
    """
    radians = np.radians(np.atleast_1d(np.asarray(lon, float)))
    middle = math.degrees(math.atan2(float(np.sin(radians).mean()), float(np.cos(radians).mean())))
    latitude = float(np.mean(lat))
    if not -80 <= latitude <= 84:
        raise GridError(
            rule="UTM reaches from 80 S to 84 N",
            got=f"latitude {latitude:.2f}",
            remedy="use EPSG:3413 in the north, EPSG:3031 in the south",
        )
    zone = min(60, int((middle + 180) // 6) + 1)
    if 56 <= latitude < 64 and 3 <= middle < 12:
        zone = 32
    if latitude >= 72 and 0 <= middle < 42:
        zone = 31 + 2 * int((middle + 3) // 12)
    return f"EPSG:{32600 + zone if latitude >= 0 else 32700 + zone}"
