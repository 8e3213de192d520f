"""Hidden tokens taken out of a sequence and put back: what a masked encoder works on. Plain arrays."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["back", "front"]


def front(tokens: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Visible tokens moved to the front in their order, cut to the longest row; shorter rows are padded with zeros.

    tokens (B, N, D), visible (B, N) bool. Gives kept (B, n, D), valid (B, n) bool, and order (B, N): where each came from.
    """
    order = torch.argsort((~visible).to(torch.int8), dim=1, stable=True)
    longest = int(visible.sum(1).max()) if visible.numel() else 0
    first = order[:, :longest]
    valid = torch.gather(visible, 1, first)
    kept = torch.gather(tokens, 1, first[..., None].expand(-1, -1, tokens.shape[-1]))
    return kept.masked_fill(~valid[..., None], 0.0), valid, order


def back(kept: Tensor, valid: Tensor, order: Tensor, hidden: Tensor | float = 0.0) -> Tensor:
    """The inverse of `front`: (B, N, D) with `hidden` ((D,) or a number) where a token was taken out."""
    b, n, d = kept.shape
    filled = torch.where(valid[..., None], kept, torch.as_tensor(hidden, dtype=kept.dtype, device=kept.device))
    rest = torch.as_tensor(hidden, dtype=kept.dtype, device=kept.device).expand(b, order.shape[1] - n, d)
    whole = torch.cat([filled, rest], 1)
    return torch.zeros_like(whole).scatter(1, order[..., None].expand(-1, -1, d), whole)
