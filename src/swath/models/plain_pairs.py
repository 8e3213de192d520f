"""The plain networks of change that anything learned has to beat: a U-Net of both dates, and FC-Siam-diff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swath.batch import Batch, Pixels
from swath.models.schanger import AFTER, BEFORE
from swath.models.schanger_input import Scaling
from swath.nn.unet import SiameseDifference, UNet

__all__ = ["KINDS", "PlainPair", "widths_for"]

KINDS = ("u-net of both dates", "fc-siam-diff")


class PlainPair(nn.Module):
    """One of KINDS as a model of change: `logits(batch)` (B, 1, H, W), `change(before, after)` probabilities.

    widths: of the levels, from full size down; window: as it was trained, None where any size will do (its reach is bounded).
    """

    def __init__(
        self,
        kind: str,
        channels: int,
        widths: Sequence[int],
        statistics: Mapping[str, Any],
        *,
        window: int | None = None,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"plain networks of change are {', '.join(KINDS)}; got {kind}; choose one")
        self.siamese = kind == KINDS[1]
        self.net = SiameseDifference(channels, 1, widths) if self.siamese else UNet(2 * channels, 1, widths)
        self.scaling, self.window, self.classes = Scaling.from_json(statistics), window, ("changed",)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Scaled dates (B, C, H, W) -> logits (B, 1, H, W)."""
        return self.net(first, second) if self.siamese else self.net(torch.cat([first, second], 1))

    def logits(self, batch: Batch) -> Tensor:
        """As `forward`, for a Batch of pixels `before` and `after`."""
        return self(*(self.scaling(batch.pixels[d], d) for d in (BEFORE, AFTER)))

    def change(self, before: Pixels, after: Pixels) -> Any:
        """Probability that a pixel changed, (B, 1, H, W) float32; NumPy in, NumPy out."""
        with torch.no_grad():
            found = self(self.scaling(before, BEFORE), self.scaling(after, AFTER)).sigmoid().float()
        return found.numpy() if isinstance(before.values, np.ndarray) else found


def widths_for(kind: str, channels: int, parameters: int, levels: int = 3) -> tuple[int, ...]:
    """Widths (w, 2 w, 4 w ...) of the network with the nearest number of parameters."""
    net = SiameseDifference if kind == KINDS[1] else UNet
    bands = channels if kind == KINDS[1] else 2 * channels

    def count(w: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in net(bands, 1, [w * 2**i for i in range(levels)]).parameters())

    w = min(range(2, 129), key=lambda w: abs(count(w) - parameters))
    return tuple(w * 2**i for i in range(levels))
