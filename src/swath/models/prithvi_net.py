"""The network of Prithvi: a masked autoencoder over patches of series of pictures; arrays in, arrays out.

Jakubik et al. 2023 (arXiv 2310.18660) and Szwarcman et al. 2024 (arXiv 2412.02732); names of weights as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.nn.attention import Block
from swath.nn.codes import grid_code, sincos

__all__ = [
    "Decoder",
    "Encoder",
    "Rebuilt",
    "Shape",
    "lost",
    "order_of",
    "patchify",
    "place_code",
    "time_code",
    "unpatchify",
]

_LEARNED_FROM = 0.1


@dataclass(frozen=True, slots=True)
class Shape:
    """What a checkpoint is built with. image, frames: pixels along a side and dates that its position table was made for.

    codes: "time", "place" or both; learned: their factor is a weight, else 1. eps: of all norms; 1e-5 where the
    published class uses its default, 1e-6 in the first inference script.
    """

    dim: int
    depth: int
    heads: int
    patch: int = 16
    frames: int = 1
    image: int | tuple[int, int] = 224
    decoder_dim: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    mlp: float = 4.0
    eps: float = 1e-5
    codes: tuple[str, ...] = ()
    learned: bool = True

    @property
    def grid(self) -> tuple[int, int, int]:
        """Dates, rows and columns of patches of the position table."""
        high, wide = (self.image, self.image) if isinstance(self.image, int) else self.image
        return self.frames, high // self.patch, wide // self.patch


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the masked autoencoder gives. latent (B, 1 + kept, D); hidden (B, N) bool; restore (B, N): the place of each
    token in the shuffled row; prediction (B, N, patch * patch * C), normalised; loss: over hidden and valid values.
    """

    latent: Tensor
    hidden: Tensor
    restore: Tensor
    prediction: Tensor
    loss: Tensor


