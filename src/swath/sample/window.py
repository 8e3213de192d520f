"""A window of several aligned cubes as one Batch: what features, encoders and predict all read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from swath.batch import Batch, Pixels
from swath.cube import contract
from swath.earth.sensor import Band

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["bands_of", "read"]


def bands_of(da: xr.DataArray) -> tuple[Band, ...]:
    """The bands of a cube as Band values (already physical: scale 1, offset 0)."""
    c = da.coords
    common = c["common"].values if "common" in c else [""] * da.sizes["band"]
    polarisation = c["polarisation"].values if "polarisation" in c else [""] * da.sizes["band"]
    return tuple(
        Band(
            name=str(c["band"].values[i]),
            wavelength=float(c["wavelength"].values[i]),
            fwhm=float(c["fwhm"].values[i]),
            gsd=float(c["gsd"].values[i]),
            quantity=str(c["quantity"].values[i]),
            units=str(c["units"].values[i]),
            common=str(common[i]),
            polarisation=str(polarisation[i]),
        )
        for i in range(da.sizes["band"])
    )


def read(cubes: Mapping[str, xr.DataArray], rows: slice, columns: slice, *, allow: Iterable[str] = ("snow",)) -> Batch:
    """One window (B = 1) of cubes that share a grid: values float32, invalid where missing, infinite or flagged.

    cubes: {sensor name: cube (time, band, y, x) or (band, y, x)}. A cube without time has one day, NaN.
    """
    pixels: dict[str, Pixels] = {}
    for name, da in cubes.items():
        part = da.isel(y=rows, x=columns)
        values = np.asarray(part.values)
        stored = values.dtype.kind in "iu"
        nodata = part.coords["nodata"].values.astype(float)
        if "time" not in part.dims:
            values = values[None]
        valid = np.isfinite(values) if not stored else np.ones(values.shape, bool)
        if stored:
            valid &= values.astype(np.float64) != nodata[None, :, None, None]
        good = contract.usable(part, allow)
        valid &= (good if good.ndim == 3 else good[None])[:, None]
        values = values.astype(np.float32, copy=False)
        if "time" in part.dims:
            day = part.coords["time"].values.astype("datetime64[s]").astype(np.float64) / 86400.0
        else:
            day = np.array([np.nan])
        box = contract.grid(part)
        pixels[name] = Pixels(
            values=values[None],
            valid=valid[None],
            bands=bands_of(part),
            gsd=float(np.nanmin(part.coords["gsd"].values)) if np.isfinite(part.coords["gsd"].values).any() else np.nan,
            day=day[None],
            lonlat=_centre(box)[None],
        )
    return Batch(pixels=pixels, key=(f"{rows.start}_{columns.start}",))


def _centre(box: object) -> np.ndarray:
    crs = getattr(box, "crs", None)
    if crs is None:
        return np.array([np.nan, np.nan])
    point = box.extent.centroid.to_crs("EPSG:4326")  # type: ignore[attr-defined]
    return np.array([point.coords[0][0], point.coords[0][1]])
