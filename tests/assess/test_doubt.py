"""The area of applicability: where training points are far, and the same answer block by block."""

from __future__ import annotations

import numpy as np
import pytest

from swath.assess.doubt import fit
from swath.errors import LabelError


@pytest.fixture
def made():
    rng = np.random.default_rng(0)
    return rng.normal(5, 2, (300, 4)), np.array([1.0, 0.5, 0.2, 0.0]), rng.integers(0, 5, 300)


def test_it_follows_the_published_equations(made):
    x, w, fold = made
    a = fit(x, w, fold)
    z = (x - x.mean(0)) / x.std(0) * (w / w.max())
    pairs = np.linalg.norm(z[:, None] - z[None], axis=2)
    mean = pairs.sum() / (300 * 299)
    other = np.where(fold[:, None] == fold[None], np.inf, pairs)
    own = other.min(1) / mean
    q1, q3 = np.quantile(own, [0.25, 0.75])
    assert a.distance == pytest.approx(mean, rel=1e-4)
    assert np.allclose(np.sort(a.training), np.sort(own), atol=1e-3)
    assert a.threshold == pytest.approx(own[own <= q3 + 1.5 * (q3 - q1)].max(), rel=1e-3)


def test_training_points_are_inside_and_far_pixels_outside(made):
    x, w, fold = made
    a = fit(x, w, fold)
    assert not a.outside(x).any()
    assert np.allclose(a.dissimilarity(x), 0, atol=2e-3)
    assert a.outside(x + np.array([100, 0, 0, 0])).all()


def test_a_feature_without_weight_does_not_count(made):
    x, w, fold = made
    a = fit(x, w, fold)
    assert not a.outside(x + np.array([0, 0, 0, 1e6])).any()


def test_outside_is_the_same_as_the_index_above_its_threshold(made):
    x, w, fold = made
    a = fit(x, w, fold)
    pixels = np.random.default_rng(1).normal(5, 5, (40_000, 4))
    index = a.dissimilarity(pixels)
    clear = np.abs(index - a.threshold) > 1e-4
    assert (a.outside(pixels) == (index > a.threshold))[clear].all()
    assert 0.05 < a.outside(pixels).mean() < 0.95


def test_missing_pixels_are_outside_and_have_no_index(made):
    x, w, fold = made
    a = fit(x, w, fold)
    pixels = np.full((2, 4), np.nan)
    assert a.outside(pixels).all()
    assert np.isnan(a.dissimilarity(pixels)).all()


def test_constant_features_and_no_weights_do_no_harm():
    a = fit(np.ones((10, 3)), np.zeros(3), np.arange(10) % 2)
    assert not a.outside(np.ones((4, 3))).any()


def test_one_training_point_is_refused():
    with pytest.raises(LabelError, match="two labelled pixels"):
        fit([[1.0, 2.0]], None, [0])
