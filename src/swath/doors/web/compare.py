"""`POST api/compare`: what changed between two dates, two scenes or two maps: layers, and a card with areas."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web import compared, numbered
from swath.doors.web.answers import answer, body, text, whole, window_given
from swath.doors.web.sides import arguments as between
from swath.doors.web.sides import sides
from swath.errors import LabelError, SwathError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session
    from swath.doors.web.sides import Side
    from swath.tools.change import ChangeResult
    from swath.tools.job import Progress

__all__ = ["card_of", "colours_of", "compare", "lay", "routes"]

ROWS = 20
"""Kinds of change in the card; the rest stand in the report."""
LABELS = 3
"""Labels that each of two classes needs for a comparison from class to class."""
_STAGES = {"mapping": "Comparing"}
_DIRECTIONS = {"decrease": "#1f4e9c", "increase": "#9c1f2e"}
"""The ends of the ramp of differences."""


def compare(session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
    """Queue the comparison; {"job", "compare": number}. Raises Missing, SwathError for what cannot be compared."""
    scene = session.scenes.get(text(given, "scene"))
    kind = text(given, "kind", "dates")
    arguments: dict[str, Any] = {}
    pair: tuple[Side, Side] | None = None
    if kind == "maps":
        arguments, titles = _maps(session, scene, given)
    elif kind == "dates":
        first, second, titles = sides(session, scene, given)
        pair = (first, second)
        if given.get("index"):
            arguments["index"] = text(given, "index", most=60)
    else:
        raise SwathError(rule="dates or maps are compared", got=kind[:20], remedy='kind "dates" or "maps"')
    number, folder = numbered.fresh(session.folder / "compare")
    try:
        if kind == "dates" and given.get("labels") is True:
            arguments |= _labels(session, scene, given, folder)
        area = _window(scene, given.get("window"), folder) if kind == "dates" else None
    except SwathError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if area is not None:
        arguments["area"] = str(area)

    def carried(progress: Progress) -> dict[str, Any]:
        import swath

        def tell(done: int, total: int, what: str) -> None:
            progress(done, max(1, total), _STAGES.get(what, what[:1].upper() + what[1:]))

        progress(0, 1, "Reading")
        read, why = ({}, None) if pair is None else between(*pair)
        try:
            found = swath.change(out=str(folder), progress=tell, simulated=scene.simulated, **arguments, **read)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return told(session, scene, number, folder, found, titles, given, [] if why is None else [why])

    try:
        return {**session.job("compare", carried, {}), "compare": number}
    except SwathError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _maps(session: Session, scene: OpenScene, given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, str]]:
    """The same for two maps by their numbers."""
    from swath.doors.web import maps

    numbers = [whole(given, side, low=1, high=10**8) for side in ("a", "b")]
    if numbers[0] == numbers[1]:
        raise SwathError(rule="two maps are compared", got="the same twice", remedy="choose another for B")
    files = []
    for n in numbers:
        if maps.kept(session, n).get("state") != "done":
            raise SwathError(
                rule="finished maps are compared", got=f"map {n} is not finished", remedy="finish it first"
            )
        files.append(str(maps.folder_of(session, n) / "classes.tif"))
    return {"scenes": files, "maps": True}, (f"Map {numbers[0]}", f"Map {numbers[1]}")


def _labels(session: Session, scene: OpenScene, given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The labels drawn so far, for a comparison from class to class, and which date they belong to. Raises LabelError."""
    from swath.doors.web import geojson
    from swath.doors.web.labels import journal_of
    from swath.tools.job import write_json

    state = journal_of(session, scene.key).to_json()
    counts: dict[str, int] = {}
    for label in state["labels"]:
        counts[label["class"]] = counts.get(label["class"], 0) + 1
    if sum(n >= LABELS for n in counts.values()) < 2:
        raise LabelError(
            rule=f"two classes with {LABELS} labels each tell change from class to class",
            got=f"{sum(n >= LABELS for n in counts.values())}",
            remedy="draw more labels, or look for any change",
        )
    # Beside the folder's own files: `change` asks for a folder that holds nothing of another run.
    path = folder.parent / f".labels-{folder.name}.geojson"
    write_json(path, geojson.exported(state, scene.view))
    seen = [str(label.get("date_seen") or "")[:10] for label in state["labels"]]
    nearer = [_days(s, str(given.get("a"))) <= _days(s, str(given.get("b"))) for s in seen if s]
    of = "before" if not nearer or sum(nearer) * 2 >= len(nearer) else "after"
    return {"labels": str(path), "labels_of": of, "column": "class", "fast": True}


