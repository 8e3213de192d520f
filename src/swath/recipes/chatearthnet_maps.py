"""Maps for the recipe of ChatEarthNet: windows of real ones and of made worlds, and the same with planted errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath.language.facts import SceneFacts, facts
from swath.language.legend import Legend, read_legend
from swath.language.source import open_raster

__all__ = ["Window", "made_windows", "noisy", "real_windows"]

_S2 = {
    1: "bare clear cut",
    2: "burned clear cut",
    3: "regrowth",
    4: "forest",
}  # names by the order of the sits example, unchecked
_SLOVENIA = {1: "cropland", 2: "forest", 3: "grassland", 4: "shrubland", 8: "built-up"}


@dataclass(frozen=True)
class Window:
    """A window of a map with its facts. scene: the map; legend: which legend (windows of one are searched together)."""

    codes: np.ndarray
    valid: np.ndarray
    grid: Any
    names: Mapping[int, str] | str
    scene: str
    legend: str
    facts: SceneFacts


def real_windows(data: Path, most: int) -> list[Window]:
    """Windows of TerraMind's three land-cover tiles, a Sentinel-2 map and PRODES in Rondonia, Slovenia, and NAIP by thresholds."""
    made: list[Window] = []
    for path in sorted((data / "terramind" / "LULC").glob("*.tif")):
        made += _of_file(path, "terramind", "terramind", f"terramind {path.stem[:4]}", 56, most)
    maps = data / "sits_modis" / "maps"
    for path in sorted(maps.glob("SENTINEL2*class*.tif")):
        made += _of_file(path, _S2, "sits", "sits Sentinel-2", 90, most)
    for path in sorted(maps.glob("PRODES*class*.tif")):
        codes = (1, 11, 16, 17, 27, 29, 32, 33)
        made += _of_file(path, {c: f"PRODES class {c}" for c in codes}, "prodes", "PRODES", 120, most)
    land = data / "eopatch" / "TestEOPatch" / "mask_timeless" / "LULC.npy"
    if land.is_file():
        codes_ = np.load(land)[..., 0].astype(np.uint8)
        made += _windows(codes_, codes_ > 0, _slovenia(codes_.shape), _SLOVENIA, "slovenia", "slovenia", 50, most)
    dates = sorted((data / "naip").glob("m_4709963*.tif"), key=lambda p: p.stem[-8:])
    for path in dates:
        made += _naip(path, most, dates[0] if path != dates[0] else None)
    return made


def _of_file(path: Path, legend: Any, key: str, scene: str, side: int, most: int) -> list[Window]:
    raster = open_raster(path, legend)
    codes, valid = raster.read(0, raster.shape[0])
    known = np.isin(codes, [c.code for c in raster.legend.classes])
    return _windows(codes, valid & known, raster.grid, legend, scene, key, side, most)


def _slovenia(shape: Sequence[int]) -> Any:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    return GeoBox((shape[0], shape[1]), Affine(9.995, 0, 465181.05, 0, -9.998, 5080254.63), "EPSG:32633")


def _naip(path: Path, most: int, earlier: Path | None) -> list[Window]:
    """Three classes by fixed thresholds of two indices: no truth, a map to speak of; with the change since an earlier date."""
    codes, valid, grid = _thresholds(path)
    before = _thresholds(earlier)[0] if earlier is not None else None
    names = {1: "water", 2: "vegetation cover", 3: "bare ground"}
    return _windows(codes, valid, grid, names, "NAIP, three dates", "naip", 70, most, before)


def _thresholds(path: Path) -> tuple[np.ndarray, np.ndarray, Any]:
    """Water where NDWI (McFeeters 1996) exceeds 0.1, plants where NDVI does; of stored numbers."""
    import rasterio

    from swath.cube.georeference import geobox_of

    with rasterio.open(path) as file:
        red, green, _, nir = file.read().astype(np.float32)
        grid = geobox_of(file)[0]
    water, plants = (green - nir) / np.maximum(green + nir, 1), (nir - red) / np.maximum(nir + red, 1)
    return np.where(water > 0.1, 1, np.where(plants > 0.1, 2, 3)).astype(np.uint8), red + nir > 0, grid


def _windows(
    codes: np.ndarray, valid: np.ndarray, grid: Any, names: Any, scene: str, legend: str, side: int, most: int,
    before: np.ndarray | None = None,
) -> list[Window]:  # fmt: skip
    """Whole windows on a lattice, at most so many, spread over the map."""
    corners = [
        (r, c) for r in range(0, codes.shape[0] - side + 1, side) for c in range(0, codes.shape[1] - side + 1, side)
    ]
    step = max(1, -(-len(corners) // most))
    made = []
    for r, c in corners[::step]:
        part = (slice(r, r + side), slice(c, c + side))
        box = grid[part] if grid is not None else None
        raster = open_raster(codes[part], names, grid=box, valid=valid[part])
        dates = [raster] if before is None else [open_raster(before[part], names, grid=box, valid=valid[part]), raster]
        made.append(Window(codes[part], valid[part], box, names, scene, legend, facts(dates)))
    return made


def made_windows(seeds: Iterable[int], size: int, side: int) -> list[Window]:
    """Windows of made worlds, with woods cut and fields built over since an earlier date. Simulated."""
    from swath.datasets.world import build, cut, world

    made = []
    for seed in seeds:
        place = build(cut(world(seed, size), "2021-06-01", share=0.2), "2021-07-01", share=0.1)
        names = {i + 1: n for i, n in enumerate(place.names)}
        then, now = place.truth("2020-01-01") + 1, place.truth("2022-01-01") + 1
        made += _windows(now, np.ones(now.shape, bool), place.geobox, names, f"world {seed}", "world", side, 4, then)
    return made


def noisy(window: Window, accuracy: float, seed: int) -> SceneFacts:
    """The facts of the window with so many of its pixels right: blocks of 3 x 3 pixels take a class of the legend by chance."""
    legend: Legend = read_legend(window.names)
    rng = np.random.default_rng([seed, 10])
    codes = np.array([c.code for c in legend.classes])
    there = codes[np.isin(codes, window.codes)] if len(codes) > 1 else codes
    h, w = window.codes.shape
    wanted = 1 - accuracy
    hit = rng.random((-(-h // 3), -(-w // 3))) < wanted * len(there) / max(1, len(there) - 1)
    drawn = rng.choice(there, hit.shape)
    spread = tuple(x.repeat(3, 0).repeat(3, 1)[:h, :w] for x in (hit, drawn))
    made = np.where(spread[0], spread[1], window.codes)
    return facts(open_raster(made.astype(np.int32), window.names, grid=window.grid, valid=window.valid))
