"""The experiments of SITS-DECO's recipe: folds of whole places, all methods on the same pixels, rows and verdicts in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swath.baseline import temperature as temper
from swath.baseline.forecast import Said, Series
from swath.baseline.plain import Climatology, LastValue, Line, OtherYears
from swath.bench import rivals
from swath.bench.rivals import Table, straightened
from swath.bench.series_scores import Answers, Errors
from swath.datasets.double_logistic import posterior
from swath.estimate import block_bootstrap
from swath.metric.reliability import calibration_error, reliability
from swath.models import deco_input, deco_say
from swath.models.deco import Deco
from swath.recipes import sits_deco_data as sets
from swath.recipes.sits_deco_figures import by_lead, fan_of, thinning
from swath.report.outcome import Row
from swath.report.plots import lines
from swath.sample.split import fold_table
from swath.train.series import Plan, fit_series, spread_of

__all__ = ["FOREST", "OURS", "REAL", "Part", "Sizes", "made_seasons"]

OURS, WITH = "decoder", "decoder with forecast prompts"
FOREST, CNN, HARMONIC, WARPED = (
    "random forest 500",
    "TempCNN of equal size",
    "logistic on harmonics",
    "1-NN, time warping",
)
Part = tuple[list[Row], list[str], dict[str, str]]
PLAIN: dict[str, Any] = {
    "linear in time": Line,
    "last value": LastValue,
    "climatology": Climatology,
    "same date in other years": OtherYears,
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """depth, dim: of the decoder. steps of `batch` rows a task. folds; labels per class; thin: every n-th date is kept.

    made: places of the simulated arm, half of them for the test. draws of a free-running forecast. value_folds,
    value_steps: of gaps and forecasts. deviation: of the first weights, as the decoder chooses it: wider
    for a narrow one than the 0.02 of GPT-2 and EarthPT, with which it learned less in as many steps.
    """

    dim: int = 64
    depth: int = 3
    heads: int = 4
    steps: int = 170
    batch: int = 32
    folds: int = 4
    labels: tuple[int, ...] = (5, 20, 0)
    thin: tuple[int, ...] = (1, 2, 4, 8)
    made: int = 5000
    made_steps: int = 400
    draws: int = 20
    value_folds: int = 2
    value_steps: int = 240
    trees: int = 500
    deviation: float | None = None

    def plan(self, tasks: tuple[str, ...], *, steps: int = 0, dates: int = 64, seed: int = 0) -> Plan:
        """The training of one decoder."""
        return Plan(tasks, steps=steps or self.steps, batch=self.batch, dates=dates, seed=seed, dim=self.dim,
                    depth=self.depth, heads=self.heads, deviation=self.deviation)  # fmt: skip


def made_seasons(sizes: Sizes, seed: int, facts: dict[str, Any]) -> Part:
    """Made seasons: accuracy against the best that any method can reach, gaps against straight lines."""
    half = sizes.made // 2
    (learn, _), (test, season) = sets.made(half, seed + 50), sets.made(half, seed + 51)
    plan = sizes.plan(("crop", "forecast", "impute"), steps=sizes.made_steps, seed=seed)
    model, history = fit_series(learn.series, plan, target=learn.y, classes=learn.classes)
    facts["parameters"] = sum(p.numel() for p in model.parameters())
    facts["share of values at the variance floor, made"] = history[-1].get("at the floor", 0.0)
    answers = Answers("made seasons", test.y, test.place, len(test.classes), simulated=True)
    every = np.arange(half)
    answers.put(OURS, every, test.probability(model, every))
    both = Answers("made seasons", np.r_[learn.y, test.y], np.r_[learn.place, test.place], len(test.classes))
    table = straightened(sets.stacked(learn.main, test.main))
    others(both, table, every, half + every, replace(sizes, steps=sizes.made_steps), model, seed=seed)
    for name, share in both.said.items():
        answers.put(name, every, share[half:])
    answers.put("best possible", every, posterior(season))
    rows = answers.rows((OURS,))
    errors = Errors("made seasons, gaps", simulated=True)
    asked = sets.gaps(test.main.day.shape, seed)
    counts, std = (asked & season.clear)[..., None], np.array([season.truth.std()])
    model.spread.update(spread_of(model, learn.series, every[: min(half, 500)], seed=seed))
    said = {OURS: model.fill(test.main, asked), **said_by_plain(test.main, asked)}
    said.pop("same date in other years")  # there is one year
    for name, one in said.items():
        errors.put(name, one, season.ndvi[..., None], counts & np.isfinite(one.value), test.place, std)
    rows += errors.rows(OURS)
    short = _found(rows, f"{OURS} - best possible", "difference of accuracy")
    gain = _found(rows, f"linear in time - {OURS}", "difference of RMSE")
    verdicts = [
        f"Made seasons: against the best possible accuracy the decoder has {short}; nothing may exceed it.",
        _told("Made seasons, gaps, RMSE less than on straight lines", gain),
    ]
    return rows, verdicts, {}


def _few_labels(data: Path, sizes: Sizes, seed: int, out: Path, facts: dict[str, Any]) -> Part:
    """(a) and (e): MODIS samples in blocks of 1 degree, few labels, with and without forecast prompts."""
    lot = sets.sits(data, 800, seed)
    table, rows, verdicts = straightened(lot.main), list[Row](), list[str]()
    place = lot.place[: len(lot.y)]
    prompts = Answers("sits samples, prompts", lot.y, place, 4, own=f"{OURS},")
    for count in sizes.labels:
        name = f"sits samples, {f'{count} labels a class' if count else 'all labels'}"
        answers = Answers(name, lot.y, place, 4)
        for k, (train, test) in enumerate(lot.folds(sizes.folds, seed)):
            some = sets.few(lot.y, train, count, seed + k)
            plain = lot.learn(sizes.plan(("crop",), seed=seed + k), some, test)
            more = lot.learn(sizes.plan(("crop", "forecast"), seed=seed + k), some, test)
            answers.put(OURS, test, lot.probability(plain, test))
            answers.put(WITH, test, lot.probability(more, test))
            others(answers, table, some, test, sizes, plain, seed=seed + k, warp=True)
            if not count:
                prompts.put(OURS, test, lot.probability(more, test))
                for what, share in ablated(more, {"modis": lot.main.rows(test)}, seed).items():
                    prompts.put(what, test, share)
        rows += answers.rows((WITH, OURS))
        both = np.stack([answers.matrices(WITH), answers.matrices(OURS)], 1)
        gain = block_bootstrap(both, _accuracies, method="paired by place")
        rows.append(Row(name, f"{WITH} - {OURS}", "ours", "difference of accuracy", gain, "several tasks in one model"))
        verdicts.append(_told(f"{name}: forecast prompts on unlabelled series change accuracy by", gain))
        over = _found([r for r in rows if r.data == name], f"{WITH} - {FOREST}", "difference of accuracy")
        verdicts.append(_told(f"{name}: {WITH} against the forest", over))
    rows += prompts.rows(tuple(n for n in prompts.said if n != OURS))
    loose = Answers("sits samples, random folds (a warning)", lot.y, np.arange(len(lot.y)) // 5, 4)
    for k, (train, test) in enumerate(lot.folds(sizes.folds, seed, random=True)):
        model = lot.learn(sizes.plan(("crop",), seed=seed + k), train, np.zeros(0, int))
        loose.put(OURS, test, lot.probability(model, test))
        loose.put(FOREST, test, rivals.forest(table.rows(train), lot.y[train], table.rows(test), 4, trees=sizes.trees))
    rows += loose.rows((OURS,))
    verdicts.append(_calibrated(answers, facts))
    easy = _found(loose.rows((OURS,)), FOREST, "accuracy")
    strict = next(r.estimate for r in rows if r.data == "sits samples, all labels" and r.method == FOREST)
    verdicts.append(f"Random folds would say {easy} of the forest where blocks of 1 degree say {strict}.")
    return rows, verdicts, {}


def _calibrated(answers: Answers, facts: dict[str, Any]) -> str:
    """Expected calibration error before and after a temperature, each half of the places by the other's."""
    share, y = answers.said[WITH], answers.y
    part = np.unique(answers.place, return_inverse=True)[1] % 2
    after = share.copy()
    for k in (0, 1):
        after[part == k] = temper.applied(share[part == k], temper.fit(share[part != k], y[part != k]), axis=1)
    a, b = (calibration_error(reliability(p, y)) for p in (share, after))
    facts["expected calibration error"] = {"before": round(a, 4), "after": round(b, 4)}
    return f"Expected calibration error of {WITH}, all labels: {a:.3f}, after a temperature from other blocks {b:.3f}."


