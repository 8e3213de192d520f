"""A function over windows gives what it would give over the whole scene, once for every valid pixel."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from swath.cube import contract
from swath.cube.blocks import Layer
from swath.errors import Cancelled, FormatError, GridError, OutputError, SwathError
from swath.predict.run import run
from swath.sample.window import read

from .scenes import LAYERS, neighbours, scene

ONE = (Layer("a", dtype="float32", nodata=None),)


def result(path):
    with rasterio.open(path) as file:
        return file.read()


@given(
    height=st.integers(1, 150), width=st.integers(1, 150), window=st.sampled_from([16, 32, 64, 128]),
    reach=st.integers(0, 5), workers=st.integers(1, 3), seed=st.integers(0, 9),
)  # fmt: skip
def test_tiled_equals_whole_when_the_halo_covers_the_reach(
    height, width, window, reach, workers, seed, tmp_path_factory
):
    cubes = {"s": scene(height, width, seed=seed)}
    whole = neighbours(read(cubes, slice(0, height), slice(0, width)), reach)
    out = tmp_path_factory.mktemp("run")
    ran = run(cubes, lambda b: neighbours(b, reach), LAYERS, out, reach=reach, window=window, workers=workers)
    seen = np.isfinite(cubes["s"].values[0]).any(axis=0)
    np.testing.assert_array_equal(result(out / "classes.tif")[0], np.where(seen, whole["classes"][0, 0], 0))
    stored = np.where(seen, np.rint(whole["probability"][0] / 0.004), 255)
    np.testing.assert_array_equal(result(out / "probability.tif"), stored)
    assert ran.exit_code == 0
    assert sorted(p.name for p in out.iterdir()) == ["classes.qml", "classes.tif", "probability.tif"]


def test_every_valid_pixel_is_mapped_once_and_empty_windows_never_reach_the_function(cubes, tmp_path):
    counts, lock = np.zeros((300, 260), int), threading.Lock()

    def count(batch):
        row, column = map(int, batch.key[0].split("_"))
        values = batch.pixels["s"].values[0, 0]
        with lock:
            counts[row : row + values.shape[1], column : column + values.shape[2]] += 1
        return {"a": values[:1][None]}

    ran = run(cubes, count, ONE, tmp_path, window=64)
    assert ran.empty == 4
    seen = np.isfinite(cubes["s"].values[0, 0])
    assert (counts[seen] == 1).all()
    out = result(tmp_path / "a.tif")[0]
    assert np.isnan(out[~seen]).all()
    np.testing.assert_array_equal(out[seen], cubes["s"].values[0, 0][seen])


@given(value=st.floats(-1e3, 1e3, width=32), window=st.sampled_from([16, 64]), reach=st.integers(0, 20))
def test_constant_in_constant_out(value, window, reach, tmp_path_factory):
    grid = GeoBox((70, 90), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
    cube = contract.make(np.full((1, 70, 90), value, "float32"), bands=["a"], geobox=grid, quantity="index")
    out = tmp_path_factory.mktemp("c")
    run({"s": cube}, lambda b: {"a": b.pixels["s"].values[:, 0]}, ONE, out, reach=reach, window=window)
    assert (result(out / "a.tif") == np.float32(value)).all()


@pytest.mark.parametrize(
    "grid",
    [
        GeoBox((1, 1), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633"),
        GeoBox((40, 30), Affine(10, 0, 500_000, 0, -25, 5_000_000), "EPSG:32633"),
        GeoBox((40, 30), Affine(10, 0, 500_000, 0, 10, 5_000_000), "EPSG:32633"),
        GeoBox((40, 30), Affine.translation(5e5, 5e6) * Affine.rotation(33) * Affine.scale(10, -10), "EPSG:32633"),
        GeoBox((40, 30), Affine(10, 0, 0, 0, -10, 0), None),
        None,
    ],
    ids=["one pixel", "non-square", "flipped", "rotated", "no CRS", "no grid"],
)  # fmt: skip
def test_the_grid_is_kept_whatever_it_is(grid, tmp_path):
    shape = (40, 30) if grid is None else tuple(grid.shape)
    values = np.random.default_rng(0).normal(size=(1, *shape)).astype("float32")
    cube = contract.make(values, bands=["a"], geobox=grid, quantity="index")
    run({"s": cube}, lambda b: {"a": b.pixels["s"].values[:, 0]}, ONE, tmp_path, window=16)
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(), values)
        if grid is not None:
            assert tuple(file.transform) == pytest.approx(tuple(grid.affine), rel=1e-14)
            assert (file.crs is None) == (grid.crs is None)


def test_stored_numbers_with_nodata_and_flags_are_seen_as_missing(tmp_path):
    values = np.arange(600, dtype="int16").reshape(1, 1, 20, 30)
    flag = np.zeros((1, 20, 30), "uint8")
    values[0, 0, 0], flag[0, 1] = -9999, contract.FLAGS["cloud"]
    cube = contract.make(values, bands=["a"], geobox=None, time=["2020-01-01"], nodata=-9999, flag=flag)
    run({"s": cube}, lambda b: {"a": b.pixels["s"].values[:, 0]}, ONE, tmp_path)
    out = result(tmp_path / "a.tif")[0]
    assert np.isnan(out[:2]).all()
    assert (out[2:] == values[0, 0, 2:]).all()


def test_a_window_that_fails_three_times_is_no_data_and_counted(cubes, tmp_path):
    tries = []

    def broken(batch):
        if batch.key == ("192_192",):
            tries.append(1)
            raise ValueError("a corner that cannot be mapped")
        return neighbours(batch)

    ran = run(cubes, broken, LAYERS, tmp_path, window=64)
    assert ran.exit_code == 3
    assert ran.failed == ((192, 192, 64, 64),)
    assert len(tries) == 3
    assert "a corner that cannot be mapped" in ran.reasons[0]
    assert (result(tmp_path / "classes.tif")[0, 192:256, 192:256] == 0).all()
    assert (result(tmp_path / "probability.tif")[:, 192:256, 192:256] == 255).all()


def test_a_window_that_fails_once_is_done_in_the_end(cubes, tmp_path):
    failed = []

    def hiccup(batch):
        if not failed:
            failed.append(1)
            raise OSError("the network stuttered")
        return neighbours(batch)

    assert run(cubes, hiccup, LAYERS, tmp_path, window=64).exit_code == 0


def test_when_every_window_fails_nothing_is_written(cubes, tmp_path):
    def broken(batch):
        raise ValueError("no")

    with pytest.raises(FormatError, match="at least one window"):
        run(cubes, broken, LAYERS, tmp_path, window=64)
    assert list(tmp_path.iterdir()) == []


def test_what_swath_refuses_is_not_tried_again(cubes, tmp_path):
    calls = []

    def refuse(batch):
        calls.append(1)
        raise SwathError(rule="no", got="this", remedy="that")

    with pytest.raises(SwathError, match="no; got this"):
        run(cubes, refuse, LAYERS, tmp_path, window=256, workers=1)
    assert len(calls) <= 2


def test_an_answer_of_another_size_or_name_is_refused(cubes, tmp_path):
    with pytest.raises(GridError, match="has the shape"):
        run(cubes, lambda b: {"a": np.zeros((1, 1, 3, 3), "float32")}, ONE, tmp_path)
    with pytest.raises(SwathError, match="gives every layer"):
        run(cubes, lambda b: {"b": 0}, ONE, tmp_path, restart=True)


def test_cubes_on_different_grids_are_refused(tmp_path):
    with pytest.raises(GridError, match="share one grid"):
        run({"a": scene(10, 10), "b": scene(11, 10)}, neighbours, LAYERS, tmp_path)


def test_calling_it_off_keeps_what_is_done_and_the_same_call_goes_on(cubes, tmp_path):
    reference = tmp_path / "reference"
    run(cubes, neighbours, LAYERS, reference, reach=2, window=32)
    calls = []

    def count(batch):
        calls.append(batch.key)
        return neighbours(batch)

    def stop(done, total, what):
        if done >= 10:
            raise Cancelled

    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        run(cubes, count, LAYERS, out, reach=2, window=32, progress=stop)
    assert not (out / "classes.tif").exists()
    ran = run(cubes, count, LAYERS, out, reach=2, window=32)
    assert ran.resumed >= 10
    assert len(calls) == len(set(calls))
    for name in ("classes.tif", "probability.tif"):
        assert (out / name).read_bytes() == (reference / name).read_bytes()


def test_the_rest_of_other_parameters_is_refused_and_kept(cubes, tmp_path):
    def stop(done, total, what):
        if done >= 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(cubes, neighbours, LAYERS, tmp_path, window=64, fingerprint={"trees": 100}, progress=stop)
    with pytest.raises(OutputError, match="same parameters"):
        run(cubes, neighbours, LAYERS, tmp_path, window=64, fingerprint={"trees": 200})
    assert run(cubes, neighbours, LAYERS, tmp_path, window=64, fingerprint={"trees": 100}).resumed >= 3


def test_a_fresh_start_may_be_asked_for(cubes, tmp_path):
    def stop(done, total, what):
        if done >= 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(cubes, neighbours, LAYERS, tmp_path, window=64, fingerprint=1, progress=stop)
    assert run(cubes, neighbours, LAYERS, tmp_path, window=64, fingerprint=2, restart=True).resumed == 0


def test_progress_counts_to_the_end(cubes, tmp_path):
    told = []
    run(cubes, neighbours, LAYERS, tmp_path, window=64, progress=lambda *a: told.append(a))
    mapping = [(done, total) for done, total, what in told if what == "mapping"]
    assert mapping == sorted(mapping)
    assert mapping[-1] == (25, 25)
