"""Geometries in pixel coordinates to pixels: a polygon holds every pixel whose centre is inside, a point one pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Burnt", "burn", "priority", "thinned"]

WINDOW = 2048
PRUNE_AT = 4_000_000
# Edges that run exactly through pixel centres belong to one side only: a shift far below any coordinate's accuracy
# decides.
NUDGE = (1.3e-7, 1.7e-7)


@dataclass(frozen=True, slots=True)
class Burnt:
    """Labelled pixels: row, column, value (n,), thing (n,) index of the geometry; pixels dropped for two labels;
    averaged.
    """

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    thing: np.ndarray
    conflicts: int
    averaged: int


def priority(key: np.ndarray, seed: int) -> np.ndarray:
    """(n,) uint64 pseudo-random order of integer keys: the same on every machine and in every process (splitmix64)."""
    with np.errstate(over="ignore"):
        z = np.asarray(key).astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def thinned(key: np.ndarray, group: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Sorted indices of at most `most` keys of each group: those first in `priority`, whatever the order of the
    input.
    """
    order = np.lexsort((priority(key, seed), group))
    group = group[order]
    start = np.r_[0, np.flatnonzero(np.diff(group)) + 1] if group.size else np.zeros(0, int)
    rank = np.arange(group.size) - np.repeat(start, np.diff(np.r_[start, group.size]))
    return np.sort(order[rank < most])


