"""Where is north on a raster, and which of 6 x 6 cells a pixel lies in: quadrants, middle, halves and ninths are made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["CELLS", "REGIONS", "North", "north_of"]

ALIGNED = 10.0  # degrees: a raster turned by less than this is cut along its rows and columns
CELLS = 36  # cell = 6 * (north to south) + (west to east); cuts at 1/4, 1/3, 1/2, 2/3 and 3/4


def _cells(rows: tuple[int, int], columns: tuple[int, int]) -> tuple[int, ...]:
    return tuple(6 * r + c for r in range(*rows) for c in range(*columns))


REGIONS: dict[str, tuple[int, ...]] = {
    "scene": _cells((0, 6), (0, 6)),
    "north-west": _cells((0, 3), (0, 3)),
    "north-east": _cells((0, 3), (3, 6)),
    "south-west": _cells((3, 6), (0, 3)),
    "south-east": _cells((3, 6), (3, 6)),
    "middle": _cells((1, 5), (1, 5)),
    "north": _cells((0, 3), (0, 6)),
    "south": _cells((3, 6), (0, 6)),
    "west": _cells((0, 6), (0, 3)),
    "east": _cells((0, 6), (3, 6)),
}
"""{region: its cells}: four quarters, the middle (half as wide and high as the scene), four halves. In image order north is up."""

QUARTERS = ("north-west", "north-east", "south-west", "south-east")
HALVES = ("north", "south", "west", "east")


@dataclass(frozen=True, slots=True)
class North:
    """How places are named. kind: "north" (compass) or "image" (rows and columns). matrix: (2, 2) from (column, row) steps to

    metres (pixels without CRS) east and north at the scene's centre. turned: degrees by which up on the raster is
    east of north. aligned: whether the regions are cut along rows and columns. words: what to say of it.
    """

    kind: str
    matrix: tuple[tuple[float, float], tuple[float, float]]
    turned: float
    aligned: bool
    shape: tuple[int, int]
    words: str

    def along(self) -> tuple[str, int, int]:
        """Of an aligned raster: the array axis that runs west to east ("column" or "row"), its sign, and that of the other."""
        (a, b), (d, e) = self.matrix
        if abs(a) * math.hypot(b, e) >= abs(b) * math.hypot(a, d):
            return "column", 1 if a > 0 else -1, 1 if e < 0 else -1
        return "row", 1 if b > 0 else -1, 1 if d < 0 else -1

    def cells(self, first: int, last: int) -> np.ndarray:
        """(n, W) cell of every pixel of rows first to last - 1, uint8."""
        h, w = self.shape
        if self.aligned:
            axis, east, south = self.along()
            rows, columns = np.arange(first, last), np.arange(w)
            if axis == "column":
                u, v = _cut(columns, w, east), _cut(rows, h, south)
                return np.asarray(6 * v[:, None] + u[None, :], np.uint8)
            u, v = _cut(rows, h, east), _cut(columns, w, south)
            return np.asarray(6 * v[None, :] + u[:, None], np.uint8)
        east_m, north_m = self.offset(np.arange(first, last)[:, None], np.arange(w)[None, :])
        reach_e, reach_n = self._reach()
        u = np.searchsorted(_SHARES, (east_m + reach_e) / (2 * reach_e), side="right")
        v = np.searchsorted(_SHARES, (reach_n - north_m) / (2 * reach_n), side="right")
        return np.asarray(6 * v + u, np.uint8)

    def offset(self, row: np.ndarray | float, column: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """How far east and north of the scene's centre pixel centres lie."""
        h, w = self.shape
        x, y = np.asarray(column, float) + 0.5 - w / 2, np.asarray(row, float) + 0.5 - h / 2
        (a, b), (d, e) = self.matrix
        return a * x + b * y, d * x + e * y

    def _reach(self) -> tuple[float, float]:
        h, w = self.shape
        (a, b), (d, e) = self.matrix
        return (abs(a) * w + abs(b) * h) / 2, (abs(d) * w + abs(e) * h) / 2

    def place(self, row: float, column: float) -> str:
        """The ninth of the scene that a point lies in: a compass direction, or "middle"."""
        h, w = self.shape
        if self.aligned:
            axis, east, south = self.along()
            fu, fv = (
                ((column + 0.5) / w, (row + 0.5) / h) if axis == "column" else ((row + 0.5) / h, (column + 0.5) / w)
            )
            u, v = (fu if east > 0 else 1 - fu), (fv if south > 0 else 1 - fv)
        else:
            east_m, north_m = self.offset(row, column)
            reach_e, reach_n = self._reach()
            u, v = float((east_m + reach_e) / (2 * reach_e)), float((reach_n - north_m) / (2 * reach_n))
        side = "" if 1 / 3 <= u < 2 / 3 else "west" if u < 1 / 3 else "east"
        up = "" if 1 / 3 <= v < 2 / 3 else "north" if v < 1 / 3 else "south"
        return f"{up}-{side}" if up and side else up or side or "middle"


