"""Change in fixed windows: the same bytes however the output is cut, on from where it stopped, NaN where a date is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from swath.cube import contract
from swath.errors import Cancelled, GridError, OutputError, SwathError
from swath.predict import pairs
from swath.predict.pairs import Pairs, layers_of, pair_windows, whole, window_of
from swath.predict.run import run
from swath.sample.window import read


class Seen:
    """A made model that hangs on all of its window, as squeeze-excite does."""

    window, classes = 32, ("came", "went")

    def __init__(self):
        self.sizes = set()

    def change(self, before, after):
        self.sizes.add(before.values.shape)
        assert np.isfinite(np.where(before.valid, before.values, 0)).all()
        apart = np.where(before.valid & after.valid, after.values - before.values, 0)[:, 0, 0]
        weight = np.linspace(0.5, 1.5, apart.shape[-1])
        level = (apart * weight).mean((1, 2), keepdims=True)
        return np.stack([1 / (1 + np.exp(-apart - level)), 1 / (1 + np.exp(apart))], 1).astype(np.float32)


class Near:
    """A made model of bounded reach."""

    window, classes, reach = None, ("changed",), 1

    def change(self, before, after):
        apart = np.abs(after.values - before.values)[:, 0, :1]
        return (apart + np.roll(apart, 1, -1)).astype(np.float32)


def cube(seed, height=100, width=75, *, east=500_000.0, crs="EPSG:32633", dates=("2020-01-01",)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    values = np.sin(y / (9 + seed)) + np.cos(x / 7) + 0.1 * rng.standard_normal((len(dates), 2, height, width))
    grid = GeoBox((height, width), Affine(2, 0, east, 0, -2, 5_000_000), crs)
    return contract.make(
        values.astype("float32"), bands=["a", "b"], geobox=grid, time=dates, quantity="reflectance", sensor=f"s{seed}"
    )


def written(ran):
    return [rasterio.open(ran.paths[name]).read() for name in ("probability", "spread")]


def test_the_same_bytes_however_the_output_is_cut(tmp_path):
    before, after, model = cube(1), cube(2), Seen()
    ran = pair_windows(model, before, after, tmp_path / "a")
    first = written(ran)
    assert first[0].shape == (2, 100, 75)
    assert model.sizes == {(1, 1, 2, 32, 32)}  # always in its own window, also beyond the scene's edge
    one = Pairs(model)
    for window in (16, 48, 64):
        cut = run(
            {"before": before, "after": after},
            one,
            layers_of(model),
            tmp_path / str(window),
            reach=one.reach,
            window=window,
        )
        for got, want in zip(written(cut), first, strict=True):
            np.testing.assert_array_equal(got, want)
    pixels = read({"before": before, "after": after}, slice(0, 100), slice(0, 75)).pixels
    for got, want in zip(whole(model, pixels["before"], pixels["after"]), first, strict=True):
        np.testing.assert_array_equal(got[0], want)


def test_the_spread_is_half_of_what_two_lattices_lie_apart():
    before, after, model = cube(1), cube(2), Seen()
    batch = read({"before": before, "after": after}, slice(0, 100), slice(0, 75))
    one = Pairs(model)
    a, b = (lattice(batch)["probability"] for lattice in one.lattices)
    found = one(batch)
    np.testing.assert_allclose(found["probability"], (a + b) / 2)
    np.testing.assert_allclose(found["spread"], np.abs(a - b) / 2)
    assert found["spread"].max() > 1e-3
    assert one.lattices[1].offset == (8, 8)


def test_a_model_of_bounded_reach_needs_no_lattice(tmp_path):
    before, after = cube(1), cube(2)
    probability, spread = written(pair_windows(Near(), before, after, tmp_path))
    apart = np.abs(after.values - before.values)[0, 0]
    np.testing.assert_allclose(probability[0][:, 1:], (apart + np.roll(apart, 1, 1))[:, 1:], rtol=1e-6)
    assert (spread == 0).all()
    assert window_of(Pairs(Near())) is None


def test_what_one_date_lacks_is_nan_and_never_reaches_the_model(tmp_path):
    before, after = cube(1), cube(2)
    after.values[:, :, 20:40, 10:30] = np.nan
    probability, spread = written(pair_windows(Seen(), before, after, tmp_path))
    hole = np.zeros((100, 75), bool)
    hole[20:40, 10:30] = True
    for layer in (probability, spread):
        np.testing.assert_array_equal(np.isnan(layer).all(0), hole)


@pytest.mark.parametrize("shape", [(5, 9), (1, 1), (33, 16)])
def test_scenes_smaller_than_a_window_are_mirrored_into_it(tmp_path, shape):
    model = Seen()
    ran = pair_windows(model, cube(1, *shape), cube(2, *shape), tmp_path)
    assert np.isfinite(written(ran)[0]).all()
    assert {s[-2:] for s in model.sizes} == {(32, 32)}


def test_pairs_on_two_grids_or_of_several_dates_are_refused(tmp_path):
    good = cube(1)
    for other in (cube(2, 90), cube(2, east=500_001.0), cube(2, crs="EPSG:32634")):
        with pytest.raises(GridError, match="both dates of a pair lie on one grid"):
            pair_windows(Seen(), good, other, tmp_path)
    with pytest.raises(SwathError, match="2 dates after"):
        pair_windows(Seen(), good, cube(2, dates=("2020-01-01", "2021-01-01")), tmp_path)

    class Small(Seen):
        def change(self, before, after):
            return super().change(before, after)[..., :-1]

    with pytest.raises(SwathError, match="a model of change gives"):
        pair_windows(Small(), good, cube(2), tmp_path)


def test_an_interrupted_run_goes_on_with_the_same_model_only(tmp_path):
    before, after = cube(1, 600, 40), cube(2, 600, 40)
    want = written(pair_windows(Seen(), before, after, tmp_path / "whole", fingerprint="a", workers=1))

    def stop(done, total, what):
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        pair_windows(Seen(), before, after, tmp_path / "b", fingerprint="a", workers=1, progress=stop)
    with pytest.raises(OutputError, match="same parameters"):
        pair_windows(Seen(), before, after, tmp_path / "b", fingerprint="other", workers=1)
    ran = pair_windows(Seen(), before, after, tmp_path / "b", fingerprint="a", workers=1)
    assert ran.resumed >= 1
    for got, expected in zip(written(ran), want, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_layers_say_their_class_and_window():
    first, second = layers_of(Seen(), ("p", "s"), source="made")
    assert (first.name, second.name, first.bands, first.tags["window"]) == ("p", "s", ("came", "went"), "32")
    assert replace(first, name="s", nodata=0.0) == replace(second, nodata=0.0)
    assert pairs.PROBABILITY == "probability"
