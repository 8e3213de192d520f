"""The main job: from scenes and a few labels to a map with its doubt, its areas and a page that says how good it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from swath.errors import LabelError
from swath.estimate import Estimate
from swath.tools import zones
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.scenes import Opened, Reading, open_scenes
from swath.tools.shown import Shown

__all__ = ["MapResult", "map"]


@dataclass(frozen=True, slots=True)
class MapResult(Shown):
    """What a map run gave. accuracy: overall accuracy, or R2 of a regression; undefined without labels or truth.

    classes: one record a class as in assessment.json. files: what lies in `out`. failed: windows left as no data.
    """

    out: str
    kind: str
    accuracy: Estimate
    chosen: str
    classes: tuple[dict[str, Any], ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]
    failed: int = 0

    @property
    def exit_code(self) -> int:
        """3 when some windows are missing, else 0."""
        return 3 if self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": self.out,
            "kind": self.kind,
            "accuracy": self.accuracy.to_json(),
            "chosen": self.chosen,
            "classes": list(self.classes),
            "files": list(self.files),
            "notes": list(self.notes),
            "failed_windows": self.failed,
        }

    def __str__(self) -> str:
        word = "overall accuracy" if self.kind == "class" else "R2"
        lines = [f"{word}: {self.accuracy}", f"  {self.accuracy.method}", f"chosen: {self.chosen}"]
        if self.classes:
            width = max(len(str(c["name"])) for c in self.classes)
            lines.append(f"  {'class':<{width}}  {'mapped area':>16}  {'user':>6}  {'producer':>8}")
            for c in self.classes:
                lines.append(
                    f"  {c['name']:<{width}}  {_amount(c):>16}  {_share(c, 'users')}  {_share(c, 'producers'):>8}"
                )
        lines += [f"note: {n}" for n in self.notes]
        if self.failed:
            lines.append(f"{self.failed} windows failed three times and are no data")
        return "\n".join([*lines, f"in {self.out}: {', '.join(self.files)}"])


def _amount(record: dict[str, Any]) -> str:
    value = record["area"]["value"]
    return "-" if value is None else f"{value:,.1f} {record['unit']}"


def _share(record: dict[str, Any], whose: str) -> str:
    value = record[f"{whose}_accuracy"]["value"]
    return "     -" if value is None else f"{100 * value:4.0f} %"


def map(
    scenes: list[str],
    *,
    labels: Any = None,
    out: str | Path = "out",
    model: str | Path | None = None,
    weights: str | Path | None = None,
    truth: str | Path | None = None,
    column: str | None = None,
    kind: Literal["class", "number"] | None = None,
    classes: list[str] | None = None,
    xy: str | None = None,
    crs: str | None = None,
    encoder: str | None = None,
    unsure: bool = False,
    fast: bool = False,
    seed: int = 0,
    gsd: float | None = None,
    polygons: bool = False,
    parquet: bool = False,
    plan: bool = False,
    scheduler: str = "threads",
    workers: int | None = None,
    title: str | None = None,
    remarks: str | None = None,
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
    """Map a scene from a few labels, with doubt, areas and a report.

    Scenes, dates and sensors of one place come onto one grid. The classifier is chosen by spatial cross-validation; the
    accuracy comes from `truth` where it is given, else from outer folds of whole places with the choice repeated inside.
    Interrupted, the same command goes on where it stopped.

    Args:
        scenes: files, folders or cubes of one place; several sensors and dates as they come.
        labels: points, polygons or a mask with a class or number: GeoJSON, GPKG, shapefile, CSV with lon/lat, raster.
        out: folder for classes.tif, probability.tif, doubt.tif, report.html, assessment.json, run.json, model/.
        model: instead of labels: a file of swath train, a folder `model` of an earlier map, or sen2lcz, local climate zones at
            100 m.
        weights: the weights of --encoder or of a published model: a file, or hf:owner/repository/file.
        truth: reference labels that judge the map; never used to train or choose.
        column: the column of the labels that holds class or number.
        kind: class or number, where the column leaves it open.
        classes: the classes to keep, by name or code.
        xy: columns of a CSV for x and y, or lat,lon to swap the axes of a file.
        crs: CRS of a CSV's coordinates (lon/lat by default).
        encoder: name of an encoder whose tokens join the features: tiny, presto, statistics ...
        unsure: add the band `unsure` to doubt.tif: how unsure the features of each pixel are, ranked among the labels, by a
            head that learned from their losses out of fold (extra `nn`).
        fast: choose among majority, shrunk LDA and logistic only.
        seed: of every draw.
        gsd: pixel size of the map in metres; the finest scene's by default.
        polygons: write the patches of the map as polygons too, classes.gpkg.
        parquet: write them as classes.parquet (GeoParquet, extra `parquet`).
        plan: say pixels, time, memory and disk beforehand, measured on one window, and stop.
        scheduler: threads, dask, or tcp://... of a running Dask cluster.
        workers: how many threads or processes.
        title: of the report.
        remarks: sentences for the report, e.g. the data's licence; one a line.
        simulated: the data come from a made world; every number says so.
        area: file, bbox (west,south,east,north), or `labels`.
        dates: 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        A MapResult (a Cost with `plan`).

    Raises:
        LabelError: labels that cannot make a map. BandError, UnitError: a model meets other bands or units.
        OutputError: no room, not writable, or the rest of another run in `out`.

    Examples:
        swath map scene.tif --labels labels.gpkg --out out/
        swath map S2_2019/ S1_2019/ --labels fields.geojson --column crop --truth check.gpkg --out crops/
    """
    asked = dict(locals())
    if (labels is None) == (model is None):
        raise LabelError(
            rule="a map is made from labels or by a model",
            got="neither" if labels is None else "both",
            remedy="give --labels FILE or --model FILE",
        )
    if weights is not None and encoder is None and not zones.serves(model):
        raise LabelError(
            rule="weights are of a published model or encoder",
            got=f"--weights {weights} with neither",
            remedy="name it: --model sen2lcz or --encoder presto",
        )
    where = labels if isinstance(area, str) and area == "labels" else area
    opened = open_scenes(scenes, Reading(where, dates, bands, offset, scale, sensor, safe), gsd=gsd)
    if zones.serves(model):
        return zones.map_zones(opened, asked, progress)
    return _map(opened, asked, progress)


def _map(opened: Opened, asked: dict[str, Any], progress: Progress | None) -> Any:
    from swath.tools import finish, mapping

    folder, simulated = Path(asked["out"]), bool(asked["simulated"] or opened.simulated)
    if not asked["plan"]:
        can_be_written(folder)
    read = [p for p in (*opened.reads, asked["labels"], asked["truth"], asked["model"]) if p is not None]
    job = Job.start("map", asked, read)
    say: list[str] = [*opened.notes]
    encoder, made_by = mapping.encoder_named(asked["encoder"], asked["weights"])
    if asked["model"] is not None:
        work = mapping.recall(Path(asked["model"]), encoder, made_by)
        say += work.mapper.notes
        opened = mapping.named_as_learned(opened, work.mapper, say)
    else:
        work = mapping.learn(opened, asked["labels"], asked, encoder, say, progress, simulated=simulated)
        work = replace(work, encoder=made_by)
    if asked["plan"]:
        return mapping.cost(opened, work, asked["workers"])
    ran = mapping.paint(folder, opened, work, asked, job.inputs, progress, simulated=simulated)
    assessed = finish.assess_run(folder, opened, work, asked["truth"], asked, say, progress, simulated=simulated)
    made = [*ran.paths.values(), write_json(folder / "assessment.json", assessed.record)]
    made.append(finish.report_page(folder, opened, work, assessed, asked, say))
    if asked["model"] is None:
        made += mapping.keep(work, folder / "model")
    for wanted, ending in (("polygons", "gpkg"), ("parquet", "parquet")):
        if asked[wanted] and work.mapper.kind == "class":
            made.append(mapping.outlines(folder / f"classes.{ending}", opened, work))
    made += [p for p in folder.glob("*.qml")]
    job.finish(
        folder,
        made,
        failed_windows=[list(f) for f in ran.failed],
        reasons=list(ran.reasons),
        mapping_seconds=round(ran.seconds, 2),
    )
    return MapResult(
        out=str(folder),
        kind=work.mapper.kind,
        accuracy=Estimate.from_json(assessed.record["accuracy"]),
        chosen=work.mapper.chosen,
        classes=tuple(assessed.record["classes"]),
        files=tuple(sorted({p.relative_to(folder).parts[0] for p in made} | {"run.json"})),
        notes=tuple(dict.fromkeys(say)),
        failed=len(ran.failed),
    )
