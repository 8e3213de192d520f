"""Write a cube as a Zarr store that xarray opens with its grid, dates and flags; aside first, then renamed."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import swath
from swath.cube import contract
from swath.cube.blocks import fsync_folder, refuse

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["save_zarr"]

_CHUNK = 256
_STRIP_BYTES = 64 << 20


def save_zarr(cube: xr.DataArray, path: Path, *, name: str = "values", tags: Mapping[str, str] | None = None) -> Path:
    """Write a cube to the Zarr v3 store `path`: the array `name`, coordinates as in the cube, `flag` where it has one.

    Read and written in windows of at most 64 MB. A store that is there is replaced when the new one is whole.
    Raises OutputError (no room, not writable).
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with warnings.catch_warnings():
                # Texts of fixed length and one file of metadata: in zarr-python 3, read back here, not yet in the standard.
                warnings.filterwarnings("ignore", message=".*Zarr V3 specification|.*[Cc]onsolidated metadata")
                _write(cube, aside, name, dict(tags or {}))
            _sync(aside)
            if path.exists():
                os.replace(path, old)
            os.replace(aside, path)
            fsync_folder(path.parent)
        except OSError:
            if old.exists() and not path.exists():
                os.replace(old, path)
            raise
    except OSError as error:
        raise refuse(error, path) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return path


def _write(cube: xr.DataArray, folder: Path, name: str, tags: dict[str, str]) -> None:
    import xarray as xr
    import zarr

    coords = {k: v for k, v in cube.coords.items() if k not in ("flag", "spatial_ref")}
    frame = xr.Dataset(coords=coords)
    grid = cube.coords.get("spatial_ref")
    if grid is not None:
        frame = frame.assign_coords(spatial_ref=xr.DataArray(np.int32(0), attrs=dict(grid.attrs)))
        frame["y"].attrs |= {"standard_name": "projection_y_coordinate", "axis": "Y"}
        frame["x"].attrs |= {"standard_name": "projection_x_coordinate", "axis": "X"}
    frame.attrs = {"Conventions": "CF-1.10", "swath": swath.__version__, **tags}
    frame.to_zarr(folder, mode="w", zarr_format=3, consolidated=False)
    group = zarr.open_group(folder, mode="r+")
    others = [str(k) for k in cube.coords if k not in cube.dims and k not in ("flag", "spatial_ref")]
    about = _attributes(cube, [*others, *(["flag"] if "flag" in cube.coords else [])])
    _array(group, name, cube.variable, about)
    if "flag" in cube.coords:
        meanings = {"flag_values": list(contract.FLAGS.values()), "flag_meanings": " ".join(contract.FLAGS)}
        _array(
            group,
            "flag",
            cube.coords["flag"].variable,
            meanings | {k: about[k] for k in ("grid_mapping",) if k in about},
        )
    zarr.consolidate_metadata(folder)


def _attributes(cube: xr.DataArray, others: list[str]) -> dict[str, Any]:
    about = {str(k): v if isinstance(v, (str, int, float, bool)) else str(v) for k, v in cube.attrs.items()}
    if "spatial_ref" in cube.coords:
        about["grid_mapping"] = "spatial_ref"
    if others:
        about["coordinates"] = " ".join(others)
    return about


def _array(group: Any, name: str, variable: xr.Variable, about: dict[str, Any]) -> None:
    """Create one array and fill it strip by strip, a date at a time."""
    sizes = dict(variable.sizes)
    chunks = tuple(min(n, _CHUNK) if d in ("y", "x") else (1 if d in ("time", "draw") else n) for d, n in sizes.items())
    while np.prod(chunks) * variable.dtype.itemsize > _STRIP_BYTES and "band" in sizes:
        at = list(sizes).index("band")
        if chunks[at] == 1:
            break
        chunks = (*chunks[:at], -(-chunks[at] // 2), *chunks[at + 1 :])
    kind = np.dtype(variable.dtype)
    array = group.create_array(
        name,
        shape=variable.shape,
        chunks=chunks,
        dtype=kind,
        dimension_names=list(sizes),
        attributes=about,
        fill_value=float("nan") if kind.kind == "f" else 0,
    )
    rest = int(np.prod([n for d, n in sizes.items() if d not in ("time", "y")])) * kind.itemsize
    step = max(_CHUNK, _STRIP_BYTES // max(rest, 1) // _CHUNK * _CHUNK)
    dates = range(sizes["time"]) if "time" in sizes else [None]
    for t in dates:
        for top in range(0, sizes["y"], step):
            rows = slice(top, min(sizes["y"], top + step))
            where: dict[Any, Any] = {"y": rows} | ({} if t is None else {"time": slice(t, t + 1)})
            key = tuple(where.get(d, slice(None)) for d in sizes)
            array[key] = np.asarray(variable.isel(where).values)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
    fsync_folder(folder)
