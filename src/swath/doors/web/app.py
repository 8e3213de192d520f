"""The page's routes put together: each piece gives its own, in a fixed order."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from swath.doors.web import (
    asks,
    chip,
    compare,
    events,
    exports,
    files,
    labels,
    maps,
    point,
    samples,
    scenes,
    series,
    similar,
    state,
    still,
    tiles,
    work,
)
from swath.doors.web.answers import Missing, answer, refused
from swath.doors.web.security import fault
from swath.errors import SwathError

if TYPE_CHECKING:
    from starlette.requests import Request

    from swath.doors.web.security import Keys
    from swath.doors.web.session import Session

__all__ = ["assets", "build", "guarded", "version"]

PIECES = (
    state, scenes, events, work, files, tiles, point, series, chip, still, labels, maps, samples, compare, similar, asks, exports,
)  # fmt: skip
"""Each gives `routes(session)`."""
STATIC = Path(__file__).with_name("static")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".png": "image/png",
    ".webp": "image/webp",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}


def build(session: Session) -> Starlette:
    """The app of a session, without its guard. Pieces raise SwathError; its text is answered without paths."""
    routes = [*_page()]
    for piece in PIECES:
        routes += piece.routes(session)

    def no(request: Request, error: Exception) -> Response:
        if isinstance(error, SwathError):
            return refused(error, session.roots)
        if isinstance(error, ClientDisconnect):
            return Response(status_code=499)  # nobody hears it
        if not isinstance(error, HTTPException):
            return Response(fault(error), 500, media_type="application/json")
        if error.status_code == 405:
            return answer({"rule": "a route has its methods", "got": "another", "remedy": "see the docs"}, 405)
        return refused(Missing(rule="the page asks for what there is", got="something else", remedy="reload it"))

    handlers: dict[Any, Any] = {SwathError: no, HTTPException: no, ClientDisconnect: no, Exception: no}
    return Starlette(routes=routes, exception_handlers=handlers)


def guarded(session: Session, keys: Keys, hosts: frozenset[str], *, name: str = "swath") -> Any:
    """The app behind its checks: what a server runs."""
    from swath.doors.web.security import Guarded

    return Guarded(build(session), keys, hosts, name=name)


@cache
def assets() -> dict[str, Path]:
    """The page's files by their names below `static/`: nothing else can be asked for."""
    found = sorted(p for p in STATIC.rglob("*") if p.is_file() and p.suffix in _KINDS)
    return {p.relative_to(STATIC).as_posix(): p for p in found}


@cache
def version() -> str:
    """Of the page's files: a digest of their names, sizes and times, so that browsers keep them for ever."""
    from swath import __version__

    found = hashlib.sha256(__version__.encode())
    for name, path in assets().items():
        state = path.stat()
        found.update(f"{name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return found.hexdigest()[:12]


@cache
def _content(name: str) -> bytes:
    return assets()[name].read_bytes()


def _page() -> list[Route]:
    async def page(request: Request) -> Response:
        if "index.html" not in assets():
            raise Missing(rule="the page is part of the package", got="none", remedy="install swath again")
        text = _content("index.html").decode().replace("{version}", version())
        return Response(text, media_type=_KINDS[".html"])

    async def static(request: Request) -> Response:
        name = request.path_params["path"]
        if name not in assets():
            raise Missing(rule="the page asks for what there is", got="something else", remedy="reload it")
        kept = request.path_params["version"] == version()
        how = "private, max-age=31536000, immutable" if kept else "no-store"
        return Response(_content(name), media_type=_KINDS[Path(name).suffix], headers={"Cache-Control": how})

    return [Route("/", page), Route("/static/{version}/{path:path}", static)]
