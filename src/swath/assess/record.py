"""What `assessment.json` says: accuracy, classes, confusion, areas, candidates, conformal sets, leakage. Strict JSON.

Two roads to intervals: a probability sample (`design` simple or stratified: design-based, `assess.area`), or any truth
at all (`design` none: accuracies by block bootstrap over places, called *not design-based*, areas without interval).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.assess.area import DesignBased
from swath.errors import DesignError
from swath.estimate import Estimate, block_bootstrap, undefined
from swath.metric import classes as scores
from swath.metric import regression as numbers

__all__ = ["NOT_DESIGN_BASED", "accuracy", "record", "record_of_numbers", "validate"]

NOT_DESIGN_BASED = "not design-based"
OWN_UNIT = "unit of the labels"  # where nobody said which
NO_AREA = "the truth is no probability sample: the area is what the map shows, its error is not known"


def accuracy(
    truth: ArrayLike,
    mapped: ArrayLike,
    classes: int,
    place: ArrayLike,
    *,
    score: Callable[[NDArray[Any]], NDArray[Any]] = scores.overall,
    method: str = "",
    level: float = 0.95,
    seed: int = 0,
    simulated: bool = False,
) -> Estimate:
    """A score with a block-bootstrap interval over places, called not design-based.

    truth, mapped, place: (n,) class indices and place ids. score: of `metric.classes`, e.g. balanced or f1_macro.
    """
    parts = scores.confusion_by_place(mapped, truth, classes, place=place)
    parts = parts[parts.sum((1, 2)) > 0]
    words = f"{method}; {NOT_DESIGN_BASED}" if method else NOT_DESIGN_BASED
    return block_bootstrap(parts, score, level=level, n=int(parts.sum()), method=words, seed=seed, simulated=simulated)


def record(
    truth: ArrayLike,
    mapped: ArrayLike,
    place: ArrayLike,
    *,
    names: Sequence[str],
    codes: Sequence[int | None],
    areas: ArrayLike | None = None,
    unit: str = "pixel",
    design: DesignBased | None = None,
    kind: str = "none",
    method: str = "",
    candidates: Sequence[tuple[str, Estimate]] = (),
    chosen: str | None = None,
    baselines: Sequence[tuple[str, Estimate]] = (),
    conformal: Mapping[str, Any] | None = None,
    leakage: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
    simulated: bool = False,
    missing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record of a class map, as `assessment.json` has it.

    truth, mapped: (n,) class indices into names (outside: left out); place (n,) ids. areas: (K,) mapped areas in
    `unit`; codes: as in the map, None for a class that only the truth has. design: of `area.design_based` where the
    truth is a probability sample, then kind says which (simple, stratified). method: how the truth came about, in
    words. conformal: as `conformal_record` makes it. missing: as `missing.reckon` makes it, where points have no answer.
    """
    m, t, where = np.asarray(mapped), np.asarray(truth), np.asarray(place)
    k = len(names)
    table = scores.confusion(m, t, k)
    shown = np.full(k, np.nan) if areas is None else np.asarray(areas, float)

    def one(score: Callable[[NDArray[Any]], NDArray[Any]]) -> Estimate:
        return accuracy(t, m, k, where, score=score, method=method, level=level, seed=seed, simulated=simulated)

    if design is not None:
        overall, users, producers, adjusted = design.overall, design.users, design.producers, design.areas
        shown = np.where(np.isfinite(shown), shown, design.mapped)
    else:
        overall = one(scores.overall)
        users = [_class_score(one, scores.users, table, i, 1) for i in range(k)]
        producers = [_class_score(one, scores.producers, table, i, 0) for i in range(k)]
        adjusted = [_shown_area(v, unit, simulated) for v in shown]
    made = {
        "kind": "class",
        "design": kind,
        "accuracy": overall.to_json(),
        "balanced_accuracy": one(scores.balanced).to_json(),
        "f1_macro": one(scores.f1_macro).to_json(),
        "kappa": one(scores.kappa).to_json(),
        "classes": [
            {
                "name": str(names[i]),
                "code": None if codes[i] is None else int(codes[i]),  # type: ignore[arg-type]
                "users_accuracy": users[i].to_json(),
                "producers_accuracy": producers[i].to_json(),
                "area": adjusted[i].to_json(),
                "unit": unit,
                "mapped_area": _plain(shown[i]),
                "support": {"truth": int(table[:, i].sum()), "map": int(table[i].sum())},
            }
            for i in range(k)
        ],
        "confusion": {
            "rows": [str(n) for n in names],
            "columns": [str(n) for n in names],
            "counts": table.astype(int).tolist(),
        },
        "missing": None if missing is None else dict(missing),
        **_choice(candidates, chosen, baselines, conformal, leakage),
        "notes": [str(n) for n in notes],
    }
    return validate(made)


