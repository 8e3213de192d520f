"""Speckle: the grain of radar, multiplied onto backscatter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from swath.batch import Batch
from swath.errors import SwathError

__all__ = ["Speckle"]


@dataclass(frozen=True, slots=True)
class Speckle:
    """Multiply backscatter by gamma-distributed noise of mean 1 and variance 1 / looks; in dB it is added.

    Other quantities and values that are not valid stay as they are. Source: Ulaby and Long 2014, Microwave Radar and
    Radiometric Remote Sensing, chapter 5. Raises SwathError for looks that are not above 0.
    """

    looks: float = 4.0

    def __post_init__(self) -> None:
        if not self.looks > 0:
            raise SwathError(rule="speckle has more than 0 looks", got=str(self.looks), remedy="4 is usual")

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """A new NumPy Batch; the given one stays as it is."""
        pixels = {}
        for name, p in batch.pixels.items():
            radar = [i for i, band in enumerate(p.bands) if band.quantity == "backscatter"]
            if not radar:
                pixels[name] = p
                continue
            values = np.array(p.values)
            for i in radar:
                part = values[:, :, i]
                factor = rng.gamma(self.looks, 1 / self.looks, part.shape).clip(1e-6).astype(part.dtype)
                noisy = part + 10 * np.log10(factor) if p.bands[i].units == "dB" else part * factor
                values[:, :, i] = np.where(p.valid[:, :, i], noisy, part)
            pixels[name] = replace(p, values=values)
        return replace(batch, pixels=pixels)
