"""The walk over a plane from coarse to fine that encoder and decoder share, each with a pilot that knows what comes next.

At every phase of every level: how rough it is here (activity, from neighbours, other bands and dates) gives each pixel a class;
what neighbours and the same pixel elsewhere show gives a prediction; the surprise, in steps of 2 near + 1, is a symbol of that
class. The encoder's pilot fits the weights and takes the symbols down, the decoder's reads both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from swath.codec.pyramid import Later, Level, pairs, parts, sides, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASSES", "UNIT", "Details", "Pilot", "Weights", "classes", "combine", "walk"]

CLASSES = 22
UNIT = 64  # weights are whole multiples of 1 / UNIT
LOWEST = 2 * (127 - 6)  # half octaves of the activity begin at 1 / 64 of a step
OWN = 1  # so many of the finest levels have weights of their own and look wider, the others share one set

# by level and phase: detail beyond the neighbours, turn (phases b and c), surprise, size of the surprise in steps
Details = dict[tuple[int, str], tuple["NDArray[Any]", ...]]


@dataclass
class Weights:
    """Whole numbers: of activity, of the features below and from the class `cut` on (cut 0: one set for all)."""

    activity: list[int]
    cut: int = 0
    features: list[list[int]] = field(default_factory=list)

    def fitting(self, features: int, activity: int) -> Weights:
        """The same weights for another number of arrays: what is too many is dropped, what is missing weighs nothing."""

        def sized(weights: list[int], count: int) -> list[int]:
            if len(weights) == count + 1:
                return weights
            return [*weights[:-1][:count], *[0] * (count + 1 - len(weights)), weights[-1]]

        return Weights(sized(self.activity, activity), self.cut, [sized(part, features) for part in self.features])


class Pilot(Protocol):
    """What the walk asks at each phase."""

    def first(self, base: NDArray[Any] | None, edge: int, shape: tuple[int, int, int]) -> NDArray[Any]:
        """Values of the coarsest grid of `shape`, every `edge`th pixel, from what others show there."""

    def phase(
        self,
        level: int,
        phase: str,
        base: NDArray[Any],
        features: list[Any],
        activity: list[Any],
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Values of a phase, their surprises, and the sizes of these in steps."""


def combine(weights: list[int], arrays: list[Any], like: NDArray[Any]) -> NDArray[Any]:
    """Weighted sum of arrays, the last weight alone; one rounding a step, the same on every machine."""
    kind = like.dtype.type
    last = kind(weights[-1] / UNIT)
    out = scratch = None
    for weight, array in zip(weights, arrays, strict=False):
        if not weight:
            continue
        if type(array) is Later:
            array = array.get()
        if out is None:
            out = np.multiply(array, kind(weight / UNIT))
            out += last
        elif scratch is None:
            scratch = np.multiply(array, kind(weight / UNIT))
            out += scratch
        else:
            np.multiply(array, kind(weight / UNIT), out=scratch)
            out += scratch
    return np.full(like.shape, last) if out is None else out


def classes(weights: list[int], activity: list[Any], like: NDArray[Any]) -> NDArray[np.int32]:
    """The class of each pixel, not yet held between 0 and CLASSES - 1: half octaves of its activity, from the bits of a float32."""
    rough = combine(weights, activity, like).astype(np.float32, copy=False)
    half = rough.view(np.int32)
    half >>= 22
    half -= LOWEST
    return half


