"""The frame of the page: links, keys, help, dates without a gap, a server that goes away, browsers without WebGL."""

from __future__ import annotations

import re
import signal

import hands
import pytest

STATE = "name => window.swath.store.state[name]"


@pytest.fixture
def page(scene, explore, open_page):
    page = open_page(explore(scene))
    hands.ready(page)
    return page


def test_an_address_shows_the_same_again_and_back_undoes(page):
    page.keyboard.press("m")
    page.keyboard.press("f")
    page.go_back()
    hands.until(page, "() => window.swath.store.state.mode === 'map'")
    page.evaluate("() => window.swath.view.jump(100, 50, 2)")
    page.evaluate("() => window.swath.store.set({pixel: {col: 94, row: 70}})")
    hands.until(page, "() => /at=501000,5099500,2&.*mode=map.*px=94,70/.test(location.hash)")
    page.reload()
    hands.ready(page)
    assert page.evaluate(STATE, "mode") == "map"
    assert page.evaluate(STATE, "pixel") == {"col": 94, "row": 70}
    assert page.evaluate("() => window.swath.view.where()") == pytest.approx(
        {"col": 100, "row": 50, "zoom": 2}, abs=0.06
    )
    assert not re.search(r"token|/tmp|tif", page.url)


def test_the_map_is_moved_and_clicked_by_keys_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "To the map"
    page.keyboard.press("Enter")
    before = page.evaluate("() => window.swath.view.where()")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    after = page.evaluate("() => window.swath.view.where()")
    assert after["col"] > before["col"]
    assert after["row"] > before["row"]
    assert page.locator("#cross").is_visible()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Spectrum").wait_for()
    picked = page.evaluate(STATE, "pixel")
    assert picked["col"] == pytest.approx(after["col"], abs=1)
    page.keyboard.press("+")
    hands.until(page, "z => window.swath.view.where().zoom > z + 0.9", before["zoom"])
    page.keyboard.press("0")
    hands.until(page, "() => { const w = window.swath.view.window(); return w[0] === 0 && w[3] === 240; }")


def test_the_read_out_tells_the_place_in_three_ways(page):
    page.mouse.move(*hands.spot(page, 120, 60))
    place, turn = page.locator("#read .place"), page.locator("#read .crs")
    hands.until(page, "() => /501.(19|20|21)\\d/.test(document.querySelector('#read .place').textContent)")
    assert turn.inner_text() == "EPSG:32633"
    turn.focus()
    page.keyboard.press("Enter")
    assert re.fullmatch(r"46\.0\d+° N\s15\.01\d+° E", place.inner_text())
    page.keyboard.press("Enter")
    assert turn.inner_text() == "pixels"


def test_help_names_the_keys_turns_them_off_and_gives_the_focus_back(page):
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys and help")
    dialog.wait_for()
    text = dialog.inner_text()
    for said in ("Label, map, judge", "Whole scene", "Hold to see the image beneath all layers", "Single keys: on"):
        assert said in text
    for _ in range(8):
        page.keyboard.press("Tab")
        inside = "() => document.activeElement === document.body || document.querySelector('#help').contains(document.activeElement)"
        assert page.evaluate(inside)
    dialog.get_by_label("Single keys: on").uncheck()
    page.keyboard.press("Escape")
    hands.until(page, "() => document.activeElement.id === 'help-open'", seconds=5)
    page.keyboard.press("m")
    assert page.evaluate(STATE, "mode") == "look"
    page.evaluate("() => { window.swath.keys.on = true; }")
    page.keyboard.press("m")
    assert page.evaluate(STATE, "mode") == "map"


def test_a_date_changes_without_a_frame_that_is_empty(dates, explore, open_page):
    page = open_page(explore(*dates))
    hands.ready(page)
    empty = page.evaluate(
        """async () => {
          const { view, store } = window.swath;
          const drawn = () => view.map.getStyle().layers.filter((l) => l.type === "raster" && l.paint["raster-opacity"] === 1);
          const first = drawn()[0].id;
          let empty = 0;
          const watch = () => { if (!drawn().some((l) => view.map.isSourceLoaded(l.source))) empty += 1; };
          view.map.on("render", watch);
          store.set({ date: store.state.scene.dates[0].date });
          for (let n = 0; n < 200 && drawn()[0].id === first; n += 1) await new Promise((rest) => setTimeout(rest, 25));
          return drawn()[0].id === first ? "no swap" : empty;
        }"""
    )
    assert empty == 0


def test_tiles_that_fail_are_told_once_and_asked_for_again(dates, explore, open_page):
    page = open_page(explore(*dates))
    hands.ready(page)
    page.route("**/tiles/**date=2020-07-01**", lambda route: route.fulfill(status=503, body="{}"))
    page.evaluate("() => window.swath.store.set({date: '2020-07-01'})")
    again = page.locator("#chips").get_by_role("button", name="Try again")
    again.wait_for()
    page.unroute("**/tiles/**date=2020-07-01**")
    again.click()
    again.wait_for(state="detached")
    hands.until(page, "() => Object.keys(window.swath.store.state.failed).length === 0")


def test_a_server_that_goes_away_is_told_and_met_again(scene, explore, open_page, tmp_path):
    first = explore(scene)
    page = open_page(first)
    hands.ready(page)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(20)
    page.locator("#bar").get_by_text("Not connected").wait_for()
    port = re.search(r":(\d+)/", first.url).group(1)
    explore(scene, "--port", port, folder=first.folder)
    page.locator("#bar").get_by_text("Not connected").wait_for(state="detached")
    hands.click(page, 120, 60)
    page.get_by_role("heading", name="Spectrum").wait_for()


def test_a_file_that_does_not_open_is_told_in_the_page_while_the_others_open(scene, explore, open_page, tmp_path):
    (tmp_path / "broken.tif").write_bytes(b"II*\x00nothing")
    page = open_page(explore(scene, tmp_path / "broken.tif"))
    hands.ready(page)
    page.locator("#bar").get_by_text("broken.tif").wait_for()
    assert str(tmp_path) not in page.locator("#bar").inner_text()


def test_without_webgl_the_map_is_a_picture_that_moves(browser, scene, explore):
    explorer = explore(scene)
    made = browser.browser_type.launch(
        executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu", "--disable-3d-apis"]
    )
    try:
        page = made.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        page.goto(explorer.url)
        page.get_by_text("This browser has no WebGL, so the map is a still picture.").wait_for()
        hands.until(
            page,
            "() => { const p = document.querySelector('.still-picture'); return p.complete && p.naturalWidth > 500; }",
        )
        first = page.evaluate("() => document.querySelector('.still-picture').src")
        page.keyboard.press("+")
        hands.until(page, "src => document.querySelector('.still-picture').src !== src", first)
        page.mouse.click(700, 300)
        page.get_by_role("heading", name="Spectrum").wait_for()
        assert page.locator("#overlay .here").is_visible()
    finally:
        made.close()


def browser_path() -> str:
    import shutil

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found is not None
    return found
