"""L-TAE: several dates of a pixel to one by attention with a learned query a head (Garnot and Landrieu 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LTAE", "day_table"]


def day_table(day: Tensor, width: int, *, period: float = 1000.0) -> Tensor:
    """(B, T) days -> (B, T, width): sine at even, cosine at odd places of day / period^(2 i / width), i whole pairs.

    Unknown days (NaN) give zeros.
    """
    pair = torch.div(torch.arange(width, device=day.device), 2, rounding_mode="floor")
    angle = torch.nan_to_num(day.double())[..., None] / period ** (2 * pair.double() / width)
    table = torch.where(torch.arange(width, device=day.device) % 2 == 0, angle.sin(), angle.cos())
    return (table * torch.isfinite(day)[..., None]).float()


class _Heads(nn.Module):
    """Keys from all channels, values are the channels split over the heads, one learned query a head."""

    def __init__(self, width: int, heads: int, key: int) -> None:
        super().__init__()
        self.Q = nn.Parameter(torch.randn(heads, key) * (2.0 / key) ** 0.5)
        self.fc1_k = nn.Linear(width, heads * key)
        nn.init.normal_(self.fc1_k.weight, std=(2.0 / key) ** 0.5)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """(N, T, C), valid (N, T) -> (N, C) and weights (N, heads, T)."""
        n, t, c = x.shape
        heads, key = self.Q.shape
        scores = torch.einsum("nthk,hk->nht", self.fc1_k(x).view(n, t, heads, key), self.Q) / key**0.5
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None], -torch.inf)
            scores = torch.where(valid.any(1)[:, None, None], scores, 0.0)
        weight = scores.softmax(-1)
        if valid is not None:
            weight = weight * valid[:, None]
        mixed = torch.einsum("nht,nthd->nhd", self.dropout(weight), x.view(n, t, heads, c // heads))
        return mixed.reshape(n, c), weight


class LTAE(nn.Module):
    """(B, T, C, h, w) -> (B, width, h, w). dates: add a code of the day; without it the order of dates does not matter.

    everything: normalise over all dates, also those that are not valid, as the published code does; by default they
    take no part at all. Parameter names are those of the published module.
    """

    def __init__(
        self,
        channels: int,
        width: int | None = None,
        heads: int = 16,
        key: int = 4,
        *,
        dates: bool = False,
        everything: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        width = width or channels
        if channels % heads or width % heads:
            raise ValueError(f"channels are shared among {heads} heads; got {channels} and {width}; choose other heads")
        self.dates, self.everything, self.heads = dates, everything, heads
        self.in_norm = nn.GroupNorm(heads, channels)
        self.inconv = nn.Conv1d(channels, width, 1)
        self.attention_heads = _Heads(width, heads, key)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.out_norm = nn.GroupNorm(heads, width)

    def forward(self, values: Tensor, day: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """Day (B, T), valid (B, T) or (B, T, h, w)."""
        return self.attend(values, day, valid)[0]

    def attend(self, values: Tensor, day: Tensor | None = None, valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same and the weights (heads, B, T, h, w), which are exactly 0 for dates that are not valid."""
        b, t, c, h, w = values.shape
        if valid is not None:
            valid = valid if valid.ndim == 4 else valid[..., None, None].expand(b, t, h, w)
            seen = valid.permute(0, 2, 3, 1).reshape(-1, t)
        x = values.permute(0, 3, 4, 2, 1).reshape(-1, c, t)
        if valid is not None and not self.everything:
            x = torch.where(seen[:, None], x, 0.0)
            x = _masked_norm(x, seen, self.in_norm)
        else:
            x = self.in_norm(x)
        x = self.inconv(x).transpose(1, 2)
        if self.dates:
            if day is None:
                raise ValueError("L-TAE with dates needs them; got none; give day (B, T), NaN where unknown")
            code = day_table(day, x.shape[-1] // self.heads).repeat(1, 1, self.heads)
            x = x + code.to(x.dtype).repeat_interleave(h * w, 0)
        mixed, weight = self.attention_heads(x, None if valid is None else seen)
        out = self.out_norm(self.dropout(self.mlp(mixed)))
        return out.view(b, h, w, -1).permute(0, 3, 1, 2), weight.view(b, h, w, self.heads, t).permute(3, 0, 4, 1, 2)


def _masked_norm(x: Tensor, seen: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group norm of (N, C, T) over the valid dates only."""
    n, c, t = x.shape
    grouped = x.view(n, norm.num_groups, -1, t)
    weight = seen[:, None, None].to(x.dtype)
    count = (weight.sum(-1, keepdim=True) * grouped.shape[2]).clamp(min=1)
    mean = (grouped * weight).sum((2, 3), keepdim=True) / count
    spread = ((grouped - mean).square() * weight).sum((2, 3), keepdim=True) / count
    out = ((grouped - mean) * torch.rsqrt(spread + norm.eps)).view(n, c, t)
    return (out * norm.weight[:, None] + norm.bias[:, None]) * seen[:, None]
