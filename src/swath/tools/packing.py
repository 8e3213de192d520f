"""What `swath pack` does: scenes to parts, the step that meets a quality, and what the packed file says of itself."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError, SwathError, UnitError
from swath.tools.promise import (
    Promise,
    certificate,
    errors_for,
    peaks_of,
    psnr_of,
    with_errors,
)  # fmt: skip

if TYPE_CHECKING:
    from swath.cube.packed import PackedFile
    from swath.cube.packed_chunk import Measured
    from swath.cube.packing import Part
    from swath.cube.scene import Piece
    from swath.tools.job import Progress
    from swath.tools.scenes import Reading

__all__ = ["bytes_of", "pack_parts", "parts_of", "tags_of"]

_LOOKS = 6  # windows of each grid on which the step for a quality is found
_TRIES = 4


def parts_of(scenes: Any, reading: Reading, notes: list[str]) -> list[Part]:
    """One part for each native grid of the scenes, which are of one sensor, or of cubes in memory; their stored numbers.

    Raises SwathError for scenes of several sensors, and what opening raises, but for units that are left open.
    """
    from swath.cube.packing import part_of

    items = [scenes] if isinstance(scenes, (str, os.PathLike)) or hasattr(scenes, "dims") else list(scenes)
    if isinstance(scenes, dict):
        items = list(scenes.values())
    if not items:
        raise FormatError(rule="there is a scene to pack", got="none", remedy="name a file or folder")
    if any(hasattr(i, "dims") for i in items):
        return [_part_of_cube(cube) for cube in items]
    pieces, loose = _pieces(items, reading, notes)
    parts = [part_of(p, open=loose) for p in pieces]
    for part, piece in zip(parts, pieces, strict=True):
        if not part.exact:
            notes.append(f"{piece.name}: scenes of several scales in one cube: packed as physical float32 values")
    return parts


def _pieces(items: Sequence[Any], reading: Reading, notes: list[str]) -> tuple[list[Piece], bool]:
    from swath.cube.combine import join
    from swath.cube.open import once, understand

    seen = [understand(path, **reading.options()) for path in items]
    sensors = list(dict.fromkeys(str(s.sensor) for s in seen))
    if len(sensors) > 1:
        raise SwathError(
            rule="scenes of one sensor are packed into one file", got=", ".join(sensors), remedy="pack them one by one"
        )
    loose = False
    for scene in seen:
        if scene.doubt is not None and not isinstance(scene.doubt, UnitError):
            raise scene.doubt
        if scene.doubt is not None:
            loose = True
            notes.append(
                "units are not settled: stored numbers are packed, and the packed file leaves the question open too"
            )
        notes += [*scene.notes, *(p for p in scene.problems if scene.doubt is None)]
    notes[:] = once(notes)
    if len(seen) == 1:
        return list(seen[0].pieces.values()), loose
    return list(join([p for s in seen for p in s.pieces.values()], notes).values()), loose


def tags_of(scenes: Any, parts: Sequence[Part], safe: bool) -> dict[str, str]:
    """What else the packed file keeps: whether a nodata value that the sensor's table knows stood in the files at all."""
    from swath.cube.open import layers_of

    known = any(math.isfinite(b.nodata) for p in parts for b in p.bands)
    items = [scenes] if isinstance(scenes, (str, os.PathLike)) else scenes
    if not known or hasattr(items, "dims") or not all(isinstance(i, (str, os.PathLike)) for i in items):
        return {}
    bands = [b for item in items for layer in layers_of(str(item), safe) for b in layer.bands]
    return {} if any(b.nodata is not None for b in bands) else {"nodata": "untold"}


def _part_of_cube(cube: Any) -> Part:
    """A cube in memory: its values as they are."""
    from swath.cube import contract
    from swath.cube.packing import Part
    from swath.cube.stack import CubeSource

    contract.validate(cube)
    if "y" not in cube.dims or "draw" in cube.dims:
        raise FormatError(rule="rasters can be packed", got=f"dimensions {cube.dims}", remedy="pack draws one by one")
    nodata = (
        [float(v) for v in cube.coords["nodata"].values] if cube.dtype.kind in "iu" else [math.nan] * cube.sizes["band"]
    )
    bands = tuple(replace(b, nodata=n) for b, n in zip(contract.bands_of(cube), nodata, strict=True))
    attrs = {str(k): v for k, v in cube.attrs.items() if isinstance(v, (str, int, float, bool)) and k != "sensor"}
    return Part(
        source=CubeSource(cube),
        bands=bands,
        geobox=contract.grid(cube),
        time=cube.coords["time"].values if "time" in cube.dims else None,
        flag=CubeSource(cube, flag=True) if "flag" in cube.coords else None,
        sensor=contract.sensor_key(cube),
        attrs=attrs,
        error=(0.0,) * len(bands),
    )


def bytes_of(items: Any) -> int | None:
    """Bytes of the files and folders that were read; None where any is no local file."""
    many = [items] if isinstance(items, (str, os.PathLike)) or hasattr(items, "dims") else list(items)
    total = 0
    for item in many:
        path = Path(item) if isinstance(item, (str, os.PathLike)) else None
        if path is None or not path.exists():
            return None
        total += sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
    return total


