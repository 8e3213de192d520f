"""What variables with CF attributes mean: axes, grid, dates, bands, missing values. Files are read elsewhere.

Source: CF Metadata Conventions 1.11 (sections 2.5 missing data, 4 coordinate types, 5.6 grid mappings, 8.1 packing).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.array import Plane, Reader, Variable, VariableSource
from swath.cube.axes import Axis, decode_times, regular, role
from swath.cube.cf_bands import Roles, attribute, bands_of
from swath.cube.geolocation import fitted
from swath.cube.layer import FileBand, Layer
from swath.cube.own import restore
from swath.cube.projection import find_crs, transform_attribute
from swath.errors import FormatError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["describe", "layers"]

_NOT_BANDS = ("bnds", "bounds", "vertices")


def layers(variables: Mapping[str, Variable], attrs: Mapping[str, Any], reader: Reader, *, path: str) -> list[Layer]:
    """One Layer for each grid and set of dates among the variables; the one with most bands first.

    attrs: file-wide attributes. Raises FormatError, which names the variables, when none lies on rows and columns.
    """
    notes: list[str] = []
    problems: list[str] = []
    coordinates = _coordinates(variables, own="swath" in attrs)
    groups: dict[tuple[str, str], list[tuple[Variable, Roles]]] = {}
    for variable in variables.values():
        if shape := _shape_of(variable, variables, coordinates, notes):
            groups.setdefault((variable.dims[shape.y], variable.dims[shape.x]), []).append((variable, shape))
    if not groups:
        raise FormatError(
            rule="a scene has a variable with rows and columns",
            got=f"{path} with {describe(variables.values())}",
            remedy="name the file that holds the pictures, or give its dimensions the names y and x",
        )
    made = [
        layer
        for (y, x), members in groups.items()
        for layer in _layers_of_grid(y, x, members, variables, attrs, reader, tuple(notes), tuple(problems))
    ]
    return sorted(made, key=lambda layer: -len(layer.bands))


def describe(variables: Iterable[Variable], most: int = 12) -> str:
    """The variables and their shapes in words."""
    listed = [f"{v.name} {tuple(v.shape)} {v.dtype}" for v in variables]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more if listed else "no variables"


def _coordinates(variables: Mapping[str, Variable], *, own: bool = False) -> set[str]:
    """Names that are axes, bounds or grid mappings of others, hence no bands; in stores of our own also what tells of others
    (intervals of filled values).
    """
    keys: tuple[str, ...] = ("bounds", "grid_mapping", "coordinates", "cell_measures", "climatology")
    keys += ("ancillary_variables",) if own else ()
    names = {v.name for v in variables.values() if len(v.dims) == 1 and v.dims[0].rsplit("/", 1)[-1] == v.leaf}
    for variable in variables.values():
        for key in keys:
            words = str(attribute(variable.attrs.get(key, ""))).replace(":", " ").split()
            group = variable.name.rpartition("/")[0]
            for word in words:
                for full in (word.lstrip("/"), f"{group}/{word}"):
                    if full in variables:
                        names.add(full)
    return names


def _shape_of(
    variable: Variable, variables: Mapping[str, Variable], coordinates: set[str], notes: list[str]
) -> Roles | None:
    """The roles of the variable's dims, None when it is no band."""
    if variable.name in coordinates or len(variable.dims) < 2 or variable.dtype.kind not in "iufbc":
        return None
    if 0 in variable.shape or any(part in variable.dims[-1].lower() for part in _NOT_BANDS):
        return None
    roles = [role(dim, variables.get(dim.lstrip("/"))) for dim in variable.dims]
    if roles.count("y") == 1 and roles.count("x") == 1:
        y, x = roles.index("y"), roles.index("x")
    elif "y" not in roles and "x" not in roles and min(variable.shape[-2:]) > 1:
        y, x = len(roles) - 2, len(roles) - 1
        notes.append(f"{variable.name}: no axis says which it is; the last two were taken as rows and columns")
    else:
        return None
    if role("", variable) in ("x", "y") or variable.leaf.lower() in ("lat", "lon", "latitude", "longitude"):
        return None
    time = roles.index("time") if "time" in roles else None
    if time is not None and variable.shape[time] > 1:
        axis = variables.get(variable.dims[time].lstrip("/"))
        if axis is None or axis.shape != (variable.shape[time],) or decode_times(axis.load(), axis.attrs) is None:
            notes.append(f"the dates on {variable.dims[time]} cannot be read: its steps open as bands")
            time = None
    extra = tuple(axis for axis in range(len(roles)) if axis not in (y, x, time))
    return Roles(y, x, time, extra)


