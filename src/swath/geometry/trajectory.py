"""Estimated tracks against true ones: how far off they are, and for how much of the time they are right at all.

Accuracy and robustness are kept apart, as in "Are We Ready for Service Robots? The OpenLORIS-Scene Datasets for Lifelong
SLAM" (arXiv 1911.05603): a tracker that dies early can be exact while it lives. Definitions were checked against the public
evaluator; its faults are avoided here: a run without a matched pose has no error (that tool prints 0.000), and rotations
between two true poses lie on the arc between them (that tool swaps the weights and takes a wrong dot product).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.errors import SwathError
from swath.geometry import pose as se3

__all__ = ["Limits", "Match", "Scores", "Trajectory", "clean", "correct", "match", "relative", "scene", "scores"]

Array = NDArray[np.float64]
REACH = 0.5
"""Seconds within which both neighbours of a stamp must lie for a true pose to be interpolated."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """stamp (N,): seconds, sorted, unique; pose (N, 7): x y z, quaternion x y z w (NaN: positions only). dropped: {why: how many}."""

    stamp: Array
    pose: Array
    dropped: tuple[tuple[str, int], ...] = ()

    @property
    def oriented(self) -> bool:
        """Whether any pose has a rotation."""
        return bool(np.isfinite(self.pose[:, 3:]).all(1).any()) if len(self.pose) else False

    @property
    def length(self) -> float:
        """Path length in metres."""
        return float(np.linalg.norm(np.diff(self.pose[:, :3], axis=0), axis=1).sum()) if len(self.pose) > 1 else 0.0


def clean(
    stamp: ArrayLike,
    pose: ArrayLike,
    *,
    repeated: bool = False,
    still: float = math.inf,
    before: ArrayLike | None = None,
) -> Trajectory:
    """A Trajectory of rows as they come: sorted by stamp; rows without a number dropped and counted.

    Of equal stamps the first row stays. repeated: also drop a pose identical to the one before it (a frozen tracker
    repeats itself), unless the pose stays for `still` seconds or more: then something stood still. before (7,): the last pose of
    the run before this one. Quaternions are made to length one; a zero quaternion drops the row.
    Raises SwathError for shapes other than (N,) and (N, 7).
    """
    t, p = np.asarray(stamp, float), np.asarray(pose, float)
    if t.ndim != 1 or p.shape != (len(t), 7):
        raise SwathError(
            rule="a track has N stamps and N x 7 poses: x y z and a quaternion x y z w",
            got=f"{t.shape} and {p.shape}",
            remedy="give one pose a stamp",
        )
    dropped: dict[str, int] = {}

    def keep(mask: NDArray[np.bool_], why: str) -> None:
        nonlocal t, p
        if not mask.all():
            dropped[why] = int((~mask).sum())
        t, p = t[mask], p[mask]

    keep(np.isfinite(t) & np.isfinite(p[:, :3]).all(1), "without a number")
    if np.isfinite(p[:, 3:]).any():
        keep(np.isfinite(p[:, 3:]).all(1) & (np.abs(p[:, 3:]).max(1, initial=0) > 0), "without a rotation")
        p = np.concatenate([p[:, :3], se3.normalise(p[:, 3:])], -1)
    order = np.argsort(t, kind="stable")
    if (order != np.arange(len(t))).any():
        dropped["out of order, sorted"] = int((np.diff(t) < 0).sum())
    t, p = t[order], p[order]
    keep(np.diff(t, prepend=-np.inf) > 0, "with the stamp of another")
    if repeated and len(t):
        last = np.full((1, 7), np.inf) if before is None else np.asarray(before, float)[None]
        earlier = np.concatenate([last, p[:-1]])
        same = ((p == earlier) | (np.isnan(p) & np.isnan(earlier))).all(1)
        starts = np.flatnonzero(~same)
        leave = np.append(t[starts[1:]], t[-1])  # when the pose that began at each start is over
        run = np.cumsum(~same) - 1
        short = np.ones(len(t), bool)
        short[run >= 0] = (leave - t[starts])[run[run >= 0]] < still if len(starts) else True
        keep(~(same & short), "that repeat the one before")
    return Trajectory(t, p, tuple(dropped.items()))


@dataclass(frozen=True, slots=True)
class Match:
    """Estimated poses that have a true one. start, end: first and last true stamp; poses: how many there were.

    distance (M,) metres and turn (M,) degrees are NaN until aligned, or where not determined.
    """

    stamp: Array
    truth: Array
    estimate: Array
    start: float
    end: float
    poses: int
    distance: Array
    turn: Array

    def aligned(self, alignment: se3.Alignment, *, own: bool) -> Match:
        """The same with errors after `alignment`. own: it was found on these very poses."""
        moved = alignment(self.estimate) if len(self.stamp) else self.estimate
        distance = np.linalg.norm(moved[:, :3] - self.truth[:, :3], axis=1)
        apart = se3.multiply(se3.inverse(self.truth)[:, 3:], moved[:, 3:])
        turn = np.degrees(se3.angle(apart))
        open_ = alignment.determined
        if open_ == "point" or (open_ == "line" and not own):
            distance = np.full(len(distance), np.nan)
        if open_ != "all":
            turn = np.full(len(turn), np.nan)
        return replace(self, estimate=moved, distance=distance, turn=turn)


def match(truth: Trajectory, estimate: Trajectory, *, reach: float = REACH) -> Match:
    """Truth interpolated at every estimated stamp; stamps outside the truth's time, or in its gaps, have no match."""
    at, there = se3.interpolate(truth.stamp, truth.pose, estimate.stamp, reach=reach)
    start, end = (float(truth.stamp[0]), float(truth.stamp[-1])) if len(truth.stamp) else (math.nan, math.nan)
    none = np.full(int(there.sum()), np.nan)
    return Match(estimate.stamp[there], at[there], estimate.pose[there], start, end, len(estimate.stamp), none, none)


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as right. distance: metres; turn: degrees; gap: no pose for longer is lost, seconds.

    patience: seconds in which the score of relocalisation falls by e.
    """

    distance: float = math.inf
    turn: float = math.inf
    gap: float = 1.0
    patience: float = 60.0


def correct(match: Match, limits: Limits) -> NDArray[np.bool_]:
    """(M,): within both limits. A limit of infinity is always kept; an error that is not determined keeps no other one."""
    near = np.isinf(limits.distance) | (match.distance <= limits.distance)
    return np.asarray(near & (np.isinf(limits.turn) | (match.turn <= limits.turn)))


def held(match: Match, limits: Limits) -> Array:
    """(M,) seconds that each matched pose stands for: until the next one, at most the gap; the last until the end."""
    if not len(match.stamp):
        return np.zeros(0)
    end = max(match.end, float(match.stamp[-1]))
    return np.asarray(np.minimum(limits.gap, np.diff(match.stamp, append=end)))


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one run. Errors are NaN where there is no matched pose: a lost run has no error, never an error of 0.

    ate, aoe: RMSE of positions (m) and of rotations (degrees); c_ate, c_aoe: of correct poses only. cr: seconds correctly
    tracked over the truth's duration; cr_t: over the time since the first match. reloc: seconds to the first match;
    c_rs: exp(-reloc / patience) if the first match is correct, else 0.
    """

    poses: int
    matches: int
    correct: int
    ate: float
    c_ate: float
    aoe: float
    c_aoe: float
    cr: float
    cr_t: float
    reloc: float
    c_rs: float
    duration: float


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else math.nan


