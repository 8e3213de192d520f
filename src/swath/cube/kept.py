"""What was decoded last, kept by number of bytes and shared by the threads of a process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np

__all__ = ["Kept"]


class Kept:
    """Arrays by key, the last used up to `most` bytes; those beyond half of it are not kept."""

    def __init__(self, most: int) -> None:
        """most: bytes of all arrays together."""
        self._most, self._bytes = most, 0
        self._chunks: OrderedDict[Any, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any) -> np.ndarray | None:
        """The array, if it is still there."""
        with self._lock:
            found = self._chunks.get(key)
            if found is not None:
                self._chunks.move_to_end(key)
            return found

    def put(self, key: Any, values: np.ndarray) -> None:
        """Keep an array, and let go of those that were not used for longest."""
        if values.nbytes > self._most // 2:
            return
        with self._lock:
            if key in self._chunks:
                return
            self._chunks[key] = values
            self._bytes += values.nbytes
            while self._bytes > self._most:
                self._bytes -= self._chunks.popitem(last=False)[1].nbytes