def _layers_of_grid(
    y: str,
    x: str,
    members: list[tuple[Variable, Roles]],
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    reader: Reader,
    notes: tuple[str, ...],
    problems: tuple[str, ...],
) -> list[Layer]:
    """Layers that share rows and columns: one for each time axis; variables without dates go with the first."""
    size_y, size_x = members[0][0].shape[members[0][1].y], members[0][0].shape[members[0][1].x]
    grid = _Grid.of(members[0][0], y, x, (size_y, size_x), variables, attrs)
    by_time: dict[str, list[tuple[Variable, Roles]]] = {}
    for variable, shape in members:
        key = "" if shape.time is None else variable.dims[shape.time]
        by_time.setdefault(key, []).append((variable, shape))
    timeless = by_time.pop("", [])
    found = []
    if not by_time:
        by_time = {"": []}
    for number, (dim, dated) in enumerate(by_time.items()):
        still = timeless if number == 0 else []
        said = list(notes) + list(grid.notes)
        if dim and still:
            said.append(f"{', '.join(v.leaf for v, _ in still)}: without dates, repeated on every date")
        found.append(_layer([*dated, *still], dim, grid, variables, attrs, reader, said, [*problems, *grid.problems]))
    return found


def _layer(
    members: list[tuple[Variable, Roles]],
    time_dim: str,
    grid: _Grid,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    reader: Reader,
    notes: list[str],
    problems: list[str],
) -> Layer:
    planes: list[Plane] = []
    bands: list[FileBand] = []
    for variable, shape in members:
        for plane, band in bands_of(variable, shape, variables, alone=len(members) == 1):
            planes.append(plane)
            bands.append(band)
    time, dates = _dates(members, time_dim, variables, attrs, notes, problems)
    dtype = np.result_type(*[np.dtype(p.dtype) for p in planes])
    source = VariableSource(
        reader=reader,
        planes=tuple(planes),
        shape=(len(dates), len(planes), *grid.shape),
        dtype=dtype,
        dates=dates,
        flip_y=grid.y.descending is False and grid.y.known,
        flip_x=grid.x.descending is True and grid.x.known,
        roll=grid.roll,
    )
    tags = {str(k): str(attribute(v))[:2000] for k, v in attrs.items() if not str(k).startswith("_")}
    layer = Layer(
        source=source, geobox=grid.geobox, bands=_unique(bands), time=time, tags=tags,
        notes=tuple(dict.fromkeys(notes)), problems=tuple(dict.fromkeys(problems)),
    )  # fmt: skip
    return restore(layer, members[0][0].name, variables, attrs) if len(members) == 1 else layer


def _unique(bands: list[FileBand]) -> tuple[FileBand, ...]:
    """Bands whose names differ: a name that returns gets its number."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    out = []
    for band in bands:
        count = seen.get(band.name, 0)
        seen[band.name] = count + 1
        out.append(band if not count else replace(band, name=f"{band.name}_{count + 1}"))
    return tuple(out)


def _dates(
    members: list[tuple[Variable, Roles]],
    time_dim: str,
    variables: Mapping[str, Variable],
    attrs: Mapping[str, Any],
    notes: list[str],
    problems: list[str],
) -> tuple[np.ndarray | None, tuple[int, ...]]:
    """The dates and their positions in the file, sorted; without a readable axis the variable's dates stay unknown."""
    if not time_dim:
        return _scalar_time(variables, attrs, notes), (0,)
    count = next(v.shape[s.time] for v, s in members if s.time is not None)
    axis = variables.get(time_dim.lstrip("/"))
    times = decode_times(axis.load(), axis.attrs) if axis is not None and axis.shape == (count,) else None
    if times is None:  # of one step only: more of them have become bands
        return None, (0,)
    known = np.flatnonzero(~np.isnat(times))
    if len(known) < count:
        problems.append(f"{count - len(known)} of {count} dates are missing: left out")
    order = known[np.argsort(times[known], kind="stable")]
    if (np.diff(order) < 0).any():
        notes.append("dates were out of order: sorted")
    return times[order], tuple(int(i) for i in order)


