"""What the recipe of Nereus shows: arms and tasks, rows with intervals over seeds, verdicts in words, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from swath.estimate import Estimate, mean, paired
from swath.recipes.nereus_tasks import Task
from swath.report.outcome import Row
from swath.report.plots import COLOURS, Line

__all__ = ["ARMS", "OURS", "RANDOM", "Found", "curves", "differences", "rho_panels", "rows_of", "verdicts_of"]

ARMS = (
    "everything", "random subset", "static, own features", "dynamic", "static, pixel statistics", "oracle, true kinds",
)  # fmt: skip
OURS, RANDOM = "dynamic", "random subset"


@dataclass(frozen=True, slots=True)
class Found:
    """One arm under one seed: scores by name, (steps, score) along training, kept rows, seconds of choosing."""

    scores: Mapping[str, float]
    curve: Sequence[tuple[int, float]] = ()
    kept: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    facts: Mapping[str, Any] = field(default_factory=dict)


METRICS = (
    ("linear", "balanced accuracy, linear probe", "1"), ("knn", "balanced accuracy, kNN", "1"),
    ("rare", "recall of rare kinds, linear probe", "1"), ("height", "RMSE of wave height, linear probe", "m"),
    ("kinds", "effective number of kinds among the kept", "count"), ("copies", "share of redundant copies kept", "1"),
    ("seconds", "seconds of embedding and clustering", "s"),
)  # fmt: skip


def rows_of(task: Task, seeds: Sequence[Mapping[str, Found]]) -> list[Row]:
    """All numbers of one task: arms and encoders, paired differences, and the choice alone."""
    rows = []
    for key, metric, unit in METRICS:
        for arm in [a for a in seeds[0] if a != "choice"]:
            values = [s[arm].scores.get(key, np.nan) for s in seeds]
            if not np.isfinite(values).any():
                continue
            rows.append(
                Row(task.title, arm, _role(arm), metric, _number(key, values, unit, task.simulated), _claim(key, arm))
            )
        if key in ("linear", "knn", "rare", "height"):
            for other in (RANDOM, "everything", "static, own features", "oracle, true kinds"):
                pair = [[s[a].scores.get(key, np.nan) for s in seeds] for a in (OURS, other)]
                if np.isfinite(pair).all(0).any():
                    gain = paired(*pair, unit=unit, method="paired by seed", simulated=task.simulated)
                    rows.append(
                        Row(task.title, f"{OURS} - {other}", "ours", f"difference in {metric}", gain, _claim(key, OURS))
                    )
    chosen = [s["choice"].scores for s in seeds]
    for key in chosen[0]:
        what, _, name = key.partition("|")
        values = [c[key] for c in chosen]
        if what == "rare" or not np.isfinite(values).any():
            continue
        if what.startswith("rare"):
            metric = f"share of rare kinds among the kept, rho {what.split()[1]}"
        elif what.startswith("copies"):
            metric = f"share of redundant copies kept when all others fit, eta {what.split()[1]}"
        else:
            metric = f"mutual information of clusters and {'true kind' if what == 'kind' else 'incidence (a nuisance)'}"
        role: Literal["ours", "baseline"] = "ours" if name == "own features" else "baseline"
        rows.append(Row(task.title, f"choice by {name}", role, metric, _number(what, values, "1", task.simulated)))
        if what.startswith("rare") and name == "own features":
            share = _number(what, [c["rare|archive"] for c in chosen], "1", task.simulated)
            rows.append(Row(task.title, "the archive itself", "baseline", metric, share))
    return rows


def _number(key: str, values: Sequence[float], unit: str, simulated: bool) -> Estimate:
    found = mean(values, unit=unit, simulated=simulated)
    if not np.isfinite(found.low):
        return found
    top = 1.0 if unit == "1" else np.inf
    return replace(found, low=max(0.0, found.low), high=min(top, found.high))


def _role(arm: str) -> Literal["ours", "baseline", "reference"]:
    return "ours" if arm == OURS else "reference" if arm.startswith("oracle") else "baseline"


def _claim(key: str, arm: str) -> str:
    return "qualitative: better than everything" if arm == OURS and key in ("linear", "knn", "height") else ""


def verdicts_of(task: Task, rows: Sequence[Row], seeds: Sequence[Mapping[str, Found]]) -> list[str]:
    """Sentences on what the paper claims, on baselines that win, on what clusters follow, on collapse."""
    words = []
    mine = [r for r in rows if r.data == task.title]
    for other in (RANDOM, "everything"):
        gain = next(r.estimate for r in mine if r.method == f"{OURS} - {other}" and "linear" in r.metric)
        span = f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}] points, {gain.n} seeds"
        if not np.isfinite(gain.low):
            words.append(f"{task.title}: dynamic - {other} has no interval ({gain.reason})")
        elif gain.low > 0:
            words.append(f"{task.title}: dynamic pruning beats {other} at equal steps by {span}")
        elif gain.high < 0:
            words.append(f"{task.title}: dynamic pruning is worse than {other} at equal steps: {span}; not reproduced")
        else:
            words.append(
                f"{task.title}: dynamic - {other} includes 0 ({span}): the paper's gain is not shown at this scale"
            )
    best = max((r for r in mine if r.metric == METRICS[0][1] and r.role == "baseline"), key=lambda r: r.estimate.value)
    ours = next(r for r in mine if r.metric == METRICS[0][1] and r.method == OURS)
    if best.estimate.value > ours.estimate.value:
        words.append(
            f"{task.title}: the best baseline in the linear probe is {best.method} ({100 * best.estimate.value:.1f} %), "
            f"ahead of dynamic ({100 * ours.estimate.value:.1f} %)"
        )
    words += _of_height(task, mine) + _of_rare(task, mine)
    nuisance = [r for r in mine if "nuisance" in r.metric and r.role == "ours"]
    kind = [r for r in mine if r.metric.endswith("true kind") and r.role == "ours"]
    if nuisance and kind:
        a, b = nuisance[0].estimate.value, kind[0].estimate.value
        words.append(
            f"{task.title}: clusters of the network's own features share {a:.2f} with incidence, a nuisance, and {b:.2f} with "
            f"the true kind (normalised mutual information): they follow {'the nuisance first' if a > b else 'the kind more'}"
        )
    fell = [f"{arm}, seed {i}" for i, f in enumerate(seeds) for arm in ARMS if f[arm].facts.get("collapse")]
    if fell:
        words.append(
            f"{task.title}: the teacher collapsed in {len(fell)} of {len(seeds) * len(ARMS)} runs ({', '.join(fell[:4])})"
        )
    return words


def _of_height(task: Task, mine: Sequence[Row]) -> list[str]:
    gain = [r.estimate for r in mine if r.method == f"{OURS} - {RANDOM}" and "height" in r.metric]
    if not gain or not np.isfinite(gain[0].low) or gain[0].low <= 0 <= gain[0].high:
        return []
    how = "worse" if gain[0].low > 0 else "better"
    span = f"{gain[0].value:+.3f} [{gain[0].low:+.3f}, {gain[0].high:+.3f}] m RMSE"
    return [f"{task.title}: for wave height dynamic pruning is {how} than a random subset by {span}, paired by seed"]


def _of_rare(task: Task, mine: Sequence[Row]) -> list[str]:
    """Whether the share of rare kinds rises as rho falls, as balance promises."""
    mark = "share of rare kinds among the kept, rho "
    own = {
        float(r.metric.removeprefix(mark)): r.estimate.value
        for r in mine
        if r.metric.startswith(mark) and r.role == "ours"
    }
    if not own:
        return []
    order = [own[rho] for rho in sorted(own, reverse=True)]
    rises = all(b > a for a, b in pairwise(order))
    text = ", ".join(f"{100 * own[rho]:.1f} % at {rho:g}" for rho in sorted(own, reverse=True))
    how = "rises all the way as rho falls" if rises else "does not rise all the way as rho falls"
    return [f"{task.title}: the share of rare kinds, chosen by the network's own features, {how}: {text}"]


def curves(seeds: Sequence[Mapping[str, Found]]) -> dict[str, Line]:
    """Probe score against steps of each arm, mean and interval over seeds."""
    found = {}
    for i, arm in enumerate(ARMS):
        steps = [s for s, _ in seeds[0][arm].curve]
        spans = [mean([f[arm].curve[j][1] for f in seeds]) for j in range(len(steps))]
        found[arm] = Line(steps, [e.value for e in spans], [e.low for e in spans], [e.high for e in spans],
                          "--" if arm.startswith("oracle") else "-", COLOURS[i])  # fmt: skip
    for i, name in enumerate(("untrained network", "pixel statistics")):
        value = mean([f[name].scores["fixed"] for f in seeds]).value
        found[name] = Line([0, steps[-1]], [value] * 2, style=":", colour=("#8a949c", "#222222")[i])
    return found


def differences(seeds: Sequence[Mapping[str, Found]]) -> dict[str, Line]:
    """Each arm minus the random subset along training, paired by seed."""
    found = {}
    for i, arm in enumerate(ARMS):
        if arm == RANDOM:
            continue
        steps = [s for s, _ in seeds[0][arm].curve]
        spans = [
            paired([f[arm].curve[j][1] for f in seeds], [f[RANDOM].curve[j][1] for f in seeds])
            for j in range(len(steps))
        ]
        band = arm in (OURS, "everything")
        found[arm] = Line(steps, [e.value for e in spans], [e.low for e in spans] if band else None,
                          [e.high for e in spans] if band else None, "--" if arm.startswith("oracle") else "-", COLOURS[i])  # fmt: skip
    return found


def rho_panels(rows: Sequence[Row]) -> dict[str, dict[str, Line]]:
    """Rare kinds among the kept against rho, a panel a task."""
    panels: dict[str, dict[str, Line]] = {}
    mark = "share of rare kinds among the kept, rho "
    for data in dict.fromkeys(r.data for r in rows if r.metric.startswith(mark)):
        for method in dict.fromkeys(r.method for r in rows if r.data == data and r.metric.startswith(mark)):
            some = [(float(r.metric.removeprefix(mark)), r.estimate) for r in rows
                    if r.data == data and r.method == method and r.metric.startswith(mark)]  # fmt: skip
            if method == "the archive itself":
                line = Line([s[0] for s in some], [s[1].value for s in some], style=":")
            else:
                x, e = [s[0] for s in some], [s[1] for s in some]
                line = Line(x, [v.value for v in e], [v.low for v in e], [v.high for v in e])
            panels.setdefault(data, {})[method] = line
    return panels
