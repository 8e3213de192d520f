"""One class for each example."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from swath.batch import Tokens

__all__ = ["Classify"]


@dataclass(frozen=True)
class Classify:
    """A class of `classes` for each example; targets (B,) are indices, negative ones do not count."""

    classes: tuple[str, ...]
    name: str = "classify"

    def head(self, dim: int) -> nn.Module:
        """What turns pooled tokens (B, dim) into scores (B, K)."""
        return nn.Linear(dim, len(self.classes))

    def output(self, head: nn.Module, tokens: Tokens, size: tuple[int, int]) -> Tensor:
        """Scores (B, K) before the softmax."""
        return head(tokens.pooled())

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean cross-entropy over targets that count; 0 where none does."""
        counts = target >= 0
        if not counts.any():
            return output.sum() * 0.0
        return functional.cross_entropy(output[counts].float(), target[counts].long())

    def answer(self, output: Tensor) -> dict[str, Tensor]:
        """{"probability": (B, K)}."""
        return {"probability": output.float().softmax(1)}
