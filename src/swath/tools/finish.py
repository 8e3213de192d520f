"""The end of `map`: how good the map is, how large its classes are, and the page that shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import LabelError
from swath.tools import judge
from swath.tools.judge import Judged

if TYPE_CHECKING:
    from swath.sample.labels import Labels
    from swath.tools.job import Progress
    from swath.tools.mapping import Work
    from swath.tools.scenes import Opened

__all__ = ["Assessed", "areas_on_the_map", "assess_run", "common_classes", "facts_of", "named", "report_page"]


@dataclass(frozen=True, slots=True)
class Assessed:
    """assessment.json's content, and what the report shows beside it."""

    record: dict[str, Any]
    mapped: dict[str, float] = field(default_factory=dict)
    judged: Judged | None = None
    reliability: Mapping[str, np.ndarray] | None = None
    calibration_error: float = math.nan
    gains: Sequence[tuple[str, Any]] = ()
    distances: str = ""
    doubts: Sequence[tuple[str, Any]] = ()


def areas_on_the_map(path: Path, codes: Sequence[int], opened: Opened) -> np.ndarray:
    """(K,) area of each class as counted on classes.tif: hectares on the ellipsoid, pixels without a CRS."""
    import rasterio

    from swath.earth import grid

    cell = grid.cell_area(opened.grid, shape=opened.shape)
    total = np.zeros(max(codes) + 1)
    with rasterio.open(path) as file:
        for _, window in file.block_windows(1):
            values = file.read(1, window=window)
            rows = slice(window.row_off, window.row_off + window.height)
            columns = slice(window.col_off, window.col_off + window.width)
            weight = np.broadcast_to(cell[rows] if cell.shape[1] == 1 else cell[rows, columns], values.shape)
            total += np.bincount(values.ravel(), weights=weight.ravel(), minlength=len(total))[: len(total)]
    return np.asarray(total[list(codes)])


def assess_run(
    folder: Path,
    opened: Opened,
    work: Work,
    truth: Any,
    asked: Mapping[str, Any],
    say: list[str],
    progress: Progress | None,
    *,
    simulated: bool,
) -> Assessed:
    """Judge the map by `truth`, else by outer folds over its own labels; neither without labels (a kept model).

    Raises LabelError when the truth does not lie on the scene or has another kind than the map.
    """
    judged, names, codes = _judge(opened, work, truth, asked, say, progress)
    number = work.mapper.kind == "number"
    unit, areas = "", np.zeros(0)
    if not number:
        from swath.earth import grid

        unit = grid.area_unit(opened.grid)
        known = areas_on_the_map(folder / "classes.tif", work.mapper.codes, opened)
        areas = np.concatenate([known, np.zeros(len(names) - len(known))])
    return _record(opened, work, judged, names, codes, areas, unit, asked, say, simulated=simulated)


def _judge(
    opened: Opened,
    work: Work,
    truth: Any,
    asked: Mapping[str, Any],
    say: list[str],
    progress: Progress | None,
) -> tuple[Judged | None, list[str], list[int]]:
    """What is known of truth and answer, with the classes of map and truth (those of the map first)."""
    names, codes = list(work.mapper.classes), list(work.mapper.codes)
    if truth is not None:
        held = _truth_labels(opened, work, truth, asked, say)
        return _by_truth(opened, work, held, names, codes, asked, say)
    if work.labels is None or work.places is None or work.features is None:
        return None, names, codes
    if work.places.count < 2:
        say.append("all labels stand in one place: nothing is left to judge the map in")
        return None, names, codes
    judged = judge.by_outer_folds(
        opened.cubes,
        work.labels,
        work.places,
        work.mapper,
        work.features,
        seed=asked["seed"],
        fast=asked["fast"],
        buffer=work.buffer,
        seen=work.seen,
        progress=progress,
    )
    lost = len(work.labels) - len(judged.truth)
    if lost:
        say.append(f"{lost} labels could not be judged: missing pixels, or nothing left to train on")
    if not judged.scorable.all():
        say.append(
            f"{int((~judged.scorable).sum())} judged labels have a class that no other place holds: they count as errors"
        )
    return judged, names, codes


def _truth_labels(opened: Opened, work: Work, truth: Any, asked: Mapping[str, Any], say: list[str]) -> Labels:
    from swath.sample import labels as labelling

    column = asked["column"] if _has_column(truth, asked["column"]) else None
    options = {"column": column, "kind": work.mapper.kind, "xy": asked["xy"], "crs": asked["crs"], "least": 1}
    held = labelling.read(truth, opened.grid, shape=opened.shape, seed=asked["seed"], **options)
    say += [f"truth: {held}", *(f"truth: {n}" for n in held.notes)]
    return held


