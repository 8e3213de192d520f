"""An Encoder with a task's head: what is trained on labels and then run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swath.batch import Batch

__all__ = ["Solver"]


class Solver(nn.Module):
    """Encoder and head as one module. frozen: the encoder's weights stay as they are, byte for byte.

    width: of the encoder's tokens. `forward` gives raw output, `answer` what a person asked for.
    """

    def __init__(self, encoder: Any, task: Any, width: int, *, frozen: bool = False) -> None:
        super().__init__()
        self.encoder, self.task, self.frozen = encoder, task, frozen
        self.head = task.head(width)
        if frozen and isinstance(encoder, nn.Module):
            encoder.requires_grad_(False)

    def forward(self, batch: Batch) -> Tensor:
        """The task's output for a Batch, before it becomes an answer."""
        device = str(next(self.head.parameters()).device)
        batch = batch.to(device)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            (tokens,) = self.encoder.encode(batch)
        height = max(int(p.values.shape[-2]) for p in batch.pixels.values())
        width = max(int(p.values.shape[-1]) for p in batch.pixels.values())
        return self.task.output(self.head, tokens, (height, width))

    def answer(self, batch: Batch) -> dict[str, Tensor]:
        """What the task answers, without gradients."""
        with torch.no_grad():
            answer: dict[str, Tensor] = self.task.answer(self(batch))
        return answer
