"""Labels of the open scenes for the page: told, taken down in the journal, loaded and saved as GeoJSON."""

from __future__ import annotations

import contextlib
import importlib
import json
import threading
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from swath.doors.web import geojson
from swath.doors.web.answers import answer, body, text, whole
from swath.doors.web.journal import Journal
from swath.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from swath.doors.web.session import Session

__all__ = ["journal_of", "routes"]

MOST_BYTES = 32 * 2**20
_LOCK = threading.Lock()


def journal_of(session: Session, key: str) -> Journal:
    """The journal of the scene with this key, in the workspace."""
    with _LOCK:
        kept: dict[str, Journal] = session.more.setdefault("labels", {})
        if key not in kept:
            kept[key] = Journal(session.folder / "labels" / f"{key}.jsonl")
        return kept[key]


def routes(session: Session) -> list[Route]:
    """`GET api/labels`, `POST api/labels/ops`, `POST api/labels/load`."""

    def labels(request: Request) -> Response:
        scene = session.scenes.get(text(request.query_params, "scene"))
        state = journal_of(session, scene.key).to_json()
        if "geo+json" not in request.headers.get("accept", ""):
            return answer(state)
        words = json.dumps(geojson.exported(state, scene.view), ensure_ascii=False, allow_nan=False, indent=1)
        headers = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="labels.geojson"'}
        return Response(words + "\n", 200, headers, "application/geo+json")

    async def ops(request: Request) -> Response:
        given = await body(request)
        return answer(await run_in_threadpool(_take, session, given))

    async def load(request: Request) -> Response:
        given = await body(request, MOST_BYTES)
        return answer(await run_in_threadpool(_load, session, given))

    return [
        Route("/api/labels", labels, methods=["GET"]),
        Route("/api/labels/ops", ops, methods=["POST"]),
        Route("/api/labels/load", load, methods=["POST"]),
    ]


def _take(session: Session, given: dict[str, Any]) -> dict[str, Any]:
    """Write the operations down; gives the revision and what others have done since the page's own."""
    scene = session.scenes.get(text(given, "scene"))
    base = whole(given, "base", 0, low=0)
    journal = journal_of(session, scene.key)
    revision, new = journal.take(given.get("ops") or [])
    own = {str(op.get("id")) for op in given.get("ops") or [] if isinstance(op, dict)}
    others = [op for op in journal.since(base) if op["id"] not in own]
    if new:
        _warm(session)
        by = text(given, "by", "", most=64)
        session.events.send("labels", {"scene": scene.id, "revision": revision, "by": by})
    return {"revision": revision, "ops": others}


def _warm(session: Session) -> None:
    """Load, once and beside the work, what the first map will need: the person is still drawing."""
    if session.more.setdefault("warm", False):
        return
    session.more["warm"] = True

    def load() -> None:
        for name in (
            "sklearn.ensemble",
            "sklearn.linear_model",
            "sklearn.covariance",
            "geopandas",
            "swath.tools.finish",
        ):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)

    threading.Thread(target=load, name="warm", daemon=True).start()


def _load(session: Session, given: dict[str, Any]) -> dict[str, Any]:
    """Add the labels of a GeoJSON object, or of a file in the folders; gives what the page needs to take it back."""
    scene = session.scenes.get(text(given, "scene"))
    source = given.get("geojson")
    if not isinstance(source, dict):
        source = _read(session, text(given, "name"))
    journal = journal_of(session, scene.key)
    column = given.get("column") if isinstance(given.get("column"), str) else None
    found, notes = geojson.imported(
        source,
        scene.view,
        journal.to_json(),
        swap=given.get("swap") is True,
        own=given.get("own") is True,
        column=column,
    )
    journal.take(found)
    revision = journal.revision
    session.events.send("labels", {"scene": scene.id, "revision": revision, "by": text(given, "by", "", most=64)})
    added = [op["label"]["id"] for op in found if op["op"] == "add"]
    return {"revision": revision, "added": added, "notes": notes}


def _read(session: Session, name: str) -> dict[str, Any]:
    """A GeoJSON file inside the folders, by name. Raises FormatError."""
    found = session.roots.admit(name)
    path: Path = found.path
    wrong = FormatError(
        rule=f"labels are loaded from GeoJSON of at most {MOST_BYTES >> 20} MB",
        got=session.roots.name(path),
        remedy="save them as GeoJSON",
    )
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise wrong
    try:
        record = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(record, dict) or not session.roots.still(found):
        raise wrong
    return record
