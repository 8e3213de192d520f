"""The shared decoder of frozen encoders: dates pooled at every level, then a UPerNet at the pixels' size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from swath.nn.dates import Kind, PoolDates
from swath.nn.upernet import UPerNet

__all__ = ["Chips", "Decoder", "scales_for"]


def scales_for(patch: int, levels: int = 4, finest: float = 1.0) -> tuple[float, ...]:
    """How maps of tokens of `patch` pixels are scaled, so that the finest lies at a quarter of the pixels or finer.

    finest: the largest scale for tokens of a pixel or two, 1 or 1/2.
    """
    first = 4.0 if patch >= 8 else 2.0 if patch >= 4 else finest
    return tuple(max(first / 2**i, 0.125) for i in range(levels))


class Decoder(nn.Module):
    """Levels of an encoder, each (values (B, T, D, h, w), day (B, T), valid (B, T, h, w)) -> (B, out, H, W).

    widths: D of each level; with fewer than four the last stands for the others. dates: T, for the linear pooling.
    """

    def __init__(
        self,
        widths: Sequence[int],
        out: int,
        *,
        patch: int = 1,
        channels: int = 64,
        pool: Kind = "mean",
        dates: int = 1,
        norm: str = "group",
        shared: int | None = None,
        finest: float = 1.0,
    ) -> None:
        super().__init__()
        self.order = tuple(range(len(widths))) + (len(widths) - 1,) * max(0, 4 - len(widths))
        self.pool = nn.ModuleList(PoolDates(pool, width, dates) for width in widths)
        inside = list(widths) if shared is None else [shared] * len(widths)
        self.thin = nn.ModuleList(nn.Identity() if shared is None else nn.Conv2d(width, shared, 1) for width in widths)
        scales = scales_for(patch, len(self.order), finest)
        self.head = UPerNet([inside[i] for i in self.order], out, channels, scales=scales, norm=norm)

    def forward(self, levels: Sequence[tuple[Tensor, Tensor, Tensor]], size: tuple[int, int]) -> Tensor:
        """Scores at the pixels."""
        maps = [thin(pool(*level)) for thin, pool, level in zip(self.thin, self.pool, levels, strict=True)]
        return self.head([maps[i] for i in self.order], size)


class Chips(nn.Module):
    """A small convolutional network for whole pictures, trained from scratch: (B, channels, H, W) -> (B, out)."""

    def __init__(self, channels: int, out: int, widths: Sequence[int] = (16, 32, 64)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.GroupNorm(min(8, width), width), nn.ReLU(),
                       nn.MaxPool2d(2, ceil_mode=True)]  # fmt: skip
            channels = width
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of each picture."""
        return self.last(self.layers(x).mean((-2, -1)))
