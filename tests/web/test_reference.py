"""The walk through a reference sample, and exports, by keyboard alone in the real page."""

from __future__ import annotations

import json
import time
from pathlib import Path

import hands
import numpy as np
import pytest
import rasterio

SPECTRA = np.array(
    [[0.05, 0.06, 0.04, 0.02], [0.03, 0.05, 0.03, 0.32], [0.06, 0.09, 0.08, 0.42], [0.10, 0.14, 0.18, 0.26]]
)
NAMES = ("Water", "Woodland", "Wheat", "Bare soil")


@pytest.fixture(scope="session")
def mapped(scene, tmp_path_factory) -> Path:
    """A workspace in which the made scene is labelled and mapped."""
    from starlette.testclient import TestClient

    from swath.doors.web.app import build
    from swath.doors.web.session import start

    home = tmp_path_factory.mktemp("mapped") / "workspace"
    session = start([scene.parent], home)
    opened = session.scenes.open([scene], trusted=True)
    client = TestClient(build(session), headers={"X-Swath": "1"})
    ops = []
    for i, (name, places) in enumerate(hands.PLACES.items()):
        colour = ("#4676c6", "#00520e", "#f5e05d", "#a98f7e")[i]
        ops.append({"id": f"c{i}", "op": "class-add", "class": {"id": f"c{i}", "name": name, "colour": colour}})
        for j, (column, row) in enumerate(places):
            x, y = opened.view.to_crs(column + 0.5, row + 0.5)
            label = {"id": f"l{i}-{j}", "class": f"c{i}", "geometry": {"type": "Point", "coordinates": [x, y]}}
            ops.append({"id": f"o{i}-{j}", "op": "add", "label": label})
    assert client.post("/api/labels/ops", json={"scene": opened.id, "base": 0, "ops": ops}).status_code == 200
    job = session.jobs.get(client.post("/api/maps", json={"scene": opened.id}).json()["job"]["id"])
    assert job is not None
    assert job.over.wait(120)
    assert job.state == "done", job.error
    return home


@pytest.fixture
def truth(scene) -> np.ndarray:
    """(rows, columns) index into NAMES of every pixel."""
    with rasterio.open(scene) as file:
        values = file.read()
    return ((values[None] - SPECTRA[:, :, None, None]) ** 2).sum(1).argmin(0)


def step(page) -> int:
    return int(page.locator(".walk-head .num").inner_text().split(" of ")[0])


def told(page, name: str = "r1") -> dict:
    return page.evaluate(f"fetch('api/samples/{name}', {{credentials: 'same-origin'}}).then(r => r.json())")


def press(page, key: str) -> None:
    """Press a key of the walk and wait until the next place is asked for."""
    before = step(page)
    page.keyboard.press(key)
    gone = "document.querySelector('.walk-over:not([hidden])')"
    moved = "!document.querySelector('.walk-head .num').textContent.startsWith(n + ' of')"
    hands.until(page, f"n => {gone} || {moved}", str(before))


