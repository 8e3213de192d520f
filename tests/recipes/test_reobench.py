"""REOBench's recipe, made small."""

from __future__ import annotations

import pytest

from swath.recipes import reobench
from swath.recipes.reobench_sets import published
from swath.testing import check_recipe
from swath.transform.severity import TWELVE

pytest.importorskip("torch")


def test_the_recipe_keeps_its_rules_and_says_what_it_measured() -> None:
    outcome = check_recipe(reobench)
    drops = {r.metric for r in outcome.rows if r.metric.startswith("drop, ")}
    assert drops == {f"drop, {n.replace('_', ' ')}" for n in TWELVE}
    left_out = [r for r in outcome.rows if r.metric.endswith("family left out")]
    assert len(left_out) == 2
    (vhm,) = (r for r in outcome.rows if r.metric == "accuracy in per cent, drop")
    assert vhm.estimate.value == pytest.approx(1.31, abs=0.005)
    assert "1.38" in vhm.claim
    still = [r for r in outcome.rows if r.method == "mean of each band"]
    assert [r.estimate.value for r in still] == [0.0]
    assert all(r.estimate.simulated for r in still)


def test_the_published_parts_have_their_size_and_take_a_step() -> None:
    rows, said, facts = published()
    assert [r.estimate.value for r in rows] == [23_070, 23_070, 0]
    assert facts["output"] == [2, 5, 224, 224]
    assert "not run" in said[1]
