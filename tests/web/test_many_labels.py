"""Thousands of labels in a real browser: a new one is there in the next frame, and labels lie on both sides of a swipe."""

from __future__ import annotations

from typing import Any

import hands

ready, until = hands.ready, hands.until

DRAWN = """n => { const {labels, store} = window.swath; const [a, , c, , e, f] = store.state.scene.grid.affine;
  labels.addClass({id: "k1", name: "wood", colour: "#00520e", hotkey: ""});
  const at = i => ({type: "Point", coordinates: [c + a * ((i * 7) % 200 + 0.5), f + e * ((i * 13) % 200 + 0.5)]});
  const one = i => ({op: "add", label: {id: "l" + i, class: "k1", geometry: at(i), by: "page"}});
  labels.journal.push(Array.from({length: n}, (_, i) => one(i))); }"""
ADDED = """async () => { const {labels} = window.swath; const begun = performance.now();
  labels.add({type: "Point", coordinates: [225.5, 120.5]}, "k1"); const took = performance.now() - begun;
  await new Promise(requestAnimationFrame);
  return [took, document.querySelectorAll(".label-dot").length]; }"""


def test_with_5000_labels_a_new_one_is_there_in_the_next_frame(scene: Any, explore: Any, open_page: Any) -> None:
    page = open_page(explore(scene))
    ready(page)
    page.keyboard.press("m")
    page.evaluate(DRAWN, 5000)
    hands.labels(page, 5000)
    page.evaluate("() => window.swath.labels.open()")
    page.wait_for_timeout(1000)
    page.evaluate("() => document.querySelector('.label-list').firstChild.dataset.mark = 'old'")
    took, dots = page.evaluate(ADDED)
    assert dots == 1
    assert took < 150  # a few ms on an idle machine
    hands.labels(page, 5001)
    until(page, "() => !document.querySelector('.label-dot')")
    on_map = "() => { const {view} = window.swath; const p = view.project(225.5, 120.5);"
    on_map += " return view.map.queryRenderedFeatures([p.x, p.y]).length > 0; }"
    until(page, on_map)
    rows = page.locator(".label-list .label-row")
    assert rows.count() == 400
    assert "5001" in rows.first.inner_text().replace("\u2009", "").replace(",", "")
    assert rows.nth(1).get_attribute("data-mark") == "old", "rows that are as they were are not made again"


def test_labels_lie_on_both_sides_of_the_swipe(dates: Any, explore: Any, open_page: Any) -> None:
    page = open_page(explore(*dates))
    ready(page)
    page.keyboard.press("m")
    page.evaluate(DRAWN, 50)
    hands.labels(page, 50)
    page.keyboard.press("c")
    page.get_by_role("slider", name="Swipe").wait_for()
    seen = "window.swath.compare.swipe.map.queryRenderedFeatures().filter(f => f.source === 'labels')"
    until(page, f"() => {seen}.length > 0")
    page.evaluate("() => window.swath.labels.remove(window.swath.store.state.labels.map(l => l.id))")
    until(page, f"() => {seen}.length === 0")
