"""Sensors as data: what an instrument measures, in which band, how stored numbers become physical ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Band", "Sensor"]


@dataclass(frozen=True, slots=True)
class Band:
    """One band: operator's name, centre wavelength and full width at half maximum (nm, NaN where none), GSD (m).

    physical = stored * scale + offset. common: spyndex's letter (N for near infrared ...) or "". polarisation: VV ...
    """

    name: str
    wavelength: float = math.nan
    fwhm: float = math.nan
    gsd: float = math.nan
    quantity: str = "reflectance"
    units: str = "1"
    scale: float = 1.0
    offset: float = 0.0
    nodata: float = math.nan
    common: str = ""
    polarisation: str = ""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One product of one instrument: `key` as in sensors.toml, e.g. sentinel-2a-l2a. source: the operator's document."""

    key: str
    title: str
    bands: tuple[Band, ...]
    source: str = ""
