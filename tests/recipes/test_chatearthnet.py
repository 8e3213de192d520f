"""The recipe of ChatEarthNet: the rules of a recipe, every claim read back, every kind of lie found, chance as it must be."""

from __future__ import annotations

import numpy as np
import pytest

from swath import testing
from swath.language import retrieve
from swath.recipes import chatearthnet


@pytest.fixture(scope="module")
def outcome():
    return testing.check_recipe(chatearthnet)


def test_claims_are_read_back_whole(outcome):
    back = [r.estimate.value for r in outcome.rows if r.metric.startswith("claims read back")]
    assert len(back) == 4
    assert min(back) == 1.0


def test_lies_in_held_out_wordings_are_found_and_truths_are_left_alone(outcome):
    lies = [r for r in outcome.rows if r.metric.startswith("lies found") and r.role == "ours" and r.estimate.defined]
    assert len(lies) >= 6
    assert min(r.estimate.value for r in lies) >= 0.99
    alarms = next(r for r in outcome.rows if r.metric == "true sentences called false" and r.role == "ours")
    assert alarms.estimate.value == 0


def test_claims_of_a_map_with_errors_are_worth_less(outcome):
    at = {
        r.metric: r.estimate.value
        for r in outcome.rows
        if r.method == "caption, plain" and "pixels are right" in r.metric
    }
    assert at["claims true when 100 % of pixels are right"] == 1
    assert at["claims true when 70 % of pixels are right"] < 0.9


def test_recall_counts_ties_fairly_and_duplicates_as_one():
    score = np.zeros((4, 4))
    assert np.allclose(retrieve.recall(score, np.arange(4), 1), 0.25)
    assert np.allclose(retrieve.recall(score, np.arange(4), 3), 0.75)
    assert np.allclose(retrieve.recall(score, np.array([0, 0, 1, 2]), 1), [0.5, 0.5, 0.25, 0.25])
    assert retrieve.recall(np.eye(4), np.arange(4), 1).min() == 1
    rng = np.random.default_rng(0)
    score, group = rng.integers(0, 3, (12, 12)).astype(float), rng.integers(0, 8, 12)
    drawn = np.zeros(12)
    for _ in range(3000):
        order = np.lexsort((rng.random((12, 12)), -score), axis=1)[:, :5]
        drawn += (group[order] == group[:, None]).any(1)
    best = np.array([row[group == g].max() for row, g in zip(score, group, strict=True)])
    several = np.array([((row > b) | (row == b)).sum() for row, b in zip(score, best, strict=True)])
    fair = retrieve.recall(score, group, 5)
    assert np.abs(drawn / 3000 - fair)[several >= 5].max(initial=0) < 0.05


def test_hashed_words_do_not_depend_on_the_machine_and_near_duplicates_are_one():
    one, two = retrieve.hashed(["trees cover 40% of the scene", "trees cover 40% of the scene"])
    assert np.array_equal(one, two)
    assert np.isclose(one @ one, 1)
    assert retrieve.duplicates(np.array([[0.5, 0.5], [0.51, 0.49], [0.9, 0.1]])).tolist() == [0, 0, 1]


@pytest.mark.slow
def test_real_maps_are_described_too(shared, tmp_path):
    outcome = chatearthnet.run("test", tmp_path, data=shared)
    assert any(r.data == "windows of real maps" and not r.estimate.simulated for r in outcome.rows)
