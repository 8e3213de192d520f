"""An encoder's features at every pixel: always run in the same tiles of a scene, so that windows do not change them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from swath.batch import Batch, Encoder, Pixels
from swath.errors import SwathError

__all__ = ["Planes", "pooled"]


@dataclass(frozen=True)
class Planes:
    """Features of pixels by an encoder: tiles of `size` pixels of which the inner `core` is kept. width: D.

    most: dates of a sensor that the encoder takes; of more the clearest of a tile are used.
    """

    encoder: Encoder
    size: int
    core: int
    width: int
    most: int = 10_000

    @classmethod
    def of(cls, encoder: Encoder, batch: Batch) -> Planes:
        """Choose the tile, and find the width by encoding one of this Batch.

        An encoder of pixels has tiles of 32 without margin; one of a fixed size keeps the largest power of two of it; one of
        patches keeps 8 of them and sees two more on each side.
        """
        patch = max(1, int(getattr(encoder, "patch", 1) or 1))
        if encoder.needs.size:
            size = int(encoder.needs.size)
            core = 1 << (size.bit_length() - 1)
        elif patch == 1:
            size = core = 32
        else:
            core = 1 << (8 * patch - 1).bit_length()
            size = -(-(core + 4 * patch) // (2 * patch)) * 2 * patch
        planes = cls(encoder, size, core, 0, max(1, int(encoder.needs.dates[1])))
        values, _ = planes.tile(batch, 0, 0)
        return replace(planes, width=len(values))

    @property
    def margin(self) -> int:
        """Pixels around the core that a tile sees."""
        return (self.size - self.core) // 2

    @property
    def reach(self) -> int:
        """Pixels that must be there around a window, a multiple of `core`."""
        return self.core if self.margin else 0

    def __call__(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """(D, H, W) float32 and (H, W) valid, of a Batch of one whose window starts at a multiple of `core`."""
        height, width = _shape(batch)
        out = np.zeros((self.width, height, width), np.float32)
        valid = np.zeros((height, width), bool)
        for y in range(0, height, self.core):
            for x in range(0, width, self.core):
                rows, columns = slice(y, min(y + self.core, height)), slice(x, min(x + self.core, width))
                if not any(p.valid[..., rows, columns].any() for p in batch.pixels.values()):
                    continue
                values, good = self.tile(batch, y, x)
                out[:, rows, columns] = values[:, : rows.stop - y, : columns.stop - x]
                valid[rows, columns] = good[: rows.stop - y, : columns.stop - x]
        return out, valid

    def cut(self, batch: Batch, y: int, x: int) -> Batch:
        """The tile whose core starts at (y, x), margin and all; what lies outside the window is invalid."""
        top, left = y - self.margin, x - self.margin
        return replace(batch, pixels={n: self._cut(p, top, left) for n, p in batch.pixels.items()}, target=None)

    def _cut(self, p: Pixels, top: int, left: int) -> Pixels:
        height, width = p.values.shape[-2:]
        rows = slice(max(top, 0), min(top + self.size, height))
        columns = slice(max(left, 0), min(left + self.size, width))
        good = p.valid[..., rows, columns]
        keep = np.arange(p.values.shape[1])
        if len(keep) > self.most:
            keep = np.sort(np.argsort(-good.sum(axis=(0, 2, 3, 4)), kind="stable")[: self.most])
        values = np.zeros((1, len(keep), p.values.shape[2], self.size, self.size), np.float32)
        valid = np.zeros(values.shape, bool)
        inside = (Ellipsis, slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        values[inside] = np.where(good[:, keep], p.values[:, keep][..., rows, columns], 0)
        valid[inside] = good[:, keep]
        return replace(p, values=values, valid=valid, day=p.day[:, keep])

    def tile(self, batch: Batch, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        """(D, core, core) and (core, core) valid of one tile."""
        cut = self.cut(batch, y, x)
        tokens, good = pooled(self.encoder, cut)
        inner = slice(self.margin, self.margin + self.core)
        seen = np.logical_or.reduce([p.valid.any(axis=(0, 1, 2)) for p in cut.pixels.values()])
        h, w = good.shape
        near = good.repeat(self.size // h, 0).repeat(self.size // w, 1)
        values = _drawn(tokens, good, self.size)[:, inner, inner]
        return values, (seen & near)[inner, inner]


def pooled(encoder: Encoder, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """(D, h, w) mean over the valid dates of a Batch of one, and (h, w) where there is one.

    Raises SwathError for tokens without a grid, or one that does not divide the window.
    """
    tokens = encoder.encode(batch)[-1]
    size = _shape(batch)[0]
    if tokens.shape is None or size % tokens.shape[1] or size % tokens.shape[2]:
        raise SwathError(
            rule=f"an encoder that maps gives tokens on a grid that divides its tile of {size} px",
            got=f"grid {tokens.shape}",
            remedy="use another encoder",
        )
    grid = np.asarray(tokens.grid(), np.float32)[0]
    valid = np.asarray(tokens.valid)[0].reshape(tokens.shape)
    weight = valid[:, None].astype(np.float32)
    total = weight.sum(0)
    return (np.where(valid[:, None], grid, 0) * weight).sum(0) / np.maximum(total, 1), total[0] > 0


def _drawn(tokens: np.ndarray, good: np.ndarray, size: int) -> np.ndarray:
    """(D, h, w) tokens at the pixels (D, size, size): bilinear between token centres; a token without value takes its
    neighbours' (the valid ones' mean).
    """
    if not good.all() and good.any():
        tokens = np.where(good, tokens, tokens[:, good].mean(1)[:, None, None])
    for axis in (1, 2):
        n = tokens.shape[axis]
        if n == size:
            continue
        at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, n - 1)
        share = (at - low).astype(np.float32).reshape((-1, 1) if axis == 1 else (-1,))
        tokens = np.take(tokens, low, axis) * (1 - share) + np.take(tokens, high, axis) * share
    return np.asarray(tokens, np.float32)


def _shape(batch: Batch) -> tuple[int, int]:
    height, width = next(iter(batch.pixels.values())).values.shape[-2:]
    return int(height), int(width)
