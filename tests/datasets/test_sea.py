"""The made sea: shares, planted copies, truth that its pixels bear out, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from swath.datasets.sea import KINDS, SENSOR, sea, zipf


def test_the_commonest_kind_has_four_fifths_and_the_rarest_a_thousandth():
    share = zipf()
    assert share.sum() == pytest.approx(1)
    assert share[0] == pytest.approx(0.8, abs=0.03)
    assert share[-1] == pytest.approx(0.001, abs=0.0003)
    assert np.ptp(zipf(exponent=0)) == 0


def test_every_kind_is_there_and_copies_are_equal_to_what_they_copy():
    made = sea(400, seed=3, size=16, duplicates=0.25)
    values = made.batch.pixels[SENSOR].values
    copies = np.flatnonzero(made.copy_of >= 0)
    assert len(copies) == 100
    assert (values[copies] == values[made.copy_of[copies]]).all()
    assert (made.copy_of[made.copy_of[copies]] == -1).all()
    assert set(made.kind) == set(range(len(KINDS)))
    assert np.asarray(made.batch.place)[copies].tolist() == np.asarray(made.batch.place)[made.copy_of[copies]].tolist()


def test_the_same_seed_gives_the_same_sea():
    a, b, c = (sea(60, seed=s, size=16).batch.pixels[SENSOR].values for s in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_higher_waves_make_a_livelier_picture_and_wind_a_brighter_one():
    made = sea(500, seed=0, size=32, shares=[1.0], looks=1e4)
    v = made.batch.pixels[SENSOR].values[:, 0, 0]
    for mode in (0, 1):
        here = made.mode == mode
        lively = v[here].std((1, 2)) / v[here].mean((1, 2))
        assert np.corrcoef(lively, made.height[here])[0, 1] > 0.2
        assert np.corrcoef(v[here].mean((1, 2)), made.wind[here])[0, 1] > 0.8