def patchify(x: Tensor, patch: int) -> Tensor:
    """(B, C, T, H, W) -> (B, T * h * w, patch * patch * C): rows by date, row, column; inside row, column, band."""
    b, c, t, h, w = x.shape
    x = x.reshape(b, c, t, h // patch, patch, w // patch, patch)
    return x.permute(0, 2, 3, 5, 4, 6, 1).reshape(b, t * (h // patch) * (w // patch), patch * patch * c)


def unpatchify(rows: Tensor, patch: int, size: tuple[int, int, int]) -> Tensor:
    """The inverse of `patchify` for `size` (T, H, W): (B, C, T, H, W)."""
    t, h, w = size
    b, c = len(rows), rows.shape[-1] // (patch * patch)
    rows = rows.reshape(b, t, h // patch, w // patch, patch, patch, c)
    return rows.permute(0, 6, 1, 2, 4, 3, 5).reshape(b, c, t, h, w)


def lost(prediction: Tensor, truth: Tensor, hidden: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean square over values of tokens that are hidden (B, N) and valid (B, N, P; all by default); 0 where none is."""
    gap = (prediction - truth).square()
    counted = hidden[..., None].expand_as(gap) if valid is None else hidden[..., None] & valid
    return torch.where(counted, gap, 0.0).sum() / counted.sum().clamp(min=1)


def time_code(time: Tensor, dim: int) -> Tensor:
    """Year and day of the year (B, T, 2) -> (B, T, dim), in float32 throughout as in training; 0 where NaN."""
    return _two(time, dim)


def place_code(place: Tensor, dim: int) -> Tensor:
    """Latitude and longitude in degrees (B, 2) -> (B, 1, dim); 0 where NaN."""
    return _two(place, dim)[:, None]


def _two(pair: Tensor, dim: int) -> Tensor:
    parts = (dim // 2, dim - dim // 2)
    code = torch.cat([sincos(pair[..., i].float(), d, dtype=torch.float32) for i, d in enumerate(parts)], -1)
    return code * torch.isfinite(pair).all(-1, keepdim=True)


def order_of(noise: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens by rising noise, and where each token stands in that row: (B, N) indices, twice."""
    order = noise.argsort(dim=1, stable=True)
    return order, order.argsort(1)


class _Scale(nn.Module):
    """One factor: learned from 0.1 on, or 1."""

    def __init__(self, learned: bool) -> None:
        super().__init__()
        if learned:
            self.scale = nn.Parameter(torch.full((1,), _LEARNED_FROM))
        else:
            self.register_buffer("scale", torch.ones(1))


def _table(grid: tuple[int, int, int], dim: int) -> Tensor:
    """Fixed code of every patch, column, row, then date, with a row of zeros in front: (1, 1 + N, dim)."""
    return torch.cat([torch.zeros(1, dim), grid_code(*grid, dim, order="w h t")])[None]


def _fitted(table: Tensor, trained: tuple[int, int, int], grid: tuple[int, int, int]) -> Tensor:
    """The table at another grid: made anew for other dates, then resized over rows and columns as the publisher does."""
    if grid[0] != trained[0]:
        table = _table((grid[0], *trained[1:]), table.shape[-1]).to(table)
    if grid[1:] == trained[1:]:
        return table
    dim = table.shape[-1]
    maps = table[0, 1:].reshape(grid[0], *trained[1:], dim).permute(0, 3, 1, 2)
    maps = functional.interpolate(maps, grid[1:], mode="bicubic", align_corners=True)
    return torch.cat([table[:, :1], maps.permute(0, 2, 3, 1).reshape(1, -1, dim)], 1)


class _Placed(nn.Module):
    """What encoder and decoder share: where a token lies, when and where on Earth."""

    def __init__(self, shape: Shape, dim: int, suffix: str, table: str) -> None:
        super().__init__()
        if dim % 16:
            raise ValueError(f"a width is a multiple of 16; got {dim}; choose another")
        self.grid, self.suffix, self.table, self.dim = shape.grid, suffix, table, dim
        self.register_buffer(table, _table(shape.grid, dim))
        if "time" in shape.codes:
            setattr(self, f"temporal_embed_{suffix}", _Scale(shape.learned))
        if "place" in shape.codes:
            setattr(self, f"location_embed_{suffix}", _Scale(shape.learned))

    def placed(self, x: Tensor, first: Tensor, grid: tuple[int, int, int], time: Tensor | None, place: Tensor | None):  # type: ignore[no-untyped-def]
        """Tokens (B, N, D) of a grid and the class token (1 or B, 1, D), both with their codes added."""
        code = _fitted(getattr(self, self.table), self.grid, grid)
        x, first = x + code[:, 1:], first + code[:, :1]
        scale = getattr(self, f"temporal_embed_{self.suffix}", None)
        if scale is not None and time is not None:
            if time.shape[1] != grid[0]:
                raise ValueError(f"every date has its time; got {time.shape[1]} for {grid[0]} dates")
            x = x + (scale.scale * time_code(time, self.dim)).repeat_interleave(grid[1] * grid[2], 1)
        scale = getattr(self, f"location_embed_{self.suffix}", None)
        if scale is not None and place is not None:
            x = x + scale.scale * place_code(place, self.dim)
        return x, first.expand(len(x), -1, -1)


class Encoder(_Placed):
    """Patches to tokens, blocks over them and a class token."""

    def __init__(self, shape: Shape, bands: int) -> None:
        super().__init__(shape, shape.dim, "enc", "pos_embed")
        kernel = (1, shape.patch, shape.patch)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(bands, shape.dim, kernel, stride=kernel)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.dim))
        self.blocks = nn.ModuleList(Block(shape.dim, shape.heads, shape.mlp, eps=shape.eps) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.dim, eps=shape.eps)
        _start(self, self.cls_token)
        weight = self.patch_embed["proj"].weight
        nn.init.xavier_uniform_(weight.data.view(len(weight), -1))

    def tokens(
        self, x: Tensor, time: Tensor | None, place: Tensor | None
    ) -> tuple[Tensor, Tensor, tuple[int, int, int]]:
        """Tokens (B, N, D) and the class token (B, 1, D) with their codes, and the grid, of normalised pixels."""
        maps = self.patch_embed["proj"](x)
        grid = (int(maps.shape[2]), int(maps.shape[3]), int(maps.shape[4]))
        rows, first = self.placed(maps.flatten(2).transpose(1, 2), self.cls_token, grid, time, place)
        return rows, first, grid

    def forward(
        self,
        x: Tensor,
        time: Tensor | None = None,
        place: Tensor | None = None,
        levels: Sequence[int] | None = None,
    ) -> list[Tensor]:
        """Output of the asked blocks (all by default), class token first: each (B, 1 + N, D); the last block's is normed,
        the others are not.
        """
        depth = len(self.blocks)
        asked = list(range(depth)) if levels is None else [level % depth for level in levels]
        rows, first, _ = self.tokens(x, time, place)
        rows = torch.cat([first, rows], 1)
        kept: dict[int, Tensor] = {}
        for number, block in enumerate(self.blocks[: max(asked) + 1]):
            rows = block(rows)
            if number in asked:
                kept[number] = self.norm(rows) if number == depth - 1 else rows
        return [kept[number] for number in asked]

    def some(self, rows: Tensor, first: Tensor, keep: Tensor, counts: Tensor | None) -> Tensor:
        """The normed last output for tokens `keep` (B, n) alone: (B, 1 + n, D). counts (B,): how many of them are real."""
        rows = torch.gather(rows, 1, keep[..., None].expand(-1, -1, rows.shape[-1]))
        rows = torch.cat([first, rows], 1)
        valid = None if counts is None else torch.arange(rows.shape[1], device=rows.device) <= counts[:, None]
        for block in self.blocks:
            rows = block(rows, valid)
        return self.norm(rows)


class Decoder(_Placed):
    """From the tokens that were seen to the pixels of all."""

    def __init__(self, shape: Shape, bands: int) -> None:
        dim = shape.decoder_dim
        super().__init__(shape, dim, "dec", "decoder_pos_embed")
        self.decoder_embed = nn.Linear(shape.dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.decoder_blocks = nn.ModuleList(
            Block(dim, shape.decoder_heads, shape.mlp, eps=shape.eps) for _ in range(shape.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(dim, eps=shape.eps)
        self.decoder_pred = nn.Linear(dim, shape.patch * shape.patch * bands)
        _start(self, self.mask_token)

    def forward(
        self,
        latent: Tensor,
        restore: Tensor,
        grid: tuple[int, int, int],
        time: Tensor | None = None,
        place: Tensor | None = None,
        counts: Tensor | None = None,
    ) -> Tensor:
        """(B, 1 + kept, D) -> (B, N, patch * patch * C); counts as in `Encoder.some`."""
        rows = self.decoder_embed(latent)
        first, rows = rows[:, :1], rows[:, 1:]
        if counts is not None:
            real = torch.arange(rows.shape[1], device=rows.device) < counts[:, None]
            rows = torch.where(real[..., None], rows, self.mask_token.to(rows.dtype))
        blank = self.mask_token.to(rows.dtype).expand(len(rows), restore.shape[1] - rows.shape[1], -1)
        rows = torch.cat([rows, blank], 1)
        rows = torch.gather(rows, 1, restore[..., None].expand(-1, -1, rows.shape[-1]))
        rows, first = self.placed(rows, first, grid, time, place)
        rows = torch.cat([first, rows], 1)
        for block in self.decoder_blocks:
            rows = block(rows)
        return self.decoder_pred(self.decoder_norm(rows))[:, 1:]


def _start(module: nn.Module, token: nn.Parameter) -> None:
    """Xavier-uniform matrices, zero biases, tokens of deviation 0.02."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    nn.init.normal_(token, std=0.02)
