"""The demo: a result to be proud of, honest about its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import swath
from swath.errors import OutputError

pytest.importorskip("tensorly", reason="the demo extra is not installed")


def test_ten_labels_a_class_map_indian_pines_far_better_than_spectra_alone(tmp_path: Path) -> None:
    made = swath.demo(out=tmp_path / "demo")
    record = json.loads((tmp_path / "demo/assessment.json").read_text())
    simple = {b["name"]: b["score"]["value"] for b in record["baselines"]}
    assert set(simple) == {"majority", "shrunk LDA on spectra", "random forest on spectra"}
    assert record["accuracy"]["value"] > 0.6
    assert record["accuracy"]["value"] > simple["shrunk LDA on spectra"] + 0.1
    assert record["classes"][0]["area"]["unit"] == "pixel"
    page = Path(made.report).read_text()
    assert "CC BY 3.0" in page
    assert "refused" in page
    assert "radiance" in page


@pytest.mark.slow
def test_a_made_world_shows_its_areas_against_the_truth_and_says_simulated(tmp_path: Path) -> None:
    made = swath.demo(out=tmp_path / "world", world=True, seed=2)
    assert made.result.accuracy.simulated
    assert "hold the true area" in made.notes[-1]
    assert "imulated" in Path(made.report).read_text()


def test_the_demo_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        swath.demo(out=tmp_path / "file")
