"""Who may ask: a one-time link becomes a cookie; Host, Origin and kinds of content are checked; every answer has its headers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect

from swath.doors.web.answers import TooLarge

__all__ = ["CSP", "HEADERS", "Guarded", "Keys", "allowed_hosts", "fault"]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(
        f"{name}=()"
        for name in (
            *(
                "accelerometer",
                "autoplay",
                "camera",
                "clipboard-read",
                "display-capture",
                "encrypted-media",
            ),
            *("fullscreen", "geolocation", "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment"),
            *(
                "picture-in-picture",
                "publickey-credentials-get",
                "screen-wake-lock",
                "serial",
                "usb",
                "xr-spatial-tracking",
            ),
        )
    ),
    "x-frame-options": "SAMEORIGIN",
    "cache-control": "no-store",
}
"""On every answer, unless the answer has a stricter one of its own."""
_PAIRS = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
BODIES = {"api/scenes/upload": 2 * 2**30, "api/labels/load": 32 * 2**20}
BODY = 4 * 2**20
"""Bytes of a request's body, by route; what is declared longer is refused unread."""
KINDS = {
    "api/scenes/upload": ("application/octet-stream",),
    "api/labels/load": ("application/json", "application/geo+json"),
}
"""Content types of bodies, where they are not JSON alone."""
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})
_KEPT = 32  # cookies that are remembered over restarts
_DAYS = 30  # a browser keeps its cookie
_STYLE = (
    "body{margin:0;min-height:100vh;display:grid;place-content:center;background:#f4f4f1;color:#17201d;"
    "font:13px/18px system-ui,sans-serif}main{max-width:26rem;padding:24px}h1{font-size:15px;margin:0 0 8px}p{margin:0}"
    "@media(prefers-color-scheme:dark){body{background:#0f1314;color:#e9eeeb}}"
)
_NO_KEY = (
    f'<!doctype html><html lang="en"><meta charset="utf-8"><title>swath</title><style>{_STYLE}</style><main>'
    "<h1>This page opens by its link</h1><p>The link that swath printed works once. "
    "Press Enter in the terminal where swath runs, and open the new one.</p></main></html>"
)
_NO_KEY_CSP = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Keys:
    """One-time tokens, and the cookies they are swapped for. Of cookies only digests are kept, also over a restart."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._tokens: list[str] = []
        self._lock = threading.Lock()
        self._digests: list[str] = self._read()

    def new(self) -> str:
        """A token that opens the page once."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens = [*self._tokens, token][-8:]
        return token

    def swap(self, token: str) -> str | None:
        """The cookie for a token, which is of no use afterwards; None for any other text."""
        given = token.encode("utf-8", "replace")
        with self._lock:
            hits = [t for t in self._tokens if hmac.compare_digest(t.encode(), given)]
            if not hits:
                return None
            self._tokens.remove(hits[0])
            cookie = secrets.token_urlsafe(32)
            self._digests = [*self._digests, _digest(cookie)][-_KEPT:]
            self._write()
        return cookie

    def known(self, cookie: str) -> bool:
        """Whether a token was swapped for this cookie."""
        given = _digest(cookie)
        return any([hmac.compare_digest(given, one) for one in self._digests])

    def _read(self) -> list[str]:
        try:
            found = json.loads(self._file.read_text("utf-8")) if self._file is not None else []
        except (OSError, ValueError):
            return []
        return [d for d in found if isinstance(d, str) and re.fullmatch(r"[0-9a-f]{64}", d)][-_KEPT:]

    def _write(self) -> None:
        if self._file is None:
            return
        import os

        aside = self._file.with_name(f".{self._file.name}.part")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._digests, file)
        os.replace(aside, self._file)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def allowed_hosts(port: int, more: Iterable[str] = ()) -> frozenset[str]:
    """What the Host header may say: this machine's names with the port, and those asked for (with or without a port)."""
    names = {f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}
    for one in more:
        plain = one.strip().lower()
        bracketed = f"[{plain}]" if plain.count(":") > 1 and not plain.startswith("[") else plain
        names.add(bracketed if re.search(r"[^:\]]:\d+$|\]:\d+$", bracketed) else f"{bracketed}:{port}")
    return frozenset(names)


