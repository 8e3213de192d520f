"""Series of a cube: some pixels of every part of it, by place, to learn and judge by; and those of one window, to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.baseline.forecast import Series
from swath.batch import Pixels
from swath.sample.window import Windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

__all__ = ["draw", "of_pixels"]

ACROSS = 8  # places a side at most
VALUES = 300_000  # dates x bands x pixels that are drawn at most
MOST = 900


def draw(cube: xr.DataArray, *, allow: Iterable[str] = ("snow",), values: int = VALUES) -> Series:
    """Pixels from the middle of up to 8 x 8 parts of the scene, a place each, so that places do not touch.

    Pixels that were never seen are left out; a place without any is none. The same for the same cube.
    """
    height, width = cube.sizes["y"], cube.sizes["x"]
    depth = cube.sizes.get("time", 1) * cube.sizes["band"]
    down, across = (max(1, min(ACROSS, n // 4)) for n in (height, width))
    total = int(np.clip(values // max(1, depth), 120, MOST))
    side = max(1, int(np.sqrt(total / (down * across))))
    windows = Windows({"series": cube}, allow=tuple(allow), budget=32 << 20)
    parts = []
    for i in range(down):
        for j in range(across):
            rows, columns = (_middle(k, n, size, side) for k, n, size in ((i, down, height), (j, across, width)))
            pixels = windows.read(rows, columns).pixels["series"]
            found = of_pixels(pixels, place=f"{i:02d}_{j:02d}")
            parts.append(found.rows(np.asarray(found.valid.any((1, 2)))))
    return Series(
        values=np.concatenate([p.values for p in parts]),
        valid=np.concatenate([p.valid for p in parts]),
        day=np.concatenate([p.day for p in parts]),
        place=np.concatenate([p.place for p in parts]),
        bands=parts[0].bands,
    )


def _middle(k: int, n: int, size: int, side: int) -> slice:
    """The middle `side` pixels of part k of n; of a single part all that fits."""
    low, high = k * size // n, (k + 1) * size // n
    room = max(1, (high - low) - (1 if n > 1 else 0))  # at least a pixel between two places
    side = min(side, room)
    start = low + (high - low - side) // 2
    return slice(start, start + side)


def of_pixels(pixels: Pixels, *, place: str = "") -> Series:
    """The pixels of one window (B = 1), row by row, as series."""
    values, valid = np.asarray(pixels.values)[0], np.asarray(pixels.valid)[0]
    t, c, h, w = values.shape
    return Series(
        values=values.reshape(t, c, h * w).transpose(2, 0, 1),
        valid=valid.reshape(t, c, h * w).transpose(2, 0, 1),
        day=np.broadcast_to(np.asarray(pixels.day)[0], (h * w, t)),
        place=np.full(h * w, place),
        bands=pixels.bands,
    )
