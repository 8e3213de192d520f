"""What forecasters say of values that are hidden from them, in places that they were not fitted to: the cases to judge by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from swath.baseline.forecast import Forecaster, Series
from swath.baseline.rows import targets

__all__ = ["Cases", "Maker", "fill_cases", "forecast_cases", "gaps_like", "lonely", "origins"]

Maker = Callable[[], Forecaster]
Progress = Callable[[int, int, str], None]
SHARE = 0.15
_SEEN = 12


@dataclass(frozen=True)
class Cases:
    """One row for each hidden value.

    place, moment (n,) int: what both are units of a resample (moment: a stretch of dates, or the date a forecast starts
    from); band (n,) int; size (n,) days: of the gap, or ahead; alone (n,) bool: nothing else was seen on that date;
    truth (n,); value, spread (M, n) of the M methods, spread NaN where a method tells none. fold (n,): of the place.
    """

    task: str
    methods: tuple[str, ...]
    place: np.ndarray
    moment: np.ndarray
    fold: np.ndarray
    band: np.ndarray
    size: np.ndarray
    alone: np.ndarray
    truth: np.ndarray
    value: np.ndarray
    spread: np.ndarray
    moments: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.truth)

    def rows(self, use: np.ndarray) -> Cases:
        """Some of the cases: a mask or indices."""
        names = ("place", "moment", "fold", "band", "size", "alone", "truth")
        picked = {n: getattr(self, n)[use] for n in names}
        return replace(self, value=self.value[:, use], spread=self.spread[:, use], **picked)


def gaps_like(series: Series, seed: int, *, share: float = SHARE) -> tuple[np.ndarray, str]:
    """What to hide, (N, T) bool, as clouds hide it: what the series' own gaps cover, laid over other dates; and in words.

    A gap of a series taken at random (its run of dates, with what all others miss on those dates) moves to dates taken at
    random until `share` of the clear values is hidden. Series without gaps get runs of one to four dates over all
    places or half of them.
    """
    random = np.random.default_rng([seed, 17])
    clear = np.asarray(series.valid.any(2))
    wanted = float(share * clear.sum())
    starts = _gaps_of(clear, random)
    if starts:
        asked = _laid(clear, starts, series.place, random, wanted)
        if (asked & clear).sum() >= 0.3 * wanted:
            words = "gaps as the series' own: runs of dates with all that was missing on them, laid over other dates"
            return asked, words
    words = "the series have no gaps: runs of one to four dates were hidden, over all places or half of them"
    if starts:
        words = "the series have too few gaps: runs of one to four dates were hidden, over all places or half of them"
    return _laid(clear, [], series.place, random, wanted), words


def _laid(
    clear: np.ndarray, starts: list[tuple[int, int, int]], place: np.ndarray, random: np.random.Generator, wanted: float
) -> np.ndarray:
    """(N, T): gaps laid over dates taken at random until `wanted` clear values are hidden, never all of a series."""
    n, t = clear.shape
    asked = np.zeros((n, t), bool)
    places, which = np.unique(place, return_inverse=True)
    for _ in range(40 * t):
        if (asked & clear).sum() >= wanted:
            break
        if starts:
            _, first, length = starts[int(random.integers(len(starts)))]
            length = min(length, max(1, t // 4))
            to = int(random.integers(0, t - length + 1))
            mask = ~clear[:, first : first + length]
        else:
            length = int(random.integers(1, min(4, max(1, t // 3)) + 1))
            to = int(random.integers(0, t - length + 1))
            lit = np.ones(len(places), bool) if random.random() < 0.3 else random.random(len(places)) < 0.5
            mask = np.repeat(lit[which.ravel()][:, None], length, axis=1)
        asked[:, to : to + length] |= mask
    over = (clear & ~asked).sum(1) < np.minimum(2, clear.sum(1))
    asked[over] = False
    return asked


def _gaps_of(clear: np.ndarray, random: np.random.Generator) -> list[tuple[int, int, int]]:
    """(row, first date, dates) of the gaps of some rows, each as often as it covers dates."""
    some = random.permutation(len(clear))[:400]
    out = []
    for i in some:
        missing = np.concatenate([[False], ~clear[i], [False]])
        edges = np.flatnonzero(missing[1:] != missing[:-1])
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            if b - a < clear.shape[1]:
                out += [(int(i), int(a), int(b - a))] * int(b - a)
    return out


def lonely(valid: np.ndarray) -> np.ndarray:
    """(T, C) bool: dates that so few series (N, T, C) see that they tell nothing of one another."""
    return np.asarray(valid.sum(0) < min(_SEEN, max(2, len(valid) // 4)))


def folds_of(place: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(N,) fold of each series: whole places, drawn by seed."""
    names, which = np.unique(place, return_inverse=True)
    order = np.random.default_rng([seed, 29]).permutation(len(names))
    fold = np.empty(len(names), int)
    fold[order] = np.arange(len(names)) % max(1, min(count, len(names)))
    return np.asarray(fold[which.ravel()])


