"""`swath stress` from the outside: a map, its scenes made worse, and what came of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import swath
from swath.bench import robust
from swath.bench.robust import Table
from swath.errors import SwathError

SPECTRA = {"field": (0.06, 0.09, 0.08, 0.35), "forest": (0.02, 0.04, 0.03, 0.25), "water": (0.04, 0.03, 0.02, 0.01)}


def truth_of(size: tuple[int, int], shift: int = 0) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]] + shift
    return 1 + ((np.sin(x / 13.0) + np.cos(y / 11.0) + np.sin((x + y) / 23.0)) * 1.2).round().astype(int) % 3


def written(path: Path, truth: np.ndarray, *, seed: int = 0, crs: str | None = "EPSG:32633") -> Path:
    rng = np.random.default_rng(seed)
    values = np.array(list(SPECTRA.values()), np.float32)[truth - 1].transpose(2, 0, 1)
    stored = np.clip(np.rint((values + rng.normal(0, 0.02, values.shape)) * 10_000), 1, 30_000).astype(np.int16)
    stored[:, :9, :7] = -9999
    where = from_origin(500_000, 5_000_000, 10, 10) if crs else rasterio.Affine.identity()
    form: dict[str, Any] = {"driver": "GTiff", "width": truth.shape[1], "height": truth.shape[0], "dtype": "int16"}
    with rasterio.open(path, "w", count=4, crs=crs, transform=where, nodata=-9999, **form) as file:
        file.write(stored)
        file.descriptions = ("B02", "B03", "B04", "B08")
        file.scales = (0.0001,) * 4
        file.update_tags(swath="0", sensor="sentinel-2a-l2a")
        for band in range(1, 5):
            file.update_tags(band, quantity="reflectance", units="1")
    return path


def raster(path: Path, codes: np.ndarray, crs: str | None = "EPSG:32633") -> Path:
    where = from_origin(500_000, 5_000_000, 10, 10) if crs else rasterio.Affine.identity()
    form: dict[str, Any] = {
        "driver": "GTiff",
        "width": codes.shape[1],
        "height": codes.shape[0],
        "dtype": codes.dtype.name,
    }
    with rasterio.open(path, "w", count=1, crs=crs, transform=where, **form) as file:
        file.write(codes, 1)
        if codes.dtype == np.uint8:
            file.update_tags(**{f"class_{i}": n for i, n in enumerate(SPECTRA, 1)})
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A map of the left part's labels, its scene, and truth of the right part."""
    folder = tmp_path_factory.mktemp("stress")
    truth = truth_of((128, 160))
    scene = written(folder / "scene.tif", truth)
    rng = np.random.default_rng(1)
    labels, check = np.zeros(truth.shape, np.uint8), np.zeros(truth.shape, np.uint8)
    at = rng.permutation(128 * 80)[:300]
    labels[at // 80, at % 80] = truth[at // 80, at % 80]
    labels[:9, :7] = 0
    check[:, 88:] = truth[:, 88:]
    marked, held = raster(folder / "labels.tif", labels), raster(folder / "truth.tif", check)
    swath.map([str(scene)], labels=str(marked), truth=str(held), out=str(folder / "out"), fast=True)
    return folder / "out", scene, held


@pytest.fixture(scope="module")
def ran(made: tuple[Path, Path, Path]) -> Any:
    out = made[0].parent / "stress"
    only = ["gaussian_noise", "haze", "gaps", "rotate", "missing_bands", "missing_dates", "sensor_swap"]
    return swath.stress(str(made[0]), out=str(out), only=only, levels=["1", "5"])


def test_a_run_tells_scenes_and_truth_and_the_undamaged_score_is_the_maps(made: Any, ran: Any) -> None:
    accuracy = json.loads((made[0] / "assessment.json").read_text())["accuracy"]["value"]
    assert ran.clean.value == pytest.approx(accuracy, abs=0.01)
    assert ran.reference == "truth"
    assert set(ran.drops) == {"gaussian_noise", "haze", "gaps", "rotate", "missing_bands", "sensor_swap"}
    record = json.loads((Path(ran.out) / "stress.json").read_text())
    assert "two dates" in record["not_tried"]["missing_dates"]
    assert {"heatmap.png", "curves.png", "classes.png", "examples.png", "report.html", "run.json"} <= set(ran.files)
    assert "swath-" not in str(ran)
    page = (Path(ran.out) / "report.html").read_text()
    assert "Which class breaks first" in page
    assert page.count("data:image/png;base64,") == 4


def test_worse_pictures_cost_more_and_gaps_give_no_answer(ran: Any) -> None:
    curves = {c["corruption"]: c for c in json.loads((Path(ran.out) / "stress.json").read_text())["curves"]}
    assert curves["gaussian_noise"]["drop"][1]["value"] > curves["gaussian_noise"]["drop"][0]["value"] - 0.01
    assert 0.15 < curves["gaps"]["silent"][1] < 0.45
    assert curves["gaps"]["drop"][1]["value"] == pytest.approx(curves["gaps"]["silent"][1], abs=0.08)
    assert abs(curves["rotate"]["drop"][1]["value"]) < 0.02
    assert curves["rotate"]["flipped"][1]["value"] < 0.05
    assert all(c["flipped"][0]["value"] <= c["flipped"][1]["value"] for n, c in curves.items() if n != "rotate")


def test_the_saved_table_gives_the_reports_numbers_again(ran: Any) -> None:
    record = json.loads((Path(ran.out) / "stress.json").read_text())
    table = Table.from_json(record["items"])
    again = robust.mean_drop(table, record["mean_of"])
    assert again.to_json() == record["mean_drop"]
    even = robust.mean_drop(replace(table, measure="balanced"), record["mean_of"])
    assert even.to_json() == record["mean_drop_balanced"]
    for c in record["curves"]:
        found = [robust.mean_drop(table, [c["corruption"]], [v]).to_json() for v in c["levels"]]
        assert found == c["drop"]


def test_the_same_run_gives_the_same_bytes(ran: Any, made: Any) -> None:
    again = swath.again(str(ran.out), out=str(made[0].parent / "again"))
    assert not again.different
    assert "stress.json" in again.same


def test_labels_of_the_model_itself_are_judged_by_models_without_their_fold(made: Any, tmp_path: Path) -> None:
    folder, scene, _ = made
    labels = folder.parent / "labels.tif"
    found = swath.stress(
        str(folder / "model"), [str(scene)], labels=str(labels), out=str(tmp_path / "s"), only=["haze"], levels=["3"]
    )
    assert any("without its fold" in n for n in found.notes)
    assert 0.5 < found.clean.value <= 1.0


def test_without_any_reference_the_clean_answers_judge(made: Any, tmp_path: Path) -> None:
    found = swath.stress(
        str(made[0] / "model"), [str(made[1])], out=str(tmp_path / "s"), only=["translate", "haze"], levels=["5"]
    )
    assert found.reference == "own"
    assert found.clean.value == 1.0
    assert found.drops["translate"].value < 0.05 < found.drops["haze"].value
    assert any("not error" in n for n in found.notes)


def test_a_large_scene_is_tried_in_windows_around_its_truth(made: Any, tmp_path: Path) -> None:
    truth = truth_of((300, 700), shift=40)
    scene = written(tmp_path / "wide.tif", truth, seed=5)
    check = np.zeros(truth.shape, np.uint8)
    check[20:60, 560:680] = truth[20:60, 560:680]
    check[200:280, 10:70] = truth[200:280, 10:70]
    held = raster(tmp_path / "check.tif", check)
    plan = swath.stress(str(made[0] / "model"), [str(scene)], truth=str(held), plan=True, only=["haze"])
    assert plan.windows == 2
    assert plan.pixels < 0.8 * truth.size
    found = swath.stress(
        str(made[0] / "model"), [str(scene)], truth=str(held), out=str(tmp_path / "s"), only="scale", levels="2"
    )
    assert found.clean.value > 0.8
    assert abs(found.drops["scale"].value) < 0.25


def test_a_map_of_numbers_loses_r2(tmp_path: Path) -> None:
    truth = truth_of((96, 96))
    scene = written(tmp_path / "scene.tif", truth)
    numbers = np.full(truth.shape, np.nan, np.float32)
    rng = np.random.default_rng(2)
    at = rng.permutation(96 * 96)[:240]
    height = np.array([3.0, 20.0, 0.0])[truth - 1] + rng.normal(0, 1, truth.shape)
    numbers[at // 96, at % 96] = height[at // 96, at % 96]
    numbers[:9, :7] = np.nan
    labels = raster(tmp_path / "height.tif", numbers)
    swath.map([str(scene)], labels=str(labels), kind="number", out=str(tmp_path / "out"), fast=True)
    found = swath.stress(
        str(tmp_path / "out"), out=str(tmp_path / "s"), only=["clouds", "gaussian_blur"], levels=["1", "5"]
    )
    assert found.clean.value > 0.7
    assert found.drops["clouds"].value > 0.1
    record = json.loads((tmp_path / "s" / "stress.json").read_text())
    assert record["items"]["measure"] == "r2"
    assert Table.from_json(record["items"]).kind == "number"
    with pytest.raises(SwathError, match="judged by numbers"):
        swath.stress(str(tmp_path / "out" / "model"), [str(scene)])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "nothing"}, "no file or folder"),
        ({"only": ["rain"]}, "corruptions are"),
        ({"levels": ["7"]}, "levels are 1 to 5"),
        ({"truth": "a.tif", "labels": "b.tif"}, "one reference judges"),
        ({"only": ["missing_dates"]}, "two dates"),
        ({"scenes": ["nowhere.tif"]}, "nowhere.tif"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    made: Any, tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    told = {"model": str(made[0]), "out": str(tmp_path / "s"), **arguments}
    with pytest.raises(SwathError, match=words) as refused:
        swath.stress(**told)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "s").exists()


def test_a_published_classifier_of_windows_is_judged_by_its_clean_zones(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = swath.stress(
        "sen2lcz", [str(shared / "terramind" / "S2L1C" / "637U_59R_1_3.tif")], offset=0, sensor="sentinel-2-l1c",
        weights=str(shared / "weights" / "sen2lcz" / "sen2lcz_32.hdf5"), out=str(tmp_path / "s"), only=["haze", "gaps"],
        levels=["3"],
    )  # fmt: skip
    assert found.reference == "own"
    assert found.drops["gaps"].value == 1.0
    assert 0 < found.drops["haze"].value < 1
