"""Stages in which every pixel looks at its neighbours, of bounded reach, blind to pixels that do not count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

__all__ = ["Near", "moments"]


class Near(nn.Module):
    """A depthwise convolution among pixels that count, then a two-layer network, with a skip around both.

    kernel: odd side of the convolution; step: pixels between its taps. `reach`: how many pixels away an output looks.
    The norm works on each pixel alone, so what lies further away never matters (the form: Liu et al. 2022, ConvNeXt).
    """

    def __init__(self, width: int, kernel: int = 5, step: int = 1, mlp: float = 2.0) -> None:
        super().__init__()
        self.reach = kernel // 2 * step
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.around = nn.Conv2d(width, width, kernel, padding=self.reach, dilation=step, groups=width)
        hidden = int(width * mlp)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.share = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(B, H, W, D) -> the same; seen (B, H, W) bool: pixels that others may look at."""
        own = self.norm(x)
        shown = (own * seen[..., None]).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, enabled=False):  # its backward is slower in bfloat16 than in float32
            near = self.around(shown.float())
        return x + self.share * self.mlp(own + near.permute(0, 2, 3, 1))


def moments(x: Tensor, seen: Tensor, means: Sequence[int], spreads: Sequence[int]) -> Tensor:
    """Mean and deviation of each channel among the pixels that count, in square windows: (B, H, W, (n + m) * C).

    x (B, H, W, C), seen (B, H, W) bool, means and spreads: odd sides of the windows. Where no pixel counts: 0.
    """
    count = seen[:, None].to(x.dtype)
    plane = x.permute(0, 3, 1, 2) * count
    out = []
    for side in means:
        out.append(_box(plane, side) / _box(count, side).clamp(min=1e-6))
    for side in spreads:
        share = _box(count, side).clamp(min=1e-6)
        variance = _box(plane.square(), side) / share - (_box(plane, side) / share).square()
        out.append((variance.clamp(min=0.0) + 1e-3).sqrt() - 1e-3**0.5)
    return torch.cat(out, 1).permute(0, 2, 3, 1)


def _box(x: Tensor, side: int) -> Tensor:
    """Mean over side x side pixels, nothing beyond the edge."""
    x = avg_pool2d(x, (1, side), 1, (0, side // 2))
    return avg_pool2d(x, (side, 1), 1, (side // 2, 0))
