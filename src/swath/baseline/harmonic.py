"""Waves of the year, and what departs from them: harmonic regression, and departures that fade as time passes."""

from __future__ import annotations

import numpy as np

from swath.baseline.forecast import Series
from swath.baseline.rows import Rowwise, calendars, tried

__all__ = ["Departure", "Harmonic"]

YEAR = 365.2425
Pair = tuple[np.ndarray, np.ndarray]
_HUBER = 1.345
_ROUNDS = 3
_GRID = [
    (1, False, 1.0),
    (2, False, 1.0),
    (3, False, 1.0),
    (4, False, 1.0),
    (2, True, 1.0),
    (3, True, 1.0),
    (2, False, 0.1),
]


class Harmonic(Rowwise):
    """Level, perhaps a trend, and waves of one year and its parts, fitted to each row by itself.

    Least squares with a ridge on all but the level and Huber's weights against clouds that the mask missed; order, trend
    and ridge are chosen by what they say of hidden dates. shared: the ridge pulls towards the mean row of the series
    fitted to, as strongly as those differ, rather than towards nothing.
    Sources: Roerink et al. 2000 (HANTS); Huber 1964; empirical Bayes: Efron and Morris 1973.
    """

    name = "harmonic regression"

    def __init__(self, order: int = 2, trend: bool = False, ridge: float = 1.0, *, shared: bool = False) -> None:
        """order: waves; ridge: in observations."""
        self.order, self.trend, self.ridge, self.shared = order, trend, ridge, shared
        self.start = 0.0
        self.prior: list[tuple[np.ndarray, np.ndarray]] = []  # by band: mean (P,) and precision (P, P) in observations

    def fit(self, series: Series) -> Harmonic:
        """Choose order, trend and ridge; learn the mean row where it is shared."""
        super().fit(series)
        self.start = float(series.day.min()) if series.day.size else 0.0
        self.prior = []
        years = (series.day.max() - self.start) / YEAR if series.day.size else 0.0
        some = _thin(series, 300)
        found = []
        for k, (order, trend, ridge) in enumerate(_GRID):
            if (trend and years < 2) or 2 * order + 1 + trend > max(3, series.values.shape[1] // 2):
                continue
            self.order, self.trend, self.ridge = order, trend, ridge
            found.append((tried(self, some), k))
        known = [f for f in found if np.isfinite(f[0])]
        self.order, self.trend, self.ridge = _GRID[min(known)[1]] if known else (1, False, 1.0)
        if self.shared:
            self._share(series)
        return self

    def _share(self, series: Series) -> None:
        for band in range(series.values.shape[2]):
            rows, spread = [], []
            for which, day, _ in calendars(series, series.day[0] if len(series) else np.zeros(0)):
                ok = series.valid[which, :, band]
                known = np.where(ok, series.values[which, :, band], 0.0).astype(np.float64)
                enough = ok.sum(1) > 2 * self.terms
                if enough.any():
                    found, left = self.solve(known[enough], ok[enough], day, band)
                    rows.append(found)
                    spread.append((left**2).sum(1) / np.maximum(ok[enough].sum(1) - self.terms, 1))
            if not rows or sum(map(len, rows)) < 2 * self.terms:
                self.prior.append((np.zeros(self.terms), self._plain()))
                continue
            whole = np.concatenate(rows)
            noise = float(np.median(np.concatenate(spread))) + 1e-12
            around = np.cov(whole, rowvar=False) + np.eye(self.terms) * 1e-3 * max(float(whole.var()), 1e-12)
            self.prior.append((whole.mean(0), noise * np.linalg.inv(around)))

    @property
    def terms(self) -> int:
        """How many numbers a row's curve has."""
        return 1 + int(self.trend) + 2 * self.order

    def _plain(self) -> np.ndarray:
        weight = np.full(self.terms, self.ridge)
        weight[0] = 1e-6
        return np.diag(weight)

    def basis(self, day: np.ndarray) -> np.ndarray:
        """(T, P)."""
        years = (np.asarray(day, float) - self.start) / YEAR
        phase = 2 * np.pi * np.mod(np.asarray(day, float) / YEAR, 1.0)
        columns = [np.ones_like(years), *([years] if self.trend else [])]
        for k in range(1, self.order + 1):
            columns += [np.cos(k * phase), np.sin(k * phase)]
        return np.stack(columns, axis=1)

    def solve(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, band: int) -> Pair:
        """Each row's curve (M, P) and what is left of its clear values (M, T), 0 where not clear."""
        basis = self.basis(day)
        terms = basis.shape[1]
        shared = len(self.prior) > band
        centre, pull = self.prior[band] if shared else (np.zeros(terms), self._plain())
        pairs = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
        weight = ok.astype(np.float64)
        found, left = np.zeros((len(rows), terms)), rows * ok
        for _ in range(_ROUNDS):
            normal = (weight @ pairs).reshape(-1, terms, terms) + pull
            right = (weight * rows) @ basis + pull @ centre
            found = np.linalg.solve(normal, right[..., None])[..., 0]
            left = (rows - found @ basis.T) * ok
            scale = 1.4826 * _middle(np.abs(left), ok) + 1e-9
            far = np.abs(left) / scale[:, None]
            weight = ok * np.where(far > _HUBER, _HUBER / np.maximum(far, 1e-9), 1.0)
        return found, left

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        found, left = self.solve(rows, ok, day, band)
        value = found @ self.basis(days).T
        n = ok.sum(1)
        enough = n > (0 if len(self.prior) > band else 2)
        spread = np.sqrt((left**2).sum(1) / np.maximum(n - self.terms, 1))
        known = np.where(enough[:, None], value, np.nan)
        return known, np.where((n > self.terms)[:, None], np.broadcast_to(spread[:, None], value.shape), np.nan)


class Departure(Rowwise):
    """The row's own season, and its departures from it, which fade back to nothing at a rate that the series tell.

    The season is a shared harmonic regression; departures follow an Ornstein-Uhlenbeck process seen through noise, whose
    memory (days) and share of noise have the largest likelihood; smoothed by Kalman's recursions (Rauch, Tung and
    Striebel 1965), so that dates may be uneven, before and after count, and the spread grows with the gap.
    """

    name = "season and fading departure"

    def __init__(self) -> None:
        """Nothing to set."""
        self.season = Harmonic(shared=True)
        self.memory: list[float] = []
        self.noise: list[float] = []
        self.usual: list[float] = []

    def fit(self, series: Series) -> Departure:
        """The season, the memory of departures and the share of noise, by band."""
        super().fit(series)
        self.season.ahead = self.ahead
        self.season.fit(series)
        some = _thin(series, 150)
        self.memory, self.noise, self.usual = [], [], []
        for band in range(series.values.shape[2]):
            best, usual = self._likeliest(some, band)
            self.memory.append(best[0])
            self.noise.append(best[1])
            self.usual.append(usual)
        return self

    def _likeliest(self, series: Series, band: int) -> tuple[tuple[float, float], float]:
        parts = []
        for which, day, _ in calendars(series, series.day[0] if len(series) else np.zeros(0)):
            ok = series.valid[which, :, band]
            known = np.where(ok, series.values[which, :, band], 0.0).astype(np.float64)
            parts.append((self.season.solve(known, ok, day, band)[1], ok, day))
        count = sum(int(ok.sum()) for _, ok, _ in parts)
        usual = sum(float((left**2).sum()) for left, _, _ in parts) / max(count, 1) + 1e-12
        best, least = (60.0, 0.3), np.inf
        for memory in (8.0, 20.0, 50.0, 120.0, 300.0):
            for noise in (0.02, 0.15, 0.4, 0.75):
                total = 0.0
                for left, ok, day in parts:
                    wide = _scale(left, ok, usual)
                    total += _kalman(left / wide[:, None], ok, day, memory, noise)[2]
                if total < least:
                    best, least = (memory, noise), total
        return best, usual

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        found, left = self.season.solve(rows, ok, day, band)
        wide = _scale(left, ok, self.usual[band])
        when = np.unique(np.concatenate([day, days]))
        place, wanted = np.searchsorted(when, day), np.searchsorted(when, days)
        seen, z = np.zeros((len(rows), len(when)), bool), np.zeros((len(rows), len(when)))
        seen[:, place], z[:, place] = ok, left / wide[:, None]
        mean, variance, _ = _kalman(z, seen, when, self.memory[band], self.noise[band])
        value = found @ self.season.basis(days).T + mean[:, wanted] * wide[:, None]
        spread = np.sqrt(variance[:, wanted] + self.noise[band]) * wide[:, None]
        return value, spread


def _kalman(
    z: np.ndarray, ok: np.ndarray, day: np.ndarray, memory: float, noise: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and variance (M, T) of the departure of unit variance behind z, and minus twice the log-likelihood.

    noise: its share of the variance of z. What lies beyond 2.5 deviations pulls no more than that.
    """
    m, t = z.shape
    signal = 1.0 - noise
    fade = np.exp(-np.diff(day, prepend=day[:1]) / memory)
    mean, variance = np.zeros(m), np.full(m, signal)
    ahead = np.empty((t, 2, m))
    after = np.empty((t, 2, m))
    cost = 0.0
    for i in range(t):
        mean, variance = fade[i] * mean, fade[i] ** 2 * variance + (1 - fade[i] ** 2) * signal
        ahead[i] = mean, variance
        seen = ok[:, i]
        whole = variance + noise
        apart = np.where(seen, z[:, i] - mean, 0.0)
        reach = 2.5 * np.sqrt(whole)
        held = np.clip(apart, -reach, reach)
        cost += float(np.where(seen, np.log(whole) + np.abs(apart * held) / whole, 0.0).sum())
        gain = np.where(seen, variance / whole, 0.0)
        mean, variance = mean + gain * held, variance * (1 - gain)
        after[i] = mean, variance
    out = np.empty((t, 2, m))
    out[-1:] = after[-1:]
    for i in reversed(range(t - 1)):
        back = fade[i + 1] * after[i, 1] / np.maximum(ahead[i + 1, 1], 1e-12)
        out[i, 0] = after[i, 0] + back * (out[i + 1, 0] - ahead[i + 1, 0])
        out[i, 1] = np.maximum(after[i, 1] + back**2 * (out[i + 1, 1] - ahead[i + 1, 1]), 0.0)
    return out[:, 0].T, out[:, 1].T, cost


def _scale(left: np.ndarray, ok: np.ndarray, usual: float, worth: float = 8.0) -> np.ndarray:
    """(M,) deviation of each row's departures, drawn towards the usual one as if by `worth` dates."""
    return np.asarray(np.sqrt(((left**2).sum(1) + worth * usual) / (ok.sum(1) + worth)))


def _middle(values: np.ndarray, ok: np.ndarray) -> np.ndarray:
    """(M,) median of what counts; 0 without any."""
    n = ok.sum(1)
    order = np.sort(np.where(ok, values, np.inf), axis=1)
    at = np.clip(n // 2, 0, max(values.shape[1] - 1, 0))
    return np.where(n > 0, np.take_along_axis(order, at[:, None], 1)[:, 0], 0.0)


def _thin(series: Series, most: int) -> Series:
    """At most so many of the series, evenly spread."""
    if len(series) <= most:
        return series
    return series.rows(np.unique(np.linspace(0, len(series) - 1, most).astype(int)))
