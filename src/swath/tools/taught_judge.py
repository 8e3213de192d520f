"""How good a decoder over series is before it is kept: folds of whole places, the simple methods on the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline import learner
from swath.baseline import temperature as temper
from swath.baseline.series import linear
from swath.estimate import Estimate, block_bootstrap
from swath.metric import reliability as bins
from swath.predict.solved import Evidence
from swath.sample import split
from swath.tools.taught import FOLDS, SAID, TREES, Lesson, share, trained

if TYPE_CHECKING:
    from swath.baseline.forecast import Series
    from swath.models.deco import Deco
    from swath.tools.job import Progress
    from swath.train.series import Plan

__all__ = ["Found", "judged"]

HIDDEN, AHEAD = 0.2, 0.75  # share of clear dates that are asked; share of the dates that a judged forecast knows
OURS = "decoder"


@dataclass
class Found:
    """What held-out places told. rows: (task, method, metric, score); spread, temperature: what calibration found."""

    rows: list[tuple[str, str, str, Estimate]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    words: str = ""
    verdict: str = ""
    spread: dict[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    calibration: dict[str, Any] = field(default_factory=dict)
    candidates: list[tuple[str, Estimate]] = field(default_factory=list)
    fold: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    oof: np.ndarray = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    scorable: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def evidence(self, model: Deco, lesson: Lesson, space: str) -> Evidence:
        """What doubt needs of the labelled pixels, by the model that is kept."""
        from swath.models import deco_say

        at = lesson.labelled
        if not len(at) or "crop" not in model.vocabulary.tasks:
            none = np.zeros(0, np.int64)
            return Evidence(np.zeros((0, 1), np.float32), none, none, none, self.oof, self.scorable)
        parts = {k: s.rows(at) for k, s in lesson.series.items()}
        _, x = deco_say.answers(model, deco_say.sight_of(model, parts), space)
        return Evidence(x, lesson.y[at], lesson.places.id[at], self.fold, self.oof, self.scorable)


def judged(lesson: Lesson, plan: Plan, space: str, *, simulated: bool, progress: Progress | None) -> Found:
    """Train in folds of whole places and answer in the places left out: no pixel of these, labelled or not, was seen."""
    found, at = Found(), lesson.labelled
    crop = "crop" in plan.tasks
    which = at if crop else np.arange(len(lesson.y))
    y = lesson.y[which] if crop else np.zeros(len(which), int)
    deal = split.folds(lesson.places.take(which), y, FOLDS, seed=plan.seed)
    found.words = (
        f"{deal.k} folds of {lesson.places.take(which).count} places (blocks of about {lesson.places.side} px)"
    )
    found.fold = deal.fold
    answers = {
        n: np.zeros((len(at), len(lesson.names)), np.float32) for n in (OURS, "random forest on the series", "majority")
    }
    found.scorable = np.zeros(len(at), bool)
    errors: dict[str, list[tuple[np.ndarray, ...]]] = {}
    spreads: list[dict[str, float]] = []
    table = stacked(lesson.series)
    past, limit = _past(lesson) if "forecast" in plan.tasks else (None, 0.0)
    if "forecast" in plan.tasks:
        found.notes.append(
            "forecasts are not judged: the places have different dates, or too few"
            if past is None
            else f"forecasts are judged on the dates from {np.datetime64(int(limit), 'D')} on, in places left out, by a decoder "
            "that saw earlier dates alone"
        )
    for k, (train, test) in enumerate(deal):
        held = np.isin(lesson.places.id, lesson.places.id[which[test]])
        inside = np.setdiff1d(np.flatnonzero(~held), which[deal.close[k]])
        model = trained(lesson, plan, space, inside, progress, f"judging, fold {k + 1} of {deal.k}")
        if crop:
            _classes(answers, lesson, model, table, which[train], at[test], test, space, plan.seed)
            found.scorable[test] = np.isin(lesson.y[at[test]], np.unique(lesson.y[which[train]]))
        rest = np.flatnonzero(held)
        spreads.append(_filled(errors, model, lesson, rest, plan))
        if past is not None:
            ahead = trained(
                past, replace(plan, tasks=("forecast",)), space, inside, progress, f"forecasts, fold {k + 1}"
            )
            spreads[-1] |= _ahead(errors, ahead, lesson, rest, plan, limit)
    found.spread = {
        t: round(float(np.mean([s[t] for s in spreads if t in s])), 4)
        for t in plan.tasks
        if any(t in s for s in spreads)
    }
    if crop:
        _class_rows(found, answers, lesson, plan.seed, simulated)
    for (task, name), parts in _by_task(errors).items():
        found.rows += _value_rows(task, name, parts, found.words, plan.seed, simulated)
    found.notes += [
        f"intervals of {SAID.get(t, t)} made {v:.2f} times as wide, from errors in places left out"
        for t, v in found.spread.items()
    ]
    found.verdict = _verdict(found.rows)
    return found


def stacked(series: dict[str, Series]) -> np.ndarray:
    """(n, F) what a forest gets: values on straight lines between clear dates where all pixels have the same dates, else
    their mean, deviation, least and most.
    """
    parts = []
    for s in series.values():
        if np.isfinite(s.day).all() and (s.day == s.day[:1]).all():
            values = np.where(s.valid, s.values, 0).transpose(0, 2, 1)
            line = linear(values, s.valid.transpose(0, 2, 1), s.day[:, None])
            parts.append(np.where(s.valid.transpose(0, 2, 1), values, line).reshape(len(s), -1))
        else:
            masked = np.ma.masked_array(s.values, ~s.valid)
            parts += [np.ma.filled(f(masked, axis=1), np.nan) for f in (np.ma.mean, np.ma.std, np.ma.min, np.ma.max)]
    x = np.concatenate(parts, 1).astype(np.float32)
    middle = np.nan_to_num(np.nanmean(np.where(np.isfinite(x), x, np.nan), axis=0))
    return np.where(np.isfinite(x), x, middle).astype(np.float32)


def _classes(
    answers: dict[str, np.ndarray], lesson: Lesson, model: Deco, table: np.ndarray, train: np.ndarray, rows: np.ndarray,
    test: np.ndarray, space: str, seed: int,
) -> None:  # fmt: skip
    count = len(lesson.names)
    answers[OURS][test] = model.classify({k: s.rows(rows) for k, s in lesson.series.items()}, space)
    forest = learner.fit("random forest", table[train], lesson.y[train], classes=count, seed=seed, trees=TREES)
    answers["random forest on the series"][test] = forest.predict(table[rows].T).T
    answers["majority"][test] = np.bincount(lesson.y[train], minlength=count) / len(train)


def _class_rows(found: Found, answers: dict[str, np.ndarray], lesson: Lesson, seed: int, simulated: bool) -> None:
    """Accuracies, gains, calibration before and after: the temperature of each fold is learned from the others."""
    from swath.assess import calibrate

    at = lesson.labelled
    y, place = lesson.y[at], lesson.places.id[at]
    right = {n: ((a.argmax(1) == y) & found.scorable).astype(float) for n, a in answers.items()}
    for name, value in right.items():
        found.rows.append(("crop", name, "overall accuracy", share(value, place, found.words, seed, simulated)))
    found.candidates = [(n, e) for _, n, _, e in found.rows]
    for other in list(right)[1:]:
        gain = share(right[OURS] - right[other], place, f"paired by place; {found.words}", seed, simulated)
        found.rows.append(("crop", f"{OURS} - {other}", "difference of accuracy", gain))
    raw, use = answers[OURS], found.scorable
    crossed = raw.copy()
    for k in np.unique(found.fold):
        rest = (found.fold != k) & use
        crossed[found.fold == k] = temper.applied(raw[found.fold == k], temper.fit(raw[rest], y[rest]), axis=1)
    before, after = (bins.calibration_error(bins.reliability(p[use], y[use])) for p in (raw, crossed))
    found.temperature = temper.fit(raw[use], y[use])
    found.notes.append(
        f"expected calibration error {before:.3f} before and {after:.3f} after a temperature of {found.temperature:.2f}, "
        "each fold's learned from the others"
    )
    found.oof = temper.applied(raw, found.temperature, axis=1).astype(np.float32)
    made = calibrate.fit(found.oof, y, place, scorable=use, names=lesson.names, seed=seed, simulated=simulated)
    found.calibration = made.to_json()
    found.notes.append(made.words)


def _past(lesson: Lesson) -> tuple[Lesson | None, float]:
    """The same pixels without the last quarter of the time, and its first day; None where dates differ between places."""
    shared = [np.isfinite(s.day).all() and (s.day == s.day[:1]).all() for s in lesson.series.values()]
    if not all(shared):
        return None, 0.0
    days = np.unique(np.concatenate([s.day[0] for s in lesson.series.values()]))
    limit = float(days[min(int(AHEAD * len(days)), len(days) - 1)])
    parts = {k: s.dates(s.day[0] < limit) for k, s in lesson.series.items()}
    if any(s.values.shape[1] < 3 or s.values.shape[1] == lesson.series[k].values.shape[1] for k, s in parts.items()):
        return None, 0.0
    return replace(lesson, series=parts), limit


def _filled(
    errors: dict[str, list[tuple[np.ndarray, ...]]], model: Deco, lesson: Lesson, held: np.ndarray, plan: Plan
) -> dict[str, float]:
    """Errors in deviations of the bands, of hidden dates at places left out; and the spread of intervals."""
    from swath.train.series import spread_of

    if "impute" not in plan.tasks:
        return {}
    rng = np.random.default_rng([plan.seed, 17])
    for name, s in lesson.series.items():
        s = s.rows(held)
        asked = np.asarray((rng.random(s.day.shape) < HIDDEN) & s.valid.any(-1))
        clear = s.without(asked)
        turned = (clear.values.transpose(0, 2, 1), clear.valid.transpose(0, 2, 1))
        line = linear(np.nan_to_num(turned[0]), turned[1], np.nan_to_num(s.day)[:, None]).transpose(0, 2, 1)
        said = {OURS: model.fill(s, asked).value, "linear in time": line}
        _errors(errors, f"fill/{name}", s, asked, _scale(model, name, s), said)
    found = spread_of(model, lesson.series, held, seed=plan.seed)
    return {t: v for t, v in found.items() if t != "forecast"}


def _ahead(
    errors: dict[str, list[tuple[np.ndarray, ...]]],
    model: Deco,
    lesson: Lesson,
    held: np.ndarray,
    plan: Plan,
    limit: float,
) -> dict[str, float]:
    """The same of dates from `limit` on, which the model saw nowhere."""
    from swath.baseline.plain import Climatology, LastValue
    from swath.train.series import spread_of

    for name, s in lesson.series.items():
        s = s.rows(held)
        known, rest = s.dates(s.day[0] < limit), s.dates(s.day[0] >= limit)
        if not (np.diff(rest.day, axis=1) > 0).all():
            continue
        said = {OURS: model.forecast(known, rest.day).value}
        for plain in (LastValue(), Climatology()):
            said[plain.name] = plain.fit(known).forecast(known, rest.day[0]).value
        _errors(errors, f"forecast/{name}", rest, rest.valid.any(-1), _scale(model, name, s), said)
    return spread_of(model, lesson.series, held, seed=plan.seed)


def _scale(model: Deco, name: str, s: Series) -> np.ndarray:
    """The deviations of a sensor's bands in training."""
    return np.asarray(model.std[model.vocabulary.sensor(name), : len(s.bands)].numpy())


