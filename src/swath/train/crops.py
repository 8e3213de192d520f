"""Labelled pieces of pairs of dates (or of one), held in memory, and seeded batches of crops from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band
from swath.errors import GridError, LabelError
from swath.models.schanger import AFTER, BEFORE
from swath.transform.augment import turned

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Crops", "Piece", "pieces_of", "pixels_of", "whole_of"]

_LARGEST = 768 << 20  # bytes of pieces in memory


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """A window of one scene: {date: values (C, h, w)} in physical units, valid (h, w) on all dates and bands, target (h, w).

    target: 1, 0, or negative where unknown. bands: of every date. place: what a split moves as a whole.
    """

    values: Mapping[str, np.ndarray]
    valid: np.ndarray
    target: np.ndarray
    bands: tuple[Band, ...]
    gsd: float = float("nan")
    place: str = ""


def pieces_of(
    cubes: Mapping[str, xr.DataArray], target: np.ndarray, *, side: int, most: int = 512, seed: int = 0, place: str = ""
) -> list[Piece]:
    """Windows of about 1.5 x `side` pixels of cubes on one grid, those that hold a known target; at most `most`, drawn by seed.

    The scene is read window by window. Where it is smaller than `side` the piece is the scene, mirrored up to `side`.
    Raises GridError when target and cubes differ in shape, LabelError where no target is known on a valid pixel.
    """
    from swath.sample.window import Windows

    shape = next((da.sizes["y"], da.sizes["x"]) for da in cubes.values())
    if any((da.sizes["y"], da.sizes["x"]) != shape for da in cubes.values()) or target.shape != shape:
        raise GridError(
            rule="dates and labels of a pair lie on one grid",
            got=f"{[(da.sizes['y'], da.sizes['x']) for da in cubes.values()]}, labels {target.shape}",
            remedy="put them on one grid with swath.cube.align.align",
        )
    windows = Windows(cubes, budget=0)
    starts = [
        (top, left)
        for top in range(0, shape[0], side)
        for left in range(0, shape[1], side)
        if (target[top : top + side, left : left + side] >= 0).any()
    ]
    order = np.random.default_rng([seed, 32]).permutation(len(starts))
    found: list[Piece] = []
    held = 0
    for i in order[:most]:
        rows, columns = (_around(s, side, n) for s, n in zip(starts[i], shape, strict=True))
        piece = whole_of(windows.read(rows, columns).pixels, target[rows, columns], side=side, place=place)
        if (piece.target >= 0).any():
            found.append(piece)
            held += sum(v.nbytes for v in piece.values.values()) + piece.target.nbytes
        if held > _LARGEST:
            break
    if not found:
        raise LabelError(
            rule="labels lie where the pictures have pixels on all dates",
            got=f"none of {int((target >= 0).sum())} labelled pixels",
            remedy="look at the place of the labels and at the flags",
        )
    return found


def whole_of(pixels: Mapping[str, Pixels], target: np.ndarray, *, side: int = 0, place: str = "") -> Piece:
    """A piece of pixels of one example and one date each ({"before", "after"}, or one), mirrored up to `side`."""
    first = next(iter(pixels.values()))
    for p in pixels.values():
        if [b.name for b in p.bands] != [b.name for b in first.bands]:
            raise GridError(
                rule="both dates have the same bands",
                got=f"{[b.name for b in first.bands]} and {[b.name for b in p.bands]}",
                remedy="choose common bands with --bands",
            )
    valid = np.logical_and.reduce([np.asarray(p.valid)[0].any(0).all(0) for p in pixels.values()])
    values = {
        n: np.where(np.asarray(p.valid)[0, 0], np.asarray(p.values, np.float32)[0, 0], 0.0) for n, p in pixels.items()
    }
    known = np.where(valid, target, -1).astype(np.int8)
    more = [(0, max(0, side - n)) for n in known.shape]

    def up(a: np.ndarray) -> np.ndarray:
        return np.pad(a, [(0, 0)] * (a.ndim - 2) + more, mode="symmetric" if min(a.shape[-2:]) < 2 else "reflect")

    return Piece({n: up(v) for n, v in values.items()}, up(valid), up(known), first.bands, first.gsd, place)


def _around(start: int, side: int, length: int) -> slice:
    """A window of 1.5 x side around (start, start + side), moved to lie inside."""
    wide = min(length, side + side // 2)
    low = min(max(0, start - side // 4), length - wide)
    return slice(low, low + wide)


def pixels_of(values: np.ndarray, valid: np.ndarray, piece: Piece) -> Pixels:
    """(B, C, H, W) and (B, H, W) as Pixels of one date."""
    nothing = np.full((len(values), 1), np.nan)
    seen = np.broadcast_to(valid[:, None, None], (len(values), 1, *values.shape[1:]))
    return Pixels(values[:, None], seen, piece.bands, piece.gsd, nothing, np.full((len(values), 2), np.nan))


@dataclass(frozen=True, eq=False)
class Crops:
    """Batches of crops, the same for the same epoch number: half of them around a positive pixel where there is one.

    Both dates alike: placed at random, turned and mirrored; with 0.5 the dates swap places. Each date apart, with 0.5: brighter or
    darker by up to a tenth, moved by up to a tenth of the band's deviation, with noise of a twentieth of it.
    deviation: {date: (C,)} by band, what "deviation" means here. swap: whether dates may change places.
    """

    pieces: Sequence[Piece]
    side: int
    deviation: np.ndarray
    batch: int = 8
    steps: int = 8
    seed: int = 0
    swap: bool = True
    vary: bool = True

    def epoch(self, number: int) -> Iterator[Batch]:
        """`steps` batches."""
        bright = [i for i, p in enumerate(self.pieces) if (p.target > 0).any()]
        for step in range(self.steps):
            rng = np.random.default_rng([self.seed, number, step, 5])
            yield self._join([self._crop(rng, bright, j) for j in range(self.batch)])

    def _crop(self, rng: np.random.Generator, bright: Sequence[int], j: int) -> Piece:
        """One crop, augmented; even examples lie around a positive pixel."""
        positive = bool(bright) and j % 2 == 0
        piece = self.pieces[bright[int(rng.integers(len(bright)))] if positive else int(rng.integers(len(self.pieces)))]
        height, width = piece.target.shape
        h, w = min(self.side, height), min(self.side, width)
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        if positive:
            at = np.argwhere(piece.target > 0)
            y, x = at[rng.integers(len(at))] - rng.integers(0, (h, w))
            top, left = int(np.clip(y, 0, height - h)), int(np.clip(x, 0, width - w))
        way = int(rng.integers(8)) if h == w else 2 * int(rng.integers(2)) + 4 * int(rng.integers(2))
        part = (Ellipsis, slice(top, top + h), slice(left, left + w))
        values = {n: self._varied(turned(v[part], way), rng) for n, v in piece.values.items()}
        if self.swap and len(values) == 2 and rng.random() < 0.5:
            values = {BEFORE: values[AFTER], AFTER: values[BEFORE]}
        return Piece(values, turned(piece.valid[part], way), turned(piece.target[part], way), piece.bands, piece.gsd)

    def _varied(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        gain, move, share = rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1, (len(values), 1, 1)), rng.random()
        if not self.vary or share < 0.5:
            return values
        noise = rng.normal(0, 0.05, values.shape)
        return np.asarray(values * (1 + gain) + (move + noise) * self.deviation[:, None, None], np.float32)

    def _join(self, crops: Sequence[Piece]) -> Batch:
        valid = np.stack([c.valid for c in crops])
        target = np.stack([c.target for c in crops]).astype(np.int64)
        stacks = {n: np.stack([c.values[n] for c in crops]) for n in crops[0].values}
        return Batch({n: pixels_of(v, valid, crops[0]) for n, v in stacks.items()}, target)
