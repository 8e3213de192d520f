"""Every recipe keeps the rules of recipes; recipes that break one are named."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from tests.testing import made_recipe

from swath import testing
from swath.errors import SwathError
from swath.tools.systems import SYSTEMS

BUILT = [s.recipe.partition(":")[0] for s in SYSTEMS if s.recipe]


@pytest.mark.parametrize("module", [made_recipe.__name__, *BUILT])
def test_every_recipe_keeps_the_rules(module: str) -> None:
    pytest.importorskip("torch")
    testing.check_recipe(import_module(module))


def _changed(**change: object) -> SimpleNamespace:
    from dataclasses import replace

    def run(*args: object, **options: object) -> object:
        return replace(made_recipe.run(*args, **options), **change)  # type: ignore[arg-type]

    return SimpleNamespace(__name__="broken", CARD=made_recipe.CARD, SCALES=made_recipe.SCALES, run=run)


def test_a_recipe_without_baseline_or_words_is_named(tmp_path: object) -> None:
    import tempfile
    from pathlib import Path

    rows = made_recipe.run("test", Path(tempfile.mkdtemp())).rows
    with pytest.raises(SwathError, match="no row of a baseline"):
        testing.check_recipe(_changed(rows=rows[:1]))
    with pytest.raises(SwathError, match="no verdict in words"):
        testing.check_recipe(_changed(verdicts=()))
