"""Nereus (OceanSAR-1): a ResNet-50 over VV backscatter of the sea, read from its published file.

Source: arXiv 2504.06962; the model card of OceanSAR-1 (Apache-2.0) names the layout, that of Transformers' ResNetModel.
How amplitudes were scaled before the network is on no card. Here backscatter goes in as dB, with a mean and deviation
that are arguments: those of the published weights are not known, so their features are unchecked on real vignettes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from swath.batch import Batch, Needs, Pixels, Tokens
from swath.errors import BandError, FormatError
from swath.models.bands import Wanted, columns
from swath.models.weights import Facts, check, load_strict, state

__all__ = ["Nereus"]

RADAR = ("VV",)
POLARISATIONS = ("VV", "VH", "HH", "HV")


class _Conv(nn.Module):
    """Convolution, batch norm and, where asked, ReLU, by the published names."""

    def __init__(self, inside: int, out: int, side: int, stride: int = 1, *, bend: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inside, out, side, stride, side // 2, bias=False)
        self.normalization = nn.BatchNorm2d(out)
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        x = self.normalization(self.convolution(x))
        return functional.relu(x) if self.bend else x


class _Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1; and a shortcut."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        m = out // 4
        self.shortcut = _Conv(inside, out, 1, stride, bend=False) if stride != 1 or inside != out else nn.Identity()
        self.layer = nn.Sequential(_Conv(inside, m, 1), _Conv(m, m, 3, stride), _Conv(m, out, 1, bend=False))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.layer(x) + self.shortcut(x))


class _Stage(nn.Module):
    def __init__(self, inside: int, out: int, depth: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[_Bottleneck(inside if i == 0 else out, out, stride if i == 0 else 1) for i in range(depth)]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class _Embedder(nn.Module):
    """The stem: 7x7 with stride 2, then the largest of 3x3 with stride 2."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.embedder = _Conv(channels, width, 7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(self.embedder(x), 3, 2, 1)


