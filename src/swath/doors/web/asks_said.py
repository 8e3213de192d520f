"""What the page is told of an answer: numbers with windows in pixels of the view, calls without paths, questions back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.doors.web.laid import Laid, corner_of
from swath.errors import SwathError

if TYPE_CHECKING:
    from swath.doors.web.asks import Source
    from swath.doors.web.view import View
    from swath.tools.ask import Answer

__all__ = ["area_of", "rings_of", "told"]

Box = tuple[int, int, int, int]


def area_of(view: View, source: Source, window: Box) -> str | None:
    """A window of the view as the verb takes it: rows and columns of the map, degrees for a scene; None for all of it."""
    path = source.path / "classes.tif" if source.n is not None else None
    if path is not None:
        shape, grid = _grid(path)
        top, bottom, left, right = _between(view, grid, shape, window, inward=True)
        if (top, bottom, left, right) == (0, shape[0], 0, shape[1]):
            return None
        if top >= bottom or left >= right:
            raise SwathError(
                rule="a question is about what is seen of the map",
                got=f"{source.name} lies elsewhere",
                remedy="move to it, or ask of the whole scene",
            )
        return f"rows {top}:{bottom}, columns {left}:{right}"
    if view.pixel:
        return None
    top, bottom, left, right = window
    ends = [view.to_lonlat(c, r) for c in (left, (left + right) / 2, right) for r in (top, (top + bottom) / 2, bottom)]
    known = [e for e in ends if e is not None]
    if len(known) < len(ends):
        return None
    lon, lat = [e[0] for e in known], [e[1] for e in known]
    return f"{min(lon):.9f},{min(lat):.9f},{max(lon):.9f},{max(lat):.9f}"


def _grid(path: Path) -> tuple[tuple[int, int], Any]:
    from swath.cube import gdal
    from swath.cube.georeference import geobox_of

    source = gdal.handle(str(path))
    grid, _ = geobox_of(source)
    return (int(source.height), int(source.width)), grid


def _between(view: View, grid: Any, shape: tuple[int, int], window: Box, *, inward: bool) -> Box:
    """A window of the view in pixels of a map's grid (`inward`), or the other way round, cut at the other's edges."""
    height, width = shape if inward else view.shape
    corner = (0, 0) if shape == view.shape else corner_of(grid)
    laid = Laid(view, None if grid is None else grid.crs, None if grid is None else grid.affine, corner)
    top, bottom, left, right = laid.around(window, inward=inward, near=1e-3)
    top, bottom = (min(max(v, 0), height) for v in (top, bottom))
    left, right = (min(max(v, 0), width) for v in (left, right))
    return top, bottom, left, right


def rings_of(view: View, found: Any) -> list[Any] | None:
    """Outlines of counted pixels as polygons in pixels of the view; None where they are too many, or on another grid."""
    from swath.tools.asking_pixels import outlines

    height, width = found.shape
    top, bottom, left, right = _between(view, found.grid, found.shape, (0, height, 0, width), inward=False)
    if (bottom - top, right - left) != (height, width):
        return None
    made = outlines(found)
    return made and [[[[x + left, y + top] for x, y in ring] for ring in rings] for rings in made]


def told(
    found: Answer, sources: Sequence[Source], view: View, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the record for the page, {"evidence", "window", "text"} of each of its numbers that has pixels, in their order)."""
    from swath.language.answer import Number

    names = {str(s.path.resolve()): s.name for s in sources}
    names |= {str((s.path / "classes.tif").resolve()): s.name for s in sources if s.n is not None}
    by_name = {s.name: s.n for s in sources}
    numbers: list[dict[str, Any]] = []
    opened: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []
    for part in found.parts:
        if not isinstance(part, Number):
            parts.append({"text": part.replace("swath map makes one", "label and map it to count classes")})
            continue
        evidence = _absolute(part.evidence, folder)
        record = part.to_json()
        window = _seen(evidence, view, opened)
        name = names.get(str(evidence.get("map", "")))
        if name is None and _written(str(evidence.get("map") or ""), folder):
            name = "change"
        record["evidence"] = {
            "map": by_name.get(name or ""),
            "name": name,
            "window": window,
            "codes": [c for c in evidence.get("codes") or [] if c is not None],
            "before": names.get(str(evidence.get("before", ""))),
        }
        shows = bool(name) and window is not None
        record["pixels"] = len(numbers) if shows else None
        if shows:
            numbers.append({"evidence": evidence, "window": window, "text": part.text})
        parts.append({"number": record})
    return {
        "question": found.question,
        "planner": found.planner,
        "text": found.text,
        "parts": parts,
        "calls": [
            {
                "n": c.n,
                "verb": c.verb,
                "arguments": _named(c.arguments, names),
                "files": [Path(f).name for f in c.files],
            }
            for c in found.calls
        ],
        "plan": None if found.plan is None else found.plan.words,
        "back": _back(found, sources),
        "next": [q for q in found.next if "[class]" not in q],
        "notes": [_plain(n) for n in found.notes],
    }, numbers


