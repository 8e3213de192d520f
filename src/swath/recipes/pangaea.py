"""PANGAEA made small: one protocol for frozen encoders, beside what needs no encoder, on real sets and a made one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from swath import models
from swath.bench import sets, table, tally
from swath.bench.collection import Collection
from swath.bench.decoder import Training
from swath.bench.features import DataScaled, Pair, parameters
from swath.bench.plain import FILTERS, beside
from swath.bench.protocol import SCRATCH, Comparison, Entry, Plan, compare
from swath.bench.scores import Scores, difference
from swath.estimate import Estimate
from swath.nn.dates import KINDS
from swath.report.outcome import Card, Outcome, Row

__all__ = ["CARD", "SCALES", "Sizes", "run"]

CARD = Card(
    slug="pangaea",
    number=43,
    title="PANGAEA",
    source='"PANGAEA: A Global and Inclusive Benchmark for Geospatial Foundation Models" (2024, arXiv 2412.04204)',
    code="VMarsocci/pangaea-bench",
    licence="GPL-3.0 (facts only)",
    claims={
        "supervised": "foundation models do not consistently outperform supervised models such as U-Net (abstract)",
        "few labels": "with 10 % or 50 % of the labels the ranking changes (abstract)",
    },
    built=(
        "frozen encoders under three heads: nearest neighbours, linear, UPerNet on tapped levels; change by difference "
        "or both dates; dates merged by mean, Linear(T, 1), L-TAE without and with dates",
        "nested label shares with every class in them, folds by place, five seeds, paired intervals, ranks with their "
        "critical difference, cost, missing bands, alarm for equal scores",
        "company that the paper lacks: pixel statistics, random convolutions, a random-weights twin, a forest",
    ),
    not_built=(
        "the eleven sets and the other encoders' weights (tens to hundreds of GB): sets at hand stand for them",
        "ReLU on regression outputs and filling of missing bands with the mean: both are faults by the card",
    ),
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """names: of real sets; plan; made: worlds of the simulated series and their side; dates: how many it has."""

    names: tuple[str, ...]
    plan: Plan
    made: tuple[int, int, int] = (10, 24, 8)
    encoders: tuple[str, ...] = ("tiny", "presto", "galileo")
    change: tuple[Pair, ...] = ("difference", "concat")


_TRAINING = Training(steps=40, batch=6, channels=64, finest=0.5)
SCALES = {
    "small": Sizes(
        ("land-use", "ndvi", "levir-cd", "eurosat", "sen1floods11"),
        Plan(turns=1, items=3000, decoder_shares=(0.1, 1.0), training=_TRAINING),
    ),
    "paper": Sizes((), Plan()),
    "test": Sizes(
        ("land-use",),
        Plan(
            shares=(0.2, 1.0), decoder_shares=(1.0,), seeds=2, turns=1, items=300, trees=10,
            training=Training(steps=3, batch=4, channels=8, widths=(4, 8), finest=0.5),
        ),
        (3, 16, 4), ("tiny",), ("difference",),
    ),
}  # fmt: skip


@dataclass
class _Found:
    rows: list[Row] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)


def run(scale: str, out: Path, *, data: Path | None = None, seed: int = 0, progress: Any = None) -> Outcome:
    """The protocol on each set, the ways to merge dates, both scalings; figures of labels, differences and dates."""
    sizes, out = SCALES[scale], Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if scale == "paper":
        return _paper()
    began, found = (time.perf_counter(), time.process_time()), _Found()
    encoders, twins = _encoders(sizes, data, found)
    made = sets.seasons(*sizes.made, seed=seed)
    collections = [c for n in sizes.names if (c := _at_hand(n, data, found))] or [made]
    for c in collections:
        hows: tuple[Pair, ...] = sizes.change if c.pair is not None else ("difference",)
        for how in hows:
            heads = sizes.plan.heads if how == "difference" else ("knn", "linear")
            shares = sizes.plan.decoder_shares if c is collections[0] else (1.0,)
            plan = replace(sizes.plan, pair=how, heads=heads, decoder_shares=shares)
            named = replace(c, name=f"{c.name} by {how}") if c.pair is not None else c
            one = compare(named, encoders, plan, twins=twins, progress=progress)
            found.comparisons.append(one)
            _tell(one, found)
    several = [
        c for c in collections if c.dense and next(iter(c.batch.pixels.values())).values.shape[1] in range(4, 20)
    ]
    for c in several if collections == [made] else [*several, made]:
        _dates(c, sizes.plan, found, progress)
    for c in collections:
        if "tiny" in encoders and "NDVI" not in c.name and c.pair is None:
            _scalings(c, encoders["tiny"], sizes.plan, found)
    more, words = tally.ranking(found.rows, sizes.encoders, CARD.claims["few labels"])
    found.rows += more
    found.verdicts += words
    table.curves(found.comparisons, out / "labels.png")
    table.gap_plot(found.comparisons, out / "differences.png", head="linear")
    figures = {
        "labels.png": "score of the linear head, and of what needs no encoder, against the number of labels; bars are 95 % intervals",
        "differences.png": "paired differences of encoders to their company, linear head, all labels; right of the line is better",
    }
    clock, processor = time.perf_counter() - began[0], time.process_time() - began[1]
    found.facts |= {"seconds": round(clock, 1), "processor seconds": round(processor, 1)}
    found.facts |= {"seeds": sizes.plan.seeds, "cost": _cost(found)}
    return Outcome(
        CARD,
        scale,
        tuple(found.rows),
        figures,
        (*tally.tally(found.rows), slow(sizes.plan), *found.verdicts),
        found.facts,
    )


def _paper() -> Outcome:
    """The published configuration: head, merging and U-Net at their sizes, and one step."""
    from swath.bench.published import counts, one_step

    rows = [
        Row("published configuration", name, "baseline" if "U-Net" in name else "ours", "parameters",
            Estimate(count, "parameters", n=1, method="counted", reason="no interval: counted"))
        for name, count in counts().items()
    ]  # fmt: skip
    words = (
        "the published table needs eleven sets of tens to hundreds of GB and each encoder's own weights: the heads are "
        "built at their published sizes and stepped once, nothing is reproduced at this scale"
    )
    return Outcome(CARD, "paper", tuple(rows), {}, (words,), {"one step of UPerNet 512 at batch 1": one_step()})


def _at_hand(name: str, data: Path | None, found: _Found) -> Collection | None:
    if data is None or not (data / sets.NAMES[name][1]).is_dir():
        found.verdicts.append(f"{name}: not at hand, left out")
        return None
    c = sets.named(name, data)
    found.verdicts += [f"{c.name}: {note}" for note in c.notes]
    return c


def _encoders(sizes: Sizes, data: Path | None, found: _Found) -> tuple[dict[str, Any], dict[str, Any]]:
    """Encoders whose weights are at hand, and the twin of each."""
    encoders, twins = {}, {}
    for name in sizes.encoders:
        path = models.find(name) or next((p for p in _files(name, data)), None)
        if name not in models.WEIGHTS and path is None:
            found.verdicts.append(f"{name}: its published weights are not at hand, left out")
            continue
        monthly = (lambda e: sets.Monthly(e)) if name == "presto" else (lambda e: e)
        encoders[name] = monthly(models.load(name) if path is None else models.load(name, path))
        twins[name] = monthly(models.load(f"random:{name}", seed=1))
        found.facts[f"parameters of {name}"] = parameters(encoders[name])
    return encoders, twins


def _files(name: str, data: Path | None) -> Sequence[Path]:
    from swath.models.weights import sha256

    if data is None or name not in models.PUBLISHED:
        return ()
    file, digest, _ = models.PUBLISHED[name]
    return [p for p in (data / "weights").glob(f"*/{file}") if sha256(p) == digest]


def _tell(one: Comparison, found: _Found) -> None:
    """Rows of one set: every head at fewest and all labels, and what is sure about differences."""
    name, few = one.collection.name, min(e.share for e in one.entries)
    for e in one.entries:
        if e.share in (few, 1.0):
            role: Literal["ours", "baseline"] = "ours" if e.role == "encoder" else "baseline"
            found.rows.append(Row(name, e.encoder, role, _metric(e), e.scores.estimate()))
    for gap in table.gaps(one):
        if gap.entry.share in (few, 1.0) and gap.entry.head != "knn":
            method = f"{gap.entry.encoder} - {gap.other.encoder}"
            claim = CARD.claims["supervised"] if gap.other.encoder == SCRATCH else ""
            found.rows.append(Row(name, method, "ours", f"difference of {_metric(gap.entry)}", gap.estimate, claim))
    found.verdicts += [f"{name}: {text}" for text in (*table.verdicts(one), *one.alarms)]
    found.verdicts += [
        f"{name}: {who} cannot take it: {why}" for who, why in one.refused.items() if "random" not in who
    ]
    for who in one.lacking:
        if one.lacking[who] or one.unused[who]:
            lack, idle = (", ".join(x) or "none" for x in (one.lacking[who], one.unused[who]))
            found.verdicts.append(f"{name}: {who} misses the bands {lack}; of these data it does not look at {idle}")


def _metric(e: Entry) -> str:
    return f"{e.scores.metric}, {e.head}, {100 * e.share:g} % of the labels"


def _dates(c: Collection, plan: Plan, found: _Found, progress: Any) -> None:
    """The decoder on random convolutions, date by date, with four ways to make one of the dates."""
    from swath.bench.decoder import decode
    from swath.bench.features import features

    made = features(beside(c)[FILTERS], c)
    items = c.items(plan.items)
    scores: dict[str, Scores] = {}
    for kind in KINDS:
        training = replace(plan.training, pool=kind)
        scores[kind] = decode(
            made, c, items, training, seeds=range(plan.seeds), folds=c.fold_of(items), turns=plan.turns, balanced=True
        )
        metric = f"{scores[kind].metric}, decoder, dates merged"
        role: Literal["ours", "baseline"] = "baseline" if kind == "mean" else "ours"
        found.rows.append(Row(c.name, f"{FILTERS}, {kind}", role, metric, scores[kind].estimate()))
    for ours, theirs in (("linear", "mean"), ("ltae", "mean"), ("ltae-days", "mean"), ("ltae-days", "ltae")):
        gap = difference(scores[ours], scores[theirs])
        found.rows.append(Row(c.name, f"{ours} - {theirs}", "ours", "difference by merging dates", gap))
        found.verdicts.append(f"{c.name}: dates merged by {ours} against {theirs}: {table.words(gap)}")


def slow(plan: Plan) -> str:
    """What must be known of the decoder's scores."""
    return (
        f"decoder and network from scratch are trained for {plan.training.steps} steps only: what learns slowly, L-TAE and the "
        "decoder on few labels, stays below what it could reach"
    )


