"""Where to label next: places where two classes are nearly as likely, spread over the map, its pairs of classes, and new ground.

A large map is looked at by its overviews, then once more in full around each place that was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Place", "next_places"]

SIDE = 640  # pixels of the longer side of what is looked at
PLACES = 5
SMOOTH = (
    5  # pixels over which doubt is averaged: the rim between two fields is always in doubt, and nobody can tell there
)
NEWER = 0.15  # what ground unlike any label adds
PAIRED = 0.6  # what is left of a place's worth when its two classes have a place already
CERTAIN = 250  # of probability as stored


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the map: row and column of its grid, its two likeliest classes (indices of bands) and their shares."""

    row: int
    column: int
    a: int
    b: int
    pa: float
    pb: float


def next_places(
    folder: Path, labelled: Sequence[tuple[float, float]], *, near: float = 16.0, places: int = PLACES
) -> list[Place]:
    """The places of a map most worth a label, best first; fewer where fewer are in any doubt.

    folder: with probability.tif and doubt.tif. labelled: (row, column) of the labels on the map's grid; near: pixels around
    them that are left out.
    """
    import rasterio

    with rasterio.open(folder / "probability.tif") as file:
        height, width, count = file.height, file.width, file.count
        if count < 2:
            return []
        step = max(1, -(-max(height, width) // SIDE))
        shape = (-(-height // step), -(-width // step))
        first, second, a, b, seen = _two(file.read(i, out_shape=shape) for i in range(1, count + 1))
    worth = 1.0 - (first - second) / CERTAIN
    worth[~seen] = 0
    worth = _averaged(worth, seen)
    worth += NEWER * _outside(folder, shape) * (worth > 0)
    worth[~seen] = 0
    rim = max(1, min(shape) // 40)
    worth[:rim] = worth[-rim:] = worth[:, :rim] = worth[:, -rim:] = 0
    _leave_out(worth, labelled, near, step)
    apart = max(3.0, 0.22 * min(shape))
    pair = np.minimum(a, b) * count + np.maximum(a, b)
    found = []
    for _ in range(places):
        at = np.unravel_index(int(worth.argmax()), shape)
        if worth[at] <= 0.1:
            break
        found.append((int(at[0]), int(at[1])))
        _leave_out(worth, [(at[0] * step, at[1] * step)], apart * step, step)
        worth[pair == pair[at]] *= PAIRED
    return [_refined(folder, r, c, step, (height, width)) for r, c in found]


def _two(planes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Largest and second share of each pixel, which bands they are, and where anything was mapped; one band at a time."""
    stored = next(planes)
    seen = stored != 255
    first = np.where(seen, stored, -1.0).astype(np.float32)
    second = np.full_like(first, -1.0)
    a, b = np.zeros(first.shape, np.int16), np.zeros(first.shape, np.int16)
    for i, stored in enumerate(planes, 1):
        plane = np.where(stored == 255, -1.0, stored).astype(np.float32)
        top = plane > first
        next_one = ~top & (plane > second)
        second = np.where(top, first, np.where(next_one, plane, second))
        b = np.where(top, a, np.where(next_one, i, b))
        first, a = np.where(top, plane, first), np.where(top, i, a)
    return first, second, a, b, seen


def _averaged(worth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    from scipy.ndimage import uniform_filter

    share = uniform_filter(seen.astype(np.float32), SMOOTH, mode="constant")
    return np.asarray(uniform_filter(worth, SMOOTH, mode="constant") / np.maximum(share, 0.2))


def _outside(folder: Path, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) 1 where the map is asked about what is unlike every label."""
    import rasterio

    path = folder / "doubt.tif"
    if not path.exists():
        return np.zeros(shape, np.float32)
    with rasterio.open(path) as file:
        band = file.read(2, out_shape=shape) if file.count > 1 else np.zeros(shape, np.uint8)
    return np.asarray(band == 1, np.float32)


def _leave_out(worth: np.ndarray, labelled: Sequence[Any], near: float, step: int) -> None:
    """Nothing within `near` pixels of the map around these places."""
    reach = near / step
    for row, column in labelled:
        r, c = row / step, column / step
        top, left = max(0, int(r - reach)), max(0, int(c - reach))
        bottom, right = int(r + reach) + 2, int(c + reach) + 2
        part = worth[top:bottom, left:right]
        if not part.size:
            continue
        y, x = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part[(y - r) ** 2 + (x - c) ** 2 <= reach**2] = 0


def _refined(folder: Path, row: int, column: int, step: int, size: tuple[int, int]) -> Place:
    """The pixel of a coarse one that is most like those around it, among those in doubt."""
    import rasterio
    from rasterio.windows import Window

    top, left = row * step, column * step
    rows, columns = min(step, size[0] - top), min(step, size[1] - left)
    with rasterio.open(folder / "probability.tif") as file:
        window = Window(left, top, columns, rows)
        first, second, a, b, seen = _two(file.read(i, window=window) for i in range(1, file.count + 1))
    gap = np.where(seen, first - second, np.inf)
    at = np.unravel_index(int(gap.argmin()), gap.shape)
    pa, pb = float(first[at]) / CERTAIN, float(second[at]) / CERTAIN
    return Place(top + int(at[0]), left + int(at[1]), int(a[at]), int(b[at]), pa, max(0.0, pb))
