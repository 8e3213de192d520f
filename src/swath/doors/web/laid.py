"""Where a raster lies under the view: from pixels of the one to pixels of the other, along their coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from swath.doors.web.view import View

__all__ = ["Laid", "corner_of"]

Places = Any
"""A column or row, or an array of them."""


@dataclass(frozen=True)
class Laid:
    """A raster beside a view. crs, transform: the raster's, as rasterio and odc-geo tell them.

    corner: row and column of the raster's first pixel on the view's grid, which holds where one of the two has no coordinates.
    """

    view: View
    crs: Any
    transform: Any
    corner: tuple[int, int] = (0, 0)

    @property
    def plain(self) -> bool:
        """Whether nothing but the corner tells where it lies."""
        return self.view.pixel or self.view.geobox is None or self.crs is None

    def to_raster(self, columns: Places, rows: Places) -> tuple[Places, Places]:
        """(columns, rows) of the raster, not rounded, at places of the view."""
        if self.plain:
            return columns - self.corner[1], rows - self.corner[0]
        x, y = self._change[0].transform(*self.view.to_crs(columns, rows))
        b = ~self.transform
        return b.a * x + b.b * y + b.c, b.d * x + b.e * y + b.f

    def to_view(self, columns: Places, rows: Places) -> tuple[Places, Places]:
        """(columns, rows) of the view, not rounded, at places of the raster."""
        if self.plain:
            return columns + self.corner[1], rows + self.corner[0]
        a = self.transform
        x, y = a.a * columns + a.b * rows + a.c, a.d * columns + a.e * rows + a.f
        return self.view.to_pixel(*self._change[1].transform(x, y))

    @cached_property
    def _change(self) -> tuple[Any, Any]:
        """From the view's coordinates to the raster's, and back."""
        from pyproj import Transformer

        assert self.view.geobox is not None
        mine, other = str(self.view.geobox.crs.to_wkt()), str(self.crs.to_wkt())
        return tuple(Transformer.from_crs(*ends, always_xy=True) for ends in ((mine, other), (other, mine)))  # type: ignore[return-value]

    def around(self, window: Sequence[float], *, inward: bool, near: float) -> tuple[int, int, int, int]:
        """(first row, row behind the last, columns likewise) around the edges of a window of the view in the raster (`inward`),
        or the other way round. near: what a pixel may lack to be left out, in pixels.
        """
        r0, r1, c0, c1 = (float(v) for v in window)
        t = np.linspace(0, 1, 17)
        c = np.concatenate([c0 + t * (c1 - c0)] * 2 + [0 * t + c0, 0 * t + c1])
        r = np.concatenate([0 * t + r0, 0 * t + r1] + [r0 + t * (r1 - r0)] * 2)
        columns, rows = (self.to_raster if inward else self.to_view)(c, r)
        return (
            math.floor(float(rows.min()) + near), math.ceil(float(rows.max()) - near),
            math.floor(float(columns.min()) + near), math.ceil(float(columns.max()) - near),
        )  # fmt: skip


def corner_of(grid: Any) -> tuple[int, int]:
    """(row, column) of a raster of plain pixels on its scene, as its transform tells it; (0, 0) without one."""
    return (0, 0) if grid is None else (round(abs(grid.affine.f)), round(grid.affine.c))
