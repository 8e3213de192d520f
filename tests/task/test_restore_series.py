"""Hidden values said series by series, and scores of several draws."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from swath.baseline.methods import BETWEEN
from swath.batch import Batch, Pixels
from swath.earth.sensor import Band
from swath.errors import SwathError
from swath.task.restore import Restore, by_series, drawn_scores


def made(seed: int = 0) -> Batch:
    """Two examples of 8 dates, two bands, 5 x 4 pixels, which share what happens on each date."""
    random = np.random.default_rng(seed)
    date = random.standard_normal((1, 8, 2, 1, 1))
    values = (0.5 + 0.1 * date + 0.02 * random.standard_normal((2, 8, 2, 5, 4))).astype(np.float32)
    valid = random.random((2, 8, 1, 5, 4)) < 0.8
    day = np.stack([np.arange(8) * 16.0 + 18_000, np.arange(8) * 16.0 + 18_000])
    bands = (Band("a"), Band("b"))
    pixels = Pixels(values, np.broadcast_to(valid, values.shape).copy(), bands, 10.0, day, np.zeros((2, 2)))
    return Batch({"s": pixels}, key=("1", "2"), place=("p", "q"))


@pytest.mark.parametrize("name", list(BETWEEN))
def test_a_forecaster_of_series_is_a_filler(name: str) -> None:
    batch = made()
    asked = np.random.default_rng(1).random((2, 8, 5, 4)) < 0.2
    found = Restore(by_series(BETWEEN[name])).restore(batch, {"s": asked})["s"]
    pixels = batch.pixels["s"]
    kept = pixels.valid & ~asked[:, :, None]
    assert found.shape == (1, *pixels.values.shape)
    np.testing.assert_array_equal(found[0][kept], pixels.values[kept])
    assert np.isfinite(found[0][np.broadcast_to(asked[:, :, None], kept.shape)]).all()


def test_a_forecaster_of_series_has_one_draw() -> None:
    asked = np.zeros((2, 8, 5, 4), bool)
    with pytest.raises(SwathError, match="one value"):
        Restore(by_series(BETWEEN["linear in time"])).restore(made(), {"s": asked}, draws=4)


def test_draws_are_scored_by_crps_and_by_how_often_their_middle_holds() -> None:
    random = np.random.default_rng(2)
    values = random.standard_normal((1, 20, 1, 30, 30))
    restored = random.standard_normal((200, *values.shape))
    valid, asked = np.ones(values.shape, bool), np.ones((1, 20, 30, 30), bool)
    valid[0, 0] = False
    (((total, inside, wide, count),),) = drawn_scores(restored, values, valid, asked)
    assert count == 19 * 900
    assert inside / count == pytest.approx(0.90, abs=0.02)
    assert wide / count == pytest.approx(2 * 1.645, rel=0.05)
    # the CRPS of a standard normal against itself is 1 / sqrt(pi)
    assert total / count == pytest.approx(1 / np.sqrt(np.pi), rel=0.03)
