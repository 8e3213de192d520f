from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath import testing  # noqa: E402
from swath.errors import LabelError  # noqa: E402
from swath.models.schanger import SChanger  # noqa: E402
from swath.objective.supervise import bce_dice, deep  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "32-schanger.json").read_text())["loss"]


def golden():
    n = np.arange(2 * 6 * 8 * 8, dtype=np.float64)
    target = np.cos(0.3 * np.arange(2 * 8 * 8, dtype=np.float64)) > 0.4
    return torch.tensor(np.sin(0.05 * n)).reshape(2, 6, 8, 8), torch.tensor(target).long().reshape(2, 8, 8)


def test_the_loss_of_six_maps_is_the_published_sum_of_twelve_terms():
    terms = bce_dice(*golden())
    assert float(terms["bce"]) == pytest.approx(GOLDEN["bce_sum"], abs=1e-9)
    assert float(terms["dice"]) == pytest.approx(GOLDEN["dice_sum"], abs=1e-9)
    assert float(sum(terms.values())) == pytest.approx(GOLDEN["total"], abs=1e-9)


def test_what_is_unknown_does_not_count():
    logits, target = golden()
    target[:, 4:] = -1
    other = logits.clone()
    other[:, :, 4:] = 50.0
    half = bce_dice(logits[:, :, :4], target[:, :4])
    for name, term in bce_dice(other, target).items():
        torch.testing.assert_close(term, half[name])
    nothing = bce_dice(logits.requires_grad_(), torch.full_like(target, -1))
    assert float(sum(nothing.values())) == 0.0
    sum(nothing.values()).backward()


def test_deep_supervision_keeps_the_rules_of_objectives():
    model, batch = SChanger.example()
    testing.check_objective(deep(), model, batch)
    with pytest.raises(LabelError, match="needs targets"):
        deep()(model, replace(batch, target=None))
