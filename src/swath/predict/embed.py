"""An Encoder's tokens as a picture: for `predict.run`, window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from swath.batch import Batch, Encoder, array
from swath.errors import SwathError

__all__ = ["Embedding"]


@dataclass
class Embedding:
    """A function for `predict.run`: tokens spread over the pixels of windows of `size` pixels.

    size: the window that the encoder is always run in (its `needs.size` where it has one); give `run` a multiple of it
    as `window`, so that windows lie alike whatever the tiles. Tokens of several dates are averaged over those that are
    valid; a token covers the pixels of its patch. Pixels without a valid token are NaN. Where the scene ends inside a
    window the rest is invalid.
    """

    encoder: Encoder
    size: int
    name: str = "embedding"

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """{name: (1, D, H, W)} float32."""
        height, width = next(iter(batch.pixels.values())).values.shape[-2:]
        out: np.ndarray | None = None
        for i in range(0, height, self.size):
            for j in range(0, width, self.size):
                core = self._window(_cut(batch, i, j, self.size, height, width))
                if out is None:
                    out = np.full((core.shape[0], height, width), np.nan, np.float32)
                end, last = min(height, i + self.size), min(width, j + self.size)
                out[:, i:end, j:last] = core[:, : end - i, : last - j]
        return {self.name: out[None] if out is not None else np.zeros((1, 1, 0, 0), np.float32)}

    def _window(self, batch: Batch) -> np.ndarray:
        tokens = self.encoder.encode(batch)[-1]
        if tokens.shape is None or self.size % tokens.shape[1] or self.size % tokens.shape[2]:
            raise SwathError(
                rule=f"an encoder that maps gives tokens on a grid that divides its window of {self.size} pixels",
                got=f"grid {tokens.shape}",
                remedy="state another size, or use another level",
            )
        values, valid = array(tokens.grid())[0], array(tokens.valid)
        t, h, w = tokens.shape
        good = valid[0].reshape(t, 1, h, w).astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (np.where(good > 0, values, 0) * good).sum(axis=0) / good.sum(axis=0)
        spread: np.ndarray = mean.repeat(self.size // h, axis=1).repeat(self.size // w, axis=2).astype(np.float32)
        return spread


def _cut(batch: Batch, top: int, left: int, size: int, height: int, width: int) -> Batch:
    """A window of just `size` pixels; beyond the edge the last ones again, not valid."""
    rows, columns = np.arange(top, top + size), np.arange(left, left + size)
    there = (rows < height)[:, None] & (columns < width)
    y, x = np.minimum(rows, height - 1)[:, None], np.minimum(columns, width - 1)
    pixels = {
        name: replace(p, values=p.values[..., y, x], valid=p.valid[..., y, x] & there)
        for name, p in batch.pixels.items()
    }
    return replace(batch, pixels=pixels)
