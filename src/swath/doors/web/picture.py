"""One window of a layer, at any distance, as a picture: what tiles, chips and still pictures are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.doors.web.answers import number, numeral
from swath.doors.web.layers import Planes, Raster
from swath.doors.web.view import TILE
from swath.errors import BandError, SwathError
from swath.report import draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swath.cube.lazy import Source
    from swath.doors.web.layers import Layers
    from swath.doors.web.scenes import OpenScene

__all__ = [
    "Window",
    "doubtful",
    "layer_pixels",
    "numbers",
    "raster_pixels",
    "rule_of",
    "scene_pixels",
    "tile_of",
    "window_of",
]

WEBP, PNG = "image/webp", "image/png"
EMPTY = draw.palette_png(np.zeros((TILE, TILE), np.uint8), np.zeros((1, 4), np.uint8))
"""A clear tile: browsers' maps take no answer without a picture for a fault."""


@dataclass(frozen=True, slots=True)
class Window:
    """Pixels of a level of the pyramid: step x step grid pixels each (step >= 1), or repeated `times` times beyond it.

    rows, columns: (first, behind the last) at that step; cut: how many repeated rows and columns are dropped in front;
    size: rows and columns of the picture that lie on the scene, at most `whole`.
    """

    step: int
    times: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    cut: tuple[int, int]
    size: tuple[int, int]
    at: tuple[int, int]
    whole: tuple[int, int] = (TILE, TILE)


def window_of(shape: tuple[int, int], levels: int, z: int, x: int, y: int) -> Window | None:
    """The window of a tile; None where it holds nothing of the scene."""
    return window(shape, z - levels, (y * TILE, x * TILE), (TILE, TILE))


