"""Lazy pixels without Dask: a Source reads windows of stored numbers, and xarray sees it as an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

__all__ = ["ArraySource", "Source", "lazy"]


class Source(Protocol):
    """Stored numbers of T dates, B bands, H rows, W columns, read by window.

    A Source can be pickled (it holds paths, not handles) and read from many threads (a handle for each of them).
    """

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        ...

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """(len(dates), len(bands), rows, columns) in `dtype`; rows and columns have step 1 and lie inside."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """A Source over an array that is in memory already (or a memory map)."""

    values: Any  # (T, B, H, W)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        t, b, h, w = self.values.shape
        return t, b, h, w

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        kind: np.dtype = np.dtype(self.values.dtype)
        return kind

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """A copy of the window."""
        window = self.values[:, :, rows, columns]
        return np.ascontiguousarray(np.asarray(window)[np.ix_(list(dates), list(bands))])


def lazy(source: Source) -> Any:
    """A (T, B, H, W) lazily indexed array for xarray: only what is asked for is read; it can be pickled unread."""
    from xarray.core import indexing

    return indexing.LazilyIndexedArray(_backend(source))


def _backend(source: Source) -> Any:
    """The source as xarray's backend array, whose base class is imported only here."""
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class _Backend(BackendArray):  # type: ignore[misc]
        def __init__(self) -> None:
            self.shape, self.dtype = source.shape, source.dtype

        def __reduce__(self) -> tuple[Any, ...]:
            return _backend, (source,)

        def __getitem__(self, key: Any) -> np.ndarray:
            adapter, outer = indexing.explicit_indexing_adapter, indexing.IndexingSupport.OUTER
            found: np.ndarray = adapter(key, self.shape, outer, self._get)
            return found

        def _get(self, key: tuple[Any, ...]) -> np.ndarray:
            t, b, y, x = key
            dates, drop_t = _indices(t, self.shape[0])
            bands, drop_b = _indices(b, self.shape[1])
            rows, take_y, drop_y = _window(y, self.shape[2])
            columns, take_x, drop_x = _window(x, self.shape[3])
            if not len(dates) or not len(bands) or rows.stop <= rows.start or columns.stop <= columns.start:
                out = np.empty(
                    (len(dates), len(bands), max(0, rows.stop - rows.start), max(0, columns.stop - columns.start)),
                    self.dtype,
                )
            else:
                out = source.read(dates, bands, rows, columns)
            out = out[:, :, take_y][:, :, :, take_x]
            drop = tuple(axis for axis, gone in enumerate((drop_t, drop_b, drop_y, drop_x)) if gone)
            return out.squeeze(axis=drop) if drop else out

    return _Backend()


def _indices(key: Any, size: int) -> tuple[list[int], bool]:
    if isinstance(key, (int, np.integer)):
        return [int(key) % size], True
    if isinstance(key, slice):
        return list(range(*key.indices(size))), False
    return [int(k) % size for k in np.asarray(key).tolist()], False


def _window(key: Any, size: int) -> tuple[slice, Any, bool]:
    """The smallest window that holds the asked rows, and how to take them from it."""
    if isinstance(key, slice):
        start, stop, step = key.indices(size)
        if step == 1:
            return slice(start, max(start, stop)), slice(None), False
    wanted, drop = _indices(key, size)
    if not wanted:
        return slice(0, 0), slice(None), drop
    low, high = min(wanted), max(wanted) + 1
    if wanted == list(range(low, high)):
        return slice(low, high), slice(None), drop
    return slice(low, high), np.asarray(wanted) - low, drop