def record_of_numbers(
    truth: ArrayLike,
    predicted: ArrayLike,
    place: ArrayLike,
    *,
    unit: str = "",
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    kind: str = "none",
    method: str = "",
    candidates: Sequence[tuple[str, Estimate]] = (),
    chosen: str | None = None,
    baselines: Sequence[tuple[str, Estimate]] = (),
    conformal: Mapping[str, Any] | None = None,
    leakage: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
    simulated: bool = False,
) -> dict[str, Any]:
    """The record of a map of numbers: rmse, mae, bias (in `unit`), r2 and how often [low, high] holds the truth.

    unit: of the labels; where it is empty the record says *unit of the labels*.
    """
    p, t, where = np.asarray(predicted, float), np.asarray(truth, float), np.asarray(place)
    parts = numbers.moments_by_place(p, t, place=where)
    words = f"{method}; {NOT_DESIGN_BASED}" if method else NOT_DESIGN_BASED
    unit = unit or OWN_UNIT
    parts = parts[parts[:, 0] > 0]
    n = int(parts[:, 0].sum())

    def one(score: Callable[[Any], NDArray[Any]], of: str) -> dict[str, Any]:
        return block_bootstrap(
            parts, score, unit=of, level=level, n=n, method=words, seed=seed, simulated=simulated
        ).to_json()

    coverage = undefined("1", "the map has no intervals to check", method=words)
    if low is not None and high is not None:
        lo, hi = np.asarray(low, float), np.asarray(high, float)
        fine = np.isfinite(lo) & np.isfinite(hi) & np.isfinite(t)
        if fine.any():
            _, at, count = np.unique(where[fine], return_inverse=True, return_counts=True)
            held = np.bincount(at, weights=((lo <= t) & (t <= hi))[fine])
            pairs = np.stack([held, count.astype(float)], axis=1)
            coverage = block_bootstrap(
                pairs, lambda s: s[..., 0] / s[..., 1], level=level, n=int(fine.sum()), method=words, seed=seed
            )
    made = {
        "kind": "number",
        "design": kind,
        "accuracy": one(numbers.r2, "1"),
        "rmse": one(numbers.rmse, unit),
        "mae": one(numbers.mae, unit),
        "r2": one(numbers.r2, "1"),
        "bias": one(numbers.bias, unit),
        "interval_coverage": coverage.to_json(),
        "unit": unit,
        "classes": [],
        "confusion": None,
        **_choice(candidates, chosen, baselines, conformal, leakage),
        "notes": [str(n) for n in notes],
    }
    return validate(made)


def _class_score(one: Any, score: Any, table: NDArray[Any], i: int, axis: int) -> Estimate:
    """User's (axis 1) or producer's (axis 0) accuracy of class i; n counts the units it is a share of."""
    n = int(table.sum(axis)[i])
    whose = "lies in this map class" if axis == 1 else "has this class as truth"
    if n == 0:
        return undefined("1", f"no unit of the truth {whose}", method=NOT_DESIGN_BASED)
    from dataclasses import replace

    got: Estimate = one(lambda c: score(c)[..., i])
    return replace(got, n=n)


def _shown_area(value: float, unit: str, simulated: bool) -> Estimate:
    if not math.isfinite(value):
        return undefined(unit, "the mapped area is not known")
    return Estimate(value, unit, method="counted on the map", simulated=simulated, reason=NO_AREA)


def _choice(
    candidates: Sequence[tuple[str, Estimate]],
    chosen: str | None,
    baselines: Sequence[tuple[str, Estimate]],
    conformal: Mapping[str, Any] | None,
    leakage: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "candidates": [{"name": str(n), "score": e.to_json()} for n, e in candidates],
        "chosen": chosen,
        "baselines": [{"name": str(n), "score": e.to_json()} for n, e in baselines],
        "conformal": None if conformal is None else dict(conformal),
        "leakage": None if leakage is None else dict(leakage),
    }


def conformal_record(level: float, coverage: Estimate, mean_set_size: float, **more: Any) -> dict[str, Any]:
    """The `conformal` part: {level, coverage, mean_set_size}, and what else is known (words, labels, left_out)."""
    return {"level": level, "coverage": coverage.to_json(), "mean_set_size": _plain(mean_set_size), **more}


def _plain(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def validate(made: dict[str, Any]) -> dict[str, Any]:
    """Give the record back when it is strict JSON of the right form; raises DesignError naming what is not.

    Every Estimate has its eight keys; an absent number carries n and a reason; NaN and Infinity never appear.
    """
    try:
        json.dumps(made, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise _wrong(f"{error}") from error
    wanted = ("design", "accuracy", "classes", "confusion", "candidates", "chosen", "baselines", "conformal", "leakage")
    missing = [key for key in wanted if key not in made]
    if missing:
        raise _wrong(f"no {', '.join(missing)}")
    _walk(made, "assessment")
    return made


_ESTIMATE = {"value", "unit", "low", "high", "level", "n", "method", "simulated", "reason"}


def _walk(part: Any, where: str) -> None:
    if isinstance(part, list):
        for i, item in enumerate(part):
            _walk(item, f"{where}[{i}]")
    if not isinstance(part, dict):
        return
    if "value" in part and "method" in part:
        if set(part) != _ESTIMATE:
            raise _wrong(f"{where} with keys {sorted(part)}")
        if any(part[key] is None for key in ("value", "low", "high")) and not part["reason"]:
            raise _wrong(f"{where} has a number missing and no reason")
        return
    for key, item in part.items():
        _walk(item, f"{where}.{key}")


def _wrong(got: str) -> DesignError:
    return DesignError(rule="an assessment is strict JSON of one form", got=got, remedy="report this: it is a bug")
