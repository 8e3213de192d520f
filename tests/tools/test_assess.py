"""sample and assess from the outside: a map, a drawn sample, its labels, and what can be said of the map."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio import Affine
from rasterio.transform import from_origin

import swath
from swath.errors import DesignError, LabelError, OutputError

NAMES = {1: "water", 2: "field", 3: "forest"}
WHERE = from_origin(500_000, 5_000_000, 10, 10)


def raster(path: Path, values: np.ndarray, *, crs: str | None = "EPSG:32633", bands=(), **tags: str) -> Path:
    values = values if values.ndim == 3 else values[None]
    form = {"driver": "GTiff", "height": values.shape[1], "width": values.shape[2], "count": len(values)}
    where = WHERE if crs else Affine.identity()
    with rasterio.open(path, "w", crs=crs, transform=where, dtype=values.dtype, **form) as file:
        file.write(values)
        file.update_tags(**tags)
        for i, name in enumerate(bands, start=1):
            file.set_band_description(i, name)
    return path


@pytest.fixture
def world(tmp_path: Path):
    """A truth with smooth patches and a map of it that is wrong here and there."""
    y, x = np.mgrid[:400, :400]
    field = np.sin(x / 31) + np.cos(y / 27) + np.sin((x + y) / 53)
    truth = np.where(field < -1.9, 1, np.where(field < 0.4, 2, 3)).astype(np.uint8)
    rng = np.random.default_rng(0)
    mapped = np.where(rng.random(truth.shape) < 0.12, rng.choice([1, 2, 3], truth.shape, p=[0.04, 0.5, 0.46]), truth)
    path = raster(tmp_path / "classes.tif", mapped.astype(np.uint8), **{f"class_{c}": n for c, n in NAMES.items()})
    return path, truth, mapped


def labelled(points: Path, truth: np.ndarray, *, names: bool = True) -> Path:
    data = gpd.read_file(points)
    code = truth[data["pixel_row"], data["pixel_column"]]
    data["label"] = [NAMES[c] if names else str(c) for c in code]
    data.to_file(points)
    return points


def test_a_drawn_sample_is_judged_by_its_own_design(world, tmp_path):
    path, truth, mapped = world
    drawn = swath.sample(path, tmp_path / "points.gpkg", size=600, seed=3)
    assert drawn.points == 600
    assert "points" in str(drawn)
    json.dumps(drawn.to_json(), allow_nan=False)
    got = swath.assess(path, truth=labelled(tmp_path / "points.gpkg", truth))
    record = got.to_json()
    assert record["design"] == "stratified"
    for code, name in NAMES.items():
        true_area = (truth == code).sum() * 0.01
        area = got.areas[name]
        assert area.unit == "ha"
        assert area.low <= true_area <= area.high
        entry = next(c for c in record["classes"] if c["name"] == name)
        assert entry["code"] == code
        assert entry["mapped_area"] == pytest.approx((mapped == code).sum() * 0.01)
        assert entry["producers_accuracy"]["low"] <= ((mapped == code) & (truth == code)).sum() / (truth == code).sum()
    assert got.accuracy.low <= (mapped == truth).mean() <= got.accuracy.high
    assert "stratified random sample" in got.accuracy.method
    assert "mapped" in str(got)


def test_another_map_is_judged_by_ratios_with_the_same_sample(world, tmp_path):
    path, truth, _ = world
    swath.sample(path, tmp_path / "points.gpkg", size=600, seed=3)
    points = labelled(tmp_path / "points.gpkg", truth)
    other = raster(
        tmp_path / "other.tif", np.where(truth == 1, 2, truth).astype(np.uint8), class_2="field", class_3="forest"
    )
    got = swath.assess(other, truth=points)
    assert any("Stehman" in n for n in got.record["notes"])
    assert any("does not have: water" in n for n in got.record["notes"])
    water = next(c for c in got.record["classes"] if c["name"] == "water")
    assert water["code"] is None
    assert water["area"]["low"] <= (truth == 1).sum() * 0.01 <= water["area"]["high"]
    assert got.accuracy.low <= (truth != 1).mean() <= got.accuracy.high


def test_truth_that_does_not_tell_its_design_is_asked_for_it(world, tmp_path):
    path, truth, _ = world
    rng = np.random.default_rng(1)
    row, column = rng.integers(0, 400, (2, 300))
    where = gpd.GeoSeries(gpd.points_from_xy(500_005 + 10 * column, 4_999_995 - 10 * row), crs=32633).to_crs(4326)
    table = pd.DataFrame({"lon": where.x, "lat": where.y, "cover": [NAMES[c] for c in truth[row, column]]})
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DesignError, match="--design"):
        swath.assess(path, truth=tmp_path / "t.csv")
    for design in ("simple", "stratified"):
        got = swath.assess(path, truth=tmp_path / "t.csv", design=design, column="cover")
        assert got.record["design"] == design
        assert got.areas["field"].low <= (truth == 2).sum() * 0.01 <= got.areas["field"].high
    none = swath.assess(path, truth=tmp_path / "t.csv", design="none").to_json()
    area = none["classes"][0]["area"]
    assert area["low"] is None
    assert area["high"] is None
    assert "no probability sample" in area["reason"]
    assert "not design-based" in none["accuracy"]["method"]
    assert none["accuracy"]["low"] is not None


def test_a_design_that_contradicts_the_file_is_refused(world, tmp_path):
    path, truth, _ = world
    swath.sample(path, tmp_path / "p.gpkg", size=60)
    points = labelled(tmp_path / "p.gpkg", truth)
    with pytest.raises(DesignError, match="says how it was drawn"):
        swath.assess(path, truth=points, design="simple")
    assert swath.assess(path, truth=points, design="none").record["design"] == "none"


def test_points_left_without_a_label_are_counted(world, tmp_path):
    path, truth, _ = world
    swath.sample(path, tmp_path / "p.gpkg", size=100)
    with pytest.raises(LabelError, match="none labelled"):
        swath.assess(path, truth=tmp_path / "p.gpkg")
    points = labelled(tmp_path / "p.gpkg", truth, names=False)
    data = gpd.read_file(points)
    data.loc[:4, "label"] = None
    data.to_file(points)
    notes = swath.assess(path, truth=points).record["notes"]
    assert any(n.startswith("5 points without a label are taken to be like the others") for n in notes)


def test_polygons_and_rasters_are_truth_without_design(world, tmp_path):
    path, truth, mapped = world
    from shapely.geometry import box

    squares, cover = [], []
    for row in range(20, 380, 40):
        for column in range(20, 380, 40):
            if len(np.unique(truth[row : row + 6, column : column + 6])) == 1:
                left, top = 500_000 + 10 * column, 5_000_000 - 10 * row
                squares.append(box(left, top - 60, left + 60, top))
                cover.append(int(truth[row, column]))
    gpd.GeoDataFrame({"class": cover}, geometry=squares, crs=32633).to_file(tmp_path / "fields.gpkg")
    got = swath.assess(path, truth=tmp_path / "fields.gpkg", design="none").to_json()
    assert got["accuracy"]["n"] == 36 * len(squares)
    assert "polygons of fields.gpkg in" in got["accuracy"]["method"]
    with pytest.raises(DesignError, match="made of points"):
        swath.assess(path, truth=tmp_path / "fields.gpkg", design="simple")
    whole = raster(tmp_path / "truth.tif", truth)
    got = swath.assess(path, truth=whole, design="none")
    assert got.accuracy.value == pytest.approx((mapped == truth).mean())
    assert np.array(got.record["confusion"]["counts"])[0, 1] == ((mapped == 1) & (truth == 2)).sum()


def test_a_map_of_numbers_has_its_errors_and_the_coverage_of_its_intervals(tmp_path):
    rng = np.random.default_rng(2)
    truth = rng.gamma(3, 2, (200, 200)).astype(np.float32)
    value = truth + rng.normal(0.2, 1, truth.shape).astype(np.float32)
    value[:5] = np.nan
    path = raster(tmp_path / "value.tif", np.stack([value, value - 2, value + 2]), bands=("value", "low", "high"))
    row, column = rng.integers(0, 200, (2, 500))
    points = gpd.points_from_xy(500_005 + 10 * column, 4_999_995 - 10 * row)
    gpd.GeoDataFrame({"biomass": truth[row, column]}, geometry=points, crs=32633).to_file(tmp_path / "t.gpkg")
    got = swath.assess(path, truth=tmp_path / "t.gpkg", column="biomass").to_json()
    assert got["bias"]["value"] == pytest.approx(0.2, abs=0.15)
    assert got["rmse"]["low"] < got["rmse"]["value"] < got["rmse"]["high"]
    assert got["interval_coverage"]["value"] == pytest.approx(0.95, abs=0.04)
    assert got["classes"] == []
    assert "R2" in str(swath.assess(path, truth=tmp_path / "t.gpkg", column="biomass"))


def test_without_a_crs_areas_are_in_pixels(world, tmp_path):
    _, truth, mapped = world
    path = raster(tmp_path / "plain.tif", mapped.astype(np.uint8), crs=None)
    for ending in ("csv", "geojson"):
        swath.sample(path, tmp_path / f"p.{ending}", size=300, seed=2)
        data = pd.read_csv(tmp_path / "p.csv") if ending == "csv" else gpd.read_file(tmp_path / "p.geojson")
        rows, columns = ("row", "column") if ending == "csv" else ("pixel_row", "pixel_column")
        data["label"] = truth[data[rows], data[columns]]
        data.to_csv(tmp_path / "p.csv", index=False) if ending == "csv" else data.to_file(tmp_path / "p.geojson")
        got = swath.assess(path, truth=tmp_path / f"p.{ending}")
        assert got.areas["2"].unit == "pixel"
        assert got.areas["2"].value == pytest.approx((truth == 2).sum(), rel=0.1)
        assert got.areas["2"].n == 300


def test_it_writes_its_record_and_never_over_another_run(world, tmp_path):
    path, truth, _ = world
    swath.sample(path, tmp_path / "p.gpkg", size=200)
    points = labelled(tmp_path / "p.gpkg", truth)
    got = swath.assess(path, truth=points, out=tmp_path / "there")
    assert json.loads((tmp_path / "there/assessment.json").read_text()) == got.to_json()
    assert json.loads((tmp_path / "there/run.json").read_text())["verb"] == "assess"
    (tmp_path / "map").mkdir()
    (tmp_path / "map/run.json").write_text('{"verb": "map"}')
    with pytest.raises(OutputError, match="another verb"):
        swath.assess(path, truth=points, out=tmp_path / "map")


def test_truth_of_other_classes_is_refused_with_both_lists(world, tmp_path):
    path, _, _ = world
    points = gpd.points_from_xy([500_500, 500_700], [4_999_500, 4_999_700])
    gpd.GeoDataFrame({"label": ["lava", "ice"]}, geometry=points, crs=32633).to_file(tmp_path / "t.gpkg")
    with pytest.raises(LabelError, match=r"ice, lava; map with water, field, forest"):
        swath.assess(path, truth=tmp_path / "t.gpkg", design="none")


def test_the_command_line_prints_the_same_record(world, tmp_path):
    path, truth, _ = world
    swath.sample(path, tmp_path / "p.gpkg", size=120)
    points = labelled(tmp_path / "p.gpkg", truth)
    command = [sys.executable, "-m", "swath", "assess", str(path), "--truth", str(points), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == swath.assess(path, truth=points).to_json()
    command = [sys.executable, "-m", "swath", "sample", str(path), str(tmp_path / "q.csv"), "--size", "2", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "two points" in done.stderr
    assert not (tmp_path / "q.csv").exists()
