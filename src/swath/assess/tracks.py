"""Tracks judged run by run and together: errors and correct rates with intervals over blocks of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from swath.assess.coverage import Point, coverage_curve
from swath.estimate import MIN_PLACES, Estimate, block_bootstrap, undefined
from swath.geometry import pose as se3
from swath.geometry.trajectory import (
    Limits,
    Match,
    Scores,
    Trajectory,
    correct,
    held,
    match,
    relative,
    scene,
    scores,
)

__all__ = ["BLOCK", "Judged", "Run", "curve", "difference", "judge"]

BLOCK = 10.0
"""Seconds: poses closer than this in one run are no independent draws. Long runs have blocks of a twentieth of their length."""
Kind = Literal["rigid", "similarity", "first", "none"]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """One sequence. numbers: {name: Estimate} under the names of the reference evaluator; still: RMS distance of the true
    positions to their mean, what a point that never moves would score.
    """

    sequence: int
    match: Match
    scores: Scores
    numbers: Mapping[str, Estimate]
    still: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        s = self.scores
        return {
            "sequence": self.sequence,
            "poses": s.poses,
            "matches": s.matches,
            "correct": s.correct,
            "duration_s": s.duration,
            "lost": s.matches == 0,
            **{name: e.to_json() for name, e in self.numbers.items()},
            "still_rmse_m": self.still if math.isfinite(self.still) else None,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """All runs of one estimate. alignment: what moved it, found on the runs in `aligned_on`; total: {name: Estimate}."""

    runs: tuple[Run, ...]
    total: Mapping[str, Estimate]
    alignment: se3.Alignment
    aligned_on: tuple[int, ...]
    kind: Kind
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "alignment": {
                "kind": self.kind,
                "on_sequences": list(self.aligned_on),
                "determined": self.alignment.determined,
                "scale": self.alignment.scale,
            },
            "runs": [r.to_json() for r in self.runs],
            "total": {name: e.to_json() for name, e in self.total.items()},
            "notes": list(self.notes),
        }


def judge(
    pairs: Mapping[int, tuple[Trajectory, Trajectory]],
    limits: Limits,
    *,
    kind: Kind = "rigid",
    each: bool = False,
    step: tuple[float, Literal["s", "m", "frame"]] = (1.0, "s"),
    seed: int = 0,
    simulated: bool = False,
) -> Judged:
    """Judge {sequence: (truth, estimate)}: aligned once, on the lowest sequence with a match, unless `each` is aligned to itself.

    One alignment for all is what punishes a wrong relocalisation. An empty estimate is a lost run: no error, nothing tracked.
    """
    matches = {k: match(truth, said) for k, (truth, said) in sorted(pairs.items())}
    alive = [k for k, m in matches.items() if len(m.stamp)]
    notes: list[str] = []
    if not alive:
        notes.append("no pose has a true one within half a second: the stamps do not overlap, or a clock is off")
    first = alive[0] if alive else min(matches)
    moves = {k: se3.align(matches[k].estimate, matches[k].truth, kind) for k in (alive if each else alive[:1])}
    if alive and not each and first != min(matches):
        notes.append(f"sequence {min(matches)} is lost: aligned on sequence {first}")
    notes += [note for k, move in moves.items() for note in _open(k, move)]
    size, _, count = _blocks(matches)
    if alive and count < MIN_PLACES:
        notes.append(f"no intervals: {count} blocks of {size:.3g} s are too few to resample ({MIN_PLACES} are needed)")
    none = se3.Alignment(np.eye(3), np.zeros(3), 1.0, "point", 0.0)
    runs = []
    for k, m in matches.items():
        move = moves.get(k if each else first, none)
        fitted = m.aligned(move, own=each or k == first)
        true = pairs[k][0].pose[:, :3]
        still = float(np.sqrt(((true - true.mean(0)) ** 2).sum(1).mean())) if len(true) else math.nan
        numbers = _numbers({k: fitted}, limits, step, seed, simulated)
        runs.append(Run(k, fitted, scores(fitted, limits), numbers, still))
    total = _numbers({r.sequence: r.match for r in runs}, limits, step, seed, simulated)
    whole = scene([r.scores for r in runs])
    # The published scene totals weigh runs in their own way: their values, the intervals of the pooled ones left out.
    for name, value in (("c_ate_rmse_m", whole["c_ate"]), ("c_aoe_rmse_deg", whole["c_aoe"]), ("cr_t", whole["cr_t"])):
        total = {**total, name: _bare(value, total[name].unit, "mean over runs, weighted as the paper's", simulated)}
    total = {**total, "c_rs": _bare(whole["c_rs"], "1", f"mean over {len(runs)} runs", simulated)}
    total = {k: v for k, v in total.items() if k != "reloc_time_s"}
    return Judged(tuple(runs), total, moves.get(first, none), tuple(moves), kind, tuple(notes))


def _open(sequence: int, move: se3.Alignment) -> list[str]:
    where = f"sequence {sequence}"
    if move.determined == "point":
        return [f"{where}: one place only, its positions decide no rotation; errors are undefined (try --align first)"]
    if move.determined == "line":
        words = "all positions lie on a line, the turn about it is not determined"
        return [f"{where}: {words}; errors of rotation, and of other sequences, are undefined (try --align first)"]
    if move.weak < 0.01:
        share = f"{100 * move.weak:.1f} %"
        return [f"{where}: positions lie almost on a line (extent across it {share}); rotations are poorly determined"]
    return []


def _bare(value: float, unit: str, method: str, simulated: bool) -> Estimate:
    if not math.isfinite(value):
        return undefined(unit, "no correct pose", method=method)
    reason = "no interval: one number of the whole"
    return Estimate(value, unit, method=method, simulated=simulated, reason=reason, n=1)


def _blocks(matches: Mapping[int, Match]) -> tuple[float, dict[int, int], int]:
    """Seconds of a block, the number of the first block of each sequence, and how many there are."""
    spans = {k: m.end - m.start for k, m in matches.items() if math.isfinite(m.end)}
    size = max(BLOCK, sum(spans.values()) / (20 * max(len(spans), 1)))
    first, count = {}, 0
    for k, span in spans.items():
        first[k] = count
        count += max(1, math.ceil(span / size - 1e-9))
    return size, first, count


def _parts(
    matches: Mapping[int, Match], limits: Limits, step: tuple[float, Literal["s", "m", "frame"]]
) -> tuple[Array, float]:
    """(blocks, 14): seconds tracked, of the truth and since the first match; then sums of squares and counts."""
    size, first, count = _blocks(matches)
    out = np.zeros((count, 15))
    for k, m in matches.items():
        if k not in first:
            continue
        last = max(1, math.ceil((m.end - m.start) / size - 1e-9)) - 1
        edges = m.start + size * np.arange(last + 2)
        length = np.diff(np.minimum(edges, m.end))
        rows = slice(first[k], first[k] + last + 1)
        out[rows, 1] = length
        if not len(m.stamp):
            continue
        out[rows, 2] = np.clip(edges[1:].clip(max=m.end) - np.maximum(edges[:-1], m.stamp[0]), 0, None)
        block = first[k] + ((m.stamp - m.start) // size).astype(int).clip(0, last)
        right = correct(m, limits)
        _sum(out[:, 0], block[right], held(m, limits)[right])
        for column, values, counted in (
            (3, m.distance, np.isfinite(m.distance)),
            (5, m.distance, right & np.isfinite(m.distance)),
            (7, m.turn, np.isfinite(m.turn)),
            (9, m.turn, right & np.isfinite(m.turn)),
        ):
            _sum(out[:, column], block[counted], values[counted] ** 2)
            _sum(out[:, column + 1], block[counted], np.ones(int(counted.sum())))
        start, metres, degrees = relative(m, *step)
        at = first[k] + ((start - m.start) // size).astype(int).clip(0, last)
        for column, values in ((11, metres), (13, degrees)):
            fine = np.isfinite(values)
            _sum(out[:, column], at[fine], values[fine] ** 2)
            _sum(out[:, column + 1], at[fine], np.ones(int(fine.sum())))
    return out, size


def _sum(column: Array, at: NDArray[np.int_], values: Array) -> None:
    column += np.bincount(at, values, len(column))


def _ratio(top: int, bottom: int, root: bool) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def statistic(parts: NDArray[Any]) -> NDArray[Any]:
        a, b = parts[..., top], parts[..., bottom]
        found = np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0)
        return np.asarray(np.sqrt(found) if root else np.minimum(found, 1.0))

    return statistic


_SAID = {
    "ate_rmse_m": (3, 4, "m", "no matched pose, or the alignment is not determined"),
    "c_ate_rmse_m": (5, 6, "m", "no correct pose"),
    "aoe_rmse_deg": (7, 8, "degree", "no matched pose with a determined rotation"),
    "c_aoe_rmse_deg": (9, 10, "degree", "no correct pose with a determined rotation"),
    "rpe_rmse_m": (11, 12, "m", "no two poses a step apart"),
    "rpe_rmse_deg": (13, 14, "degree", "no two poses a step apart with rotations"),
}


def _numbers(
    matches: Mapping[int, Match],
    limits: Limits,
    step: tuple[float, Literal["s", "m", "frame"]],
    seed: int,
    simulated: bool,
) -> dict[str, Estimate]:
    parts, size = _parts(matches, limits, step)
    method = f"blocks of {size:.3g} s"
    out: dict[str, Estimate] = {}
    for name, (top, bottom, unit, reason) in _SAID.items():
        n = int(parts[:, bottom].sum())
        words = f"{method}; over {step[0]:g} {step[1]}" if name.startswith("rpe") else method
        out[name] = (
            block_bootstrap(
                parts, _ratio(top, bottom, True), unit=unit, n=n, method=words, seed=seed, simulated=simulated
            )
            if n
            else undefined(unit, reason, method=words)
        )
    for name, bottom in (("cr", 1), ("cr_t", 2)):
        found = block_bootstrap(
            parts, _ratio(0, bottom, False), n=len(parts), method=method, seed=seed, simulated=simulated
        )
        lost = name == "cr_t" and not parts[:, 2].sum() and len(parts)
        out[name] = (
            Estimate(0.0, "1", n=len(parts), method=method, reason="lost", simulated=simulated) if lost else found
        )
    if len(matches) == 1:
        alone = scores(next(iter(matches.values())), limits)
        out["cr"], out["cr_t"] = replace(out["cr"], value=alone.cr), replace(out["cr_t"], value=alone.cr_t)
        event = "no interval: one event"
        out["reloc_time_s"] = (
            Estimate(alone.reloc, "s", n=1, method="seconds to the first match", reason=event, simulated=simulated)
            if math.isfinite(alone.reloc)
            else undefined("s", "never localised", method="seconds to the first match")
        )
        out["c_rs"] = Estimate(
            alone.c_rs,
            "1",
            n=1,
            method=f"exp(-reloc / {limits.patience:g} s) if the first match is correct, else 0",
            reason=event,
            simulated=simulated,
        )
    return out


def difference(ours: Judged, theirs: Judged, limits: Limits, *, seed: int = 0, simulated: bool = False) -> Estimate:
    """Correct rate of one estimate less another's, over the same blocks of the same truth."""
    parts = [_parts({r.sequence: r.match for r in j.runs}, limits, (1.0, "s"))[0] for j in (ours, theirs)]
    both = np.stack([parts[0][:, 0], parts[1][:, 0], parts[0][:, 1]], -1)

    def statistic(sums: NDArray[Any]) -> NDArray[Any]:
        gap, whole = sums[..., 0] - sums[..., 1], sums[..., 2]
        return np.asarray(np.divide(gap, whole, out=np.full(np.shape(gap), np.nan), where=np.asarray(whole) > 0))

    return block_bootstrap(both, statistic, method="paired on the same blocks of time", seed=seed, simulated=simulated)


