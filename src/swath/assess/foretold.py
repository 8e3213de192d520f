"""Which forecaster to take, how far it is off, and intervals around what it says, from values hidden on purpose.

Units are places and moments (stretches of dates, or the dates forecasts start from): both are resampled together (Owen
2007, "The pigeonhole bootstrap"), and intervals are conformal over whichever of the two leaves less to learn from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.assess.calibrate import LEVEL, threshold
from swath.assess.hidden import Cases
from swath.assess.resampled import ends_of, resampled, units_of
from swath.estimate import Estimate, undefined
from swath.metric.series import LEVELS, bin_of, crps_of_quantiles

__all__ = ["Intervals", "Judged", "choose", "edges_of", "intervals", "judge", "kinds_of", "scaled_of", "spliced"]

FEWEST = 60  # cases of a kind below which it borrows from all of its sort
_MOST = 6000  # cases of one kind that a threshold is learned from


@dataclass(frozen=True)
class Intervals:
    """How far either side of what a method says the truth lies, by band and kind (C, K); inf where too little is known.

    edges: days at which bins of the gap or lead end; kinds: those bins where others were seen on the date, then where none
    was. scaled: of either sort, whether factors multiply the method's own spread; else they are in the band's unit.
    longest: gap or lead (days) that was tried; nothing is promised well beyond it.
    """

    level: float
    edges: tuple[float, ...]
    factor: np.ndarray
    scaled: tuple[bool, bool]
    longest: float = math.inf
    reason: str = ""

    def kind(self, size: np.ndarray, alone: np.ndarray) -> np.ndarray:
        """Kind of each gap or lead (days)."""
        return kinds_of(size, alone, self.edges)

    def half(self, size: np.ndarray, alone: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """(..., C) half widths; NaN where no interval is known. size, alone, spread: (..., C)."""
        kind = self.kind(size, alone)
        band = np.broadcast_to(np.arange(kind.shape[-1]), kind.shape)
        scaled = np.where(alone, self.scaled[1], self.scaled[0])
        found = self.factor[band, kind] * np.where(scaled, spread, 1.0)
        return np.where(np.isfinite(found) & (np.asarray(size) <= 1.2 * self.longest), found, np.nan)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        factor = [[float(v) if math.isfinite(v) else None for v in row] for row in self.factor]
        return {
            "level": self.level,
            "edges_days": list(self.edges),
            "factor": factor,
            "times_own_spread": list(self.scaled),
            "longest_days": self.longest if math.isfinite(self.longest) else None,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Judged:
    """One method on the hidden values. rmse over all bands and kinds as they occur; by_kind, by_band; crps; difference: of rmse
    to the best plain baseline, paired (negative: better). Units: the band's, or deviations of each band where there are several.
    """

    name: str
    rmse: Estimate
    mae: Estimate
    crps: Estimate
    difference: Estimate
    by_kind: tuple[Estimate, ...]
    by_band: tuple[Estimate, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            **{k: getattr(self, k).to_json() for k in ("rmse", "mae", "crps", "difference")},
            "by_kind": [e.to_json() for e in self.by_kind],
            "by_band": [e.to_json() for e in self.by_band],
        }


def edges_of(cases: Cases, bins: int = 3) -> tuple[float, ...]:
    """Days at which bins of gap or lead end, so that each holds about as many cases; fewer where sizes repeat."""
    size = cases.size[np.isfinite(cases.size)]
    if not len(size):
        return ()
    found = np.unique(np.quantile(size, np.linspace(0, 1, bins + 1)[1:-1]).round(1))
    return tuple(float(v) for v in found if v < size.max())


def kinds_of(size: np.ndarray, alone: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Kind of each case: its bin, and beyond them the same bins for dates on which nothing else was seen."""
    return np.asarray(bin_of(size, edges) + (len(edges) + 1) * np.asarray(alone, bool))


