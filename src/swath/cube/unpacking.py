"""Stored numbers out of a packed file again, as GeoTIFF or Zarr: the numbers, their rule and what means missing, unchanged."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.contract import FLAGS
from swath.cube.lazy import Source
from swath.cube.save import layer_of, write_windows
from swath.cube.scene import Piece, cube_of
from swath.cube.stored import stored
from swath.errors import OutputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["save_stored", "stored_cube"]


def stored_cube(piece: Piece) -> tuple[xr.DataArray, list[tuple[float, float]]]:
    """(cube of stored numbers, (scale, offset) of each band); nodata of the bands as stored."""
    source, bands, _ = stored(piece)
    cube = cube_of(replace(piece, source=source, bands=bands, stored=True, attrs={**piece.attrs, "raw": True}))
    del cube.attrs["raw"]
    return cube, [(b.scale, b.offset) for b in bands]


def save_stored(piece: Piece, path: Path, *, untold: bool = False) -> tuple[list[Path], list[str]]:
    """Write a piece's stored numbers; the files that were written and what a reader should know. Raises OutputError.

    untold: no file said what means missing, so that a GeoTIFF says nothing either.
    """
    cube, rules = stored_cube(piece)
    notes: list[str] = []
    if path.suffix == ".zarr":
        from swath.cube.save_zarr import save_zarr

        return [save_zarr(_ruled(cube, rules), path)], notes
    if path.suffix not in (".tif", ".tiff"):
        raise OutputError(
            rule="a packed file becomes a GeoTIFF or a Zarr store", got=path.name, remedy="--out NAME.tif or NAME.zarr"
        )
    return _tiff(cube, rules, piece, path, notes, untold), notes


def _tiff(
    cube: xr.DataArray, rules: list[tuple[float, float]], piece: Piece, path: Path, notes: list[str], untold: bool
) -> list[Path]:
    dates = cube.sizes.get("time", 1)
    layer = layer_of(cube, name=path.stem)
    nodata = [float(v) for v in cube.coords["nodata"].values]
    if untold:
        layer = replace(layer, nodata=None)
    elif any(math.isfinite(v) for v in nodata):
        known = list(dict.fromkeys(v for v in nodata if math.isfinite(v)))
        layer = replace(layer, nodata=known[0])
        if len(known) > 1 or not all(math.isfinite(v) for v in nodata):
            notes.append(f"a GeoTIFF has one nodata value: {known[0]:g}; the bands' own are kept by .zarr")
    layer = replace(layer, rules=tuple(rules * dates) if any(r != (1.0, 0.0) for r in rules) else ())
    size = (cube.sizes["y"], cube.sizes["x"])

    def window(rows: slice, columns: slice) -> np.ndarray:
        part = np.asarray(cube.variable.isel(y=rows, x=columns).values)
        return part.reshape(-1, *part.shape[-2:])

    out = [write_windows(path, layer, size, piece.geobox, window)]
    if dates > 1:
        notes.append(
            f"a GeoTIFF has no dates: other programs see {dates} dates of {cube.sizes['band']} bands as bands named by both; "
            ".zarr keeps dates for all"
        )
    if piece.flag is not None:
        out.append(_flag(piece.flag, piece, path))
        notes.append(f"the flag of each pixel is {out[-1].name}")
    return out


def _flag(flag: Source, piece: Piece, path: Path) -> Path:
    """The flag of each pixel as a GeoTIFF of classes beside the values."""
    from swath.cube.blocks import Layer

    t, _, h, w = flag.shape
    dates = [""] if piece.time is None else [str(v)[:19] for v in piece.time.astype("datetime64[s]")]
    layer = Layer(
        name=f"{path.stem}_flag",
        nodata=None,
        bands=tuple(f"flag {d}".strip() for d in dates),
        classes={code: name for name, code in FLAGS.items()},
    )

    def window(rows: slice, columns: slice) -> np.ndarray:
        return flag.read(list(range(t)), [0], rows, columns)[:, 0]

    return write_windows(path.with_name(f"{path.stem}_flag{path.suffix}"), layer, (h, w), piece.geobox, window)


def _ruled(cube: xr.DataArray, rules: list[tuple[float, float]]) -> xr.DataArray:
    """The cube with its rule as CF tells it where all bands share one, else as coordinates of the bands."""
    about: dict[str, Any] = dict(cube.attrs)
    nodata = {float(v) for v in cube.coords["nodata"].values if math.isfinite(v)}
    everywhere = len(nodata) == 1 and bool(np.isfinite(cube.coords["nodata"].values).all())
    if everywhere:
        value = nodata.pop()
        about["_FillValue"] = int(value) if cube.dtype.kind in "iu" else value
    if len(set(rules)) == 1:
        if rules[0] != (1.0, 0.0):
            about |= {"scale_factor": rules[0][0], "add_offset": rules[0][1]}
        return cube.assign_attrs(about)
    told = {"scale": ("band", [r[0] for r in rules]), "offset": ("band", [r[1] for r in rules])}
    return cube.assign_coords(told).assign_attrs(about)