class _Encoder(nn.Module):
    def __init__(self, embedding: int, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        inside = (embedding, *widths)
        self.stages = nn.ModuleList(
            _Stage(inside[i], widths[i], depths[i], 1 if i == 0 else 2) for i in range(len(widths))
        )


class Nereus(nn.Module):
    """The Encoder. bands: polarisations, or colours for a small one of one's own; embedding, widths, depths: its size, by
    default that of ResNet-50 (23,501,760 parameters). mean, deviation: what values (backscatter in dB) are scaled
    with, one of each band. Levels are its stages; (B, 1, 256, 256) gives maps of 8 x 8 and 2,048 numbers.
    """

    def __init__(
        self,
        bands: Sequence[str] = RADAR,
        *,
        embedding: int = 64,
        widths: Sequence[int] = (256, 512, 1024, 2048),
        depths: Sequence[int] = (3, 4, 6, 3),
        mean: Sequence[float] = (-12.0,),
        deviation: Sequence[float] = (5.0,),
        quantity: Sequence[str] = ("backscatter",),
        statistics: Any = None,
    ) -> None:
        super().__init__()
        self.config = {
            "bands": list(bands), "embedding": embedding, "widths": list(widths), "depths": list(depths),
            "mean": list(mean), "deviation": list(deviation), "quantity": list(quantity),
        }  # fmt: skip
        if not len(bands) == len(mean) == len(deviation):
            raise BandError(
                rule="every band has a mean and a deviation",
                got=f"{len(bands)} bands, {len(mean)} means, {len(deviation)} deviations",
                remedy="give one of each",
            )
        self.embedder = _Embedder(len(bands), embedding)
        self.encoder = _Encoder(embedding, widths, depths)
        self.bands, self.width, self.patch = tuple(bands), int(widths[-1]), 4 * 2 ** (len(widths) - 1)
        self.mean, self.deviation = tuple(mean), tuple(deviation)
        self.facts: Facts | None = None
        self.needs = Needs(bands=self.bands, quantity=tuple(quantity), dates=(1, 1), levels=tuple(range(len(widths))))

    @classmethod
    def read(cls, path: str | Path, **config: Any) -> Nereus:
        """The published ResNet-50, bare or inside a model with a head (prefix `resnet.`), every key and shape as expected.

        Raises FormatError that lists what is missing, extra or reshaped; BandError for another number of channels.
        """
        tensors = state(path)
        if any(key.startswith("resnet.") for key in tensors):
            extra = [k for k in tensors if not k.startswith(("resnet.", "classifier."))]
            if extra:
                raise FormatError(
                    rule="a file with a head has `resnet.` and `classifier.` only",
                    got=f"{Path(path).name} with {', '.join(extra[:5])}",
                    remedy="name the published file",
                )
            tensors = {k.removeprefix("resnet."): v for k, v in tensors.items() if k.startswith("resnet.")}
        model = cls(**config)
        stem = tensors.get("embedder.embedder.convolution.weight")
        if stem is not None and stem.ndim == 4 and stem.shape[1] != len(model.bands):
            raise BandError(
                rule=f"this network reads {len(model.bands)} channel{'s' * (len(model.bands) > 1)} ({', '.join(model.bands)})",
                got=f"weights of {stem.shape[1]} channels in {Path(path).name}",
                remedy="name the file of one channel, VV",
            )
        load_strict(model, tensors, name="nereus")
        return model.eval()

    @classmethod
    def example(cls) -> tuple[Nereus, Batch]:
        """A small one with random weights and a made Batch that suits it, for `swath.testing`."""
        from swath.datasets.sea import sea

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = cls(embedding=8, widths=(16, 32), depths=(1, 1)).eval()
        batch = sea(3, seed=0, size=32).batch
        pixels = next(iter(batch.pixels.values()))
        valid = pixels.valid.copy()
        valid[:, :, :, :6, :5] = False
        return model, replace(batch, pixels={"sentinel-1-wave": replace(pixels, valid=valid)})

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """Tokens (B, h * w, D) of each asked stage; NumPy in, NumPy out (no gradients).

        Raises UnitError for other quantities, BandError for missing bands or several dates.
        """
        check(batch, replace(self.needs, bands=()), name="nereus")
        plain = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not plain):
            x, valid, day = self._input(batch.to(str(next(self.parameters()).device)))
            maps = self.maps(x)
        found = []
        for level in levels:
            values = maps[level]
            b, _, h, w = values.shape
            seen = functional.adaptive_max_pool2d(valid.float()[:, None], (h, w))[:, 0].reshape(b, -1) > 0
            rows, columns_ = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
            position = torch.stack([rows, columns_], -1).reshape(1, -1, 2).expand(b, -1, -1)
            tokens = values.flatten(2).transpose(1, 2)
            found.append(Tokens(tokens, seen, day.expand(-1, h * w), position, (1, h, w)))
        if not plain:
            return found
        return [Tokens(t.values.numpy(), t.valid.numpy(), t.day.numpy(), t.position.numpy(), t.shape) for t in found]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Scaled values (B, C, H, W) -> maps (B, D, h, w) of every stage. Raises BandError for another number of channels."""
        if x.shape[1] != len(self.bands):
            raise BandError(
                rule=f"this network reads {', '.join(self.bands)}",
                got=f"{x.shape[1]} channels",
                remedy="choose them with --bands",
            )
        x = self.embedder(x)
        out = []
        for stage in self.encoder.stages:
            x = stage(x)
            out.append(x)
        return out

    def pooled(self, x: Tensor) -> Tensor:
        """Scaled values (B, C, H, W) -> (B, D), the mean of the last map."""
        return self.maps(x)[-1].mean((2, 3))

    def _input(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled values (B, C, H, W), 0 where not valid; where any band is (B, H, W); day (B, 1)."""
        pixels, at = _chosen(batch, self.bands)
        if pixels.values.shape[1] != 1:
            raise BandError(
                rule="nereus reads one date", got=f"{pixels.values.shape[1]} dates", remedy="choose one with --dates"
            )
        values, valid = pixels.values[:, 0][:, at], pixels.valid[:, 0][:, at]
        parts = []
        for i, j in enumerate(at):
            v, band = torch.where(valid[:, i], values[:, i], 0.0), pixels.bands[j]
            if band.quantity == "backscatter" and band.units != "dB":
                v = 10.0 * torch.log10(v.clamp(min=1e-5))
            parts.append(torch.where(valid[:, i], ((v - self.mean[i]) / self.deviation[i]).clamp(-6, 6), 0.0))
        return torch.stack(parts, 1), valid.any(1), pixels.day


def _chosen(batch: Batch, names: Sequence[str]) -> tuple[Pixels, list[int]]:
    """The sensor that has the bands, and which they are. Raises BandError where none has them all."""
    wanted = [Wanted(name, polarisation=name if name in POLARISATIONS else "") for name in names]
    lacking: list[str] = []
    for pixels in batch.pixels.values():
        at = columns(pixels.bands, wanted)
        if None not in at:
            return pixels, [i for i in at if i is not None]
        lacking = [name for name, i in zip(names, at, strict=True) if i is None]
    raise BandError(
        rule=f"nereus reads {', '.join(names)}", got=f"no {', '.join(lacking)}", remedy="choose another encoder"
    )
