"""The plainest forecasters: last clear value, same date in other years, straight lines, climatology, a smoother.

They learn nothing but a few widths, so nothing of one place reaches another.
"""

from __future__ import annotations

import numpy as np

from swath.baseline.forecast import Series
from swath.baseline.rows import Rowwise, around, calendars, gap, runs, tried

__all__ = ["Climatology", "LastValue", "Line", "OtherYears", "Smoother", "Trend", "straight"]

YEAR = 365.2425
Pair = tuple[np.ndarray, np.ndarray]


def _unknown(rows: np.ndarray, days: np.ndarray) -> np.ndarray:
    return np.full((len(rows), len(days)), np.nan)


class LastValue(Rowwise):
    """The last clear value before the date; before the first one, that one."""

    name = "last clear value"

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        low, high = around(ok, day, days)
        chosen = np.where(low >= 0, low, high)
        found = np.take_along_axis(rows, np.clip(chosen, 0, rows.shape[1] - 1), 1)
        return np.where(chosen < rows.shape[1], found, np.nan), _unknown(rows, days)


class Line(Rowwise):
    """On the straight line between the clear dates around; beyond the ends their value.

    Its spread grows with the step between the two, the value and the gap, by how far it was off on dates hidden from it.
    """

    name = "linear in time"

    def __init__(self) -> None:
        """Nothing to set."""
        self.weights: list[np.ndarray] = []

    def fit(self, series: Series) -> Line:
        """Learn how far it is off."""
        super().fit(series)
        self.weights = []
        asked = runs(series.values.shape[:2], 11)
        known = series.without(asked)
        for band in range(series.values.shape[2]):
            features, off = [], []
            for which, day, _ in calendars(known, known.day):
                ok = known.valid[which, :, band]
                rows = np.where(ok, known.values[which, :, band], 0.0).astype(np.float64)
                use = series.valid[which, :, band] & asked[which]
                value, told = self._told(rows, ok, day, day)
                use &= np.isfinite(value)
                features.append(told[use])
                off.append(np.abs(value - series.values[which, :, band])[use])
            self.weights.append(_weights_of(features, off))
        return self

    def _told(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray) -> Pair:
        """Values (M, L) and what their spread is made of (M, L, 4)."""
        low, high = around(ok, day, days)
        last = rows.shape[1] - 1
        a = np.clip(np.where(low >= 0, low, high), 0, last)
        b = np.clip(np.where(high <= last, high, low), 0, last)
        step = np.abs(np.take_along_axis(rows, b, 1) - np.take_along_axis(rows, a, 1))
        value = straight(rows, ok, day, days)
        wide = np.minimum(gap(ok, day, days), 720.0)
        parts = [np.ones(step.shape), step, np.abs(np.nan_to_num(value)), np.sqrt(np.maximum(wide, 0.0))]
        return value, np.stack(parts, axis=-1)

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        value, told = self._told(rows, ok, day, days)
        known = len(self.weights) > band and self.weights[band].any()
        return value, told @ self.weights[band] if known else _unknown(rows, days)


def _weights_of(features: list[np.ndarray], off: list[np.ndarray]) -> np.ndarray:
    """(4,) not negative: what the spread is a sum of; zeros where too little was hidden."""
    from scipy.optimize import nnls

    x, y = (np.concatenate(v) if v else np.zeros((0, *s)) for v, s in ((features, (4,)), (off, ())))
    if len(y) < 60 or not y.any():
        return np.zeros(4)
    some = np.unique(np.linspace(0, len(y) - 1, min(len(y), 20_000)).astype(int))
    x, y = x[some], y[some]
    size = np.maximum(x.mean(0), 1e-12)
    found = nnls(x / size, y)[0] / size
    found[0] += 0.1 * float(y.mean())  # never none
    return np.asarray(found)


def straight(rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray) -> np.ndarray:
    """(M, L): straight between the clear dates around each target, their value beyond the ends, NaN without any."""
    low, high = around(ok, day, days)
    last = rows.shape[1] - 1
    a = np.clip(np.where(low >= 0, low, high), 0, last)
    b = np.clip(np.where(high <= last, high, low), 0, last)
    va, vb = np.take_along_axis(rows, a, 1), np.take_along_axis(rows, b, 1)
    apart = day[b] - day[a]
    share = np.where(apart > 0, (days[None] - day[a]) / np.where(apart > 0, apart, 1.0), 0.0)
    return np.where((low >= 0) | (high <= last), va + np.clip(share, 0, 1) * (vb - va), np.nan)


