"""How numbers become physical: the user's word, the file's, the table's; and what is never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import swath
from swath.cube.judge import fits
from swath.cube.lazy import ArraySource
from swath.cube.open import understand
from swath.cube.sources import Physical
from swath.errors import BandError, UnitError

Raster = Callable[..., Path]
S2 = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]


@given(
    n=st.sampled_from([-1000.0, 0.0, 1000.0]),
    scale=st.sampled_from([1e-4, 2.75e-5, 0.01]),
    stored=st.integers(1, 65_000),
)
def test_offset_before_scale_equals_offset_after_it(n: float, scale: float, stored: int) -> None:
    source = ArraySource(np.full((1, 1, 1, 1), stored, np.uint16))
    physical = Physical(source, (scale,), (n * scale,), (0.0,)).read([0], [0], slice(0, 1), slice(0, 1))
    assert physical.dtype == np.float32
    assert float(physical[0, 0, 0, 0]) == pytest.approx((stored + n) * scale, rel=1e-5, abs=1e-5)


def test_nodata_is_nan_in_its_band_only() -> None:
    values = np.array([[[[0, 7]], [[0, 7]]]], np.int16)
    out = Physical(ArraySource(values), (1.0, 0.1), (0.0, 0.0), (0.0, 7.0)).read([0], [0, 1], slice(0, 1), slice(0, 2))
    assert np.isnan(out[0, :, 0]).tolist() == [[True, False], [False, True]]


def test_wide_integers_are_scaled_without_losing_digits() -> None:
    values = np.full((1, 1, 1, 1), 2_000_000_001, np.int32)
    out = Physical(ArraySource(values), (1e-9,), (-2.0,), (float("nan"),)).read([0], [0], slice(0, 1), slice(0, 1))
    assert float(out[0, 0, 0, 0]) == pytest.approx(1e-9, rel=1e-3)


def test_reflectance_stored_as_floats_between_0_and_1_is_taken_as_it_is(raster: Raster) -> None:
    values = np.random.default_rng(0).uniform(0.01, 0.5, (12, 8, 8)).astype(np.float32)
    cube = swath.open(raster("S2L2A/f.tif", values, descriptions=S2))
    assert np.allclose(cube.values, values)
    assert set(cube.quantity.values) == {"reflectance"}


def test_floats_that_hold_stored_numbers_are_as_ambiguous_as_integers(raster: Raster) -> None:
    values = np.random.default_rng(0).uniform(1100, 4000, (12, 8, 8)).astype(np.float32)
    with pytest.raises(UnitError, match="--offset"):
        swath.open(raster("S2L2A/f.tif", values, descriptions=S2))


def test_an_8_bit_stretch_is_no_reflectance(raster: Raster) -> None:
    scene = understand(raster("hls_l30.tif", np.full((3, 4, 4), 90, np.uint8), descriptions=["B02", "B03", "B04"]))
    assert {b.quantity for b in scene.bands} == {"digital_number"}
    assert any("stretch" in n for n in scene.notes)


@pytest.mark.parametrize(("low", "high", "unit"), [(-25.0, 3.0, "dB"), (0.0001, 0.9, "1")])
def test_backscatter_below_zero_is_db_and_above_it_linear(raster: Raster, low: float, high: float, unit: str) -> None:
    values = np.random.default_rng(0).uniform(low, high, (2, 20, 20)).astype(np.float32)
    cube = swath.open(raster("S1RTC/a.tif", values, descriptions=["VV", "VH"]))
    assert set(cube.quantity.values) == {"backscatter"}
    assert set(cube.units.values) == {unit}
    assert cube.polarisation.values.tolist() == ["VV", "VH"]


def test_numbers_of_unknown_unit_stay_digital_and_say_so(raster: Raster) -> None:
    scene = understand(raster("x.tif", np.full((2, 4, 4), 90, np.uint16)))
    assert {b.quantity for b in scene.bands} == {"digital_number"}
    assert any("digital numbers" in n for n in scene.notes)


def test_per_cent_taken_for_reflectance_is_named(raster: Raster) -> None:
    values = np.random.default_rng(0).integers(5, 60, (3, 20, 20)).astype(np.int16)
    path = raster("hls_l30.tif", values, descriptions=["B02", "B03", "B04"])
    problems = understand(path, scale=1.0, offset=0).problems
    assert any("per cent" in p for p in problems)


def test_bands_whose_names_and_wavelengths_disagree_are_refused(raster: Raster) -> None:
    names = ["B02 (490 nm)", "B03 (665 nm)", "B04 (560 nm)", "B08 (842 nm)"]
    path = raster("S2B_MSIL2A_20220601T101559_T32TQM.tif", np.full((4, 4, 4), 900, np.int16), descriptions=names)
    with pytest.raises(BandError, match="wrong or swapped"):
        swath.open(path, offset=0)


def test_an_unknown_sensor_key_names_the_nearest(raster: Raster) -> None:
    with pytest.raises(BandError, match="sentinel-2a-l2a"):
        swath.open(raster("a.tif", np.ones((1, 2, 2), np.uint8)), sensor="sentinel2a-l2a")


def test_a_named_sensor_takes_nameless_bands_in_its_order(raster: Raster) -> None:
    path = raster("plain.tif", np.full((4, 4, 4), 1000, np.uint16))
    cube = swath.open(path, sensor="planetscope-4-sr")
    assert cube.band.values.tolist() == ["blue", "green", "red", "nir"]
    assert cube.values.max() == pytest.approx(0.1)


def test_what_a_quantity_can_be_is_open_for_unknown_ones() -> None:
    assert fits("other", "1", -1e9, 1e9)
    assert not fits("temperature", "K", 10, 30)
