"""The cubes on which coders are compared: stored whole numbers, what counts, the peak, and which bands make an NDVI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Cube", "dense", "real"]


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """values (T, C, H, W) whole numbers of which `peak` is 1 in the quantity's unit; valid; pair: bands (red, infrared)."""

    name: str
    values: np.ndarray
    valid: np.ndarray
    peak: float = 10_000.0
    pair: tuple[int, int] | None = None
    simulated: bool = False

    @property
    def count(self) -> int:
        """Values that count."""
        return int(self.valid.sum())


def _cube(
    name: str, cube: Any, pair: tuple[str, str] | None = None, *, simulated: bool = False, clear: bool = False
) -> Cube:
    """A cube of reflectance or an index as the whole numbers (x 10 000) in which its product is stored."""
    values = np.asarray(cube.values, np.float64)
    values = values if values.ndim == 4 else values[None]
    valid = np.isfinite(values)
    if clear and "flag" in cube.coords:
        valid &= (np.asarray(cube.coords["flag"].values) == 0).reshape(values.shape[0], 1, *values.shape[2:])
    whole = np.rint(np.where(np.isfinite(values), values, 0) * 10_000).clip(-32_768, 32_767).astype(np.int16)
    names = [str(b) for b in cube.coords["band"].values]
    places = None if pair is None else (names.index(pair[0]), names.index(pair[1]))
    return Cube(name, whole, valid, pair=places, simulated=simulated)


def real(data: Path, side: int | None = None) -> list[Cube]:
    """The real cubes that a folder of sets has; a side cuts all of them (for tests)."""
    from swath.cube.open import open as opened

    out: list[Cube] = []
    if (data / "sits_modis/cube").is_dir():
        files = sorted(str(p) for p in (data / "sits_modis/cube").glob("*.tif"))
        out.append(_cube("MODIS NDVI, Sinop: 12 dates", opened(files)))
    if (data / "eopatch/FiveDates").is_dir():
        out.append(
            _cube("Sentinel-2 L1C, Slovenia: 5 dates, 13 bands", opened(data / "eopatch/FiveDates"), ("B04", "B08"))
        )
    if (data / "eopatch/TestEOPatch/data").is_dir():
        out.append(_series(data / "eopatch/TestEOPatch"))
    for tile in sorted((data / "terramind/S2L2A").glob("*.tif")):
        offset = 0.0 if tile.name.startswith("637U") else -1000.0
        out.append(_cube(f"Sentinel-2 L2A tile {tile.name[:4]}: 12 bands", opened(tile, offset=offset), ("B04", "B08")))
    if (data / "enmap_potsdam/enmap_potsdam_west.tif").is_file():
        spectra: Any = opened(data / "enmap_potsdam/enmap_potsdam_west.tif")
        waves = np.asarray(spectra.coords["wavelength"].values)
        pair = (int(np.nanargmin(abs(waves - 665))), int(np.nanargmin(abs(waves - 842))))
        cut = _cube("EnMAP, Potsdam: 224 bands", spectra.isel(y=slice(64, 128)))
        out.append(Cube(cut.name, cut.values, cut.valid, pair=pair))
    return [c if side is None else _small(c, side) for c in out]


def _series(patch: Path) -> Cube:
    """NDVI of the eo-learn patch on 68 dates; what its cloud mask names does not count."""
    import gzip
    import io

    def array(name: str) -> np.ndarray:
        found = next(patch.glob(f"{name}.npy*"))
        raw = gzip.decompress(found.read_bytes()) if found.suffix == ".gz" else found.read_bytes()
        return np.asarray(np.load(io.BytesIO(raw))).transpose(0, 3, 1, 2)

    ndvi, cloud = array("data/NDVI"), array("mask/CLM")
    valid = np.isfinite(ndvi) & (cloud == 0)
    values = np.rint(np.where(np.isfinite(ndvi), ndvi, 0) * 10_000).clip(-32_768, 32_767).astype(np.int16)
    return Cube("NDVI, Slovenia: 68 dates, clouds missing", values, valid)


def _small(cube: Cube, side: int) -> Cube:
    part = (slice(0, 4), slice(0, 4), slice(0, side), slice(0, side))
    return Cube(cube.name, cube.values[part].copy(), cube.valid[part].copy(), cube.peak, None, cube.simulated)


def dense(side: int, dates: int, seed: int = 0) -> list[Cube]:
    """Made dense series (a date every five days) of four 10 m bands: without clouds, and with clouds left in."""
    from swath.datasets import toy
    from swath.earth.sensor import sensor

    place = toy.world(seed + 36, side, 10.0)
    bands = [b for b in sensor("sentinel-2-l2a").bands if b.name in ("B02", "B03", "B04", "B08")]
    when = np.datetime64("2021-03-01") + 5 * np.arange(dates)
    out = []
    for name, cloud in (("clear", 0.0), ("clouds left in", 0.3)):
        cube, _ = toy.view(place, bands, when, cloud=cloud, noise=0.003, seed=seed)
        out.append(_cube(f"made dense series, {name}: {dates} dates, 4 bands", cube, ("B04", "B08"), simulated=True))
    return out
