"""How far test labels lie from training labels, and whether a check by folds is as hard as the map itself.

Source: Mila et al. 2022, nearest neighbour distance matching, doi:10.1111/2041-210X.13851 (the comparison, not its
splitting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import LabelError
from swath.sample.burn import priority

if TYPE_CHECKING:
    from swath.sample.split import Folds

__all__ = ["Distances", "check", "diagnose"]

MOST = 20_000


@dataclass(frozen=True, slots=True)
class Distances:
    """Nearest distances in pixels: of test labels from training labels, and of map pixels from all labels.

    closest: the least distance of a test from a training label (rows and columns alike). gap: area between the two
    cumulative curves, in pixels; positive where the check is harder than the map. words: what that means.
    """

    test: np.ndarray
    map: np.ndarray
    closest: float
    gap: float
    words: str

    def to_json(self) -> dict[str, Any]:
        """Medians, the closest pair and the gap."""
        return {
            "test_median_px": _number(np.median(self.test) if len(self.test) else np.nan),
            "map_median_px": _number(np.median(self.map) if len(self.map) else np.nan),
            "closest_px": _number(self.closest),
            "gap_px": _number(self.gap),
            "words": self.words,
        }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def check(train: np.ndarray, test: np.ndarray, buffer: int) -> float:
    """The least distance in pixels (larger of rows and columns) between two sets of (n, 2) rows and columns.

    Raises LabelError when it is not beyond the buffer: a split that promises one must keep it.
    """
    from scipy.spatial import cKDTree

    if not len(train) or not len(test):
        return float("inf")
    closest = float(cKDTree(train).query(test, p=np.inf)[0].min())
    if closest <= buffer:
        raise LabelError(
            rule=f"training and test labels lie more than {buffer} px apart",
            got=f"{closest:.0f} px",
            remedy="split with sample.split.folds, which keeps the buffer",
        )
    return closest


def diagnose(folds: Folds, shape: tuple[int, int], *, seed: int = 0) -> Distances:
    """Compare distances in the check with those on the map (up to 20,000 test labels and map pixels, seeded)."""
    from scipy.spatial import cKDTree

    xy = np.stack([folds.places.row, folds.places.column], axis=1).astype(float)
    parts, closest = [], float("inf")
    for train, test in folds:
        if len(train) and len(test):
            some = test[priority(test, seed).argsort()[:MOST]]
            parts.append(cKDTree(xy[train]).query(xy[some])[0])
            closest = min(closest, check(xy[train], xy[some], folds.buffer if folds.buffer else -1))
    tested = np.sort(np.concatenate(parts)) if parts else np.zeros(0)
    pixel = np.unique(priority(np.arange(MOST), seed) % np.uint64(shape[0] * shape[1])).astype(np.int64)
    pixels = np.stack([pixel // shape[1], pixel % shape[1]], axis=1)
    mapped = np.sort(cKDTree(xy).query(pixels)[0])
    if not len(tested):
        return Distances(tested, mapped, closest, float("nan"), "no fold has both training and test labels")
    level = (np.arange(500) + 0.5) / 500
    gap = float(np.mean(np.quantile(tested, level) - np.quantile(mapped, level)))
    a, b = float(np.median(tested)), float(np.median(mapped))
    words = (
        f"test labels lie {a:.0f} px (median) from training labels, pixels of the map {b:.0f} px from the nearest label"
    )
    if gap > max(2.0, 0.25 * b):
        words += ": the check is harder than the map, its scores are on the careful side"
    elif gap < -max(2.0, 0.25 * b):
        words += (
            ": much of the map lies further from labels than the check tried, so its scores may flatter the map there"
        )
    else:
        words += ": the check is about as hard as the map"
    return Distances(tested, mapped, closest, gap, words)
