"""A picture taken apart level by level, so that whole arrays are predicted at once from neighbours on all sides.

A grid of every second pixel is known; the pixels between come in three phases: "a" between four known corners, "b" between two
columns, "c" between two rows. Each is compared with what its neighbours make of it; the arithmetic is single additions and
multiplications of one float type, which every machine rounds alike, so that a decoder finds bit for bit what the encoder found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Later", "Level", "around", "between", "details", "levels", "pairs", "parts", "sides", "smooth"]

PHASES = ("a", "b", "c")


def levels(height: int, width: int) -> int:
    """How often a picture is halved: until few pixels are left, not further (small arrays cost as much time as large ones)."""
    count = 0
    while True:
        side = (max(height, width) - 1 >> count) + 1
        if side <= (4 if count < 3 else 32):
            return count
        count += 1


def parts(grid: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The three phases of a grid (G, h, w), as views."""
    return {"a": grid[:, 1::2, 1::2], "b": grid[:, ::2, 1::2], "c": grid[:, 1::2, ::2]}


def between(array: NDArray[Any], axis: int, count: int) -> NDArray[Any]:
    """Means of neighbours along `axis` (1 or 2); the last stands alone where `count` asks for one more."""
    out = pairs(array, axis, count)
    out *= array.dtype.type(0.5)
    return out


def around(array: NDArray[Any], axis: int, count: int) -> NDArray[Any]:
    """Means of what lies before and behind each of `count` places along `axis`; ends have one neighbour."""
    out = sides(array, axis, count)
    out *= array.dtype.type(0.5)
    return out


def pairs(array: NDArray[Any], axis: int, count: int) -> NDArray[Any]:
    """Twice what `between` gives."""
    size = array.shape[axis]
    if axis == 1:
        if count < size:
            return np.asarray(array[:, :-1] + array[:, 1:])
        out = np.empty((array.shape[0], count, array.shape[2]), array.dtype)
        np.add(array[:, :-1], array[:, 1:], out=out[:, : size - 1])
        np.add(array[:, -1], array[:, -1], out=out[:, -1])
    elif (
        count == size
    ):  # one long row is twice as fast as many short ones; what runs over a row's end is put right behind
        out = np.empty(array.shape, array.dtype)
        line = array.reshape(-1)
        np.add(line[:-1], line[1:], out=out.reshape(-1)[:-1])
        np.add(array[:, :, -1], array[:, :, -1], out=out[:, :, -1])
    else:
        return np.asarray(array[:, :, :-1] + array[:, :, 1:])
    return out


def sides(array: NDArray[Any], axis: int, count: int) -> NDArray[Any]:
    """Twice what `around` gives."""
    size = array.shape[axis]
    if axis == 1:
        out = np.empty((array.shape[0], count, array.shape[2]), array.dtype)
        np.add(array[:, :-1], array[:, 1:], out=out[:, 1:size])
        np.add(array[:, 0], array[:, 0], out=out[:, 0])
        if count > size:
            np.add(array[:, -1], array[:, -1], out=out[:, size])
    else:
        out = np.empty((*array.shape[:2], count), array.dtype)
        if count == size:
            line = array.reshape(-1)
            np.add(line[:-1], line[1:], out=out.reshape(-1)[1:])
        else:
            np.add(array[:, :, :-1], array[:, :, 1:], out=out[:, :, 1:size])
            np.add(array[:, :, -1], array[:, :, -1], out=out[:, :, size])
        np.add(array[:, :, 0], array[:, :, 0], out=out[:, :, 0])
    return out


class Later:
    """An array that is made when first asked for: a decoder never asks for what has no weight."""

    __slots__ = ("made", "make")

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self.make = make
        self.made: NDArray[Any] | None = None

    def get(self) -> NDArray[Any]:
        """The array."""
        if self.made is None:
            self.made = self.make()
        return self.made


