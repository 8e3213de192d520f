"""The page of fill and forecast: pictures first, then every method beside, then how the intervals were tried."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.save import write_text
from swath.report import series_plots as plots
from swath.report.figures import thin_of

if TYPE_CHECKING:
    import xarray as xr

    from swath.estimate import Estimate

__all__ = ["Look", "look", "write"]

_PIXELS = 4


@dataclass(frozen=True)
class Look:
    """What was seen of one store: fans of some pixels, a date before and after, the share of values filled."""

    fans: tuple[plots.Fan, ...]
    pictures: dict[str, np.ndarray]
    doubt: np.ndarray | None
    unit: str
    band: str
    date: str
    share: float


def look(store: Path, learned: Any, cube: xr.DataArray, allow: Sequence[str]) -> Look:
    """Read what the page shows from the store and the cube."""
    import zarr

    group = zarr.open_group(store, mode="r")
    ahead = learned.task == "forecast"
    counted = _counts(group["filled"])
    share = math.nan if ahead or not counted.sum() else float(counted[:, 1].sum() / max(1, counted[:, :2].sum()))
    band = int(np.argmax([learned.series.valid[..., c].sum() for c in range(len(learned.series.bands))]))
    facts = learned.series.bands[band]
    unit = facts.name if facts.units in ("1", "") else f"{facts.name} ({facts.units})"
    mixed = np.abs(counted[:, 1] / np.maximum(counted[:, :2].sum(1), 1) - 0.55)
    t = 0 if ahead else int(np.argmin(mixed))
    when = learned.days
    pictures, doubt, date = _before_after(group, cube, band, t, when, allow, ahead=ahead)
    fans = tuple(_fan(group, cube, band, place, when, allow, ahead=ahead) for place in _places(group, band, ahead))
    return Look(fans, pictures, doubt, unit, facts.name, date, share)


def _counts(filled: Any) -> np.ndarray:
    """(L, 2): values observed and filled on each date."""
    out = np.zeros((filled.shape[0], 2))
    for a in range(0, filled.shape[0], 32):
        part = np.asarray(filled[a : a + 32])
        axes = tuple(range(1, part.ndim))
        out[a : a + 32] = np.stack([(part == 0).sum(axes), ((part > 0) & (part < 255)).sum(axes)], axis=1)
    return out


def _places(group: Any, band: int, ahead: bool) -> list[tuple[int, int]]:
    """Some pixels with values, from different parts of the scene."""
    _, _, height, width = group["values"].shape
    found: list[tuple[int, int]] = []
    first = np.asarray(group["filled"][0, band])
    usable = np.argwhere(first != 255)
    if not len(usable):
        return []
    for y, x in ((0.3, 0.3), (0.3, 0.7), (0.7, 0.3), (0.7, 0.7))[:_PIXELS]:
        far = np.abs(usable - np.array([y * height, x * width])).sum(1)
        row, column = usable[int(far.argmin())]
        found.append((int(row), int(column)))
    return list(dict.fromkeys(found))


def _pixel(
    cube: xr.DataArray, band: int, place: tuple[int, int], allow: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Days and values of the clear dates of one pixel."""
    from swath.sample.window import read

    y, x = place
    pixels = read({"series": cube}, slice(y, y + 1), slice(x, x + 1), allow=allow).pixels["series"]
    ok = np.asarray(pixels.valid)[0, :, band, 0, 0]
    return cube.coords["time"].values[ok], np.asarray(pixels.values)[0, ok, band, 0, 0]


def _fan(
    group: Any,
    cube: xr.DataArray,
    band: int,
    place: tuple[int, int],
    when: np.ndarray,
    allow: Sequence[str],
    *,
    ahead: bool,
) -> plots.Fan:
    from swath.earth.time import from_days

    y, x = place
    seen_day, seen = _pixel(cube, band, place, allow)
    value, low, high = (np.asarray(group[n][:, band, y, x], float) for n in ("values", "low", "high"))
    known = np.asarray(group["filled"][:, band, y, x]) == 0
    nodata = np.asarray(group["filled"][:, band, y, x]) == 255
    day = from_days(when)
    if ahead and len(seen_day):  # the past as long as three times what is ahead, a year and a half at least
        back = max(np.timedelta64(550, "D"), 3 * (day[-1] - day[0]))
        recent = seen_day >= seen_day[-1] - back
        seen_day, seen = seen_day[recent], seen[recent]
    return plots.Fan(f"row {y}, column {x}", seen_day, seen, day, np.where(nodata, np.nan, value), low, high, known)


