"""The main job from the outside: a scene and a few labels in, a map that can be checked out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import swath
from swath.errors import BandError, LabelError, SwathError

CLASSES = ("field", "forest", "water")
SPECTRA = {"field": (0.06, 0.09, 0.08, 0.35), "forest": (0.02, 0.04, 0.03, 0.25), "water": (0.04, 0.03, 0.02, 0.01)}


def made_truth(size: int = 160) -> np.ndarray:
    """Patches of three classes, coded 1..3, that do not follow the 16-px blocks."""
    y, x = np.mgrid[:size, :size]
    return 1 + ((np.sin(x / 13.0) + np.cos(y / 11.0) + np.sin((x + y) / 23.0)) * 1.2).round().astype(int) % 3


def made_scene(
    path: Path, truth: np.ndarray, *, seed: int = 0, noise: float = 0.02, crs: str | None = "EPSG:32633"
) -> Path:
    """A reflectance scene of four named bands with a corner of no data."""
    random = np.random.default_rng(seed)
    spectra = np.array([SPECTRA[c] for c in CLASSES], np.float32)
    values = spectra[truth - 1].transpose(2, 0, 1) + random.normal(0, noise, (4, *truth.shape)).astype(np.float32)
    stored = np.clip(np.rint(values * 10_000), 1, 30_000).astype(np.int16)
    stored[:, :9, :7] = -9999
    where = from_origin(500_000, 5_000_000, 10, 10)
    form = {
        "driver": "GTiff",
        "width": truth.shape[1],
        "height": truth.shape[0],
        "count": 4,
        "dtype": "int16",
        "nodata": -9999,
    }
    with rasterio.open(
        path, "w", crs=crs, transform=where if crs else rasterio.Affine.identity(), tiled=True, **form
    ) as file:
        file.write(stored)
        file.descriptions = ("B02", "B03", "B04", "B08")
        file.scales, file.offsets, file.units = (0.0001,) * 4, (0.0,) * 4, ("1",) * 4
        file.update_tags(swath="0", sensor="sentinel-2a-l2a")
        for band in range(1, 5):
            file.update_tags(band, quantity="reflectance", units="1")
    return path


def made_labels(path: Path, truth: np.ndarray, *, per_class: int = 25, seed: int = 1, column: str = "label") -> Path:
    """Points in UTM of each class, as GeoJSON with the CRS said."""
    random = np.random.default_rng(seed)
    features = []
    for code, name in enumerate(CLASSES, 1):
        rows, columns = np.nonzero(truth[12:, 12:] == code)
        for i in random.choice(len(rows), min(per_class, len(rows)), replace=False):
            xy = [500_000 + 10 * (columns[i] + 12.5), 5_000_000 - 10 * (rows[i] + 12.5)]
            features.append(
                {"type": "Feature", "properties": {column: name}, "geometry": {"type": "Point", "coordinates": xy}}
            )
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, Any]:
    """One map, shared by the tests that look at it."""
    folder = tmp_path_factory.mktemp("map")
    truth = made_truth()
    scene, labels = made_scene(folder / "scene.tif", truth), made_labels(folder / "labels.geojson", truth)
    return folder, truth, swath.map([str(scene)], labels=str(labels), out=str(folder / "out"), seed=3)


def strict(path: Path) -> Any:
    """JSON without NaN or Infinity."""

    def refuse(name: str) -> float:
        raise AssertionError(f"{name} in {path.name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_map_is_right_nearly_everywhere_and_keeps_the_grid(run: tuple[Path, np.ndarray, Any]) -> None:
    folder, truth, _ = run
    with rasterio.open(folder / "out/classes.tif") as made, rasterio.open(folder / "scene.tif") as scene:
        classes = made.read(1)
        assert made.dtypes == ("uint8",)
        assert made.nodata == 0
        assert (made.crs, made.transform, made.shape) == (scene.crs, scene.transform, scene.shape)
        assert made.colormap(1)[1] != made.colormap(1)[2]
    assert (classes[:9, :7] == 0).all()
    assert (classes != 0).sum() == truth.size - 63
    assert (classes == truth)[classes != 0].mean() > 0.9


def test_probability_and_doubt_have_the_promised_form(run: tuple[Path, np.ndarray, Any]) -> None:
    folder, _, _ = run
    with rasterio.open(folder / "out/probability.tif") as file:
        assert file.descriptions == CLASSES
        assert set(file.dtypes) == {"uint8"}
        assert file.nodata == 255
        assert file.scales == (0.004,) * 3
        values = file.read()
    inside = values[0] != 255
    assert np.abs(values[:, inside].sum(0) * 0.004 - 1).max() < 0.01
    with rasterio.open(folder / "out/doubt.tif") as file:
        assert file.descriptions == ("set_size", "outside")
        size, outside = file.read()
    assert (size[inside] <= 3).all()
    assert (size[~inside] == 255).all()
    assert set(np.unique(outside[inside])) <= {0, 1}


def test_the_assessment_says_everything_in_strict_json(run: tuple[Path, np.ndarray, Any]) -> None:
    folder, _, result = run
    record = strict(folder / "out/assessment.json")
    assert record["design"] == "none"
    assert 0.8 < record["accuracy"]["value"] <= 1
    assert record["accuracy"]["low"] < record["accuracy"]["value"]
    assert "not design-based" in record["accuracy"]["method"]
    assert [c["name"] for c in record["classes"]] == list(CLASSES)
    assert [c["code"] for c in record["classes"]] == [1, 2, 3]
    assert all(c["area"]["low"] is None and c["area"]["reason"] for c in record["classes"])
    assert sum(c["area"]["value"] for c in record["classes"]) == pytest.approx((160 * 160 - 63) * 0.01)
    assert record["confusion"]["rows"] == list(CLASSES)
    assert np.sum(record["confusion"]["counts"]) == 75
    assert record["chosen"] in [c["name"] for c in record["candidates"]]
    assert record["baselines"]
    assert record["conformal"]["level"] == 0.9
    assert record["leakage"]
    assert math.isclose(result.accuracy.value, record["accuracy"]["value"])


def test_the_report_is_one_file_without_requests_or_clock(run: tuple[Path, np.ndarray, Any]) -> None:
    page = (run[0] / "out/report.html").read_text()
    assert "forest" in page
    assert 'src="http' not in page
    assert "<link" not in page
    assert len(page) > 10_000


def test_the_same_run_again_gives_the_same_bytes(run: tuple[Path, np.ndarray, Any], tmp_path: Path) -> None:
    outcome = swath.again(run[0] / "out/run.json", out=tmp_path / "there")
    assert outcome.different == ()
    assert {"classes.tif", "probability.tif", "doubt.tif", "report.html", "assessment.json"} <= set(outcome.same)


def test_a_changed_input_is_noticed(run: tuple[Path, np.ndarray, Any], tmp_path: Path) -> None:
    truth = made_truth(64)
    scene, labels = made_scene(tmp_path / "s.tif", truth), made_labels(tmp_path / "l.geojson", truth)
    swath.map([scene], labels=labels, out=tmp_path / "out", fast=True)
    made_scene(scene, truth, seed=9)
    with pytest.raises(SwathError, match="changed"):
        swath.again(tmp_path / "out/run.json", out=tmp_path / "there")


def test_a_model_maps_another_scene_without_labels(run: tuple[Path, np.ndarray, Any], tmp_path: Path) -> None:
    truth = made_truth()[::-1].copy()
    scene = made_scene(tmp_path / "other.tif", truth, seed=5)
    swath.map([scene], model=run[0] / "out/model", out=tmp_path / "other")
    with rasterio.open(tmp_path / "other/classes.tif") as file:
        classes = file.read(1)
    assert (classes == truth)[classes != 0].mean() > 0.85
    assert not list((run[0] / "out/model").rglob("*.pkl"))


def test_a_model_refuses_other_bands(run: tuple[Path, np.ndarray, Any], tmp_path: Path) -> None:
    scene = made_scene(tmp_path / "three.tif", made_truth(64))
    with pytest.raises(BandError, match="B08"):
        swath.map([scene], model=run[0] / "out/model", out=tmp_path / "o", bands=["B02", "B03", "B04"])
    assert not (tmp_path / "o/classes.tif").exists()


def test_truth_from_elsewhere_judges_the_map(run: tuple[Path, np.ndarray, Any], tmp_path: Path) -> None:
    folder, truth, _ = run
    held = made_labels(tmp_path / "truth.geojson", truth, per_class=60, seed=77)
    swath.map([folder / "scene.tif"], labels=folder / "labels.geojson", truth=held, out=tmp_path / "out", fast=True)
    record = strict(tmp_path / "out/assessment.json")
    assert np.sum(record["confusion"]["counts"]) == 180
    assert {b["name"] for b in record["baselines"]} >= {"majority"}


def test_numbers_as_labels_make_a_regression(tmp_path: Path) -> None:
    truth = made_truth(96)
    scene = made_scene(tmp_path / "s.tif", truth)
    random = np.random.default_rng(0)
    with rasterio.open(scene) as file:
        nir = file.read(4) * 1e-4
    rows, columns = random.integers(12, 96, (2, 120))
    lines = ["x,y,biomass"]
    lines += [
        f"{500_005 + 10 * c},{4_999_995 - 10 * r},{100 * nir[r, c] + random.normal(0, 1):.4f}"
        for r, c in zip(rows, columns, strict=True)
    ]
    (tmp_path / "l.csv").write_text("\n".join(lines))
    swath.map([scene], labels=tmp_path / "l.csv", out=tmp_path / "out", column="biomass", crs="EPSG:32633")
    with rasterio.open(tmp_path / "out/value.tif") as file:
        assert file.descriptions == ("value", "low", "high", "outside")
        value, low, high, outside = file.read(masked=True)
    assert set(np.unique(outside.compressed())) <= {0, 1}
    assert np.corrcoef(value.compressed(), (100 * nir)[~np.ma.getmaskarray(value)])[0, 1] > 0.9
    assert (low <= value).all()
    assert (value <= high).all()
    with rasterio.open(tmp_path / "out/doubt.tif") as file:
        assert file.descriptions == ("outside",)
    record = strict(tmp_path / "out/assessment.json")
    assert {"rmse", "mae", "r2", "bias", "interval_coverage"} <= set(record)


def test_integer_labels_keep_their_codes(tmp_path: Path) -> None:
    truth = made_truth(96)
    scene = made_scene(tmp_path / "s.tif", truth)
    made_labels(tmp_path / "l.geojson", truth)
    text = (tmp_path / "l.geojson").read_text()
    for name, code in zip(CLASSES, (7, 40, 201), strict=True):
        text = text.replace(f'"{name}"', str(code))
    (tmp_path / "l.geojson").write_text(text)
    swath.map([scene], labels=tmp_path / "l.geojson", out=tmp_path / "out", fast=True)
    with rasterio.open(tmp_path / "out/classes.tif") as file:
        assert set(np.unique(file.read(1))) == {0, 7, 40, 201}


def test_labels_that_lie_elsewhere_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    scene = made_scene(tmp_path / "s.tif", made_truth(64))
    labels = made_labels(tmp_path / "l.geojson", made_truth(64))
    labels.write_text(labels.read_text().replace("500", "900"))
    with pytest.raises(LabelError):
        swath.map([scene], labels=labels, out=tmp_path / "out")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_one_class_alone_is_no_map(tmp_path: Path) -> None:
    scene = made_scene(tmp_path / "s.tif", made_truth(64))
    labels = made_labels(tmp_path / "l.geojson", made_truth(64))
    for name in CLASSES[1:]:
        labels.write_text(labels.read_text().replace(name, CLASSES[0]))
    with pytest.raises(LabelError, match="two classes"):
        swath.map([scene], labels=labels, out=tmp_path / "out")


def test_a_scene_without_crs_counts_areas_in_pixels(tmp_path: Path) -> None:
    truth = made_truth(96)
    scene = made_scene(tmp_path / "s.tif", truth, crs=None)
    rows, columns = np.nonzero(truth[12:, 12:])
    pick = np.random.default_rng(0).choice(len(rows), 90, replace=False)
    lines = [
        "x,y,label",
        *(f"{columns[i] + 12.5},{rows[i] + 12.5},{CLASSES[truth[rows[i] + 12, columns[i] + 12] - 1]}" for i in pick),
    ]
    (tmp_path / "l.csv").write_text("\n".join(lines))
    swath.map([scene], labels=tmp_path / "l.csv", out=tmp_path / "out", fast=True)
    record = strict(tmp_path / "out/assessment.json")
    assert record["classes"][0]["area"]["unit"] == "pixel"
    assert sum(c["area"]["value"] for c in record["classes"]) == pytest.approx(96 * 96 - 63)