def curve(judged: Judged, limits: Limits, *, points: int = 24, seed: int = 0, simulated: bool = False) -> list[Point]:
    """Correct rate, and RMSE of the correct poses, against the distance that still counts as correct.

    The turn limit and the gap stay as they are. Undefined errors are never correct.
    """
    matches = {r.sequence: r.match for r in judged.runs}
    parts, size = _parts(matches, limits, (1.0, "s"))
    _, first, _ = _blocks(matches)
    error, seconds, group = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, int)]
    for k, m in matches.items():
        if k in first and len(m.stamp):
            fine = correct(m, replace(limits, distance=math.inf))
            last = max(1, math.ceil((m.end - m.start) / size - 1e-9)) - 1
            error.append(np.where(fine, m.distance, np.nan))
            seconds.append(held(m, limits))
            group.append(first[k] + ((m.stamp - m.start) // size).astype(int).clip(0, last))
    e, w, g = np.concatenate(error), np.concatenate(seconds), np.concatenate(group)
    known = e[np.isfinite(e)]
    if not len(known):
        return []
    low = max(float(np.quantile(known, 0.02)), 1e-4 * float(known.max()), 1e-9)
    thresholds = np.geomspace(low, max(float(known.max()), 1.001 * low), points).tolist()
    spare = np.clip(parts[:, 1] - np.bincount(g, w, len(parts)), 0, None)
    return coverage_curve(
        e,
        e,
        g,
        thresholds=thresholds,
        weight=w,
        unanswered=([str(i) for i in range(len(parts))], spare.tolist()),
        kind="rms",
        unit="m",
        seed=seed,
        simulated=simulated,
    )
