"""What `prepare` makes of its scenes: pictures, indices, composites and counts of dates, as runs over windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from swath.errors import BandError, SwathError, UnitError
from swath.tools.scenes import Opened

if TYPE_CHECKING:
    import xarray as xr

    from swath.batch import Batch
    from swath.cube.blocks import Layer
    from swath.cube.composite import How
    from swath.cube.index import Indices

__all__ = ["ALLOW", "Maker", "Piece", "Series", "Todo", "as_piece", "pieces_of"]

_SEES_CLOUDS = {"reflectance", "toa_reflectance", "radiance", "digital_number"}
ALLOW = ("snow",)  # flags whose pixels count


@dataclass(frozen=True)
class Maker:
    """The values, indices and counts of one window: what `predict.run` calls. names: layer of each, "" for none."""

    cube: str
    names: tuple[str, str, str]
    how: How | None = None
    indices: Indices | None = None
    judges: tuple[int, ...] | None = None

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """{layer: (1, bands, H, W)} of a Batch with one example."""
        from swath.cube import composite

        pixels = batch.pixels[self.cube]
        values, valid = pixels.values[0], pixels.valid[0]
        picture, index, count = self.names
        made: np.ndarray
        if self.how == "median":
            made = composite.median(values, valid)
        elif self.how == "clearest":
            made = composite.clearest(values, valid, self.judges)[0]
        else:
            made = np.where(valid[0], values[0], np.nan).astype(np.float32)
        out = {picture: made[None]} if picture else {}
        if self.indices is not None and index:
            if self.how == "median":
                # a date at a time: formulas work in double precision, and a window of all dates would be large
                whole = zip(values, valid, strict=True)
                dated = np.concatenate([self.indices(np.where(ok, date, np.nan)[None]) for date, ok in whole])
                out[index] = composite.median(dated, np.isfinite(dated))[None]
            else:
                out[index] = self.indices(made[None])
        if count:
            out[count] = composite.count(valid)[None, None]
        return out


@dataclass(frozen=True)
class Piece:
    """One run over windows: a cube, what is made of it, and the layers with the folder each goes to."""

    name: str
    cube: xr.DataArray
    maker: Maker
    layers: tuple[Layer, ...]
    folders: tuple[str, ...]
    kinds: tuple[str, ...]
    date: str
    dates: int


@dataclass(frozen=True)
class Series:
    """A cube of several dates to be written as one Zarr store."""

    name: str
    cube: xr.DataArray
    folder: str
    kind: str


@dataclass
class Todo:
    """All that is to be written, and what was assumed or could not be made."""

    pieces: list[Piece] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pieces_of(opened: Opened, index: str | None, how: How | None, every: str | None) -> Todo:
    """Everything that is to be written. Raises what `prepare` raises for indices and composites."""
    todo = Todo(notes=[*opened.notes])
    made = {} if index is None else _indices(opened.cubes, index, todo.notes)
    for name, cube in opened.cubes.items():
        indices = made.get(name)
        if how is not None:
            if "flag" not in cube.coords and {str(q) for q in cube.coords["quantity"].values} & _SEES_CLOUDS:
                todo.notes.append(f"{name}: no mask of clouds came with the scenes; the composite is of all dates")
            todo.pieces += _composites(name, cube, how, every, indices)
        elif index is None or indices is not None:
            _plain(todo, name, cube, indices)
    return todo


def _indices(cubes: Mapping[str, xr.DataArray], index: str, notes: list[str]) -> dict[str, Indices]:
    """{cube: the indices that its bands allow}. An index that no cube allows is refused; where one does not, a note."""
    from swath.cube.contract import bands_of
    from swath.cube.formula import parse
    from swath.cube.index import plan

    found: dict[str, list[str]] = {name: [] for name in cubes}
    for asked, given in parse(index):
        text = asked + (f"[{' '.join(f'{k}={v}' for k, v in given.items())}]" if given else "")
        refusals: dict[str, SwathError] = {}
        for name, cube in cubes.items():
            try:
                plan(bands_of(cube), [text], dtype=str(cube.dtype))
                found[name].append(text)
            except (BandError, UnitError) as error:
                refusals[name] = error
        if len(refusals) == len(cubes):
            raise next((e for e in refusals.values() if isinstance(e, UnitError)), next(iter(refusals.values())))
        notes += [f"{name}: no {text} from it: {error.got}" for name, error in refusals.items()]
    return {
        name: plan(bands_of(cubes[name]), texts, dtype=str(cubes[name].dtype)) for name, texts in found.items() if texts
    }


def _plain(todo: Todo, name: str, cube: xr.DataArray, indices: Indices | None) -> None:
    """A scene of one date as a raster, of several as a Zarr store; its indices where they are asked for."""
    from swath.cube.index import compute

    folder = "" if indices is None else "index"
    kind = "values" if indices is None else "index"
    if cube.sizes.get("time", 1) > 1 or cube.dtype.kind in "iu":
        made = cube if indices is None else compute(cube, list(indices.titles))
        todo.series.append(Series(_plain_name(name), made, folder, kind))
        return
    if "flag" in cube.coords:
        todo.notes.append(f"{name}: pixels under cloud or shadow are no data in the file")
    day = str(cube.coords["time"].values[0])[:10] if "time" in cube.dims else ""
    title = f"{_plain_name(name)}_{day}" if day else _plain_name(name)
    layer = _layer(cube, title, indices, {"date": day} if day else {})
    names = (title, "", "") if indices is None else ("", title, "")
    maker = Maker(name, names, None, indices)
    todo.pieces.append(Piece(name, cube, maker, (layer,), (folder,), (kind,), day, 1))


def _composites(name: str, cube: xr.DataArray, how: How, every: str | None, indices: Indices | None) -> Iterator[Piece]:
    from swath.cube.blocks import Layer
    from swath.earth.time import bins

    if "time" not in cube.dims:
        raise SwathError(
            rule="a composite needs scenes whose dates are known",
            got=f"{name} without a date",
            remedy="put the date into the file's name (NAME_2020-06-01.tif) or its tags",
        )
    quantities = [str(q) for q in cube.coords["quantity"].values]
    if "class" in quantities:
        raise UnitError(
            rule="composites are made of measurements", got=f"classes in {name}", remedy="leave that band out (--bands)"
        )
    commonest = max(dict.fromkeys(quantities), key=quantities.count)
    judges = tuple(i for i, q in enumerate(quantities) if q == commonest)
    for start, group in bins(cube.coords["time"].values, every):
        part = cube.isel(time=group)
        used = [str(t)[:10] for t in part.coords["time"].values]
        day = str(start)[:10]
        stem = f"{_plain_name(name)}_{how}_{day}"
        tags = {"date": day, "composite": how, "dates_used": " ".join(used)}
        names = (stem, f"{stem}_index" if indices is not None else "", f"{stem}_count")
        layers = [_layer(part, stem, None, tags)]
        if indices is not None:
            layers.append(_layer(part, names[1], indices, tags))
        about = {"band": "count", "quantity": "count", "units": "1", "date": day}
        layers.append(
            Layer(names[2], "uint16", None, ("count",), "1", tags=tags, band_tags=(about,), overview="nearest")
        )
        folders = (how, *(("index",) if indices is not None else ()), "count")
        kinds = (f"{how} of {len(used)} dates", *(("index",) if indices is not None else ()), "dates used")
        maker = Maker(name, names, how, indices, judges)
        yield Piece(name, part, maker, tuple(layers), folders, kinds, day, len(used))


def _layer(cube: xr.DataArray, stem: str, indices: Indices | None, tags: dict[str, str]) -> Layer:
    """The raster of a picture or of its indices: float32, or whole numbers where they have no unit."""
    from swath.cube.index import compute
    from swath.cube.save import layer_of

    one = cube.isel(time=0, drop=True) if "time" in cube.dims else cube
    if indices is not None:
        return layer_of(compute(one, list(indices.titles)), name=stem, tags=tags)
    layer = layer_of(one, name=stem, tags=tags)
    if cube.dtype.kind == "f":
        return replace(layer, dtype="float32", nodata=float("nan"))
    if layer.nodata is not None and cube.dtype.kind in "iu":
        return layer
    wider = np.dtype("int16" if cube.dtype.itemsize == 1 else "int32")
    return replace(layer, dtype=wider.name, nodata=float(np.iinfo(wider).min))


def _plain_name(name: str) -> str:
    """A file stem: letters, digits, dash, dot and underscore."""
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name)


def as_piece(series: Series) -> Piece:
    """One date of a series, for measuring."""
    cube = series.cube.isel(time=[0]) if "time" in series.cube.dims else series.cube
    maker = Maker(series.name, (series.name, "", ""))
    layer = _layer(cube, series.name, None, {})
    return Piece(series.name, cube, maker, (layer,), ("",), ("",), "", 1)
