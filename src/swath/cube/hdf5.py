"""HDF5 files that are no NetCDF: HDF-EOS5 grids (VIIRS), PRISMA, and single datasets chosen by name (FILE#DATASET)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import cf, eosgrid, prisma
from swath.cube.array import Plane, Variable, VariableSource
from swath.cube.layer import FileBand, Layer
from swath.cube.netcdf import HDF5, HDFReader, damaged, hdf_variables
from swath.errors import FormatError

if TYPE_CHECKING:
    import h5py

__all__ = ["claims", "read"]

_SUFFIXES = (".h5", ".hdf5", ".he5", ".hdf")
_STAMP = re.compile(r"(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2}))?(?!\d)")


def claims(path: str) -> bool:
    """Whether this is an HDF5 file, with or without #DATASET behind it."""
    file = _split(path)[0]
    if "://" in file or not os.path.isfile(file):
        return False
    with open(file, "rb") as opened:
        start = opened.read(8)
    return start == HDF5 or (file.lower().endswith((".h5", ".hdf5", ".he5")) and start[:4] != b"\x0e\x03\x13\x01")


def _split(path: str) -> tuple[str, str]:
    file, mark, inner = path.rpartition("#")
    return (file, inner) if mark and not os.path.exists(path) else (path, "")


def read(path: str) -> list[Layer]:
    """Layers of an HDF5 file with grids, or of the dataset named behind #.

    Raises FormatError, naming the datasets, when the file has no grid and none was chosen.
    """
    file, inner = _split(path)
    file = os.path.abspath(file)
    with open(file, "rb") as opened:
        if opened.read(8) != HDF5:
            raise damaged(file, "it does not start like HDF5")
    found, attrs, structure, dimensioned = _content(file)
    if inner:
        return [_chosen(file, inner.strip("/"), found)]
    if prisma.is_prisma(found):
        return prisma.layers(found, attrs, HDFReader(file), path=file)
    if structure:
        layers = eosgrid.layers(structure, found, attrs, HDFReader(file), path=file, five=True)
        if layers:
            return layers
    if dimensioned:  # dimension scales: the file is NetCDF-4 in all but name
        variables, root = hdf_variables(file)
        try:
            return cf.layers(variables, root, HDFReader(file), path=file)
        except FormatError:
            pass  # the refusal below names the datasets and how to choose one
    pictures = [v for v in found.values() if len(v.shape) in (2, 3, 4) and v.dtype.kind in "iuf" and min(v.shape) > 0]
    if len(pictures) == 1:
        return [_chosen(file, pictures[0].name, found)]
    raise FormatError(
        rule="an HDF5 file tells which of its datasets lie on which grid, or one is chosen",
        got=f"{file} with {cf.describe(found.values())}",
        remedy=f"choose one, such as '{os.path.basename(file)}#{pictures[0].name}'"
        if pictures
        else "it holds no picture",
    )


def _content(path: str) -> tuple[dict[str, Variable], dict[str, Any], str, bool]:
    """All datasets by full name, the root's attributes, HDF-EOS structure text, whether there are dimension scales."""
    import h5py

    reader = HDFReader(path)
    found: dict[str, Variable] = {}
    structure: list[str] = []
    scales = False

    def visit(name: str, thing: Any) -> None:
        nonlocal scales
        if not isinstance(thing, h5py.Dataset):
            return
        if name.rsplit("/", 1)[-1].startswith("StructMetadata"):
            structure.append(_text(thing))
            return
        scales = scales or "DIMENSION_LIST" in thing.attrs
        found[name] = _variable(name, thing, reader)

    try:
        with h5py.File(path, "r") as file:
            attrs = {str(k): v for k, v in file.attrs.items()}
            file.visititems(visit)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise damaged(path, error) from error
    return found, attrs, "".join(structure), scales


def _text(dataset: h5py.Dataset) -> str:
    value = dataset[()]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _variable(name: str, dataset: h5py.Dataset, reader: HDFReader) -> Variable:
    shape = tuple(int(n) for n in dataset.shape or ())
    return Variable(
        name=name,
        dims=tuple(f"{name}:{axis}" for axis in range(len(shape))),
        shape=shape,
        dtype=np.dtype(dataset.dtype),
        attrs={str(k): dataset.attrs[k] for k in dataset.attrs if k not in ("DIMENSION_LIST", "REFERENCE_LIST")},
        load=lambda: reader.read(name, tuple(slice(0, n) for n in shape)),
    )


