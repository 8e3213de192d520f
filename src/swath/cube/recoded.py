"""What a scene would be after packing, without a file: each chunk coded and decoded when a window asks for it."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from swath.cube import packed_chunk
from swath.cube.lazy import Source
from swath.cube.packed_chunk import Measured
from swath.cube.packing import Part, fitting, grid_of, spread
from swath.cube.scene import Piece
from swath.cube.sources import Physical

__all__ = ["Recoded", "piece_of"]

_KEPT = 96 << 20


class Recoded:
    """A Source of decoded numbers (T, B, H, W) of a part with its errors; `chunk` also tells what its coding cost.

    Safe among threads; the last decoded chunks are kept, up to 96 MB.
    """

    def __init__(self, part: Part) -> None:
        """part: with the errors that are tried."""
        self.part, self.grid = part, grid_of(part, 0)
        self._kept: OrderedDict[tuple[int, int, int], tuple[np.ndarray, int, Measured]] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = 0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, B, H, W)."""
        return self.grid.shape

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return np.dtype(self.grid.dtype)

    def chunk(self, at: tuple[int, int, int]) -> tuple[np.ndarray, int, Measured]:
        """(decoded numbers, bytes of all its bands and its flag, what was lost) of the chunks at one place."""
        with self._lock:
            if at in self._kept:
                self._kept.move_to_end(at)
                return self._kept[at]
        found = self._coded(at)
        with self._lock:
            if at not in self._kept:
                self._kept[at] = found
                self._bytes += found[0].nbytes
                while self._bytes > _KEPT and len(self._kept) > 1:
                    self._bytes -= self._kept.popitem(last=False)[1][0].nbytes
        return found

    def _coded(self, at: tuple[int, int, int]) -> tuple[np.ndarray, int, Measured]:
        part, grid = self.part, self.grid
        t, y, x = grid.window(at)
        dates = list(range(t.start, t.stop))
        values = part.source.read(dates, list(range(grid.shape[1])), y, x)
        out, cost, lost = np.empty_like(values), 0, None
        for k, members in enumerate(grid.groups):
            error = [part.error[b] for b in members] if any(part.error) else None
            coded = fitting(np.ascontiguousarray(values[:, list(members)]), grid, grid.number(at, k))
            data, back, found = packed_chunk.encode(coded, [part.bands[b].nodata for b in members], error)
            out[:, list(members)] = back
            cost += len(data)
            one = spread(found, members, grid.shape[1])
            lost = one if lost is None else lost + one
        if part.flag is not None:
            flags = np.ascontiguousarray(part.flag.read(dates, [0], y, x))
            cost += len(packed_chunk.encode(flags, [math.nan], None)[0])
        assert lost is not None
        return out, cost, lost

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, of decoded numbers."""
        a, b, c = self.grid.chunk
        shape = (len(dates), len(bands), rows.stop - rows.start, columns.stop - columns.start)
        out = np.empty(shape, self.dtype)
        for i in sorted({d // a for d in dates}):
            for j in range(rows.start // b, -(-rows.stop // b)):
                for k in range(columns.start // c, -(-columns.stop // c)):
                    values, _, _ = self.chunk((i, j, k))
                    t, y, x = self.grid.window((i, j, k))
                    top, bottom = max(y.start, rows.start), min(y.stop, rows.stop)
                    left, right = max(x.start, columns.start), min(x.stop, columns.stop)
                    part = values[:, :, top - y.start : bottom - y.start, left - x.start : right - x.start]
                    here = (
                        slice(top - rows.start, bottom - rows.start),
                        slice(left - columns.start, right - columns.start),
                    )
                    for n, d in enumerate(dates):
                        if t.start <= d < t.stop:
                            out[n][:, here[0], here[1]] = part[d - t.start, list(bands)]
        return out


def piece_of(part: Part, source: Source | None = None) -> Piece:
    """A piece of a scene (of which cubes are made) with a part's facts, over its own stored numbers or others."""
    numbers = part.source if source is None else source
    stays = {"digital_number", "class"}
    plain = all((b.scale, b.offset) == (1.0, 0.0) for b in part.bands)
    stored = numbers.dtype.kind in "iu" and plain and all(b.quantity in stays for b in part.bands)
    bands = part.bands
    if not stored:
        rule = [(b.scale, b.offset, b.nodata) for b in bands]
        numbers = Physical(numbers, *(tuple(v) for v in zip(*rule, strict=True)))
        bands = tuple(replace(b, quantity="other") if b.quantity == "digital_number" else b for b in bands)
    attrs = dict(part.attrs)
    return Piece(numbers, part.geobox, bands, part.time, part.flag, stored, part.sensor, "scene", attrs)
