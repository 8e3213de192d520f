"""What a run will cost, measured on one window before it starts."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.blocks import BLOCK, Layer
from swath.predict.run import Function, Work, cores, prepared

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Cost", "plan"]


@dataclass(frozen=True, slots=True)
class Cost:
    """pixels of the scene, seconds on this machine, bytes of memory over the interpreter and of disk while it runs.

    disk: the files aside (every pixel of every layer, uncompressed) and as much again for the copies; what stays is
    less. measured: (row, column, height, width) of the window that was run, and its seconds.
    """

    pixels: int
    windows: int
    window: int
    seconds: float
    memory: int
    disk: int
    workers: int
    measured: tuple[int, int, int, int]
    window_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain numbers: pixels, seconds, bytes."""
        return asdict(self) | {"measured": list(self.measured)}

    def __str__(self) -> str:
        minutes = f"{self.seconds:.0f} s" if self.seconds < 120 else f"{self.seconds / 60:.0f} min"
        return (
            f"{self.pixels / 1e6:.2f} megapixels in {self.windows} windows of {self.window}: about {minutes} on "
            f"{self.workers} cores, {self.memory / 1e6:.0f} MB of memory, up to {self.disk / 1e6:.0f} MB of disk"
        )


def plan(
    cubes: Mapping[str, xr.DataArray],
    function: Function,
    layers: Sequence[Layer],
    *,
    reach: int = 0,
    window: int | None = None,
    workers: int | None = None,
    allow: Iterable[str] = ("snow",),
) -> Cost:
    """Run the function on one window near the middle that has valid pixels, twice: for the time, then for the memory.

    Takes what `run` takes. Memory counts what NumPy and Python hold (a network's own buffers are not seen).
    Raises what the function raises.
    """
    work, todo = prepared(cubes, function, layers, reach=reach, window=window, allow=allow)
    tiles = sorted(todo, key=lambda t: t.index)
    middle = len(tiles) // 2
    order = sorted(tiles, key=lambda t: abs(t.index - middle))[:16]
    tile, state, seconds = order[0], "", 0.0
    for tile in order:
        started = time.perf_counter()
        state, _ = work.compute(tile, work.read(tile))
        seconds = time.perf_counter() - started
        if state == "done":
            break
    pixels = sum(t.pixels for t in tiles)
    used = workers or cores()
    held, peak = _memory(work, tile)
    count = len(tiles)
    busy = min(used, count)
    layer_bytes = sum(np.dtype(layer.dtype).itemsize * len(layer.bands) for layer in work.layers)
    height, width = max(t.rows.stop for t in tiles), max(t.columns.stop for t in tiles)
    padded = -(-height // BLOCK) * -(-width // BLOCK) * BLOCK * BLOCK
    return Cost(
        pixels=pixels,
        windows=count,
        window=work.window,
        seconds=seconds * pixels / max(tile.pixels, 1) / busy,
        memory=peak * busy + held * busy + min(work.budget, pixels * 4 * 8),
        disk=2 * padded * layer_bytes,
        workers=busy,
        measured=(
            tile.rows.start,
            tile.columns.start,
            tile.rows.stop - tile.rows.start,
            tile.columns.stop - tile.columns.start,
        ),
        window_seconds=seconds,
    )


def _memory(work: Work, tile: Any) -> tuple[int, int]:
    """Bytes of one window read, and the most that is held while it is mapped."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        batch = work.read(tile)
        work.compute(tile, batch)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not running:
            tracemalloc.stop()
    held = sum(p.values.nbytes + p.valid.nbytes for p in batch.pixels.values())
    return held, peak
