"""Files whose bands are dates, seen as series: of one band, or of several as swath itself writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swath.cube.lazy import Source
from swath.cube.sources import coarse

__all__ = ["Folded", "Turned"]


@dataclass(frozen=True)
class Turned:
    """The bands of a one-date source as the dates of one band."""

    source: Source

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, 1, H, W)."""
        _, b, h, w = self.source.shape
        return b, 1, h, w

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return self.source.dtype

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window of each date."""
        found = self.source.read([0], list(dates), rows, columns)[0][:, None]
        return np.repeat(found, len(bands), axis=1) if len(bands) != 1 else found

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        found: np.ndarray = coarse(self.source, [0], list(dates), height, width)[0][:, None]
        return found


@dataclass(frozen=True)
class Folded:
    """A one-date source of dates x bands, date by date, as so many dates of so many bands."""

    source: Source
    dates: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        _, b, h, w = self.source.shape
        return self.dates, b // self.dates, h, w

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return self.source.dtype

    def _flat(self, dates: Sequence[int], bands: Sequence[int]) -> list[int]:
        count = self.shape[1]
        return [d * count + b for d in dates for b in bands]

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window of each date and band."""
        found = self.source.read([0], self._flat(dates, bands), rows, columns)[0]
        out: np.ndarray = found.reshape(len(dates), len(bands), *found.shape[1:])
        return out

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        found = coarse(self.source, [0], self._flat(dates, bands), height, width)[0]
        out: np.ndarray = found.reshape(len(dates), len(bands), *found.shape[1:])
        return out
