"""One thread for linear algebra while something is fitted, so that the number of cores changes no bit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["one_thread"]

_lock = threading.Lock()
_inside = 0
_limits: Any = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS (for the whole process) and OpenMP (for this thread) to one thread.

    Several threads may be inside at once: the first one in sets the limit of BLAS, the last one out lifts it.
    """
    from threadpoolctl import threadpool_limits

    global _inside, _limits
    with _lock:
        if not _inside:
            _limits = threadpool_limits(limits=1, user_api="blas")
        _inside += 1
    try:
        with threadpool_limits(limits=1, user_api="openmp"):
            yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _limits.restore_original_limits()