def _errors(
    errors: dict[str, list[tuple[np.ndarray, ...]]], key: str, s: Series, asked: Any, std: np.ndarray,
    said: dict[str, np.ndarray],
) -> None:  # fmt: skip
    counts = asked[..., None] & s.valid
    for value in said.values():
        counts = counts & np.isfinite(value)
    n = counts.sum((1, 2))
    for name, value in said.items():
        off = np.where(counts, (value - s.values) / std, 0.0)
        errors.setdefault(f"{key}/{name}", []).append((s.place, (off**2).sum((1, 2)), n))


def _by_task(
    errors: dict[str, list[tuple[np.ndarray, ...]]],
) -> dict[tuple[str, str], dict[str, tuple[np.ndarray, ...]]]:
    out: dict[tuple[str, str], dict[str, tuple[np.ndarray, ...]]] = {}
    for key, parts in errors.items():
        task, name, method = key.split("/", 2)
        out.setdefault((task, name), {})[method] = tuple(np.concatenate(x) for x in zip(*parts, strict=True))
    return out


def _value_rows(
    task: str, name: str, parts: dict[str, tuple[np.ndarray, ...]], words: str, seed: int, simulated: bool
) -> list[tuple[str, str, str, Estimate]]:
    """RMSE in deviations of the bands, and how much less than the plain method's."""
    metric, rows = f"RMSE of {name}", []
    sums: dict[str, np.ndarray] = {}
    for method, (place, square, n) in parts.items():
        ids, at = np.unique(place, return_inverse=True)
        sums[method] = np.stack([np.bincount(at, weights=w, minlength=len(ids)) for w in (square, n)], 1)
        got = block_bootstrap(
            sums[method], _root, unit="deviations", n=int(n.sum()), method=words, seed=seed, simulated=simulated
        )
        rows.append((task, method, metric, got))
    for plain in (m for m in sums if m != OURS):
        both = np.concatenate([sums[OURS], sums[plain]], 1)
        less = block_bootstrap(
            both, lambda s: _root(s[..., 2:]) - _root(s[..., :2]), unit="deviations", n=int(both[:, 1].sum()),
            method=f"paired by place; {words}", seed=seed, simulated=simulated,
        )  # fmt: skip
        rows.append((task, f"{plain} - {OURS}", metric, less))
    return rows


def _root(s: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(s[..., 0] / s[..., 1]))


def _verdict(rows: Sequence[tuple[str, str, str, Estimate]]) -> str:
    """In words: better only where the interval of a paired difference is above 0."""
    words = []
    for task, method, metric, e in rows:
        if " - " not in method or "majority" in method:
            continue
        what = task if task == "crop" else f"{task} of {metric.removeprefix('RMSE of ')}"
        plain = method.replace(f"{OURS} - ", "").replace(f" - {OURS}", "")
        how = "better than" if e.low > 0 else "worse than" if e.high < 0 else "not told from"
        words.append(f"{what}: the decoder is {how} {plain}")
    return "; ".join(words) or "nothing could be judged"
