"""Run a function over every window of aligned cubes and write its layers: resumable, bounded, repeatable."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import swath
from swath.batch import Batch
from swath.cube import contract
from swath.cube.blocks import BLOCK, Layer, to_stored
from swath.errors import Cancelled, FormatError, GridError, OutputError, SwathError
from swath.predict.store import Store
from swath.predict.tile import Tile, choose_size, tiles
from swath.sample.window import Windows, block_bytes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["TRIES", "Function", "Layer", "Ran", "Work", "cores", "prepared", "run"]

Function = Callable[..., Mapping[str, Any]]
Progress = Callable[[int, int, str], None]
TRIES = 3
_BLOCKS_KEPT = 88 << 20


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did. failed: windows (row, column, height, width) left as no data after three tries; reasons: why."""

    paths: dict[str, Path]
    shape: tuple[int, int]
    window: int
    reach: int
    windows: int
    computed: int
    resumed: int
    empty: int
    seconds: float
    failed: tuple[tuple[int, int, int, int], ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """3 when some windows are missing, else 0."""
        return 3 if self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """For run.json."""
        return {
            "paths": {k: str(v) for k, v in self.paths.items()},
            "shape": list(self.shape),
            "window": self.window,
            "reach": self.reach,
            "windows": self.windows,
            "empty": self.empty,
            "failed": [list(f) for f in self.failed],
            "reasons": list(self.reasons),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Work:
    """One window's work, the same in a thread and on a cluster."""

    cubes: Mapping[str, xr.DataArray]
    function: Function
    layers: tuple[Layer, ...]
    allow: tuple[str, ...] = ("snow",)
    window: int = 512
    budget: int = _BLOCKS_KEPT
    _kept: dict[str, Windows] = field(default_factory=dict, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Work, (self.cubes, self.function, self.layers, self.allow, self.window, self.budget)

    @property
    def windows(self) -> Windows:
        """The reader, made on first use in each process."""
        if "windows" not in self._kept:
            unit = min(self.window, BLOCK)
            self._kept["windows"] = Windows(self.cubes, allow=self.allow, unit=unit, budget=self.budget)
        return self._kept["windows"]

    def read(self, tile: Tile) -> Batch:
        """The window with its halo."""
        return self.windows.read(tile.read_rows, tile.read_columns)

    def compute(self, tile: Tile, batch: Batch) -> tuple[str, list[np.ndarray]]:
        """("done" or "empty", the core of each layer as stored (bands, rows, columns)); empty has no arrays.

        A pixel that no cube has seen is no data in every layer; a window of such pixels never reaches the function.
        """
        y, x = tile.inside
        seen = np.zeros((y.stop - y.start, x.stop - x.start), bool)
        for plane in (p for pixels in batch.pixels.values() for date in pixels.valid[0] for p in date):
            seen |= plane[y, x]
            if seen.all():
                break
        if not seen.any():
            return "empty", []
        if getattr(self.function, "crops", False):
            answer, inside = self.function(batch, (y, x)), (slice(0, y.stop - y.start), slice(0, x.stop - x.start))
        else:
            answer, inside = self.function(batch), (y, x)
        return "done", [self._core(layer, answer, batch, inside, seen) for layer in self.layers]

    def _core(
        self, layer: Layer, answer: Mapping[str, Any], batch: Batch, inside: tuple[slice, slice], seen: np.ndarray
    ) -> np.ndarray:
        height, width = seen.shape
        if not getattr(self.function, "crops", False):
            height, width = next(iter(batch.pixels.values())).values.shape[-2:]
        if layer.name not in answer:
            raise SwathError(
                rule="the function gives every layer it was asked for",
                got=f"no {layer.name} in {', '.join(sorted(answer)) or 'an empty answer'}",
                remedy="name its results after the layers",
            )
        values = np.asarray(answer[layer.name])
        if values.ndim == 3:
            values = values[:, None]
        if values.shape != (1, len(layer.bands), height, width):
            raise GridError(
                rule=f"{layer.name} has the shape (1, {len(layer.bands)}, {height}, {width}) of its window",
                got=str(values.shape),
                remedy="keep the window's size: pad inside the function where a model's output is smaller",
            )
        y, x = inside
        core = to_stored(layer, values[0, :, y, x])
        if not seen.all():
            core = core.copy()
            core[:, ~seen] = np.dtype(layer.dtype).type(layer.fill)
        return core

    def attempt(self, tile: Tile, batch: Batch | None = None) -> tuple[str, list[np.ndarray], str]:
        """(state, arrays, reason): up to three tries; what swath itself refuses is raised at once."""
        reason = ""
        for _ in range(TRIES):
            try:
                found = self.read(tile) if batch is None else batch
                state, arrays = self.compute(tile, found)
            except (Cancelled, OutputError):
                raise
            except Exception as error:
                if isinstance(error, SwathError) and not isinstance(error, FormatError):
                    raise
                reason, batch = f"{type(error).__name__}: {error}", None
            else:
                return state, arrays, ""
        return "failed", [], " ".join(reason.split())


def run(
    cubes: Mapping[str, xr.DataArray],
    function: Function,
    layers: Sequence[Layer],
    out: str | os.PathLike[str],
    *,
    reach: int = 0,
    window: int | None = None,
    fingerprint: Any = "",
    scheduler: str = "threads",
    workers: int | None = None,
    allow: Iterable[str] = ("snow",),
    restart: bool = False,
    progress: Progress | None = None,
) -> Ran:
    """Map aligned cubes window by window; each layer becomes `out/NAME.tif`, a COG on the cubes' grid.

    cubes: {sensor: cube} on one grid (`cube.align`). function(Batch of one window with halo, B = 1) gives
    {layer name: (1, bands, H, W)}; one with an attribute `crops` that is True is called with (batch, (rows, columns))
    and gives that part alone; one with `planes` tells how many planes it makes of a window, so that windows of the
    default size fit the memory. `reach` is how many pixels around a pixel it looks at (the halo). Every pixel that
    any cube has seen is written exactly once, from its own window; others are no data. window: side in pixels
    (default: what fits the memory, a power of two). fingerprint: whatever decides the result besides cubes and layers (JSON).
    scheduler: "threads", "dask" (a cluster on this machine) or "tcp://..." (a running one). workers: default all cores.
    allow: flags whose pixels still count. restart: throw away what an interrupted run has left.

    An interrupted run leaves `out/.NAME.part`; the same call goes on from there and gives the same bytes. Two runs on
    one output take turns. A window that fails three times is no data and counted in `Ran.failed`.

    Raises OutputError (no room, not writable, the rest of another run), GridError (cubes on different grids) and
    what the function refuses; Cancelled when `progress` raises it.
    """
    started = time.monotonic()
    work, todo = prepared(cubes, function, layers, reach=reach, window=window, allow=allow, scheduler=scheduler)
    shape, layers = _shape(cubes), work.layers
    facts = {
        "asked": fingerprint,
        "cubes": {name: _facts(da) for name, da in cubes.items()},
        "layers": [layer.facts() for layer in layers],
        "shape": shape,
        "window": work.window,
        "reach": reach,
        "allow": sorted(work.allow),
    }
    first = next(iter(cubes.values()))
    say = progress or (lambda done, total, what: None)
    with Store.open(Path(out), layers, shape, todo, facts, restart=restart, say=say) as store:
        rest = [tile for tile in todo if tile.index not in store.done]
        resumed = len(todo) - len(rest)
        if not store.published:
            _spread(work, rest, store, scheduler, workers, say, len(todo))
            _refuse_nothing_left(store, len(todo))
        paths = store.publish(contract.grid(first), say)
        states = [line["state"] for line in store.done.values()]
        broken = sorted(i for i, line in store.done.items() if line["state"] == "failed")
        reasons = tuple(sorted({str(store.reasons[i]) for i in broken if i in store.reasons}))
    where = {tile.index: tile for tile in todo}
    return Ran(
        paths=paths,
        shape=shape,
        window=work.window,
        reach=reach,
        windows=len(todo),
        computed=len(rest),
        resumed=resumed,
        empty=states.count("empty"),
        failed=tuple(_place(where[i]) for i in broken),
        reasons=reasons,
        seconds=time.monotonic() - started,
        notes=(f"went on from {resumed} of {len(todo)} windows of an interrupted run",) if resumed else (),
    )


def prepared(
    cubes: Mapping[str, xr.DataArray],
    function: Function,
    layers: Sequence[Layer],
    *,
    reach: int = 0,
    window: int | None = None,
    allow: Iterable[str] = ("snow",),
    scheduler: str = "threads",
) -> tuple[Work, list[Tile]]:
    """The work of one window and all windows, in the order in which they are done; as `run` takes them."""
    shape = _shape(cubes)
    layers = tuple(replace(layer, tags={"swath": swath.__version__, **layer.tags}) for layer in layers)
    _check(layers, shape, reach, window)
    dates_bands = sum(int(np.prod([n for d, n in da.sizes.items() if d not in ("y", "x")])) for da in cubes.values())
    planes = dates_bands + int(getattr(function, "planes", 0)) // 2
    size = window or choose_size(shape, planes, halo=reach)
    work = Work(dict(cubes), function, layers, tuple(allow), size)
    return work, tiles(shape, size=size, halo=reach, strip=_strip(work, reach, scheduler))


def _strip(work: Work, reach: int, scheduler: str) -> int | None:
    """How many windows wide the strips are, so that the blocks under them are decoded once; None: whole rows.

    Blocks that halos share are alive from the first window that needs them to the last: `2 far` rows of them. A worker
    of a cluster does not know which window is the last, and needs room for one row more.
    """
    unit = min(work.window, BLOCK)
    far, unit_bytes = -(-reach // unit), block_bytes(work.cubes, unit)
    if not far or not unit_bytes:
        return None
    alive = 2 * far + (scheduler != "threads")
    wide = (_BLOCKS_KEPT // unit_bytes - 2 * far - 1) // alive
    blocks = -(-_shape(work.cubes)[1] // unit)
    return None if blocks <= wide else max(1, (wide - 2 * far) * unit // work.window)


def _spread(
    work: Work, rest: list[Tile], store: Store, scheduler: str, workers: int | None, say: Progress, total: int
) -> None:
    if scheduler == "threads":
        from swath.predict.threads import spread

        spread(work, rest, store, workers or cores(), say, total)
        return
    from swath.predict.cluster import spread as over_cluster

    over_cluster(work, rest, store, scheduler, workers, say, total)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _place(tile: Tile) -> tuple[int, int, int, int]:
    height, width = tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start
    return tile.rows.start, tile.columns.start, height, width


def _shape(cubes: Mapping[str, xr.DataArray]) -> tuple[int, int]:
    shapes = {name: (da.sizes.get("y", 0), da.sizes.get("x", 0)) for name, da in cubes.items()}
    if len(set(shapes.values())) != 1 or 0 in next(iter(shapes.values())):
        raise GridError(
            rule="cubes to map share one grid of at least one pixel",
            got=str(shapes) if shapes else "no cube",
            remedy="put them through swath.cube.align.align first",
        )
    return next(iter(shapes.values()))


def _check(layers: tuple[Layer, ...], shape: tuple[int, int], reach: int, window: int | None) -> None:
    names = [layer.name for layer in layers]
    if not names or len(set(names)) != len(names) or any("/" in n or not n for n in names):
        raise OutputError(
            rule="layers have different plain names", got=str(names), remedy="give each layer a file stem of its own"
        )
    if reach < 0 or (window is not None and window < 16):
        raise GridError(
            rule="a window has at least 16 pixels a side, and the reach is not negative",
            got=f"window {window}, reach {reach}",
            remedy="use 128, 256 or 512",
        )


def _facts(da: xr.DataArray) -> dict[str, Any]:
    box = contract.grid(da)
    facts: dict[str, Any] = {"sizes": dict(da.sizes), "dtype": str(da.dtype), "sensor": da.attrs.get("sensor")}
    facts |= {name: [str(v) for v in da.coords[name].values] for name in ("band", "quantity", "units", "nodata")}
    if "time" in da.dims:
        facts["time"] = [str(v) for v in da.coords["time"].values]
    if box is not None:
        facts |= {"affine": list(box.affine)[:6], "crs": None if box.crs is None else box.crs.to_wkt()}
    return facts


def _refuse_nothing_left(store: Store, total: int) -> None:
    """A run in which every window with pixels failed has no result to publish."""
    states = [line["state"] for line in store.done.values()]
    if "done" in states or "failed" not in states:
        return
    reason = next(iter(store.reasons.values()), "every window failed in the run before")
    store.forget()
    raise FormatError(
        rule="at least one window can be read and mapped",
        got=f"{states.count('failed')} of {total} windows failed; the first: {reason}",
        remedy="check the scene with swath doctor, and the function on one window",
    )
