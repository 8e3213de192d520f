"""How a map holds when its scenes get worse: every corruption, every level, the same places, paired."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from swath.errors import LabelError, SwathError
from swath.estimate import Estimate
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.shown import Shown
from swath.tools.stress_asked import chosen, levels_of, reads_of, told_of

if TYPE_CHECKING:
    from swath.sample.labels import Labels
    from swath.tools.scenes import Opened
    from swath.tools.stress_subjects import Subject
    from swath.tools.stressing import Chip, Plan

__all__ = ["StressPlan", "StressResult", "stress"]


@dataclass(frozen=True, slots=True)
class StressResult(Shown):
    """What a stress test gave. clean: the undamaged score; mean: mean drop over those of the twelve that were tried.

    drops: {corruption: mean drop over its levels}. first: {corruption: (class, level)} that breaks first.
    """

    out: str
    reference: str
    clean: Estimate
    mean: Estimate
    drops: Mapping[str, Estimate]
    flips: Mapping[str, float]
    first: Mapping[str, tuple[str, int]]
    lead: tuple[str, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "reference": self.reference,
            "clean": self.clean.to_json(),
            "mean_drop": self.mean.to_json(),
            "drops": {k: e.to_json() for k, e in self.drops.items()},
            "map_that_changes_at_the_worst_level": {k: v if isfinite(v) else None for k, v in self.flips.items()},
            "first_broken": {k: list(v) for k, v in self.first.items()},
            "files": list(self.files),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from swath.report.table import table
        from swath.tools.stress_page import points, spoken

        rows = [
            (
                spoken(n),
                points(e),
                f"{100 * self.flips[n]:.0f} %",
                " at level ".join(map(str, self.first.get(n, ("-",)))),
            )
            for n, e in self.drops.items()
        ]
        head = ("corruption", "mean drop in points", "map changed at worst", "class that breaks first")
        lines = [*self.lead, "", table(head, rows), *(f"note: {n}" for n in self.notes)]
        return "\n".join([*lines, f"in {self.out}: {', '.join(self.files)}"])


@dataclass(frozen=True, slots=True)
class StressPlan:
    """What a stress test will take, measured on the undamaged windows."""

    runs: int
    windows: int
    pixels: int
    seconds: float
    corruptions: tuple[str, ...]
    left: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "runs": self.runs, "windows": self.windows, "pixels": self.pixels, "seconds": self.seconds,
            "corruptions": list(self.corruptions), "not_tried": dict(self.left),
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{len(self.corruptions)} corruptions, {self.runs} runs over {self.windows} windows ({self.pixels:,} pixels): about "
            f"{self.seconds:,.0f} s"
        ]
        return "\n".join([*lines, *(f"not tried: {n}: {why}" for n, why in self.left.items())])


def stress(
    model: str,
    scenes: list[str] | None = None,
    *,
    truth: str | Path | None = None,
    labels: str | Path | None = None,
    out: str | Path = "stress",
    only: list[str] | None = None,
    levels: list[str] | None = None,
    scale_of: Literal["swath", "imagenet_c"] = "swath",
    weights: str | Path | None = None,
    encoder: str | None = None,
    column: str | None = None,
    kind: Literal["class", "number"] | None = None,
    classes: list[str] | None = None,
    xy: str | None = None,
    crs: str | None = None,
    gsd: float | None = None,
    seed: int | None = None,
    plan: bool = False,
    title: str | None = None,
    simulated: bool = False,
    area: str | None = None,
    dates: str | None = None,
    bands: list[str] | None = None,
    offset: float | None = None,
    scale: float | None = None,
    sensor: str | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Make scenes worse, step by step, and see which defect at which strength breaks a map.

    Twelve corruptions at five levels, in physical values, and shadows, coarser pixels, missing bands and dates, misregistration
    and a sibling sensor. Rotating, scaling and shifting move the truth too. Only windows around the reference are mapped.

    Args:
        model: a folder `model` of swath map, a file of swath train, sen2lcz, or the output folder of an earlier swath map,
            whose scenes, truth and options then hold unless others are given.
        scenes: files, folders or cubes of one place, as swath map takes them.
        truth: reference that the model never saw. Without it, and without labels, the clean answers judge the damaged ones.
        labels: the labels that the model learned from: each is judged by a model that never saw its fold.
        out: folder for stress.json, report.html, pictures and run.json.
        only: some corruptions by name, e.g. haze,clouds,gaps.
        levels: some of the levels 1 to 5.
        scale_of: swath, or imagenet_c for noise, blur and JPEG as they are usual for photographs.
        weights: the weights of the encoder or published model: a file, or hf:owner/repository/file.
        encoder: the encoder of a map, where its name is not kept with the model.
        column: the column of truth or labels that holds class or number.
        kind: class or number, where the column leaves it open.
        classes: the classes to keep, by name or code.
        xy: columns of a CSV for x and y, or lat,lon to swap the axes of a file.
        crs: CRS of a CSV's coordinates (lon/lat by default).
        gsd: pixel size in metres that the scenes are read at.
        seed: of every draw; 0, or that of the earlier map.
        plan: say how many runs there are and how long they take, and stop.
        title: of the report.
        simulated: the data come from a made world; every number says so.
        area: file, bbox (west,south,east,north), or `labels`.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        A StressResult (a StressPlan with `plan`).

    Raises:
        FormatError: neither a model nor a run of swath map. LabelError: no reference on the scene. BandError, UnitError: the
        model meets other bands or units. OutputError: a folder that cannot be written.

    Examples:
        swath stress out/ --out stress/
        swath stress out/model scene.tif --truth check.gpkg --only haze,clouds,gaps
    """
    asked = dict(locals())
    names, steps = chosen(only), levels_of(levels)
    told = told_of(asked)
    folder = Path(out)
    if not plan:
        can_be_written(folder)
    job = Job.start("stress", asked, reads_of(told))
    say: list[str] = []
    opened, subject, reference = _opened(told, say)
    from swath.tools import stressing

    chips, side, known, own = _windows(opened, subject, reference, told, say)
    made = stressing.fitting(opened, names, steps, scale_of, chips)
    simulated = bool(told["simulated"] or opened.simulated)
    if not made.names:
        raise SwathError(
            rule="some corruption can act on these scenes",
            got="; ".join(made.left.values()),
            remedy="name others with --only",
        )
    if plan:
        return _planned(subject, chips, made)
    table = stressing.judge_all(subject, chips, made, classes=known, own=own, simulated=simulated, progress=progress)
    say += _words(subject, chips, made, side, own)
    return _written(folder, job, table, chips, made, opened, told, say)


