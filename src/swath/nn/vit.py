"""A stack of blocks over tokens that are embedded and coded already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from swath.nn.attention import Block

__all__ = ["ViT"]


class ViT(nn.Module):
    """`depth` blocks and a last norm. eps, place of the norm and causality are arguments: families differ in them."""

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        mlp: float = 4.0,
        *,
        eps: float,
        norm: Literal["pre", "post"] = "pre",
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, mlp, eps=eps, norm=norm, causal=causal) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=eps)

    def forward(
        self,
        tokens: Tensor,
        valid: Tensor | None = None,
        *,
        keep: Tensor | None = None,
        bias: Tensor | None = None,
        levels: Sequence[int] = (-1,),
    ) -> list[Tensor]:
        """Tokens after the asked blocks: each (B, n, D), normed.

        tokens (B, N, D); valid (B, N) bool: tokens that may be looked at; keep (B, n): indices of the tokens to work on,
        all by default (with them no bias); bias as in Attention; levels: numbers of blocks, -1 the last.
        Raises ValueError for a level that does not exist.
        """
        if keep is not None:
            tokens = torch.gather(tokens, 1, keep[..., None].expand(-1, -1, tokens.shape[-1]))
            valid = None if valid is None else torch.gather(valid, 1, keep)
        depth = len(self.blocks)
        if any(not -depth <= level < depth for level in levels):
            raise ValueError(f"levels are numbers of the {depth} blocks; got {list(levels)}; -1 is the last")
        wanted = [level % depth for level in levels]
        kept: dict[int, Tensor] = {}
        for number, block in enumerate(self.blocks):
            if number > max(wanted):
                break
            tokens = block(tokens, valid, bias)
            if number in wanted:
                kept[number] = self.norm(tokens)
        return [kept[number] for number in wanted]
