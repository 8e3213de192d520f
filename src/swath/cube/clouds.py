"""Clouds in Sentinel-2 L1C scenes that came without a mask, found by s2cloudless (the extra `clouds`)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import contract
from swath.cube.contract import FLAGS
from swath.cube.lazy import lazy
from swath.cube.mask import combine
from swath.errors import BandError, UnitError, need

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BANDS", "Clouds", "with_clouds"]

BANDS = ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12")
_SMOOTH_M, _WIDEN_M = 240.0, 120.0  # radii on the ground that the package's authors use (4 and 2 pixels of 60 m)
_ONE_AT_A_TIME = threading.Lock()


def with_clouds(da: xr.DataArray, *, threshold: float = 0.4) -> xr.DataArray:
    """The cube with a flag of the clouds that s2cloudless finds, lazily; a flag that it has already is kept beside.

    da: top-of-atmosphere reflectance with the bands BANDS, dims (time, band, y, x) or (band, y, x). threshold: cloud
    probability from which a pixel is cloud. Probabilities are smoothed over 240 m and clouds widened by 120 m.
    Source: Zupanc 2017, Improving cloud detection with machine learning; s2cloudless 1.7.
    Raises UnitError for another quantity, BandError for missing bands, ExtraError without the package.
    """
    names = [str(b) for b in da.coords["band"].values]
    if missing := [b for b in BANDS if b not in names]:
        raise BandError(
            rule="s2cloudless reads ten bands of Sentinel-2 L1C",
            got=f"none of {', '.join(missing)}",
            remedy="use the mask that came with the scene, or an L1C scene with all its bands",
        )
    wanted = [names.index(b) for b in BANDS]
    quantities = {str(q) for q in da.coords["quantity"].values[wanted]}
    if quantities != {"toa_reflectance"}:
        raise UnitError(
            rule="s2cloudless reads top-of-atmosphere reflectance",
            got=", ".join(sorted(quantities)),
            remedy="open the L1C scene; L2A comes with its SCL",
        )
    need("s2cloudless", extra="clouds", why="finding clouds in L1C")
    import xarray as xr

    box = contract.grid(da)
    known = float(np.nanmin(da.coords["gsd"].values)) if np.isfinite(da.coords["gsd"].values).any() else 10.0
    from swath.earth.grid import gsd

    metres = gsd(box) if box is not None and box.crs is not None else known
    radii = max(1, round(_SMOOTH_M / metres)), max(1, round(_WIDEN_M / metres))
    found = xr.Variable(("time", "one", "y", "x"), lazy(Clouds(da, tuple(wanted), threshold, *radii))).isel(one=0)
    dims = ("time", "y", "x") if "time" in da.dims else ("y", "x")
    found = found if "time" in da.dims else found.isel(time=0)
    return da.assign_coords(flag=(dims, found._data))


@dataclass(frozen=True)
class Clouds:
    """A lazy Source of flags (T, 1, H, W): each window is looked at with a margin, so that windows do not show."""

    da: xr.DataArray
    bands: tuple[int, ...]
    threshold: float
    smooth: int
    widen: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, 1, H, W)."""
        return self.da.sizes.get("time", 1), 1, self.da.sizes["y"], self.da.sizes["x"]

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """Flags of a window: never seen where a band is missing, cloud, and what the cube's own flag says."""
        margin = self.smooth + self.widen + 1
        height, width = self.shape[2:]
        y = slice(max(0, rows.start - margin), min(height, rows.stop + margin))
        x = slice(max(0, columns.start - margin), min(width, columns.stop + margin))
        part = self.da.variable.isel(band=list(self.bands), y=y, x=x)
        part = part.isel(time=list(dates)) if "time" in part.dims else part
        values = np.asarray(part.values, np.float32)
        values = values if values.ndim == 4 else values[None]
        seen = np.isfinite(values.sum(axis=1))
        spectra = np.where(seen[:, None], values, 0.0).transpose(0, 2, 3, 1)
        with _ONE_AT_A_TIME:
            cloudy = np.asarray(_detector(self.threshold, self.smooth, self.widen).get_cloud_masks(spectra)) > 0
        out = np.where(cloudy, FLAGS["cloud"], 0).astype(np.uint8)
        out[~seen] = FLAGS["never_seen"]
        out = out[:, rows.start - y.start : rows.stop - y.start, columns.start - x.start : columns.stop - x.start]
        if "flag" in self.da.coords:
            own = self.da.coords["flag"].variable.isel(y=rows, x=columns)
            own = own.isel(time=list(dates)) if "time" in own.dims else own
            out = combine(out, np.asarray(own.values).reshape(out.shape))
        return out[:, None]


@lru_cache(maxsize=4)
def _detector(threshold: float, smooth: int, widen: int) -> Any:
    detector = need("s2cloudless", extra="clouds", why="finding clouds in L1C").S2PixelCloudDetector
    return detector(threshold=threshold, average_over=smooth, dilation_size=widen, all_bands=False)
