"""Zarr stores of versions 2 and 3: folders, zips (also with the store in a folder inside), object stores and URLs."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import cf
from swath.cube.array import Variable
from swath.cube.remote import exists, is_object, store_of
from swath.cube.zipped import check_zip, names_of
from swath.errors import FormatError, SwathError

if TYPE_CHECKING:
    from swath.cube.layer import Layer

__all__ = ["MARKS", "ZarrReader", "claims", "forget", "read"]

MARKS = ("zarr.json", ".zmetadata", ".zgroup", ".zarray")
_CHUNK_BYTES = 2**31


def claims(path: str) -> bool:
    """Whether this is a Zarr store: a folder, zip or URL with its marks, or a URL that ends in .zarr."""
    if "://" in path:
        name = path.split("?")[0].rstrip("/")
        if name.endswith(".zarr"):
            return True
        bare = is_object(path) and "." not in name.rsplit("/", 1)[-1]
        return bare and any(exists(f"{name}/{mark}") for mark in MARKS)
    if os.path.isdir(path):
        return any(os.path.exists(os.path.join(path, mark)) for mark in MARKS)
    return path.lower().endswith(".zip") and _root_in_zip(path) is not None


def _root_in_zip(path: str) -> str | None:
    """The folder inside the zip that is the store ("" for the top); None when there is none."""
    roots = [name.rpartition("/")[0] for name in names_of(path) if name.rsplit("/", 1)[-1] in MARKS]
    return min(roots, key=lambda root: (root.count("/") + bool(root), root)) if roots else None


def read(path: str) -> list[Layer]:
    """Layers of a store. Raises FormatError when it is damaged, or holds no picture."""
    root = ""
    if "://" not in path:
        path = os.path.abspath(path)
        if os.path.isfile(path):
            check_zip(path)
            root = _root_in_zip(path) or ""
    reader = ZarrReader(path, root)
    try:
        variables, attrs = _variables(reader)
    except SwathError:
        raise
    except Exception as error:  # zarr raises of many kinds on damaged metadata
        raise _damaged(path, error) from error
    return cf.layers(variables, attrs, reader, path=path)


def _damaged(path: str, error: Exception) -> FormatError:
    return FormatError(
        rule="a Zarr store must be whole",
        got=f"{path}: {type(error).__name__}: {str(error)[:300]}",
        remedy="the store is damaged or incomplete: fetch it again",
    )


@dataclass(frozen=True)
class ZarrReader:
    """Reads hyper-rectangles of a store's arrays; arrays stay open in the process, their chunks are not kept."""

    path: str
    root: str = ""

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """The stored numbers; chunks that were never written have the array's fill value."""
        array = _array(self.path, self.root, name, _version(self.path), os.getpid())
        try:
            return np.asarray(array[index] if index else array[()])
        except Exception as error:  # codecs raise of many kinds on damaged chunks
            raise _damaged(self.path, error) from error


def _version(path: str) -> tuple[int, int]:
    if "://" in path:
        return 0, 0
    state = os.stat(path)
    return state.st_mtime_ns, state.st_size


def _store(path: str) -> Any:
    """The store behind a path or URL, for reading."""
    from zarr.storage import LocalStore, ZipStore

    if "://" in path:
        from zarr.storage import ObjectStore

        return ObjectStore(store_of(path), read_only=True)
    return ZipStore(path, mode="r") if os.path.isfile(path) else LocalStore(path, read_only=True)


@lru_cache(maxsize=16)
def _group(path: str, root: str, version: tuple[int, int], process: int) -> Any:
    """The store's group, or its array where the store is one array."""
    import zarr

    return zarr.open(_store(path), mode="r", path=root or None)


@lru_cache(maxsize=256)
def _array(path: str, root: str, name: str, version: tuple[int, int], process: int) -> Any:
    import zarr

    opened = _group(path, root, version, process)
    return opened if isinstance(opened, zarr.Array) else opened[name]


def forget() -> None:
    """Close what is held open, so that the next look sees the store as it is now."""
    _group.cache_clear()
    _array.cache_clear()


def _variables(reader: ZarrReader) -> tuple[dict[str, Variable], dict[str, Any]]:
    import zarr

    opened = _group(reader.path, reader.root, _version(reader.path), os.getpid())
    if isinstance(opened, zarr.Array):
        found = {"band1": opened}
    else:
        found = {name: member for name, member in opened.members(max_depth=None) if isinstance(member, zarr.Array)}
    one = {name: _dims(array) for name, array in found.items()}
    variables = {name: _variable(name, array, one, reader) for name, array in found.items()}
    return variables, dict(opened.attrs)


def _dims(array: Any) -> tuple[str, ...]:
    """The array's own names of its dims; numbered ones, with their size, where it has none."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    if len(names) != array.ndim:
        names = (None,) * array.ndim
    return tuple(name or f"dim_{axis}_{array.shape[axis]}" for axis, name in enumerate(names))


def _variable(name: str, array: Any, dims: Mapping[str, tuple[str, ...]], reader: ZarrReader) -> Variable:
    size = int(np.prod(array.chunks, dtype=object)) * array.dtype.itemsize
    if size > _CHUNK_BYTES:
        raise FormatError(
            rule="a chunk of a Zarr array fits into memory",
            got=f"{reader.path}: chunks of {name} are {size / 1e9:.1f} GB",
            remedy="rewrite the store with smaller chunks (swath prepare)",
        )
    shape = tuple(int(n) for n in array.shape)
    return Variable(
        name=name,
        dims=tuple(_owner(dim, name, shape[axis], dims) for axis, dim in enumerate(dims[name])),
        shape=shape,
        dtype=np.dtype(array.dtype) if array.dtype.kind in "iufbcMmSU" else np.dtype(object),
        attrs=_attributes(array),
        load=cache(lambda: reader.read(name, tuple(slice(0, n) for n in shape))),
    )


def _owner(dim: str, name: str, size: int, dims: Mapping[str, tuple[str, ...]]) -> str:
    """The dim with the nearest group above that has its coordinate, so that equal names of other groups stay apart."""
    group = name.rpartition("/")[0]
    while True:
        full = f"{group}/{dim}" if group else dim
        if dims.get(full) == (dim,):
            return full
        if not group:
            break
        group = group.rpartition("/")[0]
    group = name.rpartition("/")[0]
    return f"{group}/{dim}" if group else dim


def _attributes(array: Any) -> dict[str, Any]:
    attrs = dict(array.attrs)
    attrs.pop("_ARRAY_DIMENSIONS", None)
    fill = attrs.get("_FillValue")
    if isinstance(fill, str):  # xarray's form in version 3: the bytes of the number in base64
        try:
            attrs["_FillValue"] = float(np.frombuffer(base64.b64decode(fill), "<f8")[0])
        except ValueError:
            attrs.pop("_FillValue")
    elif fill is None and array.metadata.zarr_format == 2 and array.fill_value:
        attrs["_FillValue"] = array.fill_value  # version 2's own place; 0 is its default and says nothing
    return attrs
