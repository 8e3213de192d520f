"""What a report shows: plain arrays, Estimates and words. No files are read here and nothing is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from swath.earth.colour import Colour, palette
from swath.estimate import Estimate, undefined

if TYPE_CHECKING:
    import numpy as np

    from swath.report.figures import Picture

__all__ = ["ClassRow", "Conformal", "Confusion", "ReportData", "from_assessment"]

NONE = undefined("1", "not measured")


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of a map. labels and things: training pixels, and the points or polygons they come from.

    mapped: area of the class on the map, as counted. area: adjusted for the map's errors where that is allowed. unit:
    of both.
    """

    name: str
    code: int
    colour: Colour
    labels: int = 0
    things: int = 0
    users: Estimate = NONE
    producers: Estimate = NONE
    area: Estimate = NONE
    mapped: float = math.nan
    unit: str = "pixels"


@dataclass(frozen=True, slots=True)
class Confusion:
    """counts (R, C): rows = classes of the map, columns = classes of the truth, named."""

    rows: Sequence[str]
    columns: Sequence[str]
    counts: np.ndarray


@dataclass(frozen=True, slots=True)
class Conformal:
    """Sets (or intervals) promised to hold the truth at `level`; coverage as found; mean_set_size; words how."""

    level: float
    coverage: Estimate
    mean_set_size: float = math.nan
    words: str = ""


@dataclass(frozen=True, slots=True)
class ReportData:
    """One map run. accuracy: overall accuracy of classes, R2 of numbers; scores: others by name.

    candidates, baselines, gains: (name, Estimate); gains are paired differences of the map over a baseline. doubts: how
    well each doubt ranks the errors (AUROC).
    reliability: as `metric.reliability` gives it. scene, answer, doubt: pictures. pixel_m: ground size of a scene
    pixel (NaN: none). outside: share of the map outside the area of applicability. sure: share of the map with one
    class left. truth, predicted (n,): of numbers, for a scatter. assumed: what was done or taken for granted;
    refused: what was not done. again: the command; files: (name, what it is). Nothing here may hold a clock, a path
    of the machine or a random number.
    """

    title: str
    kind: Literal["class", "number"]
    accuracy: Estimate
    classes: Sequence[ClassRow] = ()
    scores: Mapping[str, Estimate] = field(default_factory=dict)
    confusion: Confusion | None = None
    reliability: Mapping[str, np.ndarray] | None = None
    calibration_error: float = math.nan
    candidates: Sequence[tuple[str, Estimate]] = ()
    chosen: str = ""
    baselines: Sequence[tuple[str, Estimate]] = ()
    gains: Sequence[tuple[str, Estimate]] = ()
    doubts: Sequence[tuple[str, Estimate]] = ()
    conformal: Conformal | None = None
    leakage: Mapping[str, Any] = field(default_factory=dict)
    distances: str = ""
    scene: Picture | None = None
    answer: Picture | None = None
    doubt: Picture | None = None
    value_range: tuple[float, float] = (math.nan, math.nan)
    doubt_ends: tuple[str, str] = ("one class left", "many possible")
    unit: str = ""
    pixel_m: float = math.nan
    outside: float = math.nan
    sure: float = math.nan
    truth: np.ndarray | None = None
    predicted: np.ndarray | None = None
    facts: Sequence[tuple[str, str]] = ()
    assumed: Sequence[str] = ()
    refused: Sequence[str] = ()
    remarks: Sequence[str] = ()
    files: Sequence[tuple[str, str]] = ()
    again: str = ""
    cost: str = ""
    version: str = ""
    simulated: bool = False


def from_assessment(assessment: Mapping[str, Any], **more: Any) -> ReportData:
    """ReportData from what assessment.json holds (its stable keys); `more` sets or overrides any field.

    more["support"]: {class name: (labels, things)}; more["mapped"]: {class name: area as counted};
    more["colours"]: {code: (r, g, b)}, the palette's order by default.
    """
    support = more.pop("support", {})
    mapped = more.pop("mapped", {})
    records = list(assessment.get("classes", []))
    colours = more.pop("colours", None) or dict(
        zip([int(r["code"]) for r in records], palette(len(records)), strict=True)
    )
    number = any(name in assessment for name in ("r2", "rmse"))
    rows = [
        ClassRow(
            name=str(r["name"]),
            code=int(r["code"]),
            colour=colours.get(int(r["code"]), (128, 128, 128)),
            labels=int(support.get(r["name"], (0, 0))[0]),
            things=int(support.get(r["name"], (0, 0))[1]),
            users=_estimate(r.get("users_accuracy")),
            producers=_estimate(r.get("producers_accuracy")),
            area=_estimate(r.get("area")),
            mapped=float(mapped.get(r["name"], math.nan)),
            unit=str(r.get("unit", "pixels")),
        )
        for r in records
    ]
    found: dict[str, Any] = {
        "title": "A map",
        "kind": "number" if number else "class",
        "accuracy": _estimate(assessment.get("r2") if number else assessment.get("accuracy")),
        "classes": rows,
        "candidates": [(str(c["name"]), _estimate(c.get("score"))) for c in assessment.get("candidates", [])],
        "chosen": str(assessment.get("chosen", "")),
        "baselines": [(str(c["name"]), _estimate(c.get("score"))) for c in assessment.get("baselines", [])],
        "leakage": dict(assessment.get("leakage") or {}),
    }
    named = {
        "rmse": "RMSE",
        "mae": "MAE",
        "bias": "bias",
        "kappa": "kappa",
        "balanced_accuracy": "balanced accuracy",
        "f1_macro": "mean F1",
    }
    found["scores"] = {t: _estimate(assessment[k]) for k, t in named.items() if isinstance(assessment.get(k), Mapping)}
    if (c := assessment.get("confusion")) and c.get("rows"):
        import numpy as np

        found["confusion"] = Confusion(c["rows"], c["columns"], np.asarray(c["counts"], float))
    if c := assessment.get("conformal") or assessment.get("interval"):
        size = c.get("mean_set_size")
        found["conformal"] = Conformal(
            float(c.get("level", 0.9)),
            _estimate(c.get("coverage")),
            math.nan if size is None else float(size),
            str(c.get("words", "")),
        )
    return replace(ReportData(**{k: found[k] for k in ("title", "kind", "accuracy")}), **{**found, **more})


def _estimate(record: Any) -> Estimate:
    if isinstance(record, Estimate):
        return record
    return Estimate.from_json(dict(record)) if record else NONE
