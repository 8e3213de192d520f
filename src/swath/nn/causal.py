"""A causal transformer as GPT-2 made it common: pre-norm blocks under their published key names, with a cache for drawing on.

Plain arrays; knows nothing of the Earth. Source of the layout: karpathy/nanoGPT (MIT), model.py, which is also EarthPT's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Cache", "CausalBlock", "Trunk", "start", "turned"]

DEVIATION = 0.02


@dataclass
class Cache:
    """Keys and values of tokens already seen: per block (B, heads, M, D / heads), and how many tokens each row holds.

    Rows may hold different numbers of tokens: those behind a row's length are pads that nobody looks at, and are
    written over by the next tokens.
    """

    keys: list[Tensor]
    values: list[Tensor]
    length: Tensor

    @classmethod
    def empty(cls, trunk: Trunk, rows: int, most: int) -> Cache:
        """Room for `most` tokens of `rows` sequences."""
        at = trunk.ln_f.weight
        heads, dim = trunk.heads, at.shape[0]
        made = [torch.zeros(rows, heads, most, dim // heads, dtype=at.dtype, device=at.device) for _ in trunk.h]
        zero = torch.zeros(rows, dtype=torch.long, device=at.device)
        return cls(made, [torch.zeros_like(k) for k in made], zero)

    def repeated(self, times: int) -> Cache:
        """Each row `times` times, one after another."""
        keys, values = ([a.repeat_interleave(times, 0) for a in part] for part in (self.keys, self.values))
        return Cache(keys, values, self.length.repeat_interleave(times))


def turned(x: Tensor, angle: Tensor) -> Tensor:
    """Rotary position: halves of the last axis of x (B, heads, N, d) turned by angle (B, N, d / 2) (Su et al. 2021)."""
    half = x.shape[-1] // 2
    sin, cos = angle.sin()[:, None], angle.cos()[:, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class _Attention(nn.Module):
    """Each token looks at itself and those before it; one fused projection in the order query, key, value."""

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"heads divide the width; got {heads} heads for {dim}; choose another number of heads")
        self.heads = heads
        self.c_attn = nn.Linear(dim, 3 * dim, bias=bias)
        self.c_proj = nn.Linear(dim, dim, bias=bias)

    def forward(self, x: Tensor, angle: Tensor | None, cache: Cache | None, block: int) -> Tensor:
        b, n, d = x.shape
        q, k, v = (a.reshape(b, n, self.heads, -1).transpose(1, 2) for a in self.c_attn(x).split(d, -1))
        if angle is not None:
            q, k = turned(q, angle), turned(k, angle)
        if cache is None:
            found = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            at = cache.length[:, None] + torch.arange(n, device=x.device)  # (B, N): where the new tokens stand
            where = at[:, None, :, None].expand_as(k)
            keys, values = cache.keys[block], cache.values[block]
            keys.scatter_(2, where, k)
            values.scatter_(2, where, v)
            most = int(at.max()) + 1
            seen = torch.arange(most, device=x.device) <= at[:, :, None]
            found = functional.scaled_dot_product_attention(
                q, keys[:, :, :most], values[:, :, :most], attn_mask=seen[:, None]
            )
        return self.c_proj(found.transpose(1, 2).reshape(b, n, d))


class _Mlp(nn.Module):
    """Two layers with the tanh form of GELU between them."""

    def __init__(self, dim: int, bias: bool) -> None:
        super().__init__()
        self.c_fc = nn.Linear(dim, 4 * dim, bias=bias)
        self.gelu = nn.GELU(approximate="tanh")
        self.c_proj = nn.Linear(4 * dim, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.gelu(self.c_fc(x)))


class CausalBlock(nn.Module):
    """x + attention(norm(x)), then x + network(norm(x)); keys ln_1, attn.c_attn, attn.c_proj, ln_2, mlp.c_fc, mlp.c_proj."""

    def __init__(self, dim: int, heads: int, *, bias: bool = False, eps: float = 1e-5) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=eps, bias=bias)
        self.attn = _Attention(dim, heads, bias)
        self.ln_2 = nn.LayerNorm(dim, eps=eps, bias=bias)
        self.mlp = _Mlp(dim, bias)

    def forward(self, x: Tensor, angle: Tensor | None = None, cache: Cache | None = None, block: int = 0) -> Tensor:
        """(B, N, D) of (B, N, D). angle (B, N, D / heads / 2): rotary position; cache: of the tokens before, which it joins."""
        x = x + self.attn(self.ln_1(x), angle, cache, block)
        return x + self.mlp(self.ln_2(x))


class Trunk(nn.Module):
    """Blocks h.0 ... and the last norm ln_f."""

    def __init__(self, dim: int, depth: int, heads: int, *, bias: bool = False, eps: float = 1e-5) -> None:
        super().__init__()
        self.heads = heads
        self.h = nn.ModuleList([CausalBlock(dim, heads, bias=bias, eps=eps) for _ in range(depth)])
        self.ln_f = nn.LayerNorm(dim, eps=eps, bias=bias)

    def forward(
        self, x: Tensor, angle: Tensor | None = None, cache: Cache | None = None, count: Tensor | None = None
    ) -> Tensor:
        """(B, N, D) of tokens (B, N, D); what stands later in a row changes nothing before it.

        cache: the tokens join it, and see what it holds. count (B,): how many of the new tokens are no pads (all by default).
        """
        for i, block in enumerate(self.h):
            x = block(x, angle, cache, i)
        if cache is not None:
            cache.length = cache.length + (x.shape[1] if count is None else count)
        return self.ln_f(x)


def start(module: nn.Module, depth: int, deviation: float = DEVIATION) -> None:
    """Random weights as GPT-2 begins: normal of `deviation`, over sqrt(2 depth) into the skips; offsets 0 (in place)."""
    for name, part in module.named_modules():
        if isinstance(part, (nn.Linear, nn.Embedding)):
            narrow = math.sqrt(2 * depth) if name.endswith("c_proj") else 1.0
            nn.init.normal_(part.weight, 0.0, deviation / narrow)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