def _chosen(path: str, name: str, found: Mapping[str, Variable]) -> Layer:
    """One dataset on plain pixels: (H, W), (B, H, W) or (H, W, B) by the smallest axis, (T, B, H, W)."""
    if name not in found:
        raise FormatError(
            rule="the dataset behind # exists", got=f"{path}#{name}", remedy=f"it has {cf.describe(found.values())}"
        )
    variable = found[name]
    shape = variable.shape
    if len(shape) not in (2, 3, 4) or variable.dtype.kind not in "iuf" or min(shape) < 1:
        raise FormatError(
            rule="a picture has two to four axes of numbers",
            got=f"{path}#{name} of shape {shape} and type {variable.dtype}",
            remedy="choose another dataset",
        )
    time, band, y, x = _axes(shape)
    count = shape[band] if band is not None else 1
    dates = _dates(variable, shape[time], found) if time is not None else None
    notes = [f"{name}: plain pixels, no grid is told"]
    steps = shape[time] if time is not None else 1
    order = tuple(range(steps))
    if time is not None and dates is None:
        notes.append(f"the {steps} dates are not told: they open as bands")
    elif dates is not None:
        order = tuple(int(i) for i in np.argsort(dates, kind="stable"))
        notes.append(f"dates from the product names in {_names_of(variable, steps, found)}")
    planes, bands = _planes(variable, (time, band, y, x), count, steps if dates is None else 1, dates is not None)
    length = len(order) if dates is not None else 1
    source = VariableSource(
        HDFReader(path), planes, (length, len(planes), shape[y], shape[x]), variable.dtype.newbyteorder("="),
        order if dates is not None else (0,),
    )  # fmt: skip
    return Layer(source, None, bands, dates[list(order)] if dates is not None else None, notes=tuple(notes))


def _axes(shape: tuple[int, ...]) -> tuple[int | None, int | None, int, int]:
    if len(shape) == 4:
        return 0, 1, 2, 3
    if len(shape) == 2:
        return None, None, 0, 1
    return (None, 2, 0, 1) if shape[2] < min(shape[:2]) else (None, 0, 1, 2)


def _planes(
    variable: Variable, axes: tuple[int | None, int | None, int, int], count: int, steps: int, dated: bool
) -> tuple[tuple[Plane, ...], tuple[FileBand, ...]]:
    time, band, y, x = axes
    planes, bands = [], []
    leaf = variable.leaf
    for step in range(steps):
        for number in range(count):
            fixed: tuple[tuple[int, int], ...] = ((time, step),) if time is not None and not dated else ()
            fixed += ((band, number),) if band is not None else ()
            planes.append(
                Plane(variable.name, y, x, time if dated else None, fixed, variable.dtype.newbyteorder("=").str)
            )
            name = f"{leaf}_{number + 1}" if count > 1 else leaf
            bands.append(FileBand(f"{name}_date{step + 1}" if steps > 1 else name))
    return tuple(planes), tuple(bands)


def _names_of(variable: Variable, steps: int, found: Mapping[str, Variable]) -> str:
    """The dataset of product names that goes with a dataset of pixels: as long, and named most alike."""
    texts = [v for v in found.values() if v.shape == (steps,) and v.dtype.kind in "OSU"]
    stem = variable.name.rsplit("-", 1)[0].rsplit("_", 1)[0]
    best = [v.name for v in texts if v.name.startswith(stem)]
    return best[0] if best else texts[0].name if len(texts) == 1 else ""


def _dates(variable: Variable, steps: int, found: Mapping[str, Variable]) -> np.ndarray | None:
    """Dates that stand in product names (20200105T103421), one for each step; None when there are none."""
    name = _names_of(variable, steps, found)
    if not name:
        return None
    out = []
    for value in found[name].load().ravel():
        match = _STAMP.search(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
        if not match:
            return None
        year, month, day, *clock = match.groups()
        out.append(f"{year}-{month}-{day}" + (f"T{clock[0]}:{clock[1]}:{clock[2]}" if clock[0] else ""))
    try:
        dates = np.array(out, dtype="datetime64[ns]")
    except ValueError:
        return None
    return dates if len(np.unique(dates)) == steps else None
