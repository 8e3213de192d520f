"""U-Net: the plain network of maps that anything learned has to beat (Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["SiameseDifference", "UNet", "norm"]


def norm(kind: str, width: int) -> nn.Module:
    """A normalisation of maps by name: "batch", or "group" (8 groups, or as many as divide), which needs no batch."""
    if kind == "batch":
        return nn.BatchNorm2d(width)
    if kind == "group":
        return nn.GroupNorm(next(g for g in (8, 4, 2, 1) if width % g == 0), width)
    raise ValueError(f"norms are batch and group; got {kind}; choose one")


class UNet(nn.Module):
    """(B, channels, H, W) -> (B, out, H, W) for any H and W; widths: of each level, from full size down.

    The published widths are 64, 128, 256, 512, with batch norm.
    """

    def __init__(
        self, channels: int, out: int, widths: Sequence[int] = (64, 128, 256, 512), *, norm: str = "batch"
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        for width in widths:
            self.down.append(_twice(channels, width, norm))
            channels = width
        pairs = list(zip(widths[1:], widths[:-1], strict=True))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(deep, shallow, 2, 2) for deep, shallow in pairs)
        self.merge = nn.ModuleList(_twice(2 * shallow, shallow, norm) for _, shallow in pairs)
        self.last = nn.Conv2d(widths[0], out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores at the pixels of the input."""
        height, width = x.shape[-2:]
        return self.up_from(self.levels(x))[..., :height, :width]

    def levels(self, x: Tensor) -> list[Tensor]:
        """The maps of all levels, from full size down."""
        height, width = x.shape[-2:]
        step = 2 ** (len(self.down) - 1)
        pad = (-width % step, -height % step)
        x = functional.pad(x, (0, pad[0], 0, pad[1])) if any(pad) else x
        skips = []
        for i, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if i else x)
            skips.append(x)
        return skips

    def up_from(self, skips: Sequence[Tensor]) -> Tensor:
        """Scores from the maps of all levels."""
        x = skips[-1]
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            x = merge(torch.cat([skip, up(x)], 1))
        return self.last(x)


class SiameseDifference(UNet):
    """A U-Net whose way down both dates take, and whose way up sees how far they lie apart at every level.

    FC-Siam-diff of Daudt et al. 2018 (Fully Convolutional Siamese Networks for Change Detection): skips are |first - second|;
    the deepest map is that of the second date there, and the difference here, so that the order of the dates does not matter.
    """

    def forward(self, first: Tensor, second: Tensor) -> Tensor:  # type: ignore[override]
        """Two dates (B, C, H, W) -> (B, out, H, W)."""
        height, width = first.shape[-2:]
        apart = [(a - b).abs() for a, b in zip(self.levels(first), self.levels(second), strict=True)]
        return self.up_from(apart)[..., :height, :width]


def _twice(channels: int, width: int, kind: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), norm(kind, width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1), norm(kind, width), nn.ReLU(),
    )  # fmt: skip
