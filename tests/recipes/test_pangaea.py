from __future__ import annotations

import pytest

pytest.importorskip("torch")

from swath.recipes import pangaea
from swath.testing import check_recipe


def test_the_recipe_keeps_the_rules_without_real_data():
    outcome = check_recipe(pangaea)
    roles = {r.role for r in outcome.rows}
    assert roles == {"ours", "baseline"}
    assert {"tiny - pixel statistics", "tiny - network from scratch", "ltae-days - ltae"} <= {
        r.method for r in outcome.rows
    }
    assert all(r.estimate.simulated for r in outcome.rows if r.data == "made seasons" and r.estimate.defined)


@pytest.mark.slow
def test_the_published_configuration_is_built_and_stepped_once(tmp_path):
    outcome = pangaea.run("paper", tmp_path)
    counts = {r.method: r.estimate.value for r in outcome.rows}
    assert 30e6 < counts["UPerNet 512 on ViT-B, 2 classes"] < 45e6
    step = outcome.facts["one step of UPerNet 512 at batch 1"]
    assert step["output"] == [1, 2, 224, 224]
    assert step["moved"]
