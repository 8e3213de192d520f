"""The command line: what it says, and with which exit code it ends."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from swath.doors import cli
from swath.errors import Cancelled, SwathError
from swath.tools import SUMMARIES, VERBS

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Result:
    text: str
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text}

    def __str__(self) -> str:
        return self.text


def verb(
    scenes: list[str | xr.DataArray],
    *,
    out: str = "out",
    bands: list[str] | None = None,
    level: float = 0.95,
    how: Literal["a", "b"] = "a",
    fail: str | None = None,
    progress: Any = None,
) -> Result:
    """Do a thing to scenes.

    Args:
        scenes: files to read,
            one or many.
        out: where to write.

    Examples:
        swath verb a.tif --out x
        swath verb a.tif b.tif --bands B02,B03
    """
    if fail == "refuse":
        raise SwathError(rule="things\nhold", got="no thing", remedy="bring one")
    if fail == "cancel":
        raise Cancelled
    return Result(f"{scenes} {out} {bands} {level} {how}", 3 if fail == "windows" else 0)


@pytest.fixture(autouse=True)
def one_more_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERBS, "verb", f"{__name__}:verb")
    monkeypatch.setitem(SUMMARIES, "verb", "Do a thing to scenes.")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


def test_words_become_typed_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["verb", "a.tif", "b.tif", "--bands", "B02,B03", "--level", "0.9", "--how", "b"]) == 0
    assert capsys.readouterr().out == "['a.tif', 'b.tif'] out ['B02', 'B03'] 0.9 b\n"


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["verb", "a.tif", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "['a.tif'] out None 0.95 a"}


def test_help_shows_arguments_and_both_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["verb", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "swath verb a.tif b.tif --bands B02,B03" in shown
    assert "where to write" in shown
    assert "--json" in shown
    assert "progress" not in shown.replace("no progress bar", "")


@pytest.mark.parametrize(("how", "code"), [("refuse", 2), ("cancel", 130), ("windows", 3)])
def test_exit_codes_say_how_it_ended(how: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["verb", "a.tif", "--fail", how]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == (0 if how == "windows" else 1)
    if how == "refuse":
        assert error == "swath verb: things hold; got no thing; bring one\n"


def test_unknown_verbs_and_options_are_refused_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["mapp"]) == 2
    assert "did you mean map?" in capsys.readouterr().err
    assert cli.run(["verb", "a.tif", "--nonsense", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", [v for v in VERBS if v != "verb"])
def test_every_verb_has_its_summary_two_examples_and_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, _, attribute = VERBS[name].partition(":")
    function = getattr(importlib.import_module(module), attribute)
    assert (function.__doc__ or "").strip().splitlines()[0] == SUMMARIES[name]
    assert cli.run([name, "--help"]) == 0
    assert capsys.readouterr().out.count(f"swath {name}") >= 3


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys, swath; from swath.doors import cli; cli.run(['--help']);"
        "bad = {'numpy', 'torch', 'sklearn', 'pandas', 'xarray', 'rasterio', 'matplotlib', 'scipy'} & set(sys.modules);"
        "sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_options_without_a_value_are_fine_beside_a_library_that_checks_types():
    import importlib.util

    if importlib.util.find_spec("pydantic") is None:
        pytest.skip("no pydantic here")
    import subprocess

    for verb in ("pack", "change", "map"):
        words = f"import pydantic; from swath.doors.cli import run; raise SystemExit(run(['{verb}', 'nothing.tif', '--out', 'x']))"
        done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
        assert done.returncode == 2
        assert "validation" not in done.stderr
