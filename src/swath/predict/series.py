"""Run a function over every window of a cube and write what it says of each date: one Zarr store, resumable, bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import swath
from swath.cube import contract
from swath.cube.blocks import Layer
from swath.errors import FormatError
from swath.predict.run import Function, Work, cores
from swath.predict.series_store import CHUNK, SeriesStore
from swath.predict.tile import choose_size, tiles

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Written", "frame_of", "run_series"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What a run did: the store, windows in all, gone on from, without a pixel, and failed three times (with why)."""

    path: Path
    windows: int
    resumed: int
    empty: int
    failed: tuple[tuple[int, int], ...] = ()
    reasons: tuple[str, ...] = ()


def frame_of(cube: xr.DataArray, time: np.ndarray, *, nodata: Sequence[float] | None = None) -> xr.Dataset:
    """The coordinates of a cube with other dates (datetime64), as a Dataset ready for a CF store."""
    import xarray as xr

    keep = {k: v for k, v in cube.coords.items() if k not in ("flag", "spatial_ref", "time") and "time" not in v.dims}
    frame = xr.Dataset(coords=keep).assign_coords(time=("time", np.asarray(time, "datetime64[ns]")))
    if nodata is not None:
        frame = frame.assign_coords(nodata=("band", np.asarray(nodata, float)))
    grid = cube.coords.get("spatial_ref")
    if grid is not None:
        frame = frame.assign_coords(spatial_ref=xr.DataArray(np.int32(0), attrs=dict(grid.attrs)))
        frame["y"].attrs |= {"standard_name": "projection_y_coordinate", "axis": "Y"}
        frame["x"].attrs |= {"standard_name": "projection_x_coordinate", "axis": "X"}
    frame["time"].attrs |= {"standard_name": "time", "axis": "T"}
    frame["time"].encoding |= {"units": "milliseconds since 1970-01-01", "dtype": "int64"}
    return frame


def run_series(
    cube: xr.DataArray,
    function: Function,
    layers: Sequence[Layer],
    path: Path,
    *,
    frame: xr.Dataset,
    attrs: dict[str, dict[str, Any]],
    tags: dict[str, Any],
    fingerprint: Any,
    allow: Iterable[str] = ("snow",),
    window: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Written:
    """Map a cube window by window onto the dates of `frame`; layers as in `predict.run`, their bands dates x bands (time
    first), or dates alone for the layer `flag`.

    window: a multiple of 128 pixels; bytes do not depend on it. An interrupted run goes on with the same call. Raises
    OutputError, and FormatError when every window failed.
    """
    shape = (cube.sizes["y"], cube.sizes["x"])
    planes = cube.sizes.get("time", 1) * cube.sizes["band"] + frame.sizes["time"] * frame.sizes["band"]
    size = max(CHUNK, choose_size(shape, planes)) if window is None else -(-window // CHUNK) * CHUNK
    work = Work({"series": cube}, function, tuple(layers), tuple(allow), size)
    todo = tiles(shape, size=size)
    box = contract.grid(cube)
    facts = {
        "asked": fingerprint,
        "layers": [layer.facts() for layer in layers],
        "shape": shape,
        "window": size,
        "allow": sorted(allow),
        "grid": None if box is None else [*list(box.affine)[:6], None if box.crs is None else box.crs.to_wkt()],
    }
    say = progress or (lambda done, total, what: None)
    with SeriesStore.open(path, frame, layers, attrs, todo, facts, say=say) as store:
        rest = [tile for tile in todo if tile.index not in store.done]
        from swath.predict.threads import spread

        spread(work, rest, store, workers or cores(), say, len(todo))  # type: ignore[arg-type]
        states = {i: line["state"] for i, line in store.done.items()}
        broken = [t for t in todo if states.get(t.index) == "failed"]
        reasons = tuple(sorted({store.reasons[t.index] for t in broken if t.index in store.reasons}))
        if broken and "done" not in states.values():
            store.forget()
            raise FormatError(
                rule="at least one window can be read and answered",
                got=f"{len(broken)} of {len(todo)} windows failed; the first: {next(iter(reasons), 'unknown')}",
                remedy="check the scene with swath doctor",
            )
        conventions = {"Conventions": "CF-1.10", "swath": swath.__version__}
        store.publish(conventions | tags)
    return Written(
        path=path,
        windows=len(todo),
        resumed=len(todo) - len(rest),
        empty=sum(s == "empty" for s in states.values()),
        failed=tuple((t.rows.start, t.columns.start) for t in broken),
        reasons=reasons,
    )
