"""One pass over a map by strips: pixels and ground by class and cell, borders, transitions. Memory is bounded by the strip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swath.earth.grid import cell_area
from swath.errors import LabelError
from swath.language.legend import Class
from swath.language.north import CELLS, North
from swath.language.patches import Patches
from swath.language.source import Raster, strips

__all__ = ["Counts", "Moved", "count", "count_pair"]

Progress = Callable[[int, int, str], None]
LISTED = 40  # patches of a class that are kept one by one, the largest


@dataclass
class Counts:
    """Of K classes: pixels, ground (CELLS, K) (hectares, or pixels without CRS); unknown (CELLS,) pixels without a class.

    border (K, K) length in metres (pixel sides without CRS) of edges that two classes share; edges (K, K) their number.
    box (K, 4) first and last + 1 row and column; centre (K, 2) sums of row and column; patches: one record a class.
    sure (CELLS, K), judged (CELLS, K): pixels that a doubt layer calls sure, and those it speaks of.
    """

    pixels: np.ndarray
    ground: np.ndarray
    unknown: np.ndarray
    border: np.ndarray
    edges: np.ndarray
    box: np.ndarray
    centre: np.ndarray
    boxes: np.ndarray
    patches: list[Any] = field(default_factory=list)
    sure: np.ndarray | None = None
    judged: np.ndarray | None = None


@dataclass
class Moved:
    """What became what: pixels (CELLS, K0, K1) valid on both dates; ground (K0, K1) in hectares (pixels without CRS).

    pieces: {(from, to): patches} of every pair that differs. unknown: pixels with a class on one date only, or on neither.
    """

    pixels: np.ndarray
    ground: np.ndarray
    unknown: int
    pieces: dict[tuple[int, int], Any] = field(default_factory=dict)


def index_of(raster: Raster) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """From codes and validity to class indices 0..K-1, -1 where there is none. Codes that nobody named are refused."""
    codes = np.array([c.code for c in raster.legend.classes], np.int64)
    order = np.argsort(codes)
    background = np.array(raster.legend.background, np.int64)

    def indices(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        if values.dtype == np.uint8:
            table = np.full(256, -2, np.int16)
            fits = (codes >= 0) & (codes < 256)
            table[codes[fits]] = np.flatnonzero(fits)
            table[background[(background >= 0) & (background < 256)]] = -1
            made = table[values]
        else:
            stored = values.astype(np.int64)
            at = np.clip(np.searchsorted(codes[order], stored), 0, len(codes) - 1)
            made = np.where(codes[order][at] == stored, order[at], -2).astype(np.int16)
            if len(background):
                made[np.isin(stored, background)] = -1
        made = np.where(valid, made, -1)
        if (made == -2).any():
            lost = np.unique(values[made == -2])[:8]
            raise LabelError(
                rule="every code on the map has a name",
                got=f"no name for {', '.join(str(int(c)) for c in lost)} in {raster.legend.source}",
                remedy="add it to the legend, or make it the raster's nodata",
            )
        return np.asarray(made, np.int16)

    return indices


def _sides(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    """(H,) width and height in metres of the pixels of each row (1 in image order)."""
    h = raster.shape[0]
    grid = raster.grid
    if grid is None or grid.crs is None:
        return np.ones(h), np.ones(h)
    from swath.earth.grid import pixel_size

    down, right = pixel_size(grid)
    if not (np.isfinite(down) and np.isfinite(right)) or down <= 0 or right <= 0:
        return np.ones(h), np.ones(h)
    width, height = np.full(h, right), np.full(h, down)
    if grid.crs.geographic and abs(grid.affine.d) + abs(grid.affine.b) < 1e-12:
        area = np.broadcast_to(np.asarray(cell_area(grid))[:, :1] * 10_000, (h, 1))[:, 0]
        width = area / height
    return width, height


def count(
    raster: Raster,
    north: North,
    *,
    connectivity: int = 4,
    sure: Callable[[int, int], tuple[np.ndarray, np.ndarray]] | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Count one map. sure(first, last): (said sure, judged) (n, W) bool of a doubt layer."""
    k = len(raster.legend)
    made = Counts(
        np.zeros((CELLS, k), np.int64), np.zeros((CELLS, k)), np.zeros(CELLS, np.int64), np.zeros((k, k)),
        np.zeros((k, k), np.int64), np.tile([1 << 40, 0, 1 << 40, 0], (k, 1)), np.zeros((k, 2)),
        np.tile([1 << 40, 0, 1 << 40, 0], (CELLS, 1)),
    )  # fmt: skip
    if sure is not None:
        made.sure, made.judged = np.zeros((CELLS, k), np.int64), np.zeros((CELLS, k), np.int64)
    index = index_of(raster)
    width, height = _sides(raster)
    patches = Patches(raster.shape, width, height, connectivity=connectivity, kept=LISTED)
    parts = list(strips(raster.shape))
    above: np.ndarray | None = None
    for i, (first, last) in enumerate(parts):
        if progress is not None:
            progress(i, len(parts), f"counting {raster.name or 'the map'}")
        at = index(*raster.read(first, last))
        cells = north.cells(first, last)
        _tally(made, raster, at, cells, first, k)
        _edges(made, at, above, width, height, first, k)
        if sure is not None and made.sure is not None and made.judged is not None:
            said, judged = sure(first, last)
            made.sure += _by_cell(cells, at, judged & said & (at >= 0), k)
            made.judged += _by_cell(cells, at, judged & (at >= 0), k)
        patches.add(at, first)
        above = at[-1]
    made.patches = patches.finish(k)
    if progress is not None:
        progress(len(parts), len(parts), f"counting {raster.name or 'the map'}")
    return made


