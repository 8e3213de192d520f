"""A small scene of a collection, read whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from swath.batch import Batch
from swath.errors import GridError

__all__ = ["whole"]


def whole(
    paths: Sequence[Path], name: str, *, sensor: str | None = None, allow: Iterable[str] = ("snow", "cloud", "shadow")
) -> Batch:
    """All pixels of files that lie on one grid: a Batch of one under the sensor's `name`. allow: flags that still count."""
    from swath.cube.open import open as open_cube
    from swath.sample.window import read

    cube = open_cube([str(p) for p in paths] if len(paths) > 1 else str(paths[0]), sensor=sensor)
    if isinstance(cube, dict):
        raise GridError(
            rule=f"{name} lies on one grid", got=f"{len(cube)} grids", remedy="name files of one pixel size"
        )
    return read({name: cube}, slice(0, cube.sizes["y"]), slice(0, cube.sizes["x"]), allow=allow)
