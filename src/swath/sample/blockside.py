"""How large the blocks of a spatial check must be: from the scene's own autocorrelation, made smaller only where
classes need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.sample import window
from swath.sample.burn import priority
from swath.sample.places import blocks

if TYPE_CHECKING:
    import xarray as xr

    from swath.batch import Batch
    from swath.sample.labels import Labels

__all__ = ["Side", "autocorrelation", "block_side", "first_component"]

SMALLEST, SMALLEST_OF_FEW, FEW_BLOCKS = 16, 8, 10
THRESHOLD = 0.1
STAND_IN_TWO = 0.8
PATCH, PATCHES = 256, 9
VALUES_AT_ONCE = 12_000_000


@dataclass(frozen=True, slots=True)
class Side:
    """px: side of the blocks. distance: where the autocorrelation falls below 0.1 (NaN: not within the scene).

    curve: autocorrelation at 0, 1, 2 ... px. alone: classes whose labels stand in one block, which no check can score.
    """

    px: int
    words: str
    distance: float = float("nan")
    curve: np.ndarray = field(default_factory=lambda: np.zeros(0))
    alone: list[str] = field(default_factory=list)


def block_side(cubes: Mapping[str, xr.DataArray], labels: Labels, *, seed: int = 0) -> Side:
    """The side of the blocks in pixels, and in words how it came about.

    It is the distance at which the autocorrelation of the first principal component of the spectra falls below 0.1;
    made smaller until four fifths of the classes stand in two blocks, never below 16 px (8 where the scene holds
    fewer than ten 16-px blocks).
    """
    height, width = labels.shape
    curve, distance = _decay(_patches(cubes, (height, width), seed))
    floor = SMALLEST if -(-height // SMALLEST) * -(-width // SMALLEST) >= FEW_BLOCKS else SMALLEST_OF_FEW
    if np.isfinite(distance):
        said = f"the autocorrelation of the first principal component falls below {THRESHOLD} at {distance:.0f} px"
    else:
        seen = len(curve) - 1
        said = f"the autocorrelation of the first principal component stays above {THRESHOLD} over the {seen} px seen"
    wished = int(np.ceil(distance)) if np.isfinite(distance) else max(len(curve) - 1, 1)
    side = max(floor, wished)
    while side > floor and not _enough(labels, side):
        side = max(floor, side - max(1, side // 12))
    words = f"blocks of {side} px: {said}"
    if side < wished:
        words += f"; made smaller than {wished} px so that {_need(labels)}"
    elif side > wished:
        words += f"; never below {floor} px" + (" in so small a scene" if floor == SMALLEST_OF_FEW else "")
    if not _enough(labels, side):
        words += f"; even so not {_need(labels)}"
    alone = _alone(labels, side)
    if alone:
        words += f"; in one block only, so that no check can score them: {', '.join(alone)}"
    return Side(side, words, distance, curve, alone)


def _need(labels: Labels) -> str:
    return (
        "four fifths of the classes stand in two blocks" if labels.kind == "class" else "the labels stand in ten blocks"
    )


def _alone(labels: Labels, side: int) -> list[str]:
    if labels.kind == "number":
        return []
    place = blocks(labels, side).id
    return [name for i, name in enumerate(labels.names) if len(np.unique(place[labels.value == i])) < 2]


def _enough(labels: Labels, side: int) -> bool:
    if labels.kind == "number":
        return blocks(labels, side).count >= min(10, len(labels))
    return len(labels.names) - len(_alone(labels, side)) >= STAND_IN_TWO * len(labels.names)


def _patches(cubes: Mapping[str, xr.DataArray], shape: tuple[int, int], seed: int) -> list[np.ndarray]:
    """(h, w, C) spectra, NaN where missing: the whole of a small scene, else windows spread over a large one."""
    height, width = shape
    if height * width <= PATCHES * PATCH * PATCH // 2:
        return [_patch(cubes, 0, 0, (height, width))]
    size = (min(PATCH, height), min(PATCH, width))
    rows = np.unique(np.linspace(0, height - size[0], 6).astype(int))
    columns = np.unique(np.linspace(0, width - size[1], 6).astype(int))
    corners = np.array([(r, c) for r in rows for c in columns])
    chosen = corners[np.sort(priority(np.arange(len(corners)), seed).argsort()[:PATCHES])]
    return [_patch(cubes, int(r), int(c), size) for r, c in chosen]


def _patch(cubes: Mapping[str, xr.DataArray], row: int, column: int, size: tuple[int, int]) -> np.ndarray:
    """One window, read a few rows at a time, so that many dates and bands cost no memory."""
    planes = sum(da.sizes.get("time", 1) * da.sizes["band"] for da in cubes.values())
    step = max(1, min(size[0], VALUES_AT_ONCE // max(1, planes * size[1])))
    across = slice(column, column + size[1])
    starts = range(row, row + size[0], step)
    parts = [_spectra(window.read(cubes, slice(r, min(r + step, row + size[0])), across)) for r in starts]
    return np.concatenate(parts)


def _spectra(batch: Batch) -> np.ndarray:
    """(h, w, C): every band's mean over its valid dates, of all sensors side by side."""
    parts = []
    for pixels in batch.pixels.values():
        valid = np.asarray(pixels.valid[0])
        n = valid.sum(axis=0)
        mean = np.where(valid, pixels.values[0], 0.0).sum(axis=0, dtype=np.float64) / np.maximum(n, 1)
        parts.append(np.where(n > 0, mean, np.nan))
    return np.moveaxis(np.concatenate(parts), 0, -1)


