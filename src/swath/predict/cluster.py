"""The same windows over a Dask cluster: workers compute, this process alone writes, so the bytes are the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import Cancelled, OutputError, SwathError, need
from swath.predict.tile import Tile

if TYPE_CHECKING:
    from swath.predict.run import Work
    from swath.predict.store import Store

__all__ = ["spread"]


def attempt(work: Work, tile: Tile) -> tuple[str, list[np.ndarray], str]:
    """One window on a worker (module-level, so that it travels by name)."""
    return work.attempt(tile)


def spread(
    work: Work,
    rest: list[Tile],
    store: Store,
    scheduler: str,
    workers: int | None,
    say: Callable[[int, int, str], None],
    total: int,
) -> None:
    """Compute the windows of `rest` on a cluster and write them here as they come home.

    scheduler: "dask" (processes of this machine) or the address of a running scheduler; its workers must see the
    scene's files under the same paths. Windows of a worker that dies are done by others; a window that kills three
    workers is no data. Raises SwathError (scheduler unknown or not there), OutputError, Cancelled from `say`.
    """
    distributed = need("distributed", extra="dask", why="scheduler=" + scheduler)
    with ExitStack() as stack:
        client = stack.enter_context(_client(distributed, scheduler, workers, stack))
        shared = client.scatter(work, broadcast=True, hash=False)
        coming = iter(rest)
        ahead = 2 * max(1, sum(client.nthreads().values()))
        flying: dict[Any, Tile] = {}
        done = total - len(rest)

        def send(n: int) -> None:
            for tile in islice(coming, n):
                flying[client.submit(attempt, shared, tile, pure=False)] = tile

        send(ahead)
        say(done, total, "mapping")
        while flying:
            ready = distributed.wait(list(flying), return_when="FIRST_COMPLETED").done
            for future in ready:
                tile = flying.pop(future)
                state, arrays, reason = _result(future, distributed)
                store.finish(tile, state, store.put(tile, state, arrays), reason)
                future.release()
                send(1)
                done += 1
            say(done, total, "mapping")


def _result(future: Any, distributed: Any) -> tuple[str, list[np.ndarray], str]:
    try:
        found: tuple[str, list[np.ndarray], str] = future.result()
    except (SwathError, Cancelled, OutputError):
        raise
    except distributed.KilledWorker as error:
        return "failed", [], f"the window killed its workers: {' '.join(str(error).split())}"
    return found


def _client(distributed: Any, scheduler: str, workers: int | None, stack: ExitStack) -> Any:
    if scheduler == "dask":
        from swath.predict.run import cores

        cluster = distributed.LocalCluster(
            n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None, silence_logs="ERROR"
        )
        return distributed.Client(stack.enter_context(cluster))
    if "://" not in scheduler:
        raise SwathError(
            rule="the scheduler is threads, dask or the address of a running one",
            got=scheduler,
            remedy="try --scheduler tcp://host:8786",
        )
    try:
        return distributed.Client(scheduler, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise SwathError(
            rule="the Dask scheduler must answer",
            got=f"{scheduler}: {error}",
            remedy="start it (dask scheduler, dask worker) or leave --scheduler threads",
        ) from error
