"""Speckle: mean 1, variance 1 / looks, in dB the same, and only on what radar saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swath import testing
from swath.datasets.sea import SENSOR, sea
from swath.errors import SwathError
from swath.transform.speckle import Speckle


def _flat(units, value, quantity="backscatter"):
    batch = sea(4, size=64).batch
    p = batch.pixels[SENSOR]
    band = replace(p.bands[0], units=units, quantity=quantity)
    return replace(batch, pixels={SENSOR: replace(p, bands=(band,), values=np.full_like(p.values, value))})


def test_it_keeps_the_rules_of_a_transform():
    testing.check_transform(Speckle(4), sea(4, size=16).batch)


@pytest.mark.parametrize("looks", [1.0, 4.0, 20.0])
def test_mean_and_variance_are_those_of_the_looks(looks):
    v = Speckle(looks)(_flat("1", 0.1), np.random.default_rng(0)).pixels[SENSOR].values / 0.1
    assert v.mean() == pytest.approx(1, abs=0.03)
    assert v.var() == pytest.approx(1 / looks, rel=0.08)


def test_in_decibel_it_is_the_same_noise():
    a = Speckle(4)(_flat("1", 0.1), np.random.default_rng(0)).pixels[SENSOR].values
    b = Speckle(4)(_flat("dB", -10.0), np.random.default_rng(0)).pixels[SENSOR].values
    assert np.allclose(10 * np.log10(a), b, atol=1e-3)


def test_other_quantities_stay():
    batch = _flat("1", 0.1, "reflectance")
    assert (Speckle(1)(batch, np.random.default_rng(0)).pixels[SENSOR].values == np.float32(0.1)).all()


def test_no_looks_are_refused():
    with pytest.raises(SwathError, match="looks"):
        Speckle(0)
