"""Scenes as they come: rotated, flipped, without georeference, with holes, in two zones. Each must give a map or one clear line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

import swath
from swath.errors import BandError, LabelError, OutputError

SPECTRA = np.array([(600, 900, 800, 3500), (200, 400, 300, 2500), (400, 300, 200, 100)])
NAMES = ("field", "forest", "water")


def truth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (np.sin(x / 9.0) + np.cos(y / 8.0) + np.sin((x + y) / 17.0) * 1.3).round().astype(int) % 3


def scene(
    path: Path, classes: np.ndarray, *, crs: str | None = "EPSG:32633", affine: Affine | None = None, **more: object
) -> Path:
    random = np.random.default_rng(0)
    values = SPECTRA[classes].transpose(2, 0, 1) + random.normal(0, 60, (4, *classes.shape))
    form = {"driver": "GTiff", "height": classes.shape[0], "width": classes.shape[1], "count": 4, "dtype": "float32"}
    where = affine or Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(path, "w", crs=crs, transform=where, **(form | more)) as file:
        file.write((values / 10_000).astype("float32"))
        file.descriptions = ("blue", "green", "red", "nir")
    return path


def mask(path: Path, classes: np.ndarray, like: Path, *, every: int = 9) -> Path:
    """A label raster on the scene's grid: one pixel in so many."""
    with rasterio.open(like) as file:
        form = {
            "driver": "GTiff",
            "height": file.height,
            "width": file.width,
            "count": 1,
            "dtype": "uint8",
            "nodata": 0,
        }
        form |= {"crs": file.crs, "transform": file.transform}
    codes = np.zeros(classes.shape, np.uint8)
    codes[4::every, 4::every] = classes[4::every, 4::every] + 1
    with rasterio.open(path, "w", **form) as file:
        file.write(codes, 1)
        file.update_tags(**{f"class_{i}": name for i, name in enumerate(NAMES, 1)})
    return path


def mapped(out: Path) -> np.ndarray:
    with rasterio.open(out / "classes.tif") as file:
        return np.asarray(file.read(1))


AFFINES = {
    "rotated": Affine.translation(500_000, 5_000_000) @ Affine.rotation(25) @ Affine.scale(10, -10),
    "flipped": Affine(10, 0, 500_000, 0, 10, 4_990_000),
    "not square": Affine(10, 0, 500_000, 0, -25, 5_000_000),
}


@pytest.mark.parametrize("kind", AFFINES)
def test_awkward_grids_give_a_map_on_the_same_ground(kind: str, tmp_path: Path) -> None:
    classes = truth(96, 80)
    path = scene(tmp_path / "s.tif", classes, affine=AFFINES[kind])
    swath.map([path], labels=mask(tmp_path / "l.tif", classes, path), out=tmp_path / "out", fast=True)
    with rasterio.open(path) as one, rasterio.open(tmp_path / "out/classes.tif") as two:
        assert two.crs == one.crs
        ground = {tuple(np.round(file.transform @ (c + 0.5, r + 0.5), 3)): int(v)
                  for file, values in ((two, mapped(tmp_path / "out")),)
                  for (r, c), v in np.ndenumerate(values)}  # fmt: skip
        right = [
            ground[tuple(np.round(one.transform @ (c + 0.5, r + 0.5), 3))] == v + 1
            for (r, c), v in np.ndenumerate(classes)
        ]
    assert np.mean(right) > 0.9
    area = json.loads((tmp_path / "out/assessment.json").read_text())["classes"]
    pixel = 0.025 if kind == "not square" else 0.01
    assert sum(c["area"]["value"] for c in area) == pytest.approx(96 * 80 * pixel, rel=1e-6)


def test_not_a_number_and_infinity_are_missing_and_an_empty_corner_is_no_data(tmp_path: Path) -> None:
    classes = truth(96, 96)
    path = scene(tmp_path / "s.tif", classes, nodata=float("nan"))
    with rasterio.open(path, "r+") as file:
        values = file.read()
        values[:, :20, :30] = np.nan
        values[1, 50, 50] = np.inf
        file.write(values)
    swath.map([path], labels=mask(tmp_path / "l.tif", classes, path), out=tmp_path / "out", fast=True)
    got = mapped(tmp_path / "out")
    assert (got[:20, :30] == 0).all()
    assert (got[20:, 30:][np.isfinite(values[0, 20:, 30:])] > 0).all()


