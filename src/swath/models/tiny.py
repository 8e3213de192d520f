"""swath-tiny: one small transformer over the series of a pixel, for any bands, sensors and dates.

A token is what one sensor saw of a pixel on one date. Its bands enter as a sum: each valid value times a vector made from
the band's description (wavelength, width, GSD, quantity, polarisation), so that order and number of bands do not matter
(the idea of weights made from wavelengths: DOFA, Xiong et al. 2024). Attention falls with the days between two tokens
at a learned rate (after ALiBi, Press et al. 2022). Hidden values are read back with vectors made the same way.
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
from swath.errors import SwathError, UnitError
from swath.models.weights import Facts, check
from swath.nn.codes import repeating
from swath.nn.vit import ViT

__all__ = ["Tiny", "describe", "measure"]

QUANTITIES = ("reflectance", "toa_reflectance", "backscatter", "temperature", "brightness_temperature", "elevation")
POLARISATIONS = ("VV", "VH", "HH", "HV")
_OCTAVES = 7
_DESCRIBED = 2 * _OCTAVES + 2 + len(QUANTITIES) + len(POLARISATIONS)
_HARMONICS = 12
_LIMIT = 6.0  # deviations: beyond it a value says no more (an unseen cloud, a glint)


def describe(bands: Sequence[Band]) -> Tensor:
    """What a band is, in numbers: (C, F) float32. Harmonics of log wavelength, relative width, log GSD, quantity, pol."""
    rows = []
    for band in bands:
        known = math.isfinite(band.wavelength)
        x = math.log(band.wavelength / 350.0) / math.log(14_000.0 / 350.0) if known else 0.0
        waves = [f(math.pi * x * 2**k / 2) * known for f in (math.sin, math.cos) for k in range(_OCTAVES)]
        width = math.log10(band.fwhm / band.wavelength) + 1.5 if known and band.fwhm > 0 else 0.0
        gsd = math.log10(band.gsd / 10.0) if math.isfinite(band.gsd) and band.gsd > 0 else 0.0
        kind = [float(band.quantity == q) for q in QUANTITIES]
        rows.append([*waves, width, gsd, *kind, *(float(_polarisation(band) == p) for p in POLARISATIONS)])
    return torch.tensor(rows, dtype=torch.float32)


def measure(batches: Sequence[Batch]) -> dict[str, Any]:
    """Mean and deviation of physical values by wavelength, polarisation or quantity: what `Tiny` scales with.

    Backscatter is taken in dB. Raises SwathError when no value is valid.
    """
    found: dict[str, dict[float | str, list[np.ndarray]]] = {}
    for batch in batches:
        for pixels in batch.pixels.values():
            for i, band in enumerate(pixels.bands):
                values = np.asarray(pixels.values)[:, :, i][np.asarray(pixels.valid)[:, :, i]]
                key: float | str = band.wavelength if _family(band) == "reflectance" else _polarisation(band)
                found.setdefault(_family(band), {}).setdefault(key, []).append(_in_db(values, band))
    out: dict[str, Any] = {}
    for family, keys in found.items():
        rows = {k: np.concatenate(v).astype(np.float64) for k, v in keys.items()}
        rows = {k: v for k, v in rows.items() if len(v)}
        if not rows:
            continue
        facts = {k: (float(v.mean()), float(max(v.std(), 1e-6))) for k, v in rows.items()}
        if family == "reflectance":
            order = sorted(k for k in facts if not isinstance(k, str))
            out[family] = {"wavelength": order, "mean": [facts[k][0] for k in order],
                           "deviation": [facts[k][1] for k in order]}  # fmt: skip
        else:
            out[family] = {str(k): list(v) for k, v in facts.items()}
    if not out:
        raise SwathError(rule="statistics need valid values", got="none", remedy="give batches with valid pixels")
    return out


@dataclass(slots=True)
class _Sequences:
    """Tokens of n = B * H * W pixels: x (n, S, D), seen (n, S) bool, day (B, S), spans {sensor: (start, T)}."""

    x: Tensor
    seen: Tensor
    day: Tensor
    spans: dict[str, tuple[int, int]]
    shape: tuple[int, int, int]


class Tiny(nn.Module):
    """The Encoder. dim, depth, heads: its size; place: whether it is told where on Earth it looks.

    statistics: as `measure` gives; without them it refuses to encode. Tokens lie on the pixel grid, dates pooled.
    """

    def __init__(
        self,
        dim: int = 64,
        depth: int = 2,
        heads: int = 4,
        *,
        place: bool = False,
        statistics: Mapping[str, Any] | None = None,
        chunk: int = 2048,
    ) -> None:
        super().__init__()
        self.config = {"dim": dim, "depth": depth, "heads": heads, "place": place}
        self.dim, self.chunk, self.place = dim, chunk, place
        self.statistics = dict(statistics or {})
        self.facts: Facts | None = None
        self.needs = Needs(quantity=QUANTITIES)
        self.bands = nn.Sequential(nn.Linear(_DESCRIBED, dim), nn.GELU(), nn.Linear(dim, 5 * dim + 1))
        self.day = nn.Linear(2 * _HARMONICS + 3, dim)
        self.where = nn.Linear(4, dim) if place else None
        self.summary = nn.Parameter(torch.randn(dim) * 0.02)
        self.fading = nn.Parameter(torch.tensor([-5.0, -3.5, -2.0, -1.0]).repeat(-(-heads // 4))[:heads])
        self.vit = ViT(dim, depth, heads, 2.0, eps=1e-5)
        self.read = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))

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
        """A token for every pixel, the mean over its valid tokens: (B, H * W, dim), NumPy in, NumPy out (no gradients).

        Raises UnitError for quantities it does not know, SwathError without statistics.
        """
        plain = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        batch = self._checked(batch)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not plain):
            parts = [self._pooled(strip, levels) for strip in _strips(batch, 4 * self.chunk)]
        values = [torch.cat([part[0][i] for part in parts], 1) for i in range(len(levels))]
        valid = torch.cat([part[1] for part in parts], 1)
        b, h, w = len(batch), *_size(batch)
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        position = torch.stack([rows, columns], -1).reshape(1, h * w, 2).expand(b, -1, -1)
        day = torch.full((b, h * w), math.nan)
        tokens = [Tokens(v * valid[..., None], valid, day, position, (1, h, w)) for v in values]
        if not plain:
            return tokens
        return [Tokens(t.values.numpy(), t.valid.numpy(), t.day.numpy(), t.position.numpy(), t.shape) for t in tokens]

    def _pooled(self, batch: Batch, levels: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        """Mean of the valid tokens of each pixel at each level (B, H * W, dim), and where there is one (B, H * W)."""
        sequences = self._sequences(batch)
        b, h, w = sequences.shape
        count = sequences.seen.sum(1, keepdim=True).clamp(min=1)
        pooled: list[list[Tensor]] = [[] for _ in levels]
        for part in self._parts(len(sequences.x), h * w):
            weight = sequences.seen[part, :, None].to(sequences.x.dtype)
            for found, out in zip(pooled, self._transform(sequences, part, levels), strict=True):
                found.append((out[:, 1:] * weight).sum(1) / count[part])
        return [torch.cat(p).reshape(b, h * w, self.dim) for p in pooled], sequences.seen.any(1).reshape(b, h * w)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """What it takes every value to be, seen or not: {sensor: (B, T, C, H, W)} in deviations, as `scaled` gives."""
        batch = self._checked(batch)
        sequences = self._sequences(batch)
        b, h, w = sequences.shape
        out = torch.cat([self._transform(sequences, p, (-1,))[0][:, 1:] for p in self._parts(len(sequences.x), h * w)])
        read = self.read(out)
        found = {}
        for name, (start, dates) in sequences.spans.items():
            pixels = batch.pixels[name]
            vectors = self.bands(describe(pixels.bands).to(read.device))
            value = read[:, start : start + dates] @ vectors[:, 3 * self.dim : 4 * self.dim].T / math.sqrt(self.dim)
            value = (value + vectors[:, -1]).reshape(b, h, w, dates, -1).permute(0, 3, 4, 1, 2)
            rows, columns = _nearest(h, pixels.values.shape[-2]), _nearest(w, pixels.values.shape[-1])
            found[name] = value[..., rows, :][..., columns]
        return found

    def scaled(self, batch: Batch) -> dict[str, Tensor]:
        """Values in deviations from the mean, cut at 6: {sensor: (B, T, C, H, W)}; 0 where not valid."""
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
        pairs = [_lookup(self.statistics, band) for band in bands]
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
        return torch.where(pixels.valid, values.clamp(-_LIMIT, _LIMIT), 0.0)

    def _sequences(self, batch: Batch) -> _Sequences:
        b = len(batch)
        h, w = _size(batch)
        days = torch.cat([p.day for p in batch.pixels.values()], 1)
        centre = torch.nanmean(days, 1, keepdim=True)
        parts, seen, spans, start = [], [], {}, 0
        for name, p in batch.pixels.items():
            t, c = p.values.shape[1:3]
            vectors = self.bands(describe(p.bands).to(self.summary.device)).reshape(c, -1)
            d = self.dim
            rows, columns = _nearest(p.values.shape[-2], h), _nearest(p.values.shape[-1], w)
            values = self._scale(p)[..., rows, :][..., columns].permute(0, 3, 4, 1, 2).reshape(b * h * w, t, c)
            valid = p.valid[..., rows, :][..., columns].permute(0, 3, 4, 1, 2).reshape(b * h * w, t, c)
            weight = valid.to(values.dtype)
            share = weight.sum(-1, keepdim=True).clamp(min=1.0)
            x = (values @ vectors[:, :d] + weight @ vectors[:, d : 2 * d]) / share
            sensor = vectors[:, 2 * d : 3 * d].mean(0)
            code = self.day(_day_features(p.day, centre))
            if self.where is not None:
                code = code + self.where(_place_features(p.lonlat))[:, None]
            parts.append(x + sensor + code.repeat_interleave(h * w, 0))
            seen.append(valid.any(-1))
            spans[name] = (start, t)
            start += t
        return _Sequences(torch.cat(parts, 1), torch.cat(seen, 1), days, spans, (b, h, w))

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

    def _transform(self, sequences: _Sequences, part: slice, levels: Sequence[int]) -> list[Tensor]:
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
        return self.vit(x, seen, bias=bias.to(x.dtype), levels=levels)


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


def _family(band: Band) -> str:
    if band.quantity in ("reflectance", "toa_reflectance"):
        return "reflectance"
    return "temperature" if band.quantity == "brightness_temperature" else band.quantity


def _polarisation(band: Band) -> str:
    """VV and the like, also where only the band's name says so; "" where there is none."""
    name = band.name.upper()
    return band.polarisation or (name if band.quantity == "backscatter" and name in POLARISATIONS else "")


def _in_db(values: np.ndarray, band: Band) -> np.ndarray:
    if band.quantity == "backscatter" and band.units != "dB":
        return np.asarray(10.0 * np.log10(np.maximum(values, 1e-6)))
    return values


def _lookup(statistics: Mapping[str, Any], band: Band) -> tuple[float, float]:
    known = statistics.get(_family(band))
    if known is None or (_family(band) == "reflectance" and not math.isfinite(band.wavelength)):
        raise UnitError(
            rule="swath-tiny reads quantities that its weights were trained on, reflectance with a wavelength",
            got=f"band {band.name}: {band.quantity}, {band.wavelength} nm; weights know {', '.join(statistics)}",
            remedy="leave this band out with --bands",
        )
    if "wavelength" in known:
        mean, deviation = (np.interp(band.wavelength, known["wavelength"], known[k]) for k in ("mean", "deviation"))
        return float(mean), float(deviation)
    pair = known.get(_polarisation(band)) or next(iter(known.values()))
    return float(pair[0]), float(pair[1])


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
