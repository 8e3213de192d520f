"""The five minutes of a person with a scene and a few labels, through the real page."""

from __future__ import annotations

import json
import re

import hands
import numpy as np
import pytest
import rasterio


@pytest.fixture
def page(scene, explore, open_page):
    page = open_page(explore(scene))
    hands.ready(page)
    return page


def test_a_scene_opens_in_true_colour_and_a_click_tells_its_spectrum(page, scene):
    assert page.get_by_role("heading", level=1).inner_text() == "valley"
    assert "token" not in page.url
    hands.click(page, 180, 60)
    page.get_by_role("heading", name="Spectrum").wait_for()
    page.get_by_role("button", name="Show as table").first.click()
    page.locator("#dock table").get_by_text("B08").wait_for()
    rows = page.locator("#dock table tr").all_inner_texts()
    with rasterio.open(scene) as file:
        stored = file.read()[:, 60, 180]
    told = [row.split("\t") for row in rows if row.startswith("B0")]
    assert [t[0].partition(",")[0] for t in told] == ["B02", "B03", "B04", "B08"]
    assert np.allclose([float(t[-1]) for t in told], stored, atol=6e-4)


def test_from_labels_to_a_judged_map_an_answer_and_files(page, tmp_path):
    count = hands.label_all(page)
    page.keyboard.press("Control+Enter")
    page.locator("#right .big").wait_for(timeout=90_000)
    card = page.locator("#right").inner_text()
    assert "correct, expected on similar places" in card
    assert "no interval yet" in card  # drawn labels are no random sample
    known = page.evaluate("fetch('api/maps/1', {credentials: 'same-origin'}).then(r => r.json())")
    assert known["labels"] == count
    assert known["card"]["big"]["low"] <= known["card"]["big"]["value"] <= known["card"]["big"]["high"]
    assert known["card"]["big"]["value"] > 0.8
    for name in ("Classes", "Doubt"):
        assert (
            page.get_by_role("button", name=f"Hide {name}").or_(page.get_by_role("button", name=f"Show {name}")).count()
            >= 1
        )

    page.keyboard.press("/")
    page.locator("#ask-field").fill("how much woodland is here?")
    page.keyboard.press("Enter")
    page.locator("#right").get_by_text("How this was got").wait_for(timeout=60_000)
    said = page.evaluate("() => document.querySelector('#right').innerText")
    assert re.search(r"\d\sha\b", said)  # hectares, after a narrow space
    assert "by rules, on this computer" in said

    page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export")
    dialog.wait_for()
    dialog.get_by_role("button", name="Export").last.click()
    with page.expect_download(timeout=90_000) as got:
        dialog.get_by_role("link", name="Download").first.click()
    saved = tmp_path / got.value.suggested_filename
    got.value.save_as(saved)
    assert saved.stat().st_size > 500


def test_labels_outlive_a_crash_of_the_server_and_a_reload(scene, explore, open_page, tmp_path):
    home = tmp_path / "kept"
    first = explore(scene, folder=home)
    page = open_page(first)
    hands.ready(page)
    few = {name: spots[:2] for name, spots in hands.PLACES.items()}
    count = hands.label_all(page, few)
    first.process.kill()
    first.process.wait()
    hands.click(page, 120, 30)
    page.get_by_role("alert").filter(has_text="Not connected").wait_for()
    assert "1 label waits" in page.get_by_role("alert").inner_text()
    port = first.base.rstrip("/").rpartition(":")[2]
    explore(scene, "--port", port, folder=home)
    hands.until(page, "() => window.swath.store.state.connected")
    hands.labels(page, count + 1)
    page.reload()
    hands.ready(page)
    hands.labels(page, count + 1)


def test_two_tabs_keep_both_edits(scene, explore, open_page):
    one = open_page(explore(scene))
    hands.ready(one)
    few = {name: spots[:1] for name, spots in hands.PLACES.items()}
    count = hands.label_all(one, few)
    two = one.context.new_page()
    two.goto(one.url)
    hands.ready(two)
    hands.labels(two, count)
    two.get_by_role("tab", name="Map").click()
    two.get_by_role("radio", name="Water").click()
    hands.click(two, 88, 44)
    one.bring_to_front()
    hands.labels(one, count + 1)


def test_a_link_opens_once(scene, explore, open_page, browser):
    explorer = explore(scene)
    hands.ready(open_page(explorer))
    stranger = browser.new_context()
    try:
        late = stranger.new_page()
        assert late.goto(explorer.url).status in (401, 403)
        answer = stranger.request.get(f"{explorer.base}api/state")
        assert answer.status in (401, 403)
        assert json.loads(answer.text())["rule"]
    finally:
        stranger.close()
