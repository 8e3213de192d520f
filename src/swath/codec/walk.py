"""The walk over a plane from coarse to fine that encoder and decoder share, each with a pilot that knows what comes next.

At every phase of every level: how rough it is here (activity, from neighbours, other bands and dates) gives each pixel a class;
what neighbours and the same pixel elsewhere show gives a prediction; the surprise, in steps of 2 near + 1, is a symbol of that
class. The encoder's pilot fits the weights and takes the symbols down, the decoder's reads both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from swath.codec.pyramid import Level, levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASSES", "UNIT", "Details", "Pilot", "Weights", "classes", "combine", "walk"]

CLASSES = 22
UNIT = 64  # weights are whole multiples of 1 / UNIT
LOWEST = 2 * (127 - 6)  # half octaves of the activity begin at 1 / 64 of a step
OWN = 2  # the finest levels have weights of their own, the others share those of the last of them

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

    def first(self, base: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any]:
        """Values of the coarsest grid, from what others show there."""

    def phase(
        self,
        level: int,
        phase: str,
        base: NDArray[Any],
        features: list[NDArray[Any]],
        activity: list[NDArray[Any]],
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values of a phase, and the sizes of their surprises in steps."""


def combine(weights: list[int], arrays: list[NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
    """Weighted sum of arrays, the last weight alone; one rounding a step, the same on every machine."""
    kind = like.dtype.type
    out = np.full(like.shape, kind(weights[-1] / UNIT))
    scratch = np.empty_like(out)
    for weight, array in zip(weights, arrays, strict=False):
        if weight:
            np.multiply(array, kind(weight / UNIT), out=scratch)
            out += scratch
    return out


def classes(weights: list[int], activity: list[NDArray[Any]], like: NDArray[Any]) -> NDArray[np.uint8]:
    """The class of each pixel: half octaves of its activity."""
    rough = combine(weights, activity, like)
    np.maximum(rough, rough.dtype.type(1 / 64), out=rough)
    half = rough.astype(np.float32, copy=False).view(np.int32) >> 22
    half -= LOWEST
    np.minimum(half, CLASSES - 1, out=half)
    return half.astype(np.uint8)


def walk(
    pilot: Pilot,
    shape: tuple[int, int, int],
    inverse: Any,
    others: list[tuple[Details, slice | NDArray[np.intp]]],
    firsts: NDArray[Any] | None,
    *,
    skip: int = 0,
) -> tuple[NDArray[Any], Details]:
    """One group of planes (G, H, W): values and details.

    inverse: 1 / step, in the float type of all arithmetic. others: details of planes known before and which of their dates
    belong to this group's. firsts: what they show on the coarsest grid. skip: how many of their finest levels to leave out.
    """
    count, kind = levels(*shape[1:]), type(inverse)
    edge = 1 << count
    grid = pilot.first(firsts, (shape[0], -(-shape[1] // edge), -(-shape[2] // edge)))
    found: Details = {}
    for level in range(count - 1, -1, -1):
        side = 1 << level
        step = Level(grid, -(-shape[1] // side), -(-shape[2] // side), wide=level + skip < OWN)
        for phase in step.phases():
            base, features, activity = step.prepare(phase)
            own = features[:1]
            for rough in activity[:1]:
                rough *= inverse
            for known, dates in others:
                here = known.get((level + skip, phase))
                if here is None:
                    continue
                *signs, size = here
                features += [sign[dates] for sign in signs]
                activity.append(size[dates])
            values, surprise = pilot.phase(level, phase, base, features, activity)
            step.put(phase, values, surprise)
            found[level, phase] = (np.subtract(values, base), *own, surprise)
        grid = step.out
    return grid.astype(kind, copy=False), found
