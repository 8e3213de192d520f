"""Free scores of doubt, and whether another ranks better."""

from __future__ import annotations

import numpy as np
import pytest

from swath.assess.rivals import Judge, ranking
from swath.errors import LabelError


def _made(seed: int = 0, n: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    vectors = rng.normal(size=(n, 6)).astype(np.float32)
    vectors[:, :3] += 2 * np.eye(3)[label]
    return vectors, label, rng.integers(0, 20, n)


def test_losses_are_of_places_that_the_classifier_had_not_seen() -> None:
    vectors, label, place = _made()
    shuffled = np.random.default_rng(1).permutation(label)
    honest = Judge.fit(vectors, label, place).losses.mean()
    chance = Judge.fit(vectors, shuffled, place).losses.mean()
    assert honest < 0.6
    assert chance > 0.9 * np.log(3)
    with pytest.raises(LabelError, match="1 places"):
        Judge.fit(vectors, label, np.zeros(len(label)))


def test_every_free_score_is_higher_where_classes_meet_than_inside_them_but_the_constant() -> None:
    vectors, label, place = _made()
    judge = Judge.fit(vectors, label, place)
    inside, between = np.zeros((1, 6), np.float32), np.zeros((1, 6), np.float32)
    inside[0, 0], between[0, :3] = 3, 2 / 3
    scores = judge.scores()
    assert scores["entropy"](between) > scores["entropy"](inside)
    assert scores["1 - largest probability"](between) > scores["1 - largest probability"](inside)
    assert scores["constant"](inside) == scores["constant"](between)
    assert np.isnan(judge.loss_of(vectors[:1], np.array([7]))).all()
    np.testing.assert_allclose(judge.probability(vectors).sum(1), 1)


def test_a_score_that_knows_beats_one_that_guesses_with_an_interval_off_zero() -> None:
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(3):
        correct = rng.integers(0, 2, 200).astype(float)
        said = {"knows": -correct + 0.5 * rng.normal(size=200), "guesses": rng.normal(size=200)}
        runs.append((correct, said, rng.integers(0, 25, 200)))
    gain = ranking(runs, "knows", "guesses", draws=200)
    assert gain.low > 0.2
    assert gain.n == 25
    same = ranking(runs, "knows", "knows", draws=50)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    alone = ranking(runs, "knows", draws=200)
    assert alone.low < alone.value < alone.high <= 1


def test_where_all_are_right_there_is_nothing_to_rank_and_it_says_so() -> None:
    found = ranking([(np.ones(10), {"a": np.arange(10)}, np.arange(10))], "a", draws=10, simulated=True)
    assert not found.defined
    assert "nothing to rank" in found.reason
    assert found.simulated