def scores(match: Match, limits: Limits | None = None) -> Scores:
    """The scores of one run (paper, section IV; definitions as in the public evaluator)."""
    limits = limits or Limits()
    right, span = correct(match, limits), held(match, limits)
    duration = match.end - match.start
    if not len(match.stamp):
        lost = math.nan
        return Scores(match.poses, 0, 0, lost, lost, lost, lost, 0.0, 0.0, math.inf, 0.0, duration)
    first, end = float(match.stamp[0]), max(match.end, float(match.stamp[-1]))
    tracked = float(span[right].sum())
    wait = max(0.0, first - match.start)
    return Scores(
        match.poses,
        len(match.stamp),
        int(right.sum()),
        _rms(match.distance),
        _rms(match.distance[right]),
        _rms(match.turn),
        _rms(match.turn[right]),
        _share(tracked, end - match.start),
        _share(tracked, end - first),
        wait,
        math.exp(-wait / limits.patience) if right[0] else 0.0,
        duration,
    )


def _share(part: float, whole: float) -> float:
    """0 of nothing: a track that first matches at the truth's very end has held nothing."""
    return min(1.0, part / whole) if whole > 0 else 0.0


def scene(runs: list[Scores]) -> dict[str, float]:
    """Totals over the runs of one scene, lost ones with their duration and nothing tracked.

    c_ate, c_aoe: means weighted by correct poses (of RMSEs: no root is taken again); cr_t: weighted by the time since the first
    match; cr: seconds tracked over all durations; c_rs: mean. As the public evaluator, but for lost runs, which it leaves out.
    """
    right = np.array([r.correct for r in runs], float)
    since = np.array([0.0 if math.isinf(r.reloc) else r.duration - r.reloc for r in runs])
    tracked = np.array([r.cr_t for r in runs]) * since
    total = sum(r.duration for r in runs)

    def weighted(values: list[float]) -> float:
        seen = (right > 0) & np.isfinite(values)
        return float((np.array(values)[seen] * right[seen]).sum() / right[seen].sum()) if seen.any() else math.nan

    return {
        "c_ate": weighted([r.c_ate for r in runs]),
        "c_aoe": weighted([r.c_aoe for r in runs]),
        "cr": float(tracked.sum() / total) if total > 0 else math.nan,
        "cr_t": float(tracked.sum() / since.sum()) if since.sum() > 0 else 0.0,
        "c_rs": float(np.mean([r.c_rs for r in runs])) if runs else math.nan,
    }