def judge(
    cases: Cases,
    edges: Sequence[float],
    weight: np.ndarray,
    *,
    units: Sequence[str],
    best: Sequence[str] = (),
    seed: int = 0,
    simulated: bool = False,
) -> list[Judged]:
    """Every method, in the order of the cases. weight (C, K): how often each kind of gap or lead occurs where answers are asked for.

    best: names of the plain baselines; differences are to the one of them with the smallest RMSE.
    """
    table = _Table.of(cases, edges, weight)
    errors = table.scores()  # (M,), whole; then draws
    plain = [i for i, n in enumerate(cases.methods) if n in best] or list(range(len(cases.methods)))
    reference = min(plain, key=lambda i: (errors.rmse[i] if math.isfinite(errors.rmse[i]) else math.inf, i))
    drawn = table.drawn(seed)
    unit = units[0] if len(set(units)) == 1 and len(units) == 1 else "deviation"
    say = _Sayer(table, unit, simulated, cases.task)
    out = []
    for m, name in enumerate(cases.methods):
        gap = errors.rmse[m] - errors.rmse[reference]
        apart = None if drawn is None else drawn.rmse[:, m] - drawn.rmse[:, reference]
        out.append(
            Judged(
                name=name,
                rmse=say(errors.rmse[m], None if drawn is None else drawn.rmse[:, m]),
                mae=say(errors.mae[m], None if drawn is None else drawn.mae[:, m]),
                crps=say(errors.crps[m], None if drawn is None else drawn.crps[:, m]),
                difference=replace(
                    say(gap, apart, f"paired difference to {cases.methods[reference]}")
                    if m != reference
                    else undefined(unit, "it is the best plain baseline itself")
                ),
                by_kind=tuple(
                    say(
                        errors.kind[m, k],
                        None if drawn is None else drawn.kind[:, m, k],
                        n=int(table.count[..., k].sum()),
                    )
                    for k in range(errors.kind.shape[1])
                ),
                by_band=tuple(
                    replace(say(errors.band[m, c], None if drawn is None else drawn.band[:, m, c]), unit=units[c])
                    for c in range(errors.band.shape[1])
                ),
            )
        )
    return out


def choose(cases: Cases, edges: Sequence[float], weight: np.ndarray, *, among: Sequence[str] = ()) -> str:
    """The method to take: the plainest (first) whose RMSE is within a hundredth of the smallest.

    weight (C, K): as in `judge`; kinds of weight 0 do not count where others do. among: methods that may be taken, all by
    default.
    """
    errors = _Table.of(cases, edges, weight, crps=False).scores().rmse
    able = np.array([not among or n in among for n in cases.methods]) & np.isfinite(errors)
    if not able.any():
        return next((n for n in cases.methods if not among or n in among), cases.methods[0])
    least = errors[able].min()
    return next(n for n, e, ok in zip(cases.methods, errors, able, strict=True) if ok and e <= 1.01 * least)


def spliced(
    cases: Cases, name: str, seen: str, alone: str, *, by_fold: dict[int, tuple[str, str]] | None = None
) -> Cases:
    """The cases with one more method, which is `seen` where others saw the date and `alone` where none did.

    Where a method tells no spread, it is 1. by_fold: (seen, alone) of each fold of places, where the choice was repeated
    without it.
    """
    value, spread = np.full(len(cases), np.nan), np.full(len(cases), np.nan)
    for f in np.unique(cases.fold):
        pair = (seen, alone) if by_fold is None else by_fold[int(f)]
        for sort, method in enumerate(pair):
            use = (cases.fold == f) & (cases.alone == bool(sort))
            m = cases.methods.index(method)
            value[use] = cases.value[m, use]
            spread[use] = cases.spread[m, use] if scaled_of(cases, method) else 1.0
    return replace(
        cases,
        methods=(*cases.methods, name),
        value=np.concatenate([cases.value, value[None].astype(cases.value.dtype)]),
        spread=np.concatenate([cases.spread, spread[None].astype(cases.spread.dtype)]),
    )


def scaled_of(cases: Cases, method: str) -> bool:
    """Whether a method tells its own spread nearly everywhere."""
    return _scores(cases, cases.methods.index(method))[1]


