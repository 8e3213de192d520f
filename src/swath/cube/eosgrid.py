"""HDF-EOS grids: the StructMetadata text of MODIS (HDF4) and VIIRS (HDF5) to grids, their fields to bands.

Source: HDF-EOS Interface Based on HDF4/HDF5 (ESDIS), section on grids; GCTP projection codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.array import Plane, Reader, Variable, VariableSource
from swath.cube.cf_bands import attribute, packing, quantity, unit_text
from swath.cube.layer import FileBand, Layer

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Grid", "grids", "layers"]

_SPHERE = 6371007.181


class Grid:
    """One grid of the structure text: its name, size, corners, projection and fields."""

    def __init__(self, text: str) -> None:
        self.name = _word(text, "GridName") or ""
        self.shape = (int(_word(text, "YDim") or 0), int(_word(text, "XDim") or 0))
        self.upper_left = _pair(text, "UpperLeftPointMtrs")
        self.lower_right = _pair(text, "LowerRightMtrs")
        self.projection = (_word(text, "Projection") or "").removeprefix("HE5_")
        self.parameters = [float(v) for v in re.findall(r"[-+.\deE]+", _after(text, "ProjParams"))]
        self.zone = int(_word(text, "ZoneCode") or 0)
        self.fields = re.findall(r'DataFieldName="?([^"\n]+?)"?\s*\n', text)
        self.lower_origin = "_LL" in (_word(text, "GridOrigin") or "")

    def crs(self) -> str | None:
        """The CRS as text; None for a projection that is not understood."""
        if self.projection == "GCTP_GEO":
            return "EPSG:4326"
        if self.projection == "GCTP_SNSOID":
            radius = self.parameters[0] if self.parameters and self.parameters[0] > 0 else _SPHERE
            return f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={radius} +units=m +no_defs"
        if self.projection == "GCTP_UTM" and self.zone:
            return f"EPSG:{32600 + self.zone if self.zone > 0 else 32700 - self.zone}"
        return None

    def geobox(self) -> GeoBox | None:
        """The grid; None when its projection or corners are not understood."""
        from affine import Affine
        from odc.geo.geobox import GeoBox

        crs = self.crs()
        if crs is None or self.upper_left is None or self.lower_right is None or min(self.shape) < 1:
            return None
        (left, top), (right, bottom) = self.upper_left, self.lower_right
        if self.projection == "GCTP_GEO" and max(abs(left), abs(right)) > 360:
            left, top, right, bottom = (_degrees(v) for v in (left, top, right, bottom))
        height, width = self.shape
        return GeoBox(self.shape, Affine((right - left) / width, 0, left, 0, (bottom - top) / height, top), crs)


def _degrees(packed: float) -> float:
    """Degrees from GCTP's packed form DDDMMMSSS.SS."""
    sign, packed = (-1 if packed < 0 else 1), abs(packed)
    degrees, rest = divmod(packed, 1e6)
    minutes, seconds = divmod(rest, 1e3)
    return sign * (degrees + minutes / 60 + seconds / 3600)


def _after(text: str, key: str) -> str:
    match = re.search(rf"^\s*{key}\s*=\s*\(?([^\n)]*)", text, re.MULTILINE)
    return match[1] if match else ""


def _word(text: str, key: str) -> str | None:
    return _after(text, key).strip().strip('"') or None


def _pair(text: str, key: str) -> tuple[float, float] | None:
    try:
        x, y = (float(v) for v in _after(text, key).split(","))
    except ValueError:
        return None
    return x, y


def grids(structure: str) -> list[Grid]:
    """The grids of a StructMetadata text; a damaged one is left out."""
    inside = re.search(r"GROUP=GridStructure(.*?)END_GROUP=GridStructure", structure, re.DOTALL)
    found = []
    for block in re.findall(r"GROUP=(GRID_\d+)\s*\n(.*?)END_GROUP=\1", inside[1] if inside else "", re.DOTALL):
        try:
            found.append(Grid(block[1]))
        except ValueError:
            continue
    return found


