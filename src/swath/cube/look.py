"""A look at a whole scene, at most 1024 pixels a side, for files that hold no smaller copy of themselves.

A small scene is looked at when asked. A large one is read once from end to end in the background, strip by strip; until
then what is not read yet is zero, and `listeners` are told as it grows.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from swath.cube import sources
from swath.cube.kept import Kept
from swath.cube.lazy import Source

__all__ = ["holds", "listeners", "look", "pending"]

SIDE = 1024
AT_ONCE = 48_000_000
"""Pixels of a scene that is looked at while somebody waits."""
_STRIP = 64 << 20  # bytes of a strip
_TOLD = 0.1  # share of the scene between two tellings
_kept = Kept(192 << 20)
_growing: dict[Any, np.ndarray] = {}
_lock = threading.RLock()
_once = threading.Lock()
_reader = ThreadPoolExecutor(1, thread_name_prefix="look")
listeners: list[Callable[[Source, float], None]] = []
"""Called with a source and the share of it that has been read."""


class _Same:
    """A source as a key: equal to itself alone, however large the tree beneath it is."""

    __slots__ = ("source",)

    def __init__(self, source: Source) -> None:
        self.source = source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.source is self.source

    def __hash__(self) -> int:
        return id(self.source)


def look(source: Source, date: int, bands: Sequence[int]) -> dict[int, np.ndarray]:
    """{band: (h, w) of the whole, at most SIDE pixels a side}, as far as it has been read."""
    key = _Same(source)
    with _lock:
        found = {b: v for b in bands if (v := _seen((key, date, b))) is not None}
        missing = [b for b in bands if b not in found]
        if not missing:
            return found
        high, wide = _size(source)
        if source.shape[2] * source.shape[3] > AT_ONCE:
            for b in missing:
                found[b] = _growing[key, date, b] = np.zeros((high, wide), source.dtype)
            _reader.submit(_grow, source, date, missing)
            return found
    with _once:
        missing = [b for b in missing if _kept.get((key, date, b)) is None]
        if missing:
            made = sources.coarse(source, [date], missing, high, wide)[0]
            for b, values in zip(missing, made, strict=True):
                found[b] = np.ascontiguousarray(values)
                _kept.put((key, date, b), found[b])
    return {b: found[b] if b in found else _kept.get((key, date, b)) for b in bands}  # type: ignore[misc]


def pending(tree: Source) -> bool:
    """Whether anything under a source is still being read."""
    with _lock:
        waiting = {key.source for key, _, _ in _growing} if _growing else None
    return waiting is not None and any(holds(tree, one) for one in waiting)


def holds(tree: Any, source: Source) -> bool:
    """Whether a source is another or lies under it."""
    if tree is source:
        return True
    if not dataclasses.is_dataclass(tree):
        return False
    inner = [getattr(tree, f.name) for f in dataclasses.fields(tree) if f.name in ("source", "sources", "parts")]
    return any(holds(one, source) for item in inner for one in (item if isinstance(item, tuple) else (item,)))


def _seen(key: Any) -> np.ndarray | None:
    growing = _growing.get(key)
    return growing if growing is not None else _kept.get(key)


def _size(source: Source) -> tuple[int, int]:
    height, width = source.shape[2:]
    shrink = max(1.0, max(height, width) / SIDE)
    return max(1, round(height / shrink)), max(1, round(width / shrink))


def _grow(source: Source, date: int, bands: list[int]) -> None:
    """Fill the looks of some bands; a strip that cannot be read stays zero."""
    from swath.errors import SwathError

    key, (_, _, height, width) = _Same(source), source.shape
    high, wide = _size(source)
    rows = np.minimum((np.arange(high) + 0.5) * height / high, height - 1).astype(int)
    columns = np.minimum((np.arange(wide) + 0.5) * width / wide, width - 1).astype(int)
    depth = max(1, _STRIP // (width * len(bands) * source.dtype.itemsize))
    depth = max(256, depth // 512 * 512) if depth >= 256 else depth
    told = 0.0
    for top in range(0, height, depth):
        bottom = min(height, top + depth)
        inside = np.flatnonzero((rows >= top) & (rows < bottom))
        if len(inside):
            try:
                part = source.read([date], bands, slice(top, bottom), slice(0, width))[0]
            except SwathError:
                continue
            for b, values in zip(bands, part, strict=True):
                _growing[key, date, b][inside] = values[rows[inside] - top][:, columns]
        share = bottom / height
        if share < 1 and share - told >= _TOLD:
            told = share
            _tell(source, share)
    with _lock:
        for b in bands:
            _kept.put((key, date, b), _growing.pop((key, date, b)))
    _tell(source, 1.0)


def _tell(source: Source, share: float) -> None:
    for one in list(listeners):
        one(source, share)
