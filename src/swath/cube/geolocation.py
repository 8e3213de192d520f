"""Images placed by longitude and latitude of every pixel: a regular grid where one fits them, else none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from swath.cube.georeference import fit_points

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from swath.cube.array import Variable

__all__ = ["fitted"]

_SAMPLES = 41
_PIXELS = 0.5  # root mean square residual up to which a regular grid stands for the pixels' own places


def fitted(
    variables: Mapping[str, Variable], dims: tuple[str, str], notes: list[str], problems: list[str]
) -> GeoBox | None:
    """A grid in degrees fitted to two-dimensional coordinates of rows and columns `dims`; None where none fits.

    notes, problems: get the residual in words.
    """
    from affine import Affine
    from odc.geo.geobox import GeoBox

    lon = _coordinate(variables, dims, ("longitude", "lon"))
    lat = _coordinate(variables, dims, ("latitude", "lat"))
    if lon is None or lat is None:
        return None
    shape = lon.shape
    rows, columns = (np.unique(np.linspace(0, n - 1, _SAMPLES).astype(int)) for n in shape)
    row, column = (v.ravel() for v in np.meshgrid(rows, columns, indexing="ij"))
    x, y = lon[row, column].astype(float), lat[row, column].astype(float)
    good = np.isfinite(x) & np.isfinite(y) & (np.abs(x) <= 360) & (np.abs(y) <= 90)
    if np.ptp(x[good]) > 180 if good.any() else False:  # across the 180th meridian
        x = np.where(x < 0, x + 360, x)
    found = fit_points(np.column_stack([column, row])[good] + 0.5, np.column_stack([x, y])[good])
    if found is None:
        problems.append("longitudes and latitudes of the pixels fix no grid")
        return None
    coefficients, _, residual = found
    if residual > _PIXELS:
        problems.append(
            f"placed by longitude and latitude of each pixel, which fit no regular grid ({residual:.1f} pixels root mean "
            "square): project it first; until then places are pixel numbers"
        )
        return None
    notes.append(f"a regular grid was fitted to longitude and latitude of the pixels, residual {residual:.2f} pixels")
    return GeoBox(shape, Affine(*coefficients), "EPSG:4326")


def _coordinate(variables: Mapping[str, Variable], dims: tuple[str, str], names: tuple[str, ...]) -> np.ndarray | None:
    """The two-dimensional coordinate on these dims, rows first."""
    for variable in variables.values():
        named = variable.leaf.lower() in names or str(variable.attrs.get("standard_name", "")) in names
        if named and sorted(variable.dims) == sorted(dims) and len(variable.dims) == 2:
            values = np.asarray(variable.load())
            return values if variable.dims == dims else values.T
    return None
