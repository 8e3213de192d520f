"""One protocol for all encoders: the same frozen features, heads, labels, places and seeds, and honest company.

Beside the encoders asked for stand, always: pixel statistics, random convolutions, each encoder's twin with random
weights, a small network from scratch, and a forest on spectra and indices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from swath.bench import scores as kept
from swath.bench.collection import Collection, Items
from swath.bench.decoder import Training, decode, scratch
from swath.bench.features import Features, Pair, Store, features, lacking, parameters, unused
from swath.bench.plain import beside, spectra
from swath.bench.probe import probe, state_digest
from swath.bench.scores import Scores
from swath.errors import SwathError

__all__ = ["FOREST", "SCRATCH", "Comparison", "Entry", "Plan", "compare", "twin_name"]

Head = Literal["knn", "linear", "decoder"]
Role = Literal["encoder", "twin", "baseline"]
FOREST, SCRATCH = "random forest on spectra", "network from scratch"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared. shares: of the training labels, nested; seeds: of folds, label draws and heads.

    turns: folds tested under each seed (all by default). items: pixels drawn where each pixel has a label. k: neighbours;
    balanced: every class weighs the same in training; decoder_shares: those that the decoder and the network from scratch
    are trained for (all by default).
    """

    heads: tuple[Head, ...] = ("knn", "linear", "decoder")
    shares: tuple[float, ...] = (0.1, 0.5, 1.0)
    decoder_shares: tuple[float, ...] | None = None
    seeds: int = 5
    turns: int | None = None
    items: int = 4000
    k: int = 20
    trees: int = 100
    balanced: bool = True
    pair: Pair = "difference"
    training: Training = field(default_factory=Training)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table: who, under which head and share, and what it cost.

    encoding: seconds to encode all examples once; parameters: of encoder and head.
    """

    data: str
    encoder: str
    head: str
    role: Role
    scores: Scores
    encoding: float = 0.0
    parameters: tuple[int, int] = (0, 0)

    @property
    def share(self) -> float:
        """Of the training labels."""
        return self.scores.share


@dataclass(frozen=True)
class Comparison:
    """Everything that was measured on one collection. refused: encoders that cannot take it, and why.

    lacking: bands that an encoder knows and the data lack; unused: bands of the data that it does not look at; twins: the
    random twin of each encoder; alarms: encoders whose scores are exactly equal.
    """

    collection: Collection
    entries: tuple[Entry, ...]
    refused: Mapping[str, str]
    lacking: Mapping[str, list[str]]
    unused: Mapping[str, list[str]]
    twins: Mapping[str, str]
    alarms: tuple[str, ...]
    notes: tuple[str, ...]

    def entry(self, encoder: str, head: str, share: float) -> Entry | None:
        """The one line of these, or None."""
        return next((e for e in self.entries if (e.encoder, e.head, e.share) == (encoder, head, share)), None)


def compare(
    collection: Collection,
    encoders: Mapping[str, Any],
    plan: Plan | None = None,
    *,
    twins: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run the protocol on one collection. encoders: {name: Encoder}; twins: {name of an encoder: its random twin}.

    folder: features and scores are kept there, so that the same call goes on where it stopped. An encoder that refuses the
    data is named with its reason, and left out.
    """
    plan = plan or Plan()
    items = collection.items(plan.items)
    store = Store(None if folder is None else folder / "features")
    run = _Run(collection, items, plan, folder, progress)
    plain = beside(collection)
    jobs: list[tuple[str, Any, Role]] = [(n, e, "baseline") for n, e in plain.items() if n not in encoders]
    jobs += [(n, e, "encoder") for n, e in encoders.items()]
    jobs += [(twin_name(n), e, "twin") for n, e in (twins or {}).items()]
    run.total = len(jobs) + 2
    refused: dict[str, str] = {}
    lack: dict[str, list[str]] = {}
    idle: dict[str, list[str]] = {}
    for name, encoder, role in jobs:
        run.say(name)
        try:
            found = features(encoder, collection, levels=_levels(encoder, plan), pair=plan.pair, store=store)
        except (SwathError, ValueError) as error:
            refused[name] = str(error)
            continue
        if role == "encoder":
            lack[name], idle[name] = lacking(encoder, collection.batch), unused(encoder, collection.batch)
        run.heads(name, encoder, role, found)
    run.alone()
    entries = tuple(run.entries)
    run.notes += _absent(collection, items, entries)
    known = {n: twin_name(n) for n in (twins or {}) if twin_name(n) not in refused}
    return Comparison(collection, entries, refused, lack, idle, known, identical(entries), tuple(run.notes))


def _absent(collection: Collection, items: Items, entries: tuple[Entry, ...]) -> list[str]:
    """Classes without a label, which no mean counts, and classes that some share's training never held."""
    words = []
    there = np.unique(items.target) if collection.classes else np.zeros(0)
    if none := [c for i, c in enumerate(collection.classes) if i not in there]:
        words.append(
            f"{len(none)} of {len(collection.classes)} classes have no label and count in no mean: {', '.join(none)}"
        )
    for share in sorted({e.share for e in entries}):
        lost = sorted({c for e in entries if e.share == share for c in e.scores.absent} - set(none))
        if lost:
            words.append(
                f"with {100 * share:g} % of the labels training never held {', '.join(lost)}: missed there by all"
            )
    return words


