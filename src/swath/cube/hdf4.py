"""HDF4-EOS grids of MODIS (MOD13, MOD09, MOD11 ...), by the extra `hdf4` (pyhdf): the wheels' GDAL has no HDF4."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import cf, eosgrid
from swath.cube.array import Variable
from swath.errors import FormatError, need

if TYPE_CHECKING:
    from swath.cube.layer import Layer

__all__ = ["GridReader", "claims", "read"]

_MAGIC = b"\x0e\x03\x13\x01"
_LOCK = threading.Lock()  # the HDF4 library keeps global state
_TYPES = {20: "i1", 21: "u1", 3: "u1", 4: "i1", 22: "i2", 23: "u2", 24: "i4", 25: "u4", 5: "f4", 6: "f8"}


def claims(path: str) -> bool:
    """Whether the first bytes are HDF4's."""
    if "://" in path or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == _MAGIC


def _open(path: str) -> Any:
    sd = need("pyhdf.SD", extra="hdf4", why="reading HDF4 files")
    try:
        return sd.SD(path, sd.SDC.READ)
    except Exception as error:  # pyhdf raises its own error class, and others on odd files
        raise _damaged(path, error) from error


def _damaged(path: str, error: object) -> FormatError:
    return FormatError(
        rule="an HDF4 file must be whole", got=f"{path}: {error}", remedy="it is damaged or cut short: fetch it again"
    )


@dataclass(frozen=True)
class GridReader:
    """Reads hyper-rectangles of scientific data sets; opens the file for every window."""

    path: str

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """The stored numbers. Raises FormatError when they cannot be decoded."""
        with _LOCK:
            file = _open(self.path)
            try:
                data = file.select(name)
                start = [s.start for s in index]
                count = [s.stop - s.start for s in index]
                values = np.asarray(data.get(start=start, count=count))
                data.endaccess()
            except FormatError:
                raise
            except Exception as error:
                raise _damaged(self.path, error) from error
            finally:
                file.end()
        return values.reshape(count)


def read(path: str) -> list[Layer]:
    """One layer for each grid of the file. Raises FormatError without a grid (swaths are not read), ExtraError without pyhdf."""
    path = os.path.abspath(path)
    variables, attrs = _content(path)
    structure = "".join(str(attrs[key]) for key in sorted(attrs) if key.startswith("StructMetadata"))
    layers = eosgrid.layers(structure, variables, attrs, GridReader(path), path=path, five=False)
    if not layers:
        raise FormatError(
            rule="an HDF4 file has an HDF-EOS grid with its fields",
            got=f"{path} with {cf.describe(variables.values())}" + (", a swath" if "SWATH_1" in structure else ""),
            remedy="swaths have no grid: take a gridded product (MOD09GA, MOD13Q1), or project it first",
        )
    return layers


def _content(path: str) -> tuple[dict[str, Variable], dict[str, Any]]:
    reader = GridReader(path)
    variables: dict[str, Variable] = {}
    with _LOCK:
        file = _open(path)
        try:
            attrs = dict(file.attributes())
            for name in file.datasets():
                data = file.select(name)
                _, rank, size, kind, _ = data.info()
                shape = tuple(int(n) for n in (size if rank > 1 else [size]))
                variables[name] = _variable(name, shape, kind, dict(data.attributes()), reader)
                data.endaccess()
        except Exception as error:
            raise _damaged(path, error) from error
        finally:
            file.end()
    return variables, attrs


def _variable(name: str, shape: tuple[int, ...], kind: int, attrs: dict[str, Any], reader: GridReader) -> Variable:
    return Variable(
        name=name,
        dims=tuple(f"{name}:{axis}" for axis in range(len(shape))),
        shape=shape,
        dtype=np.dtype(_TYPES.get(kind, "O")),
        attrs=attrs,
        load=lambda: reader.read(name, tuple(slice(0, n) for n in shape)),
    )
