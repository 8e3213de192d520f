"""What a person's own series will be, with intervals that were tried on its past: the verb `forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from swath.errors import SwathError
from swath.tools.fill import parsed
from swath.tools.job import Job, Progress, can_be_written
from swath.tools.scenes import Reading, open_scenes

__all__ = ["forecast"]

_MOST = 400


def forecast(
    scenes: list[str],
    *,
    out: str | Path = "forecast",
    until: str | None = None,
    ahead: str | None = None,
    steps: int | None = None,
    at: list[str] | None = None,
    every: str | None = None,
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
    """Forecast a series beyond its last date, with intervals checked on forecasts from its past.

    Simple methods and learned ones look ahead from many dates of the past, in places that they were not fitted to, and are
    judged by how far ahead. The best one forecasts; all are shown beside, last value and climatology among them.

    Args:
        scenes: files, folders or cubes of one place over many dates; sensors are forecast each by itself.
        out: folder for forecast.zarr, series.json, report.html and run.json.
        until: the last date, e.g. 2024-12-31.
        ahead: how far, 90d, 12w, 3m or 1y.
        steps: how many dates, at the series' usual step.
        at: these dates, e.g. 2024-06-01,2024-07-01.
        every: the step between dates, 10d or 1m; by default the series' usual one.
        model: a file of swath train --family deco that learned to forecast; simple methods are still shown beside.
        allow: flags whose values count as clear: snow (by default), cloud, shadow, saturated; none for no other.
        tif: also write one GeoTIFF a date, in dates/, with low and high as bands.
        seed: of every draw.
        workers: how many threads.
        title: of the report.
        simulated: the data come from a made world; every number says so.
        area: file, or west,south,east,north in degrees.
        dates: read only scenes of 2019-05-01/2019-09-30, 2019-05..2019-09 or 2019; forecasts begin after the last.
        bands: only these bands.
        offset: settles units: physical = (stored + offset) x scale.
        scale: settles units, with offset.
        sensor: key of the sensor where the file is silent.
        safe: open files in a guarded child process.

    Returns:
        SeriesResult: the stores, what forecasts, how far it is off and how often its intervals hold.

    Raises:
        SwathError: no future date asked for, or one in the past; fewer than 4 dates, none, nothing clear.
        BandError, UnitError: a model that learned other bands. OutputError: no room, not writable.

    Examples:
        swath forecast ndvi/ --ahead 90d --out forecast/
        swath forecast scenes/ --bands B04,B08 --until 2024-12-31 --every 10d --out next/
    """
    asked = dict(locals())
    given = [n for n in ("until", "ahead", "steps", "at") if asked[n] is not None]
    if len(given) != 1:
        raise SwathError(
            rule="a forecast goes until a date, some time ahead, some steps, or at given dates",
            got=" and ".join(f"--{g}" for g in given) or "none of them",
            remedy="give one: --until 2024-12-31, --ahead 90d, --steps 6 or --at 2024-06-01",
        )
    can_be_written(Path(out))
    opened = open_scenes(scenes, Reading(area, dates, bands, offset, scale, sensor, safe))
    job = Job.start("forecast", asked, [*opened.reads, *([model] if model is not None else [])])
    from swath.tools.serial import carry_out

    return carry_out("forecast", opened, asked, job, _wanted, progress)


def _wanted(day: np.ndarray, asked: dict[str, Any], name: str) -> np.ndarray:
    """The days that are asked for. Raises SwathError when any is not after the last date of the series."""
    from swath.earth.time import days, from_days
    from swath.tools.series import length_of

    last = float(day[-1])
    usual = float(np.median(np.diff(day))) if len(day) > 1 else 1.0
    step = max(1.0, usual) if asked["every"] is None else length_of(asked["every"], "--every")
    if asked["at"] is not None:
        found = np.unique(days(parsed(asked["at"], "--at")))
    elif asked["steps"] is not None:
        if asked["steps"] < 1:
            raise SwathError(rule="a forecast has at least one step", got=str(asked["steps"]), remedy="give --steps 6")
        found = np.floor(last) + np.round(step * np.arange(1, asked["steps"] + 1))
    else:
        end = (
            last + length_of(asked["ahead"], "--ahead")
            if asked["ahead"] is not None
            else float(days(parsed([asked["until"]], "--until"))[0])
        )
        found = np.floor(last) + np.round(step * np.arange(1, max(0.0, end - np.floor(last)) / step + 1e-9 + 1))
        found = found[found <= end + 1e-9]
        if not len(found) and end > last:
            found = np.array([np.floor(end)])
    found = np.unique(found)
    if not len(found) or (found <= last).any():
        raise SwathError(
            rule=f"a forecast is of dates after the last one of the series, {str(from_days(last))[:10]} ({name})",
            got=", ".join(asked["at"]) if asked["at"] is not None else str(asked["until"] or asked["ahead"]),
            remedy="ask for later dates; gaps before it are for swath fill",
        )
    if len(found) > _MOST:
        raise SwathError(
            rule=f"a forecast has at most {_MOST} dates",
            got=f"{len(found)}",
            remedy="ask for a larger step: --every 1m",
        )
    return found
