"""A NumPy array with NAME.json beside it: the same keys as `swath info --json` prints. Memory-mapped, never pickled."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.layer import FileBand, Layer
from swath.errors import FormatError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["MappedSource", "claims", "open_array", "read"]

_AXES = ("time", "band", "y", "x")


def claims(path: str) -> bool:
    """Whether this is a .npy file."""
    return "://" not in path and path.lower().endswith(".npy") and os.path.isfile(path)


def open_array(path: str) -> np.ndarray:
    """The array, memory-mapped. Raises FormatError when it is pickled, damaged or holds no numbers."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy parses the header as Python text: damage raises of many kinds
        pickled = "pickle" in str(error).lower() or "python objects" in str(error).lower()
        raise FormatError(
            rule="an .npy file holds numbers, not Python objects" if pickled else "an .npy file must be whole",
            got=f"{path}: {'pickled objects, which could run code' if pickled else error}",
            remedy="save it again from a numeric array (numpy.save)" if pickled else "save or fetch it again",
        ) from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iufb":
        raise FormatError(
            rule="an .npy file holds real numbers",
            got=f"{path}, {getattr(values, 'dtype', type(values).__name__)}",
            remedy="save real and imaginary parts, or numbers for texts, as bands of their own",
        )
    return values


@dataclass(frozen=True)
class MappedSource:
    """A Source over an .npy file; opened by memory map at every window. axes: position of time, band, y, x or None."""

    path: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype
    axes: tuple[int | None, int | None, int, int]

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """A copy of the window."""
        values = open_array(self.path)
        index: list[Any] = [slice(None)] * values.ndim
        index[self.axes[2]], index[self.axes[3]] = rows, columns
        window = values[tuple(index)]
        order = [axis for axis in self.axes if axis is not None]
        window = window.transpose(order)
        for position, axis in enumerate(self.axes[:2]):
            if axis is None:
                window = np.expand_dims(window, position)
        return np.ascontiguousarray(window[list(dates)][:, list(bands)]).astype(self.dtype, copy=False)


def read(path: str) -> list[Layer]:
    """The layer of an .npy file. Raises FormatError when array and NAME.json do not agree."""
    path = os.path.abspath(path)
    values = open_array(path)
    facts, notes = _facts(path, values)
    sizes, axes = _axes(path, values, facts)
    source = MappedSource(path, sizes, _native(values.dtype), axes)
    time = _dates(path, facts, sizes[0])
    bands = _bands(path, facts, sizes[1])
    return [
        Layer(
            source=source,
            geobox=_geobox(path, facts, sizes[2:]),
            bands=bands,
            time=time,
            sensor=facts.get("sensor") or None,
            notes=tuple(notes),
        )
    ]


