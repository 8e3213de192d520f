"""Images larger than the window that a model takes: evenly spaced windows, their answers averaged where they overlap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from swath.batch import Batch

__all__ = ["Maps", "merged", "padded", "starts"]

Maps = tuple[np.ndarray, np.ndarray]  # values (B, T, D, h, w) and valid (B, T, h, w)


def starts(length: int, size: int, patch: int = 1) -> list[int]:
    """Where windows of `size` begin along a side: the fewest that cover it, evenly spaced, at whole patches."""
    if length <= size:
        return [0]
    count = -(-length // size)
    at = np.linspace(0, length - size, count) / patch
    return sorted({int(v) * patch for v in np.floor(at[:-1] + 1e-9)} | {-(-(length - size) // patch) * patch})


def padded(batch: Batch, height: int, width: int) -> Batch:
    """The batch with rows and columns that are not valid added at the lower and right edge."""
    pixels = {}
    for name, p in batch.pixels.items():
        h, w = p.values.shape[-2:]
        edge = [(0, 0)] * 3 + [(0, max(0, height - h)), (0, max(0, width - w))]
        pixels[name] = replace(p, values=np.pad(p.values, edge), valid=np.pad(p.valid, edge))
    return replace(batch, pixels=pixels)


def merged(function: Callable[[Batch], list[Maps]], batch: Batch, size: int, patch: int = 1) -> list[Maps]:
    """What `function` gives for windows of `size` pixels, put together: one pair of maps a level, of the whole image.

    All sensors lie on one grid. `function` gives maps of size / patch cells a side, or at levels of coarser ones of a
    whole part of that. For a function of single pixels it equals one call on the whole image.
    """
    height, width = next(iter(batch.pixels.values())).values.shape[-2:]
    tall, wide = (max(size, -(-n // patch) * patch) for n in (height, width))
    whole = padded(batch, tall, wide)
    totals: list[list[np.ndarray]] = []
    for y in starts(tall, size, patch):
        for x in starts(wide, size, patch):
            cut = {
                n: replace(p, values=p.values[..., y : y + size, x : x + size], valid=p.valid[..., y : y + size, x : x + size])
                for n, p in whole.pixels.items()
            }  # fmt: skip
            for level, (values, valid) in enumerate(function(replace(whole, pixels=cut))):
                cell = size // values.shape[-1]
                if len(totals) <= level:
                    shape = (-(-tall // cell), -(-wide // cell))
                    totals.append([np.zeros((*values.shape[:3], *shape)), np.zeros((*valid.shape[:2], *shape))])
                at = (
                    Ellipsis,
                    slice(y // cell, y // cell + values.shape[-2]),
                    slice(x // cell, x // cell + values.shape[-1]),
                )
                totals[level][0][at] += np.where(valid[:, :, None], values, 0)
                totals[level][1][at] += valid
    out = []
    for total, count in totals:
        cell = -(-tall // total.shape[-2])
        rows, columns = -(-height // cell), -(-width // cell)
        mean = total / np.maximum(count, 1)[:, :, None]
        out.append((mean[..., :rows, :columns].astype(np.float32), count[..., :rows, :columns] > 0))
    return out
