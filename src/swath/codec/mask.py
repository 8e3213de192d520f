"""Masks to bytes and back, without loss: one plane for all bands where they agree, differences between rows and dates."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from swath.codec.planes import inflated
from swath.codec.stream import Reader, Writer, damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_mask", "write_mask"]


def write_mask(out: Writer, mask: NDArray[np.bool_]) -> None:
    """Append a mask (T, C, H, W); one byte when it is all true or all false."""
    if mask.all() or not mask.any():
        out.number(1 if mask.all() else 0)
        return
    shared = bool((mask == mask[:, :1]).all())
    planes = mask[:, :1] if shared else mask
    ways = [zlib.compress(np.packbits(_forward(planes, way)).tobytes(), 9) for way in range(4)]
    best = min(range(4), key=lambda way: len(ways[way]))
    out.number(2 + best + 4 * shared)
    out.block(ways[best])


def read_mask(source: Reader, shape: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Read a mask of `shape` (T, C, H, W)."""
    how = source.number(9)
    if how < 2:
        return np.full(shape, bool(how))
    shared, way = divmod(how - 2, 4)
    stored = (shape[0], 1, *shape[2:]) if shared else shape
    count = int(np.prod(stored))
    size = (count + 7) // 8
    data = inflated(source.block(), size + 1)
    if len(data) != size:
        raise damaged(f"a mask of {len(data)} bytes where {size} belong")
    planes = _back(np.unpackbits(np.frombuffer(data, np.uint8), count=count).reshape(stored).astype(bool), way)
    return np.ascontiguousarray(np.broadcast_to(planes, shape))


def _forward(mask: NDArray[np.bool_], way: int) -> NDArray[np.bool_]:
    """Way 1: change from the row above; 2: from the date before; 3: both."""
    mask = mask.copy()
    if way & 2:
        mask[1:] ^= mask[:-1].copy()
    if way & 1:
        mask[:, :, 1:] ^= mask[:, :, :-1].copy()
    return mask


def _back(mask: NDArray[np.bool_], way: int) -> NDArray[np.bool_]:
    if way & 1:
        mask = np.logical_xor.accumulate(mask, axis=2)
    if way & 2:
        mask = np.logical_xor.accumulate(mask, axis=0)
    return mask
