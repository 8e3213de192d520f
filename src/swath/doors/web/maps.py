"""Maps of the page: labels from the journal, through the verb `map` in the background, into folders that run again.

A map is a folder maps/N of the workspace: labels.geojson and what `swath map` writes, and map.json, which says whose it is.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from swath.doors.web import card, geojson, maplayers, numbered, reference_card
from swath.doors.web.answers import Missing, answer, body, numeral, text, whole, window_given
from swath.doors.web.labels import journal_of
from swath.errors import Cancelled, LabelError, SwathError

if TYPE_CHECKING:
    from starlette.requests import Request

    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["listing", "make", "prepare", "record", "remove", "routes", "stage"]

LEAST = 2
"""Labels that a class needs to be mapped."""
STAGES = ("Reading", "Choosing a classifier", "Mapping", "Judging")
Progress = Callable[[int, int, str], None]


def folder_of(session: Session, n: int) -> Path:
    """The folder of map `n`."""
    return session.folder / "maps" / str(n)


def stage(what: str) -> str:
    """Which of STAGES a step of the verb belongs to."""
    if what.startswith("judging in"):
        return STAGES[3]
    if what.startswith("judging"):
        return STAGES[1]
    return STAGES[2] if what == "mapping" or what.startswith("writing") else STAGES[0]


def kept(session: Session, n: int) -> dict[str, Any]:
    """What map.json says. Raises Missing."""
    try:
        found = json.loads((folder_of(session, n) / "map.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _no_map() from error
    if not isinstance(found, dict):
        raise _no_map()
    return found


def _no_map() -> Missing:
    return Missing(rule="a map is one of those in the workspace", got="no such map", remedy="make it again")


def _keep(folder: Path, said: Mapping[str, Any]) -> None:
    from swath.tools.job import write_json

    write_json(folder / "map.json", said)


def numbers(session: Session) -> list[int]:
    """Numbers of the maps in the workspace, rising."""
    return numbered.numbers(session.folder / "maps")


def prepare(
    session: Session, scene: OpenScene, *, window: tuple[int, int, int, int] | None = None, better: bool = False
) -> int:
    """Make the folder of a new map with the labels as they are now; its number. Raises LabelError, GridError."""
    from swath.tools.job import write_json

    state = journal_of(session, scene.key).to_json()
    count = {c["id"]: 0 for c in state["classes"]}
    for label in state["labels"]:
        count[label["class"]] += 1
    if sum(n >= LEAST for n in count.values()) < 2:
        got = ", ".join(f"{c['name']} {count[c['id']]}" for c in state["classes"]) or "no class"
        raise LabelError(rule="two classes with 3 labels each are enough to start", got=got, remedy="add labels")
    area = None if window is None else geojson.outline(scene.view, window)
    names = [c["name"] for c in state["classes"] if count[c["id"]]]
    known = {c["name"]: c["colour"] for c in state["classes"]}
    n, folder = numbered.fresh(session.folder / "maps")
    write_json(folder / "labels.geojson", geojson.exported(state, scene.view))
    if area is not None:
        write_json(folder / "area.geojson", area)
    said = {
        "n": n,
        "key": scene.key,
        "name": scene.name,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "window": None if window is None else list(window),
        "better": better,
        "labels": len(state["labels"]),
        "classes": [{"name": name, "colour": known[name]} for name in names],
        "state": "waiting",
    }
    _keep(folder, said)
    return n


def make(session: Session, n: int, progress: Progress) -> dict[str, Any]:
    """Carry out the map of a prepared folder, or go on where it was stopped; {"map": n}.

    What is finished shows as it comes. Called off or refused, finished tiles stay and the folder says so.
    """
    import swath

    folder, said = folder_of(session, n), kept(session, n)
    scene = maplayers.scene_of(session, said)
    if scene is None:
        raise _no_map()
    area = folder / "area.geojson"
    begun = time.monotonic()
    live = maplayers.Live(session, n, scene, said)

    def tell(done: int, total: int, what: str) -> None:
        if what == "mapping":
            live.show(done, last=done == total)  # first: progress ends here when the map is called off
        progress(done, max(1, total), stage(what))

    progress(0, 1, STAGES[0])
    _keep(folder, {**said, "state": "running"})
    try:
        result = swath.map(
            [str(p) for p in scene.paths],
            labels=str(folder / "labels.geojson"),
            out=str(folder),
            column="class",
            kind="class",
            fast=not said["better"],
            title=f"Map {n} of {said['name']}",
            area=str(area) if area.exists() else None,
            safe=not scene.trusted,
            simulated=scene.simulated,
            progress=tell,
            **scene.reading,
        )
    except (Cancelled, SwathError) as error:
        _stopped(session, n, said, live, error)
        raise
    seconds = round(time.monotonic() - begun, 1)
    _keep(folder, {**said, "state": "done", "seconds": seconds, "chosen": result.chosen, "failed": result.failed})
    maplayers.lay(session, n, scene, kept(session, n))
    session.events.send("maps", {"n": n, "scene": scene.id, "state": "done"})
    return {"map": n}


def _stopped(session: Session, n: int, said: dict[str, Any], live: maplayers.Live, error: Exception) -> None:
    """Keep what was finished, or nothing where nothing was."""
    folder = folder_of(session, n)
    part = maplayers.part_of(folder)
    if not part.exists() or not live.done:
        session.layers.remove(f"m{n}.classes")
        shutil.rmtree(folder, ignore_errors=True)
        session.events.send("maps", {"n": n, "scene": live.scene.id, "state": "gone"})
        return
    why = "stopped" if isinstance(error, Cancelled) else "failed"
    words = None if why == "stopped" else session.roots.hide(str(error))
    _keep(folder, {**said, "state": why, "tiles": live.done, "why": words})
    live.show(live.done, last=True)
    session.events.send("maps", {"n": n, "scene": live.scene.id, "state": why})


def record(session: Session, n: int) -> dict[str, Any]:
    """All about a map: layers, the result card, files. Raises Missing."""
    said, folder = kept(session, n), folder_of(session, n)
    scene = maplayers.scene_of(session, said)
    if scene is None:
        raise _no_map()
    common = {
        **{
            k: said.get(k)
            for k in ("n", "name", "made", "window", "better", "labels", "state", "seconds", "chosen", "why")
        },
        "title": f"Map {n}",
        "scene": scene.id,
        "layers": maplayers.lay(session, n, scene, said),
    }
    if said["state"] != "done":
        return {**common, "card": None, "files": {}}
    earlier = [m for m in numbers(session) if m < n and _same(session, m, said["key"])]
    return {
        **common,
        "kind": "class",
        **card.made(session, n, scene, said, folder, before=earlier[-1] if earlier else None),
        "earlier": earlier,
        "files": {name: session.files.give(path) for name, path in _files(session, n, folder).items()},
    }


def _files(session: Session, n: int, folder: Path) -> dict[str, Path]:
    """What the card links to: report and run.json, and the report of the reference sample where there is one."""
    found = {"report": folder / "report.html", "run": folder / "run.json"}
    sample = reference_card.latest(session.folder, n)
    if sample is not None and (sample / "report.html").is_file():
        found["reference"] = sample / "report.html"
    return found


def _same(session: Session, n: int, key: str) -> bool:
    """Whether an earlier map is done and of this scene."""
    try:
        said = kept(session, n)
    except Missing:
        return False
    return said.get("key") == key and said.get("state") == "done"


def listing(session: Session) -> list[dict[str, Any]]:
    """Maps of the open scenes, by number."""
    found = []
    for n in numbers(session):
        try:
            said = kept(session, n)
        except Missing:
            continue
        scene = maplayers.scene_of(session, said)
        if scene is not None and said.get("state") in ("done", "stopped", "failed"):
            found.append({"n": n, "scene": scene.id, "made": said["made"], "title": f"Map {n}", "state": said["state"]})
    return found


def remove(session: Session, n: int) -> dict[str, Any]:
    """Take a map and its folder away. Raises Missing."""
    kept(session, n)
    if _busy(session, n):
        raise LabelError(rule="a map that is being made is stopped first", got=f"map {n}", remedy="stop it")
    for kind in maplayers.ALL:
        session.layers.remove(f"m{n}.{kind}")
    shutil.rmtree(folder_of(session, n), ignore_errors=True)
    session.events.send("maps", {"n": n, "state": "gone"})
    return {"removed": n}


def _busy(session: Session, n: int) -> bool:
    """Whether a job that makes this map waits or runs."""
    job = session.jobs.get(session.more.setdefault("mapping", {}).get(n, 0))
    return job is not None and not job.over.is_set()


def under_way(session: Session) -> list[dict[str, Any]]:
    """Maps of the open scenes that are being made, with their jobs."""
    found = []
    for n, job in list(session.more.setdefault("mapping", {}).items()):
        if not _busy(session, n):
            continue
        try:
            scene = maplayers.scene_of(session, kept(session, n))
        except Missing:
            continue
        if scene is not None:
            found.append({"n": n, "scene": scene.id, "job": job})
    return found


def _queue(session: Session, given: dict[str, Any]) -> dict[str, Any]:
    new = given.get("go_on") is None
    if new:
        scene = session.scenes.get(text(given, "scene"))
        window = None if given.get("window") is None else window_given(given["window"], whole)
        n = prepare(session, scene, window=window, better=given.get("better") is True)
    else:
        n = whole(given, "go_on", low=1)
        if kept(session, n).get("state") not in ("stopped", "failed") or _busy(session, n):
            raise LabelError(rule="a map that was stopped goes on", got=f"map {n} was not", remedy="make a new one")

    def carried(progress: Progress) -> dict[str, Any]:
        return make(session, n, progress)

    try:
        found = session.job("map", carried, {})
    except SwathError:
        if new:
            shutil.rmtree(folder_of(session, n), ignore_errors=True)
        raise
    session.more.setdefault("mapping", {})[n] = found["job"]["id"]
    return {**found, "map": n}


def routes(session: Session) -> list[Route]:
    """`POST api/maps`, `GET` and `DELETE api/maps/{n}`; the maps in `api/state`."""
    session.more.setdefault("state", {}).update(maps=listing, mapping=under_way)

    async def start(request: Request) -> Response:
        given = await body(request)
        return answer(await run_in_threadpool(_queue, session, given), 202)

    def one(request: Request) -> Response:
        return answer(session.roots.hide(record(session, _number(request))))

    def gone(request: Request) -> Response:
        return answer(remove(session, _number(request)))

    return [
        Route("/api/maps", start, methods=["POST"]),
        Route("/api/maps/{n}", one, methods=["GET"]),
        Route("/api/maps/{n}", gone, methods=["DELETE"]),
    ]


def _number(request: Request) -> int:
    n = numeral(request.path_params["n"], low=1)
    if n is None:
        raise _no_map()
    return n