def intervals(
    cases: Cases,
    method: str,
    edges: Sequence[float],
    bands: int,
    *,
    level: float = LEVEL,
    seed: int = 0,
    simulated: bool = False,
) -> tuple[Intervals, Estimate, list[Estimate], list[tuple[float, float]]]:
    """Intervals of one method from its cases; their coverage on places and moments that they did not learn from, as a whole
    and by kind; and (level, coverage) at some levels.
    """
    m = cases.methods.index(method)
    kind = kinds_of(cases.size, cases.alone, edges)
    count = 2 * (len(edges) + 1)
    score, scaled = _scores(cases, m)
    random = np.random.default_rng([seed, 53])
    factor = _factors(cases, score, kind, bands, count, level, random)
    empty = not np.isfinite(factor).any()
    reason = f"too few hidden values for an interval ({len(cases)})" if empty else ""
    longest = float(cases.size[np.isfinite(cases.size)].max(initial=0.0))
    made = Intervals(level, tuple(edges), factor, (scaled, scaled), longest, reason)
    if empty:
        none = undefined("1", reason, n=len(cases))
        return made, none, [none] * count, []
    levels = sorted({0.5, 0.7, 0.8, level, 0.95}) if bands <= 3 else [level]
    inside = {a: _crossed(cases, score, kind, bands, count, a, random) for a in levels}
    held = inside[level]
    words = f"conformal intervals at {level:.2f}, on places and {_moments(cases)} that they were not learned from"
    whole = _coverage(cases, held, np.ones(len(held), bool), words, simulated, seed)
    by_kind = [_coverage(cases, held, kind == k, words, simulated, seed) for k in range(count)]
    known = [a for a in levels if np.isfinite(inside[a]).any()]
    return made, whole, by_kind, [(a, float(np.nanmean(inside[a]))) for a in known]


def _moments(cases: Cases) -> str:
    return "dates to start from" if cases.task == "forecast" else "stretches of dates"


def _scores(cases: Cases, m: int) -> tuple[np.ndarray, bool]:
    """|error| of each case, over the method's spread where it has one nearly everywhere."""
    error = np.abs(cases.value[m] - cases.truth)
    told = np.isfinite(cases.spread[m]) & (cases.spread[m] > 0)
    scaled = bool(len(cases)) and bool(told.mean() > 0.98)
    return (np.where(told, error / np.where(told, cases.spread[m], 1.0), np.nan) if scaled else error), scaled


