"""Which samples to label next."""

from __future__ import annotations

import numpy as np
import pytest

from swath.errors import DesignError
from swath.study.label_next import label_next


def _made(seed: int = 0, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that meet at 0 on the first axis: doubt is highest there."""
    x = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return x, np.where(x[:, 0] > 0, "forest", "field")


def test_what_lies_between_the_classes_is_asked_first_and_nothing_labelled_is_asked_again() -> None:
    x, y = _made()
    known = np.arange(100)
    found = label_next(x, 20, labelled=known, label=y[known])
    assert not set(found.rows) & set(known)
    assert len(set(found.rows.tolist())) == 20
    assert np.abs(x[found.rows, 0]).mean() < 0.5 * np.abs(x[100:, 0]).mean()
    assert found.rank.min() > 70
    assert "forest" in found.reason[0]
    again = label_next(x, 20, labelled=known, label=y[known])
    np.testing.assert_array_equal(found.rows, again.rows)


def test_doubt_finds_more_of_a_rare_class_than_drawing_at_random() -> None:
    shares = []
    for seed in range(6):
        x = np.random.default_rng(seed).normal(size=(1500, 4)).astype(np.float32)
        y = np.where(x[:, 0] > 1.6, "rare", "common")
        known = np.random.default_rng(seed + 9).permutation(len(x))[:80]
        asked = label_next(x, 30, labelled=known, label=y[known], seed=seed).rows
        left = np.setdiff1d(np.arange(len(x)), known)
        shares.append((y[asked] == "rare").mean() / (y[left] == "rare").mean())
    assert min(shares) > 2


def test_without_labels_the_most_varied_are_asked_and_it_says_so() -> None:
    x, _ = _made()
    found = label_next(x, 10)
    assert found.score == "variety"
    assert "nothing is labelled yet" in found.notes[0]
    one = label_next(x, 10, labelled=[0, 1], label=["forest", "forest"])
    assert "cannot be learned from" in one.notes[0]
    with pytest.raises(DesignError, match="10 of 5"):
        label_next(x[:5], 10)


def test_with_many_labels_head_and_entropy_are_compared_at_unseen_places() -> None:
    pytest.importorskip("torch")
    x, y = _made()
    y = np.where(np.random.default_rng(1).random(len(y)) < 0.3 * (x[:, 1] > 0), "field", y)
    known = np.arange(200)
    found = label_next(x, 10, labelled=known, label=y[known], place=np.arange(len(x)) // 10)
    assert [name for name, _ in found.compared] == ["entropy", "head on the vectors"]
    assert all(e.defined for _, e in found.compared)
