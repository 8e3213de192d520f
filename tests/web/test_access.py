"""Nine states of the page, light and dark: axe finds no serious fault. And the way from a scene to a map without a mouse."""

from __future__ import annotations

import hands
import pytest


def faults(page):
    """Serious and critical faults that axe finds now."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_state_of_the_page_has_a_serious_fault(dates, explore, open_page, dark):
    page = open_page(explore(*dates), dark=dark)
    hands.ready(page)
    seen = {"looking": faults(page)}
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    seen["help"] = faults(page)
    page.keyboard.press("Escape")
    hands.label_all(page)
    seen["labelling"] = faults(page)
    page.keyboard.press("Control+Enter")
    page.locator("#right .big").wait_for(timeout=90_000)
    seen["judging"] = faults(page)
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("dialog", name="Export").wait_for()
    seen["exporting"] = faults(page)
    page.keyboard.press("Escape")
    page.locator("#ask-field").fill("how much woodland is here?")
    page.locator("#ask-field").press("Enter")
    page.locator("#right").get_by_text("How this was got").wait_for(timeout=60_000)
    seen["asking"] = faults(page)
    page.get_by_role("tab", name="Find").click()
    hands.click(page, 180, 100)
    page.locator("#right").get_by_text("like this").first.wait_for(timeout=90_000)
    seen["finding"] = faults(page)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("slider", name="Swipe").wait_for()
    seen["comparing"] = faults(page)
    assert {state: found for state, found in seen.items() if found} == {}


def test_a_map_is_made_by_keyboard_alone(scene, explore, open_page):
    page = open_page(explore(scene))
    hands.ready(page)
    keys = page.keyboard
    keys.press("m")
    for name in ("Water", "Woodland"):
        if not page.locator(".class-add input").is_visible() or not _in_field(page):
            keys.press("a")
        keys.type(name)
        keys.press("Enter")
    keys.press("Escape")
    for digit, name in (("1", "Water"), ("2", "Woodland")):
        for column, row in hands.PLACES[name][:4]:
            # The cross in the middle of the map is where Enter acts; the arrows take it there.
            page.evaluate(
                "([c, r]) => window.swath.view.jump(c + 0.5, r + 0.5, window.swath.view.map.getZoom())", [column, row]
            )
            page.evaluate("() => window.swath.view.focus()")
            keys.press(digit)
            keys.press("Enter")
    hands.labels(page, 8)
    keys.press("Control+Enter")
    page.locator("#right .big").wait_for(timeout=90_000)


def _in_field(page):
    return page.evaluate("() => document.activeElement?.tagName === 'INPUT'")
