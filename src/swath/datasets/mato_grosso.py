"""MODIS vegetation index series over a farm in Mato Grosso, Brazil: 137 dates of 16 days, 2007 to 2013, and field labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swath.batch import Batch
from swath.datasets.files import whole
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "Samples", "load", "pixels", "samples"]

CLASSES = ("Cotton-fallow", "Forest", "Soybean-cotton", "Soybean-maize", "Soybean-millet")
FOLDER = "modis_mato_grosso"
LICENCE = "GPL-2.0-or-later"
SOURCE = "vwmaus/dtwSat @4218264: inst/lucc_MT/data (MOD13Q1)"


@dataclass(frozen=True, slots=True)
class Samples:
    """Labelled places: lonlat (N, 2), label (N,) index into CLASSES, from_day and to_day (N,) days since 1970."""

    lonlat: np.ndarray
    label: np.ndarray
    from_day: np.ndarray
    to_day: np.ndarray


def load(folder: Path) -> Batch:
    """NDVI, red and near infrared on 137 dates: (1, 137, 3, 27, 37), at 231.7 m; all valid. Raises FormatError."""
    paths = [Path(folder) / f"{name}.tif" for name in ("ndvi", "red", "nir")]
    if lost := [p.name for p in paths if not p.is_file()]:
        raise FormatError(
            rule="the Mato Grosso set is ndvi.tif, red.tif, nir.tif and samples.csv",
            got=f"no {', '.join(lost)} in {folder}",
            remedy="name modis_mato_grosso",
        )
    batch = whole(paths, "modis-mod13", sensor="modis-mod13")
    return Batch(batch.pixels, key=("mato_grosso",), place=("mato_grosso",))


def samples(folder: Path) -> Samples:
    """The 603 labelled field seasons."""
    import csv

    with open(Path(folder) / "samples.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def day(name: str) -> np.ndarray:
        return np.array([np.datetime64(r[name], "D").astype(float) for r in rows])

    lonlat = np.array([[float(r["longitude"]), float(r["latitude"])] for r in rows])
    label = np.array([CLASSES.index(r["label"]) for r in rows])
    return Samples(lonlat, label, day("from"), day("to"))


def pixels(folder: Path, known: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (N,) of the samples on the grid of `load`."""
    import rasterio
    from rasterio.warp import transform

    with rasterio.open(Path(folder) / "ndvi.tif") as file:
        x, y = transform("EPSG:4326", file.crs, known.lonlat[:, 0].tolist(), known.lonlat[:, 1].tolist())
        at = np.array([file.index(a, b) for a, b in zip(x, y, strict=True)])
    return at[:, 0], at[:, 1]
