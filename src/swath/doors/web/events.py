"""News for open pages: one server-sent stream that can be taken up again where it broke off."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse
from starlette.routing import Route

from swath.doors.web.answers import Busy, plain

if TYPE_CHECKING:
    from starlette.requests import Request

    from swath.doors.web.session import Session

__all__ = ["Events", "routes"]

KEPT = 1024
"""Events that a page which was away can still have."""
STREAMS = 32
PAUSE = 15.0
"""Seconds after which a comment is sent, so that a broken line is noticed."""


class Events:
    """A ring of the last events. `send` may be called from any thread.

    An id is RUN-NUMBER: RUN is new with every start, so that a page which outlived the server notices. A page that
    missed more than the ring holds is sent `reset`, and asks for the state anew.
    """

    def __init__(self, kept: int = KEPT, streams: int = STREAMS) -> None:
        self.run = secrets.token_hex(4)
        self._ring: deque[tuple[int, str, str]] = deque(maxlen=kept)
        self._number = 0
        self._lock = threading.Lock()
        self._streams = streams
        self._ears: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False

    def send(self, kind: str, record: dict[str, Any]) -> None:
        """Tell all open pages. kind: job, labels, layers, maps, scenes, ...; record: plain values."""
        data = json.dumps(plain(record), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            self._number += 1
            self._ring.append((self._number, kind, data))
        self._wake()

    def close(self) -> None:
        """End all streams; later ones end at once."""
        self._closed = True
        self._wake()

    @property
    def listeners(self) -> int:
        """Open streams."""
        return len(self._ears)

    def since(self, last: str | None) -> tuple[list[tuple[int, str, str]], bool]:
        """Events after the id `last`, and whether some are lost. Without an id: none, nothing lost."""
        with self._lock:
            now, ring = self._number, list(self._ring)
        if not last:
            return [], False
        run, _, digits = last.partition("-")
        if run != self.run or not (digits.isascii() and digits.isdigit() and len(digits) < 16) or int(digits) > now:
            return [], True
        number = int(digits)
        return [one for one in ring if one[0] > number], number + len(ring) < now

    async def stream(self, last: str | None, pause: float = PAUSE) -> AsyncIterator[str]:
        """The text of the stream: what was missed, then what happens."""
        found, lost = self.since(last)
        number = self._number
        ear = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._ears.add(ear)
        try:
            yield f"retry: 1000\nid: {self.run}-{found[0][0] - 1 if found else number}\nevent: hello\ndata: {{}}\n\n"
            if lost:
                yield "event: reset\ndata: {}\n\n"
            for one in found:
                yield self._text(one)
                number = one[0]
            while not self._closed:
                try:
                    await asyncio.wait_for(ear[1].wait(), pause)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                ear[1].clear()
                news, missed = self.since(f"{self.run}-{number}")
                if missed:
                    yield "event: reset\ndata: {}\n\n"
                for one in news:
                    yield self._text(one)
                    number = one[0]
        finally:
            with self._lock:
                self._ears.discard(ear)

    def _text(self, one: tuple[int, str, str]) -> str:
        number, kind, data = one
        return f"id: {self.run}-{number}\nevent: {kind}\ndata: {data}\n\n"

    def _wake(self) -> None:
        with self._lock:
            ears = list(self._ears)
        for loop, event in ears:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # its loop has ended
                with self._lock:
                    self._ears.discard((loop, event))

    def full(self) -> bool:
        """Whether no more pages are told."""
        return len(self._ears) >= self._streams


def routes(session: Session) -> list[Route]:
    """`GET api/events`."""

    async def events(request: Request) -> StreamingResponse:
        if session.events.full():
            raise Busy(rule=f"at most {STREAMS} pages are told what happens", got="one more", remedy="close a tab")
        last = request.headers.get("last-event-id") or request.query_params.get("after")
        return StreamingResponse(
            session.events.stream(last),
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            media_type="text/event-stream",
        )

    return [Route("/api/events", events)]
