"""Write arrays and cubes: Cloud-Optimised GeoTIFF for rasters, Zarr for cubes; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np

import swath
from swath.cube import contract
from swath.cube.blocks import BlockFile, Layer, fsync_folder, refuse
from swath.errors import FormatError, GridError

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["layer_of", "save", "save_array", "style", "write_text", "write_windows"]

Colour = tuple[int, int, int]


def save_array(values: np.ndarray, path: str | os.PathLike[str], *, grid: GeoBox | None, layer: Layer) -> Path:
    """Write (bands, H, W) or (H, W) of stored numbers as a COG: 512 blocks, deflate, overviews.

    layer: type, nodata, band names, tags and colours (its name is not used). Where it has classes, a QGIS style is
    written beside the file. Raises OutputError (no room, not writable) and GridError (shape against grid).
    """
    values = np.asarray(values)
    values = values[None] if values.ndim == 2 else values
    if grid is not None and tuple(grid.shape) != values.shape[-2:]:
        raise GridError(
            rule="an array has the shape of its grid",
            got=f"{values.shape[-2:]} on {tuple(grid.shape)}",
            remedy="cut both alike",
        )
    if len(layer.bands) != len(values):
        layer = replace(layer, bands=tuple(f"band {i + 1}" for i in range(len(values))))
    shape = (values.shape[-2], values.shape[-1])
    return write_windows(Path(path), layer, shape, grid, lambda rows, columns: values[:, rows, columns])


def save(
    cube: xr.DataArray,
    path: str | os.PathLike[str],
    *,
    name: str = "values",
    tags: Mapping[str, str] | None = None,
    classes: Mapping[int, str] | None = None,
    colours: Mapping[int, Colour] | None = None,
    compress: Literal["DEFLATE", "ZSTD"] = "DEFLATE",
) -> Path:
    """Write a cube, window by window: `.zarr` as a Zarr store (with its dates and flags), anything else as a COG.

    In a COG each band says its name (and date, where there are several), units and wavelength; pixels whose flag is not
    usable are written as they are. classes {code: name} and colours {code: (r, g, b)}: for cubes of classes. compress:
    of a COG, as in `Layer`.
    Raises OutputError (no room, not writable) and whatever reading the cube raises.
    """
    path = Path(path)
    contract.validate(cube)
    if "y" not in cube.dims or "draw" in cube.dims:
        raise FormatError(
            rule="a raster has rows and columns, and no draws", got=str(cube.dims), remedy="save draws one by one"
        )
    if path.suffix == ".zarr":
        from swath.cube.save_zarr import save_zarr

        return save_zarr(cube, path, name=name, tags=tags or {})
    layer = layer_of(cube, name=path.stem, tags=tags or {}, classes=classes or {}, colours=colours or {})
    layer = replace(layer, compress=compress)
    shape = (cube.sizes["y"], cube.sizes["x"])

    def window(rows: slice, columns: slice) -> np.ndarray:
        part = np.asarray(cube.variable.isel(y=rows, x=columns).values)
        return part.reshape(-1, *part.shape[-2:])

    return write_windows(path, layer, shape, contract.grid(cube), window)


def layer_of(
    cube: xr.DataArray,
    *,
    name: str,
    tags: Mapping[str, str] | None = None,
    classes: Mapping[int, str] | None = None,
    colours: Mapping[int, Colour] | None = None,
) -> Layer:
    """What a COG of this cube says of itself: bands, dates, quantities, units, wavelengths (nm), nodata."""
    c = cube.coords
    dates = [str(t)[:19] for t in c["time"].values.astype("datetime64[s]")] if "time" in cube.dims else [""]
    names = [str(b) for b in c["band"].values]
    units = {str(u) for u in c["units"].values}
    several = len(dates) > 1
    about = []
    for date in dates:
        for i, band in enumerate(names):
            facts = {"band": band, "quantity": str(c["quantity"].values[i]), "units": str(c["units"].values[i])}
            for key in ("wavelength", "fwhm", "gsd"):
                if np.isfinite(value := float(c[key].values[i])):
                    facts[key] = f"{value:g}"
            about.append(facts | ({"date": date} if date else {}))
    stored = [float(v) for v in c["nodata"].values]
    nodata = stored[0] if len(set(stored)) == 1 and np.isfinite(stored[0]) else None
    nodata = float("nan") if cube.dtype.kind == "f" else nodata
    all_tags = {"swath": swath.__version__, **({"dates": " ".join(dates)} if dates != [""] else {})}
    all_tags |= {k: str(cube.attrs[k]) for k in ("sensor", "long_name", "resampling", "simulated") if cube.attrs.get(k)}
    return Layer(
        name=name,
        dtype=str(cube.dtype),
        nodata=nodata,
        bands=tuple(f"{band} {date}" if several else band for date in dates for band in names),
        units=units.pop() if len(units) == 1 else "",
        tags=all_tags | dict(tags or {}),
        band_tags=tuple(about),
        classes=dict(classes or {}),
        colours=dict(colours or {}),
    )


def write_windows(path: Path, layer: Layer, shape: tuple[int, int], grid: GeoBox | None, window: Any) -> Path:
    """Write `window(rows, columns)` -> (bands, rows, columns) of stored numbers as a COG, block by block.

    Fill a file aside, copy it to a COG aside, rename: nothing under the final name before it is whole. Raises OutputError.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    ready = path.with_name(f".{path.name}.{os.getpid()}.tif")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refuse(error, path.parent) from error
    layer = replace(layer, tags={"swath": swath.__version__, **layer.tags})
    try:
        file = BlockFile(aside, layer, shape, create=True)
        try:
            step = max(64, min(512, int((64 << 20) / (file.count * file.dtype.itemsize * 512)) // 64 * 64))
            for i in range(0, shape[0], step):
                for j in range(0, shape[1], 512):
                    rows, columns = slice(i, min(shape[0], i + step)), slice(j, min(shape[1], j + 512))
                    file.write(rows, columns, window(rows, columns))
            file.publish(ready, grid)
        finally:
            file.close()
        os.replace(ready, path)
        fsync_folder(path.parent)
    except OSError as error:
        raise refuse(error, path) from error
    finally:
        for left in path.parent.glob(f".{path.name}.{os.getpid()}.*"):
            left.unlink(missing_ok=True)
    if layer.classes or layer.colours:
        write_text(path.with_suffix(".qml"), style(layer))
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a small text file whole: aside, on the disk, then renamed. Raises OutputError."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(aside, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        fsync_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise refuse(error, path) from error
    return path


def style(layer: Layer) -> str:
    """A QGIS style (.qml): one entry with name and colour for each class."""
    root = ElementTree.Element("qgis", version="3.0")
    pipe = ElementTree.SubElement(root, "pipe")
    render = ElementTree.SubElement(pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1")
    table = ElementTree.SubElement(render, "colorPalette")
    for code in sorted({*layer.classes, *layer.colours}):
        if code == layer.nodata:
            continue
        r, g, b = layer.colours.get(code, (128, 128, 128))
        label = layer.classes.get(code, str(code))
        ElementTree.SubElement(
            table, "paletteEntry", value=str(code), color=f"#{r:02x}{g:02x}{b:02x}", label=label, alpha="255"
        )
    ElementTree.indent(root)
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        + ElementTree.tostring(root, encoding="unicode")
        + "\n"
    )