def twin_name(name: str) -> str:
    """What the twin of an encoder is called."""
    return f"{name} (random weights)"


def _levels(encoder: Any, plan: Plan) -> tuple[int, ...]:
    levels = tuple(encoder.needs.levels) if "decoder" in plan.heads else (-1,)
    return levels if levels[-1] == -1 else (*levels, -1)


class _Run:
    """Heads over features, each kept on disk as soon as it is done."""

    def __init__(
        self, collection: Collection, items: Items, plan: Plan, folder: Path | None, progress: Progress | None
    ) -> None:
        self.collection, self.items, self.plan, self.folder, self.progress = collection, items, plan, folder, progress
        self.entries: list[Entry] = []
        self.notes: list[str] = []
        self.done, self.total = 0, 0
        self.torch = find_spec("torch") is not None
        if not self.torch:
            self.notes.append("without torch (extra nn) there is no decoder and no network from scratch")

    def say(self, what: str) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total, f"{self.collection.name}: {what}")
        self.done += 1

    def splits(self, share: float) -> dict[str, Any]:
        """What all heads share: that is what makes their differences paired."""
        p = self.plan
        folds = self.collection.fold_of(self.items)
        return {"share": share, "seeds": range(p.seeds), "folds": folds, "turns": p.turns, "balanced": p.balanced}

    def kept(self, key: tuple[Any, ...], make: Callable[[], Scores]) -> Scores:
        if self.folder is None:
            return make()
        text = repr((self.collection.digest, self.plan.items, self.plan.seeds, self.plan.turns, key))
        path = self.folder / "scores" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"
        if not path.is_file():
            kept.save(make(), path)
        return kept.load(path)

    def probe(self, kind: Any, vectors: np.ndarray, share: float) -> Scores:
        p, c = self.plan, self.collection
        return probe(
            vectors, self.items.target, self.items.place, kind=kind, k=p.k, trees=p.trees, names=c.classes,
            unit=c.unit, simulated=c.simulated, **self.splits(share),
        )  # fmt: skip

    def heads(self, name: str, encoder: Any, role: Role, found: Features) -> None:
        c, p = self.collection, self.plan
        vectors = found.vectors(self.items)
        who, size = state_digest(encoder), parameters(encoder)
        for head in p.heads:
            if head == "decoder" and not (self.torch and c.dense):
                continue
            for share in self.shares(head):
                key = (who, head, share, p.k, p.balanced, p.pair, p.training if head == "decoder" else ())
                if head == "decoder":
                    scores = self.kept(
                        key,
                        lambda share=share: decode(found, c, self.items, p.training, **self.splits(share)),  # type: ignore[misc]
                    )
                else:
                    scores = self.kept(
                        key,
                        lambda head=head, share=share: self.probe(head, vectors, share),  # type: ignore[misc]
                    )
                count = int(scores.facts.get("parameters", _readout(head, found.width, len(c.classes))))
                self.entries.append(Entry(c.name, name, head, role, scores, found.seconds, (size, count)))

    def shares(self, head: str) -> tuple[float, ...]:
        few = self.plan.decoder_shares
        return few if few is not None and head in ("decoder", SCRATCH) else self.plan.shares

    def alone(self) -> None:
        """The forest and the network from scratch: supervised, without any encoder."""
        c, p = self.collection, self.plan
        self.say(FOREST)
        table = spectra(c, self.items)
        for share in p.shares:
            scores = self.kept(
                (FOREST, share, p.trees, p.balanced),
                lambda share=share: self.probe("forest", table, share),  # type: ignore[misc]
            )
            self.entries.append(Entry(c.name, FOREST, "forest", "baseline", scores))
        self.say(SCRATCH)
        if not self.torch:
            return
        if min(c.size) < 8:
            self.notes.append("a network from scratch needs pictures of 8 pixels or more a side: left out")
            return
        for share in self.shares(SCRATCH):
            scores = self.kept(
                (SCRATCH, share, p.training, p.balanced),
                lambda share=share: scratch(c, self.items, p.training, **self.splits(share)),  # type: ignore[misc]
            )
            count = int(scores.facts.get("parameters", 0))
            self.entries.append(
                Entry(c.name, SCRATCH, "U-Net" if c.dense else "CNN", "baseline", scores, 0.0, (0, count))
            )


def _readout(head: str, width: int, classes: int) -> int:
    return (width + 1) * max(classes, 1) if head == "linear" else 0


def identical(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Encoders whose answers are the same to the last item under every seed: a sign that one was not used at all."""
    found = []
    for i, a in enumerate(entries):
        for b in entries[i + 1 :]:
            if (a.data, a.head, a.share) != (b.data, b.head, b.share) or a.encoder == b.encoder:
                continue
            if np.array_equal(a.scores.predicted, b.scores.predicted, equal_nan=True):
                constant = len(np.unique(a.scores.predicted)) <= 2
                why = "both answer one class" if constant else "is the same network behind both names?"
                found.append(
                    f"{a.encoder} and {b.encoder} give exactly the same answers ({a.data}, {a.head}, "
                    f"{100 * a.share:g} % of the labels): {why}"
                )
    return tuple(found)
