"""Galileo: one transformer for pictures, series, weather and maps, with patches of any size from 1 to 8 pixels.

Tseng et al. 2025, "Galileo: Learning Global & Local Features of Many Remote Sensing Modalities" (arXiv 2502.09356);
names of the published file, nasaharvest/galileo @0f0b5b9 (MIT). Which physical value goes where: galileo_input.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swath.batch import Batch, Needs, Tokens
from swath.errors import SwathError
from swath.models.galileo_input import _ALL, GROUPS, QUANTITIES, STEPS, World, example_batch, read_world
from swath.models.published import fill
from swath.models.weights import Facts, check, state
from swath.nn.attention import Block
from swath.nn.flexible import resized
from swath.nn.visible import back, front

__all__ = ["Galileo", "GalileoTokens"]

SIZES = {"nano": (128, 4, 8), "tiny": (192, 12, 3), "base": (768, 12, 12)}
KERNEL = 8


@dataclass(frozen=True, slots=True)
class GalileoTokens(Tokens):
    """Tokens (B, T * h * w, D) on the grid: the mean of the groups that were seen of the same patch and date.

    every: all tokens (B, N, D) with what was seen of them, in the order space-time (row, column, date, group), space (row,
    column, group), time (date, group), static. `pooled` is the published vector, the mean of all of those.
    """

    every: Tokens | None = None

    @classmethod
    def of(cls, every: Tokens, cells: tuple[int, int, int]) -> GalileoTokens:
        """From all tokens (tensors) and the number of dates, rows and columns of patches."""
        t, h, w = cells
        groups = len(GROUPS["space_time"])
        n = t * h * w * groups
        b, _, d = every.values.shape

        def ordered(a: Tensor, *rest: int) -> Tensor:
            return a[:, :n].reshape(b, h, w, t, groups, *rest).movedim(3, 1)

        values, seen = ordered(every.values, d), ordered(every.valid)
        weight = seen[..., None].to(values.dtype)
        mean = (values * weight).sum(4) / weight.sum(4).clamp(min=1)
        day, position = ordered(every.day)[..., 0], ordered(every.position, 2)[..., 0, :]
        flat = (mean.reshape(b, -1, d), seen.any(4).reshape(b, -1), day.reshape(b, -1), position.reshape(b, -1, 2))
        return cls(flat[0], flat[1], flat[2], flat[3], cells, every)

    def pooled(self) -> Any:
        """(B, D): the mean of all tokens that were seen, of place and weather too; 0 where nothing was."""
        return Tokens.pooled(self) if self.every is None else self.every.pooled()

    def numpy(self) -> GalileoTokens:
        """The same as NumPy arrays."""
        e = self.every
        every = None if e is None else Tokens(e.values.numpy(), e.valid.numpy(), e.day.numpy(), e.position.numpy())
        parts = (self.values.numpy(), self.valid.numpy(), self.day.numpy(), self.position.numpy())
        return GalileoTokens(*parts, self.shape, every)


class Galileo(nn.Module):
    """The Encoder. size: nano, tiny or base; patch: pixels along a side of a patch, 1 to 8.

    share: what part of a patch must be valid for a group of bands to be seen there (the published rule looks at the top
    left pixel; here all pixels by default). Level k is after k blocks, 0 the projections alone, -1 the last; each normed.
    most: tokens of one window that are worked on at once. ndvi: whether the vegetation index is shown as well.
    """

    parts = _ALL  # what it can read: quantity and bands, to say what data lack

    def __init__(
        self,
        size: str = "nano",
        *,
        patch: int = 4,
        share: float = 1.0,
        ndvi: bool = True,
        most: int = 20_000,
        chunk: int = 65_536,
        shape: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        if shape is None and size not in SIZES:
            raise SwathError(rule=f"galileo comes as {', '.join(SIZES)}", got=size, remedy="choose one of them")
        if not 1 <= patch <= KERNEL:
            raise SwathError(rule="patches of galileo have 1 to 8 pixels a side", got=str(patch), remedy="choose one")
        self.width, depth, heads = shape or SIZES[size]
        self.config = {"size": size}
        self.patch, self.share, self.ndvi, self.most, self.chunk = patch, share, ndvi, most, chunk
        self.facts: Facts | None = None
        taps = tuple(sorted({math.ceil(depth * k / 4) for k in (1, 2, 3)} - {depth}))
        self.needs = Needs(quantity=QUANTITIES, dates=(1, STEPS), levels=(*taps, -1))
        width, quarter = self.width, self.width // 4
        self.register_buffer("time_code", _code(torch.arange(STEPS), quarter))
        self.register_buffer("month_code", _months(quarter))
        self.channel = nn.ParameterDict(
            {kind: nn.Parameter(0.02 * torch.randn(len(groups), quarter)) for kind, groups in GROUPS.items()}
        )
        self.projection = nn.ModuleDict(
            {
                kind: nn.ModuleDict(
                    {
                        name: nn.Conv2d(len(columns), width, KERNEL, KERNEL)
                        if kind in ("space_time", "space")
                        else nn.Linear(len(columns), width)
                        for name, columns in groups.items()
                    }
                )
                for kind, groups in GROUPS.items()
            }
        )
        self.blocks = nn.ModuleList(Block(width, heads, eps=1e-5) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.apply(_spread)

    @classmethod
    def read(cls, path: str | Path, size: str = "nano", **options: Any) -> Galileo:
        """The published encoder, strictly. Raises FormatError that names keys missing, left over and of another shape."""
        model = cls(size, **options)
        tensors = {key.replace("backbone.", ""): value for key, value in state(path).items()}
        fill(model, tensors, _published, name=f"galileo:{size}")
        model.facts = Facts(
            model="galileo",
            config=model.config,
            quantity=QUANTITIES,
            bands=tuple(name for groups in GROUPS.values() for name in groups),
            gsd=(10.0, 10.0),
            trained_on="127,155 places worldwide: monthly Sentinel-1 and -2 (L1C), weather, terrain, land cover, lights",
            licence="MIT",
            source="nasaharvest/galileo @0f0b5b9, data/models/nano",
        )
        return model.eval()

    @classmethod
    def example(cls) -> tuple[Galileo, Batch]:
        """A small one with random weights and a made Batch that suits it, for `swath.testing`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(patch=2, shape=(32, 2, 2)).eval(), example_batch()

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """Tokens of patches and dates, all others in `every`: GalileoTokens, NumPy in, NumPy out (no gradients).

        The window is square and a multiple of `patch`. Raises UnitError, BandError for what it cannot read, SwathError
        without dates, for more than 24 of them, for other windows and for more than `most` tokens.
        """
        plain = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        check(batch, self.needs, name="galileo")
        batch = batch.to(str(self.norm.weight.device))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not plain):
            world = read_world(batch, self.patch, share=self.share, ndvi=self.ndvi)
            count = world.visible().shape[1]
            if count > self.most:
                raise SwathError(
                    rule=f"galileo works on at most {self.most} tokens of a window at once",
                    got=f"{count} tokens: {world.cells[1]} x {world.cells[2]} patches, {world.cells[0]} dates",
                    remedy="use smaller windows, larger patches or fewer dates (attention grows with the square)",
                )
            step = max(1, self.chunk // count)
            parts = [self(world.rows(slice(i, i + step)), levels) for i in range(0, len(batch), step)]
        visible, (day, position) = world.visible(), _where(world)
        found = []
        for i in range(len(levels)):
            every = Tokens(torch.cat([part[i] for part in parts]), visible, day, position)
            found.append(GalileoTokens.of(every, world.cells))
        return [tokens.numpy() for tokens in found] if plain else list(found)

    def forward(self, world: World, levels: Sequence[int] = (-1,)) -> list[Tensor]:
        """Every token after the asked numbers of blocks, normed: (B, N, D); hidden ones are the norm of 0."""
        depth = len(self.blocks)
        if any(not -1 <= level <= depth for level in levels):
            raise ValueError(f"levels of galileo are numbers of blocks, 0 to {depth}, and -1; got {list(levels)}")
        wanted = [depth if level == -1 else level for level in levels]
        kept: dict[int, Tensor] = {}
        x, seen, order = front(self.tokens(world), world.visible())
        if not x.shape[1]:
            nothing = x.new_zeros(len(order), order.shape[1], self.width)
            return [self.norm(nothing) for _ in wanted]
        mask = None if bool(seen.all()) else _at_least_one(seen)
        for number in range(max(wanted) + 1):
            if number:
                x = self.blocks[number - 1](x, mask)
            if number in wanted:
                kept[number] = self.norm(back(x, seen, order))
        return [kept[number] for number in wanted]

    def tokens(self, world: World) -> Tensor:
        """Projections with their codes: (B, N, D), before anything is taken out."""
        coded = self.codes(world)
        return torch.cat(
            [(x + coded[kind]).reshape(len(x), -1, self.width) for kind, x in self.projections(world).items()], 1
        )

    def projections(self, world: World) -> dict[str, Tensor]:
        """{kind: (B, ..., groups, D)}: space-time (B, h, w, T, 7, D), space (B, h, w, 3, D), time (B, T, 3, D), static.

        A group that is hidden everywhere is 0.
        """
        out = {}
        for kind, groups in GROUPS.items():
            values, hidden = world.values[kind], world.hidden[kind]
            found = []
            for i, (name, columns) in enumerate(groups.items()):
                layer = self.projection[kind][name]
                if bool(hidden[..., i].all()):
                    found.append(values.new_zeros(*hidden.shape[:-1], self.width))
                elif isinstance(layer, nn.Conv2d):
                    found.append(_patches(values[..., columns], layer, world.patch))
                else:
                    found.append(layer(values[..., columns]))
            out[kind] = torch.stack(found, -2)
        return out

    def codes(self, world: World) -> dict[str, Tensor]:
        """{kind: (B or 1, ..., groups, D)}: [channel | time | month | space], each a quarter of the width."""
        t, h, w = world.cells
        b, quarter = len(world.month), self.width // 4
        channel = {kind: self.channel[kind] for kind in GROUPS}
        apart = world.patch * world.gsd / 10.0
        rows, columns = (_code(torch.arange(n) * apart, quarter // 2) for n in (h, w))
        place = torch.cat([columns[None].expand(h, w, -1), rows[:, None].expand(h, w, -1)], -1).to(self.time_code)
        step, month = self.time_code[:t], self.month_code[world.month]

        def join(kind: str, shape: tuple[int, ...], *parts: Tensor | None) -> Tensor:
            groups = len(GROUPS[kind])
            full = (*shape, groups, quarter)
            rest = [place.new_zeros(full) if p is None else p.unsqueeze(-2).expand(full) for p in parts]
            return torch.cat([channel[kind].expand(full), *rest], -1)

        everywhere = place[None, :, :, None].expand(b, h, w, t, quarter)
        return {
            "space_time": join(
                "space_time", (b, h, w, t), step.expand(b, h, w, t, quarter),
                month[:, None, None].expand(b, h, w, t, quarter), everywhere,
            ),
            "space": join("space", (b, h, w), None, None, place.expand(b, h, w, quarter)),
            "time": join("time", (b, t), step.expand(b, t, quarter), month, None),
            "static": join("static", (b,), None, None, None),
        }  # fmt: skip


def _patches(values: Tensor, layer: nn.Conv2d, patch: int) -> Tensor:
    """(B, H, W, [T,] C) -> (B, h, w, [T,] D)."""
    timed = values.ndim == 5
    x = values.permute(0, 3, 4, 1, 2).flatten(0, 1) if timed else values.permute(0, 3, 1, 2)
    x = nn.functional.conv2d(x, resized(layer.weight, patch), layer.bias, stride=patch).permute(0, 2, 3, 1)
    if not timed:
        return x
    return x.reshape(values.shape[0], values.shape[3], *x.shape[1:]).permute(0, 2, 3, 1, 4)


def _at_least_one(seen: Tensor) -> Tensor:
    """An example of which nothing was seen looks at its first padding: its answer is never read, but it must be a number."""
    nothing = ~seen.any(1, keepdim=True)
    first = torch.arange(seen.shape[1], device=seen.device)[None] == 0
    return seen | (nothing & first)


def _where(world: World) -> tuple[Tensor, Tensor]:
    """Day (B, N) and position (B, N, 2) of the tokens; NaN where a token has none."""
    t, h, w = world.cells
    b = len(world.day)
    rows, columns = torch.meshgrid(torch.arange(h).double(), torch.arange(w).double(), indexing="ij")
    place = torch.stack([rows, columns], -1)
    s, g, c = (len(GROUPS[kind]) for kind in ("space_time", "space", "time"))
    static = len(GROUPS["static"])
    day = [world.day[:, None, None, :, None].expand(b, h, w, t, s), torch.full((b, h, w, g), math.nan),
           world.day[:, :, None].expand(b, t, c), torch.full((b, static), math.nan)]  # fmt: skip
    position = [place[None, :, :, None, None].expand(b, h, w, t, s, 2), place[None, :, :, None].expand(b, h, w, g, 2),
                torch.full((b, t, c, 2), math.nan), torch.full((b, static, 2), math.nan)]  # fmt: skip
    flat_day = torch.cat([d.reshape(b, -1).double() for d in day], 1)
    return flat_day, torch.cat([p.reshape(b, -1, 2) for p in position], 1)


def _code(position: Tensor, dim: int) -> Tensor:
    """(n,) -> (n, dim): sines then cosines at rates 10000^(-k / (2 dim)), k < dim / 2 (not the usual 2 k / dim)."""
    rate = 1.0 / 10_000 ** (torch.arange(dim // 2) / dim / 2.0)  # 32 bit, as the file's table was made
    angle = position.float()[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], 1)


def _months(dim: int) -> Tensor:
    """(12, dim): the sine of the month's angle dim / 2 times, then its cosine; 32 bit, as the file's table was made."""
    angle = (torch.arange(12) / 12 * 2 * math.pi)[:, None]
    return torch.cat([angle.sin().expand(-1, dim // 2), angle.cos().expand(-1, dim // 2)], 1)


def _spread(module: nn.Module) -> None:
    """Random weights of the linear layers by Glorot & Bengio, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


_CHANNELS = {"space_time": "s_t", "space": "sp", "time": "t", "static": "st"}
_RENAMED = (
    (r"^time_code$", "pos_embed"),
    (r"^month_code$", "month_embed.weight"),
    (r"^projection\.(space|space_time)\.(\w+)\.(weight|bias)$", r"\1_embed.\2.proj.\3"),
    (r"^projection\.(time|static)\.", r"\1_embed."),
    (r"\.attention\.out\.", ".attn.proj."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
)


def _published(key: str) -> list[str]:
    """The names in the published file; three for the joint query, key and value."""
    if key.startswith("channel."):
        return [f"{_CHANNELS[key.removeprefix('channel.')]}_channel_embed"]
    for pattern, other in _RENAMED:
        key = re.sub(pattern, other, key)
    if ".attention.qkv." in key:
        return [key.replace(".attention.qkv.", f".attn.{part}.") for part in "qkv"]
    return [key]
