"""What encoders are compared on: examples with labels and places, and the single labels that probes read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from swath.batch import Batch
from swath.errors import LabelError
from swath.sample.burn import priority

__all__ = ["Collection", "Items"]


@dataclass(frozen=True, slots=True)
class Items:
    """Labels as probes read them: example (n,), row and column (n,) in it (-1: the whole of it), target (n,), place (n,)."""

    example: np.ndarray
    row: np.ndarray
    column: np.ndarray
    target: np.ndarray
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.example)

    @property
    def dense(self) -> bool:
        """Whether items are pixels."""
        return bool(len(self.row) and self.row[0] >= 0)


@dataclass(frozen=True)
class Collection:
    """A named set of examples. batch: target (M,) or (M, H, W), class indices (negative: none) or numbers (NaN: none).

    folds: how many, or (M,) fold or (M,) bool test side of each example. pair: the names of the two dates that a change
    is between. classes: () for numbers in `unit`.
    """

    name: str
    batch: Batch
    classes: tuple[str, ...] = ()
    unit: str = "1"
    simulated: bool = False
    licence: str = ""
    notes: tuple[str, ...] = ()
    folds: int | np.ndarray = 5
    pair: tuple[str, str] | None = None
    _digest: list[str] = field(default_factory=list, repr=False, compare=False)

    @property
    def dense(self) -> bool:
        """Whether each pixel has a target."""
        return self.batch.target is not None and np.ndim(self.batch.target) == 3

    @property
    def task(self) -> Literal["classify", "segment", "change", "regress"]:
        """What is asked."""
        if self.pair is not None:
            return "change"
        if not self.classes:
            return "regress"
        return "segment" if self.dense else "classify"

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the finest sensor."""
        shapes = [p.values.shape[-2:] for p in self.batch.pixels.values()]
        return max(int(s[0]) for s in shapes), max(int(s[1]) for s in shapes)

    @property
    def digest(self) -> str:
        """sha256 of values, validity, dates, bands, targets and places."""
        if not self._digest:
            found = hashlib.sha256(repr((self.name, self.classes, tuple(self.batch.place))).encode())
            for name in sorted(self.batch.pixels):
                p = self.batch.pixels[name]
                found.update(repr((name, p.bands, p.gsd)).encode())
                for a in (np.where(p.valid, p.values, 0), p.valid, p.day, p.lonlat):
                    found.update(np.ascontiguousarray(a).tobytes())
            found.update(np.ascontiguousarray(self.batch.target).tobytes())
            self._digest.append(found.hexdigest())
        return self._digest[0]

    def items(self, most: int = 4000) -> Items:
        """All labels where any sensor saw something.

        Of pixels at most `most`, drawn evenly and always the same, so that shares of classes stay
        as they are. Raises LabelError when there is none.
        """
        target = np.asarray(self.batch.target)
        known = np.isfinite(target) if target.dtype.kind == "f" else target >= 0
        known = known & self._seen()
        flat = np.flatnonzero(known.ravel())
        if not len(flat):
            raise LabelError(rule="a benchmark needs labels", got=f"none in {self.name}", remedy="look at the masks")
        place = np.array([str(p) for p in self.batch.place])
        if not self.dense:
            none = np.full(len(flat), -1)
            return Items(flat, none, none, target[flat], place[flat])
        if len(flat) > most:
            flat = np.sort(flat[np.argsort(priority(flat, 11), kind="stable")[:most]])
        example, row, column = np.unravel_index(flat, target.shape)
        return Items(example, row, column, target.ravel()[flat], place[example])

    def _seen(self) -> np.ndarray:
        """Where there is a valid value of any band and date: (M, H, W) of pixels, else (M,)."""
        height, width = self.size
        seen = np.zeros((len(self.batch), height, width), bool)
        for p in self.batch.pixels.values():
            h, w = p.values.shape[-2:]
            there = p.valid.any((1, 2))
            seen |= there[:, ((np.arange(height) * h) // height)[:, None], (np.arange(width) * w) // width]
        return seen if self.dense else np.asarray(seen.any((1, 2)))

    def fold_of(self, items: Items) -> int | np.ndarray:
        """`folds` for the items."""
        folds = np.asarray(self.folds)
        return int(folds) if folds.ndim == 0 else folds[items.example]
