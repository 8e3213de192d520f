"""Blocks of networks of change: what they add up to, what they share, and what does not hang on the order of dates."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from swath.nn.largekernel import ChannelNorm, Fusion, SharedAttention  # noqa: E402
from swath.nn.mbconv import DropPath, MBConv, fan_out  # noqa: E402
from swath.nn.unet import SiameseDifference, UNet  # noqa: E402


def test_a_branch_is_dropped_for_whole_examples_and_kept_in_the_mean():
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(4000, 2, 1, 1)
    y = drop.train()(x)
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert (y[:, 0] == y[:, 1]).all()
    assert abs(float(y.mean()) - 1) < 0.05
    assert drop.eval()(x) is x


def test_an_inverted_bottleneck_adds_its_input_only_where_widths_agree():
    same, other = MBConv(8, 8).eval(), MBConv(8, 12).eval()
    x = torch.randn(1, 8, 6, 5)
    for block in (same, other):
        torch.nn.init.zeros_(block.project_conv.bn.weight)
    torch.testing.assert_close(same(x), x)
    assert (other(x) == 0).all()
    assert same.se.conv_reduce.out_channels == 2
    fan_out(same)
    assert abs(float(same.dwconv.conv.weight.std()) - (2 / 9) ** 0.5) < 0.06


def test_channel_norm_is_layer_norm_over_channels():
    x, own = torch.randn(2, 7, 3, 4), ChannelNorm(7)
    with torch.no_grad():
        own.weight.uniform_()
        own.bias.uniform_()
    want = torch.nn.functional.layer_norm(x.movedim(1, -1), (7,), own.weight, own.bias, 1e-6).movedim(-1, 1)
    torch.testing.assert_close(own(x), want)


def test_fusion_begun_as_a_difference_is_nothing_for_equal_dates():
    fusion = Fusion(6)
    fusion.as_difference()
    a, b = torch.randn(2, 1, 6, 4, 4)
    assert (fusion(a, a) == 0).all()
    torch.testing.assert_close(fusion.diff[0](torch.cat([a, b], 1)), a - b, atol=1e-6, rtol=0)


def test_an_attention_map_of_one_looks_no_further_than_its_pixel():
    torch.manual_seed(0)
    a, b = torch.randn(2, 1, 4, 40, 40)
    moved = b.clone()
    moved[..., 20, 20] += 5
    for weigh, far in ((True, True), (False, False)):
        block = SharedAttention(4, dates=2, weigh=weigh).eval()
        with torch.no_grad():
            block.layer_scale_1.fill_(1.0)
            apart = [(x - y).abs().sum(1)[0] for x, y in zip(block([a, b]), block([a, moved]), strict=True)]
        assert bool(apart[0].any()) == far  # the other date reaches this one through the shared map alone
        assert bool(apart[1][20, 29] > 0) == far
        assert (apart[0][:, 33:] == 0).all()  # 11 pixels of the map, 1 of the hidden layer


def test_fc_siam_diff_does_not_know_the_order_of_dates():
    net, (a, b) = SiameseDifference(3, 1, (4, 8)).eval(), torch.randn(2, 1, 3, 19, 22)
    assert net(a, b).shape == (1, 1, 19, 22)
    torch.testing.assert_close(net(a, b), net(b, a))
    plain = UNet(3, 2, (4, 8)).eval()
    assert plain(a).shape == (1, 2, 19, 22)
