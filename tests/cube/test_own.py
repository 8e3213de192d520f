"""Stores and rasters that swath wrote open just as they were: names, rules, grids, dates."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

import swath
from swath.cube import contract
from swath.cube.save import save

ROTATED = Affine.translation(5e5, 5e6) @ Affine.rotation(25) @ Affine.scale(10, -10)
GRIDS = {
    "north up": GeoBox((30, 40), Affine(10, 0, 5e5, 0, -10, 5e6), "EPSG:32633"),
    "rotated": GeoBox((30, 40), ROTATED, "EPSG:32633"),
    "uneven numbers": GeoBox(
        (30, 40), Affine(231.65635826, 0, -6073798.0573, 0, -231.65635826, -1278279.78), "ESRI:54008"
    ),
    "none": None,
}


def cube(grid: GeoBox | None, bands: tuple[str, ...] = ("red",), dates: int = 2) -> xr.DataArray:
    rng = np.random.default_rng(0)
    return contract.make(
        rng.uniform(0, 0.6, (dates, len(bands), 30, 40)).astype(np.float32),
        bands=bands,
        geobox=grid,
        time=np.datetime64("2020-05-01", "ns") + np.arange(dates) * np.timedelta64(10, "D"),
        gsd=np.nan if grid is None else 15.0,
        quantity="reflectance",
        attrs={"simulated": "yes"},
    )


@pytest.mark.parametrize("name", list(GRIDS))
def test_a_zarr_store_keeps_its_grid_and_the_order_of_its_rows(tmp_path, name):
    before = cube(GRIDS[name])
    after = swath.open(save(before, tmp_path / "a.zarr")).load()
    assert after.attrs["simulated"] == "yes"
    assert list(after.band.values) == ["red"]
    np.testing.assert_array_equal(after.values, before.values)
    assert contract.grid(after) == GRIDS[name]
    np.testing.assert_array_equal(after.y, before.y)
    np.testing.assert_array_equal(after.gsd, before.gsd)


@pytest.mark.parametrize("bands", [("red",), ("red", "nir")])
@pytest.mark.parametrize("dates", [1, 3])
def test_a_geotiff_keeps_its_dates(tmp_path, bands, dates):
    before = cube(GRIDS["north up"], bands, dates)
    after = swath.open(save(before, tmp_path / "a.tif")).load()
    np.testing.assert_array_equal(after.values, before.values)
    np.testing.assert_array_equal(after.time, before.time)
    assert list(after.band.values) == list(bands)
    assert after.attrs["simulated"] == "yes"


def test_dates_that_do_not_fit_the_bands_are_left_alone(tmp_path):
    import rasterio

    save(cube(GRIDS["north up"], ("red", "nir"), 2), tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as file:
        values, profile, tags = file.read(), file.profile, file.tags()
    with rasterio.open(tmp_path / "b.tif", "w", **(profile | {"count": 3, "driver": "GTiff"})) as file:
        file.write(values[:3])
        file.update_tags(**tags)
        file.descriptions = ["red 2020-05-01T00:00:00", "nir 2020-05-01T00:00:00", "red 2020-05-11T00:00:00"]
    assert swath.open(tmp_path / "b.tif").sizes["band"] == 3
