"""Maps through the page's door: made from the journal, shown while they come, judged in the form the labels allow."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swath.doors.web import maplayers, maps, paired
from swath.errors import Cancelled


def labelled(door: Any, n: int = 6, scene: str = "s1") -> None:
    """Two classes by brightness, which grows from the upper left to the lower right corner."""
    ops = [
        {"id": f"c{i}", "op": "class-add", "class": {"id": f"c{i}", "name": name, "colour": colour}}
        for i, (name, colour) in enumerate((("Wood", "#00520e"), ("Sand", "#a98f7e")))
    ]
    rng = np.random.default_rng(1)
    for i in range(n):
        for kind in (0, 1):
            row, column = rng.uniform(2, 30, 2) + 32 * kind
            place = [400000 + 10 * column, 5200000 - 10 * row]
            label = {"id": f"l{kind}{i}", "class": f"c{kind}", "geometry": {"type": "Point", "coordinates": place}}
            ops.append({"id": f"o{kind}{i}", "op": "add", "label": label})
    answer = door.post("/api/labels/ops", {"scene": scene, "base": 0, "ops": ops})
    assert answer.status_code == 200, answer.text


@pytest.fixture
def mapped(opened):
    labelled(opened, n=10)
    job = opened.done(opened.post("/api/maps", {"scene": "s1"}))
    assert job["state"] == "done", job
    assert job["result"] == {"map": 1}
    return opened


def test_a_map_has_layers_a_card_places_and_files(mapped):
    record = mapped.get("/api/maps/1").json()
    assert record["title"] == "Map 1"
    assert record["state"] == "done"
    assert record["labels"] == 20
    kinds = [layer["kind"] for layer in record["layers"]]
    assert kinds == ["doubt", "classes", "probability"]
    legend = record["layers"][1]["legend"]
    assert {c["name"]: c["colour"] for c in legend} == {"Wood": "#00520e", "Sand": "#a98f7e"}
    for layer in record["layers"]:
        tile = mapped.client.get("/" + layer["tiles"].format(z=0, x=0, y=0))
        assert tile.status_code in (200, 204), tile.text
    told = record["card"]
    assert told["form"] == "drawn"
    assert [r["class"] for r in told["area"]["rows"]] == ["Wood", "Sand"]  # as in the list of classes
    assert all(r["low"] is None and r["estimate"] is None for r in told["area"]["rows"])
    assert told["area"]["all"] == pytest.approx(64 * 64 / 100)
    assert "did not see its neighbourhood" in told["sentence"]
    assert len(told["matrix"]["counts"]) == 2
    for file in record["files"].values():
        assert mapped.client.get("/" + file["href"]).status_code == 200
    assert str(mapped.folder.parent) not in json.dumps(record)
    own, counts = told["matrix"]["classes"], told["matrix"]["counts"]
    truth = json.loads((mapped.session.folder / "maps" / "1" / "assessment.json").read_text())
    names = [c["name"] for c in truth["classes"]]
    for i, a in enumerate(own):
        for j, b in enumerate(own):
            assert counts[i][j] == truth["confusion"]["counts"][names.index(a)][names.index(b)]


def test_its_run_json_makes_the_same_map_again(mapped, tmp_path: Path):
    import swath

    found = swath.again(mapped.session.folder / "maps" / "1" / "run.json", out=tmp_path / "there")
    assert found.different == ()
    assert "classes.tif" in found.same


def test_a_second_map_is_held_against_the_first(mapped):
    job = mapped.done(mapped.post("/api/maps", {"scene": "s1"}))
    assert job["result"] == {"map": 2}
    record = mapped.get("/api/maps/2").json()
    told = record["card"]["against"]
    assert told["map"] == 1
    assert told["difference"] == 0
    assert told["words"] == "Against map 1: 0.0 points (0.0 to 0.0): no clear difference."
    assert record["earlier"] == [1]
    assert [m["n"] for m in mapped.get("/api/state").json()["maps"]] == [1, 2]


def test_labels_that_cannot_make_a_map_are_refused_at_once(opened):
    labelled(opened, n=1)
    answer = opened.post("/api/maps", {"scene": "s1"})
    assert answer.status_code == 400
    assert answer.json()["got"] == "Wood 1, Sand 1."[:-1]
    assert list((opened.session.folder / "maps").iterdir()) == []


def test_a_window_is_mapped_alone_and_lies_where_it_should(opened):
    import rasterio

    labelled(opened)
    live: list[int] = []
    before = opened.session.events.send

    def look(kind: str, record: dict[str, Any]) -> None:
        if kind == "layers":  # while the map is made the file is filled on its own grid, and shown where it lies
            planes = opened.session.layers.planes(record["id"])
            codes = planes.values.read([0], [0], slice(0, 64), slice(0, 64))[0, 0]
            live.append(int((codes > 0).sum()))
            assert not codes[:, :4].any()
            assert not codes[60:].any()
        before(kind, record)

    opened.session.events.send = look
    job = opened.done(opened.post("/api/maps", {"scene": "s1", "window": [0, 60, 4, 64]}))
    assert job["state"] == "done", job
    assert live[-1] == 60 * 60
    with rasterio.open(opened.session.folder / "maps" / "1" / "classes.tif") as file:
        assert (file.height, file.width) == (60, 60)
        assert (file.transform.c, file.transform.f) == (400040, 5200000)
    record = opened.get("/api/maps/1").json()
    for place in record["next"]:
        assert 4 <= place["col"] <= 64
        assert 0 <= place["row"] <= 60


@pytest.mark.parametrize("window", [[0, 99, 0, 10], [5, 5, 0, 10], [0, 10], "all", [0, 1.5, 0, 3]])
def test_windows_off_the_scene_are_refused(opened, window):
    labelled(opened)
    assert opened.post("/api/maps", {"scene": "s1", "window": window}).status_code == 400


def test_a_map_that_is_stopped_keeps_its_tiles_and_goes_on(opened):
    labelled(opened)
    session, scene = opened.session, opened.session.scenes.get("s1")
    n = maps.prepare(session, scene)
    seen = []

    def stop(done: int, total: int, what: str) -> None:
        seen.append((what, done))
        if what == "Mapping" and done:
            raise Cancelled

    with pytest.raises(Cancelled):
        maps.make(session, n, stop)
    assert [w for w, _ in seen if w not in maps.STAGES] == []
    record = opened.get(f"/api/maps/{n}").json()
    assert record["state"] == "stopped"
    assert record["card"] is None
    tile = opened.client.get("/" + record["layers"][0]["tiles"].format(z=0, x=0, y=0))
    assert tile.status_code == 200
    job = opened.done(opened.post("/api/maps", {"go_on": n}))
    assert job["state"] == "done", job
    assert opened.get(f"/api/maps/{n}").json()["card"]["form"] == "drawn"


def test_stopped_before_anything_was_finished_nothing_stays(opened):
    labelled(opened)
    session = opened.session
    n = maps.prepare(session, session.scenes.get("s1"))

    def stop(done: int, total: int, what: str) -> None:
        if what == "Choosing a classifier":
            raise Cancelled

    with pytest.raises(Cancelled):
        maps.make(session, n, stop)
    assert opened.get(f"/api/maps/{n}").status_code == 404
    assert not (session.folder / "maps" / str(n)).exists()


def test_tiles_are_told_of_while_the_map_is_made(opened):
    labelled(opened)
    told = []
    before = opened.session.events.send
    opened.session.events.send = lambda kind, record: (told.append((kind, record)), before(kind, record))[1]
    opened.done(opened.post("/api/maps", {"scene": "s1"}))
    layers = [record["id"] for kind, record in told if kind == "layers"]
    assert layers[0] == "m1.classes"
    stages = [record["what"] for kind, record in told if kind == "job" and record["state"] == "running"]
    assert "Mapping" in stages


def test_maps_are_there_again_after_a_restart_and_gone_when_deleted(mapped):
    from swath.doors.web.session import start

    again = start([mapped.folder], mapped.session.folder)
    again.scenes.named(["field.tif"], {})
    again.layers.scenes = again.scenes
    assert [m["n"] for m in maps.listing(again)] == [1]
    assert maps.record(again, 1)["card"]["form"] == "drawn"
    assert mapped.delete("/api/maps/1").status_code == 200
    assert mapped.get("/api/maps/1").status_code == 404
    assert mapped.get("/api/maps/../1").status_code == 404


def test_a_scene_without_coordinates_is_mapped_in_pixels(opened, make_scene):
    make_scene(opened.folder / "photo.tif", crs=None)
    assert opened.post("/api/scenes", {"names": ["photo.tif"]}).status_code == 201
    rng = np.random.default_rng(2)
    ops = [
        {"id": f"k{i}", "op": "class-add", "class": {"id": f"k{i}", "name": name}} for i, name in enumerate(("a", "b"))
    ]
    for i in range(6):
        for kind in (0, 1):
            place = (rng.uniform(2, 30, 2) + 32 * kind).tolist()
            label = {"id": f"p{kind}{i}", "class": f"k{kind}", "geometry": {"type": "Point", "coordinates": place}}
            ops.append({"id": f"q{kind}{i}", "op": "add", "label": label})
    assert opened.post("/api/labels/ops", {"scene": "s2", "base": 0, "ops": ops}).status_code == 200
    assert opened.post("/api/maps", {"scene": "s2", "window": [0, 9, 0, 9]}).status_code == 400
    job = opened.done(opened.post("/api/maps", {"scene": "s2"}))
    assert job["state"] == "done", job
    record = opened.get(f"/api/maps/{job['result']['map']}").json()
    assert record["card"]["area"]["unit"] == "pixel"
    assert "pixels)" in record["card"]["sentence"]
    tile = opened.client.get("/" + record["layers"][1]["tiles"].format(z=0, x=0, y=0))
    assert tile.status_code == 200


def test_stages_cover_what_the_verb_says():
    said = ["features at the labels", "judging logistic", "mapping", "writing doubt.tif", "judging in places left out"]
    assert [maps.stage(w) for w in said] == [
        "Reading", "Choosing a classifier", "Mapping", "Mapping", "Judging",
    ]  # fmt: skip
    assert maplayers.codes_of(["b", "a"]) == {"a": 1, "b": 2}
    assert maplayers.codes_of(["7", "3"]) == {"7": 7, "3": 3}


def test_a_difference_that_is_clear_is_called_so(mapped):
    """The earlier map's answers made wrong on purpose: the newer one is better, and its interval leaves out 0."""
    first = mapped.session.folder / "maps" / "1"
    second = mapped.session.folder / "maps" / "2"
    shutil.copytree(first, second)
    with np.load(first / "model" / "training.npz") as file:
        arrays = {k: file[k] for k in file.files}
    arrays["oof_value"] = 1 - arrays["oof_value"]
    np.savez(first / "model" / "training.npz", **arrays)
    told = paired.by_labels(second, first, 1)
    assert told is not None
    assert told["difference"] > 0.5
    assert told["low"] > 0
    assert told["words"].endswith("better.")


