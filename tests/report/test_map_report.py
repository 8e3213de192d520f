"""The page of a map run: alone, escaped, the same bytes, and its sentences true to its numbers."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from swath.errors import OutputError
from swath.estimate import Estimate, undefined
from swath.report import map_report, words
from swath.report.data import ClassRow, Conformal, Confusion, ReportData, from_assessment
from swath.report.figures import Picture


def share(value, n=100, spread=0.05):
    return Estimate(
        value, "1", max(0, value - spread), min(1, value + spread), n=n, method="block bootstrap over 12 places"
    )


def example(**more) -> ReportData:
    """A small map of three classes."""
    picture = Picture(np.full((20, 30, 4), 200, np.uint8), 1, "class of each pixel")
    rows = [
        ClassRow(
            "wood",
            1,
            (0, 114, 178),
            10,
            10,
            share(0.9),
            share(0.8),
            Estimate(120.0, "ha", 100, 140, n=100),
            130.0,
            "ha",
        ),
        ClassRow(
            "field <b>",
            2,
            (230, 159, 0),
            10,
            3,
            share(0.5),
            share(0.4),
            Estimate(60.0, "ha", 40, 80, n=100),
            50.0,
            "ha",
        ),
        ClassRow(
            "oats", 3, (0, 158, 115), 3, 3, undefined("1", "no checked pixel"), undefined("1", "no checked pixel")
        ),
    ]
    fields = {
        "title": "A place", "kind": "class", "accuracy": share(0.72, 400), "classes": rows, "scores": {"kappa": share(0.6)},
        "confusion": Confusion(["wood", "field <b>"], ["wood", "field <b>"], np.array([[90, 10], [20, 30]])),
        "reliability": {
            "edges": np.linspace(0, 1, 4), "stated": np.array([np.nan, 0.5, 0.9]), "observed": np.array([np.nan, 0.4, 0.95]),
            "count": np.array([0, 40, 110]),
        },
        "candidates": [("majority", share(0.3)), ("extra trees", share(0.7))], "chosen": "extra trees",
        "baselines": [("majority", share(0.3)), ("shrunk LDA", share(0.55))],
        "gains": [("shrunk LDA", Estimate(0.17, "1", 0.12, 0.22, n=12))],
        "conformal": Conformal(0.9, share(0.91), 1.4, "pooled over classes"),
        "leakage": {"same_pixels": 0, "found": False, "words": "none found"},
        "scene": picture, "answer": picture, "doubt": picture, "outside": 0.08, "sure": 0.6, "pixel_m": 10.0,
        "assumed": ["blocks of 16 px"], "again": "swath again out/run.json --out there", "version": "0.1.0",
    }  # fmt: skip
    return ReportData(**{**fields, **more})


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on tags that do not close."""

    VOID = ("meta", "img", "input", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.found = [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def test_the_page_is_well_formed_and_leads_with_the_answer():
    page = Page(map_report.render(example()))
    assert "72 % of the checked pixels are right" in page.words
    assert page.words.index("72 % of the checked pixels") < page.words.index("Class by class")


def test_the_page_asks_nothing_of_the_network_and_runs_no_script():
    text = map_report.render(example())
    page = Page(text)
    assert not [t for t, _ in page.found if t in ("script", "link", "iframe", "object")]
    addresses = [v for _, a in page.found for k, v in a.items() if k in ("src", "href")]
    assert all(v.startswith(("data:image/", "#")) for v in addresses)
    assert not re.search(r"https?://|@import|url\(", text)
    assert any("default-src 'none'" in a.get("content", "") for t, a in page.found if t == "meta")


def test_text_from_people_and_files_is_escaped():
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=y>"
    data = example(
        title=hostile, facts=[(hostile, hostile)], assumed=[hostile], remarks=[hostile], again=hostile, leakage={hostile: hostile},
        chosen=hostile, candidates=[(hostile, share(0.5))], baselines=[(hostile, share(0.4))], files=[(hostile, hostile)],
        distances=hostile,
    )  # fmt: skip
    page = Page(map_report.render(data))
    assert not [t for t, _ in page.found if t == "script"]
    assert not [a for _, a in page.found if any(k.startswith("on") for k in a)]
    assert "<script>alert(1)</script>" in page.words


def test_a_hostile_unit_cannot_break_out_of_the_chart():
    data = replace(regression(), unit="<script>m</script>")
    assert not [t for t, _ in Page(map_report.render(data)).found if t == "script"]


def test_the_same_data_give_the_same_bytes(tmp_path):
    a = map_report.write(tmp_path / "a.html", example())
    b = map_report.write(tmp_path / "b.html", example())
    assert a.read_bytes() == b.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"r\.html"):
        map_report.write(tmp_path / "nowhere" / "r.html", example())


def test_sentences_follow_from_the_numbers():
    said = " ".join(words.sentences(example()))
    assert "between 67 and 77 %" in said
    assert "17 points (+12.0 to +22.0) better than shrunk LDA" in said
    assert "Most reliable class: wood" in said
    assert "Least: field <b> (50 % of what is mapped so is right, 40 % of it is found)" in said
    assert "Not checked at all: oats" in said
    assert "On 40 % of the map more than one class remains possible; 8 % of the map looks unlike any label" in said


def test_a_map_worse_than_a_simple_method_says_so():
    data = example(accuracy=share(0.4), gains=[])
    assert any("15 points worse than shrunk LDA" in s for s in words.sentences(data))


def test_an_unmeasured_accuracy_is_said_and_why():
    data = example(accuracy=undefined("1", "all labels lie in one place"), baselines=[], gains=[])
    text = Page(map_report.render(data)).words
    assert "accuracy could not be measured" in text
    assert "all labels lie in one place" in text


def test_refused_area_intervals_say_why():
    rows = [
        replace(c, area=Estimate(100.0, "ha", n=5, reason="the truth is no probability sample"))
        for c in example().classes
    ]
    assert "the truth is no probability sample" in Page(map_report.render(example(classes=rows))).words


def test_simulated_numbers_are_called_simulated():
    assert "Simulated" in Page(map_report.render(example(simulated=True))).words
    assert "Simulated" not in Page(map_report.render(example())).words


def test_the_least_that_a_report_needs_is_a_title_and_an_accuracy():
    for kind in ("class", "number"):
        page = Page(map_report.render(ReportData("T", kind, undefined("1", "no labels"))))
        assert "no labels" in page.words or "not" in page.words


def regression() -> ReportData:
    g = np.random.default_rng(0)
    truth = g.gamma(2, 3, 200)
    return ReportData(
        "Biomass", "number", Estimate(0.42, "1", 0.2, 0.55, n=200), scores={"RMSE": Estimate(3.1, "Mg ha-1", 2.6, 3.7, n=200)},
        truth=truth, predicted=truth + g.normal(size=200), unit="Mg ha-1", value_range=(1.0, 20.0),
        baselines=[("mean", Estimate(-0.2, "1", -0.4, 0.0, n=200))], chosen="ridge",
        answer=Picture(np.zeros((10, 10, 4), np.uint8), 1, "estimated value"),
    )  # fmt: skip


def test_a_map_of_numbers_shows_r2_errors_and_the_scatter():
    page = Page(map_report.render(regression()))
    assert "The map explains 42 % of the variation" in page.words
    assert "A typical error (RMSE) is 3.1 Mg ha⁻¹." in page.words
    assert sum(t == "circle" for t, _ in page.found) == 200
    assert "−0.2" in page.words


def test_a_report_can_be_made_from_assessment_json():
    record = {
        "design": "none",
        "accuracy": share(0.72).to_json(),
        "classes": [
            {"name": n, "code": c, "users_accuracy": share(0.8).to_json(), "producers_accuracy": undefined("1", "none").to_json(),
             "area": Estimate(5.0, "ha", n=3, reason="no probability sample").to_json(), "unit": "ha"}
            for n, c in (("a", 4), ("b", 9))
        ],
        "confusion": {"rows": ["a", "b"], "columns": ["a", "b"], "counts": [[3, 1], [0, 4]]},
        "candidates": [{"name": "majority", "score": share(0.3).to_json()}],
        "chosen": "majority",
        "baselines": [{"name": "majority", "score": share(0.3).to_json()}],
        "conformal": {"level": 0.9, "coverage": share(0.9).to_json(), "mean_set_size": None},
        "leakage": {"closest_px": 4},
    }  # fmt: skip
    data = from_assessment(json.loads(json.dumps(record)), title="T", support={"a": (10, 2)}, mapped={"a": 6.0})
    assert data.kind == "class"
    assert data.classes[0].labels == 10
    assert data.classes[0].mapped == 6.0
    assert math.isnan(data.classes[1].mapped)
    assert data.confusion.counts.sum() == 8
    assert not data.classes[0].producers.defined
    Page(map_report.render(data))
    number = from_assessment({"r2": share(0.4).to_json(), "rmse": Estimate(2, "m", n=3).to_json()}, title="N")
    assert (number.kind, number.scores["RMSE"].value) == ("number", 2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234"),
        (12.34, "12.3"),
        (0.01234, "0.0123"),
        (-0.5, "−0.5"),
        (float("nan"), "–"),
        (7.0, "7"),
        (1e-6, "1.0e-06"),
    ],
)
def test_numbers_are_written_as_people_write_them(value, text):
    assert words.number(value) == text


def test_units_are_written_for_the_eye():
    assert words.unit("W m-2 sr-1 um-1") == "W m⁻² sr⁻¹ um⁻¹"
    assert words.unit("1") == ""
    assert words.unit("km2") == "km²"


def test_numbers_of_unknown_unit_are_no_percentages():
    data = replace(regression(), scores={"RMSE": Estimate(3.15, "1", 2.6, 3.8, n=200)}, unit="")
    text = Page(map_report.render(data)).words
    assert "A typical error (RMSE) is 3.15." in text
    assert "315" not in text


def test_findings_of_the_leak_check_stand_first():
    data = example(
        leakage={"found": True, "words": ["5 test pixels lie near a training pixel", "3 are twins"], "test": 10}
    )
    assert "5 test pixels lie near a training pixel; 3 are twins." in Page(map_report.render(data)).words