def _opened(told: Mapping[str, Any], say: list[str]) -> tuple[Opened, Subject, Any]:
    """The scenes, what answers for them, and the kept work of a map (None for a published model)."""
    from swath.tools import mapping, zones
    from swath.tools.scenes import Reading, open_scenes
    from swath.tools.stress_subjects import MapSubject, ZoneSubject

    reading = Reading(*(told[k] for k in ("area", "dates", "bands", "offset", "scale", "sensor", "safe")))
    opened = open_scenes(told["scenes"], reading, gsd=told["gsd"])
    say += opened.notes
    if zones.serves(told["model"]):
        from swath.models import load
        from swath.models.sen2lcz import NAMES, WINDOW

        model = load(str(told["model"]), weights=told["weights"])
        say += zones.understood(opened, model, WINDOW)
        return opened, ZoneSubject(model, list(NAMES), WINDOW, zones.STEP), None
    encoder, made_by = mapping.encoder_named(told["encoder"], told["weights"])
    work = mapping.recall(Path(str(told["model"])), encoder, made_by)
    opened = mapping.named_as_learned(opened, work.mapper, say)
    return opened, MapSubject(work), work


def _windows(
    opened: Opened, subject: Subject, work: Any, told: Mapping[str, Any], say: list[str]
) -> tuple[list[Chip], int, list[str], bool]:
    """The windows to try, the side of the squares of ground, the classes judged, and whether the model judges itself."""
    from swath.sample import blockside, split
    from swath.tools import stressing
    from swath.tools.stress_subjects import MapSubject, folds_of

    source = told["truth"] if told["truth"] is not None else told["labels"]
    if source is None:
        side = stressing.ground_side(opened.shape)
        if subject.kind == "number":
            raise LabelError(
                rule="a map of numbers is judged by numbers", got="neither truth nor labels", remedy="give --truth"
            )
        return (
            stressing.chips_of(opened, subject, None, None, None, side, told["seed"], say),
            side,
            subject.classes,
            True,
        )
    labels, names = _labels(source, opened, subject, told, say)
    side = blockside.block_side(opened.cubes, labels, seed=told["seed"]).px
    fold = None
    if told["labels"] is not None:
        if not isinstance(subject, MapSubject):
            raise LabelError(
                rule="a published model learned from no labels here", got="--labels", remedy="give --truth"
            )
        fold, models = folds_of(work, labels)
        subject = _with_models(subject, models)
    place = split.blocks(labels, side).id
    chips = stressing.chips_of(opened, subject, labels, place, fold, side, told["seed"], say)
    return chips, side, names, False


def _with_models(subject: Any, models: Any) -> Any:
    subject.models.update(models)
    return subject


