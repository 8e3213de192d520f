from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from swath.nn.attention import Attention, Block  # noqa: E402
from swath.nn.codes import grid_code, repeating, sincos  # noqa: E402
from swath.nn.conv import ConvNet  # noqa: E402
from swath.nn.vit import ViT  # noqa: E402


def test_sincos_is_all_sines_then_all_cosines():
    code = sincos(torch.tensor([0.0, 2.0, math.nan]), 8)
    assert code.dtype == torch.float32
    torch.testing.assert_close(code[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    torch.testing.assert_close(code[1, :4], torch.sin(2.0 * 10_000.0 ** (-torch.arange(4) / 4)))
    assert (code[2] == 0).all()


def test_repeating_codes_repeat_also_for_days_far_from_zero():
    day = torch.tensor([18_000.25, 18_000.25 + 365.25], dtype=torch.float64)
    a, b = repeating(day, 365.25, 12)
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_grid_codes_say_date_row_and_column():
    code = grid_code(2, 3, 4, 32)
    assert code.shape == (24, 32)
    assert torch.unique(code, dim=0).shape[0] == 24
    torch.testing.assert_close(grid_code(2, 3, 4, 32, order="w h t")[:, -8:], code[:, :8])


def test_attention_sees_only_valid_tokens_and_causal_only_the_past():
    torch.manual_seed(0)
    x, valid = torch.randn(2, 5, 16), torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    layer = Attention(16, 4)
    changed = x.clone()
    changed[0, 3:] = 9.0
    torch.testing.assert_close(layer(x, valid)[0, :3], layer(changed, valid)[0, :3])
    causal = Attention(16, 4, causal=True)
    late = x.clone()
    late[:, 3:] = 9.0
    torch.testing.assert_close(causal(x)[:, :3], causal(late)[:, :3])
    torch.testing.assert_close(causal(x, torch.ones(2, 5, dtype=torch.bool)), causal(x))
    torch.testing.assert_close(causal(x, bias=torch.zeros(1, 1, 5, 5)), causal(x))


def test_a_bias_of_minus_infinity_is_a_mask():
    torch.manual_seed(0)
    x, valid = torch.randn(2, 5, 16), torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    layer = Attention(16, 4)
    bias = torch.zeros(2, 1, 5, 5).masked_fill(~valid[:, None, None], -math.inf)
    torch.testing.assert_close(layer(x, valid), layer(x, bias=bias))
    torch.testing.assert_close(layer(x, valid), layer(x, valid, torch.zeros(1, 4, 5, 5)))


def test_levels_are_numbers_of_blocks_and_keep_works_on_some_tokens():
    torch.manual_seed(0)
    net = ViT(16, 3, 4, eps=1e-6)
    x = torch.randn(2, 6, 16)
    first, last = net(x, levels=(0, -1))
    assert first.shape == last.shape == x.shape
    torch.testing.assert_close(net(x, levels=(2,))[0], last)
    keep = torch.tensor([[0, 2, 5], [1, 3, 4]])
    torch.testing.assert_close(net(x, keep=keep)[0], net(torch.stack([x[0, keep[0]], x[1, keep[1]]]))[0])
    with pytest.raises(ValueError, match="levels"):
        net(x, levels=(3,))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_blocks_are_equivariant_to_the_order_of_tokens(norm):
    torch.manual_seed(0)
    block = Block(16, 4, eps=1e-5, norm=norm)
    x, order = torch.randn(2, 6, 16), torch.randperm(6)
    torch.testing.assert_close(block(x[:, order]), block(x)[:, order])


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="heads"):
        Attention(16, 3)


def test_the_reach_of_a_conv_net_is_what_it_says():
    torch.manual_seed(0)
    net = ConvNet(3, (8, 8), 4)
    x = torch.randn(1, 3, 15, 15)
    y = x.clone()
    y[..., 7, 7] += 1
    moved = (net(x) != net(y)).any(1)[0].nonzero()
    assert int((moved - 7).abs().max()) == net.reach == 2
    assert net(x).shape == (1, 4, 15, 15)
