from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest

import swath
from swath.cube import contract
from swath.cube.save import save
from swath.datasets import toy
from swath.errors import BandError, FormatError, LabelError, OutputError, SwathError, UnitError
from swath.predict import solved
from swath.tools.train import train

pytest.importorskip("torch")
SIZE = 64
EAST, NORTH = 500_000, 5_100_000


def moved(cube, number, bands=None):
    """The made world on a ground of its own, its first bands alone if asked."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    cube = cube if bands is None else cube.isel(band=slice(0, bands))
    box = GeoBox(cube.shape[-2:], Affine(10, 0, EAST + 20_000 * number, 0, -10, NORTH), "EPSG:32633")
    about = {k: list(cube.coords[k].values) for k in ("wavelength", "fwhm", "gsd", "quantity", "units")}
    names = [str(b) for b in cube.coords["band"].values]
    when = cube.coords["time"].values
    return contract.make(cube.values, bands=names, geobox=box, time=when, sensor=cube.attrs["sensor"], **about)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three made worlds, two dates each; labels of the first two, truth of the third; classes merged to three."""
    folder = tmp_path_factory.mktemp("train")
    when = np.array(["2021-05-10", "2021-08-20"], "datetime64[ns]")
    labels, truth = [], []
    for n in (1, 2, 3):
        place = toy.world(n, SIZE)
        cube, known = toy.view(place, "sentinel-2a-l2a", when, cloud=0.0, seed=n)
        for i, day in enumerate(when):
            save(moved(cube.isel(time=[i]), n), folder / f"w{n}_S2A_{str(day)[:10].replace('-', '')}.tif")
        rng = np.random.default_rng(n)
        r, c = rng.integers(0, SIZE, (2, 90))
        x, y = EAST + 20_000 * n + 10 * (c + 0.5), NORTH - 10 * (r + 0.5)
        kind = known.classes[-1][r, c] % 3
        height = 10.0 * cube.values[0, 7, r, c] + 1
        frame = gpd.GeoDataFrame(
            {"label": [f"kind {v}" for v in kind], "height": height},
            geometry=gpd.points_from_xy(x, y),
            crs="EPSG:32633",
        )
        (truth if n == 3 else labels).append(frame)
    import pandas as pd

    pd.concat(labels)[["label", "geometry"]].to_file(folder / "labels.gpkg")
    pd.concat(labels)[["height", "geometry"]].to_file(folder / "heights.gpkg")
    truth[0][["label", "geometry"]].to_file(folder / "truth.gpkg")
    return folder


def files(folder, *numbers):
    return [str(p) for n in numbers for p in sorted(folder.glob(f"w{n}_*.tif"))]


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    """A frozen head on patch statistics."""
    out = tmp_path_factory.mktemp("model") / "m.safetensors"
    return train(files(world, 1, 2), labels=str(world / "labels.gpkg"), encoder="statistics", out=out, simulated=True)


def test_one_file_holds_the_model_and_every_fact(trained):
    model = solved.load(trained.out)
    assert model.classes == ["kind 0", "kind 1", "kind 2"]
    assert model.facts["encoder"] == "statistics"
    assert model.facts["dates"] == ["2021-05-10", "2021-08-20"]
    assert model.facts["swath"] == swath.__version__
    assert model.sensors[0].sensor == "sentinel-2a-l2a"
    assert model.sensors[0].bands[0].quantity == "reflectance"
    assert dict(model.candidates)["frozen head on statistics"].value == trained.accuracy.value
    from safetensors import safe_open

    with safe_open(trained.out, framework="np") as file:
        assert {"head.weight", "head.offset", "evidence.x"} <= set(file.keys())


def test_the_accuracy_is_of_places_left_out_beside_majority_and_a_forest(trained):
    names = [n for n, _ in trained.beside]
    assert names == ["majority", "random forest on bare pixels"]
    assert trained.accuracy.simulated
    assert "places" in trained.accuracy.method
    assert trained.accuracy.low < trained.accuracy.value < trained.accuracy.high
    assert dict(trained.gains)["majority"].value == pytest.approx(
        trained.accuracy.value - dict(trained.beside)["majority"].value, abs=0.02
    )
    assert "forest on bare pixels" in trained.verdict
    assert trained.verdict in str(trained)


