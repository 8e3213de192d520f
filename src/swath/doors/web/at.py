"""Numbers at a place: of an image, of any layer over it; and what a class looks like over the whole map."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.doors.web.layers import Planes, Raster
from swath.doors.web.picture import numbers, rule_of
from swath.report import draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.doors.web.layers import Layers
    from swath.doors.web.scenes import OpenScene

__all__ = ["Looks", "class_at", "map_of", "values_at", "window_at"]

_SIDE = 192  # pixels a side of the thinned look that spectra of classes are taken from
_LEAST = 5  # pixels that a class needs for them


def values_at(
    planes: Planes, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice, step: int = 1
) -> np.ndarray:
    """(T, B, h, w) float32 in physical units, missing NaN; rows and columns of the view's grid at this step."""
    from swath.cube.sources import Physical

    source, _ = planes.at(step)
    if isinstance(source, Physical) or source.dtype.kind == "f":
        values: np.ndarray = source.read(dates, bands, rows, columns).astype(np.float32, copy=False)
        return values
    out = []
    for date in dates:
        stored, rules = numbers(source, date, bands, rows, columns)
        if rules is None and stored.dtype.kind in "iu":
            rules = [(1.0, 0.0, planes.nodata[b]) for b in bands]
        out.append(draw.physical(stored, rules))
    return np.stack(out)


def usable_at(planes: Planes, dates: Sequence[int], rows: slice, columns: slice, step: int = 1) -> np.ndarray | None:
    """(T, h, w) bool: seen, without cloud, shadow or fault by the scene's flags; None without flags."""
    flags = flags_at(planes, dates, rows, columns, step)
    return None if flags is None else flags == 0


def flags_at(planes: Planes, dates: Sequence[int], rows: slice, columns: slice, step: int = 1) -> np.ndarray | None:
    """(T, h, w) reasons of contract.FLAGS; None without flags."""
    flags = planes.at(step)[1]
    if flags is None:
        return None
    found: np.ndarray = flags.read(dates, [0], rows, columns)[:, 0]
    return found


def window_at(shape: tuple[int, int], row: float, column: float, side: int) -> tuple[slice, slice]:
    """The side x side pixels around a place, cut at the scene's edge. Raises Missing off the scene."""
    from swath.doors.web.answers import Missing

    r, c, half = math.floor(row), math.floor(column), side // 2
    if not (0 <= r < shape[0] and 0 <= c < shape[1]):
        raise Missing(rule="a place lies on the scene", got="one beside it", remedy="click on the scene")
    return slice(max(0, r - half), min(shape[0], r + half + 1)), slice(max(0, c - half), min(shape[1], c + half + 1))


def map_of(layers: Layers, scene: OpenScene, number: str | None = None) -> tuple[str, Raster] | None:
    """(id without `.classes`, its layer) of the map asked for, else of the newest over the scene; None without."""
    found = [
        (key, r)
        for key, r in layers.lying_on(scene.id)
        if r.kind == "classes" and key.endswith(".classes") and r.file.exists()
    ]
    if number:
        found = [f for f in found if f[0] == f"m{number}.classes"]
    if not found:
        return None
    key, raster = found[-1]
    return key.removesuffix(".classes"), raster


def class_at(layers: Layers, scene: OpenScene, row: int, column: int, number: str | None) -> dict[str, Any] | None:
    """The mapped class of a pixel with its probabilities and doubt; None without a map or where it has no data."""
    chosen = map_of(layers, scene, number)
    if chosen is None:
        return None
    key, raster = chosen
    r, c = slice(row, row + 1), slice(column, column + 1)
    code = int(layers.planes(f"{key}.classes").values.read([0], [raster.band - 1], r, c)[0, 0, 0, 0])
    if code not in raster.colours:
        return None
    name, colour = raster.colours[code]
    shares: list[dict[str, Any]] = []
    if (likely := layers.raster(f"{key}.probability")) is not None:
        planes = layers.planes(f"{key}.probability")
        bands = range(len(planes.names))
        scale, offset = rule_of(str(likely.file))
        stored = planes.values.read([0], bands, r, c)[0]
        given = draw.physical(stored, [(scale, offset, planes.nodata[b]) for b in bands])[:, 0, 0]
        pairs = sorted(zip(planes.names, given.tolist(), strict=True), key=lambda p: -p[1])
        shares = [{"name": n, "p": round(p, 4)} for n, p in pairs if math.isfinite(p)]
    doubt = layers.raster(f"{key}.doubt")
    doubtful = bool(doubt is not None and _doubted(layers.planes(f"{key}.doubt"), r, c))
    number_of = key.removeprefix("m")
    shown = int(number_of) if number_of.isdigit() else key
    return {"map": shown, "code": code, "name": name, "colour": colour, "probabilities": shares, "doubt": doubtful}