def relative(match: Match, step: float, unit: Literal["s", "m", "frame"] = "s") -> tuple[Array, Array, Array]:
    """Relative pose errors: stamps of the starts, metres (K,), degrees (K,) of (Q_i^-1 Q_j)^-1 (P_i^-1 P_j).

    Q: truth, P: estimate; j: the pose nearest to `step` seconds, metres of true path or poses after i, left out where the
    nearest is further off than half the step or two usual intervals, whichever is more (Sturm et al. 2012, eqs. 1-3).
    """
    n = len(match.stamp)
    if n < 2:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    path = np.concatenate([[0.0], np.linalg.norm(np.diff(match.truth[:, :3], axis=0), axis=1).cumsum()])
    along = {"s": match.stamp, "m": path, "frame": np.arange(n, dtype=float)}[unit]
    wanted = along + step
    j = np.searchsorted(along, wanted).clip(1, n - 1)
    j = np.where(np.abs(along[j - 1] - wanted) <= np.abs(along[j] - wanted), j - 1, j)
    usual = float(np.median(np.diff(along)))
    fine = (j > np.arange(n)) & (np.abs(along[j] - wanted) <= max(0.5 * step, 2 * usual))
    fine &= wanted <= along[-1] + usual
    i, j = np.flatnonzero(fine), j[fine]
    true = se3.compose(se3.inverse(match.truth[i]), match.truth[j])
    said = se3.compose(se3.inverse(match.estimate[i]), match.estimate[j])
    off = se3.compose(se3.inverse(true), said)
    return match.stamp[i], np.linalg.norm(off[:, :3], axis=1), np.degrees(se3.angle(off[:, 3:]))
