"""Encoders compared on a person's own data, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import swath
from swath.errors import FormatError, LabelError, SwathError

SPECTRA = np.array([(0.06, 0.09, 0.08, 0.35), (0.02, 0.04, 0.03, 0.25), (0.04, 0.03, 0.02, 0.01)])
QUICK = {"heads": ["knn", "linear"], "shares": ["0.3", "1"], "seeds": 1, "folds": 2, "items": 300, "steps": 2}


def scene(path: Path, truth: np.ndarray, seed: int = 0, *, at: tuple[float, float] = (500_000, 5_000_000)) -> Path:
    random = np.random.default_rng(seed)
    values = SPECTRA[truth].transpose(2, 0, 1) + random.normal(0, 0.15, (4, *truth.shape))
    form = {"driver": "GTiff", "width": truth.shape[1], "height": truth.shape[0], "crs": "EPSG:32633"}
    where = from_origin(*at, 10, 10)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", count=4, dtype="float32", transform=where, **form) as file:
        file.write(values.astype(np.float32))
        file.descriptions = ("B02", "B03", "B04", "B08")
        file.update_tags(swath="0", sensor="sentinel-2a-l2a")
        for band in range(1, 5):
            file.update_tags(band, quantity="reflectance", units="1")
    return path


def mask(path: Path, truth: np.ndarray) -> Path:
    form = {"driver": "GTiff", "width": truth.shape[1], "height": truth.shape[0], "crs": "EPSG:32633"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", count=1, dtype="uint8", transform=from_origin(500_000, 5_000_000, 10, 10), **form
    ) as f:
        f.write((truth + 1).astype(np.uint8), 1)
    return path


def patches(height: int = 96, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return ((np.sin(x / 7.0) + np.cos(y / 5.0)) * 1.2).round().astype(int) % 3


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    home = tmp_path_factory.mktemp("chips")
    for k, name in enumerate(("field", "forest", "water")):
        for i in range(8):
            scene(home / name / f"{i}.tif", np.full((12, 12), k), seed=10 * k + i, at=(500_000 + 9_000 * i, 5_000_000))
    return home


def test_class_folders_are_compared_with_all_that_must_stand_beside(classes, tmp_path):
    pytest.importorskip("torch")
    result = swath.bench(classes, encoders=["tiny"], out=tmp_path, **QUICK)
    assert {"report.html", "bench.json", "labels.png", "differences.png", "run.json"} <= set(result.files)
    names = {r["encoder"] for r in result.rows}
    assert names == {"pixel statistics", "random convolutions", "tiny", "tiny (random weights)",
                     "random forest on spectra", "network from scratch"}  # fmt: skip
    linear = next(r for r in result.rows if r["encoder"] == "tiny" and r["head"] == "linear" and r["share"] == 0.3)
    assert linear["estimate"]["value"] > 0.4
    assert linear["estimate"]["low"] <= linear["estimate"]["value"] <= linear["estimate"]["high"]
    assert linear["parameters"][0] > 50_000
    page = (tmp_path / "report.html").read_text()
    assert "chips within about 5 km are one place" in page
    assert str(tmp_path) not in page
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["verb"] == "bench"
    assert "better than" in str(result) or "not told apart" in str(result)
    again = swath.bench(classes, encoders=["tiny"], out=tmp_path, **QUICK)
    assert [r["estimate"] for r in again.rows] == [r["estimate"] for r in result.rows]
    assert sum(r["head_seconds"] for r in again.rows) == pytest.approx(sum(r["head_seconds"] for r in result.rows))


def test_scenes_with_masks_beside_them_or_under_one_file_of_labels(tmp_path):
    truth = patches()
    scene(tmp_path / "a" / "one.tif", truth)
    mask(tmp_path / "a" / "one_mask.tif", truth)
    beside = swath.bench(tmp_path / "a", encoders=["statistics"], out=tmp_path / "1", window=16, **QUICK)
    assert "24 examples, 24 places" in beside.data
    scene(tmp_path / "b" / "one.tif", truth)
    masks = mask(tmp_path / "masks" / "one.tif", truth)
    apart = swath.bench(tmp_path / "b", labels=masks, encoders=["statistics"], out=tmp_path / "2", window=16, **QUICK)
    assert [r["estimate"] for r in apart.rows] == [r["estimate"] for r in beside.rows]
    score = next(
        r for r in apart.rows if r["encoder"] == "pixel statistics" and r["head"] == "linear" and r["share"] == 1
    )
    assert score["estimate"]["value"] > 0.4


def test_a_made_collection_says_that_it_is_simulated(tmp_path):
    result = swath.bench("toy", encoders=["random-convolutions"], out=tmp_path, **{**QUICK, "shares": ["1"]})
    assert all(r["estimate"]["simulated"] for r in result.rows)
    assert "simulated" in (tmp_path / "report.html").read_text()


def test_an_encoder_that_cannot_take_the_data_is_told_and_the_rest_goes_on(classes, tmp_path):
    pytest.importorskip("torch")
    result = swath.bench(classes, encoders=["random:presto", "statistics"], out=tmp_path, **QUICK)
    assert "date" in result.left_out["random:presto"]
    assert result.exit_code == 3
    assert any(r["encoder"] == "statistics" for r in result.rows)


def test_what_cannot_be_is_refused_in_a_line(classes, tmp_path):
    with pytest.raises(SwathError, match="known name"):
        swath.bench("nowhere", encoders=["statistics"], out=tmp_path)
    with pytest.raises(SwathError, match="heads are"):
        swath.bench(classes, encoders=["statistics"], out=tmp_path, heads=["svm"])
    with pytest.raises(SwathError, match="shares"):
        swath.bench(classes, encoders=["statistics"], out=tmp_path, shares=["2"])
    with pytest.raises(SwathError, match="NAME=FILE"):
        swath.bench(classes, encoders=["statistics"], out=tmp_path, weights=["x"])
    with pytest.raises(SwathError, match="--folder"):
        swath.bench("eurosat", encoders=["statistics"], out=tmp_path)
    scene(tmp_path / "bare" / "one.tif", patches())
    with pytest.raises(LabelError, match="masks"):
        swath.bench(tmp_path / "bare", encoders=["statistics"], out=tmp_path / "o")
    (tmp_path / "empty").mkdir()
    with pytest.raises((FormatError, LabelError)):
        swath.bench(tmp_path / "empty", encoders=["statistics"], out=tmp_path / "o")
    assert not (tmp_path / "o").exists()
