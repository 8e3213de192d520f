from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.geometry.shift import register, registration, shift


def scene(seed: int = 0, size: int = 160) -> np.ndarray:
    """A picture with edges at many scales, as fields and roads have."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / 9.0
    field = sum(np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-2, 2, (12, 3)))
    return np.round(field) + 0.3 * field


@given(dy=st.integers(-4, 4), dx=st.integers(-4, 4))
def test_whole_pixel_shifts_copy(dy, dx):
    x = np.arange(12.0 * 11).reshape(12, 11)
    moved = shift(x, dy, dx)
    for r in range(12):
        for c in range(11):
            inside = 0 <= r - dy < 12 and 0 <= c - dx < 11
            assert moved[r, c] == x[r - dy, c - dx] if inside else np.isnan(moved[r, c])


def test_a_shift_there_and_back_is_where_it_was():
    x = scene()
    smooth = shift(x, 0.0, 0.0)
    again = shift(shift(x, 0.4, -1.7), -0.4, 1.7)
    inner = slice(8, -8)
    assert np.abs(again - smooth)[inner, inner].mean() < 0.05 * x.std()


def test_a_constant_stays_constant_and_gaps_lend_nothing():
    x = np.full((2, 20, 20), 7.0)
    x[:, 8:11, 8:11] = np.nan
    moved = shift(x, 0.5, 0.25)
    assert np.nanmax(np.abs(moved - 7)) < 1e-5
    assert np.isnan(moved[:, 9, 9]).all()


@pytest.mark.parametrize("size", [0.0, 0.5, 1.0, 1.7, 3.0])
def test_a_known_shift_is_found_to_a_twentieth_of_a_pixel(size):
    a = scene(1, 220)
    b = shift(a, -size, 0.6 * size)
    b = 200 - 0.7 * b + np.random.default_rng(0).normal(0, 0.1, b.shape)
    dy, dx, confidence = register(a, b)
    assert abs(dy - size) < 0.05
    assert abs(dx + 0.6 * size) < 0.05
    assert confidence > 0.3


def test_change_in_a_third_of_the_picture_does_not_move_the_shift():
    a = scene(2, 256)
    b = shift(a, -0.8, 0.3).astype(float)
    b[:90] = scene(3, 256)[:90]
    dy, dx, _ = register(a, b)
    assert abs(dy - 0.8) < 0.08
    assert abs(dx + 0.3) < 0.08


def test_nothing_to_see_tells_no_shift():
    for a in (np.zeros((64, 64)), np.full((64, 64), np.nan), np.zeros((8, 8))):
        dy, dx, confidence = register(a, a)
        assert np.isnan([dy, dx]).all()
        assert confidence == 0.0


def test_two_pictures_of_different_places_are_not_trusted():
    found = registration([(np.random.default_rng(0).random((128, 128)), np.random.default_rng(1).random((128, 128)))])
    assert found.confidence < 0.2


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        register(np.zeros((20, 20)), np.zeros((20, 21)))
