"""Labels through the page's door: taken down, told to others, saved and loaded as GeoJSON from wherever they come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from swath.doors.web import geojson
from swath.doors.web.answers import Clash
from swath.doors.web.view import View
from swath.errors import LabelError

CLASS = {"id": "o1", "op": "class-add", "class": {"id": "c1", "name": "Water", "colour": "#4676c6"}}


def point(op: str, one: str, x: float, y: float, kind: str = "c1") -> dict:
    geometry = {"type": "Point", "coordinates": [x, y]}
    return {"id": op, "op": "add", "label": {"id": one, "class": kind, "geometry": geometry}}


def test_labels_are_kept_and_told_and_a_retry_changes_nothing(opened):
    ops = [CLASS, point("o2", "l1", 400100, 5199900)]
    first = opened.post("/api/labels/ops", {"scene": "s1", "base": 0, "ops": ops})
    assert first.json() == {"revision": 2, "ops": []}
    assert opened.post("/api/labels/ops", {"scene": "s1", "base": 0, "ops": ops}).json()["revision"] == 2
    said = opened.get("/api/labels", scene="s1").json()
    assert said["revision"] == 2
    assert [c["name"] for c in said["classes"]] == ["Water"]
    assert said["labels"][0]["geometry"]["coordinates"] == [400100.0, 5199900.0]


def test_another_tab_is_given_what_it_has_not_seen(opened):
    opened.post("/api/labels/ops", {"scene": "s1", "base": 0, "ops": [CLASS]})
    other = opened.post("/api/labels/ops", {"scene": "s1", "base": 0, "ops": [point("o9", "l9", 400100, 5199900)]})
    assert [op["id"] for op in other.json()["ops"]] == ["o1"]
    kinds = [kind for _, kind, _ in opened.session.events.since(f"{opened.session.events.run}-0")[0]]
    assert kinds.count("labels") == 2


def test_what_is_no_operation_is_refused_in_words(opened):
    answer = opened.post("/api/labels/ops", {"scene": "s1", "base": 0, "ops": [{"id": "x", "op": "drop table"}]})
    assert answer.status_code == 400
    assert set(answer.json()) == {"rule", "got", "remedy"}
    assert opened.post("/api/labels/ops", {"scene": "s9", "base": 0, "ops": []}).status_code == 404


def test_labels_saved_are_labels_loaded(opened):
    ops = [CLASS, point("o2", "l1", 400100, 5199900), point("o3", "l2", 400200, 5199700)]
    opened.post("/api/labels/ops", {"scene": "s1", "base": 0, "ops": ops})
    saved = opened.client.get("/api/labels?scene=s1", headers={"Accept": "application/geo+json"})
    assert saved.headers["content-type"].startswith("application/geo+json")
    made = saved.json()
    assert made["crs"]["properties"]["name"].endswith(":32633")
    opened.post(
        "/api/labels/ops", {"scene": "s1", "base": 0, "ops": [{"id": "o4", "op": "class-delete", "class": "c1"}]}
    )
    back = opened.post("/api/labels/load", {"scene": "s1", "geojson": made}).json()
    assert len(back["added"]) == 2
    said = opened.get("/api/labels", scene="s1").json()
    assert {tuple(x["geometry"]["coordinates"]) for x in said["labels"]} == {(400100, 5199900), (400200, 5199700)}
    assert said["classes"][0]["colour"] == "#4676c6"


def test_a_file_in_the_folders_loads_by_name_and_others_do_not(opened):
    file = opened.folder / "some.geojson"
    feature = {
        "type": "Feature",
        "properties": {"class": "Wood"},
        "geometry": {"type": "Point", "coordinates": [13.6885, 46.9472]},
    }
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    good = opened.post("/api/labels/load", {"scene": "s1", "name": "some.geojson", "own": False})
    bad = opened.post("/api/labels/load", {"scene": "s1", "name": "../some.geojson"})
    assert good.status_code in (200, 400)
    assert bad.status_code in (400, 404)
    assert str(opened.folder) not in good.text + bad.text


def view(crs: str | None = "EPSG:32633") -> View:
    from odc.geo.geobox import GeoBox
    from rasterio.transform import from_origin

    return View((64, 64), None if crs is None else GeoBox((64, 64), from_origin(400000, 5200000, 10, 10), crs))


EMPTY = {"classes": [], "labels": []}


def collection(places: list[tuple[float, float]], **more: object) -> dict:
    features = [
        {"type": "Feature", "properties": {"class": "Water"}, "geometry": {"type": "Point", "coordinates": list(p)}}
        for p in places
    ]
    return {"type": "FeatureCollection", "features": features, **more}


def degrees(col: float, row: float) -> tuple[float, float]:
    found = view().to_lonlat(col, row)
    assert found is not None
    return found


def test_a_file_without_crs_is_in_degrees():
    ops, notes = geojson.imported(collection([degrees(10, 20)]), view(), EMPTY)
    place = ops[1]["label"]["geometry"]["coordinates"]
    assert np.allclose(view().to_pixel(*place), (10, 20), atol=1e-3)
    assert notes == []
    assert ops[0]["class"]["colour"] == "#4676c6"


def test_swapped_axes_are_noticed_and_swapped_when_asked():
    turned = [degrees(10, 20)[::-1], degrees(30, 40)[::-1]]
    with pytest.raises(Clash) as caught:
        geojson.imported(collection(turned), view(), EMPTY)
    assert caught.value.got == "0 of 2 do"
    assert "swapped" in caught.value.remedy
    choice = caught.value.more["choices"][0]
    assert choice == {"label": "Swap and load", "options": {"swap": True}}
    ops, _ = geojson.imported(collection(turned), view(), EMPTY, **choice["options"])
    assert np.allclose(view().to_pixel(*ops[1]["label"]["geometry"]["coordinates"]), (10, 20), atol=1e-3)


def test_coordinates_of_the_scene_without_its_name_are_offered_as_such():
    with pytest.raises(Clash) as caught:
        geojson.imported(collection([(400100, 5199800)]), view(), EMPTY)
    assert caught.value.more["choices"][0]["options"] == {"own": True}


def test_labels_partly_off_the_scene_are_left_out_and_said():
    ops, notes = geojson.imported(collection([degrees(10, 20), (0.0, 0.0)]), view(), EMPTY)
    assert sum(op["op"] == "add" for op in ops) == 1
    assert "1 of 2" in notes[0]


def test_pixel_labels_belong_to_scenes_without_coordinates():
    made = collection([(3.5, 4.5)], **{"swath:crs": "pixel"})
    ops, _ = geojson.imported(made, view(None), EMPTY)
    assert ops[1]["label"]["geometry"]["coordinates"] == [3.5, 4.5]
    with pytest.raises(LabelError, match="pixels"):
        geojson.imported(made, view(), EMPTY)
    state = {
        "classes": [{"id": "a", "name": "Water", "colour": "#4676c6"}],
        "labels": [{"id": "x", "class": "a", "geometry": {"type": "Point", "coordinates": [3.5, 4.5]}}],
    }
    out = geojson.exported(state, view(None))
    assert out["swath:crs"] == "pixel"
    assert "crs" not in out


def test_multi_geometries_come_apart_and_lines_are_left_out():
    square = [[[400010, 5199990], [400050, 5199990], [400050, 5199950], [400010, 5199990]]]
    features = [
        {
            "type": "Feature",
            "properties": {"label": "a"},
            "geometry": {"type": "MultiPolygon", "coordinates": [square, square]},
        },
        {
            "type": "Feature",
            "properties": {"label": "a"},
            "geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
        },
    ]
    ops, notes = geojson.imported({"type": "FeatureCollection", "features": features}, view(), EMPTY, own=True)
    assert sum(op["op"] == "add" for op in ops) == 2
    assert "1 of 2" in notes[0]


def test_a_crs_is_not_fetched_from_anywhere():
    named = {"type": "name", "properties": {"name": "http://example.org/crs.wkt"}}
    with pytest.raises(LabelError, match="authority"):
        geojson.imported(collection([(1, 1)], crs=named), view(), EMPTY)


def test_the_verb_reads_pixel_labels_as_pixels(tmp_path: Path):
    from swath.sample import labels as labelling

    path = tmp_path / "l.geojson"
    path.write_text(json.dumps({"swath:crs": "pixel", **collection([(3.5, 4.5), (10.5, 20.5), (3.5, 8.5)])}))
    made = json.loads(path.read_text())
    made["features"][1]["properties"]["class"] = "Wood"
    made["features"].append(
        {"type": "Feature", "properties": {"class": "Wood"}, "geometry": {"type": "Point", "coordinates": [30.5, 2.5]}}
    )
    path.write_text(json.dumps(made))
    got = labelling.read(str(path), view().geobox, shape=(64, 64))
    assert sorted(zip(got.row.tolist(), got.column.tolist(), strict=True)) == [(2, 30), (4, 3), (8, 3), (20, 10)]


@pytest.mark.parametrize(
    ("name", "colour"),
    [("Lake", "#4676c6"), ("pine forest", "#00520e"), ("Sand", "#a98f7e"), ("Moon", "#4676c6"), ("Other", "#742c92")],
)
def test_colours_are_suggested_by_name(name: str, colour: str):
    assert geojson.colour_of(name, []) == colour