def layers(
    structure: str,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    reader: Reader,
    *,
    path: str,
    five: bool,
) -> list[Layer]:
    """One Layer for each grid. variables: by full name; five: HDF5 (fields lie under HDFEOS/GRIDS/<grid>/Data Fields)."""
    time, sensor, notes = _about(path)
    out = []
    for grid in grids(structure):
        fields = [v for v in variables.values() if _belongs(v, grid, five)]
        planes: list[Plane] = []
        bands: list[FileBand] = []
        for variable in fields:
            for plane, band in _bands(variable, grid, notes):
                planes.append(plane)
                bands.append(band)
        if not planes:
            continue
        box = grid.geobox()
        problems = () if box is not None else (f"grid {grid.name}: projection {grid.projection} is not understood",)
        source = VariableSource(
            reader, tuple(planes), (1, len(planes), *grid.shape), np.result_type(*[np.dtype(p.dtype) for p in planes]),
            flip_y=grid.lower_origin,
        )  # fmt: skip
        tags = {"grid": grid.name} | {k: str(attribute(v))[:500] for k, v in attrs.items() if "Metadata" not in k}
        out.append(
            Layer(source, box, tuple(bands), time, sensor=sensor, tags=tags, notes=tuple(notes), problems=problems)
        )
    return out


def _belongs(variable: Variable, grid: Grid, five: bool) -> bool:
    if variable.dtype.kind not in "iuf" or len(variable.shape) not in (2, 3):
        return False
    if grid.shape[0] not in variable.shape or grid.shape[1] not in variable.shape:
        return False
    return f"/{grid.name}/" in f"/{variable.name}" if five else variable.leaf in grid.fields or not grid.fields


def _bands(variable: Variable, grid: Grid, notes: list[str]) -> list[tuple[Plane, FileBand]]:
    """Planes of a field: rows and columns by their sizes, a third axis as bands."""
    shape = variable.shape
    y = next((i for i in range(len(shape) - 1) if shape[i : i + 2] == grid.shape), None)
    if y is None:
        return []
    extra = [i for i in range(len(shape)) if i not in (y, y + 1)]
    attrs = {str(k): attribute(v) for k, v in variable.attrs.items()}
    packed = packing(variable.dtype, attrs)
    scale, offset = _scaling(variable.leaf, attrs, notes)
    name = re.sub(r"^\d+ km \d+ days |^\d+m \d+ days ", "", variable.leaf).strip().replace(" ", "_")
    units = unit_text(attrs.get("units"))
    out = []
    for at in range(shape[extra[0]] if extra else 1):
        plane = Plane(variable.name, y, y + 1, None, ((extra[0], at),) if extra else (), **packed)
        kind = quantity(name, attrs, "" if units == "1" else units)
        band = FileBand(
            name=f"{name}_{at + 1}" if extra and shape[extra[0]] > 1 else name,
            description=str(attrs.get("long_name", variable.leaf)),
            scale=scale, offset=offset, nodata=plane.nodata, quantity=kind, units=units or None,
        )  # fmt: skip
        out.append((plane, band))
    return out


def _scaling(name: str, attrs: Mapping[str, Any], notes: list[str]) -> tuple[float | None, float | None]:
    """Scale and offset as physical = stored * scale + offset.

    MODIS writes scale_factor 10000 where a division is meant (MOD13, MOD09 user guides); add_offset is taken off before
    scaling (HDF SDsetcal) but for emissivities, to which it is added (MOD11 user guide).
    """
    try:
        scale = float(attrs["scale_factor"]) if "scale_factor" in attrs else None
        offset = float(attrs.get("add_offset", 0.0))
    except (TypeError, ValueError):
        return None, None
    if scale is None or scale == 0:
        return None, None
    if scale > 1:
        scale = 1 / scale
        notes.append("scale factors above 1 are divisors in MODIS files: stored numbers are divided by them")
    return scale, offset if "emis" in name.lower() or not offset else -offset * scale


def _about(path: str) -> tuple[np.ndarray | None, str | None, list[str]]:
    """Date and sensor from the operator's file name, as MOD13Q1.A2013257.h12v10.061.<made>.hdf has them."""
    import os

    match = re.match(r"([A-Z]{3}\d{2}\w*?)\.A(\d{4})(\d{3})\.", os.path.basename(path))
    if not match:
        return None, None, []
    time = np.array([np.datetime64(match[2], "D") + (int(match[3]) - 1)], dtype="datetime64[ns]")
    product = match[1]
    family = {"MOD": "terra", "MYD": "aqua", "VNP": "suomi-npp", "VJ1": "noaa-20", "MCD": "terra-aqua"}.get(product[:3])
    return time, None, [f"product {product}" + (f" of {family}" if family else ""), "date from the file name"]
