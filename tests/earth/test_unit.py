"""Scales in both conventions, decibels, and what a quantity can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.earth.sensor import sensor
from swath.earth.unit import (
    from_db,
    from_percent,
    gdal_offset,
    offset_verdict,
    plausible,
    stored_offset,
    to_db,
    to_physical,
    to_stored,
)
from swath.errors import UnitError


@given(
    st.integers(-32768, 32767), st.floats(1e-5, 10).filter(lambda s: s > 0), st.floats(-2000, 2000, allow_subnormal=False)
)  # fmt: skip
def test_both_conventions_agree(stored: int, scale: float, before: float):
    value = np.array([stored], np.int16)
    one = to_physical(value, scale=scale, offset=before, before=True)
    two = to_physical(value, scale=scale, offset=gdal_offset(before, scale))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(stored_offset(gdal_offset(before, scale), scale), before, rtol=1e-9, atol=1e-12)


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=20))
def test_stored_numbers_come_back_the_same(values: list[int]):
    stored = np.array(values, np.uint16)
    physical = to_physical(stored, scale=2.75e-5, offset=-0.2, nodata=0)
    assert (to_stored(physical, scale=2.75e-5, offset=-0.2, nodata=0, dtype="uint16") == stored).all()


def test_nodata_and_infinity_are_missing():
    got = to_physical(np.array([0, 100], np.uint16), scale=0.01, nodata=0)
    assert np.isnan(got[0])
    assert got[1] == np.float32(1.0)
    assert np.isnan(to_physical(np.array([np.inf, np.nan]))).all()
    assert to_stored(np.array([np.nan, 2.0]), scale=1, nodata=-1, dtype="int16").tolist() == [-1, 2]
    with pytest.raises(UnitError):
        to_stored(np.array([1.0]), scale=1, nodata=-1, dtype="uint8")
    with pytest.raises(UnitError):
        to_stored(np.array([1.0]), scale=1, nodata=0, dtype="float32")


@given(st.floats(-60, 40))
def test_decibels_and_power_are_inverse(decibels: float):
    np.testing.assert_allclose(to_db(from_db(np.array([decibels]))), [decibels], atol=1e-3)


def test_no_power_has_no_decibels():
    assert np.isnan(to_db(np.array([0.0, -1.0]))).all()
    assert from_percent(np.array([25.0]))[0] == np.float32(0.25)


def test_landsat_collection_2_becomes_reflectance(shared: Path):
    import rasterio

    band = sensor("landsat-8-c2-l2").bands[3]
    with rasterio.open(next((shared / "landsat_c2").glob("*/*SR_B4.TIF"))) as file:
        values = to_physical(file.read(1), scale=band.scale, offset=band.offset, nodata=band.nodata)
    verdict = plausible(values, "reflectance")
    assert verdict.ok, verdict.words
    with rasterio.open(next((shared / "landsat_c2").glob("*/*ST_B10.TIF"))) as file:
        heat = sensor("landsat-8-c2-l2").bands[-1]
        kelvin = to_physical(file.read(1), scale=heat.scale, offset=heat.offset, nodata=heat.nodata)
    assert plausible(kelvin, "temperature", units="K").ok


def test_sentinel_2_tiles_whose_offset_nobody_tells_get_both_readings(shared: Path):
    """Two of the three tiles hold nothing below 990 in any band; the third does: 8."""
    import rasterio

    said = {}
    for path in sorted((shared / "terramind/S2L1C").glob("*.tif")):
        with rasterio.open(path) as file:
            said[path.stem] = offset_verdict(file.read())
    for name in ("282D_485L_3_3", "433D_629L_3_1"):
        assert said[name][0].ok, said[name][0].words
    third = said["637U_59R_1_3"]
    assert not third[0].ok
    assert third[1].ok
    assert "read without the offset" in third[0].words


@pytest.mark.parametrize(
    ("low", "high", "quantity", "units", "words"),
    [
        (200, 4000, "reflectance", "1", "x 10000"), (5, 60, "reflectance", "1", "per cent"),
        (-0.09, 0.3, "reflectance", "1", "--offset 0"), (0.13, 0.5, "reflectance", "1", "--offset -1000"),
        (1e-6, 1e-4, "reflectance", "1", "twice"), (10, 30, "temperature", "K", "Celsius"),
        (280, 300, "temperature", "degC", "kelvin"), (-25, -5, "backscatter", "1", "dB"),
        (500, 9000, "index", "1", "x 10000"),
    ],
)  # fmt: skip
def test_an_impossible_reading_names_the_other_one(low: float, high: float, quantity: str, units: str, words: str):
    values = np.linspace(low, high, 1000).astype(np.float32)
    verdict = plausible(values, quantity, units=units)
    assert not verdict.ok
    assert words in verdict.words


@pytest.mark.parametrize(
    ("low", "high", "quantity", "units"),
    [(0.01, 0.5, "reflectance", "1"), (250, 320, "temperature", "K"), (-25, 0, "backscatter", "dB"),
     (0.001, 2, "backscatter", "1"), (-0.2, 0.95, "index", "1"), (-400, 8800, "elevation", "m")],
)  # fmt: skip
def test_ordinary_values_pass(low: float, high: float, quantity: str, units: str):
    assert plausible(np.linspace(low, high, 1000), quantity, units=units).ok


def test_nothing_to_judge_is_said():
    assert plausible(np.array([np.nan]), "reflectance").words == "no values to judge"
    assert "nothing is known" in plausible(np.array([1.0]), "other").words


def test_the_darkest_band_decides_about_an_offset():
    bands = sensor("sentinel-2a-l2a").bands[1:4]
    values = np.stack([np.linspace(0.02, 0.1, 100), np.linspace(0.12, 0.2, 100), np.linspace(0.12, 0.3, 100)])
    assert plausible(values[:, None, :], "reflectance", bands).ok
    assert not plausible(values[1:, None, :], "reflectance", bands[1:]).ok
