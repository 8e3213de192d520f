"""Small pictures of made worlds."""

from __future__ import annotations

import numpy as np

from swath.datasets.chips import CLASSES, chips


def test_chips_are_filled_by_their_class_and_the_same_seeds_give_the_same() -> None:
    one, two = chips(range(3), size=12, world_size=96), chips([1], size=12, world_size=96)
    assert set(one.place) <= {0, 1, 2}
    rows = np.array(one.place) == 1
    np.testing.assert_array_equal(one.pixels["sentinel-2a-l2a"].values[rows], two.pixels["sentinel-2a-l2a"].values)
    assert one.target is not None
    assert one.target.min() >= 0
    assert one.target.max() < len(CLASSES)
    assert np.isfinite(one.pixels["sentinel-2a-l2a"].values).all()
