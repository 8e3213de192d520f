"""Comparing in a real browser: the swipe by mouse and keys, what changed with its interval, and back to where one was."""

from __future__ import annotations

from typing import Any

import hands

ready, until = hands.ready, hands.until


def shown(page: Any, column: float, row: float) -> tuple[int, ...]:
    """The colour on the screen at a pixel of the scene, from a picture of the page."""
    import io

    from PIL import Image

    x, y = hands.spot(page, column, row)
    picture = Image.open(io.BytesIO(page.screenshot(clip={"x": x - 2, "y": y - 2, "width": 5, "height": 5})))
    return tuple(int(v) for v in picture.convert("RGB").resize((1, 1)).getpixel((0, 0)))


def far(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_two_dates_are_swiped_and_what_changed_is_told(dates: Any, explore: Any, open_page: Any) -> None:
    page = open_page(explore(*dates))
    ready(page)
    before = page.evaluate("() => window.swath.store.state.date")
    page.keyboard.press("c")
    handle = page.get_by_role("slider", name="Swipe")
    handle.wait_for()
    until(page, "() => Boolean(window.swath.compare.swipe.map?.areTilesLoaded())")
    assert handle.get_attribute("aria-valuetext") == "Swipe, 50\u2009% from the left"
    cleared = (170, 50)  # wood on the first date, bare on the second
    handle.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(400)
    second = shown(page, *cleared)
    page.keyboard.press("End")
    page.wait_for_timeout(400)
    first = shown(page, *cleared)
    assert far(first, second) > 40
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert handle.get_attribute("aria-valuenow") == "94"
    box = page.locator(".swipe-knob").bounding_box()
    page.mouse.move(box["x"] + 16, box["y"] + 16)
    page.mouse.down()
    page.mouse.move(box["x"] - 300, box["y"] + 16, steps=4)
    page.mouse.up()
    assert int(handle.get_attribute("aria-valuenow")) < 80
    page.get_by_role("button", name="What changed?").click()
    page.locator("#right[data-panel=compare]").wait_for(timeout=120_000)
    card = page.locator("#right").inner_text()
    assert "What changed" in card
    assert "ha" in card
    assert "1 July 2020 to 1 July 2021" in card
    assert not handle.is_visible()
    until(page, "() => window.swath.layers.list().some(l => l.kind === 'change' && l.on)")
    page.keyboard.press("s")
    handle.wait_for()
    page.keyboard.press("l")
    until(page, "() => window.swath.store.state.mode === 'look'")
    assert not handle.is_visible()
    assert page.evaluate("() => window.swath.store.state.date") == before


def test_one_date_is_swiped_against_another_way_to_show_it(scene: Any, explore: Any, open_page: Any) -> None:
    page = open_page(explore(scene), dark=True)
    ready(page)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("slider", name="Swipe").wait_for()
    assert page.get_by_role("button", name="What changed?").is_disabled()
    assert "between two dates" in page.locator("#compare-why").inner_text()
    page.get_by_label("Side B").select_option(label="Greenness (NDVI)")
    until(page, "() => Boolean(window.swath.compare.swipe.map?.areTilesLoaded())")
    page.keyboard.press("Escape")


def test_what_changed_is_shown_again_after_a_restart(dates: Any, explore: Any, open_page: Any) -> None:
    first = explore(*dates)
    page = open_page(first)
    ready(page)
    page.keyboard.press("c")
    page.get_by_role("button", name="What changed?").click()
    page.locator("#right[data-panel=compare]").wait_for(timeout=120_000)
    card = page.locator("#right").inner_text()
    page.context.close()
    first.stop()
    page = open_page(explore(*dates))
    ready(page)
    assert not page.locator("#right[data-panel=compare]").is_visible()
    page.keyboard.press("c")
    page.locator("#right[data-panel=compare]").wait_for()
    assert page.locator("#right").inner_text() == card
    until(page, "() => window.swath.layers.list().some(l => l.kind === 'change' && l.on)")
    page.keyboard.press("m")
    page.keyboard.press("c")
    page.locator("#right[data-panel=compare]").wait_for()