def _has_column(source: Any, column: str | None) -> bool:
    from swath.sample import mask

    return column is not None and not (isinstance(source, (str, Path)) and mask.is_mask(source))


def _by_truth(
    opened: Opened,
    work: Work,
    held: Labels,
    names: list[str],
    codes: list[int],
    asked: Mapping[str, Any],
    say: list[str],
) -> tuple[Judged, list[str], list[int]]:
    from swath.sample import blockside, split

    value = held.value
    if work.mapper.kind == "class":
        value, names, codes = common_classes(held, names, codes, say)
    answer = judge.predict_at(work.mapper, opened.cubes, held.row, held.column)
    seen = np.isfinite(answer).all(1)
    if not seen.any():
        raise LabelError(
            rule="the truth lies on pixels that were mapped",
            got="none of it does",
            remedy="give truth elsewhere on the scene",
        )
    side = (
        work.places.side if work.places is not None else blockside.block_side(opened.cubes, held, seed=asked["seed"]).px
    )
    places = split.blocks(held, side)
    others: dict[str, np.ndarray] = {}
    index = np.flatnonzero(seen)
    if work.labels is not None and work.features is not None:
        some, others = judge.baselines(
            opened.cubes, work.labels, held, work.features, classes=len(work.mapper.classes), seed=asked["seed"]
        )
        others = {name: _spread(got, some, len(held))[seen] for name, got in others.items()}
    words = f"truth given apart from the labels, {len(np.unique(places.id[seen]))} places ({side}-px blocks)"
    able = np.isin(value[seen], np.arange(len(work.mapper.classes))) if work.mapper.kind == "class" else seen[seen]
    found = Judged(
        value[seen], answer[seen], places.id[seen], index, able, others, words, held.row[seen], held.column[seen]
    )
    return found, names, codes


def _spread(got: np.ndarray, index: np.ndarray, n: int) -> np.ndarray:
    out = np.full((n, got.shape[1]), np.nan, np.float32)
    out[index] = got
    return out


def common_classes(
    held: Labels, names: list[str], codes: list[int], say: list[str]
) -> tuple[np.ndarray, list[str], list[int]]:
    """The truth's class indices in the map's classes; classes that only the truth has come after them (always errors)."""
    names, codes = list(names), list(codes)
    by_code = {str(code): i for i, code in enumerate(codes)}
    index = []
    for name, code in zip(held.names, held.codes, strict=True):
        if name in names:
            index.append(names.index(name))
        elif name.isdigit() and name in by_code:
            index.append(by_code[name])
        else:
            names.append(name)
            codes.append(code if code not in codes else max(codes) + 1)
            index.append(len(names) - 1)
            say.append(f"truth: the class {name} has no label, so the map never shows it; its pixels count as errors")
    return np.asarray(index)[held.value], names, codes


def _record(
    opened: Opened,
    work: Work,
    judged: Judged | None,
    names: list[str],
    codes: list[int],
    areas: np.ndarray,
    unit: str,
    asked: Mapping[str, Any],
    say: list[str],
    *,
    simulated: bool,
) -> Assessed:
    from swath.assess import record as recording
    from swath.metric import reliability as bins

    empty = np.zeros(0, int)
    truth, place = (empty, empty) if judged is None else (judged.truth, judged.place)
    method = "not judged: neither labels nor truth were given" if judged is None else judged.words
    coverage, size = work.calibration.coverage, work.calibration.mean_set_size
    if judged is not None and asked["truth"] is not None:
        coverage, size = work.calibration.check(
            judged.answer, judged.truth, judged.place, seed=asked["seed"], simulated=simulated
        )
    c = work.calibration
    conformal = recording.conformal_record(
        c.level, coverage, size, words=c.words, labels=c.labels, places=c.places, left_out=c.left_out
    )
    leak = None if judged is None else _leakage(opened, work, judged, own=asked["truth"] is None)
    common: dict[str, Any] = {
        "method": method,
        "candidates": work.mapper.candidates,
        "chosen": work.mapper.chosen,
        "conformal": conformal,
        "leakage": leak,
        "notes": list(dict.fromkeys(say)),
        "seed": asked["seed"],
        "simulated": simulated,
    }
    if work.mapper.kind == "number":
        predicted = np.zeros(0) if judged is None else judged.predicted
        low, high = work.calibration.interval(predicted)
        base, gains = _numbers_beside(judged, asked["seed"], simulated)
        made = recording.record_of_numbers(truth, predicted, place, low=low, high=high, baselines=base, **common)
        return Assessed(made, judged=judged, gains=gains)
    base, gains = _classes_beside(judged, len(names), asked["seed"], simulated)
    predicted = empty if judged is None else judged.predicted
    made = recording.record(
        truth, predicted, place, names=names, codes=codes, areas=areas, unit=unit, baselines=base, **common
    )
    shares = None if judged is None else bins.reliability(judged.answer, judged.truth)
    error = math.nan if shares is None else bins.calibration_error(shares)
    mapped = {name: float(a) for name, a in zip(names, areas, strict=True)}
    doubts = (
        judge.doubts_of(work, asked["seed"], simulated) if work.ranks is not None and work.labels is not None else []
    )
    made["doubts"] = [{"name": name, "auroc": e.to_json()} for name, e in doubts]
    return Assessed(made, mapped, judged, shares, error, gains, doubts=doubts)


