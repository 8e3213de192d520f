"""Which model on which features: candidates in a fixed order of cost, judged on places held out whole.

The best score, pooled over the labels that can be scored, wins; of two within one point the earlier in the order.
No clock takes part, so the same labels, places and seed choose the same on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from swath.baseline import learner
from swath.baseline.features import Features
from swath.baseline.patches import Patch, smoothed_at
from swath.errors import LabelError
from swath.estimate import Estimate, undefined
from swath.sample.split import Folds

__all__ = ["CANDIDATES", "Candidate", "Choice", "OutOfFold", "Table", "candidates_for", "choose"]

CLOSE = 0.01  # one point
FAST = ("majority", "mean", "shrunk LDA", "logistic", "ridge")
SPECTRA = ("spectra", "indices", "season", "tokens")
REDUCED = ("components", "season", "tokens")
SPACE = ("components", "space", "season", "tokens")
AROUND = ("components", "space", "profile", "season", "tokens")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model on groups of features, with or without smoothing of the class probabilities afterwards."""

    name: str
    model: str
    groups: tuple[str, ...]
    smoothed: bool = False


CANDIDATES: dict[str, tuple[Candidate, ...]] = {
    "class": (
        Candidate("majority", "majority", ()),
        Candidate("shrunk LDA on spectra", "shrunk LDA", SPECTRA),
        Candidate("logistic on components", "logistic", REDUCED),
        Candidate("shrunk LDA on space", "shrunk LDA", AROUND),
        Candidate("shrunk LDA on space, smoothed", "shrunk LDA", AROUND, True),
        Candidate("extra trees on spectra", "extra trees", SPECTRA),
        Candidate("extra trees on space", "extra trees", SPACE),
        Candidate("extra trees on space, smoothed", "extra trees", SPACE, True),
        Candidate("random forest on components", "random forest", REDUCED),
        Candidate("SVM on components", "SVM", REDUCED),
        Candidate("histogram boosting on components", "histogram boosting", REDUCED),
    ),
    "number": (
        Candidate("mean", "mean", ()),
        Candidate("ridge on spectra", "ridge", SPECTRA),
        Candidate("ridge on space", "ridge", SPACE),
        Candidate("extra trees on spectra", "extra trees", SPECTRA),
        Candidate("extra trees on space", "extra trees", SPACE),
        Candidate("random forest on components", "random forest", REDUCED),
        Candidate("histogram boosting on components", "histogram boosting", REDUCED),
    ),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Labels with their features: x (n, F), y (n,) class indices or numbers, place (n,), row and column (n,)."""

    x: np.ndarray
    y: np.ndarray
    place: np.ndarray
    row: np.ndarray
    column: np.ndarray
    classes: int


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What was predicted for each label by a model that never saw its place.

    value (n, K) class probabilities or (n, 1) numbers, NaN where not scorable; fold (n,); scorable (n,) bool: the
    class stood in the training part (always for numbers).
    """

    value: np.ndarray
    fold: np.ndarray
    scorable: np.ndarray


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate that won, its out-of-fold predictions, and the score of every candidate in order of cost."""

    chosen: Candidate
    oof: OutOfFold
    scores: list[tuple[str, Estimate]]


def candidates_for(features: Features, kind: str, *, fast: bool = False) -> list[Candidate]:
    """Candidates that these features allow, in order of cost; two that would be the same model are one."""
    out: list[Candidate] = []
    seen: set[tuple[str, tuple[int, ...], bool]] = set()
    for one in CANDIDATES[kind]:
        if fast and one.model not in FAST:
            continue
        if features.flat and (one.smoothed or {"space", "profile"} & set(one.groups)):
            continue
        if one.smoothed and "components" not in features.groups:
            continue
        columns = tuple(features.columns(one.groups).tolist())
        key = (one.model, columns, one.smoothed)
        if key in seen or (one.groups and not columns):
            continue
        seen.add(key)
        out.append(one)
    return out


def choose(
    table: Table,
    features: Features,
    patches: list[Patch],
    *,
    folds: Folds,
    seed: int = 0,
    fast: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Choice:
    """Judge every candidate on the same folds and take the best.

    folds: of the table's labels, with the buffer in which training labels sit out.
    Raises LabelError when fewer than two classes (or labels) can be used.
    """
    if len(np.unique(table.y)) < 2:
        raise LabelError(rule="a map needs at least two classes or values", got="one", remedy="add labels of another")
    offered = candidates_for(features, "class" if table.classes else "number", fast=fast)
    parts = [(np.isin(np.arange(len(table.y)), train), folds.fold == k) for k, (train, _) in enumerate(folds)]
    results: dict[str, OutOfFold] = {}
    for number, one in enumerate(offered):
        if progress is not None:
            progress(number, len(offered), f"judging {one.name}")
        if one.name not in results:
            siblings = [c for c in offered if (c.model, c.groups) == (one.model, one.groups)]
            results |= _judge(siblings, table, features, patches, folds, parts, seed)
    scores = [(one.name, _score(table, results[one.name], one.name, seed)) for one in offered]
    values = np.array([e.value if e.defined else -np.inf for _, e in scores])
    best = int(np.flatnonzero(values >= values.max() - CLOSE)[0])
    return Choice(offered[best], results[offered[best].name], scores)


def _judge(
    siblings: Sequence[Candidate],
    table: Table,
    features: Features,
    patches: list[Patch],
    folds: Folds,
    parts: list[tuple[np.ndarray, np.ndarray]],
    seed: int,
) -> dict[str, OutOfFold]:
    """Out-of-fold predictions of candidates that differ only in smoothing: each fold's model is fitted once."""
    columns = features.columns(siblings[0].groups)
    out = {c.name: np.full((len(table.y), max(1, table.classes)), np.nan, np.float32) for c in siblings}
    scorable = np.zeros(len(table.y), bool)
    for train, held in parts:
        if not train.any() or (table.classes and not len(np.unique(table.y[train]))):
            continue
        known = np.isin(table.y, np.unique(table.y[train])) if table.classes else np.ones(len(held), bool)
        model = learner.fit(
            siblings[0].model, table.x[train][:, columns], table.y[train], classes=table.classes, seed=seed
        )
        for c in siblings:
            if c.smoothed:
                out[c.name][held] = smoothed_at(patches, held, columns, model.predict, table.classes)[held]
            else:
                out[c.name][held] = model.predict(np.ascontiguousarray(table.x[held][:, columns].T)).T
        scorable |= held & known
    for value in out.values():
        value[~scorable] = np.nan
    return {name: OutOfFold(value, folds.fold, scorable) for name, value in out.items()}


def _score(table: Table, got: OutOfFold, name: str, seed: int) -> Estimate:
    """Share right, or R2, pooled over scorable labels; interval by drawing places again (seeded)."""
    where = f"{len(np.unique(table.place))} places in {len(np.unique(got.fold))} spatial folds"
    ok = got.scorable
    if not ok.any():
        return undefined("1", "no label could be scored: no class stands in two places", method=where)
    if table.classes:
        top = (got.value[ok].argmax(1) == table.y[ok]).astype(float)
        numerator, denominator = top, np.ones(len(top))
    else:
        truth = table.y[ok].astype(float)
        numerator = (truth - got.value[ok, 0]) ** 2
        denominator = (truth - truth.mean()) ** 2
    ids, inverse = np.unique(table.place[ok], return_inverse=True)
    up, down = np.bincount(inverse, numerator), np.bincount(inverse, denominator)
    drawn = np.random.default_rng(seed).integers(0, len(ids), (1000, len(ids)))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = up[drawn].sum(1) / down[drawn].sum(1)
        value = up.sum() / down.sum()
    if not table.classes:
        ratios, value = 1 - ratios, 1 - value
    if not np.isfinite(value):
        return undefined("1", "all held-out values are the same", n=int(ok.sum()), method=where)
    low, high = np.nanpercentile(ratios, [2.5, 97.5]) if len(ids) > 1 else (np.nan, np.nan)
    measure = "accuracy" if table.classes else "R2"
    return Estimate(
        float(value), "1", float(low), float(high), n=int(ok.sum()), method=f"{measure}, {where}, places drawn again"
    )
