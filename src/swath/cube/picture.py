"""Pictures: PNG and JPEG, with a world file where there is one. Digital numbers; a palette is resolved to its classes."""

from __future__ import annotations

import os
from dataclasses import replace

from swath.cube import gdal
from swath.cube.geotiff import layer_of
from swath.cube.guard import check_declared, check_file
from swath.cube.layer import Layer
from swath.errors import FormatError

__all__ = ["claims", "read"]

MOST_PIXELS = 2**30


def claims(path: str) -> bool:
    """Whether this is a PNG or JPEG, by its first bytes."""
    if gdal.is_remote(path) or not os.path.isfile(path):
        return path.lower().split("?")[0].endswith((".png", ".jpg", ".jpeg"))
    with open(path, "rb") as file:
        start = file.read(8)
    return (
        start == b"\x89PNG\r\n\x1a\n"
        or start[:3] == b"\xff\xd8\xff"
        or path.lower().endswith((".png", ".jpg", ".jpeg"))
    )


def read(path: str) -> list[Layer]:
    """The picture's bands. Raises FormatError for one that is damaged or declares absurd sizes."""
    path = path if gdal.is_remote(path) else os.path.abspath(path)
    check_file(path)
    dataset = gdal.handle(path)
    if dataset.width * dataset.height > MOST_PIXELS:
        raise FormatError(
            rule=f"a picture has at most {MOST_PIXELS:,} pixels",
            got=f"{path}: {dataset.width:,} x {dataset.height:,}",
            remedy="use a tiled GeoTIFF for scenes of that size",
        )
    layer = layer_of(path, dataset, check_declared(path, dataset))
    palette = dataset.count == 1 and dataset.colorinterp[0].name == "palette"
    if palette:
        band = replace(layer.bands[0], quantity="class", units="1")
        layer = replace(layer, bands=(band,), notes=(*layer.notes, "a palette image: its indices are classes"))
    return [layer]