def _before_after(
    group: Any, cube: xr.DataArray, band: int, t: int, when: np.ndarray, allow: Sequence[str], *, ahead: bool
) -> tuple[dict[str, np.ndarray], np.ndarray | None, str]:
    from swath.earth.time import days, from_days

    height, width = cube.sizes["y"], cube.sizes["x"]
    step = thin_of((height, width), 360)
    own = days(cube.coords["time"].values)
    s = len(own) - 1 if ahead else int(np.argmin(np.abs(own - when[t])))
    before = _plane(cube, s, band, step, allow)
    if ahead:  # the last date with something to see
        while s > 0 and np.isfinite(before).mean() < 0.5:
            s -= 1
            before = _plane(cube, s, band, step, allow)
    pick = (t, band, slice(None, None, step), slice(None, None, step))
    nothing = np.asarray(group["filled"][pick]) == 255
    after = np.where(nothing, np.nan, np.asarray(group["values"][pick], float))
    doubt = np.asarray(group["high"][pick], float) - np.asarray(group["low"][pick], float)
    date, last = str(from_days(when[t]))[:10], str(cube.coords["time"].values[s])[:10]
    first = f"last seen, {last}" if ahead else f"observed, {last}" if abs(own[s] - when[t]) < 1 else f"nearest, {last}"
    after_title = f"forecast, {date}" if ahead else f"filled, {date}"
    return {first: before, after_title: after}, doubt if np.isfinite(doubt).any() else None, date


