"""A number for each example or pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from swath.batch import Tokens
from swath.task.segment import spread

__all__ = ["Regress"]


@dataclass(frozen=True)
class Regress:
    """A number in `unit` for each example (B,) or, with `dense`, each pixel (B, H, W); NaN targets do not count.

    mean, deviation: of the training targets; the head works in deviations. `Regress.of(targets, unit)` measures them.
    """

    unit: str
    mean: float
    deviation: float
    dense: bool = False
    name: str = "regress"

    @classmethod
    def of(cls, targets: Tensor, unit: str) -> Regress:
        """The task for these training targets (B,) or (B, H, W). Raises ValueError when none is a number."""
        targets = torch.as_tensor(targets).double()
        known = targets[torch.isfinite(targets)]
        if not len(known):
            raise ValueError("regression needs numbers as targets; got none that is finite; look at the label column")
        deviation = float(known.std()) if len(known) > 1 else 1.0
        return cls(unit, float(known.mean()), max(deviation, 1e-12), dense=targets.ndim == 3)

    def head(self, dim: int) -> nn.Module:
        """What turns pooled tokens or maps into one number in deviations."""
        return nn.Conv2d(dim, 1, 1) if self.dense else nn.Linear(dim, 1)

    def output(self, head: nn.Module, tokens: Tokens, size: tuple[int, int]) -> Tensor:
        """(B,) or (B, H, W) in deviations from the mean."""
        if self.dense:
            return spread(head(tokens.grid().mean(1)), size)[:, 0]
        return head(tokens.pooled())[:, 0]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean squared error in deviations over targets that count; 0 where none does."""
        counts = torch.isfinite(target)
        if not counts.any():
            return output.sum() * 0.0
        return (output[counts].float() - (target[counts].float() - self.mean) / self.deviation).square().mean()

    def answer(self, output: Tensor) -> dict[str, Tensor]:
        """{"value": in the target's unit}."""
        return {"value": output.float() * self.deviation + self.mean}
