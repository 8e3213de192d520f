"""The eight ways to lay a picture down: turned by quarters and mirrored, with its target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from swath.batch import Batch

__all__ = ["Dihedral", "turned"]


@dataclass(frozen=True, slots=True)
class Dihedral:
    """Turn and mirror every example in its own seeded way; pixels, validity and dense targets move together.

    Windows that are not square are only mirrored and turned by half. Values never change, only their place.
    """

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """A new NumPy Batch; the given one stays as it is."""
        n = len(batch)
        sizes = {p.values.shape[-2:] for p in batch.pixels.values()}
        ways = np.arange(8) if all(h == w for h, w in sizes) else np.array([0, 2, 4, 6])
        way = ways[rng.integers(len(ways), size=n)]

        def each(a: np.ndarray) -> np.ndarray:
            return np.stack([turned(a[i], int(way[i])) for i in range(n)])

        pixels = {name: replace(p, values=each(p.values), valid=each(p.valid)) for name, p in batch.pixels.items()}
        target = batch.target
        if target is not None and np.ndim(target) >= 3:
            target = each(np.asarray(target))
        return replace(batch, pixels=pixels, target=target)


def turned(a: np.ndarray, way: int) -> np.ndarray:
    """The last two axes turned by `way` % 4 quarters, before that mirrored left to right when `way` is 4 or more."""
    return np.rot90(a[..., ::-1] if way >= 4 else a, way % 4, axes=(-2, -1))
