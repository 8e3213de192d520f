"""How much an answer loses when its input gets worse: paired drops by place, with intervals, recomputed from one table.

A Table holds what every place adds under every corruption and level; all numbers come from it, so a saved table gives the
same numbers again. A drop is paired: the same units of the same places, answered before and after.
Geometric corruptions move the truth, and the clean answer moves with it before it is compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.estimate import Estimate, block_bootstrap, undefined
from swath.metric import regression

__all__ = [
    "Averages", "CLEAN", "Table", "Tally", "averages", "bought_back", "bought_clean", "chance_of", "class_drop", "class_tally",
    "doubt_of", "flipped", "flipped_mean", "holm", "jackknife_p", "mean_drop", "number_tally", "p_value", "retained",
    "retained_mean", "score",
]  # fmt: skip

Floats = NDArray[np.float64]
Measure = Literal["overall", "balanced", "r2"]
CLEAN = ("clean", 0)
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums of one corruption and level by place. Classes: n, before, after (P, K) units, right before and right after.

    Numbers: before, after (P, 6) moments of `metric.regression`, n (P, 1). silent (P,) units without an answer (counted as
    wrong). flips (Q, 2): parts of the ground compared, and changed. doubt (P, 1 + D): units, and sums of each doubt.
    """

    n: Floats
    before: Floats
    after: Floats
    silent: Floats
    flips: Floats
    doubt: Floats

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, k) + getattr(other, k) for k in self.__slots__))


@dataclass(frozen=True, slots=True)
class Table:
    """cells: {(corruption, level): Tally}; ("clean", 0) is the undamaged one. classes: names (none for numbers).

    doubts: names of the doubts. reference: "truth", or "own" where the clean answers stand in for truth. chance: score of
    the commonest class. unit: of numbers.
    """

    kind: str
    classes: tuple[str, ...]
    doubts: tuple[str, ...]
    cells: Mapping[tuple[str, int], Tally]
    reference: str = "truth"
    measure: Measure = "overall"
    simulated: bool = False
    unit: str = "1"

    @property
    def names(self) -> tuple[str, ...]:
        """The corruptions, in the order in which they were tried."""
        return tuple(dict.fromkeys(name for name, _ in self.cells if name != CLEAN[0]))

    def levels(self, name: str) -> tuple[int, ...]:
        """The levels of a corruption that were tried."""
        return tuple(sorted(level for own, level in self.cells if own == name))

    def to_json(self) -> dict[str, Any]:
        """Plain values; of classes only what is not zero: rows of place, class, n, before, after."""
        return {
            "kind": self.kind, "classes": list(self.classes), "doubts": list(self.doubts), "reference": self.reference,
            "measure": self.measure, "simulated": self.simulated, "unit": self.unit,
            "cells": [_cell_json(name, level, t, self.kind) for (name, level), t in self.cells.items()],
        }  # fmt: skip

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Table:
        """The inverse of `to_json`."""
        cells = {(c["corruption"], c["level"]): _cell_of(c, record["kind"]) for c in record["cells"]}
        told = {k: record[k] for k in ("kind", "reference", "measure", "simulated", "unit")}
        return cls(classes=tuple(record["classes"]), doubts=tuple(record["doubts"]), cells=cells, **told)


def _cell_json(name: str, level: int, t: Tally, kind: str) -> dict[str, Any]:
    rows: list[list[float]]
    if kind == "class":
        rows = [[int(p), int(k), *(_plain(a[p, k]) for a in (t.n, t.before, t.after))] for p, k in np.argwhere(t.n > 0)]
    else:
        rows = [[_plain(v) for v in (*n, *b, *a)] for n, b, a in zip(t.n, t.before, t.after, strict=True)]
    return {
        "corruption": name, "level": level, "shape": list(t.n.shape), "rows": rows, "silent": [_plain(v) for v in t.silent],
        "flips": [[_plain(v) for v in row] for row in t.flips], "doubt": [[_plain(v) for v in row] for row in t.doubt],
    }  # fmt: skip


def _plain(value: float) -> float:
    return int(value) if float(value).is_integer() else float(value)


