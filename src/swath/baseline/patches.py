"""Features at labels and, where a map would be smoothed, of the pixels around them: each read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.baseline import smooth as smoothing
from swath.baseline.features import Features
from swath.baseline.sampling import lay, shape_of
from swath.sample.window import read

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Patch", "Seen", "at_labels", "smoothed_at", "whole_is_small", "window_features", "without"]

SMALL = 10_000_000  # feature values of a scene that is kept whole
TILE = 128


@dataclass(frozen=True, slots=True)
class Patch:
    """Features (F, m) of the pixels around some labels, and where these lie.

    needed (h, w): which m pixels those are. guide (3, h, w) for smoothing. label (l,): which labels; row, column (l,).
    """

    values: np.ndarray
    needed: np.ndarray
    guide: np.ndarray
    label: np.ndarray
    row: np.ndarray
    column: np.ndarray

    def around(self, which: np.ndarray, reach: int) -> np.ndarray:
        """(h, w): needed pixels within reach of the labels `which` (mask over l)."""
        near = np.zeros(self.needed.shape, bool)
        for y, x in zip(self.row[which], self.column[which], strict=True):
            near[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = True
        return np.asarray(near & self.needed)


@dataclass(frozen=True, slots=True)
class Seen:
    """What `at_labels` gave for n labels, so that several fits on parts of them read the scene once."""

    x: np.ndarray
    good: np.ndarray
    around: list[Patch]

    def take(self, which: np.ndarray) -> Seen:
        """The same for some labels (a mask, or rising indices)."""
        keep = np.zeros(len(self.x), bool)
        keep[which] = True
        return Seen(self.x[keep], self.good[keep], without(self.around, keep))

    @property
    def bytes(self) -> int:
        """Memory that it holds."""
        return self.x.nbytes + sum(p.values.nbytes + p.guide.nbytes + p.needed.nbytes for p in self.around)


def whole_is_small(features: Features, shape: tuple[int, int]) -> bool:
    """Whether all features of the whole scene fit comfortably."""
    return len(features.names) * shape[0] * shape[1] <= SMALL


def at_labels(
    cubes: Mapping[str, xr.DataArray],
    features: Features,
    row: np.ndarray,
    column: np.ndarray,
    *,
    around: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[Patch]]:
    """Features (n, F), valid (n,) at the labels, and patches that hold what smoothing at each label looks at.

    Labels are gathered by tiles; a tile's window is read once, with the features' reach around it. Without `around`
    there are no patches, which spares their memory.
    """
    laid, (height, width) = lay(cubes), shape_of(cubes)
    x, good = np.zeros((len(row), len(features.names)), np.float32), np.zeros(len(row), bool)
    margin = smoothing.REACH if around and not features.flat else 0
    tile = max(height, width) if whole_is_small(features, (height, width)) else TILE
    key = row // tile * (width // tile + 1) + column // tile
    patches: list[Patch] = []
    groups = np.unique(key)
    for number, one in enumerate(groups):
        if progress is not None:
            progress(number, len(groups), "features at the labels")
        here = np.flatnonzero(key == one)
        inner = [
            (max(0, int(at[here].min()) - margin), min(size, int(at[here].max()) + 1 + margin))
            for at, size in ((row, height), (column, width))
        ]
        values, valid = window_features(laid, features, inner, (height, width))
        r, c = row[here] - inner[0][0], column[here] - inner[1][0]
        x[here], good[here] = values[:, r, c].T, valid[r, c]
        if not around:
            continue
        guide = features.guide_planes(values[None])[0]
        patch = Patch(values[:, valid], valid, guide, here, r, c)
        near = patch.around(np.ones(len(here), bool), margin)
        patches.append(Patch(values[:, near], near, guide, here, r, c))
    return x, good, patches


def window_features(
    cubes: Mapping[str, xr.DataArray], features: Features, inner: list[tuple[int, int]], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Features (F, h, w) and valid (h, w) of the inner rows and columns, computed with the reach around them."""
    outer, align = [], features.align
    for (low, high), size in zip(inner, shape, strict=True):
        outer.append((max(0, low - features.reach) // align * align, min(size, high + features.reach)))
    batch = read(cubes, slice(*outer[0]), slice(*outer[1]))
    values, valid = features(batch)
    cut = tuple(slice(low - start, high - start) for (low, high), (start, _) in zip(inner, outer, strict=True))
    return values[0][(slice(None), *cut)], valid[0][cut]


def smoothed_at(
    patches: list[Patch],
    wanted: np.ndarray,
    columns: np.ndarray,
    predict: Callable[[np.ndarray], np.ndarray],
    classes: int,
) -> np.ndarray:
    """(n, K) probabilities after smoothing at the wanted labels (a mask over all n), zero elsewhere.

    Only pixels within reach of a wanted label are predicted; nothing beyond them counts at the label.
    """
    out = np.zeros((len(wanted), classes), np.float32)
    for patch in patches:
        mine = wanted[patch.label]
        if not mine.any():
            continue
        near = patch.around(mine, smoothing.REACH)
        probability = np.zeros((classes, *near.shape), np.float32)
        probability[:, near] = predict(patch.values[np.ix_(columns, np.flatnonzero(near[patch.needed]))])
        got = smoothing.smooth(probability, near, patch.guide)
        out[patch.label[mine]] = got[:, patch.row[mine], patch.column[mine]].T
    return out


def without(patches: list[Patch], keep: np.ndarray) -> list[Patch]:
    """Patches for the labels that are kept (mask over all), numbered anew."""
    number = np.cumsum(keep) - 1
    out = []
    for p in patches:
        mine = keep[p.label]
        if mine.any():
            out.append(Patch(p.values, p.needed, p.guide, number[p.label[mine]], p.row[mine], p.column[mine]))
    return out