_SHARES = np.array([1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4])


def _cut(index: np.ndarray, n: int, sign: int) -> np.ndarray:
    """Cell along one axis: cuts at n // 4, n // 3, n // 2, 2 n // 3 and 3 n // 4, counted from west or north."""
    cuts = np.array([n // 4, n // 3, n // 2, 2 * n // 3, 3 * n // 4])
    along = index if sign > 0 else n - 1 - index
    return np.asarray(np.searchsorted(cuts, along, side="right"))


def north_of(grid: GeoBox | None, shape: tuple[int, int]) -> North:
    """Find true north at the scene's centre; image order without a CRS, or where north turns too much over the scene."""
    h, w = shape
    plain = ((1.0, 0.0), (0.0, -1.0))
    if grid is None or grid.crs is None:
        return North(
            "image", plain, 0.0, True, shape, "the raster has no CRS: top is the first row, left the first column"
        )
    found = _directions(grid, w / 2, h / 2)
    wide = () if grid.crs.geographic else (0.0, 1.0)  # meridians are straight and parallel in degrees
    corners = [_directions(grid, x * w, y * h) for x in wide for y in wide]
    if found is None or any(c is None or _apart(c, found) > 60 for c in corners):
        return North("image", plain, 0.0, True, shape, "north turns too much over this scene: top is the first row")
    (_, b), (_, e) = found
    turned = math.degrees(math.atan2(-b, -e))
    quarter = abs((turned + 45) % 90 - 45)
    words = "north is true north at the scene's centre"
    if abs(turned) > ALIGNED:
        words += f"; the top of the raster points {_compass(turned)}"
    return North("north", found, turned, quarter <= ALIGNED, shape, words)


def _apart(
    one: tuple[tuple[float, float], tuple[float, float]], other: tuple[tuple[float, float], tuple[float, float]]
) -> float:
    a, b = (math.degrees(math.atan2(-m[0][1], -m[1][1])) for m in (one, other))
    return abs((a - b + 180) % 360 - 180)


def _compass(degrees: float) -> str:
    names = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
    return names[round(degrees / 45) % 8]


def _directions(grid: GeoBox, column: float, row: float) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Metres east and north that one step right and one step down go, at a pixel position; None where PROJ cannot say."""
    from pyproj import Geod, Transformer

    there = Transformer.from_crs(grid.crs.proj, "EPSG:4326", always_xy=True)
    a = grid.affine
    points = [a @ (column, row), a @ (column + 0.5, row), a @ (column, row + 0.5)]
    lon, lat = there.transform([p[0] for p in points], [p[1] for p in points])
    if not np.isfinite([*lon, *lat]).all() or abs(lat[0]) > 89.99:
        return None
    geod = Geod(ellps="WGS84")
    steps = []
    for i in (1, 2):
        azimuth, _, metres = geod.inv(lon[0], lat[0], lon[i], lat[i])
        steps.append((2 * metres * math.sin(math.radians(azimuth)), 2 * metres * math.cos(math.radians(azimuth))))
    if min(math.hypot(*s) for s in steps) == 0:
        return None
    return (steps[0][0], steps[1][0]), (steps[0][1], steps[1][1])