def test_control_points_alone_give_a_map_and_their_residual_is_said(tmp_path: Path) -> None:
    classes = truth(96, 96)
    path = scene(tmp_path / "s.tif", classes)
    where = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(path) as file:
        values = file.read()
    points = [GroundControlPoint(r, c, *(where @ (c, r))) for r in (0, 48, 96) for c in (0, 48, 96)]
    form = {"driver": "GTiff", "height": 96, "width": 96, "count": 4, "dtype": "float32"}
    with rasterio.open(tmp_path / "gcp.tif", "w", gcps=points, crs="EPSG:32633", **form) as file:
        file.write(values)
        file.descriptions = ("blue", "green", "red", "nir")
    labels = mask(tmp_path / "l.tif", classes, path)
    made = swath.map([tmp_path / "gcp.tif"], labels=labels, out=tmp_path / "out", fast=True)
    assert any("control point" in note for note in made.notes)
    assert (mapped(tmp_path / "out") == classes + 1).mean() > 0.9


def test_two_scenes_of_one_day_become_one_mosaic(tmp_path: Path) -> None:
    classes = truth(96, 96)
    left = scene(tmp_path / "a_20200601.tif", classes[:, :60])
    right = scene(tmp_path / "b_20200601.tif", classes[:, 48:], affine=Affine(10, 0, 500_480, 0, -10, 5_000_000))
    whole = scene(tmp_path / "whole.tif", classes)
    swath.map([left, right], labels=mask(tmp_path / "l.tif", classes, whole), out=tmp_path / "out", fast=True)
    assert mapped(tmp_path / "out").shape == (96, 96)
    assert (mapped(tmp_path / "out") == classes + 1).mean() > 0.9


def test_a_class_with_one_label_is_left_out_and_named(tmp_path: Path) -> None:
    classes = truth(96, 96)
    path = scene(tmp_path / "s.tif", classes)
    labels = mask(tmp_path / "l.tif", classes, path)
    with rasterio.open(labels, "r+") as file:
        codes = file.read(1)
        codes[40, 40] = 9
        file.write(codes, 1)
        file.update_tags(class_9="ice")
    made = swath.map([path], labels=labels, out=tmp_path / "out", fast=True)
    assert any("ice" in note for note in made.notes)
    assert 9 not in mapped(tmp_path / "out")


def test_three_labels_a_class_are_enough_for_a_map_that_says_how_little_is_known(tmp_path: Path) -> None:
    classes = truth(96, 96)
    path = scene(tmp_path / "s.tif", classes)
    random = np.random.default_rng(5)
    lines = ["row,column,label"]
    for code, name in enumerate(NAMES):
        rows, columns = np.nonzero(classes == code)
        lines += [f"{rows[i]},{columns[i]},{name}" for i in random.choice(len(rows), 3, replace=False)]
    (tmp_path / "l.csv").write_text("\n".join(lines))
    swath.map([path], labels=tmp_path / "l.csv", out=tmp_path / "out")
    record = json.loads((tmp_path / "out/assessment.json").read_text())
    assert (mapped(tmp_path / "out") > 0).all()
    assert record["conformal"]["words"]


@pytest.mark.parametrize("numbers", [False, True])
def test_labels_without_any_pattern_give_the_plainest_map_not_a_traceback(numbers: bool, tmp_path: Path) -> None:
    path = scene(tmp_path / "s.tif", truth(96, 96))
    random = np.random.default_rng(7)
    rows, columns = random.integers(0, 96, (2, 40))
    values = random.normal(0, 1, 40) if numbers else np.where(np.arange(40) > 2, "common", "rare")
    lines = ["row,column,label", *(f"{r},{c},{v}" for r, c, v in zip(rows, columns, values, strict=True))]
    (tmp_path / "l.csv").write_text("\n".join(lines))
    made = swath.map([path], labels=tmp_path / "l.csv", out=tmp_path / "out")
    assert made.chosen in ("majority", "mean")
    with rasterio.open(tmp_path / "out/doubt.tif") as file:
        assert set(np.unique(file.read(file.count))) <= {0, 1}
    again = swath.map([path], model=tmp_path / "out/model", out=tmp_path / "two")
    assert again.chosen == made.chosen


