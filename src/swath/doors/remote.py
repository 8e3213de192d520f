"""Files of other machines, where a door was told which: fetched whole into a folder, then opened like any local file.

Off unless hosts are named at start. Only https, only those hosts; every address that a name resolves to must be a public one, and
the connection goes to the very address that was checked, so that a name cannot change its mind in between. Redirects are followed
only to hosts that pass the same checks. Nothing else of swath reads from the network on behalf of a page or an assistant.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import re
import secrets
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from swath.doors.roots import put
from swath.errors import FormatError, OutputError

__all__ = ["Remote", "fetched", "is_url", "public"]

LARGEST = 2 * 2**30
SECONDS = 300.0
"""For one file, whatever it does."""
QUIET = 20.0
"""Without an answer."""
REDIRECTS = 3
FREE = 512 * 2**20
_CHUNK = 2**18
_KINDS = (
    ".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".nc", ".nc4", ".h5", ".hdf5", ".he5", ".npy", ".zip", ".tar", ".tar.gz", ".tgz",
    ".swath", ".geojson", ".json", ".csv", ".gpkg", ".safetensors",
)  # fmt: skip
_HOST = re.compile(r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?", re.ASCII)


def is_url(name: object) -> bool:
    """Whether a name asks for another machine."""
    return isinstance(name, str) and re.match(r"\s*https?://", name, re.I) is not None


class Remote:
    """The hosts that may be read from (`name` or `name:port`), and the folder that files are fetched into.

    largest: bytes of one file. trial: for tests alone: plain http, and addresses of this machine, are let through.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        folder: str | Path,
        *,
        largest: int = LARGEST,
        seconds: float = SECONDS,
        trial: bool = False,
    ) -> None:
        self.hosts = frozenset(_allowed(host) for host in hosts)
        self.folder, self.largest, self.seconds, self.trial = Path(folder), largest, seconds, trial
        self._known: dict[str, Path] = {}
        self._lock = threading.Lock()

    def fetch(self, url: str) -> Path:
        """The file of this URL, fetched whole; the same URL again gives the same file. Raises FormatError, OutputError."""
        with self._lock:
            there = self._known.get(url)
        if there is not None and there.is_file() and not there.is_symlink():
            return there
        self._checked(url)
        name = _name(url)
        ends = time.monotonic() + self.seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            with open(aside, "xb") as file:
                self._follow(url, file, ends)
                file.flush()
                os.fsync(file.fileno())
            path = put(aside, self.folder, name)
        except (OSError, http.client.HTTPException, ssl.SSLError, ValueError) as error:
            if isinstance(error, (FormatError, OutputError)):
                raise
            raise _silent() from error
        finally:
            aside.unlink(missing_ok=True)
        with self._lock:
            self._known[url] = path
        return path

    def _follow(self, url: str, file: Any, ends: float) -> None:
        for _ in range(REDIRECTS + 1):
            target = self._get(url, file, ends)
            if target is None:
                return
            url = urljoin(url, target)
        raise _refused()

    def _get(self, url: str, file: Any, ends: float) -> str | None:
        """Write the body of one answer; or where it redirects to."""
        host, port, path, secure = self._checked(url)
        addresses = self._addresses(host, port)
        connection = _Pinned(host, port, addresses, secure, min(QUIET, max(1.0, ends - time.monotonic())))
        watch = threading.Timer(max(0.1, ends - time.monotonic()), connection.cut)
        watch.daemon = True
        watch.start()
        try:
            connection.request(
                "GET", path, headers={"Accept-Encoding": "identity", "User-Agent": "swath", "Accept": "*/*"}
            )
            answer = connection.getresponse()
            if answer.status in (301, 302, 303, 307, 308):
                return answer.getheader("Location") or ""
            if answer.status != 200 or (answer.getheader("Content-Encoding") or "identity").lower() != "identity":
                raise _silent()
            self._write(answer, file, ends, connection)
            return None
        finally:
            watch.cancel()
            connection.close()

    def _write(
        self, answer: http.client.HTTPResponse, file: Any, ends: float, connection: http.client.HTTPConnection
    ) -> None:
        if answer.length is not None and answer.length > self.largest:
            raise self._too_large()
        declared, size = answer.length, 0
        while True:
            if time.monotonic() > ends:
                raise _silent()
            if connection.sock is not None:
                connection.sock.settimeout(min(QUIET, max(0.1, ends - time.monotonic())))
            part = answer.read1(_CHUNK)
            if not part:
                break
            size += len(part)
            if size > self.largest:
                raise self._too_large()
            if shutil.disk_usage(self.folder).free < FREE:
                raise OutputError(rule="fetched files leave room on the disk", got="a full disk", remedy="make room")
            file.write(part)
        if size == 0 or (declared is not None and size != declared):
            raise _silent()

    def _checked(self, url: str) -> tuple[str, int, str, bool]:
        """Host, port, path and query of a URL that may be asked. Raises FormatError, in the same words whatever is wrong."""
        if len(url) > 4096 or not url.isascii() or not url.isprintable() or " " in url or "\\" in url or "#" in url:
            raise _refused()
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _refused() from None
        host = (parts.hostname or "").rstrip(".")
        secure = parts.scheme == "https"
        if not secure and not (self.trial and parts.scheme == "http"):
            raise _refused()
        if "@" in parts.netloc or "%" in parts.netloc or not _HOST.fullmatch(host):
            raise _refused()
        usual = 443 if secure else 80
        spelt = host if port in (None, usual) else f"{host}:{port}"
        if spelt not in self.hosts:
            raise _refused()
        return host, port or usual, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), secure

    def _addresses(self, host: str, port: int) -> list[tuple[int, str]]:
        """(family, address) of every place that the name stands for, all of them public. Raises FormatError."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except (OSError, UnicodeError):
            raise _refused() from None
        places = [(int(family), str(where[0])) for family, _, _, _, where in found]
        if not places or not all(self.trial or public(address) for _, address in places):
            raise _refused()
        return places

    def _too_large(self) -> FormatError:
        return FormatError(
            rule=f"a file of another machine has at most {self.largest / 2**20:,.0f} MB",
            got="more",
            remedy="fetch it yourself, into a folder given at start",
        )


def public(address: str) -> bool:
    """Whether an address is one of the open internet: not private, local, shared, reserved, nor such a one in another's clothes."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in ipaddress.ip_network("64:ff9b::/96") or found in ipaddress.ip_network("::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


