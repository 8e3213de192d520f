from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Tokens  # noqa: E402
from swath.nn.dates import KINDS, PoolDates, pool_mean  # noqa: E402
from swath.nn.ltae import LTAE  # noqa: E402
from swath.nn.maps import maps  # noqa: E402
from swath.nn.unet import UNet  # noqa: E402
from swath.nn.upernet import UPerNet  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "43-pangaea.json").read_text())


def filled(model):
    """Weights by the rule that the golden file states."""
    state = model.state_dict()
    for n, name in enumerate(sorted(state)):
        if not state[name].is_floating_point():
            continue
        base = 1.0 if ("norm" in name and name.endswith(".weight")) or name.endswith("running_var") else 0.0
        flat = base + 0.05 * np.sin(0.37 * np.arange(state[name].numel(), dtype=np.float64) + n)
        state[name] = torch.tensor(flat.reshape(tuple(state[name].shape)), dtype=torch.float32)
    model.load_state_dict(state)
    return model.eval()


def waves(*shape):
    return torch.tensor(np.sin(0.01 * np.arange(np.prod(shape))).reshape(shape), dtype=torch.float32)


def agrees(got, golden):
    flat = got.detach().numpy().ravel()
    assert list(got.shape) == golden["shape"]
    assert np.allclose(flat[:8], golden["first8"], atol=1e-5)
    assert np.allclose(flat[-8:], golden["last8"], atol=1e-5)
    assert abs(flat.mean() - golden["mean"]) < 1e-5
    assert abs(flat.std(ddof=1) - golden["std"]) < 2e-5


def keys(model):
    return {k: list(v.shape) for k, v in model.state_dict().items()}


def test_l_tae_equals_the_published_values():
    golden = GOLDEN["ltae_no_dates"]
    model = filled(LTAE(32))
    assert keys(model) == golden["keys"]
    out, weight = model.attend(waves(*golden["input_shape"]).transpose(1, 2))
    agrees(out, golden["output"])
    agrees(weight, golden["attention_head_b_t_h_w"])


def test_l_tae_with_days_and_gaps_equals_the_published_values():
    golden = GOLDEN["ltae_with_days"]
    model = filled(LTAE(32, dates=True, everything=True))
    day, gone = torch.tensor(golden["days"]), torch.tensor(golden["pad_mask"])
    agrees(model(waves(*GOLDEN["ltae_no_dates"]["input_shape"]).transpose(1, 2), day, ~gone), golden["output"])


def test_upernet_equals_the_published_values():
    golden = GOLDEN["upernet"]
    model = filled(UPerNet([16] * 4, 5, 8))
    assert keys(model) == golden["keys"]
    levels = [(i + 1) * waves(1, 16, 4, 6) for i in range(4)]
    assert [list(m.shape) for m in model.neck(levels)] == golden["neck_shapes"]
    agrees(model.features(levels), golden["head_features"])
    agrees(model(levels), golden["logits"])
    agrees(model(levels, (60, 90)), golden["logits_60x90"])


@pytest.mark.parametrize("size", [(4, 4), (3, 7), (9, 2), (1, 1)])
@pytest.mark.parametrize("scales", [(4, 2, 1, 0.5), (1, 0.5, 0.25, 0.125), None])
def test_upernet_takes_maps_of_any_size(size, scales):
    model = UPerNet([6] * 4, 3, 8, scales=scales, norm="group")
    out = model([torch.randn(2, 6, *size) for _ in range(4)], (13, 17))
    assert out.shape == (2, 3, 13, 17)
    out.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_published_head_has_the_published_size():
    with torch.device("meta"):
        head = UPerNet([768] * 4, 2, 512)
    assert 30e6 < sum(p.numel() for p in head.parameters()) < 45e6


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (5, 9)])
def test_the_u_net_gives_back_the_size_it_was_given(size):
    assert UNet(3, 4, (4, 8, 16), norm="group")(torch.randn(2, 3, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize("dates", range(1, 13))
def test_order_of_dates_matters_to_l_tae_only_where_it_is_told_the_dates(dates):
    torch.manual_seed(dates)
    values, day = torch.randn(2, dates, 16, 3, 2), torch.arange(dates).repeat(2, 1) * 17.0
    order = torch.arange(dates).flip(0)
    blind, told = LTAE(16, heads=4).eval(), LTAE(16, heads=4, dates=True).eval()
    assert torch.allclose(blind(values), blind(values[:, order]), atol=1e-3)
    assert torch.allclose(told(values, day), told(values[:, order], day[:, order]), atol=1e-3)
    if dates > 1:
        assert not torch.allclose(told(values, day), told(values[:, order], day), atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_dates_that_are_not_valid_weigh_nothing(kind):
    torch.manual_seed(0)
    pool = PoolDates(kind, 16, 6, heads=4).eval()
    values, day = torch.randn(3, 6, 16, 4, 5), torch.arange(6).repeat(3, 1) * 30.0
    valid = torch.rand(3, 6, 4, 5) < 0.6
    valid[0, :, 0, 0] = False
    wild = torch.where(valid[:, :, None], values, torch.nan)
    out = pool(wild, day, valid)
    assert torch.isfinite(out).all()
    assert torch.equal(out, pool(torch.where(valid[:, :, None], values, 1e6), day, valid))
    if kind.startswith("ltae"):
        _, weight = pool.ltae.attend(wild, day, valid)
        assert (weight.permute(1, 0, 2, 3, 4)[~valid[:, None].expand(-1, 4, -1, -1, -1)] == 0).all()


def test_the_mean_and_linear_weights_at_their_start_are_the_mean():
    values, valid = torch.randn(2, 4, 3, 2, 2), torch.ones(2, 4, 2, 2, dtype=torch.bool)
    assert torch.allclose(pool_mean(values, valid), values.mean(1))
    assert torch.allclose(PoolDates("linear", 3, 4)(values, torch.zeros(2, 4), valid), values.mean(1), atol=1e-6)
    with pytest.raises(ValueError, match="weights of 4 dates"):
        PoolDates("linear", 3, 4)(values[:, :3], torch.zeros(2, 3), valid[:, :3])


def test_tokens_become_maps_with_the_dates_pooled():
    values = np.random.default_rng(0).normal(size=(2, 12, 5)).astype(np.float32)
    tokens = Tokens(values, np.ones((2, 12), bool), np.zeros((2, 12)), np.zeros((2, 12, 2)), (2, 2, 3))
    (out,) = maps([tokens])
    assert out.shape == (2, 5, 2, 3)
    assert np.allclose(out.numpy()[1, :, 1, 2], values[1, [5, 11]].mean(0), atol=1e-6)
    with pytest.raises(ValueError, match="on a grid"):
        maps([Tokens(values, tokens.valid, tokens.day, tokens.position)])
