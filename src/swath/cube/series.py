"""A file whose bands are the dates of one band, seen as a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swath.cube.lazy import Source
from swath.cube.sources import coarse

__all__ = ["Turned"]


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
