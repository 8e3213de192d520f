"""What a probe or a decoder scored: the parts of places under each seed, and what is made of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from swath import estimate
from swath.errors import SwathError
from swath.estimate import Estimate
from swath.metric import classes as of_classes
from swath.metric import regression as of_numbers

__all__ = ["METRICS", "Scores", "better", "difference", "load", "save", "scored"]


def _miou(matrix: Any) -> Any:
    scores = of_classes.iou(matrix)
    known = np.isfinite(scores)
    return np.where(known.any(-1), np.where(known, scores, 0).sum(-1) / np.maximum(known.sum(-1), 1), np.nan)


METRICS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "balanced accuracy": ("class", of_classes.balanced),
    "F1": ("class", of_classes.f1_macro),
    "accuracy": ("class", of_classes.overall),
    "mIoU": ("class", _miou),
    "kappa": ("class", of_classes.kappa),
    "RMSE": ("number", of_numbers.rmse),
    "R2": ("number", of_numbers.r2),
    "MAE": ("number", of_numbers.mae),
}
"""Name -> (what it is of, function of summed parts). RMSE and MAE are errors: smaller is better."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What places add to the score under each seed.

    parts (P, S, K, K) confusions (rows = answer, columns = truth) or (P, S, 6) sums of errors; place (P,) their ids;
    labels (S,) training labels used, mean over folds; predicted (S, M) class index or number, -1 or NaN where not tested;
    absent: classes that no training set held, by name; seconds: fitting and answering, all seeds; unit of the target.
    """

    kind: str
    task: Literal["class", "number"]
    share: float
    seeds: tuple[int, ...]
    place: np.ndarray
    parts: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    names: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    seconds: float = 0.0
    unit: str = "1"
    simulated: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The score that is shown when none is asked for."""
        return "balanced accuracy" if self.task == "class" else "RMSE"

    def per_seed(self, metric: str = "") -> np.ndarray:
        """(S,): the score over all places under each seed."""
        return np.asarray(_statistic(self, metric)(self.parts.sum(0)), float)

    def per_place(self, metric: str = "") -> np.ndarray:
        """(P, S): the score of each place alone; NaN where it is undefined there."""
        return np.asarray(_statistic(self, metric)(self.parts), float)

    def estimate(self, metric: str = "", *, level: float = 0.95) -> Estimate:
        """Mean over seeds, with an interval that resamples places and seeds (over seeds alone below 6 places)."""
        found = _interval(self.parts, _statistic(self, metric), self, metric, level)
        if (metric or self.metric) in ("R2", "kappa") or not found.defined:
            return found
        high = 1.0 if self.task == "class" else found.high
        return replace(found, low=max(0.0, found.low), high=min(high, found.high)) if found.low == found.low else found


def _statistic(scores: Scores, metric: str) -> Callable[[Any], Any]:
    name = metric or scores.metric
    task, function = METRICS.get(name, ("", None))
    if function is None or task != scores.task:
        known = ", ".join(k for k, (t, _) in METRICS.items() if t == scores.task)
        raise SwathError(rule=f"scores of a {scores.task} target are {known}", got=name, remedy="choose one of them")
    return function


def _unit(scores: Scores, metric: str) -> str:
    return scores.unit if (metric or scores.metric) in ("RMSE", "MAE") else "1"


def _interval(
    parts: np.ndarray, score: Callable[[Any], Any], scores: Scores, metric: str, level: float, method: str = ""
) -> Estimate:
    """Places and seeds are resampled together (Owen 2007, "The pigeonhole bootstrap"): a little too wide, never blind to
    either.
    """
    seeds = len(scores.seeds)
    random = np.random.default_rng(1)
    unit, text = _unit(scores, metric), f"{method or f'{scores.kind} probe'}; {seeds} seeds"
    n = int((scores.predicted[0] >= 0).sum() if scores.task == "class" else np.isfinite(scores.predicted[0]).sum())

    def statistic(x: Any) -> Any:
        found = np.asarray(score(x), float)
        if found.ndim > 1 and seeds > 1:
            found = np.take_along_axis(found, random.integers(0, seeds, found.shape), -1)
        known = np.isfinite(found)
        return np.where(
            known.any(-1), np.where(known, found, 0).sum(-1) / np.maximum(known.sum(-1), 1), np.nan
        )  # fmt: skip

    simulated = scores.simulated
    if len(parts) >= estimate.MIN_PLACES:
        return estimate.block_bootstrap(
            parts, statistic, unit=unit, level=level, n=n, method=text, simulated=simulated
        )  # fmt: skip
    found = estimate.mean(
        np.asarray(score(parts.sum(0)), float), unit=unit, level=level, simulated=simulated,
        method=f"{text}: draws of labels only, {len(parts)} places are too few to resample",
    )  # fmt: skip
    return replace(found, n=n) if found.defined else found


def difference(ours: Scores, theirs: Scores, metric: str = "", *, level: float = 0.95) -> Estimate:
    """Ours minus theirs on the same places and seeds, with its interval: they differ only when it leaves out 0.

    Raises SwathError when the two were not judged on the same places and seeds.
    """
    same = ours.seeds == theirs.seeds and np.array_equal(ours.place, theirs.place) and ours.task == theirs.task
    if not same:
        raise SwathError(
            rule="a paired difference is of the same places and seeds", got="two others", remedy="probe both alike"
        )
    score = _statistic(ours, metric)
    pair = np.stack([ours.parts, theirs.parts], axis=1)

    def apart(x: Any) -> Any:
        return score(x[..., 0, :, :, :] if ours.task == "class" else x[..., 0, :, :]) - score(
            x[..., 1, :, :, :] if ours.task == "class" else x[..., 1, :, :]
        )

    return _interval(pair, apart, ours, metric, level, method="paired difference")


def scored(
    predicted: np.ndarray, y: np.ndarray, place: np.ndarray, classes: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Place ids (P,) and parts (P, S, ...) of answers (S, M); items that no seed tested add no place."""
    tested = (predicted >= 0).any(0) if classes else np.isfinite(predicted).any(0)
    ids = np.unique(place[tested])
    rows = []
    for answer in predicted:
        if classes:
            rows.append(of_classes.confusion_by_place(answer[tested], y[tested], classes, place=place[tested]))
        else:
            rows.append(of_numbers.moments_by_place(answer[tested], y[tested], place=place[tested]))
    return ids, np.stack(rows, axis=1)


def better(metric: str) -> int:
    """1 where larger is better, -1 for errors."""
    return -1 if metric in ("RMSE", "MAE") else 1


def save(scores: Scores, path: Path) -> None:
    """Keep scores as one file, aside first, then renamed."""
    facts = {
        "kind": scores.kind, "task": scores.task, "share": scores.share, "seeds": scores.seeds, "names": scores.names,
        "absent": scores.absent, "seconds": scores.seconds, "unit": scores.unit, "simulated": scores.simulated,
        "facts": scores.facts,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.npz")
    np.savez_compressed(
        aside, facts=json.dumps(facts), place=np.asarray(scores.place, dtype=str), parts=scores.parts,
        labels=scores.labels, predicted=scores.predicted,
    )  # fmt: skip
    os.replace(aside, path)


def load(path: Path) -> Scores:
    """The inverse of `save`."""
    with np.load(path, allow_pickle=False) as file:
        facts = json.loads(str(file["facts"]))
        for name in ("seeds", "names", "absent"):
            facts[name] = tuple(facts[name])
        return Scores(**facts, **{k: file[k] for k in ("place", "parts", "labels", "predicted")})
