"""Models that see a whole window at once (attention, global pooling): overlapping windows of one size, blended.

Tiled does not equal whole for them, so they are always run in the window that they know. The windows lie on one lattice
over the scene, whatever parts it is computed in: the same bytes for any tiles of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from swath.batch import Batch, Pixels
from swath.errors import GridError

__all__ = ["Blended"]


@dataclass(frozen=True)
class Blended:
    """A function for `predict.run`: give it `reach=blended.reach` and a `window` that is a multiple of `step`.

    function: (Batch of just size x size pixels) -> {name: (1, K, size, size)}. step: pixels between windows, half of
    `size` by default. Where windows overlap their answers are averaged with weights that fall to the window's rim,
    times the share of its pixels that were seen. offset: where the lattice begins (to measure how much it decides).
    lonlat: place of the scene that every window is told; without it none (the place of a window of the output would
    depend on how the output is cut). edge: what a window is given beyond the scene: the last pixel again, not valid
    ("repeat"), or the scene mirrored, as valid as it is ("mirror"). Pixels that no window with a valid value covers are NaN.
    """

    function: Callable[[Batch], Mapping[str, Any]]
    size: int
    step: int = 0
    offset: tuple[int, int] = (0, 0)
    lonlat: tuple[float, float] | None = None
    edge: Literal["repeat", "mirror"] = "repeat"
    crops: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.step:
            object.__setattr__(self, "step", self.size // 2)
        low, high = min(self.offset), max(self.offset)
        if self.size < 1 or not 0 < self.step <= self.size or low < 0 or high >= self.step:
            raise GridError(
                rule="windows overlap or touch: 0 < step <= size, offsets below the step",
                got=f"size {self.size}, step {self.step}, offset {self.offset}",
                remedy="a step of half the size",
            )

    @property
    def reach(self) -> int:
        """Pixels around a window of the output that are read: whole steps, so that the lattice lies alike in all."""
        return -(-self.size // self.step) * self.step

    def __call__(self, batch: Batch, inside: tuple[slice, slice] | None = None) -> dict[str, np.ndarray]:
        """{name: (1, K, H, W)} float32 for a part of the scene that begins on a whole step, or `inside` of it."""
        first = next(iter(batch.pixels.values()))
        shape: tuple[int, int] = first.values.shape[-2:]
        rows, columns = inside or (slice(0, shape[0]), slice(0, shape[1]))
        if rows.start % self.step or columns.start % self.step:
            raise GridError(
                rule=f"parts of the output begin on whole steps of {self.step} pixels",
                got=f"row {rows.start}, column {columns.start} of a part",
                remedy=f"window= a multiple of {self.step} and reach={self.reach} for predict.run",
            )
        tent = 1.0 - np.abs((np.arange(self.size) + 0.5) * 2.0 / self.size - 1.0)
        sums: dict[str, np.ndarray] = {}
        weights = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        for top in self._starts(rows, self.offset[0]):
            for left in self._starts(columns, self.offset[1]):
                part, share = self._window(batch, top, left, shape)
                if share == 0.0:
                    continue
                into, of = _overlap(rows, top, self.size), _overlap(columns, left, self.size)
                weight = share * np.outer(tent[into[1]], tent[of[1]])
                weights[into[0], of[0]] += weight
                for name, answer in self.function(part).items():
                    values = np.asarray(answer)[0]
                    if name not in sums:
                        sums[name] = np.zeros((len(values), *weights.shape))
                    sums[name][:, into[0], of[0]] += weight * values[:, into[1], of[1]].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {name: (total / weights)[None].astype(np.float32) for name, total in sums.items()}

    def _starts(self, part: slice, offset: int) -> range:
        """Where windows begin that touch a part."""
        first = (part.start - self.size - offset) // self.step + 1
        # A window that begins before the scene serves only pixels that others would leave out.
        lowest = 0 if offset == 0 else -1
        last = -(-(part.stop - offset) // self.step)
        return range(offset + max(first, lowest) * self.step, offset + last * self.step, self.step)

    def _window(self, batch: Batch, top: int, left: int, shape: tuple[int, int]) -> tuple[Batch, float]:
        """Just one window, with what `edge` says beyond the scene, and the share of it that was seen."""
        rows, columns = np.arange(top, top + self.size), np.arange(left, left + self.size)
        mirror = self.edge == "mirror"
        y, x = (_inside(at, n, mirror) for at, n in zip((rows, columns), shape, strict=True))
        y = y[:, None]
        there = ((rows >= 0) & (rows < shape[0]))[:, None] & (columns >= 0) & (columns < shape[1])
        seen = np.zeros(there.shape, bool)
        place = np.array([[np.nan, np.nan] if self.lonlat is None else self.lonlat], float)
        pixels: dict[str, Pixels] = {}
        for name, p in batch.pixels.items():
            valid = p.valid[..., y, x]
            seen |= (valid & there)[0].any((0, 1))
            valid = valid if mirror else valid & there
            pixels[name] = replace(p, values=p.values[..., y, x], valid=valid, lonlat=place)
        return replace(batch, pixels=pixels), float(seen.mean())


def _inside(at: np.ndarray, n: int, mirror: bool) -> np.ndarray:
    """Indices into n pixels for any whole numbers: the nearest, or mirrored at both ends without doubling the last."""
    if not mirror or n == 1:
        return np.asarray(np.clip(at, 0, n - 1))
    at = np.abs(at) % (2 * n - 2)
    return np.asarray(np.minimum(at, 2 * n - 2 - at))


def _overlap(part: slice, start: int, size: int) -> tuple[slice, slice]:
    """Where a window lies in a part, and which of the window's own pixels that are."""
    low, high = max(part.start, start), min(part.stop, start + size)
    return slice(low - part.start, high - part.start), slice(low - start, high - start)