class Level:
    """What is known while one level is filled: the coarse grid, then phase after phase.

    `prepare(phase)` gives the mean of the nearest neighbours, differences that may correct it (features), and magnitudes that
    tell how far it may be off (activity, in steps: `inverse` is 1 / step). `put` takes the values once they are known, with the
    size of each surprise.
    """

    def __init__(self, grid: NDArray[Any], height: int, width: int, inverse: Any, *, wide: bool = False) -> None:
        self.grid, self.inverse, self.wide = grid, inverse, wide
        self.odd = (height // 2, width // 2)
        self.even = grid.shape[1:]
        self.out = np.empty((grid.shape[0], height, width), grid.dtype)
        self.out[:, ::2, ::2] = grid
        self.known: dict[str, NDArray[Any]] = {}
        self.surprise: dict[str, NDArray[Any]] = {}

    def phases(self) -> list[str]:
        """The phases that have pixels: a picture of one row has but one."""
        rows, columns = self.odd
        return ["a", "b", "c"] if rows and columns else ["b"] if columns else ["c"] if rows else []

    def prepare(self, phase: str) -> tuple[NDArray[Any], list[Any], list[Any]]:
        """Base, features and activity of a phase, the dearer ones to be made later."""
        (rows, columns), kind = self.odd, self.grid.dtype.type
        quarter = kind(0.25)  # of sums of twos: halving is exact, so it can wait
        if phase == "a":
            self.upright = pairs(self.grid, 1, rows)
            base = pairs(self.upright, 2, columns)
            base *= quarter
            rough = pairs(_change(self.grid, 1, rows), 2, columns)
            rough += pairs(_change(self.grid, 2, columns), 1, rows)
            rough *= kind(0.5) * self.inverse
            return base, [], [rough]
        if phase == "b":
            across = pairs(self.grid, 2, columns)
            upright = sides(self.known["a"], 1, self.even[0]) if rows else across
            surprise: list[Any] = [around(self.surprise["a"], 1, self.even[0])] if rows else []
            more: list[Any] = []
        else:
            upright = self.upright if columns else pairs(self.grid, 1, rows)
            across = sides(self.known["a"], 2, self.even[1]) if columns else upright
            surprise, more = [], []
            if columns:
                surprise = [
                    around(self.surprise["a"], 2, self.even[1]),
                    Later(lambda: around(between(self.surprise["b"], 1, rows), 2, self.even[1])),
                ]
                more = [Later(lambda: around(between(self.known["b"], 1, rows), 2, self.even[1]) - base)]
        base = upright + across
        base *= quarter
        turn = upright - across
        turn *= kind(0.5)
        rough = np.abs(turn)
        rough *= self.inverse
        if self.wide and min(base.shape[1:]) > 1:
            more.append(Later(lambda: _spread(base)))
            surprise.append(Later(lambda: smooth(rough) * kind(1 / 16)))
        return base, [turn, *more], [rough, *surprise]

    def put(self, phase: str, values: NDArray[Any], surprise: NDArray[Any]) -> None:
        """Take the values of a phase."""
        self.known[phase], self.surprise[phase] = values, surprise
        parts(self.out)[phase][...] = values


def smooth(array: NDArray[Any]) -> NDArray[Any]:
    """Sixteen times the means of 3 x 3 pixels of (G, h, w), the middle counting most; sides of at least 2."""
    return _thrice(_thrice(array, 1), 2)


def _spread(base: NDArray[Any]) -> NDArray[Any]:
    """How much more the surroundings of a base are than itself."""
    out = _thrice(base, 1)
    out += _thrice(base, 2)
    out *= base.dtype.type(1 / 8)
    out -= base
    return out


def _thrice(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Twice each pixel and both its neighbours along `axis`; ends count their one neighbour and themselves twice."""
    out = np.empty(array.shape, array.dtype)
    if axis == 1:
        pair = array[:, 1:] + array[:, :-1]
        np.add(pair[:, 1:], pair[:, :-1], out=out[:, 1:-1])
        np.add(pair[:, 0], pair[:, 0], out=out[:, 0])
        np.add(pair[:, -1], pair[:, -1], out=out[:, -1])
        return out
    line = array.reshape(-1)
    pair = line[1:] + line[:-1]
    np.add(pair[1:], pair[:-1], out=out.reshape(-1)[1:-1])
    for end, near in ((0, 1), (-1, -2)):
        edge = array[:, :, end] + array[:, :, near]
        np.add(edge, edge, out=out[:, :, end])
    return out


def _change(array: NDArray[Any], axis: int, count: int) -> NDArray[Any]:
    """Absolute differences of neighbours along `axis`, the last doubled where `count` asks for one more."""
    out = np.zeros((array.shape[0], *(count if axis == side else array.shape[side] for side in (1, 2))), array.dtype)
    size = array.shape[axis]
    if axis == 1:
        np.subtract(array[:, 1:], array[:, :-1], out=out[:, : size - 1])
    else:
        np.subtract(array[:, :, 1:], array[:, :, :-1], out=out[:, :, : size - 1])
    np.abs(out, out=out)
    return out


def details(picture: NDArray[Any], count: int) -> dict[tuple[int, str], tuple[NDArray[Any], ...]]:
    """What a whole picture (G, H, W) shows at each level and phase beyond its neighbours, in the form of walk's Details."""
    found: dict[tuple[int, str], tuple[NDArray[Any], ...]] = {}
    kind = picture.dtype.type
    for level in range(count - 1, -1, -1):
        grid = picture[:, :: 1 << level, :: 1 << level]
        step = Level(np.ascontiguousarray(grid[:, ::2, ::2]), grid.shape[1], grid.shape[2], kind(1))
        for phase in step.phases():
            values = np.ascontiguousarray(parts(grid)[phase])
            base, features, _ = step.prepare(phase)
            detail = values - base
            magnitude = np.abs(detail)
            step.put(phase, values, magnitude)
            found[level, phase] = (detail, *features[:1], detail, magnitude)
    return found
