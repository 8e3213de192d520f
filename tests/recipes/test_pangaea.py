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
def test_the_published_shapes_are_built():
    facts = pangaea.published_shapes()
    assert facts["parameters of UPerNet 512 on ViT-B, 2 classes"] > 30_000_000
    assert "224, 224" in facts["one step of UPerNet 512 at batch 1"]