def _density(data: Path, sizes: Sizes, seed: int, out: Path, facts: dict[str, Any]) -> Part:
    """(b): every n-th date of 22, and dates in random order."""
    rows: list[Row] = []
    curve: dict[str, list[Any]] = {}
    dates = []
    for step in (*sizes.thin, 0):
        lot = sets.farm(data, max(step, 1), shuffled=None if step else seed)
        many = lot.main.values.shape[1]
        name = f"Mato Grosso, {f'{many} dates' if step else f'{many} dates in random order'}"
        answers, table = Answers(name, lot.y, lot.place, 5), straightened(lot.main)
        for k, (train, test) in enumerate(lot.folds(sizes.folds, seed)):
            model = lot.learn(sizes.plan(("crop",), seed=seed + k), train, test)
            answers.put(OURS, test, lot.probability(model, test))
            others(answers, table, train, test, sizes, model, seed=seed + k)
        found = answers.rows((OURS,), claim="dense sequences are the ingredient" if step == 1 else "")
        rows += found
        if step:
            dates.append(many)
            for method in (OURS, FOREST, CNN, HARMONIC):
                curve.setdefault(method, []).append(_found(found, method, "accuracy"))
    thinning(curve, dates, out)
    drop = {m: es[0].value - es[-1].value for m, es in curve.items()}
    words = ", ".join(f"{m} {100 * d:.1f}" for m, d in drop.items())
    verdict = f"From {dates[0]} to {dates[-1]} dates accuracy falls by so many points: {words}."
    return rows, [verdict], {"thinning.png": "accuracy by number of dates; bands are 95 % intervals over places"}


