"""What a person's hands do on the page: find a pixel on the screen, add a class, put labels."""

from __future__ import annotations

import time
from typing import Any

PLACES = {
    "Water": [(70, 8), (88, 40), (94, 62), (75, 110), (48, 160), (46, 200), (62, 228)],
    "Woodland": [(180, 30), (150, 60), (200, 80), (180, 100), (214, 48), (165, 45), (140, 70)],
    "Wheat": [(15, 15), (15, 100), (45, 130), (105, 130), (135, 170), (165, 130), (195, 170), (225, 130), (15, 180)],
    "Bare soil": [
        (45, 15),
        (15, 60),
        (15, 140),
        (105, 100),
        (135, 130),
        (165, 170),
        (195, 130),
        (225, 170),
        (105, 220),
    ],
}
"""Places (column, row) of the made scene whose class is known."""


def until(page: Any, script: str, arg: object = None, seconds: float = 30) -> None:
    """Wait until a function of the page says so. The page's policy forbids what playwright's own waiting does."""
    end = time.monotonic() + seconds
    while not page.evaluate(script, arg):
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:.0f} s still not: {script} with {arg}")
        page.wait_for_timeout(100)


def labels(page: Any, count: int) -> None:
    """Wait until so many labels are there and saved."""
    until(page, "n => window.swath.store.state.labels.filter(l => !l.waiting).length === n", count)


def ready(page: Any) -> None:
    """Wait until the scene is there and its tiles are drawn."""
    page.locator("#tabs").wait_for()
    until(page, "() => Boolean(window.swath?.view?.map?.loaded?.() && window.swath.view.map.areTilesLoaded())")


def spot(page: Any, column: float, row: float) -> tuple[float, float]:
    """Where the middle of a pixel lies on the screen."""
    x, y = page.evaluate(
        "([c, r]) => { const {view} = window.swath; const p = view.map.project(view.toWorld(c, r));"
        " const b = view.map.getCanvas().getBoundingClientRect(); return [p.x + b.left, p.y + b.top]; }",
        [column + 0.5, row + 0.5],
    )
    return x, y


def click(page: Any, column: float, row: float) -> None:
    """Click a pixel."""
    x, y = spot(page, column, row)
    seen = page.evaluate("([x, y]) => document.elementFromPoint(x, y)?.closest('#map-host') !== null", [x, y])
    assert seen, f"column {column}, row {row} is not on the screen"
    page.mouse.click(x, y)


def add_class(page: Any, name: str) -> None:
    """Type the name of a new class."""
    field = page.locator(".class-add input")
    if not field.is_visible():
        page.get_by_role("button", name="Add a class").click()
    field.fill(name)
    field.press("Enter")
    page.get_by_role("radio", name=name).wait_for()


def label_all(page: Any, places: dict[str, list[tuple[int, int]]] = PLACES) -> int:
    """Draw the labels of the made scene; gives how many."""
    page.get_by_role("tab", name="Map").click()
    for name in places:
        add_class(page, name)
    for name, spots in places.items():
        page.get_by_role("radio", name=name).click()
        for column, row in spots:
            click(page, column, row)
    count = sum(map(len, places.values()))
    labels(page, count)
    return count
