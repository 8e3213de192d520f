"""Values in deviations from the mean of their band, for learners that bring no statistics of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.errors import BandError

__all__ = ["Standardise"]


@dataclass(frozen=True, slots=True)
class Standardise:
    """Mean and deviation by sensor and band, measured on training data: (value - mean) / deviation.

    mean, deviation: {sensor: {band: number in the band's unit}}. What comes out is quantity `other` of unit `1`, so that
    nobody takes it for physical values; `undo` gives those back.
    """

    mean: dict[str, dict[str, float]]
    deviation: dict[str, dict[str, float]]

    @classmethod
    def fit(cls, batches: Sequence[Batch]) -> Standardise:
        """Measure on NumPy batches; only valid values count. A band without any, or without spread, has deviation 1."""
        sums: dict[str, dict[str, np.ndarray]] = {}
        for batch in batches:
            for name, p in batch.pixels.items():
                for i, band in enumerate(p.bands):
                    values = p.values[:, :, i][p.valid[:, :, i]].astype(np.float64)
                    part = np.array([len(values), values.sum(), np.square(values).sum()])
                    known = sums.setdefault(name, {})
                    known[band.name] = known.get(band.name, np.zeros(3)) + part
        mean = {
            name: {b: float(s[1] / s[0]) if s[0] else 0.0 for b, s in bands.items()} for name, bands in sums.items()
        }
        deviation = {name: {b: _spread(s, mean[name][b]) for b, s in bands.items()} for name, bands in sums.items()}
        return cls(mean, deviation)

    def __call__(self, batch: Batch) -> Batch:
        """The Batch in deviations; not valid stays not valid. Raises BandError for a band that was not measured."""
        return replace(batch, pixels={name: self._turn(name, p) for name, p in batch.pixels.items()})

    def undo(self, values: np.ndarray, sensor: str, bands: Sequence[str]) -> np.ndarray:
        """Deviations (..., C, H, W) of one sensor back in physical units."""
        mean, deviation = self._of(sensor, bands)
        return np.asarray(values * deviation[:, None, None] + mean[:, None, None], np.float32)

    def _turn(self, name: str, p: Pixels) -> Pixels:
        mean, deviation = self._of(name, [b.name for b in p.bands])
        values = np.where(p.valid, p.values, 0.0)
        values = np.where(p.valid, (values - mean[:, None, None]) / deviation[:, None, None], 0.0)
        bands = tuple(replace(b, quantity="other", units="1") for b in p.bands)
        return replace(p, values=values.astype(np.float32), bands=bands)

    def _of(self, sensor: str, bands: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        missing = [b for b in bands if b not in self.mean.get(sensor, {})]
        if missing:
            raise BandError(
                rule=f"bands of {sensor} were measured before they are standardised",
                got=f"{missing} were not; known are {list(self.mean.get(sensor, {}))}",
                remedy="fit on batches with these bands, and keep the sensors' names",
            )
        pairs = ([kind[sensor][b] for b in bands] for kind in (self.mean, self.deviation))
        mean, deviation = (np.array(values, np.float64) for values in pairs)
        return mean, deviation

    def to_json(self) -> dict[str, Any]:
        """Plain numbers for a file."""
        return {"mean": self.mean, "deviation": self.deviation}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Standardise:
        """The inverse of `to_json`."""
        return cls(record["mean"], record["deviation"])


def _spread(sums: np.ndarray, mean: float) -> float:
    variance = sums[2] / sums[0] - mean * mean if sums[0] else 0.0
    return float(np.sqrt(variance)) if variance > 1e-12 * max(1.0, mean * mean) else 1.0