def window(shape: tuple[int, int], zoom: int, at: tuple[int, int], whole: tuple[int, int]) -> Window | None:
    """The part of the scene, seen 2 ** zoom times as large, that starts at screen pixel `at` (row, column)."""
    step, times = (2**-zoom, 1) if zoom < 0 else (1, 2**zoom)
    spans = []
    for start, length, size in zip(at, whole, shape, strict=True):
        high = -(-size // step)
        first, last = start // times, min(high, -(-(start + length) // times))
        shown = min(length, high * times - start)
        if start < 0 or last <= first or shown <= 0:
            return None
        spans.append((first, last, start - first * times, shown))
    (r0, r1, cut_r, n_r), (c0, c1, cut_c, n_c) = spans
    return Window(step, times, (r0, r1), (c0, c1), (cut_r, cut_c), (n_r, n_c), at, whole)


def numbers(
    source: Source, date: int, bands: Sequence[int], rows: slice, columns: slice
) -> tuple[np.ndarray, list[draw.Rule] | None]:
    """((B, h, w) as stored, the rule of each band that makes it physical; None where the numbers are physical)."""
    from swath.cube.sources import Part, Physical

    if isinstance(source, Physical):
        stored = source.source.read([date], bands, rows, columns)[0]
        return stored, [(source.scale[b], source.offset[b], source.nodata[b]) for b in bands]
    if isinstance(source, Part):
        y, x = source.rows[0], source.columns[0]
        inner = [source.bands[b] for b in bands]
        return numbers(
            source.source, source.dates[date], inner,
            slice(rows.start + y, rows.stop + y), slice(columns.start + x, columns.stop + x),
        )  # fmt: skip
    return source.read([date], bands, rows, columns)[0], None


def _read(
    planes: Planes, part: Window, date: int, bands: Sequence[int]
) -> tuple[np.ndarray, list[draw.Rule] | None, np.ndarray | None]:
    """Stored numbers, their rules, and where anything was ever seen (None: everywhere), at the window's step.

    While a large file is still being looked at, what was not read yet (all zero) is clear.
    """
    from swath.cube.look import pending

    values, flags = planes.at(part.step)
    rows, columns = slice(*part.rows), slice(*part.columns)
    growing = part.step > 1 and pending(planes.values)
    stored, rules = numbers(values, date, bands, rows, columns)
    if rules is None and stored.dtype.kind in "iu":
        rules = [(1.0, 0.0, planes.nodata[b]) for b in bands]
    seen = None
    if flags is not None:
        gone = flags.read([date], [0], rows, columns)[0, 0] == 1  # never seen
        seen = ~gone if gone.any() else None
    if growing:
        read = (stored != 0).any(axis=0)
        seen = read if seen is None else seen & read
    return stored, rules, seen


def _grown(pixels: np.ndarray, part: Window) -> np.ndarray:
    """(h, w, ...) repeated beyond the scene's own level, and cut to the window."""
    if part.times == 1:
        return pixels
    big = pixels.repeat(part.times, axis=0).repeat(part.times, axis=1)
    (top, left), (high, wide) = part.cut, part.size
    return big[top : top + high, left : left + wide]


def _framed(pixels: np.ndarray, part: Window) -> np.ndarray:
    """(whole, 3 or 4): the picture where it lies on the scene, clear around it."""
    if part.size == part.whole:
        return pixels
    out = np.zeros((*part.whole, 4), np.uint8)
    out[: part.size[0], : part.size[1], : pixels.shape[2]] = pixels
    if pixels.shape[2] == 3:
        out[: part.size[0], : part.size[1], 3] = 255
    return out


def scene_pixels(scene: OpenScene, planes: Planes, part: Window, asked: Mapping[str, str]) -> np.ndarray | None:
    """(h, w, 3 or 4) uint8 of a scene's image; None where all of it is missing.

    asked: show, date, lo, hi, bands, as the page sends them. Raises Missing, BandError, SwathError.
    """
    show, places = way(scene, planes, asked)
    lo, hi = stretch(show, asked)
    date = scene.date(asked.get("date")) or 0
    if show["kind"] == "index":
        index = indices(scene, show)
        stored, rules, seen = _read(planes, part, date, index.needs)
        values = draw.physical(stored, rules)
        made = index.plans[0](dict(zip(index.needs, values, strict=True)))[None]
        grey, there = draw.stretched(made, None, lo, hi)
    else:
        stored, rules, seen = _read(planes, part, date, places)
        grey, there = draw.stretched(stored, _balanced(show, rules), lo, hi)
    if seen is not None:
        there = seen if there is None else there & seen
    if there is not None and not there.any():
        return None
    rgb = draw.coloured(grey[0], show.get("ramp") or "grey") if len(grey) == 1 else np.moveaxis(grey, 0, -1)
    return _framed(_grown(draw.with_alpha(rgb, there), part), part)


def _balanced(show: Mapping[str, Any], rules: Sequence[draw.Rule] | None) -> Sequence[draw.Rule] | None:
    """Rules that lay the own range of each band of a composite onto the composite's range, where the show asks for it."""
    if "balance" not in show:
        return rules
    found = []
    for i, (low, high) in enumerate(show["balance"]):
        scale, offset, nodata = rules[i] if rules is not None else (1.0, 0.0, math.nan)
        gain = (show["hi"] - show["lo"]) / (high - low)
        found.append((scale * gain, (offset - low) * gain + show["lo"], nodata))
    return found


def way(scene: OpenScene, planes: Planes, asked: Mapping[str, str]) -> tuple[Mapping[str, Any], list[int]]:
    """The way to show the scene, and the places of its bands. Raises Missing, BandError."""
    chosen = asked.get("bands")
    if not chosen:
        show = scene.show(asked.get("show"))
        return show, [planes.names.index(b) for b in show["bands"]]
    names = chosen.split(",")
    if len(names) not in (1, 3) or any(n not in planes.names for n in names):
        raise BandError(rule="one band or three of the scene are shown", got="others", remedy="choose from its bands")
    own = [s for n in names for s in scene.shows if s["kind"] == "band" and s["bands"] == [n]]
    lo = min((s["lo"] for s in own), default=0.0)
    hi = max((s["hi"] for s in own), default=1.0)
    return {"kind": "composite", "bands": names, "lo": lo, "hi": hi}, [planes.names.index(n) for n in names]


def stretch(show: Mapping[str, Any], asked: Mapping[str, str]) -> tuple[float, float]:
    """What becomes black and white: as asked, else of the way to show. Raises SwathError."""
    lo, hi = (number(asked, name, show[name], low=-1e30, high=1e30) for name in ("lo", "hi"))
    if not hi > lo:
        raise SwathError(rule="white lies above black", got=f"{lo:g} to {hi:g}", remedy="give lo below hi")
    return lo, hi


def indices(scene: OpenScene, show: Mapping[str, Any]) -> Any:
    """The index of a way to show, ready to be computed."""
    from swath.cube.contract import bands_of

    return _plan(show.get("index") or str(show["id"]).partition("-")[2], bands_of(scene.cube), str(scene.cube.dtype))


@lru_cache(maxsize=64)
def _plan(name: str, own: Any, dtype: str) -> Any:
    from swath.cube.index import plan

    return plan(own, name, dtype=dtype)


def raster_pixels(
    layer: Raster, planes: Planes, part: Window, asked: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray] | np.ndarray | None:
    """A raster's window: ((h, w) indices, (n, 4) colours), or (h, w, 4) of numbers; None where all of it is clear."""
    if layer.kind == "doubt":
        where = doubtful(planes, part)
        if not where.any():
            return None
        where = _grown(where, part)
        index = draw.hatch(where, part.at[0] % draw.PITCH, part.at[1] % draw.PITCH)
        return _framed_index(index, part), draw.hatch_colours()
    if layer.colours and layer.kind in ("classes", "change"):
        codes, table = draw.palette_of({c: v[1] for c, v in layer.colours.items()}, layer.hidden)
        stored, _, _ = _read(planes, part, 0, [layer.band - 1])
        index = draw.indexed(stored[0], codes)
        return (_framed_index(_grown(index, part), part), table) if index.any() else None
    values = _values(layer, planes, part, asked)
    lo, hi = stretch({"lo": layer.lo, "hi": layer.hi}, asked)
    grey, there = draw.stretched(values[None], None, lo, hi)
    if there is not None and not there.any():
        return None
    whole = there if there is not None else np.ones(values.shape, bool)
    return _framed(_grown(draw.with_alpha(draw.coloured(grey[0], layer.ramp), whole), part), part)


def layer_pixels(layers: Layers, ground: str, key: str, part: Window, asked: Mapping[str, str]) -> np.ndarray | None:
    """(h, w, 3 or 4) uint8 of any layer in a window of the scene `ground`; None where nothing of it is to be seen there.

    Raises Missing, SwathError.
    """
    layer = layers.get(key)
    if not isinstance(layer, Raster):
        planes = layers.planes(key) if key == ground else layers.over(key, ground)
        return scene_pixels(layer, planes, part, asked)
    if layer.scene != ground:
        return None
    made = raster_pixels(layer, layers.planes(key), part, asked)
    if not isinstance(made, tuple):
        return made
    coloured: np.ndarray = made[1][made[0]]
    return coloured


def _values(layer: Raster, planes: Planes, part: Window, asked: Mapping[str, str]) -> np.ndarray:
    """(h, w) float32 of a layer of numbers; of probabilities the class asked for, else that of the likeliest class."""
    bands = [layer.band - 1]
    if layer.kind in ("probability", "change") and layer.path is not None:
        name = asked.get("class") or ""
        if name in planes.names:
            bands = [planes.names.index(name)]
        elif (place := numeral(name, low=1, high=len(planes.names))) is not None:
            bands = [place - 1]
        elif layer.kind == "probability":
            bands = list(range(len(planes.names)))
    stored, rules, _ = _read(planes, part, 0, bands)
    scale, offset = rule_of(str(layer.file))
    if rules is not None:
        rules = [(scale, offset, nodata) for _, _, nodata in rules]
    values = draw.physical(stored, rules)
    if len(values) == 1:
        only: np.ndarray = values[0]
        return only
    with np.errstate(invalid="ignore"):
        most: np.ndarray = np.fmax.reduce(values)
    return most


def rule_of(path: str) -> tuple[float, float]:
    """(scale, offset) of a raster's first band, as it says itself."""
    from swath.cube import gdal

    dataset = gdal.handle(path)
    return float(dataset.scales[0]), float(dataset.offsets[0])


def doubtful(planes: Planes, part: Window) -> np.ndarray:
    """(h, w) bool: more (or fewer) than one class remains, or unlike anything labelled; of one nameless band: above 0."""
    named = {n: i for i, n in enumerate(planes.names) if n in ("set_size", "outside")}
    chosen = named or {planes.names[0]: 0}
    stored, _, _ = _read(planes, part, 0, list(chosen.values()))
    where = np.zeros(stored.shape[1:], bool)
    for name, band, i in zip(chosen, stored, chosen.values(), strict=True):
        there = band != planes.nodata[i] if not math.isnan(planes.nodata[i]) else np.isfinite(band)
        where |= there & ((band != 1) if name == "set_size" else (band == 1) if name == "outside" else (band > 0))
    return where


def _framed_index(index: np.ndarray, part: Window) -> np.ndarray:
    if part.size == part.whole:
        return index
    out = np.zeros(part.whole, index.dtype)
    out[: part.size[0], : part.size[1]] = index
    return out


def tile_of(layers: Layers, key: str, z: int, x: int, y: int, asked: Mapping[str, str]) -> tuple[bytes, str] | None:
    """(bytes, content type) of a tile; None beside the scene. Raises Missing, SwathError."""
    layer = layers.get(key)
    if isinstance(layer, Raster) and not layer.file.exists():
        return EMPTY, PNG
    ground = asked.get("on")
    beside = bool(ground) and ground != key and not isinstance(layer, Raster)
    planes = layers.over(key, str(ground)) if beside else layers.planes(key)
    part = window_of(planes.view.shape, planes.view.levels, z, x, y)
    if part is None:
        return None
    if not isinstance(layer, Raster):
        pixels = scene_pixels(layer, planes, part, asked)
        if pixels is None:
            return EMPTY, PNG
        return draw.webp(pixels, draw.QUALITY if part.step > 1 else 90), WEBP
    made = raster_pixels(layer, planes, part, asked)
    if made is None:
        return EMPTY, PNG
    if isinstance(made, tuple):
        return draw.palette_png(*made), PNG
    return draw.webp(made, 90), WEBP