class OtherYears(Rowwise):
    """The same date a year before (straight between the clear dates around it, none further than 30 days); where there is
    none, two years before ... and, when a gap is filled, a year after.
    """

    name = "same date last year"

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        out = _unknown(rows, days)
        span = max(day[-1], days.max()) - day[0]
        years = int(span // YEAR) + 1
        steps = [s * k for k in range(1, years + 1) for s in ((-1,) if self.ahead else (-1, 1))]
        for step in steps:
            if np.isfinite(out).all():
                break
            when = days + step * YEAR
            low, high = around(ok, day, when)
            t = rows.shape[1]
            far_low = np.where(low >= 0, when[None] - day[np.maximum(low, 0)], np.inf)
            far_high = np.where(high < t, day[np.minimum(high, t - 1)] - when[None], np.inf)
            near = np.minimum(far_low, far_high) <= 30.0
            out = np.where(np.isfinite(out) | ~near, out, straight(rows, ok, day, when))
        return out, _unknown(rows, days)


class Climatology(Rowwise):
    """The mean of the clear values near the same day of any year, weighted by a Gaussian of `width` days.

    A forecast knows only the past, so it is causal by construction. A date whose season was never seen has none.
    """

    name = "climatology"

    def __init__(self, width: float = 15.0) -> None:
        """width: deviation of the weights in days."""
        self.width = width

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        apart = np.abs(np.mod(days[:, None] - day[None] + YEAR / 2, YEAR) - YEAR / 2)
        weight = np.exp(-0.5 * (apart / self.width) ** 2) * (apart < 3 * self.width)
        count = ok.astype(np.float64) @ weight.T
        total = np.where(ok, rows, 0.0) @ weight.T
        enough = count > 0.05
        return np.where(enough, total / np.where(enough, count, 1.0), np.nan), _unknown(rows, days)


class Trend(Rowwise):
    """A straight line through all clear values, fitted by least squares; within the range that was seen."""

    name = "linear trend"

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        weight = ok.astype(np.float64)
        n = np.maximum(weight.sum(1), 1)
        when = (day - day[0]) / YEAR
        mean_t, mean_v = (weight @ when) / n, (weight * rows).sum(1) / n
        apart = when[None] - mean_t[:, None]
        slope = (weight * apart * (rows - mean_v[:, None])).sum(1)
        slope /= np.maximum((weight * apart**2).sum(1), 1e-9)
        found = mean_v[:, None] + slope[:, None] * ((days[None] - day[0]) / YEAR - mean_t[:, None])
        low = np.where(ok, rows, np.inf).min(1, keepdims=True)
        high = np.where(ok, rows, -np.inf).max(1, keepdims=True)
        seen = ok.sum(1, keepdims=True) >= 3
        return np.where(seen, np.clip(found, low, high), np.nan), _unknown(rows, days)


class Smoother(Rowwise):
    """Whittaker's smoother with second differences on uneven dates, the penalty chosen by what it says of hidden dates.

    Source: Eilers 2003, "A perfect smoother"; divided differences for uneven spacing.
    """

    name = "Whittaker smoother"

    def __init__(self, penalty: float = 10.0) -> None:
        """penalty: on squared second differences, dates counted in steps of 16 days."""
        self.penalty = penalty

    def fit(self, series: Series) -> Smoother:
        """Choose the penalty."""
        super().fit(series)
        found = []
        for penalty in (0.1, 1.0, 10.0, 100.0, 1000.0):
            self.penalty = penalty
            found.append((tried(self, series), penalty))
        self.penalty = min(found)[1] if np.isfinite([f for f, _ in found]).all() else 10.0
        return self

    def at(self, rows: np.ndarray, ok: np.ndarray, day: np.ndarray, days: np.ndarray, band: int) -> Pair:
        """As the base says."""
        when = np.unique(np.concatenate([day, days]))
        if len(when) < 3:
            return straight(rows, ok, day, days), _unknown(rows, days)
        where, wanted = np.searchsorted(when, day), np.searchsorted(when, days)
        weight, value = np.zeros((len(rows), len(when))), np.zeros((len(rows), len(when)))
        weight[:, where], value[:, where] = ok, np.where(ok, rows, 0.0)
        found = _smoothed(value, weight, self.penalty * _curvature(when))
        enough = ok.sum(1, keepdims=True) >= 3
        return np.where(enough, found[:, wanted], straight(rows, ok, day, days)), _unknown(rows, days)


def _curvature(when: np.ndarray) -> np.ndarray:
    """(3, T): diagonal, first and second off-diagonal of the sum of squared second differences on uneven dates."""
    step = np.diff(when) / 16.0
    wide = step[:-1] + step[1:]
    rows = np.stack([2 / (step[:-1] * wide), -2 / (step[:-1] * step[1:]), 2 / (step[1:] * wide)], axis=1)
    rows *= np.sqrt(wide / 2)[:, None]
    t = len(when)
    out = np.zeros((3, t))
    for i in range(3):
        for j in range(i, 3):
            out[j - i, i : t - 2 + i] += rows[:, i] * rows[:, j]
    return out


def _smoothed(value: np.ndarray, weight: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Solve (diag(weight) + bands) x = weight value for all rows at once, by L D L' of width two along the dates."""
    m, t = value.shape
    d, e, f = np.ones((t, m)), np.zeros((t, m)), np.zeros((t, m))
    z = (weight * value).T.copy()
    for i in range(t):
        d[i] = weight[:, i] + bands[0, i] + 1e-9
        off = np.full(m, bands[1, i])
        if i >= 1:
            d[i] -= e[i - 1] ** 2 * d[i - 1]
            off = off - f[i - 1] * e[i - 1] * d[i - 1]
            z[i] -= e[i - 1] * z[i - 1]
        if i >= 2:
            d[i] -= f[i - 2] ** 2 * d[i - 2]
            z[i] -= f[i - 2] * z[i - 2]
        d[i] = np.maximum(d[i], 1e-9)
        e[i], f[i] = off / d[i], bands[2, i] / d[i]
    x = z / d
    for i in reversed(range(t)):
        if i + 1 < t:
            x[i] -= e[i] * x[i + 1]
        if i + 2 < t:
            x[i] -= f[i] * x[i + 2]
    return np.asarray(x.T)
