"""Similar places through the page's route: ranked, in pixels of the view, refined, and none where nothing is alike."""

from __future__ import annotations

import time

import numpy as np
import pytest
import rasterio
from affine import Affine

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from swath.doors.web import app, session


def world(path, *, bare=False):
    """Four ponds and three fields of 32 px in a wood of 256 x 320 px; one blue square without a like."""
    rng = np.random.default_rng(3)
    values = np.empty((4, 256, 320))
    values[:] = np.array([0.03, 0.05, 0.08, 0.35])[:, None, None] + 0.02 * rng.normal(size=(4, 256, 320))
    for row, column in ((32, 32), (32, 224), (160, 96), (192, 256)):
        values[:, row : row + 32, column : column + 32] = 0.02 + 0.002 * rng.normal(size=(4, 32, 32))
    for row, column in ((96, 0), (96, 256), (208, 16)):
        values[:, row : row + 32, column : column + 32] = 0.3 + 0.01 * rng.normal(size=(4, 32, 32))
    values[:, 96:112, 160:176] = np.array([0.9, 0.0, 0.0, 0.0])[:, None, None]
    place = {} if bare else {"crs": "EPSG:32632", "transform": Affine(10, 0, 5e5, 0, -10, 52e5)}
    with rasterio.open(path, "w", driver="GTiff", height=256, width=320, count=4, dtype="uint8", **place) as file:
        file.write(np.clip(values * 250, 1, 255).astype(np.uint8))
        for band, name in enumerate(("blue", "green", "red", "nir"), 1):
            file.set_band_description(band, name)
    return path


@pytest.fixture(params=[False, True], ids=["on a map", "without a georeference"])
def page(tmp_path, request):
    (tmp_path / "data").mkdir()
    path = world(tmp_path / "data" / "ponds.tif", bare=request.param)
    held = session.start([tmp_path / "data"], tmp_path / "work")
    scene = held.scenes.open([path], trusted=True)
    client = TestClient(app.build(held))
    client.scene, client.bare = scene, request.param
    return client


def run(client, path, record):
    said = client.post(path, json=record)
    assert said.status_code == 202, said.text
    job = said.json()["job"]
    until = time.monotonic() + 60
    while job["state"] in ("waiting", "running") and time.monotonic() < until:
        time.sleep(0.02)
        job = client.get(f"/api/jobs/{job['id']}").json()["job"]
    return job


def test_ponds_are_like_a_pond(page):
    job = run(page, "/api/similar", {"scene": page.scene.id, "yes": [{"col": 48, "row": 48}], "k": 8})
    assert job["state"] == "done", job["error"]
    found = job["result"]
    assert found["answer"] == "8 places are similar"
    assert [h["n"] for h in found["hits"]] == list(range(1, 9))
    assert found["encoder"] == "pixel statistics"
    assert "Pixel statistics are used" in found["notes"][0]
    assert found["tile"] == {"pixels": 16, "metres": None if page.bare else 160.0}
    for hit in found["hits"]:
        top, bottom, left, right = hit["window"]
        assert (hit["row"], hit["col"]) == ((top + bottom) / 2, (left + right) / 2)
        assert any(r <= hit["row"] <= r + 32 and c <= hit["col"] <= c + 32
                   for r, c in ((32, 32), (32, 224), (160, 96), (192, 256)))  # fmt: skip
        assert found["threshold"] <= hit["score"] <= 1
        assert (hit["metres"] is None) == page.bare
    if not page.bare:
        first = found["hits"][0]
        assert first["metres"] == pytest.approx(10 * np.hypot(first["col"] - 48, first["row"] - 48), abs=0.1)


def test_an_answer_is_refined_and_nothing_similar_is_said(page):
    scene = page.scene.id
    ask = {"scene": scene, "yes": [{"col": 48, "row": 48}, {"window": [96, 128, 0, 32]}], "k": 40}
    both = run(page, "/api/similar", ask)["result"]
    less = run(page, "/api/similar", {**ask, "no": [{"col": 272, "row": 112}]})["result"]
    assert less["unlike"] >= 1
    assert len(less["hits"]) < len(both["hits"])
    none = run(page, "/api/similar", {"scene": scene, "yes": [{"col": 168, "row": 104}]})["result"]
    assert none["hits"] == []
    assert none["answer"].startswith("Nothing is similar: the best tile has")
    assert none["best"] < none["threshold"]


def test_the_second_search_is_quick(page):
    ask = {"scene": page.scene.id, "yes": [{"col": 48, "row": 48}]}
    run(page, "/api/similar", ask)
    began = time.monotonic()
    run(page, "/api/similar", ask)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"yes": "here"}, 400), ({"yes": [{"col": 9999, "row": 1}]}, 400), ({"yes": [{"window": [1, 2]}]}, 400),
        ({"yes": [{"window": [50, 20, 0, 9]}]}, 400), ({"yes": [{"col": 1, "row": 1}], "k": 0}, 400), ({"encoder": "../x"}, 400),
        ({"scene": "s99"}, 404), ({"date": "1999-01-01", "yes": [{"col": 1, "row": 1}]}, 404),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused(page, record, status):
    said = page.post("/api/similar", json={"scene": page.scene.id, **record})
    assert said.status_code in (status, 202 if "date" in record else status), said.text
    if status != 202 and said.status_code != 202:
        assert set(said.json()) >= {"rule", "got", "remedy"}


def test_a_search_without_an_example_says_what_to_do(page):
    job = run(page, "/api/similar", {"scene": page.scene.id, "yes": []})
    assert job["state"] == "failed"
    assert "click a place" in job["error"]["remedy"]


def test_a_scene_is_embedded_beforehand_and_the_state_names_the_encoders(page):
    job = run(page, "/api/similar", {"scene": page.scene.id, "prepare": True})
    assert job["result"]["encoder"] == "pixel statistics"
    assert job["result"]["tile"]["pixels"] == 16
    names = [e["name"] for e in page.get("/api/state").json()["abilities"]["encoders"]]
    assert names == ["swath-tiny", "pixel statistics"]
