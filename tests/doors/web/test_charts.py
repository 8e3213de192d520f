"""The arithmetic of the page's charts, run by Node: ticks, numbers in words, dates, CSV."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import swath

STATIC = Path(swath.__file__).parent / "doors" / "web" / "static"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no node: the charts' arithmetic is not tested")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """run("ticks(0, 1, 4)"): the value of an expression over the modules, as JSON."""
    folder = tmp_path_factory.mktemp("static")
    for path in STATIC.glob("*.js"):
        shutil.copy(path, folder / path.name)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")

    def value(expression: str, module: str = "chart") -> Any:
        text = f'import * as all from "./{module}.js"; const found = {expression};'
        text += " console.log(JSON.stringify(found === undefined ? null : found));"
        (folder / "run.js").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [str(NODE), str(folder / "run.js")], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return value


def test_ticks_are_round_and_inside(run: Any) -> None:
    found = run("[all.ticks(0, 0.43, 4), all.ticks(-20, 17, 5), all.ticks(0.0001, 0.0009, 4)]")
    for (low, high), one in zip([(0, 0.43), (-20, 17), (0.0001, 0.0009)], found, strict=True):
        assert 2 <= len(one["values"]) <= 6
        assert all(low - 1e-9 <= v <= high + 1e-9 for v in one["values"])
    assert found[0]["values"] == pytest.approx([0, 0.2, 0.4])


def test_numbers_have_a_true_minus_and_thin_spaces(run: Any) -> None:
    found = run("[all.number(-0.1234, 3), all.number(-0.0001, 2), all.number(1234567, 0), all.number(null)]")
    assert found == ["\u22120.123", "0.00", "1\u2009234\u2009567", "\u2013"]


def test_ends_are_widened_to_round_numbers(run: Any) -> None:
    low, high = run("all.rounded(0.013, 0.387, 4)")
    assert low <= 0.013 < 0.387 <= high
    assert run("all.rounded(5, 5, 4)")[0] < 5 < run("all.rounded(5, 5, 4)")[1]


def test_months_say_the_year_once(run: Any) -> None:
    found = run("all.months(Date.UTC(2018, 2, 1), Date.UTC(2019, 2, 31), 400).map((one) => one.label)")
    assert found == ["Apr 2018", "Jul", "Oct", "Jan 2019"]


def test_csv_quotes_and_makes_formulas_harmless(run: Any) -> None:
    found = run('all.csv([["a", "b"], ["row 1, column 2", "=SUM(A1)"], ["say \\"x\\"", -0.5]])')
    assert found == 'a,b\n"row 1, column 2",\'=SUM(A1)\n"say ""x""",-0.5\n'


def test_a_line_breaks_where_a_point_is_missing(run: Any) -> None:
    assert run("all.line([[0, 1], [2, 3], null, [4, 5], [6, 7]])") == "M0.0 1.0L2.0 3.0M4.0 5.0L6.0 7.0"


def test_images_are_asked_for_as_they_are_shown(run: Any) -> None:
    scene = (
        '{bands: [{id: "B1"}, {id: "B2"}, {id: "B3"}], default_show: "rgb", shows: [{id: "rgb", kind: "composite"},'
        ' {id: "index-NDVI", kind: "index"}, {id: "band-0", kind: "band", bands: ["B1"], lo: 0, hi: 1},'
        ' {id: "band-1", kind: "band", bands: ["B2"], lo: 0.1, hi: 2}]}'
    )
    ask = "all.imageParams"
    assert run(f'{ask}({scene}, {{show: "rgb", date: "2019-02-19", stretch: {{lo: 0.1, hi: 0.2}}}})', "layers") == {
        "show": "rgb", "date": "2019-02-19", "lo": 0.1, "hi": 0.2,
    }  # fmt: skip
    index = run(f'{ask}({scene}, {{show: "index-NDVI", date: null, stretch: {{lo: 0.1, hi: 0.2}}}})', "layers")
    assert index == {"show": "index-NDVI", "date": None}
    three = run(f'{ask}({scene}, {{show: "bands:B3,B2,B1", date: null, stretch: null}})', "layers")
    assert three == {"bands": ["B3", "B2", "B1"], "date": None}
    gone = run(f'{ask}({scene}, {{show: "bands:B9,B2,B1", date: null, stretch: null}})', "layers")
    assert gone["show"] == "rgb"


def test_a_temperature_is_told_beside_the_spectrum_of_reflectance(run: Any) -> None:
    bands = [("B4", 655, 0.05, "reflectance"), ("B5", 865, 0.35, "reflectance"), ("ST", 10900, 310.76, "K")]
    values = json.dumps([{"band": b, "nm": nm, "value": v, "unit": u} for b, nm, v, u in bands])
    found = run(f"[all.besides({values}), all.besides({values}.slice(0, 2)), all.isFew({values})]", "spectrum")
    assert found == ["ST 311\u2009K", "", False]


def test_a_projection_without_a_name_is_called_by_its_method(run: Any) -> None:
    wkt = 'PROJCRS["unnamed",BASEGEOGCRS["Unknown"],CONVERSION["unnamed",METHOD["Sinusoidal"]]]'
    assert run(f"all.crsName({json.dumps(wkt)})", "measure") == "Sinusoidal"
    assert run('all.crsName("EPSG:32633")', "measure") == "EPSG:32633"


def test_gaps_of_a_series_are_called_clouds_only_where_clouds_were_the_reason(run: Any) -> None:
    states = ["seen", "cloud", "cloud", "missing", "missing", "seen", "missing", "missing", "missing", "seen"]
    dates = [f"2021-01-{day:02d}" for day in range(1, 11)]
    found = {"dates": dates, "values": [0.5 if s == "seen" else None for s in states], "states": states}
    assert run(f"all.gaps({json.dumps(found)})", "series") == [[1, 2, True], [3, 4, False], [6, 8, False]]
