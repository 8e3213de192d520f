"""Composites: exact values on small arrays, and what they promise about clouds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from swath.cube.composite import clearest, composite, count, median
from swath.errors import SwathError

SHAPE = (5, 3, 2, 2)
VALUES = arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32))
VALID = arrays(bool, SHAPE)


@given(VALUES, VALID)
def test_the_median_is_numpy_s_own(values: np.ndarray, valid: np.ndarray):
    with np.errstate(all="ignore"):
        import warnings

        warnings.simplefilter("ignore", RuntimeWarning)
        truth = np.nanmedian(np.where(valid, values.astype(float), np.nan), axis=0)
    np.testing.assert_allclose(median(values, valid), truth, atol=1e-6)


@given(VALUES, VALID)
def test_the_order_of_dates_does_not_matter(values: np.ndarray, valid: np.ndarray):
    for how in ("median", "clearest"):
        one, two = composite(values, valid, how), composite(values[::-1], valid[::-1], how)
        same = np.isnan(one) == np.isnan(two)
        assert same.all() or how == "clearest"
        if how == "median":
            np.testing.assert_array_equal(one, two)


@given(VALUES, VALID)
def test_the_clearest_is_a_real_observation_of_one_date(values: np.ndarray, valid: np.ndarray):
    out, date = clearest(values, valid)
    for y in range(2):
        for x in range(2):
            t = int(date[y, x])
            if t < 0:
                assert np.isnan(out[:, y, x]).all()
                assert not valid[:, :, y, x].any()
            else:
                seen = valid[t, :, y, x]
                assert seen.any()
                np.testing.assert_array_equal(out[seen, y, x], values[t, seen, y, x])
                assert np.isnan(out[~seen, y, x]).all()


@given(VALUES, VALID)
def test_counts_are_of_dates_with_any_band(values: np.ndarray, valid: np.ndarray):
    n = count(valid)
    assert (np.isnan(median(values, valid)).all(0) == (n == 0)).all()
    assert n.max() <= len(values)


def test_a_cloud_that_the_mask_missed_is_not_chosen():
    clear = np.array([0.05, 0.08, 0.4], np.float32)[:, None, None]
    values = np.stack([clear, clear + 0.6, clear * 1.02, clear * 0.2])
    valid = np.ones(values.shape, bool)
    assert clearest(values, valid)[1].tolist() in ([[0]], [[2]])
    np.testing.assert_allclose(median(values, valid), clear, atol=0.15)


def test_of_two_dates_the_darker_wins():
    values = np.array([[[[0.6]]], [[[0.1]]]], np.float32)
    assert clearest(values, np.ones(values.shape, bool))[1].item() == 1


def test_a_date_with_few_bands_does_not_win():
    values = np.full((2, 4, 1, 1), 0.3, np.float32)
    valid = np.ones(values.shape, bool)
    valid[0, 1:] = False
    assert clearest(values, valid)[1].item() == 1


def test_the_choice_of_a_pixel_does_not_depend_on_its_neighbours():
    values = np.random.default_rng(0).uniform(0, 1, (4, 3, 6, 6)).astype(np.float32)
    valid = np.random.default_rng(1).uniform(0, 1, values.shape) > 0.2
    whole = clearest(values, valid)[0]
    part = clearest(values[..., 2:4, 3:5], valid[..., 2:4, 3:5])[0]
    np.testing.assert_array_equal(part, whole[:, 2:4, 3:5])


def test_bands_of_another_quantity_do_not_judge():
    values = np.array([[[[0.1]], [[300.0]]], [[[0.12]], [[250.0]]], [[[0.5]], [[275.0]]]], np.float32)
    assert clearest(values, np.ones(values.shape, bool), judges=[0])[1].item() == 1


def test_infinity_is_missing_and_an_unknown_name_is_refused():
    values = np.array([[[[np.inf]]], [[[0.2]]]], np.float32)
    assert median(values, np.ones(values.shape, bool)).item() == np.float32(0.2)
    with pytest.raises(SwathError, match="median, clearest"):
        composite(values, np.ones(values.shape, bool), "best")  # type: ignore[arg-type]
