"""`swath train --family deco` and what maps, fills and forecasts with its file."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

import swath
from swath.cube import contract
from swath.cube.save_zarr import save_zarr
from swath.datasets import double_logistic as made
from swath.errors import BandError, FormatError, LabelError, SwathError

pytest.importorskip("torch")
from swath import models
from swath.predict import told
from swath.predict.run import run
from swath.tools import taught, taught_judge

SIDE, PATCH = 48, 6
EAST, NORTH = 500_000, 5_100_000


@pytest.fixture(scope="module", autouse=True)
def small():
    """Few pixels and trees: what is tested is no matter of how good it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taught, "POOL", 100)
        patch.setattr(taught_judge, "TREES", 30)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A made cube of NDVI on 18 common dates, fields of 6 pixels, clouds as missing values; labels of a tenth."""
    folder = tmp_path_factory.mktemp("series")
    fields = (SIDE // PATCH) ** 2
    season = made.seasons(fields, 5, dates=18)
    field = np.arange(SIDE)[:, None] // PATCH * (SIDE // PATCH) + np.arange(SIDE)[None] // PATCH
    day = np.round(season.day.mean(0))
    rng = np.random.default_rng(0)
    curve = np.stack([np.interp(day, season.day[i], season.truth[i]) for i in range(fields)])
    values = (curve[field].transpose(2, 0, 1) + rng.normal(0, 0.03, (18, SIDE, SIDE))).astype(np.float32)
    values[rng.random((18, SIDE // 8, SIDE // 8)).repeat(8, 1).repeat(8, 2) < 0.3] = np.nan
    box = GeoBox((SIDE, SIDE), Affine(10, 0, EAST, 0, -10, NORTH), "EPSG:32633")
    when = day.astype("datetime64[D]").astype("datetime64[ns]")
    cube = contract.make(values[:, None], bands=["NDVI"], geobox=box, time=when, quantity="index", units="1",
                         attrs={"simulated": "yes"})  # fmt: skip
    save_zarr(cube, folder / "cube.zarr")
    r, c = rng.integers(0, SIDE, (2, 200))
    names = [made.CLASSES[k] for k in season.target[field[r, c]]]
    points = gpd.points_from_xy(EAST + 10 * (c + 0.5), NORTH - 10 * (r + 0.5))
    gpd.GeoDataFrame({"label": names}, geometry=points, crs="EPSG:32633").to_file(folder / "points.gpkg")
    return folder


@pytest.fixture(scope="module")
def trained(world):
    return swath.train(
        [str(world / "cube.zarr")],
        labels=str(world / "points.gpkg"),
        family="deco",
        epochs=1,
        out=world / "m.safetensors",
    )


def test_one_file_is_judged_in_places_left_out_beside_simple_methods(trained):
    said = {(t, m) for t, m, _, _ in trained.rows}
    assert {("crop", "decoder"), ("crop", "random forest on the series"), ("crop", "majority")} <= said
    assert any(t == "fill" and m == "linear in time" for t, m in said)
    assert any(t == "forecast" and m == "last clear value" for t, m in said)
    assert all(e.simulated for _, _, _, e in trained.rows)
    words = " ".join(trained.notes)
    assert "3 folds of" in words
    assert "by a decoder that saw earlier dates alone" in words
    assert "expected calibration error" in words
    assert "decoder is" in trained.verdict
    assert trained.to_json()["tasks"] == ["crop", "forecast", "fill"]
    assert "random forest on the series" in str(trained)


def test_the_file_carries_its_facts(trained):
    model = models.load(trained.out)
    assert model.facts.model == "deco"
    assert model.facts.simulated
    assert model.vocabulary.tasks == ("crop", "forecast", "impute")
    assert set(model.vocabulary.spaces["points"]) == set(made.CLASSES)
    kept = told.load(trained.out)
    assert kept.sensors[0].bands[0].quantity == "index"
    assert kept.facts["inputs"][0].startswith("folder:")
    assert len(kept.evidence.x) == len(kept.evidence.y) == len(kept.evidence.oof)


def test_the_map_is_the_same_with_any_window_and_goes_on_where_it_stopped(trained, world, tmp_path):
    import rasterio

    opened = swath.open(str(world / "cube.zarr"))
    cubes = {"scene": opened}
    model = told.load(trained.out)
    layers = [swath.cube.blocks.Layer(name="p", dtype="float32", nodata=float("nan"), bands=tuple(model.classes))]

    def paint(batch):
        return {"p": model(batch)["probability"]}

    answers = []
    for window in (32, 64, 128):
        ran = run(cubes, paint, layers, tmp_path / str(window), window=window)
        with rasterio.open(ran.paths["p"]) as file:
            answers.append(file.read())
    for other in answers[1:]:
        np.testing.assert_array_equal(answers[0], other)
    calls = []

    def broken(batch):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return paint(batch)

    with pytest.raises(KeyboardInterrupt):
        run(cubes, broken, layers, tmp_path / "again", window=32, workers=1)
    ran = run(cubes, paint, layers, tmp_path / "again", window=32, workers=1)
    assert ran.resumed
    with rasterio.open(ran.paths["p"]) as file:
        np.testing.assert_array_equal(file.read(), answers[0])


def test_the_verb_maps_with_it_and_says_what_it_is(trained, world, tmp_path):
    result = swath.map(
        [str(world / "cube.zarr")], model=trained.out, truth=str(world / "points.gpkg"), out=tmp_path / "map"
    )
    assert "decoder over series" in result.chosen
    assert result.accuracy.simulated
    assert {"classes.tif", "doubt.tif", "report.html", "run.json"} <= set(result.files)


def test_the_same_file_fills_and_forecasts(trained, world):
    from swath.baseline.forecast import Series

    model = models.load(trained.out)
    cube = swath.open(str(world / "cube.zarr"))
    values = cube.values[:, 0].reshape(18, -1).T[:50, :, None].astype(np.float32)
    day = cube.time.values.astype("datetime64[D]").astype(float)
    s = Series(values, np.isfinite(values), np.tile(day, (50, 1)), np.zeros(50, "U1"), contract.bands_of(cube))
    asked = np.zeros((50, 18), bool)
    asked[:, 9] = True
    filled, ahead = model.fill(s, asked), model.forecast(s, day[-1] + np.array([10.0, 20.0]), draws=5)
    assert np.isfinite(filled.value[:, 9]).all()
    assert ahead.draws is not None
    assert ahead.draws.shape == (5, 50, 2, 1)


def test_again_gives_the_same_file(trained, world, tmp_path):
    found = swath.again(str(world / "m.safetensors.run.json"), out=tmp_path / "second")
    assert found.same == ("m.safetensors",)


def test_values_alone_are_learned_without_labels_and_never_map(world, tmp_path):
    result = swath.train(
        [str(world / "cube.zarr")], family="deco", task=["fill"], epochs=1, out=tmp_path / "f.safetensors"
    )
    assert result.tasks == ("fill",)
    assert not any(t == "crop" for t, *_ in result.rows)
    with pytest.raises(SwathError, match="the task crop; it knows the tasks impute"):
        swath.map([str(world / "cube.zarr")], model=result.out, out=tmp_path / "map")


def test_what_does_not_fit_is_refused_in_one_line(trained, world, tmp_path):
    cube, points = str(world / "cube.zarr"), str(world / "points.gpkg")
    with pytest.raises(LabelError, match="--task crop without --labels"):
        swath.train([cube], family="deco", task=["crop"], out=tmp_path / "x.safetensors")
    with pytest.raises(SwathError, match="tasks are crop, forecast, fill, translate; got guess"):
        swath.train([cube], labels=points, family="deco", task=["guess"], out=tmp_path / "x.safetensors")
    with pytest.raises(SwathError, match="families are encoder and deco"):
        swath.train([cube], labels=points, family="rnn", out=tmp_path / "x.safetensors")
    with pytest.raises(SwathError, match="--curve with deco"):
        swath.train([cube], labels=points, family="deco", curve=True, out=tmp_path / "x.safetensors")
    with pytest.raises(SwathError, match="deco:nano"):
        swath.train([cube], labels=points, family="deco:huge", out=tmp_path / "x.safetensors")
    with pytest.raises(SwathError, match="two sensors"):
        swath.train([cube], labels=points, family="deco", task=["translate"], out=tmp_path / "x.safetensors")
    with pytest.raises(LabelError, match="none"):
        swath.train([cube], out=tmp_path / "x.safetensors")
    one = swath.open(cube)
    other = contract.make(
        one.values, bands=["EVI"], geobox=contract.grid(one), time=one.time.values, quantity="index", units="1"
    )
    with pytest.raises(BandError, match="NDVI"):
        swath.map([other], model=trained.out, out=tmp_path / "map")
    still = contract.make(one.values[0], bands=["NDVI"], geobox=contract.grid(one), quantity="index", units="1")
    with pytest.raises(FormatError, match="dates"):
        swath.train([still], labels=points, family="deco", out=tmp_path / "x.safetensors")


def test_a_file_judged_on_what_it_was_trained_on_is_warned_of(trained, world, tmp_path):
    found = swath.fill([str(world / "cube.zarr")], model=trained.out, out=tmp_path / "filled")
    assert any("its errors here are too good" in n for n in found.notes)
    assert "deco" in str(found)
