"""Three places seen by Sentinel-2, Sentinel-1 and an elevation model, with land cover: TerraMind's example tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band, sensor
from swath.errors import FormatError
from swath.sample.loader import join

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "load", "offset"]

CLASSES = ("water", "trees", "flooded vegetation", "crops", "built", "bare", "rangeland")
FOLDER = "terramind"
LICENCE = "Apache-2.0"
SOURCE = "IBM/terramind @8090b5c: examples"
_CODES = (1, 2, 3, 4, 5, 6, 9)  # the source names none; 3 and 9 by analogy, unchecked


def load(folder: Path, *, product: Literal["S2L1C", "S2L2A"] = "S2L1C", radar: bool = True, dem: bool = True) -> Batch:
    """Three tiles (3, 1, C, 224, 224) of 10 m without dates: reflectance, backscatter (dB), elevation (m).

    Two of the three carry Sentinel-2's offset of 1000 and no file says so: see `offset`. target (3, 224, 224): index
    into CLASSES, -1 for other codes. Raises FormatError.
    """
    names = sorted(p.stem for p in (Path(folder) / "LULC").glob("*.tif"))
    if not names:
        raise FormatError(
            rule="the tiles lie in folders S2L1C, S1RTC, DEM, LULC", got=f"none in {folder}", remedy="name terramind"
        )
    return join([_tile(Path(folder), name, product, radar, dem) for name in names])


def offset(stored: np.ndarray) -> float:
    """What must be added to stored numbers: -1000 where none is below 900 (the processing baseline of 2022), else 0.

    A judgement by plausibility: without it water would reflect a tenth in every band.
    """
    return -1000.0 if float(stored.min()) >= 900 else 0.0


def _tile(folder: Path, name: str, product: str, radar: bool, dem: bool) -> Batch:
    stored, lonlat = _read(folder / product / f"{name}.tif")
    key = "sentinel-2-l1c" if product == "S2L1C" else "sentinel-2-l2a"
    wanted = [b for b in sensor(key).bands if len(stored) == 13 or b.name != "B10"]
    bands = tuple(replace(b, scale=1.0, offset=0.0) for b in wanted[: len(stored)])
    found = {key: ((stored + offset(stored)) / 10_000.0, bands)}
    if radar:
        values, _ = _read(folder / "S1RTC" / f"{name}.tif")
        pair = tuple(Band(p, gsd=10.0, quantity="backscatter", units="dB", polarisation=p) for p in ("VV", "VH"))
        found["sentinel-1-rtc"] = (values, pair)
    if dem:
        values, _ = _read(folder / "DEM" / f"{name}.tif")
        found["dem"] = (values, (Band("elevation", gsd=10.0, quantity="elevation", units="m"),))
    pixels = {}
    for sensor_name, (values, own) in found.items():
        v = np.asarray(values, np.float32)[None, None]
        pixels[sensor_name] = Pixels(v, np.isfinite(v), own, 10.0, np.full((1, 1), np.nan), lonlat)
    codes, _ = _read(folder / "LULC" / f"{name}.tif")
    target = np.full(codes.shape[-2:], -1, np.int64)
    for index, code in enumerate(_CODES):
        target[codes[0] == code] = index
    return Batch(pixels, target[None], key=(name,), place=(name,))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import rasterio
    from rasterio.warp import transform_bounds

    with rasterio.open(path) as file:
        west, south, east, north = transform_bounds(file.crs, "EPSG:4326", *file.bounds)
        return np.asarray(file.read()), np.array([[(west + east) / 2, (south + north) / 2]])
