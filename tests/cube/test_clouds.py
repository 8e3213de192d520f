"""s2cloudless: asked for by name, fed only what it reads, the same in windows as in the whole, right on a real patch."""

from __future__ import annotations

import gzip
import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from swath.cube.clouds import BANDS, with_clouds
from swath.cube.contract import FLAGS, make
from swath.errors import BandError, ExtraError, UnitError

INSTALLED = importlib.util.find_spec("s2cloudless") is not None
needed = pytest.mark.skipif(not INSTALLED, reason="s2cloudless is not installed: pip install 'swath[clouds]'")


def cube(values: np.ndarray, names: tuple[str, ...] = BANDS, quantity: str = "toa_reflectance") -> xr.DataArray:
    time = np.arange(len(values)).astype("datetime64[D]")
    return make(values, bands=names, geobox=None, time=time, quantity=quantity, gsd=[10.0] * len(names))


def test_only_toa_reflectance_with_all_bands_is_taken():
    values = np.full((1, 10, 4, 4), 0.1, np.float32)
    with pytest.raises(UnitError, match="top-of-atmosphere"):
        with_clouds(cube(values, quantity="reflectance"))
    with pytest.raises(BandError, match="ten bands"):
        with_clouds(cube(values[:, :2], BANDS[:2]))


@pytest.mark.skipif(INSTALLED, reason="s2cloudless is installed")
def test_without_the_package_the_extra_is_named():
    with pytest.raises(ExtraError, match=r"swath\[clouds\]"):
        with_clouds(cube(np.full((1, 10, 4, 4), 0.1, np.float32)))


@needed
def test_a_real_patch_gets_the_clouds_that_its_own_mask_has(shared: Path):
    """The EOPatch's CLM was made by s2cloudless: dates 2 and 3 of the five are overcast."""
    stored = (shared / "eopatch/FiveDates/data/BANDS-S2-L1C.npy.gz").read_bytes()
    spectra = np.load(io.BytesIO(gzip.decompress(stored))).transpose(0, 3, 1, 2)
    order = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
    flag = with_clouds(cube(spectra, order)).coords["flag"].values
    cloudy = (flag == FLAGS["cloud"]).reshape(5, -1).mean(1)
    assert (cloudy[[1, 2]] > 0.99).all()
    assert (cloudy[[0, 3, 4]] == 0).all()


@needed
def test_windows_equal_the_whole_and_own_flags_stay():
    rng = np.random.default_rng(0)
    values = np.full((2, 10, 120, 130), 0.1, np.float32) + rng.normal(0, 0.01, (2, 10, 120, 130)).astype(np.float32)
    values[0, :, 30:80, 40:90] = 0.7
    values[1, 3, 5, 5] = np.nan
    da = cube(values).assign_coords(flag=(("time", "y", "x"), np.zeros((2, 120, 130), np.uint8)))
    da.coords["flag"].values[1, 100] = FLAGS["snow"]
    made = with_clouds(da)
    whole = made.coords["flag"].values
    part = made.coords["flag"].isel(y=slice(40, 60), x=slice(70, 110)).values
    np.testing.assert_array_equal(part, whole[:, 40:60, 70:110])
    assert whole[1, 5, 5] == FLAGS["never_seen"]
    assert whole[1, 100, 0] == FLAGS["snow"]
    assert whole[0, 50, 60] == FLAGS["cloud"]
    single = with_clouds(da.isel(time=0, drop=True)).coords["flag"].values
    np.testing.assert_array_equal(single, whole[0])
