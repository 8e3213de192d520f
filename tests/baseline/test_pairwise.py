from __future__ import annotations

import numpy as np
import pytest

from swath.baseline.pairwise import Stacked, cva, otsu
from swath.errors import LabelError


def test_light_over_all_of_a_scene_is_no_change():
    rng = np.random.default_rng(0)
    before = rng.normal(100, 10, (3, 40, 40))
    after = before + 25 + rng.normal(0, 2, before.shape)
    after[:, 10:14, 10:14] += 60
    length = cva(before, after)
    truth = np.zeros((40, 40), bool)
    truth[10:14, 10:14] = True
    np.testing.assert_array_equal(length > otsu(length), truth)
    hidden = cva(before, after, ~truth)
    np.testing.assert_array_equal(np.isnan(hidden), truth)
    assert np.isnan(cva(before, after, np.zeros((40, 40), bool))).all()


def test_otsu_parts_two_heaps_and_bears_one_or_none():
    assert 1 < otsu(np.r_[np.full(50, 1.0), np.full(5, 9.0), np.nan]) < 9
    assert otsu(np.ones(5)) == 1.0
    assert np.isnan(otsu(np.full(3, np.nan)))


def test_stacked_spectra_learn_a_change_of_colour():
    rng = np.random.default_rng(1)
    before, after = rng.normal(0, 1, (2, 500, 3))
    target = (np.abs(after - before).sum(1) > 4).astype(int)
    model = Stacked.fit(before, after, target)
    found = model.probability(before.T.reshape(3, 50, 10), after.T.reshape(3, 50, 10))
    assert found.shape == (50, 10)
    assert ((found.reshape(-1) > 0.5) == target).mean() > 0.9
    with pytest.raises(LabelError, match="both change and none"):
        Stacked.fit(before, after, np.zeros(500))