def _absolute(evidence: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Evidence with whole paths. Of a map of change that a call wrote, every class but `no change` is what counts."""
    made = dict(evidence)
    for name in ("map", "before", "on"):
        path = str(made.get(name) or "")
        if path and not Path(path).is_absolute():
            made[name] = str(folder / path)
        elif path:
            made[name] = str(Path(path).resolve())
    if _written(str(made.get("map") or ""), folder) and not made.get("codes"):
        from swath.language.source import open_raster

        made.pop("before", None)
        classes = open_raster(made["map"]).legend.classes
        made["codes"] = [c.code for c in classes if c.name.lower() != "no change"]
    return made


def _written(path: str, folder: Path) -> bool:
    """Whether a call of this answer wrote the map."""
    return Path(path).name == "change.tif" and folder in Path(path).parents and Path(path).is_file()


def _seen(evidence: Mapping[str, Any], view: View, opened: dict[str, Any]) -> list[int] | None:
    """The window of the view that an evidence counts in; None where it names no pixels."""
    from swath.tools.asking_pixels import place

    try:
        target, window = place(evidence, opened=opened)
    except SwathError:
        return None
    return list(_between(view, target.grid, target.shape, window, inward=False))


def _named(value: Any, names: Mapping[str, str]) -> Any:
    """Arguments with the names of maps in the stead of their paths."""
    if isinstance(value, Mapping):
        return {str(k): _named(v, names) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def _plain(note: str) -> str:
    """Notes of the verb without the words of its command line."""
    note = re.sub(r" \((?:--[a-z-]+|swath [a-z]+(?:, swath [a-z]+)*)\)", "", note)
    return note[:1].upper() + note[1:]


_ASK = {
    ("class", "much"): "How much of this is {}?",
    ("class", "densest"): "Where is the highest share of {}?",
    ("date", "compare"): "Compare with {}",
    ("date", "changed"): "What changed between {} and {}?",
}


def _back(found: Answer, sources: Sequence[Source]) -> dict[str, Any] | None:
    """The question back. ask: what each option asks when it is chosen; None where it is written into the field."""
    back = found.back
    if back is None or found.parts:
        return None
    missing = getattr(back, "missing", ("meaning",))[:1]
    kind, here = getattr(back, "nearest", ""), sources[-1]
    words, options = back.text, list(back.options)
    if missing == ("map",):
        words = f"There is no map of {here.name} yet, so nothing can be counted. Label a few places and map it, then ask again."
        return {"text": words, "options": ["Describe this view"], "ask": ["Describe this view"], "missing": "map"}
    if missing == ("date",) and not options:
        words = "There is one map here, and two are needed. Map the scene again, then ask; two dates are compared in Compare."
        return {"text": words, "options": [], "ask": [], "missing": "date"}
    asks: list[str | None] = []
    shown = (
        [o for o in options if o.partition(" (")[0] != here.name]
        if missing == ("date",) and kind in ("compare", "changed")
        else options
    )
    for option in shown:
        whole = (
            option.endswith("?") or option.startswith(("Describe", "Compare")) or not missing or missing == ("meaning",)
        )
        form = _ASK.get((missing[0], kind)) if missing else None
        if whole:
            asks.append(None if "[class]" in option else option)
        elif form is not None:
            asks.append(form.format(option.partition(" (")[0], here.name))
        else:
            asks.append(None)
    return {"text": words, "options": shown, "ask": asks, "missing": missing[0] if missing else ""}