def _native(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def _facts(path: str, values: np.ndarray) -> tuple[dict[str, Any], list[str]]:
    side = os.path.splitext(path)[0] + ".json"
    if not os.path.exists(side):
        if values.ndim == 2:
            return {}, ["no JSON beside it: one band, no grid, no units"]
        raise FormatError(
            rule="an .npy file of more than two axes has NAME.json beside it that names them",
            got=f"{path} of shape {values.shape} without {os.path.basename(side)}",
            remedy='write it, for instance {"shape": {"band": 4, "y": 512, "x": 512}, "sensor": "naip"}; keys as in swath info --json',
        )
    try:
        with open(side, encoding="utf-8") as file:
            facts = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise _disagree(path, f"{os.path.basename(side)} is no JSON: {error}") from error
    if not isinstance(facts, dict):
        raise _disagree(path, f"{os.path.basename(side)} is no JSON object")
    return facts, []


def _disagree(path: str, got: str) -> FormatError:
    return FormatError(
        rule="an .npy file and its JSON must agree",
        got=f"{path}: {got}",
        remedy="mend the JSON (keys as in swath info --json)",
    )


def _axes(
    path: str, values: np.ndarray, facts: dict[str, Any]
) -> tuple[tuple[int, int, int, int], tuple[int | None, int | None, int, int]]:
    """Sizes (T, B, H, W) and the array's axis for each. The JSON's `shape` names the array's axes in order."""
    shape = facts.get("shape")
    if shape is None and values.ndim == 2:
        return (1, 1, *values.shape), (None, None, 0, 1)  # type: ignore[return-value]
    if not isinstance(shape, dict) or not set(shape) <= set(_AXES) or not {"y", "x"} <= set(shape):
        raise _disagree(path, f"shape is {shape!r}, wanted the sizes of time, band, y, x")
    try:
        sizes = {name: int(n) for name, n in shape.items()}
    except (TypeError, ValueError) as error:
        raise _disagree(path, f"shape is {shape!r}") from error
    names = [name for name in _AXES if name in sizes]
    if [sizes[n] for n in names] != list(values.shape):  # axes of one may be left out of the array
        names = [name for name in names if sizes[name] != 1 or name in "yx"]
    if [sizes[n] for n in names] != list(values.shape):
        raise _disagree(path, f"the array has shape {values.shape}, the JSON says {shape}")
    if min(values.shape) < 1:
        raise _disagree(path, f"shape {values.shape} holds no pixel")
    at = {name: axis for axis, name in enumerate(names)}
    whole = (sizes.get("time", 1), sizes.get("band", 1), sizes["y"], sizes["x"])
    return whole, (at.get("time"), at.get("band"), at["y"], at["x"])


def _dates(path: str, facts: dict[str, Any], count: int) -> np.ndarray | None:
    dates = facts.get("dates") or []
    if not dates and count == 1:
        return None
    try:
        found = np.array([str(d).removesuffix("Z").removesuffix("+00:00") for d in dates], dtype="datetime64[ns]")
    except ValueError as error:
        raise _disagree(path, f"dates are not ISO: {error}") from error
    if len(found) != count:
        raise _disagree(path, f"{len(found)} dates for {count} steps of time")
    return found


def _bands(path: str, facts: dict[str, Any], count: int) -> tuple[FileBand, ...]:
    listed = facts.get("bands") or [{"name": f"band{i + 1}"} for i in range(count)]
    if not isinstance(listed, list) or len(listed) != count:
        raise _disagree(path, f"{len(listed)} bands in the JSON, {count} in the array")
    listed = [{"name": band} if isinstance(band, str) else band for band in listed]
    if not all(isinstance(band, dict) and band.get("name") for band in listed):
        raise _disagree(path, "every band needs a name")

    def number(band: dict[str, Any], key: str) -> float | None:
        value = band.get(key)
        if value is None:
            return None
        try:
            found = float(value)
        except (TypeError, ValueError) as error:
            raise _disagree(path, f"{key} of {band['name']} is {value!r}, no number") from error
        return found if math.isfinite(found) else None

    return tuple(
        FileBand(
            name=str(band["name"]),
            wavelength=number(band, "wavelength_nm"),
            fwhm=number(band, "fwhm_nm"),
            scale=number(band, "scale"),
            offset=number(band, "offset"),
            nodata=number(band, "nodata"),
            quantity=band.get("quantity") or facts.get("quantity"),
            units=band.get("units") or facts.get("units"),
        )
        for band in listed
    )


def _geobox(path: str, facts: dict[str, Any], shape: Sequence[int]) -> GeoBox | None:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from swath.cube.projection import parse_crs

    transform = facts.get("transform")
    if transform is None:
        return None
    try:
        affine = Affine(*[float(v) for v in transform[:6]])
    except (TypeError, ValueError) as error:
        raise _disagree(path, f"transform is {transform!r}, wanted [a, b, c, d, e, f]") from error
    crs = parse_crs(facts["crs"]) if facts.get("crs") else None
    if facts.get("crs") and crs is None:
        raise _disagree(path, f"crs {facts['crs']!r} is not known")
    if not affine.determinant or not np.isfinite(list(affine)).all():
        raise _disagree(path, f"transform is {transform!r}, which has no area")
    return GeoBox((int(shape[0]), int(shape[1])), affine, crs.to_wkt() if crs is not None else None)
