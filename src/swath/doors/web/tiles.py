"""`GET tiles/{layer}/{rev}/{z}/{x}/{y}`: pictures of 256 pixels, made when asked for and kept by the browser for good."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.routing import Route

from swath.doors.web.answers import Missing, numeral, refused
from swath.errors import SwathError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from swath.cube.lazy import Source
    from swath.doors.web.layers import Layers
    from swath.doors.web.session import Session

__all__ = ["Tiles", "routes"]

WORKERS = max(2, min(4, os.cpu_count() or 2))
"""Tiles drawn at once."""
ASKED = frozenset({"show", "date", "lo", "hi", "bands", "class", "on"})
"""What a tile may be asked with; on: another scene, whose grid the scene's image is drawn on."""
CACHE = 192 << 20
"""Bytes of decoded blocks that are kept: a series of a hundred dates at one place fits."""
FOR_GOOD = b"private, max-age=31536000, immutable"
MOST_ZOOM = 30
_FAR = 2**MOST_ZOOM
Receive = Any
Send = Any


class Tiles:
    """An ASGI app that draws tiles in a bounded number of threads; who leaves while waiting is not drawn for."""

    def __init__(self, layers: Layers, hide: Callable[[SwathError], Any], workers: int = WORKERS) -> None:
        """hide: the refusal that an error becomes. workers: threads."""
        self._layers, self._refused = layers, hide
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="tiles")
        self._free = asyncio.Semaphore(workers + 1)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One tile. 204: nothing to see there. 404: no such layer."""
        params = scope["path_params"]
        try:
            place = _place(params)
            asked = {k: v for k, v in parse_qsl(scope["query_string"].decode("latin-1")) if k in ASKED}
            if not await self._turn(receive):
                return
            try:
                made, rev = await asyncio.get_running_loop().run_in_executor(
                    self._pool, self._draw, params["layer"], *place, asked
                )
            finally:
                self._free.release()
        except SwathError as error:
            answer = self._refused(error)
            await answer(scope, receive, send)
            return
        kept = FOR_GOOD if rev == params["rev"].partition("-")[0] else b"no-store"
        headers = [(b"cache-control", kept)]
        body = b""
        if made is not None:
            body, kind = made
            headers += [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 204 if made is None else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _draw(self, key: str, z: int, x: int, y: int, asked: dict[str, str]) -> tuple[tuple[bytes, str] | None, str]:
        from swath.cube.look import pending
        from swath.doors.web.layers import Raster
        from swath.doors.web.picture import tile_of

        layer = self._layers.get(key)
        rev = layer.rev
        made = tile_of(self._layers, key, z, x, y, asked)
        if isinstance(layer, Raster):
            return made, rev if rev == layer.rev and layer.file.exists() else ""
        return made, "" if pending(self._layers.planes(key).values) else rev

    async def _turn(self, receive: Receive) -> bool:
        """Wait for a free thread; False when the client left meanwhile."""
        if not self._free.locked():
            await self._free.acquire()
            return True
        turn = asyncio.ensure_future(self._free.acquire())
        gone = asyncio.ensure_future(_left(receive))
        await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not turn.done():
            turn.cancel()
            return False
        gone.cancel()
        return True


async def _left(receive: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _place(params: Mapping[str, str]) -> tuple[int, int, int]:
    """Level, column and row of a tile. Raises Missing."""
    z, x, y = numeral(params["z"], high=MOST_ZOOM), numeral(params["x"], high=_FAR), numeral(params["y"], high=_FAR)
    if z is None or x is None or y is None:
        raise Missing(rule="a tile has a level, a column and a row", got="others", remedy="reload the page")
    return z, x, y


def routes(session: Session) -> list[Route]:
    """The tiles of a session's layers."""
    from swath.cube import gdal, look

    session.layers.scenes = session.scenes
    gdal.CACHE = max(gdal.CACHE, CACHE)

    def grown(source: Source, share: float) -> None:
        for record in session.layers.grown(source, share):
            session.events.send("layers", record)

    look.listeners.append(grown)
    tiles = Tiles(session.layers, lambda error: refused(error, session.roots))
    return [Route("/tiles/{layer}/{rev}/{z}/{x}/{y}", tiles, methods=["GET"])]
