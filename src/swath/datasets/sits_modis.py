"""Labelled series of MODIS vegetation indices at points in Brazil, and the cube of one place over a year.

From the sits package: NDVI of 12 dates with four classes (Mato Grosso), NDVI and EVI of 23 dates with two.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band, sensor
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "NAMES", "SOURCE", "cube", "load"]

CLASSES = ("Cerrado", "Forest", "Pasture", "Soy_Corn")
FOLDER = "sits_modis"
LICENCE = "GPL-2 (repository)"
SOURCE = "e-sensing/sits @60e3733: data, inst/extdata"
NAMES = {"samples_modis_ndvi": CLASSES, "cerrado_2classes": ("Cerrado", "Pasture")}
_GSD = 231.66
_BLOCK = 1.0  # degrees: side of the blocks that are a sample's place


def load(folder: Path, name: str = "samples_modis_ndvi") -> Batch:
    """Points (M, T, C, 1, 1), one series each; target (M,) index into NAMES[name]; place: a block of 1 degree.

    Raises FormatError for another name, or where the file is not there.
    """
    import pandas as pd

    path = Path(folder) / f"{name}.csv.gz"
    if name not in NAMES or not path.is_file():
        raise FormatError(
            rule=f"the sets are {', '.join(NAMES)}, each a file NAME.csv.gz",
            got=str(path),
            remedy="name the folder sits_modis",
        )
    table = pd.read_csv(path, parse_dates=["date"]).sort_values(["sample", "date"], kind="stable")
    names = [c for c in ("NDVI", "EVI") if c in table.columns]
    count = table.groupby("sample").size()
    if count.nunique() != 1:
        raise FormatError(rule="all series have one length", got=f"{sorted(set(count))} dates", remedy="fetch it again")
    m, t = len(count), int(count.iloc[0])
    values = np.stack([table[c].to_numpy(np.float32).reshape(m, t) for c in names], axis=2)[..., None, None]
    day = table["date"].to_numpy("datetime64[s]").astype(np.float64).reshape(m, t) / 86_400.0
    first = table.iloc[::t]
    lonlat = first[["longitude", "latitude"]].to_numpy(float)
    target = np.array([NAMES[name].index(label) for label in first["label"]])
    cell = np.floor(lonlat / _BLOCK).astype(int)
    return Batch(
        {"modis-mod13": Pixels(values, np.isfinite(values), _bands(names), _GSD, day, lonlat)},
        target,
        key=tuple(f"{name}/{i}" for i in first["sample"]),
        place=tuple(f"{x},{y}" for x, y in cell),
    )


def cube(folder: Path) -> Batch:
    """NDVI at Sinop on 12 dates, 2013-09 to 2014-08: (1, 12, 1, 147, 255), without labels. Raises FormatError."""
    import rasterio

    paths = sorted((Path(folder) / "cube").glob("TERRA_MODIS_*_NDVI_*.tif"))
    if not paths:
        raise FormatError(rule="the cube is a file a date", got=f"none in {folder}/cube", remedy="name sits_modis")
    planes = []
    for path in paths:
        with rasterio.open(path) as file:
            planes.append(file.read(1))
    stored = np.stack(planes)
    seen = (stored > -3000)[None, :, None]
    day = np.array([path.stem[-10:] for path in paths], "datetime64[D]").astype(float)[None]
    values = (stored / 10_000.0).astype(np.float32)[None, :, None]
    pixels = Pixels(values, seen, _bands(["NDVI"]), _GSD, day, np.array([[-55.5, -11.7]]))
    return Batch({"modis-mod13": pixels}, key=("sinop",), place=("sinop",))


def _bands(names: list[str]) -> tuple[Band, ...]:
    known = {b.name: b for b in sensor("modis-mod13").bands}
    return tuple(replace(known[n], gsd=_GSD, scale=1.0, offset=0.0, nodata=np.nan) for n in names)
