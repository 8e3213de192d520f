"""Reliability bins and scores of probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from swath.metric.reliability import brier, calibration_error, reliability


def test_bins_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.5, 1, 500)
    right = rng.random(500) < p
    two = np.stack([p, 1 - p], 1)
    bins = reliability(two, np.where(right, 0, 1))
    observed, stated = calibration_curve(right, p, n_bins=10)
    full = bins["count"] > 0
    assert np.allclose(bins["observed"][full], observed)
    assert np.allclose(bins["stated"][full], stated)
    assert bins["count"].sum() == 500
    assert brier(two, np.where(right, 0, 1)) == pytest.approx(2 * brier_score_loss(right, p))


def test_probabilities_that_come_true_have_a_small_error_and_overconfident_ones_a_large_one():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(4), 20_000)
    truth = (p.cumsum(1) > rng.random((20_000, 1))).argmax(1)
    assert calibration_error(reliability(p, truth)) < 0.02
    sharp = p**4 / (p**4).sum(1, keepdims=True)
    assert calibration_error(reliability(sharp, truth)) > 0.1


def test_nothing_to_count_is_undefined():
    assert np.isnan(calibration_error(reliability(np.zeros((0, 3)), np.zeros(0, int))))
    assert np.isnan(brier(np.full((2, 3), np.nan), [0, 1]))