def _classes_beside(judged: Judged | None, classes: int, seed: int, simulated: bool) -> tuple[list[Any], list[Any]]:
    """Accuracy of the simple methods on the same units, and the map's gain over each, paired by place."""
    from swath.assess.record import NOT_DESIGN_BASED, accuracy
    from swath.estimate import block_bootstrap

    found, gains = [], []
    for name, answer in (judged.baseline if judged else {}).items():
        assert judged is not None
        fine = np.isfinite(answer).all(1)
        truth, place, other = judged.truth[fine], judged.place[fine], answer[fine].argmax(1)
        words = f"{judged.words}; trained on the same labels"
        found.append((name, accuracy(truth, other, classes, place, method=words, seed=seed, simulated=simulated)))
        better = (judged.predicted[fine] == truth).astype(float) - (other == truth)
        gains.append(
            (
                name,
                _paired_by_place(
                    better, place, f"gain over {name}, paired; {NOT_DESIGN_BASED}", seed, simulated, block_bootstrap
                ),
            )
        )
    return found, gains


def _paired_by_place(
    better: np.ndarray, place: np.ndarray, words: str, seed: int, simulated: bool, bootstrap: Any
) -> Any:
    _, at, count = np.unique(place, return_inverse=True, return_counts=True)
    parts = np.stack([np.bincount(at, weights=better), count.astype(float)], axis=1)
    return bootstrap(
        parts, lambda s: s[..., 0] / s[..., 1], n=len(better), method=words, seed=seed, simulated=simulated
    )


def _numbers_beside(judged: Judged | None, seed: int, simulated: bool) -> tuple[list[Any], list[Any]]:
    """R2 of the simple methods on the same units."""
    from swath.estimate import block_bootstrap
    from swath.metric import regression

    found = []
    for name, answer in (judged.baseline if judged else {}).items():
        assert judged is not None
        fine = np.isfinite(answer).all(1)
        parts = regression.moments_by_place(answer[fine, 0], judged.truth[fine], place=judged.place[fine])
        words = f"{judged.words}; trained on the same labels; not design-based"
        found.append(
            (
                name,
                block_bootstrap(parts, regression.r2, n=int(fine.sum()), method=words, seed=seed, simulated=simulated),
            )
        )
    return found, []


def _leakage(opened: Opened, work: Work, judged: Judged, *, own: bool) -> dict[str, Any] | None:
    """Whether training and judged pixels are too near or too alike to judge by. own: the labels judge themselves."""
    from swath.assess import leak
    from swath.sample import split

    if work.labels is None or work.places is None or work.features is None:
        return None
    labels = work.labels
    train = np.stack([labels.row, labels.column], axis=1)
    if own:
        test, fold = (
            train[judged.index],
            split.folds(work.places, labels.value, judge.OUTER, seed=judged.seed, buffer=work.buffer).fold,
        )
        pairs = (fold, fold[judged.index])
        place = work.places.id[judged.index]
    else:
        test, pairs, place = np.stack([judged.row, judged.column], axis=1), None, None
    few = (
        np.arange(len(test))
        if len(test) <= judge.MOST_FOR_BASELINES
        else np.linspace(0, len(test) - 1, judge.MOST_FOR_BASELINES).astype(int)
    )
    at_train, at_test = (judge.spectra_at(opened.cubes, work.features, *p.T)[0] for p in (train, test[few]))
    found = leak.check(
        train,
        test[few],
        buffer=work.buffer,
        train_place=work.places.id if own else None,
        test_place=None if place is None else place[few],
        train_values=at_train,
        test_values=at_test,
        fold=None if pairs is None else (pairs[0], pairs[1][few]),
    )
    return found.to_json()


