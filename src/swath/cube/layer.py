"""What a format reader hands to `cube.open`: stored numbers on one grid and everything the file itself says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.lazy import Source

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["FileBand", "Layer"]


@dataclass(frozen=True, slots=True)
class FileBand:
    """One band as its file tells of it; None or "" where the file is silent. physical = stored * scale + offset.

    gsd: native, m. common: spyndex's letter.
    """

    name: str
    description: str = ""
    wavelength: float | None = None
    fwhm: float | None = None
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    quantity: str | None = None
    units: str | None = None
    gsd: float | None = None
    common: str = ""
    polarisation: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """Bands of one grid from one file, folder or store, before sensor and units are settled.

    source: (T, B, H, W) stored numbers. time: (T,) datetime64 or None. flag: Source (T, 1, H, W) of contract.FLAGS
    reasons, where the format itself carries a mask. sensor: key of sensors.toml when the metadata name it.
    tags: file-wide metadata in words. attrs: of the cube, as xarray keeps them. notes, problems: sentences for `swath info`.
    settled: swath settled quantities, units and rules when it wrote the file, so that nothing is looked at again.
    """

    source: Source
    geobox: GeoBox | None
    bands: tuple[FileBand, ...]
    time: np.ndarray | None = None
    flag: Source | None = None
    sensor: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    attrs: dict[str, Any] = field(default_factory=dict)
    settled: bool = False
