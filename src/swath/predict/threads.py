"""Windows over the threads of one machine: the next ones are read while these are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from swath.batch import Batch
from swath.errors import SwathError
from swath.predict.tile import Tile

if TYPE_CHECKING:
    from swath.predict.run import Work
    from swath.predict.store import Store

__all__ = ["spread"]


def spread(
    work: Work, rest: list[Tile], store: Store, workers: int, say: Callable[[int, int, str], None], total: int
) -> None:
    """Read, compute and write the windows of `rest`; this thread alone keeps the journal.

    At most 2 x workers windows are held at once. When anything is raised (Cancelled from `say` too), windows under way
    are finished and told to the journal before it goes up.
    """
    done = total - len(rest)
    coming = deque(rest)
    reading: deque[tuple[Tile, Future[Batch]]] = deque()
    running: dict[Future[tuple[str, list[int], str]], Tile] = {}

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

    def gather(block: bool) -> int:
        finished, _ = wait(running, return_when=FIRST_COMPLETED) if block else wait(running)
        for future in finished:
            tile = running.pop(future)
            state, crc, reason = future.result()
            store.finish(tile, state, crc, reason)
        return len(finished)

    readers, computers = ThreadPoolExecutor(workers, "swath-read"), ThreadPoolExecutor(workers, "swath-compute")
    try:
        say(done, total, "mapping")
        while coming or reading or running:
            while coming and len(reading) + len(running) < 2 * workers:
                tile = coming.popleft()
                reading.append((tile, readers.submit(work.read, tile)))
            while reading and len(running) < workers:
                tile, ahead = reading.popleft()
                running[computers.submit(task, tile, ahead)] = tile
            done += gather(block=True)
            say(done, total, "mapping")
    except BaseException:
        for _, ahead in reading:
            ahead.cancel()
        _last(running, store)
        raise
    finally:
        readers.shutdown(wait=True, cancel_futures=True)
        computers.shutdown(wait=True, cancel_futures=True)


def _last(running: dict[Future[tuple[str, list[int], str]], Tile], store: Store) -> None:
    """Windows that were under way when the run was called off: finished ones are kept."""
    wait(running)
    for future, tile in running.items():
        if future.exception() is None:
            state, crc, reason = future.result()
            if state != "failed":
                store.finish(tile, state, crc, reason)
