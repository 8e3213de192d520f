"""Opening scenes: what a path holds, understood and made a cube that keeps the contract; nothing read until computed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import formats
from swath.cube.combine import join, share_flags
from swath.cube.dates import date_in, from_descriptions, from_tags
from swath.cube.flagged import split_quality
from swath.cube.gdal import is_remote
from swath.cube.guard import check_path
from swath.cube.identify import identify
from swath.cube.layer import Layer
from swath.cube.mask import kind_of
from swath.cube.scene import Piece, Scene, cube_of, gsd_of
from swath.cube.select import Outside, area_of, check_bands, cut, pick_bands, pick_dates
from swath.cube.settle import Settled, settle
from swath.cube.sources import Part, Physical
from swath.earth.recognise import find
from swath.earth.sensor import from_product_name, sensors
from swath.errors import BandError, FormatError, SwathError, UnitError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Scene", "gather", "layers_of", "once", "open", "understand"]

Paths = str | Path | Sequence[str | Path]


def open(
    paths: Paths,
    *,
    sensor: str | None = None,
    offset: float | None = None,
    scale: float | None = None,
    area: Any = None,
    dates: Any = None,
    bands: Any = None,
    safe: bool = False,
) -> xr.DataArray | dict[float, xr.DataArray]:
    """The cube of one scene, or of several of one sensor stacked over dates and mosaicked within a day.

    paths: files, folders, stores or URLs. sensor: key of sensors.toml. offset, scale: settle an ambiguity about units,
    physical = (stored + offset) x scale. area: vector file or west,south,east,north in degrees. dates: a date, month,
    year or FIRST/LAST. bands: names, colours or spyndex's letters. safe: read in a child process with limits.
    Returns a lazy DataArray that keeps the cube contract, or {gsd m: cube}, the finest first, for several native grids.
    Raises UnitError where units are ambiguous, FormatError, BandError and GridError as their texts say.

    >>> import swath
    >>> cube = swath.open("scene.tif", bands="red,nir")  # doctest: +SKIP
    """
    cubes = gather(
        paths, sensor=sensor, offset=offset, scale=scale, area=area, dates=dates, bands=bands, safe=safe
    )  # fmt: skip
    if len(cubes) > 1:
        raise SwathError(
            rule="swath.open opens scenes of one sensor",
            got=", ".join(cubes),
            remedy="open them apart, or use swath.cube.open.gather, which gives {sensor: cube}",
        )
    return next(iter(cubes.values()))


def gather(
    paths: Paths,
    *,
    sensor: str | None = None,
    offset: float | None = None,
    scale: float | None = None,
    area: Any = None,
    dates: Any = None,
    bands: Any = None,
    safe: bool = False,
    notes: list[str] | None = None,
) -> dict[str, xr.DataArray | dict[float, xr.DataArray]]:
    """{sensor: cube or {gsd: cube}} of scenes of any number of sensors: what `cube.align` takes.

    Scenes of one sensor become one cube, as in `open`; without a known sensor, scenes of the same bands do, and it is
    called `scene`, or `scene STEM` after its first file where there are several such. Among several scenes, offset and
    scale hold for those whose units nothing else tells. notes: a list that gets the sentences on what was understood
    and done. Raises as `open` does.
    """
    many = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not many:
        raise FormatError(rule="something to open is named", got="no path", remedy="give a file, folder or URL")
    said: list[str] = [] if notes is None else notes
    groups: dict[str, list[Scene]] = {}
    missed: list[Outside] = []
    asked = len(many) > 1 and (offset is not None or scale is not None)
    for path in many:
        try:
            silent = understand(path, sensor=sensor, area=area, dates=dates, bands=bands, safe=safe) if asked else None
            if silent is not None and not _open_question(silent):
                scene = silent
            else:
                scene = understand(
                    path, sensor=sensor, offset=offset, scale=scale, area=area, dates=dates, bands=bands, safe=safe
                )
        except Outside as error:
            missed.append(error)
            said.append(f"{Path(str(path)).name}: outside the area or dates asked for, left out")
            continue
        if scene.doubt is not None:
            raise scene.doubt
        said += [f"{Path(scene.path).name}: {text}" for text in (*scene.notes, *scene.problems)]
        groups.setdefault(_group(scene, groups), []).append(scene)
    if missed and not groups:
        raise missed[0]
    cubes: dict[str, Any] = {}
    for name, scenes in _titled(groups).items():
        if len(scenes) == 1:
            made = scenes[0].cubes
        else:
            more: list[str] = []
            pieces = join([p for s in scenes for p in s.pieces.values()], more)
            said += [f"{name}: {text}" for text in more]
            made = {k: cube_of(p) for k, p in pieces.items()}
        cubes[name] = next(iter(made.values())) if len(made) == 1 else made
    return cubes


def _open_question(scene: Scene) -> bool:
    """Whether nothing tells the units of a scene."""
    return scene.doubt is not None or all(b.quantity == "digital_number" for b in scene.bands)


def _group(scene: Scene, groups: dict[str, list[Scene]]) -> str:
    """The key under which a scene is joined with others: its sensor, else the scene with the same bands, else its name."""
    if scene.sensor is not None:
        return scene.sensor
    mine = [b.name for b in scene.bands]
    for key, others in groups.items():
        if (
            others[0].sensor is None
            and [b.name for b in others[0].bands] == mine
            and not _undated_twin(scene, others[0])
        ):
            return key
    stem = Path(scene.path.rstrip("/")).stem
    name, k = stem, 2
    while name in groups:
        name, k = f"{stem}#{k}", k + 1
    return name


def _titled(groups: dict[str, list[Scene]]) -> dict[str, list[Scene]]:
    """The groups under names that a reader understands: the sensor; the only one without is the `scene`, as a cube in
    memory is; several without are `scene STEM`, after their files.
    """
    nameless = [name for name, scenes in groups.items() if scenes[0].sensor is None]
    titles = {name: f"scene {name}" for name in nameless} if len(nameless) > 1 else {n: "scene" for n in nameless}
    return {titles.get(name, name): scenes for name, scenes in groups.items()}


def _undated_twin(a: Scene, b: Scene) -> bool:
    """Undated scenes of one grid are two images of the same place, not parts of a mosaic: they stay apart."""
    first, second = next(iter(a.pieces.values())), next(iter(b.pieces.values()))
    return first.time is None and second.time is None and first.source.shape[2:] == second.source.shape[2:]


def understand(
    path: str | Path,
    *,
    sensor: str | None = None,
    offset: float | None = None,
    scale: float | None = None,
    area: Any = None,
    dates: Any = None,
    bands: Any = None,
    safe: bool = False,
) -> Scene:
    """Say what one file, folder, store or URL holds; ambiguous units are told in `doubt` and `problems`, not raised.

    Options as in `open`. Raises FormatError when the path cannot be read at all, BandError and GridError for options
    that do not fit.
    """
    name = str(path)
    check_path(name, safe=safe)
    notes: list[str] = []
    problems: list[str] = []
    doubts: list[UnitError | BandError] = []
    pieces: list[Piece] = []
    where = area_of(area)
    for layer in layers_of(name, safe):
        piece, settled, swapped = _piece(layer, name, sensor, offset, scale, notes, problems)
        doubts += [d for d in (swapped, settled.doubt) if d is not None]
        pieces.append(piece)
    names = [b.name for p in pieces for b in p.bands]
    picked = [pick_bands(p, bands) for p in share_flags(pieces)]
    pieces = _inside([p for p in picked if p is not None], where, dates, notes)
    check_bands(bands, [b.name for p in pieces for b in p.bands], names)
    joined = join(pieces, notes)
    sensors = list(dict.fromkeys(p.sensor for p in joined.values() if p.sensor))
    return Scene(
        path=name,
        sensor=sensors[0] if sensors else None,
        cubes={gsd: cube_of(p) for gsd, p in joined.items()},
        bands=tuple(b for p in joined.values() for b in p.bands),
        notes=once(notes),
        problems=tuple(dict.fromkeys(problems)),
        doubt=doubts[0] if doubts else None,
        pieces=joined,
    )


def _inside(pieces: list[Piece], area: Any, dates: Any, notes: list[str]) -> list[Piece]:
    """What of each piece lies in the area and the dates; those outside are left out, unless all are."""
    kept: list[Piece] = []
    missed: list[Outside] = []
    for piece in pieces:
        try:
            kept.append(pick_dates(cut(piece, area), dates))
        except Outside as error:
            missed.append(error)
    if missed and not kept:
        raise missed[0]
    if missed:
        notes.append(f"{len(missed)} of {len(pieces)} parts lie outside the area or dates asked for: left out")
    return kept


def once(notes: Sequence[str]) -> tuple[str, ...]:
    """Each sentence once; of those that differ in their numbers only, the first."""
    return tuple({re.sub(r"[\d.]+", "#", text): text for text in reversed(notes)}.values())[::-1]


def layers_of(path: str, safe: bool) -> list[Layer]:
    """What the file's own reader tells of it. Raises FormatError."""
    local = path if is_remote(path) else os.path.abspath(path)
    if safe:
        from swath.cube.child import read_safely

        return read_safely(local)
    layers: list[Layer] = formats.reader_of(local).read(local)
    if not layers:
        raise FormatError(rule="a scene holds at least one image", got=f"{path}, none", remedy="check what is in it")
    return layers


