"""UPerNet (Xiao et al. 2018) on maps of an encoder: pooled context on the last, a pyramid over all, one map out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.nn.unet import norm as make_norm

__all__ = ["UPerNet"]


class UPerNet(nn.Module):
    """[(B, widths[i], h_i, w_i)] -> (B, out, H, W), any sizes.

    widths: of the maps; channels: inside (512 as published); pools: sides of the pooled context; scales: by how much
    each map of a plain transformer is made larger or smaller (ConvT, max-pool) before the pyramid, None when the
    encoder gives a pyramid already. A number is `out=1`; no ReLU stands behind it, since that can die for good.
    Parameter names are those of the published head, so that its weights load.
    """

    def __init__(
        self,
        widths: Sequence[int],
        out: int,
        channels: int = 512,
        *,
        pools: Sequence[int] = (1, 2, 3, 6),
        scales: Sequence[float] | None = (4, 2, 1, 0.5),
        dropout: float = 0.1,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        if scales is not None and len(scales) != len(widths):
            raise ValueError(f"each map has its scale; got {len(widths)} maps and {len(scales)} scales")

        def conv(inside: int, side: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inside, channels, side, padding=side // 2), make_norm(norm, channels), nn.ReLU()
            )

        self.neck = None if scales is None else Scales(widths, scales, norm)
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(pool), *conv(widths[-1], 1)) for pool in pools
        )
        self.bottleneck = conv(widths[-1] + len(pools) * channels, 3)
        self.lateral_convs = nn.ModuleList(conv(width, 1) for width in widths[:-1])
        self.fpn_convs = nn.ModuleList(conv(channels, 3) for _ in widths[:-1])
        self.fpn_bottleneck = conv(len(widths) * channels, 3)
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = nn.Conv2d(channels, out, 1)

    def features(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, channels, h, w) at the finest level, before the last convolution."""
        maps = list(maps) if self.neck is None else self.neck(maps)
        last = maps[-1]
        context = [_resize(pool(last), last.shape[-2:]) for pool in self.psp_modules]
        levels = [lateral(m) for lateral, m in zip(self.lateral_convs, maps[:-1], strict=True)]
        levels.append(self.bottleneck(torch.cat([last, *context], 1)))
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + _resize(levels[i], levels[i - 1].shape[-2:])
        levels = [conv(m) for conv, m in zip(self.fpn_convs, levels[:-1], strict=True)] + levels[-1:]
        return self.fpn_bottleneck(torch.cat([_resize(m, levels[0].shape[-2:]) for m in levels], 1))

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int] | None = None) -> Tensor:
        """Scores at `size` (rows, columns), or at the finest level."""
        scores = self.conv_seg(self.dropout(self.features(maps)))
        return scores if size is None else _resize(scores, size)


class Scales(nn.Module):
    """One map per level at several scales: x4, x2 by learned doubling, 1 as it is, 1/2, 1/4 ... by the maximum."""

    def __init__(self, widths: Sequence[int], scales: Sequence[float], norm: str) -> None:
        super().__init__()
        self.ops = nn.ModuleList(_scale(width, scale, norm) for width, scale in zip(widths, scales, strict=True))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The maps, each at its scale."""
        return [op(m) for op, m in zip(self.ops, maps, strict=True)]


def _scale(width: int, scale: float, norm: str) -> nn.Module:
    def double() -> nn.Module:
        return nn.ConvTranspose2d(width, width, 2, 2)

    if scale == 4:
        return nn.Sequential(double(), make_norm(norm, width), nn.GELU(), double())
    if scale == 2:
        return nn.Sequential(double())
    if scale == 1:
        return nn.Identity()
    if scale in (0.5, 0.25, 0.125):
        return _Shrink(round(1 / scale))
    raise ValueError(f"scales are 4, 2, 1, 1/2, 1/4, 1/8; got {scale}; choose among them")


class _Shrink(nn.Module):
    """The maximum of each square; a map smaller than the square becomes one value."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        small = min(x.shape[-2:]) < self.side
        return functional.max_pool2d(x, self.side, ceil_mode=small)


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return functional.interpolate(x, tuple(size), mode="bilinear", align_corners=False)
