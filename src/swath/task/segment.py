"""One class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from swath.batch import Tokens

__all__ = ["Segment", "spread"]


@dataclass(frozen=True)
class Segment:
    """A class of `classes` for each pixel; targets (B, H, W) are indices, negative ones do not count."""

    classes: tuple[str, ...]
    name: str = "segment"

    def head(self, dim: int) -> nn.Module:
        """What turns maps (B, dim, h, w) into scores (B, K, h, w)."""
        return nn.Conv2d(dim, len(self.classes), 1)

    def output(self, head: nn.Module, tokens: Tokens, size: tuple[int, int]) -> Tensor:
        """Scores (B, K, H, W) before the softmax; output size is input size."""
        return spread(head(tokens.grid().mean(1)), size)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean cross-entropy over pixels that count; 0 where none does."""
        counts = target >= 0
        if not counts.any():
            return output.sum() * 0.0
        return functional.cross_entropy(output.movedim(1, -1)[counts].float(), target[counts].long())

    def answer(self, output: Tensor) -> dict[str, Tensor]:
        """{"probability": (B, K, H, W)}."""
        return {"probability": output.float().softmax(1)}


def spread(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, K, h, w) at the pixels' size (B, K, H, W), bilinear between token centres."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)