def _piece(
    layer: Layer, path: str, sensor: str | None, offset: float | None, scale: float | None,
    notes: list[str], problems: list[str],
) -> tuple[Piece, Settled, BandError | None]:  # fmt: skip
    """A layer with its dates, sensor and units settled."""
    stem = os.path.basename(path.rstrip("/"))
    layer = _named_by_file(_dated(layer, path, notes), stem)
    found = identify(layer, path, sensor)
    layer, said = split_quality(layer, found.sensor)
    if said:
        notes += said
        found = identify(layer, path, sensor)
    settled = settle(
        layer, found.bands, found.sensor, gsd=gsd_of(layer.geobox), offset=offset, scale=scale, stem=stem
    )  # fmt: skip
    notes += [*layer.notes, *found.notes, *settled.notes]
    problems += [*layer.problems, *found.problems, *settled.problems]
    bands = settled.bands
    source = layer.source
    if not settled.stored:
        rule = [(b.scale, b.offset, b.nodata) for b in bands]
        source = Physical(source, *(tuple(v) for v in zip(*rule, strict=True)))
    attrs = {"long_name": "numbers of unknown quantity"} if any(b.quantity == "other" for b in bands) else {}
    attrs |= layer.attrs
    piece = Piece(
        source=source,
        geobox=layer.geobox,
        bands=bands,
        time=layer.time,
        flag=layer.flag,
        stored=settled.stored,
        sensor=found.sensor.key if found.sensor is not None else None,
        name=stem,
        attrs=attrs,
    )
    return piece, settled, found.doubt


