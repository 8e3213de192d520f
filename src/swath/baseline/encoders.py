"""Encoders without weights and without torch: what any learned encoder has to beat.

`statistics` describes the values of a patch; `random-convolutions` passes them through filters that nobody trained.
Both take any sensor, any bands and any dates; bands count by their description, never by their place in the file.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.batch import Batch, Needs, Pixels, Tokens, array
from swath.earth.sensor import Band

__all__ = ["RandomConvolutions", "Statistics", "describe"]

QUANTILES = (0.1, 0.5, 0.9)
_YEAR = 365.25
# What a band's values are like where no statistics are given: centre and spread, by quantity.
_LIKE = {
    "reflectance": (0.15, 0.15), "toa_reflectance": (0.15, 0.15), "backscatter": (-14.0, 6.0),
    "temperature": (288.0, 15.0), "brightness_temperature": (288.0, 15.0), "elevation": (300.0, 400.0),
    "index": (0.3, 0.4), "digital_number": (110.0, 60.0), "probability": (0.5, 0.5), "coherence": (0.5, 0.3),
}  # fmt: skip


def describe(band: Band) -> tuple[str, float, str, str]:
    """What tells bands apart, whatever their order: quantity, wavelength (nm), polarisation, name."""
    wave = round(band.wavelength, 1) if math.isfinite(band.wavelength) else math.inf
    return band.quantity, wave, band.polarisation, band.name if wave == math.inf else ""


@dataclass(frozen=True, slots=True)
class _Plane:
    """One band of one sensor on the common grid: values and valid (B, T, H, W), day (B, T)."""

    sensor: str
    band: Band
    values: np.ndarray
    valid: np.ndarray
    day: np.ndarray


def _numpy(batch: Batch) -> tuple[dict[str, Pixels], Any]:
    """Pixels as arrays, and what makes arrays into what was given."""
    first = next(iter(batch.pixels.values())).values
    if isinstance(first, np.ndarray):
        return batch.pixels, lambda a: a
    import torch

    found = {
        n: replace(p, values=array(p.values), valid=array(p.valid), day=array(p.day), lonlat=array(p.lonlat))
        for n, p in batch.pixels.items()
    }
    return found, lambda a: torch.as_tensor(a, device=first.device)


def _planes(pixels: Mapping[str, Pixels]) -> list[_Plane]:
    """All bands of all sensors in the order of their descriptions, on the finest grid (nearest neighbour)."""
    height = max(p.values.shape[-2] for p in pixels.values())
    width = max(p.values.shape[-1] for p in pixels.values())
    out = []
    for name in sorted(pixels):
        p = pixels[name]
        h, w = p.values.shape[-2:]
        rows, columns = (
            ((np.arange(height) * 2 + 1) * h) // (2 * height),
            ((np.arange(width) * 2 + 1) * w) // (2 * width),
        )
        for i, band in enumerate(p.bands):
            values, valid = p.values[:, :, i], p.valid[:, :, i]
            if (h, w) != (height, width):
                values, valid = values[..., rows[:, None], columns], valid[..., rows[:, None], columns]
            valid = valid & np.isfinite(values)
            out.append(
                _Plane(name, band, np.where(valid, values, 0).astype(np.float32), valid, np.asarray(p.day, float))
            )
    return sorted(out, key=lambda plane: describe(plane.band))


def _patches(a: np.ndarray, patch: int, fill: Any) -> np.ndarray:
    """(..., H, W) -> (..., h, w, patch * patch); the last patches are filled up."""
    height, width = a.shape[-2:]
    high, wide = min(patch, height), min(patch, width)
    h, w = -(-height // high), -(-width // wide)
    pad = [(0, 0)] * (a.ndim - 2) + [(0, h * high - height), (0, w * wide - width)]
    a = np.pad(a, pad, constant_values=fill) if any(p[1] for p in pad) else a
    a = a.reshape(*a.shape[:-2], h, high, w, wide)
    return np.moveaxis(a, -2, -3).reshape(*a.shape[:-4], h, w, high * wide)


def _position(b: int, t: int, h: int, w: int) -> np.ndarray:
    rows, columns = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    one = np.stack([rows, columns], -1).reshape(1, 1, h * w, 2)
    return np.broadcast_to(one, (b, t, h * w, 2)).reshape(b, t * h * w, 2).astype(np.float32)


class Statistics:
    """For each band of a patch, over its valid pixels and dates: mean, deviation, the 10th, 50th and 90th percentile, and
    how its mean goes through the year (deviation between dates, cosine and sine of the first harmonic).

    patch: pixels of a token's side; larger than the window is the window. Dates are pooled: T = 1. width 0: it is 8 a band,
    so it depends on what is given.
    """

    per_band = 2 + len(QUANTILES) + 3

    def __init__(self, patch: int = 8) -> None:
        self.patch, self.width, self.facts = int(patch), 0, None
        self.needs = Needs()

    @classmethod
    def example(cls) -> tuple[Statistics, Batch]:
        """One and a made Batch that suits it, for `swath.testing`."""
        return cls(patch=4), _example()

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """Tokens (B, h * w, 8 * bands); the same at every level. A band without a valid value in a patch gives zeros."""
        pixels, back = _numpy(batch)
        found, seen = [], None
        for plane in _planes(pixels):
            values, valid = _patches(plane.values, self.patch, 0), _patches(plane.valid, self.patch, False)
            found.append(_describe(values, valid, plane.day))
            there = valid.any((1, -1))
            seen = there if seen is None else seen | there
        values = np.concatenate(found, axis=-1)
        b, h, w, d = values.shape
        valid = np.asarray(seen).reshape(b, h * w)
        tokens = Tokens(
            back(values.reshape(b, h * w, d)), back(valid), back(np.full((b, h * w), np.nan)),
            back(_position(b, 1, h, w)), (1, h, w),
        )  # fmt: skip
        return [tokens for _ in levels]


def _describe(values: np.ndarray, valid: np.ndarray, day: np.ndarray) -> np.ndarray:
    """(B, T, h, w, n) of one band -> (B, h, w, 8)."""
    b, t, h, w, n = values.shape
    flat = np.moveaxis(values, 1, 3).reshape(b, h, w, t * n)
    good = np.moveaxis(valid, 1, 3).reshape(b, h, w, t * n)
    count = good.sum(-1)
    safe = np.maximum(count, 1)
    mean = (flat * good).sum(-1) / safe
    deviation = np.sqrt((np.square(flat - mean[..., None]) * good).sum(-1) / safe)
    parts = [mean, deviation]
    if t * n == 1:
        parts += [mean] * len(QUANTILES)
    else:
        ranked = np.sort(np.where(good, flat, np.inf), axis=-1)
        parts += [_quantile(ranked, count, q) for q in QUANTILES]
    return np.stack([*parts, *_season(values, valid, day)], axis=-1).astype(np.float32)


def _quantile(ranked: np.ndarray, count: np.ndarray, q: float) -> np.ndarray:
    at = q * np.maximum(count - 1, 0)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    a, b = (np.take_along_axis(ranked, i[..., None], -1)[..., 0] for i in (low, high))
    a, b = np.where(count > 0, a, 0.0), np.where(count > 0, b, 0.0)
    return np.asarray(a + (at - low) * (b - a))


def _season(values: np.ndarray, valid: np.ndarray, day: np.ndarray) -> list[np.ndarray]:
    """Deviation of a patch's mean between dates, and its first harmonic (cosine, sine), shrunk where dates are few."""
    count = valid.sum(-1)
    mean = (values * valid).sum(-1) / np.maximum(count, 1)
    there = (count > 0).astype(float)
    dates = np.maximum(there.sum(1), 1)
    centred = (mean - ((mean * there).sum(1) / dates)[:, None]) * there
    spread = np.sqrt(np.square(centred).sum(1) / dates)
    known = np.isfinite(day)[:, :, None, None] * there
    angle = 2 * np.pi * np.nan_to_num(day)[:, :, None, None] / _YEAR
    c, s = np.cos(angle) * known, np.sin(angle) * known
    cc, ss, cs = (c * c).sum(1) + 1.0, (s * s).sum(1) + 1.0, (c * s).sum(1)
    cy, sy = (c * centred).sum(1), (s * centred).sum(1)
    bottom = cc * ss - cs * cs
    return [spread, (ss * cy - cs * sy) / bottom, (cc * sy - cs * cy) / bottom]


