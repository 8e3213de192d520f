"""A person's own series, what is said of hidden or future values, and what says it: the three nouns of fill and forecast.

N series (pixels, points) of T dates and C bands, each band in its own unit. Dates may differ between series.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from swath.earth.sensor import Band
from swath.errors import SwathError

__all__ = ["Forecaster", "Said", "Series"]


@dataclass(frozen=True)
class Series:
    """Series in physical values.

    values (N, T, C) float32 (anything where not valid), valid (N, T, C) bool, day (N, T) float64 days since 1970,
    not falling along T; place (N,) str: what a split moves as a whole; bands: C of Band.
    """

    values: np.ndarray
    valid: np.ndarray
    day: np.ndarray
    place: np.ndarray
    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        n, t, c = np.shape(self.values)
        for name, shape in (("valid", (n, t, c)), ("day", (n, t)), ("place", (n,))):
            if np.shape(getattr(self, name)) != shape:
                raise SwathError(
                    rule=f"{name} of series {(n, t, c)} has the shape {shape}",
                    got=str(np.shape(getattr(self, name))),
                    remedy="one row for each series",
                )
        if len(self.bands) != c:
            raise SwathError(
                rule=f"{c} bands are described",
                got=f"{len(self.bands)} Bands",
                remedy="a Band for each column of values",
            )

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, which: np.ndarray) -> Series:
        """Some of the series: indices or a mask of N."""
        return replace(
            self,
            values=self.values[which],
            valid=self.valid[which],
            day=self.day[which],
            place=np.asarray(self.place)[which],
        )

    def dates(self, which: np.ndarray | slice) -> Series:
        """Some of the dates, the same columns of every series: indices, a mask of T, or a slice."""
        return replace(self, values=self.values[:, which], valid=self.valid[:, which], day=self.day[:, which])

    def without(self, asked: np.ndarray) -> Series:
        """The same with the asked values hidden: (N, T) or (N, T, C) bool; they are NaN and not valid."""
        gone = np.asarray(asked, bool)
        gone = gone[..., None] if gone.ndim == 2 else gone
        return replace(self, values=np.where(gone, np.float32(np.nan), self.values), valid=self.valid & ~gone)


@dataclass(frozen=True)
class Said:
    """What is said of L dates of N series: value (N, L, C) in the bands' units, NaN where nothing can be said.

    low, high: the same shape, the interval at `level`; NaN where there is none. draws (D, N, L, C) of models that draw.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float = 0.90
    draws: np.ndarray | None = None


@runtime_checkable
class Forecaster(Protocol):
    """What says hidden or future values of series in physical units. A baseline, or a trained network.

    `fit` learns from the clear values of a series and gives what can answer (itself or a new one).
    `forecast`: values after the last date given; days (N, L) or (L,). draws > 1 only of what draws.
    `fill`: values at the dates of the series; those `asked` (N, T) are hidden from it first.
    """

    name: str

    def fit(self, series: Series) -> Forecaster:
        """Learn from the clear values."""
        ...

    def forecast(self, series: Series, days: np.ndarray, draws: int = 1) -> Said:
        """What comes on `days` after what is known: (N, L, C)."""
        ...

    def fill(self, series: Series, asked: np.ndarray) -> Said:
        """What is hidden: (N, T, C), the clear values of what is not asked kept as they are."""
        ...
