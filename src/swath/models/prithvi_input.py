"""What Prithvi is told of a Batch beside its bands: year and day, latitude and longitude, and which numbers it holds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from swath.batch import Batch, Pixels
from swath.errors import SwathError, UnitError
from swath.models.bands import columns
from swath.models.prithvi_files import wanted

__all__ = ["STORED", "calendar", "measured", "place_of", "reflectance"]

# What numbers of a product can be: (added to them, times, in words).
STORED: dict[str, tuple[float, float, str]] = {
    "reflectance": (0.0, 1.0, "reflectance 0 to 1"),
    "x10000": (0.0, 1e-4, "reflectance x 10,000 (HLS; Sentinel-2 before baseline 04.00)"),
    "x10000+1000": (-1000.0, 1e-4, "reflectance x 10,000 + 1,000 (Sentinel-2 from baseline 04.00, January 2022, on)"),
}


def calendar(day: Tensor) -> Tensor:
    """Days since 1970 (B, T) to year and day of the year from 0 (B, T, 2), float32; NaN stays NaN."""
    known = torch.isfinite(day)
    whole = np.floor(torch.nan_to_num(day).double().cpu().numpy()).astype("int64").astype("datetime64[D]")
    years = whole.astype("datetime64[Y]")
    ordinal = (whole - years.astype("datetime64[D]")).astype(np.float32)
    both = np.stack([years.astype("int64").astype(np.float32) + 1970, ordinal], -1)
    return torch.where(known.cpu()[..., None], torch.from_numpy(both), math.nan)


def place_of(lonlat: Tensor) -> Tensor:
    """Longitude and latitude (B, 2) to latitude and longitude, as the network was trained. Raises SwathError if swapped."""
    place = lonlat.flip(-1).float()
    wrong = place[:, 0].abs() > 90
    if bool(wrong.any()):
        lat, lon = (float(v) for v in place[wrong][0])
        raise SwathError(
            rule="latitudes lie within 90 degrees",
            got=f"longitude {lon:g}, latitude {lat:g}",
            remedy="longitude and latitude look swapped: lonlat is (longitude, latitude)",
        )
    return place


def reflectance(pixels: Pixels, stored: Literal["reflectance", "x10000", "x10000+1000"]) -> tuple[Pixels, str]:
    """NumPy pixels of stored numbers as reflectance, and in words what they were taken for.

    Files need this not: `swath.open` knows the products. Values that do not look like it are warned of, not silently
    taken. Raises UnitError for another word.
    """
    if stored not in STORED:
        raise UnitError(
            rule=f"stored numbers are one of {', '.join(STORED)}", got=str(stored), remedy="look at the product's guide"
        )
    added, times, words = STORED[stored]
    some = np.abs(pixels.values[pixels.valid])
    usual = float(np.median(some)) if len(some) else math.nan
    if stored != "reflectance" and usual < 2.0:
        warnings.warn(
            f"taken for {words}, but half of the values lie below {usual:.3g}: they look like reflectance 0 to 1",
            stacklevel=2,
        )
    if stored == "reflectance" and usual > 3.0:
        warnings.warn(f"taken for {words}, but half of the values lie above {usual:.4g}", stacklevel=2)
    bands = tuple(
        replace(b, quantity=b.quantity if b.quantity == "toa_reflectance" else "reflectance", units="1")
        for b in pixels.bands
    )
    return replace(pixels, values=((pixels.values + added) * times).astype(np.float32), bands=bands), words


def measured(batch: Batch, bands: Sequence[str]) -> dict[str, list[float]]:
    """Mean and deviation of reflectance x 10,000 of the valid values of each band: `statistics` for a network of its own.

    Raises SwathError where a band has no valid value or is not there.
    """
    (pixels,) = batch.pixels.values()
    out: dict[str, list[float]] = {"mean": [], "deviation": []}
    for name, at in zip(bands, columns(pixels.bands, wanted(bands)), strict=True):
        some = np.zeros(0) if at is None else np.asarray(pixels.values)[:, :, at][np.asarray(pixels.valid)[:, :, at]]
        if not len(some):
            raise SwathError(rule="every band has values to measure", got=f"none of {name}", remedy="name other bands")
        out["mean"].append(float(some.mean(dtype=np.float64)) * 1e4)
        out["deviation"].append(max(float(some.std(dtype=np.float64)), 1e-6) * 1e4)
    return out
