"""What fill and forecast share: series of a cube learned from, methods judged and one taken, every window answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.assess import foretold, hidden
from swath.assess.drawn import draw
from swath.assess.foretold import Intervals, Judged
from swath.assess.hidden import Cases
from swath.baseline.forecast import Forecaster, Series
from swath.baseline.methods import AHEAD, BETWEEN, PLAIN
from swath.baseline.rows import targets
from swath.errors import SwathError, UnitError
from swath.estimate import Estimate
from swath.tools.job import Progress

if TYPE_CHECKING:
    import xarray as xr


__all__ = ["CHOICE", "Learned", "checked", "days_every", "learn", "length_of"]

CHOICE = "swath's choice"
ROUNDS, FOLDS = 6, 4  # how often values are hidden anew, and parts that places are dealt into
_LEAST = 4  # dates


@dataclass(frozen=True)
class Learned:
    """A cube's series and what was found by hiding some of their values.

    judged: every method, the choice last; chosen: (where others saw the date, where none did); coverage: of the intervals, on
    places and dates that they did not learn from; by_kind the same; curve: (level, coverage). level 0.90.
    """

    name: str
    task: str
    series: Series
    days: np.ndarray
    cases: Cases
    weight: np.ndarray
    judged: tuple[Judged, ...]
    chosen: tuple[str, str]
    intervals: Intervals
    coverage: Estimate
    by_kind: tuple[Estimate, ...]
    curve: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    model: Forecaster | None = None

    @property
    def best(self) -> Judged:
        """The row of what answers."""
        return self.judged[-1]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each kind of gap or lead is, in words."""
        edges = [0.0, *self.intervals.edges]
        what = "ahead" if self.task == "forecast" else "gap"
        spans = [f"{what} up to {b:g} days" for b in edges[1:]] + [f"{what} longer than {edges[-1]:g} days"]
        spans = spans if self.intervals.edges else [f"any {what}"]
        if self.task == "forecast":
            return (*spans, *spans)
        return (*(f"{s}, others seen" for s in spans), *(f"{s}, nothing seen" for s in spans))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "cube": self.name,
            "task": self.task,
            "dates": len(self.series.day[0]),
            "series_drawn": len(self.series),
            "places": len(np.unique(self.series.place)),
            "hidden_values": len(self.cases),
            "chosen": {"where_others_saw_the_date": self.chosen[0], "where_none_did": self.chosen[1]},
            "kinds": [
                {"kind": k, "weight": float(w), "coverage": e.to_json()}
                for k, w, e in zip(
                    self.kinds, self.weight.sum(0) / max(self.weight.sum(), 1e-12), self.by_kind, strict=True
                )
            ],
            "methods": [j.to_json() for j in self.judged],
            "intervals": self.intervals.to_json(),
            "coverage": self.coverage.to_json(),
            "coverage_at_other_levels": [{"level": a, "coverage": b} for a, b in self.curve],
            "notes": list(self.notes),
        }


def checked(cube: xr.DataArray, name: str, *, task: str) -> tuple[xr.DataArray, list[str]]:
    """The cube with the bands that change over time. Raises SwathError for one date, no dates or none that can be said."""
    if "time" not in cube.dims or cube.sizes["time"] < _LEAST:
        n = cube.sizes.get("time", 0)
        raise SwathError(
            rule=f"{task} needs a series of at least {_LEAST} dates",
            got=f"{name} with {'no date' if not n else f'{n} date{chr(115) if n > 1 else str()}'}",
            remedy="give more scenes of the place, with dates in their names (NAME_2020-06-01.tif) or tags",
        )
    kinds = [str(q) for q in cube.coords["quantity"].values]
    keep = [i for i, q in enumerate(kinds) if q not in ("class", "elevation")]
    notes = [
        f"{name}: {cube.coords['band'].values[i]} left out: {kinds[i]} does not change by date"
        for i in range(len(kinds))
        if i not in keep
    ]
    if not keep:
        raise UnitError(
            rule=f"{task} is of measurements", got=f"{', '.join(kinds)} in {name}", remedy="name other bands"
        )
    return cube.isel(band=keep) if len(keep) < len(kinds) else cube, notes


