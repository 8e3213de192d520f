"""From files to an open scene: cubes on the page's grid, dates with their clear share, shows with their stretch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["opened"]

LEAST = 5
"""Dates that are looked at however long it takes: the stretch of a series is not that of one winter's day."""
SECONDS = 1.0
"""What opening spends on looking how clear the dates are; the rest is looked at afterwards."""
_FORM = 6


Rest = Callable[[], list[float | None]]


def opened(
    paths: Sequence[Path], options: dict[str, Any], *, trusted: bool
) -> Callable[[Path, str], tuple[dict[str, Any], Rest | None]]:
    """What an OpenScene is made of, by a function of the cache's folder and the scene's key; and the clear shares of
    dates that there was no time for, by a function, where there are any. Raises SwathError.
    """
    from swath.cube import contract
    from swath.doors.web import shows as ways
    from swath.doors.web.view import metric, view_of
    from swath.tools.scenes import Reading, open_scenes

    reading = Reading(
        offset=options.get("offset"), scale=options.get("scale"), sensor=options.get("sensor"), safe=not trusted
    )
    found = open_scenes([str(p) for p in paths], reading)
    if (crs := metric(found.grid)) is not None:
        found = open_scenes([str(p) for p in paths], reading, crs=crs)
    cube = next(iter(found.cubes.values()))
    bands = contract.bands_of(cube)

    def made(cache: Path, key: str) -> tuple[dict[str, Any], Rest | None]:
        kept = _kept(cache, key, paths, options)
        rest = None
        if kept is None:
            clear = _clear(cube, [None] * len(dates_of(cube)), SECONDS)
            kept = {"clear": clear, "shows": ways.stretched(ways.shows_of(bands, str(cube.dtype)), cube, _best(clear))}
            if None in clear:
                rest = partial(_rest, cube, kept, cache, key, paths, options)
            else:
                _keep(cache, key, paths, options, kept)
        return {
            "opened": found,
            "cube": cube,
            "view": view_of(found.grid, found.shape),
            "dates": dates_of(cube),
            "bands": ways.band_records(bands),
            "shows": kept["shows"],
            "clear": kept["clear"],
            "simulated": found.simulated,
        }, rest

    return made


def dates_of(cube: xr.DataArray) -> list[str]:
    """The dates as texts: days, with the time where one day has several."""
    if "time" not in cube.dims:
        return []
    times = cube.coords["time"].values.astype("datetime64[s]")
    days = [str(t)[:10] for t in times]
    if len(set(days)) == len(days):
        return days
    return [str(t) for t in times]


def _clear(cube: xr.DataArray, clear: Sequence[float | None], seconds: float) -> list[float | None]:
    """The clear share of each date; of many dates those that some seconds allow (LEAST at least), spread over the series."""
    from swath.doors.web.glance import clear_share

    end = time.monotonic() + seconds
    found = list(clear)
    for n, i in enumerate(_spread(len(found)), 1):
        if found[i] is None:
            found[i] = round(clear_share(cube, i), 4)
            if n >= LEAST and time.monotonic() > end:
                break
    return found


def _spread(n: int) -> list[int]:
    """0 to n - 1, the last first, then from coarse to fine."""
    step = 1 << max(0, n - 1).bit_length()
    order = dict.fromkeys([n - 1] if n else [])
    while step:
        order |= dict.fromkeys(range(0, n, step))
        step //= 2
    return list(order)


def _rest(
    cube: xr.DataArray, kept: dict[str, Any], cache: Path, key: str, paths: Sequence[Path], options: dict[str, Any]
) -> list[float | None]:
    """The clear shares that opening had no time for; then everything is kept for the next time."""
    clear = _clear(cube, kept["clear"], math.inf)
    _keep(cache, key, paths, options, {**kept, "clear": clear})
    return clear


def _best(clear: list[float | None]) -> list[Any]:
    """Up to three of the clearest dates, spread over the series: what the stretch is taken from."""
    if not clear:
        return [None]
    share = np.array([c if c is not None else 0.0 for c in clear])
    good = np.flatnonzero(share >= 0.8 * share.max())
    return [int(good[i]) for i in dict.fromkeys(np.linspace(0, len(good) - 1, 3).astype(int).tolist())]


def _file(cache: Path, key: str, paths: Sequence[Path], options: dict[str, Any]) -> Path:
    from swath.doors.web.scenes import revision

    return cache / f"{key}-{revision(paths, options)}-{_FORM}.json"


def _kept(cache: Path, key: str, paths: Sequence[Path], options: dict[str, Any]) -> dict[str, Any] | None:
    try:
        found = json.loads(_file(cache, key, paths, options).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"clear", "shows"} <= set(found) else None


def _keep(cache: Path, key: str, paths: Sequence[Path], options: dict[str, Any], found: dict[str, Any]) -> None:
    from swath.tools.job import write_text

    for old in cache.glob(f"{key}-*.json"):
        old.unlink(missing_ok=True)
    write_text(_file(cache, key, paths, options), json.dumps(found))
