"""Prithvi-EO 1.0 and 2.0: masked autoencoders of six-band series from Landsat and Sentinel-2 at 30 m, as an Encoder.

Sizes, names and layouts as published (Jakubik et al. 2023, arXiv 2310.18660; Szwarcman et al. 2024, arXiv 2412.02732).
Reflectances go in; they are scaled here with the mean and deviation of the weights. Global attention: the encoder is
always run in a window of its own, tiled does not equal whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.batch import Batch, Needs, Pixels, Tokens, array
from swath.errors import BandError, SwathError, UnitError
from swath.models.bands import columns
from swath.models.block_names import speaks_published
from swath.models.prithvi_files import BANDS, LEVELS, SIZES, SOURCE, STATISTICS, guess, named, picked, wanted
from swath.models.prithvi_input import calendar, place_of
from swath.models.prithvi_net import Decoder, Encoder, Rebuilt, Shape, lost, order_of, patchify, unpatchify
from swath.models.weights import Facts, load_strict, state

__all__ = ["Prithvi", "Seen"]

QUANTITIES = ("reflectance", "toa_reflectance", "index")
_SCALE = 10_000.0  # the statistics are of reflectance x 10,000
_NODATA = 1e-4  # what a missing value is after scaling, as in the publisher's inference
_TOO_LARGE = 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A Batch as the network reads it: x (B, C, T, H, W) scaled and padded to whole patches, valid alike, time (B, T, 2)
    year and day of the year, place (B, 2) latitude and longitude; sensor and columns: where the bands came from.
    """

    x: Tensor
    valid: Tensor
    time: Tensor
    place: Tensor
    sensor: str
    columns: list[int]


