"""The table of formats: which module reads which files. Nothing is imported until a path is looked at.

A reader module has `claims(path) -> bool` (cheap: the name, or the first bytes) and `read(path) -> list[Layer]`.
Outsiders add theirs by the entry point group `swath.readers`, each naming such a module.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

from swath.errors import FormatError

if TYPE_CHECKING:
    from swath.cube.layer import Layer

__all__ = ["FORMATS", "Reader", "names", "reader_of"]


class Reader(Protocol):
    """A module that reads one format."""

    def claims(self, path: str) -> bool:
        """Whether it knows the path."""
        ...

    def read(self, path: str) -> list[Layer]:
        """What the path holds, before units are settled."""
        ...


# In this order: containers and products with metadata of their own before plain rasters and plain folders.
FORMATS: dict[str, str] = {
    "packed": "swath.cube.packed",
    "stac": "swath.cube.stac",
    "archive": "swath.cube.archive",
    "zarr": "swath.cube.zarr",
    "eopatch": "swath.cube.eopatch",
    "sentinel-2 SAFE": "swath.cube.safe",
    "landsat": "swath.cube.landsat",
    "enmap, desis": "swath.cube.spectrometer",
    "envi": "swath.cube.envi",
    "hdf4": "swath.cube.hdf4",
    "netcdf": "swath.cube.netcdf",
    "hdf5": "swath.cube.hdf5",
    "grib": "swath.cube.grib",
    "npy": "swath.cube.npy",
    "picture": "swath.cube.picture",
    "geotiff": "swath.cube.geotiff",
    "folder": "swath.cube.folder",
}


def names() -> list[str]:
    """The formats that are there."""
    return [name for name, module in FORMATS.items() if find_spec(module)]


def _outside() -> tuple[Reader, ...]:
    from importlib import metadata

    return _readers(metadata.entry_points)


@cache
def _readers(lookup: Any) -> tuple[Reader, ...]:
    """Readers of installed packages: looked up once, for it takes as long as opening a file."""
    return tuple(cast(Reader, point.load()) for point in lookup(group="swath.readers"))


def reader_of(path: str, only: frozenset[str] | None = None) -> Reader:
    """The module that reads a path. Raises FormatError, naming what is known, when none does.

    only: names in FORMATS that are allowed (untrusted files); readers of outsiders are not among them.
    """
    from swath.cube import gdal, untrusted

    if gdal.STRICT:
        only = untrusted.READERS
    for reader in _outside() if only is None else []:
        if reader.claims(path):
            return reader
    for name, module in FORMATS.items():
        if find_spec(module) is None:
            continue
        reader = cast(Reader, import_module(module))
        if reader.claims(path):
            if only is not None and name not in only:
                raise FormatError(
                    rule=f"with --safe these open: {', '.join(n for n in FORMATS if n in only)}",
                    got=f"{path}, {name}",
                    remedy="convert it, or leave --safe out for files that you trust",
                )
            return reader
    raise FormatError(
        rule="a scene is of a known format",
        got=path,
        remedy=f"known: {', '.join(names())}; convert it to GeoTIFF, or write a reader (docs: how to add a source)",
    )
