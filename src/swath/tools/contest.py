"""How good a trained head is: folds of whole places, the simple methods beside it, and how it fares with few labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.baseline import learner
from swath.estimate import Estimate, block_bootstrap
from swath.sample import split
from swath.tools.training import Lesson, Progress

__all__ = ["Judged", "contest", "few_labels", "filled", "head"]

FOLDS = 5
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = 5
CURVE_TREES = 100
ABSENT = -30.0  # score of a class that training never saw


def filled(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Bare values with the training part's medians where missing."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        middle = np.nan_to_num(np.nanmedian(like, axis=0))
    return np.where(np.isfinite(x), x, middle).astype(np.float32)


def head(lesson: Lesson, index: np.ndarray, seed: int) -> learner.Linear:
    """A linear head on the features of these labels: ridge for numbers; for classes logistic, its strength chosen by inner
    folds of whole places. Classes that are absent get no share.
    """
    x, y, count = lesson.x[index], lesson.y[index], len(lesson.names)
    if lesson.kind == "number":
        found = learner.fit("ridge", x, y, classes=0, seed=seed)
        assert isinstance(found, learner.Linear)
        return found
    seen, inner = np.unique(y, return_inverse=True)
    weight, offset = np.zeros((x.shape[1], count), np.float32), np.full(count, ABSENT, np.float32)
    if len(seen) < 2:
        offset[seen] = 0.0  # one class alone
        return learner.Linear(weight, offset, shares=True)
    from swath.baseline.threads import one_thread
    from swath.bench.learners import Linear, Standard
    from swath.bench.probe import choose_strength

    with one_thread():
        strength = choose_strength(x, inner.ravel(), lesson.places.id[index], len(seen), None, seed)
        made = Linear(len(seen), strength).fit(x, inner.ravel())
    standard = Standard.of(x)
    raw = standard.scale[:, None] * made.weights
    weight[:, seen] = raw
    offset[seen] = made.intercept - standard.mean @ raw
    return learner.Linear(weight, offset, shares=True)


def fitted(name: str, lesson: Lesson, x: np.ndarray, y: np.ndarray, seed: int, trees: int = learner.TREES) -> Any:
    """A learner by name; one class alone gives that class."""
    return learner.fit(name, x, y, classes=len(lesson.names), seed=seed, trees=trees)


@dataclass(frozen=True)
class Judged:
    """Answers out of fold by method: {name: (n, K) or (n, 1)}; fold (n,), scorable (n,)."""

    answers: dict[str, np.ndarray]
    fold: np.ndarray
    scorable: np.ndarray
    words: str

    def score(self, name: str, lesson: Lesson, *, seed: int, simulated: bool) -> Estimate:
        """Overall accuracy, or R2, with its interval over places."""
        answer, method = self.answers[name], f"{self.words}; not design-based"
        if lesson.kind == "class":
            right = (answer.argmax(1) == lesson.y) & self.scorable
            return _share(right.astype(float), lesson.places.id, method, seed, simulated)
        from swath.metric import regression

        parts = regression.moments_by_place(answer[:, 0], lesson.y, place=lesson.places.id)
        return block_bootstrap(parts, regression.r2, n=len(lesson.y), method=method, seed=seed, simulated=simulated)

    def gain(self, name: str, other: str, lesson: Lesson, *, seed: int, simulated: bool) -> Estimate:
        """How much better one method is than another at the same labels, paired by place: accuracy, or less squared error
        in parts of the variance.
        """
        a, b = self.answers[name], self.answers[other]
        method = f"paired by place; {self.words}"
        if lesson.kind == "class":
            better = (a.argmax(1) == lesson.y).astype(float) - (b.argmax(1) == lesson.y)
        else:
            spread = float(np.var(lesson.y)) or 1.0
            better = ((b[:, 0] - lesson.y) ** 2 - (a[:, 0] - lesson.y) ** 2) / spread
        return _share(better, lesson.places.id, method, seed, simulated)


def _share(value: np.ndarray, place: np.ndarray, method: str, seed: int, simulated: bool) -> Estimate:
    _, at, count = np.unique(place, return_inverse=True, return_counts=True)
    parts = np.stack([np.bincount(at.ravel(), weights=value), count.astype(float)], axis=1)
    return block_bootstrap(
        parts, lambda s: s[..., 0] / s[..., 1], n=len(value), method=method, seed=seed, simulated=simulated
    )


def contest(
    lesson: Lesson, *, seed: int, tune: Callable[[np.ndarray, np.ndarray], np.ndarray] | None, progress: Progress | None
) -> Judged:
    """Folds of whole places: the frozen head, the fine-tuned network where `tune` is given, majority or mean, and a forest
    on the pixels' bare values.

    tune(train, test): indices of labels -> answers at the test labels (n, K).
    """
    deal = split.folds(
        lesson.places, lesson.y, FOLDS, seed=seed, buffer=min(lesson.planes.reach, lesson.places.side // 4)
    )
    classes = lesson.kind == "class"
    names = ["frozen head", "majority" if classes else "mean", "random forest on bare pixels"]
    if tune is not None:
        names.insert(0, "fine-tuned")
    shape = (len(lesson.y), max(1, len(lesson.names)))
    answers = {name: np.zeros(shape, np.float32) for name in names}
    scorable = np.zeros(len(lesson.y), bool)
    for k, (train, test) in enumerate(deal):
        y = lesson.y[train]
        if not len(train):
            continue
        plain = fitted(names[-2], lesson, lesson.x[train, :0], y, seed)
        forest = fitted("random forest", lesson, filled(lesson.spectra[train], lesson.spectra[train]), y, seed)
        linear = head(lesson, train, seed)
        answers["frozen head"][test] = linear.predict(lesson.x[test].T).T
        answers[names[-2]][test] = plain.predict(lesson.x[test, :0].T).T
        answers[names[-1]][test] = forest.predict(filled(lesson.spectra[test], lesson.spectra[train]).T).T
        if tune is not None:
            answers["fine-tuned"][test] = tune(train, test)
        scorable[test] = np.isin(lesson.y[test], np.unique(y)) if classes else True
        if progress is not None:
            progress(k + 1, deal.k, "judging in places left out")
    words = f"{deal.k} folds of {lesson.places.count} places (blocks of about {lesson.places.side} px), buffer {deal.buffer} px"
    return Judged(answers, deal.fold, scorable, words)


def few_labels(lesson: Lesson, *, seed: int, simulated: bool, progress: Progress | None) -> list[dict[str, Any]]:
    """Accuracy (or R2) of the frozen head and of the forest with 1, 3, 10, 30 and 100 % of the labelled things, nested,
    on the same folds; mean over seeds with its interval.
    """
    from swath.bench.shares import nested, strata
    from swath.estimate import mean

    deal = split.folds(
        lesson.places, lesson.y, FOLDS, seed=seed, buffer=min(lesson.planes.reach, lesson.places.side // 4)
    )
    rows: list[dict[str, Any]] = []
    stratum = strata(lesson.y if lesson.kind == "class" else lesson.y.astype(float))
    for number, share in enumerate(SHARES):
        scores: dict[str, list[float]] = {"frozen head": [], "random forest on bare pixels": []}
        used: list[int] = []
        for s in range(SEEDS if share < 1 else 1):
            answers = {name: np.zeros((len(lesson.y), max(1, len(lesson.names)))) for name in scores}
            for train, test in deal:
                few = train[nested(stratum[train], share, seed + s)]
                used.append(len(few))
                y = lesson.y[few]
                linear = head(lesson, few, seed)
                bare = filled(lesson.spectra[few], lesson.spectra[few])
                forest = fitted("random forest", lesson, bare, y, seed, CURVE_TREES)
                answers["frozen head"][test] = linear.predict(lesson.x[test].T).T
                bare = filled(lesson.spectra[test], lesson.spectra[few])
                answers["random forest on bare pixels"][test] = forest.predict(bare.T).T
            for name, answer in answers.items():
                scores[name].append(_score(lesson, answer))
        for name, values in scores.items():
            got = mean(values, method=f"mean over {len(values)} nested draws of labels", simulated=simulated)
            rows.append({"share": share, "labels": float(np.mean(used)), "method": name, "score": got})
        if progress is not None:
            progress(number + 1, len(SHARES), "few labels")
    return rows


def _score(lesson: Lesson, answer: np.ndarray) -> float:
    if lesson.kind == "class":
        return float((answer.argmax(1) == lesson.y).mean())
    left = float(((answer[:, 0] - lesson.y) ** 2).sum())
    return 1 - left / max(float(((lesson.y - lesson.y.mean()) ** 2).sum()), 1e-30)
