"""Which of the files named on the command line are one scene: dates and sensors of one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from swath.errors import SwathError

__all__ = ["apart"]

NEAR = 0.05
"""Scenes of one sensor are neighbours of a mosaic when the gap between them is at most this share of their sides."""
SHARED = 0.3
"""Share of the smaller footprint in which two sensors must see the same ground to be one scene."""
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What decides: bounds are west, south, east, north in degrees, or None without a georeference."""

    path: Path
    sensor: str | None
    bands: tuple[str, ...]
    shape: tuple[int, ...]
    bounds: Bounds | None


def apart(paths: Sequence[Path]) -> list[list[Path]]:
    """The files of each scene, in the order given.

    Files of one sensor that overlap or touch are one scene with its dates; so are two known sensors that see the same
    ground. Files whose sensor nothing tells are joined only where bands, grid and place are the same: a raster of labels
    beside an image is no band of it. What cannot be read stays by itself: opening it says why.
    """
    if len(paths) < 2:
        return [list(paths)]
    groups: list[list[_Facts]] = []
    for path in paths:
        found = _facts(path)
        group = next((g for g in groups if any(_one(found, other) for other in g)), None)
        if group is None:
            groups.append([found])
        else:
            group.append(found)
    return [[one.path for one in group] for group in groups]


def _facts(path: Path) -> _Facts:
    """Of a file; without bands where it cannot be read as a raster."""
    from swath.cube import contract
    from swath.cube.open import understand
    from swath.earth.grid import lonlat_bounds

    try:
        scene = understand(path)
        cube = next(iter(scene.cubes.values()))
        if "y" not in cube.dims:
            return _Facts(path, None, (), (), None)
        bands = tuple(str(b) for b in cube.coords["band"].values)
        shape = (cube.sizes["y"], cube.sizes["x"])
        return _Facts(path, scene.sensor, bands, shape, lonlat_bounds(contract.grid(cube)))
    except (SwathError, StopIteration):
        return _Facts(path, None, (), (), None)


def _one(a: _Facts, b: _Facts) -> bool:
    """Whether two files belong to one scene."""
    if not a.bands or not b.bands:
        return False
    same = a.sensor == b.sensor
    if (a.sensor is None or b.sensor is None) or (same and a.bounds is None and b.bounds is None):
        return same and a.bands == b.bands and a.shape == b.shape and a.bounds == b.bounds
    if a.bounds is None or b.bounds is None:
        return False
    return _touch(a.bounds, b.bounds) if same else _shared(a.bounds, b.bounds) >= SHARED


def _touch(a: Bounds, b: Bounds) -> bool:
    reach = [NEAR * max(a[i + 2] - a[i], b[i + 2] - b[i]) for i in (0, 1)]
    return all(a[i] <= b[i + 2] + reach[i] and b[i] <= a[i + 2] + reach[i] for i in (0, 1))


def _shared(a: Bounds, b: Bounds) -> float:
    """Share of the smaller footprint that both cover."""
    sides = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return max(0.0, sides[0]) * max(0.0, sides[1]) / smaller if smaller > 0 else 0.0
