"""The Source that lies under a cube: what was opened and not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import sources, stack
from swath.cube.lazy import ArraySource, Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["source_of"]

_DIMS = ("time", "band", "y", "x")


def source_of(cube: xr.DataArray, flag: bool = False) -> Source | None:
    """The Source under a cube's values, or under its flags (None without): what was lazily opened, not read."""
    if flag and "flag" not in cube.coords:
        return None
    variable = cube.coords["flag"].variable if flag else cube.variable
    found = _under(variable)
    return stack.CubeSource(cube, flag) if found is None else found


def _under(variable: Any) -> Source | None:
    """The Source of a variable, where it is a lazy part of one; None otherwise."""
    data = variable._data
    if isinstance(data, np.ndarray):
        usual = variable.dims == tuple(d for d in _DIMS if d in variable.dims)
        return ArraySource(data.reshape(tuple(variable.sizes.get(d, 1) for d in _DIMS))) if usual else None
    for _ in range(6):  # layers of copying and caching around the lazy array
        if type(data).__name__ == "LazilyIndexedArray":
            break
        data = getattr(data, "array", None)
    else:
        return None
    inner = getattr(data, "array", None)
    if inner is None or type(inner).__name__ != "_Backend":
        return None
    source: Source = inner.__reduce__()[1][0]
    parts = [_range(k, n) for k, n in zip(data.key.tuple, source.shape, strict=True)]
    if any(p is None for p in parts) or any(p.step != 1 for p in parts[2:] if p is not None):
        return None
    dates, bands, rows, columns = (range(0) if p is None else p for p in parts)
    if all(len(p) == n and p.step == 1 for p, n in zip((dates, bands, rows, columns), source.shape, strict=True)):
        return source
    return sources.Part.of(
        source,
        dates=tuple(dates),
        bands=tuple(bands),
        rows=(rows.start, rows.stop),
        columns=(columns.start, columns.stop),
    )


def _range(key: Any, size: int) -> range | Any:
    if isinstance(key, (int, np.integer)):
        return range(int(key), int(key) + 1)
    if isinstance(key, slice):
        return range(*key.indices(size))
    values = np.asarray(key)
    steps = np.diff(values)
    if values.ndim == 1 and len(values) and (len(steps) == 0 or bool((steps == steps[0]).all() and steps[0] > 0)):
        step = int(steps[0]) if len(steps) else 1
        return range(int(values[0]), int(values[-1]) + 1, step)
    return None