def _one_file(data: Path, sizes: Sizes, seed: int, out: Path, facts: dict[str, Any]) -> Part:
    """(c) and (d): one file for three tasks against three, gaps and the last year's dates of places left out."""
    seasons, pixels = sets.farm(data), sets.farm_pixels(data)
    cut = pixels.values.shape[1] - 23
    past = pixels.dates(slice(0, cut))
    both = sets.together(seasons, past)
    std = past.values.std((0, 1)) + 1e-6
    one, three = f"{OURS}, one file", f"{OURS}, three files"
    answers = Answers("Mato Grosso, one file or three", seasons.y, seasons.place, 5, own=one)
    filled, ahead = Errors("Mato Grosso, gaps"), Errors("Mato Grosso, the last year")
    kinds = ("crop", "forecast", "impute")
    fan: dict[str, Any] = {}
    for k, (train, test) in enumerate(seasons.folds(sizes.value_folds, seed)):
        plan = sizes.plan(kinds, steps=sizes.value_steps, dates=48, seed=seed + k)
        multi = both.learn(plan, train, test)
        single = {t: both.learn(replace(plan, tasks=(t,)), train, test) for t in kinds}
        answers.put(one, test, seasons.probability(multi, test))
        answers.put(three, test, seasons.probability(single["crop"], test))
        held = np.isin(pixels.place, seasons.place[test])
        asked = sets.gaps(past.rows(held).day.shape, seed + k)
        known, later, days = past.rows(held), pixels.rows(held).dates(slice(cut, None)), pixels.day[held, cut:]
        inner = np.flatnonzero(~np.isin(both.place, seasons.place[test]))[-400:]
        for name, fills, goes in ((one, multi, multi), (three, single["impute"], single["forecast"])):
            for model in {id(fills): fills, id(goes): goes}.values():
                model.spread.update(spread_of(model, both.series, inner, seed=seed))
            where = {"place": known.place, "std": std}
            filled.put(name, fills.fill(known, asked), known.values, asked[..., None] & known.valid, **where)
            ahead.put(name, goes.forecast(known, days), later.values, later.valid, **where)
        free = deco_say.forecast(multi, known, days, sizes.draws, seed=seed)
        ahead.put(f"{one}, free-running draws", free, later.values, later.valid, known.place, std)
        for errors, plain, truth in (
            (filled, said_by_plain(known, asked), known),
            (ahead, said_by_plain(known, days=days), later),
        ):
            for name, said in plain.items():
                counts = truth.valid & np.isfinite(said.value)
                counts = counts & asked[..., None] if errors is filled else counts
                errors.put(name, said, truth.values, counts, known.place, std)
        fan = fan or fan_of(known, later, multi.forecast(known, days), free)
    rows = answers.rows((one,))
    rows += [*filled.rows(one, also=(three,)), *ahead.rows(one, also=(three, f"{one}, free-running draws"))]
    lines(fan, out / "fan.png", x="year", y="NDVI")
    by_lead(ahead, out)
    verdicts = [
        _told(
            "Crop, one file for three tasks against a file of its own",
            _found(rows, f"{one} - {three}", "difference of accuracy"),
        )
    ]
    for what, errors in (("Gaps", filled), ("The last year", ahead)):
        for other in (n for n in errors.parts if n != one):
            e = next(
                r.estimate
                for r in rows
                if r.data == errors.data and r.method == f"{other} - {one}" and r.metric == "difference of RMSE"
            )
            verdicts.append(_told(f"{what}, RMSE of one file less than of {other}", e))
    return rows, verdicts, {
        "fan.png": "the last year of a held-out pixel: asked directly, and as free-running draws; bands hold 90 %",
        "lead.png": "error by how far ahead, of places and dates left out",
    }  # fmt: skip


