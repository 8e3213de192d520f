"""Jobs: any verb carried out in the background, followed and called off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from swath.doors.web.answers import Missing, answer, body, numeral, text
from swath.errors import SwathError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.jobs import Job
    from swath.doors.web.session import Session

__all__ = ["routes"]


def routes(session: Session) -> list[Route]:
    """`POST api/jobs`, `GET` and `DELETE api/jobs/{id}`."""

    async def queue(request: Request) -> Response:
        given = await body(request)
        verb, arguments = text(given, "verb"), given.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise SwathError(rule="arguments are an object", got=type(arguments).__name__, remedy="send {...}")
        from starlette.concurrency import run_in_threadpool

        return answer(await run_in_threadpool(_start, session, verb, arguments), 202)

    def one(request: Request) -> Response:
        return answer({"job": session.job_record(_find(session, request))})

    def stop(request: Request) -> Response:
        job = _find(session, request)
        job.cancel()
        session.tell(job)
        return answer({"job": session.job_record(job)}, 202)

    return [
        Route("/api/jobs", queue, methods=["POST"]),
        Route("/api/jobs/{id}", one, methods=["GET"]),
        Route("/api/jobs/{id}", stop, methods=["DELETE"]),
    ]


def _find(session: Session, request: Request) -> Job:
    number = numeral(request.path_params["id"])
    job = None if number is None else session.jobs.get(number)
    if job is None:
        raise Missing(rule="a job is one of this run", got="no such job", remedy="see api/state for those there are")
    return job


def _start(session: Session, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from swath.doors.admit import admit

    call = admit(verb, arguments, session.roots, session.more.get("remote"))

    def done(result: Any) -> dict[str, Any]:
        if not call.unchanged(session.roots):
            raise Missing(rule="files stay what they were while a verb reads them", got="another", remedy="ask again")
        results = result if isinstance(result, (list, tuple)) else [result]
        records = [r.to_json() for r in results]
        record = records[0] if len(records) == 1 and isinstance(records[0], dict) else {"results": records}
        return {**record, "written": [session.files.give(path) for path in _written(call.out)]}

    return session.job(call.verb, call.function, call.arguments, done=done)


def _written(out: Path | None) -> list[Path]:
    """The files that a verb wrote, as far as a person would look at them."""
    if out is None or not out.exists():
        return []
    return [out] if out.is_file() else sorted(p for p in out.iterdir() if p.is_file() and p.name[0] != ".")[:64]
