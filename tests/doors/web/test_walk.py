"""Walking through a reference sample: order, answers that last, steps back, places that come back unannounced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("starlette")

from swath.doors.web import reference_card
from swath.doors.web.answers import Clash, Missing
from swath.doors.web.walk import REASONS, Walk, steps_of
from swath.errors import SwathError

CLASSES = [{"name": "water", "colour": "#4676c6"}, {"name": "field", "colour": "#f5e05d"}]


def design(folder: Path, places: int = 40, *, seed: int = 3, pixels: tuple[int, int] = (400, 600)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    strata = ["water" if i % 4 == 0 else "field" for i in range(places)]
    record = {
        "map": 1,
        "scene_key": "k",
        "seed": seed,
        "classes": CLASSES,
        "places": [[i + 0.5, 2 * i + 0.5, s] for i, s in enumerate(strata)],
        "steps": steps_of(places, seed),
        "pixels": {"water": pixels[0], "field": pixels[1]},
    }
    (folder / "design.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("places", [1, 4, 9, 10, 24, 60, 240, 1001])
def test_every_place_is_shown_once_and_a_tenth_again_after_a_while(places):
    for seed in range(6):
        steps = steps_of(places, seed)
        first = list(dict.fromkeys(steps))
        assert first == list(range(places))
        again = [p for p in range(places) if steps.count(p) == 2]
        assert len(again) == round(0.1 * places)
        assert len(steps) == places + len(again)
        for place in again:
            one, two = (i for i, p in enumerate(steps) if p == place)
            assert two - one > min(15, places // 4) - 1
        assert steps_of(places, seed) == steps
    assert places < 40 or steps_of(places, 1) != steps_of(places, 2)


def test_answers_are_on_disk_and_a_second_program_finds_them(tmp_path):
    walk = Walk(design(tmp_path / "r1"))
    for step in range(1, 6):
        walk.answer(f"op{step}", step, "field")
    other = Walk(tmp_path / "r1")
    assert other.record() == walk.record()
    assert other.record()["answered"] == 5
    other.answer("elsewhere", 6, None, "cloud")
    walk.answer("op7", 7, "water")
    assert Walk(tmp_path / "r1").record()["answered"] == 7
    assert walk.record()["cannot"] == 1


def test_a_retry_changes_nothing_and_a_wrong_step_is_refused_with_the_state(tmp_path):
    walk = Walk(design(tmp_path / "r1"))
    walk.answer("a", 1, "field")
    walk.answer("a", 1, "water")
    assert walk.answers()[walk.steps[0]] == ("field", None)
    with pytest.raises(Clash) as caught:
        walk.answer("b", 1, "field")
    assert caught.value.more["sample"]["answered"] == 1
    with pytest.raises(Clash):
        walk.answer("c", 3, "field")
    for answer, why in (("forest", None), (None, None), (None, "lazy"), (None, "")):
        with pytest.raises(SwathError):
            walk.answer("d", 2, answer, why)
    assert walk.record()["answered"] == 1


def test_a_step_back_takes_the_last_answer_and_no_other(tmp_path):
    walk = Walk(design(tmp_path / "r1"))
    walk.answer("a", 1, "field")
    walk.answer("b", 2, "water")
    with pytest.raises(Clash):
        walk.back("c", 1)
    walk.back("d", 2)
    walk.back("d", 2)
    walk.answer("e", 2, "field")
    assert Walk(tmp_path / "r1").answers()[walk.steps[1]] == ("field", None)
    walk.back("f", 2)
    walk.back("g", 1)
    with pytest.raises(Clash):
        walk.back("h", 0)
    assert Walk(tmp_path / "r1").record()["answered"] == 0


def test_a_torn_line_is_cut_and_kept_aside(tmp_path):
    walk = Walk(design(tmp_path / "r1"))
    walk.answer("a", 1, "field")
    with open(walk.path, "ab") as file:
        file.write(b'{"op": "b", "step": 2, "ans')
    again = Walk(tmp_path / "r1")
    assert again.record()["answered"] == 1
    again.answer("c", 2, "water")
    assert Walk(tmp_path / "r1").record()["answered"] == 2
    assert b'"ans' in (tmp_path / "r1" / "answers.torn").read_bytes()


def test_agreement_counts_the_places_that_came_back_and_only_the_first_answer_counts(tmp_path):
    walk = Walk(design(tmp_path / "r1"))
    seen: set[int] = set()
    for step, place in enumerate(walk.steps, start=1):
        walk.answer(f"o{step}", step, "water" if place in seen and len(seen) % 2 else "field")
        seen.add(place)
    assert walk.finished
    record = walk.record()
    assert record["point"] is None
    assert record["agreement"]["asked"] == 4
    assert 0 <= record["agreement"]["same"] <= 4
    assert {answer for answer, _ in walk.answers().values()} == {"field"}


def test_what_is_told_before_the_end_does_not_depend_on_the_classes_of_the_map(tmp_path):
    one = Walk(design(tmp_path / "r1"))
    two = json.loads((tmp_path / "r1" / "design.json").read_text())
    two["places"] = [[c, r, "water" if s == "field" else "field"] for c, r, s in two["places"]]
    two["pixels"] = {"water": 2, "field": 998}
    (tmp_path / "other" / "r1").mkdir(parents=True)
    (tmp_path / "other" / "r1" / "design.json").write_text(json.dumps(two))
    other = Walk(tmp_path / "other" / "r1")
    for step in range(1, len(one.steps)):
        assert one.record() == other.record()
        assert one.record()["needs"] is None
        assert one.record()["agreement"] is None
        answer = None if step % 5 == 0 else "field"
        for walk in (one, other):
            walk.answer(f"o{step}", step, answer, None if answer else REASONS[0])
    assert "stratum" not in json.dumps(one.record())


def test_needs_name_the_classes_that_lack_answers(tmp_path):
    walk = Walk(design(tmp_path / "r1", pixels=(1, 600)))
    assert walk.needs() == {"water": 1, "field": 2}
    walk.answer("a", 1, None, "cloud")
    assert walk.record(stopping=True)["needs"] == {"water": 1, "field": 2}
    for step in range(2, 12):
        walk.answer(f"o{step}", step, "field")
    assert walk.needs() == {}


def test_a_folder_without_a_sample_is_missing(tmp_path):
    with pytest.raises(Missing):
        Walk(tmp_path / "none")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "design.json").write_text('{"map": 1')
    with pytest.raises(Missing):
        Walk(tmp_path / "torn")


def row(name: str, counted: float, estimate: float, low: float, high: float) -> dict:
    return {"class": name, "counted": counted, "estimate": estimate, "low": low, "high": high}


def test_the_finding_is_the_count_furthest_outside_its_interval():
    rows = [row("Built-up", 75.2, 55.8, 44, 68), row("Water", 34, 33.8, 28, 40), row("Bare", 10, 27.5, 17, 39)]
    found = reference_card.finding(rows, "ha")
    assert found["text"] == "Counted on the map, Bare is 17.5 ha too small."
    assert reference_card.finding(rows[:2], "ha")["text"] == "Counted on the map, Built-up is 19.4 ha too large."
    assert reference_card.finding(rows[1:2], "ha") == {"class": None, "text": reference_card.AGREE}
    skew = [row("Rare", 12, 2, 1, 13)]
    assert reference_card.finding(skew, "ha")["class"] is None
    none = [{**row("New", 0, 1, 0, 2), "low": None, "high": None}]
    assert reference_card.finding(none, "pixel")["class"] is None
    big = reference_card.finding([row("Field", 20000, 1000, 500, 1500)], "pixel")
    assert big["text"] == "Counted on the map, Field is 19\u2009000 pixels too large."
