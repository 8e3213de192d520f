"""Turning, shrinking and shifting a picture with its truth: the frame stays full, what lacks is mirrored in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.errors import SwathError

__all__ = ["Move", "rotation", "scaling", "shift"]

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Move:
    """Where every pixel of an (H, W) frame comes from: source = turn @ (pixel - centre) + centre - moved.

    turn (2, 2) on (row, column) and moved (2,) in pixels; centre: the middle of the frame. Beyond the border pixels are
    mirrored with the border's own pixel doubled.
    """

    turn: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    moved: tuple[float, float] = (0.0, 0.0)

    @property
    def identity(self) -> bool:
        """Whether nothing moves."""
        return self.turn == ((1.0, 0.0), (0.0, 1.0)) and self.moved == (0.0, 0.0)

    @property
    def shrink(self) -> float:
        """How many source pixels lie side by side in one: 1 for turns and shifts."""
        (a, b), (c, d) = self.turn
        return math.sqrt(abs(a * d - b * c))

    def sources(self, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Row and column (H, W) that each pixel comes from, before mirroring."""
        h, w = shape
        (a, b), (c, d) = self.turn
        y, x = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w)[None] - (w - 1) / 2
        rows = a * y + b * x + (h - 1) / 2 - self.moved[0]
        columns = c * y + d * x + (w - 1) / 2 - self.moved[1]
        return np.round(rows, 9), np.round(columns, 9)

    def nearest(self, a: np.ndarray) -> np.ndarray:
        """(..., H, W) moved without making new values: masks, classes, validity."""
        if self.identity:
            return np.array(a)
        rows, columns = self.sources((a.shape[-2], a.shape[-1]))
        r = mirrored(np.floor(rows + 0.5).astype(np.int64), a.shape[-2])
        c = mirrored(np.floor(columns + 0.5).astype(np.int64), a.shape[-1])
        return np.asarray(a[..., r, c])

    def linear(self, values: Floats, valid: Mask) -> tuple[Floats, Mask]:
        """(..., H, W) moved with values between pixels; only valid neighbours count. A shrunk picture is averaged first.

        valid: that of the nearest source pixel.
        """
        if self.identity:
            return np.array(values), np.array(valid)
        seen = self.nearest(valid)
        whole = bool(valid.all())
        weight = np.ones((1, 1), np.float32) if whole else valid.astype(np.float32)
        v = np.where(valid, values, 0).astype(np.float32)
        if self.shrink > 1:
            from scipy.ndimage import gaussian_filter

            sigma = (0,) * (v.ndim - 2) + ((self.shrink - 1) / 2,) * 2
            v = gaussian_filter(v, sigma, mode="reflect")
            weight = weight if whole else gaussian_filter(weight, sigma, mode="reflect")
        rows, columns = self.sources((v.shape[-2], v.shape[-1]))
        y, x = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
        fy, fx = (rows - y).astype(np.float32), (columns - x).astype(np.float32)
        total, count = np.zeros_like(v), np.zeros_like(v if not whole else fy)
        for dy in (0, 1):
            for dx in (0, 1):
                share = (fy if dy else 1 - fy) * (fx if dx else 1 - fx)
                if not share.any():
                    continue
                r, c = mirrored(y + dy, v.shape[-2]), mirrored(x + dx, v.shape[-1])
                total += share * v[..., r, c]
                count += share if whole else share * weight[..., r, c]
        return np.where(seen, total / np.where(count > 1e-6, count, 1), values).astype(np.float32), seen

    def corners(self, points: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
        """(..., 2) points (x, y) in pixels, 0 at the frame's left upper corner, where they lie afterwards.

        Mirrored copies of a thing at the border are not points of it: for counting they change the truth.
        """
        h, w = shape
        (a, b), (c, d) = self.turn
        p = np.asarray(points, float)
        x, y = p[..., 0] - w / 2 + self.moved[1], p[..., 1] - h / 2 + self.moved[0]
        det = a * d - b * c
        return np.stack([(a * x - c * y) / det + w / 2, (d * y - b * x) / det + h / 2], -1)

    def boxes(self, boxes: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Corners (N, 4, 2) of boxes (N, 4) of left, top, right, bottom, in the order of going round."""
        b = np.asarray(boxes, float).reshape(-1, 4)
        round_ = np.stack([b[:, [0, 1]], b[:, [2, 1]], b[:, [2, 3]], b[:, [0, 3]]], 1)
        return self.corners(round_, shape)


def rotation(degrees: float) -> Move:
    """A turn against the clock about the middle; full turns move nothing, quarters are exact."""
    quarter = degrees % 360 / 90
    if quarter.is_integer():
        cos, sin = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter)]
    else:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return Move(((cos + 0.0, sin + 0.0), (-sin + 0.0, cos + 0.0)))


def scaling(factor: float) -> Move:
    """The picture `factor` times as large about the middle. Raises SwathError unless the factor is above 0."""
    if not factor > 0:
        raise SwathError(rule="a picture is scaled by a factor above 0", got=str(factor), remedy="0.5 halves it")
    return Move(((1 / factor, 0.0), (0.0, 1 / factor)))


def shift(rows: float, columns: float) -> Move:
    """The picture so many pixels further down and to the right."""
    return Move(moved=(float(rows), float(columns)))


def mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Indices beyond an axis of `size` mirrored back into it: ... 1 0 | 0 1 ... size-1 | size-1 ..."""
    folded = index % (2 * size)
    return np.asarray(np.minimum(folded, 2 * size - 1 - folded))
