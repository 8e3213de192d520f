"""Which samples to label next: those that what is labelled so far leaves most in doubt, and that differ from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.assess import doubts
from swath.assess.rivals import Judge, entropy, ranking
from swath.errors import DesignError, ExtraError, LabelError
from swath.estimate import Estimate
from swath.study.select import choose

__all__ = ["Next", "label_next"]

_POOL = 4  # times as many of the most doubtful are looked at for ones that differ
_SURE_OF_HEAD = 40  # fewer labels cannot tell whether a head ranks better


@dataclass(frozen=True, slots=True)
class Next:
    """rows (n,): to label, the most doubtful first. rank (n,): in more doubt than so many per cent of the unlabelled.

    reason: of each. score: which doubt was used. compared: (name, AUROC) of the doubts at labels out of fold. notes: words.
    """

    rows: NDArray[np.int64]
    rank: NDArray[np.float64]
    reason: tuple[str, ...]
    score: str
    compared: tuple[tuple[str, Estimate], ...]
    notes: tuple[str, ...]


def label_next(
    vectors: ArrayLike,
    count: int,
    *,
    labelled: ArrayLike = (),
    label: ArrayLike = (),
    place: ArrayLike | None = None,
    spread: float = 0.5,
    seed: int = 0,
) -> Next:
    """`count` of N vectors (N, D) to label next.

    labelled: rows that are labelled already, label: of them; place (N,): what folds keep whole (each row by default). With
    two classes or more, a classifier's entropy decides, or the head of `assess.unsure` where it ranks the errors at labels
    of unseen places better by a paired interval off 0. Without, the most varied are asked first, and a note says so.
    Raises DesignError when more are asked for than are unlabelled.
    """
    x = np.asarray(vectors, np.float32)
    known, y = np.asarray(labelled, np.int64), np.asarray(label)
    free = np.setdiff1d(np.arange(len(x)), known)
    if not 0 < count <= len(free):
        raise DesignError(
            rule="as many can be labelled next as have no label",
            got=f"{count} of {len(free)}",
            remedy="a smaller --label-next",
        )
    where = np.arange(len(x)) if place is None else np.unique(np.asarray(place), return_inverse=True)[1]
    try:
        judge = Judge.fit(x[known], y, where[known], seed)
    except (LabelError, ValueError) as error:
        found = choose(x[free], count, spread, seed)
        reason = "what is labelled cannot be learned from" if len(known) else "nothing is labelled yet"
        words = (
            f"{reason}: the most varied are asked first ({error})"
            if len(known)
            else f"{reason}: the most varied are asked first"
        )
        return Next(free[found.kept], np.full(count, np.nan), tuple(found.reason), "variety", (), (words,))
    score, said, compared, notes = _doubt(judge, x, y, where, known, free, seed)
    order = np.argsort(-said, kind="stable")
    pool = order[: min(len(free), _POOL * count)]
    rank = 100.0 * (said[:, None] > np.sort(said)[None, :]).mean(1) if len(free) <= 4000 else _percent(said)
    picked = pool[choose(x[free[pool]], count, spread, seed).kept]
    picked = picked[np.argsort(-said[picked], kind="stable")]
    likely = judge.probability(x[free[picked]])
    why = tuple(_words(rank[i], p, judge.classes, score) for i, p in zip(picked, likely, strict=True))
    return Next(free[picked], rank[picked], why, score, compared, notes)


def _percent(said: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(100.0 * np.searchsorted(np.sort(said), said) / len(said))


def _doubt(
    judge: Judge, x: Any, y: Any, where: Any, known: Any, free: Any, seed: int
) -> tuple[str, NDArray[np.float64], tuple[tuple[str, Estimate], ...], tuple[str, ...]]:
    """The doubt that ranks best at the labels, of the unlabelled rows."""
    plain = entropy(judge.probability(x[free]))
    fine = np.isfinite(judge.losses)
    if fine.sum() < _SURE_OF_HEAD:
        return (
            "entropy",
            plain,
            (),
            (f"{int(fine.sum())} labels out of fold are too few to compare doubts: entropy is used",),
        )
    wrong = judge.classes[judge.out_of_fold[fine].argmax(1)] != y[fine]
    scaled = (x - judge.mean) / judge.scale
    try:
        head = doubts.fit(scaled[known][fine], judge.losses[fine], judge.fold[fine], seed=seed)
    except (LabelError, ExtraError) as error:
        return "entropy", plain, (), (f"only entropy is used: {error}",)
    both: dict[str, NDArray[Any]] = {"entropy": entropy(judge.out_of_fold[fine]), "head on the vectors": head.own}
    at = where[known][fine]
    compared = tuple(doubts.compare(wrong, both, at, seed=seed))
    gain = ranking([(1.0 - wrong, both, at)], "head on the vectors", "entropy", draws=500, seed=seed)
    if gain.defined and gain.low > 0:
        return "head on the vectors", head.doubt(scaled[free]).astype(float), compared, ()
    return "entropy", plain, compared, ("the head ranks errors no better than entropy here: entropy is used",)


def _words(rank: float, likely: NDArray[np.float64], classes: NDArray[Any], score: str) -> str:
    first, second = np.argsort(-likely)[:2]
    return (
        f"more doubt ({score}) than {rank:.0f} % of the unlabelled; {classes[first]} {likely[first]:.2f} or "
        f"{classes[second]} {likely[second]:.2f}"
    )
