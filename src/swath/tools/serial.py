"""How fill and forecast are carried out once scenes are open: cube by cube, then the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import SwathError
from swath.tools.fill import Series, SeriesResult, finish
from swath.tools.job import Job, Progress
from swath.tools.scenes import Opened
from swath.tools.series import CHOICE, Learned, checked, learn
from swath.tools.series_write import named, write

if TYPE_CHECKING:
    import xarray as xr

    from swath.baseline.forecast import Forecaster

__all__ = ["carry_out"]

Wanted = Callable[[np.ndarray, dict[str, Any], str], "np.ndarray | None"]
_ALLOWED = ("cloud", "shadow", "snow", "saturated")


def carry_out(
    verb: str, opened: Opened, asked: dict[str, Any], job: Job, wanted: Wanted, progress: Progress | None
) -> SeriesResult:
    """Learn from every cube, answer all its windows, and say how good that is."""
    from swath.earth.time import days
    from swath.report import series_page

    folder, simulated = Path(asked["out"]), bool(asked["simulated"] or opened.simulated)
    allow = _allow(asked["allow"])
    model = None if asked["model"] is None else _model(asked["model"], verb)
    notes, made, outcomes, learned_all, shown = [*opened.notes], [], [], [], []
    failed = 0
    cubes: dict[str, xr.DataArray] = {}
    days_of: dict[str, np.ndarray | None] = {}
    for name, cube in opened.cubes.items():  # everything that can be refused is refused before the long work
        cubes[name], said = checked(cube, name, task=verb)
        notes += said
        days_of[name] = wanted(days(cube.coords["time"].values), asked, name)
        if cube.dtype == np.float64:
            notes.append(f"{name}: kept as 32-bit floats")
    for name, file in named(cubes, "filled" if verb == "fill" else "forecast").items():
        cube = cubes[name]
        learned = learn(
            cube, name, task=verb, days=days_of[name], allow=allow, model=model, seed=asked["seed"],
            simulated=simulated, progress=progress,
        )  # fmt: skip
        written = write(
            learned, cube, folder / file, allow=allow, mark=_mark(job), simulated=simulated,
            workers=asked["workers"], progress=progress,
        )  # fmt: skip
        failed += len(written.failed)
        notes += [*learned.notes, *written.reasons, *_seen(model, learned)]
        made.append(folder / file)
        if asked["tif"]:
            made += _dates(folder / file, folder, name if len(cubes) > 1 else "", cube, learned.days)
        shown.append(series_page.look(folder / file, learned, cube, allow))
        learned_all.append(learned)
        outcomes.append(_outcome(learned, file, shown[-1].share))
    notes = list(dict.fromkeys(notes))
    record = {
        "format": 1,
        "verb": verb,
        "simulated": simulated,
        "cubes": [one.to_json() for one in learned_all],
        "notes": notes,
    }
    title = asked["title"] or ("Gaps filled" if verb == "fill" else "Forecast")
    made.append(series_page.write(folder / "report.html", title, verb, learned_all, shown, notes, simulated=simulated))
    files = tuple(sorted({p.relative_to(folder).parts[0] for p in made} | {"series.json", "run.json"}))
    result = SeriesResult(
        str(folder), verb, tuple(outcomes), "\n".join(_table(one) for one in learned_all), files, tuple(notes), failed
    )
    finish(job, folder, made, record, result.to_json())
    return result


def _allow(given: list[str] | None) -> tuple[str, ...]:
    names = ["snow"] if given is None else [g for g in given if g != "none"]
    if wrong := [n for n in names if n not in _ALLOWED]:
        raise SwathError(
            rule=f"--allow takes flags: {', '.join(_ALLOWED)}, or none", got=", ".join(wrong), remedy="choose of these"
        )
    return tuple(names)


def _model(path: str | Path, verb: str) -> Forecaster:
    """A trained file that can fill or forecast. Raises SwathError for another family."""
    from swath import models
    from swath.baseline.forecast import Forecaster

    if not Path(path).is_file():
        raise SwathError(rule="--model is a file of swath train", got=f"no file {path}", remedy="look at the path")
    found = models.load(str(path))
    if not isinstance(found, Forecaster):
        raise SwathError(
            rule=f"--model of {verb} is a file that learned to fill or forecast",
            got=f"{Path(path).name}: {type(found).__name__}",
            remedy="train one: swath train SCENES --family deco",
        )
    return found


def _seen(model: Forecaster | None, learned: Learned) -> list[str]:
    """A warning where a trained file may have seen the very values that it is judged on here."""
    span = getattr(model, "span", None)
    day = learned.series.day
    if span is None or float(np.nanmin(day)) > span[1] or float(np.nanmax(day)) < span[0]:
        return []
    first, last = (np.datetime64(int(d), "D") for d in span)
    return [
        f"{learned.name}: the model was trained on dates from {first} to {last}: if on these very places, its errors here are "
        "too good; its own judgement, in places left out, stands in the run.json beside its file"
    ]


def _mark(job: Job) -> list[Any]:
    """What decides the answers: inputs by their content and the options, not paths, threads or titles."""
    inputs = [{k: v for k, v in i.items() if k != "path"} for i in job.inputs]
    left_out = ("out", "scenes", "workers", "title", "tif", "model")
    return [inputs, {k: v for k, v in job.arguments.items() if k not in left_out}]


def _outcome(learned: Learned, file: str, share: float) -> Series:
    from swath.baseline.methods import PLAIN

    plain = [j for j in learned.judged if j.name in PLAIN and np.isfinite(j.rmse.value)]
    best = min(plain, key=lambda j: j.rmse.value).name if plain else ""
    method = " / ".join(dict.fromkeys(learned.chosen))
    return Series(
        name=learned.name, file=file, method=method, error=learned.best.rmse, best=best, gain=learned.best.difference,
        coverage=learned.coverage, dates=len(learned.days), filled=share,
    )  # fmt: skip


def _table(learned: Learned) -> str:
    from swath.report.table import table

    rows = [
        (
            "> " + j.name if j.name == CHOICE else "  " + j.name,
            str(j.rmse),
            str(j.difference) if j.difference.defined else "-",
        )
        for j in learned.judged
    ]
    return f"{learned.name}: values hidden on purpose\n" + table(["method", "RMSE", "against the best plain one"], rows)


def _dates(store: Path, folder: Path, name: str, cube: xr.DataArray, when: np.ndarray) -> list[Path]:
    """One GeoTIFF a date with the bands, and low and high of each."""
    import zarr

    from swath.cube import contract
    from swath.cube.save import save
    from swath.earth.time import from_days

    group = zarr.open_group(store, mode="r")
    ends = ("", "_low", "_high")
    bands = contract.bands_of(cube)
    made = []
    for t, moment in enumerate(from_days(when)):
        day = str(moment)[:10]
        nothing = np.asarray(group["filled"][t]) == 255
        planes = [np.asarray(group[k][t], np.float32) for k in ("values", "low", "high")]
        planes[0] = np.where(nothing, np.float32(np.nan), planes[0])
        picture = contract.make(
            np.concatenate(planes),
            bands=[f"{b.name}{end}" for end in ends for b in bands],
            geobox=contract.grid(cube),
            wavelength=[b.wavelength for b in bands] * 3,
            fwhm=[b.fwhm for b in bands] * 3,
            gsd=[b.gsd for b in bands] * 3,
            quantity=["other" if b.quantity == "digital_number" else b.quantity for b in bands] * 3,
            units=[b.units for b in bands] * 3,
        )
        stem = f"{name}_{day}" if name else f"{store.stem}_{day}"
        made.append(save(picture, folder / "dates" / f"{stem}.tif", tags={"date": day}))
    return made
