"""Find and Ask with mouse and keyboard in the real page: a gallery that is refined in place, and questions asked back."""

from __future__ import annotations

import re

import hands
import pytest

WOOD = (180, 60)


@pytest.fixture
def page(scene, explore, open_page):
    page = open_page(explore(scene))
    hands.ready(page)
    return page


def kinds(page):
    """Where the places of the gallery lie: rows and columns of their middles."""
    return page.evaluate("() => window.swath.find.result.hits.map(h => [h.col, h.row])")


def in_wood(column, row):
    return (row - WOOD[1]) ** 2 + (column - WOOD[0]) ** 2 < 60**2


def test_a_click_finds_places_like_it_and_the_keyboard_refines_them(page):
    page.keyboard.press("f")
    assert "Click a place to find others like it" in page.locator("#left").inner_text()
    hands.click(page, *WOOD)
    page.locator(".gallery li").first.wait_for(timeout=60_000)
    found = kinds(page)
    assert found
    assert all(in_wood(c, r) for c, r in found)
    assert page.locator(".examples li").count() == 1
    assert page.locator("#overlay button.badge").count() == len(found)
    head = page.locator("#right .head").inner_text()
    assert re.search(r"\d+ like this", head)
    assert "tiles" in head
    thumb = page.locator(".gallery .thumb").first
    assert re.match(r"Place 1, similarity [01]\.\d\d, .* away", thumb.get_attribute("aria-label"))

    thumb.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('[data-key]') === document.querySelectorAll('.gallery li')[1]")
    page.keyboard.press("+")
    hands.until(page, "() => window.swath.find.result.yes.length === 2")
    assert "2 yes" in page.locator("#examples").inner_text()
    page.locator(".gallery .thumb").first.focus()
    page.keyboard.press("-")
    hands.until(page, "() => window.swath.find.result.no.length === 1")
    assert "2 yes, 1 no" in page.locator("#examples").inner_text()
    page.locator(".examples li").nth(2).get_by_role("button", name="Leave").click()
    hands.until(page, "() => window.swath.find.result.no.length === 0")
    page.get_by_role("button", name="Start over").click()
    assert page.locator("#right").is_hidden()
    assert page.locator("#overlay button.badge").count() == 0


def test_a_box_is_an_example_and_another_mode_takes_the_marks_away(page):
    page.keyboard.press("f")
    page.get_by_role("radio", name="Box").click()
    page.mouse.move(*hands.spot(page, 150, 30))
    page.mouse.down()
    page.mouse.move(*hands.spot(page, 210, 90), steps=6)
    page.mouse.up()
    hands.until(page, "() => window.swath.find.result?.yes.length === 1", seconds=60)
    top, bottom, left, right = page.evaluate("window.swath.find.result.yes[0]")
    assert abs(top - 30) <= 2
    assert abs(bottom - 91) <= 3
    assert abs(left - 150) <= 2
    assert abs(right - 211) <= 3
    page.keyboard.press("l")
    assert page.locator("#right").is_hidden()
    assert page.locator("#examples").is_hidden()
    page.keyboard.press("f")
    page.locator("#right .head").wait_for()
    assert page.locator(".examples li").count() == 1


def test_without_a_map_a_question_is_asked_back_and_the_scene_is_described(page):
    page.keyboard.press("/")
    page.locator("#ask-field").fill("how much water is here?")
    page.keyboard.press("Enter")
    said = page.locator("#right .said")
    said.wait_for()
    assert said.inner_text().startswith("There is no map of valley yet")
    assert not re.search(r"\d", said.inner_text())
    assert "by rules, on this computer" in page.locator("#right .head").inner_text()
    page.get_by_role("button", name="Describe this view").click()
    hands.until(page, "() => window.swath.ask.found?.parts.length > 0")
    assert "240 rows" in page.locator("#right .said").inner_text()
    page.locator("#right summary").click()
    assert "info" in page.locator("#right .calls").inner_text()

    page.keyboard.press("/")
    page.locator("#ask-field").fill("what is the meaning of all this")
    page.keyboard.press("Enter")
    hands.until(page, "() => window.swath.ask.found?.back?.missing === 'meaning'")
    assert page.locator("#right .asks button").count() == 5
    page.get_by_role("button", name="How much [class] is here?").click()
    assert page.evaluate("document.activeElement.id") == "ask-field"
    chosen = "() => { const f = document.activeElement; return f.value.slice(f.selectionStart, f.selectionEnd); }"
    assert page.evaluate(chosen) == "[class]"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.locator("#right").is_hidden()
