"""AUROC, CPA, neighbours and curves of what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from swath.metric import correctness, ranking

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "49-representation-uncertainty.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cpa"])
def test_cpa_is_that_of_the_published_code(case: dict) -> None:
    assert ranking.cpa(case["response"], case["predictor"]) == pytest.approx(case["value"], abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), min_size=2, max_size=40))
def test_on_a_binary_response_cpa_is_auroc(rows: list[tuple[int, int]]) -> None:
    label, score = np.array(rows).T
    ours = ranking.auroc(score, label)
    if 0 < label.sum() < len(label):
        assert ours == pytest.approx(roc_auc_score(label, score))
        assert ranking.cpa(label, score) == pytest.approx(ours)
        assert ranking.cpa(label, np.exp(score / 3.0)) == pytest.approx(ours)
    else:
        assert np.isnan(ours)
        assert np.isnan(ranking.cpa(label, score))


def test_nobody_is_its_own_neighbour_also_among_duplicates() -> None:
    vectors = np.repeat(np.random.default_rng(0).normal(size=(5, 4)), 3, axis=0)
    found = ranking.nearest_other(vectors, block=4)
    assert (found != np.arange(15)).all()
    assert (found // 3 == np.arange(15) // 3).all()
    place = np.arange(15) // 3
    far = ranking.nearest_other(vectors, place=place)
    assert (place[far] != place).all()
    assert (ranking.nearest_other(vectors, place=np.zeros(15)) == -1).all()


def test_keeping_the_surest_gives_the_error_among_them() -> None:
    curve = ranking.keep_best([0, 0, 1, 1], [1, 2, 3, 4])
    assert curve.error.tolist() == [0, 0, pytest.approx(1 / 3), 0.5]
    equal = ranking.keep_best([0, 1, 0, 1], [1, 1, 1, 1])
    assert equal.error.tolist() == [0.5] * 4


def test_the_criteria_are_those_counted_by_hand() -> None:
    query = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]])
    other = np.array([[1, 0, 1], [1, 1, 1], [1, 0, 0]])
    np.testing.assert_array_equal(correctness.one_of(query, other), [1, 1, np.nan])
    np.testing.assert_array_equal(correctness.all_of(query, other), [0, 1, np.nan])
    np.testing.assert_array_equal(correctness.share_of(query, other), [0.5, 1, np.nan])
    assert correctness.same([1, 2], [1, 3]).tolist() == [1, 0]
    mask = np.array([[[0, 0, 1], [0, -1, 1], [0, 0, 1]]])
    np.testing.assert_allclose(correctness.shares(mask, 2), [[5 / 8, 3 / 8]])
    assert correctness.hellinger([1.0, 0.0], [0.0, 1.0]) == pytest.approx(1.0)
    assert correctness.hellinger([0.25, 0.75], [0.75, 0.25]) == pytest.approx(np.sqrt(1 - np.sqrt(0.75)))
    assert correctness.same_shares([[0.5, 0.5]], [[0.52, 0.48]]).tolist() == [1]
    assert [c.shape for c in correctness.cells(np.zeros((2, 7, 9)))][:3] == [(2, 2, 3)] * 3
