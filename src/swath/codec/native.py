"""The grid a band was measured on, found again in an array where its pixels are repeated: exactly, never assumed.

Bands of 20 or 60 m laid on a 10 m grid by nearest neighbour repeat rows and columns, evenly or not. Rows (columns) that equal
the one before at every date and place are the same measured row; a cell whose valid pixels are all equal is coded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from swath.codec.stream import Reader, Writer

__all__ = ["Grid", "find", "read_grid"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Where cells begin: row (H,) and column (W,) flags, the first always true."""

    row: NDArray[np.bool_]
    column: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        """Cells down and across."""
        return int(np.count_nonzero(self.row)), int(np.count_nonzero(self.column))

    @property
    def whole(self) -> bool:
        """Whether every pixel is a cell of its own."""
        return bool(self.row.all() and self.column.all())

    @cached_property
    def starts(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """First row and first column of each cell."""
        return np.flatnonzero(self.row), np.flatnonzero(self.column)

    @cached_property
    def of(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The cell of each row and of each column."""
        return np.cumsum(self.row) - 1, np.cumsum(self.column) - 1

    def expand(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Cells (..., h, w) back on the pixels."""
        if self.whole:
            return cells
        return cells.take(self.of[1], axis=-1).take(self.of[0], axis=-2)

    def gather(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The first valid pixel of each cell, and whether there is one; arrays (T, H, W)."""
        if self.whole:
            return values, valid
        if valid.all():
            return values[:, self.starts[0]][:, :, self.starts[1]], valid[:, self.starts[0]][:, :, self.starts[1]]
        least = np.iinfo(values.dtype).min
        top = np.where(valid, values, least)
        top = np.maximum.reduceat(np.maximum.reduceat(top, self.starts[0], axis=1), self.starts[1], axis=2)
        some = self.expand_any(valid)
        return np.where(some, top, 0), some

    def expand_any(self, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether any pixel of each cell is valid."""
        if self.whole:
            return valid
        down = np.logical_or.reduceat(valid, self.starts[0], axis=1)
        return np.asarray(np.logical_or.reduceat(down, self.starts[1], axis=2))

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Means of whole numbers (T, H, W) over each cell; sums are exact, so every machine finds the same."""
        total = np.add.reduceat(values, self.starts[1], axis=2, dtype=np.int64)
        total = np.add.reduceat(total, self.starts[0], axis=1)
        size = np.outer(np.diff(self.starts[0], append=len(self.row)), np.diff(self.starts[1], append=len(self.column)))
        return np.asarray(total / size)

    def write(self, out: Writer) -> None:
        """Append both rows of flags."""
        out.number(int(self.whole))
        if not self.whole:
            out.parts += np.packbits(self.row).tobytes() + np.packbits(self.column).tobytes()


def read_grid(source: Reader, height: int, width: int) -> Grid:
    """Read what Grid.write wrote."""
    if source.number(1):
        return Grid(np.ones(height, bool), np.ones(width, bool))
    flags = [
        np.unpackbits(np.frombuffer(source.take((side + 7) // 8), np.uint8), count=side).astype(bool)
        for side in (height, width)
    ]
    for flag in flags:
        flag[0] = True
    return Grid(*flags)


def find(values: NDArray[np.int64], valid: NDArray[np.bool_]) -> tuple[list[Grid], list[int]]:
    """Grids, finest first, and for each band of values (T, C, H, W) which one is its own."""
    bands, (height, width) = values.shape[1], values.shape[2:]
    own = [_of_band(values[:, band], valid[:, band]) for band in range(bands)]
    grids: list[Grid] = [Grid(np.ones(height, bool), np.ones(width, bool))]
    chosen = [0] * bands
    for band in sorted(
        range(bands), key=lambda band: -own[band].shape[0] * own[band].shape[1]
    ):  # bands without pixels stay on 0
        if not valid[:, band].any():
            continue
        grid = own[band]
        size = grid.shape[0] * grid.shape[1]
        for index, other in enumerate(grids):
            fits = not (grid.row & ~other.row).any() and not (grid.column & ~other.column).any()
            if fits and other.shape[0] * other.shape[1] <= 1.4 * size + 8:
                chosen[band] = index
                break
        else:
            chosen[band] = len(grids)
            grids.append(grid)
    used = sorted(set(chosen))
    return [grids[index] for index in used], [used.index(index) for index in chosen]


def _of_band(values: NDArray[np.int64], valid: NDArray[np.bool_]) -> Grid:
    """The coarsest grid on which the valid pixels (T, H, W) of every cell are equal."""
    height, width = values.shape[1:]
    whole = Grid(np.ones(height, bool), np.ones(width, bool))
    # Most bands are no repeats: a few rows and columns tell.
    if not (
        _repeats(values[:, :: max(1, height // 16)], valid[:, :: max(1, height // 16)], 2)
        or _repeats(values[:, :, :: max(1, width // 16)], valid[:, :, :: max(1, width // 16)], 1)
    ):
        return whole
    down = ((values[:, 1:] != values[:, :-1]) & valid[:, 1:] & valid[:, :-1]).any((0, 2))
    across = ((values[:, :, 1:] != values[:, :, :-1]) & valid[:, :, 1:] & valid[:, :, :-1]).any((0, 1))
    grid = Grid(np.concatenate([[True], down]), np.concatenate([[True], across]))
    if grid.shape[0] * grid.shape[1] > 0.7 * height * width:
        return whole
    cells, _ = grid.gather(values, valid)
    return grid if (grid.expand(cells) == values)[valid].all() else whole


def _repeats(values: NDArray[np.int64], valid: NDArray[np.bool_], axis: int) -> bool:
    """Whether a fifth of the rows (columns) equal the one before, in the few that are looked at."""
    if values.shape[axis] < 2:
        return False
    values, valid = np.moveaxis(values, axis, 0), np.moveaxis(valid, axis, 0)
    same = (values[1:] == values[:-1]) | ~(valid[1:] & valid[:-1])
    return bool(np.count_nonzero(same.all((1, 2))) >= 0.2 * (len(values) - 1))
