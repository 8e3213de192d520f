"""What a tile looks like without any network, and whether it is a picture at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from swath.batch import Batch, Pixels

__all__ = ["fault", "form", "look"]

_SHARES = (2.0, 10.0, 25.0, 50.0, 75.0, 90.0, 98.0)
_STEPS = (1, 2, 4)
_HALF = 0.5


def form(batch: Batch) -> str:
    """What was measured, in words: tiles of another form cannot be compared. Bands in any order are one form."""
    return "; ".join(
        f"{name}: {_few(sorted(b.name for b in p.bands))} ({p.bands[0].quantity})"
        for name, p in sorted(batch.pixels.items())
    )


def _few(names: list[str]) -> str:
    """Names in a line; of many the first ones, their number and a mark that tells such lists apart."""
    if len(names) <= 16:
        return " ".join(names)
    mark = hashlib.sha256(" ".join(names).encode()).hexdigest()[:6]
    return f"{' '.join(names[:4])} and {len(names) - 4} more, list {mark}"


def look(batch: Batch) -> NDArray[np.float32]:
    """(F,) of one example: for every band, by name, seven percentiles, how rough it is at three steps, how it changes.

    Roughness is the mean difference of neighbours 1, 2 and 4 pixels apart in deviations of the band; change is the
    deviation of the dates' medians. Only valid values count.
    """
    parts = []
    for _, pixels in sorted(batch.pixels.items()):
        order = sorted(range(len(pixels.bands)), key=lambda i: pixels.bands[i].name)
        parts += [_band(pixels.values[0][:, i], pixels.valid[0][:, i]) for i in order]
    return np.concatenate(parts).astype(np.float32)


def _band(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """values, valid (T, H, W)."""
    seen = values[valid].astype(np.float64)
    if not len(seen):
        return np.zeros(len(_SHARES) + len(_STEPS) + 1)
    spread = max(float(seen.std()), 1e-12)
    rough = [_rough(values, valid, step) / spread for step in _STEPS]
    middles = [float(np.median(v[ok])) for v, ok in zip(values, valid, strict=True) if ok.any()]
    return np.concatenate([np.percentile(seen, _SHARES), rough, [float(np.std(middles))]])


def _rough(values: NDArray[np.float32], valid: NDArray[np.bool_], step: int) -> float:
    total, count = 0.0, 0
    for axis in (1, 2):
        if values.shape[axis] <= step:
            continue
        here, there = np.arange(values.shape[axis] - step), np.arange(step, values.shape[axis])
        both = valid.take(here, axis) & valid.take(there, axis)
        apart = np.abs(values.take(here, axis)[both].astype(np.float64) - values.take(there, axis)[both])
        total, count = total + float(apart.sum()), count + len(apart)
    return total / count if count else 0.0


def fault(batch: Batch) -> str:
    """Why a tile is no picture: empty, half missing or saturated; "" for a good one. Such tiles are unlike all others,
    so that any rule in favour of variety would keep them.
    """
    seen, zero, top, flat = [], [], [], []
    for p in batch.pixels.values():
        known = p.valid.any((0, 1, 3, 4))  # a band that is bad everywhere is not a hole in the picture
        seen.append(float(p.valid[:, :, known].all(2).any(1).mean()) if known.any() else 0.0)
        if p.bands[0].quantity in ("class", "probability", "index", "elevation"):  # 0 and one value are normal there
            continue
        zero.append(_share_of_zero(p))
        top.append(_share_at_top(p))
        flat.append(all(_one_value(p.values[0][:, i][p.valid[0][:, i]]) for i in range(len(p.bands))))
    if max(seen) == 0:
        return "empty: no pixel is valid"
    if max(seen) < _HALF:
        return f"half missing: {1 - max(seen):.0%} of the pixels have no value"
    if flat and all(flat):
        return "empty: one value everywhere"
    if zero and min(zero) > _HALF:
        return f"half missing: {min(zero):.0%} of the pixels are 0 in all bands"
    if top and min(top) > _HALF:
        return f"saturated: {min(top):.0%} of the pixels have the largest value in all bands"
    return ""


def _one_value(values: NDArray[np.float32]) -> bool:
    return len(values) == 0 or float(values.min()) == float(values.max())


def _share_of_zero(p: Pixels) -> float:
    return float((p.valid & (p.values == 0)).all(2).all(1).mean())


def _share_at_top(p: Pixels) -> float:
    largest = np.where(p.valid, p.values, -np.inf).max((0, 1, 3, 4), keepdims=True)
    return float((p.valid & (p.values >= largest)).all(2).all(1).mean())
