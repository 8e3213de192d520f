"""The pixels that a number of an answer counts: read again from the evidence, and written as a layer that shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import SwathError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["ASIDE", "COUNTED", "EDGE", "Counted", "counted", "outlines", "place", "write"]

MOST_PIXELS, MOST_RINGS, MOST_CORNERS = 4_000_000, 600, 40_000
"""Beyond them pixels are not outlined."""

ASIDE, EDGE = 1, 2
COUNTED = 0
"""Codes of the layer: the rest, the rim of what is counted, and what is counted (no data, so that it stays clear)."""


@dataclass(frozen=True)
class Counted:
    """shape and grid of the map; window: rows first to last, columns likewise, where the number counts.

    read(first, last): (n, W) bool, which pixels of these rows it counts.
    """

    shape: tuple[int, int]
    grid: GeoBox | None
    window: tuple[int, int, int, int]
    read: Callable[[int, int], np.ndarray]


def place(
    evidence: Mapping[str, Any], *, legend: Any = None, safe: bool = False, opened: dict[str, Any] | None = None
) -> tuple[Any, tuple[int, int, int, int]]:
    """(the map on whose grid an evidence counts, the window of it: rows first to last, columns likewise).

    opened: maps kept between calls. Raises SwathError where the evidence names no pixels, FormatError where the map is gone.
    """
    from swath.language.source import open_raster
    from swath.tools.describing import area_window

    if not evidence.get("map") or not (evidence.get("codes") or evidence.get("before") or evidence.get("window")):
        raise SwathError(
            rule="a number is shown by the pixels it counts", got="one of the whole file", remedy="see its call"
        )
    path = str(evidence.get("on") or evidence["map"])
    kept = {} if opened is None else opened
    if path not in kept:
        kept[path] = open_raster(path, legend, safe=safe)
    target = kept[path]
    top, left = 0, 0
    inside = (0, target.shape[0], 0, target.shape[1])
    if evidence.get("area") is not None:
        rows, columns = area_window(target, evidence["area"])
        top, left, inside = rows[0], columns[0], (*rows, *columns)
    if evidence.get("window"):
        a, b, c, d = (int(v) for v in evidence["window"])
        inside = (top + a, top + b, left + c, left + d)
    return target, inside


def counted(
    evidence: Mapping[str, Any], *, legend: Any = None, since_legend: Any = None, safe: bool = False
) -> Counted:
    """The pixels that an evidence of `ask` names: codes of a map in a window; with `before`, those of them that changed.

    Raises SwathError where it names no pixels, FormatError where the map is gone.
    """
    from swath.language.source import on_grid, open_raster

    target, inside = place(evidence, legend=legend, safe=safe)
    made = target
    if evidence.get("on"):
        made = on_grid(open_raster(evidence["map"], legend, safe=safe), Path(evidence["map"]), target)
    height, width = target.shape
    codes = [c for c in evidence.get("codes") or [] if c is not None]
    moved = None
    if evidence.get("before"):
        before = open_raster(evidence["before"], since_legend or legend, safe=safe)
        moved = _changed(on_grid(before, Path(evidence["before"]), target), made, evidence.get("before_codes") or [])

    def read(first: int, last: int) -> np.ndarray:
        values, valid = made.read(first, last)
        here = valid.copy()
        if codes:
            here &= np.isin(values, codes)
        if moved is not None:
            here &= moved(first, last)
        rows = np.arange(first, last)
        here[(rows < inside[0]) | (rows >= inside[1])] = False
        here[:, : inside[2]] = False
        here[:, inside[3] :] = False
        return np.asarray(here)

    return Counted((height, width), target.grid, inside, read)


def _changed(before: Any, after: Any, codes: list[Any]) -> Callable[[int, int], np.ndarray]:
    """Which pixels have another class than before, where both dates have one; of these classes only, if any are named."""
    from swath.language.counting import index_of, same_class

    same = same_class(before, after)
    one, two = index_of(before), index_of(after)
    wanted = [c for c in codes if c is not None]

    def read(first: int, last: int) -> np.ndarray:
        old_values, old_valid = before.read(first, last)
        old, new = one(old_values, old_valid), two(*after.read(first, last))
        known = (old >= 0) & (new >= 0)
        moved = known & ~same[np.maximum(old, 0), np.maximum(new, 0)]
        return np.asarray(moved & np.isin(old_values, wanted) if wanted else moved)

    return read


def outlines(found: Counted) -> list[list[list[tuple[float, float]]]] | None:
    """Polygons around what is counted, each a list of rings of (column, row); None where there are too many to be read."""
    from rasterio.features import shapes
    from rasterio.transform import Affine

    top, bottom, left, right = found.window
    if (bottom - top) * (right - left) > MOST_PIXELS:
        return None
    mask = found.read(top, bottom)[:, left:right].astype(np.uint8)
    made: list[list[list[tuple[float, float]]]] = []
    corners = 0
    for shape, _ in shapes(mask, mask=mask > 0, connectivity=4, transform=Affine.translation(left, top)):
        rings = [[(float(x), float(y)) for x, y in ring] for ring in shape["coordinates"]]
        corners += sum(map(len, rings))
        made.append(rings)
        if len(made) > MOST_RINGS or corners > MOST_CORNERS:
            return None
    return made


def write(path: Path, found: Counted, *, rims: bool = True) -> tuple[Path, int]:
    """(the layer of these codes as a COG on the map's grid, how many pixels it counts). rims: with EDGE. Raises OutputError."""
    from swath.cube.blocks import Layer
    from swath.cube.save import write_windows

    height, width = found.shape
    total = 0
    kept: dict[int, np.ndarray] = {}

    def strip(first: int, last: int) -> np.ndarray:
        """Codes of whole rows, with the rows beside them for the rims."""
        above, below = max(0, first - 1), min(height, last + 1)
        here = found.read(above, below)
        grown = np.pad(here, 1)
        rim = here & ~(grown[:-2, 1:-1] & grown[2:, 1:-1] & grown[1:-1, :-2] & grown[1:-1, 2:])
        codes = np.where(here, COUNTED, ASIDE).astype(np.uint8)
        if rims:
            codes[rim] = EDGE
        return codes[first - above : first - above + last - first]

    def window(rows: slice, columns: slice) -> np.ndarray:
        nonlocal total
        if rows.start not in kept:
            kept.clear()
            kept[rows.start] = strip(rows.start, rows.stop)
            total += int((kept[rows.start] != ASIDE).sum())
        return kept[rows.start][None, :, columns]

    layer = Layer(
        "counted", nodata=COUNTED, bands=("which pixels a number counts",), classes={ASIDE: "not counted", EDGE: "rim of what is counted"}
    )  # fmt: skip
    return write_windows(path, layer, (height, width), found.grid, window), total