def _patch(data: Path, sizes: Sizes, seed: int, out: Path, facts: dict[str, Any]) -> Part:
    """Land use of the Slovenian patch from 68 cloudy dates, quadrants as folds; then with 13 bands on five dates too."""
    rows: list[Row] = []
    lot, quadrant = sets.patch(data, 2000, seed)
    more, _ = sets.patch(data, 2000, seed, five=True)
    answers, table = Answers("Slovenian patch, quadrants", lot.y, lot.place, 5), straightened(lot.main)
    for q in range(4):
        train, test = np.flatnonzero(quadrant != q), np.flatnonzero(quadrant == q)
        for name, one in ((OURS, lot), (f"{OURS}, and 13 bands on five dates", more)):
            model = one.learn(sizes.plan(("crop",), seed=seed), train, test)
            answers.put(name, test, one.probability(model, test))
        answers.put(
            FOREST, test, rivals.forest(table.rows(train), lot.y[train], table.rows(test), 5, trees=sizes.trees)
        )
        answers.put("majority", test, np.eye(5)[[np.bincount(lot.y[train]).argmax()] * len(test)])
    rows = answers.rows((OURS,), metrics=("accuracy", "balanced accuracy"))
    e = _found(rows, f"{OURS} - {FOREST}", "difference of balanced accuracy")
    return rows, [_told("Slovenian patch, balanced accuracy against the forest", e)], {}


def _translate(data: Path, sizes: Sizes, seed: int, out: Path, facts: dict[str, Any]) -> Part:
    """Radar months to optical months."""
    rows = translated(sets.algae(data), sizes, seed).rows(OURS)
    e = _found(rows, f"ridge on all radar months - {OURS}", "difference of RMSE")
    return rows, [_told("Radar to optical, RMSE less than ridge on the radar", e)], {}


REAL = {
    "few labels": _few_labels, "density of dates": _density, "one file, gaps and forecasts": _one_file,
    "the Slovenian patch": _patch, "radar to optical": _translate,
}  # fmt: skip


def others(answers: Answers, table: Table, train: np.ndarray, test: np.ndarray, sizes: Sizes, model: Deco, *,
           seed: int, warp: bool = False, suffix: str = "") -> None:  # fmt: skip
    """The rivals on the same rows."""
    y, k = answers.y[train], answers.classes
    a, b = table.rows(train), table.rows(test)
    count = sum(p.numel() for p in model.parameters())
    answers.put(FOREST + suffix, test, rivals.forest(a, y, b, k, seed=seed, trees=sizes.trees))
    share = rivals.tempcnn(a, y, b, k, parameters=count, steps=sizes.steps, batch=sizes.batch, seed=seed)
    answers.put(CNN + suffix, test, share)
    answers.put(HARMONIC + suffix, test, rivals.harmonic_logistic(a, y, b, k, seed=seed))
    if warp:
        answers.put(WARPED + suffix, test, rivals.warped(a, y, b, k))