def _plane(cube: xr.DataArray, t: int, band: int, step: int, allow: Sequence[str]) -> np.ndarray:
    """One band of one date, thinned, NaN where it does not count."""
    from swath.sample.window import read

    height, width = cube.sizes["y"], cube.sizes["x"]
    one = cube.isel(time=[t], band=[band])
    out = []
    for top in range(0, height, 512):  # strips, so that a large scene costs no memory
        start = -(-top // step) * step - top
        pixels = read({"s": one}, slice(top, min(height, top + 512)), slice(0, width), allow=allow).pixels["s"]
        values = np.where(np.asarray(pixels.valid)[0, 0, 0], np.asarray(pixels.values)[0, 0, 0], np.nan)
        out.append(values[start::step, ::step])
    return np.concatenate(out)


def write(
    path: Path,
    title: str,
    verb: str,
    learned: Sequence[Any],
    looks: Sequence[Look],
    notes: Sequence[str],
    *,
    simulated: bool,
) -> Path:
    """Write the page whole or not at all; nothing outside of it is asked for, no clock and no path of the machine in it."""
    e = html.escape
    style = (files("swath.report") / "style.css").read_text("utf-8")
    parts = [_lead(title, verb, learned, simulated=simulated)]
    for one, seen in zip(learned, looks, strict=True):
        parts += _cube(one, seen, verb, several=len(learned) > 1)
    if notes:
        parts.append(
            f"<section><h2>Notes</h2><ul class='notes'>{''.join(f'<li>{e(n)}</li>' for n in notes)}</ul></section>"
        )
    parts.append(_words(verb))
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{e(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        f'<header class="top"><p class="brand">swath <span>{verb}</span></p></header>\n<main>{chr(10).join(parts)}</main></body></html>\n'
    )
    write_text(path, page)
    return path


def _lead(title: str, verb: str, learned: Sequence[Any], *, simulated: bool) -> str:
    e = html.escape
    says = []
    for one in learned:
        said = "filled by" if verb == "fill" else "forecast by"
        methods = " where others saw the date and ".join(dict.fromkeys(one.chosen))
        methods += " where none did" if len(set(one.chosen)) > 1 else ""
        says.append(
            f"{one.name}: {said} {methods}, off by {_amount(one.best.rmse)} (RMSE on values hidden on purpose)."
        )
        if one.model is not None:
            says.append(f"{one.name}: {one.notes[0]}.")
        if one.best.difference.defined:
            says.append(f"{one.name}: {_against(one.best.difference)}")
        held = one.coverage
        says.append(
            f"{one.name}: intervals at 0.90 held {_amount(held)} of hidden values, in places and on dates that they were not learned from."
            if held.defined
            else f"{one.name}: no intervals: {held.reason}."
        )
    chip = '<p><span class="chip warn">simulated</span></p>' if simulated else ""
    items = "".join(f"<li>{e(s)}</li>" for s in says)
    return f'<section class="lead"><h1>{e(title)}</h1>{chip}<ul class="says">{items}</ul></section>'


def _against(difference: Estimate) -> str:
    """The gain over the best plain baseline in words that its interval allows."""
    what = f"RMSE against the best plain baseline ({difference.method.rpartition('paired difference to ')[2].split(';')[0]})"
    if math.isfinite(difference.low) and difference.high < 0:
        verdict = "smaller"
    elif math.isfinite(difference.low) and difference.low > 0:
        verdict = "larger"
    else:
        verdict = "not told apart"
    return f"{what}: {verdict}, {_amount(difference)}."


def _amount(estimate: Estimate) -> str:
    return str(estimate)


def _cube(one: Any, seen: Look, verb: str, *, several: bool) -> list[str]:
    e, head = html.escape, f"{one.name}: " if several else ""
    ahead = one.task == "forecast"
    unit = one.best.rmse.unit if len(one.series.bands) == 1 else "deviations of each band"
    out = []
    if seen.pictures:
        words = (
            "Grey: nothing is known."
            if ahead
            else "Left as observed, grey under clouds or missing; right with gaps filled."
        )
        out.append(
            _figure(
                f"{head}{'What comes' if ahead else 'Before and after'}",
                plots.maps(seen.pictures, seen.unit, seen.doubt),
                f"{seen.band}. {words}",
            )
        )
    if seen.fans:
        words = "Some pixels from different parts of the scene. Black: observed."
        out.append(_figure(f"{head}Pixels over time", plots.fans(seen.fans, seen.unit, ahead=ahead), words))
    kinds = one.kinds[: len(one.kinds) // 2] if ahead else one.kinds
    methods = {j.name: j.by_kind for j in one.judged}
    by = "how far ahead" if ahead else "gap"
    if len(one.cases):
        words = f"RMSE by {by}, every method on the same hidden values, with 95 % intervals over places and moments together."
        out.append(_figure(f"{head}How far off", plots.errors(kinds, methods, one.best.name, unit), words))
    if one.curve:
        words = (
            f"How often intervals held, on places and moments that they were not learned from: {one.coverage.method}."
        )
        out.append(
            _figure(
                f"{head}Do the intervals hold?",
                plots.coverage(kinds, one.by_kind, one.curve, one.intervals.level),
                words,
            )
        )
    out.append(f"<section><h2>{e(head)}Every method</h2><div class='scroll'>{_methods(one)}</div></section>")
    if len(one.series.bands) > 1:
        out.append(f"<section><h2>{e(head)}RMSE by band</h2><div class='scroll'>{_bands(one)}</div></section>")
    return out


def _figure(title: str, png: bytes, words: str) -> str:
    e, data = html.escape, base64.b64encode(png).decode("ascii")
    return (
        f'<section><h2>{e(title)}</h2><figure><img alt="{e(words)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{e(words)}</figcaption></figure></section>"
    )


def _methods(one: Any) -> str:
    e = html.escape
    rows = []
    for j in one.judged:
        own = ' class="chosen"' if j.name == one.best.name else ""
        cells = [j.rmse, j.mae, j.crps, j.difference]
        shown = "".join(
            f'<td title="{e(c.method or c.reason)}">{e(_amount(c)) if c.defined else "-"}</td>' for c in cells
        )
        rows.append(f"<tr{own}><th>{e(j.name)}</th>{shown}</tr>")
    head = "<tr><th>method</th><th>RMSE</th><th>MAE</th><th>CRPS</th><th>RMSE against the best plain one</th></tr>"
    return f'<table class="outcome"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _bands(one: Any) -> str:
    """Every method's RMSE on each band, in the band's own unit."""
    e = html.escape
    names = [f"{b.name}" + (f" ({b.units})" if b.units not in ("1", "") else "") for b in one.series.bands]
    rows = []
    for j in one.judged:
        own = ' class="chosen"' if j.name == one.best.name else ""
        cells = "".join(f'<td title="{e(c.method)}">{f"{c.value:.4g}" if c.defined else "-"}</td>' for c in j.by_band)
        rows.append(f"<tr{own}><th>{e(j.name)}</th>{cells}</tr>")
    head = "<tr><th>method</th>" + "".join(f"<th>{e(n)}</th>" for n in names) + "</tr>"
    return f'<table class="outcome"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _words(verb: str) -> str:
    hid = (
        "Clear values were hidden the way the series' own gaps hide them: runs of dates with everything that was missing on "
        "them, laid over other dates."
        if verb == "fill"
        else "From many dates of the past every method said what came next, all leads at once, knowing nothing later than that "
        "date."
    )
    return (
        '<details class="words"><summary>How this was tried</summary><dl>'
        f"<dt>Hidden values</dt><dd>{hid}</dd>"
        "<dt>Places</dt><dd>The scene is cut into up to 8 x 8 places. A method is fitted to some and judged in the others; the "
        "row of swath's choice repeats the choice without the places it is judged in.</dd>"
        "<dt>Intervals of errors</dt><dd>Places and moments are resampled together; differences are paired on the same values.</dd>"
        "<dt>Intervals of values</dt><dd>Conformal, by band and by length of the gap or of the way ahead; wide enough for 0.90 of "
        "places, and of moments. Where too little was hidden, none is drawn.</dd></dl></details>"
    )
