"""Ridge regression on what the series was a while ago: learned from the series' own past, one set of weights for each lead."""

from __future__ import annotations

import numpy as np

from swath.baseline.forecast import Series
from swath.baseline.harmonic import Departure
from swath.baseline.plain import Climatology, straight
from swath.baseline.rows import Rowwise, calendars

__all__ = ["Lags"]

YEAR = 365.2425
Pair = tuple[np.ndarray, np.ndarray]
_EDGES = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0)  # days ahead at which one set of weights ends
_RIDGE = 0.02
_ORIGINS = 10


class Lags(Rowwise):
    """The season, and on top of it a weighted sum of departures: now, a few steps back, a year before, of the climatology.

    Weights are learned by ridge regression from forecasts into the known part of the series, by band and by how far ahead.
    Where there is too little past to learn from it says what `Departure` says.
    """

    name = "ridge on lags"

    def __init__(self) -> None:
        """Nothing to set."""
        self.base = Departure()
        self.base.ahead = True
        self.weights: list[dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, float]]] = []
        self.climatology = Climatology()

    def fit(self, series: Series) -> Lags:
        """The season and its departures, then weights by lead."""
        super().fit(series)
        self.base.fit(series)
        self.weights = [{} for _ in series.bands]
        rows: list[list[tuple[int, np.ndarray, np.ndarray]]] = [[] for _ in series.bands]
        for which, day, _ in calendars(series, series.day[0] if len(series) else np.zeros(0)):
            some = which[np.unique(np.linspace(0, len(which) - 1, min(len(which), 120)).astype(int))]
            for past, ahead in _cuts(day):
                for band in range(len(series.bands)):
                    self._examples(series, some, day, past, ahead, band, rows[band])
        for band, found in enumerate(rows):
            for lead in range(len(_EDGES) + 1):
                x = [a for k, a, _ in found if k == lead]
                y = [b for k, _, b in found if k == lead]
                if x and sum(map(len, x)) >= 200:
                    self.weights[band][lead] = _ridge(np.concatenate(x), np.concatenate(y))
        return self

    def _examples(
        self, series: Series, some: np.ndarray, day: np.ndarray, past: int, ahead: np.ndarray, band: int,
        into: list[tuple[int, np.ndarray, np.ndarray]],
    ) -> None:  # fmt: skip
        ok = series.valid[some, :, band]
        values = np.where(ok, series.values[some, :, band], 0.0).astype(np.float64)
        features, start, _ = self._features(values[:, :past], ok[:, :past], day[:past], day[ahead], band)
        lead = np.searchsorted(_EDGES, day[ahead] - day[past - 1])
        able = ok[:, ahead] & ok[:, :past].any(1, keepdims=True)
        for k in np.unique(lead):
            use = able & (lead == k)
            into.append((int(k), features[use], (values[:, ahead] - start)[use]))

    def _features(
        self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(M, L, F) what weights multiply, (M, L) what they are added to, (M, L) a spread."""
        value, spread = self.base.at(rows, ok, day, days, band)
        season = self.base.season
        curve = season.solve(rows, ok, day, band)[0]
        now = day[-1]
        back = now - np.array([0.0, 16.0, 32.0, 64.0])
        at_season = curve @ season.basis(days).T
        lagged = straight(rows, ok, day, back) - curve @ season.basis(back).T
        year = straight(rows, ok, day, days - YEAR) - at_season
        year = np.where((days - YEAR >= day[0])[None], year, 0.0)
        usual = self.climatology.at(rows, ok, day, days, band)[0] - at_season
        parts = [value - at_season, year, usual, *(np.broadcast_to(lagged[:, [k]], value.shape) for k in range(4))]
        found = np.stack([np.where(np.isfinite(p), p, 0.0) for p in parts], axis=-1)
        return found, at_season, spread

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says; days before the last known one are the departure's to say."""
        value, spread = self.base.at(rows, ok, day, days, band)
        learned = self.weights[band]
        if not learned or not (days > day[-1]).any():
            return value, spread
        features, start, _ = self._features(rows, ok, day, days, band)
        lead = np.searchsorted(_EDGES, days - day[-1])
        for k in np.unique(lead[days > day[-1]]):
            near = min(learned, key=lambda j: abs(j - k))
            mean, scale, weight, offset = learned[near]
            use = (lead == k) & (days > day[-1])
            value[:, use] = start[:, use] + ((features[:, use] - mean) / scale) @ weight + offset
        return value, spread


def _cuts(day: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """(dates known, indices of those after it within a year and a bit), from the last two thirds of the dates."""
    t = len(day)
    first = max(4, t // 3)
    if t - first < 2:
        return []
    cuts = np.unique(np.linspace(first, t - 1, min(_ORIGINS, t - first)).astype(int))
    return [
        (int(c), np.arange(c, t)[day[c:] - day[c - 1] <= 400.0]) for c in cuts if (day[c:] - day[c - 1] <= 400.0).any()
    ]


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    z = (x - mean) / scale
    weight = np.linalg.solve(z.T @ z + _RIDGE * len(z) * np.eye(x.shape[1]), z.T @ (y - y.mean()))
    return mean, scale, weight, float(y.mean())
