"""Learning to rank one's own losses: for heads on vectors that are kept, not computed again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from swath.nn.prednet import order
from swath.objective.loss import Loss

__all__ = ["Kept", "Ordered", "task_loss"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What such a head learns from, in the place of a Batch: vector (B, D) and the task's loss (B,) of each."""

    vector: Tensor
    loss: Tensor

    def to(self, device: str) -> Kept:
        """The same on a device."""
        return replace(self, vector=self.vector.to(device), loss=self.loss.to(device))


@dataclass(frozen=True)
class Ordered:
    """The objective: what the head says has the order of the losses ("order", in pairs `gap` apart), or is them ("mse")."""

    kind: Literal["order", "mse"] = "order"
    gap: float = 0.1

    def __call__(self, model: Any, batch: Kept) -> Loss:
        """One term; the losses are targets without gradient."""
        said, target = model(batch.vector), batch.loss.detach()
        value = order(said, target, gap=self.gap) if self.kind == "order" else functional.mse_loss(said, target)
        return Loss({self.kind: value})


def task_loss(logits: Tensor, target: Tensor, *, mean_over_labels: bool = False) -> Tensor:
    """Loss of each example (B,): cross entropy with indices (B,) or multi-hot targets (B, K).

    With multi-hot targets the published form sums over labels, so it grows with their number; `mean_over_labels` divides
    by it. Raises ValueError for shapes that do not fit.
    """
    if target.ndim == 1:
        return functional.cross_entropy(logits, target, reduction="none")
    if target.shape != logits.shape:
        raise ValueError(f"targets are (B,) or {tuple(logits.shape)}; got {tuple(target.shape)}")
    found = -(target * torch.log_softmax(logits, 1)).sum(1)
    return found / target.sum(1).clamp(min=1) if mean_over_labels else found
