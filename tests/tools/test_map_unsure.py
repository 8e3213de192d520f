"""`map --unsure`: how unsure the features of a pixel are, beside the conformal sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

import swath
from swath.datasets import toy

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("unsure")
    made = toy.demo_world(folder / "in", seed=3)
    scene = str(next(iter(made.sensors.values())))
    swath.map([scene], labels=made.labels, truth=made.test, out=folder / "out", unsure=True, fast=True, simulated=True)
    return folder / "out", scene


def test_the_doubt_layer_has_a_third_band_that_ranks_pixels_among_the_labels(mapped: tuple[Path, str]) -> None:
    with rasterio.open(mapped[0] / "doubt.tif") as file:
        assert file.descriptions == ("set_size", "outside", "unsure")
        rank, outside = file.read(3), file.read(2)
        assert "no probability" in file.tags()["unsure"]
    assert ((rank <= 100) == (outside != 255)).all()
    assert len(np.unique(rank)) > 20


def test_the_report_compares_the_doubts_by_the_errors_they_find(mapped: tuple[Path, str]) -> None:
    record = json.loads((mapped[0] / "assessment.json").read_text())
    names = [d["name"] for d in record["doubts"]]
    assert names[-1] == "head on the features"
    assert "1 - largest probability" in names
    assert all(d["auroc"]["simulated"] for d in record["doubts"])
    assert "Which doubt finds the errors" in (mapped[0] / "report.html").read_text()


def test_the_kept_model_ranks_the_same_without_its_labels(mapped: tuple[Path, str]) -> None:
    out, scene = mapped
    swath.map([scene], model=out / "model", out=out.parent / "again")
    with rasterio.open(out / "doubt.tif") as one, rasterio.open(out.parent / "again" / "doubt.tif") as two:
        np.testing.assert_array_equal(one.read(), two.read())
