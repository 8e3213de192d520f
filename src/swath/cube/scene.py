"""A piece of a scene: numbers on one grid with their rule, their flags and dates; and the cube made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import contract
from swath.cube.lazy import Source, lazy
from swath.earth.grid import gsd
from swath.earth.sensor import Band
from swath.errors import BandError, UnitError

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["Piece", "Scene", "cube_of", "gsd_of"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Settled numbers on one grid. source: (T, B, H, W) float32 physical, or stored integers when `stored`.

    flag: (T, 1, H, W) reasons of contract.FLAGS, or None. bands carry the rule that was applied (physical) or the
    stored nodata (stored). name: of the file, for sentences.
    """

    source: Source
    geobox: GeoBox | None
    bands: tuple[Band, ...]
    time: np.ndarray | None
    flag: Source | None
    stored: bool
    sensor: str | None
    name: str
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def empty(self) -> tuple[float, ...]:
        """What means missing in each band: NaN of physical values, the stored nodata of integers."""
        return tuple(b.nodata if self.stored else math.nan for b in self.bands)


@dataclass(frozen=True, slots=True)
class Scene:
    """What swath understood of one path.

    cubes: {gsd m (NaN without a CRS): cube}, the finest first. bands: in the cubes' order, with the scale and offset
    that were applied (stored x scale + offset). doubt: the error that `open` raises, where units are ambiguous or bands swapped;
    the cubes then hold the stored numbers. pieces: what lies under the cubes, for quick looks and for joining scenes.
    """

    path: str
    sensor: str | None
    cubes: dict[float, xr.DataArray]
    bands: tuple[Band, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    doubt: UnitError | BandError | None = None
    pieces: dict[float, Piece] = field(default_factory=dict)


def gsd_of(geobox: GeoBox | None) -> float:
    """The pixel size of a grid in metres as people say it: `earth.grid.gsd` with the digits that matter; NaN without CRS."""
    side = gsd(geobox)
    return side if math.isnan(side) else _round(side)


def _round(side: float) -> float:
    """Whole metres where it is whole to a thousandth; else four digits that are worth saying."""
    whole = round(side)
    return float(whole) if whole and abs(side - whole) < 1e-4 * side else float(f"{side:.5g}")


def cube_of(piece: Piece) -> xr.DataArray:
    """The lazy cube of a piece. Raises what `contract.make` raises."""
    source = piece.source
    values: Any = lazy(source)
    flag: Any = None if piece.flag is None else lazy(piece.flag)
    import xarray as xr

    # xarray reads single dates and bands out of the lazy (T, B, H, W) array without touching the rest.
    whole = xr.Variable(("time", "band", "y", "x"), values)
    flags = None if flag is None else xr.Variable(("time", "flag_band", "y", "x"), flag).isel(flag_band=0)
    if piece.time is None:
        whole = whole.isel(time=0)
        flags = None if flags is None else flags.isel(time=0)
    bands = piece.bands
    cube = contract.make(
        whole._data,
        bands=[b.name for b in bands],
        geobox=piece.geobox,
        time=piece.time,
        wavelength=[b.wavelength for b in bands],
        fwhm=[b.fwhm for b in bands],
        gsd=[b.gsd for b in bands],
        quantity=[b.quantity for b in bands],
        units=[b.units for b in bands],
        nodata=[b.nodata if piece.stored else math.nan for b in bands],
        flag=None if flags is None else flags._data,
        sensor=piece.sensor,
        attrs=piece.attrs,
    )
    extra = {
        "common": ("band", np.array([b.common for b in bands], dtype=str)),
        "polarisation": ("band", np.array([b.polarisation for b in bands], dtype=str)),
    }
    return cube.assign_coords({k: v for k, v in extra.items() if any(v[1])})
