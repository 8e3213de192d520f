"""Two runs on one output take turns: an advisory lock that the system lets go when its holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from swath.cube.blocks import refuse

__all__ = ["Lock"]


class Lock:
    """A locked file beside the output; it is removed when released."""

    def __init__(self, path: Path, handle: int) -> None:
        """Use `Lock.take`."""
        self.path, self._handle = path, handle

    @classmethod
    def take(cls, path: Path, say: Callable[[int, int, str], None] | None = None, *, pause: float = 0.1) -> Lock:
        """Wait until nobody else holds it. `say` hears of the wait and may raise Cancelled. Raises OutputError."""
        while True:
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise refuse(error, path.parent) from error
            try:
                held = _try(handle)
                # A holder that finished has removed the file: a lock on the removed one is worth nothing.
                if held and _same(handle, path):
                    return cls(path, handle)
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
            if not held:
                if say is not None:
                    say(0, 1, f"waiting for another run that writes {path.parent}")
                time.sleep(pause)

    def release(self) -> None:
        """Let the next one in; harmless when done twice."""
        if self._handle < 0:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = -1


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _try(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return _try_windows(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_windows(handle: int) -> bool:
    import importlib

    msvcrt = importlib.import_module("msvcrt")
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
