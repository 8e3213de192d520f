"""An Encoder's tokens as feature planes: always encoded in the same tiles, so that windows do not change them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.batch import Batch, Encoder, Pixels, array
from swath.errors import SwathError

__all__ = ["TokenPlanes"]

DEFAULT_SIZE = 32


@dataclass(frozen=True, slots=True)
class TokenPlanes:
    """An Encoder run in tiles of `size` pixels whose inner `core` (a power of two) is kept. width: features a pixel."""

    encoder: Encoder
    size: int
    width: int

    @classmethod
    def fit(cls, encoder: Encoder, batch: Batch) -> TokenPlanes:
        """Find the tile and the number of features by encoding one. Raises SwathError where tokens lie on no grid.

        An encoder that says how far it looks (`reach`, pixels) gets tiles with that much around their core, so that its
        tokens are those of the whole scene.
        """
        size = int(encoder.needs.size or _wide_enough(int(getattr(encoder, "reach", 0))))
        tile = _tile(batch, 0, 0, 0, size)
        return cls(encoder, size, _planes(encoder, tile, size).shape[1])

    @property
    def core(self) -> int:
        """Pixels kept of a tile's side."""
        return 1 << (self.size.bit_length() - 1)

    @property
    def reach(self) -> int:
        """Pixels that must be there around a window."""
        return self.core

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [f"token{i + 1}" for i in range(self.width)]

    def __call__(self, batch: Batch, example: int) -> np.ndarray:
        """(D, H, W) for one example of a Batch whose window starts at a multiple of `core`."""
        height, width = next(iter(batch.pixels.values())).values.shape[-2:]
        margin = (self.size - self.core) // 2
        out = np.zeros((self.width, height, width), np.float32)
        for y in range(0, height, self.core):
            for x in range(0, width, self.core):
                tile = _tile(batch, example, y - margin, x - margin, self.size)
                planes = _planes(self.encoder, tile, self.size)[0]
                rows, columns = min(self.core, height - y), min(self.core, width - x)
                out[:, y : y + rows, x : x + columns] = planes[:, margin : margin + rows, margin : margin + columns]
        return out

    def state(self) -> dict[str, Any]:
        """A JSON-able record; the Encoder itself is only named."""
        name = getattr(getattr(self.encoder, "facts", None), "model", type(self.encoder).__name__)
        return {"encoder": name, "size": self.size, "width": self.width}

    @classmethod
    def from_state(cls, record: dict[str, Any], encoder: Encoder | None) -> TokenPlanes:
        """The inverse of `state`, with the Encoder given anew. Raises SwathError without it."""
        if encoder is None:
            raise SwathError(
                rule=f"this model needs the encoder {record['encoder']}", got="none", remedy="name it with --encoder"
            )
        return cls(encoder, record["size"], record["width"])


def _wide_enough(reach: int) -> int:
    """A core of a power of two, at least four times the reach, and the reach on both sides."""
    core = DEFAULT_SIZE
    while core < 4 * reach:
        core *= 2
    return core + 2 * reach


def _tile(batch: Batch, example: int, y: int, x: int, size: int) -> Batch:
    """Cut size x size pixels from (y, x) on; what lies outside the window is invalid."""

    def cut(p: Pixels) -> Pixels:
        height, width = p.values.shape[-2:]
        top, left, bottom, right = max(y, 0), max(x, 0), min(y + size, height), min(x + size, width)
        values = np.zeros((1, *p.values.shape[1:3], size, size), np.float32)
        valid = np.zeros(values.shape, bool)
        inside = (Ellipsis, slice(top - y, bottom - y), slice(left - x, right - x))
        good = p.valid[example : example + 1, :, :, top:bottom, left:right]
        values[inside] = np.where(good, p.values[example : example + 1, :, :, top:bottom, left:right], 0)
        valid[inside] = good
        one = slice(example, example + 1)
        return replace(p, values=values, valid=valid, day=p.day[one], lonlat=p.lonlat[one])

    return Batch(pixels={name: cut(p) for name, p in batch.pixels.items()})


def _planes(encoder: Encoder, tile: Batch, size: int) -> np.ndarray:
    """(B, D, size, size): tokens at the last level, mean over their dates, each spread over its patch."""
    tokens = encoder.encode(tile)[-1]
    if tokens.shape is None:
        raise SwathError(
            rule="an encoder's tokens must lie on a grid to make a map",
            got="tokens without one",
            remedy="use another encoder",
        )
    grid = np.asarray(array(tokens.grid()), np.float32)
    mean = grid.mean(1)
    step = size // mean.shape[-1]
    return np.asarray(mean.repeat(step, axis=-2).repeat(step, axis=-1))
