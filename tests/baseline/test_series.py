from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from swath.baseline.series import band_mean, linear, previous


def test_previous_takes_the_last_valid_value_before_else_the_first_after():
    values, valid = np.array([1.0, 2, 3, 4, 5]), np.array([False, True, False, True, False])
    np.testing.assert_array_equal(previous(values, valid), [2, 4, 2, 2, 4])


def test_linear_lies_on_the_line_between_neighbours_by_days():
    values, valid = np.array([0.0, 10.0, 99.0, 40.0, 7.0]), np.array([False, True, False, True, False])
    day = np.array([0.0, 10.0, 20.0, 40.0, 50.0])
    np.testing.assert_allclose(linear(values, valid, day), [10, 40, 20, 10, 40])


def test_nothing_valid_is_nan():
    nothing = np.zeros(4, bool)
    for found in (
        previous(np.ones(4), nothing),
        linear(np.ones(4), nothing, np.arange(4.0)),
        band_mean(np.ones(4), nothing),
    ):
        assert np.isnan(found).all()


@given(st.integers(0, 1000))
def test_what_is_not_valid_or_asked_is_never_used(seed):
    rng = np.random.default_rng(seed)
    values, valid, day = rng.normal(size=(3, 8)), rng.random((3, 8)) > 0.4, np.sort(rng.uniform(0, 100, 8))
    for t in range(8):
        other = np.where(valid, values, 1e9)
        other[:, t] = -1e9
        np.testing.assert_array_equal(previous(values, valid)[:, t], previous(other, valid)[:, t])
        np.testing.assert_array_equal(linear(values, valid, day)[:, t], linear(other, valid, day)[:, t])


@given(st.integers(0, 1000))
def test_linear_is_exact_for_a_line_inside_the_series(seed):
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, 100, 9))
    valid = rng.random(9) > 0.4
    valid[[0, -1]] = True
    found = linear(3 * day + 1, valid, day)
    np.testing.assert_allclose(found[1:-1], (3 * day + 1)[1:-1], rtol=1e-9)