class RandomConvolutions:
    """Filters of 3 x 3 and 5 x 5 pixels with random weights, a ReLU, and the mean over each patch, date by date.

    A filter's weights for a band are made from the band's description and the seed, so that order and number of bands
    are free (the idea: Rolf et al. 2021, "A generalizable and accessible approach to machine learning with global
    satellite imagery", there with patches of the data). filters: how many, half of each size. scaling: {description of a
    band: (mean, deviation)} as `measure` gives, else by quantity.
    """

    def __init__(
        self,
        filters: int = 64,
        patch: int = 8,
        seed: int = 0,
        scaling: Mapping[tuple[str, float, str, str], tuple[float, float]] | None = None,
    ) -> None:
        self.filters, self.patch, self.seed, self.width = int(filters), int(patch), int(seed), int(filters)
        self.scaling = dict(scaling or {})
        self.facts = None
        self.needs = Needs()
        random = np.random.default_rng([self.seed, 1])
        self.threshold = random.normal(0, 0.5, self.filters).astype(np.float32)

    @classmethod
    def example(cls) -> tuple[RandomConvolutions, Batch]:
        """One and a made Batch that suits it, for `swath.testing`."""
        return cls(filters=12, patch=4), _example()

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """Tokens (B, T * h * w, filters); sensors one after another in T; the same at every level.

        Values that are not valid count as the mean; a token is valid where a value of its patch is.
        """
        pixels, back = _numpy(batch)
        planes = _planes(pixels)
        parts, seen, days = [], [], []
        for name in sorted(pixels):
            mine = [p for p in planes if p.sensor == name]
            values, valid = self._filter(mine)
            parts.append(values)
            seen.append(valid)
            days.append(np.asarray(mine[0].day))
        values, valid, day = np.concatenate(parts, 1), np.concatenate(seen, 1), np.concatenate(days, 1)
        b, t, h, w, d = values.shape
        tokens = Tokens(
            back(values.reshape(b, t * h * w, d)), back(valid.reshape(b, -1)), back(np.repeat(day, h * w, axis=1)),
            back(_position(b, t, h, w)), (t, h, w),
        )  # fmt: skip
        return [tokens for _ in levels]

    def measure(self, batch: Batch) -> RandomConvolutions:
        """The same filters, scaled by the mean and deviation of these values."""
        scaling = {}
        for plane in _planes(_numpy(batch)[0]):
            values = _in_db(plane)[plane.valid]
            if len(values):
                scaling[describe(plane.band)] = (float(values.mean()), float(max(values.std(), 1e-6)))
        return RandomConvolutions(self.filters, self.patch, self.seed, scaling)

    def _filter(self, planes: list[_Plane]) -> tuple[np.ndarray, np.ndarray]:
        """(B, T, h, w, filters) and valid (B, T, h, w) of one sensor."""
        b, t, height, width = planes[0].values.shape
        scaled = np.stack([self._scaled(p) for p in planes], axis=2).reshape(b * t, len(planes), height, width)
        weights = [_weights(p.band, self.filters, self.seed) for p in planes]
        seen = np.asarray(np.any([p.valid for p in planes], axis=0))
        valid = _patches(seen, self.patch, False).astype(np.float32)
        share = valid / np.maximum(valid.sum(-1, keepdims=True), 1)
        half = self.filters // 2
        out = np.empty((b * t, *valid.shape[2:4], self.filters), np.float32)
        for i, image in enumerate(scaled):
            for side, first, last in ((3, 0, half), (5, half, self.filters)):
                kernel = np.stack([w[side][first:last] for w in weights], axis=1).reshape(last - first, -1)
                kernel = kernel / math.sqrt(kernel.shape[1])
                answer = np.maximum(kernel @ _neighbours(image, side) - self.threshold[first:last, None], 0)
                tiles = _patches(answer.reshape(last - first, height, width), self.patch, 0.0)
                out[i, ..., first:last] = np.einsum("fhwn,hwn->hwf", tiles, share[i // t, i % t])
        return out.reshape(b, t, *out.shape[1:]), np.asarray(valid.any(-1))

    def _scaled(self, plane: _Plane) -> np.ndarray:
        mean, deviation = self.scaling.get(describe(plane.band)) or _LIKE.get(plane.band.quantity, (0.0, 1.0))
        return np.where(plane.valid, np.clip((_in_db(plane) - mean) / deviation, -6, 6), 0).astype(np.float32)


def _in_db(plane: _Plane) -> np.ndarray:
    if plane.band.quantity == "backscatter" and plane.band.units != "dB":
        return np.asarray(10 * np.log10(np.maximum(plane.values, 1e-6)))
    return plane.values


def _weights(band: Band, filters: int, seed: int) -> dict[int, np.ndarray]:
    """{3: (filters, 9), 5: (filters, 25)} of a band, from its description and the seed alone."""
    text = repr((*describe(band), seed)).encode()
    random = np.random.default_rng(np.frombuffer(hashlib.sha256(text).digest()[:16], np.uint32))
    return {side: random.normal(size=(filters, side * side)).astype(np.float32) for side in (3, 5)}


def _neighbours(image: np.ndarray, side: int) -> np.ndarray:
    """(C, H, W) -> (C * side * side, H * W); beyond the edge the mean."""
    c, height, width = image.shape
    reach = side // 2
    wide = np.pad(image, ((0, 0), (reach, reach), (reach, reach)))
    view = np.lib.stride_tricks.sliding_window_view(wide, (height, width), axis=(1, 2))
    return np.ascontiguousarray(view).reshape(c * side * side, height * width)


def _example() -> Batch:
    from swath.earth.sensor import sensor

    random = np.random.default_rng(0)
    bands = tuple(replace(b, quantity="reflectance") for b in sensor("sentinel-2a-l2a").bands[:4])
    values = random.uniform(0, 0.5, (3, 5, 4, 10, 8)).astype(np.float32)
    day = np.tile(18_000.0 + 40 * np.arange(5), (3, 1))
    return Batch(
        {
            "sentinel-2a-l2a": Pixels(
                values, random.random(values.shape) < 0.8, bands, 10.0, day, np.full((3, 2), np.nan)
            )
        }
    )
