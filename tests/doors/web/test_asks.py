"""Ask through the page's routes: sentences whose numbers lead to windows of the view and to layers of their pixels."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest
import rasterio
from affine import Affine

NAMES = {1: "Water", 2: "Woodland", 3: "Cropland"}
BOX = Affine(10, 0, 400000, 0, -10, 5200000)


def lay(door, n, codes, *, offset=(0, 0), bare=False):
    """A finished map of the open scene, as the page keeps them."""
    scene = door.session.scenes.get("s1")
    folder = door.session.folder / "maps" / str(n)
    folder.mkdir()
    place = {} if bare else {"crs": "EPSG:32633", "transform": BOX * Affine.translation(offset[1], offset[0])}
    with rasterio.open(folder / "classes.tif", "w", driver="GTiff", height=codes.shape[0], width=codes.shape[1], count=1,
                       dtype="uint8", nodata=0, **place) as file:  # fmt: skip
        file.write(codes, 1)
        file.update_tags(**{f"class_{k}": v for k, v in NAMES.items()})
    said = {"n": n, "key": scene.key, "name": scene.name, "state": "done", "made": "2026-01-01T00:00:00Z", "window": None,
            "classes": [], "labels": 9}  # fmt: skip
    (folder / "map.json").write_text(json.dumps(said))
    return codes


def codes():
    made = np.full((64, 64), 2, np.uint8)
    made[:20, 40:] = 3
    made[50:60, 10:20] = 1
    return made


@pytest.fixture
def mapped(opened):
    """Map 1, and map 2 where 200 px of woodland have become cropland."""
    lay(opened, 1, codes())
    later = codes()
    later[30:40, 20:40] = 3
    lay(opened, 2, later)
    return opened


def ask(door, question, **more):
    job = door.done(door.post("/api/ask", {"question": question, "scene": "s1", **more}))
    assert job["state"] == "done", job["error"]
    return job["result"]


def numbers(found):
    return [p["number"] for p in found["parts"] if "number" in p]


def test_a_number_leads_to_a_window_and_to_the_pixels_that_it_counts(mapped):
    found = ask(mapped, "how much water is here?")
    area, share = numbers(found)
    assert (area["value"], area["unit"], area["text"]) == (1.0, "ha", "1 hectare")
    assert share["value"] == pytest.approx(100 / 4096, abs=1e-6)
    assert area["evidence"] == {"map": 2, "name": "map 2", "window": [50, 60, 10, 20], "codes": [1], "before": None}
    assert area["call"] == found["calls"][0]["n"] == 1
    assert found["calls"][0]["arguments"]["maps"] == ["map 2"]
    assert found["planner"] == "by rules, on this computer"
    assert len(found["next"]) == 3
    said = mapped.get(f"/api/asks/{found['id']}/pixels/{area['pixels']}")
    assert said.status_code == 200, said.text
    record = said.json()
    assert (record["name"], record["window"], record["kind"]) == ("Counted: 1 hectare", [50, 60, 10, 20], "classes")
    raster = mapped.session.layers.get(record["id"])
    with rasterio.open(raster.path) as file:
        assert (file.read(1) != 1).sum() == 100
    assert record["outline"] == [[[[10, 50], [10, 60], [20, 60], [20, 50], [10, 50]]]]


def test_what_is_seen_is_what_is_asked_about(mapped):
    part = ask(mapped, "how much water is here?", window=[50, 64, 10, 15])
    area, share = numbers(part)
    assert area["value"] == 0.5
    assert share["value"] == pytest.approx(50 / 70, abs=1e-6)
    assert area["evidence"]["window"] == [50, 60, 10, 15]
    assert part["window"] == [50, 64, 10, 15]
    whole = ask(mapped, "how much water is here?", window=[-5, 80, -5, 80])
    assert whole["window"] is None
    assert numbers(whole)[0]["value"] == 1.0


def test_a_map_of_a_part_of_the_scene_keeps_its_place(mapped):
    lay(mapped, 3, codes()[40:, 5:45].copy(), offset=(40, 5))
    found = ask(mapped, "how much water is here?", map=3)
    assert numbers(found)[0]["evidence"]["window"] == [50, 60, 10, 20]
    outline = mapped.get(f"/api/asks/{found['id']}/pixels/0").json()["outline"]
    assert sorted(map(tuple, outline[0][0]))[0] == (10, 50)
    seen = ask(mapped, "how much water is here?", map=3, window=[50, 55, 0, 64])
    assert numbers(seen)[0]["evidence"]["window"] == [50, 55, 10, 20]
    job = mapped.done(
        mapped.post("/api/ask", {"question": "describe this view", "scene": "s1", "map": 3, "window": [0, 9, 0, 9]})
    )
    assert "lies elsewhere" in job["error"]["got"]


def test_two_maps_are_told_apart_and_their_change_leads_to_its_pixels(mapped):
    found = ask(mapped, "what changed between map 1 and map 2?")
    first = numbers(found)[0]
    assert (first["value"], first["evidence"]["before"]) == (2.0, "map 1")
    record = mapped.get(f"/api/asks/{found['id']}/pixels/{first['pixels']}").json()
    with rasterio.open(mapped.session.layers.get(record["id"]).path) as file:
        assert (file.read(1) != 1).sum() == 200
    compared = ask(mapped, "compare with map 1")
    assert "on map 1" in compared["text"]
    other = [n for n in numbers(compared) if n["evidence"]["map"] == 1]
    assert other


def test_a_question_that_is_not_understood_is_asked_back_without_a_number(mapped):
    back = ask(mapped, "will the market go up?")["back"]
    assert back["text"]
    found = ask(mapped, "paint me a picture of cows")
    assert found["back"]["text"].startswith("I understand five kinds of question. Nearest:")
    assert len(found["back"]["options"]) == 5
    assert not found["parts"]
    assert not re.search(r"\d", found["back"]["text"] + "".join(found["back"]["options"]))
    for question in found["back"]["ask"]:
        assert question
        assert ask(mapped, question)["text"]


def test_what_is_missing_is_said_for_the_page(opened):
    nothing = ask(opened, "how much water is here?")["back"]
    assert nothing["missing"] == "map"
    assert nothing["text"].startswith("There is no map of field yet")
    scene = ask(opened, "describe this view")
    assert "field is a scene" in scene["text"]
    lay(opened, 1, codes())
    one = ask(opened, "compare with the earlier date")["back"]
    assert one["text"].startswith("There is one map here, and two are needed.")
    assert "--" not in one["text"]
    lay(opened, 2, codes())
    lay(opened, 3, codes())
    which = ask(opened, "compare this view")["back"]
    assert which["ask"] == ["Compare with map 1", "Compare with map 2"]
    assert ask(opened, which["ask"][0])["parts"]
    kind = ask(opened, "how much wetland is here?")["back"]
    assert "How much of this is Water?" in kind["ask"]


def test_a_map_that_is_not_finished_is_not_asked(mapped):
    folder = mapped.session.folder / "maps" / "3"
    folder.mkdir()
    key = mapped.session.scenes.get("s1").key
    (folder / "map.json").write_text(json.dumps({"n": 3, "key": key, "state": "stopped", "made": "", "classes": []}))
    found = ask(mapped, "how much water is here?", map=3)
    assert found["map"] == 2


def test_an_answer_is_replayed(mapped):
    found = ask(mapped, "how much cropland is here?")
    job = mapped.done(mapped.post("/api/ask/replay", {"replay": found["replay"]}))
    assert job["result"]["replayed"]
    assert job["result"]["parts"] == found["parts"]
    assert mapped.post("/api/ask/replay", {"replay": "nothing"}).status_code == 404
    lay_again = codes()
    lay_again[:] = 3
    folder = mapped.session.folder / "maps" / "2"
    for name in ("classes.tif", "map.json"):
        (folder / name).unlink()
    folder.rmdir()
    lay(mapped, 2, lay_again)
    job = mapped.done(mapped.post("/api/ask/replay", {"replay": found["replay"]}))
    assert job["state"] == "failed"
    assert "maps have changed" in job["error"]["remedy"]


def test_an_answer_takes_at_most_300_ms_beyond_its_tools(mapped):
    import swath

    ask(mapped, "describe this view")
    began = time.monotonic()
    swath.describe([str(mapped.session.folder / "maps" / "2")])
    tools = time.monotonic() - began
    began = time.monotonic()
    ask(mapped, "how much woodland is here?")
    assert time.monotonic() - began < tools + 30


def test_no_path_leaves_and_what_cannot_be_asked_is_refused(mapped):
    found = ask(mapped, "what changed between map 1 and map 2?")
    assert str(mapped.session.folder) not in json.dumps(found)
    assert "/maps/" not in json.dumps(found)
    for record, status in (
        ({"question": ""}, 400), ({"question": "x" * 401}, 400), ({"question": "q", "scene": "s9"}, 404), ({"question": 5}, 400),
        ({"question": "how much water is here?", "window": [1]}, 400), ({"question": "q", "window": [90, 99, 0, 5]}, 400),
    ):  # fmt: skip
        assert mapped.post("/api/ask", {"scene": "s1", **record}).status_code == status
    job = mapped.done(mapped.post("/api/ask", {"scene": "s1", "question": "how much water is here?", "map": 77}))
    assert job["state"] == "failed"
    assert mapped.get("/api/asks/nothing/pixels/0").status_code == 404
    assert mapped.get(f"/api/asks/{found['id']}/pixels/99").status_code == 404


def test_the_state_tells_who_plans(opened, monkeypatch):
    assert opened.get("/api/state").json()["abilities"]["ask"] == "rules"
    monkeypatch.setenv("SWATH_ENDPOINT", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("SWATH_MODEL", "little")
    assert opened.get("/api/state").json()["abilities"]["ask"] == "little"


def test_two_open_scenes_of_one_ground_are_compared_and_what_changed_is_shown(door, make_scene):
    for year, seed in (("2018", 0), ("2020", 5)):
        path = make_scene(door.folder / f"field_{year}.tif", date=f"{year}-06-01", seed=seed)
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            values = file.read()
            if year == "2020":
                values[:, 20:40, 10:40] = values[::-1, 20:40, 10:40]
            file.write(values)
        assert door.post("/api/scenes", {"names": [f"field_{year}.tif"]}).status_code == 201
    found = ask(door, "what changed between 2018 and 2020?", scene="s2")
    assert found["calls"][0]["verb"] == "change"
    assert found["calls"][0]["arguments"]["scenes"] == ["field_2018", "field_2020"]
    shown = [n for n in numbers(found) if n["pixels"] is not None]
    assert shown
    assert shown[0]["evidence"]["name"] == "change"
    record = door.get(f"/api/asks/{found['id']}/pixels/{shown[0]['pixels']}").json()
    with rasterio.open(door.session.layers.get(record["id"]).path) as file:
        counted = file.read(1) != 1
    assert counted[22:38, 12:38].mean() > 0.8
    assert counted.sum() < 1000
    assert str(door.session.folder) not in json.dumps(found)


@pytest.fixture
def model(monkeypatch):
    """An OpenAI-compatible endpoint on this machine that answers from a script."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    script: list = []
    heard: list = []

    class StandIn(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            data = json.dumps({"choices": [{"message": script.pop(0)}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setenv("SWATH_ENDPOINT", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("SWATH_MODEL", "little")
    yield script, heard
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_plans_and_its_numbers_lead_to_pixels_while_its_own_are_left_out(mapped, model):
    script, heard = model
    call = {"name": "describe", "arguments": json.dumps({"maps": ["map 2"]})}
    script += [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]},
        {"role": "assistant", "content": "Water covers [n1]. There are 77 boats on it."},
    ]
    found = ask(mapped, "is there anything wet about?")
    assert found["planner"] == "little"
    assert "77" not in found["text"]
    assert len(numbers(found)) >= 1
    assert numbers(found)[0]["pixels"] == 0
    assert mapped.get(f"/api/asks/{found['id']}/pixels/0").status_code == 200
    assert str(mapped.session.folder) not in json.dumps(heard)
    assert found["calls"][0]["arguments"]["maps"] == ["map 2"]