def _labels(
    source: Any, opened: Opened, subject: Subject, told: Mapping[str, Any], say: list[str]
) -> tuple[Labels, list[str]]:
    """The reference on the grid with its classes as the model's (those of the map first), and all class names."""
    from swath.sample import labels as labelling
    from swath.sample import mask
    from swath.tools.finish import common_classes

    raster = isinstance(source, (str, Path)) and mask.is_mask(source)
    options = {"column": None if raster else told["column"], "kind": subject.kind, "classes": told["classes"]}
    found = labelling.read(
        source, opened.grid, shape=opened.shape, xy=told["xy"], crs=told["crs"], least=1, seed=told["seed"], **options
    )
    say += [f"reference: {found}", *(f"reference: {n}" for n in found.notes)]
    if subject.kind == "number":
        return found, []
    value, names, codes = common_classes(found, subject.classes, subject.codes, say)
    return replace(found, value=value.astype(np.int64), names=names, codes=codes), names


def _words(subject: Subject, chips: Sequence[Chip], plan: Plan, side: int, own: bool) -> list[str]:
    from swath.tools.stressing import MOST_GROUND

    judged, ground = (sum(int((getattr(c, k) >= 0).sum()) for c in chips) for k in ("place", "ground"))
    places = 1 + max(int((c.ground if own else c.place).max()) for c in chips)
    words = [
        f"{len(chips)} windows were mapped, {ground:,} of their pixels (about {MOST_GROUND:,} at most) are compared with the clean map",
        "no reference was given: the clean answers stand in for truth, so a drop is disagreement with the own clean map, not error"
        if own
        else f"{judged:,} reference pixels in {places} places ({side}-px blocks) are judged; intervals resample whole places and "
        "are not design-based",
        "a pixel without an answer counts as wrong",
        "what is drawn depends on the seed of names and windows alone; levels nest: the same cloud grows",
        "values are held within what the quantity can be (reflectance -0.02 to 1.6), or the scene's own extremes",
    ]
    if getattr(subject, "models", None):
        words.append(
            "the labels are those that the model learned from: each is judged by a model fitted without its fold (no buffer between "
            "folds); the share of the map that changes is the whole model's"
        )
    if plan.keep:
        words.append(
            f"{', '.join(plan.keep)} only move with rotate, scale and translate: nothing else spoils elevation"
        )
    return words


def _planned(subject: Subject, chips: Sequence[Chip], plan: Plan) -> StressPlan:
    from swath.transform.corrupt import corrupt_batch

    began = time.perf_counter()
    chip = chips[0]
    worse = corrupt_batch(
        replace(chip.batch, key=("plan",)), plan.names[0], plan.levels[0], options=plan.options, keep=plan.keep
    )
    subject(worse, chip.wanted, chip.fold)
    seconds = time.perf_counter() - began
    share = sum(c.truth.size for c in chips) / chip.truth.size
    runs = 1 + len(plan.names) * len(plan.levels)
    return StressPlan(
        runs, len(chips), sum(c.truth.size for c in chips), round(runs * share * seconds, 1), plan.names, plan.left
    )


def _written(
    folder: Path,
    job: Job,
    table: Any,
    chips: Sequence[Chip],
    plan: Plan,
    opened: Opened,
    told: Mapping[str, Any],
    say: list[str],
) -> StressResult:
    from swath.bench import robust
    from swath.bench.robust_curve import curves as curves_of
    from swath.bench.robust_curve import first_broken
    from swath.tools import stress_page
    from swath.tools.finish import named
    from swath.transform.severity import TWELVE

    folder.mkdir(parents=True, exist_ok=True)
    curves = curves_of(table)
    twelve = [n for n in table.names if n in TWELVE]
    mean = robust.mean_drop(table, twelve or table.names)
    balanced = (
        robust.mean_drop(replace(table, measure="balanced"), twelve or table.names) if table.kind == "class" else mean
    )
    notes = tuple(dict.fromkeys(say))
    clean = robust.score(table)
    record = {
        "format": 1, "clean": clean.to_json(), "mean_drop": mean.to_json(), "mean_of": twelve or list(table.names),
        "mean_drop_balanced": balanced.to_json(), "curves": [c.to_json() for c in curves],
        "not_tried": dict(plan.left), "notes": list(notes), "items": table.to_json(),
    }  # fmt: skip
    made = [write_json(folder / "stress.json", record)]
    title = told["title"] or f"{named(told['scenes'])}"
    made += stress_page.make(folder, table, curves, chips, plan, opened, title=title, notes=notes)
    job.finish(folder, made)
    first = {c.name: found[:2] for c in curves if (found := first_broken(table, c.name)) is not None}
    return StressResult(
        out=str(folder), reference=table.reference, clean=clean, mean=mean, drops={c.name: c.mean for c in curves},
        flips={c.name: c.flipped[-1].value for c in curves}, first=first, lead=tuple(stress_page.lead_of(table, curves)),
        files=tuple(sorted([p.name for p in made] + ["run.json"])), notes=notes,
    )  # fmt: skip
