from __future__ import annotations

import numpy as np
import pytest

from swath.datasets import carbon_flux, hls_texas, mato_grosso, slovenia
from swath.errors import FormatError


def test_the_slovenian_patch_has_five_dates_of_which_three_are_clear(shared):
    batch = slovenia.load(shared / "eopatch")
    pixels = batch.pixels["sentinel-2a-l1c"]
    assert pixels.values.shape == (1, 5, 13, 101, 100)
    share = pixels.valid[0].mean((1, 2, 3))
    assert (share[[0, 3, 4]] > 0.99).all()
    assert (share[[1, 2]] < 0.01).all()
    assert slovenia.load(shared / "eopatch", clear=False).pixels["sentinel-2a-l1c"].valid.all()
    counts = np.bincount(batch.target[batch.target >= 0], minlength=5)
    assert counts.tolist() == [11, 7601, 1777, 358, 198]
    np.testing.assert_allclose(pixels.lonlat, [[14.56, 45.86]], atol=0.02)


def test_the_ndvi_of_the_series_is_that_of_the_bands(shared):
    bands = slovenia.load(shared / "eopatch", clear=False).pixels["sentinel-2a-l1c"]
    series = slovenia.series(shared / "eopatch").pixels["eopatch"]
    assert series.values.shape == (1, 68, 1, 101, 100)
    red, nir = (bands.values[0, :, [b.name for b in bands.bands].index(n)] for n in ("B04", "B08"))
    np.testing.assert_allclose((nir - red) / (nir + red), series.values[0, :5, 0], atol=1e-5)
    assert 0.55 < series.valid.mean() < 0.65
    assert slovenia.blocks((101, 100), 16).max() == 48


def test_mato_grosso_has_137_dates_and_603_labels(shared):
    pixels = mato_grosso.load(shared / "modis_mato_grosso").pixels["modis-mod13"]
    assert pixels.values.shape == (1, 137, 3, 27, 37)
    assert [b.name for b in pixels.bands] == ["NDVI", "red", "NIR"]
    assert pixels.valid.all()
    assert 0.2 < float(pixels.values[:, :, 0].mean()) < 0.9
    ndvi, red, nir = np.moveaxis(pixels.values[0], 1, 0)
    assert np.quantile(np.abs((nir - red) / (nir + red) - ndvi), 0.9) < 0.01
    samples = mato_grosso.samples(shared / "modis_mato_grosso")
    assert np.bincount(samples.label).tolist() == [68, 138, 79, 134, 184]
    assert (samples.to_day > samples.from_day).all()


def test_the_texas_chip_is_reflectance_with_a_sparse_number(shared):
    batch = hls_texas.load(shared / "hls_l30_texas")
    pixels = batch.pixels["hls-l30"]
    assert pixels.values.shape == (1, 1, 7, 224, 224)
    assert {b.quantity for b in pixels.bands} == {"reflectance"}
    assert 0.02 < float(np.median(pixels.values[0, 0, 0])) < 0.1
    assert np.isfinite(batch.target).sum() == 246
    assert np.isnan(pixels.day).all()


@pytest.mark.parametrize("load", [slovenia.load, slovenia.clouds, mato_grosso.load, hls_texas.load, carbon_flux.load])
def test_a_folder_of_other_things_is_refused(tmp_path, load):
    with pytest.raises(FormatError):
        load(tmp_path)


def test_carbon_flux_is_six_bands_a_row_grouped_by_site(shared):
    batch = carbon_flux.load(shared / "carbon_flux")
    pixels = batch.pixels["hls-l30"]
    assert pixels.values.shape == (975, 1, 6, 1, 1)
    assert len(set(batch.place)) == 36
    assert 0 < float(np.median(pixels.values)) < 0.5
    assert np.isfinite(batch.target).all()
    assert carbon_flux.weather(shared / "carbon_flux").shape == (975, 10)
    years = pixels.day[:, 0].astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
    assert set(np.unique(years)) == {2018, 2019, 2020, 2021}


def test_the_clear_triple_has_the_six_bands_of_hls(shared):
    batch = slovenia.triple(shared / "eopatch")
    pixels = batch.pixels["sentinel-2a-l1c"]
    assert pixels.values.shape == (1, 3, 6, 96, 96)
    assert [b.name for b in pixels.bands] == ["B02", "B03", "B04", "B8A", "B11", "B12"]
    assert batch.target.shape == (1, 96, 96)
