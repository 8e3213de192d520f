"""Probes: what frozen vectors tell about labels, judged on places that training never saw.

One call gives what each place adds to the score under each seed, so that intervals and paired differences resample
whole places. A seed decides folds, which labels are drawn and what is random in the probe: two encoders with the same
seeds are compared on the same splits.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from swath.bench.learners import Axes, Forest, Linear, Nearest, Standard
from swath.bench.scores import METRICS, Scores, difference, scored
from swath.bench.shares import nested, strata
from swath.errors import LabelError, SwathError
from swath.sample.split import fold_table

__all__ = [
    "KINDS",
    "METRICS",
    "Scores",
    "difference",
    "frozen",
    "probe",
    "judged",
    "scored",
    "splits",
    "state_digest",
    "targets",
]

Kind = Literal["knn", "linear", "forest"]
KINDS: tuple[Kind, ...] = ("knn", "linear", "forest")
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
_INNER = 3


def splits(
    place: np.ndarray, stratum: np.ndarray, folds: int | np.ndarray, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) indices of each fold, whole places only.

    folds: how many (fewer where there are fewer places), or a bool array that marks the test items of one given split,
    or an integer array (M,) with the fold of each item. Raises LabelError when a place would lie on both sides.
    """
    place = np.asarray(place)
    given = np.asarray(folds)
    if given.ndim == 0:
        count = min(int(given), len(np.unique(place)))
        if count < 2:
            raise LabelError(
                rule="a probe is judged on places that training never saw",
                got=f"{len(np.unique(place))} place in {len(place)} items, {int(given)} folds",
                remedy="give items of two places or more",
            )
        fold = fold_table(np.unique(place, return_inverse=True)[1].ravel(), stratum, count, seed)
        given = fold
    if given.dtype == bool:
        sides = [(np.flatnonzero(~given), np.flatnonzero(given))]
    else:
        sides = [(np.flatnonzero(given != f), np.flatnonzero(given == f)) for f in np.unique(given[given >= 0])]
    for train, test in sides:
        if shared := np.intersect1d(place[train], place[test]).tolist():
            raise LabelError(
                rule="a place lies in training or in test, never in both",
                got=f"{len(shared)} places in both, {shared[0]} among them",
                remedy="split by place",
            )
        if not len(train) or not len(test):
            raise LabelError(rule="a split has two sides", got="an empty one", remedy="mark some items, not all")
    return sides


