"""What changed between two dates: where, how much, from what to what, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from swath.errors import SwathError
from swath.estimate import Estimate
from swath.tools.job import Job, Progress, can_be_written
from swath.tools.scenes import Reading
from swath.tools.shown import Shown

__all__ = ["ChangeResult", "change"]

WAYS = ("labels", "pairs", "model", "index")


@dataclass(frozen=True, slots=True)
class ChangeResult(Shown):
    """What a change run gave. changed: area of all change; share: of the ground with an answer; missing: share without one.

    way: how it was told. transitions: a record a kind of change, as in transitions.json. shift: sentences. scores: by the
    truth, {name: Estimate}. failed: windows left as no data.
    """

    out: str
    way: str
    changed: Estimate
    share: float
    missing: float
    transitions: tuple[dict[str, Any], ...]
    shift: tuple[str, ...]
    scores: dict[str, Estimate]
    objects: int
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
            "way": self.way,
            "changed": self.changed.to_json(),
            "share": None if self.share != self.share else self.share,
            "missing": None if self.missing != self.missing else self.missing,
            "transitions": list(self.transitions),
            "shift": list(self.shift),
            "scores": {k: e.to_json() for k, e in self.scores.items()},
            "objects": self.objects,
            "files": list(self.files),
            "notes": list(self.notes),
            "failed_windows": self.failed,
        }

    def __str__(self) -> str:
        from swath.report.table import table

        lines = [f"changed: {self.changed}", f"  {self.changed.method}", f"by {self.way}; {self.objects:,} objects"]
        if self.missing > 0:
            lines.append(f"no answer (a date is missing, clouded or nodata): {100 * self.missing:.1f} % of the scene")
        rows = [
            (t["kind"], _amount(t["mapped"]), _span(t["area"]))
            for t in self.transitions
            if t["mapped"] or t["area"]["value"]
        ]
        if len(rows) > 1:
            lines.append(table(("kind", f"counted ({self.changed.unit})", "area"), rows[:20], right=(1,), indent=2))
            if len(rows) > 20:
                lines.append(f"  and {len(rows) - 20} kinds more in transitions.csv")
        lines += [f"{name}: {e}" for name, e in self.scores.items()]
        lines += [f"shift: {s}" for s in self.shift]
        lines += [f"note: {n}" for n in self.notes]
        if self.failed:
            lines.append(f"{self.failed} windows failed three times and are no data")
        return "\n".join([*lines, f"in {self.out}: {', '.join(self.files)}"])


def _amount(value: float) -> str:
    return f"{value:,.1f}"


def _span(record: dict[str, Any]) -> str:
    return str(Estimate.from_json(record))


def change(
    scenes: list[str],
    *,
    out: str | Path = "out",
    labels: Any = None,
    labels_of: Literal["before", "after"] = "before",
    pairs: Any = None,
    model: str | Path | None = None,
    network: str | None = None,
    start: str | Path | None = None,
    steps: int = 400,
    index: str | None = None,
    maps: bool = False,
    truth: Any = None,
    design: Literal["simple", "stratified", "none"] | None = None,
    at: list[str] | None = None,
    register: bool = False,
    normalise: Literal["auto", "yes", "no"] = "auto",
    false_alarms: float = 0.01,
    smallest: int = 4,
    column: str | None = None,
    xy: str | None = None,
    crs: str | None = None,
    classes: list[str] | None = None,
    fast: bool = False,
    seed: int = 0,
    gsd: float | None = None,
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
) -> ChangeResult:
    """Say what changed between two dates: where, how much, from what to what, and how sure.

    Without labels a difference measure with a stated false-alarm rate finds change; labels of one date give the classes
    before and after; labels of pairs teach what counts as change. Two class maps are compared as they are. Interrupted,
    the same command goes on where it stopped.

    Args:
        scenes: the date before and the date after (files, folders or cubes), one stack with two dates, or two class maps.
        out: folder for change.tif, probability.tif, doubt.tif, objects.gpkg, transitions.csv, report.html, run.json.
        labels: points, polygons or a mask with the classes of one date: both dates are classified and compared.
        labels_of: the date that the labels belong to.
        pairs: points, polygons or a mask of places that changed and places that did not, or columns `from` and `to`.
        model: instead of labels: a network of change (a file of swath train), or a folder `model` of an earlier change.
        network: schanger: train this network on --pairs, or on one class (--classes) of --labels, instead of a classifier.
        start: a single-date network that the network of pairs begins from.
        steps: of training a network.
        index: a spectral index (NDVI), or `value` for two maps of numbers: how much it rose or fell, with an interval.
        maps: the scenes are class maps, although their files carry no legend.
        truth: reference labels that judge the change; a sample drawn by swath sample gives areas with design-based intervals.
        design: how the truth was drawn, where its file does not say.
        at: two dates, one of each scene or both of a stack, e.g. 2019-06-01,2021-06-03.
        register: move the after date by the shift that was found, before anything is compared.
        normalise: bring the after date to the radiometry of the before date: auto does it where units are unknown.
        false_alarms: share of unchanged pixels that the difference measure may call changed.
        smallest: pixels of the smallest object in objects.gpkg.
        column: the column of the labels that holds the class.
        xy: columns of a CSV for x and y, or lat,lon to swap the axes of a file.
        crs: CRS of a CSV's coordinates (lon/lat by default).
        classes: the classes to keep, by name or code.
        fast: choose among majority, shrunk LDA and logistic only.
        seed: of every draw.
        gsd: pixel size in metres; the coarser scene's by default.
        scheduler: threads, dask, or tcp://... of a running Dask cluster.
        workers: how many threads or processes.
        title: of the report.
        remarks: sentences for the report, one a line.
        simulated: the data come from a made world; every number says so.
        area: file, or bbox (west,south,east,north).
        dates: keep dates of both scenes within 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the files are silent.
        safe: open files in a guarded child process.

    Returns:
        A ChangeResult.

    Raises:
        SwathError: not two dates. GridError: no common ground. LabelError: labels that cannot tell change.
        OutputError: no room, not writable, or the rest of another run in `out`.

    Examples:
        swath change 2016.tif 2020.tif --register --out change/
        swath change before.tif after.tif --labels landcover.gpkg --out habitats/
    """
    asked = dict(locals())
    given = [w for w in WAYS if asked[w] is not None]
    if len(given) > 1:
        raise SwathError(
            rule="change is told in one way at a time",
            got=" and ".join(f"--{w}" for w in given),
            remedy="give one of --labels, --pairs, --model, --index, or none",
        )
    if network is not None and labels is None and pairs is None:
        raise SwathError(
            rule="a network learns from labels",
            got=f"--network {network} without any",
            remedy="give --pairs or --labels",
        )
    folder = Path(out)
    can_be_written(folder)
    from swath.tools import change_run

    items = [scenes] if isinstance(scenes, (str, Path)) or hasattr(scenes, "dims") else list(scenes)
    read = [p for p in (*items, labels, pairs, model, start, truth) if p is not None]
    job = Job.start("change", {**asked, "scenes": items}, read)
    return change_run.run(items, Reading(area, dates, bands, offset, scale, sensor, safe), asked, job, progress)
