"""Whole images as many small examples: squares side by side, each a place of its own or of its image."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from swath.batch import Batch
from swath.errors import GridError
from swath.sample.loader import join

__all__ = ["pieces"]


def pieces(batch: Batch, size: int, *, place: Literal["piece", "image"] = "piece") -> Batch:
    """Squares of `size` pixels of every example, in rows; the target is cut with them when it lies on the grid.

    What is left at the right and lower edge is not used. Keys end in row and column of the square; places too, so that
    each square is one, or stay those of the image. Raises GridError when sensors differ in size or no square fits.
    """
    shapes = {tuple(p.values.shape[-2:]) for p in batch.pixels.values()}
    if len(shapes) != 1:
        raise GridError(
            rule="images are cut where all sensors share a grid", got=f"{sorted(shapes)}", remedy="align them first"
        )
    height, width = shapes.pop()
    if min(height, width) < size:
        raise GridError(
            rule="a piece fits into its image", got=f"{size} pixels in {height} x {width}", remedy="a smaller size"
        )
    dense = batch.target is not None and np.asarray(batch.target).shape[-2:] == (height, width)
    keys = tuple(batch.key) or tuple(str(i) for i in range(len(batch)))
    places = tuple(batch.place) or keys
    out = []
    for y in range(0, height - size + 1, size):
        for x in range(0, width - size + 1, size):
            at = (Ellipsis, slice(y, y + size), slice(x, x + size))
            end = f"/{y}_{x}"
            pixels = {
                n: replace(p, values=p.values[at], valid=p.valid[at]) for n, p in batch.pixels.items()
            }  # fmt: skip
            out.append(
                replace(
                    batch,
                    pixels=pixels,
                    target=np.asarray(batch.target)[at] if dense else batch.target,
                    key=tuple(k + end for k in keys),
                    place=tuple(f"{p}{end}" for p in places) if place == "piece" else places,
                )
            )
    return join(out)