def length_of(text: str | int | float, option: str) -> float:
    """Days of 90d, 12w, 3m, 1y or a number. Raises SwathError."""
    import re

    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(d|days?|w|weeks?|m|months?|y|years?)?\s*", str(text))
    if match is None or float(match[1]) <= 0:
        raise SwathError(rule=f"{option} is a length of time", got=repr(text), remedy="write 90d, 12w, 3m or 1y")
    return float(match[1]) * {"d": 1.0, "w": 7.0, "m": 30.436875, "y": 365.2425}[(match[2] or "d")[0]]


def days_every(day: np.ndarray, every: str) -> np.ndarray:
    """Days from the first to the last date, `every` so often, counted from midnight of the first."""
    step = length_of(every, "--every")
    return np.asarray(np.floor(day[0]) + np.round(np.arange(0.0, day[-1] - np.floor(day[0]) + 1e-9, step)))


def learn(
    cube: xr.DataArray,
    name: str,
    *,
    task: str,
    days: np.ndarray | None,
    allow: Sequence[str],
    model: Forecaster | None,
    seed: int,
    simulated: bool,
    progress: Progress | None,
) -> Learned:
    """Draw series, hide values as clouds do (or look ahead from the past), judge every method, take one, learn intervals.

    days: wanted; None: those of the cube. Raises SwathError when nothing is clear.
    """
    series = draw(cube, allow=allow, **({} if model is None else {"values": 120_000}))
    if not len(series):
        raise SwathError(
            rule=f"{task} learns from clear values",
            got=f"{name}: none in the {cube.sizes['time']} dates",
            remedy="let other flags count with --allow snow,shadow, or give more dates",
        )
    series, cube_notes = _changing(series, name)
    own = series.day[0]
    if task == "fill" and days is None and series.valid.all() and not _any_missing(cube, allow):
        raise SwathError(
            rule="fill says values that are missing",
            got=f"{name}: every value of its {len(own)} dates is there",
            remedy="ask for other dates with --every 10d or --at, or --allow none where flags hide clouds",
        )
    wanted = own if days is None else days
    table: dict[str, hidden.Maker] = dict(BETWEEN if task == "fill" else AHEAD)  # type: ignore[arg-type]
    if model is not None:
        table[model.name] = lambda: model
    rounds = int(np.clip(600_000 // max(1, series.values.size), 1, ROUNDS))
    places = len(np.unique(series.place))
    if task == "fill":
        cases = hidden.fill_cases(series, table, seed=seed, rounds=rounds, folds=FOLDS, progress=progress)
    else:
        horizon = float(wanted[-1] - own[-1])
        some = (
            series if len(series) <= 600 else series.rows(np.unique(np.linspace(0, len(series) - 1, 600).astype(int)))
        )
        cases = hidden.forecast_cases(some, table, horizon=horizon, seed=seed, progress=progress)
    notes = [*cube_notes, *cases.notes, *_season_notes(own, name)]
    if model is not None:
        notes.insert(
            0,
            f"{model.name} was trained beforehand and not again here: if it learned from these very scenes and dates, it knew "
            "values that were hidden from the others, and its row is too good",
        )
    edges = foretold.edges_of(cases, 3 if task == "fill" else 4)
    weight = _weights(series, wanted, edges, task)
    among = () if model is None else (model.name,)
    chosen = _choice(cases, edges, weight, task, among)
    by_fold = {int(f): _choice(_fold(cases, int(f)), edges, weight, task, among) for f in np.unique(cases.fold)}
    judged_on = foretold.spliced(cases, CHOICE, *chosen, by_fold=by_fold)
    units = [b.name if b.units in ("1", "") else b.units for b in series.bands]  # a share would be told in per cent
    judged = foretold.judge(judged_on, edges, weight, units=units, best=PLAIN, seed=seed, simulated=simulated)
    final = foretold.spliced(cases, CHOICE, *chosen)
    made, coverage, by_kind, curve = foretold.intervals(
        final, CHOICE, edges, len(units), seed=seed, simulated=simulated
    )
    made = replace(made, scaled=tuple(foretold.scaled_of(cases, m) for m in chosen))  # type: ignore[arg-type]
    if made.reason:
        notes.append(f"{name}: {made.reason}: values stand without one")
    if places < 6:
        notes.append(f"{name}: {places} place{'s' if places > 1 else ''} only: errors have no interval over places")
    return Learned(
        name, task, series, wanted, final, weight, tuple(judged), chosen, made, coverage, tuple(by_kind), tuple(curve),
        tuple(dict.fromkeys(notes)), model,
    )  # fmt: skip


def _any_missing(cube: xr.DataArray, allow: Sequence[str]) -> bool:
    """Whether any value of the cube is missing or flagged, looked at window by window."""
    from swath.predict.tile import choose_size, tiles
    from swath.sample.window import Windows

    shape = (cube.sizes["y"], cube.sizes["x"])
    windows = Windows({"series": cube}, allow=tuple(allow))
    size = choose_size(shape, cube.sizes["time"] * cube.sizes["band"])
    return any(
        not np.asarray(windows.read(t.rows, t.columns).pixels["series"].valid).all() for t in tiles(shape, size=size)
    )


def _changing(series: Series, name: str) -> tuple[Series, list[str]]:
    """A band that no pixel changes over its clear dates is refused alone: the caller leaves it out."""
    spread = [
        float(np.ptp(np.where(series.valid[..., c], series.values[..., c], np.nan)[series.valid[..., c]]))
        if series.valid[..., c].any()
        else 0.0
        for c in range(len(series.bands))
    ]
    flat = [b.name for b, s in zip(series.bands, spread, strict=True) if s == 0]
    return series, [f"{name}: {', '.join(flat)} holds one value only"] if flat else []


def _fold(cases: Cases, f: int) -> Cases:
    """The cases of the other folds; all where there is one fold."""
    use = cases.fold != f
    if not use.any():
        return cases
    return cases.rows(use)


def _choice(
    cases: Cases, edges: Sequence[float], weight: np.ndarray, task: str, among: Sequence[str]
) -> tuple[str, str]:
    """The method where others saw the date, and where none did; one for all where a sort has too few cases."""
    if not len(cases):
        first = among[0] if among else cases.methods[1 if task == "fill" else 0]
        return first, first
    whole = foretold.choose(cases, edges, weight, among=among)
    if task == "forecast":
        return whole, whole
    out = []
    half = weight.shape[1] // 2
    for sort in (False, True):
        use = cases.alone == sort
        if use.sum() < foretold.FEWEST:
            out.append(whole)
            continue
        part = weight.copy()
        part[:, :half] *= not sort
        part[:, half:] *= sort
        some = cases.rows(use)
        out.append(foretold.choose(some, edges, part if part.sum() > 0 else np.ones_like(part), among=among))
    return out[0], out[1]


def _weights(series: Series, days: np.ndarray, edges: Sequence[float], task: str) -> np.ndarray:
    """(C, K): how many of the values that are asked for are of each kind, in the drawn series."""
    kinds, bands = 2 * (len(edges) + 1), len(series.bands)
    out = np.zeros((bands, kinds))
    if task == "forecast":
        lead = days - series.day[0, -1]
        out += np.bincount(foretold.kinds_of(lead, np.zeros(len(lead), bool), edges), minlength=kinds)
        return out
    when = np.union1d(series.day[0], days)
    place = np.searchsorted(when, series.day[0])
    valid = np.zeros((len(series), len(when), bands), bool)
    valid[:, place] = series.valid
    put = Series(
        np.zeros(valid.shape, np.float32),
        valid,
        np.broadcast_to(when, (len(series), len(when))),
        series.place,
        series.bands,
    )
    gap = targets(put, np.zeros(valid.shape[:2], bool))
    alone = np.broadcast_to(hidden.lonely(valid), valid.shape)
    wanted = np.zeros(len(when), bool)
    wanted[np.searchsorted(when, days)] = True
    kind = foretold.kinds_of(gap, alone, edges)
    for c in range(bands):
        use = ~valid[..., c] & wanted & valid[..., c].any(1, keepdims=True)
        out[c] = np.bincount(kind[..., c][use], minlength=kinds)
    return out if out.sum() > 0 else np.ones((bands, kinds))


def _season_notes(day: np.ndarray, name: str) -> list[str]:
    span = float(day[-1] - day[0])
    if span >= 1.5 * 365.25:
        return []
    return [
        f"{name}: {len(day)} dates over {span:.0f} days are too few for a season of their own: what needs another year falls "
        "back on the mean of the clear values"
    ]
