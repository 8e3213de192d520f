"""Zip files as they come: their names, and the refusal of those that unpack to far more than they hold."""

from __future__ import annotations

import zipfile
from functools import lru_cache

from swath.errors import FormatError

__all__ = ["check_zip", "names_of"]

_RATIO = 200  # imagery packs up to about 20 times, runs of nodata up to a few hundred for small members
_SMALL = 256 * 2**20
_MEMBERS = 2_000_000


def names_of(path: str) -> list[str]:
    """The members' names; none when the file is no zip."""
    import os

    try:
        state = os.stat(path)
        return list(_names(path, state.st_mtime_ns, state.st_size))
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return []


@lru_cache(maxsize=8)
def _names(path: str, time: int, size: int) -> tuple[str, ...]:
    with zipfile.ZipFile(path) as file:
        return tuple(file.namelist())


def check_zip(path: str) -> None:
    """Refuse a zip that is damaged, or whose members would unpack to far more than an image ever does.

    Raises FormatError.
    """
    import os

    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise FormatError(
            rule="a zip file must be whole", got=f"{path}: {error}", remedy="it was cut short: fetch it again"
        ) from error
    size = os.path.getsize(path)
    whole = sum(member.file_size for member in members)
    worst = max(members, key=lambda m: m.file_size / max(m.compress_size, 1), default=None)
    bomb = whole > _SMALL and whole > _RATIO * max(size, 1)
    overlap = sum(member.compress_size for member in members) > size
    if bomb or overlap or len(members) > _MEMBERS:
        raise FormatError(
            rule="a zip file unpacks to what images need",
            got=f"{path}: {size:,} bytes that claim {whole:,}" + (f", worst {worst.filename}" if worst else ""),
            remedy="it is damaged or made to do harm: do not use it",
        )
