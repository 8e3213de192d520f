"""Attention and the block around it. Plain arrays; knows nothing of the Earth."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Attention", "Block"]


class Attention(nn.Module):
    """Every token looks at every token that counts, in `heads` parallel ways (Vaswani et al. 2017)."""

    def __init__(self, dim: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"heads divide the width; got {heads} heads for {dim}; choose another number of heads")
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, valid: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """What the tokens have seen: (B, N, D).

        x (B, N, D); valid (B, N) bool: which tokens may be looked at, at least one in every row; bias (B or 1, heads or 1,
        N, N): added to the scores before the softmax.
        """
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mask = None if valid is None else valid[:, None, None, :]
        if self.causal and (mask is not None or bias is not None):
            before = torch.ones(n, n, dtype=torch.bool, device=x.device).tril()
            mask = before if mask is None else mask & before
        if bias is not None:
            mask = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal and mask is None)
        return self.out(found.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    """Attention and a two-layer network, each with a skip and a norm before ("pre") or after ("post") it."""

    def __init__(
        self,
        dim: int,
        heads: int,
        mlp: float = 4.0,
        *,
        eps: float,
        norm: Literal["pre", "post"] = "pre",
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.pre = norm == "pre"
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)
        self.attention = Attention(dim, heads, causal=causal)
        self.mlp = nn.Sequential(nn.Linear(dim, int(dim * mlp)), nn.GELU(), nn.Linear(int(dim * mlp), dim))

    def forward(self, x: Tensor, valid: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """The tokens after the block: (B, N, D); x, valid and bias as in Attention."""
        if self.pre:
            x = x + self.attention(self.norm1(x), valid, bias)
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x, valid, bias))
        return self.norm2(x + self.mlp(x))
