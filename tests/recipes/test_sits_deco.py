from __future__ import annotations

import pytest

pytest.importorskip("torch")

from swath.recipes import sits_deco
from swath.testing.recipe import check_recipe


def test_the_recipe_keeps_the_rules_and_stays_below_the_best_possible():
    outcome = check_recipe(sits_deco)
    found = {(r.method, r.metric): r.estimate for r in outcome.rows}
    assert found["decoder", "accuracy"].value <= found["best possible", "accuracy"].value
    assert {m for m, _ in found} >= {"decoder", "random forest 500", "TempCNN of equal size", "linear in time"}
