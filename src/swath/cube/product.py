"""Products as folders of one-band files: what their metadata name, made layers. A folder or the inside of an archive.

A product is a root that GDAL can open below (a folder, or `/vsizip/...` of an archive), the relative names of its
files, and a function that gives the text of one.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import gdal
from swath.cube.geotiff import layer_of
from swath.cube.layer import FileBand, Layer
from swath.cube.sources import Bands
from swath.errors import FormatError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Product", "folder_product", "grids", "read_product"]

MOST_FILES = 20_000


@dataclass(frozen=True, slots=True)
class Product:
    """Where a product's files are. name: of the product; root: what GDAL opens below; names: relative, with `/`."""

    name: str
    root: str
    names: tuple[str, ...]
    text: Callable[[str], str]

    def path(self, name: str) -> str:
        """The full path of one of its files."""
        return f"{self.root}/{name}"


def folder_product(path: str, depth: int = 6) -> Product:
    """A folder as a product. Raises FormatError for a folder of more files than any product has."""
    names: list[str] = []
    base = path.rstrip("/").count(os.sep)
    for where, folders, files in os.walk(path):
        if where.count(os.sep) - base >= depth:
            folders.clear()
        folders.sort()
        names += [os.path.relpath(os.path.join(where, f), path).replace(os.sep, "/") for f in sorted(files)]
        if len(names) > MOST_FILES:
            raise FormatError(
                rule=f"a product's folder holds at most {MOST_FILES} files", got=path, remedy="name the products in it"
            )

    def text(name: str) -> str:
        with open(os.path.join(path, name), encoding="utf-8", errors="replace") as file:
            return file.read()

    return Product(posixpath.basename(path.rstrip("/")), path.rstrip("/"), tuple(names), text)


def read_product(product: Product) -> list[Layer] | None:
    """The layers of a Sentinel-2 SAFE or a Landsat product; None when it is neither."""
    from swath.cube import landsat, safe

    if safe.is_safe(product):
        return safe.layers(product)
    if landsat.is_landsat(product):
        return landsat.layers(product)
    return None


def grids(
    product: Product,
    files: Mapping[str, str],
    facts: Mapping[str, FileBand],
    *,
    time: np.ndarray | None,
    sensor: str | None,
    tags: dict[str, str],
    notes: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> list[Layer]:
    """One layer for each grid of one-band files. files: {band name: relative file name}; facts: what metadata say.

    Raises FormatError when a file is damaged.
    """
    found: list[tuple[Any, GeoBox | None, list[Layer]]] = []
    for band, name in files.items():
        path = product.path(name)
        dataset = gdal.handle(path)
        from swath.cube.guard import check_declared, check_file

        check_file(path)
        check_declared(path, dataset)
        layer = layer_of(path, dataset)
        told = facts.get(band)
        own = layer.bands[0]
        fact = replace(own, name=band, description="") if told is None else _merged(own, told)
        layer = replace(layer, bands=(replace(fact, name=band),))
        box = layer.geobox
        key = (
            layer.source.shape[2:],
            None if box is None else (tuple(round(v, 6) for v in box.affine[:6]), str(box.crs)),
        )
        for other, _, some in found:
            if other == key:
                some.append(layer)
                break
        else:
            found.append((key, box, [layer]))
    out = []
    for _, box, some in found:
        said = [text for text in dict.fromkeys(t for one in some for t in one.notes)]
        out.append(
            Layer(
                source=Bands(tuple(one.source for one in some)) if len(some) > 1 else some[0].source,
                geobox=box,
                bands=tuple(one.bands[0] for one in some),
                time=time,
                sensor=sensor,
                tags=tags,
                notes=(*notes, *said),
                problems=tuple(problems),
            )
        )
    return out


def _merged(own: FileBand, told: FileBand) -> FileBand:
    """What the product's metadata say, and the file's own word where they are silent."""
    return replace(
        told,
        nodata=told.nodata if told.nodata is not None else own.nodata,
        scale=told.scale if told.scale is not None else own.scale,
        offset=told.offset if told.offset is not None else own.offset,
        wavelength=told.wavelength if told.wavelength is not None else own.wavelength,
    )
