from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.batch import Batch, Pixels
from swath.datasets import toy
from swath.errors import BandError
from swath.transform.augment import Dihedral, turned
from swath.transform.standardise import Standardise


def batch(seed=0, h=5, w=5, n=4):
    rng = np.random.default_rng(seed)
    values = rng.normal([[[[0.2]], [[5.0]]]], [[[[0.1]], [[2.0]]]], (n, 3, 2, h, w)).astype(np.float32)
    pixels = Pixels(
        values, rng.random(values.shape) > 0.3, toy.SENTINEL_2[:2], 10.0, np.zeros((n, 3)), np.zeros((n, 2))
    )
    return Batch({"s2": pixels}, rng.integers(0, 4, (n, h, w)), key=tuple("abcd"[:n]))


@given(st.integers(0, 7), st.integers(2, 6))
def test_the_eight_ways_are_a_group_with_inverses(way, side):
    a = np.arange(side * side).reshape(side, side)
    assert any(np.array_equal(turned(turned(a, way), other), a) for other in range(8))
    assert len({turned(a, k).tobytes() for k in range(8)}) == 8


def test_windows_that_are_not_square_keep_their_shape():
    out = Dihedral()(batch(h=4, w=6), np.random.default_rng(0))
    assert out.pixels["s2"].values.shape == (4, 3, 2, 4, 6)
    assert np.asarray(out.target).shape == (4, 4, 6)


def test_every_example_keeps_its_values_and_targets_together():
    given_batch = batch()
    marked = replace(given_batch, target=given_batch.pixels["s2"].values[:, 0, 0])
    out = Dihedral()(marked, np.random.default_rng(1))
    np.testing.assert_array_equal(out.target, out.pixels["s2"].values[:, 0, 0])
    assert not np.array_equal(out.target, marked.target)


def test_classes_of_whole_examples_stay():
    given_batch = replace(batch(), target=np.arange(4))
    np.testing.assert_array_equal(Dihedral()(given_batch, np.random.default_rng(0)).target, np.arange(4))


def test_valid_values_come_to_mean_0_and_deviation_1_and_back():
    given_batch = batch(n=4, h=20, w=20)
    standard = Standardise.fit([given_batch])
    p, q = given_batch.pixels["s2"], standard(given_batch).pixels["s2"]
    for i in range(2):
        seen = q.values[:, :, i][q.valid[:, :, i]]
        assert seen.mean() == pytest.approx(0, abs=1e-4)
        assert seen.std() == pytest.approx(1, abs=1e-4)
    assert {b.quantity for b in q.bands} == {"other"}
    back = standard.undo(q.values, "s2", [b.name for b in q.bands])
    np.testing.assert_allclose(back[p.valid], p.values[p.valid], atol=1e-4)
    assert Standardise.from_json(standard.to_json()) == standard


def test_what_is_not_valid_is_not_measured():
    given_batch = batch()
    p = given_batch.pixels["s2"]
    wild = replace(given_batch, pixels={"s2": replace(p, values=np.where(p.valid, p.values, np.nan))})
    assert Standardise.fit([wild]) == Standardise.fit([given_batch])
    assert np.isfinite(Standardise.fit([wild])(wild).pixels["s2"].values).all()


def test_constant_bands_keep_their_scale_and_unknown_ones_are_refused():
    flat = batch()
    p = flat.pixels["s2"]
    flat = replace(flat, pixels={"s2": replace(p, values=np.full_like(p.values, 3.0))})
    assert Standardise.fit([flat]).deviation["s2"] == {"B02": 1.0, "B03": 1.0}
    other = replace(flat, pixels={"s3": p})
    with pytest.raises(BandError, match="s3"):
        Standardise.fit([flat])(other)
