"""A scene sent by the page: streamed aside, never longer than allowed, under a name made harmless."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool

from swath.doors.roots import put
from swath.doors.web.answers import TooLarge
from swath.doors.web.choices import SCENES
from swath.errors import FormatError, OutputError

if TYPE_CHECKING:
    from starlette.requests import Request

    from swath.doors.web.session import Session

__all__ = ["LARGEST", "harmless", "upload"]

LARGEST = 2 * 2**30
"""Bytes of one upload."""
_FREE = 512 * 2**20  # bytes that stay free on the disk
_LINKS = re.compile(rb"<VRTDataset|gdal_streamed_alg|^\s*<", re.I)


def harmless(name: str) -> str:
    """A file name of letters, digits, dots and dashes that keeps its ending. Raises FormatError for unknown endings."""
    last = re.split(r"[/\\]", unquote(name).strip())[-1]
    stem, suffix = os.path.splitext(last)
    if suffix.lower() not in SCENES:
        raise FormatError(
            rule="a scene is sent as one file of a known kind",
            got=f"a file ending in {suffix[:12]!r}" if suffix else "a file without an ending",
            remedy="send a GeoTIFF, NetCDF, HDF5, JPEG 2000, PNG or JPEG",
        )
    plain = re.sub(r"[^A-Za-z0-9_\-]+", "-", stem).strip("-.")[:80] or "scene"
    return f"{plain}{suffix.lower()}"


async def upload(session: Session, request: Request, most: int | None = None) -> Path:
    """Write the body of a request into the workspace; its path. Raises TooLarge, FormatError, OutputError."""
    limit = LARGEST if most is None else most
    name = harmless(request.headers.get("x-swath-name", ""))
    folder = session.folder / "uploads"
    aside = folder / f".{secrets.token_hex(8)}.part"
    size = 0
    try:
        with open(aside, "xb") as file:
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise TooLarge(
                        rule=f"a scene that is sent has at most {limit / 2**20:,.0f} MB",
                        got="more",
                        remedy="put it into a folder given at start, and open it by its name",
                    )
                if part:
                    await run_in_threadpool(file.write, part)
                if size % (64 * 2**20) < len(part) and _free(folder) < _FREE:
                    raise OutputError(rule="uploads leave room on the disk", got="a full disk", remedy="make room")
            file.flush()
            os.fsync(file.fileno())
        _look(aside)
        return put(aside, folder, name)
    except OSError as error:
        if isinstance(error, (FormatError, OutputError)):
            raise
        raise OutputError(
            rule="uploads are written into the workspace", got=error.strerror or "no", remedy="make room"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def _free(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def _look(aside: Path) -> None:
    """Refuse what holds nothing, or sends its reader elsewhere. Raises FormatError."""
    if aside.stat().st_size == 0:
        raise FormatError(rule="a scene holds something", got="an empty file", remedy="send it again")
    with open(aside, "rb") as file:
        if _LINKS.search(file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")):
            raise FormatError(
                rule="files hold their own pixels, and send nobody elsewhere", got="a text of links", remedy="send data"
            )
