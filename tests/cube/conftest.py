"""Small rasters made where a test needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

UTM = Affine(10, 0, 500_000, 0, -10, 5_200_000)


@pytest.fixture
def raster(tmp_path: Path) -> Callable[..., Path]:
    """Write a GeoTIFF: raster("a.tif", values (B, H, W), descriptions=..., nodata=..., tags=..., scales=...)."""

    def write(
        name: str, values: Any, *, crs: str | None = "EPSG:32632", transform: Affine = UTM, nodata: float | None = None,
        descriptions: list[str] | None = None, tags: dict[str, str] | None = None, **options: Any,
    ) -> Path:  # fmt: skip
        values = np.asarray(values)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        bands, height, width = values.shape
        scales, offsets = options.pop("scales", None), options.pop("offsets", None)
        mask, gcps = options.pop("mask", None), options.pop("gcps", None)
        profile = {"driver": "GTiff", "crs": crs, "transform": transform, "nodata": nodata, **options}
        if gcps:
            profile |= {"transform": None, "crs": None}
        with rasterio.open(path, "w", width=width, height=height, count=bands, dtype=values.dtype, **profile) as out:
            if gcps:
                out.gcps = (gcps, rasterio.crs.CRS.from_string(crs))
            out.write(values)
            for i, text in enumerate(descriptions or []):
                out.set_band_description(i + 1, text)
            if tags:
                out.update_tags(**tags)
            if scales:
                out.scales = scales
            if offsets:
                out.offsets = offsets
            if mask is not None:
                out.write_mask(mask)
        return path

    return write
