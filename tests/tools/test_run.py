"""`swath list` and `swath run`: the 56 systems by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swath.errors import FormatError, SwathError
from swath.tools import list as listing
from swath.tools import run as running
from swath.tools.systems import SYSTEMS


def test_all_56_systems_are_listed_once_each_with_their_number() -> None:
    assert [s.number for s in SYSTEMS] == list(range(1, 57))
    assert len({s.slug for s in SYSTEMS}) == 56
    assert all(len(s.title) < 110 for s in SYSTEMS)


def test_listing_imports_no_recipe_and_no_torch() -> None:
    code = (
        "import sys, swath; print(swath.list()); "
        "assert not [m for m in sys.modules if m.startswith('swath.recipes') or m == 'torch']"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "28  prithvi" in done.stdout
    assert len(listing.list().to_json()["systems"]) == 56


def test_a_built_system_has_a_recipe_that_is_there() -> None:
    from importlib import import_module

    pytest.importorskip("torch")
    for system in listing.list(built=True).systems:
        module, _, function = system.recipe.partition(":")
        recipe = import_module(module)
        assert callable(getattr(recipe, function))
        assert (recipe.CARD.slug, recipe.CARD.number) == (system.slug, system.number)


def test_an_unknown_or_unbuilt_system_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SwathError, match="did you mean prithvi"):
        running.run("prithv", out=tmp_path)
    with pytest.raises(SwathError, match="dynamicvl: not yet"):
        running.run("1", out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A made system in the place of number 1."""
    from dataclasses import replace

    from tests.testing import made_recipe

    one = replace(SYSTEMS[0], recipe=f"{made_recipe.__name__}:run")
    monkeypatch.setattr(running, "SYSTEMS", (one, *SYSTEMS[1:]))


def test_a_run_leaves_outcome_figures_page_and_run_json_and_runs_again_to_the_same(made: None, tmp_path: Path) -> None:
    from swath.tools.again import again

    result = running.run("dynamicvl", out=tmp_path / "a", seed=3)
    assert set(result.files) == {"outcome.json", "curve.png", "report.html", "run.json"}
    assert "ours" in str(result)
    record = json.loads((tmp_path / "a" / "run.json").read_text())
    assert "fitting" in record["timing"]
    assert "timing" not in json.loads((tmp_path / "a" / "outcome.json").read_text())["facts"]
    second = again(tmp_path / "a", out=tmp_path / "b")
    assert not second.different


def test_a_data_folder_that_is_not_there_is_refused(made: None, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="--data is a folder"):
        running.run("1", out=tmp_path, data=tmp_path / "none")
