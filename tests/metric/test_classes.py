"""Scores of classes agree with scikit-learn and keep the rule for absent classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from swath.metric import classes


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 5, 400)
    mapped = np.where(rng.random(400) < 0.6, truth, rng.integers(0, 5, 400))
    return mapped, truth, rng.random(400)


def test_scores_agree_with_scikit_learn_with_and_without_weights(pairs):
    mapped, truth, weight = pairs
    for w in (None, weight):
        c = classes.confusion(mapped, truth, 5, weight=w)
        assert np.allclose(c, oracle.confusion_matrix(truth, mapped, labels=range(5), sample_weight=w).T)
        assert classes.overall(c) == pytest.approx(oracle.accuracy_score(truth, mapped, sample_weight=w))
        assert classes.balanced(c) == pytest.approx(oracle.balanced_accuracy_score(truth, mapped, sample_weight=w))
        assert classes.kappa(c) == pytest.approx(oracle.cohen_kappa_score(truth, mapped, sample_weight=w))
        assert classes.f1_macro(c) == pytest.approx(oracle.f1_score(truth, mapped, average="macro", sample_weight=w))
        assert np.allclose(classes.users(c), oracle.precision_score(truth, mapped, average=None, sample_weight=w))
        assert np.allclose(classes.producers(c), oracle.recall_score(truth, mapped, average=None, sample_weight=w))
        assert np.allclose(classes.iou(c), oracle.jaccard_score(truth, mapped, average=None, sample_weight=w))


def test_a_class_in_neither_is_undefined_and_left_out_of_means_and_one_only_mapped_scores_zero():
    c = classes.confusion([0, 0, 1, 2], [0, 0, 0, 0], 5)
    assert np.isnan(classes.f1(c)[3:]).all()
    assert classes.f1(c)[1] == 0 == classes.iou(c)[2]
    assert classes.f1_macro(c) == pytest.approx((2 * 2 / 6) / 3)
    assert classes.balanced(c) == 0.5  # only class 0 has truth
    assert np.isnan(classes.users(c)[3])
    assert np.isnan(classes.producers(c)[1])


def test_an_empty_matrix_is_undefined_everywhere():
    c = np.zeros((3, 3))
    for score in (classes.overall, classes.kappa, classes.balanced, classes.f1_macro):
        assert np.isnan(score(c))


def test_no_data_and_invalid_pairs_are_left_out():
    c = classes.confusion([0, 1, 1, 255, -1], [0, 1, 0, 0, 1], 2, valid=[True, True, False, True, True])
    assert c.tolist() == [[1, 0], [0, 1]]


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        classes.confusion([0, 1], [0], 2)


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 10_000))
def test_matrices_of_places_sum_to_the_whole(n, k, seed):
    rng = np.random.default_rng(seed)
    mapped, truth, place = rng.integers(0, k, n), rng.integers(0, k, n), rng.integers(0, 7, n)
    parts = classes.confusion_by_place(mapped, truth, k, place=place)
    assert len(parts) == len(np.unique(place))
    assert np.array_equal(parts.sum(0), classes.confusion(mapped, truth, k))
    assert np.allclose(classes.f1_macro(parts), [classes.f1_macro(p) for p in parts], equal_nan=True)
