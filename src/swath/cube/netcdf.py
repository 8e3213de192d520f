"""NetCDF files: NetCDF-4 by h5netcdf and h5py, classic NetCDF-3 by SciPy; read by window, interpreted by `cf.py`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import cf
from swath.cube.array import Variable
from swath.errors import FormatError

if TYPE_CHECKING:
    from swath.cube.layer import Layer

__all__ = ["ClassicReader", "HDFReader", "claims", "hdf_variables", "read"]

HDF5 = b"\x89HDF\r\n\x1a\n"
_SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf", ".ncdf")


def claims(path: str) -> bool:
    """Whether this is a NetCDF file: by its first bytes, and for NetCDF-4 by its name or its own marks."""
    if "://" in path or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(8)
    if start[:3] == b"CDF" and start[3:4] in (b"\x01", b"\x02", b"\x05"):
        return True
    if start != HDF5:
        return path.lower().endswith(_SUFFIXES)
    return path.lower().endswith(_SUFFIXES) or _has_marks(path)


def _has_marks(path: str) -> bool:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "_NCProperties" in file.attrs or "Conventions" in file.attrs
    except OSError:
        return False


def read(path: str) -> list[Layer]:
    """Layers of a NetCDF file. Raises FormatError when it is damaged or holds no picture."""
    path = os.path.abspath(path)
    with open(path, "rb") as file:
        start = file.read(8)
    if start[:3] == b"CDF":
        variables, attrs, reader = _classic(path, start)
        return cf.layers(variables, attrs, reader, path=path)
    if start != HDF5:
        raise damaged(path, "it starts like no NetCDF file")
    variables, attrs = hdf_variables(path)
    return cf.layers(variables, attrs, HDFReader(path), path=path)


def damaged(path: str, why: object) -> FormatError:
    """The error for a file whose bytes cannot be what they should."""
    return FormatError(
        rule="a NetCDF or HDF file must be whole",
        got=f"{path}: {why}",
        remedy="the file is damaged or cut short: fetch it again",
    )


@dataclass(frozen=True)
class HDFReader:
    """Reads hyper-rectangles of HDF5 datasets; opens the file for every window (about 1 ms), so it holds no handle."""

    path: str

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """The stored numbers. Raises FormatError when a chunk is damaged."""
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                return np.asarray(file[name][index])
        except (OSError, KeyError, RuntimeError) as error:
            raise damaged(self.path, error) from error


def hdf_variables(path: str) -> tuple[dict[str, Variable], dict[str, Any]]:
    """All variables of a NetCDF-4 file, groups included, by full name; and the root's attributes."""
    import h5netcdf

    reader = HDFReader(path)
    variables: dict[str, Variable] = {}
    try:
        with h5netcdf.File(path, "r", phony_dims="access") as file:
            attrs = _attributes(file)
            for group, prefix in _groups(file, ""):
                for name, var in group.variables.items():
                    full = f"{prefix}{name}"
                    variables[full] = _variable(var, full, prefix, group, reader)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise damaged(path, error) from error
    return variables, attrs


def _groups(group: Any, prefix: str, depth: int = 0) -> list[tuple[Any, str]]:
    found = [(group, prefix)]
    if depth < 8:
        for name, child in group.groups.items():
            found += _groups(child, f"{prefix}{name}/", depth + 1)
    return found


def _variable(var: Any, full: str, prefix: str, group: Any, reader: HDFReader) -> Variable:
    shape = tuple(int(n) for n in var.shape)
    dtype = np.dtype(var.dtype) if var.dtype is not str else np.dtype(object)
    return Variable(
        name=full,
        dims=tuple(_owner(dim, group, prefix) for dim in var.dimensions),
        shape=shape,
        dtype=dtype,
        attrs=_attributes(var),
        load=cache(lambda: _text(reader.read(full, tuple(slice(0, n) for n in shape)))),
    )


def _owner(dim: str, group: Any, prefix: str) -> str:
    """The dim's name with the group that defines it, so that equal names of different groups stay apart."""
    while group is not None and dim not in getattr(group, "_dimensions", {}) and dim not in group.dims.maps[0]:
        group, prefix = group.parent, "/".join(prefix.rstrip("/").split("/")[:-1])
        prefix = f"{prefix}/" if prefix else ""
        if not prefix:
            break
    return f"{prefix}{dim}"


def _text(values: np.ndarray) -> np.ndarray:
    """Texts as str: HDF5 gives bytes."""
    if values.dtype.kind in "OS":
        return np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.ravel()])
    return values


def _attributes(thing: Any) -> dict[str, Any]:
    out = {}
    for key in thing.attrs:
        if key in ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME", "_Netcdf4Dimid", "_Netcdf4Coordinates"):
            continue
        try:
            out[str(key)] = thing.attrs[key]
        except (OSError, TypeError, ValueError, KeyError):  # a type that h5py does not know; the rest still counts
            continue
    return out


@dataclass(frozen=True)
class ClassicReader:
    """Reads hyper-rectangles of a NetCDF-3 file through SciPy's memory map."""

    path: str

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """The stored numbers, in the machine's byte order."""
        from scipy.io import netcdf_file

        try:
            with netcdf_file(self.path, "r", mmap=True, maskandscale=False) as file:
                data = file.variables[name].data
                values = np.array(data[index] if index else data)  # a copy: the map closes with the file
                del data
        except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
            raise damaged(self.path, error) from error
        return values.astype(values.dtype.newbyteorder("="))


def _classic(path: str, start: bytes) -> tuple[dict[str, Variable], dict[str, Any], ClassicReader]:
    from scipy.io import netcdf_file

    if start[3:4] == b"\x05":
        raise FormatError(
            rule="classic NetCDF of versions 1 and 2 can be read",
            got=f"{path}, CDF-5 (64-bit data)",
            remedy="convert it: nccopy -k nc4 IN OUT",
        )
    reader = ClassicReader(path)
    variables: dict[str, Variable] = {}
    try:
        with netcdf_file(path, "r", mmap=True, maskandscale=False) as file:
            attrs = dict(file._attributes)
            size, var = os.path.getsize(path), None
            for name, var in file.variables.items():
                shape = tuple(int(n) for n in var.data.shape)
                variables[name] = _classic_variable(name, var, shape, reader)
                if int(np.prod(shape, dtype=object)) * var.data.itemsize > size:
                    raise damaged(path, f"{name} is larger than the file")
            del var
    except (OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError) as error:
        if isinstance(error, FormatError):
            raise
        raise damaged(path, error or type(error).__name__) from error
    return variables, attrs, reader


def _classic_variable(name: str, var: Any, shape: tuple[int, ...], reader: ClassicReader) -> Variable:
    def load() -> np.ndarray:
        values = reader.read(name, tuple(slice(0, n) for n in shape))
        if values.dtype.kind == "S" and values.ndim > 1:  # characters along the last dim are one text
            return np.array(
                [b"".join(row).decode("utf-8", "replace").strip("\x00 ") for row in values.reshape(-1, shape[-1])]
            )
        return values

    return Variable(
        name=name,
        dims=tuple(var.dimensions),
        shape=shape,
        dtype=np.dtype(var.data.dtype.newbyteorder("=")),
        attrs={k: v for k, v in var._attributes.items()},
        load=cache(load),
    )
