"""One thread for linear algebra while something is fitted, so that the number of cores changes no bit."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["one_openmp_thread", "one_thread"]

_turn = threading.RLock()
_found: tuple[int, Any] = (0, None)


def _libraries() -> Any:
    """The thread pools of this process; looked for again when modules, and with them maybe libraries, have come.

    Looking takes milliseconds, which hundreds of small fits would feel.
    """
    global _found
    from threadpoolctl import ThreadpoolController

    modules = len(sys.modules)
    if _found[0] != modules:
        _found = (modules, ThreadpoolController())
    return _found[1]


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread; callers take turns.

    Where the library keeps its limit for the whole process, one caller's end would lift another's limit: hence turns.
    """
    with _turn, _libraries().limit(limits=1):
        yield


@contextmanager
def one_openmp_thread() -> Iterator[None]:
    """Hold OpenMP to one thread in this thread only; callers work side by side."""
    with _libraries().limit(limits=1, user_api="openmp"):
        yield
