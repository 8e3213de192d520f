"""Plain convolutions of bounded reach, for maps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["ConvNet"]


class ConvNet(nn.Module):
    """3 x 3 convolutions with ReLU between them and a last 1 x 1 one; size in is size out.

    `reach`: how many pixels away an output looks.
    """

    def __init__(self, channels: int, widths: Sequence[int], out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, out, 1))
        self.reach = len(widths)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out, H, W)."""
        return self.layers(x)
