"""What the page of a change shows: both dates, the layers, sentences; made of the finished folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.report import change_page, figures

if TYPE_CHECKING:
    from swath.estimate import Estimate
    from swath.tools.change_areas import Areas
    from swath.tools.change_pair import Pair
    from swath.tools.change_ways import Way

__all__ = ["write"]


def write(
    folder: Path,
    pair: Pair,
    way: Way,
    areas: Areas,
    scores: Mapping[str, Estimate],
    judged: str,
    objects: int,
    asked: Mapping[str, Any],
    say: Sequence[str],
    *,
    simulated: bool,
) -> Path:
    """Write report.html: no clock, no paths of the machine, so that the same run gives the same bytes."""
    import swath

    remarks = (asked["remarks"] or "").splitlines()
    page = change_page.Page(
        title=asked["title"] or f"Change from {pair.dates[0]} to {pair.dates[1]}",
        headline=_headline(areas),
        says=_says(way, areas, objects, asked["smallest"]),
        views=_views(folder, pair, way),
        rows=_rows(way, areas),
        unit=areas.unit,
        facts=_facts(pair),
        shift=way.shift,
        matrix=None if areas.matrix is None else change_page.Matrix(way.legend.classes, areas.matrix.tolist()),
        scores=list(scores.items()),
        judged=judged,
        candidates=way.candidates,
        doubts=_doubts(way),
        assumed=list(dict.fromkeys(say)),
        remarks=remarks,
        files=_files(folder),
        version=swath.__version__,
        simulated=simulated,
    )
    return change_page.write(folder / "report.html", page)


def _headline(areas: Areas) -> str:
    from swath.report.words import number

    if not areas.changed.defined:
        return "No pixel was seen on both dates"
    unit = "pixels" if areas.unit == "pixel" else areas.unit
    share = 100 * areas.changed.value / areas.total if areas.total else math.nan
    return f"{number(areas.changed.value)} {unit} changed, {share:.1f} % of what both dates show"


def _says(way: Way, areas: Areas, objects: int, smallest: int) -> list[str]:
    e = areas.changed
    unit = "pixels" if areas.unit == "pixel" else areas.unit
    said = [f"Told by {way.name}; {objects:,} objects of {smallest} pixels or more."]
    if math.isfinite(e.low):
        said.append(
            f"Between {e.low:,.4g} and {e.high:,.4g} {unit} ({100 * e.level:.0f} % interval, by the map's own probabilities)."
        )
    elif e.reason:
        said.append(f"No interval: {e.reason}.")
    if areas.missing > 0:
        said.append(
            f"{100 * areas.missing:.1f} % of the scene has no answer: one of the dates is missing, clouded or nodata there."
        )
    if way.shift:
        said.append(f"{way.shift[0][0].upper()}{way.shift[0][1:]}.")
    return said


def _views(folder: Path, pair: Pair, way: Way) -> dict[str, Any]:
    views: dict[str, Any] = {}
    if way.pictures:
        views["Before"] = figures.scene_picture({"": pair.before})
        views["After"] = figures.scene_picture({"": pair.after})
    views["Change"] = figures.class_picture(folder / "change.tif", way.legend.colours)
    if (folder / "probability.tif").is_file():
        views["Probability"] = change_page.share_picture(
            folder / "probability.tif", 1, "probability of change: pale 0, deep red 1"
        )
    if (folder / "doubt.tif").is_file():
        views["Doubt"] = change_page.share_picture(
            folder / "doubt.tif", 1, "deep red: undecided; hatched: change that a shift by one pixel would explain", top=100,
            hatch=2 if way.has_shift else 0,
        )  # fmt: skip
    return views


def _rows(way: Way, areas: Areas) -> list[change_page.Row]:
    rows = [
        change_page.Row(way.legend.colours[k.code], k.name, areas.mapped[k.code], areas.kinds[k.code])
        for k in way.legend.kinds
    ]
    rows.sort(key=lambda r: -r.mapped)
    return rows


def _doubts(way: Way) -> list[str]:
    said = ["Doubt: where change and no change are about equally likely."]
    if way.has_shift:
        said.append("Hatched: the change is gone when the after date is moved by one pixel; it may be a shift.")
    return said


def _facts(pair: Pair) -> list[tuple[str, str]]:
    facts = []
    for side, cube, date in (("before", pair.before, pair.dates[0]), ("after", pair.after, pair.dates[1])):
        names = [str(b) for b in cube.coords["band"].values]
        listed = ", ".join(names) if len(names) <= 12 else f"{len(names)} bands, {names[0]} to {names[-1]}"
        quantities = ", ".join(sorted({str(q).replace("_", " ") for q in cube.coords["quantity"].values}))
        facts.append((side, f"{date}: {listed}; {quantities}"))
    crs = None if pair.grid is None or pair.grid.crs is None else pair.grid.crs
    place = "no CRS: areas in pixels" if crs is None else f"EPSG:{crs.epsg}" if crs.epsg else "a CRS without EPSG code"
    facts.append(("grid", f"{pair.shape[0]} x {pair.shape[1]} pixels, {place}"))
    return facts


_ABOUT = {
    "change.tif": "code of each pixel: 0 no data, 1 no change, 2 and on kinds of change, with legend",
    "probability.tif": "probability of change, then of each kind",
    "doubt.tif": "where it is undecided, and change that a shift would explain",
    "difference.tif": "difference with its interval",
    "before.tif": "classes before",
    "after.tif": "classes after",
    "objects.gpkg": "what changed as polygons with areas, intervals and probabilities",
    "transitions.csv": "areas of each kind with intervals; transitions.json holds the same",
    "change.json": "every number of this page",
    "assessment.json": "how good, by the truth",
    "model": "tells change in other pairs: swath change A B --model model",
    "run.json": "inputs, options, versions: swath again run.json --out there",
}


def _files(folder: Path) -> list[tuple[str, str]]:
    return [(n, about) for n, about in _ABOUT.items() if n == "run.json" or (folder / n).exists()]