def test_maps_are_paired_on_the_places_of_a_reference_sample(mapped, tmp_path: Path):
    """The true difference of two maps, by area, lies in the interval; a map against itself differs by nothing."""
    import rasterio

    from swath.doors.web import samples

    session = mapped.session
    first, second = (session.folder / "maps" / str(n) for n in (1, 2))
    shutil.copytree(first, second)
    with rasterio.open(second / "classes.tif") as file:
        truth = file.read(1)
        profile = file.profile
    wrong = truth.copy()
    wrong[:20] = 3 - wrong[:20]
    (first / "classes.tif").unlink()
    with rasterio.open(first / "classes.tif", "w", **{**profile, "driver": "GTiff"}) as file:
        file.write(wrong, 1)
    maps._keep(second, {**maps.kept(session, 1), "n": 2})
    walk = samples.draw(session.folder / "samples", samples.subject(session, 2), size=60, seed=1)
    view = session.scenes.get("s1").view
    for step, place in enumerate(walk.steps, 1):
        walk.answer(f"a{step}", step, walk.places[place].stratum)
    told = paired.by_sample(walk.folder, first, 1, view)
    assert told is not None
    assert told["low"] <= float((wrong != truth).mean()) <= told["high"]
    assert told["words"].endswith("better.")
    same = paired.by_sample(walk.folder, second, 2, view)
    assert same is not None
    assert (same["difference"], same["clear"]) == (0.0, False)


