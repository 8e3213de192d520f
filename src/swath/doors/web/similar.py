"""Similar places: the scene's tiles as vectors, kept in the workspace, and the tiles most like the examples clicked or drawn."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web.answers import answer, body, number, text, whole, window_given
from swath.errors import FormatError, SwathError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session
    from swath.tools.finding import Found, Tiles
    from swath.tools.job import Progress

__all__ = ["encoders", "examples", "find", "prepare", "routes"]

MOST = 48
MOST_EXAMPLES = 200
KEPT = 4
CATALOGUE = {"tiny": "swath-tiny", "statistics": "pixel statistics"}
_ASKED = {
    "auto": None,
    "swath-tiny": "tiny",
    "tiny": "tiny",
    "statistics": "statistics",
    "pixel statistics": "statistics",
}


def routes(session: Session) -> list[Route]:
    """`POST api/similar`; with `prepare` it only embeds the scene."""
    session.more.setdefault("state", {})["encoders"] = encoders

    async def similar(request: Request) -> Response:
        given = await body(request)
        scene = session.scenes.get(text(given, "scene", ""))
        date = scene.date(text({"date": given.get("date") or ""}, "date"))
        word = text(given, "encoder", "auto", most=40)
        if word not in _ASKED:
            raise SwathError(
                rule="tiles are compared by swath-tiny or by pixel statistics", got=repr(word), remedy="choose one"
            )
        arguments = {
            "session": session,
            "scene": scene,
            "date": date,
            "yes": examples(given.get("yes"), "yes", scene),
            "no": examples(given.get("no"), "no", scene),
            "k": whole(given, "k", 12, low=1, high=MOST),
            "side": whole(given, "tile", low=4, high=512) if given.get("tile") is not None else None,
            "encoder": _ASKED[word],
        }
        if given.get("prepare") is True:
            for name in ("yes", "no", "k"):
                del arguments[name]
            return answer(await run_in_threadpool(session.job, "similar", prepare, arguments), 202)
        return answer(await run_in_threadpool(session.job, "similar", find, arguments), 202)

    return [Route("/api/similar", similar, methods=["POST"])]


def encoders(session: Session | None = None) -> list[dict[str, Any]]:
    """The encoders that tiles are compared by, the first one that is ready first, by their names in the catalogue."""
    from importlib.util import find_spec

    return [
        {"name": CATALOGUE["tiny"], "ready": find_spec("torch") is not None and find_spec("safetensors") is not None},
        {"name": CATALOGUE["statistics"], "ready": True},
    ]


def examples(given: Any, name: str, scene: OpenScene) -> list[tuple[float, ...]]:
    """Places (col, row) and windows (first row, last row, first column, last column) that the page sent. Raises SwathError."""
    if given is None:
        return []
    if not isinstance(given, list) or len(given) > MOST_EXAMPLES or not all(isinstance(one, dict) for one in given):
        raise SwathError(
            rule=f"{name} is a list of up to {MOST_EXAMPLES} places", got="something else", remedy="send [{col, row}]"
        )
    height, width = scene.view.shape
    found: list[tuple[float, ...]] = []
    for one in given:
        window = one.get("window")
        if window is None:
            found.append((number(one, "col", low=0, high=width), number(one, "row", low=0, high=height)))
            continue
        r0, r1, c0, c1 = window_given(window)
        r0, r1 = (min(max(v, 0), height) for v in (r0, r1))
        c0, c1 = (min(max(v, 0), width) for v in (c0, c1))
        if r0 > r1 or c0 > c1:
            raise SwathError(
                rule="a window goes from the smaller number to the larger", got=repr(window)[:60], remedy="turn it"
            )
        found.append((r0, r1, c0, c1))
    return found


def prepare(
    session: Session,
    scene: OpenScene,
    date: int | None,
    side: int | None = None,
    encoder: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Embed the scene, so that the first search need not wait; what its tiles are."""
    return _about(scene, _tiles(session, scene, date, side, encoder, progress))


def _about(scene: OpenScene, tiles: Tiles) -> dict[str, Any]:
    metres = scene.view.metres
    return {
        "encoder": CATALOGUE.get(tiles.encoder, tiles.encoder),
        "tile": {"pixels": tiles.side, "metres": None if metres is None else round(tiles.side * metres, 1)},
    }


