"""What a comparison says: one table, paired differences, mean ranks with their critical difference, a curve of labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath.bench.plain import FILTERS, STATISTICS
from swath.bench.protocol import FOREST, SCRATCH, Comparison, Entry, twin_name
from swath.bench.scores import better, difference
from swath.estimate import Estimate
from swath.report.table import table

__all__ = [
    "Gap",
    "Ranks",
    "common_ranks",
    "curves",
    "gap_plot",
    "gaps",
    "paired_with",
    "ranks",
    "ranks_over_places",
    "text",
    "verdicts",
]


@dataclass(frozen=True, slots=True)
class Gap:
    """A paired difference: entry minus other, in the metric's unit; `sure` when its interval leaves out 0."""

    entry: Entry
    other: Entry
    estimate: Estimate

    @property
    def sure(self) -> bool:
        """Whether the two differ for certain."""
        e = self.estimate
        return math.isfinite(e.low) and (e.low > 0 or e.high < 0)


@dataclass(frozen=True, slots=True)
class Ranks:
    """mean {method: rank, 1 the best}; two differ when they are `critical` or more apart. p: of Friedman's test; n: rows."""

    mean: Mapping[str, float]
    critical: float
    p: float
    n: int
    over: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        finite = {k: (v if math.isfinite(v) else None) for k, v in (("critical", self.critical), ("p", self.p))}
        return {"mean": dict(self.mean), **finite, "n": self.n, "over": self.over}

    def __str__(self) -> str:
        if not self.mean:
            return f"no ranks: {self.over}"
        order = sorted(self.mean.items(), key=lambda kv: kv[1])
        words = ", ".join(f"{name} {rank:.2f}" for name, rank in order)
        return f"mean ranks over {self.n} {self.over}: {words}; critical difference {self.critical:.2f} (Friedman p {self.p:.2g})"


