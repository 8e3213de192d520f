"""Whether what a map is judged on was seen in training: shared pixels, too near neighbours, near-duplicate spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Leakage", "check"]

_TWINS = 0.01  # of the median distance between random pairs: nearer spectra are near-duplicates
_MOST = 5000


@dataclass(frozen=True, slots=True)
class Leakage:
    """What was found. Numbers count test units; distances are in pixels (larger of rows and columns), NaN when unknown.

    found: whether anything speaks against the score. words: one sentence a finding.
    """

    train: int
    test: int
    shared_pixels: int
    shared_places: int
    nearest_px: float
    buffer_px: float
    within_buffer: int
    near_duplicates: int | None
    found: bool
    words: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; unknown numbers are None."""
        return {
            "train": self.train,
            "test": self.test,
            "shared_pixels": self.shared_pixels,
            "shared_places": self.shared_places,
            "nearest_px": self.nearest_px if np.isfinite(self.nearest_px) else None,
            "buffer_px": self.buffer_px,
            "within_buffer": self.within_buffer,
            "near_duplicates": self.near_duplicates,
            "found": self.found,
            "words": list(self.words),
        }


def check(
    train: ArrayLike,
    test: ArrayLike,
    *,
    buffer: float = 0,
    train_place: ArrayLike | None = None,
    test_place: ArrayLike | None = None,
    train_values: ArrayLike | None = None,
    test_values: ArrayLike | None = None,
    fold: tuple[ArrayLike, ArrayLike] | None = None,
    kept_apart: float | None = None,
    seed: int = 0,
) -> Leakage:
    """Compare training and test pixels.

    train (n, 2), test (m, 2): rows and columns. buffer: pixels that should lie between them (the features' reach).
    places: ids (n,), (m,) where known. values (n, F), (m, F): spectra or features, for near-duplicates: nearer than a
    hundredth of the median distance of random pairs, each feature scaled by its deviation.
    fold: (n,), (m,) fold ids when each label is test once: only pairs of different folds are compared, and training
    pixels within `kept_apart` (the buffer, when not given) of a fold's test pixels count as left out of its training.
    """
    a, b = np.asarray(train, float).reshape(-1, 2), np.asarray(test, float).reshape(-1, 2)
    groups = None if fold is None else (np.asarray(fold[0]), np.asarray(fold[1]))
    apart = buffer if kept_apart is None else kept_apart
    nearest = _nearest(a, b, groups, p=np.inf, apart=apart if groups is not None else 0)
    shared, close = int((nearest == 0).sum()), int((nearest <= buffer).sum()) if buffer > 0 else 0
    places = _shared(train_place, test_place, groups)
    twins = None
    if train_values is not None and test_values is not None:
        twins = _twins(np.asarray(train_values, float), np.asarray(test_values, float), groups, seed)
    least = float(nearest.min()) if len(nearest) and np.isfinite(nearest.min()) else float("nan")
    words = _words(len(b), shared, places, least, buffer, close, twins)
    found = bool(shared or places or close or (twins or 0) > 0.01 * max(1, len(b)))
    return Leakage(len(a), len(b), shared, places, least, float(buffer), close, twins, found, tuple(words))


def _nearest(
    a: NDArray[Any], b: NDArray[Any], groups: tuple[Any, Any] | None, *, p: float, apart: float = 0
) -> NDArray[np.float64]:
    """(m,) distance of each row of b to the nearest of a (of another fold, with `groups`); inf where there is none."""
    from scipy.spatial import cKDTree

    out = np.full(len(b), np.inf)
    if not len(a) or not len(b):
        return out
    if groups is None:
        return np.asarray(cKDTree(a).query(b, p=p)[0])
    for one in np.unique(groups[1]):
        here = groups[1] == one
        rest = a[groups[0] != one]
        if apart > 0 and len(rest):
            rest = rest[cKDTree(b[here]).query(rest, p=p)[0] > apart]
        if len(rest):
            out[here] = cKDTree(rest).query(b[here], p=p)[0]
    return out


def _shared(train: ArrayLike | None, test: ArrayLike | None, groups: tuple[Any, Any] | None) -> int:
    if train is None or test is None:
        return 0
    one, two = np.asarray(train), np.asarray(test)
    if groups is None:
        return len(np.intersect1d(one, two))
    pairs = {(p, f) for p, f in zip(one.tolist(), groups[0].tolist(), strict=True)}
    folds: dict[Any, set[Any]] = {}
    for place, fold in pairs:
        folds.setdefault(place, set()).add(fold)
    return sum(len(found) > 1 for found in folds.values())


def _twins(a: NDArray[Any], b: NDArray[Any], groups: tuple[Any, Any] | None, seed: int) -> int | None:
    """Test units with a near-duplicate in training; the first principal axes stand for many features."""
    fine_a, fine_b = np.isfinite(a).all(1), np.isfinite(b).all(1)
    if groups is not None:
        groups = (groups[0][fine_a], groups[1][fine_b])
    a, b = a[fine_a], b[fine_b]
    if len(a) < 2 or not len(b):
        return None
    deviation = a.std(0)
    use = deviation > 0
    if not use.any():
        return None
    middle = a[:, use].mean(0)
    a, b = (a[:, use] - middle) / deviation[use], (b[:, use] - middle) / deviation[use]
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, len(a), (2, _MOST))
    typical = float(np.median(np.linalg.norm(a[i] - a[j], axis=1)[i != j]))
    keep = np.arange(len(b)) if len(b) <= _MOST else np.sort(rng.choice(len(b), _MOST, replace=False))
    inner = None if groups is None else (groups[0], groups[1][keep])
    near = _nearest(a, b[keep], inner, p=2) <= _TWINS * typical
    return round(float(near.mean()) * len(b))


def _words(
    test: int, shared: int, places: int, least: float, buffer: float, close: int, twins: int | None
) -> list[str]:
    out = []
    if shared:
        out.append(f"{shared} of {test} test pixels were also training pixels: the score is too good")
    if places:
        out.append(f"{places} places hold both training and test pixels")
    if close and not shared:
        out.append(
            f"{close} of {test} test pixels lie within {buffer:g} px of a training pixel, nearer than the features reach"
        )
    if twins:
        out.append(f"{twins} of {test} test pixels have a near-duplicate spectrum in training")
    if not out and np.isfinite(least):
        out.append(
            f"no test pixel was trained on; the nearest training pixel is {least:.0f} px away (buffer {buffer:g} px)"
        )
    if not out:
        out.append("positions are not known: leakage could not be looked for")
    return out
