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
    dates, bands, rows, columns = (_taken(k, n) for k, n in zip(data.key.tuple, source.shape, strict=True))
    whole = [list(range(n)) for n in source.shape]
    if [dates, bands, rows, columns] == whole:
        return source
    if any(span != list(range(span[0], span[0] + len(span))) for span in (rows, columns) if span):
        return None
    if not (dates and bands and rows and columns):
        return None
    return sources.Part.of(
        source,
        dates=dates,
        bands=bands,
        rows=(rows[0], rows[-1] + 1),
        columns=(columns[0], columns[-1] + 1),
    )


def _taken(key: Any, size: int) -> list[int]:
    """Which of `size` indices a key takes, in its order."""
    if isinstance(key, (int, np.integer)):
        return [int(key) % size]
    if isinstance(key, slice):
        return list(range(*key.indices(size)))
    return [int(k) % size for k in np.asarray(key).ravel().tolist()]