def fetched(names: Sequence[str], remote: Remote | None) -> list[str]:
    """The names, with the files of URLs fetched where that is allowed; without, URLs stay what they are, and are refused later."""
    return [str(remote.fetch(name)) if remote is not None and is_url(name) else name for name in names]


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were looked at, under the host's name for TLS and the Host header."""

    def __init__(self, host: str, port: int, places: list[tuple[int, str]], secure: bool, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self.default_port = 443 if secure else 80
        self._places, self._secure = places, secure

    def cut(self) -> None:
        """End whatever the connection is doing: its time is over."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def connect(self) -> None:
        last: OSError | None = None
        for family, address in self._places[:4]:
            plain = socket.socket(family, socket.SOCK_STREAM)
            plain.settimeout(self.timeout)
            try:
                plain.connect((address, self.port))
            except OSError as error:
                plain.close()
                last = error
                continue
            self.sock = (
                ssl.create_default_context().wrap_socket(plain, server_hostname=self.host) if self._secure else plain
            )
            return
        raise last or OSError("no address")


def _allowed(host: str) -> str:
    """A host of the list in one spelling. Raises FormatError for what is none."""
    plain = host.strip().lower().rstrip(".").removesuffix(":443")
    name, _, port = plain.partition(":")
    if not _HOST.fullmatch(name) or (port and not (port.isdigit() and 0 < int(port) < 65536)):
        raise FormatError(
            rule="--allow-remote names a host, without scheme or path",
            got=host[:80],
            remedy="--allow-remote data.example.org",
        )
    return plain


def _name(url: str) -> str:
    last = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    suffix = next((s for s in sorted(_KINDS, key=len, reverse=True) if last.lower().endswith(s)), None)
    if suffix is None:
        raise FormatError(
            rule="a file of another machine is of a known kind",
            got="another ending, or none",
            remedy="GeoTIFF, JPEG 2000, PNG, NetCDF, HDF5, zip, tar, GeoJSON or CSV",
        )
    stem = re.sub(r"[^A-Za-z0-9_\-]+", "-", last[: -len(suffix)]).strip("-")[:80] or "file"
    return f"{stem}{suffix}"


def _refused() -> FormatError:
    """One answer for hosts that are not allowed, not public or not there, so that nobody learns which."""
    return FormatError(
        rule="files of other machines come by https from hosts named at start",
        got="another address",
        remedy="start with --allow-remote HOST, or fetch the file yourself",
    )


def _silent() -> FormatError:
    return FormatError(
        rule="an allowed host answers with the whole file in time",
        got="no such answer",
        remedy="check the address, or try again",
    )