def fill_cases(
    series: Series,
    makers: Mapping[str, Maker],
    *,
    seed: int,
    rounds: int = 2,
    folds: int = 5,
    progress: Progress | None = None,
) -> Cases:
    """Hide values as clouds do and have every method say them, fitted to the other places and to what was not hidden.

    makers: {name: makes a forecaster}; one that learns nothing costs one fit a fold like any other. With one place alone the
    methods are fitted to it, and only the hidden dates are new; the notes say so.
    """
    fold = folds_of(series.place, folds, seed)
    parts, notes = [], []
    moment = _stretches(series)
    total, done = rounds * (fold.max() + 1) * len(makers), 0
    for k in range(rounds):
        asked, words = gaps_like(series, seed + 1000 * k)
        notes.append(words)
        known = series.without(asked)
        hidden = series.valid & asked[..., None]
        gap, alone = targets(series, asked), lonely(known.valid)
        value = np.full((len(makers), *hidden.shape), np.nan, np.float32)
        spread = value.copy()
        for f in range(int(fold.max()) + 1):
            here = np.flatnonzero(fold == f)
            there = np.flatnonzero(fold != f) if fold.max() else here
            for m, (name, make) in enumerate(makers.items()):
                if progress is not None:
                    progress(done, total, f"trying {name}")
                said = make().fit(known.rows(there)).fill(series.rows(here), asked[here])
                value[m, here] = said.value
                spread[m, here] = _spread(said.low, said.high)
                done += 1
        parts.append(_flat(series, hidden, fold, moment, gap, np.broadcast_to(alone, hidden.shape), value, spread))
    if not fold.max():
        notes.append("one place: methods were fitted to the place they are judged in, on its other dates")
    return _cases("fill", tuple(makers), parts, int(moment.max()) + 1, notes)


def origins(day: np.ndarray, horizon: float, most: int, *, first: float = 0.4) -> np.ndarray:
    """Indices of the last known dates that forecasts start from: spread over what follows the first `first` of the dates
    (a year where the series is longer), with at least one date within `horizon` days after each.
    """
    t = len(day)
    start = day[0] + max(first * (day[-1] - day[0]), min(365.25, 0.6 * (day[-1] - day[0])))
    able = [i for i in range(2, t - 1) if day[i] >= start and day[i + 1] - day[i] <= horizon]
    whole = [i for i in able if day[-1] - day[i] >= 0.8 * horizon]
    able = whole or able
    if len(able) <= most:
        return np.array(able, int)
    some = np.unique(np.linspace(0, len(able) - 1, most).astype(int))
    return np.asarray(np.array(able, int)[some])


