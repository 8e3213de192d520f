"""Places: what a split moves as a whole. Here: squares of pixels, with polygons never cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from swath.errors import LabelError

if TYPE_CHECKING:
    from swath.sample.labels import Labels

__all__ = ["Places", "blocks"]


@dataclass(frozen=True, slots=True)
class Places:
    """The place of each label. id (n,) int64; row, column (n,) of the labels; side of the blocks in pixels.

    moved: polygons that reach into other blocks and went whole to the block that holds most of them.
    """

    id: np.ndarray
    row: np.ndarray
    column: np.ndarray
    side: int
    moved: int = 0
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.id)

    @property
    def count(self) -> int:
        """How many places hold labels."""
        return len(np.unique(self.id))

    def take(self, which: np.ndarray) -> Places:
        """Only these labels (bool or index array)."""
        return Places(self.id[which], self.row[which], self.column[which], self.side, self.moved, self.notes)


def blocks(labels: Labels, side: int, *, origin: tuple[int, int] = (0, 0)) -> Places:
    """Squares of `side` pixels; a polygon is never cut: it belongs to the block that holds most of it (the first of
    equals).

    origin: row and column of a corner of the squares. The id is the block's number in the grid, so it depends on
    place alone.
    Raises LabelError when `side` is below 1.
    """
    if side < 1:
        raise LabelError(rule="a block has a side of at least one pixel", got=f"{side}", remedy="give a larger side")
    across = labels.shape[1] // side + 2
    block = ((labels.row - origin[0]) // side + 1) * across + (labels.column - origin[1]) // side + 1
    block = block.astype(np.int64)
    if labels.form in ("points", "mask pixels"):
        return Places(block, labels.row, labels.column, side)
    thing, index = np.unique(labels.thing, return_inverse=True)
    pair, count = np.unique(np.stack([index, block], axis=1), axis=0, return_counts=True)
    order = np.lexsort((pair[:, 1], -count, pair[:, 0]))
    start = np.r_[True, np.diff(pair[order, 0]) != 0]
    home = pair[order[start], 1]
    cut = int((np.bincount(pair[:, 0], minlength=len(thing)) > 1).sum())
    notes = [f"{cut} of {len(thing)} polygons reach over a block's edge: each stays whole in the block with most of it"]
    notes = notes if cut else []
    return Places(home[index], labels.row, labels.column, side, cut, notes)
