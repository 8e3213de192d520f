"""How `train --family deco` learns: pixels of a person's own cubes, labelled and not, judged in places left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline.forecast import Series
from swath.errors import FormatError, LabelError, SwathError
from swath.estimate import Estimate, block_bootstrap
from swath.predict.solved import Heard
from swath.sample import split
from swath.sample.places import Places
from swath.tools import training
from swath.tools.job import Job, Progress, write_json
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.models.deco import Deco
    from swath.tools.encoding import SceneSite
    from swath.train.series import Plan

__all__ = ["Taught", "teach"]

FOLDS, POOL, TREES, SIDE = 3, 2_000, 300, 16
NAMES = {"fill": "impute", "classify": "crop"}  # what a person says: what the prompt says
SAID = {"impute": "fill"}
BLOCK = 256


@dataclass(frozen=True, slots=True)
class Taught(Shown):
    """What training gave. rows: (task, method, metric, score), the decoder and the simple methods on the same held-out places.

    verdict: in words, by the paired differences among the rows.
    """

    out: str
    tasks: tuple[str, ...]
    rows: tuple[tuple[str, str, str, Estimate], ...]
    verdict: str
    files: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [{"task": t, "method": m, "metric": k, "score": e.to_json()} for t, m, k, e in self.rows]
        return {"out": self.out, "tasks": list(self.tasks), "rows": rows, "verdict": self.verdict,
                "files": list(self.files), "notes": list(self.notes)}  # fmt: skip

    def __str__(self) -> str:
        from swath.report.table import table

        cells = [(t, k, m, str(e)) for t, m, k, e in self.rows]
        lines = [table(("task", "metric", "method", "in places left out"), cells), self.verdict]
        lines += [f"note: {n}" for n in self.notes]
        return "\n".join([*lines, f"in {self.out}: {', '.join(self.tasks)}"])


@dataclass(frozen=True)
class Lesson:
    """All pixels that are learned from, labelled ones first. series {sensor: Series} of n pixels; y (n,) class index, -1
    unlabelled; places: of all.
    """

    series: dict[str, Series]
    y: np.ndarray
    places: Places
    names: list[str]
    codes: list[int]
    sensors: tuple[Heard, ...]
    simulated: bool = False

    @property
    def labelled(self) -> np.ndarray:
        """Indices of labelled pixels."""
        return np.flatnonzero(self.y >= 0)


def tasks_of(asked: Mapping[str, Any]) -> tuple[str, ...]:
    """The prompts that are trained. Raises SwathError for an unknown task, LabelError for classes without labels."""
    from swath.models.deco_input import TASKS

    given = asked["task"] or (["crop"] if asked["labels"] is not None else []) + ["fill", "forecast"]
    found = tuple(dict.fromkeys(NAMES.get(t, t) for t in given))
    if unknown := [t for t in found if t not in TASKS]:
        known = ", ".join(SAID.get(t, t) for t in TASKS)
        raise SwathError(rule=f"tasks are {known}", got=", ".join(unknown), remedy="choose of these")
    if "crop" in found and asked["labels"] is None:
        raise LabelError(
            rule="classes are learned from labels", got="--task crop without --labels", remedy="give --labels FILE"
        )
    return tuple(t for t in TASKS if t in found)


def teach(scenes: Any, asked: dict[str, Any], progress: Progress | None) -> Taught:
    """Read, judge in folds of whole places, train on all, write. Raises as `train`."""
    from swath.baseline.threads import one_thread
    from swath.predict import told
    from swath.tools.encoding import sites_of
    from swath.tools.scenes import Reading
    from swath.train.series import EPOCHS, Plan

    _refuse(str(asked["family"]), asked)
    tasks = tasks_of(asked)
    size = str(asked["family"]).partition(":")[2] or "pico"
    reading = Reading(*(asked[n] for n in ("area", "dates", "bands", "offset", "scale", "sensor", "safe")))
    grouped = sites_of([*scenes, *(asked["unlabelled"] or [])], reading, gsd=asked["gsd"], progress=progress)
    say = [*grouped.notes]
    reads = [i for site in grouped.sites for i in site.items] + [p for p in (asked["labels"],) if p is not None]
    job = Job.start("train", asked, reads)
    options = {n: asked[n] for n in ("column", "kind", "classes", "xy", "crs", "seed")}
    lesson = gathered(grouped.sites, asked["labels"] if "crop" in tasks else None, options, say, progress)
    simulated = bool(asked["simulated"] or lesson.simulated)
    longest = max(s.values.shape[1] for s in lesson.series.values())
    plan = Plan(tasks, size=size, steps=EPOCHS * asked["epochs"], seed=asked["seed"], dates=min(64, 2 * longest))
    plan = replace(plan, rate=asked["rate"]) if asked["rate"] else plan
    space = asked["column"] or (
        Path(str(asked["labels"])).stem if isinstance(asked["labels"], (str, Path)) else "labels"
    )
    from swath.tools.taught_judge import judged

    with one_thread():  # so that the file does not depend on how many there are
        found = judged(lesson, plan, space, simulated=simulated, progress=progress)
        say += [found.words, *found.notes]
        model = trained(lesson, plan, space, np.arange(len(lesson.y)), progress, "training on all places")
    model.spread.update(found.spread)
    if "crop" in tasks:
        model.temperature[space] = found.temperature
    facts = {
        "chosen": f"decoder over series ({size}), tasks {', '.join(SAID.get(t, t) for t in tasks)}",
        "notes": list(dict.fromkeys(say)), "seed": asked["seed"], "simulated": simulated, "verdict": found.verdict,
        "trained_on": f"{len(lesson.labelled)} labelled and {len(lesson.y) - len(lesson.labelled)} other pixels of "
        f"{len(grouped.sites)} places, {longest} dates", "inputs": [i.get("digest") or i.get("note") for i in job.inputs],
        "rows": [{"task": t, "method": m, "metric": k, "score": e.to_json()} for t, m, k, e in found.rows],
    }  # fmt: skip
    kept = told.Told(
        model, space, lesson.sensors, lesson.codes, found.evidence(model, lesson, space), found.candidates,
        found.calibration, facts,
    )  # fmt: skip
    path = told.save(kept, asked["out"])
    write_json(
        path.with_name(path.name + ".run.json"),
        job.record([path], path.parent, out_name=path.name, verdict=found.verdict, rows=facts["rows"]),
    )
    return Taught(
        str(path), tuple(SAID.get(t, t) for t in tasks), tuple(found.rows), found.verdict, (path.name,),
        tuple(dict.fromkeys(say)),
    )  # fmt: skip


def _refuse(family: str, asked: dict[str, Any]) -> None:
    """Refuse options that say nothing to a decoder over series, and sizes that it does not come in."""
    given = [n for n in ("weights", "fine_tune", "curve") if asked[n]] + (
        ["encoder"] if asked["encoder"] != "tiny" else []
    )
    if given:
        options = ", ".join(f"--{n.replace('_', '-')}" for n in given)
        raise SwathError(
            rule="these options are of heads on encoders", got=f"{options} with {family}", remedy="leave them out"
        )
    sizes = ("pico", "nano", "micro")
    if (family.partition(":")[2] or "pico") not in sizes:
        raise SwathError(
            rule="sizes of deco are deco:pico, deco:nano, deco:micro", got=family, remedy="choose one, or deco alone"
        )


def trained(lesson: Lesson, plan: Plan, space: str, rows: np.ndarray, progress: Progress | None, what: str) -> Deco:
    """The decoder trained on some of the pixels."""
    from swath.baseline.threads import one_thread
    from swath.train.series import fit_series

    series = {k: s.rows(rows) for k, s in lesson.series.items()}
    tell = None if progress is None else (lambda done, total, words: progress(done, total, f"{what}, {words}"))
    with one_thread():
        return fit_series(series, plan, target=lesson.y[rows], classes=lesson.names, space=space, progress=tell)[0]


def gathered(
    sites: Sequence[SceneSite], source: Any, options: Mapping[str, Any], say: list[str], progress: Progress | None
) -> Lesson:
    """Series at the labels and at random other pixels of every site. Raises LabelError, BandError, FormatError without dates."""
    from swath.sample.window import Windows, bands_of

    labels: dict[str, Any] = {}
    if source is not None:
        found, missed = training.labels_of(sites, source, options, say)
        if not found:
            assert missed is not None
            raise missed
        if any(one.kind != "class" for _, one in found):
            raise LabelError(
                rule="a decoder over series learns classes",
                got="labels that are numbers",
                remedy="--kind class, or an encoder",
            )
        labels = {site.name: one for site, one in found}
    names, codes = training.classes_of(list(labels.values())) if labels else ([], [])
    sensors: tuple[Heard, ...] | None = None
    parts: list[dict[str, Series]] = []
    y, row, column, place = [], [], [], []
    side, above, simulated = SIDE, 0, False
    rng = np.random.default_rng([options["seed"], 11])
    for number, site in enumerate(sites):
        if progress is not None:
            progress(number + 1, len(sites), "reading series")
        cubes = site.cubes()
        mine = tuple(Heard(name, bands_of(cube)) for name, cube in cubes.items())
        sensors = sensors or mine
        mine, cubes = training.same_sensors(sensors, mine, cubes, site.name)
        simulated |= any(str(c.attrs.get("simulated", "")).lower() in ("yes", "true", "1") for c in cubes.values())
        r, c, v, at = np.zeros((4, 0), np.int64)
        if site.name in labels:
            own = training.thinned(labels[site.name], max(200, 6000 // len(labels)), options["seed"], site.name, say)
            block = split.block_side(cubes, own, seed=options["seed"])
            side, at = block.px, split.blocks(own, block.px).id
            say += [f"{site.name}: {block.words}"] if number < 3 else []
            r, c, v = own.row, own.column, np.array([names.index(own.names[k]) for k in own.value])
        more = max(100, POOL // len(sites))
        i, j = (rng.integers(0, n, more) for n in site.shape)
        across = site.shape[1] // side + 2
        r, c = np.r_[r, i], np.r_[c, j]
        v, at = np.r_[v, np.full(more, -1)], np.r_[at, (i // side + 1) * across + j // side + 1]
        windows = Windows(cubes, unit=512, budget=64 << 20)
        parts.append({name: at_pixels(windows, name, r, c, site.shape) for name in cubes})
        y.append(v)
        row.append(r + above)
        column.append(c)
        place.append(at + 10**9 * number)
        above += site.shape[0] + 4 * side + 4096
    assert sensors is not None
    whole = {h.sensor: _joined([p[h.sensor] for p in parts]) for h in sensors}
    seen = np.logical_or.reduce([(s.valid.any(-1) & np.isfinite(s.day)).any(1) for s in whole.values()])
    if not seen.any():
        raise FormatError(
            rule="series have dates and clear values", got="pixels without any", remedy="give scenes with dates"
        )
    target = np.concatenate(y)
    if (~seen & (target >= 0)).any():
        say.append(f"{int((~seen & (target >= 0)).sum()):,} labels lie on pixels that no date saw, left out")
    _, ids = np.unique(np.concatenate(place), return_inverse=True)
    places = Places(ids.astype(np.int64), np.concatenate(row), np.concatenate(column), side).take(seen)
    series = {k: replace(s.rows(seen), place=places.id.astype(str)) for k, s in whole.items()}
    lesson = Lesson(series, target[seen], places, names, codes, sensors, simulated)
    if source is not None and lesson.places.take(lesson.labelled).count < 2:
        raise LabelError(
            rule="training needs labels in two places",
            got=f"{len(lesson.labelled)} labels in one block of {side} px",
            remedy="add labels elsewhere",
        )
    return lesson


def at_pixels(windows: Any, name: str, row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> Series:
    """Series of some pixels of a cube, read block by block."""
    key = row // BLOCK * (shape[1] // BLOCK + 1) + column // BLOCK
    values = valid = day = bands = None
    for one in np.unique(key):
        here = np.flatnonzero(key == one)
        spans = [slice(int(a[here].min()), int(a[here].max()) + 1) for a in (row, column)]
        p = windows.read(*spans).pixels[name]
        if values is None or valid is None:
            t, c = p.values.shape[1:3]
            values, valid = np.zeros((len(row), t, c), np.float32), np.zeros((len(row), t, c), bool)
            day, bands = np.broadcast_to(p.day[0], (len(row), t)), p.bands
        at = (row[here] - spans[0].start, column[here] - spans[1].start)
        values[here] = p.values[0][..., at[0], at[1]].transpose(2, 0, 1)
        valid[here] = p.valid[0][..., at[0], at[1]].transpose(2, 0, 1)
    return Series(np.where(valid, values, np.float32(np.nan)), valid, day, np.zeros(len(row), "U1"), bands)  # type: ignore[arg-type]


def _joined(parts: Sequence[Series]) -> Series:
    """Series of several places, with more dates that were never seen at the end of the shorter ones."""
    most = max(p.values.shape[1] for p in parts)

    def grown(name: str, empty: float | bool) -> np.ndarray:
        arrays = [np.asarray(getattr(p, name)) for p in parts]
        pads = [((0, 0), (0, most - a.shape[1]), (0, 0))[: a.ndim] for a in arrays]
        return np.concatenate([np.pad(a, pad, constant_values=empty) for a, pad in zip(arrays, pads, strict=True)])

    place = np.concatenate([p.place for p in parts])
    return Series(grown("values", np.nan), grown("valid", False), grown("day", np.nan), place, parts[0].bands)


def share(value: np.ndarray, place: np.ndarray, method: str, seed: int, simulated: bool) -> Estimate:
    """Mean of values with its interval over places."""
    _, at, count = np.unique(place, return_inverse=True, return_counts=True)
    parts = np.stack([np.bincount(at.ravel(), weights=value), count.astype(float)], axis=1)
    return block_bootstrap(
        parts, lambda s: s[..., 0] / s[..., 1], n=len(value), method=method, seed=seed, simulated=simulated
    )
