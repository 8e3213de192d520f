"""Scenes sent by the page: streamed aside, bounded, under harmless names, refused where they are no data."""

from __future__ import annotations

import asyncio

import pytest

from swath.doors.web import security
from swath.doors.web.upload import harmless
from swath.errors import FormatError

KIND = {"Content-Type": "application/octet-stream"}


def send(door, content, name):
    return door.client.post("/api/scenes/upload", content=content, headers={**KIND, "X-Swath-Name": name})


def kept(door):
    return sorted(p.name for p in (door.session.folder / "uploads").iterdir())


def test_a_scene_that_is_sent_opens(door):
    answer = send(door, (door.folder / "field.tif").read_bytes(), "my%20field.tif")
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "my-field"
    assert kept(door) == ["my-field.tif"]
    assert "child process" in " ".join(answer.json()["notes"])


def test_two_of_one_name_are_both_kept(door):
    data = (door.folder / "field.tif").read_bytes()
    assert send(door, data, "a.tif").json()["id"] != send(door, data + b"\0", "a.tif").json()["id"]
    assert kept(door) == ["a-2.tif", "a.tif"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.tif", "a.tif"),
        ("../../etc/a.tif", "a.tif"),
        ("..\\..\\a.TIF", "a.tif"),
        ("%2e%2e%2fa.tif", "a.tif"),
        ("/abs/a b(1).tiff", "a-b-1.tiff"),
        (".hidden.tif", "hidden.tif"),
        ("Ärzte.png", "rzte.png"),
        ("x" * 300 + ".nc", "x" * 80 + ".nc"),
        ("a\x00b\n.tif", "a-b.tif"),
        ("-.tif", "scene.tif"),
    ],
)
def test_names_become_harmless(name, plain):
    assert harmless(name) == plain


@pytest.mark.parametrize(
    "name", ["", "a", "a.vrt", "a.sh", "a.tif.exe", ".tif", "a.xml", "a.html", "run.json", "a.zip", "tif"]
)
def test_unknown_endings_are_refused(name):
    with pytest.raises(FormatError):
        harmless(name)


@pytest.mark.parametrize(
    "content",
    [
        b"<VRTDataset><SRS/></VRTDataset>",
        b"\xef\xbb\xbf \n<GDAL_WMS/>",
        b'{"type": "gdal_streamed_alg", "command_line": "gdal raster pipeline"}',
        b"",
        b"nothing that anyone can read",
    ],
)
def test_what_is_no_data_is_refused_and_not_kept(door, content):
    answer = send(door, content, "a.tif")
    assert answer.status_code in (400, 404)
    assert set(answer.json()) >= {"rule", "got", "remedy"}
    assert kept(door) == []
    assert door.get("/api/state").json()["scenes"] == []


def test_longer_than_allowed_is_refused_and_not_kept(door, monkeypatch):
    from swath.doors.web import upload

    monkeypatch.setattr(upload, "LARGEST", 100_000)

    def parts():
        for _ in range(3):
            yield b"II*\0" + b"x" * 50_000

    answer = door.client.post("/api/scenes/upload", content=parts(), headers={**KIND, "X-Swath-Name": "a.tif"})
    assert answer.status_code == 413
    assert kept(door) == []


def test_the_guard_and_the_upload_have_one_limit():
    from swath.doors.web.upload import LARGEST

    assert security.BODIES["api/scenes/upload"] == LARGEST


def test_a_sender_that_leaves_half_way_leaves_nothing(door):
    messages = [
        {"type": "http.request", "body": b"II*\0", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return messages.pop(0)

    async def send(message):
        assert message.get("status") in (None, 499)  # nobody hears it

    cookie = f"swath={door.client.cookies['swath']}"
    headers = {**dict(door.client.headers), **KIND, "host": "127.0.0.1:8321", "x-swath-name": "a.tif", "cookie": cookie}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/scenes/upload",
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
    }
    asyncio.run(door.client.app(scope, receive, send))
    assert kept(door) == []


def test_a_sent_scene_whose_unit_is_open_stays_until_it_is_settled(door, tmp_path):
    import numpy as np
    import rasterio

    path = tmp_path / "S2A_MSIL2A_20220301T101021_R022_T32TQM.tif"
    values = np.random.default_rng(0).integers(1100, 4000, (4, 64, 64)).astype(np.uint16)
    with rasterio.open(path, "w", driver="GTiff", width=64, height=64, count=4, dtype="uint16", nodata=0) as file:
        file.write(values)
        for i, name in enumerate(("B02", "B03", "B04", "B08"), 1):
            file.set_band_description(i, name)
    answer = send(door, path.read_bytes(), path.name)
    assert answer.status_code == 409, answer.text
    asked = answer.json()
    assert [c["options"]["offset"] for c in asked["choices"]] == [0, -1000]
    assert [c["label"] for c in asked["choices"]] == ["Use them as they are", "Subtract 1000"]
    opened = door.post("/api/scenes", {"names": asked["names"], "options": asked["choices"][1]["options"]})
    assert opened.status_code == 201
    assert any("as asked" in note for note in opened.json()["notes"])