def test_two_maps_at_once_have_numbers_of_their_own(opened):
    labelled(opened)
    scene = opened.session.scenes.get("s1")
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(maps.prepare(opened.session, scene))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(found) == [1, 2, 3, 4]


def test_a_class_in_one_place_and_labels_that_test_themselves_are_warned_of():
    from swath.doors.web import card
    from swath.doors.web.view import View

    method = "5 outer folds of 9 places (32-px blocks), the choice repeated inside each"
    notes = ["blocks of 32 px: so; in one block only, so that no check can score them: Bare soil"]
    leak = {"shared_pixels": 0, "within_buffer": 3, "words": ["3 of 9 test pixels lie within the buffer"], "test": 9}
    record = {"accuracy": {"method": method}, "notes": notes, "leakage": leak}
    first, second = card._warnings(record, View((64, 64)))
    assert first == (
        "A class needs labels in two places 32 pixels apart, so that one can test the other. Bare soil has one. "
        "Add one elsewhere."
    )
    assert second == "The figure may flatter: 3 of 9 test pixels lie within the buffer."
    assert card._warnings({**record, "notes": [], "leakage": None}, View((64, 64))) == []


def test_a_page_that_is_loaded_anew_finds_the_map_under_way(opened):
    labelled(opened)
    told: dict[str, Any] = {}
    before = opened.session.events.send

    def look(kind: str, record: dict[str, Any]) -> None:
        if kind == "layers" and not told:
            told.update(opened.get("/api/state").json())
            told["refused"] = opened.delete("/api/maps/1").status_code
        before(kind, record)

    opened.session.events.send = look
    job = opened.done(opened.post("/api/maps", {"scene": "s1"}))
    assert job["state"] == "done"
    assert told["mapping"] == [{"n": 1, "scene": "s1", "job": job["id"]}]
    assert told["maps"] == []
    assert told["refused"] == 400
    assert opened.get("/api/state").json()["mapping"] == []
