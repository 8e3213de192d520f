"""Scenes as a verb gets them: opened, grouped by sensor, put on one grid, with everything that was assumed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.errors import FormatError, GridError

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["Opened", "Reading", "open_scenes"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How scenes are read: the options that every verb shares. bands, dates, area, offset, scale as in `swath.open`."""

    area: Any = None
    dates: str | None = None
    bands: Sequence[str] | None = None
    offset: float | None = None
    scale: float | None = None
    sensor: str | None = None
    safe: bool = False

    def options(self) -> dict[str, Any]:
        """Keyword arguments for `cube.open`."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Opened:
    """cubes: {sensor, or "scene" where nothing tells it: cube} on one grid. notes: what was understood, in words."""

    cubes: dict[str, xr.DataArray]
    grid: GeoBox | None
    shape: tuple[int, int]
    notes: tuple[str, ...]
    reads: tuple[str, ...]
    simulated: bool = False


def open_scenes(scenes: Any, reading: Reading, *, gsd: float | None = None, crs: str | None = None) -> Opened:
    """Open files, folders or cubes; those of one sensor become one cube over time, all lie on one grid.

    gsd: pixel size in metres. crs: of the grid ("EPSG:32632", WKT, or "utm" for the place's own zone); the first
    scene's by default. Raises UnitError where units are ambiguous (the flag that settles it is named), FormatError,
    GridError, BandError.
    """
    from swath.cube import align, contract

    items = [scenes] if isinstance(scenes, (str, os.PathLike)) or hasattr(scenes, "dims") else list(scenes)
    if not items:
        raise FormatError(rule="a verb reads at least one scene", got="none", remedy="name a file or a folder")
    groups, notes = _grouped(items, reading)
    target = None if crs is None else _in_crs(next(iter(groups.values())), crs)
    aligned = align.align(groups, grid=target, gsd=gsd)
    first = next(iter(aligned.values()))
    if "y" not in first.dims:
        raise GridError(
            rule="a map needs pixels on a grid",
            got=f"dimensions {first.dims}",
            remedy="give a raster, not a table of points",
        )
    for name, cube in aligned.items():
        if said := cube.attrs.get("resampling"):
            notes.append(f"{name}: {said}")
    return Opened(
        cubes=aligned,
        grid=contract.grid(first),
        shape=(first.sizes["y"], first.sizes["x"]),
        notes=tuple(dict.fromkeys(notes)),
        reads=tuple(str(i) for i in items if isinstance(i, (str, os.PathLike))),
        simulated=any(str(c.attrs.get("simulated", "")).lower() in ("yes", "true", "1") for c in aligned.values()),
    )


def _in_crs(first: Any, crs: str) -> GeoBox | None:
    """The grid of the first scene's finest pixels in another CRS."""
    from swath.cube import align, contract
    from swath.earth.grid import in_crs

    return in_crs(contract.grid(align.finest(list(first.values()) if isinstance(first, dict) else [first])), crs)


def _grouped(items: list[Any], reading: Reading) -> tuple[dict[str, Any], list[str]]:
    """{name: cube or {gsd: cube}}: cubes as they are, paths of one sensor (or of the same bands) together."""
    from swath.cube import contract
    from swath.cube.open import gather

    notes: list[str] = []
    paths = [item for item in items if not hasattr(item, "dims")]
    seen: dict[str, Any] = dict(gather(paths, notes=notes, **reading.options())) if paths else {}
    for item in items:
        if hasattr(item, "dims"):
            seen[_free(str(item.attrs.get("sensor") or "scene"), seen)] = contract.validate(item)
    return seen, notes


def _free(name: str, taken: dict[str, Any]) -> str:
    """The name, with a number where it is taken already."""
    if name not in taken:
        return name
    return next(f"{name} {i}" for i in range(2, len(taken) + 3) if f"{name} {i}" not in taken)
