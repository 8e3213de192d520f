"""What the recipe of SChanger shows: F1 from pooled counts with intervals, differences, verdicts in words, curves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from swath.bench.verdict import than
from swath.estimate import Estimate, block_bootstrap, mean, paired
from swath.metric.pairs import f1
from swath.models.plain_pairs import KINDS
from swath.report.outcome import Row
from swath.report.plots import COLOURS, Line

__all__ = ["SCN", "SCRATCH", "Counts", "curves", "published", "rows_of", "verdicts_of"]

SCN, SCRATCH = "SChanger by SCN", "SChanger from nothing"
OTHERS = (SCRATCH, *KINDS, "|p1 - p2| of the segmenter", "logistic regression, stacked", "change vectors + Otsu")
ABLATED = (f"{SCN}, fusion begun at random", f"{SCRATCH}, attention map 1")


@dataclass(frozen=True, eq=False, slots=True)
class Counts:
    """One method under one seed: matrix (S, 2, 2) a scene. blocks: labelled; shift: of the second picture, None: as the set has it."""

    data: str
    simulated: bool
    method: str
    blocks: int
    seed: int
    matrix: np.ndarray
    shift: float | None = None


Key = tuple[str, int, float | None]


def rows_of(found: Sequence[Counts]) -> list[Row]:
    """F1 of every method at every number of blocks, what SCN has more, and the same where pictures are shifted."""
    rows: list[Row] = []
    keys: list[Key] = list(dict.fromkeys((c.data, c.blocks, c.shift) for c in found))
    for key in keys:
        mine = {
            m: [c for c in found if (c.data, c.blocks, c.shift) == key and c.method == m]
            for m in dict.fromkeys(c.method for c in found)
        }
        mine = {m: cs for m, cs in mine.items() if cs}
        for method, counts in mine.items():
            rows.append(Row(key[0], method, _role(method), _metric(key), _score(counts), _claim(method, key)))
        if SCN in mine and key[2] is None:
            against = [(SCN, other) for other in OTHERS] + [(SCN, ABLATED[0]), (SCRATCH, ABLATED[1])]
            for ours, other in (pair for pair in against if pair[1] in mine):
                gain = _gain(mine[ours], mine[other])
                rows.append(Row(key[0], f"{ours} - {other}", "ours", f"difference in {_metric(key)}", gain))
    return rows


def _metric(key: Key) -> str:
    moved = "" if key[2] is None else f", second picture {key[2]:g} px beside"
    return f"F1 of change, {key[1]} labelled block{'s' * (key[1] > 1)}{moved}"


def _role(method: str) -> Literal["ours", "baseline", "reference"]:
    return "ours" if method.startswith("SChanger") else "baseline"


def _claim(method: str, key: Key) -> str:
    real = "92.45 % (small), 92.87 % (base) on all of it" if key[0].startswith("LEVIR") else ""
    return real if method == SCN else ""


def _score(counts: Sequence[Counts]) -> Estimate:
    """Made cities: places are cities, all seeds' together. LEVIR-CD: three pairs are no sample; the spread is over draws of blocks."""
    if counts[0].simulated:
        parts = np.concatenate([c.matrix for c in counts])
        words = f"pooled counts, threshold 0.5, cities of {len(counts)} seeds"
        return block_bootstrap(parts, f1, method=words, simulated=True)
    scores = [float(f1(c.matrix.sum(0))) for c in counts]
    found = mean(scores, method="pooled counts, threshold 0.5, mean over draws of labelled blocks; three pairs")
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high)) if np.isfinite(found.low) else found


def _gain(ours: Sequence[Counts], theirs: Sequence[Counts]) -> Estimate:
    if ours[0].simulated:
        parts = np.stack([np.concatenate([c.matrix for c in cs]) for cs in (ours, theirs)], 1)
        return block_bootstrap(
            parts, lambda p: f1(p[..., 0, :, :]) - f1(p[..., 1, :, :]), method="paired by city", simulated=True
        )
    scores = [[float(f1(c.matrix.sum(0))) for c in cs] for cs in (ours, theirs)]
    return paired(*scores, method="paired by draw of labelled blocks; three pairs")


