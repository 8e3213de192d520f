"""`swath ask`: numbers that lead to calls and pixels, answers told again, a chat model that is held to what calls returned."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine

import swath
from swath.doors.cli import run as cli
from swath.errors import SwathError
from swath.language.answer import Number, at
from swath.tools.asking import Call, check_numbers

NAMES = {1: "water", 2: "forest", 3: "crops"}


def write(path, codes):
    codes = np.asarray(codes)
    with rasterio.open(path, "w", driver="GTiff", height=codes.shape[0], width=codes.shape[1], count=1, crs="EPSG:32632",
                       dtype=codes.dtype, transform=Affine(10, 0, 5e5, 0, -10, 52e5)) as file:  # fmt: skip
        file.write(codes, 1)
        file.update_tags(**{f"class_{k}": v for k, v in NAMES.items()})
    return str(path)


def scene():
    """60 x 80 pixels of 10 m: crops in the upper right quarter, a pond in the lower left, forest elsewhere."""
    codes = np.full((60, 80), 2, np.uint8)
    codes[:30, 40:] = 3
    codes[40:50, 10:20] = 1
    return codes


@pytest.fixture
def maps(tmp_path):
    """2016 and 2024: 400 pixels of 100 m2 went from forest to crops."""
    before = scene()
    before[:10, 40:] = 2
    return [write(tmp_path / "m_2016.tif", before), write(tmp_path / "m_2024.tif", scene())]


def numbers(answer):
    return [p for p in answer.parts if isinstance(p, Number)]


def test_how_much_is_read_from_the_call_and_its_pixels_are_there(maps):
    answer = swath.ask("How much water is here?", maps)
    area, share = numbers(answer)
    assert (area.value, area.unit) == (1.0, "ha")
    assert share.value == round(100 / 4800, 6)
    for n in (area, share):
        assert at(answer.calls[n.call - 1].result, n.pointer) == n.value
        top, bottom, left, right = n.evidence["window"]
        with rasterio.open(n.evidence["map"]) as file:
            assert np.isin(file.read(1)[top:bottom, left:right], n.evidence["codes"]).sum() == 100
    assert "1 hectare" in answer.text
    assert "How this was got" in str(answer)
    assert "<b title=" in answer._repr_html_()


def test_each_kind_of_question_is_answered(maps):
    changed = swath.ask("what changed between 2016 and 2024?", maps)
    assert numbers(changed)[0].value == 4.0
    assert "forest to crops 4 hectares" in changed.text
    lost = swath.ask("how much forest was lost since 2016?", maps)
    assert "It lost 4 hectares to other classes and gained nothing" in lost.text
    compared = swath.ask("compare with 2016", maps)
    assert re.search(r"Crops: 8 hectares \(17%\) on m_2016.tif, 12 hectares \(25%\) on m_2024.tif", compared.text)
    densest = swath.ask("where is the water densest?", maps)
    assert "south-west" in densest.text
    assert numbers(densest)[0].value == 1.0
    assert numbers(densest)[0].evidence["window"] == [40, 50, 10, 20]
    described = swath.ask("describe this view", maps)
    assert described.text == swath.describe(maps[-1:]).text.text
    assert all(n.evidence["window"] for n in numbers(described))
    north = swath.ask("how much of the north is crops?", maps)
    assert numbers(north)[0].value == 0.5
    same = swath.ask("what changed?", [maps[0]], since=maps[1])
    assert "forest to crops" in same.text  # in the order of their dates
    assert "There is no water" in swath.ask("how much water is here?", [write_without_water(maps)]).text


def write_without_water(maps):
    from pathlib import Path

    return write(Path(maps[0]).parent / "dry.tif", np.full((20, 20), 2, np.uint8))


def test_a_question_outside_the_set_is_asked_back_and_nothing_is_called(maps):
    answer = swath.ask("How many people live here?", maps)
    assert not answer.calls
    assert not answer.parts
    assert not re.search(r"\d", str(answer))
    assert answer.to_json()["back"]["options"]


def test_an_answer_is_kept_and_told_again_to_the_same_bytes(maps, tmp_path):
    made = swath.ask("what changed?", maps, out=tmp_path / "out")
    assert set(made.files) == {"answer.json", "answer.txt", "calls/1.json", "run.json"}
    record = json.loads((tmp_path / "out" / "answer.json").read_text())
    result = json.loads((tmp_path / "out" / "calls" / "1.json").read_text())
    for part in record["parts"]:
        if "number" in part:
            assert at(result, part["number"]["pointer"]) == part["number"]["value"]
    again = swath.again(tmp_path / "out", out=tmp_path / "there")
    assert not again.different
    assert len(again.same) == 3
    told = swath.ask("what changed?", maps, replay=tmp_path / "out" / "answer.json")
    assert told.text == made.text
    with pytest.raises(SwathError, match="same question"):
        swath.ask("what else changed?", maps, replay=tmp_path / "out")


def test_a_replay_notices_that_the_map_is_another(maps, tmp_path):
    swath.ask("how much forest is here?", maps, out=tmp_path / "out")
    write(maps[1], np.full((60, 80), 2, np.uint8))
    with pytest.raises(SwathError, match="maps have changed"):
        swath.ask("how much forest is here?", maps, replay=tmp_path / "out")


def test_a_replay_reads_nothing_but_the_maps_of_the_question(maps, tmp_path):
    swath.ask("how much forest is here?", maps, out=tmp_path / "out")
    path = tmp_path / "out" / "answer.json"
    other = write(tmp_path / "other.tif", scene())
    for change in (
        {"arguments": {"maps": [other]}},
        {"verb": "get"},
        {"arguments": {"maps": maps[1:], "check": "/etc/passwd"}},
    ):
        record = json.loads(path.read_text())
        record["calls"][0] |= change
        forged = tmp_path / "forged.json"
        forged.write_text(json.dumps(record))
        with pytest.raises(SwathError):
            swath.ask("how much forest is here?", maps, replay=forged)


def test_a_number_that_no_call_returned_is_refused():
    call = Call(1, "describe", {}, {"area": 4.0})
    good = Number(4.0, "ha", 1, "/area", "4 hectares")
    check_numbers(["Forest: ", good, " on m_2016.tif."], [call], ["m_2016.tif"])
    for bad in (
        ["Forest: 5 hectares."],
        ["Forest: ", Number(5.0, "ha", 1, "/area", "5 hectares")],
        ["Forest: ", Number(4.0, "ha", 2, "/area", "4 hectares")],
        ["Forest: ", Number(4.0, "ha", 1, "/nowhere", "4 hectares")],
        ["m_2016.tiff"],
    ):
        with pytest.raises(SwathError, match="only numbers that a call returned"):
            check_numbers(bad, [call], ["m_2016.tif"])


def test_the_command_line_asks_and_prints_json(maps, capsys):
    assert cli(["ask", "how much water is here?", *maps, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["answered"]
    assert record["planner"] == "by rules, on this computer"
    assert cli(["ask", "how much water is here?", "nowhere.tif"]) == 2
    assert "not there" in capsys.readouterr().err


class StandIn(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint on this machine that answers from a script."""

    script: list = []
    seen: list = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).seen.append((dict(self.headers), body))
        message = type(self).script.pop(0)
        if isinstance(message, int):
            self.send_response(message)
            if message == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            return
        data = json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def model():
    server = HTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    StandIn.seen = []
    yield {"endpoint": f"http://127.0.0.1:{server.server_port}/v1", "model": "stand-in"}
    server.shutdown()
    server.server_close()
    thread.join()


