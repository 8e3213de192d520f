"""Scores of doubt that come for free with a classifier on vectors, and whether another one ranks better than they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.errors import LabelError
from swath.estimate import Estimate, undefined
from swath.metric.ranking import auroc

__all__ = ["Judge", "entropy", "ranking"]

Scores = dict[str, Callable[[NDArray[np.float32]], NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Judge:
    """A linear classifier on vectors of unit deviation, and its losses out of fold.

    classes: (K,) labels in the order of the probabilities. losses: (M,) cross entropy of each training vector, by a
    classifier that saw no vector of its place; out_of_fold: (M, K) its probabilities; fold: (M,). bank: (M, D) the training
    vectors at length 1.
    """

    model: Any
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    classes: NDArray[Any]
    losses: NDArray[np.float64]
    bank: NDArray[np.float32]
    out_of_fold: NDArray[np.float64]
    fold: NDArray[np.int64]

    @classmethod
    def fit(cls, vectors: ArrayLike, label: ArrayLike, place: ArrayLike, seed: int = 0, *, folds: int = 5) -> Judge:
        """Learn from (M, D) vectors and (M,) labels; folds keep places whole. Raises LabelError for one class or place."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GroupKFold

        v, y, where = np.asarray(vectors, np.float32), np.asarray(label), np.asarray(place)
        places = len(np.unique(where))
        if len(np.unique(y)) < 2 or places < 2:
            raise LabelError(
                rule="losses out of fold need two classes and two places",
                got=f"{len(np.unique(y))} classes in {places} places",
                remedy="give more labels",
            )
        mean, scale = v.mean(0), np.maximum(v.std(0), 1e-6)
        x = (v - mean) / scale
        make = lambda: LogisticRegression(C=0.1, max_iter=500, random_state=seed)  # noqa: E731 - the same thing each time
        classes = np.unique(y)
        losses, answers = np.full(len(y), np.nan), np.full((len(y), len(classes)), np.nan)
        fold = np.zeros(len(y), np.int64)
        deal = GroupKFold(min(folds, places), shuffle=True, random_state=seed)
        for k, (train, test) in enumerate(deal.split(x, y, where)):
            fold[test] = k
            if len(np.unique(y[train])) < 2:
                continue
            model = make().fit(x[train], y[train])
            answers[test] = _whole(model, x[test], classes)
            losses[test] = _cross_entropy(answers[test], np.searchsorted(classes, y[test]))
        length = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        bank = (x / length).astype(np.float32)
        return cls(make().fit(x, y), mean, scale, classes, losses, bank, answers, fold)

    def _x(self, vectors: ArrayLike) -> NDArray[np.float32]:
        return np.asarray((np.asarray(vectors, np.float32) - self.mean) / self.scale, np.float32)

    def probability(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """(n, D) -> (n, K)."""
        return _whole(self.model, self._x(vectors), self.classes)

    def loss_of(self, vectors: ArrayLike, label: ArrayLike) -> NDArray[np.float64]:
        """Cross entropy of labelled vectors (n,); NaN for a class that it does not know."""
        y = np.asarray(label)
        known = np.isin(y, self.classes)
        index = np.searchsorted(self.classes, np.where(known, y, self.classes[0]))
        return np.where(known, _cross_entropy(self.probability(vectors), index), np.nan)

    def scores(self) -> Scores:
        """Each a function (n, D) -> (n,), larger is more doubt: entropy, 1 - largest probability, distance to the nearest
        training vector, 1 / length, and a constant.
        """

        def distance(v: NDArray[np.float32]) -> NDArray[np.float64]:
            x = self._x(v)
            x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
            return np.asarray(1 - (x @ self.bank.T).max(1), np.float64)

        return {
            "entropy": lambda v: entropy(self.probability(v)),
            "1 - largest probability": lambda v: np.asarray(1 - self.probability(v).max(1)),
            "distance to training": distance,
            "1 / length": lambda v: np.asarray(1 / np.maximum(np.linalg.norm(v, axis=1), 1e-12), np.float64),
            "constant": lambda v: np.zeros(len(v)),
        }


def entropy(probability: ArrayLike) -> NDArray[np.float64]:
    """(n, K) -> (n,) nats; NaN where missing."""
    p = np.clip(np.asarray(probability, float), 1e-12, 1)
    return np.asarray(-(p * np.log(p)).sum(1))


def _whole(model: Any, x: NDArray[np.float32], classes: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of all classes, 0 for those that a fold's classifier has not met."""
    out = np.zeros((len(x), len(classes)))
    out[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(x)
    return out


def _cross_entropy(p: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(-np.log(np.clip(p[np.arange(len(p)), index], 1e-6, 1)))


def ranking(
    runs: Sequence[tuple[ArrayLike, Mapping[str, ArrayLike], ArrayLike]],
    ours: str,
    theirs: str | None = None,
    *,
    draws: int = 2000,
    seed: int = 0,
    simulated: bool = False,
) -> Estimate:
    """R-AUROC of a score of doubt, or how much higher it is than that of another; mean over runs, bootstrap over places.

    runs: of each seed (correct (n,), {score: doubt (n,)}, place (n,)); both scores meet the same resamples. Undefined where
    all are right or all wrong, and says so.
    """
    sets = []
    for correct, said, place in runs:
        groups = [np.flatnonzero(np.asarray(place) == k) for k in np.unique(np.asarray(place))]
        other = None if theirs is None else np.asarray(said[theirs])
        sets.append((np.asarray(correct), np.asarray(said[ours]), other, groups))
    value = [g for c, a, b, _ in sets if np.isfinite(g := _gap(c, a, b))]
    if not value:
        reason = "all neighbours are right, or all wrong: there is nothing to rank"
        return replace(undefined("1", reason), simulated=simulated)
    rng = np.random.default_rng([seed, 5])
    found = []
    for _ in range(draws):
        one = []
        for c, a, b, groups in sets:
            pick = np.concatenate([groups[k] for k in rng.integers(len(groups), size=len(groups))])
            one.append(_gap(c[pick], a[pick], None if b is None else b[pick]))
        if np.isfinite(one).any():
            found.append(float(np.nanmean(one)))
    low, high = np.quantile(found, [0.025, 0.975])
    count = max(len(groups) for *_, groups in sets)
    words = (
        f"{'paired ' if theirs else ''}bootstrap over {count} whole places, {draws} draws, mean of {len(value)} seeds"
    )
    centre = float(np.mean(value))
    return Estimate(centre, "1", min(low, centre), max(high, centre), n=count, method=words, simulated=simulated)


def _gap(correct: NDArray[Any], ours: NDArray[Any], theirs: NDArray[Any] | None) -> float:
    return auroc(-ours, correct) - (0.0 if theirs is None else auroc(-theirs, correct))