def test_a_sample_is_drawn_walked_stopped_and_judged_by_keyboard_alone(mapped, scene, explore, open_page, truth):
    page = open_page(explore(scene, folder=mapped))
    hands.ready(page)
    page.keyboard.press("m")
    page.evaluate("window.swath.store.set({map: 1})")
    draw = page.get_by_role("button", name="Draw a reference sample")
    draw.focus()
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="240 places").focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Draw 120 places").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Reference sample").wait_for()
    assert page.locator(".walk-head .num").inner_text() == "1 of 132"
    assert page.locator(".walk-view img").count() == 3
    seen = []
    page.on("response", lambda r: seen.append(r.url) if "/tiles/m1" in r.url or "api/point" in r.url else None)
    bodies = []
    page.on("response", lambda r: bodies.append(r.text()) if "/answers" in r.url or "api/series" in r.url else None)
    page.keyboard.press("Escape")
    page.get_by_text("Areas need at least 2 answers in every mapped class").wait_for()
    page.keyboard.press("Escape")
    for i in range(60):
        point = told(page)["point"]
        if i == 4:
            page.keyboard.press("0")
            page.get_by_text("Why can it not be told?").wait_for()
            press(page, "2")
            continue
        press(page, str(1 + truth[int(point["row"]), int(point["col"])]))
    assert step(page) == 61
    page.keyboard.press("Backspace")
    hands.until(page, "() => document.querySelector('.walk-head .num').textContent.startsWith('60 of')")
    assert told(page)["answered"] == 59
    assert seen == []
    assert all('"class"' not in b and "stratum" not in b and '"needs":null' in b for b in bodies)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Judge the map with these").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("correct, by area").wait_for(timeout=60_000)
    card = page.locator("#right").inner_text()
    assert "of 120 reference points, drawn at random in each mapped class" in card
    assert "1 could not be told" in card
    assert page.locator("#walk").count() == 0
    areas = json.loads((mapped / "samples" / "r1" / "assess" / "assessment.json").read_text())["classes"]
    for part in areas:
        true = (truth == NAMES.index(part["name"])).sum() * 0.01
        assert part["area"]["low"] <= true <= part["area"]["high"]


def test_an_answer_that_swath_did_not_hear_is_sent_again(mapped, scene, explore, open_page):
    page = open_page(explore(scene, folder=mapped))
    hands.ready(page)
    page.evaluate("window.swath.api.post('api/samples', {map: 1, size: 30})")
    name = ""
    end = time.monotonic() + 30
    while not name and time.monotonic() < end:
        found = page.evaluate("fetch('api/state').then(r => r.json())")["samples"]
        name = next((one["id"] for one in found if one["size"] == 30), "")
    page.evaluate(f"window.swath.sample.resume('{name}')")
    page.locator("#walk").wait_for()
    page.route("**/api/**", lambda route: route.abort())
    page.keyboard.press("1")
    page.get_by_text("Not saved yet").wait_for()
    assert step(page) == 1
    page.unroute("**/api/**")
    hands.until(page, "() => document.querySelector('.walk-head .num').textContent.startsWith('2 of')")
    assert told(page, name)["answered"] == 1
    page.reload()
    hands.ready(page)
    page.evaluate(f"window.swath.sample.resume('{name}')")
    page.locator("#walk").wait_for()
    assert step(page) == 2


def test_the_export_dialog_holds_the_focus_and_gives_it_back(mapped, scene, explore, open_page, tmp_path):
    page = open_page(explore(scene, folder=mapped), dark=True)
    hands.ready(page)
    page.keyboard.press("m")
    page.evaluate("window.swath.store.set({map: 1})")
    page.locator("#right .big").wait_for()
    page.locator("#export-open").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Export")
    dialog.wait_for()
    dialog.get_by_text("about").wait_for()
    for _ in range(24):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "document.activeElement === document.body || Boolean(document.activeElement.closest('#export'))"
        )
        assert inside
    dialog.get_by_role("checkbox", name="Areas").focus()
    page.keyboard.press("Space")
    dialog.get_by_role("radio", name="This view").focus()
    page.keyboard.press("ArrowRight")
    assert dialog.get_by_role("radio", name="Whole scene").get_attribute("aria-checked") == "true"
    dialog.get_by_role("button", name="Export", exact=False).last.focus()
    hands.until(page, "() => !document.querySelector('#export .primary').disabled")
    page.keyboard.press("Enter")
    dialog.get_by_role("link", name="Download").first.wait_for(timeout=60_000)
    with page.expect_download() as got:
        dialog.get_by_role("link", name="areas.csv").click()
    got.value.save_as(tmp_path / "areas.csv")
    assert (tmp_path / "areas.csv").read_text().startswith("class,code,unit,counted")
    dialog.get_by_role("button", name="Show command").first.click()
    assert "swath again" in dialog.locator("code").first.inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "export-open"