def find(
    session: Session,
    scene: OpenScene,
    date: int | None,
    yes: Sequence[tuple[float, ...]],
    no: Sequence[tuple[float, ...]],
    k: int,
    side: int | None = None,
    encoder: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The result of a search, as the page is told it."""
    from swath.tools.finding import similar

    tiles = _tiles(session, scene, date, side, encoder, progress)
    return _record(scene, date, tiles, similar(tiles, yes, no, k))


def _record(scene: OpenScene, date: int | None, tiles: Tiles, found: Found) -> dict[str, Any]:
    metres = scene.view.metres
    shown = None if date is None else scene.dates[date]
    first = _middle(found.yes[0])
    hits = []
    for n, (key, window, score) in enumerate(found.hits, 1):
        column, row = _middle(window)
        away = math.hypot(column - first[0], row - first[1])
        hits.append(
            {
                "key": key,
                "n": n,
                "col": column,
                "row": row,
                "window": _inside(window, scene),
                "score": round(min(1.0, max(0.0, score)), 4),
                "metres": None if metres is None else round(away * metres, 1),
                "chip": {"scene": scene.id, "col": column, "row": row, "pixels": tiles.side, "date": shown},
            }
        )
    threshold = found.threshold.value
    notes = list(tiles.notes)
    if threshold != threshold:
        notes.append("Without a threshold the ranking alone is told: look whether the first are similar at all")
    return {
        **_about(scene, tiles),
        "hits": hits,
        "answer": found.answer,
        "threshold": None if threshold != threshold else round(threshold, 4),
        "threshold_words": found.threshold.words,
        "best": None if found.best != found.best else round(max(0.0, found.best), 4),
        "searched": found.searched,
        "own": found.own,
        "unlike": found.unlike,
        "yes": [_inside(w, scene) for w in found.yes],
        "no": [_inside(w, scene) for w in found.no],
        "date": shown,
        "notes": notes,
    }


def _middle(window: Sequence[int]) -> tuple[float, float]:
    top, bottom, left, right = window
    return (left + right) / 2, (top + bottom) / 2


def _inside(window: Sequence[int], scene: OpenScene) -> list[int]:
    height, width = scene.view.shape
    top, bottom, left, right = window
    return [min(top, height), min(bottom, height), min(left, width), min(right, width)]


def _tiles(
    session: Session,
    scene: OpenScene,
    date: int | None,
    side: int | None,
    encoder: str | None,
    progress: Progress | None,
) -> Tiles:
    """The tiles of a scene and date: in memory, in the workspace, or embedded now; one search at a time embeds."""
    from swath.tools.finding import tiles_of

    mine = session.more.setdefault("similar", {"lock": threading.Lock(), "tiles": {}})
    shown = "all" if date is None else scene.dates[date]
    name = (scene.key, scene.rev, shown, side or 0, encoder or "")
    folder = session.folder / "cache" / "similar"
    stem = "-".join((scene.key, scene.rev, "".join(c for c in shown if c.isalnum()), str(side or "fit")))

    def place(used: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{stem}-{used}.zarr"

    with mine["lock"]:
        if name not in mine["tiles"]:
            cubes = {
                sensor: cube.isel(time=[_nearest(cube, shown)]) if "time" in cube.dims and date is not None else cube
                for sensor, cube in scene.opened.cubes.items()
            }
            try:
                made = tiles_of(cubes, place, side=side, encoder=encoder, progress=progress)
            except FormatError:
                # An archive that a crash or another swath left behind: embedded once more, then told.
                for old in folder.glob(f"{stem}-*"):
                    shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
                made = tiles_of(cubes, place, side=side, encoder=encoder, progress=progress)
            for old in list(mine["tiles"])[: max(0, len(mine["tiles"]) - KEPT + 1)]:
                del mine["tiles"][old]
            mine["tiles"][name] = made
        return mine["tiles"][name]  # type: ignore[no-any-return]


def _nearest(cube: Any, date: str) -> int:
    """Index of the date of a cube that is nearest to one given: sensors of one scene may have looked on other days."""
    import numpy as np

    there = cube.coords["time"].values.astype("datetime64[s]")
    return int(np.argmin(np.abs(there - np.datetime64(date).astype("datetime64[s]"))))
