from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from swath.baseline.gaps import FILLERS, or_mean
from swath.bench.gaps import compare, crop_shapes, each_date, hidden_patches
from swath.datasets import hls_toy
from swath.errors import SwathError
from swath.sample.cuts import between, cuts, joined, tiled


@pytest.fixture(scope="module")
def series():
    return hls_toy.series(range(7), size=24, every=45.0, cloud=0.0)


def test_cuts_are_windows_of_the_series(series):
    some = cuts(series, dates=3, size=16, count=20, seed=1, gap=(1, 2))
    p, whole = some.pixels[hls_toy.NAME], series.pixels[hls_toy.NAME]
    assert p.values.shape == (20, 3, 6, 16, 16)
    assert some.target.shape == (20, 16, 16)
    assert (np.diff(p.day, axis=1) >= 44).all()
    assert (np.diff(p.day, axis=1) <= 91).all()
    place, _, y, x = (int(v) for v in some.key[3].split("_"))
    at = [int(np.flatnonzero(whole.day[place] == d)[0]) for d in p.day[3]]
    np.testing.assert_array_equal(p.values[3], whole.values[place][at][:, :, y : y + 16, x : x + 16])
    again = cuts(series, dates=3, size=16, count=20, seed=1, gap=(1, 2))
    np.testing.assert_array_equal(again.pixels[hls_toy.NAME].values, p.values)


def test_cuts_that_cannot_be_are_refused(series):
    with pytest.raises(SwathError, match="tries"):
        cuts(series, dates=40, size=16, count=1)
    with pytest.raises(SwathError, match="windows"):
        cuts(series, dates=3, size=64, count=1)


def test_worlds_have_places_of_their_own_and_clouds_are_not_valid(series):
    p = series.pixels[hls_toy.NAME]
    assert np.isfinite(p.lonlat).all()
    assert len(np.unique(p.lonlat, axis=0)) == 7
    assert p.valid.all()
    cloudy = hls_toy.series([1], size=24, every=45.0, cloud=0.5).pixels[hls_toy.NAME]
    assert 0.1 < cloudy.valid.mean() < 0.9
    share = hls_toy.cloud_shapes(40, 24).mean((1, 2))
    assert share.min() > 0.01
    assert share.max() < 0.65


def test_ways_are_scored_on_the_same_values_with_intervals_over_places(series):
    some = cuts(series, dates=5, size=24, count=30)
    asked = np.zeros((30, 5, 24, 24), bool)
    asked[:, 2] = hls_toy.cloud_shapes(30, 24)
    filled = compare(FILLERS, some, asked, peak=0.5, simulated=True)
    assert filled.unsaid == 0.0
    rows = {way: filled.rmse(way) for way in FILLERS}
    assert all(e.simulated and e.low <= e.value <= e.high for e in rows.values())
    assert rows["linear in time"].value < rows["previous date"].value
    assert filled.better("linear in time", "previous date").high < 0.01
    assert 0 < filled.ssim("linear in time").value <= 1
    truth = {"truth": lambda batch, draws=1: {hls_toy.NAME: some.pixels[hls_toy.NAME].values[None]}}
    assert compare(truth, some, asked, peak=0.5, step=30).rmse("truth").value == 0.0


def test_what_one_way_cannot_say_is_left_out_for_all(series):
    some = cuts(series, dates=3, size=24, count=8)
    asked = np.zeros((8, 3, 24, 24), bool)
    asked[:, 1, :12] = True
    asked[:, :, :2] = True
    filled = compare(FILLERS, some, asked, peak=0.5)
    assert filled.unsaid == pytest.approx(6 / 16)
    assert {float(e[..., 0].sum()) for e in filled.error.values()} == {8 * 10 * 24 * 6.0}


def test_crops_of_real_masks_have_the_share_asked_for():
    masks = np.zeros((3, 60, 50), bool)
    masks[0, 20:40, 10:30] = masks[1, :30] = True
    shapes = crop_shapes(masks, (20, 18), 25, share=(0.1, 0.5))
    assert shapes.shape == (25, 20, 18)
    assert ((shapes.mean((1, 2)) >= 0.1) & (shapes.mean((1, 2)) <= 0.5)).all()


def test_windows_side_by_side_join_to_the_picture(series):
    from swath.sample.loader import take

    one = take(series, [2])
    windows = tiled(one, 10)
    p, whole = windows.pixels[hls_toy.NAME], one.pixels[hls_toy.NAME]
    assert p.values.shape == (4, whole.values.shape[1], 6, 10, 10)
    np.testing.assert_array_equal(p.values[3], whole.values[0, ..., 10:20, 10:20])
    np.testing.assert_array_equal(joined(windows.target, (24, 24)), one.target[0, :20, :20])
    assert windows.place == (2,) * 4
    some = between(one, slice(3, 5)).pixels[hls_toy.NAME]
    np.testing.assert_array_equal(some.day, whole.day[:, 3:5])


def test_hidden_patches_are_whole_and_of_the_share_asked_for(series):
    some = cuts(series, dates=3, size=20, count=4)
    asked = hidden_patches(some, 8, 0)
    assert asked.shape == (4, 3, 20, 20)
    tokens = asked[:, :, ::8, ::8]
    assert tokens.sum((1, 2, 3)).tolist() == [21] * 4
    np.testing.assert_array_equal(asked, tokens.repeat(8, 2).repeat(8, 3)[..., :20, :20])
    name = hls_toy.NAME
    mean = each_date(or_mean(FILLERS["temporal mean"]))(some)[name]
    alone = or_mean(FILLERS["temporal mean"])(between(some, slice(1, 2)))[name]
    np.testing.assert_allclose(mean[:, :, 1:2], alone, rtol=1e-6)