def pack_parts(
    parts: Sequence[Part],
    out: Path,
    promise: Promise,
    *,
    notes: list[str],
    tags: dict[str, str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[PackedFile, list[Measured]]:
    """Write the packed file that keeps the promise, with the certificate inside."""
    from swath.cube.packing import dates_that_pay, write

    peaks, said = peaks_of(parts, promise.peak)
    seen: list[Measured] = []
    bound: list[Part] = []

    def certify(found: list[Measured]) -> dict[str, Any]:
        seen[:] = found
        if promise.kind == "psnr" and psnr_of(found, peaks) < promise.psnr - 1e-9:
            raise _Missed
        return certificate(bound, found, peaks, said)

    def go() -> PackedFile:
        told = {"kind": promise.kind, "words": promise.words + (f" ({said})" if promise.kind == "psnr" else "")}
        return write(out, bound, promise=told, tags=tags, certify=certify, workers=workers, progress=progress)

    if promise.kind != "psnr":
        bound = [replace(p, dates=dates_that_pay(p)) for p in with_errors(parts, errors_for(parts, promise, notes))]
        file = go()
        _say_too_much(bound, seen, notes)
        return file, seen
    if any(not np.isfinite(p).all() for p in peaks):
        peaks = _ranges(parts, peaks)
    factor = _factor(parts, peaks, promise.psnr)
    dates = [dates_that_pay(p) for p in _steps(parts, peaks, promise.psnr, factor)]
    for _ in range(_TRIES):
        bound = _dated(_steps(parts, peaks, promise.psnr, factor), dates)
        try:
            return go(), seen
        except _Missed:
            factor = max(1.0, factor * 0.93)
    # An error of no more than peak x 10^(-dB/20) anywhere keeps the quality whatever the numbers are.
    bound = _dated(_steps(parts, peaks, promise.psnr, 1.0), dates)
    return go(), seen


class _Missed(Exception):  # noqa: N818 - it never leaves this module
    """The quality was not reached: nothing gets the file's name."""


def _dated(parts: Sequence[Part], dates: Sequence[int]) -> list[Part]:
    return [replace(p, dates=n) for p, n in zip(parts, dates, strict=True)]


def _say_too_much(parts: Sequence[Part], found: Sequence[Measured], notes: list[str]) -> None:
    """Warn where an error swallows a band: of a float reflectance 20 is no small number."""
    for part, m in zip(parts, found, strict=True):
        wide = m.high - m.low
        for b in np.flatnonzero((m.n > 0) & (wide > 0) & (np.array(part.error) >= wide / 4)):
            notes.append(
                f"an error of {part.error[b]:g} leaves little of {part.bands[b].name}, whose stored numbers lie between "
                f"{m.low[b]:g} and {m.high[b]:g}: errors without a unit are in stored numbers"
            )
            break


def _ranges(parts: Sequence[Part], peaks: list[np.ndarray]) -> list[np.ndarray]:
    """Peaks with the range of each band's values in the place of NaN; all windows are read."""
    from swath.cube.packed_chunk import measure
    from swath.cube.packing import grid_of

    out = []
    for part, peak in zip(parts, peaks, strict=True):
        t, b, h, w = part.source.shape
        low, high = np.full(b, np.inf), np.full(b, -np.inf)
        step = grid_of(part, 0).chunk[1]
        for date in range(t):
            for top in range(0, h, step):
                values = part.source.read([date], list(range(b)), slice(top, min(h, top + step)), slice(0, w))
                m = measure(values, values, [x.nodata for x in part.bands], exact=False)
                low, high = np.minimum(low, m.low), np.maximum(high, m.high)
        out.append(np.where(np.isfinite(peak), peak, np.where(high > low, high - low, np.nan)))
    return out


def _steps(parts: Sequence[Part], peaks: Sequence[np.ndarray], psnr: float, factor: float) -> list[Part]:
    """Parts with errors of `factor` times the root mean square error that the quality allows; classes keep every bit."""
    out = []
    for part, peak in zip(parts, peaks, strict=True):
        rmse = np.where(np.isfinite(peak), peak, 0.0) * 10.0 ** (-psnr / 20.0)
        error = [0.0 if b.quantity == "class" else float(e) for b, e in zip(part.bands, rmse * factor, strict=True)]
        out.append(tuple(error))
    return with_errors(parts, out)


def _factor(parts: Sequence[Part], peaks: Sequence[np.ndarray], psnr: float) -> float:
    """How much larger than the root mean square error the largest error may be, found on some windows."""
    from swath.cube.packing import code, grid_of, windows

    looks = []
    for part, peak in zip(parts, peaks, strict=True):
        grid = grid_of(part, 0)
        places = windows(grid)
        chosen = sorted({int(k) for k in np.linspace(0, len(places) - 1, _LOOKS)})
        looks.append((part, peak, grid, [places[k][:1] for k in chosen]))

    def quality(factor: float) -> float:
        found, tops = [], []
        for part, peak, grid, places in looks:
            bound = _steps([part], [peak], psnr, factor)[0]
            for at in places:
                for _, _, measured in code(bound, grid, at):
                    if measured is not None:
                        found.append(measured)
                        tops.append(peak)
        return psnr_of(found, tops)

    low, high = 1.0, 4.0
    for _ in range(6):
        middle = math.sqrt(low * high)
        if quality(middle) >= psnr:
            low = middle
        else:
            high = middle
    return low
