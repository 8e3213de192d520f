"""Gross primary production at 36 flux towers, 2018 to 2021, with the six HLS band means of each date: rows of a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import sensor
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "WEATHER", "load", "weather"]

CLASSES: tuple[str, ...] = ()  # the target is a number, g C m-2 d-1 as the source has it
FOLDER = "carbon_flux"
LICENCE = "MIT"
SOURCE = "NASA-IMPACT/Prithvi-EO-2.0 @7583112: examples/carbon_flux"
WEATHER = (
    "T2MIN",
    "T2MAX",
    "T2MEAN",
    "TSMDEWMEAN",
    "GWETROOT",
    "LHLAND",
    "SHLAND",
    "SWLAND",
    "PARDFLAND",
    "PRECTOTLAND",
)
_FILE = "data_train_hls_37sites_v0_1.csv.gz"


def load(folder: Path, size: int = 1) -> Batch:
    """Each row as one date of size x size equal pixels: reflectance (975, 1, 6, size, size), target GPP (975,), place the site.

    Where the sites lie is not in the table: lonlat is NaN. Raises FormatError.
    """
    rows = _rows(folder)
    bands = tuple(b for b in sensor("hls-l30").bands if b.name in ("B02", "B03", "B04", "B05", "B06", "B07"))
    values = np.array([[float(r[f"b{i}"]) for i in range(2, 8)] for r in rows], np.float32)[:, None, :, None, None]
    values = values.repeat(size, 3).repeat(size, 4)
    day = np.array([[np.datetime64(r["date"], "D").astype(float)] for r in rows])
    plain = tuple(replace(b, scale=1.0, offset=0.0, nodata=np.nan) for b in bands)
    pixels = Pixels(values, np.isfinite(values), plain, 30.0, day, np.full((len(rows), 2), np.nan))
    target = np.array([float(r["GPP"]) for r in rows])
    return Batch(
        {"hls-l30": pixels}, target, key=tuple(r["Chip"] for r in rows), place=tuple(r["SITE_ID"] for r in rows)
    )


def weather(folder: Path) -> np.ndarray:
    """The ten MERRA-2 values of each row: (975, 10)."""
    return np.array([[float(r[name]) for name in WEATHER] for r in _rows(folder)])


def _rows(folder: Path) -> list[dict[str, str]]:
    import csv
    import gzip

    path = Path(folder) / _FILE
    if not path.is_file():
        raise FormatError(rule=f"the carbon flux set is {_FILE}", got=f"no {path}", remedy="name carbon_flux")
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
