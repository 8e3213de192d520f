"""Scenes as a verb gets them: opened, grouped by sensor, put on one grid, with everything that was assumed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
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

    @property
    def settles(self) -> bool:
        """Whether units are settled by hand."""
        return self.offset is not None or self.scale is not None

    def options(self) -> dict[str, Any]:
        """Keyword arguments for `cube.open`."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Opened:
    """cubes: {sensor, or "scene" where nothing tells it: cube} on one grid. notes and problems: what was understood, in words."""

    cubes: dict[str, xr.DataArray]
    grid: GeoBox | None
    shape: tuple[int, int]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
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
    groups, notes, problems = _grouped(items, reading)
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
        problems=tuple(dict.fromkeys(problems)),
        reads=tuple(str(i) for i in items if isinstance(i, (str, os.PathLike))),
        simulated=any(str(c.attrs.get("simulated", "")).lower() in ("yes", "true", "1") for c in aligned.values()),
    )


def _in_crs(first: Any, crs: str) -> GeoBox | None:
    """The grid of the first scene's finest pixels in another CRS."""
    from swath.cube import align, contract
    from swath.earth.grid import in_crs

    return in_crs(contract.grid(align.finest(list(first.values()) if isinstance(first, dict) else [first])), crs)


def _grouped(items: list[Any], reading: Reading) -> tuple[dict[str, Any], list[str], list[str]]:
    """{name: cube or {gsd: cube}}: paths of one sensor (or of the same bands, where nothing tells) go together."""
    from swath.cube import contract
    from swath.cube.open import open as open_cube

    found: dict[str, list[tuple[Any, Any, Reading]]] = {}
    seen: dict[str, Any] = {}
    notes: list[str] = []
    problems: list[str] = []
    for item in items:
        if hasattr(item, "dims"):
            name = _free(str(item.attrs.get("sensor") or "scene"), seen)
            seen[name] = contract.validate(item)
            continue
        scene, asked = _settled(item, reading, alone=len(items) == 1)
        if scene.doubt is not None:
            raise scene.doubt
        notes += [f"{Path(str(item)).name}: {text}" for text in scene.notes]
        problems += [f"{Path(str(item)).name}: {text}" for text in scene.problems]
        key = scene.sensor or "/".join(str(b) for c in scene.cubes.values() for b in c.coords["band"].values)
        found.setdefault(key, []).append((item, scene, asked))
    for group in found.values():
        paths = [item for item, _, _ in group]
        scene = group[0][1]
        name = _free(scene.sensor or "scene", seen)
        asked = group[0][2]
        seen[name] = scene.cubes if len(paths) == 1 else open_cube(paths, **asked.options())
    return seen, notes, problems


def _settled(item: Any, reading: Reading, *, alone: bool) -> tuple[Any, Reading]:
    """The scene and how it was read; among several, --offset and --scale hold only for those whose units nothing else tells."""
    from swath.cube.open import understand

    if alone or not reading.settles:
        return understand(item, **reading.options()), reading
    silent = replace(reading, offset=None, scale=None)
    scene = understand(item, **silent.options())
    return (understand(item, **reading.options()), reading) if _open_question(scene) else (scene, silent)


def _open_question(scene: Any) -> bool:
    """Whether nothing tells the units of a scene."""
    kinds = {str(q) for cube in scene.cubes.values() for q in cube.coords["quantity"].values}
    return scene.doubt is not None or kinds == {"digital_number"}


def _free(name: str, taken: dict[str, Any]) -> str:
    """The name, with a number where it is taken already."""
    if name not in taken:
        return name
    return next(f"{name} {i}" for i in range(2, len(taken) + 3) if f"{name} {i}" not in taken)
