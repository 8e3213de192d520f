"""What the plain forecasters share: series of one calendar as rows, where a target lies between its clear dates.

Rows are (M, T): one row for each series and band that share T days; targets are L days, the same for all rows.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from swath.baseline.forecast import Said, Series
from swath.errors import SwathError

__all__ = ["Rowwise", "around", "calendars", "gap", "median_of", "runs", "targets", "tried"]


class Rowwise(ABC):
    """A forecaster that works on each row by itself once fitted: `at` says values, the rest of the protocol follows.

    Where `at` has nothing to say, the mean of the row's clear values stands, else what `fit` saw; never a hole while
    anything is known.
    """

    name = "row by row"
    ahead = False  # whether it is fitted to say what comes, or what lies between
    _spare: np.ndarray | None = None  # (C,) mean of each band in the series fitted to

    def fit(self, series: Series) -> Rowwise:
        """Learn what is common to all rows; the base keeps the mean of each band."""
        n = series.valid.sum((0, 1))
        total = np.where(series.valid, series.values, 0.0).sum((0, 1), dtype=np.float64)
        self._spare = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
        return self

    @abstractmethod
    def at(
        self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Value and spread (a deviation, NaN where none is known), both (M, L), of the rows (M, T) of one band."""

    def forecast(self, series: Series, days: np.ndarray, draws: int = 1) -> Said:
        """What comes on `days`, (L,) or (N, L): (N, L, C). Raises SwathError for more than one draw."""
        _one_draw(self.name, draws)
        return self._say(series, np.asarray(days, float))

    def fill(self, series: Series, asked: np.ndarray) -> Said:
        """What is hidden: (N, T, C); clear values that are not asked for are kept as they are."""
        known = series.without(asked)
        said = self._say(known, series.day)
        value = np.where(known.valid, known.values, said.value)
        nothing = np.where(known.valid, value, np.nan)
        low, high = (np.where(known.valid, nothing, v) for v in (said.low, said.high))
        return Said(value.astype(np.float32), low.astype(np.float32), high.astype(np.float32), said.level)

    def _say(self, series: Series, days: np.ndarray) -> Said:
        n, _, c = series.values.shape
        length = days.shape[-1]
        value, spread = np.full((n, length, c), np.nan), np.full((n, length, c), np.nan)
        for rows, day, wanted in calendars(series, days):
            for band in range(c):
                ok = series.valid[rows, :, band]
                known = np.where(ok, series.values[rows, :, band], 0.0).astype(np.float64)
                found, wide = self.at(known, ok, day, wanted, band)
                value[rows, :, band] = self._whole(found, known, ok, band)
                spread[rows, :, band] = wide
        from scipy.special import ndtri

        half = float(ndtri(0.95)) * spread
        return Said(
            value.astype(np.float32), (value - half).astype(np.float32), (value + half).astype(np.float32), 0.90
        )

    def _whole(self, found: np.ndarray, known: np.ndarray, ok: np.ndarray, band: int) -> np.ndarray:
        if np.isfinite(found).all():
            return found
        n = ok.sum(1, keepdims=True)
        spare = np.nan if self._spare is None else self._spare[band]
        mean = np.divide(known.sum(1, keepdims=True), n, out=np.full(n.shape, spare), where=n > 0)
        return np.where(np.isfinite(found), found, mean)


def _one_draw(name: str, draws: int) -> None:
    if draws != 1:
        raise SwathError(
            rule=f"{name} says one value, with its interval", got=f"{draws} draws", remedy="ask for one draw"
        )


