"""GRIB: real small files, units as stored, damage and reduced grids named."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from swath.cube import grib
from swath.errors import FormatError


def whole(layer):
    t, b, h, w = layer.source.shape
    return pickle.loads(pickle.dumps(layer.source)).read(range(t), range(b), slice(0, h), slice(0, w))


def test_kelvin_stays_kelvin_and_a_scalar_time_is_one_date(shared):
    (layer,) = grib.read(str(shared / "awkward/grib/era5-single-level-scalar-time.grib"))
    band = layer.bands[0]
    assert (band.name, band.units, band.quantity) == ("2T", "K", "temperature")
    assert [str(t) for t in layer.time] == ["2017-01-01T12:00:00.000000000"]
    assert 250 < whole(layer).min() < whole(layer).max() < 300


def test_missing_values_are_nan_and_times_are_dates(shared):
    (layer,) = grib.read(str(shared / "awkward/grib/fields_with_missing_values.grib"))
    values = whole(layer)
    assert values.shape == (2, 1, 91, 180)
    assert np.isnan(values).any()
    assert np.nanmax(values) < 350
    part = layer.source.read([1], [0], slice(10, 20), slice(5, 9))
    assert np.array_equal(part[0, 0], values[1, 0, 10:20, 5:9], equal_nan=True)


def test_an_element_on_two_levels_is_two_bands(shared):
    (layer,) = grib.read(str(shared / "awkward/grib/gfs.t06z.pgrb2.10p0.f010.grib2"))
    assert [b.name for b in layer.bands][:3] == ["REFD_1-HYBL", "REFD_2-HYBL", "REFC"]


def test_a_projected_grid_has_its_metres(shared):
    (layer,) = grib.read(str(shared / "awkward/grib/lambert_grid.grib"))
    assert layer.geobox.resolution.x == 2500
    assert layer.geobox.crs.projected


def test_a_reduced_grid_and_a_damaged_file_are_named_for_what_they_are(shared):
    with pytest.raises(FormatError, match="reduced Gaussian grid"):
        grib.read(str(shared / "awkward/grib/reduced_gg.grib"))
    with pytest.raises(FormatError, match="no end mark"):
        grib.read(str(shared / "awkward/grib/era5-levels-corrupted.grib"))


@pytest.mark.parametrize("keep", [4, 30, 4000, 5100])
def test_a_truncated_file_is_refused_in_one_line(shared, tmp_path, keep):
    content = (shared / "awkward/grib/fields_with_missing_values.grib").read_bytes()
    (tmp_path / "a.grib").write_bytes(content[:keep])
    with pytest.raises(FormatError) as caught:
        grib.read(str(tmp_path / "a.grib"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_grib_is_refused(tmp_path):
    (tmp_path / "a.grib").write_bytes(b"no weather here" * 100)
    assert grib.claims(str(tmp_path / "a.grib"))
    with pytest.raises(FormatError, match="no message"):
        grib.read(str(tmp_path / "a.grib"))
