"""Conformal sets and intervals from labels that a model never saw: how many classes a pixel may be, how far a value off.

The promise is per *place*: in a place never seen, on average over places, at least `level` of the pixels hold their
class in their set. Pixels of one place are alike, so labels are no independent units: each place counts once, however
many labels it has (pooled distribution functions: Dunn, Wasserman and Ramdas 2022; hierarchical conformal prediction:
Lee, Barber and Willett 2023), and the place to come gets the mass 1/(m + 1), m being the number of independent labels
that all are worth: the count of places where scores within a place are all alike, the count of labels where they are
no more alike than across places (variance components of the scores' ranks).

Scores come from spatial folds (cross-conformal; Vovk 2015): 1 - probability of the true class (Sadinle, Lei and
Wasserman 2019), or the absolute error of a number. One threshold for all classes until every class has 20 labels, then
one a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.estimate import Estimate, block_bootstrap, undefined

__all__ = ["LEVEL", "Calibration", "fit", "threshold"]

LEVEL = 0.90
CLASS_WISE = 20
_MOST_GROUPS = 60
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds that make sets or intervals of probabilities or values.

    kind: class or number. threshold: per class (or one number): the largest score that is let in; empty when too few
    labels were there. coverage: of places left out one after another; mean_set_size: of those sets (or interval width).
    labels, places: behind the thresholds; worth: independent labels that they count as. needed: labels missing.
    left_out: labels whose class the fold's training part lacked, by class. words: all of this in sentences.
    """

    kind: str
    level: float
    threshold: tuple[float, ...]
    class_wise: bool
    labels: int
    places: int
    worth: float
    needed: int
    coverage: Estimate
    mean_set_size: float
    left_out: dict[str, int] = field(default_factory=dict)
    words: str = ""

    @property
    def drawn(self) -> bool:
        """Whether there are sets at all."""
        return len(self.threshold) > 0

    def members(self, probability: ArrayLike) -> NDArray[np.bool_]:
        """(K, ...) bool: which classes are in the set; the most probable class always is."""
        p = np.asarray(probability)
        limit = np.asarray(self.threshold, p.dtype).reshape(-1, *[1] * (p.ndim - 1))
        inside = p >= 1 - limit - 1e-6
        np.put_along_axis(inside, p.argmax(0)[None], True, axis=0)
        return np.asarray(inside)

    def set_size(self, probability: ArrayLike) -> NDArray[np.uint8]:
        """Classes in the set of each pixel, from (K, ...) probabilities; 255 where missing or no set is drawn."""
        p = np.asarray(probability)
        missing = ~np.isfinite(p).all(0)
        if not self.drawn:
            return np.full(p.shape[1:], 255, np.uint8)
        size: NDArray[np.uint8] = np.minimum(self.members(np.where(missing, 0, p)).sum(0), 254).astype(np.uint8)
        size[missing] = 255
        return size

    sets = set_size

    def interval(self, value: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Low and high around values, in their unit; NaN where no interval is drawn."""
        v = np.asarray(value)
        half = self.threshold[0] if self.drawn else np.nan
        return v - half, v + half

    def check(
        self, answer: ArrayLike, truth: ArrayLike, place: ArrayLike, *, seed: int = 0, simulated: bool = False
    ) -> tuple[Estimate, float]:
        """Coverage per place (each place counts once) and mean set size (or width) at pixels with known truth.

        answer: (n, K) probabilities or (n, 1) or (n,) values. truth: (n,) class index or number; negative or NaN: left
        out. place: (n,) ids of places that neither training nor calibration touched.
        """
        p, t, where = np.asarray(answer, float), np.asarray(truth), np.asarray(place)
        p = p[:, None] if p.ndim == 1 else p
        keep = np.isfinite(p).all(1) & np.isfinite(t) & ((t >= 0) | (self.kind == "number"))
        p, t, where = p[keep], t[keep], where[keep]
        if not self.drawn or not len(t):
            why = "too few labels for sets" if not self.drawn else "no pixel with truth to check"
            return undefined("1", why, level=0.95), float("nan")
        if self.kind == "class":
            inside = self.members(p.T)
            t = t.astype(int)
            known = t < p.shape[1]
            held = inside[np.minimum(t, p.shape[1] - 1), np.arange(len(t))] & known
            size = float(np.average(inside.sum(0), weights=_place_weight(where)))
        else:
            low, high = self.interval(p[:, 0])
            held, size = (low <= t) & (t <= high), float(2 * self.threshold[0])
        return _per_place(held, where, "conformal sets, each place once", seed, simulated), size

    def to_json(self) -> dict[str, Any]:
        """Plain values, for model.json and assessment.json (`from_json` is the inverse)."""
        record = asdict(self)
        record["threshold"] = [float(v) if np.isfinite(v) else None for v in self.threshold]
        record["coverage"] = self.coverage.to_json()
        record["worth"] = float(self.worth)
        record["mean_set_size"] = float(self.mean_set_size) if np.isfinite(self.mean_set_size) else None
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Calibration:
        """The inverse of `to_json`."""
        known = dict(record)
        known["threshold"] = tuple(np.inf if v is None else float(v) for v in record["threshold"])
        known["coverage"] = Estimate.from_json(record["coverage"])
        known["mean_set_size"] = np.nan if record["mean_set_size"] is None else record["mean_set_size"]
        return cls(**known)


def fit(
    answer: ArrayLike,
    truth: ArrayLike,
    place: ArrayLike,
    *,
    scorable: ArrayLike | None = None,
    names: Sequence[str] = (),
    level: float = LEVEL,
    seed: int = 0,
    simulated: bool = False,
) -> Calibration:
    """Learn thresholds from out-of-fold answers.

    answer: (n, K) probabilities, or (n, 1) or (n,) numbers, of models that never saw the label's place. truth: (n,)
    class index or number. place: (n,) ids. scorable: (n,) False where the fold's training part lacked the class.
    names: of the K classes; empty for numbers. Below 9 labels (at level 0.90; the least n with n/(n+1) >= level) there
    are no sets, and `needed` says how many labels are missing.
    """
    p, t, where = np.asarray(answer, float), np.asarray(truth), np.asarray(place)
    p = p[:, None] if p.ndim == 1 else p
    kind = "class" if len(names) else "number"
    use = np.isfinite(p).all(1) & np.isfinite(t.astype(float))
    fine = use if scorable is None else use & np.asarray(scorable, bool)
    left = {}
    if kind == "class":
        left = {str(names[k]): int(((t == k) & ~fine).sum()) for k in range(len(names)) if ((t == k) & ~fine).any()}
    p, t, where = p[fine], t[fine], where[fine]
    least = int(np.ceil(level / (1 - level) - 1e-9))
    n, places = len(t), len(np.unique(where))
    if n < least:
        words = f"too few labels for conformal sets: {n} can be scored, {least - n} more are needed"
        none = undefined("1", words)
        return Calibration(kind, level, (), False, n, places, 0.0, least - n, none, np.nan, left, words + _named(left))
    score = 1 - p[np.arange(n), t.astype(int)] if kind == "class" else np.abs(p[:, 0] - t)
    group = t.astype(int) if kind == "class" else np.zeros(n, int)
    count = p.shape[1] if kind == "class" else 1
    wise = kind == "class" and bool((np.bincount(group, minlength=count) >= CLASS_WISE).all())
    alike = _alike(score, group, where)
    limit = _thresholds(score, group, where, count, wise, level, alike)
    worth = _worth(where, alike)
    held, size = _left_out_in_turn(p, t, score, group, where, kind, wise, level, alike)
    coverage = _per_place(held, where, "conformal sets, places left out in turn, each place once", seed, simulated)
    words = _words(kind, level, wise, n, places, worth, least) + _named(left)
    return Calibration(
        kind, level, tuple(map(float, limit)), wise, n, places, worth, 0, coverage, float(size), left, words
    )


def threshold(score: ArrayLike, place: ArrayLike, *, level: float = LEVEL) -> float:
    """The score that `level` of a place to come stays under, from scores (n,) of n labels in their places; inf if too few.

    Where all places are worth too little, labels count as independent. NaN scores are left out.
    """
    s, where = np.asarray(score, float), np.asarray(place)
    known = np.isfinite(s)
    s, where = s[known], where[known]
    if not len(s):
        return float("inf")
    alike = _alike(s, np.zeros(len(s), int), where)
    return float(_thresholds(s, np.zeros(len(s), int), where, 1, False, level, alike)[0])


def _place_weight(where: NDArray[Any]) -> Floats:
    """(n,) weights that sum to 1 and give each place the same."""
    _, at, count = np.unique(where, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(count) * count[at]))


def _alike(score: Floats, group: NDArray[Any], where: NDArray[Any]) -> float:
    """How alike the scores of one place are: intraclass correlation of their ranks within a class, 0 to 1 (ANOVA)."""
    rank = np.empty(len(score))
    for k in np.unique(group):
        here = np.flatnonzero(group == k)
        rank[here] = (score[here].argsort().argsort() + 0.5) / len(here) - 0.5
    _, at, count = np.unique(where, return_inverse=True, return_counts=True)
    places, n = len(count), len(score)
    if places < 2 or n <= places:
        return 1.0
    mean = np.bincount(at, weights=rank) / count
    between = float((count * (mean - rank.mean()) ** 2).sum() / (places - 1))
    within = float(((rank - mean[at]) ** 2).sum() / (n - places))
    size = (n - float((count**2).sum()) / n) / (places - 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 1.0


def _worth(where: NDArray[Any], alike: float) -> float:
    """How many independent labels the labels of these places are worth when each place counts once."""
    _, count = np.unique(where, return_counts=True)
    places = len(count)
    return float(1 / (alike / places + (1 - alike) * (1 / count).sum() / places**2)) if places else 0.0


def _limit(score: Floats, where: NDArray[Any], level: float, alike: float) -> float:
    """The level's quantile of scores with places as units and mass 1/(worth + 1) on the place to come; may be inf."""
    if not len(score):
        return float("inf")
    worth = _worth(where, alike)
    order = np.argsort(score, kind="stable")
    mass = np.cumsum(_place_weight(where)[order]) * worth / (worth + 1)
    at = int(np.searchsorted(mass, level - 1e-12))
    return float(score[order][at]) if at < len(score) else float("inf")


def _thresholds(
    score: Floats, group: NDArray[Any], where: NDArray[Any], count: int, wise: bool, level: float, alike: float
) -> Floats:
    """(K,) thresholds. Where even all labels are worth too little, places count as labels do (said in words)."""
    pooled = _limit(score, where, level, alike)
    if not np.isfinite(pooled):
        order = np.sort(score)
        at = int(np.ceil((len(order) + 1) * level - 1e-9)) - 1
        pooled = float(order[min(at, len(order) - 1)]) if at < len(order) else float("inf")
    if not wise:
        return np.full(count, pooled)
    each = np.array([_limit(score[group == k], where[group == k], level, alike) for k in range(count)])
    return np.where(np.isfinite(each), each, max(pooled, float(np.max(each[np.isfinite(each)], initial=pooled))))


def _left_out_in_turn(
    p: Floats,
    t: NDArray[Any],
    score: Floats,
    group: NDArray[Any],
    where: NDArray[Any],
    kind: str,
    wise: bool,
    level: float,
    alike: float,
) -> tuple[NDArray[np.bool_], float]:
    """Whether each label is covered by thresholds of the other places, and the mean size of those sets."""
    ids, at = np.unique(where, return_inverse=True)
    part = at * min(len(ids), _MOST_GROUPS) // len(ids)
    held, size = np.zeros(len(t), bool), np.zeros(len(t))
    for one in np.unique(part):
        here, rest = part == one, part != one
        if not rest.any():
            held[here], size[here] = True, p.shape[1] if kind == "class" else np.inf
            continue
        limit = _thresholds(score[rest], group[rest], where[rest], p.shape[1], wise, level, alike)
        limit = limit if kind == "class" else limit[:1]
        if kind == "class":
            inside = p[here] >= 1 - limit - 1e-6
            inside[np.arange(here.sum()), p[here].argmax(1)] = True
            held[here], size[here] = inside[np.arange(here.sum()), t[here].astype(int)], inside.sum(1)
        else:
            held[here], size[here] = score[here] <= limit[0], 2 * limit[0]
    return held, float(np.average(size, weights=_place_weight(where)))


def _per_place(held: NDArray[np.bool_], where: NDArray[Any], method: str, seed: int, simulated: bool) -> Estimate:
    """Mean over places of the share covered in each, with a block-bootstrap interval."""
    _, at, count = np.unique(where, return_inverse=True, return_counts=True)
    share = np.bincount(at, weights=held) / count
    parts = np.stack([share, np.ones(len(share))], axis=1)
    return block_bootstrap(
        parts, lambda s: s[..., 0] / s[..., 1], n=len(held), method=method, seed=seed, simulated=simulated
    )


def _words(kind: str, level: float, wise: bool, n: int, places: int, worth: float, least: int) -> str:
    what = "sets" if kind == "class" else "intervals"
    how = (
        ""
        if kind == "number"
        else "; one threshold a class"
        if wise
        else f"; one threshold for all classes (some have fewer than {CLASS_WISE} labels)"
    )
    text = (
        f"conformal {what} at {level:.2f} from {n} labels in {places} places, worth {worth:.0f} independent ones{how}"
    )
    if worth < least:
        text += f"; so few places (worth below {least}) promise the level per label, not per place"
    return text


def _named(left: dict[str, int]) -> str:
    if not left:
        return ""
    each = ", ".join(f"{name} {count}" for name, count in left.items())
    return f"; not used, their class was missing from the fold's training part or they could not be scored: {each}"