def ranks(scores: np.ndarray, methods: Sequence[str], *, sign: int = 1, over: str = "sets") -> Ranks:
    """Mean ranks of methods and Nemenyi's critical difference at 0.05.

    scores (n, k): a row a data set (or place), a column a method; rows with an undefined score are left out; ties share
    ranks. sign: -1 where smaller is better. Source: Demsar 2006, "Statistical comparisons of classifiers over multiple
    data sets", section 3.2.2.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    s = np.asarray(scores, float)
    s = s[np.isfinite(s).all(1)]
    n, k = s.shape
    if n < 2 or k < 2:
        return Ranks({}, math.nan, math.nan, n, f"{n} {over} and {k} methods are too few to rank")
    ranked = rankdata(-sign * s, axis=1)
    critical = float(studentized_range.ppf(0.95, k, np.inf)) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))
    alike = bool((ranked == ranked[:, :1]).all())
    p = float(friedmanchisquare(*s.T).pvalue) if k > 2 and not alike else math.nan
    return Ranks(dict(zip(methods, ranked.mean(0).tolist(), strict=True)), critical, p, n, over)


def ranks_over_places(comparison: Comparison, head: str, share: float) -> Ranks:
    """Ranks of all encoders under one head, and of what stands alone, with the places as rows (mean over seeds)."""
    chosen = [e for e in comparison.entries if e.share == share and (e.head == head or e.encoder in (FOREST, SCRATCH))]
    names = [e.encoder for e in chosen]
    if len(chosen) < 2:
        return Ranks({}, math.nan, math.nan, 0, "one method is too few to rank")
    metric = chosen[0].scores.metric
    with np.errstate(invalid="ignore"):
        columns = [_row_mean(e.scores.per_place(metric)) for e in chosen]
    return ranks(np.stack(columns, axis=1), names, sign=better(metric), over="places")


def _row_mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    count = known.sum(1)
    return np.where(count > 0, np.where(known, values, 0).sum(1) / np.maximum(count, 1), np.nan)


def paired_with(comparison: Comparison, entry: Entry) -> list[Entry]:
    """What an encoder must be compared with: both plain encoders and its random twin under the same head, and the two
    that stand alone; the same labels.
    """
    names = [STATISTICS, FILTERS, comparison.twins.get(entry.encoder, "")]
    found = [comparison.entry(n, entry.head, entry.share) for n in names if n and n != entry.encoder]
    found += [e for e in comparison.entries if e.encoder in (FOREST, SCRATCH) and e.share == entry.share]
    return [e for e in found if e is not None]


def gaps(comparison: Comparison, metric: str = "") -> list[Gap]:
    """All paired differences of encoders to what stands beside them."""
    return [
        Gap(e, other, difference(e.scores, other.scores, metric))
        for e in comparison.entries
        if e.role == "encoder"
        for other in paired_with(comparison, e)
    ]


def text(comparison: Comparison, metric: str = "") -> str:
    """The table for a terminal: score, interval, labels, seconds, parameters."""
    rows = []
    for e in comparison.entries:
        rows.append(
            (
                e.encoder,
                e.head,
                f"{100 * e.share:g} %",
                f"{e.scores.labels.mean():.0f}",
                str(e.scores.estimate(metric)),
                f"{e.encoding:.1f}",
                f"{e.scores.seconds:.1f}",
                f"{sum(e.parameters):,}",
            )
        )
    name = metric or (comparison.entries[0].scores.metric if comparison.entries else "score")
    head = ("encoder", "head", "share", "labels", name, "encoding s", "head s", "parameters")
    return table(head, rows, right=(2, 3, 5, 6, 7))


def worth(comparison: Comparison, metric: str = "") -> list[str]:
    """For each encoder, at all labels: its best head against the best of all that needs no learned encoder.

    Both are picked by the scores that they are then compared by, so a narrow win flatters whoever is picked from more.
    """
    sign = better(metric or comparison.entries[0].scores.metric) if comparison.entries else 1
    most = max((e.share for e in comparison.entries), default=1.0)

    def score(e: Entry) -> float:
        value = e.scores.estimate(metric).value
        return value * sign if math.isfinite(value) else -math.inf

    plain = [e for e in comparison.entries if e.share == most and e.role == "baseline"]
    words = []
    for name in dict.fromkeys(e.encoder for e in comparison.entries if e.role == "encoder"):
        if not plain:
            break
        mine = max((e for e in comparison.entries if e.encoder == name and e.share == most), key=score)
        rival = max(plain, key=score)
        gap = difference(mine.scores, rival.scores, metric)
        sure = math.isfinite(gap.low) and (gap.low > 0 or gap.high < 0)
        how = "is not told apart from" if not sure else "is better than" if gap.value * sign > 0 else "is worse than"
        words.append(f"{name} ({mine.head}) {how} the best without it, {rival.encoder} ({rival.head}): {_signed(gap)}")
    return words


def verdicts(comparison: Comparison, metric: str = "") -> list[str]:
    """In words: for each encoder, at all labels and at fewest, which of its company it beats for certain."""
    words = []
    found = gaps(comparison, metric)
    for name in dict.fromkeys(g.entry.encoder for g in found):
        for head in dict.fromkeys(g.entry.head for g in found if g.entry.encoder == name):
            mine = [g for g in found if g.entry.encoder == name and g.entry.head == head]
            top = max(g.entry.share for g in mine)
            words.append(
                f"{name}, {head}, {100 * top:g} % of the labels: {_against([g for g in mine if g.entry.share == top])}"
            )
    return words


def _against(found: Sequence[Gap]) -> str:
    sign = better(found[0].entry.scores.metric)
    wins = [g for g in found if g.sure and g.estimate.value * sign > 0]
    loses = [g for g in found if g.sure and g.estimate.value * sign < 0]
    even = [g for g in found if not g.sure]
    parts = []
    for title, group in (("better than", wins), ("worse than", loses), ("not told apart from", even)):
        if group:
            parts.append(f"{title} " + ", ".join(f"{g.other.encoder} ({_signed(g.estimate)})" for g in group))
    return "; ".join(parts)


def _signed(e: Estimate) -> str:
    unit = 100.0 if e.unit == "1" else 1.0
    if not math.isfinite(e.low):
        return f"{e.value * unit:+.1f}, no interval"
    return f"{e.value * unit:+.1f} [{e.low * unit:+.1f}, {e.high * unit:+.1f}]"


def curves(
    comparisons: Sequence[Comparison], path: Path, *, heads: Sequence[str] = ("linear",), metric: str = ""
) -> Path:
    """Score against number of labels, one panel a set: encoders by colour (random twins hollow), heads by line style."""
    from matplotlib.figure import Figure

    from swath.report.plots import COLOURS

    wide = min(len(comparisons), 2)
    tall = -(-len(comparisons) // wide)
    figure = Figure(figsize=(5.6 * wide + 0.6, 3.6 * tall + 1.0), layout="constrained")
    axes = np.atleast_1d(figure.subplots(tall, wide)).ravel()
    names = list(dict.fromkeys(_bare(e.encoder) for c in comparisons for e in c.entries))
    styles, marks = ("-", "--", ":"), ("o", "s", "^", "D", "v", "P", "X")
    for axis, comparison in zip(axes, comparisons, strict=False):
        chosen = [e for e in comparison.entries if e.head in heads or e.encoder in (FOREST, SCRATCH)]
        lines = list(dict.fromkeys((e.encoder, e.head) for e in chosen))
        for number, (name, head) in enumerate(lines):
            mine = sorted((e for e in chosen if (e.encoder, e.head) == (name, head)), key=lambda e: e.share)
            x = np.array([e.scores.labels.mean() for e in mine]) * 1.015 ** (number - len(lines) / 2)
            found = [e.scores.estimate(metric) for e in mine]
            y = np.array([f.value for f in found])
            low, high = (np.array([getattr(f, k) for f in found]) for k in ("low", "high"))
            bars = np.nan_to_num(np.stack([y - low, high - y]))
            which = names.index(_bare(name))
            mark = marks[(which + which // len(COLOURS)) % len(marks)]
            hollow = {"markerfacecolor": "white", "alpha": 0.75} if name != _bare(name) else {}
            axis.errorbar(
                x, y, bars, color=COLOURS[which % len(COLOURS)], marker=mark, markersize=4.5, **hollow,
                linestyle=styles[list(heads).index(head) % 3] if head in heads else "-.", linewidth=1.4,
                elinewidth=0.7, capsize=2, label=f"{name}, {head}" if len(heads) > 1 and head in heads else name,
            )  # fmt: skip
        axis.set_xscale("log")
        counts = sorted({round(e.scores.labels.mean()) for e in chosen})
        axis.set_xticks(counts, [f"{n:,}" for n in counts])
        axis.set_xticks([], minor=True)
        made = " (simulated)" if comparison.collection.simulated else ""
        axis.set_title(f"{comparison.collection.name}{made}", fontsize=9)
        axis.set_xlabel("labels in training")
        axis.set_ylabel(metric or (chosen[0].scores.metric if chosen else ""))
        axis.grid(alpha=0.25)
    for axis in axes[len(comparisons) :]:
        axis.set_visible(False)
    handles = {label: h for axis in axes for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3 * wide // 2 + 1, fontsize=7
    )
    figure.savefig(path, dpi=110)
    return path


def _bare(name: str) -> str:
    """An encoder's name, also of its twin: both have one colour, the twin hollow marks."""
    return name.removesuffix(twin_name(""))


