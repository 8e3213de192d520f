"""Scores of numbers agree with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from swath.metric import regression


def test_scores_agree_with_scikit_learn_with_and_without_weights():
    rng = np.random.default_rng(0)
    truth = rng.normal(1000, 3, 200)
    predicted, weight = truth + rng.normal(0.5, 1, 200), rng.random(200)
    for w in (None, weight):
        s = regression.moments(predicted, truth, weight=w)
        assert regression.rmse(s) == pytest.approx(oracle.root_mean_squared_error(truth, predicted, sample_weight=w))
        assert regression.mae(s) == pytest.approx(oracle.mean_absolute_error(truth, predicted, sample_weight=w))
        assert regression.r2(s) == pytest.approx(oracle.r2_score(truth, predicted, sample_weight=w))
        assert regression.bias(s) == pytest.approx(np.average(predicted - truth, weights=w))


def test_pairs_that_are_not_finite_or_not_valid_are_left_out():
    s = regression.moments([1, np.nan, 3, 9], [1, 2, np.inf, 1], valid=[True, True, True, False])
    assert s[0] == 1
    assert regression.rmse(s) == 0


def test_r2_of_a_constant_truth_is_undefined():
    assert np.isnan(regression.r2(regression.moments([1.0, 2.0], [5.0, 5.0])))
    assert np.isnan(regression.rmse(regression.moments([], [])))


@given(st.integers(2, 50), st.integers(0, 1000))
def test_sums_of_places_add_up(n, seed):
    rng = np.random.default_rng(seed)
    p, t, place = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 4, n)
    parts = regression.moments_by_place(p, t, place=place)
    assert np.allclose(parts.sum(0), regression.moments(p, t))


def test_interval_coverage_counts_what_lies_inside():
    assert regression.interval_coverage([0, 0, np.nan], [1, 1, 1], [0.5, 2, 0.5]) == 0.5
    assert np.isnan(regression.interval_coverage([np.nan], [1], [1]))
