from __future__ import annotations

import pytest

pytest.importorskip("torch")

from swath.recipes import prithvi
from swath.testing.recipe import check_recipe


def test_the_recipe_keeps_the_rules_and_its_windows_give_the_same_bytes():
    outcome = check_recipe(prithvi)
    assert outcome.facts["scene"]["same bytes"] is True
    assert {r.method for r in outcome.rows} >= {
        "masked autoencoder",
        "linear in time",
        "temporal median",
        "previous date",
    }