def gap_plot(comparisons: Sequence[Comparison], path: Path, *, head: str = "linear", share: float = 1.0) -> Path:
    """Paired differences with their intervals, one panel a set; larger is better whatever the metric."""
    from matplotlib.figure import Figure

    from swath.report.plots import COLOURS

    found = [[g for g in gaps(c) if g.entry.head == head and g.entry.share == share] for c in comparisons]
    panels = [(c, g) for c, g in zip(comparisons, found, strict=True) if g]
    others = list(dict.fromkeys(_company(g) for _, gs in panels for g in gs))
    count = max(1, len(panels))
    wide = min(count, 3)
    tall = -(-count // wide)
    most = max((len(g) for _, g in panels), default=1)
    figure = Figure(figsize=(5.2 * wide, (0.24 * most + 1.1) * tall + 0.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(tall, wide, squeeze=False)).ravel()
    for axis, (comparison, group) in zip(axes, panels, strict=False):
        for i, gap in enumerate(group):
            sign = (
                100 * better(gap.entry.scores.metric) if gap.estimate.unit == "1" else better(gap.entry.scores.metric)
            )
            value, ends = gap.estimate.value * sign, np.array([gap.estimate.low, gap.estimate.high]) * sign
            bar = np.abs(np.nan_to_num(ends - value))[:, None] if np.isfinite(ends).all() else None
            colour = COLOURS[others.index(_company(gap)) % len(COLOURS)]
            axis.errorbar(value, -i, xerr=bar, fmt="o", color=colour, markersize=4, capsize=2, linewidth=1.2)
        axis.axvline(0, color="#555555", linewidth=0.8)
        labels = [f"{g.entry.encoder} - {_company(g)}" for g in group]
        axis.set_yticks([-i for i in range(len(group))], labels, fontsize=7)
        made = " (simulated)" if comparison.collection.simulated else ""
        axis.set_title(f"{comparison.collection.name}{made}", fontsize=9)
        axis.set_xlabel(f"difference of {group[0].entry.scores.metric}, points", fontsize=8)
        axis.grid(alpha=0.25, axis="x")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.savefig(path, dpi=110)
    return path


def _company(gap: Gap) -> str:
    return "its random twin" if gap.other.role == "twin" else gap.other.encoder


def words(gap: Estimate) -> str:
    """A difference of shares in points, and whether it is sure."""
    if not math.isfinite(gap.low):
        return f"{100 * gap.value:+.1f} points, no interval"
    sure = "better" if gap.low > 0 else "worse" if gap.high < 0 else "not told apart"
    return f"{sure} ({100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}] points)"


def ranks_over_sets(comparisons: Sequence[Comparison], head: str, share: float) -> Ranks:
    """Ranks, a set a row, of what stands alone and what ran under one head on more than half of the sets; sets where one of
    them is missing are left out.
    """
    scores: list[dict[str, float]] = []
    for c in comparisons:
        chosen = [e for e in c.entries if e.share == share and (e.head == head or e.encoder in (FOREST, SCRATCH))]
        scores.append({e.encoder: e.scores.estimate().value for e in chosen})
    sign = better(comparisons[0].entries[0].scores.metric) if scores and comparisons[0].entries else 1
    return common_ranks(scores, sign)


def common_ranks(scores: Sequence[Mapping[str, float]], sign: int = 1) -> Ranks:
    """Ranks of methods that more than half of the sets have, over the sets that have them all."""
    names = list(dict.fromkeys(n for s in scores for n in s))
    names = [n for n in names if 2 * sum(n in s for s in scores) > len(scores)]
    whole = [s for s in scores if all(n in s for n in names)]
    return ranks(np.array([[s[n] for n in names] for s in whole]).reshape(len(whole), -1), names, sign=sign)
