"""Folds and halves of whole places, with a buffer between training and test. Distances are judged in `distance`.

A split is a function of where the labels lie, of their classes and of the seed, and of nothing else: the same in any
process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from swath.errors import LabelError
from swath.sample.blockside import Side, block_side
from swath.sample.burn import priority, thinned
from swath.sample.places import Places, blocks

__all__ = ["Folds", "Places", "Side", "block_side", "blocks", "fold_table", "folds", "holdout", "near", "scorable"]

# From so many labels on, neighbours are found on the ground itself (a byte a pixel) rather than by a tree of points.
DENSE = 20_000
LARGEST = 2**30


@dataclass(frozen=True, slots=True)
class Folds:
    """fold (n,) int64: in which of k folds each label is tested. buffer: pixels between training and test labels.

    close (k, n) bool: labels of other folds that lie within the buffer of a fold's test labels.
    """

    fold: np.ndarray
    k: int
    buffer: int
    places: Places
    close: np.ndarray
    notes: list[str] = field(default_factory=list)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Of each fold: labels kept from training because they lie within the buffer."""
        return tuple(int(n) for n in self.close.sum(axis=1))

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Index arrays (train, test) of each fold; training labels within the buffer of a test label are in neither."""
        for f in range(self.k):
            test = self.fold == f
            yield np.flatnonzero(~test & ~self.close[f]), np.flatnonzero(test)


def near(places: Places, test: np.ndarray, buffer: int) -> np.ndarray:
    """(n,) bool: labels outside `test` that lie within `buffer` pixels (rows and columns alike) of a test label."""
    found = np.zeros(len(places), bool)
    if buffer <= 0 or test.all() or not test.any():
        return found
    row, column = places.row - places.row.min(), places.column - places.column.min()
    height, width = int(row.max()) + 1, int(column.max()) + 1
    if len(found) > DENSE and height * width < LARGEST:
        from scipy.ndimage import maximum_filter

        ground = np.zeros((height, width), bool)
        ground[row[test], column[test]] = True
        wide = maximum_filter(ground, size=2 * buffer + 1, mode="constant")
        return np.asarray(wide[row, column] & ~test)
    from scipy.spatial import cKDTree

    xy = np.stack([row, column], axis=1).astype(float)
    distance, _ = cKDTree(xy[test]).query(xy[~test], p=np.inf, distance_upper_bound=buffer + 0.5)
    found[~test] = np.isfinite(distance)
    return found


def _groups(y: np.ndarray) -> np.ndarray:
    """Classes as they are; numbers as up to five groups of equal size, so that folds see the same range."""
    if np.asarray(y).dtype.kind in "iub":
        return np.unique(y, return_inverse=True)[1]
    edges = np.quantile(y, np.linspace(0, 1, 6)[1:-1])
    return np.unique(np.searchsorted(np.unique(edges), y, side="right"), return_inverse=True)[1]


def fold_table(id: np.ndarray, y: np.ndarray, k: int, seed: int, target: np.ndarray | None = None) -> np.ndarray:
    """(n,) fold of each label: whole places, dealt so that each class, and the labels, spread as evenly as they can.

    target (k,): shares of the folds, equal ones by default. Places are dealt one by one, those with the largest share
    of a class first (equal ones in seeded order), each to the fold that makes the classes' shares most even.
    """
    place, at = np.unique(id, return_inverse=True)
    group = _groups(y)
    counts = np.zeros((len(place), int(group.max()) + 1))
    np.add.at(counts, (at, group), 1.0)
    # Roots of shares, so that a place with one of three labels matters beside one with 300 of 900.
    share = np.sqrt(counts / counts.sum(axis=0))
    order = np.lexsort((priority(place, seed), -np.round(share.max(axis=1) * 8)))
    target = np.full(k, 1.0 / k) if target is None else np.asarray(target, float)
    held = np.zeros((k, counts.shape[1]))
    size = np.zeros(k)
    fold_of = np.zeros(len(place), np.int64)
    tie = priority(np.arange(k), seed + 1).argsort()
    for p in order:
        has = share[p] > 0
        cost = [
            (float((held[f, has] * share[p, has]).sum()) / target[f], size[f] / target[f], int(tie[f]))
            for f in range(k)
        ]
        best = min(range(k), key=cost.__getitem__)
        held[best] += share[p]
        size[best] += counts[p].sum()
        fold_of[p] = best
    return fold_of[at]


def folds(places: Places, y: np.ndarray, k: int = 5, *, seed: int = 0, buffer: int = 0) -> Folds:
    """Make k folds of whole places (fewer when there are fewer places), with a buffer of at most a quarter of the
    blocks' side.

    y (n,): class indices or numbers. Raises LabelError when all labels lie in one place.
    """
    n = places.count
    if n < 2:
        raise LabelError(
            rule="checking a map needs labels in two places",
            got=f"{len(places)} labels in one block of {places.side} px",
            remedy="add labels elsewhere on the scene",
        )
    k, notes = max(2, min(k, n)), list(places.notes)
    kept = min(buffer, max(places.side // 4, 0))
    if kept < buffer:
        notes.append(f"buffer of {kept} px (a quarter of the blocks' side); the features reach {buffer} px")
    fold = fold_table(places.id, np.asarray(y), k, seed)
    used = np.unique(fold)
    fold, k = np.searchsorted(used, fold), len(used)
    close = np.stack([near(places, fold == f, kept) for f in range(k)])
    return Folds(fold, k, kept, places, close, notes)


def scorable(y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Of the `test` indices, those whose class the training part holds: only these can be right."""
    return test[np.isin(y[test], np.unique(y[train]))]


def holdout(
    places: Places, y: np.ndarray, *, share: float = 0.5, seed: int = 0, buffer: int = 0, per_class: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Index arrays (train, test): whole places dealt to two parts, `share` of each class to training as nearly as can
    be.

    per_class: at most so many training labels a class, by seeded order. Test labels within `buffer` of a training
    label are left out. Used by the demo: what is judged lies in blocks that neither labels nor choice touched.
    """
    if not 0 < share < 1:
        raise LabelError(rule="the share for training lies between 0 and 1", got=f"{share}", remedy="give e.g. 0.5")
    train = fold_table(places.id, np.asarray(y), 2, seed, np.array([share, 1.0 - share])) == 0
    index = np.flatnonzero(train)
    if per_class is not None:
        width = int(places.column.max()) + 1
        group = y[index] if np.asarray(y).dtype.kind in "iub" else np.zeros(len(index))
        index = index[thinned(places.row[index] * width + places.column[index], group, per_class, seed)]
    mark = np.zeros(len(places), bool)
    mark[index] = True
    return index, np.flatnonzero(~train & ~near(places, mark, buffer))
