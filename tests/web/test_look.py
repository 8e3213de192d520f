"""Looking in a real browser: dates, spectrum and series, ways to show, the layer list, opening scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hands
import numpy as np
import pytest

STATE = "name => window.swath.store.state[name]"
LAYERS = "() => window.swath.layers.list().map(l => [l.id, l.on, l.opacity])"
DAYS = ["2021-03-02", "2021-04-11", "2021-05-21", "2021-06-30", "2021-08-09", "2021-09-18"]


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six dates of one made place, the third of them mostly cloud (no data), simulated."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from swath.cube import contract
    from swath.cube.save import save

    rng = np.random.default_rng(4)
    folder = tmp_path_factory.mktemp("year")
    box = GeoBox((160, 160), Affine(10, 0, 500_000, 0, -10, 5_100_000), "EPSG:32633")
    for i, day in enumerate(DAYS):
        green = 0.1 + 0.5 * np.sin(i / 5 * np.pi)
        values = np.empty((1, 4, 160, 160), np.float32)
        for band, level in enumerate((0.05, 0.07, 0.06, 0.2 + 0.4 * green)):
            values[0, band] = level + rng.normal(0, 0.004, (160, 160))
        if i == 2:
            values[..., :130] = np.nan
        cube = contract.make(
            values, bands=["B02", "B03", "B04", "B08"], geobox=box, time=[np.datetime64(day, "ns")],
            wavelength=[492.4, 559.8, 664.6, 832.8], quantity="reflectance", units="1", sensor="sentinel-2-l2a", attrs={"simulated": "yes"},
        )  # fmt: skip
        save(cube, folder / f"valley_{day.replace('-', '')}.tif")
    return folder


@pytest.fixture
def page(year, explore, open_page):
    page = open_page(explore(*sorted(year.glob("*.tif"))))
    hands.ready(page)
    return page


def test_dates_are_walked_by_keys_and_dragged(page):
    assert page.evaluate(STATE, "date") == DAYS[-1]
    assert "5 of 6 dates clear, the tall marks" in page.locator("#strip").inner_text()
    page.keyboard.press("[")
    assert page.evaluate(STATE, "date") == DAYS[-2]
    page.keyboard.press("[")
    page.keyboard.press("Shift+BracketLeft")
    assert page.evaluate(STATE, "date") == DAYS[1], "the cloudy date is jumped over"
    page.locator("svg.dates").focus()
    page.keyboard.press("End")
    assert page.evaluate(STATE, "date") == DAYS[-1]
    box = page.locator("svg.dates").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 15)
    # A drag that rests for a moment counts as ended: what is asked is whether it was one.
    page.evaluate("() => window.swath.store.on('dragging', (s) => s.dragging && (window.dragged = true))")
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + 15, steps=4)
    page.mouse.up()
    assert page.evaluate("() => window.dragged") is True
    hands.until(page, "() => window.swath.store.state.dragging === false")
    assert page.evaluate(STATE, "date") == DAYS[0]
    assert page.locator("svg.dates").get_attribute("aria-valuetext") == "2 Mar 2021, clear"


def test_a_click_shows_spectrum_and_series_and_both_as_tables(page):
    hands.click(page, 60, 70)
    hands.until(page, "() => document.querySelector('svg.series').getAttribute('aria-label')")
    spectrum = page.locator("svg.spectrum").get_attribute("aria-label")
    assert spectrum.startswith("Spectrum of row 70, column 60: 4 bands from 492 to 833 nm, lowest B02")
    series = page.locator("svg.series").get_attribute("aria-label")
    assert series.startswith("Greenness at this pixel: 5 of 6 dates seen from 2 Mar 2021 to 18 Sep 2021")
    page.locator("svg.spectrum").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("svg.spectrum text.a").text_content().startswith("B04, 665 nm: 0.0")
    for host in ("#dock", "#strip"):
        page.locator(f"{host} button[aria-label='Show as table']").click()
    assert page.locator("#dock table tbody tr").count() == 4
    states = page.locator("#strip table td:last-child").all_inner_texts()
    assert [state == "seen" for state in states] == [True, True, False, True, True, True]
    page.mouse.click(5, 790)
    page.keyboard.press("Escape")
    hands.until(page, "() => document.getElementById('dock').hidden")


def test_spectra_are_kept_and_copied(page):
    hands.click(page, 60, 70)
    page.keyboard.press("k")
    hands.until(page, "() => document.querySelectorAll('.pins li').length === 1")
    hands.click(page, 90, 40)
    hands.until(page, "() => window.swath.store.state.point?.col === 90.5")
    page.locator("#dock button[aria-label='Copy as CSV']").click()
    hands.until(page, "() => document.getElementById('live').textContent.includes('copied')")
    page.evaluate("() => document.body.append(Object.assign(document.createElement('textarea'), {id: 'paste'}))")
    page.locator("#paste").focus()
    page.keyboard.press("Control+v")
    rows = page.locator("#paste").input_value().splitlines()
    assert rows[0] == "place,date,band,name,nm,value,unit"
    assert len(rows) == 9
    assert rows[1].startswith('"row 40, column 90",2021-09-18,B02,blue,')
    assert rows[5].startswith('"row 70, column 60",2021-09-18,B02,blue,')


def test_ways_to_show_and_their_stretch(page):
    page.keyboard.press("b")
    hands.until(page, "() => document.activeElement.getAttribute('role') === 'radio'")
    assert page.locator(".pick [data-show=rgb]").inner_text().split("\n") == ["True colour", "red, green, blue"]
    assert page.locator(".pick [data-show=infrared]").get_attribute("title").startswith("B08, 833 nm")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(STATE, "show") == "infrared"
    page.locator(".pick [name=lo]").fill("0.02")
    page.locator(".pick [name=hi]").fill("0.4")
    page.keyboard.press("Enter")
    assert page.evaluate(STATE, "stretch") == {"lo": 0.02, "hi": 0.4}
    assert page.locator(".stretch .said").inner_text() == "Black at 0.02, white at 0.4 (reflectance)"
    page.locator(".pick [name=lo]").fill("0.9")
    page.keyboard.press("Enter")
    assert page.locator(".stretch .said").inner_text() == "From must lie below To."
    page.locator(".stretch .link").click()
    assert page.evaluate(STATE, "stretch") is None
    page.locator(".pick [data-show=index-NDVI]").click()
    assert page.locator(".show-chip").inner_text().split() == ["Greenness", "(NDVI)", "\u22120.2", "1"]
    page.locator(".pick-more").first.click()
    page.locator(".three select").first.select_option("B08")
    assert page.evaluate(STATE, "show").startswith("bands:B08,")
    page.keyboard.press("Escape")
    assert page.locator(".pick").is_hidden()


def test_layers_are_ordered_faded_and_shown_alone(page):
    page.evaluate(
        "kinds => { for (const kind of kinds) window.swath.layers.add({id: `x.${kind}`, kind, name: kind,"
        " scene: window.swath.store.state.scene.id, draws: () => {}, fades: true, legend: null}); }",
        ["number", "classes", "doubt"],
    )
    ids = [one[0] for one in page.evaluate(LAYERS)]
    assert ids[:3] == ["x.doubt", "x.classes", "x.number"]
    page.keyboard.press("d")
    assert page.evaluate(LAYERS)[0][1] is False
    page.locator("[data-id='x.classes'] .nm").click()
    page.keyboard.press("Shift+Comma")
    assert page.evaluate(LAYERS)[1][2] == pytest.approx(0.6)
    assert page.locator(".opa").count() == 1
    page.keyboard.press("Alt+ArrowDown")
    assert [one[0] for one in page.evaluate(LAYERS)][1:3] == ["x.number", "x.classes"]
    before = page.evaluate(LAYERS)
    page.locator("[data-id='x.classes'] .eye").click(modifiers=["Alt"])
    assert [one[0] for one in page.evaluate(LAYERS) if one[1]] == ["x.classes"]
    page.locator("[data-id='x.classes'] .eye").click(modifiers=["Alt"])
    assert page.evaluate(LAYERS) == before


def test_another_scene_is_found_opened_and_laid_over(explore, open_page, scene, year):
    page = open_page(explore(scene, "--root", year))
    hands.ready(page)
    page.keyboard.press("o")
    hands.until(page, "() => document.querySelectorAll('.scene-pick .files button').length > 5")
    page.keyboard.type("20210630")
    hands.until(page, "() => document.querySelectorAll('.scene-pick .files button').length === 1")
    page.locator(".scene-pick .files button").click()
    hands.until(page, "() => window.swath.store.state.scene.name.includes('20210630')")
    page.locator("#layers .head button").click()
    page.locator(".scene-pick button[aria-label^='Lay']").click()
    hands.until(page, "() => window.swath.layers.list().filter(l => l.kind === 'image').length === 2")
    hands.until(page, "() => window.swath.view.map.areTilesLoaded()")
    assert page.evaluate("() => Object.keys(window.swath.store.state.failed).length") == 0


def test_open_units_are_asked_with_a_picture_of_each_reading(explore, open_page, scene, tmp_path: Path):
    import rasterio

    values = np.random.default_rng(0).integers(1200, 3000, (4, 64, 64)).astype(np.uint16)
    profile: dict[str, Any] = {"driver": "GTiff", "count": 4, "height": 64, "width": 64, "dtype": "uint16"}
    place = rasterio.Affine(10, 0, 500_000, 0, -10, 5_100_000)
    folder = tmp_path / "S2L2A"
    folder.mkdir()
    with rasterio.open(folder / "open.tif", "w", crs="EPSG:32633", transform=place, **profile) as out:
        out.write(values)
        out.descriptions = ("B02", "B03", "B04", "B08")
        out.update_tags(sensor="sentinel-2-l2a")
    page = open_page(explore(scene, "--root", folder))
    hands.ready(page)
    page.keyboard.press("o")
    hands.until(page, "() => document.querySelectorAll('.scene-pick .files button').length > 0")
    page.locator(".scene-pick .files button:has-text('open.tif')").click()
    hands.until(page, "() => document.querySelectorAll('.readings img').length === 2")
    page.locator(".readings button:has-text('Subtract 1000')").click()
    hands.until(page, "() => window.swath.store.state.scene.name === 'open'")
    hands.until(page, "() => window.swath.store.state.scenes.length === 2")
