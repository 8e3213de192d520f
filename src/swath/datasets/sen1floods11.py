"""Sen1Floods11: flood water by hand in chips of Sentinel-1 and Sentinel-2, from events on several continents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band, sensor
from swath.errors import FormatError
from swath.sample.loader import join

__all__ = ["CLASSES", "FOLDER", "LICENCE", "SOURCE", "countries", "load"]

CLASSES = ("land", "water")
FOLDER = "sen1floods11"
LICENCE = "the data set's own terms (its repository names none for the data)"
SOURCE = "Sen1Floods11 (Bonafilia et al. 2020), hand-labelled chips"
# Days of radar and optics of each event (Sen1Floods11_Metadata.geojson of the set's own repository).
DATES = {
    "Bolivia": ("2018-02-15", "2018-02-15"), "Colombia": ("2018-08-22", "2018-08-23"),
    "Ghana": ("2018-09-18", "2018-09-19"), "India": ("2016-08-12", "2016-08-12"),
    "Cambodia": ("2018-08-05", "2018-08-04"), "Mekong": ("2018-08-05", "2018-08-04"),
    "Nigeria": ("2018-09-21", "2018-09-20"), "Pakistan": ("2017-06-28", "2017-06-28"),
    "Paraguay": ("2018-10-31", "2018-10-31"), "Somalia": ("2018-05-07", "2018-05-05"),
    "Spain": ("2019-09-17", "2019-09-18"), "Sri-Lanka": ("2017-05-30", "2017-05-28"),
    "USA": ("2019-05-22", "2019-05-22"),
}  # fmt: skip
RADAR, OPTICAL = "sentinel-1-grd", "sentinel-2-l1c"


def load(folder: Path, *, radar: bool = True, optical: bool = True) -> Batch:
    """All chips NAME_S1.tif, NAME_S2.tif, NAME_label.tif: (M, 1, C, H, W), backscatter in dB, reflectance,
    the event's days.

    target (M, H, W): index into CLASSES, -1 where not valid. place: the chip, whose name begins with its country.
    Raises FormatError.
    """
    names = sorted(p.name.removesuffix("_label.tif") for p in Path(folder).glob("*_label.tif"))
    if not names:
        raise FormatError(
            rule="Sen1Floods11 is a folder of NAME_S1, NAME_S2 and NAME_label files",
            got=f"none in {folder}",
            remedy="name the folder sen1floods11",
        )
    return join([_chip(Path(folder), name, radar, optical) for name in names])


def countries(batch: Batch) -> np.ndarray:
    """(M,) country of each example, from its key: what a transfer test holds out whole."""
    return np.array([k.split("_")[0] for k in batch.key])


def _chip(folder: Path, name: str, radar: bool, optical: bool) -> Batch:
    label, lonlat = _read(folder / f"{name}_label.tif")
    pixels = {}
    event = DATES.get(name.split("_")[0], ("NaT", "NaT"))
    days = [np.array([[d]], "datetime64[D]").astype("datetime64[s]") for d in event]
    when = [np.where(np.isnat(d), np.nan, d.astype(np.int64) / 86_400.0) for d in days]
    if radar:
        values, _ = _read(folder / f"{name}_S1.tif")
        bands = tuple(Band(p, gsd=10.0, quantity="backscatter", units="dB", polarisation=p) for p in ("VV", "VH"))
        values = values.astype(np.float32)[None, None]
        pixels[RADAR] = Pixels(values, np.isfinite(values), bands, 10.0, when[0], lonlat)
    if optical:
        stored, _ = _read(folder / f"{name}_S2.tif")
        bands = tuple(replace(b, scale=1.0, offset=0.0, nodata=np.nan) for b in sensor("sentinel-2-l1c").bands)
        values = (stored / 10_000.0).astype(np.float32)[None, None]
        seen = np.broadcast_to((stored > 0).any(0), stored.shape)[None, None]
        pixels[OPTICAL] = Pixels(values, seen.copy(), bands, 10.0, when[1], lonlat)
    target = np.where(label[0] < 0, -1, label[0]).astype(np.int64)[None]
    return Batch(pixels, target, key=(name,), place=(name,))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and longitude and latitude of the middle (1, 2)."""
    import rasterio

    with rasterio.open(path) as file:
        west, south, east, north = file.bounds
        return np.asarray(file.read()), np.array([[(west + east) / 2, (south + north) / 2]])