def _cell_of(c: Mapping[str, Any], kind: str) -> Tally:
    shape = tuple(c["shape"])
    silent, flips, doubt = (np.array(c[k], float) for k in ("silent", "flips", "doubt"))
    flips, doubt = flips.reshape(-1, 2), doubt.reshape(shape[0], -1)
    rows = np.array(c["rows"], float)
    if kind != "class":
        return Tally(rows[:, :1], rows[:, 1:7], rows[:, 7:13], silent, flips, doubt)
    parts = np.zeros((3, *shape))
    if len(rows):
        at = rows[:, :2].astype(int)
        parts[:, at[:, 0], at[:, 1]] = rows[:, 2:].T
    return Tally(parts[0], parts[1], parts[2], silent, flips, doubt)


def class_tally(
    truth: np.ndarray, before: np.ndarray, after: np.ndarray, place: np.ndarray, size: tuple[int, int],
    flips: np.ndarray, doubt: np.ndarray,
) -> Tally:  # fmt: skip
    """A Tally of units (n,): truth, answers as class indices (-1: none), place index; size (P, K). doubt (n, D), NaN where
    none.
    """
    key = place * size[1] + truth
    n, right, kept = (_bins(key, w, size) for w in (np.ones(len(key)), before == truth, after == truth))
    return Tally(n, right, kept, _bins(place, after < 0, (size[0],)), flips, _doubts(doubt, place, size[0]))


def number_tally(
    truth: np.ndarray, before: np.ndarray, after: np.ndarray, place: np.ndarray, places: int, centre: float,
    flips: np.ndarray, doubt: np.ndarray,
) -> Tally:  # fmt: skip
    """A Tally of numbers (n,); `centre` stands for an answer that is missing, so that silence is no skill."""
    parts = []
    for answer in (before, after):
        own = np.where(np.isfinite(answer), answer, centre)
        error, t = own - truth, truth - centre
        moments = (np.ones(len(t)), error, np.abs(error), error**2, t, t**2)
        parts.append(np.stack([_bins(place, m, (places,)) for m in moments], 1))
    silent = _bins(place, ~np.isfinite(after), (places,))
    return Tally(parts[0][:, :1], parts[0], parts[1], silent, flips, _doubts(doubt, place, places))


def _bins(key: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]) -> Floats:
    counted = np.bincount(key, weights=np.asarray(weight, float), minlength=int(np.prod(shape)))
    return np.asarray(counted, float).reshape(shape)


def _doubts(doubt: np.ndarray, place: np.ndarray, places: int) -> Floats:
    known = np.isfinite(doubt).all(1)
    columns = [np.ones(int(known.sum())), *doubt[known].T]
    return np.stack([_bins(place[known], c, (places,)) for c in columns], 1)


def _scored(table: Table, sums: Floats) -> Floats:
    """Score of summed (..., 2, K) [right, n] or (..., 6) moments."""
    if table.kind == "number":
        return regression.r2(sums)
    right, n = sums[..., 0, :], sums[..., 1, :]
    if table.measure == "balanced":
        return _mean_share(right, n)
    total = n.sum(-1)
    return np.asarray(np.where(total > 0, right.sum(-1) / np.where(total > 0, total, 1), np.nan))


def _parts(table: Table, t: Tally, which: str) -> Floats:
    """(P, ...) what a score of `before` or `after` sums up."""
    own = getattr(t, which)
    return np.asarray(own if table.kind == "number" else np.stack([own, t.n], 1))


def _pairs(table: Table, cells: Sequence[Tally]) -> Floats:
    """(P, cells, 2, ...): before and after of several cells."""
    return np.stack([np.stack([_parts(table, t, w) for w in ("before", "after")], 1) for t in cells], 1)


def _drop(table: Table) -> Callable[[Floats], Floats]:
    def statistic(sums: Floats) -> Floats:
        scores = _scored(table, sums)  # (..., cells, 2)
        return np.asarray((scores[..., 0] - scores[..., 1]).mean(-1))

    return statistic


def score(table: Table, name: str = CLEAN[0], level: int = 0) -> Estimate:
    """The score under a corruption and level, resampling places."""
    t = table.cells[name, level]
    words = (
        "agreement with the own clean answer"
        if table.reference == "own"
        else {"r2": "R2"}.get(table.measure, table.measure)
    )
    return block_bootstrap(
        _parts(table, t, "after"), lambda s: _scored(table, s), n=int(t.n.sum()), method=words, draws=DRAWS,
        simulated=table.simulated,
    )  # fmt: skip