def test_one_pixel_is_refused_in_one_line(tmp_path: Path) -> None:
    path = scene(tmp_path / "s.tif", truth(1, 1))
    with pytest.raises(LabelError):
        swath.map([path], labels=mask(tmp_path / "l.tif", truth(1, 1), path, every=1), out=tmp_path / "out")


def test_a_model_maps_a_single_pixel(tmp_path: Path) -> None:
    classes = truth(96, 96)
    path = scene(tmp_path / "s.tif", classes)
    swath.map([path], labels=mask(tmp_path / "l.tif", classes, path), out=tmp_path / "out", fast=True)
    one = scene(tmp_path / "one.tif", truth(1, 1))
    swath.map([one], model=tmp_path / "out/model", out=tmp_path / "small")
    assert mapped(tmp_path / "small").shape == (1, 1)


def test_an_output_that_is_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    path = scene(tmp_path / "s.tif", truth(32, 32))
    (tmp_path / "out").write_text("mine")
    started = time.monotonic()
    with pytest.raises(OutputError):
        swath.map([path], labels=mask(tmp_path / "l.tif", truth(32, 32), path), out=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
    assert time.monotonic() - started < 60


def test_polygons_outline_the_classes(tmp_path: Path) -> None:
    import geopandas

    pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    classes = truth(64, 64)
    path = scene(tmp_path / "s.tif", classes)
    swath.map(
        [path],
        labels=mask(tmp_path / "l.tif", classes, path, every=5),
        out=tmp_path / "out",
        fast=True,
        polygons=True,
        parquet=True,
    )
    for outlines in (
        geopandas.read_file(tmp_path / "out/classes.gpkg"),
        geopandas.read_parquet(tmp_path / "out/classes.parquet"),
    ):
        assert set(outlines["label"]) == set(NAMES)
        assert outlines.area.sum() == pytest.approx(64 * 64 * 100)


def test_the_plan_tells_pixels_time_memory_and_disk_and_writes_nothing(tmp_path: Path) -> None:
    classes = truth(64, 64)
    path = scene(tmp_path / "s.tif", classes)
    cost = swath.map(
        [path], labels=mask(tmp_path / "l.tif", classes, path, every=5), out=tmp_path / "out", fast=True, plan=True
    )
    assert cost.to_json()["pixels"] == 4096
    assert cost.to_json()["seconds"] > 0
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_killed_at_any_point_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    classes = truth(400, 400)
    path = scene(tmp_path / "s.tif", classes)
    labels = mask(tmp_path / "l.tif", classes, path, every=40)
    swath.map([path], labels=labels, out=tmp_path / "whole", fast=True)
    words = [sys.executable, "-m", "swath", "map", str(path), "--labels", str(labels), "--fast", "--quiet"]
    random = np.random.default_rng(4)
    for trial in range(4):
        out = tmp_path / f"cut{trial}"
        run = subprocess.Popen([*words, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(float(random.uniform(1, 6)))
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not (out / "run.json").exists() or run.returncode == 0
        subprocess.run([*words, "--out", str(out)], check=True, capture_output=True)
        for name in ("classes.tif", "probability.tif", "doubt.tif", "assessment.json", "report.html"):
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), (trial, name)


def test_swapped_bands_do_not_pass_for_the_learned_ones(tmp_path: Path) -> None:
    classes = truth(96, 96)
    path = scene(tmp_path / "s.tif", classes)
    swath.map([path], labels=mask(tmp_path / "l.tif", classes, path), out=tmp_path / "out", fast=True)
    with rasterio.open(path) as file:
        values, form = file.read(), file.profile
    with rasterio.open(tmp_path / "swapped.tif", "w", **form) as file:
        file.write(values[::-1])
        file.descriptions = ("nir", "red", "green", "blue")
    with pytest.raises(BandError, match="nir, red, green, blue"):
        swath.map([tmp_path / "swapped.tif"], model=tmp_path / "out/model", out=tmp_path / "two")
