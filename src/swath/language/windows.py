"""The classes of a map counted window by window, and for each class the window where its share is highest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from swath.errors import FormatError
from swath.language.counting import index_of
from swath.language.facts import SceneFacts
from swath.language.source import Raster, strips

__all__ = ["count_windows"]

MOST = 64


def count_windows(
    raster: Raster, facts: SceneFacts, longer: int, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, Any]:
    """Square windows, `longer` of them along the longer side: side in pixels, records of windows, the densest of each class.

    A record: window (top, bottom, left, right), half-open pixels; pixels with a class; unknown pixels; shares {class: of the
    pixels with a class}. A window counts as densest only where half of its square or more has a class (all windows do when none
    has); of equals the first by rows. Raises FormatError.
    """
    if not 1 <= longer <= MOST:
        raise FormatError(
            rule=f"a map is counted in 1 to {MOST} windows along its longer side", got=str(longer), remedy="choose 8"
        )
    h, w = raster.shape
    side = max(1, math.ceil(max(h, w) / longer))
    rows, columns, k = math.ceil(h / side), math.ceil(w / side), len(raster.legend)
    made = np.zeros((rows * columns, k + 1), np.int64)
    index = index_of(raster)
    across = np.arange(w) // side
    parts = list(strips(raster.shape))
    for i, (first, last) in enumerate(parts):
        if progress is not None:
            progress(i, len(parts), "counting windows")
        at = index(*raster.read(first, last)).astype(np.int64)
        cell = (np.arange(first, last) // side)[:, None] * columns + across[None, :]
        key = cell * (k + 1) + np.where(at < 0, k, at)
        made += np.bincount(key.ravel(), minlength=made.size).reshape(made.shape)
    known, names = made[:, :k].sum(1), [c.name for c in raster.legend.classes]
    boxes = [
        [r * side, min(h, (r + 1) * side), c * side, min(w, (c + 1) * side)]
        for r in range(rows)
        for c in range(columns)
    ]
    enough = known * 2 >= side * side
    enough = enough if enough.any() else known > 0
    return {
        "side": side, "rows": rows, "columns": columns,
        "records": [
            {"window": boxes[i], "pixels": int(known[i]), "unknown": int(made[i, k]),
             "shares": {n: _share(made[i, j], known[i]) for j, n in enumerate(names) if made[i, j]}}
            for i in range(len(boxes))
        ],
        "densest": {
            n: _densest(made[:, j], known, enough, boxes, facts)
            for j, n in enumerate(names) if (made[:, j] * enough).any()
        },
    }  # fmt: skip


def _share(part: Any, whole: Any) -> float:
    return round(int(part) / int(whole), 6)


def _densest(
    pixels: np.ndarray, known: np.ndarray, enough: np.ndarray, boxes: list[list[int]], facts: SceneFacts
) -> dict[str, Any]:
    i = int(np.argmax(np.where(enough, pixels / np.maximum(known, 1), -1.0)))
    top, bottom, left, right = boxes[i]
    return {
        "window": boxes[i], "rows": [top, bottom - 1], "columns": [left, right - 1],
        "pixels": int(pixels[i]), "of": int(known[i]), "share": _share(pixels[i], known[i]),
        "place": facts.north.place((top + bottom - 1) / 2, (left + right - 1) / 2),
    }  # fmt: skip