def probe(
    vectors: np.ndarray,
    target: np.ndarray,
    place: np.ndarray,
    *,
    kind: Kind = "linear",
    share: float = 1.0,
    seeds: Sequence[int] = range(5),
    folds: int | np.ndarray = 5,
    turns: int | None = None,
    k: int = 20,
    strength: float | None = None,
    trees: int = 200,
    balanced: bool = False,
    names: Sequence[str] = (),
    unit: str = "1",
    simulated: bool = False,
) -> Scores:
    """Train a probe on `share` of the training labels of each fold and judge it on the other places, for each seed.

    vectors (M, D) float; target (M,): numbers when float, else classes; place (M,). share: per class (or group of numbers),
    nested: with one seed 10 % lie inside 50 %. folds: see `splits`; turns: how many of them
    are tested under each seed, in turn (all by default). k: neighbours. strength: of the linear probe (C,
    1 / alpha), None: chosen by inner folds of whole training places. balanced: every class weighs the same in training.
    names: of the classes when `target` holds indices.
    Raises LabelError for a split that cannot be, SwathError for vectors that are not finite.
    """
    x, place = np.asarray(vectors), np.asarray(place)
    names, y = targets(np.asarray(target), names)
    _check(x, y, place, kind)
    count = len(names) if names else None

    def answer(few: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        maker = _Maker(kind, count, k, strength, trees, seed, balanced)
        return maker.answer(x[few], y[few], place[few], x[test])

    return judged(
        answer, y, place, kind=kind, names=names, share=share, seeds=seeds, folds=folds, turns=turns, unit=unit,
        simulated=simulated,
    )  # fmt: skip


def judged(
    answer: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
    y: np.ndarray,
    place: np.ndarray,
    *,
    kind: str,
    names: tuple[str, ...] = (),
    share: float = 1.0,
    seeds: Sequence[int] = range(5),
    folds: int | np.ndarray = 5,
    turns: int | None = None,
    unit: str = "1",
    simulated: bool = False,
) -> Scores:
    """Scores of anything that learns from some items and answers for others: the splits and label draws of `probe`.

    answer(few, test, seed): (m, K) probabilities or (m,) numbers for the `test` items, learned from the `few`.
    """
    groups = strata(y)
    began = time.perf_counter()
    predicted = np.full((len(seeds), len(y)), -1 if names else np.nan)
    labels, held = np.zeros(len(seeds)), np.zeros(max(len(names), 1), bool)
    for s, seed in enumerate(seeds):
        sides = splits(place, groups, folds, seed)
        if turns is not None:
            sides = [sides[(s + i) % len(sides)] for i in range(min(turns, len(sides)))]
        for train, test in sides:
            few = train if share >= 1 else train[nested(groups[train], share, seed)]
            labels[s] += len(few) / len(sides)
            if names:
                held[np.unique(y[few])] = True
            found = answer(few, test, seed)
            predicted[s, test] = found.argmax(1) if names else found
    place_ids, parts = scored(predicted, y, place, len(names) or None)
    return Scores(
        kind, "class" if names else "number", share, tuple(int(s) for s in seeds), place_ids, parts, labels,
        predicted.astype(np.int64) if names else predicted, names,
        tuple(n for n, there in zip(names, held, strict=False) if not there),
        time.perf_counter() - began, unit, simulated,
    )  # fmt: skip


def targets(target: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names and indices, or no names and numbers."""
    if target.dtype.kind == "f":
        return (), target.astype(float)
    if names:
        return tuple(names), target.astype(np.int64)
    known, index = np.unique(target, return_inverse=True)
    return tuple(str(v) for v in known), index.ravel()


def _check(x: np.ndarray, y: np.ndarray, place: np.ndarray, kind: str) -> None:
    if kind not in KINDS:
        raise SwathError(rule=f"probes are {', '.join(KINDS)}", got=kind, remedy="choose one")
    if x.ndim != 2 or not len(x) == len(y) == len(place):
        raise LabelError(
            rule="vectors (M, D), target (M,) and place (M,) belong together",
            got=f"{x.shape}, {y.shape}, {place.shape}",
            remedy="give one of each per item",
        )
    bad = int((~np.isfinite(x).all(1)).sum())
    if bad or not np.isfinite(y).all():
        raise SwathError(
            rule="a probe reads finite vectors and targets",
            got=f"{bad} vectors and {int((~np.isfinite(y)).sum())} targets with NaN or infinity",
            remedy="leave these items out",
        )
    if y.dtype.kind != "f" and len(y) and y.min() < 0:
        raise LabelError(rule="classes are indices from 0 on", got=f"{y.min()}", remedy="leave unlabelled items out")


@dataclass(frozen=True)
class _Maker:
    """One probe as asked for: fits and answers."""

    kind: str
    classes: int | None
    k: int
    strength: float | None
    trees: int
    seed: int
    balanced: bool

    def answer(self, x: np.ndarray, y: np.ndarray, place: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """(m, K) probabilities or (m,) numbers; classes that training lacks get none."""
        if self.classes is None:
            return self._fit(x, y, place, None)(asked)
        here, own = np.unique(y, return_inverse=True)
        out = np.zeros((len(asked), self.classes))
        out[:, here] = 1.0 if len(here) == 1 else self._fit(x, own.ravel(), place, len(here))(asked)
        return out

    def _fit(
        self, x: np.ndarray, y: np.ndarray, place: np.ndarray, classes: int | None
    ) -> Callable[[np.ndarray], np.ndarray]:
        weight = None
        if self.balanced and classes is not None:
            weight = (len(y) / classes / np.bincount(y, minlength=classes))[y]
        if self.kind == "knn":
            return Nearest(classes, self.k).fit(x, y, weight).predict
        if self.kind == "forest":
            return Forest(classes, self.trees, self.seed).fit(x, y, weight).predict
        strength = self.strength or choose_strength(x, y, place, classes, weight, self.seed)
        return Linear(classes, strength).fit(x, y, weight).predict


def choose_strength(
    x: np.ndarray, y: np.ndarray, place: np.ndarray, classes: int | None, weight: np.ndarray | None, seed: int
) -> float:
    """The strength of STRENGTHS (times the number of items for ridge) that errs least on inner folds of whole places.

    With one place the folds are of items.
    """
    groups = strata(y)
    if len(np.unique(place)) < 2:
        place = np.arange(len(y))
    count = min(_INNER, len(np.unique(place)))
    if count < 2:
        return STRENGTHS[-1]
    loss = np.zeros(len(STRENGTHS))
    for train, test in splits(place, groups, count, seed + 1):
        if classes is not None and len(np.unique(y[train])) < 2:
            continue
        standard = Standard.of(x[train])
        axes, there = Axes.of(standard(x[train], np.float64)), standard(x[test], np.float64)
        before: Linear | None = None
        for i, strength in enumerate(STRENGTHS):
            model = Linear(classes, strength, tolerance=1e-3)
            w = None if weight is None else weight[train]
            before = model.fit_axes(axes, y[train], w, before)
            scores = there @ model.weights + model.intercept
            loss[i] += _miss(scores, y[test], None if weight is None else weight[test], classes)
    return STRENGTHS[int(np.argmin(loss))]


def _miss(scores: np.ndarray, y: np.ndarray, weight: np.ndarray | None, classes: int | None) -> float:
    """Sum of squared errors, or of log loss."""
    if classes is None:
        return float(np.square(scores[:, 0] - y).sum())
    top = scores.max(1, keepdims=True)
    lost = np.log(np.exp(scores - top).sum(1)) + top[:, 0] - scores[np.arange(len(y)), y]
    return float(lost.sum() if weight is None else (lost * weight).sum())


def state_digest(encoder: Any) -> str:
    """sha256 of what an encoder is: its weights and buffers and how it was set up; of all it holds where it is no network."""
    found = hashlib.sha256(type(encoder).__name__.encode())
    _feed(found, encoder, 0)
    return found.hexdigest()


def _feed(found: Any, value: Any, depth: int) -> None:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        found.update(repr((value.dtype.str, value.shape)).encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, dict):
        for key in sorted(value, key=repr):
            found.update(repr(key).encode())
            _feed(found, value[key], depth)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _feed(found, one, depth)
    elif value is None or isinstance(value, (str, int, float, bool, bytes)):
        found.update(repr(value).encode())
    elif callable(getattr(value, "state_dict", None)):
        _feed(found, dict(value.state_dict()), depth)
        _feed(found, {k: getattr(value, k, None) for k in ("config", "statistics", "patch")}, depth)
    elif hasattr(value, "__dict__") and depth < 4 and not callable(value):
        found.update(type(value).__name__.encode())
        _feed(found, dict(vars(value)), depth + 1)
    elif depth < 4 and hasattr(value, "__slots__"):
        _feed(found, {k: getattr(value, k) for k in value.__slots__}, depth + 1)


@contextmanager
def frozen(encoder: Any) -> Iterator[None]:
    """What runs inside must leave the encoder as it is, byte for byte. Raises SwathError when it does not."""
    before = state_digest(encoder)
    yield
    if state_digest(encoder) != before:
        raise SwathError(
            rule="a frozen encoder stays as it is",
            got=f"{type(encoder).__name__} changed while it was used",
            remedy="look for batch statistics or a training step inside encode",
        )
