"""Inverted bottlenecks: a thin map is widened, looked at channel by channel, weighed by its own mean and made thin again.

EfficientNet's block (Tan and Le 2019), after MobileNetV2 (Sandler et al. 2018) and squeeze-excite (Hu et al. 2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["ConvNorm", "DropPath", "MBConv", "SqueezeExcite", "fan_out"]


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and SiLU unless `act` is False; the size stays (odd kernels)."""

    def __init__(
        self, channels: int, out: int, kernel: int = 1, *, groups: int = 1, act: bool = True, eps: float = 1e-3
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=eps, momentum=0.1)
        self.act = nn.SiLU(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out, H, W)."""
        return self.act(self.bn(self.conv(x)))


class SqueezeExcite(nn.Module):
    """Weigh channels by what the mean over the whole map says; its reach is therefore not bounded."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, squeezed, 1)
        self.conv_expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), each channel times a number between 0 and 1."""
        weight = nn.functional.silu(self.conv_reduce(x.mean((2, 3), keepdim=True)))
        return x * self.conv_expand(weight).sigmoid()


class DropPath(nn.Module):
    """Leave a branch out for some examples while training (stochastic depth, Huang et al. 2016); the others count more."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...): each example 0 with probability `share`, else divided by 1 - share."""
        if not self.training or self.share <= 0:
            return x
        keep = 1.0 - self.share
        return x * (torch.rand((len(x),) + (1,) * (x.ndim - 1), device=x.device) < keep).to(x.dtype) / keep


class MBConv(nn.Module):
    """1x1 to `ratio` times the width, 3x3 depthwise, squeeze-excite, 1x1 to `out`; added to the input where widths agree.

    The squeeze has a quarter of the *input's* width.
    """

    def __init__(self, channels: int, out: int, *, ratio: int = 6, drop: float = 0.0) -> None:
        super().__init__()
        wide = ratio * channels
        self.expand_conv = ConvNorm(channels, wide)
        self.dwconv = ConvNorm(wide, wide, 3, groups=wide)
        self.se = SqueezeExcite(wide, max(1, channels // 4))
        self.project_conv = ConvNorm(wide, out, act=False)
        self.drop = DropPath(drop) if channels == out else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out, H, W)."""
        y = self.project_conv(self.se(self.dwconv(self.expand_conv(x))))
        return y if self.drop is None else x + self.drop(y)


def fan_out(module: nn.Module) -> None:
    """Start every convolution normal with variance 2 / (pixels of the kernel x outputs / groups) and bias 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fan = math.prod(part.kernel_size) * part.out_channels // part.groups
            nn.init.normal_(part.weight, 0.0, math.sqrt(2.0 / fan))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