def _by_cell(cells: np.ndarray, at: np.ndarray, where: np.ndarray, k: int) -> np.ndarray:
    key = cells[where].astype(np.int64) * k + at[where]
    return np.bincount(key, minlength=CELLS * k).reshape(CELLS, k)


def _tally(made: Counts, raster: Raster, at: np.ndarray, cells: np.ndarray, first: int, k: int) -> None:
    good = at >= 0
    key = cells[good].astype(np.int64) * k + at[good]
    made.pixels += np.bincount(key, minlength=CELLS * k).reshape(CELLS, k)
    made.unknown += np.bincount(cells[~good].ravel(), minlength=CELLS)
    box = raster.grid if raster.grid is not None and raster.grid.crs is not None else None
    area = np.asarray(cell_area(box, slice(first, first + len(at)), raster.shape))
    if np.ptp(area) == 0:  # one size of pixel: the sum is a count
        made.ground += np.bincount(key, minlength=CELLS * k).reshape(CELLS, k) * float(area.flat[0])
    else:
        weight = np.broadcast_to(area, at.shape)[good]
        made.ground += np.bincount(key, weights=weight, minlength=CELLS * k).reshape(CELLS, k)
    rows = np.arange(first, first + len(at))
    by_row = np.stack([np.bincount(line[line >= 0], minlength=k) for line in at])
    made.centre[:, 0] += rows @ by_row
    columns = np.broadcast_to(np.arange(at.shape[1]), at.shape)[good]
    made.centre[:, 1] += np.bincount(at[good], weights=columns, minlength=k)
    for c in np.flatnonzero(by_row.any(0)):
        seen, across = rows[by_row[:, c] > 0], np.flatnonzero((at == c).any(0))
        _widen(made.box[c], int(seen[0]), int(seen[-1]) + 1, int(across[0]), int(across[-1]) + 1)
    for cell in np.unique(cells):
        here = cells == cell
        seen, across = rows[here.any(1)], np.flatnonzero(here.any(0))
        _widen(made.boxes[cell], int(seen[0]), int(seen[-1]) + 1, int(across[0]), int(across[-1]) + 1)


