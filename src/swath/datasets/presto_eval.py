"""Algae blooms and live fuel moisture: series of months at points, the two sets that Presto was evaluated on.

Each row is what Sentinel-1, Sentinel-2 L1C, ERA5-Land, SRTM and Dynamic World saw of one place in 12 or 3 steps of 30
days; gaps were filled with the band's mean over time when the sets were made, so nothing is missing in them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band, sensor
from swath.errors import FormatError

__all__ = ["CLASSES", "FOLDER", "LICENCE", "NAMES", "SOURCE", "Rows", "load", "pixels", "rows"]

NAMES = {"algae_blooms": "severity 1..5, taken as a number", "fuel_moisture": "live fuel moisture, percent"}
CLASSES: tuple[str, ...] = ()  # targets are numbers
FOLDER = "presto_eval"
LICENCE = "MIT"
SOURCE = "nasaharvest/presto @13173d0: data/algae_blooms, data/fuel_moisture"
_BLOCK = 1.0  # degrees: side of the blocks that are an algae row's place


@dataclass(frozen=True, slots=True)
class Rows:
    """batch: target (N,), key and place of each row. raw (N, T, 18) as stored, test: whether a row is of the own test part.

    place: the site (fuel moisture), or a block of 1 degree (algae blooms).
    """

    batch: Batch
    raw: np.ndarray
    month: np.ndarray
    latlon: np.ndarray
    land: np.ndarray
    test: np.ndarray


def load(folder: Path, name: str = "algae_blooms") -> Batch:
    """The rows as a Batch of points (H = W = 1) in physical values; `name` is one of NAMES. Raises FormatError."""
    return rows(folder, name).batch


def rows(folder: Path, name: str) -> Rows:
    """The Batch and what else the file says of each row. Raises FormatError for another name, or where it is not there."""
    path = Path(folder) / f"{name}.npz"
    if name not in NAMES or not path.is_file():
        raise FormatError(
            rule=f"the sets are {', '.join(NAMES)}, each a file NAME.npz in the folder",
            got=str(path),
            remedy="name the folder presto_eval",
        )
    with np.load(path) as file:
        data = {key: file[key] for key in file.files}
    raw, land = data["s1_s2_era5_srtm"], data["dynamic_world"].astype(int)
    month, latlon = data["month"].astype(int), data["latlon"].astype(np.float64)
    batch = pixels(raw, land, _days(month), latlon)
    place = data["site"] if "site" in data else _blocks(latlon)
    batch = replace(
        batch,
        target=data["target"].astype(np.float64),
        key=tuple(f"{name}/{i}" for i in range(len(raw))),
        place=tuple(str(p) for p in place),
    )
    return Rows(batch, raw, month, latlon, land, data["is_test"].astype(bool))


def pixels(raw: np.ndarray, land: np.ndarray, day: np.ndarray, latlon: np.ndarray) -> Batch:
    """A Batch of points from rows as stored: raw (N, T, 18), land (N, T) classes or 9, day (N, T), latlon (N, 2)."""
    lonlat = np.asarray(latlon, np.float64)[:, ::-1].copy()
    here = {b.name.replace("B0", "B"): b for b in sensor("sentinel-2-l1c").bands}
    optical = tuple(here[n] for n in ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"))
    radar = tuple(Band(p, gsd=10.0, quantity="backscatter", units="dB", polarisation=p) for p in ("VV", "VH"))
    label = tuple(b for b in sensor("dynamic-world").bands if b.quantity == "class")

    def made(values: np.ndarray, bands: tuple[Band, ...], gsd: float, valid: np.ndarray | None = None) -> Pixels:
        values = np.ascontiguousarray(values, np.float32)[..., None, None]
        seen = np.isfinite(values) if valid is None else valid[..., None, None]
        return Pixels(values, seen, bands, gsd, np.asarray(day, np.float64)[:, : values.shape[1]], lonlat)

    classes = np.where(land < 9, land, 0)[..., None]
    return Batch(
        {
            "sentinel-1": made(raw[..., :2], radar, 10.0),
            "sentinel-2-l1c": made(raw[..., 2:13] / 10_000.0, optical, 10.0),
            "era5-land-months": made(raw[..., 13:15], sensor("era5-land-months").bands[:2], 11_130.0),
            "srtm-terrain": made(raw[..., 15:17], sensor("srtm-terrain").bands, 30.0),
            "dynamic-world": made(classes, label, 10.0, (land < 9)[..., None]),
        }
    )


def _days(month: np.ndarray) -> np.ndarray:
    """A day in each row's months (the file has no dates): the first, or the 30th where a month comes twice.

    The year is 2019 and counts on where months begin anew; February cannot come twice in steps of 30 days.
    """
    out = np.zeros(month.shape)
    year, before = np.full(len(month), 2019), np.full(len(month), -1)
    for t in range(month.shape[1]):
        again = month[:, t] == before
        year = year + (month[:, t] < before)
        first = ((year - 1970) * 12 + month[:, t]).astype("datetime64[M]").astype("datetime64[D]")
        out[:, t] = first.astype(np.int64) + np.where(again, 29, 0)
        before = month[:, t]
    return out


def _blocks(latlon: np.ndarray) -> list[str]:
    cell = np.floor(latlon / _BLOCK).astype(int)
    return [f"{a},{b}" for a, b in cell]
