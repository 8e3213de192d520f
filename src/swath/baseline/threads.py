"""One thread for linear algebra while something is fitted, so that the number of cores changes no bit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_openmp_thread", "one_thread"]

_turn = threading.RLock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread; callers take turns.

    Where the library keeps its limit for the whole process, one caller's end would lift another's limit: hence turns.
    """
    from threadpoolctl import threadpool_limits

    with _turn, threadpool_limits(limits=1):
        yield


@contextmanager
def one_openmp_thread() -> Iterator[None]:
    """Hold OpenMP to one thread in this thread only; callers work side by side."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        yield