def _widen(box: np.ndarray, top: int, bottom: int, left: int, right: int) -> None:
    box[:] = min(box[0], top), max(box[1], bottom), min(box[2], left), max(box[3], right)


def _edges(
    made: Counts, at: np.ndarray, above: np.ndarray | None, width: np.ndarray, height: np.ndarray, first: int, k: int
) -> None:
    """Sides between different classes: those of neighbours in a row are as long as the pixel is high, and vice versa."""
    a, b = at[:, :-1], at[:, 1:]
    rows = np.arange(first, first + len(at))
    _add_edges(made, a, b, np.broadcast_to(height[rows][:, None], a.shape), k)
    stacked = at if above is None else np.concatenate([above[None], at])
    lines = rows[1:] if above is None else rows
    if len(stacked) > 1:
        _add_edges(made, stacked[:-1], stacked[1:], np.broadcast_to(width[lines][:, None], stacked[1:].shape), k)


def _add_edges(made: Counts, a: np.ndarray, b: np.ndarray, length: np.ndarray, k: int) -> None:
    differ = (a != b) & (a >= 0) & (b >= 0)
    low, high = np.minimum(a[differ], b[differ]).astype(np.int64), np.maximum(a[differ], b[differ])
    key = low * k + high
    number = np.bincount(key, minlength=k * k).reshape(k, k)
    metres = np.bincount(key, weights=length[differ], minlength=k * k).reshape(k, k)
    made.edges += number + number.T
    made.border += metres + metres.T


def count_pair(
    before: Raster, after: Raster, north: North, *, connectivity: int = 4, progress: Progress | None = None
) -> Moved:
    """Count what became what on one grid, and the patches of every change."""
    k0, k1 = len(before.legend), len(after.legend)
    made = Moved(np.zeros((CELLS, k0, k1), np.int64), np.zeros((k0, k1)), 0)
    then, now = index_of(before), index_of(after)
    same = same_class(before, after)
    width, height = _sides(after)
    patches = Patches(after.shape, width, height, connectivity=connectivity, kept=LISTED)
    box = after.grid if after.grid is not None and after.grid.crs is not None else None
    parts = list(strips(after.shape))
    for i, (first, last) in enumerate(parts):
        if progress is not None:
            progress(i, len(parts), "comparing the maps")
        a, b = then(*before.read(first, last)), now(*after.read(first, last))
        both = (a >= 0) & (b >= 0)
        made.unknown += int((~both).sum())
        pair = a.astype(np.int64) * k1 + b
        key = north.cells(first, last)[both].astype(np.int64) * (k0 * k1) + pair[both]
        made.pixels += np.bincount(key, minlength=CELLS * k0 * k1).reshape(CELLS, k0, k1)
        area = np.broadcast_to(np.asarray(cell_area(box, slice(first, last), after.shape)), a.shape)[both]
        made.ground += np.bincount(pair[both], weights=area, minlength=k0 * k1).reshape(k0, k1)
        changed = both & ~same[np.maximum(a, 0), np.maximum(b, 0)]
        patches.add(np.where(changed, pair, -1).astype(np.int32), first)
    records = patches.finish(k0 * k1)
    made.pieces = {divmod(i, k1): r for i, r in enumerate(records) if r.count}
    return made


def same_class(before: Raster, after: Raster) -> np.ndarray:
    """(K0, K1) whether two classes are one, whatever their codes: by name, or as the only ones of a kind of land in their legends."""
    a, b = before.legend.classes, after.legend.classes
    kinds = [[c.concept for c in group] for group in (a, b)]

    def one(x: Class, y: Class) -> bool:
        if x.noun.lower() == y.noun.lower():
            return True
        alone = bool(x.concept) and all(group.count(x.concept) == 1 for group in kinds)
        named = x.noun.lower() in {c.noun.lower() for c in b} or y.noun.lower() in {c.noun.lower() for c in a}
        return alone and x.concept == y.concept and not named

    return np.array([[one(x, y) for y in b] for x in a])
