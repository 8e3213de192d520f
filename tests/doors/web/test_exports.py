"""What leaves the page: pictures, rasters, labels, tables and reports, from a real map, through the page's door."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from swath.doors.web import plate, written
from swath.doors.web.app import build
from swath.doors.web.session import start
from swath.doors.web.view import view_of

COLOURS = {"Sand": "#a98f7e", "Wood": "#00520e"}


def scene(path: Path, side: int = 64) -> Path:
    """Four bands of reflectance that grow from one corner to the other."""
    from odc.geo.geobox import GeoBox

    from swath.cube import contract
    from swath.cube.save import save

    rng = np.random.default_rng(0)
    base = np.add.outer(np.arange(side), np.arange(side)) / (2 * side)
    values = np.stack([0.05 + 0.1 * b + 0.3 * base + 0.02 * rng.random((side, side)) for b in range(4)])
    cube = contract.make(
        values[None].astype(np.float32), bands=["B02", "B03", "B04", "B08"],
        geobox=GeoBox((side, side), from_origin(400000, 5200000, 10, 10), "EPSG:32633"),
        time=[np.datetime64("2021-07-01", "ns")], wavelength=[492.4, 559.8, 664.6, 832.8], quantity="reflectance",
        units="1", sensor="sentinel-2-l2a",
    )  # fmt: skip
    path.parent.mkdir(parents=True)
    return Path(save(cube, path))


class Door:
    """The page's routes over a folder with a scene; what is asked here needs no guard."""

    def __init__(self, folder: Path, make_scene: Any) -> None:
        make_scene(folder / "scenes" / "field.tif")
        self.session = start([folder / "scenes"], folder / "work")
        self.client = TestClient(build(self.session), headers={"X-Swath": "1"}, raise_server_exceptions=False)
        self.post("/api/scenes", {"names": ["field.tif"]})

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, params=query or None)

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(path, json={} if body is None else body)

    def done(self, answer: Any) -> Any:
        assert answer.status_code == 202, answer.text
        job = self.session.jobs.get(answer.json()["job"]["id"])
        assert job is not None
        assert job.over.wait(120)
        return self.get(f"/api/jobs/{job.number}").json()["job"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Door:
    return Door(tmp_path_factory.mktemp("exports"), scene)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """`field.tif` mapped into two classes by brightness."""
    door = Door(tmp_path_factory.mktemp("mapped"), scene)
    ops = [
        {"id": f"c{i}", "op": "class-add", "class": {"id": f"c{i}", "name": n, "colour": c}}
        for i, (n, c) in enumerate(COLOURS.items())
    ]
    rng = np.random.default_rng(1)
    for i in range(10):
        for kind in (0, 1):
            row, column = rng.uniform(2, 30, 2) + 32 * (1 - kind)
            at = {"type": "Point", "coordinates": [400000 + 10 * column, 5200000 - 10 * row]}
            label = {"id": f"l{kind}{i}", "class": f"c{kind}", "geometry": at}
            ops.append({"id": f"o{kind}{i}", "op": "add", "label": label})
    assert door.post("/api/labels/ops", {"scene": "s1", "base": 0, "ops": ops}).status_code == 200
    job = door.done(door.post("/api/maps", {"scene": "s1"}))
    assert job["state"] == "done", job
    return door


def seen(door: Any) -> list[dict[str, Any]]:
    layers = door.get("/api/maps/1").json()["layers"]
    return [*({"id": one["id"], "opacity": one["opacity"]} for one in layers if one["on"]), {"id": "s1", "opacity": 1}]


def exported(door: Any, what: list[str], **more: Any) -> dict[str, Any]:
    body = {"scene": "s1", "map": 1, "what": what, "window": None, "layers": seen(door), **more}
    job = door.done(door.post("/api/export", body))
    assert job["state"] == "done", job
    return {one["name"]: one for one in job["result"]["files"]}


def content(door: Any, file: dict[str, Any]) -> bytes:
    answer = door.client.get("/" + file["href"])
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert len(answer.content) == file["bytes"]
    return bytes(answer.content)


def test_everything_of_a_map_leaves_as_files_with_the_page_s_colours(mapped, tmp_path):
    from PIL import Image

    files = exported(mapped, ["png", "classes", "probability", "labels", "areas", "report", "run"], marks=True)
    assert sorted(files) == [
        "field-map1-areas.csv", "field-map1-classes.tif", "field-map1-labels.geojson", "field-map1-probability.tif",
        "field-map1-report.html", "field-map1-run.json", "field-map1.png",
    ]  # fmt: skip
    folder = mapped.session.folder
    picture = Image.open(io.BytesIO(content(mapped, files["field-map1.png"])))
    assert picture.width > 2000
    assert len(picture.getcolors(1 << 24)) > 100
    (tmp_path / "c.tif").write_bytes(content(mapped, files["field-map1-classes.tif"]))
    with rasterio.open(tmp_path / "c.tif") as file, rasterio.open(folder / "maps" / "1" / "classes.tif") as own:
        assert (file.read() == own.read()).all()
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        codes = {v: int(k[6:]) for k, v in file.tags().items() if k.startswith("class_")}
        assert file.colormap(1)[codes["Wood"]][:3] == (0x00, 0x52, 0x0E)
        assert file.crs == own.crs
        assert file.transform == own.transform
    assert content(mapped, files["field-map1-probability.tif"]) == (folder / "maps/1/probability.tif").read_bytes()
    labels = json.loads(content(mapped, files["field-map1-labels.geojson"]))
    assert len(labels["features"]) == 20
    rows = list(csv.DictReader(io.StringIO(content(mapped, files["field-map1-areas.csv"]).decode())))
    assert [r["class"] for r in rows] == ["Sand", "Wood"]
    assert sum(float(r["counted"]) for r in rows) == pytest.approx(64 * 64 * 0.01)
    assert all(r["estimate"] == r["low"] == "" and "no probability sample" in r["note"] for r in rows)
    assert json.loads(content(mapped, files["field-map1-run.json"]))["verb"] == "map"
    report = mapped.client.get("/" + files["field-map1-report.html"]["href"] + "?show")
    assert "sandbox" in report.headers["content-security-policy"]
    assert str(folder) not in json.dumps(files)


def test_a_view_is_cut_and_its_command_makes_the_same(mapped, tmp_path):
    import swath

    files = exported(mapped, ["classes", "probability", "labels"], window=[10.2, 41.5, 3, 35])
    (tmp_path / "part.tif").write_bytes(content(mapped, files["field-map1-classes.tif"]))
    with rasterio.open(tmp_path / "part.tif") as file:
        part, bounds = file.read(1), file.bounds
        assert part.shape == (32, 32)
        assert bounds.left == 400030
        assert bounds.top == 5200000 - 100
    own = mapped.session.folder / "maps" / "1"
    with rasterio.open(own / "classes.tif") as file:
        assert (file.read(1)[10:42, 3:35] == part).all()
    with rasterio.open(own / "probability.tif") as whole:
        names = whole.descriptions
    (tmp_path / "p.tif").write_bytes(content(mapped, files["field-map1-probability.tif"]))
    with rasterio.open(tmp_path / "p.tif") as file:
        assert file.descriptions == names
        assert file.scales[0] == pytest.approx(0.004)
        assert file.nodata == 255
    labels = json.loads(content(mapped, files["field-map1-labels.geojson"]))
    assert 0 < len(labels["features"]) < 20
    again, _, clip = files["field-map1-classes.tif"]["command"].partition(" && ")
    assert shlex.split(again) == ["swath", "again", "work/maps/1/run.json", "--out", "again"]
    swath.again(own / "run.json", out=tmp_path / "again")
    words = [w for w in shlex.split(clip)[1:]]
    script = "from rasterio.rio.main import main_group; main_group()"
    subprocess.run([sys.executable, "-c", script, *words], cwd=tmp_path, check=True, capture_output=True)
    with rasterio.open(tmp_path / "field-map1-classes.tif") as file:
        assert (file.read(1) == part).all()
        assert file.bounds == bounds


def test_a_scene_without_a_map_leaves_as_a_picture_and_labels_only(opened):
    plan = opened.post("/api/export", {"scene": "s1", "plan": True}).json()
    there = {one["what"] for one in plan["items"] if one["files"]}
    assert there == {"png"}
    job = opened.done(opened.post("/api/export", {"scene": "s1", "what": ["png"], "window": [0, 20, 0, 30]}))
    assert job["state"] == "done", job
    assert job["result"]["files"][0]["command"] is None
    for what in ("classes", "areas", "report", "run", "labels"):
        job = opened.done(opened.post("/api/export", {"scene": "s1", "what": [what]}))
        assert job["state"] == "failed"
        assert job["error"]["remedy"]
    left = sorted(p.name for p in (opened.session.folder / "exports").iterdir())
    assert left == ["1"]


def test_exports_that_cannot_be_are_refused(mapped):
    def status(**body: Any) -> int:
        return int(mapped.post("/api/export", {"scene": "s1", "what": ["png"], **body}).status_code)

    assert status(what=["png", "shell"]) == 400
    assert status(what="png") == 400
    assert status(scene="s9") == 404
    assert status(map=9, plan=True) == 404
    assert status(window=[0, 1, 2]) == 400
    assert status(window=[500, 600, 0, 10]) == 400
    assert status(window=["a", 1, 0, 1]) == 400
    assert status(layers=[{"id": 3}]) == 400
    assert status(layers=[{"id": "s1"}] * 40) == 400
    assert status(map=-1) == 400
    job = mapped.done(mapped.post("/api/export", {"scene": "s1", "what": ["png"], "layers": [{"id": "../x"}]}))
    assert job["state"] == "failed"
    assert mapped.client.get("/files/AAAA").status_code == 404


def test_the_sizes_that_are_told_are_near_those_that_come(mapped):
    body = {"scene": "s1", "map": 1, "layers": seen(mapped), "plan": True}
    told = {one["what"]: one["bytes"] for one in mapped.post("/api/export", body).json()["items"]}
    files = exported(mapped, ["classes", "probability", "labels", "report", "run"])
    for one in files.values():
        assert told[one["what"]] == pytest.approx(one["bytes"], rel=0.6, abs=2000)


def test_a_reference_sample_changes_areas_report_and_card(mapped):
    truth = np.add.outer(np.arange(64), np.arange(64)) > 70
    n = mapped.done(mapped.post("/api/maps", {"scene": "s1"}))["result"]["map"]
    job = mapped.done(mapped.post("/api/samples", {"map": n, "size": 40, "seed": 2}))
    name = job["result"]["sample"]
    record = mapped.get(f"/api/samples/{name}").json()
    assert [c["name"] for c in record["classes"]] == ["Sand", "Wood"]
    while record["point"]:
        point = record["point"]
        said = "Sand" if truth[int(point["row"]), int(point["col"])] else "Wood"
        record = mapped.post(
            f"/api/samples/{name}/answers", {"op": f"o{point['id']}", "point": point["id"], "answer": said}
        ).json()
    assert mapped.done(mapped.post(f"/api/samples/{name}/assess"))["state"] == "done"
    record = mapped.get(f"/api/maps/{n}").json()
    card = record["card"]
    assert card["form"] == "reference"
    assert (card["answered"], card["steps"]) == (44, 44)
    shown = mapped.client.get("/" + record["files"]["reference"]["href"] + "?show")
    assert "sandbox" in shown.headers["content-security-policy"]
    assert "judged by a reference sample" in shown.text
    rows = {r["class"]: r for r in card["area"]["rows"]}
    assert rows["Sand"]["low"] <= truth.sum() * 0.01 <= rows["Sand"]["high"]
    files = exported(mapped, ["areas", "report", "run"], map=n)
    table = list(csv.DictReader(io.StringIO(content(mapped, files[f"field-map{n}-areas.csv"]).decode())))
    assert all(r["low"] and r["high"] and r["design"] == "stratified" for r in table)
    page = content(mapped, files[f"field-map{n}-reference.html"]).decode()
    assert "judged by a reference sample" in page
    assert "40 places drawn at random" in page
    assert json.loads(content(mapped, files[f"field-map{n}-reference-run.json"]))["verb"] == "assess"
    assert mapped.get("/api/state").json()["samples"][0]["assessed"]
    # A map that gets the number of one that was taken away is judged by no old sample.
    assert mapped.client.delete(f"/api/maps/{n}").status_code == 200
    assert not (mapped.session.folder / "maps" / str(n)).exists()
    assert mapped.get("/api/state").json()["samples"] == []
    assert mapped.post(f"/api/samples/{name}/assess").status_code == 404


def test_a_walk_tells_nothing_of_the_map_where_the_page_asks_for_a_place(mapped):
    asked = {"scene": "s1", "col": 20.5, "row": 20.5}
    told = mapped.get("/api/series", index="band-0", map="none", **asked)
    assert told.status_code != 200 or told.json()["class"] is None
    one = mapped.client.get("/api/chip", params={**asked, "metres": 300})
    assert one.status_code == 200


def test_a_scale_bar_is_round_and_fits():
    for ground in (0.125, 0.3, 1, 10, 30, 463.3):
        for room in (120.0, 300.0, 900.0):
            for metric in (True, False):
                length, words = plate.scale_bar(ground, room, metric=metric)
                assert 0.39 * room <= length <= room
                told = float(words.split()[0]) * (1000 if words.endswith("km") else 1)
                assert told == pytest.approx(length * ground)
    assert plate.scale_bar(10, 300)[1] == "2 km"
    assert plate.scale_bar(0.125, 300, metric=False) == (160, "20 pixels")


def test_windows_lie_on_maps_of_other_grids_too(tmp_path):
    from odc.geo.geobox import GeoBox

    path = tmp_path / "degrees.tif"
    where = from_origin(12.0, 47.0, 0.001, 0.001)
    form = {"driver": "GTiff", "height": 100, "width": 100, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=where, **form) as file:
        file.write(np.ones((100, 100), np.uint8), 1)
    box = GeoBox((100, 100), where, "EPSG:4326").to_crs("utm")
    view = view_of(box, tuple(box.shape))
    assert written.window_on(path, view, (0, box.shape[0], 0, box.shape[1])) == (0, 100, 0, 100)
    top, bottom, left, right = written.window_on(path, view, (0, box.shape[0] / 2, 0, box.shape[1] / 2))
    assert top == left == 0
    assert abs(bottom - 50) <= 3
    assert abs(right - 50) <= 3


def test_cells_of_a_table_are_no_formulas():
    record = {
        "design": "none",
        "classes": [
            {
                "name": "=cmd()", "code": 1, "unit": "ha", "mapped_area": 1.5, "support": {"truth": 2, "map": 2},
                "area": {"value": 1.5, "low": None, "high": None, "level": 0.95, "simulated": False, "reason": "-x"},
                "users_accuracy": {"value": None, "low": None, "high": None},
                "producers_accuracy": {"value": 0.5, "low": None, "high": None},
            }
        ],
    }  # fmt: skip
    row = next(csv.DictReader(io.StringIO(written.areas(record))))
    assert row["class"] == "'=cmd()"
    assert row["note"] == "'-x"
    assert row["estimate"] == ""


def test_names_in_any_script_are_written(tmp_path: Path):
    from PIL import Image

    pixels = np.full((60, 90, 4), 120, np.uint8)
    made = plate.Plate("Łąka i Ωmega, Ünïcode", "19 Feb 2019", [("Classes", [("colour", "x" * 300, "#123456")])])
    image = Image.open(io.BytesIO(plate.drawn(pixels, made, ground=1.0, metric=False)))
    assert image.width < 2000
