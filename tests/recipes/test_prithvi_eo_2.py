from __future__ import annotations

import pytest

pytest.importorskip("torch")

from swath.recipes import prithvi_eo_2
from swath.testing.recipe import check_recipe


def test_the_recipe_keeps_the_rules():
    outcome = check_recipe(prithvi_eo_2)
    assert {r.method for r in outcome.rows} >= set(prithvi_eo_2.VARIANTS)
    assert outcome.facts["values no way could say"] == {"made series": 0.0}