def walk(
    pilot: Pilot,
    shape: tuple[int, int, int],
    count: int,
    inverse: Any,
    others: list[tuple[Details, slice | NDArray[np.intp] | None]],
    firsts: NDArray[Any] | None,
    *,
    skip: int = 0,
) -> tuple[NDArray[Any], Details]:
    """One group of planes (G, H, W): values and details.

    count: levels. inverse: 1 / step, in the float type of all arithmetic. others: details of planes known before and which of their dates
    belong to this group's (None: all), the most telling first. firsts: what they show on the coarsest grid. skip: how many of their finest
    levels to leave out.
    """
    edge = 1 << count
    grid = pilot.first(firsts, edge, (shape[0], -(-shape[1] // edge), -(-shape[2] // edge)))
    found: Details = {}
    for level in range(count - 1, -1, -1):
        side, own = 1 << level, level + skip < OWN
        step = Level(grid, -(-shape[1] // side), -(-shape[2] // side), inverse, wide=own)
        slope = None
        if own and others and level + 1 < count and len(step.phases()) == 3 and min(step.odd) > 1:
            slope = Slope(step, found, *others[0], level + 1, skip)
        for phase in step.phases():
            base, features, activity = step.prepare(phase)
            turn = features[:1]
            for place, (known, dates) in enumerate(others):
                told = known[level + skip, phase]
                if dates is not None:
                    told = tuple([part[dates] for part in told])
                features += told[:-2]
                if not place:
                    features.append(told[-2])
                    if slope is not None:
                        features.append(slope.guess(phase, told[0]))
                activity.append(told[-1])
            values, surprise, size = pilot.phase(level, phase, base, features, activity)
            step.put(phase, values, size)
            detail = np.subtract(values, base)
            found[level, phase] = (detail, *turn, surprise, size)
            if slope is not None:
                slope.mine[phase] = detail
        grid = step.out
    return grid, found


class Slope:
    """How the details of a plane go with those of another nearby: clouds, fields and water each have a slope of their own.

    Local least squares of one variable from the pixels already known: products and squares, smoothed, divided.
    """

    def __init__(
        self, step: Level, found: Details, other: Details, dates: slice | NDArray[np.intp] | None, level: int, skip: int
    ) -> None:
        self.step = step
        self.mine: dict[str, NDArray[Any]] = {}
        self.theirs: dict[str, NDArray[Any]] = {}
        self.pairs: dict[str, NDArray[Any]] = {}
        self.noise = type(step.inverse)(1 / step.inverse**2)
        shape = (step.grid.shape[0], *step.even)
        mine, theirs = np.zeros((2, *shape), step.grid.dtype)
        for phase in ("a", "b", "c"):
            if (level, phase) in found:
                parts(mine)[phase][...] = found[level, phase][0]
                told = other[level + skip, phase][0]
                parts(theirs)[phase][...] = told if dates is None else told[dates]
        self.mine["grid"], self.theirs["grid"] = mine, theirs

    def guess(self, phase: str, theirs: NDArray[Any]) -> Later:
        """The detail that the other plane's suggests."""
        self.theirs[phase] = theirs
        return Later(lambda: self._guess(phase))

    def _guess(self, phase: str) -> NDArray[Any]:
        (rows, columns), (high, long) = self.step.odd, self.step.even
        grid = self._pair("grid")
        if phase == "a":
            pair, scale = pairs(pairs(grid, 1, rows), 2, columns), 64
        elif phase == "b":
            pair, scale = sides(self._pair("a"), 1, high), 32
            pair += pair
            pair += pairs(grid, 2, columns)
        else:
            pair, scale = sides(self._pair("a"), 2, long), 32
            pair += pair
            pair += sides(pairs(self._pair("b"), 1, rows), 2, long)
            pair += pairs(grid, 1, rows)
        pair = smooth(pair)
        half = len(pair) // 2
        square = pair[half:]
        square += self.noise * type(self.noise)(scale)  # sums, not means: the weights of neighbours add up to `scale`
        slope = pair[:half]
        slope /= square
        slope *= self.theirs[phase]
        return np.asarray(slope)

    def _pair(self, phase: str) -> NDArray[Any]:
        """Products above squares."""
        if phase not in self.pairs:
            mine, theirs = self.mine[phase], self.theirs[phase]
            pair = np.empty((2 * len(mine), *mine.shape[1:]), mine.dtype)
            np.multiply(mine, theirs, out=pair[: len(mine)])
            np.multiply(theirs, theirs, out=pair[len(mine) :])
            self.pairs[phase] = pair
        return self.pairs[phase]