def burn(
    geometries: np.ndarray,
    values: np.ndarray,
    shape: tuple[int, int],
    *,
    numbers: bool,
    most: int | None = None,
    seed: int = 0,
) -> Burnt:
    """Pixels of `geometries` (n,) shapely, x = column and y = row with edges at whole numbers, on a grid of `shape`.

    values (n,): class index or number of each. Pixels with two classes are dropped and counted; two numbers are
    averaged. most: at most so many pixels a class (seeded by place, not by order). Works in windows, so a large grid
    costs no memory.
    """
    import shapely

    kind = shapely.get_type_id(geometries)
    point = np.isin(kind, (0, 4))
    parts: list[tuple[np.ndarray, ...]] = list(_points(geometries, np.flatnonzero(point), values, shape))
    held = sum(len(p[0]) for p in parts)
    for part in _areas(geometries, np.flatnonzero(~point), values, shape, numbers):
        parts.append(part)
        held += len(part[0])
        if most is not None and held > PRUNE_AT:
            parts = [_pruned(parts, most, seed, numbers)]
            held = len(parts[0][0])
    if not parts:
        none = np.zeros(0, np.int64)
        return Burnt(none, none, np.zeros(0), none, 0, 0)
    key, value, thing, torn = (np.concatenate(a) for a in zip(*parts, strict=True))
    key, value, thing, torn, averaged = _merged(key, value, thing, torn, numbers)
    keep = ~torn
    key, value, thing = key[keep], value[keep], thing[keep]
    if most is not None:
        chosen = thinned(key, np.zeros(len(key)) if numbers else value, most, seed)
        key, value, thing = key[chosen], value[chosen], thing[chosen]
    return Burnt(key // shape[1], key % shape[1], value, thing, int((~keep).sum()), averaged)


def _points(
    geometries: np.ndarray, which: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> Iterator[tuple[np.ndarray, ...]]:
    import shapely

    if not which.size:
        return
    xy, owner = shapely.get_coordinates(geometries[which], return_index=True)
    column, row = np.floor(xy[:, 0]), np.floor(xy[:, 1])
    inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    thing = which[owner[inside]]
    key = row[inside].astype(np.int64) * shape[1] + column[inside].astype(np.int64)
    yield key, values[thing], thing, np.zeros(len(key), bool)


def _areas(
    geometries: np.ndarray, which: np.ndarray, values: np.ndarray, shape: tuple[int, int], numbers: bool
) -> Iterator[tuple[np.ndarray, ...]]:
    """Polygons and lines, a window at a time."""
    import shapely

    if not which.size:
        return
    moved = shapely.transform(geometries[which], lambda xy: xy + NUDGE)
    tree = shapely.STRtree(moved)
    left, top, right, bottom = shapely.total_bounds(moved)
    rows = range(max(0, int(top)) // WINDOW * WINDOW, min(shape[0], max(0, int(np.ceil(bottom)))), WINDOW)
    columns = range(max(0, int(left)) // WINDOW * WINDOW, min(shape[1], max(0, int(np.ceil(right)))), WINDOW)
    for r in rows:
        for c in columns:
            size = (min(WINDOW, shape[0] - r), min(WINDOW, shape[1] - c))
            hit = np.sort(tree.query(shapely.box(c, r, c + size[1], r + size[0])))
            if hit.size:
                yield from _window(moved[hit], which[hit], values[which[hit]], (r, c), size, shape[1], numbers)


def _window(
    shapes: np.ndarray,
    thing: np.ndarray,
    value: np.ndarray,
    corner: tuple[int, int],
    size: tuple[int, int],
    width: int,
    numbers: bool,
) -> Iterator[tuple[np.ndarray, ...]]:
    import shapely
    from affine import Affine
    from rasterio.enums import MergeAlg
    from rasterio.features import rasterize

    line = np.isin(shapely.get_type_id(shapes), (1, 2, 5))

    def drawn(burns: Any, dtype: str, *, add: bool, lines: bool) -> np.ndarray:
        pairs = [(g, b) for g, b, is_line in zip(shapes, burns, line, strict=True) if is_line == lines]
        if not pairs:
            return np.zeros(size, dtype)
        rule = MergeAlg.add if add else MergeAlg.replace
        at = Affine.translation(corner[1], corner[0])
        return np.asarray(
            rasterize(
                pairs if add else pairs[::-1],
                out_shape=size,
                transform=at,
                all_touched=lines,
                merge_alg=rule,
                dtype=dtype,
            )
        )

    number = np.arange(1, len(shapes) + 1)
    for lines in sorted(set(line.tolist())):
        first = drawn(number, "uint32", add=False, lines=lines)
        row, column = np.nonzero(first)
        if not row.size:
            continue
        owner = first[row, column].astype(np.int64) - 1
        got = value[owner].astype(np.float64)
        torn = np.zeros(len(row), bool)
        if not lines and len(shapes) > 1:
            many = drawn(np.ones(len(shapes)), "float64", add=True, lines=lines)[row, column]
            if (many > 1).any():
                total = drawn(value + 1.0, "float64", add=True, lines=lines)[row, column]
                if numbers:
                    got = np.where(many > 1, total / many - 1.0, got)
                else:
                    squares = drawn((value + 1.0) ** 2, "float64", add=True, lines=lines)[row, column]
                    torn = (many > 1) & (many * squares != total**2)
        key = (row + corner[0]).astype(np.int64) * width + column + corner[1]
        yield key, got, thing[owner], torn


def _merged(
    key: np.ndarray, value: np.ndarray, thing: np.ndarray, torn: np.ndarray, numbers: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """One row a pixel, sorted by pixel: the first thing wins, classes that differ tear it, numbers are averaged."""
    order = np.lexsort((thing, key))
    key, value, thing, torn = key[order], value[order], thing[order], torn[order]
    start = np.r_[True, key[1:] != key[:-1]] if key.size else np.zeros(0, bool)
    if start.all():
        return key, value, thing, torn, 0
    at = np.flatnonzero(start)
    low, high = np.minimum.reduceat(value, at), np.maximum.reduceat(value, at)
    torn = np.logical_or.reduceat(torn, at)
    averaged = 0
    if numbers:
        n = np.diff(np.r_[at, len(key)])
        averaged = int(((n > 1) & (low != high)).sum())
        kept = np.where(n > 1, np.add.reduceat(value, at) / n, value[at])
    else:
        torn = torn | (low != high)
        kept = value[at]
    return key[at], kept, thing[at], torn, averaged


def _pruned(parts: list[tuple[np.ndarray, ...]], most: int, seed: int, numbers: bool) -> tuple[np.ndarray, ...]:
    key, value, thing, torn = (np.concatenate(a) for a in zip(*parts, strict=True))
    # Torn pixels stay (they are few, and a later part may touch them); the rest thins by place alone.
    chosen = thinned(key, np.where(torn, -1.0, np.zeros(len(key)) if numbers else value), most, seed)
    chosen = np.union1d(chosen, np.flatnonzero(torn))
    return key[chosen], value[chosen], thing[chosen], torn[chosen]
