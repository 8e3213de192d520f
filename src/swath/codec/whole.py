"""Whole numbers to bytes within a bound: a lattice of step 2 near + 1 for each band, then planes without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.codec.planes import read_planes, write_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from swath.codec.stream import Reader, Writer

__all__ = ["read", "write"]


def write(out: Writer, number: NDArray[np.int64], good: NDArray[np.bool_], near: tuple[int, ...]) -> None:
    """Append whole numbers (T, C, H, W); those not `good` take their left neighbour's value and cost next to nothing."""
    low = np.where(good, number, np.iinfo(np.int64).max).min((0, 2, 3))
    low = np.where(good.any((0, 2, 3)), low, 0)
    for value in low.tolist():
        out.signed(value)
    error = np.array(near).reshape(1, -1, 1, 1)
    index = (_filled(number, good, low) - low.reshape(1, -1, 1, 1) + error) // (2 * error + 1)
    write_planes(out, index.reshape(-1, *number.shape[2:]))


def read(source: Reader, good: NDArray[np.bool_], near: tuple[int, ...]) -> NDArray[np.int64]:
    """Read whole numbers of the shape of `good`."""
    low = np.array([source.signed() for _ in near]).reshape(1, -1, 1, 1)
    planes = read_planes(source, (good.shape[0] * good.shape[1], *good.shape[2:])).reshape(good.shape)
    return planes * (2 * np.array(near).reshape(1, -1, 1, 1) + 1) + low


def _filled(number: NDArray[np.int64], good: NDArray[np.bool_], low: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest good value to the left in reading order of each plane, the band's least before the first."""
    planes = number.shape[0] * number.shape[1]
    flat, fine = number.reshape(planes, -1), good.reshape(planes, -1)
    place = np.maximum.accumulate(np.where(fine, np.arange(flat.shape[1]), -1), axis=1)
    kept = np.take_along_axis(flat, place.clip(0), axis=1)
    least = np.broadcast_to(low, number.shape[:2]).reshape(planes, 1)
    return np.where(place < 0, least, kept).reshape(number.shape)
