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
    for key in ("quantity", "units", "nodata"):
        variable = variables.get(key)
        if variable is not None and variable.dims == ("band",) and variable.shape == (len(layer.bands),):
            told[key] = np.asarray(variable.load())
    bands = []
    for i, band in enumerate(layer.bands):
        if "quantity" in told and str(told["quantity"][i]) in QUANTITIES:
            band = replace(band, quantity=str(told["quantity"][i]))
        if "units" in told:
            band = replace(band, units=str(told["units"][i]))
        if "nodata" in told and np.isfinite(float(told["nodata"][i])):
            band = replace(band, nodata=float(told["nodata"][i]))
        bands.append(band)
    sensor = str(values.attrs.get("sensor") or "") or layer.sensor
    return replace(layer, bands=tuple(bands), sensor=sensor, flag=_flag(layer.source, values, variables) or layer.flag)


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
