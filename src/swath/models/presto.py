"""Presto: a small transformer over one pixel's months of radar, optical, weather, terrain and land cover.

Tseng et al. 2023, "Lightweight, Pre-trained Transformers for Remote Sensing Timeseries" (arXiv 2304.14065); names of the
published file, nasaharvest/presto @13173d0 (MIT). A token is what one group of bands saw in one month; hidden tokens are
taken out before the blocks. Which physical value goes where: presto_input.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swath.batch import Batch, Needs, Tokens
from swath.models.presto_input import (
    CHANNEL,
    COLUMNS,
    PARTS,
    Series,
    example_batch,
    parts_of,
    plausible,
    read_series,
    strips,
)
from swath.models.published import fill
from swath.models.weights import Facts, check, state
from swath.nn.attention import Block
from swath.nn.visible import back, front

__all__ = ["Presto"]

STEPS = 24
LAND = 9  # classes of Dynamic World; the index after them is "missing"


class Presto(nn.Module):
    """The Encoder, and the decoder of its pre-training: a token for every pixel, from at most 24 months.

    width, depth, heads, mlp: of the encoder; decoder_width, decoder_depth: of the decoder. Levels 0 .. depth - 1 are means
    of the visible tokens after a block; -1 is the published vector, that of the last block after the norm.
    """

    parts = PARTS  # what it can read: quantity and bands, to say what data lack

    def __init__(
        self,
        width: int = 128,
        depth: int = 2,
        heads: int = 8,
        mlp: float = 4.0,
        *,
        decoder_width: int = 128,
        decoder_depth: int = 2,
        chunk: int = 32_768,
    ) -> None:
        super().__init__()
        self.config = {"width": width, "depth": depth, "heads": heads, "mlp": mlp,
                       "decoder_width": decoder_width, "decoder_depth": decoder_depth}  # fmt: skip
        self.width, self.patch, self.chunk = width, 1, chunk
        self.facts: Facts | None = None
        quantities = ("toa_reflectance", "reflectance", "backscatter", "temperature", "elevation", "class", "other",
                      "index", "probability")  # fmt: skip
        self.needs = Needs(quantity=quantities, dates=(1, STEPS), levels=(*range(depth - 1), -1))
        self.encoder = _Encoder(width, depth, heads, mlp)
        self.decoder = _Decoder(width, decoder_width, decoder_depth, heads, mlp, self.encoder.channel)
        self.apply(_spread)

    @classmethod
    def read(cls, path: str | Path, **config: Any) -> Presto:
        """The published file, strictly. Raises FormatError that names keys missing, left over or of another shape."""
        model = cls(**config)
        fill(model, state(path), _published, name="presto")
        model.facts = Facts(
            model="presto",
            config=model.config,
            quantity=("toa_reflectance", "backscatter", "temperature", "elevation", "class"),
            bands=tuple(CHANNEL),
            gsd=(10.0, 10.0),
            trained_on="monthly Sentinel-1, Sentinel-2 L1C, ERA5-Land, SRTM and Dynamic World of 2020 and 2021, worldwide",
            licence="MIT",
            source="nasaharvest/presto @13173d0, data/default_model.pt",
        )
        return model.eval()

    @classmethod
    def example(cls) -> tuple[Presto, Batch]:
        """A small one with random weights and a made Batch that suits it, for `swath.testing`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(width=64, depth=1, heads=2, decoder_width=64, decoder_depth=1).eval(), example_batch()

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """A token for every pixel: values (B, H * W, width), NumPy in, NumPy out (no gradients).

        Every pixel is its own series; what a sensor did not see is hidden, a group of bands where any of them is. valid is
        False where nothing was seen: the vector then says the place alone. Raises UnitError, BandError for what it cannot
        read, SwathError without dates or place, for more than 24 steps or two scenes of one month, and for no such level.
        """
        plain = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        check(batch, self.needs, name="presto")
        batch = batch.to(str(self.encoder.norm.weight.device))
        wanted = self._levels(levels)
        plausible(batch, parts_of(batch, PARTS, name="presto"), name="presto")
        with torch.set_grad_enabled(torch.is_grad_enabled() and not plain):
            parts = [self._pooled(read_series(strip, STEPS), wanted) for strip in strips(batch, self.chunk // 4)]
        b = len(batch)
        values = [torch.cat([part[0][i] for part in parts], 1) for i in range(len(wanted))]
        valid = torch.cat([part[1] for part in parts], 1)
        h = sum(part[2] for part in parts)
        w = valid.shape[1] // h
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        position = torch.stack([rows, columns], -1).reshape(1, h * w, 2).expand(b, -1, -1)
        day = torch.full((b, h * w), math.nan)
        tokens = [Tokens(v, valid, day, position, (1, h, w)) for v in values]
        if not plain:
            return tokens
        return [Tokens(t.values.numpy(), t.valid.numpy(), t.day.numpy(), t.position.numpy(), t.shape) for t in tokens]

    def _levels(self, levels: Sequence[int]) -> list[int]:
        depth = len(self.encoder.blocks)
        if any(level != -1 and not 0 <= level < depth for level in levels):
            raise ValueError(f"levels of presto are 0 to {depth - 1}, and -1 after the norm; got {list(levels)}")
        return list(levels)

    def _pooled(self, series: Series, levels: Sequence[int]) -> tuple[list[Tensor], Tensor, int]:
        """Vectors of the pixels of a strip at each level (B, n, D), whether anything was seen (B, n), and its rows.

        Pixels that see equally many tokens go together: no padding, and none depends on its neighbours' gaps.
        """
        b, h, w = series.shape
        visible = self.encoder.visible(series.hidden, series.land)
        count = visible.sum(1)
        out: list[Tensor | None] = [None for _ in levels]
        for n in torch.unique(count).tolist():
            rows = torch.nonzero(count == n)[:, 0]
            for part in torch.split(rows, max(1, self.chunk // n)):
                found = self.encoder.pooled(series.take(part), levels)
                for i, values in enumerate(found):
                    whole = out[i]
                    if whole is None:
                        whole = values.new_zeros(len(count), self.width)
                    out[i] = (
                        whole.index_copy(0, part, values)
                        if values.requires_grad
                        else whole.index_copy_(0, part, values)
                    )
        return [o.reshape(b, h * w, self.width) for o in out if o is not None], (count > 1).reshape(b, h * w), h

    def forward(self, series: Series) -> tuple[Tensor, Tensor]:
        """What it takes every value to be, hidden or not: (n, T, 17) in scaled units, (n, T, 9) logits of the land cover."""
        x, seen, order = self.encoder.sequence(series)
        for block in self.encoder.blocks:
            x = block(x, seen)
        return self.decoder(self.encoder.norm(x), seen, order, series.month)


class _Encoder(nn.Module):
    def __init__(self, width: int, depth: int, heads: int, mlp: float) -> None:
        super().__init__()
        self.register_buffer("position", _positions(width // 2))
        self.register_buffer("month", _months(width // 4))
        self.channel = nn.Embedding(len(CHANNEL), width // 4)
        self.bands = nn.ModuleDict({name: nn.Linear(len(columns), width) for name, columns in COLUMNS.items()})
        self.land = nn.Embedding(LAND + 1, width)
        self.place = nn.Linear(3, width)
        self.blocks = nn.ModuleList(Block(width, heads, mlp, eps=1e-5) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def visible(self, hidden: Tensor, land: Tensor) -> Tensor:
        """(n, 9 T + 2) bool from groups (n, T, 9) and land cover (n, T): in the order of the sequence."""
        parts = [torch.ones(len(hidden), 1, dtype=torch.bool, device=hidden.device)]
        parts += [~hidden[:, :1, i] if name == "SRTM" else ~hidden[..., i] for i, name in enumerate(COLUMNS)]
        return torch.cat([*parts, land < LAND], 1)

    def tokens(self, series: Series) -> Tensor:
        """All tokens, hidden or not: (n, 9 T + 2, D): the place, then group by group its steps."""
        n, t = series.land.shape
        quarter = self.channel.embedding_dim
        coded = self.month[series.month]
        steps = self.position[:, :t].expand(n, -1, -1)

        def code(index: int) -> Tensor:
            return torch.cat([coded, self.channel.weight[index].expand(n, t, -1), steps], -1)

        out = [self.place(series.place)[:, None]]
        for name, columns in COLUMNS.items():
            x = self.bands[name](series.values[..., columns])
            if name == "SRTM":
                channel = nn.functional.pad(self.channel.weight[CHANNEL[name]], (quarter, 2 * quarter))
                out.append(x[:, :1] + channel)
            else:
                out.append(x + code(CHANNEL[name]))
        return torch.cat([*out, self.land(series.land) + code(CHANNEL["dynamic_world"])], 1)

    def sequence(self, series: Series) -> tuple[Tensor, Tensor, Tensor]:
        """What the blocks see: tokens (n, N, D), which count (n, N), and where they came from (as `front`)."""
        return front(self.tokens(series), self.visible(series.hidden, series.land))

    def pooled(self, series: Series, levels: Sequence[int]) -> list[Tensor]:
        """(n, D) at each level, of series that may hide different numbers of tokens."""
        x, seen, _ = self.sequence(series)
        weight = seen[..., None].to(x.dtype)
        means = []
        for block in self.blocks:
            x = block(x, None if bool(seen.all()) else seen)
            means.append((x * weight).sum(1) / weight.sum(1))
        return [self.norm(means[-1]) if level == -1 else means[level] for level in levels]


class _Decoder(nn.Module):
    def __init__(self, width: int, inner: int, depth: int, heads: int, mlp: float, channel: nn.Embedding) -> None:
        super().__init__()
        rest = (inner - channel.embedding_dim) // 2
        self.mask = nn.Parameter(torch.zeros(inner))
        self.register_buffer("position", _positions(rest))
        self.register_buffer("month", _months(rest))
        self.channel = channel  # the encoder's own
        self.embed = nn.Linear(width, inner)
        self.blocks = nn.ModuleList(Block(inner, heads, mlp, eps=1e-5) for _ in range(depth))
        self.norm = nn.LayerNorm(inner, eps=1e-5)
        self.bands = nn.ModuleDict({name: nn.Linear(inner, len(columns)) for name, columns in COLUMNS.items()})
        self.land = nn.Linear(inner, LAND)

    def forward(self, x: Tensor, seen: Tensor, order: Tensor, month: Tensor) -> tuple[Tensor, Tensor]:
        """Every value from the visible tokens: (n, T, 17) scaled, terrain the same at every step, and (n, T, 9) logits."""
        n, t = month.shape
        x = back(self.embed(x), seen, order, self.mask)
        rest = self.position.shape[-1]
        when, step = self.month[month], self.position[:, :t].expand(n, -1, -1)
        codes = [x.new_zeros(n, 1, x.shape[-1])]
        for name, index in CHANNEL.items():
            channel = self.channel.weight[index]
            if name == "SRTM":
                codes.append(nn.functional.pad(channel, (rest, rest)).expand(n, 1, -1))
            else:
                codes.append(torch.cat([when, channel.expand(n, t, -1), step], -1))
        x = x + torch.cat(codes, 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)[:, 1:]
        lengths = [1 if name == "SRTM" else t for name in CHANNEL]
        parts = dict(zip(CHANNEL, torch.split(x, lengths, 1), strict=True))
        found = [self.bands[name](parts[name]).expand(-1, t, -1) for name in COLUMNS]
        return torch.cat(found, -1), self.land(parts["dynamic_world"])


def _positions(dim: int) -> Tensor:
    """(1, 24, dim): sine and cosine in turns, angle = step / 1000^(2 floor(j / 2) / dim)."""
    step, j = np.arange(STEPS)[:, None], np.arange(dim)
    angle = step / np.power(1000, 2 * (j // 2) / dim)
    return torch.tensor(np.where(j % 2 == 0, np.sin(angle), np.cos(angle)), dtype=torch.float32)[None]


def _months(dim: int) -> Tensor:
    """(12, dim): the sine of the month's angle dim / 2 times, then its cosine."""
    angle = 2 * np.pi * np.arange(12)[:, None] / 12
    both = np.concatenate([np.sin(angle).repeat(dim // 2, 1), np.cos(angle).repeat(dim // 2, 1)], 1)
    return torch.tensor(both, dtype=torch.float32)


def _spread(module: nn.Module) -> None:
    """Random weights as the paper's code starts with: linear layers by Glorot & Bengio, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


_RENAMED = (
    (r"\.position$", ".pos_embed"),
    (r"\.month$", ".month_embed.weight"),
    (r"\.attention\.out\.", ".attn.proj."),
    (r"\.attention\.", ".attn."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
    (r"^encoder\.channel\.", "encoder.channel_embed."),
    (r"^encoder\.bands\.", "encoder.eo_patch_embed."),
    (r"^encoder\.land\.", "encoder.dw_embed."),
    (r"^encoder\.place\.", "encoder.latlon_embed."),
    (r"^decoder\.mask$", "decoder.mask_token"),
    (r"^decoder\.channel\.", "decoder.channel_embeddings."),
    (r"^decoder\.embed\.", "decoder.decoder_embed."),
    (r"^decoder\.blocks\.", "decoder.decoder_blocks."),
    (r"^decoder\.norm\.", "decoder.decoder_norm."),
    (r"^decoder\.bands\.", "decoder.eo_decoder_pred."),
    (r"^decoder\.land\.", "decoder.dw_decoder_pred."),
)


def _published(key: str) -> list[str]:
    """The name of a tensor in the published file."""
    for pattern, other in _RENAMED:
        key = re.sub(pattern, other, key)
    return [key]
