"""In which order bands and dates are coded, and which of those known before help each: found by the encoder, told in the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.codec.native import Grid, read_grid
from swath.codec.stream import Reader, Writer, damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Group", "Plan", "groups", "plan", "read_plan"]

REFERENCES = 3  # bands that help a band, at most
GAIN = 0.02  # bits a pixel that a further one must save
SAMPLE = 4096
MANY = 24  # from so many bands on one grid they are taken two by two like dates


@dataclass(frozen=True)
class Plan:
    """grids and the one of each band; bands in the order of coding with those that help each; halvings of the dates."""

    grids: list[Grid]
    grid: list[int]
    order: list[int]
    helpers: list[list[int]]
    halvings: int

    def write(self, out: Writer) -> None:
        """Append the plan."""
        out.number(len(self.grids))
        for grid in self.grids:
            grid.write(out)
        for band, helpers in zip(self.order, self.helpers, strict=True):
            out.number(band)
            if len(self.grids) > 1:
                out.number(self.grid[band])
            out.number(len(helpers))
            for helper in helpers:
                out.number(self.order.index(helper))
        out.number(self.halvings)


def read_plan(source: Reader, dates: int, bands: int, height: int, width: int) -> Plan:
    """Read what Plan.write wrote."""
    count = source.number(bands)
    grids = [read_grid(source, height, width) for _ in range(count)]
    grid, order, helpers = [0] * bands, [], []
    if not grids:
        raise damaged("no grid")
    for place in range(bands):
        band = source.number(bands - 1)
        if band in order:
            raise damaged("a band coded twice")
        order.append(band)
        grid[band] = source.number(count - 1) if count > 1 else 0
        known = [source.number(max(place - 1, 0)) for _ in range(source.number(min(place, 2 * REFERENCES)))]
        if any(grid[order[index]] > grid[band] for index in known):
            raise damaged("a fine band that waits for a coarse one")
        helpers.append([order[index] for index in known])
    return Plan(grids, grid, order, helpers, source.number(max(dates - 1, 0).bit_length()))


@dataclass(frozen=True)
class Group:
    """Dates of a band that are coded together, and for each of them a known date before and one behind (none: no such)."""

    dates: slice
    before: NDArray[np.intp] | None = None
    behind: NDArray[np.intp] | None = None


def groups(dates: int, halvings: int) -> list[Group]:
    """Dates from coarse to fine: each group lies between dates known before."""
    found = [Group(slice(0, dates, 1 << halvings))]
    for halving in range(halvings - 1, -1, -1):
        side = 1 << halving
        own = np.arange(side, dates, 2 * side)
        if len(own):
            behind = np.where(own + side < dates, own + side, own - side)
            found.append(Group(slice(side, dates, 2 * side), own - side, behind))
    return found


def plan(
    number: NDArray[np.int64], good: NDArray[np.bool_], near: tuple[int, ...], grids: list[Grid], grid: list[int]
) -> Plan:
    """A plan for whole numbers (T, C, H, W) whose grids are found."""
    bands = number.shape[1]
    order: list[int] = []
    helpers: list[list[int]] = [[] for _ in range(bands)]
    noise = np.array([(2 * error + 1) ** 2 / 12 for error in near])
    gains = []
    for index, cells in enumerate(grids):
        own = [band for band in range(bands) if grid[band] == index]
        finer = [band for band in range(bands) if grid[band] < index] if index else []
        detail, weight = _details(number, good, cells, [*own, *finer], grid)
        square, early = _moments(detail, weight, noise[[*own, *finer]], number.shape[0])
        ranked = sorted(range(len(own)), key=lambda place: -square[place, place])
        for rank, place in enumerate(ranked):
            known = [*ranked[:rank], *range(len(own), len(own) + len(finer))]
            found = _helpful(square, place, known)
            order.append(own[place])
            helpers[own[place]] = [[*own, *finer][helper] for helper in found]
            if early is not None:
                gains.append(_time_gain(square, early, place, found) * cells.shape[0] * cells.shape[1])
    dates = number.shape[0]
    size = sum(grids[index].shape[0] * grids[index].shape[1] for index in grid)
    halvings = (dates - 1).bit_length() if gains and sum(gains) > 0.03 * size else 0
    return Plan(grids, grid, order, [helpers[band] for band in order], halvings)


def _details(
    number: NDArray[np.int64], good: NDArray[np.bool_], cells: Grid, bands: list[int], grid: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What each pixel of a sample shows beyond its four neighbours: (bands, T, n), and where all bands can tell."""
    detail, fine = [], []
    for band in bands:
        own = np.asarray(cells.gather(number[:, band], good[:, band])[0], np.float64)
        ok = cells.expand_any(good[:, band])
        if grid[band] != grid[bands[0]] and not cells.whole:
            own = cells.mean(number[:, band])
        padded = np.pad(own, ((0, 0), (1, 1), (1, 1)), mode="edge")
        around = padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] + padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2]
        seen = np.pad(ok, ((0, 0), (1, 1), (1, 1)), constant_values=True)
        near = seen[:, 2:, 1:-1] & seen[:, :-2, 1:-1] & seen[:, 1:-1, 2:] & seen[:, 1:-1, :-2] & ok
        each = max(1, own[0].size * len(own) // SAMPLE)
        detail.append((own - around / 4).reshape(len(own), -1)[:, ::each])
        fine.append(near.reshape(len(own), -1)[:, ::each])
    return np.stack(detail), np.stack(fine)


def _moments(
    detail: NDArray[np.float64], weight: NDArray[np.bool_], noise: NDArray[np.float64], dates: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Covariance of the bands' details, noise of the step included, and with the dates before: large values count as less."""
    limit = np.array(
        [4 * np.median(np.abs(one[ok])) if ok.any() else 0.0 for one, ok in zip(detail, weight, strict=True)]
    )
    limit = np.maximum(limit, 0.5)[:, None, None]
    kept = np.where(weight, detail.clip(-limit, limit), 0)
    flat = kept.reshape(len(kept), -1)
    count = max(flat.shape[1], 1)
    square = flat @ flat.T / count + np.diag(noise + 1e-6)
    if dates < 3:
        return square, None
    step = kept.reshape(len(kept), dates, -1)
    early = (step[:, 1:] * step[:, :-1]).sum((1, 2)) / max(step[0, 1:].size, 1)
    return square, early


def _helpful(square: NDArray[np.float64], own: int, known: list[int]) -> list[int]:
    """The few known bands that leave least of a band's details, one after another while each saves enough."""
    chosen: list[int] = []
    left = square[own, own]
    while known and len(chosen) < REFERENCES:
        rest = [_left(square, own, [*chosen, band]) for band in known]
        best = int(np.argmin(rest))
        if 0.5 * np.log2(left / max(rest[best], 1e-9)) < GAIN:
            break
        left = rest[best]
        chosen.append(known.pop(best))
    return chosen


def _left(square: NDArray[np.float64], own: int, chosen: list[int]) -> float:
    """Variance of a band's details that others leave."""
    if not chosen:
        return float(square[own, own])
    across = square[own, chosen]
    return float(square[own, own] - across @ np.linalg.solve(square[np.ix_(chosen, chosen)], across))


def _time_gain(square: NDArray[np.float64], early: NDArray[np.float64], own: int, chosen: list[int]) -> float:
    """Bits a pixel that the dates on both sides save, as if independent of what other bands save."""
    full = square[own, own]
    share = min(abs(early[own]) / full, 0.95) if full > 0 else 0.0
    two = 2 * share**2 / (1 + share**2)  # both sides, themselves correlated at twice the distance
    rest = _left(square, own, chosen) / full if full > 0 else 1.0
    return float(-0.5 * np.log2(max(1 - two, 0.02)) * rest)