def said_by_plain(series: Series, asked: Any = None, days: np.ndarray | None = None) -> dict[str, Said]:
    """What the plain methods say of gaps, or of coming days; they learn from each series' own past."""
    out = {}
    for name, make in PLAIN.items():
        if days is None:
            out[name] = make().fit(series.without(asked)).fill(series, asked)
        elif name != "linear in time":  # beyond the end a line is the last value
            out[name] = make().fit(series).forecast(series, days)
    return out


def translated(parts: Mapping[str, Series], sizes: Sizes, seed: int) -> Errors:
    """Optical months from radar months at places left out, beside the month's mean and ridge on the radar."""
    from sklearn.linear_model import Ridge

    found = Errors("algae blooms, S1 to S2")
    radar, optical = parts["sentinel-1"], parts["sentinel-2-l1c"]
    ids = np.unique(optical.place, return_inverse=True)[1]
    fold = fold_table(ids, np.zeros(len(ids), int), sizes.value_folds, seed)
    for f in np.unique(fold):
        train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        inner = train[fold_table(ids[train], np.zeros(len(train), int), 5, seed) == 0]
        learn = np.setdiff1d(train, inner)
        model, _ = fit_series({k: s.rows(learn) for k, s in parts.items()}, sizes.plan(("translate",), seed=seed))
        model.spread.update(spread_of(model, parts, inner, seed=seed))
        truth = optical.rows(test)
        std = optical.values[train].std((0, 1)) + 1e-6
        said = model.translate({"sentinel-1": radar.rows(test)}, "sentinel-2-l1c", truth.day)
        mean = optical.values[train].mean(0)[None].repeat(len(test), 0)
        x = radar.values.reshape(len(radar), -1)
        ridge = Ridge(10.0).fit(x[train], optical.values[train].reshape(len(train), -1)).predict(x[test])
        none = np.full(truth.values.shape, np.nan, np.float32)
        for name, value in (
            ("mean of the month", mean),
            ("ridge on all radar months", ridge.reshape(truth.values.shape)),
        ):
            found.put(name, Said(value, none, none), truth.values, truth.valid, truth.place, std)
        found.put(OURS, said, truth.values, truth.valid, truth.place, std)
    return found


def ablated(model: Deco, given: Mapping[str, Series], seed: int) -> dict[str, np.ndarray]:
    """Class probabilities under a wrong task symbol, without the label space's symbol, and in random order of dates."""
    sight = deco_say.sight_of(model, given)
    wrong = model.vocabulary.id("<task:forecast>")
    space = model.vocabulary.space(None)
    mixed = deco_input.crop(sight, model.vocabulary, space, random=np.random.default_rng(seed)).to("cpu")
    with torch.inference_mode():
        hidden = model(mixed)[torch.arange(len(sight)), mixed.last]
        shuffled = model.probability(hidden, space).numpy()
    return {
        f"{OURS}, wrong task symbol": deco_say.answers(model, sight, task=wrong)[0],
        f"{OURS}, no labels symbol": deco_say.answers(model, sight, labels=False)[0],
        f"{OURS}, dates in random order": shuffled,
    }


def _found(rows: list[Row], method: str, metric: str) -> Any:
    return next(r.estimate for r in rows if r.method == method and r.metric == metric)


def _told(what: str, e: Any) -> str:
    if e.low != e.low:
        return f"{what}: {e} (no interval)"
    return f"{what}: {e}, " + ("better" if e.low > 0 else "worse" if e.high < 0 else "not told apart")


def _accuracies(m: np.ndarray) -> np.ndarray:
    share = np.trace(m, axis1=-2, axis2=-1) / m.sum((-2, -1))
    return np.asarray(share[..., 0] - share[..., 1])