class Prithvi(nn.Module):
    """The Encoder, with the decoder it was trained with.

    size: one of `prithvi_files.SIZES`; changes: fields of Shape that differ from it (eps, frames, image, codes ...).
    bands: those it reads, in order; names of BANDS are found by wavelength, others by name. statistics: {"mean",
    "deviation"} of reflectance x 10,000, a number a band, where they are not the published ones.
    """

    def __init__(
        self,
        size: str = "tiny",
        *,
        bands: Sequence[str] = tuple(BANDS),
        statistics: Mapping[str, Any] | None = None,
        chunk: int = 8,
        **changes: Any,
    ) -> None:
        super().__init__()
        if size not in SIZES or (unknown := set(changes) - {f.name for f in fields(Shape)}):
            got = size if size not in SIZES else f"{', '.join(sorted(unknown))}"
            known = SIZES if size not in SIZES else [f.name for f in fields(Shape)]
            raise SwathError(rule="a Prithvi has a known size and known fields", got=got, remedy=", ".join(known))
        changes = {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
        self.shape = replace(SIZES[size], **changes)
        self.bands = tuple(bands)
        self.size, self.chunk = size, chunk
        self.config: dict[str, Any] = {"size": size, "bands": list(self.bands), **changes}
        self.statistics = dict(statistics) if statistics else _published_statistics(size, self.bands)
        self.facts: Facts | None = None
        self.width, self.patch = self.shape.dim, self.shape.patch
        side = self.shape.image if isinstance(self.shape.image, int) else min(self.shape.image)
        last = LEVELS.get(self.shape.depth) or tuple(
            sorted({max(0, self.shape.depth * i // 4 - 1) for i in range(1, 5)})
        )
        self.needs = Needs(quantity=QUANTITIES, size=side // self.patch * self.patch, levels=last)
        self.encoder = Encoder(self.shape, len(self.bands))
        self.decoder = Decoder(self.shape, len(self.bands))
        speaks_published(self)

    @classmethod
    def read(cls, path: str | Path, size: str | None = None, **config: Any) -> Prithvi:
        """Weights as published: with or without the prefixes of 2.0, or of a fine-tuned file (`_timm_module.`).

        size: recognised by its widths when not given. config: as for the class; other bands take the columns of the file
        that they are named after, new ones fresh values. Position tables are made anew, for any number of dates.
        Raises FormatError that lists missing, extra and reshaped keys.
        """
        tensors = named(state(path))
        size = guess(tensors) if size is None else size
        model = cls(size, **config)
        own = model.state_dict()
        for key in ("encoder.pos_embed", "decoder.decoder_pos_embed"):
            if key in tensors and tensors[key].ndim == 3 and tensors[key].shape[-1] == own[key].shape[-1]:
                tensors[key] = own[key]
        load_strict(model, picked(tensors, own, model.bands), name=f"prithvi:{size}")
        model.facts = Facts(
            model=f"prithvi:{size}",
            config=model.config,
            statistics=model.statistics,
            quantity=QUANTITIES[:2],
            bands=model.bands,
            gsd=(10.0, 60.0),
            trained_on="Harmonized Landsat Sentinel-2 series at 30 m",
            licence="Apache-2.0",
            source=SOURCE.get(size, ""),
        )
        return model.eval()

    @classmethod
    def example(cls) -> tuple[Prithvi, Batch]:
        """A small one with random weights, and a made Batch that suits it."""
        from swath.earth.sensor import sensor

        rng = np.random.default_rng(0)
        names = ("B02", "B03", "B04", "B05", "B06", "B07")
        bands = tuple(b for b in sensor("hls-l30").bands if b.name in names)
        values = rng.uniform(0, 0.5, (3, 2, 6, 16, 24)).astype(np.float32)
        valid = rng.random(values.shape) < 0.8
        valid[0, :, :, :8, :8] = False
        day = np.tile(18_000.0 + 40 * np.arange(2), (3, 1))
        day[1, 1] = np.nan
        lonlat = np.array([[8.5, 47.3], [np.nan, np.nan], [-70.75, -12.25]])
        batch = Batch({"hls-l30": Pixels(values, valid, bands, 30.0, day, lonlat)})
        small = {"dim": 32, "depth": 2, "heads": 4, "patch": 8, "frames": 3, "image": 32, "decoder_dim": 32,
                 "decoder_depth": 1, "decoder_heads": 4}  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(**small, codes=("time", "place")).eval(), batch

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """Tokens of T x h x w patches at each asked block, without the class token; the last level is normed.

        NumPy in, NumPy out (no gradients). A token is valid where any of its pixels is. Pixels beyond the last whole
        patch are padded and not valid. Raises BandError, UnitError, SwathError.
        """
        plain = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        depth = self.shape.depth
        if any(not -depth <= level < depth for level in levels):
            raise SwathError(
                rule=f"levels are numbers of the {depth} blocks", got=str(list(levels)), remedy="-1 is the last"
            )
        seen = self.seen(batch)
        b, _, t, high, wide = seen.x.shape
        h, w = high // self.patch, wide // self.patch
        kept: list[list[Tensor]] = [[] for _ in levels]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not plain):
            for part in (slice(i, i + self.chunk) for i in range(0, b, self.chunk)):
                found = self.encoder(seen.x[part], seen.time[part], seen.place[part], levels)
                for out, rows_of in zip(kept, found, strict=True):
                    out.append(rows_of[:, 1:])
        valid = patchify(seen.valid, self.patch).any(-1)
        day = batch.pixels[seen.sensor].day
        day = torch.as_tensor(day).to(valid.device).repeat_interleave(h * w, 1)
        rows, cols = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        position = torch.stack([rows, cols], -1).reshape(1, 1, h * w, 2).expand(b, t, -1, -1).reshape(b, -1, 2)
        tokens = [Tokens(torch.cat(v), valid, day, position.to(valid.device), (t, h, w)) for v in kept]
        if not plain:
            return tokens
        return [Tokens(array(k.values), array(k.valid), array(k.day), array(k.position), k.shape) for k in tokens]

    def forward(self, batch: Batch, hidden: Tensor | None = None) -> Tensor:
        """What it takes all pixels to be: (B, T, C, H, W), scaled as `scaled` gives. hidden (B, N) bool: patches that it
        is not shown; by default those that hold no valid value.
        """
        seen = self.seen(batch)
        hidden = ~patchify(seen.valid, self.patch).any(-1) if hidden is None else hidden
        rebuilt = self.mae(seen.x, seen.time, seen.place, hidden=hidden)
        x = unpatchify(rebuilt.prediction, self.patch, tuple(seen.x.shape[2:]))  # type: ignore[arg-type]
        size = batch.pixels[seen.sensor].values.shape[-2:]
        return x[..., : size[0], : size[1]].movedim(1, 2)

    def mae(
        self,
        x: Tensor,
        time: Tensor | None = None,
        place: Tensor | None = None,
        *,
        ratio: float = 0.75,
        noise: Tensor | None = None,
        hidden: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> Rebuilt:
        """Hide patches, encode the others, say all pixels: of scaled x (B, C, T, H, W).

        ratio: the int(N * (1 - ratio)) tokens of lowest noise are kept, 0 hides none. noise (B, N): uniform when not
        given. hidden (B, N) bool: just these, in the stead of ratio and noise. valid (B, C, T, H, W) bool: the loss is
        the mean square over values that are hidden and valid; 0 where there are none.
        """
        if not 0.0 <= ratio <= 1.0:
            raise SwathError(rule="a ratio lies between 0 and 1", got=str(ratio), remedy="0.75 hides three of four")
        rows, first, grid = self.encoder.tokens(x, time, place)
        b, n = rows.shape[:2]
        counts = None
        if hidden is None:
            noise = torch.rand(b, n, device=x.device) if noise is None else noise.to(x.device)
            order, restore = order_of(noise)
            keep = int(n * (1 - ratio))
            hidden = restore >= keep
        else:
            hidden = hidden.to(x.device)
            order, restore = order_of(hidden.to(torch.float32))
            shown = (~hidden).sum(1)
            keep = int(shown.max())
            counts = None if bool((shown == keep).all()) else shown
        latent = self.encoder.some(rows, first, order[:, :keep], counts)
        prediction = self.decoder(latent, restore, grid, time, place, counts)
        cut = x[..., : grid[1] * self.patch, : grid[2] * self.patch]
        counted = None if valid is None else patchify(valid[..., : cut.shape[-2], : cut.shape[-1]], self.patch)
        loss = lost(prediction, patchify(cut, self.patch), hidden, counted)
        return Rebuilt(latent, hidden, restore, prediction, loss)

    def scaled(self, batch: Batch) -> Tensor:
        """Values of its bands in deviations from the mean: (B, T, C, H, W); about 0 where not valid."""
        seen = self.seen(batch)
        size = batch.pixels[seen.sensor].values.shape[-2:]
        return seen.x[..., : size[0], : size[1]].movedim(1, 2)

    def physical(self, values: Tensor) -> Tensor:
        """The inverse of `scaled`: (B, T, C, H, W) in the bands' own units."""
        mean, deviation = self._statistics(values.device)
        return (values * deviation[:, None, None] + mean[:, None, None]) / _SCALE

    def fill(self, batch: Batch, draws: int = 1) -> dict[str, Tensor | np.ndarray]:
        """Every value as the network says it, without gradients: {sensor: (1, B, T, C, H, W)} in the bands' own units.

        Patches with any value that is not valid are hidden from it. Bands it does not know are NaN; a batch of one date
        after another is the same. One draw: it is a regressor.
        """
        plain = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        with torch.no_grad():
            seen = self.seen(batch)
            pixels = batch.pixels[seen.sensor]
            high, wide = pixels.values.shape[-2:]
            given = torch.ones_like(seen.valid)
            given[..., :high, :wide] = seen.valid[..., :high, :wide]
            hidden = ~patchify(given, self.patch).all(-1)
            said = self.physical(self(batch, hidden))
        out = torch.full((1, *pixels.values.shape), math.nan, device=said.device)
        out[0, :, :, seen.columns] = said.float()
        return {seen.sensor: array(out) if plain else out}

    def seen(self, batch: Batch) -> Seen:
        """What the network is given of a Batch. Raises BandError, UnitError, SwathError."""
        sensor, at = self._found(batch)
        pixels = batch.pixels[sensor]
        device = self.encoder.cls_token.device
        values = torch.as_tensor(pixels.values)[:, :, at].to(device).movedim(2, 1).float()
        valid = torch.as_tensor(pixels.valid)[:, :, at].to(device).movedim(2, 1)
        valid = valid & torch.isfinite(values)
        self._plausible(values, valid, [pixels.bands[i].quantity for i in at], sensor)
        mean, deviation = (s[:, None, None, None] for s in self._statistics(device))
        x = (torch.where(valid, values, 0.0) * _SCALE - mean) / deviation
        x = torch.where(valid, x, torch.tensor(_NODATA, device=device))
        down, right = (-int(n) % self.patch for n in x.shape[-2:])
        if down or right:
            x = functional.pad(x, (0, right, 0, down, 0, 0), mode="replicate")
            valid = functional.pad(valid, (0, right, 0, down))
        place = place_of(torch.as_tensor(pixels.lonlat)).to(device)
        return Seen(x, valid, calendar(torch.as_tensor(pixels.day)).to(device), place, sensor, at)

    def _found(self, batch: Batch) -> tuple[str, list[int]]:
        """The sensor that has all bands, and where they are."""
        lacking: list[str] = list(self.bands)
        for sensor, pixels in batch.pixels.items():
            at = columns(pixels.bands, wanted(self.bands))
            missing = [name for name, i in zip(self.bands, at, strict=True) if i is None]
            if not missing:
                found = [i for i in at if i is not None]
                wrong = sorted({pixels.bands[i].quantity for i in found} - set(QUANTITIES))
                if wrong:
                    raise UnitError(
                        rule="Prithvi reads reflectance",
                        got=f"{', '.join(wrong)} of {sensor}",
                        remedy="settle the units with --scale and --offset (Sentinel-2 from 2022 on: --offset -1000)",
                    )
                return sensor, found
            lacking = min(lacking, missing, key=len)
        have = [b.name for p in batch.pixels.values() for b in p.bands]
        raise BandError(
            rule=f"Prithvi needs the bands {', '.join(self.bands)}",
            got=f"no {', '.join(lacking)} among {', '.join(have)}",
            remedy="open the scene with these bands, or read the weights with bands= that it has",
        )

    def _plausible(self, values: Tensor, valid: Tensor, quantities: list[str], sensor: str) -> None:
        """Reflectances lie near 0 to 1; digital numbers that were called so are found out."""
        light = torch.tensor([q != "index" for q in quantities], device=values.device)
        some = values[:, light][valid[:, light]]
        if len(some) and float(some.abs().median()) > _TOO_LARGE:
            raise UnitError(
                rule="reflectance lies near 0 to 1",
                got=f"a median of {float(some.abs().median()):.4g} in {sensor}",
                remedy="these look like digital numbers: open the scene with --scale 0.0001",
            )

    def _statistics(self, device: torch.device) -> tuple[Tensor, Tensor]:
        mean, deviation = (torch.tensor(self.statistics.get(k, ()), dtype=torch.float32) for k in ("mean", "deviation"))
        if len(mean) != len(self.bands) or len(deviation) != len(self.bands) or not bool(torch.isfinite(mean).all()):
            raise SwathError(
                rule="every band has a mean and a deviation",
                got=f"{self.statistics or 'none'} for {', '.join(self.bands)}",
                remedy="give statistics= with a number for each band (of reflectance x 10,000)",
            )
        return mean.to(device), deviation.to(device)


def _published_statistics(size: str, bands: Sequence[str]) -> dict[str, list[float]]:
    known = STATISTICS["v1" if size.startswith("v1") else "v2"]
    at = [list(BANDS).index(b) if b in BANDS else None for b in bands]
    return {name: [math.nan if i is None else row[i] for i in at] for name, row in known.items()}
