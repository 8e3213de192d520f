"""What rows of several sets say together: how often differences are sure, and mean ranks."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import Literal

from swath.bench.plain import FILTERS, STATISTICS
from swath.bench.protocol import FOREST, SCRATCH
from swath.bench.table import common_ranks
from swath.estimate import Estimate
from swath.report.outcome import Row

__all__ = ["ranking", "tally"]


def ranking(rows: Sequence[Row], ours: Container[str], claim: str = "") -> tuple[list[Row], list[str]]:
    """Mean ranks over sets under the linear head, at all labels and at fewest, beside what needs no encoder: rows, and in
    words. ours: names of encoders.
    """
    made: list[Row] = []
    words, orders = [], []
    for share in dict.fromkeys(
        r.metric.rpartition(", ")[2] for r in reversed(rows) if "of the labels" in r.metric[-14:]
    ):
        metrics = [f"balanced accuracy, {head}, {share}" for head in ("linear", "forest", "U-Net", "CNN")]
        scores: dict[str, dict[str, float]] = {}
        for r in rows:
            if r.metric in metrics and not r.data.endswith("concat"):
                scores.setdefault(r.data, {})[r.method] = r.estimate.value
        ranked = common_ranks(list(scores.values()))
        if not ranked.mean:
            continue
        words.append(f"linear head, {share}: {ranked}")
        orders.append((share, sorted(ranked.mean, key=lambda n, mean=ranked.mean: mean[n])))  # type: ignore[misc]
        for name, rank in ranked.mean.items():
            reason = f"no interval: two differ when {ranked.critical:.2f} or more apart (Nemenyi, {ranked.n} sets)"
            value = Estimate(rank, "rank", n=ranked.n, method="mean rank over sets", reason=reason)
            role: Literal["ours", "baseline"] = "ours" if name in ours else "baseline"
            made.append(Row("all sets", name, role, f"mean rank, linear, {share}", value, claim))
    both = set.intersection(*(set(o) for _, o in orders)) if len(orders) > 1 else set()
    if both:
        told = "; ".join(f"{share}: {', '.join(n for n in order if n in both)}" for share, order in orders)
        words.append(f"order of ranks, {told}; ranks nearer than the critical difference say nothing")
    return made, words


def tally(rows: Sequence[Row]) -> list[str]:
    """What the paired differences say of the claim: how often an encoder beats each of its company for certain."""
    words = []
    for other in ("random weights", STATISTICS, FILTERS, FOREST, SCRATCH):
        gaps = [r.estimate for r in rows if r.metric.startswith("difference of") and "100 %" in r.metric
                and other in r.method.partition(" - ")[2] and math.isfinite(r.estimate.low)]  # fmt: skip
        better, worse = sum(e.low > 0 for e in gaps), sum(e.high < 0 for e in gaps)
        who = "their random twins" if other == "random weights" else other
        words += (
            [f"encoders against {who}, all labels: better in {better}, worse in {worse} of {len(gaps)}"] if gaps else []
        )
    if gaps:
        how = "do not always beat" if better < len(gaps) else "beat"
        words.append(
            f"on these small sets encoders {how} a network from scratch, a weak rival at so few labels; the paper's own "
            "table, of other sets and encoders, is not reproduced"
        )
    return words
