from __future__ import annotations

import numpy as np

from swath.cube import contract
from swath.cube.adjust import moved, scaled
from swath.datasets import toy
from swath.geometry.shift import shift
from swath.sample.window import read


def cube(flag: bool = False):
    made, _ = toy.view(toy.world(3, 64), "sentinel-2a-l2a", ["2021-06-01"], cloud=0.3 if flag else 0, seed=2)
    return made


def test_a_moved_cube_is_the_moved_picture_and_windows_agree_with_the_whole():
    c = cube()
    lazy = moved(c, 0.6, -1.3)
    assert contract.check(lazy) == ""
    whole = np.asarray(lazy.values)
    np.testing.assert_allclose(whole, shift(np.asarray(c.values), 0.6, -1.3), rtol=1e-5, atol=1e-5)
    part = np.asarray(lazy.isel(y=slice(10, 40), x=slice(0, 33)).values)
    np.testing.assert_allclose(part, whole[:, :, 10:40, :33], rtol=1e-5, atol=1e-6)
    assert moved(c, 0, 0) is c


def test_flagged_pixels_lend_nothing_to_a_moved_cube():
    c = cube(flag=True)
    assert (c.flag.values > 0).any()
    lazy = moved(c, 1.0, 0.0)
    assert lazy.flag.shape == c.flag.shape
    pixels = next(iter(read({"x": lazy}, slice(0, 64), slice(0, 64)).pixels.values()))
    gone = c.flag.values[0, :-1] > 0
    assert not pixels.valid[0, 0, 0][1:][gone].any()
    assert not pixels.valid[0, 0, 0][0].any()


def test_stored_numbers_stay_stored_and_what_comes_from_outside_is_never_seen():
    values = np.arange(48, dtype=np.uint8).reshape(1, 6, 8)
    for nodata in (0, np.nan):
        c = contract.make(values, bands=["1"], geobox=None, nodata=nodata)
        there = moved(c, 0, 1)
        assert there.dtype == np.uint8
        np.testing.assert_array_equal(np.asarray(there.values)[0, 1:, 1:], values[0, 1:, :-1])
        pixels = read({"x": there}, slice(0, 6), slice(0, 8)).pixels["x"]
        assert not pixels.valid[0, 0, 0][:, 0].any()
        assert pixels.valid[0, 0, 0][1:, 1:].all()


def test_normalised_numbers_are_floats_with_gaps():
    values = np.arange(48, dtype=np.uint8).reshape(1, 6, 8)
    c = contract.make(values, bands=["1"], geobox=None, nodata=0)
    made = scaled(c, [2.0], [-1.0])
    got = np.asarray(made.values)
    assert contract.check(made) == ""
    assert np.isnan(got[0, 0, 0])
    np.testing.assert_allclose(got[0, 1:], 2.0 * values[0, 1:] - 1)
