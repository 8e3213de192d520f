"""swath-tiny: a small transformer over the series of each pixel, then stages over its neighbourhood, for any sensor.

A token is what one sensor saw of a pixel on one date. Its bands enter as a sum: each valid value times a vector made from
the band's description (wavelength, width, GSD, quantity, polarisation), so that order and number of bands do not matter
(the idea of weights made from wavelengths: DOFA, Xiong et al. 2024). Attention falls with the days between two tokens
at a learned rate (after ALiBi, Press et al. 2022). What the dates of a pixel say together passes stages in which pixels
look at their neighbours (nn.near). Hidden values are read back with vectors made from the bands the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swath.batch import Batch, Needs, Pixels, Tokens
from swath.earth.sensor import Band
from swath.errors import SwathError
from swath.models.scaling import DESCRIBED, QUANTITIES, describe, lookup, measure
from swath.models.weights import Facts, check
from swath.nn.codes import repeating
from swath.nn.near import Near, moments
from swath.nn.vit import ViT

__all__ = ["QUANTITIES", "SURROUNDINGS", "Tiny", "describe", "measure"]

# What is asked of every pixel beside its hidden values, of its token by a linear layer: (what, side in pixels) of each band.
SURROUNDINGS = (("mean", 1), ("mean", 9), ("spread", 3), ("spread", 9), ("spread", 17))
# Windows (pixels) in which a token knows mean and deviation of what its neighbours' bands say.
MEANS, SPREADS = (5, 17), (3, 9, 17)
_HARMONICS = 12
_PIECE = 65_536  # pixels that pass the stages together
_LIMIT = 6.0  # deviations: beyond it values grow by their logarithm only (an unseen cloud, a glint)


@dataclass(slots=True)
class _Sequences:
    """Tokens of n = B * H * W pixels: x (n, S, d), seen (n, S) bool, day (B, S), code (B, S, d), spans {sensor: (start, T)}.

    plain (n, d): the sum over dates of what the values alone say, linear in them.
    """

    x: Tensor
    seen: Tensor
    day: Tensor
    code: Tensor
    plain: Tensor
    spans: dict[str, tuple[int, int]]
    shape: tuple[int, int, int]


class Tiny(nn.Module):
    """The Encoder. dim, depth, heads: of the transformer over dates; width: of its tokens, dim by default; steps: pixels
    between the taps of each neighbourhood stage; place: whether it is told where on Earth it looks.

    statistics: as `measure` gives; without them it refuses to encode. Tokens lie on the pixel grid, dates pooled. Levels:
    0 is the pixel with mean and deviation of the values around it, k what it is after k stages. `reach`: no token depends
    on what lies further away, in pixels.
    """

    patch = 1

    def __init__(
        self,
        dim: int = 64,
        depth: int = 2,
        heads: int = 4,
        *,
        width: int | None = None,
        steps: Sequence[int] = (1, 2),
        place: bool = False,
        statistics: Mapping[str, Any] | None = None,
        chunk: int = 2048,
    ) -> None:
        super().__init__()
        self.width = width or dim
        self.config = {
            "dim": dim,
            "depth": depth,
            "heads": heads,
            "width": self.width,
            "steps": list(steps),
            "place": place,
        }
        self.dim, self.chunk, self.place = dim, chunk, place
        self.statistics = dict(statistics or {})
        self.facts: Facts | None = None
        self.needs = Needs(quantity=QUANTITIES)
        self.bands = nn.Sequential(nn.Linear(DESCRIBED, dim), nn.GELU(), nn.Linear(dim, 4 * dim + 1))
        self.day = nn.Linear(2 * _HARMONICS + 3, dim)
        self.where = nn.Linear(4, dim) if place else None
        self.summary = nn.Parameter(torch.randn(dim) * 0.02)
        self.fading = nn.Parameter(torch.tensor([-5.0, -3.5, -2.0, -1.0]).repeat(-(-heads // 4))[:heads])
        self.vit = ViT(dim, depth, heads, 2.0, eps=1e-5)
        parts = 1 + len(MEANS) + len(SPREADS)
        self.plain = max(1, self.width // (parts + 4))
        own = self.width - parts * self.plain
        self.mix = nn.Linear(dim, self.plain, bias=False)
        self.together = nn.Linear(2 * dim, own)
        self.unseen = nn.Parameter(torch.randn(own) * 0.02)
        self.stages = nn.ModuleList(Near(self.width, 5, step) for step in steps)
        self.reach = max(*MEANS, *SPREADS) // 2 + sum(stage.reach for stage in self.stages)
        self.norm = nn.LayerNorm(self.width, eps=1e-5)
        self.ask, self.when = nn.Linear(self.width, dim), nn.Linear(dim, dim)
        self.read = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.survey = nn.Linear(self.width, len(SURROUNDINGS) * dim)
        with torch.no_grad():  # at the start the first features are the pixel's own tokens, as they are
            self.together.weight[:dim, :dim] = torch.eye(own, dim)[:dim]
            self.together.weight[:dim, dim:] = 0.0

    @classmethod
    def example(cls) -> tuple[Tiny, Batch]:
        """A small one with random weights and a made Batch that suits it, for `swath.testing`."""
        from swath.earth.sensor import sensor

        rng = np.random.default_rng(0)
        bands = tuple(replace(b, quantity="reflectance") for b in sensor("sentinel-2a-l2a").bands[:4])
        values = rng.uniform(0, 0.5, (3, 5, 4, 4, 4)).astype(np.float32)
        day = np.tile(18_000.0 + 12 * np.arange(5), (3, 1))
        seen = Pixels(values, rng.random(values.shape) < 0.8, bands, 10.0, day, np.full((3, 2), np.nan))
        batch = Batch({"sentinel-2a-l2a": seen})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(dim=16, depth=1, heads=2, statistics=measure([batch])).eval(), batch

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """A token for every pixel: (B, H * W, width), NumPy in, NumPy out (no gradients).

        Raises UnitError for quantities it does not know, SwathError without statistics, ValueError for a level that is
        not there.
        """
        plain = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        batch = self._checked(batch)
        count = len(self.stages) + 1
        if any(not -count <= level < count for level in levels):
            raise ValueError(
                f"levels are numbers of {count}, one before and one after each stage; got {list(levels)}; -1 is the last"
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not plain):
            parts = [self._alone(strip)[:2] for strip in _strips(batch, 4 * self.chunk)]
            alone, seen = (torch.cat([part[i] for part in parts], 1) for i in range(2))
            found = self._around(alone, seen, [level % count for level in levels])
            values = [v.float() * seen[..., None] for v in found]
        b, h, w = seen.shape
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        position = torch.stack([rows, columns], -1).reshape(1, h * w, 2).expand(b, -1, -1)
        day = torch.full((b, h * w), math.nan)
        tokens = [Tokens(v.reshape(b, h * w, -1), seen.reshape(b, -1), day, position, (1, h, w)) for v in values]
        if not plain:
            return tokens
        return [Tokens(t.values.numpy(), t.valid.numpy(), t.day.numpy(), t.position.numpy(), t.shape) for t in tokens]

    def _alone(self, batch: Batch, *, whole: bool = False) -> tuple[Tensor, Tensor, Tensor | None, _Sequences]:
        """Each pixel by itself: (B, H, W, own + plain), where it was seen (B, H, W); where `whole`, its tokens (n, S, dim)."""
        sequences = self._sequences(batch)
        b, h, w = sequences.shape
        rows = sequences.seen.any(1)
        plain = self.mix(sequences.plain / sequences.seen.sum(1, keepdim=True).clamp(min=1)).float()
        keep, pooled = [], []
        for part in self._parts(len(sequences.x), h * w):
            out = self._transform(sequences, part)
            weight = sequences.seen[part, :, None].to(out.dtype)
            mean = (out[:, 1:] * weight).sum(1) / weight.sum(1).clamp(min=1)
            pooled.append(self.together(torch.cat([mean, out[:, 0]], -1)))
            if whole:
                keep.append(out[:, 1:])
        alone = torch.cat([torch.where(rows[:, None], torch.cat(pooled), self.unseen).float(), plain], 1)
        alone = alone.reshape(b, h, w, -1)
        return alone, rows.reshape(b, h, w), torch.cat(keep) if keep else None, sequences

    def _around(self, x: Tensor, seen: Tensor, levels: Sequence[int]) -> list[Tensor]:
        """What pixels are after the asked numbers of stages, in strips of rows with as much rim as the stages reach."""
        height, step = x.shape[1], max(1, _PIECE // (x.shape[0] * x.shape[2]))
        if self.training or step >= height:
            return self._staged(x, seen, levels)
        parts = []
        for top in range(0, height, step):
            first = max(0, top - self.reach)
            some = slice(first, top + step + self.reach)
            inner = slice(top - first, top - first + step)
            parts.append([v[:, inner] for v in self._staged(x[:, some], seen[:, some], levels)])
        return [torch.cat(found, 1) for found in zip(*parts, strict=True)]

    def _staged(self, x: Tensor, seen: Tensor, levels: Sequence[int]) -> list[Tensor]:
        x = torch.cat([x, moments(x[..., -self.plain :], seen, MEANS, SPREADS)], -1)
        kept = {0: x}
        for number, stage in enumerate(self.stages[: max(levels)], 1):
            x = stage(x, seen)
            kept[number] = x
        return [kept[level] for level in levels]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """What it takes every value to be, seen or not: {sensor: (B, T, C, H, W)} in deviations, as `scaled` gives."""
        return self.told(batch)[0]

    def told(self, batch: Batch, *, tokens: float = 1.0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """`forward`'s answer, and what it takes the SURROUNDINGS of every pixel to be: {sensor: (B, K, C, H, W)}.

        tokens: weight of a pixel's own tokens in the answer; with 0 all of it is read from the one token that `encode` gives.
        """
        batch = self._checked(batch)
        alone, seen, out, sequences = self._alone(batch, whole=True)
        b, h, w = sequences.shape
        z = self.norm(self._staged(alone, seen, [len(self.stages)])[0])
        code = self.when(sequences.code).repeat_interleave(h * w, 0)
        read = self.read(self.ask(z).reshape(b * h * w, 1, -1) + code + (tokens * out if out is not None else 0.0))
        survey = self.survey(z).reshape(b, h, w, len(SURROUNDINGS), self.dim)
        values, around = {}, {}
        for name, (start, dates) in sequences.spans.items():
            pixels = batch.pixels[name]
            vectors = self.bands(describe(pixels.bands).to(read.device))
            asked = vectors[:, 3 * self.dim : 4 * self.dim].T / math.sqrt(self.dim)
            value = read[:, start : start + dates] @ asked + vectors[:, -1]
            value = value.reshape(b, h, w, dates, -1).permute(0, 3, 4, 1, 2)
            rows, columns = _nearest(h, pixels.values.shape[-2]), _nearest(w, pixels.values.shape[-1])
            values[name] = value[..., rows, :][..., columns]
            around[name] = (survey @ asked).permute(0, 3, 4, 1, 2)[..., rows, :][..., columns]
        return values, around

    def scaled(self, batch: Batch) -> dict[str, Tensor]:
        """Values in deviations from the mean, beyond 6 by their logarithm: {sensor: (B, T, C, H, W)}; 0 where not valid."""
        return {name: self._scale(pixels) for name, pixels in self._checked(batch).pixels.items()}

    def physical(self, values: Tensor, bands: Sequence[Band]) -> Tensor:
        """The inverse of `scaled` for one sensor: (B, T, C, H, W) in the bands' own units."""
        mean, deviation = self._statistics(bands)
        out = values * deviation[:, None, None] + mean[:, None, None]
        linear = [i for i, b in enumerate(bands) if b.quantity == "backscatter" and b.units != "dB"]
        if linear:
            out = out.clone()
            out[:, :, linear] = 10.0 ** (out[:, :, linear] / 10.0)
        return out

    def scaling(self, bands: Sequence[Band]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (C,) by which these bands are scaled, in their own units (dB for backscatter)."""
        mean, deviation = self._statistics(bands)
        return mean.numpy(force=True), deviation.numpy(force=True)

    def _checked(self, batch: Batch) -> Batch:
        check(batch, self.needs, name="swath-tiny")
        if not self.statistics:
            raise SwathError(
                rule="swath-tiny scales physical values with the statistics of its weights",
                got="none",
                remedy="load weights, or give statistics=measure(batches)",
            )
        device = self.summary.device
        return batch.to(str(device))

    def _statistics(self, bands: Sequence[Band]) -> tuple[Tensor, Tensor]:
        pairs = [lookup(self.statistics, band) for band in bands]
        both = torch.tensor(pairs, dtype=torch.float32, device=self.summary.device)
        return both[:, 0], both[:, 1]

    def _scale(self, pixels: Pixels) -> Tensor:
        mean, deviation = self._statistics(pixels.bands)
        values = torch.where(pixels.valid, pixels.values, 0.0)
        linear = [i for i, b in enumerate(pixels.bands) if b.quantity == "backscatter" and b.units != "dB"]
        if linear:
            values = values.clone()
            values[:, :, linear] = 10.0 * torch.log10(values[:, :, linear].clamp(min=1e-6))
        values = (values - mean[:, None, None]) / deviation[:, None, None]
        beyond = (values.abs() - _LIMIT).clamp(min=0.0)
        return torch.where(pixels.valid, values.clamp(-_LIMIT, _LIMIT) + values.sign() * beyond.log1p(), 0.0)

    def _sequences(self, batch: Batch) -> _Sequences:
        b = len(batch)
        h, w = _size(batch)
        days = torch.cat([p.day for p in batch.pixels.values()], 1)
        centre = torch.nanmean(days, 1, keepdim=True)
        parts, seen, codes, plain, spans, start = [], [], [], [], {}, 0
        for name, p in batch.pixels.items():
            t, c = p.values.shape[1:3]
            vectors = self.bands(describe(p.bands).to(self.summary.device)).reshape(c, -1)
            d = self.dim
            values, valid = self._scale(p), p.valid
            if values.shape[-2:] != (h, w):
                rows, columns = _nearest(p.values.shape[-2], h), _nearest(p.values.shape[-1], w)
                values, valid = values[..., rows, :][..., columns], valid[..., rows, :][..., columns]
            values = values.permute(0, 3, 4, 1, 2).reshape(b * h * w, t, c)
            valid = valid.permute(0, 3, 4, 1, 2).reshape(b * h * w, t, c)
            weight = valid.to(values.dtype)
            share = weight.sum(-1, keepdim=True).clamp(min=1.0)
            said = values @ vectors[:, :d] / share
            plain.append(said.sum(1))
            x = said + weight @ vectors[:, d : 2 * d] / share
            code = self.day(_day_features(p.day, centre)) + vectors[:, 2 * d : 3 * d].mean(0)
            if self.where is not None:
                code = code + self.where(_place_features(p.lonlat))[:, None]
            parts.append(x + code.repeat_interleave(h * w, 0))
            codes.append(code)
            seen.append(valid.any(-1))
            spans[name] = (start, t)
            start += t
        return _Sequences(
            torch.cat(parts, 1), torch.cat(seen, 1), days, torch.cat(codes, 1), sum(plain), spans, (b, h, w)
        )

    def _parts(self, n: int, pixels: int) -> list[slice]:
        """Pixels that are worked on together: of one example, or whole examples."""
        step = self.chunk if pixels >= self.chunk else self.chunk // pixels * pixels
        if pixels >= self.chunk:
            return [
                slice(start + i, start + min(i + step, pixels))
                for start in range(0, n, pixels)
                for i in range(0, pixels, step)
            ]
        return [slice(i, min(i + step, n)) for i in range(0, n, step)]

    def _transform(self, sequences: _Sequences, part: slice) -> Tensor:
        """The tokens of some pixels after looking at one another, the summary first: (n, 1 + S, dim)."""
        x, seen = sequences.x[part], sequences.seen[part]
        n, _, h, w = len(x), *sequences.shape
        x = torch.cat([self.summary.expand(n, 1, -1), x], 1)
        seen = torch.cat([torch.ones(n, 1, dtype=torch.bool, device=x.device), seen], 1)
        first, last = part.start // (h * w), (part.stop - 1) // (h * w)
        day = sequences.day[first : last + 1]
        apart = torch.nan_to_num((day[:, :, None] - day[:, None]).abs()).float()
        apart = nn.functional.pad(apart, (1, 0, 1, 0))
        bias = -nn.functional.softplus(self.fading)[None, :, None, None] * apart[:, None]
        if last > first:
            bias = bias.repeat_interleave(h * w, 0)
        bias = bias.to(x.dtype).masked_fill(~seen[:, None, None], -1e4)  # the summary counts always, so this is nothing
        return self.vit(x, bias=bias)[0]


def _size(batch: Batch) -> tuple[int, int]:
    """Rows and columns of the finest sensor."""
    shapes = [p.values.shape[-2:] for p in batch.pixels.values()]
    return max(int(s[0]) for s in shapes), max(int(s[1]) for s in shapes)


def _strips(batch: Batch, pixels: int) -> list[Batch]:
    """A large Batch in strips of rows of about so many pixels an example, so that memory does not grow with the window."""
    h, w = _size(batch)
    step = max(1, pixels // w)
    if step >= h or any(tuple(p.values.shape[-2:]) != (h, w) for p in batch.pixels.values()):
        return [batch]

    def cut(p: Pixels, top: int) -> Pixels:
        return replace(p, values=p.values[..., top : top + step, :], valid=p.valid[..., top : top + step, :])

    return [Batch({name: cut(p, top) for name, p in batch.pixels.items()}) for top in range(0, h, step)]


def _day_features(day: Tensor, centre: Tensor) -> Tensor:
    """(B, T) days since 1970 -> (B, T, F): harmonics of the year, years from the middle of the series, known or not."""
    season = repeating(day, 365.25, 2 * _HARMONICS)
    years = torch.nan_to_num((day - centre) / 365.25).float()
    return torch.cat([season, torch.stack([years, years.sin(), torch.isfinite(day).float()], -1)], -1)


def _place_features(lonlat: Tensor) -> Tensor:
    """(B, 2) degrees -> (B, 4); 0 where unknown."""
    turned = torch.deg2rad(torch.nan_to_num(lonlat)).float()
    known = torch.isfinite(lonlat).all(-1, keepdim=True)
    return torch.cat([turned.sin(), turned.cos()], -1) * known


def _nearest(size: int, wanted: int) -> Tensor:
    """Row of `size` for each of `wanted` rows over the same ground."""
    return torch.div((torch.arange(wanted) * 2 + 1) * size, 2 * wanted, rounding_mode="floor")