def _scalings(c: Collection, tiny: Any, plan: Plan, found: _Found) -> None:
    """swath-tiny with its own scaling, and with the data's mean and deviation put in its stead."""
    only = replace(plan, heads=("linear",), shares=(1.0,), trees=5, training=replace(plan.training, steps=1))
    try:
        both = compare(c, {"own scaling": tiny, "scaling of the data": DataScaled(tiny, c.batch)}, only)
    except ValueError:
        return
    own, theirs = (both.entry(n, "linear", 1.0) for n in ("own scaling", "scaling of the data"))
    if own is None or theirs is None:
        return
    metric = f"{_metric(theirs)}, scaling"
    found.rows.append(Row(c.name, "tiny, scaling of the data", "ours", metric, theirs.scores.estimate()))
    found.rows.append(Row(c.name, "tiny, own scaling", "baseline", metric, own.scores.estimate()))
    gap = difference(theirs.scores, own.scores)
    found.rows.append(Row(c.name, "scaling of the data - own scaling", "ours", "difference by scaling", gap))
    found.verdicts.append(f"{c.name}: tiny scaled by the data against its own scaling: {table.words(gap)}")


def _cost(found: _Found) -> dict[str, str]:
    """Seconds to encode one example and parameters, as measured on the first set that each encoder took."""
    cost: dict[str, str] = {}
    for c in found.comparisons:
        for e in c.entries:
            if e.encoding and e.encoder not in cost:
                each = e.encoding / len(c.collection.batch)
                cost[e.encoder] = (
                    f"{1000 * each:.1f} ms an example of {c.collection.name}, {e.parameters[0]:,} parameters"
                )
    return cost