def calendars(series: Series, days: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(rows, day (T,), targets (L,)) of series that share days and targets. days: (L,) or (N, L)."""
    days = np.asarray(days, float)
    shared = days.ndim == 1
    key = series.day if shared else np.concatenate([series.day, days], axis=1)
    if not len(key):
        return
    if (key == key[0]).all():
        yield np.arange(len(key)), series.day[0], days if shared else days[0]
        return
    _, first, which = np.unique(key, axis=0, return_index=True, return_inverse=True)
    for k, one in enumerate(first):
        rows = np.flatnonzero(which.ravel() == k)
        yield rows, series.day[one], days if shared else days[one]


def around(ok: np.ndarray, day: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the last clear date not after each target, -1 where none, and of the first after it, T: both (M, L)."""
    t = ok.shape[1]
    index = np.arange(t)
    before = np.maximum.accumulate(np.where(ok, index, -1), axis=1)
    after = np.minimum.accumulate(np.where(ok, index, t)[:, ::-1], axis=1)[:, ::-1]
    at = np.searchsorted(day, days, side="right") - 1
    low = np.where(at[None] >= 0, before[:, np.maximum(at, 0)], -1)
    high = np.where(at[None] + 1 < t, after[:, np.minimum(at + 1, t - 1)], t)
    return low, high


def gap(ok: np.ndarray, day: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Days between the clear date before each target and the one after, (M, L); twice the way to the only one, inf if none."""
    low, high = around(ok, day, days)
    t = ok.shape[1]
    to_low = np.where(low >= 0, days[None] - day[np.maximum(low, 0)], np.inf)
    to_high = np.where(high < t, day[np.minimum(high, t - 1)] - days[None], np.inf)
    wide = np.where(np.isfinite(to_low), to_low, to_high) + np.where(np.isfinite(to_high), to_high, to_low)
    return np.asarray(wide, np.float64)


def targets(series: Series, asked: np.ndarray) -> np.ndarray:
    """(N, T, C): `gap` at the dates of the series, each band's own, once `asked` is hidden; 0 where a value is known."""
    known = series.without(asked)
    out = np.zeros(known.valid.shape, np.float64)
    for rows, day, _ in calendars(known, known.day):
        for band in range(known.valid.shape[2]):
            ok = known.valid[rows, :, band]
            out[rows, :, band] = np.where(ok, 0.0, gap(ok, day, day))
    return out


def median_of(values: np.ndarray, ok: np.ndarray) -> np.ndarray:
    """(M,) median of the values that count; NaN where none does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(np.where(ok, values, np.nan), axis=1))


def tried(forecaster: Rowwise, series: Series, *, seed: int = 0) -> float:
    """How far a forecaster is off on values that are hidden from it inside these series: mean over bands of RMSE / deviation.

    Hidden are short runs of dates, or what follows two thirds and five sixths of the dates when it looks ahead. What it
    was fitted to stays as it is, so that a width or an order can be chosen without a second fit.
    """
    scale = np.maximum(_deviation(series), 1e-12)
    if not forecaster.ahead:
        asked = runs(series.values.shape[:2], seed)
        said = forecaster.fill(series, asked).value
        counted = series.valid & asked[..., None]
        return _off(said, series.values, counted, scale)
    t = series.values.shape[1]
    off = []
    for cut in sorted({max(1, 2 * t // 3), max(1, 5 * t // 6)}):
        if cut >= t:
            continue
        past, later = series.dates(slice(0, cut)), series.dates(slice(cut, t))
        off.append(_off(forecaster.forecast(past, later.day).value, later.values, later.valid, scale))
    return float(np.nanmean(off)) if off else float("nan")


def runs(shape: tuple[int, int], seed: int, *, share: float = 0.12, longest: int = 4) -> np.ndarray:
    """(N, T) bool: about `share` of the dates in runs of one to `longest`, each row its own; the same for the same seed."""
    n, t = shape
    random = np.random.default_rng([seed, 41])
    start = random.random((n, t)) < share / ((1 + longest) / 2)
    length = random.integers(1, longest + 1, (n, t))
    out = np.zeros((n, t), bool)
    for k in range(longest):
        out[:, k:] |= (start & (length > k))[:, : t - k] if k < t else False
    return out


def _deviation(series: Series) -> np.ndarray:
    n = np.maximum(series.valid.sum((0, 1)), 1)
    values = np.where(series.valid, series.values, 0.0).astype(np.float64)
    mean = values.sum((0, 1)) / n
    return np.asarray(np.sqrt(np.maximum((values**2).sum((0, 1)) / n - mean**2, 0.0)))


def _off(said: np.ndarray, truth: np.ndarray, counted: np.ndarray, scale: np.ndarray) -> float:
    counted = counted & np.isfinite(said)
    n = counted.sum((0, 1))
    square = np.where(counted, said - truth, 0.0).astype(np.float64) ** 2
    rmse = np.sqrt(square.sum((0, 1)) / np.maximum(n, 1)) / scale
    return float(rmse[n > 0].mean()) if (n > 0).any() else float("nan")