def _factors(
    cases: Cases, score: np.ndarray, kind: np.ndarray, bands: int, count: int, level: float, random: np.random.Generator,
    use: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    out = np.full((bands, count), np.inf)
    known = np.isfinite(score) if use is None else np.isfinite(score) & use
    half = count // 2
    for band in range(bands):
        mine = known & (cases.band == band)
        sort = kind // half
        for k in range(count):
            for pool in (mine & (kind == k), mine & (sort == k // half), mine):
                if pool.sum() >= FEWEST:
                    out[band, k] = _limit(cases, score, np.flatnonzero(pool), level, random)
                    break
    return out


def _limit(cases: Cases, score: np.ndarray, which: np.ndarray, level: float, random: np.random.Generator) -> float:
    if len(which) > _MOST:
        which = np.sort(random.choice(which, _MOST, replace=False))
    return max(threshold(score[which], unit[which], level=level) for unit in (cases.place, cases.moment))


def _crossed(
    cases: Cases, score: np.ndarray, kind: np.ndarray, bands: int, count: int, level: float, random: np.random.Generator
) -> np.ndarray:
    """(n,) whether each case lies inside an interval learned from other places and other moments; NaN where none was."""
    parts = min(4, max(1, cases.moments))
    group = cases.moment * parts // max(1, cases.moments)
    held = np.full(len(cases), np.nan)
    for f in np.unique(cases.fold):
        for g in np.unique(group):
            here = (cases.fold == f) & (group == g)
            rest = (cases.fold != f) & (group != g)
            if not rest.any():
                rest = cases.fold != f if (cases.fold != f).any() else group != g
            factor = _factors(cases, score, kind, bands, count, level, random, rest)
            limit = factor[cases.band[here], kind[here]]
            held[here] = np.where(np.isfinite(limit) & np.isfinite(score[here]), score[here] <= limit, np.nan)
    return held


def _coverage(cases: Cases, held: np.ndarray, which: np.ndarray, words: str, simulated: bool, seed: int) -> Estimate:
    use = which & np.isfinite(held)
    n = int(use.sum())
    if not n:
        return undefined("1", "no hidden value of this kind", method=words)
    parts = np.zeros((cases.place.max() + 1, cases.moments, 2))
    np.add.at(parts, (cases.place[use], cases.moment[use]), np.stack([held[use], np.ones(n)], axis=-1))
    value = float(held[use].mean())
    drawn = resampled(parts, seed)
    bare = Estimate(value, "1", n=n, method=words, simulated=simulated)
    if drawn is None:
        return replace(bare, reason="no interval: too few places and moments to resample")
    share = drawn[:, 0] / np.maximum(drawn[:, 1], 1e-12)
    low, high = ends_of(share[drawn[:, 1] > 0], units_of(parts))
    return replace(bare, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)))


@dataclass(frozen=True)
class _Scored:
    """Arrays with the methods on the last axis but one (kind, band) or on the last."""

    rmse: np.ndarray
    mae: np.ndarray
    crps: np.ndarray
    kind: np.ndarray
    band: np.ndarray


@dataclass(frozen=True)
class _Table:
    """Sums of errors by place and moment: parts (P, G, M, 3, C, K) of square, absolute and CRPS; count (P, G, C, K)."""

    parts: np.ndarray
    count: np.ndarray
    scale: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, cases: Cases, edges: Sequence[float], weight: np.ndarray, *, crps: bool = True) -> _Table:
        """Only cases that every method answers count, so that all are judged on the same values."""
        methods, (bands, kinds) = len(cases.methods), weight.shape
        kind = kinds_of(cases.size, cases.alone, edges)
        use = np.isfinite(cases.value).all(0) & np.isfinite(cases.truth)
        p = int(cases.place.max(initial=0)) + 1
        scale = np.ones(bands)
        if bands > 1:
            for c in range(bands):
                mine = cases.truth[use & (cases.band == c)]
                scale[c] = float(mine.std()) + 1e-12 if len(mine) else 1.0
        shape = (p, cases.moments, bands, kinds)
        where = np.ravel_multi_index((cases.place[use], cases.moment[use], cases.band[use], kind[use]), shape)
        size = int(np.prod(shape))
        parts = np.zeros((methods, 3, size))
        for m in range(methods):
            error = (cases.value[m, use] - cases.truth[use]) / scale[cases.band[use]]
            score = _crps(cases, m, use, kind) if crps else np.zeros(len(error))
            whole = (error**2, np.abs(error), score / scale[cases.band[use]])
            for i, values in enumerate(whole):
                parts[m, i] = np.bincount(where, weights=values, minlength=size)
        count = np.bincount(where, minlength=size).astype(float).reshape(shape)
        placed = np.moveaxis(parts.reshape(methods, 3, *shape), (2, 3), (0, 1))
        return cls(placed, count, scale, np.asarray(weight, float))

    def scores(self) -> _Scored:
        """Of all cases."""
        found = self._scored(self.parts.sum((0, 1))[None], self.count.sum((0, 1))[None])
        return _Scored(*(getattr(found, n)[0] for n in ("rmse", "mae", "crps", "kind", "band")))

    def drawn(self, seed: int) -> _Scored | None:
        """Of resamples; None where units are too few."""
        p, g = self.count.shape[:2]
        whole = np.concatenate([self.parts.reshape(p, g, -1), self.count.reshape(p, g, -1)], axis=-1)
        found = resampled(whole, seed)
        if found is None:
            return None
        n = int(np.prod(self.parts.shape[2:]))
        return self._scored(
            found[:, :n].reshape(-1, *self.parts.shape[2:]), found[:, n:].reshape(-1, *self.count.shape[2:])
        )

    def _scored(self, parts: np.ndarray, count: np.ndarray) -> _Scored:
        """Of parts (D, M, 3, C, K), count (D, C, K)."""
        n = count[:, None, None]
        mean = np.divide(parts, n, out=np.full(parts.shape, np.nan), where=n > 0)
        seen = (count > 0) * np.where(self.weight > 0, self.weight, 1e-9)
        share = seen / np.maximum(seen.sum(-1, keepdims=True), 1e-300)
        whole = np.where(share[:, None, None] > 0, mean * share[:, None, None], 0.0).sum(-1)  # (D, M, 3, C)
        whole = np.where((count.sum(-1) > 0)[:, None, None], whole, np.nan)
        root = np.sqrt(whole[:, :, 0])
        kinds = _mean(np.sqrt(mean[:, :, 0]), 2)
        return _Scored(_mean(root, 2), _mean(whole[:, :, 1], 2), _mean(whole[:, :, 2], 2), kinds, root * self.scale)

    @property
    def units(self) -> int:
        """The fewer of places and moments that are enough to resample."""
        return units_of(self.count)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    known = np.isfinite(values)
    n = known.sum(axis)
    return np.where(n > 0, np.where(known, values, 0.0).sum(axis) / np.maximum(n, 1), np.nan)


