"""Points without an answer: not looked at yet, and looked at and not told, are two things."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import swath
from swath.assess.area import design_based
from swath.errors import DesignError, LabelError

NAMES = {1: "water", 2: "field", 3: "forest"}


def written(path: Path, values: np.ndarray) -> Path:
    height, width = values.shape
    form = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=from_origin(500_000, 5_000_000, 10, 10), **form) as file:
        file.write(values.astype(np.uint8), 1)
        file.update_tags(**{f"class_{c}": n for c, n in NAMES.items()})
    return path


@pytest.fixture
def world(tmp_path: Path):
    """A map of three classes that is wrong in an eighth of its pixels, a drawn sample of 240 points, and the truth."""
    y, x = np.mgrid[:300, :300]
    field = np.sin(x / 31) + np.cos(y / 27) + np.sin((x + y) / 53)
    truth = np.where(field < -1.6, 1, np.where(field < 0.4, 2, 3))
    rng = np.random.default_rng(0)
    mapped = np.where(rng.random(truth.shape) < 0.12, rng.choice([1, 2, 3], truth.shape), truth)
    path = written(tmp_path / "classes.tif", mapped)
    swath.sample(path, tmp_path / "drawn.gpkg", size=240, seed=5)
    return path, truth, gpd.read_file(tmp_path / "drawn.gpkg")


def answered(points: gpd.GeoDataFrame, truth: np.ndarray, path: Path, *, first: int, cannot: tuple[int, ...] = ()):
    """The first points answered with the truth, those of `cannot` with a reason instead; the rest left as drawn."""
    data = points.copy()
    data["label"] = [
        NAMES[truth[r, c]] if i < first and i not in cannot else None
        for i, (r, c) in enumerate(zip(data["pixel_row"], data["pixel_column"], strict=True))
    ]
    data["why"] = ["cloud" if i in cannot and i < first else None for i in range(len(data))]
    data.to_file(path)
    return path


def test_the_first_points_of_the_random_order_are_a_smaller_random_sample(world, tmp_path):
    path, truth, points = world
    got = swath.assess(path, truth=answered(points, truth, tmp_path / "half.gpkg", first=120)).record
    assert got["missing"] is None
    assert any("the first 120 of 240 points in the random order" in n for n in got["notes"])
    for entry in got["classes"]:
        code = next(c for c, n in NAMES.items() if n == entry["name"])
        assert entry["area"]["low"] <= (truth == code).sum() * 0.01 <= entry["area"]["high"]
    shuffled = points.sample(frac=1, random_state=1)
    with_holes = answered(shuffled, truth, tmp_path / "holes.gpkg", first=120)
    notes = swath.assess(path, truth=with_holes).record["notes"]
    assert any("120 points without a label are taken to be like the others" in n for n in notes)


def test_what_could_not_be_told_is_said_with_its_share_and_its_reach(world, tmp_path):
    path, truth, points = world
    cannot = tuple(range(0, 240, 12))
    whole = swath.assess(path, truth=answered(points, truth, tmp_path / "all.gpkg", first=240)).record
    got = swath.assess(path, truth=answered(points, truth, tmp_path / "some.gpkg", first=240, cannot=cannot)).record
    missing = got["missing"]
    assert whole["missing"] is None
    assert (missing["points"], missing["looked_at"], missing["reasons"]) == (20, 240, {"cloud": 20})
    assert 0 < missing["share"] < 0.2
    assert missing["accuracy_if_wrong"] < got["accuracy"]["value"] < missing["accuracy_if_right"]
    assert missing["accuracy_if_wrong"] <= whole["accuracy"]["value"] <= missing["accuracy_if_right"]
    assert missing["accuracy_if_right"] - missing["accuracy_if_wrong"] == pytest.approx(missing["share"])
    assert any("20 of 240 points looked at have no answer" in n and "cloud 20" in n for n in got["notes"])


def test_a_stratum_with_one_answer_is_refused_by_name(world, tmp_path):
    path, truth, points = world
    with pytest.raises(DesignError, match="2 or more sample units"):
        swath.assess(path, truth=answered(points, truth, tmp_path / "few.gpkg", first=3))
    with pytest.raises(LabelError, match="none labelled"):
        swath.assess(path, truth=answered(points, truth, tmp_path / "none.gpkg", first=0))


def test_a_class_of_one_pixel_is_known_whole_and_needs_no_second_point(tmp_path):
    mapped = np.full((60, 60), 2)
    mapped[:, 30:] = 3
    mapped[5, 5] = 1
    path = written(tmp_path / "classes.tif", mapped)
    swath.sample(path, tmp_path / "p.gpkg", size=40, seed=1)
    data = gpd.read_file(tmp_path / "p.gpkg")
    data["label"] = [NAMES[mapped[r, c]] for r, c in zip(data["pixel_row"], data["pixel_column"], strict=True)]
    data.to_file(tmp_path / "p.gpkg")
    got = swath.assess(path, truth=tmp_path / "p.gpkg")
    assert got.areas["water"].low <= 0.01 <= got.areas["water"].high
    with pytest.raises(DesignError):
        design_based([[[1.0, 0], [0, 0]], [[0, 0], [0, 5.0]]], [0.1, 10.0], unit="ha", fraction=[0.5, 0.1])
