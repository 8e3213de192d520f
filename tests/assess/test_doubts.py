"""Which doubt finds the errors."""

from __future__ import annotations

import numpy as np
import pytest

from swath.assess import doubts

torch = pytest.importorskip("torch")


def _labels(seed: int = 0, n: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, losses that grow with the first of them, and folds."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    return x, np.exp(x[:, 0] + 0.3 * rng.normal(size=n)), rng.integers(0, 5, n)


def test_the_head_in_numpy_says_what_it_said_in_torch_and_the_same_in_any_window() -> None:
    x, losses, fold = _labels()
    found = doubts.fit(x, losses, fold)
    assert np.isfinite(found.own).all()
    whole = found.doubt(x)
    np.testing.assert_array_equal(found.doubt(x[100:140]), whole[100:140])
    from swath.assess import unsure

    head = unsure.fit(x, losses, epochs=40, width=64)
    np.testing.assert_allclose(whole, head(x), rtol=1e-4)


def test_ranks_say_how_many_labels_are_surer() -> None:
    x, losses, fold = _labels()
    found = doubts.fit(x, losses, fold)
    rank = found(x)
    assert rank.min() == 0
    assert rank.max() == 100
    assert abs(float(np.median(rank)) - 50) <= 1
    far = np.full((1, 5), np.nan, np.float32)
    assert found(far).tolist() == [255]


def test_a_doubt_that_was_cross_fitted_ranks_errors_and_one_that_guesses_does_not() -> None:
    x, losses, fold = _labels(1)
    place = np.random.default_rng(2).integers(0, 30, len(x))
    wrong = (losses > np.quantile(losses, 0.7)).astype(float)
    found = doubts.fit(x, losses, fold)
    table = dict(doubts.compare(wrong, {"head": found.own, "coin": np.random.default_rng(3).random(len(x))}, place))
    assert table["head"].low > 0.8
    assert table["coin"].low < 0.5 < table["coin"].high


def test_losses_are_those_of_the_true_class() -> None:
    np.testing.assert_allclose(doubts.losses_of([[0.5, 0.5], [0.9, 0.1]], [0, 1]), -np.log([0.5, 0.1]))