def test_the_curve_has_nested_shares_a_table_and_a_picture(world, tmp_path, monkeypatch):
    from swath.tools import contest

    monkeypatch.setattr(contest, "SEEDS", 2)
    monkeypatch.setattr(contest, "CURVE_TREES", 8)
    made = train(files(world, 1), labels=str(world / "labels.gpkg"), encoder="statistics", curve=True, simulated=True,
                 out=tmp_path / "m.safetensors")  # fmt: skip
    assert sorted({r["share"] for r in made.curve}) == [0.01, 0.03, 0.1, 0.3, 1.0]
    assert len((tmp_path / "m.curve.csv").read_text().splitlines()) == 11
    assert (tmp_path / "m.curve.png").read_bytes()[:4] == b"\x89PNG"
    assert "10 %" in str(made)


def test_the_model_maps_another_ground_and_date_and_again_gives_the_same_bytes(world, trained, tmp_path):
    result = swath.map(
        files(world, 3), model=trained.out, truth=str(world / "truth.gpkg"), out=tmp_path / "map", simulated=True
    )
    assert result.kind == "class"
    assert result.accuracy.value > 0.4
    assert {"classes.tif", "probability.tif", "doubt.tif", "report.html", "assessment.json"} <= set(result.files)
    assert "frozen head on statistics" in (tmp_path / "map" / "report.html").read_text()
    one_date = swath.map(files(world, 3)[:1], model=trained.out, out=tmp_path / "one")
    assert one_date.failed == 0
    found = swath.again(tmp_path / "one", out=tmp_path / "two")
    assert not found.different, found


def test_training_again_gives_the_same_bytes(trained, tmp_path):
    found = swath.again(trained.out + ".run.json", out=tmp_path / "again")
    assert not found.different, found


def test_windows_do_not_change_what_the_model_says(world, trained):
    from swath.sample.window import read
    from swath.tools.scenes import Reading, open_scenes

    model = solved.load(trained.out)
    cubes = open_scenes(files(world, 3), Reading()).cubes
    whole = model(read(cubes, slice(0, SIZE), slice(0, SIZE)))["probability"]
    core, reach = model.planes.core, model.reach
    assert reach % core == 0
    for top in range(0, SIZE, core):
        rows = slice(max(0, top - reach), min(SIZE, top + core + reach))
        part = model(read(cubes, rows, slice(0, SIZE)))["probability"]
        mine = part[:, :, top - rows.start : top - rows.start + core]
        np.testing.assert_array_equal(mine, whole[:, :, top : top + core])


def test_other_sensors_bands_and_units_are_refused_with_the_list(world, trained, tmp_path):
    when = np.array(["2021-05-10"], "datetime64[ns]")
    cube, _ = toy.view(toy.world(3, SIZE), "sentinel-2a-l2a", when, cloud=0.0, seed=3)
    with pytest.raises(BandError, match="missing B"):
        swath.map([moved(cube, 3, bands=4)], model=trained.out, out=tmp_path / "x")
    other = moved(cube, 3)
    other = contract.make(
        other.values, bands=list(other.band.values.astype(str)), geobox=contract.grid(other), time=when,
        quantity="toa_reflectance", sensor="sentinel-2a-l2a",
    )  # fmt: skip
    with pytest.raises(UnitError, match="toa_reflectance"):
        swath.map([other], model=trained.out, out=tmp_path / "x")
    radar, _ = toy.view(toy.world(3, SIZE), "sentinel-1-grd", when, seed=3)
    with pytest.raises(BandError, match="sentinel-2a-l2a"):
        swath.map([moved(radar, 3)], model=trained.out, out=tmp_path / "x")
    with pytest.raises(BandError, match="of the first"):
        train([*files(world, 1), moved(cube, 2, bands=4)], labels=str(world / "labels.gpkg"), encoder="statistics",
              out=tmp_path / "m.safetensors")  # fmt: skip


