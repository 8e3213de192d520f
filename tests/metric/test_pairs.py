from __future__ import annotations

import numpy as np
import pytest

from swath.metric import pairs

HAND = np.array([[80.0, 4, 2], [5, 6, 1], [1, 0, 1]])  # rows said, columns truth; 0 is no change


def test_scores_of_a_matrix_worked_by_hand():
    # change said and true: 6 + 1 + 0 + 1 = 8; said but not: 6; true but not said: 6
    assert pairs.precision(HAND) == pytest.approx(8 / 14)
    assert pairs.recall(HAND) == pytest.approx(8 / 14)
    assert pairs.f1(HAND) == pytest.approx(16 / 28)
    assert pairs.iou(HAND) == pytest.approx(8 / 20)
    assert pairs.miou(HAND) == pytest.approx((80 / 92 + 8 / 20) / 2)
    assert pairs.f_semantic(HAND) == pytest.approx(2 * 7 / 28)


def test_precision_and_recall_are_not_the_same_thing():
    matrix = [[90, 1], [5, 4]]
    assert pairs.precision(matrix) == pytest.approx(4 / 9)
    assert pairs.recall(matrix) == pytest.approx(4 / 5)


def test_separated_kappa_by_its_formula():
    c = HAND.copy()
    c[0, 0] = 0
    total, agree = c.sum(), np.trace(c)
    chance = (c.sum(0) * c.sum(1)).sum() / total**2
    kappa = (agree / total - chance) / (1 - chance)
    assert pairs.sek(HAND) == pytest.approx(kappa * np.exp(8 / 20) / np.e)


def test_no_change_in_truth_and_answer_is_not_applicable():
    quiet = [[100, 0], [0, 0]]
    for score in (pairs.f1, pairs.iou, pairs.precision, pairs.recall, pairs.sek, pairs.f_semantic):
        assert np.isnan(score(quiet))
    assert pairs.why(quiet) == pairs.NOT_APPLICABLE
    assert pairs.why(HAND) == ""


def test_change_only_said_or_only_true_scores_nothing():
    for matrix in ([[90, 0], [10, 0]], [[90, 10], [0, 0]]):
        assert pairs.f1(matrix) == 0.0
        assert pairs.iou(matrix) == 0.0


def test_pooled_scores_are_of_the_sum_and_take_many_matrices_at_once():
    stack = np.stack([HAND, 2 * HAND[::-1, ::-1]])
    assert pairs.f1(stack).shape == (2,)
    assert pairs.f1(stack.sum(0)) != pytest.approx(pairs.f1(stack).mean())


def test_swapping_the_dates_transposes_the_transitions():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-1, 3, (2, 50))
    there = pairs.transitions(a, b, 3)
    assert (pairs.transitions(b, a, 3) == there.T).all()
    assert there.sum() == ((a >= 0) & (b >= 0)).sum()
    weighted = pairs.transitions(a, b, 3, weight=np.full(50, 0.01))
    assert weighted.sum() == pytest.approx(0.01 * there.sum())
