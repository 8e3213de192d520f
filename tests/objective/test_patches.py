from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.errors import SwathError  # noqa: E402
from swath.models.prithvi import Prithvi  # noqa: E402
from swath.objective.patches import MaskedPatches  # noqa: E402
from swath.sample.loader import Chips  # noqa: E402
from swath.testing import check_objective  # noqa: E402
from swath.train.fit import Rules, fit  # noqa: E402


@pytest.fixture
def pair():
    return Prithvi.example()


@pytest.mark.parametrize("unit", ["token", "date", "block", ("token", "date")])
def test_it_keeps_the_rules_of_objectives(pair, unit):
    check_objective(MaskedPatches(0.5, unit), *pair)


def test_it_is_the_published_loss_where_all_is_valid(pair):
    model, batch = pair
    p = batch.pixels["hls-l30"]
    batch = replace(batch, pixels={"hls-l30": replace(p, valid=np.ones_like(p.valid))})
    seen = model.seen(batch)
    generator = torch.Generator().manual_seed(3)
    torch.randint(1, (1,), generator=generator)
    noise = torch.rand(3, 12, generator=generator)
    want = model.mae(seen.x, seen.time, seen.place, ratio=0.75, noise=noise).loss
    found = MaskedPatches(forget=0.0)(model, batch, torch.Generator().manual_seed(3)).value
    assert float(found.detach()) == pytest.approx(float(want.detach()), rel=1e-6)
    rows = model.mae(seen.x, seen.time, seen.place, ratio=0.75, noise=noise)
    from swath.models.prithvi_net import patchify

    gap = (rows.prediction - patchify(seen.x, 8)).square().mean(-1)
    plain = (gap * rows.hidden).sum() / rows.hidden.sum()
    assert float(want.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)


def test_patches_without_a_valid_value_are_hidden_first(pair):
    model, batch = pair
    p = batch.pixels["hls-l30"]
    valid = np.zeros_like(p.valid)
    valid[..., :8, :8] = True
    batch = replace(batch, pixels={"hls-l30": replace(p, valid=valid)})
    loss = MaskedPatches(0.8)(model, batch)
    assert float(loss.value.detach()) == 0.0


def test_ratio_zero_hides_none_and_unknown_units_are_refused(pair):
    assert float(MaskedPatches(0.0)(*pair).value.detach()) == 0.0
    for wrong in ({"unit": "group"}, {"ratio": 1.5}, {"forget": -0.1}):
        with pytest.raises(SwathError):
            MaskedPatches(**wrong)


def test_training_makes_it_smaller_and_goes_on_after_a_stop_to_the_same_numbers(pair, tmp_path):
    model, batch = pair
    source = Chips(batch, batch=3)
    rules = Rules(epochs=4, rate=3e-3, warmup=2)
    whole = fit(model, source, MaskedPatches(0.5), rules, folder=tmp_path / "a")
    assert whole[-1]["patches"] < whole[0]["patches"]
    again, _ = Prithvi.example()

    def stop(epoch):
        epoch.stop = epoch.number == 1

    fit(again, source, MaskedPatches(0.5), rules, folder=tmp_path / "b", on_epoch=stop)
    other, _ = Prithvi.example()
    assert fit(other, source, MaskedPatches(0.5), rules, folder=tmp_path / "b") == whole
