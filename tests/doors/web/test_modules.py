"""The page's own sums, run by node: the view grid on the world square, degrees, lengths, keys, sentences."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import swath

STATIC = Path(swath.__file__).parent / "doors" / "web" / "static"
BROWSER = """
globalThis.matchMedia = () => ({ matches: false, addEventListener() {} });
globalThis.listeners = {};
globalThis.addEventListener = (kind, fn) => (globalThis.listeners[kind] = fn);
globalThis.localStorage = { getItem: () => null, setItem() {} };
globalThis.document = { activeElement: null, querySelector: () => null };
"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def run(code: str, **given: Any) -> Any:
    """What `tell(...)` was given by a module that runs after the page's modules were imported as M.name."""
    names = ("map", "measure", "url", "keys", "store", "api", "still", "chart")
    imports = "".join(f"M.{name} = await import({json.dumps((STATIC / f'{name}.js').as_uri())});\n" for name in names)
    tell = "const tell = (v) => console.log(JSON.stringify(v));"
    text = f"{BROWSER}const M = {{}};\n{imports}const given = {json.dumps(given)};\n{tell}\n{code}"
    done = subprocess.run(
        ["node", "--input-type=module"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pixels_go_to_the_world_square_and_back() -> None:
    worst, corner = run(
        """
        let worst = 0;
        for (const levels of [0, 2, 7]) {
          const grid = M.map.geometry(levels);
          for (const [c, r] of [[0, 0], [0.5, 0.5], [100.25, 77.75], [grid.size, grid.size]]) {
            const p = grid.toPixel(grid.toWorld(c, r));
            worst = Math.max(worst, Math.abs(p.col - c) / grid.size, Math.abs(p.row - r) / grid.size);
          }
        }
        tell([worst, M.map.geometry(3).toWorld(0, 0)]);
        """
    )
    assert worst < 1e-12
    assert corner == pytest.approx([-180, 85.0511287798])


def test_degrees_of_a_pixel_agree_with_the_projection() -> None:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from swath.doors.web.view import View

    view = View((10_980, 10_980), GeoBox((10_980, 10_980), Affine(10, 0, 600_000, 0, -10, 6_200_000), "EPSG:32633"))
    places = [(10, 10), (5_000, 700), (3_333, 9_999), (10_979.5, 5.5)]
    found = run("tell(given.places.map((p) => M.measure.lonlat(given.grid, ...p)));", grid=view.record(), places=places)
    for place, degrees in zip(places, found, strict=True):
        assert degrees == pytest.approx(view.to_lonlat(*place), abs=1e-6)


def test_degrees_across_the_date_line_do_not_turn_round_the_earth() -> None:
    lattice = [[(179.5 + 0.1 * j - (360 if j > 5 else 0), 60 - 0.1 * i) for j in range(9)] for i in range(9)]
    lon, lat = run("tell(M.measure.lonlat({lonlat: given.l, width: 80, height: 80}, 55, 40));", l=lattice)
    assert (lon, lat) == pytest.approx((-179.95, 59.6))


def test_lengths_and_figures_have_no_digit_too_many_or_too_few() -> None:
    words = {"pixel": "pixel", "pixels": "pixels"}
    lengths = [[2500, 1], [1000, 1], [2.5, 1], [0.25, 1], [0.005, 1], [2.5, None], [1, None], [20_000, None]]
    said = run("tell(given.a.map(([v, m]) => M.measure.lengthWords(v, m, given.words)));", a=lengths, words=words)
    plain = [text.replace("\u2009", " ") for text in said]
    assert plain == ["2.5 km", "1 km", "2.5 m", "25 cm", "0.5 cm", "2.5 pixels", "1 pixel", "20 000 pixels"]
    figures = run("tell([719434.4, -12.25, 5699148].map((v) => M.measure.grouped(v, v < 0 ? 2 : 0)));")
    assert figures == ["719\u2009434", "\u221212.25", "5\u2009699\u2009148"]


def test_the_scale_bar_is_the_longest_round_length_that_fits() -> None:
    for size in (0.03, 0.9, 7.0, 10.0, 89.0, 1234.5):
        bar = run("tell(M.measure.scaleBar(given.size));", size=size)
        assert 104 / 2.5 < bar["width"] <= 104
        assert bar["length"] == pytest.approx(bar["width"] * size)


def test_coordinates_of_a_turned_grid_go_back_to_its_pixels() -> None:
    affine = [8.0, 3.0, 500_000.0, 2.0, -9.0, 4_000_000.0]
    assert run("tell(M.url.fromScene(given.a, ...M.url.toScene(given.a, 12.5, 80.25)));", a=affine) == pytest.approx(
        [12.5, 80.25]
    )


def test_single_keys_wait_while_a_field_has_the_focus_or_they_are_off() -> None:
    said = run(
        """
        const keys = M.keys.makeKeys();
        const said = [];
        keys.add("m", "Map", () => void said.push("m"));
        keys.add("Ctrl+Enter", "Run", () => void said.push("run"));
        keys.add("Shift+[", "Clear", () => void said.push("clear"));
        keys.add("0", "Whole", () => void said.push("whole"), null, { group: "view" });
        const field = { type: "text", closest: (s) => (s.startsWith("input, textarea") ? field : null) };
        const page = { closest: () => null };
        const press = (key, more = {}) => globalThis.listeners.keydown({ key, target: page, preventDefault() {}, ...more });
        press("m"); press("M", { shiftKey: true }); press("m", { target: field }); press("Enter", { ctrlKey: true, target: field });
        press("{", { shiftKey: true });
        keys.on = false;
        press("m"); press("0");
        document.activeElement = { classList: { contains: () => true } };
        press("0");
        tell(said);
        """
    )
    assert said == ["m", "run", "clear", "whole"]


def test_space_presses_what_has_the_focus_and_brackets_need_no_plain_key() -> None:
    said = run(
        """
        const keys = M.keys.makeKeys();
        const said = [];
        keys.add(" ", "Beneath", () => void said.push("beneath"));
        keys.add("[", "Earlier", () => void said.push("earlier"));
        const box = { type: "checkbox", closest: (s) => (s.includes("input") ? box : null) };
        const page = { closest: () => null };
        const press = (key, more = {}) => globalThis.listeners.keydown({ key, target: page, preventDefault() {}, ...more });
        press(" ", { target: box }); press(" ");
        press("[", { ctrlKey: true, altKey: true, getModifierState: (name) => name === "AltGraph" });
        press("[", { ctrlKey: true, getModifierState: () => false });
        tell(said);
        """
    )
    assert said == ["beneath", "earlier"]


def test_the_store_tells_once_and_only_what_changed() -> None:
    said = run(
        """
        const store = M.store.makeStore({ a: 1, b: 2 });
        const said = [];
        store.on(["a", "b"], (state, before) => said.push([state.a, state.b, before]));
        const off = store.on("b", () => said.push("b"));
        store.set({ a: 1 }); store.set({ a: 3, b: 4 }); off(); store.set({ b: 5 });
        tell(said);
        """
    )
    assert said == [[3, 4, {"a": 1, "b": 2}], "b", [3, 5, {"b": 4}]]


def test_a_refusal_reads_as_sentences() -> None:
    said = run(
        """
        const parts = { rule: "a scene has pixels", got: "an empty file", remedy: "choose another" };
        const whole = { rule: "Reflectance needs the offset.", got: "Got numbers of 1004 and up.", remedy: "Choose." };
        tell([new M.api.Refused(400, parts).message, new M.api.Refused(409, whole).message]);
        """
    )
    assert said == [
        "A scene has pixels. Got an empty file. Choose another.",
        "Reflectance needs the offset. Got numbers of 1004 and up. Choose.",
    ]


def test_styles_of_the_still_picture_follow_the_properties() -> None:
    said = run(
        """
        const colour = ["match", ["get", "class"], ["a", "b"], "red", ["coalesce", ["get", "colour"], "blue"]];
        const of = (properties) => M.still.styled(colour, properties);
        const is = ["case", ["==", ["get", "on"], true], 2, 1];
        tell([of({ class: "b" }), of({ class: "c" }), of({ colour: "green" }), M.still.styled(is, { on: true }), M.still.styled(is, {})]);
        """
    )
    assert said == ["red", "blue", "green", 2, 1]


def test_marks_of_an_axis_are_told_apart_also_below_one() -> None:
    said = run(
        """
        tell(given.tops.map((top) => {
          const { values, step } = M.chart.ticks(0, M.chart.rounded(0, top, 2)[1], 2);
          return values.map((v) => M.chart.number(v, M.chart.digits(step, 0)));
        }));
        """,
        tops=[0.51, 45, 73.4, 157],
    )
    assert said == [["0.0", "0.5", "1.0"], ["0", "50"], ["0", "50", "100"], ["0", "100", "200"]]
