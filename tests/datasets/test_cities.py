"""Made cities: the same seed the same pictures, the truth is what is drawn, and what only looks different is no change."""

from __future__ import annotations

import numpy as np
import pytest

from swath import testing
from swath.datasets.cities import CLASSES, cities, cubes_of
from swath.errors import SwathError


def test_the_same_seed_gives_the_same_pictures_and_another_gives_others():
    a, b, c = cities(2, seed=1, size=48), cities(2, seed=1, size=48), cities(2, seed=2, size=48)
    for date in ("before", "after"):
        np.testing.assert_array_equal(a.batch.pixels[date].values, b.batch.pixels[date].values)
        assert not np.array_equal(a.batch.pixels[date].values, c.batch.pixels[date].values)
    np.testing.assert_array_equal(cities(1, seed=1, size=48).before, a.before[:1])
    assert a.batch.pixels["before"].values.shape == (2, 1, 3, 48, 48)
    assert len(CLASSES) == 2


def test_change_is_roofs_that_one_date_lacks_and_nothing_else():
    found = cities(6, seed=3, size=96, misregistration=0.0)
    changed = found.batch.target > 0
    assert 0.01 < changed.mean() < 0.15
    assert not (changed & ~(found.before | found.after)).any()
    # roofs that both dates have never count, though they lean and are lit otherwise
    assert (found.before & ~changed).sum() > changed.sum()
    none = cities(3, seed=3, size=96, change=0.0)
    assert none.batch.target.sum() == 0
    a, b = (none.batch.pixels[d].values for d in ("before", "after"))
    assert np.abs(a - b).mean() > 3  # season, light, shadows, view


def test_the_second_picture_is_moved_and_the_truth_is_not():
    still, moved = (cities(3, seed=4, size=96, misregistration=m) for m in (0.0, 3.0))
    np.testing.assert_allclose(np.hypot(*moved.shift.T), 3.0)
    np.testing.assert_array_equal(still.batch.target, moved.batch.target)
    np.testing.assert_array_equal(still.batch.pixels["before"].values, moved.batch.pixels["before"].values)
    assert np.abs(still.batch.pixels["after"].values - moved.batch.pixels["after"].values).mean() > 3


def test_pairs_as_cubes_keep_the_contract_and_say_that_they_are_simulated():
    found = cities(1, seed=5, size=32)
    for cube in cubes_of(found, 0):
        testing.check_cube(cube)
        assert cube.attrs["simulated"] == "yes"
        assert cube.sizes["time"] == 1


def test_too_small_a_city_is_refused():
    with pytest.raises(SwathError, match="at least one, of 16 x 16"):
        cities(1, size=8)