def verdicts_of(rows: Sequence[Row], facts: Mapping[str, Any]) -> list[str]:
    """Sentences on what single dates bring, what plain networks do at equal steps, on shifts and on windows."""
    words = ["the published test sets are not at hand: none of the paper's F1 is tested here"]
    for data in dict.fromkeys(r.data for r in rows):
        for other in (SCRATCH, "fc-siam-diff", "|p1 - p2| of the segmenter"):
            for row in (r for r in rows if r.data == data and r.method == f"{SCN} - {other}"):
                n = row.metric.partition("change, ")[2]
                words.append(f"{data}, {n}: SCN is {than(row.estimate)} {other}, {_points(row.estimate)}")
        for ours, other, what in (
            (SCN, ABLATED[0], "fusion begun as a difference is {} one begun at random"),
            (SCRATCH, ABLATED[1], "from nothing, the attention of both dates is {} a map of 1"),
        ):
            for row in (r for r in rows if r.data == data and r.method == f"{ours} - {other}"):
                words.append(f"{data}: {what.format(than(row.estimate))}, {_points(row.estimate)}")
        best = _best(rows, data)
        if best:
            words.append(best)
    work = facts.get("multiplications a pixel", {})
    if SCN in work and work.get(KINDS[1]):
        words.append(
            f"all networks learn by as many steps; one of SChanger takes {work[SCN] / work[KINDS[1]]:.1f} times the multiplications "
            f"of {KINDS[1]} of as many parameters, in many thin layers; SCN alone was given labels of single dates"
        )
    apart = facts.get("mean difference of two lattices")
    if apart:
        words.append(
            f"the same network in windows that lie half a step beside differs by {np.mean(apart):.3f} in probability on average: "
            "tiled never equals whole, so windows are fixed and the difference is in the doubt"
        )
    words.append("three pairs, few steps, one kind of made city: nothing here tells how it does elsewhere")
    return words


def _best(rows: Sequence[Row], data: str) -> str:
    """Which method is first at the most blocks."""
    some = [r for r in rows if r.data == data and r.metric.startswith("F1") and "beside" not in r.metric]
    if not some:
        return ""
    most = max(_number(r.metric) for r in some)
    last = [r for r in some if _number(r.metric) == most and r.estimate.defined and r.method not in ABLATED]
    first = max(last, key=lambda r: r.estimate.value)
    return f"{data}, {most} labelled blocks: {first.method} is first, {first.estimate}" if last else ""


def _number(metric: str) -> int:
    found = re.search(r"(\d+) labelled", metric)
    return int(found.group(1)) if found else 0


def _points(gap: Estimate) -> str:
    if not np.isfinite(gap.low):
        return f"{100 * gap.value:+.1f} points" if gap.defined else gap.reason
    return f"{100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}] points"


def curves(rows: Sequence[Row], *, shifts: bool = False) -> dict[str, dict[str, Line]]:
    """F1 against labelled blocks, a panel a set; or against shifts."""
    panels: dict[str, dict[str, Line]] = {}
    methods = (SCN, *OTHERS)
    for data in dict.fromkeys(r.data for r in rows):
        for i, method in enumerate(methods):
            some = []
            for r in rows:
                at = re.search(r"picture ([\d.]+) px beside", r.metric)
                if r.data == data and r.method == method and (at is not None) == shifts:
                    some.append((float(at.group(1)) if at else float(_number(r.metric)), r.estimate))
            if some:
                x, e = [s[0] for s in some], [s[1] for s in some]
                band = method in (SCN, SCRATCH, KINDS[1])
                style = "o-" if method.startswith("SChanger") else "o--" if method in KINDS else "o:"
                panels.setdefault(f"{data} (simulated)" if e[0].simulated else data, {})[method] = Line(
                    x, [v.value for v in e], [v.low for v in e] if band else None, [v.high for v in e] if band else None,
                    style, COLOURS[i % len(COLOURS)],
                )  # fmt: skip
    return panels


def published() -> tuple[tuple[Row, ...], dict[str, str], tuple[str, ...], dict[str, Any]]:
    """Rows, figures, verdicts and facts of the published configuration: parameters of both sizes and forms, and one step."""
    import torch

    from swath.models.schanger import SChanger
    from swath.objective.supervise import bce_dice

    rows = []
    said = {("small", 2): 607_305, ("base", 2): 2_369_995, ("small", 1): 580_849, ("base", 1): 2_265_163}
    keys: dict[str, int] = {}
    for (size, dates), claim in said.items():
        with torch.device("meta"):
            model = SChanger(size, dates=dates)
        count = sum(p.numel() for p in model.parameters())
        keys[f"{size}, {dates} dates"] = len(model.state_dict())
        number = Estimate(count, "count", n=1, method="counted", reason="no interval: a count", simulated=True)
        name = f"{size}, {'two dates' if dates == 2 else 'one date'}"
        rows.append(Row("published configuration", name, "ours", "parameters", number, f"{claim:,}"))
        named = Estimate(claim, "count", n=1, method="published", reason="no interval: a count", simulated=True)
        rows.append(Row("published configuration", f"{name}, reference", "baseline", "parameters", named))
    torch.manual_seed(0)
    model = SChanger("small").train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=2e-4)
    pictures, target = torch.randn(2, 1, 3, 256, 256), (torch.rand(1, 256, 256) < 0.05).long()
    output = model(pictures[0], pictures[1])
    loss = sum(bce_dice(output, target).values())
    loss.backward()
    optimiser.step()
    facts = {"keys": keys, "output": list(output.shape), "loss of one step": round(float(loss.detach()), 3)}
    return (
        tuple(rows),
        {},
        ("One step was taken at full size (small, one crop of 256 pixels); nothing was learnt.",),
        facts,
    )
