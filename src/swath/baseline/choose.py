"""Which model on which features: candidates in a fixed order of cost, judged on places held out whole.

The best score, pooled over the labels that can be scored, wins; of two within one point the earlier in the order.
No clock takes part, so the same labels, places and seed choose the same on any machine. Few labels, or labels in few
places, cannot tell many candidates apart, and each more is one more that may win by luck: there only the sturdy ones
are offered, and the Brier score of their class shares decides, which asks how sure each was of every label, where the
accuracy only counts right and wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from swath.baseline import learner
from swath.baseline.features import Features
from swath.baseline.patches import Patch, smoothed_at
from swath.errors import LabelError
from swath.estimate import Estimate, undefined
from swath.sample.split import Folds

__all__ = [
    "CANDIDATES",
    "Candidate",
    "Choice",
    "OutOfFold",
    "Table",
    "candidates_for",
    "choose",
    "deals_for",
    "too_few",
]

CLOSE = 0.01  # one point
REPEATED = 320  # label scores that are wished for; few labels are judged on several deals of the folds
MOST_DEALS = 4
FEW = 100  # a share from 40 labels is off by 8 points (standard error), from 100 by 5: sturdy candidates only below
FEW_PLACES = (
    20  # labels of one place are right or wrong together: 400 in 19 places were worth about 50 independent ones
)
JUDGED_TREES = 100  # a forest is judged with fewer trees than it maps with
FAST = ("majority", "mean", "shrunk LDA", "logistic", "ridge")
SPECTRA = ("spectra", "indices", "season", "tokens")
REDUCED = ("components", "season", "tokens")
PLAIN = ("spectra", "indices", "tokens")
AROUND = ("components", "space", "profile", "season", "tokens")
WIDE = ("spectra", "indices", "season", "components", "space", "tokens")
TREES = ("extra trees", "random forest", "histogram boosting")
HYPERSPECTRAL = 40  # bands beyond which trees read components: hundreds of like bands would crowd out all else


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model on groups of features, with or without smoothing of the class probabilities afterwards.

    sturdy: offered however few labels there are (the others overfit them, or only repeat a sturdy one).
    """

    name: str
    model: str
    groups: tuple[str, ...]
    smoothed: bool = False
    sturdy: bool = False


