"""Windows over the threads of one machine: as many as there are cores, and more where reading waits for disk or network."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

import rasterio

from swath.batch import Batch
from swath.errors import SwathError
from swath.predict.tile import Tile
from swath.sample.window import block_bytes

if TYPE_CHECKING:
    from swath.predict.run import Work
    from swath.predict.store import Store

__all__ = ["spread"]

_GDAL_CACHE = 64 << 20
_ENOUGH = 2.0  # seconds of all threads together


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of a window; took, waited: seconds of its thread, and those in which reading it used no processor."""

    tile: Tile
    state: str = ""
    crc: tuple[int, ...] = ()
    reason: str = ""
    error: BaseException | None = None
    took: float = 0.0
    waited: float = 0.0


def spread(
    work: Work, rest: list[Tile], store: Store, workers: int, say: Callable[[int, int, str], None], total: int
) -> None:
    """Read, compute and write the windows of `rest`; this thread alone keeps the journal.

    Each thread reads the window that it computes, so its numbers are still in the cache. There are `workers` threads,
    up to twice as many while they wait for reads. When anything is raised (Cancelled from `say` too), windows under way
    are finished and told to the journal before it goes up.
    """
    done = total - len(rest)
    coming, finished = deque(rest), SimpleQueue[_Told]()
    threads: list[threading.Thread] = []
    took = waited = 0.0
    windows = work.windows
    windows.expect((tile.read_rows, tile.read_columns) for tile in rest)
    windows.budget += 2 * workers * block_bytes(work.cubes, windows.unit)  # each window under way may bring one
    threads_before = _torch_threads()
    # GDAL would keep a twentieth of the machine's memory in decoded blocks; ours are kept by `Windows`.
    settings = rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE)
    settings.__enter__()
    try:
        say(done, total, "mapping")
        for _ in rest:
            while coming and len(threads) < _wanted(workers, took, waited):
                serve = threading.Thread(target=_serve, args=(work, store, coming, finished), name="swath-window")
                threads.append(serve)
                serve.start()
            told = finished.get()
            _finish(store, told)
            took, waited, done = took + told.took, waited + told.waited, done + 1
            say(done, total, "mapping")
    except BaseException:
        _stop(coming, threads)
        while not finished.empty():
            told = finished.get()
            if told.error is None and told.state != "failed":
                _finish(store, told)
        raise
    finally:
        _stop(coming, threads)
        _torch_threads(threads_before)
        settings.__exit__()


def _wanted(workers: int, took: float, waited: float) -> int:
    """How many threads keep `workers` of them busy, judged by the seconds so far once there are enough of them."""
    if took < _ENOUGH:
        return workers
    return min(2 * workers, round(workers * took / max(took - waited, took / 2)))


def _stop(coming: deque[Tile], threads: list[threading.Thread]) -> None:
    """No further windows; those under way are waited for."""
    coming.clear()
    for thread in threads:
        thread.join()


def _finish(store: Store, told: _Told) -> None:
    if told.error is not None:
        raise told.error
    store.finish(told.tile, told.state, list(told.crc), told.reason)


def _serve(work: Work, store: Store, coming: deque[Tile], finished: SimpleQueue[_Told]) -> None:
    """Windows one after another, until none is left or one raised."""
    alone = False
    while coming:
        try:
            tile = coming.popleft()
        except IndexError:
            return
        try:
            alone = alone or _alone()
            told = _window(work, store, tile)
        except BaseException as error:  # raised again by the thread that gathers
            told = _Told(tile, error=error)
        finished.put(told)
        if told.error is not None:
            return


def _window(work: Work, store: Store, tile: Tile) -> _Told:
    started, busy = time.perf_counter(), time.thread_time()
    batch: Batch | None
    try:
        batch = work.read(tile)
    except Exception as error:
        if isinstance(error, SwathError) and not isinstance(error, OSError):
            raise
        batch = None  # tried again, and counted, by `attempt`
    waited = time.perf_counter() - started - (time.thread_time() - busy)
    state, arrays, reason = work.attempt(tile, batch)
    crc = tuple(store.put(tile, state, arrays))
    return _Told(tile, state, crc, reason, took=time.perf_counter() - started, waited=waited)


def _alone() -> bool:
    """Windows use every core already: threads inside a model (OpenMP, torch) would only wait for one another."""
    if "threadpoolctl" in sys.modules:
        sys.modules["threadpoolctl"].threadpool_limits(limits=1, user_api="openmp")
    _torch_threads(1)
    return True


def _torch_threads(n: int | None = None) -> int | None:
    """The number of threads that torch uses, set to n first where n is given; None where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if n is not None:
        torch.set_num_threads(n)
    count: int = torch.get_num_threads()
    return count
