from __future__ import annotations

import numpy as np
import pytest

from swath.datasets import eurosat, levir_cd, sen1floods11, sits_modis, terramind
from swath.errors import FormatError, GridError
from swath.sample.pieces import pieces


def test_a_set_that_is_not_there_is_refused_in_a_line(tmp_path):
    for one in (eurosat, levir_cd, sen1floods11, sits_modis, terramind):
        with pytest.raises(FormatError, match="got"):
            one.load(tmp_path)


def test_eurosat_has_ten_classes_of_pictures(shared):
    batch = eurosat.load(shared / "eurosat_rgb")
    assert batch.pixels["rgb"].values.shape == (250, 1, 3, 64, 64)
    assert np.bincount(batch.target).tolist() == [25] * 10
    assert batch.pixels["rgb"].bands[0].quantity == "digital_number"
    p = eurosat.load(shared / "eurosat_rgb", as_reflectance=True).pixels["sentinel-2-l1c"]
    assert p.bands[0].quantity == "toa_reflectance"
    assert 0.05 < p.values.mean() < 0.2


def test_floods_are_of_two_countries_in_physical_values(shared):
    batch = sen1floods11.load(shared / "sen1floods11")
    assert sen1floods11.countries(batch).tolist() == ["India", "Spain"]
    assert set(np.unique(batch.target)) == {-1, 0, 1}
    s1, s2 = batch.pixels["sentinel-1-grd"], batch.pixels["sentinel-2-l1c"]
    assert s1.bands[0].units == "dB"
    assert s1.day[1, 0] == np.datetime64("2019-09-17").astype(int)
    assert s2.day[1, 0] == s1.day[1, 0] + 1
    assert 0 < s2.values[s2.valid].mean() < 0.5
    water = np.broadcast_to(batch.target[:, None] == 1, s2.values[:, :, 7].shape)
    assert s2.values[:, :, 7][water].mean() < s2.values[:, :, 7][~water].mean()
    small = pieces(batch, 64)
    assert small.target.shape == (32, 64, 64)
    assert len(set(small.place)) == 32
    assert np.array_equal(small.target[2], batch.target[0, :64, 64:128])
    assert len(set(pieces(batch, 64, place="image").place)) == 2
    with pytest.raises(GridError, match="fits"):
        pieces(batch, 300)


def test_levir_has_a_pair_without_change(shared):
    batch = levir_cd.load(shared / "levir_cd")
    assert batch.target.mean((1, 2)).round(3).tolist() == [0.137, 0.174, 0.0]
    assert batch.pixels["before"].values.max() == 255


def test_the_offset_of_terramind_tiles_is_taken_off_where_it_is(shared):
    batch = terramind.load(shared / "terramind")
    s2 = batch.pixels["sentinel-2-l1c"]
    assert (s2.values.min((1, 2, 3, 4)) < 0.05).all()
    assert set(np.unique(batch.target)) <= set(range(-1, 7))
    assert terramind.load(shared / "terramind", product="S2L2A").pixels["sentinel-2-l2a"].values.shape[2] == 12


def test_series_of_brazil_come_with_dates_and_places(shared):
    batch = sits_modis.load(shared / "sits_modis")
    p = batch.pixels["modis-mod13"]
    assert p.values.shape == (1218, 12, 1, 1, 1)
    assert np.bincount(batch.target).tolist() == [379, 131, 344, 364]
    assert len(set(batch.place)) > 20
    assert (np.diff(p.day, axis=1) > 0).all()
    two = sits_modis.load(shared / "sits_modis", "cerrado_2classes")
    assert two.pixels["modis-mod13"].values.shape == (746, 23, 2, 1, 1)
    whole = sits_modis.cube(shared / "sits_modis").pixels["modis-mod13"]
    assert whole.values.shape == (1, 12, 1, 147, 255)
