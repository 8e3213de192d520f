"""What bands are, in numbers, and how physical values of any band are brought to one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swath.batch import Batch
from swath.earth.sensor import Band
from swath.errors import SwathError, UnitError

__all__ = ["DESCRIBED", "POLARISATIONS", "QUANTITIES", "describe", "lookup", "measure"]

QUANTITIES = (
    "reflectance", "toa_reflectance", "backscatter", "temperature", "brightness_temperature", "elevation", "index",
)  # fmt: skip
POLARISATIONS = ("VV", "VH", "HH", "HV")
_OCTAVES = 7
DESCRIBED = 2 * _OCTAVES + 2 + len(QUANTITIES) + len(POLARISATIONS)


def describe(bands: Sequence[Band]) -> Tensor:
    """What a band is, in numbers: (C, F) float32. Harmonics of log wavelength, relative width, log GSD, quantity, pol."""
    rows = []
    for band in bands:
        known = math.isfinite(band.wavelength)
        x = math.log(band.wavelength / 350.0) / math.log(14_000.0 / 350.0) if known else 0.0
        waves = [f(math.pi * x * 2**k / 2) * known for f in (math.sin, math.cos) for k in range(_OCTAVES)]
        width = math.log10(band.fwhm / band.wavelength) + 1.5 if known and band.fwhm > 0 else 0.0
        gsd = math.log10(band.gsd / 10.0) if math.isfinite(band.gsd) and band.gsd > 0 else 0.0
        kind = [float(band.quantity == q) for q in QUANTITIES]
        rows.append([*waves, width, gsd, *kind, *(float(_polarisation(band) == p) for p in POLARISATIONS)])
    return torch.tensor(rows, dtype=torch.float32)


def measure(batches: Sequence[Batch]) -> dict[str, Any]:
    """Mean and deviation of physical values by wavelength, polarisation or quantity: what `Tiny` scales with.

    Backscatter is taken in dB. Raises SwathError when no value is valid.
    """
    found: dict[str, dict[float | str, list[np.ndarray]]] = {}
    for batch in batches:
        for pixels in batch.pixels.values():
            for i, band in enumerate(pixels.bands):
                values = np.asarray(pixels.values)[:, :, i][np.asarray(pixels.valid)[:, :, i]]
                key: float | str = band.wavelength if _family(band) == "reflectance" else _polarisation(band)
                found.setdefault(_family(band), {}).setdefault(key, []).append(_in_db(values, band))
    out: dict[str, Any] = {}
    for family, keys in found.items():
        rows = {k: np.concatenate(v).astype(np.float64) for k, v in keys.items()}
        rows = {k: v for k, v in rows.items() if len(v)}
        if not rows:
            continue
        facts = {k: (float(v.mean()), float(max(v.std(), 1e-6))) for k, v in rows.items()}
        if family == "reflectance":
            order = sorted(k for k in facts if not isinstance(k, str))
            out[family] = {"wavelength": order, "mean": [facts[k][0] for k in order],
                           "deviation": [facts[k][1] for k in order]}  # fmt: skip
        else:
            out[family] = {str(k): list(v) for k, v in facts.items()}
    if not out:
        raise SwathError(rule="statistics need valid values", got="none", remedy="give batches with valid pixels")
    return out


def lookup(statistics: Mapping[str, Any], band: Band) -> tuple[float, float]:
    """Mean and deviation of a band, between the wavelengths that were measured. Raises UnitError for an unknown kind."""
    known = statistics.get(_family(band))
    if known is None or (_family(band) == "reflectance" and not math.isfinite(band.wavelength)):
        raise UnitError(
            rule="swath-tiny reads quantities that its weights were trained on, reflectance with a wavelength",
            got=f"band {band.name}: {band.quantity}, {band.wavelength} nm; weights know {', '.join(statistics)}",
            remedy="leave this band out with --bands",
        )
    if "wavelength" in known:
        mean, deviation = (np.interp(band.wavelength, known["wavelength"], known[k]) for k in ("mean", "deviation"))
        return float(mean), float(deviation)
    pair = known.get(_polarisation(band)) or next(iter(known.values()))
    return float(pair[0]), float(pair[1])


def _family(band: Band) -> str:
    if band.quantity in ("reflectance", "toa_reflectance"):
        return "reflectance"
    return "temperature" if band.quantity == "brightness_temperature" else band.quantity


def _polarisation(band: Band) -> str:
    """VV and the like, also where only the band's name says so; "" where there is none."""
    name = band.name.upper()
    return band.polarisation or (name if band.quantity == "backscatter" and name in POLARISATIONS else "")


def _in_db(values: np.ndarray, band: Band) -> np.ndarray:
    if band.quantity == "backscatter" and band.units != "dB":
        return np.asarray(10.0 * np.log10(np.maximum(values, 1e-6)))
    return values
