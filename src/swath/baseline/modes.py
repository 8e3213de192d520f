"""What series of one place have in common on each date: a few modes learned from all, each series' share from its own dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from swath.baseline.forecast import Series
from swath.baseline.harmonic import Departure
from swath.baseline.rows import Rowwise, runs

__all__ = ["Modes"]

Pair = tuple[np.ndarray, np.ndarray]
_SEEN = 12  # clear values of a date below which its own numbers are not learned
_ROUNDS = 20
_PULL = 5.0  # series' worth by which a date is drawn towards the dates around it
_SOME = 400  # series by which the count of modes is chosen


class Modes(Rowwise):
    """Factor analysis over dates: every date has a mean, a few loadings and its own noise; a series has as many shares.

    Learned by expectation and maximisation from the clear values alone; the count of modes is the one that says hidden
    dates best. A series' hidden dates follow from its clear ones, and the spread with them. Dates that too few series have seen
    lie on the straight line between those around. Series on other dates than it learned get no answer.
    Sources: Rubin and Thayer 1982 (EM for factor analysis); Beckers and Rixen 2003 (modes to fill cloud gaps).
    """

    name = "shared modes"

    def __init__(self, most: int = 12) -> None:
        """most: modes at most."""
        self.most = most
        self.day = np.zeros(0)
        self.bands: list[_Learned] = []
        self.between = Departure()

    def fit(self, series: Series) -> Modes:
        """Learn modes, band by band."""
        super().fit(series)
        self.bands = []
        self.day = series.day[0] if len(series) else np.zeros(0)
        if not len(series) or (series.day != self.day).any():
            self.day = np.zeros(0)
            return self
        for band in range(series.values.shape[2]):
            ok = series.valid[:, :, band]
            rows = np.where(ok, series.values[:, :, band], 0.0).astype(np.float64)
            self.bands.append(_chosen(rows, ok, self.most))
        whole = [b.say(np.where(k, v, 0.0), k)[0] for b, v, k in self._each(series)]
        seen = np.stack([np.broadcast_to(b.seen, w.shape) for b, w in zip(self.bands, whole, strict=True)], axis=-1)
        self.between.fit(replace(series, values=np.stack(whole, axis=-1).astype(np.float32), valid=seen))
        return self

    def _each(self, series: Series) -> Iterator[tuple[_Learned, np.ndarray, np.ndarray]]:
        for band, learned in enumerate(self.bands):
            yield learned, series.values[:, :, band].astype(np.float64), series.valid[:, :, band]

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        nothing = np.full((len(rows), len(days)), np.nan)
        own = np.minimum(np.searchsorted(day, self.day), len(day) - 1)
        if not len(self.day) or (day[own] != self.day).any() or self.bands[band].seen.sum() < 2:
            return nothing, nothing  # other dates than those it learned; dates put in between do not matter
        learned = self.bands[band]
        seen = learned.seen
        mean, variance = learned.say(rows[:, own], ok[:, own])
        value, spread = nothing.copy(), nothing.copy()
        at = np.minimum(np.searchsorted(self.day, days), len(self.day) - 1)
        told = (self.day[at] == days) & seen[at]
        value[:, told], spread[:, told] = mean[:, at[told]], np.sqrt(variance[:, at[told]])
        if not told.all():
            everywhere = np.broadcast_to(seen, mean.shape)
            further, wide = self.between.at(mean * seen, everywhere, self.day, days[~told], band)
            error = np.sqrt((variance * seen).sum(1) / seen.sum())
            value[:, ~told], spread[:, ~told] = further, np.hypot(wide, error[:, None])
        none = ~ok.any(1, keepdims=True)
        return value, np.where(none, np.nan, spread)


class _Learned:
    """Modes of one band: mean (T,), loading (T, R), noise (T,) as variances; seen (T,): dates with numbers of their own."""

    def __init__(self, rows: np.ndarray, ok: np.ndarray, rank: int, rounds: int = _ROUNDS) -> None:
        n = ok.sum(0)
        self.seen = n >= min(_SEEN, max(2, len(rows) // 4))
        total = max(int(ok.sum()), 1)
        self.centre = float(rows[ok].mean()) if ok.any() else 0.0
        self.scale = float(rows[ok].std()) + 1e-9 if ok.any() else 1.0
        x = np.where(ok, (rows - self.centre) / self.scale, 0.0)
        w = (ok & self.seen).astype(np.float64)
        t = rows.shape[1]
        self.mean = np.where(n > 0, (w * x).sum(0) / np.maximum(w.sum(0), 1), 0.0)
        random = np.random.default_rng([7, rank, t])
        self.loading = 0.3 * random.standard_normal((t, rank)) / np.sqrt(max(rank, 1))
        self.loading[:, 0] = 0.7
        self.noise = np.full(t, 0.3)
        self.rank, self.count = rank, total
        for _ in range(rounds):
            self._round(x, w)

    def _shares(self, x: np.ndarray, w: np.ndarray) -> Pair:
        """Mean (M, R) and covariance (M, R, R) of each row's shares."""
        by = w / self.noise
        pairs = (self.loading[:, :, None] * self.loading[:, None]).reshape(len(self.loading), -1)
        precision = (by @ pairs).reshape(-1, self.rank, self.rank) + np.eye(self.rank)
        around = np.linalg.inv(precision)
        right = (by * (x - self.mean)) @ self.loading
        return np.einsum("mrs,ms->mr", around, right), around

    def _round(self, x: np.ndarray, w: np.ndarray) -> None:
        share, around = self._shares(x, w)
        m, r = share.shape
        one = np.concatenate([share, np.ones((m, 1))], axis=1)
        second = one[:, :, None] * one[:, None]
        second[:, :r, :r] += around
        left = (w.T @ second.reshape(m, -1)).reshape(-1, r + 1, r + 1) + _PULL * np.eye(r + 1)
        right = (w * x).T @ one + _PULL * self._neighbours()
        found = np.linalg.solve(left, right[..., None])[..., 0]
        self.loading, self.mean = found[:, :r], found[:, r]
        off = (x - share @ self.loading.T - self.mean) ** 2
        pairs = (self.loading[:, :, None] * self.loading[:, None]).reshape(len(self.loading), -1)
        off += around.reshape(m, -1) @ pairs.T
        n = w.sum(0)
        usual = float((w * off).sum() / max(n.sum(), 1))
        self.noise = np.maximum(((w * off).sum(0) + 5 * usual) / (n + 5), 1e-4)

    def _neighbours(self) -> np.ndarray:
        """(T, R + 1): loadings and mean half way between the dates around each."""
        whole = np.concatenate([self.loading, self.mean[:, None]], axis=1)
        before, after = np.roll(whole, 1, axis=0), np.roll(whole, -1, axis=0)
        before[0], after[-1] = whole[min(1, len(whole) - 1)], whole[max(len(whole) - 2, 0)]
        return np.asarray((before + after) / 2)

    def say(self, rows: np.ndarray, ok: np.ndarray) -> Pair:
        """Value and variance (M, T) at the learned dates, in the band's unit."""
        x = np.where(ok, (rows - self.centre) / self.scale, 0.0)
        share, around = self._shares(x, (ok & self.seen).astype(np.float64))
        pairs = (self.loading[:, :, None] * self.loading[:, None]).reshape(len(self.loading), -1)
        variance = around.reshape(len(rows), -1) @ pairs.T + self.noise
        value = share @ self.loading.T + self.mean
        return value * self.scale + self.centre, variance * self.scale**2


def _chosen(rows: np.ndarray, ok: np.ndarray, most: int) -> _Learned:
    """Modes in the count that says best what is hidden from some of the rows."""
    whole, seen = rows, ok
    some = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SOME)).astype(int))
    rows, ok = rows[some], ok[some]
    n, t = rows.shape
    asked = runs((n, t), 3) & ok
    known = ok & ~asked
    best, least = 1, np.inf
    top = max(1, min(most, t // 3, n // 8))
    for rank in [r for r in (1, 2, 3, 5, 8, 12) if r <= top]:
        learned = _Learned(rows, known, rank, _ROUNDS // 2)
        value, _ = learned.say(rows, known)
        counted = asked & learned.seen
        off = float(((value - rows)[counted] ** 2).mean()) if counted.any() else np.inf
        if off < 0.99 * least:
            best, least = rank, off
        elif off > 1.05 * least:
            break
    return _Learned(whole, seen, best)
