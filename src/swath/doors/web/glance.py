"""A thinned look at a whole cube that decodes little, with everything missing as NaN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["clear_share", "look"]

SIDE = 384
_PARTS = 5  # where a file has no overviews: so many windows along each side


def look(cube: xr.DataArray, bands: Sequence[int], date: int | None, *, many: bool = False) -> np.ndarray:
    """(len(bands), h, w) float32, some 150 thousand pixels spread over the scene; NaN where missing or not usable.

    date: an index, or None for a cube without dates. many: fewer pixels, where a look at many bands is wanted.
    """
    one = cube if date is None or "time" not in cube.dims else cube.isel(time=date)
    values = _values(one, list(bands), 128 if many else SIDE).astype(np.float32)
    empty = cube.coords["nodata"].values[list(bands)].astype(np.float64)
    for i, nothing in enumerate(empty):
        if np.isfinite(nothing):
            values[i][values[i] == nothing] = np.nan
    return values


def _values(one: xr.DataArray, bands: list[int], side: int, *, flag: bool = False) -> np.ndarray:
    """(bands, h, w) of one date, as stored."""
    from swath.cube.sources import glance
    from swath.cube.under import source_of

    source = source_of(one, flag)
    return np.zeros((len(bands), 0, 0)) if source is None else glance(source, [0], bands, side, _PARTS)[0]


def clear_share(cube: xr.DataArray, date: int) -> float:
    """Share of usable pixels on a date, by its flags and the first band, from a thinned look."""
    good: np.ndarray = np.isfinite(look(cube, [0], date, many=True)[0])
    if "flag" in cube.coords:
        one = cube.isel(time=date) if "time" in cube.dims else cube
        seen = _values(one, [0], 128, flag=True)[0]
        good = good & (seen == 0) if seen.shape == good.shape else seen == 0
    return float(good.mean()) if good.size else 0.0
