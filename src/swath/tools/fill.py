"""Gaps in a person's own series filled, with intervals that were tried on values hidden on purpose: the verb `fill`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath.errors import SwathError
from swath.estimate import Estimate
from swath.tools.job import Job, Progress, can_be_written, write_json
from swath.tools.scenes import Reading, open_scenes
from swath.tools.shown import Shown

__all__ = ["Series", "SeriesResult", "fill"]


@dataclass(frozen=True, slots=True)
class Series:
    """One cube's outcome. file: the store; method: what answers; error: its RMSE on hidden values; gain: of RMSE over the best
    plain baseline, paired (negative: better); coverage: of the intervals at 0.90 on places and dates that they never saw.
    """

    name: str
    file: str
    method: str
    error: Estimate
    best: str
    gain: Estimate
    coverage: Estimate
    dates: int
    filled: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name, "file": self.file, "method": self.method, "rmse": self.error.to_json(),
            "best_plain_baseline": self.best, "difference_to_it": self.gain.to_json(), "coverage": self.coverage.to_json(),
            "dates": self.dates, "share_filled": None if np.isnan(self.filled) else self.filled,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class SeriesResult(Shown):
    """What fill or forecast wrote. series: one a cube; methods: text of the comparison; files lie in `out`."""

    out: str
    verb: str
    series: tuple[Series, ...]
    table: str
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
            "series": [s.to_json() for s in self.series],
            "files": list(self.files),
            "notes": list(self.notes),
            "failed_windows": self.failed,
        }

    def __str__(self) -> str:
        lines = [self.table]
        for s in self.series:
            share = "" if np.isnan(s.filled) else f", {100 * s.filled:.1f} % of the values filled"
            lines.append(f"{s.name}: {s.dates} dates by {s.method}{share}")
            lines.append(f"  off by {s.error} (RMSE on hidden values)")
            if s.gain.defined:
                lines.append(f"  against {s.best}, the best plain baseline: {s.gain}")
            lines.append(f"  intervals at 0.90 held {s.coverage} of hidden values in other places and dates")
        lines += [f"note: {n}" for n in self.notes]
        if self.failed:
            lines.append(f"{self.failed} windows failed three times and hold no value")
        return "\n".join([*lines, f"in {self.out}: {', '.join(self.files)}"])


def fill(
    scenes: list[str],
    *,
    out: str | Path = "filled",
    every: str | None = None,
    at: list[str] | None = None,
    model: str | Path | None = None,
    allow: list[str] | None = None,
    tif: bool = False,
    seed: int = 0,
    workers: int | None = None,
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
    """Fill the gaps of a series (clouds, missing scenes), with intervals checked on values hidden on purpose.

    Simple methods and learned ones are judged on your own series: clear values are hidden the way clouds hide them, in places
    that a method was not fitted to. The best one fills; all are shown beside. Observed values stay as they are.

    Args:
        scenes: files, folders or cubes of one place over many dates; sensors are filled each by itself.
        out: folder for filled.zarr, series.json, report.html and run.json.
        every: also dates between: regular ones, 10d, 2w, 1m apart, in the stead of the series' own.
        at: these dates in the stead of the series' own, e.g. 2020-06-01,2020-07-01.
        model: a file of swath train --family deco that learned to fill; simple methods are still shown beside.
        allow: flags whose values count as clear: snow (by default), cloud, shadow, saturated; none for no other.
        tif: also write one GeoTIFF a date, in dates/, with low and high as bands.
        seed: of every draw.
        workers: how many threads.
        title: of the report.
        simulated: the data come from a made world; every number says so.
        area: file, or west,south,east,north in degrees.
        dates: read only scenes of 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        SeriesResult: the stores, what fills, how far it is off and how often its intervals hold.

    Raises:
        SwathError: fewer than 4 dates, scenes without dates, nothing clear, or dates outside of the series.
        BandError, UnitError: a model that learned other bands. OutputError: no room, not writable.

    Examples:
        swath fill scenes/ --bands B04,B08 --out filled/
        swath fill ndvi/ --every 10d --allow none --out regular/
    """
    asked = dict(locals())
    if every is not None and at is not None:
        raise SwathError(rule="dates are --every or --at", got="both", remedy="leave one out")
    can_be_written(Path(out))
    opened = open_scenes(scenes, Reading(area, dates, bands, offset, scale, sensor, safe))
    job = Job.start("fill", asked, [*opened.reads, *([model] if model is not None else [])])
    from swath.tools.serial import carry_out

    return carry_out("fill", opened, asked, job, _wanted, progress)


def _wanted(day: np.ndarray, asked: dict[str, Any], name: str) -> np.ndarray | None:
    """The days that are asked for; None for those of the series. Raises SwathError outside of it."""
    from swath.earth.time import days, from_days
    from swath.tools.series import days_every

    if asked["every"] is not None:
        return days_every(day, asked["every"])
    if asked["at"] is None:
        return None
    found = np.unique(days(parsed(asked["at"], "--at")))
    if (found < np.floor(day[0])).any() or (found > day[-1] + 1).any():
        first, last = (str(d)[:10] for d in from_days(day[[0, -1]]))
        raise SwathError(
            rule=f"fill answers for dates within the series, {first} to {last} ({name})",
            got=", ".join(asked["at"]),
            remedy="what comes later is for swath forecast",
        )
    own = {np.floor(d): d for d in day}  # the day of a scene, whatever its hour
    return np.unique([own.get(d, d) for d in found])


def parsed(texts: list[str], option: str) -> np.ndarray:
    """Dates that were typed as datetime64. Raises SwathError for other words."""
    from swath.earth.time import span

    return np.array([span(t)[0] for t in texts], "datetime64[ns]")


def finish(job: Job, folder: Path, made: list[Path], record: dict[str, Any], result: dict[str, Any]) -> None:
    """Write series.json and run.json."""
    made.append(write_json(folder / "series.json", record))
    job.finish(folder, made, result=result | {"out": "."})
