"""Temperature: the map stays, its probabilities keep their word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.baseline import temperature


def drawn(seed: int, n: int = 4000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities and classes drawn from them."""
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.ones(classes) * 0.7, n)
    truth = (p.cumsum(1) > random.random((n, 1))).argmax(1)
    return p, truth


@pytest.mark.parametrize("sharper", [0.5, 1.0, 3.0, 8.0])
def test_probabilities_made_too_sure_are_brought_back(sharper: float) -> None:
    p, truth = drawn(1)
    stated = np.maximum(p, 1e-9) ** sharper
    stated /= stated.sum(1, keepdims=True)
    assert temperature.fit(stated, truth) == pytest.approx(sharper, rel=0.12)


@given(st.integers(0, 10_000), st.floats(0.3, 40))
def test_the_order_of_classes_and_the_sum_never_change(seed: int, warmth: float) -> None:
    p = drawn(seed, n=30)[0].astype(np.float32)
    made = temperature.applied(p, warmth, axis=1)
    assert (made.argmax(1) == p.argmax(1)).all()
    assert np.allclose(made.sum(1), 1, atol=1e-5)


def test_missing_stays_missing_and_few_labels_teach_nothing() -> None:
    p, truth = drawn(2, n=19)
    assert temperature.fit(p, truth) == 1.0
    holes = np.where(np.arange(19)[:, None] == 3, np.nan, p)
    assert np.isnan(temperature.applied(holes, 2.0, axis=1)[3]).all()
    assert np.isfinite(temperature.applied(holes, 2.0, axis=1)[[0, 18]]).all()


def test_a_window_one_pixel_wide_has_the_bits_of_the_whole() -> None:
    whole = np.random.default_rng(3).dirichlet(np.ones(16), (1, 40, 50)).astype(np.float32).transpose(0, 3, 1, 2)
    made = temperature.applied(whole, 7.3, axis=1)
    for part in (np.s_[:, :, 3:4, 5:6], np.s_[:, :, :, 9:10], np.s_[:, :, 2:31, 4:40]):
        assert temperature.applied(np.ascontiguousarray(whole[part]), 7.3, axis=1).tobytes() == made[part].tobytes()
