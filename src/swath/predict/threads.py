"""Windows over the threads of one machine: the next ones are read while these are computed."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
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


def spread(
    work: Work, rest: list[Tile], store: Store, workers: int, say: Callable[[int, int, str], None], total: int
) -> None:
    """Read, compute and write the windows of `rest`; this thread alone keeps the journal.

    At most 2 x workers windows are held at once. When anything is raised (Cancelled from `say` too), windows under way
    are finished and told to the journal before it goes up.
    """
    done = total - len(rest)
    coming = deque(rest)
    running: dict[Future[tuple[str, list[int], str]], Tile] = {}
    finished: SimpleQueue[Future[tuple[str, list[int], str]]] = SimpleQueue()

    def task(tile: Tile, ahead: Future[Batch]) -> tuple[str, list[int], str]:
        batch: Batch | None
        try:
            batch = ahead.result()
        except Exception as error:
            if isinstance(error, SwathError) and not isinstance(error, OSError):
                raise
            batch = None  # tried again, and counted, by `attempt`
        state, arrays, reason = work.attempt(tile, batch)
        return state, store.put(tile, state, arrays), reason

    def gather() -> None:
        future = finished.get()
        tile = running.pop(future)
        state, crc, reason = future.result()
        store.finish(tile, state, crc, reason)

    windows = work.windows
    windows.expect((tile.read_rows, tile.read_columns) for tile in rest)
    windows.budget += 2 * workers * block_bytes(work.cubes, windows.unit)  # each window under way may bring one
    readers = ThreadPoolExecutor(workers, "swath-read")
    computers = ThreadPoolExecutor(workers, "swath-compute", initializer=_alone)
    threads_before = _torch_threads()
    # GDAL would keep a twentieth of the machine's memory in decoded blocks; ours are kept by `Windows`.
    settings = rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE)
    settings.__enter__()
    try:
        say(done, total, "mapping")
        while coming or running:
            # Windows wait in the queue of `computers`, so that its threads never wait for this one.
            while coming and len(running) < 2 * workers:
                tile = coming.popleft()
                future = computers.submit(task, tile, readers.submit(work.read, tile))
                running[future] = tile
                future.add_done_callback(finished.put)
            gather()
            done += 1
            say(done, total, "mapping")
    except BaseException:
        _last({future: tile for future, tile in running.items() if not future.cancel()}, store)
        raise
    finally:
        readers.shutdown(wait=True, cancel_futures=True)
        computers.shutdown(wait=True, cancel_futures=True)
        _torch_threads(threads_before)
        settings.__exit__()


def _alone() -> None:
    """Windows use every core already: threads inside a model (OpenMP, torch) would only wait for one another."""
    if "threadpoolctl" in sys.modules:
        sys.modules["threadpoolctl"].threadpool_limits(limits=1, user_api="openmp")
    _torch_threads(1)


def _torch_threads(n: int | None = None) -> int | None:
    """The number of threads that torch uses, set to n first where n is given; None where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if n is not None:
        torch.set_num_threads(n)
    count: int = torch.get_num_threads()
    return count


def _last(running: dict[Future[tuple[str, list[int], str]], Tile], store: Store) -> None:
    """Windows that were under way when the run was called off: finished ones are kept."""
    wait(running)
    for future, tile in running.items():
        if future.exception() is None:
            state, crc, reason = future.result()
            if state != "failed":
                store.finish(tile, state, crc, reason)