# Majority and mean look at no feature; the spectra beside them say where the map is asked about what it never saw.
CANDIDATES: dict[str, tuple[Candidate, ...]] = {
    "class": (
        Candidate("majority", "majority", ("spectra",), sturdy=True),
        Candidate("shrunk LDA on spectra", "shrunk LDA", SPECTRA, sturdy=True),
        Candidate("logistic on components", "logistic", REDUCED),
        Candidate("shrunk LDA on space", "shrunk LDA", AROUND),
        Candidate("shrunk LDA on space, smoothed", "shrunk LDA", AROUND, True),
        Candidate("extra trees on spectra", "extra trees", PLAIN, sturdy=True),
        Candidate("extra trees on space", "extra trees", WIDE, sturdy=True),
        Candidate("extra trees on space, smoothed", "extra trees", WIDE, True),
        Candidate("random forest on spectra", "random forest", PLAIN),
        Candidate("SVM on components", "SVM", REDUCED),
        Candidate("histogram boosting on spectra", "histogram boosting", PLAIN),
    ),
    "number": (
        Candidate("mean", "mean", ("spectra",)),
        Candidate("ridge on spectra", "ridge", SPECTRA),
        Candidate("ridge on space", "ridge", AROUND),
        Candidate("extra trees on spectra", "extra trees", PLAIN),
        Candidate("extra trees on space", "extra trees", WIDE),
        Candidate("random forest on spectra", "random forest", PLAIN),
        Candidate("histogram boosting on spectra", "histogram boosting", PLAIN),
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
    """The candidate that won, its out-of-fold predictions, and the score of every candidate in order of cost.

    tokens: a sentence on what an encoder's tokens were good for, "" where none was judged.
    """

    chosen: Candidate
    oof: OutOfFold
    scores: list[tuple[str, Estimate]]
    tokens: str = ""


def too_few(labels: int, places: int) -> bool:
    """Whether so many labels in so many places can only tell the sturdy classifiers apart, and by the Brier score."""
    return labels < FEW or places < FEW_PLACES


def candidates_for(features: Features, kind: str, *, fast: bool = False, few: bool = False) -> list[Candidate]:
    """Candidates that these features allow, in order of cost; two that would be the same model are one.

    With an encoder's tokens among the features every candidate is asked without them first, then with them: tokens must
    win by more than a point, or they are not used. few: only sturdy classifiers, see `too_few` (with `fast`, and for
    numbers, no such limit).
    """
    few = few and kind == "class" and not fast
    out: list[Candidate] = []
    seen: set[tuple[str, tuple[int, ...], bool]] = set()
    for one in CANDIDATES[kind]:
        if (fast and one.model not in FAST) or (few and not one.sturdy):
            continue
        if features.flat and (one.smoothed or {"space", "profile"} & set(one.groups)):
            continue
        if one.smoothed and "components" not in features.groups:
            continue
        for either in _without_and_with(replace(one, groups=_groups(one, features))):
            columns = tuple(features.columns(either.groups).tolist())
            key = (either.model, columns, either.smoothed)
            if key in seen or (either.model not in ("majority", "mean") and not columns):
                continue
            seen.add(key)
            out.append(either)
    return out


def _without_and_with(one: Candidate) -> tuple[Candidate, ...]:
    """A candidate without tokens, then with them; alone where it has none, or nothing else."""
    plain = tuple(g for g in one.groups if g != "tokens")
    if plain == one.groups or not plain:
        return (one,)
    return replace(one, groups=plain), replace(one, name=f"{one.name}, with tokens")


def _first(offered: Sequence[Candidate], values: np.ndarray) -> int:
    """The first within a point of the best, one without tokens where there is one."""
    near = values >= values.max() - CLOSE
    plain = near & np.array(["tokens" not in one.groups for one in offered])
    return int(np.flatnonzero(plain if plain.any() else near)[0])


def _tokens_in_words(offered: Sequence[Candidate], values: np.ndarray, chosen: Candidate, measure: str) -> str:
    """The best candidate with tokens beside the best without, on the same labels and folds."""
    sides: list[list[tuple[float, str]]] = [[], []]
    for one, value in zip(offered, values, strict=True):
        if np.isfinite(value) and one.model not in ("majority", "mean"):
            sides["tokens" in one.groups].append((float(value), f"{one.name} {abs(value):.3f}"))
    without, beside = sides
    if not beside or not without:
        return "the encoder's tokens are the only features" if beside else ""
    best, other = max(beside)[1], max(without)[1]
    if "tokens" in chosen.groups:
        return f"the encoder's tokens won their place in spatial cross-validation ({measure}): {best}, without {other}"
    return (
        "the encoder's tokens are not used: in spatial cross-validation the scene's own features alone do as well "
        f"({measure}): {other}, with tokens {best}"
    )


def _groups(one: Candidate, features: Features) -> tuple[str, ...]:
    """The candidate's groups that there are; for trees on hyperspectral scenes components in the place of spectra."""
    groups = one.groups
    if one.model in TREES and any(len(s.live) > HYPERSPECTRAL for s in features.sensors):
        groups = tuple(dict.fromkeys("components" if g == "spectra" else g for g in groups))
    return tuple(g for g in groups if g in features.groups)


def deals_for(count: int) -> int:
    """How often the folds are dealt anew for so many labels: with few, one deal decides by luck."""
    return int(np.clip(REPEATED // max(1, count), 1, MOST_DEALS))


def choose(
    table: Table,
    features: Features,
    patches: list[Patch],
    *,
    deals: Sequence[Folds],
    seed: int = 0,
    fast: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Choice:
    """Judge every candidate on the same deals of folds and take the best: by accuracy or R2, or, with too few labels or
    places for that, by the Brier score of the class shares (Brier 1950), which then stands in each score's method.

    deals: folds of the table's labels, each with the buffer in which training labels sit out; scores are pooled over
    them, out-of-fold predictions are kept of the first. Raises LabelError when fewer than two classes or values are left.
    """
    if len(np.unique(table.y)) < 2:
        raise LabelError(rule="a map needs at least two classes or values", got="one", remedy="add labels of another")
    few = bool(table.classes) and not fast and too_few(len(table.y), len(np.unique(table.place)))
    offered = candidates_for(features, "class" if table.classes else "number", fast=fast, few=few)
    results: dict[str, list[OutOfFold]] = {}
    for number, one in enumerate(offered):
        if progress is not None:
            progress(number, len(offered), f"judging {one.name}")
        if one.name not in results:
            siblings = [c for c in offered if (c.model, c.groups) == (one.model, one.groups)]
            judged = [_judge(siblings, table, features, patches, folds, seed) for folds in deals]
            results |= {c.name: [j[c.name] for j in judged] for c in siblings}
    scores = [(one.name, _score(table, results[one.name], seed)) for one in offered]
    if few:
        losses = {one.name: brier(table, results[one.name]) for one in offered}
        values = np.array([-losses[name] if e.defined else -np.inf for name, e in scores])
        scores = [(name, _with_brier(e, losses[name])) for name, e in scores]
    else:
        values = np.array([e.value if e.defined else -np.inf for _, e in scores])
    chosen = offered[_first(offered, values)]
    measure = "Brier score" if few else "accuracy" if table.classes else "R2"
    words = _tokens_in_words(offered, values, chosen, measure)
    return Choice(chosen, results[chosen.name][0], scores, words)


def _judge(
    siblings: Sequence[Candidate], table: Table, features: Features, patches: list[Patch], folds: Folds, seed: int
) -> dict[str, OutOfFold]:
    """Out-of-fold predictions of candidates that differ only in smoothing: each fold's model is fitted once."""
    columns = features.columns(siblings[0].groups)
    out = {c.name: np.full((len(table.y), max(1, table.classes)), np.nan, np.float32) for c in siblings}
    scorable = np.zeros(len(table.y), bool)
    for k, (train, _) in enumerate(folds):
        held = folds.fold == k
        if not len(train):
            continue
        known = np.isin(table.y, np.unique(table.y[train])) if table.classes else np.ones(len(held), bool)
        x = table.x[np.ix_(train, columns)]
        model = learner.fit(siblings[0].model, x, table.y[train], classes=table.classes, seed=seed, trees=JUDGED_TREES)
        for c in siblings:
            if c.smoothed:
                out[c.name][held] = smoothed_at(patches, held, columns, model.predict, table.classes)[held]
            else:
                out[c.name][held] = model.predict(np.ascontiguousarray(table.x[np.ix_(held, columns)].T)).T
        scorable |= held & known
    for value in out.values():
        value[~scorable] = np.nan
    return {name: OutOfFold(value, folds.fold, scorable) for name, value in out.items()}


def brier(table: Table, deals: Sequence[OutOfFold]) -> float:
    """Mean squared distance of class shares from the truth, 0 to 2, pooled over the scorable labels of all deals.

    The shares are taken as the model gives them: one that is sure and wrong on places it never saw pays for it. NaN
    where nothing is scorable. Source: Brier 1950, Monthly Weather Review 78(1).
    """
    truth = np.eye(table.classes)
    losses = [((d.value[d.scorable] - truth[table.y[d.scorable]]) ** 2).sum(axis=1) for d in deals]
    together = np.concatenate(losses)
    return float(together.mean()) if len(together) else float("nan")


def _with_brier(score: Estimate, loss: float) -> Estimate:
    """The score with the number that decides told in its method."""
    return replace(score, method=f"{score.method}; Brier score {loss:.3f}, which decides") if score.defined else score


def _score(table: Table, deals: Sequence[OutOfFold], seed: int) -> Estimate:
    """Share right, or R2, pooled over the scorable labels of all deals; interval by drawing places again (seeded)."""
    folds = len(np.unique(deals[0].fold))
    where = f"{len(np.unique(table.place))} places in {folds} spatial folds" + (
        f", dealt {len(deals)} times" if len(deals) > 1 else ""
    )
    ok = np.concatenate([d.scorable for d in deals])
    if not ok.any():
        return undefined("1", "no label could be scored: no class stands in two places", method=where)
    value = np.concatenate([d.value for d in deals])[ok]
    truth, place = (np.tile(a, len(deals))[ok] for a in (table.y, table.place))
    if table.classes:
        numerator, denominator = (value.argmax(1) == truth).astype(float), np.ones(len(truth))
    else:
        numerator, denominator = (truth - value[:, 0]) ** 2, (truth - truth.mean()) ** 2
    ids, inverse = np.unique(place, return_inverse=True)
    up, down = np.bincount(inverse, numerator), np.bincount(inverse, denominator)
    drawn = np.random.default_rng(seed).integers(0, len(ids), (1000, len(ids)))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios, share = up[drawn].sum(1) / down[drawn].sum(1), up.sum() / down.sum()
    if not table.classes:
        ratios, share = 1 - ratios, 1 - share
    count = int(np.logical_or.reduce([d.scorable for d in deals]).sum())
    if not np.isfinite(share):
        return undefined("1", "all held-out values are the same", n=count, method=where)
    low, high = np.nanpercentile(ratios, [2.5, 97.5]) if len(ids) > 1 else (np.nan, np.nan)
    measure = "accuracy" if table.classes else "R2"
    return Estimate(
        float(share), "1", float(low), float(high), n=count, method=f"{measure}, {where}, places drawn again"
    )
