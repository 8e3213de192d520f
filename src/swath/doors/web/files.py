"""Files by name for opening, and results handed out by a token that stands for one file."""

from __future__ import annotations

import mimetypes
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse
from starlette.routing import Route

from swath.doors.web.answers import Missing, answer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from swath.doors.roots import Roots
    from swath.doors.web.session import Session

__all__ = ["Handed", "routes"]

KEPT = 4096
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""A report is a page of its own: it may show itself and nothing else, and is no part of this origin."""
_SHOWN = {".html": "text/html; charset=utf-8", ".png": "image/png"}


class Handed:
    """Files that the page may fetch, by tokens that nobody can guess. One file keeps its token."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._paths: dict[str, tuple[Path, str]] = {}
        self._tokens: dict[tuple[Path, str], str] = {}
        self._lock = threading.Lock()

    def give(self, path: str | Path, name: str | None = None) -> dict[str, Any]:
        """{"name", "bytes", "href"} of a file of the workspace. Raises Missing."""
        found = self._roots.admit(str(Path(path).absolute())).path
        if not found.is_file():
            raise _missing()
        key = (found, name or found.name)
        with self._lock:
            token = self._tokens.get(key)
            if token is None:
                token = self._tokens[key] = secrets.token_urlsafe(18)
                self._paths[token] = key
                while len(self._paths) > KEPT:
                    oldest = next(iter(self._paths))
                    self._tokens.pop(self._paths.pop(oldest), None)
        return {"name": key[1], "bytes": found.stat().st_size, "href": f"files/{token}"}

    def find(self, token: str) -> tuple[Path, str]:
        """The file of a token, and its name. Raises Missing."""
        found = self._paths.get(token)
        if found is None:
            raise _missing()
        self._roots.admit(str(found[0]))
        return found


def _missing() -> Missing:
    return Missing(rule="a file is one that was handed out", got="no such file", remedy="export it again")


def routes(session: Session) -> list[Route]:
    """`GET api/files`, `GET files/{token}`."""

    async def names(request: Request) -> Response:
        def look() -> dict[str, Any]:
            return session.scenes.choices()

        return answer(await run_in_threadpool(look))

    def file(request: Request) -> Response:
        path, name = session.files.find(request.path_params["token"])
        shown = "show" in request.query_params and path.suffix.lower() in _SHOWN
        kind = _SHOWN.get(path.suffix.lower()) if shown else None
        kind = kind or mimetypes.guess_type(name)[0] or "application/octet-stream"
        how = "inline" if shown else "attachment"
        headers = {
            "Content-Disposition": f"{how}; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Security-Policy": SANDBOX,
            "Cache-Control": "no-store",
        }
        return FileResponse(path, headers=headers, media_type=kind)

    return [Route("/api/files", names), Route("/files/{token}", file)]