def _named_by_file(layer: Layer, stem: str) -> Layer:
    """A nameless single band takes the name that its file has: T32TQM_..._B04.jp2, ..._QA_PIXEL.TIF, ..._NDVI_..."""
    if len(layer.bands) != 1 or layer.bands[0].description or layer.sensor is not None:
        return layer
    key = from_product_name(stem)
    words = [w for w in re.split(r"[_.\-\s]+", os.path.splitext(stem)[0]) if w]
    for word in ("_".join(words[-2:]), *words[::-1]):
        known = key is not None and find(sensors()[key].bands, word) is not None
        if known or (len(words) > 1 and kind_of(word) is not None):
            return replace(layer, bands=(replace(layer.bands[0], name=word),))
    return layer


def _own_dates(layer: Layer) -> Layer | None:
    """The dates that swath wrote into a GeoTIFF: of one date its own, of several those that the bands are named by."""
    words = layer.tags.get("dates", "").split() if "swath" in layer.tags else []
    try:
        time = np.array([np.datetime64(w, "ns") for w in words])
    except ValueError:
        return None
    if len(words) == 1:
        return replace(layer, time=time)
    count = len(layer.bands) // max(1, len(words))
    names = [b.description.rpartition(" ")[0] for b in layer.bands[:count]]
    if len(words) < 2 or [b.description for b in layer.bands] != [f"{n} {w}" for w in words for n in names]:
        return None
    from swath.cube.series import Folded

    bands = tuple(replace(b, name=n, description=n) for b, n in zip(layer.bands[:count], names, strict=True))
    flag = None if layer.flag is None else Part.of(layer.flag, dates=[0] * len(words))
    return replace(layer, source=Folded(layer.source, len(words)), bands=bands, time=time, flag=flag)


def _dated(layer: Layer, path: str, notes: list[str]) -> Layer:
    """The layer with its dates: its own, a series' band descriptions, a tag, or the product name."""
    if layer.time is not None:
        return layer
    t, b, *_ = layer.source.shape
    if t == 1 and (own := _own_dates(layer)) is not None:
        return own
    series = from_descriptions([band.description for band in layer.bands]) if t == 1 else None
    if series is not None:
        from swath.cube.series import Turned

        stem = os.path.splitext(os.path.basename(path))[0]
        one = replace(layer.bands[0], name=stem, description=stem)
        notes.append(f"bands are dates: a series of {b} dates of one band, called {stem} after the file")
        flag = None if layer.flag is None else Part.of(layer.flag, dates=[0] * b)
        return replace(layer, source=Turned(layer.source), bands=(one,), time=series, flag=flag)
    if t > 1:
        return layer
    moment = from_tags(layer.tags)
    if moment is None:
        for name in (path, os.path.dirname(path)):
            moment, note = date_in(name)
            if note:
                notes.append(note)
            if moment is not None or note:
                break
    if moment is None:
        return layer
    return replace(layer, time=np.array([moment], dtype="datetime64[ns]"))