def report_page(
    folder: Path, opened: Opened, work: Work, assessed: Assessed, asked: Mapping[str, Any], say: list[str]
) -> Path:
    """Write report.html: no clock, no paths of the machine, so that the same run gives the same bytes."""
    import swath
    from swath.earth import grid
    from swath.earth.colour import palette
    from swath.report import figures, map_report
    from swath.report.data import from_assessment

    mapper = work.mapper
    support = {} if work.labels is None or mapper.kind == "number" else work.labels.support
    more: dict[str, Any] = {"support": support, "mapped": assessed.mapped}
    if mapper.kind == "class":
        codes = [c["code"] for c in assessed.record["classes"]]
        shown = dict(zip(mapper.codes, palette(len(mapper.codes)), strict=True))
        more["colours"] = {code: shown.get(code, (128, 128, 128)) for code in codes}
        more["answer"] = figures.class_picture(folder / "classes.tif", shown)
        more["doubt"] = figures.set_size_picture(folder / "doubt.tif", len(codes))
        more["sure"], more["outside"] = _shares(folder / "doubt.tif", 2)
    else:
        more["answer"], low, high = figures.number_picture(folder / "value.tif")
        more["value_range"] = (low, high)
        more["doubt"] = figures.outside_picture(folder / "doubt.tif")
        _, more["outside"] = _shares(folder / "doubt.tif", 1)
        if assessed.judged is not None:
            more |= {"truth": assessed.judged.truth, "predicted": assessed.judged.predicted}
    remarks = (asked["remarks"] or "").splitlines()
    data = from_assessment(
        assessed.record,
        title=asked["title"] or f"Map of {named(asked['scenes'])}",
        scene=figures.scene_picture(opened.cubes),
        reliability=assessed.reliability,
        calibration_error=assessed.calibration_error,
        gains=assessed.gains,
        doubts=assessed.doubts,
        pixel_m=grid.gsd(opened.grid),
        facts=facts_of(opened),
        assumed=[n for n in dict.fromkeys(say) if n not in remarks],
        remarks=remarks,
        files=_files(mapper.kind),
        again="swath again run.json --out there",
        version=swath.__version__,
        **more,
    )
    data = replace(data, simulated=bool(asked["simulated"] or opened.simulated))
    return map_report.write(folder / "report.html", data)


def named(scenes: Any) -> str:
    """The first scene's name, and how many there are beside it."""
    items = scenes if isinstance(scenes, (list, tuple)) else [scenes]
    names = [Path(str(s)).name if isinstance(s, (str, Path)) else "a cube" for s in items]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def facts_of(opened: Opened) -> list[tuple[str, str]]:
    """Bands, quantities and dates of each cube, and the grid, as a page tells them."""
    facts = []
    for name, cube in opened.cubes.items():
        bands = [str(b) for b in cube.coords["band"].values]
        listed = ", ".join(bands) if len(bands) <= 12 else f"{len(bands)} bands, {bands[0]} to {bands[-1]}"
        quantities = sorted({str(q) for q in cube.coords["quantity"].values})
        units = sorted({str(u) for u in cube.coords["units"].values})
        text = f"{listed}; {', '.join(quantities).replace('_', ' ')} ({', '.join(units)})"
        if "time" in cube.dims:
            days = [str(t)[:10] for t in cube.coords["time"].values]
            text += f"; {days[0]}" if len(days) == 1 else f"; {len(days)} dates, {days[0]} to {days[-1]}"
        facts.append((name, text))
    crs = None if opened.grid is None or opened.grid.crs is None else opened.grid.crs
    place = "no CRS: areas in pixels" if crs is None else f"EPSG:{crs.epsg}" if crs.epsg else "a CRS without EPSG code"
    facts.append(("grid", f"{opened.shape[0]} x {opened.shape[1]} pixels, {place}"))
    return facts


def _files(kind: str) -> list[tuple[str, str]]:
    first = (
        [("value.tif", "value with its interval, low and high")]
        if kind == "number"
        else [("classes.tif", "class of each pixel"), ("probability.tif", "probability of each class")]
    )
    return [
        *first,
        ("doubt.tif", "how sure: classes left, and where the map is asked about what it never saw"),
        ("assessment.json", "every number of this page"),
        ("model/", "maps other scenes: swath map OTHER --model model"),
        ("run.json", "inputs, options, versions: swath again run.json --out there"),
    ]


def _shares(path: Path, band: int) -> tuple[float, float]:
    """Share of the mapped pixels with one class left (NaN for numbers or without sets), and outside applicability."""
    import rasterio

    sizes, outside = np.zeros(256), np.zeros(256)
    with rasterio.open(path) as file:
        for _, window in file.block_windows(1):
            outside += np.bincount(file.read(band, window=window).ravel(), minlength=256)
            if band == 2:
                sizes += np.bincount(file.read(1, window=window).ravel(), minlength=256)
    inside, drawn = outside[:2].sum(), sizes[:255].sum()
    sure = float(sizes[1] / drawn) if drawn else math.nan
    return sure, float(outside[1] / inside) if inside else math.nan
