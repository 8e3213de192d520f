"""Reference samples: drawn from a map by `swath sample`, answered place by place, handed to `swath assess`."""

from __future__ import annotations

import json
import re
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web import numbered, reference_card, reference_report
from swath.doors.web.answers import Missing, answer, body, text, whole
from swath.doors.web.walk import Walk, steps_of, truth
from swath.errors import DesignError, SwathError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.session import Session
    from swath.doors.web.view import View

__all__ = ["SIZE", "Subject", "assess", "draw", "find", "routes", "subject", "summary"]

SIZE = 240
"""Places of a sample, where nobody asks for another number: about 4 points on an accuracy of 90 %."""
MOST = 5000
_NAME = re.compile(r"r[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Subject:
    """A map that a sample is drawn from. classes: what may be answered, in the order of the page; view: the scene's grid.

    corner: row and column of the map's first pixel on the scene's grid, for maps without coordinates. made: when, so that
    another map which gets the same number later is not taken for this one.
    """

    n: int
    path: Path
    scene_key: str
    view: View
    classes: list[dict[str, str]]
    corner: tuple[int, int] = (0, 0)
    made: str = ""
    name: str = ""


def subject(session: Session, n: int) -> Subject:
    """The finished map of this number, with the scene that it was made of. Raises Missing, DesignError."""
    from swath.doors.web import maplayers, maps
    from swath.doors.web.labels import journal_of

    said = maps.kept(session, n)
    scene = maplayers.scene_of(session, said)
    if scene is None:
        raise Missing(
            rule="a reference sample is drawn from a map of an open scene",
            got="its scene is not open",
            remedy="open it",
        )
    if said.get("state") != "done":
        raise DesignError(
            rule="a reference sample is drawn from a finished map", got=f"map {n} is not", remedy="map again, then draw"
        )
    own = {str(c["name"]): str(c["colour"]) for c in said["classes"]}
    drawn = {str(c["name"]): str(c["colour"]) for c in journal_of(session, scene.key).to_json()["classes"]}
    window = said.get("window") or (0, 0, 0, 0)
    return Subject(
        n,
        maps.folder_of(session, n) / "classes.tif",
        scene.key,
        scene.view,
        [{"name": name, "colour": colour} for name, colour in {**drawn, **own}.items()],
        (int(window[0]), int(window[2])),
        str(said["made"]),
        scene.name,
    )


def draw(
    folder: Path,
    of: Subject,
    *,
    size: int = SIZE,
    seed: int | None = None,
    progress: Any = None,
) -> Walk:
    """Draw a sample into a new folder r1, r2 ... of `folder`. Raises DesignError for a size that cannot be."""
    from swath import __version__
    from swath.tools.sample import sample

    seed = secrets.randbelow(10**6) if seed is None else seed
    _, place = numbered.fresh(folder, "r")  # one that was begun and not finished is not used again
    drawn = sample(of.path, place / "sample.gpkg", size=size, seed=seed, progress=progress)
    record = {
        "format": 1,
        "swath": __version__,
        "map": of.n,
        "map_made": of.made,
        "name": of.name,
        "scene_key": of.scene_key,
        "seed": seed,
        "classes": of.classes,
        "places": _places(place / "sample.gpkg", of),
        "steps": steps_of(drawn.points, seed),
        "pixels": {s["name"]: s["pixels"] for s in drawn.strata},
        "drawn": drawn.to_json() | {"out": "sample.gpkg"},
    }
    from swath.cube.save import write_text

    write_text(place / "design.json", json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
    return Walk(place)


def _places(path: Path, of: Subject) -> list[tuple[float, float, str]]:
    """(col, row, stratum) of each point on the scene's grid, in the order in which they were drawn."""
    import geopandas as gpd

    points = gpd.read_file(path, engine="pyogrio").sort_values("id")
    names = [str(n) for n in points["stratum_name"]]
    if of.view.pixel or points.crs is None:
        cols = points["pixel_column"].to_numpy(float) + of.corner[1] + 0.5
        rows = points["pixel_row"].to_numpy(float) + of.corner[0] + 0.5
        return [(float(c), float(r), n) for c, r, n in zip(cols, rows, names, strict=True)]
    if of.view.crs is not None and not points.crs.equals(of.view.crs):
        points = points.to_crs(of.view.crs)
    where = [of.view.to_pixel(float(p.x), float(p.y)) for p in points.geometry]
    return [(round(c, 3), round(r, 3), n) for (c, r), n in zip(where, names, strict=True)]


def assess(walk: Walk, classes: Path, *, progress: Any = None) -> dict[str, Any]:
    """Judge the map by what was answered; `swath assess` writes into the sample's folder. {"map", "sample"}.

    Raises DesignError when a mapped class has too few answers.
    """
    from swath.tools import assess as judging

    if lacking := walk.needs():
        raise DesignError(
            rule="areas need at least 2 answers in every mapped class",
            got=", ".join(f"{name} has {walk.has()[name]}" for name in lacking),
            remedy="go on; the answers so far are kept",
        )
    judging.assess(
        classes, truth=truth(walk, walk.folder / "reference.gpkg"), out=walk.folder / "assess", progress=progress
    )
    return {"map": int(walk.design["map"]), "sample": walk.id}


def find(session: Session, name: str) -> Walk:
    """The sample of this name, the same object for all who ask. Raises Missing."""
    if not _NAME.fullmatch(name):
        raise Missing(
            rule="a reference sample is one of this folder", got="no such sample", remedy="draw one from a map"
        )
    walks: dict[str, Walk] = session.more.setdefault("walks", {})
    with session.more.setdefault("walks lock", threading.Lock()):
        if name not in walks:
            walks[name] = Walk(session.folder / "samples" / name)
        return walks[name]


def summary(session: Session) -> list[dict[str, Any]]:
    """The samples of the workspace, as `api/state` lists them."""
    found = []
    for path in sorted((session.folder / "samples").glob("r*/design.json"), key=lambda p: (len(str(p)), str(p))):
        try:
            walk = find(session, path.parent.name)
            record = walk.record()
        except SwathError:
            continue
        if not reference_card.is_of(session.folder, walk.design):
            continue
        keys = ("id", "map", "scene_key", "size", "steps", "answered", "finished", "assessed")
        found.append({k: record[k] for k in keys})
    return found


def routes(session: Session) -> list[Route]:
    """`POST api/samples`, `GET api/samples/{id}`, `POST api/samples/{id}/answers`, `POST api/samples/{id}/assess`."""
    session.more.setdefault("state", {})["samples"] = summary

    async def begin(request: Request) -> Response:
        given = await body(request)
        n = whole(given, "map", low=1)
        size = whole(given, "size", SIZE, low=2, high=MOST)
        seed = None if given.get("seed") is None else whole(given, "seed", low=0, high=2**31 - 1)

        def start() -> dict[str, Any]:
            of = subject(session, n)
            arguments = {"folder": session.folder / "samples", "of": of, "size": size, "seed": seed}
            return session.job("sample", draw, arguments, done=lambda walk: {"sample": walk.id})

        return answer(await run_in_threadpool(start), 202)

    def one(request: Request) -> Response:
        return answer(find(session, request.path_params["id"]).record(stopping="stop" in request.query_params))

    async def take(request: Request) -> Response:
        given = await body(request)

        def work() -> dict[str, Any]:
            walk = find(session, request.path_params["id"])
            op, step = text(given, "op", most=64), whole(given, "point", low=0)
            if given.get("undo"):
                walk.back(op, step)
            else:
                said, why = given.get("answer"), given.get("why")
                walk.answer(
                    op,
                    step,
                    None if said is None else text(given, "answer", most=200),
                    None if why is None else text(given, "why", most=40),
                )
            return walk.record()

        return answer(await run_in_threadpool(work))

    async def judge(request: Request) -> Response:
        await body(request)

        def start() -> dict[str, Any]:
            walk = find(session, request.path_params["id"])
            n = int(walk.design["map"])
            if not reference_card.is_of(session.folder, walk.design):
                raise Missing(
                    rule="a sample judges the map that it was drawn from", got="that map is gone", remedy="draw another"
                )
            path = session.folder / "maps" / str(n) / "classes.tif"

            def done(result: dict[str, Any]) -> dict[str, Any]:
                name = str(walk.design.get("name") or "the scene")
                reference_report.write(walk.folder / "report.html", session.folder, n, name, walk.classes)
                session.events.send("maps", {"n": n})
                return result

            return session.job("assess", assess, {"walk": walk, "classes": path}, done=done)

        return answer(await run_in_threadpool(start), 202)

    return [
        Route("/api/samples", begin, methods=["POST"]),
        Route("/api/samples/{id}", one, methods=["GET"]),
        Route("/api/samples/{id}/answers", take, methods=["POST"]),
        Route("/api/samples/{id}/assess", judge, methods=["POST"]),
    ]
