"""Files that only grow: lines are on the disk before anybody is told so, and one writer is at it at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from swath.cube.blocks import fsync_folder

__all__ = ["alone", "append", "put_aside"]


def append(path: Path, data: bytes, at: int) -> None:
    """Write behind the first `at` bytes and wait until it is on the disk; what fails half way is cut off again.

    Raises OSError.
    """
    fresh = not path.exists()
    with open(path, "ab") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(path, at)
            raise
    if fresh:
        fsync_folder(path.parent)


def put_aside(path: Path, torn: bytes) -> Path:
    """Keep what says nothing (a crash left it, or a disk) in a file beside, and give that file. Raises OSError."""
    aside = path.with_suffix(".torn")
    with open(aside, "ab") as file:
        file.write(torn if torn.endswith(b"\n") else torn + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return aside


@contextlib.contextmanager
def alone(path: Path, lock: AbstractContextManager[Any]) -> Iterator[None]:
    """This thread alone by `lock`, and where the system can lock files this process alone with the file."""
    with lock:
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        if not path.parent.is_dir():
            yield
            return
        with open(path.with_suffix(".lock"), "ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