def _crps(cases: Cases, m: int, use: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """CRPS of each case that counts: quantiles are those of the method's errors on other places, by band and kind."""
    score, scaled = _scores(cases, m)
    signed = np.sign(cases.truth - cases.value[m]) * score
    out = np.abs(cases.value[m, use] - cases.truth[use])
    fold, band, sort = cases.fold[use], cases.band[use], kind[use]
    truth, value = cases.truth[use], cases.value[m, use]
    wide = np.where(np.isfinite(cases.spread[m, use]), cases.spread[m, use], 0.0) if scaled else np.ones(len(truth))
    known = signed[use]
    for f in np.unique(fold):
        for c in np.unique(band):
            for k in np.unique(sort):
                here = (fold == f) & (band == c) & (sort == k)
                rest = (fold != f) & (band == c) & (sort == k) & np.isfinite(known)
                if not here.any() or rest.sum() < FEWEST:
                    continue
                q = np.quantile(known[rest], LEVELS)
                out[here] = crps_of_quantiles(value[here] + q[:, None] * wide[here], truth[here])
    return np.asarray(out)


@dataclass(frozen=True)
class _Sayer:
    """Numbers as Estimates."""

    table: _Table
    unit: str
    simulated: bool
    task: str

    def __call__(self, value: float, drawn: np.ndarray | None, method: str = "", *, n: int | None = None) -> Estimate:
        """An Estimate with the interval of its resamples."""
        count = int(self.table.count.sum()) if n is None else n
        what = f"values hidden on purpose{'; ' + method if method else ''}"
        if not math.isfinite(value):
            return undefined(self.unit, "no hidden value of this kind", method=what)
        places, moments = self.table.count.shape[:2]
        bare = Estimate(
            value,
            self.unit,
            n=count,
            simulated=self.simulated,
            method=f"{what}; {places} places, {moments} {self._moments}",
        )
        if drawn is None:
            return replace(
                bare, reason=f"no interval: {places} places and {moments} {self._moments} are too few to resample"
            )
        low, high = ends_of(drawn, self.table.units)
        if not (math.isfinite(low) and math.isfinite(high)):
            return replace(bare, reason="no interval: undefined in more than a tenth of the resamples")
        return replace(
            bare, low=min(low, value), high=max(high, value), method=f"{bare.method}, both resampled together"
        )

    @property
    def _moments(self) -> str:
        return "dates to start from" if self.task == "forecast" else "stretches of dates"
