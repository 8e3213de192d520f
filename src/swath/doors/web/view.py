"""The grid that the page looks at: a pyramid of 256-px tiles over a scene's own pixels, never Mercator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["TILE", "View", "metric", "view_of"]

TILE = 256
LATTICE = 9  # rows and columns of places whose degrees the page is told, to interpolate between
MOST_DEGREES = 20.0  # a geographic grid up to this extent is looked at in metres
Affine6 = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class View:
    """H x W pixels that tiles are cut from. geobox: None where nothing is known but the number of pixels.

    Level z has tiles of TILE pixels, each of 2 ** (levels - z) grid pixels a side; beyond `levels` pixels are repeated.
    """

    shape: tuple[int, int]
    geobox: GeoBox | None = None

    @cached_property
    def levels(self) -> int:
        """M: the level at which a tile's pixel is a pixel of the grid."""
        return max(0, math.ceil(math.log2(max(1, *self.shape) / TILE)))

    @property
    def pixel(self) -> bool:
        """Whether places are told in pixels, because the scene has no CRS."""
        return self.geobox is None or self.geobox.crs is None

    @property
    def crs(self) -> str | None:
        """The CRS by its authority's number, else as WKT; None in pixel space."""
        if self.geobox is None or self.geobox.crs is None:
            return None
        number = self.geobox.crs.to_epsg()
        return f"EPSG:{number}" if number else str(self.geobox.crs.to_wkt())

    @cached_property
    def affine(self) -> Affine6:
        """(a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f; the identity in pixel space."""
        if self.pixel or self.geobox is None:
            return (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
        m = self.geobox.affine
        return (float(m.a), float(m.b), float(m.c), float(m.d), float(m.e), float(m.f))

    @cached_property
    def metres(self) -> float | None:
        """Ground size of a pixel in metres: the side of the square of its area; None where it is not known."""
        from swath.cube.scene import gsd_of

        if self.pixel:
            return None
        side = gsd_of(self.geobox)
        return side if math.isfinite(side) else None

    @cached_property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north in degrees; None in pixel space."""
        from swath.earth.grid import lonlat_bounds

        return None if self.pixel else lonlat_bounds(self.geobox)

    def step(self, z: int) -> float:
        """Grid pixels along a tile pixel's side at a level: 1 at `levels`, less than 1 beyond it."""
        return 2.0 ** (self.levels - z)

    def tiles(self, z: int) -> tuple[int, int]:
        """(rows, columns) of the tiles that hold something of the scene at a level."""
        side = TILE * self.step(z)
        return math.ceil(self.shape[0] / side), math.ceil(self.shape[1] / side)

    def inside(self, z: int, x: int, y: int) -> bool:
        """Whether a tile holds anything of the scene."""
        if not 0 <= z <= 40:
            return False
        down, right = self.tiles(z)
        return 0 <= y < down and 0 <= x < right

    def window(self, z: int, x: int, y: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """((first row, row behind the last), (columns likewise)) of a tile, in grid pixels; it may reach past the grid."""
        side = TILE * self.step(z)
        return (y * side, (y + 1) * side), (x * side, (x + 1) * side)

    def to_crs(self, col: float, row: float) -> tuple[float, float]:
        """Coordinates of a place given in pixels (a pixel's centre lies at + 0.5)."""
        a, b, c, d, e, f = self.affine
        return a * col + b * row + c, d * col + e * row + f

    def to_pixel(self, x: float, y: float) -> tuple[float, float]:
        """(col, row) of coordinates."""
        a, b, c, d, e, f = self.affine
        det = a * e - b * d
        return (e * (x - c) - b * (y - f)) / det, (a * (y - f) - d * (x - c)) / det

    def to_lonlat(self, col: float, row: float) -> tuple[float, float] | None:
        """Degrees of a place given in pixels; None in pixel space or where the projection has no answer."""
        if self.pixel:
            return None
        lon, lat = self._degrees.transform(*self.to_crs(col, row))
        return (float(lon), float(lat)) if math.isfinite(lon) and math.isfinite(lat) else None

    @cached_property
    def _degrees(self) -> Any:
        from pyproj import Transformer

        assert self.geobox is not None
        return Transformer.from_crs(str(self.geobox.crs.to_wkt()), "EPSG:4326", always_xy=True)

    def lattice(self) -> list[list[tuple[float, float] | None]] | None:
        """Degrees of LATTICE x LATTICE places from the grid's first corner to its last, by rows; None in pixel space.

        Quadratic interpolation between them is good to 0.1 m over 100 km.
        """
        if self.pixel:
            return None
        part = [i / (LATTICE - 1) for i in range(LATTICE)]
        rows = [[self.to_lonlat(u * self.shape[1], v * self.shape[0]) for u in part] for v in part]
        return [[None if p is None else (round(p[0], 8), round(p[1], 8)) for p in row] for row in rows]

    def record(self) -> dict[str, Any]:
        """What the page is told of the grid."""
        from pyproj import CRS

        proj = None
        if not self.pixel and self.geobox is not None:
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a PROJ text loses the datum's name
                proj = CRS.from_wkt(str(self.geobox.crs.to_wkt())).to_proj4()
        return {
            "width": self.shape[1],
            "height": self.shape[0],
            "crs": self.crs,
            "affine": list(self.affine),
            "metres": self.metres,
            "pixel": self.pixel,
            "proj": proj,
            "geographic": bool(not self.pixel and self.geobox is not None and self.geobox.crs.geographic),
            "lonlat": self.lattice(),
        }


def view_of(grid: GeoBox | None, shape: tuple[int, int]) -> View:
    """The view of a scene's grid, as `tools.scenes.Opened` tells it."""
    return View((int(shape[0]), int(shape[1])), grid)


def metric(grid: GeoBox | None) -> str | None:
    """The word utm where a geographic grid is small enough to be looked at in metres (option crs of `open_scenes`)."""
    if grid is None or grid.crs is None or not grid.crs.geographic:
        return None
    a = grid.affine
    height, width = grid.shape
    extent = max(abs(a.a) * width + abs(a.b) * height, abs(a.d) * width + abs(a.e) * height)
    return "utm" if extent <= MOST_DEGREES else None
