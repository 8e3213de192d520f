"""What the page lays on its map: the images of open scenes and any raster on their grid, by id, with their records."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.doors.web.answers import Missing
from swath.doors.web.laid import corner_of

if TYPE_CHECKING:
    import numpy as np

    from swath.cube.lazy import Source
    from swath.doors.web.scenes import OpenScene, Scenes
    from swath.doors.web.view import View

__all__ = ["Layers", "Planes", "Raster"]

KINDS = ("image", "classes", "probability", "doubt", "change", "number")
_OPACITY = {"image": 1.0, "classes": 0.65, "probability": 0.8, "doubt": 1.0, "change": 0.8, "number": 0.8}
_OVER = {"image": 0, "doubt": 8}
"""Levels beyond the scene's own that the server still draws: the hatch is never enlarged by the browser."""


@dataclass(frozen=True)
class Raster:
    """A raster file as a layer over a scene. kind: of KINDS but `image`. band: from 1. scene: its id.

    colours: {code: (name, "#rrggbb")} of classes; those not named are clear. hidden: codes never coloured. lo, hi,
    ramp, unit: of numbers (probability: 0 to 1, cividis). more: members of the record. then: the finished file, of one that is
    being made.
    """

    path: Path
    kind: str
    name: str
    scene: str
    band: int = 1
    colours: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    lo: float = 0.0
    hi: float = 1.0
    ramp: str = "cividis"
    unit: str = ""
    opacity: float | None = None
    on: bool = True
    hidden: tuple[int, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    then: Path | None = None

    @property
    def file(self) -> Path:
        """The file as it is now: `then`, once `path` has given way to it."""
        return self.then if self.then is not None and not Path(self.path).exists() else Path(self.path)

    @property
    def rev(self) -> str:
        """Changes when the file or the way to draw it does."""
        try:
            found = self.file.stat()
            state: tuple[int, int] = (found.st_mtime_ns, found.st_size)
        except OSError:
            state = (0, 0)
        said = (state, str(self.path), self.kind, self.band, sorted(self.colours.items()), self.lo, self.hi, self.ramp)
        return hashlib.sha256(repr((said, self.hidden)).encode()).hexdigest()[:12]


@dataclass
class Planes:
    """Numbers on a view's grid, seen from any distance. values: (T, B, H, W); flags: (T, 1, H, W) or None.

    nodata: of each band, for stored integers. names: of the bands.
    """

    view: View
    values: Source
    flags: Source | None
    nodata: tuple[float, ...]
    names: tuple[str, ...]
    _zoomed: dict[int, tuple[Source, Source | None]] = field(default_factory=dict)

    def at(self, step: int) -> tuple[Source, Source | None]:
        """The values and the flags with pixels `step` times as large."""
        from swath.cube.zoom import zoom

        found = self._zoomed.get(step)
        if found is None:
            found = (zoom(self.values, step), None if self.flags is None else zoom(self.flags, step))
            self._zoomed[step] = found
        return found


class Layers:
    """The layers of a session."""

    def __init__(self, scenes: Scenes | None = None) -> None:
        """scenes: where views of scenes are found; `routes` of `tiles` sets it."""
        self.scenes = scenes
        self._rasters: dict[str, Raster] = {}
        self._planes: dict[tuple[str, str], Planes] = {}
        self._lock = threading.RLock()

    def add(self, key: str, raster: Raster) -> dict[str, Any]:
        """Lay a raster over its scene, in the stead of one of the same id; its record."""
        with self._lock:
            self._rasters[key] = raster
        return self.record(key)

    def remove(self, key: str) -> None:
        """Take a layer away; one that is not there is no fault."""
        with self._lock:
            self._rasters.pop(key, None)
            for old in [k for k in self._planes if k[0] == key]:
                del self._planes[old]

    def get(self, key: str) -> Raster | OpenScene:
        """A raster or, by a scene's id, the scene itself. Raises Missing."""
        with self._lock:
            found = self._rasters.get(key)
        if found is not None:
            return found
        if self.scenes is None:
            raise _no_layer()
        return self.scenes.get(key)

    def of(self, scene: str) -> list[dict[str, Any]]:
        """Records of the rasters over a scene."""
        return [self.record(k) for k, _ in self.lying_on(scene)]

    def grown(self, source: Source, share: float) -> list[dict[str, Any]]:
        """Records of the scenes whose file is being looked at from end to end: drawn anew as more of it has been read."""
        from swath.cube.look import holds

        with self._lock:
            keys = [key for (key, _), planes in self._planes.items() if holds(planes.values, source)]
        found = []
        for key in keys:
            layer = self._rasters.get(key) or (self.scenes.get(key) if self.scenes is not None else None)
            if layer is None or isinstance(layer, Raster):
                continue
            record = self.image(layer)
            record["tiles"] = record["tiles"].replace(layer.rev, f"{layer.rev}-{round(share * 100)}")
            found.append({**record, "note": "" if share >= 1 else said_slow(share)})
        return found

    def lying_on(self, scene: str) -> list[tuple[str, Raster]]:
        """(id, raster) of everything over a scene, the oldest first."""
        with self._lock:
            return [(k, r) for k, r in self._rasters.items() if r.scene == scene]

    def raster(self, key: str) -> Raster | None:
        """A raster by its id, or None."""
        with self._lock:
            return self._rasters.get(key)

    def image(self, scene: OpenScene) -> dict[str, Any]:
        """The record of a scene's own image."""
        first = scene.shows[0] if scene.shows else {}
        return self._record(scene.id, scene.name, "image", scene.rev, scene.view, scene.id, first.get("legend"))

    def record(self, key: str) -> dict[str, Any]:
        """What the page is told of a layer. Raises Missing."""
        layer = self.get(key)
        if not isinstance(layer, Raster):
            return self.image(layer)
        made = self._record(key, layer.name, layer.kind, layer.rev, self._view(layer.scene), layer.scene, legend(layer))
        if layer.opacity is not None:
            made["opacity"] = layer.opacity
        return {**made, "on": layer.on, **layer.more}

    def _record(
        self, key: str, name: str, kind: str, rev: str, view: View | None, scene: str, said: Any
    ) -> dict[str, Any]:
        levels = 0 if view is None else view.levels
        return {
            "id": key,
            "name": name,
            "kind": kind,
            "tiles": f"tiles/{key}/{rev}/{{z}}/{{x}}/{{y}}",
            "minzoom": 0,
            "maxzoom": min(24, levels + _OVER.get(kind, 0)),
            "opacity": _OPACITY.get(kind, 1.0),
            "on": True,
            "legend": said,
            "scene": scene,
        }

    def _view(self, scene: str) -> View | None:
        return None if self.scenes is None else self.scenes.get(scene).view

    def planes(self, key: str) -> Planes:
        """The numbers of a layer on its scene's grid. Raises Missing, FormatError, GridError."""
        layer = self.get(key)
        rev = layer.rev
        with self._lock:
            found = self._planes.get((key, rev))
            if found is None:
                made = (
                    raster_planes(layer, self._scene_view(layer)) if isinstance(layer, Raster) else scene_planes(layer)
                )
                for old in [k for k in self._planes if k[0] == key]:
                    del self._planes[old]
                found = self._planes[key, rev] = made
        return found

    def over(self, key: str, ground: str) -> Planes:
        """The numbers of a scene's image on the grid of another scene. Raises Missing, GridError."""
        planes, base = self.planes(key), self._view(ground)
        if base is None or self.scenes is None:
            raise _no_layer()
        name, rev = f"{key} over {ground}", f"{self.scenes.get(key).rev} {self.scenes.get(ground).rev}"
        with self._lock:
            found = self._planes.get((name, rev))
            if found is None:
                grid, size = planes.view.geobox, planes.view.shape
                values = _on(base, planes.values, grid, size, planes.nodata)
                flags = _on(base, planes.flags or _everywhere(planes.values), grid, size, (1.0,))
                for old in [k for k in self._planes if k[0] == name]:
                    del self._planes[old]
                found = self._planes[name, rev] = Planes(base, values, flags, planes.nodata, planes.names)
        return found

    def _scene_view(self, layer: Raster) -> View:
        view = self._view(layer.scene)
        if view is None:
            raise _no_layer()
        return view


def _no_layer() -> Missing:
    return Missing(rule="a layer is one of those on the map", got="no such layer", remedy="load the page again")


def said_slow(share: float) -> str:
    """Why a scene seen from afar is not whole yet."""
    return f"The file has no overviews: it is read once from end to end, {share:.0%} so far"


def legend(layer: Raster) -> Any:
    """Of classes: code, name and colour of each; of numbers: the ramp and the values at its ends; of doubt: words."""
    if layer.kind == "doubt":
        return {"hatch": True, "name": "Doubtful: more than one class remains at 90 %, or unlike any label"}
    if layer.colours and layer.kind in ("classes", "change"):
        shown = {c: v for c, v in layer.colours.items() if c not in layer.hidden}
        return [{"code": int(c), "name": name, "colour": colour} for c, (name, colour) in shown.items()]
    return {"ramp": layer.ramp, "lo": layer.lo, "hi": layer.hi, "unit": layer.unit}


def scene_planes(scene: OpenScene) -> Planes:
    """The numbers under a scene's cube."""
    from swath.cube.stack import CubeSource
    from swath.cube.under import source_of

    cube = scene.cube
    values = source_of(cube) or CubeSource(cube)
    stored = cube.dtype.kind in "iu"
    nodata = tuple(float(v) if stored else float("nan") for v in cube.coords["nodata"].values)
    names = tuple(str(b) for b in cube.coords["band"].values)
    return Planes(scene.view, values, source_of(cube, flag=True), nodata, names)


def _everywhere(source: Source) -> Source:
    """Flags of a source that has none: nothing is missing on its grid, so that beside it all is."""
    import numpy as np

    from swath.cube.lazy import ArraySource

    t, _, h, w = source.shape
    return ArraySource(np.broadcast_to(np.zeros((), np.uint8), (t, 1, h, w)))


def raster_planes(layer: Raster, view: View) -> Planes:
    """A raster file's numbers as stored, on the view's grid by the nearest pixel. Raises FormatError, GridError."""
    from swath.cube import gdal
    from swath.cube.georeference import geobox_of
    from swath.cube.geotiff import RasterSource

    path = str(layer.file)
    dataset = gdal.handle(path)
    size = (int(dataset.height), int(dataset.width))
    parts = tuple((i + 1, "") for i in range(dataset.count))
    source: Source = RasterSource(path, parts, size, dataset.dtypes[0])
    empty = tuple(float("nan") if v is None else float(v) for v in dataset.nodatavals)
    names = tuple(d or f"band {i + 1}" for i, d in enumerate(dataset.descriptions))
    grid, _ = geobox_of(dataset)
    return Planes(view, _on(view, source, grid, size, empty), None, empty, names)


def _on(view: View, source: Source, grid: Any, size: tuple[int, int], empty: Sequence[float]) -> Source:
    """The source on the view's grid: as it is where the grids are one, else by the nearest pixel."""
    import math

    from swath.cube.warp import places
    from swath.cube.zoom import Nearest
    from swath.earth.grid import same

    fill = tuple(0.0 if math.isnan(v) and source.dtype.kind != "f" else v for v in empty)
    if view.geobox is None or grid is None:
        if size == view.shape:
            return source
        return Nearest(source, _Moved(corner_of(grid)), view.shape, 1, 1, fill)
    if size == view.shape and same(grid, view.geobox, 0.01):
        return source
    return Nearest(source, places(view.geobox, grid), view.shape, 1, 1, fill)


@dataclass(frozen=True)
class _Moved:
    """A raster that lies some whole pixels down and right on a larger grid."""

    by: tuple[int, int]

    def at(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, column) in the raster."""
        return rows[:, None] - self.by[0], columns[None, :] - self.by[1]