class Guarded:
    """The ASGI app behind the checks. Nothing but `api/health` answers without the cookie.

    hosts: allowed Host headers. name: of the cookie.
    """

    def __init__(
        self,
        app: Any,
        keys: Keys,
        hosts: frozenset[str],
        *,
        name: str = "swath",
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.app, self.keys, self.hosts, self.name = app, keys, hosts, name
        self.limits = dict(BODIES if limits is None else limits)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or refuse before anything of the request is carried out."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = _headers(scope)
        outward = _with_headers(send)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _say(outward, *refusal)
            return
        path = _path(scope)
        if path == "" and (cookie := self._entering(scope, headers)) is not None:
            value = f"{self.name}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={_DAYS * 86_400}"
            await _say(outward, 303, b"", "text/plain", {"location": "./", **({"set-cookie": value} if cookie else {})})
            return
        if path != "api/health" and not self._has_cookie(headers):
            if path == "":
                await _say(
                    outward, 403, _NO_KEY.encode(), "text/html; charset=utf-8", {"content-security-policy": _NO_KEY_CSP}
                )
            else:
                await _say(outward, 403, _refused("a request carries the page's cookie", "none", "open the link again"))
            return
        await self._bounded(scope, receive, outward, self.limits.get(path, BODY))

    def _refusal(self, scope: Any, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
        """What is wrong with a request before anything of it is carried out; None when nothing is."""
        method = scope["method"]
        if sum(k == b"host" for k, _ in scope["headers"]) != 1 or headers.get("host", "").lower() not in self.hosts:
            return 421, _refused("swath answers under its own address", "another Host", "open the link that it printed")
        if method not in METHODS:
            return 405, _refused("a request is GET, POST or DELETE", "another method", "use one of them")
        site = headers.get("sec-fetch-site", "same-origin")
        arrives = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("same-origin", "none") and not (arrives and _path(scope) == ""):
            return 403, _refused("requests come from swath's own page", "another site", "open the link that it printed")
        if method in ("POST", "DELETE"):
            return self._refusal_of_a_write(scope, headers)
        return None

    def _refusal_of_a_write(self, scope: Any, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
        origin, host = headers.get("origin", "").lower(), headers["host"].lower()
        if origin not in (f"http://{host}", f"https://{host}"):
            return 403, _refused(
                "what changes something comes from swath's own page", "another Origin", "open its link"
            )
        if headers.get("x-swath") != "1":
            return 403, _refused("what changes something has the header X-Swath: 1", "none", "send it")
        path, kind = _path(scope), headers.get("content-type", "").partition(";")[0].strip().lower()
        length = headers.get("content-length", "")
        empty = scope["method"] == "DELETE" and length in ("", "0") and "transfer-encoding" not in headers
        wanted = KINDS.get(path, ("application/json",))
        if kind not in wanted and not empty:
            return 415, _refused(f"the content is {wanted[0]}", "another kind", "send that")
        if length and (not (length.isascii() and length.isdigit()) or int(length) > self.limits.get(path, BODY)):
            return 413, _refused("a request is of bearable length", "a longer one", "send less")
        return None

    def _entering(self, scope: Any, headers: Mapping[str, str]) -> str | None:
        """The cookie to set on a first visit with a token, which is of no use afterwards; "" where there is one already.

        None where the request is no such visit, or a browser only looks ahead.
        """
        if scope["method"] != "GET" or "prefetch" in headers.get("sec-purpose", headers.get("purpose", "")):
            return None
        try:
            asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8)
        except ValueError:
            return None
        if "token" not in asked:
            return None
        return self.keys.swap(asked["token"][0]) or ("" if self._has_cookie(headers) else None)

    def _has_cookie(self, headers: Mapping[str, str]) -> bool:
        """Whether any cookie of this name is one of ours; cookies of others on this host are passed over."""
        pairs = [part.strip().partition("=") for part in headers.get("cookie", "").split(";")[:100]]
        return any([self.keys.known(value) for name, _, value in pairs if name == self.name])

    async def _bounded(self, scope: Any, receive: Any, send: Any, most: int) -> None:
        """Carry on, counting what comes in; more than allowed ends the request, a bug of ours ends in one line."""
        taken, begun, ended = 0, False, False

        async def counted() -> Any:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > most:
                    raise TooLarge(rule="a request is of bearable length", got="a longer one", remedy="send less")
            return message

        async def noted(message: Any) -> None:
            nonlocal begun, ended
            begun = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except ClientDisconnect:
            return
        except Exception as error:
            import logging

            logging.getLogger("swath.doors").exception("swath explore")
            if begun and not ended:
                raise  # the connection breaks off: half an answer must not look whole
            if not begun:
                await _say(send, 500, fault(error))


def fault(error: Exception) -> bytes:
    """What is told of a bug of ours: its kind, no path and no line of code."""
    words = f"{type(error).__name__} in swath explore"
    return _refused("the page's questions have answers", words, "please report it; the log has the rest")


def _headers(scope: Any) -> dict[str, str]:
    """The last of each; a request with two Hosts is refused before this matters."""
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}


def _path(scope: Any) -> str:
    """The path below the prefix, without a slash in front."""
    path, root = scope["path"], scope.get("root_path", "")
    return str(path[len(root) :] if root and path.startswith(root) else path).lstrip("/")


def _refused(rule: str, got: str, remedy: str) -> bytes:
    return json.dumps({"rule": rule, "got": got, "remedy": remedy}).encode()


def _with_headers(send: Any) -> Any:
    """Sends with the headers that every answer has; an answer's own ones stand."""

    async def outward(message: Any) -> None:
        if message["type"] == "http.response.start":
            there = {k.lower() for k, _ in message["headers"]}
            message = {**message, "headers": [*message["headers"], *(pair for pair in _PAIRS if pair[0] not in there)]}
        await send(message)

    return outward


async def _say(
    send: Any, status: int, content: bytes, kind: str = "application/json", more: Mapping[str, str] | None = None
) -> None:
    headers = {"content-type": kind, "content-length": str(len(content)), **(more or {})}
    pairs = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
