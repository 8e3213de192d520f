"""Reading untrusted files in a child process with limits on memory, time and drivers (`safe=True`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.errors import FormatError

if TYPE_CHECKING:
    from swath.cube.layer import Layer

__all__ = ["read_safely"]


def read_safely(path: str) -> list[Layer]:
    """The layers of an untrusted file, decoded in a child process."""
    raise FormatError(
        rule="untrusted files are read in a child process", got=path, remedy="this build has none yet: leave --safe out"
    )
