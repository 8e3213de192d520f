"""Training a decoder over pixel series: labelled pixels and unlabelled ones, several prompts in every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from swath.baseline import temperature as temper
from swath.errors import LabelError, SwathError
from swath.models import deco_input as prompts
from swath.models import deco_say
from swath.models.deco import Deco, heard, measured
from swath.models.deco_input import Packed, Sight
from swath.objective.next import Next
from swath.train.fit import Rules, fit

if TYPE_CHECKING:
    from swath.baseline.forecast import Series

__all__ = ["Lessons", "Plan", "fit_series", "spread_of", "temper_classes"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Plan:
    """How to train. tasks: of deco_input.TASKS; steps of batch rows a task; dates: most observations of a sequence.

    thin: least share of observations that a crop prompt keeps, drawn anew each time. value: weight of said values beside
    classes. deviation: of the first weights, as Deco takes it.
    """

    tasks: tuple[str, ...] = ("crop", "forecast", "impute")
    size: str = "pico"
    steps: int = 400
    batch: int = 32
    rate: float = 2e-3
    dates: int = 64
    thin: float = 0.7
    value: float = 0.5
    position: str = "days"
    seed: int = 0
    dim: int | None = None
    depth: int | None = None
    heads: int | None = None
    deviation: float | None = None


EPOCHS = 20
MOST_ASKED = 12
DECAY = 0.05


class Lessons:
    """Batches of prompts, the same for the same seed and epoch. crop rows are drawn from labelled places, classes alike often
    as they are; the others from all of `pool`.
    """

    def __init__(
        self, sight: Sight, model: Deco, plan: Plan, *, labelled: np.ndarray, target: np.ndarray, space: str | None,
        pool: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.sight, self.model, self.plan = sight, model, plan
        self.labelled, self.target, self.space = labelled, target, space
        self.pool = np.arange(len(sight)) if pool is None else pool
        count = sight.there.sum(1)
        self.pool = self.pool[count[self.pool] >= 3]
        self.labelled = self.labelled[count[self.labelled] >= 1]

    def epoch(self, number: int) -> Iterator[Packed]:
        """The batches of one epoch."""
        rng = np.random.default_rng([self.plan.seed, number, 4])
        for _ in range(max(1, self.plan.steps // EPOCHS)):
            parts = [getattr(self, f"_{task}")(rng) for task in self.plan.tasks]
            yield prompts.joined([p for p in parts if p is not None])

    def _drawn(self, rng: np.random.Generator) -> Sight:
        """Random places, of each a run of dates."""
        rows = rng.choice(self.pool, min(self.plan.batch, len(self.pool)), replace=False)
        sight = self.sight.rows(rows)
        count = sight.there.sum(1)
        most = np.minimum(count, self.plan.dates)
        first = (rng.random(len(rows)) * (count - most + 1)).astype(int)
        at = np.arange(sight.sensor.shape[1])
        return sight.only((at >= first[:, None]) & (at < (first + most)[:, None]))

    def _crop(self, rng: np.random.Generator) -> Packed:
        rows = rng.choice(self.labelled, self.plan.batch, replace=len(self.labelled) < self.plan.batch)
        sight = self.sight.rows(rows)
        count = sight.there.sum(1, keepdims=True)
        share = rng.uniform(self.plan.thin, 1.0, (len(rows), 1))
        share = np.minimum(share, self.plan.dates / np.maximum(count, 1))
        keep = (rng.random(sight.sensor.shape) < share) | (count <= 2)
        keep[:, 0] |= ~(keep & sight.there).any(1)
        return prompts.crop(sight.only(keep), self.model.vocabulary, str(self.space), self.target[rows])

    def _forecast(self, rng: np.random.Generator) -> Packed:
        """Half of the rows ask for every next date, half for dates after a cut, all at once."""
        sight = self._drawn(rng)
        half = len(sight) // 2
        one = prompts.forecast(sight.rows(np.arange(half)), self.model.vocabulary)
        other = sight.rows(np.arange(half, len(sight)))
        count = other.there.sum(1)
        cut = np.clip((count * rng.uniform(0.3, 0.95, len(other))).astype(int), 1, np.maximum(count - 1, 1))
        ahead = other.there & (np.arange(other.sensor.shape[1]) >= cut[:, None])
        return prompts.joined([one, self._hidden(other, ahead, rng, "forecast")])

    def _impute(self, rng: np.random.Generator) -> Packed:
        """Dates are hidden one here and there, or in a run."""
        sight = self._drawn(rng)
        b, t = sight.sensor.shape
        count = sight.there.sum(1)
        scattered = rng.random((b, t)) < rng.uniform(0.05, 0.5, (b, 1))
        length = 1 + (rng.random(b) * np.minimum(count / 3, 10)).astype(int)
        first = (rng.random(b) * np.maximum(count - length, 1)).astype(int)
        at = np.arange(t)
        run = (at >= first[:, None]) & (at < (first + length)[:, None])
        gone = np.where(rng.random((b, 1)) < 0.5, scattered, run) & sight.there
        gone &= (sight.there & ~gone).any(1)[:, None]
        return self._hidden(sight, gone, rng, "impute")

    def _translate(self, rng: np.random.Generator) -> Packed | None:
        """Everything of one sensor is hidden, what the others saw is known."""
        sight = self._drawn(rng)
        number = rng.integers(len(self.model.sensors), size=(len(sight), 1))
        gone = sight.sensor == number
        some = gone.any(1) & (sight.there & ~gone).any(1)
        return self._hidden(sight.rows(some), gone[some], rng, "translate") if some.any() else None

    def _hidden(self, sight: Sight, gone: np.ndarray, rng: np.random.Generator, task: str) -> Packed:
        """A prompt that asks for at most twelve of the hidden observations, drawn, in order of time."""
        order = rng.random(gone.shape) + ~gone
        rank = order.argsort(1).argsort(1)
        asked = sight.only(gone & (rank < MOST_ASKED))
        known = sight.only(~gone)
        return prompts.impute(
            known, self.model.vocabulary, asked.sensor, asked.day, task=task, target=(asked.values, asked.valid)
        )


def fit_series(
    series: Mapping[str, Series], plan: Plan | None = None, *, target: np.ndarray | None = None,
    classes: Sequence[str] = (), space: str = "labels", pool: np.ndarray | None = None,
    start: Deco | None = None, progress: Progress | None = None,
) -> tuple[Deco, list[dict[str, Any]]]:  # fmt: skip
    """A decoder trained on series of the same N places, {sensor: Series}, and the history of its training.

    target (N,) index into `classes`, negative where unlabelled; space: name of these classes. pool: rows whose values the
    other prompts learn from (all by default; held-out places do not belong there). start: a model to go on from.
    Raises LabelError for crop prompts without two classes, SwathError for no series.
    """
    plan = plan or Plan()
    target = np.full(len(next(iter(series.values()))), -1) if target is None else np.asarray(target)
    if "crop" in plan.tasks and len(np.unique(target[target >= 0])) < 2:
        raise LabelError(
            rule="classes are learned from labels of two", got="fewer", remedy="add labels, or leave crop out"
        )
    if unknown := [t for t in plan.tasks if t not in prompts.TASKS]:
        raise SwathError(rule=f"tasks are {', '.join(prompts.TASKS)}", got=", ".join(unknown), remedy="choose of these")
    if "translate" in plan.tasks and len(series) < 2:
        raise SwathError(
            rule="translating needs two sensors", got=", ".join(series), remedy="add scenes of another sensor"
        )
    rows = np.arange(len(target)) if pool is None else np.union1d(pool, np.flatnonzero(target >= 0))
    model = start or _made(series, plan, rows, {space: tuple(classes)} if len(classes) else {})
    sight = prompts.merged(series, model.vocabulary, model.width)
    lessons = Lessons(sight, model, plan, labelled=np.flatnonzero(target >= 0), target=target, space=space, pool=pool)
    if not len(lessons.pool) and set(plan.tasks) != {"crop"}:
        raise SwathError(rule="series to learn from have three clear dates", got="none has", remedy="give more dates")
    rules = Rules(EPOCHS, rate=plan.rate, warmup=max(5, plan.steps // 10), decay=DECAY, seed=plan.seed)
    history = fit(model, lessons, Next(value=plan.value), rules, progress=progress)
    return model.eval(), history


def _made(series: Mapping[str, Series], plan: Plan, rows: np.ndarray, spaces: Mapping[str, Sequence[str]]) -> Deco:
    days = np.concatenate([s.day[rows][s.valid[rows].any(-1) & np.isfinite(s.day[rows])] for s in series.values()])
    span = (float(days.min()), float(days.max())) if len(days) else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return Deco(
            plan.size, sensors={k: heard(s.bands) for k, s in series.items()}, tasks=plan.tasks, spaces=spaces,
            statistics=measured({k: s.rows(rows) for k, s in series.items()}), dim=plan.dim, depth=plan.depth,
            heads=plan.heads, position=plan.position, dates=plan.dates, span=span, deviation=plan.deviation,  # type: ignore[arg-type]
        )  # fmt: skip


def temper_classes(probability: np.ndarray, truth: np.ndarray) -> float:
    """The temperature of probabilities (n, K) of places that training never saw; 1 for too few labels."""
    return temper.fit(probability, truth)


def spread_of(model: Deco, series: Mapping[str, Series], rows: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """{task: factor} that makes the 90 % intervals of said values right at places that training never saw.

    The same prompts as in training are put to those places; the factor is the 90 % quantile of |error| / deviation over 1.645.
    """
    sight = prompts.merged(series, model.vocabulary, model.width)
    tasks = tuple(t for t in model.vocabulary.tasks if t != "crop")
    out: dict[str, float] = {}
    for task in tasks:
        plan = Plan(tasks=(task,), batch=256, steps=3 * EPOCHS, dates=model.dates or 64, seed=seed)
        lessons = Lessons(sight, model, plan, labelled=rows[:0], target=np.full(len(sight), -1), space=None, pool=rows)
        if not len(lessons.pool):
            continue
        parts = [_ratios(model, batch) for batch in lessons.epoch(0)]
        ratio = np.concatenate(parts)
        if len(ratio) >= 50:
            out[task] = round(float(np.quantile(ratio, deco_say.LEVEL)) / deco_say.SIDE, 4)
    return out


def _ratios(model: Deco, batch: Packed) -> np.ndarray:
    t = batch.to("cpu")
    asked = t.targeted.any(-1)
    sensor, counts = t.ask[asked], t.targeted[asked]
    with torch.inference_mode():
        mean, log_variance, _ = model.values(model(t)[asked], sensor, t.anchor[asked], t.anchored[asked])
        truth = (t.target[asked] - model.mean[sensor]) / model.std[sensor]
        return np.asarray(((truth - mean).abs() / (0.5 * log_variance).exp())[counts].numpy())