def _scalar_time(variables: Mapping[str, Variable], attrs: Mapping[str, Any], notes: list[str]) -> np.ndarray | None:
    """The one date of a file without a time axis: a scalar time variable, else the file-wide coverage."""
    for name in ("valid_time", "time", "t"):
        variable = variables.get(name)
        if variable is not None and variable.shape in ((), (1,)):
            times = decode_times(np.atleast_1d(variable.load()), variable.attrs)
            if times is not None and not np.isnat(times).any():
                return times
    begin, end = (attribute(attrs.get(f"time_coverage_{part}", "")) for part in ("start", "end"))
    first, last = _text_time(begin), _text_time(end)
    if first is None:
        return None
    if last is not None and last - first > np.timedelta64(1, "D"):
        notes.append(f"covers {begin} to {end}: no single date")
        return None
    return np.array([first], dtype="datetime64[ns]")


def _text_time(text: object) -> np.datetime64 | None:
    try:
        found = np.datetime64(str(text).strip().removesuffix("Z"), "ns") if text else None
    except ValueError:
        return None
    return None if found is None or np.isnat(found) else found


@dataclass(frozen=True)
class _Grid:
    """Where a pair of dims lies on the Earth."""

    shape: tuple[int, int]
    geobox: GeoBox | None
    y: Axis
    x: Axis
    roll: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @staticmethod
    def of(
        variable: Variable,
        y: str,
        x: str,
        shape: tuple[int, int],
        variables: Mapping[str, Variable],
        attrs: Mapping[str, Any],
    ) -> _Grid:
        """The grid from the axes' numbers, else from a transform somewhere in the attributes."""
        from affine import Affine
        from odc.geo.geobox import GeoBox

        notes: list[str] = []
        crs, mapping = find_crs(variable, variables, attrs, (y, x), notes)
        axis_y, axis_x = (regular(variables.get(dim.lstrip("/")), size) for dim, size in ((y, shape[0]), (x, shape[1])))
        affine: Affine | None = None
        roll = 0
        if axis_y.known and axis_x.known:
            step = transform_attribute(variable, mapping, attrs)
            axis_y, axis_x = (
                axis_y.stepped(abs(step.e) if step else None),
                axis_x.stepped(abs(step.a) if step else None),
            )
            if crs is not None and crs.is_geographic:
                axis_x, roll = axis_x.west_to_east(shape[1], notes)
            factor = mapping.factor if mapping else 1.0
            left, top = axis_x.first - axis_x.step / 2, axis_y.last + axis_y.step / 2
            affine = Affine(axis_x.step * factor, 0, left * factor, 0, -axis_y.step * factor, top * factor)
            if axis_y.descending is False:
                notes.append("rows run south to north in the file: turned north up")
            if axis_x.descending:
                notes.append("columns run east to west in the file: turned")
        elif (found := transform_attribute(variable, mapping, attrs)) is not None:
            affine = found
        problems = [p for p in (axis_y.problem, axis_x.problem) if p]
        if affine is None and (box := fitted(variables, (y, x), notes, problems)) is not None:
            return _Grid(shape, box, axis_y, axis_x, 0, tuple(notes), tuple(problems))
        if affine is None:
            if crs is not None or problems:
                problems.append("no regular grid: opened as plain pixels")
            return _Grid(shape, None, axis_y, axis_x, 0, tuple(notes), tuple(problems))
        box = GeoBox(shape, affine, str(crs.to_wkt()) if crs is not None else None)
        return _Grid(shape, box, axis_y, axis_x, roll, tuple(notes), tuple(problems))