def test_what_is_no_model_is_refused_in_a_line(trained, world, tmp_path):
    from pathlib import Path

    from swath.models import weights

    whole = Path(trained.out).read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="swath train"):
        solved.load(tmp_path / "half.safetensors")
    weights.write(tmp_path / "w.safetensors", {}, weights.Facts("tiny", {}))
    with pytest.raises(FormatError, match="--weights"):
        swath.map(files(world, 3), model=tmp_path / "w.safetensors", out=tmp_path / "x")
    with pytest.raises(OutputError, match="safetensors"):
        train(files(world, 1), labels=str(world / "labels.gpkg"), encoder="statistics", out=tmp_path / "m.pt")
    with pytest.raises(LabelError):
        train(files(world, 3), labels=str(world / "labels.gpkg"), encoder="statistics", out=tmp_path / "m.safetensors")
    assert not list(tmp_path.glob("m.*"))


def test_grounds_with_other_dates_learn_together(world, tmp_path):
    made = train([*files(world, 1), *files(world, 2)[:1]], labels=str(world / "labels.gpkg"), encoder="statistics",
                 out=tmp_path / "m.safetensors", simulated=True)  # fmt: skip
    assert dict(made.beside)["random forest on bare pixels"].value > 0.5
    assert solved.load(made.out).facts["labels"] > 150


def test_numbers_are_learned_too(world, tmp_path):
    result = train(files(world, 1, 2), labels=str(world / "heights.gpkg"), encoder="statistics", kind="number",
                   out=tmp_path / "h.safetensors", simulated=True)  # fmt: skip
    assert result.kind == "number"
    assert result.accuracy.value > 0.3
    mapped = swath.map(files(world, 3), model=result.out, out=tmp_path / "map")
    assert "value.tif" in mapped.files


def test_fine_tuning_moves_the_network_and_leaves_the_one_given_alone(world, tmp_path):
    from swath.models import load

    before = {k: v.clone() for k, v in load("tiny").state_dict().items()}
    result = train(files(world, 1), labels=str(world / "labels.gpkg"), encoder="tiny", fine_tune=True, epochs=1,
                   out=tmp_path / "m.safetensors", simulated=True)  # fmt: skip
    assert result.beside[0][0] == "frozen head"
    assert "fine-tuning" in result.verdict
    model = solved.load(result.out)
    after = model.planes.encoder.state_dict()
    assert any(not np.array_equal(after[k], before[k]) for k in before)
    assert len(model.facts["weights"]) == 64
    assert model.facts["tuned"]
    assert swath.map(files(world, 3)[:1], model=result.out, out=tmp_path / "map").failed == 0


def test_unlabelled_scenes_go_on_with_the_masked_training_or_are_refused(world, tmp_path):
    result = train(files(world, 1), labels=str(world / "labels.gpkg"), encoder="tiny", unlabelled=files(world, 3),
                   out=tmp_path / "m.safetensors", simulated=True)  # fmt: skip
    assert any("masked training went on" in n for n in result.notes)
    with pytest.raises(SwathError, match="says hidden values"):
        train(files(world, 1), labels=str(world / "labels.gpkg"), encoder="statistics", unlabelled=files(world, 3),
              out=tmp_path / "x.safetensors")  # fmt: skip


@pytest.mark.slow
def test_a_maps_model_knows_the_sha256_of_its_encoder(world, tmp_path):
    swath.map(files(world, 1), labels=str(world / "labels.gpkg"), encoder="swath-tiny", fast=True, out=tmp_path / "a")
    record = json.loads((tmp_path / "a" / "model" / "model.json").read_text())
    from swath.models import WEIGHTS

    assert record["encoder"]["weights"] == WEIGHTS["tiny"][1]
    again = swath.map(files(world, 3), model=tmp_path / "a" / "model", out=tmp_path / "b")
    assert again.failed == 0, "the encoder is found by its name"
    with pytest.raises(FormatError, match="sha256"):
        swath.map(files(world, 3), model=tmp_path / "a" / "model", encoder="random:tiny", out=tmp_path / "c")
