"""PRISMA products (HDF-EOS5 swaths of ASI): VNIR and SWIR cubes with their wavelengths, scale and, at level 2D, grid.

Source: ASI, PRISMA Products Specification Document, issue 2.3: level 2 reflectance = minimum + stored x (maximum -
minimum) / 65535 by detector; level 1 radiance = stored / ScaleFactor - Offset in W m-2 sr-1 um-1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.array import Plane, Reader, Variable, VariableSource
from swath.cube.cf_bands import attribute
from swath.cube.layer import FileBand, Layer
from swath.errors import FormatError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["is_prisma", "layers"]

_CUBE = re.compile(r"HDFEOS/SWATHS/PRS_(L\w+)_HCO/Data Fields/(VNIR|SWIR)_Cube$")


def is_prisma(variables: Mapping[str, Variable]) -> bool:
    """Whether the datasets are those of a PRISMA product."""
    return any(_CUBE.search(name) for name in variables)


def layers(variables: Mapping[str, Variable], attrs: Mapping[str, Any], reader: Reader, *, path: str) -> list[Layer]:
    """One layer: VNIR then SWIR, each in rising wavelength. Raises FormatError when facts are missing."""
    planes: list[Plane] = []
    bands: list[FileBand] = []
    level, shape, kind = "", (0, 0), np.dtype("uint16")
    for name in sorted(variables, reverse=True):  # VNIR before SWIR
        match = _CUBE.search(name)
        if not match:
            continue
        variable = variables[name]
        level, shape, kind = match[1], (variable.shape[0], variable.shape[2]), variable.dtype.newbyteorder("=")
        for at, band in _bands(match[2], level, variable, attrs, path):
            planes.append(Plane(name, 0, 2, None, ((1, at),), kind.str))
            bands.append(band)
    source = VariableSource(reader, tuple(planes), (1, len(planes), *shape), kind)
    notes = [f"PRISMA level {level[1:]}; VNIR and SWIR overlap between 920 and 1010 nm, both are kept"]
    problems = []
    box = _geobox(attrs, shape) if level == "L2D" else None
    if box is None:
        problems.append("not projected (only level 2D is): places are pixel numbers")
    tags = {k: str(attribute(v))[:300] for k, v in attrs.items() if np.size(v) == 1}
    return [Layer(source, box, tuple(bands), _time(attrs), tags=tags, notes=tuple(notes), problems=tuple(problems))]


def _bands(
    detector: str, level: str, variable: Variable, attrs: Mapping[str, Any], path: str
) -> list[tuple[int, FileBand]]:
    """(position in the file, band) of one detector, rising wavelength; positions without a wavelength hold nothing."""
    word = detector.capitalize()
    try:
        centre = np.asarray(attrs[f"List_Cw_{word}"], float)
        width = np.asarray(attrs[f"List_Fwhm_{word}"], float)
        if level.startswith("L2"):
            low, high = (float(attribute(attrs[f"L2Scale{word}{end}"])) for end in ("Min", "Max"))
            scale, offset = (high - low) / 65535.0, low
        else:
            scale, offset = (
                1 / float(attribute(attrs[f"ScaleFactor_{word}"])),
                -float(attribute(attrs[f"Offset_{word}"])),
            )
        if len(variable.shape) != 3 or not len(centre) == len(width) == variable.shape[1]:
            raise ValueError(f"{len(centre)} wavelengths for a cube of shape {variable.shape}")
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise FormatError(
            rule="a PRISMA file tells wavelengths and scale of its cubes",
            got=f"{path}: {error}",
            remedy="fetch it again",
        ) from error
    radiance = not level.startswith("L2") or level == "L2B"
    out = []
    for at in np.argsort(centre, kind="stable"):
        if centre[at] <= 0:
            continue
        band = FileBand(
            f"{detector}_{at + 1}", wavelength=float(centre[at]), fwhm=float(width[at]), scale=scale, offset=offset,
            quantity="radiance" if radiance else "reflectance", units="W m-2 sr-1 um-1" if radiance else "1",
        )  # fmt: skip
        out.append((int(at), band))
    return out


def _geobox(attrs: Mapping[str, Any], shape: tuple[int, int]) -> GeoBox | None:
    """The grid of level 2D. Corners may name pixel centres or edges: the one that makes 30 m pixels holds."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    try:
        epsg = int(attribute(attrs["Epsg_Code"]))
        west, north, east, _south = (
            float(attribute(attrs[f"Product_{corner}corner_{axis}"]))
            for corner, axis in (("UL", "easting"), ("UL", "northing"), ("LR", "easting"), ("LR", "northing"))
        )
    except (KeyError, ValueError, TypeError):
        return None
    _height, width = shape
    edges = abs((east - west) / width - 30) < abs((east - west) / max(width - 1, 1) - 30)
    half = 0.0 if edges else 15.0
    return GeoBox(shape, Affine(30, 0, west - half, 0, -30, north + half), f"EPSG:{epsg}")


def _time(attrs: Mapping[str, Any]) -> np.ndarray | None:
    try:
        return np.array([np.datetime64(str(attribute(attrs["Product_StartTime"])).rstrip("Z"), "ns")])
    except (KeyError, ValueError):
        return None
