"""Attention by large kernels over one date or two: a map of weights that both dates share, found from what they say together.

Large-kernel attention: Guo et al. 2022 (Visual Attention Network). The shared map for two dates: SChanger (arXiv
2503.20734). Every block takes a list of one or two streams (B, C, H, W) and gives as many back.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swath.nn.mbconv import DropPath

__all__ = ["ChannelNorm", "Fusion", "SharedAttention", "SpatialGate"]


class ChannelNorm(nn.Module):
    """Layer norm over the channels of a map, pixel by pixel."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), mean 0 and variance 1 over C, then scaled and moved."""
        centred = x - x.mean(1, keepdim=True)
        x = centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + self.eps)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class Fusion(nn.Module):
    """Two dates become one map: 1x1 convolution of both, channel norm, GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.diff = nn.Sequential(nn.Conv2d(2 * width, width, 1), ChannelNorm(width), nn.GELU())

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, C, H, W) twice -> (B, C, H, W)."""
        return self.diff(torch.cat([first, second], 1))

    def as_difference(self) -> None:
        """Start as first minus second: kernel [I, -I], bias 0; channel norm and GELU stay as they are."""
        conv = self.diff[0]
        same = torch.eye(conv.out_channels)
        with torch.no_grad():
            conv.weight.copy_(torch.cat([same, -same], 1)[:, :, None, None])
            conv.bias.zero_()


class SpatialGate(nn.Module):
    """The attention map: fusion of the dates where there are two, 5x5 and dilated 7x7 depthwise, 1x1. Looks 11 pixels far."""

    def __init__(self, width: int, dates: int) -> None:
        super().__init__()
        if dates == 2:
            self.diff = Fusion(width)
        self.conv0 = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.conv_spatial = nn.Conv2d(width, width, 7, padding=9, dilation=3, groups=width)
        self.conv1 = nn.Conv2d(width, width, 1)

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """(B, C, H, W): one map for all streams."""
        joint = streams[0] if len(streams) == 1 else self.diff(*streams)
        return self.conv1(self.conv_spatial(self.conv0(joint)))


class _Attention(nn.Module):
    """Streams weighed by their shared map; the inner shortcut adds what came in."""

    def __init__(self, width: int, dates: int) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2d(width, width, 1)
        self.spatial_gating_unit = SpatialGate(width, dates)
        self.proj_2 = nn.Conv2d(width, width, 1)

    def forward(self, streams: Sequence[Tensor], weigh: bool) -> list[Tensor]:
        projected = [nn.functional.gelu(self.proj_1(x)) for x in streams]
        if weigh:
            weight = self.spatial_gating_unit(projected)
            projected = [weight * u for u in projected]
        return [self.proj_2(u) + x for u, x in zip(projected, streams, strict=True)]


class _Depthwise(nn.Module):
    """The 3x3 depthwise convolution of the hidden layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return self.dwconv(x)


class _Hidden(nn.Module):
    """1x1 to four times the width, 3x3 depthwise, GELU, 1x1 back, with dropout after both."""

    def __init__(self, width: int, drop: float) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, 4 * width, 1)
        self.dwconv = _Depthwise(4 * width)
        self.fc2 = nn.Conv2d(4 * width, width, 1)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(nn.functional.gelu(self.dwconv(self.fc1(x))))))


class SharedAttention(nn.Module):
    """Streams (one date or two) through large-kernel attention with one shared map, then a hidden layer, both added.

    Pre-norm by batch norm, one stream after the other; both branches start at a hundredth. weigh: False takes the map as
    1 everywhere (to see what attention brings).
    """

    def __init__(self, width: int, *, dates: int, drop: float = 0.0, weigh: bool = True) -> None:
        super().__init__()
        self.weigh = weigh
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.attn = _Attention(width, dates)
        self.mlp = _Hidden(width, drop)
        self.layer_scale_1 = nn.Parameter(torch.full((width,), 1e-2))
        self.layer_scale_2 = nn.Parameter(torch.full((width,), 1e-2))
        self.drop_path = DropPath(drop)

    def forward(self, streams: Sequence[Tensor]) -> list[Tensor]:
        """As many streams (B, C, H, W) as came in."""
        attended = self.attn([self.norm1(x) for x in streams], self.weigh)
        scale_1, scale_2 = self.layer_scale_1[:, None, None], self.layer_scale_2[:, None, None]
        streams = [x + self.drop_path(scale_1 * v) for x, v in zip(streams, attended, strict=True)]
        return [x + self.drop_path(scale_2 * self.mlp(self.norm2(x))) for x in streams]