def mean_drop(table: Table, names: Sequence[str], levels: Sequence[int] | None = None) -> Estimate:
    """Clean score minus damaged score, the mean over levels and corruptions, paired by unit and resampled by place."""
    cells = [table.cells[n, v] for n in names for v in (table.levels(n) if levels is None else levels)]
    if not cells:
        return undefined("1", "no such corruption or level was tried")
    words = f"mean drop over {len(cells)} corruptions and levels, paired by unit"
    units = int(sum(t.n.sum() for t in cells))
    return block_bootstrap(
        _pairs(table, cells), _drop(table), n=units, method=words, draws=DRAWS, simulated=table.simulated
    )


def class_drop(table: Table, k: int, names: Sequence[str], levels: Sequence[int] | None = None) -> Estimate:
    """Drop of the share of a class's units that are right, the mean over levels and corruptions."""
    cells = [table.cells[n, v] for n in names for v in (table.levels(n) if levels is None else levels)]
    parts = of_class(cells, k)
    if not len(parts):
        return undefined("1", f"no unit of {table.classes[k]}")
    return block_bootstrap(
        parts, class_share, n=int(parts[..., 1].sum()), method="drop of producer's accuracy, paired by unit", draws=DRAWS,
        simulated=table.simulated,
    )  # fmt: skip


def of_class(cells: Sequence[Tally], k: int) -> Floats:
    """(P, cells, 2) lost units and units of a class, places that have some."""
    parts = np.stack([np.stack([t.before[:, k] - t.after[:, k], t.n[:, k]], 1) for t in cells], 1)
    return np.asarray(parts[parts[..., 1].sum(1) > 0])


def class_share(sums: Floats) -> Floats:
    """Share lost of summed (..., cells, 2), the mean over cells."""
    return _mean_share(sums[..., 0], sums[..., 1])


def _mean_share(part: Floats, n: Floats) -> Floats:
    """Mean over the last axis of part / n where n is above 0; NaN where it never is."""
    there = n > 0
    total = np.where(there, part / np.where(there, n, 1), 0).sum(-1)
    return np.asarray(np.where(there.any(-1), total / np.maximum(there.sum(-1), 1), np.nan))


def flipped(table: Table, name: str, level: int) -> Estimate:
    """Share of the mapped ground whose answer is another one (or none) than before."""
    parts = table.cells[name, level].flips
    parts = parts[parts[:, 0] > 0]
    return block_bootstrap(
        parts, lambda s: s[..., 1] / s[..., 0], n=int(parts[:, 0].sum()), method="share of the map that changes",
        draws=DRAWS, simulated=table.simulated,
    )  # fmt: skip


def doubt_of(table: Table, name: str, level: int, which: int) -> Estimate:
    """Mean of one doubt over the judged units that have it."""
    parts = table.cells[name, level].doubt[:, [0, 1 + which]]
    parts = parts[parts[:, 0] > 0]
    return block_bootstrap(
        parts, lambda s: s[..., 1] / s[..., 0], n=int(parts[:, 0].sum()), method=f"mean {table.doubts[which]}",
        draws=DRAWS, simulated=table.simulated,
    )  # fmt: skip


def retained(table: Table, name: str, level: int, chance: float) -> float:
    """(damaged - chance) / (clean - chance): what is left of the skill; NaN where there was none."""
    t = table.cells[name, level]
    before, after = (float(_scored(table, _parts(table, t, w).sum(0))) for w in ("before", "after"))
    return (after - chance) / (before - chance) if before - chance > 1e-9 else math.nan


def chance_of(table: Table) -> float:
    """The score of always saying the commonest class (of the mean, for numbers: 0)."""
    if table.kind == "number":
        return 0.0
    n = table.cells[CLEAN].n.sum(0)
    return 1 / max(1, int((n > 0).sum())) if table.measure == "balanced" else float(n.max() / n.sum())


