"""Judge a finished map with reference data: accuracies and areas, with the intervals that the sample can support."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from swath.errors import DesignError, LabelError
from swath.estimate import Estimate
from swath.tools.shown import Shown

if TYPE_CHECKING:
    from swath.assess.reference import Reference
    from swath.sample.classmap import ClassMap
    from swath.tools.job import Progress

__all__ = ["Assessment", "assess"]


@dataclass(frozen=True, slots=True)
class Assessment(Shown):
    """How good a map is. record: what assessment.json holds; `to_json` gives it. files: what was written."""

    record: dict[str, Any]
    files: tuple[str, ...] = ()

    @property
    def accuracy(self) -> Estimate:
        """Overall accuracy, or R2 of a map of numbers."""
        return Estimate.from_json(self.record["accuracy"])

    @property
    def areas(self) -> dict[str, Estimate]:
        """Area of each class by name."""
        return {c["name"]: Estimate.from_json(c["area"]) for c in self.record["classes"]}

    def to_json(self) -> dict[str, Any]:
        """The same as assessment.json."""
        return self.record

    def __str__(self) -> str:
        r = self.record
        word = "overall accuracy" if r["kind"] == "class" else "R2"
        lines = [f"{word}: {self.accuracy}", f"  {r['accuracy']['method']}", f"design: {r['design']}"]
        if r["kind"] == "number":
            lines += [f"{name}: {Estimate.from_json(r[name])}" for name in ("rmse", "mae", "bias", "interval_coverage")]
        if r["classes"]:
            width = max(5, *(len(c["name"]) for c in r["classes"]))
            lines.append(
                f"  {'class':<{width}}  {'mapped':>14}  {'area [interval]':<38}  {'user':>22}  {'producer':>22}"
            )
            lines += [_line(c, width) for c in r["classes"]]
            lines.append("mapped: what the map shows; area: adjusted for its errors, where the sample allows")
        lines += [f"note: {n}" for n in r["notes"]]
        return "\n".join([*lines, *(f"written: {f}" for f in self.files)])


def _line(c: dict[str, Any], width: int) -> str:
    def share(e: dict[str, Any]) -> str:
        if e["value"] is None:
            return "-"
        text = f"{100 * e['value']:.0f} %"
        return text if e["low"] is None else f"{text} [{100 * e['low']:.0f}, {100 * e['high']:.0f}]"

    mapped = "-" if c["mapped_area"] is None else f"{c['mapped_area']:,.1f}"
    area = Estimate.from_json(c["area"])
    shown = str(area) if np.isfinite(area.low) else "no interval"
    return (
        f"  {c['name']:<{width}}  {mapped:>14}  {shown:<38}  "
        f"{share(c['users_accuracy']):>22}  {share(c['producers_accuracy']):>22}"
    )


def assess(
    map: str | Path,
    *,
    truth: str | Path,
    design: Literal["simple", "stratified", "none"] | None = None,
    column: str | None = None,
    xy: str | None = None,
    out: str | Path | None = None,
    level: float = 0.95,
    seed: int = 0,
    safe: bool = False,
    progress: Progress | None = None,
) -> Assessment:
    """Judge a map with reference data: accuracies and areas with intervals.

    The design is read from a file that `swath sample` wrote. Other truth needs --design: `stratified` (drawn at random
    within the map's classes), `simple` (at random over the whole map), or `none`: then accuracies have a block-bootstrap
    interval called not design-based, and areas none.
    Points of a drawn sample without a label count as not looked at, those with a reason in a column `why` as looked at and not
    told: their share is said.

    Args:
        map: classes.tif, value.tif, or any raster of whole numbers (classes) or floats (numbers).
        truth: points or polygons (GPKG, GeoJSON, shapefile, CSV with lon/lat), or a raster.
        design: how the truth was drawn, where its file does not say.
        column: the column (or band) that holds the truth.
        xy: columns of a CSV for x and y, or lat,lon to swap the axes of a file.
        out: folder for assessment.json and run.json; nothing is written without it.
        level: of the intervals.
        seed: of the bootstrap.
        safe: refuse files that name other files.

    Returns:
        An Assessment.

    Raises:
        DesignError: the design is not told, or the sample cannot support the estimate.
        LabelError, GridError, FormatError: truth or map cannot be used.

    Examples:
        swath assess out/classes.tif --truth points.gpkg
        swath assess landcover.tif --truth survey.csv --column cover --design none --json
    """
    from swath.assess import reference as references
    from swath.sample.classmap import open_map

    arguments = dict(locals())
    arguments = {k: v for k, v in arguments.items() if k not in ("references", "open_map", "progress")}
    if not 0.5 < level < 1:
        raise DesignError(rule="a level lies between 0.5 and 1", got=f"{level}", remedy="e.g. --level 0.95")
    made = open_map(map, safe=safe)
    found = references.read(truth, made, column=column, xy=xy)
    kind = _design(found, design, made)
    judge = _numbers if made.kind == "number" else _classes
    record = judge(made, found, kind, level, seed, progress)
    files = () if out is None else _written(Path(out), record, arguments, made, truth)
    return Assessment(record, files)


def _design(found: Reference, asked: str | None, made: ClassMap) -> str:
    if made.kind == "number":
        return asked or ("none" if found.design is None else found.design.kind)
    if found.design is not None:
        if asked in (None, "none", found.design.kind):
            return asked or found.design.kind
        raise DesignError(
            rule="the file of a drawn sample says how it was drawn",
            got=f"--design {asked} for a {found.design.kind} sample",
            remedy="leave --design out",
        )
    if asked is None:
        raise DesignError(
            rule="areas and accuracies depend on how the truth was drawn",
            got=f"{found.title}, which does not say",
            remedy="--design stratified (at random within the map's classes), simple (at random over the map) or none",
        )
    return asked


def _classes(
    made: ClassMap, found: Reference, kind: str, level: float, seed: int, progress: Progress | None
) -> dict[str, Any]:
    from swath.assess import area, missing, record
    from swath.assess import reference as references
    from swath.sample.classmap import count

    table = count(made, progress=progress)
    coded = references.code(found, made, table)
    notes = [*found.notes, *coded.notes, *_lost(found, coded.mapped)]
    fine = coded.mapped >= 0
    if not fine.any():
        raise LabelError(
            rule="truth lies where the map has an answer", got="none of it does", remedy="give truth inside the map"
        )
    place, how = references.places(found, made.shape)
    own = {c: i for i, c in enumerate(coded.codes) if c is not None}
    shown = np.zeros(len(coded.names))
    for j, c in enumerate(table.codes):
        shown[own[c]] = table.area[:, j].sum()
    based, lost = None, None
    if kind != "none":
        counts, more = references.counts_by_design(found, coded, table, kind, notes)  # type: ignore[arg-type]
        based = area.design_based(counts, unit=made.unit, level=level, simulated=made.simulated, **more)
        if found.missing is not None and found.missing.points:
            lost = missing.reckon(found.missing, counts, more["stratum_area"])
        notes.append("overall accuracy weighs strata by their area: it is not the share of points that are right")
    notes += [] if found.missing is None else missing.words(found.missing, lost)
    return record.record(
        coded.truth[fine], coded.mapped[fine], place[fine], names=coded.names, codes=coded.codes, areas=shown,
        unit=made.unit, design=based, kind=kind, method=how, notes=notes, level=level, seed=seed,
        simulated=made.simulated, missing=lost,
    )  # fmt: skip


def _numbers(
    made: ClassMap, found: Reference, kind: str, level: float, seed: int, progress: Progress | None
) -> dict[str, Any]:
    from swath.assess import record
    from swath.assess import reference as references

    try:
        truth = found.value.astype(float)
    except (TypeError, ValueError) as error:
        raise LabelError(
            rule="a map of numbers is judged by numbers",
            got=f"{found.title} with {found.value[0]!r}",
            remedy="name the column with --column",
        ) from error
    if progress is not None:
        progress(0, 1, "reading the map")
    values = {name: _band(made, found, name, i) for i, name in enumerate(("value", "low", "high"), start=1)}
    value = values["value"]
    fine = np.isfinite(truth) & np.isfinite(value)  # type: ignore[arg-type]
    if not fine.any():
        raise LabelError(
            rule="truth lies where the map has an answer", got="none of it does", remedy="give truth inside the map"
        )
    place, how = references.places(found, made.shape)
    notes = [*found.notes, *_lost(found, np.where(fine, 0, -1))]
    if kind != "none":
        notes.append("errors of numbers have block-bootstrap intervals, whatever the design")
    low, high = (None if v is None else v[fine] for v in (values["low"], values["high"]))
    return record.record_of_numbers(
        truth[fine], value[fine], place[fine], unit=made.units, low=low, high=high, kind=kind, method=how,  # type: ignore[index]
        notes=notes, level=level, seed=seed, simulated=made.simulated,
    )  # fmt: skip


def _band(made: ClassMap, found: Reference, name: str, fallback: int) -> np.ndarray | None:
    """Values of the band of that name (the first band stands for `value`); NaN where missing."""
    index = made.bands.index(name) + 1 if name in made.bands else (1 if fallback == 1 else 0)
    if index == 0:
        return None
    values = made.at(found.row, found.column, index)
    return np.where(made.valid(values), values.astype(float), np.nan)


def _lost(found: Reference, mapped: np.ndarray) -> list[str]:
    out = [f"{number:,} units of the truth {reason}" for reason, number in found.dropped.items()]
    if lost := int((mapped < 0).sum()):
        out.append(f"{lost:,} units of the truth lie where the map has no answer")
    return out


def _written(
    folder: Path, record: dict[str, Any], arguments: dict[str, Any], made: ClassMap, truth: Any
) -> tuple[str, ...]:
    import json

    from swath.errors import OutputError
    from swath.tools.job import Job, write_json

    before = folder / "run.json"
    if before.is_file() and json.loads(before.read_text(encoding="utf-8")).get("verb") != "assess":
        raise OutputError(
            rule="a folder holds the results of one run",
            got=f"{folder.name} with those of another verb",
            remedy="give another folder: its assessment.json and run.json would be lost",
        )
    job = Job.start("assess", arguments, [made.path, truth])
    path = write_json(folder / "assessment.json", record)
    job.finish(folder, [path])
    return str(path), str(before)
