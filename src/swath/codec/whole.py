"""Whole numbers to bytes within a bound: the walk where it serves, else planes one by one."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.native import find
from swath.codec.pilot import Decoding, Encoding
from swath.codec.plan import MANY, Group, Plan, groups, plan, read_plan
from swath.codec.planes import inflated, read_planes, write_planes
from swath.codec.pyramid import details, levels
from swath.codec.stream import Reader, Writer
from swath.codec.symbols import Symbols, Taken
from swath.codec.walk import OWN, Details, walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from swath.codec.numbers import Lattice

__all__ = ["read", "write"]

WEIGHTS = 1 << 22  # bytes of weights, at most
SINGLE, DOUBLE = 1 << 21, 1 << 48  # ranges that float32 and float64 carry exactly with room for the arithmetic


def write(out: Writer, number: NDArray[np.int64], good: NDArray[np.bool_], near: tuple[int, ...]) -> None:
    """Append whole numbers (T, C, H, W); those not `good` cost nothing and come back as anything."""
    low = int(number[good].min())
    span = int(number[good].max()) - low + 2 * max(near)
    ways = []
    if span < DOUBLE:
        way = Writer()
        way.number(1)
        way.signed(low)
        if _write_walk(way, number - low, good, near, np.float32 if span < SINGLE else np.float64):
            ways.append(way)
    if not ways or len(ways[0].parts) < 400 or (not any(near) and _few(number, good)):
        way = Writer()
        way.number(0)
        _write_planes(way, number, good, near)
        ways.append(way)
    out.parts += min(ways, key=lambda way: len(way.parts)).parts


def read(source: Reader, good: NDArray[np.bool_], lattice: Lattice) -> NDArray[Any]:
    """Read what `write` wrote of the shape of `good`, as the stored numbers that the lattice makes of it."""
    if source.number(1):
        low = source.signed()
        with np.errstate(all="ignore"):
            return _read_walk(source, good, lattice, low)
    return lattice.values(_read_planes(source, good, lattice.near))


def _few(number: NDArray[np.int64], good: NDArray[np.bool_]) -> bool:
    """Whether there are so few different values that they may be classes rather than measurements."""
    some = number[good][:: max(1, number.size // 20000)]
    return len(np.unique(some)) < 40


def _write_walk(
    out: Writer, number: NDArray[np.int64], good: NDArray[np.bool_], near: tuple[int, ...], kind: Any
) -> bool:
    """Append what the walk makes of them; False where it would break the bound."""
    grids, grid = find(number, good)
    turned = number.shape[1] >= MANY and len(grids) == 1 and len(set(near)) == 1
    out.number(int(kind is np.float64))
    out.number(int(turned))
    if turned:
        number, good = number.swapaxes(0, 1), good.swapaxes(0, 1)
        near, grid = near[:1] * number.shape[1], [0] * number.shape[1]
    first = plan(number, good, near, grids, grid)
    first.write(out)
    taken, weights = Taken(), Writer()
    known = Known(first, number.shape, near, kind)
    for band, helpers in zip(first.order, first.helpers, strict=True):
        cells = first.grids[first.grid[band]]
        truth, ok = cells.gather(number[:, band], good[:, band])
        truth = truth.astype(kind)
        for group in groups(number.shape[0], first.halvings):
            own, here = truth[group.dates], None if ok[group.dates].all() else ok[group.dates]
            others, base = known.others(band, helpers, group)
            shape, inverse = (len(own), *cells.shape), kind(1 / (2 * near[band] + 1))
            shared = {}
            count = levels(*cells.shape)
            if count > OWN:
                side = 1 << OWN
                small = own[:, ::side, ::side]
                scout = Encoding(small, None if here is None else here[:, ::side, ::side], near[band], weights, None)
                walk(scout, small.shape, count - OWN, inverse, others, base, skip=OWN)
                shared = scout.fitted
            values, found = walk(
                Encoding(own, here, near[band], weights, taken, shared), shape, count, inverse, others, base
            )
            wrong = np.abs(values.astype(np.float64) - own) > near[band]
            if bool((wrong if here is None else wrong & here).any()) or not np.isfinite(values).all():
                return False
            known.add(band, group, values, found)
    out.block(zlib.compress(bytes(weights.parts), 9))
    taken.write(out)
    return True


def _read_walk(source: Reader, good: NDArray[np.bool_], lattice: Lattice, low: int) -> NDArray[Any]:
    near = lattice.near
    kind = (np.float32, np.float64)[source.number(1)]
    turned = source.number(1)
    if turned:
        good = good.swapaxes(0, 1)
        near = near[:1] * good.shape[1]
    dates, _bands = good.shape[:2]
    first = read_plan(source, *good.shape)
    weights = Reader(inflated(source.block(), WEIGHTS))
    symbols = Symbols(source, good.size, kind)
    known = Known(first, good.shape, near, kind)
    whole = np.empty(good.shape, lattice.dtype)
    every = bool(good.all())
    for band, helpers in zip(first.order, first.helpers, strict=True):
        cells = first.grids[first.grid[band]]
        ok = None if every else cells.expand_any(good[:, band])
        parts = np.empty((dates, *cells.shape), lattice.dtype)
        for group in groups(dates, first.halvings):
            own = None if ok is None else ok[group.dates]
            own = None if own is None or own.all() else own
            others, base = known.others(band, helpers, group)
            shape = (len(range(*group.dates.indices(dates))), *cells.shape)
            pilot = Decoding(own, near[band], kind, weights, symbols)
            values, found = walk(pilot, shape, levels(*cells.shape), kind(1 / (2 * near[band] + 1)), others, base)
            known.add(band, group, values, found)
            parts[group.dates] = lattice.plane(values, low, 0 if turned else band)
        whole[:, band] = cells.expand(parts)
    weights.end()
    symbols.end()
    return whole.swapaxes(0, 1) if turned else whole


class Known:
    """Planes coded so far, as encoder and decoder both have them, and what they tell about the next."""

    def __init__(self, first: Plan, shape: tuple[int, ...], near: tuple[int, ...], kind: Any) -> None:
        self.plan, self.shape, self.near, self.kind = first, shape, near, kind
        self.values: dict[int, NDArray[Any]] = {}
        self.details: dict[int, Details] = {}
        self.carried: dict[tuple[int, int], tuple[NDArray[Any], Details]] = {}

    def add(self, band: int, group: Group, values: NDArray[Any], found: Details) -> None:
        """Take in a group of dates of a band."""
        if not self.plan.halvings:
            self.values[band], self.details[band] = values, found
            return
        dates = self.shape[0]
        if band not in self.values:
            self.values[band] = np.empty((dates, *values.shape[1:]), values.dtype)
            self.details[band] = {
                key: tuple(np.empty((dates, *part.shape[1:]), part.dtype) for part in parts)
                for key, parts in found.items()
            }
        self.values[band][group.dates] = values
        for key, parts in found.items():
            for whole, part in zip(self.details[band][key], parts, strict=True):
                whole[group.dates] = part

    def others(
        self, band: int, helpers: list[int], group: Group
    ) -> tuple[list[tuple[Details, slice | NDArray[np.intp] | None]], NDArray[Any] | None]:
        """Details of helping bands and of the dates on both sides, and their mean on the coarsest grid."""
        found: list[tuple[Details, slice | NDArray[np.intp] | None]] = []
        edge = 1 << levels(*self.plan.grids[self.plan.grid[band]].shape)
        bases = []
        for helper in helpers:
            values, parts = self._on_grid(helper, self.plan.grid[band])
            found.append((parts, group.dates if self.plan.halvings else None))
            bases.append(values[group.dates, ::edge, ::edge])
        if group.before is not None and group.behind is not None:
            bases = []
            for dates in (group.before, group.behind):
                found.append((self.details[band], dates))
                bases.append(self.values[band][dates, ::edge, ::edge])
        if not bases:
            return found, None
        base = bases[0].copy()
        for more in bases[1:]:
            base += more
        return found, base * self.kind(1 / len(bases))

    def _on_grid(self, helper: int, grid: int) -> tuple[NDArray[Any], Details]:
        """A known band on the cells of a coarser grid."""
        if self.plan.grid[helper] == grid:
            return self.values[helper], self.details[helper]
        if (helper, grid) not in self.carried:
            cells, fine = self.plan.grids[grid], self.plan.grids[self.plan.grid[helper]]
            values = cells.mean(fine.expand(self.values[helper]).astype(np.int64)).astype(self.kind)
            found = details(values, levels(*cells.shape))
            inverse = self.kind(1 / (2 * self.near[helper] + 1))
            found = {key: (*parts[:-1], parts[-1] * inverse) for key, parts in found.items()}
            self.carried[helper, grid] = values, found
        return self.carried[helper, grid]


def _write_planes(out: Writer, number: NDArray[np.int64], good: NDArray[np.bool_], near: tuple[int, ...]) -> None:
    """A lattice of step 2 near + 1 for each band, then planes without loss."""
    low = np.where(good, number, np.iinfo(np.int64).max).min((0, 2, 3))
    low = np.where(good.any((0, 2, 3)), low, 0)
    for value in low.tolist():
        out.signed(value)
    error = np.array(near).reshape(1, -1, 1, 1)
    index = (_filled(number, good, low) - low.reshape(1, -1, 1, 1) + error) // (2 * error + 1)
    write_planes(out, index.reshape(-1, *number.shape[2:]))


def _read_planes(source: Reader, good: NDArray[np.bool_], near: tuple[int, ...]) -> NDArray[np.int64]:
    low = np.array([source.signed() for _ in near]).reshape(1, -1, 1, 1)
    planes = read_planes(source, (good.shape[0] * good.shape[1], *good.shape[2:])).reshape(good.shape)
    return np.asarray(planes * (2 * np.array(near).reshape(1, -1, 1, 1) + 1) + low)


def _filled(number: NDArray[np.int64], good: NDArray[np.bool_], low: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nearest good value to the left in reading order of each plane, the band's least before the first."""
    planes = number.shape[0] * number.shape[1]
    flat, fine = number.reshape(planes, -1), good.reshape(planes, -1)
    place = np.maximum.accumulate(np.where(fine, np.arange(flat.shape[1]), -1), axis=1)
    kept = np.take_along_axis(flat, place.clip(0), axis=1)
    least = np.broadcast_to(low, number.shape[:2]).reshape(planes, 1)
    return np.where(place < 0, least, kept).reshape(number.shape)
