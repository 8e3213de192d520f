"""What there is and what can be done: the first thing that a page asks for, and health, the one thing anyone may ask."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from swath.doors.web.answers import answer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.web.session import Session

__all__ = ["routes", "state"]

PARTS = ("scenes", "maps", "samples", "jobs")
WAIT = 120.0
"""Seconds that a page which has just been opened waits for the first scene."""


def state(session: Session) -> dict[str, Any]:
    """The record of `GET api/state`. Pieces add to it: session.more["state"] holds {name: function of the session}."""
    from swath import __version__
    from swath.doors.admit import offered
    from swath.doors.web.upload import LARGEST

    record: dict[str, Any] = {
        "version": __version__,
        "roots": [root.name for root in session.roots.folders],
        "abilities": {
            "verbs": offered(),
            "nn": find_spec("torch") is not None,
            "encoders": [],
            "ask": "rules",
        },
        "limits": {"upload_mb": LARGEST >> 20, "running": session.jobs.running, "waiting": session.jobs.waiting},
        "scenes": [scene.record() for scene in session.scenes.all()],
        "asking": asking(session),
        "refused": session.more.get("refused", []),
        "maps": [],
        "samples": [],
        "jobs": [session.job_record(job) for job in session.jobs.all()],
        "events": session.events.run,
    }
    for name, function in list(session.more.get("state", {}).items()):
        if name in record["abilities"]:
            record["abilities"][name] = function(session)
        else:
            record[name] = function(session)
    return dict(session.roots.hide(record))


def asking(session: Session) -> list[list[str]]:
    """Names of the scenes of the command line whose units have to be chosen before they open."""
    there = [set(scene.paths) for scene in session.scenes.all()]
    waiting = [files for files in session.more.get("asking", []) if set(files) not in there]
    return [[session.roots.name(path) for path in files] for files in waiting]


def routes(session: Session) -> list[Route]:
    """`GET api/state`; its lists by themselves for programs other than the page (`api/scenes`, `api/maps`, `api/samples`,
    `api/jobs`); `GET api/health`.
    """

    async def told() -> dict[str, Any]:
        opening = session.more.get("opening")  # set when what the command line named is open, or cannot be
        if opening is not None and not opening.is_set():
            await run_in_threadpool(opening.wait, WAIT)
        record: dict[str, Any] = await run_in_threadpool(state, session)
        return record

    async def whole(request: Request) -> Response:
        return answer(await told())

    async def part(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return answer({name: (await told())[name]})

    async def health(request: Request) -> Response:
        return answer({"ok": True})

    parts = [Route(f"/api/{name}", part, methods=["GET"]) for name in PARTS]
    return [Route("/api/state", whole), *parts, Route("/api/health", health)]
