"""Maps from few labels: ways side by side, nested shares of labelled blocks, judged in squares that have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath import estimate
from swath.bench.scores import METRICS
from swath.bench.verdict import than
from swath.estimate import Estimate
from swath.metric.classes import confusion
from swath.report.outcome import Row
from swath.report.plots import Line, lines

__all__ = ["Curve", "few_labels", "label_figure", "rows_of"]

Way = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Curve:
    """parts {(share, way): (S, K, K)}: confusions of each seed on the test squares (rows = answer, columns = truth)."""

    parts: dict[tuple[float, str], np.ndarray]
    labels: dict[float, float]
    simulated: bool = False

    @property
    def shares(self) -> list[float]:
        """The shares of labelled blocks."""
        return sorted(self.labels)

    @property
    def ways(self) -> list[str]:
        """The ways, as they were given."""
        return list(dict.fromkeys(way for _, way in self.parts))

    def score(self, way: str, share: float, metric: str) -> Estimate:
        """Mean over the seeds, which draw squares and labelled blocks."""
        text = f"mean over draws of squares and labelled blocks, {self.labels[share]:.0f} labelled pixels"
        return estimate.mean(self._each(way, share, metric), method=text, simulated=self.simulated)

    def better(self, ours: str, theirs: str, share: float, metric: str) -> Estimate:
        """Ours minus theirs on the same draws."""
        pair = (self._each(way, share, metric) for way in (ours, theirs))
        return estimate.paired(*pair, simulated=self.simulated)

    def _each(self, way: str, share: float, metric: str) -> list[float]:
        return [float(METRICS[metric][1](m)) for m in self.parts[share, way]]


def rows_of(data: str, curve: Curve, ours: str, others: Mapping[str, str]) -> tuple[list[Row], list[str]]:
    """Both accuracies of every way and share, differences of ours to `others` {way: claim}, and those in words."""
    rows, words = [], []
    for metric in ("balanced accuracy", "accuracy"):
        for share in curve.shares:
            name = f"{metric}, {share:.0%} of blocks"
            for way in curve.ways:
                role: Any = "ours" if way == ours else "baseline"
                rows.append(Row(data, way, role, name, curve.score(way, share, metric)))
            for other, claim in others.items():
                gap = curve.better(ours, other, share, metric)
                rows.append(Row(data, f"{ours} - {other}", "ours", f"{name}, difference", gap, claim))
                if metric == "balanced accuracy":
                    words.append(
                        f"{data}, {share:.0%} of blocks: {ours} is {than(gap)} {other} ({100 * gap.value:+.1f} points)."
                    )
    return rows, words


def label_figure(title: str, curve: Curve, path: Path) -> Path:
    """Balanced accuracy by share of labelled blocks, with bands of 95 % over draws."""
    panel: dict[str, Line] = {}
    for way in curve.ways:
        found = [curve.score(way, share, "balanced accuracy") for share in curve.shares]
        value, low, high = ([100 * getattr(e, part) for e in found] for part in ("value", "low", "high"))
        panel[way] = Line([100 * share for share in curve.shares], value, low, high)
    return lines({title: panel}, path, x="labelled blocks, %", y="balanced accuracy, %", log=True)


def few_labels(
    ways: Mapping[str, Way], truth: np.ndarray, *, squares: np.ndarray, blocks: np.ndarray, shares: Sequence[float],
    seeds: Sequence[int], simulated: bool = False,
) -> Curve:  # fmt: skip
    """Half of the squares may hold labels, in a share of their blocks (nested with the seed); the others are the test.

    ways: {name: (label (H, W) with -1 where none, seed) -> class (H, W)}. truth (H, W): class, -1 where none. squares,
    blocks (H, W): numbers of both. "commonest class" is always beside.
    """
    classes = int(truth.max()) + 1
    parts: dict[tuple[float, str], list[np.ndarray]] = {}
    counts: dict[float, list[int]] = {share: [] for share in shares}
    for seed in seeds:
        rng = np.random.default_rng([seed, 41])
        ids = rng.permutation(np.unique(squares))
        trained = np.isin(squares, ids[: len(ids) // 2])
        order = rng.permutation(np.unique(blocks[trained & (truth >= 0)]))
        test = ~trained & (truth >= 0)
        for share in shares:
            some = order[: max(1, round(share * len(order)))]
            label = np.where(np.isin(blocks, some) & trained, truth, -1)
            counts[share].append(int((label >= 0).sum()))
            common = np.full(truth.shape, np.bincount(label[label >= 0]).argmax())
            answers = {name: way(label, seed) for name, way in ways.items()} | {"commonest class": common}
            for name, answer in answers.items():
                parts.setdefault((share, name), []).append(confusion(answer[test], truth[test], classes))
    found = {key: np.stack(each) for key, each in parts.items()}
    return Curve(found, {share: float(np.mean(n)) for share, n in counts.items()}, simulated)
