"""What made worlds are made of: a few materials with a smooth reflectance curve, a radar echo and a temperature.

The curves are drawn through control points that follow the well-known shapes (chlorophyll, red edge, leaf water at 970,
1200, 1450 and 1940 nm, clay near 2200 nm); they are plausible, not measured. Everything here is simulated.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from swath.errors import UnitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.earth.sensor import Band

__all__ = ["CLOUD", "GRID_NM", "MATERIALS", "respond", "spectra"]

MATERIALS = ("leaf", "needle", "straw", "soil", "water", "roof", "asphalt", "cloud")
CLOUD = MATERIALS.index("cloud")
GRID_NM = np.arange(350.0, 2551.0, 5.0)

_KNOTS: dict[str, tuple[tuple[float, float], ...]] = {
    "leaf": (
        (350, 0.030), (450, 0.035), (500, 0.045), (550, 0.095), (600, 0.060), (670, 0.032), (690, 0.055), (720, 0.230),
        (750, 0.420), (800, 0.470), (900, 0.480), (970, 0.455), (1080, 0.475), (1200, 0.420), (1280, 0.430),
        (1400, 0.220), (1450, 0.140), (1550, 0.230), (1660, 0.290), (1780, 0.240), (1940, 0.045), (2050, 0.080),
        (2220, 0.145), (2350, 0.090), (2550, 0.045),
    ),
    "needle": (
        (350, 0.018), (450, 0.020), (550, 0.042), (600, 0.030), (670, 0.020), (690, 0.030), (720, 0.110), (760, 0.230),
        (850, 0.270), (970, 0.240), (1080, 0.260), (1200, 0.200), (1280, 0.205), (1450, 0.060), (1660, 0.120),
        (1780, 0.100), (1940, 0.020), (2220, 0.055), (2550, 0.020),
    ),
    "straw": (
        (350, 0.080), (450, 0.110), (550, 0.170), (670, 0.230), (800, 0.310), (1000, 0.370), (1200, 0.390),
        (1450, 0.330), (1660, 0.400), (1940, 0.260), (2100, 0.250), (2220, 0.300), (2350, 0.240), (2550, 0.200),
    ),
    "soil": (
        (350, 0.050), (450, 0.075), (550, 0.115), (670, 0.160), (800, 0.205), (1000, 0.255), (1300, 0.310),
        (1450, 0.285), (1660, 0.335), (1940, 0.265), (2130, 0.320), (2210, 0.285), (2300, 0.310), (2550, 0.260),
    ),
    "water": (
        (350, 0.040), (450, 0.052), (550, 0.058), (600, 0.040), (670, 0.026), (700, 0.020), (750, 0.010), (900, 0.006),
        (1200, 0.003), (2550, 0.002),
    ),
    "roof": (
        (350, 0.060), (450, 0.080), (550, 0.110), (600, 0.170), (700, 0.240), (900, 0.290), (1200, 0.340),
        (1660, 0.400), (1940, 0.380), (2220, 0.370), (2550, 0.330),
    ),
    "asphalt": (
        (350, 0.060), (450, 0.075), (670, 0.095), (900, 0.110), (1300, 0.130), (1660, 0.150), (2220, 0.155),
        (2550, 0.150),
    ),
    "cloud": (
        (350, 0.700), (450, 0.740), (700, 0.760), (900, 0.740), (1200, 0.640), (1300, 0.620), (1400, 0.350),
        (1450, 0.320), (1660, 0.430), (1940, 0.180), (2220, 0.300), (2550, 0.150),
    ),
}  # fmt: skip

# Radar echo at C band in dB and surface temperature against the day's mean in K; the order is MATERIALS.
_RADAR_DB = {
    "VV": (-10.0, -9.0, -12.0, -13.5, -21.0, -3.0, -17.0, -60.0),
    "HH": (-9.8, -9.2, -11.5, -12.5, -19.0, -2.5, -16.5, -60.0),
    "VH": (-16.5, -14.5, -20.0, -23.0, -29.0, -10.0, -26.0, -70.0),
    "HV": (-16.5, -14.5, -20.0, -23.0, -29.0, -10.0, -26.0, -70.0),
}
_WARMTH_K = (-2.0, -3.0, 3.0, 5.0, -5.0, 8.0, 7.0, -35.0)


@lru_cache(maxsize=1)
def spectra() -> np.ndarray:
    """Reflectance of every material: (len(MATERIALS), len(GRID_NM)), continuous from 350 to 2550 nm."""
    from scipy.interpolate import PchipInterpolator

    return np.stack([PchipInterpolator(*np.array(_KNOTS[name]).T)(GRID_NM) for name in MATERIALS])


def respond(bands: Sequence[Band]) -> np.ndarray:
    """What each band measures of each material: (len(MATERIALS), C) in the band's own quantity.

    Reflectance is the spectrum under a Gaussian response of the band's centre and full width at half maximum;
    backscatter is linear power (dB is taken after mixing), temperature is kelvin above the day's mean.
    Raises UnitError for a quantity that no material has.
    """
    return np.stack([_respond(band) for band in bands], axis=1).astype(np.float32)


def _respond(band: Band) -> np.ndarray:
    if band.quantity in ("reflectance", "toa_reflectance") and 350 <= band.wavelength <= 2550:
        width = band.fwhm if math.isfinite(band.fwhm) and band.fwhm > 0 else 20.0
        weight = np.exp(-4.0 * math.log(2.0) * ((GRID_NM - band.wavelength) / max(width, 5.0)) ** 2)
        seen: np.ndarray = spectra() @ (weight / weight.sum())
        return seen
    if band.quantity == "backscatter" and band.polarisation in _RADAR_DB:
        return np.power(10.0, np.array(_RADAR_DB[band.polarisation]) / 10.0)
    if band.quantity in ("temperature", "brightness_temperature"):
        return np.array(_WARMTH_K)
    raise UnitError(
        rule="a made world shows reflectance of 350 to 2550 nm, backscatter by polarisation, temperature or elevation",
        got=f"band {band.name}: {band.quantity}, {band.wavelength} nm, polarisation {band.polarisation or 'none'}",
        remedy="leave this band out with bands=",
    )