def wants(verb, n=1, **arguments):
    call = {"id": f"c{n}", "type": "function", "function": {"name": verb, "arguments": json.dumps(arguments)}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def says(text):
    return {"role": "assistant", "content": text}


def test_a_model_chooses_calls_and_its_numbers_are_put_in_by_reference(maps, model, tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_KEY", "secret")
    StandIn.script = [
        wants("describe", maps=["m_2024.tif"], since="m_2016.tif"),
        says("Water covers [n1]. Crops grew since m_2016.tif."),
    ]
    made = swath.ask("Is there enough water for the crops?", maps, out=tmp_path / "out", **model)
    assert made.planner == "stand-in"
    assert numbers(made)[0].pointer == "facts/classes/0/area"
    assert made.text == "Water covers 1 hectare. Crops grew since m_2016.tif."
    headers, first = StandIn.seen[0]
    assert headers["Authorization"] == "Bearer secret"
    assert {t["function"]["name"] for t in first["tools"]} == {"describe", "info", "change"}
    described = next(t for t in first["tools"] if t["function"]["name"] == "describe")
    assert described["function"]["parameters"]["properties"]["maps"]["items"]["enum"] == ["m_2016.tif", "m_2024.tif"]
    assert "secret" not in (tmp_path / "out" / "run.json").read_text() + (tmp_path / "out" / "answer.json").read_text()
    assert str(tmp_path) not in json.dumps([b for _, b in StandIn.seen])
    again = swath.again(tmp_path / "out", out=tmp_path / "there")  # no endpoint answers any more
    assert not again.different


@pytest.mark.parametrize(
    "words",
    [
        "Forest covers 97 hectares.", "Forest covers ninety hectares.", "Half of it is forest.", "Forest covers 73.5%.",
        "There are \u0663 lakes.", "Forest doubled.", "Water covers [n99].", "Forest covers \u00bd of it.", "Forest covers one hectare.",
        "Forest covers \u4e8c\u5341 ha.", "Forest covers a single pixel.", "Forest is [n2] and 3 more.",
    ],
)  # fmt: skip
def test_a_number_of_the_models_own_never_reaches_the_answer(maps, model, words):
    StandIn.script = [wants("describe", maps=["m_2024.tif"]), says(f"{words} Water covers [n1].")]
    made = swath.ask("how is it?", maps, **model)
    assert made.text == "Water covers 1 hectare."
    assert "left out" in " ".join(made.notes)


def test_a_true_number_in_the_wrong_place_is_left_out_because_the_map_contradicts_it(maps, model):
    StandIn.script = [wants("describe", maps=["m_2024.tif"]), says("Forest covers [n1].")]
    made = swath.ask("how is it?", maps, **model)
    assert "Forest covers" not in made.text
    assert "water, area: 1 hectare" in made.text


def test_a_call_that_is_not_offered_is_told_so_and_not_carried_out(maps, model):
    StandIn.script = [
        wants("get", url="http://example.com"), wants("describe", maps=["/etc/passwd"]),
        wants("describe", maps=["m_2024.tif"], out="/tmp/x"),
        wants("describe", maps=[5]), wants("info", paths=["m_2024.tif"], quicklook="x.png"), says("Nothing can be said."),
    ]  # fmt: skip
    made = swath.ask("how is it?", maps, **model)
    assert not made.calls
    assert made.back.text == "Nothing can be said."
    told = [m["content"] for m in StandIn.seen[-1][1]["messages"] if m["role"] == "tool"]
    assert len(told) == 5
    assert all("error" in json.loads(t) for t in told)


@pytest.mark.parametrize("reply", [500, 302, {"content": 5}, says("7 of 9")])
def test_an_endpoint_that_fails_is_refused_in_one_line_and_numbers_without_calls_are_none(maps, model, reply):
    StandIn.script = [reply]
    if isinstance(reply, int):
        with pytest.raises(SwathError, match="endpoint"):
            swath.ask("how is it?", maps, **model)
    else:
        assert not re.search(r"\d", swath.ask("how is it?", maps, **model).text)


def test_a_key_does_not_travel_in_the_clear(maps, monkeypatch):
    monkeypatch.setenv("SWATH_KEY", "secret")
    with pytest.raises(SwathError, match="https"):
        swath.ask("how is it?", maps, endpoint="http://example.com/v1", model="m")
    with pytest.raises(SwathError, match="endpoint"):
        swath.ask("how is it?", maps, endpoint="file:///etc/passwd", model="m")
    with pytest.raises(SwathError, match="has a model"):
        swath.ask("how is it?", maps, endpoint="http://127.0.0.1:1")


def test_two_scenes_are_compared_by_change_with_its_interval(shared, tmp_path):
    scenes = [shared / "naip" / f"m_4709963_se_14_1_{d}.tif" for d in ("20100629", "20200831")]
    with rasterio.open(scenes[0]) as file:
        box = rasterio.warp.transform_bounds(file.crs, "EPSG:4326", *file.bounds)
    area = ",".join(str(v) for v in (box[0], box[1], box[0] + (box[2] - box[0]) / 4, box[1] + (box[3] - box[1]) / 4))
    made = swath.ask("what changed since 2010?", [str(s) for s in scenes], area=area, out=tmp_path / "out")
    assert numbers(made)[0].evidence["map"] == "change-1/change.tif"
    assert (tmp_path / "out" / "change-1" / "change.tif").is_file()
    assert made.calls[0].verb == "change"


def test_a_real_map_is_asked(shared):
    path = next(iter(sorted((shared / "terramind" / "LULC").glob("*.tif"))))
    made = swath.ask("what is here?", [str(path)], legend="terramind")
    assert numbers(made)
    assert "GeoTIFF" not in made.text


def test_a_part_told_in_pixels_is_asked_about_with_or_without_a_georeference(maps, tmp_path):
    part = swath.ask("How much water is here?", maps, area="rows 40:50, columns 10:30")
    area, share = numbers(part)
    assert (area.value, share.value) == (1.0, 0.5)
    assert area.evidence["window"] == [0, 10, 0, 10]
    assert area.evidence["area"] == "rows 40:50, columns 10:30"
    with pytest.raises(SwathError, match="60 rows and 80 columns"):
        swath.ask("How much water is here?", maps, area="rows 70:90, columns 0:10")
    with rasterio.open(maps[1]) as file:
        codes = file.read(1)
    with rasterio.open(tmp_path / "bare.tif", "w", driver="GTiff", height=60, width=80, count=1, dtype="uint8") as file:
        file.write(codes, 1)
        file.update_tags(**{f"class_{k}": v for k, v in NAMES.items()})
    bare = swath.ask("How much water is here?", [str(tmp_path / "bare.tif")], area="rows 40:50, columns 10:30")
    assert numbers(bare)[0].value == 100
    assert numbers(bare)[0].unit == "pixel"


def test_maps_answer_to_the_names_that_they_are_given(maps, tmp_path):
    names = ["map 1=2018-06-01", "map 2=2019-06-01"]
    answer = swath.ask("compare with map 1", maps, names=names, out=tmp_path / "out")
    assert "on map 1" in answer.text
    assert swath.ask("compare with June 2018", maps, names=names).text == answer.text
    again = swath.again(str(tmp_path / "out" / "run.json"), out=tmp_path / "again")
    assert (tmp_path / "again" / "answer.json").read_bytes() == (tmp_path / "out" / "answer.json").read_bytes(), again
    assert "Which one is meant?" in swath.ask("how much water was on the last map?", maps, names=names).text
    with pytest.raises(SwathError, match="a name of its own"):
        swath.ask("compare with map 1", maps, names=["one"])
    with pytest.raises(SwathError, match="NAME=DATE"):
        swath.ask("compare with map 1", maps, names=["one=yesterday", "two"])