def forecast_cases(
    series: Series,
    makers: Mapping[str, Maker],
    *,
    horizon: float,
    seed: int,
    most: int = 16,
    folds: int = 3,
    progress: Progress | None = None,
) -> Cases:
    """Let every method look ahead from dates in the past, fitted to other places and to what was known by then.

    All dates up to `horizon` days after each origin are said at once, so no method is ever shown what it forecasts.
    """
    day = np.unique(series.day)
    fold = folds_of(series.place, folds, seed)
    shared = bool((series.day == series.day[0]).all()) if len(series) else True
    start = day[origins(day, horizon, most)]
    parts: list[dict[str, np.ndarray]] = []
    total, done = max(1, len(start) * (fold.max() + 1) * len(makers)), 0
    for o, now in enumerate(start):
        past = series.without(series.day > now)
        later = np.asarray((series.day > now) & (series.day <= now + horizon))
        if shared:
            past = past.dates(series.day[0] <= now)
        told = np.asarray(past.valid.any((1, 2)))
        hidden = series.valid & later[..., None] & told[:, None, None]
        value = np.full((len(makers), *hidden.shape), np.nan, np.float32)
        spread = value.copy()
        for f in range(int(fold.max()) + 1):
            here = np.flatnonzero(fold == f)
            there = np.flatnonzero(fold != f) if fold.max() else here
            for m, (name, make) in enumerate(makers.items()):
                if progress is not None:
                    progress(done, total, f"trying {name} from {np.datetime64(int(now), 'D')}")
                done += 1
                if shared:
                    columns = np.flatnonzero(later[0])
                    if not len(columns):
                        continue
                    said = make().fit(past.rows(there)).forecast(past.rows(here), series.day[0, columns])
                    where = np.ix_(here, columns)
                    value[m][where], spread[m][where] = said.value, _spread(said.low, said.high)
                else:
                    said = make().fit(past.rows(there)).forecast(past.rows(here), series.day[here])
                    value[m, here], spread[m, here] = said.value, _spread(said.low, said.high)
        lead = np.broadcast_to((series.day - now)[..., None], hidden.shape)
        moment = np.full(series.day.shape, o)
        parts.append(_flat(series, hidden, fold, moment, lead, np.zeros(hidden.shape, bool), value, spread))
    words = [f"forecasts from {len(start)} dates of the past, up to {horizon:.0f} days ahead, all said at once"]
    if len(start):
        words.append(f"from {np.datetime64(int(start[0]), 'D')} to {np.datetime64(int(start[-1]), 'D')}")
    return _cases("forecast", tuple(makers), parts, len(start), [", ".join(words)])


def _spread(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.asarray((high - low) / 2, np.float32)


def _stretches(series: Series, most: int = 24) -> np.ndarray:
    """(N, T): which stretch of time each date lies in, up to `most` of about as many dates."""
    day = np.unique(series.day)
    edges = np.quantile(day, np.linspace(0, 1, min(most, len(day)) + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, series.day, side="right"))


def _flat(
    series: Series,
    hidden: np.ndarray,
    fold: np.ndarray,
    moment: np.ndarray,
    size: np.ndarray,
    alone: np.ndarray,
    value: np.ndarray,
    spread: np.ndarray,
) -> dict[str, np.ndarray]:
    i, j, band = np.nonzero(hidden)
    place = np.unique(series.place, return_inverse=True)[1].ravel()
    return {
        "place": place[i], "moment": moment[i, j], "fold": fold[i], "band": band, "size": size[hidden],
        "alone": alone[hidden], "truth": series.values[hidden].astype(np.float64),
        "value": value[:, hidden], "spread": spread[:, hidden],
    }  # fmt: skip


def _cases(
    task: str, methods: tuple[str, ...], parts: Sequence[dict[str, np.ndarray]], moments: int, notes: Sequence[str]
) -> Cases:
    names = ("place", "moment", "fold", "band", "size", "alone", "truth", "value", "spread")
    if not parts:
        none = {n: np.zeros((len(methods), 0) if n in ("value", "spread") else 0) for n in names}
        none |= {n: np.zeros(0, int) for n in ("place", "moment", "fold", "band")}
        parts = [none | {"alone": np.zeros(0, bool)}]
    whole = {n: np.concatenate([p[n] for p in parts], axis=-1) for n in names}
    return Cases(task=task, methods=methods, moments=moments, notes=tuple(dict.fromkeys(notes)), **whole)