def _days(one: str, other: str) -> float:
    import numpy as np

    try:
        return abs(float((np.datetime64(one[:10]) - np.datetime64(other[:10])).astype(int)))
    except ValueError:
        return math.inf


def _window(scene: OpenScene, window: Any, folder: Path) -> Path | None:
    """A file with the outline of a window; None for the whole scene."""
    from swath.doors.web.geojson import outline
    from swath.tools.job import write_json

    if window is None:
        return None
    top, bottom, left, right = window_given(window, whole)
    if (top, bottom, left, right) == (0, scene.view.shape[0], 0, scene.view.shape[1]):
        return None
    path = folder.parent / f".area-{folder.name}.geojson"
    write_json(path, outline(scene.view, (top, bottom, left, right)))
    return path


def told(
    session: Session,
    scene: OpenScene,
    number: int,
    folder: Path,
    found: ChangeResult,
    titles: Sequence[str],
    given: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The job's result: layers over the scene, the card, files. notes: sentences beside those of the run."""
    there = {t["code"] for t in found.transitions if t["mapped"]}
    colours = colours_of(session, scene, folder)
    layers = lay(session, scene, number, folder, there, colours)
    card = card_of(folder, found, titles, colours)
    card["notes"] += notes
    compared.keep(folder, scene, given, card, there)
    return {"id": number, "layers": layers, "card": card, "files": compared.files_of(session, folder)}


def lay(
    session: Session,
    scene: OpenScene,
    number: int,
    folder: Path,
    there: set[int],
    colours: Mapping[int, tuple[str, str]],
) -> list[dict[str, Any]]:
    """What changed, how likely, by how much: the uppermost first. there: codes of the kinds that occur."""
    from swath.doors.web.layers import Raster
    from swath.tools.change_legend import NO_CHANGE

    hidden = (0, NO_CHANGE, *(code for code in sorted(colours) if code > NO_CHANGE and code not in there))
    made: list[tuple[str, Raster]] = []
    more = {"compare": number}
    if (folder / "difference.tif").exists():
        reach = _reach(folder / "difference.tif")
        made.append(
            ("difference", Raster(folder / "difference.tif", "number", "Difference", scene.id, lo=-reach, hi=reach,
                                  ramp="diverging", more=more))
        )  # fmt: skip
    made.append(
        ("change", Raster(folder / "change.tif", "change", "What changed", scene.id, colours=colours,
                          hidden=hidden, more={**more, "swatch": _swatch([v[1] for c, v in colours.items() if c in there])}, on=not made))
    )  # fmt: skip
    if (folder / "probability.tif").exists():
        likely = {"class": "1"}
        made.append(
            ("probability", Raster(folder / "probability.tif", "probability", "Probability of change", scene.id,
                                   on=False, more={**more, "params": likely}))
        )  # fmt: skip
    return [session.layers.add(f"c{number}.{name}", raster) for name, raster in made]


def colours_of(session: Session, scene: OpenScene, folder: Path) -> dict[int, tuple[str, str]]:
    """{code: (name, colour)} of change.tif: of what came tinted by what was, in the page's own colours of classes."""
    import rasterio

    from swath.doors.web.labels import journal_of
    from swath.earth.colour import from_hexadecimal, hexadecimal, mixed
    from swath.sample.classmap import open_map

    known = {c["name"]: from_hexadecimal(c["colour"]) for c in journal_of(session, scene.key).to_json()["classes"]}
    kinds = {t["code"]: t for t in json.loads((folder / "transitions.json").read_text("utf-8"))["transitions"]}
    with rasterio.open(folder / "change.tif") as file:
        try:
            table = file.colormap(1)
        except ValueError:
            table = {}
    found = {}
    for code, name in open_map(folder / "change.tif").names.items():
        start, end = (known.get(kinds.get(code, {}).get(side, "")) for side in ("from", "to"))
        own = hexadecimal(table.get(code, (128, 128, 128, 255)))
        shown = hexadecimal(mixed(end, start, 0.3)) if start and end else _DIRECTIONS.get(name, own)
        found[code] = (name, shown)
    return found


def _swatch(colours: Sequence[str]) -> str:
    """The first four colours side by side, as CSS."""
    shown = list(colours)[:4] or ["transparent"]
    ends = [f"{c} {100 * i / len(shown):g}% {100 * (i + 1) / len(shown):g}%" for i, c in enumerate(shown)]
    return f"conic-gradient({', '.join(ends)})" if len(shown) > 1 else shown[0]


def _reach(path: Path) -> float:
    """How far the ramp of a difference goes to both sides: 98 % of the differences."""
    import numpy as np
    import rasterio

    from swath.doors.web.shows import nice

    with rasterio.open(path) as file:
        shape = (min(512, file.height), min(512, file.width))
        values = file.read(1, out_shape=shape)
    seen = np.abs(values[np.isfinite(values)])
    return nice(0.0, float(np.quantile(seen, 0.98)))[1] if seen.size else 1.0


def card_of(
    folder: Path, found: ChangeResult, titles: Sequence[str], colours: Mapping[int, tuple[str, str]]
) -> dict[str, Any]:
    """The change card: rows from the largest kind of change, with their intervals where there are any."""
    record = json.loads((folder / "transitions.json").read_text("utf-8"))
    unit = record["unit"]
    rows = [_row(t, unit, colours) for t in found.transitions if t["mapped"] or (t["area"]["value"] or 0) > 0]
    changed = found.changed.to_json()
    return {
        "title": f"{titles[0]} to {titles[1]}",
        "a": titles[0],
        "b": titles[1],
        "way": found.way,
        "unit": unit,
        "changed": {
            **{k: changed.get(k) for k in ("value", "low", "high", "method")},
            "reason": _plain(changed.get("reason") or ""),
        },
        "share": found.share if math.isfinite(found.share) else None,
        "missing": found.missing if math.isfinite(found.missing) else None,
        "rows": rows[:ROWS],
        "more": max(0, len(rows) - ROWS),
        "unchanged": record["unchanged"],
        "scores": {k: e.to_json() for k, e in found.scores.items()},
        "matrix": record.get("matrix"),
        "shift": list(found.shift),
        "notes": [_plain(note) for note in found.notes],
        "failed": found.failed,
        "simulated": found.changed.simulated,
    }


def _plain(text: str) -> str:
    """A sentence without the names of options of the command line."""
    return re.sub(r"\s*\((?:set |use |by )?--[^()]*\)", "", text)


def _row(kind: Mapping[str, Any], unit: str, colours: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    area = kind["area"]
    return {
        "from": kind["from"],
        "to": kind["to"],
        "kind": kind["kind"],
        "code": kind["code"],
        "value": area["value"],
        "low": area.get("low"),
        "high": area.get("high"),
        "counted": kind["mapped"],
        "reason": _plain(area.get("reason") or "") or None,
        "unit": unit,
        "colour": colours.get(kind["code"], ("", "#808080"))[1],
    }


def routes(session: Session) -> list[Route]:
    """`POST api/compare`, `GET api/compares/{n}`."""

    async def start(request: Request) -> Response:
        given = await body(request)
        return answer(await run_in_threadpool(compare, session, given), 202)

    return [Route("/api/compare", start, methods=["POST"]), *compared.routes(session)]