def first_component(patches: list[np.ndarray]) -> list[np.ndarray]:
    """The first principal component of (h, w, C) patches together, NaN where any band is missing; bands scaled to
    unit spread where their spreads differ beyond a factor of 100 (kelvin beside reflectance), else as they are.
    """
    flat = np.concatenate([p.reshape(-1, p.shape[-1]) for p in patches])
    seen = np.isfinite(flat).mean(axis=0)
    use = seen > 0.5 * max(float(seen.max()), 1e-9)
    rows = flat[:, use][np.isfinite(flat[:, use]).all(axis=1)]
    if len(rows) < 3 or not use.any():
        return [np.full(p.shape[:2], np.nan) for p in patches]
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    positive = spread[spread > 0]
    scale = (
        np.where(spread > 0, spread, 1.0)
        if positive.size and positive.max() > 100 * positive.min()
        else np.ones(len(spread))
    )
    vector = np.linalg.eigh(np.atleast_2d(np.cov((rows - mean) / scale, rowvar=False)))[1][:, -1]
    return [((p[..., use] - mean) / scale) @ vector for p in patches]


def autocorrelation(patches: list[np.ndarray], most: int | None = None) -> np.ndarray:
    """Correlation of values at 0, 1, 2 ... px, over all directions and patches; NaN is left out.

    patches: (h, w) each. Lags up to half the longest side of the smallest patch, by FFT of values and of their mask.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    values = np.concatenate([p.ravel() for p in patches])
    good = values[np.isfinite(values)]
    if good.size < 3 or good.std() == 0:
        return np.ones(1)
    mean = good.mean()
    top = max(1, min(max(p.shape) for p in patches) // 2) if most is None else most
    total, count = np.zeros(top + 1), np.zeros(top + 1)
    for patch in patches:
        mask = np.isfinite(patch)
        z = np.where(mask, patch - mean, 0.0)
        size = tuple(next_fast_len(n + min(top, n)) for n in patch.shape)
        products = [irfft2(np.abs(rfft2(a, size)) ** 2, size) for a in (z, mask.astype(float))]
        row = np.fft.fftfreq(size[0], 1 / size[0])[:, None]
        column = np.fft.fftfreq(size[1], 1 / size[1])[None]
        lag = np.round(np.hypot(row, column)).astype(int)
        near = (lag <= top) & (np.abs(row) < patch.shape[0]) & (np.abs(column) < patch.shape[1])
        total += np.bincount(lag[near], products[0][near], minlength=top + 1)
        count += np.bincount(lag[near], np.round(products[1][near]), minlength=top + 1)
    covariance = total / np.maximum(count, 1)
    return np.asarray(covariance / covariance[0])


def _decay(patches: list[Any]) -> tuple[np.ndarray, float]:
    curve = autocorrelation(first_component(patches))
    below = np.flatnonzero(curve < THRESHOLD)
    if not below.size:
        return curve, float("nan")
    i = int(below[0])
    step = curve[i - 1] - curve[i]
    return curve, float(i - 1 + (curve[i - 1] - THRESHOLD) / step) if step > 0 else float(i)