def _doubted(planes: Planes, rows: slice, columns: slice) -> bool:
    from swath.doors.web.picture import Window, doubtful

    part = Window(1, 1, (rows.start, rows.stop), (columns.start, columns.stop), (0, 0), (1, 1), (0, 0))
    return bool(doubtful(planes, part)[0, 0])


class Looks:
    """What takes longer than a click may wait for: computed aside, kept, and there the next time."""

    def __init__(self, most: int = 64) -> None:
        """most: results kept."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="looks")
        self._found: OrderedDict[Any, Future[Any]] = OrderedDict()
        self._lock, self._most = threading.Lock(), most

    def get(self, key: Any, make: Callable[[], Any], wait: float) -> tuple[Any, bool]:
        """(the result or None, whether it is still on its way). Failures are None."""
        with self._lock:
            future = self._found.get(key)
            if future is None:
                future = self._found[key] = self._pool.submit(make)
                while len(self._found) > self._most:
                    self._found.popitem(last=False)[1].cancel()
            self._found.move_to_end(key)
        try:
            error = future.exception(timeout=wait)
        except Late:
            return None, True
        return (None if error is not None else future.result()), False


def spectra(layers: Layers, scene: OpenScene, key: str, date: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """{class code: (mean, sd) of its pixels' spectra, (B,) each}, from a thinned look at map and image together."""
    planes, classes = layers.planes(scene.id), layers.planes(f"{key}.classes")
    step = _step(planes.view.shape)
    high, wide = classes.at(step)[0].shape[2:]
    rows, columns = slice(0, high), slice(0, wide)
    codes = classes.at(step)[0].read([0], [0], rows, columns)[0, 0]
    values = values_at(planes, [date], range(len(planes.names)), rows, columns, step)[0]
    good = usable_at(planes, [date], rows, columns, step)
    there = np.isfinite(values).all(axis=0) & (True if good is None else good[0])
    found = {}
    for code in np.unique(codes[there]):
        chosen = values[:, there & (codes == code)].astype(np.float64)
        if chosen.shape[1] >= _LEAST:
            found[int(code)] = (chosen.mean(axis=1), chosen.std(axis=1, ddof=1))
    return found


def medians(
    layers: Layers, scene: OpenScene, key: str, compute: Callable[[np.ndarray], np.ndarray], bands: Sequence[int]
) -> Mapping[int, list[float | None]]:
    """{class code: median over its usable pixels on each date}. compute: (T, B, h, w) to (T, h, w)."""
    planes, classes = layers.planes(scene.id), layers.planes(f"{key}.classes")
    step = _step(planes.view.shape, 64)
    high, wide = classes.at(step)[0].shape[2:]
    rows, columns = slice(0, high), slice(0, wide)
    codes = classes.at(step)[0].read([0], [0], rows, columns)[0, 0]
    known = [int(c) for c in np.unique(codes) if int((codes == c).sum()) >= _LEAST]
    found: dict[int, list[float | None]] = {c: [] for c in known}
    for date in range(max(1, len(scene.dates))):
        values = compute(values_at(planes, [date], bands, rows, columns, step))[0]
        good = usable_at(planes, [date], rows, columns, step)
        there = np.isfinite(values) & (True if good is None else good[0])
        for code in known:
            chosen = values[there & (codes == code)]
            found[code].append(round(float(np.median(chosen)), 5) if len(chosen) >= _LEAST else None)
    return found


def _step(shape: tuple[int, int], side: int = _SIDE) -> int:
    return int(2 ** max(0, math.ceil(math.log2(max(shape) / side))))
