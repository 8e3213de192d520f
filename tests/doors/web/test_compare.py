"""Comparing dates, scenes and maps from the page: layers with their legends, a card with areas and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


def write(path: Path, values: np.ndarray, day: str, side: int = 96) -> Path:
    """Four bands of reflectance on a date, UTM, 10 m."""
    from odc.geo.geobox import GeoBox
    from rasterio.transform import from_origin

    from swath.cube.blocks import Layer
    from swath.cube.save import save_array

    waves = [490.0, 560.0, 665.0, 842.0]
    tags = tuple(
        {"quantity": "reflectance", "units": "1", "wavelength": str(w), "wavelength_units": "nm"} for w in waves
    )
    layer = Layer(
        name=path.stem, dtype="float32", nodata=float("nan"), bands=("blue", "green", "red", "nir"), units="1",
        tags={"quantity": "reflectance", "TIFFTAG_DATETIME": f"{day.replace('-', ':')} 10:00:00"}, band_tags=tags,
    )  # fmt: skip
    grid = GeoBox((side, side), from_origin(400000, 5200000, 10, 10), "EPSG:32633")
    save_array(values.astype(np.float32), path, grid=grid, layer=layer)
    return path


@pytest.fixture
def pair(door: Any) -> list[Path]:
    """A summer with woods and fields, and the next, where a square of the wood is gone."""
    draw = np.random.default_rng(3)
    green, bare = np.array([0.03, 0.05, 0.04, 0.35]), np.array([0.12, 0.14, 0.18, 0.22])
    wood = np.add.outer(np.arange(96), np.arange(96)) % 64 < 40
    first = np.where(wood[None], green[:, None, None], bare[:, None, None]) + draw.normal(0, 0.004, (4, 96, 96))
    second = np.where(wood[None], green[:, None, None], bare[:, None, None]) + draw.normal(0, 0.004, (4, 96, 96))
    second[:, 10:40, 20:50] = bare[:, None, None] + draw.normal(0, 0.004, (4, 30, 30))
    return [
        write(door.folder / "a" / "2019-06-01.tif", first, "2019-06-01"),
        write(door.folder / "a" / "2021-06-03.tif", second, "2021-06-03"),
    ]


@pytest.fixture
def stack(door: Any, pair: list[Path]) -> Any:
    return door.session.scenes.open(pair, trusted=True)


def test_two_dates_give_layers_and_a_card_with_intervals(door: Any, stack: Any) -> None:
    ask = {"scene": stack.id, "kind": "dates", "a": stack.dates[0], "b": stack.dates[1], "window": None}
    job = door.done(door.post("/api/compare", ask))
    assert job["state"] == "done", job["error"]
    result = job["result"]
    card = result["card"]
    assert card["title"] == "2019-06-01 to 2021-06-03"
    assert card["changed"]["low"] <= card["changed"]["value"] <= card["changed"]["high"]
    assert card["unit"] == "ha"
    assert 2 < card["changed"]["value"] < 14
    kinds = [layer["kind"] for layer in result["layers"]]
    assert kinds == ["change", "probability"]
    assert all(one["name"] != "no change" for one in result["layers"][0]["legend"])
    assert set(result["files"]) == {"report", "run", "areas"}
    for layer in result["layers"]:
        z = stack.view.levels
        answer = door.get("/" + layer["tiles"].format(z=z, x=0, y=0))
        assert answer.status_code == 200, layer["id"]
    assert door.get("/" + result["files"]["report"]["href"]).status_code == 200


def test_an_index_rises_and_falls_on_a_ramp_around_nothing(door: Any, stack: Any) -> None:
    ask = {"scene": stack.id, "kind": "dates", "a": stack.dates[0], "b": stack.dates[1], "index": "NDVI"}
    job = door.done(door.post("/api/compare", ask))
    assert job["state"] == "done", job["error"]
    difference = job["result"]["layers"][0]
    assert difference["legend"]["ramp"] == "diverging"
    assert difference["legend"]["lo"] == -difference["legend"]["hi"]
    assert {"decrease", "increase"} >= {row["kind"] for row in job["result"]["card"]["rows"]}


def test_labels_tell_from_which_class_to_which(door: Any, stack: Any) -> None:
    from swath.doors.web.labels import journal_of

    ops: list[dict[str, Any]] = [
        {"id": f"c{i}", "op": "class-add", "class": {"id": f"k{i}", "name": n, "colour": "#00520e"}}
        for i, n in enumerate(("wood", "bare"))
    ]
    draw = np.random.default_rng(0)
    wood = np.add.outer(np.arange(96), np.arange(96)) % 64 < 40
    for i in range(24):
        kind = i % 2
        rows, columns = np.nonzero(wood if kind == 0 else ~wood)
        at = draw.integers(len(rows))
        x, y = stack.view.to_crs(float(columns[at]) + 0.5, float(rows[at]) + 0.5)
        label = {"id": f"l{i}", "class": f"k{kind}", "geometry": {"type": "Point", "coordinates": [x, y]}}
        ops.append({"id": f"o{i}", "op": "add", "label": {**label, "date_seen": "2019-06-01"}})
    posted = door.post("/api/labels/ops", {"scene": stack.id, "base": 0, "ops": ops})
    assert posted.status_code == 200, posted.text
    assert len(journal_of(door.session, stack.key).to_json()["labels"]) == 24
    ask = {"scene": stack.id, "kind": "dates", "a": stack.dates[0], "b": stack.dates[1], "labels": True}
    job = door.done(door.post("/api/compare", ask))
    assert job["state"] == "done", job["error"]
    row = job["result"]["card"]["rows"][0]
    assert (row["from"], row["to"]) == ("wood", "bare")
    assert row["low"] <= row["value"] <= row["high"]


def test_two_scenes_of_one_place_are_compared(door: Any, pair: list[Path]) -> None:
    first, second = (door.session.scenes.open([p], trusted=True) for p in pair)
    ask = {"scene": first.id, "other": second.id, "kind": "dates", "a": first.dates[0], "b": second.dates[0]}
    job = door.done(door.post("/api/compare", ask))
    assert job["state"] == "done", job["error"]
    assert job["result"]["layers"][0]["scene"] == first.id
    assert job["result"]["card"]["changed"]["value"] > 2


def lay_maps(door: Any, scene: Any) -> None:
    """Two finished maps in the workspace, the second with a square of other class."""
    from swath.cube.blocks import Layer
    from swath.cube.save import save_array
    from swath.tools.job import write_json

    base = np.ones((96, 96), np.uint8)
    base[:, 48:] = 2
    for n in (1, 2):
        folder = door.session.folder / "maps" / str(n)
        folder.mkdir(parents=True)
        codes = base.copy()
        if n == 2:
            codes[:10, :10] = 2
        layer = Layer(
            "classes", "uint8", 0, ("class",), classes={1: "wood", 2: "bare"}, colours={1: (0, 82, 14), 2: (9, 9, 9)}
        )
        save_array(codes[None], folder / "classes.tif", grid=scene.view.geobox, layer=layer)
        classes = [{"name": "wood", "colour": "#00520e"}, {"name": "bare", "colour": "#a98f7e"}]
        said = {"n": n, "key": scene.key, "name": scene.name, "made": "2026-01-01T00:00:00Z", "window": None}
        write_json(folder / "map.json", {**said, "better": False, "labels": 9, "classes": classes, "state": "done"})


def test_two_maps_give_a_matrix_of_areas(door: Any, stack: Any) -> None:
    lay_maps(door, stack)
    job = door.done(door.post("/api/compare", {"scene": stack.id, "kind": "maps", "a": 1, "b": 2}))
    assert job["state"] == "done", job["error"]
    card = job["result"]["card"]
    assert card["title"] == "Map 1 to Map 2"
    assert card["matrix"]["classes"] == ["wood", "bare"]
    assert card["matrix"]["areas"][0][1] == pytest.approx(1.0, rel=0.01)
    assert card["rows"][0]["counted"] == pytest.approx(1.0, rel=0.01)
    assert card["rows"][0]["low"] is None
    assert card["rows"][0]["reason"]


@pytest.mark.parametrize(
    "ask",
    [{"a": "2019-06-01", "b": "2019-06-01"}, {"a": "1999-01-01", "b": "2019-06-01"}, {"kind": "EVIL"}, {},
     {"kind": "maps", "a": 1, "b": 1}, {"kind": "maps", "a": 7, "b": 8}, {"kind": "maps", "a": "../1", "b": 2},
     {"a": "2019-06-01", "b": "2021-06-03", "window": [5, 1, 0, 9]}, {"a": "2019-06-01", "b": "2021-06-03", "other": "s9"},
     {"a": "2019-06-01", "b": "2021-06-03", "labels": True}],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_words(door: Any, stack: Any, ask: dict[str, Any]) -> None:
    answer = door.post("/api/compare", {"scene": stack.id, **ask})
    assert answer.status_code in (400, 404), answer.text
    assert set(answer.json()) >= {"rule", "got", "remedy"}
    left = [p for p in (door.session.folder / "compare").iterdir() if p.is_dir()]
    assert not left


def test_pictures_without_coordinates_are_compared_in_pixels(door: Any, make_scene: Any) -> None:
    paths = [make_scene(door.folder / f"{name}.tif", crs=None, seed=i) for i, name in enumerate("ab")]
    first, second = (door.session.scenes.open([p], trusted=True) for p in paths)
    job = door.done(door.post("/api/compare", {"scene": first.id, "other": second.id, "kind": "dates"}))
    assert job["state"] == "done", job["error"]
    card = job["result"]["card"]
    assert card["unit"] == "pixel"
    layer = job["result"]["layers"][-1]
    z = first.view.levels
    assert door.get("/" + layer["tiles"].format(z=z, x=0, y=0), **{"class": "1"}).status_code == 200


def test_a_comparison_of_files_runs_again_from_its_run_json(door: Any, stack: Any, tmp_path: Path) -> None:
    import json

    import swath

    ask = {"scene": stack.id, "kind": "dates", "a": stack.dates[0], "b": stack.dates[1]}
    job = door.done(door.post("/api/compare", ask))
    assert job["state"] == "done", job["error"]
    folder = door.session.folder / "compare" / str(job["result"]["id"])
    record = json.loads((folder / "run.json").read_text("utf-8"))
    assert [Path(p).name for p in record["arguments"]["scenes"]] == ["2019-06-01.tif", "2021-06-03.tif"]
    assert not any("cannot run again" in note for note in job["result"]["card"]["notes"])
    second = swath.again(folder, out=tmp_path / "twice")
    assert "change.tif" in second.same
    assert not second.different


def test_a_date_of_two_files_is_compared_and_the_card_says_it_cannot_be_repeated(door: Any, pair: list[Path]) -> None:
    import rasterio

    halves = []
    for path in pair:
        with rasterio.open(path) as file:
            for name, window in (("west", ((0, 96), (0, 48))), ("east", ((0, 96), (48, 96)))):
                half = door.folder / f"{path.stem}_{name}.tif"
                size = {"height": 96, "width": 48, "transform": file.window_transform(_cut(window))}
                with rasterio.open(half, "w", **{**file.profile, **size, "tiled": False}) as made:
                    made.write(file.read(window=window))
                    made.update_tags(**file.tags())
                    for band in file.indexes:
                        made.set_band_description(band, file.descriptions[band - 1])
                        made.update_tags(band, **file.tags(band))
                halves.append(half)
    scene = door.session.scenes.open(halves, trusted=True)
    assert len(scene.dates) == 2
    ask = {"scene": scene.id, "kind": "dates", "a": scene.dates[0], "b": scene.dates[1]}
    job = door.done(door.post("/api/compare", ask))
    assert job["state"] == "done", job["error"]
    assert any("cannot run again: a date comes from several files" in n for n in job["result"]["card"]["notes"])


def _cut(window: Any) -> Any:
    from rasterio.windows import Window

    return Window.from_slices(*window)


def test_a_comparison_is_there_again_after_a_restart(door: Any, stack: Any, pair: list[Path]) -> None:
    from starlette.testclient import TestClient

    from swath.doors.web.app import build
    from swath.doors.web.session import start

    ask = {"scene": stack.id, "kind": "dates", "a": stack.dates[0], "b": stack.dates[1], "index": "NDVI"}
    told = door.done(door.post("/api/compare", ask))["result"]
    assert [c["n"] for c in door.get("/api/state").json()["compares"]] == [told["id"]]
    second = start([door.folder], door.session.folder)
    client = TestClient(build(second))
    assert client.get("/api/state").json()["compares"] == []  # its scene is not open
    second.scenes.open([door.folder / "field.tif"], trusted=True)
    scene = second.scenes.open(pair, trusted=True)
    listed = client.get("/api/state").json()["compares"]
    assert [(c["n"], c["scene"], c["a"], c["b"]) for c in listed] == [(told["id"], scene.id, *stack.dates)]
    assert client.get("/api/compares").json() == {"compares": listed}
    found = client.get(f"/api/compares/{told['id']}").json()
    assert found["card"] == told["card"]
    assert [layer["id"] for layer in found["layers"]] == [layer["id"] for layer in told["layers"]]
    assert {layer["scene"] for layer in found["layers"]} == {scene.id}
    tile = found["layers"][0]["tiles"].format(z=scene.view.levels, x=0, y=0)
    assert client.get("/" + tile).status_code == 200
    assert client.get("/" + found["files"]["report"]["href"]).status_code == 200
    for word in ("99", "0x1", "../1", "9" * 20):
        assert client.get(f"/api/compares/{word}").status_code == 404
    (second.folder / "compare" / str(told["id"]) / "compare.json").write_text('{"key": []}', "utf-8")
    assert client.get("/api/state").json()["compares"] == []
