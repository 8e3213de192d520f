"""The rivals' coders: each decodes, keeps its bound where it has one, and is charged for its mask."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("imagecodecs")

from swath.codec import rivals
from swath.errors import SwathError


def cube() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    values = np.clip(rng.normal(size=(3, 4, 66, 70)).cumsum(-1).cumsum(-2) * 4 + 2000, -500, 9000).astype(np.int16)
    return values, rng.random(values.shape) > 0.1


@pytest.mark.parametrize("name", list(rivals.NAMES))
def test_each_rival_comes_back_near_what_it_was(name):
    values, valid = cube()
    bounded = not name.startswith(("x265", "JPEG 2000"))
    setting = 10.0 if bounded else "very high" if name.startswith("x265") else 70.0
    done = rivals.code(name, values, valid, setting)
    off = np.abs(done.values - values)[valid]
    assert done.values.shape == values.shape
    assert off.max() <= 10 if bounded else off.mean() < 100
    assert valid.size / 8 / 2 < done.size < values.nbytes


@pytest.mark.parametrize("name", rivals.LOSSLESS)
def test_those_that_lose_nothing_lose_nothing(name):
    values, valid = cube()
    done = rivals.code(name, values, valid, 0)
    assert np.array_equal(done.values[valid], values[valid])


def test_others_are_refused():
    with pytest.raises(SwathError, match="rivals are"):
        rivals.code("zip", *cube(), 0)