def p_value(table: Table, name: str, level: int) -> float:
    """Two-sided p of no drop over places: `jackknife_p`; NaN below 6 places."""
    t = table.cells[name, level]
    return jackknife_p(_pairs(table, [t])[t.n.sum(1) > 0], _drop(table))


def jackknife_p(parts: Floats, statistic: Callable[[Floats], Floats]) -> float:
    """Two-sided p that a statistic of summed parts (P, ...) is 0: jackknife over places, Student's t with P - 1 degrees of
    freedom; NaN below 6 places.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 11.2.
    """
    from scipy.special import stdtr

    count = len(parts)
    if count < 6:
        return math.nan
    total = parts.sum(0)
    value, without = float(statistic(total)), statistic(total - parts)
    without = without[np.isfinite(without)]
    if not math.isfinite(value) or len(without) < count:
        return math.nan
    spread = math.sqrt((count - 1) / count * float(np.square(without - without.mean()).sum()))
    return float(abs(value) < 1e-12) if spread <= 1e-15 else 2 * float(stdtr(count - 1, -abs(value) / spread))


def holm(p: ArrayLike) -> Floats:
    """Adjusted p-values that hold for all tests together (Holm 1979, Scandinavian Journal of Statistics 6); NaN stay."""
    given = np.asarray(p, float)
    out = np.full(given.shape, np.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    raised = given[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(raised), 1) if len(order) else raised
    return out


@dataclass(frozen=True, slots=True)
class Averages:
    """As the benchmark averages: each corruption over its levels, then over corruptions; drop = clean - that, in points."""

    by_corruption: Mapping[str, float]
    mean: float
    drop: float


def averages(clean: float, by_level: Mapping[str, Sequence[float]]) -> Averages:
    """Averages of scores {corruption: score at each level} as REOBench reports them."""
    means = {name: math.fsum(values) / len(values) for name, values in by_level.items()}
    mean = math.fsum(means.values()) / len(means)
    return Averages(means, mean, clean - mean)


def retained_mean(table: Table, names: Sequence[str], chance: float) -> Estimate:
    """(mean damaged score - chance) / (mean clean score - chance) over levels and corruptions: what is left of the skill."""
    cells = [table.cells[n, v] for n in names for v in table.levels(n)]

    def statistic(sums: Floats) -> Floats:
        scores = _scored(table, sums).mean(-2)
        with np.errstate(invalid="ignore", divide="ignore"):
            left = (scores[..., 1] - chance) / (scores[..., 0] - chance)
        return np.asarray(np.where(scores[..., 0] - chance > 0.02, left, np.nan))

    words = f"retained skill above {chance:.3f}, mean of {len(cells)} corruptions and levels"
    return block_bootstrap(_pairs(table, cells), statistic, method=words, draws=DRAWS, simulated=table.simulated)


def flipped_mean(table: Table, names: Sequence[str]) -> Estimate:
    """Share of answers that are another one than before, the mean over levels and corruptions."""
    parts = np.stack([table.cells[n, v].flips for n in names for v in table.levels(n)], 1)

    def statistic(sums: Floats) -> Floats:
        return np.asarray((sums[..., 1] / np.where(sums[..., 0] > 0, sums[..., 0], np.nan)).mean(-1))

    return block_bootstrap(parts, statistic, method="answers that change", draws=DRAWS, simulated=table.simulated)


def bought_back(ours: Table, theirs: Table, names: Sequence[str]) -> Estimate:
    """Damaged score of ours minus that of theirs on the same units, the mean over levels and corruptions."""
    cells = [(n, v) for n in names for v in theirs.levels(n)]
    parts = np.stack([np.stack([_parts(t, t.cells[c], "after") for t in (ours, theirs)], 1) for c in cells], 1)
    words = f"paired difference under {len(cells)} corruptions and levels"
    return block_bootstrap(parts, _drop(ours), method=words, draws=DRAWS, simulated=ours.simulated)


def bought_clean(ours: Table, theirs: Table) -> Estimate:
    """Undamaged score of ours minus that of theirs on the same units."""
    parts = np.stack([_parts(t, t.cells[CLEAN], "after") for t in (ours, theirs)], 1)[:, None]
    return block_bootstrap(
        parts, _drop(ours), method="paired difference, undamaged", draws=DRAWS, simulated=ours.simulated
    )
