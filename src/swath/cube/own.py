"""What a Zarr store that swath wrote says beyond CF: sensor, quantity and units of each band, and the flag of each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from swath.cube.array import Plane, Variable, VariableSource
from swath.cube.contract import FLAGS, QUANTITIES
from swath.cube.layer import Layer

__all__ = ["restore"]


def restore(layer: Layer, name: str, variables: Mapping[str, Variable], attrs: Mapping[str, Any]) -> Layer:
    """The layer of variable `name` with its cube's own words; unchanged when another program wrote the store."""
    values = variables[name]
    if "swath" not in attrs or "band" not in values.dims or not isinstance(layer.source, VariableSource):
        return layer
    told: dict[str, np.ndarray] = {}
    for key in ("band", "quantity", "units", "nodata", "scale", "offset", "gsd", "common", "polarisation"):
        variable = variables.get(key)
        if variable is not None and variable.dims == ("band",) and variable.shape == (len(layer.bands),):
            told[key] = np.asarray(variable.load())
    bands = []
    for i, band in enumerate(layer.bands):
        if "quantity" in told and str(told["quantity"][i]) in QUANTITIES:
            band = replace(band, quantity=str(told["quantity"][i]))
        if "band" in told and told["band"].dtype.kind in "UO":
            name = str(told["band"][i])
            band = replace(band, name=name, description=band.description if band.name == name else name)
        if "gsd" in told and np.isfinite(float(told["gsd"][i])):
            band = replace(band, gsd=float(told["gsd"][i]))
        if "common" in told:
            band = replace(band, common=str(told["common"][i]))
        if "polarisation" in told:
            band = replace(band, polarisation=str(told["polarisation"][i]))
        if "units" in told:
            band = replace(band, units=str(told["units"][i]))
        if "nodata" in told and np.isfinite(float(told["nodata"][i])):
            band = replace(band, nodata=float(told["nodata"][i]))
        if "scale" in told and "offset" in told:
            band = replace(band, scale=float(told["scale"][i]), offset=float(told["offset"][i]))
        bands.append(band)
    sensor = str(values.attrs.get("sensor") or "") or layer.sensor
    layer, source = _on_its_grid(layer, layer.source, variables)
    flag = _flag(source, values, variables) or layer.flag
    kept = {k: values.attrs[k] for k in ("simulated", "resampling", "long_name") if values.attrs.get(k)}
    return replace(layer, bands=tuple(bands), sensor=sensor, flag=flag, attrs={**layer.attrs, **kept})


def _on_its_grid(
    layer: Layer, source: VariableSource, variables: Mapping[str, Variable]
) -> tuple[Layer, VariableSource]:
    """The layer (and its source) on the very grid that was written: rotated ones too, whose axes are pixel numbers."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    mapping, y, x = (variables.get(k) for k in ("spatial_ref", "y", "x"))
    if mapping is None and y is not None and x is not None and _counted(y) and _counted(x):
        notes = tuple(n for n in layer.notes if not n.startswith(("rows run", "columns run")))
        straight = replace(source, flip_y=False, flip_x=False, roll=0)
        return replace(layer, source=straight, geobox=None, notes=notes), straight
    numbers = str(mapping.attrs.get("GeoTransform", "")).split() if mapping is not None else []
    if len(numbers) != 6 or mapping is None or y is None or x is None or 0 in (*y.shape, *x.shape):
        return layer, source
    c, a, b, f, d, e = (float(v) for v in numbers)
    whole = Affine(a, b, c, d, e, f)
    rows, columns = np.asarray(y.load(), float), np.asarray(x.load(), float)
    size = (source.shape[2], source.shape[3])
    if abs(b) + abs(d) > 1e-12 * (abs(a) + abs(e)):
        steps = [float(v[-1] - v[0]) / (len(v) - 1) if len(v) > 1 else 1.0 for v in (rows, columns)]
        affine = whole @ Affine.translation(columns[0] - 0.5, rows[0] - 0.5) @ Affine.scale(steps[1], steps[0])
        straight = replace(source, flip_y=False, flip_x=False, roll=0)
        notes = tuple(n for n in layer.notes if not n.startswith(("rows run", "columns run")))
        box = GeoBox(size, affine, mapping.attrs.get("crs_wkt"))
        return replace(layer, source=straight, geobox=box, notes=notes), straight
    if layer.geobox is None:
        return layer, source
    there = np.array(tuple(layer.geobox.affine)[:6])
    near = np.abs(there - np.array(tuple(whole)[:6])) <= 1e-6 * np.array([1, 1, abs(a), 1, 1, abs(e)])
    return (replace(layer, geobox=GeoBox(size, whole, layer.geobox.crs)) if near.all() else layer), source


def _counted(axis: Variable) -> bool:
    """Whether an axis counts pixels from 0.5 on, as cubes without a georeference do."""
    values = np.asarray(axis.load())
    return values.ndim == 1 and values.size > 0 and bool((values == np.arange(values.size) + 0.5).all())


def _flag(source: VariableSource, values: Variable, variables: Mapping[str, Variable]) -> VariableSource | None:
    """The stored flag on the same dates, rows and columns, when its meanings are those of contract.FLAGS."""
    flag = variables.get("flag")
    dims = tuple(d for d in values.dims if d != "band")
    if flag is None or flag.dims != dims or str(flag.attrs.get("flag_meanings", "")).split() != list(FLAGS):
        return None
    plane = Plane("flag", dims.index("y"), dims.index("x"), dims.index("time") if "time" in dims else None)
    shape = (source.shape[0], 1, *source.shape[2:])
    kind = np.dtype(np.uint8)
    return replace(source, planes=(replace(plane, dtype=kind.str),), shape=shape, dtype=kind)
