"""Encode many scenes into an archive of vectors: resumable, bounded in memory, by threads or Dask; its cost beforehand."""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath.cube.blocks import fsync_folder
from swath.errors import FormatError, SwathError
from swath.predict.rows import Store
from swath.predict.run import cores
from swath.predict.spots import Encoding, Group
from swath.predict.vectors import scaling, threshold

__all__ = ["Cost", "Encoded", "encode", "measure"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Cost:
    """What encoding will take: measured on one window of each kind of scene. memory: over the interpreter, in bytes."""

    scenes: int
    windows: int
    vectors: int
    tokens: int
    width: int
    seconds: float
    memory: int
    disk: int
    workers: int
    window: int
    window_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)

    def __str__(self) -> str:
        s = self.seconds
        took = f"{s:.1f} s" if s < 20 else f"{s:.0f} s" if s < 180 else f"{s / 60:.0f} min"
        took = took if s < 7200 else f"{s / 3600:.1f} h"
        return (
            f"{self.scenes} place{'s' * (self.scenes != 1)}, {self.windows:,} windows of {self.window} px, "
            f"{self.tokens:,} tokens, up to {self.vectors:,} vectors of {self.width}: "
            f"about {took} on {self.workers} core{'s' * (self.workers != 1)} "
            f"({self.window_seconds:.3f} s a window), {self.memory / 1e6:.0f} MB of memory, {self.disk / 1e6:.1f} MB of disk"
        )


def measure(work: Encoding, *, workers: int | None = None) -> Cost:
    """Encode one window of each kind of scene (sensors and bands), near the middle, that has valid pixels.

    Raises what the encoder refuses (bands, quantities), FormatError where no scene has a valid pixel.
    """
    todo = work.groups()
    kinds: dict[Any, list[Group]] = {}
    by_site: dict[int, list[Group]] = {}
    for group in todo:
        by_site.setdefault(group.site, []).append(group)
    for site, mine in by_site.items():
        kind = getattr(work.sites[site], "kind", site if len(work.sites) < 16 else 0)
        kinds.setdefault(kind, []).extend(mine)
    seconds, memory, tokens, width, slowest = 0.0, 0, 0, 0, 0.0
    for mine in kinds.values():
        one = _trial(work, mine)
        if one is None:
            continue
        took, peak, count, wide = one
        if width and wide != width:
            raise SwathError(
                rule="all vectors of an archive have one width",
                got=f"{width} and {wide} numbers for scenes of other sensors",
                remedy="encode scenes of each sensor into an archive of their own",
            )
        width = wide
        windows = sum(len(group.spots) for group in mine)
        seconds += _opening(work, mine[0].site) * len({group.site for group in mine})
        seconds, tokens = seconds + took * windows, tokens + count * windows
        memory, slowest = max(memory, peak), max(slowest, took)
    if not width:
        raise FormatError(
            rule="a scene has valid pixels", got="none in the windows tried", remedy="look at it with swath info"
        )
    used = min(workers or cores(), len(todo))
    count = todo[-1].first + todo[-1].count
    return Cost(
        scenes=len(work.sites),
        windows=sum(len(group.spots) for group in todo),
        vectors=count,
        tokens=tokens,
        width=width,
        seconds=seconds / used,
        memory=memory * used + (96 << 20),
        disk=2 * count * (4 * width + 25),
        workers=used,
        window=work.window,
        window_seconds=slowest,
    )


def _trial(work: Encoding, mine: Sequence[Group]) -> tuple[float, int, int, int] | None:
    """Seconds and tokens of one window, bytes and width; None where none of 16 groups tried has valid pixels."""
    middle = len(mine) // 2
    near = sorted(range(len(mine)), key=lambda i: (abs(i - middle), i))[:8]
    spread = np.unique(np.linspace(0, len(mine) - 1, 8).astype(int)).tolist()
    for i in dict.fromkeys([*near, *spread]):
        try:
            batch = work.read(mine[i])
        except OSError:
            continue  # counted when it is encoded
        if any(p.valid.any() for p in batch.pixels.values()):
            return _timed(work, mine[i])
    return None


def _opening(work: Encoding, site: int) -> float:
    """Seconds that opening a site takes."""
    began = time.perf_counter()
    work.sites[site].cubes()
    return time.perf_counter() - began


def _timed(work: Encoding, group: Group) -> tuple[float, int, int, int] | None:
    highest = _highest()
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        batch = work.read(group)
        state, arrays = work.compute(group, batch)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not running:
            tracemalloc.stop()
    if state != "done":
        return None
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else 1
    _alone()  # as in the run, where each window has one core
    try:
        began = time.perf_counter()
        work.compute(group, work.read(group))
        took = time.perf_counter() - began
    finally:
        if torch is not None:
            torch.set_num_threads(threads)
    here, side = len(group.spots), work.window // max(1, work.patch)
    count = len(arrays[0]) // here * (1 if work.by == "patch" else side * side)
    return took / here, max(peak, _highest() - highest), count, arrays[0].shape[1]


def _highest() -> int:
    """The most memory that this process has held, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024)


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a run did. empty: windows without a valid pixel; failed: windows left out after three tries, with reasons."""

    path: Path
    vectors: int
    width: int
    windows: int
    resumed: int
    empty: int
    failed: int
    reasons: tuple[str, ...]
    seconds: float
    threshold: float
    words: str


def encode(
    work: Encoding,
    out: str | os.PathLike[str],
    *,
    width: int,
    facts: Mapping[str, Any],
    inputs: Any = "",
    scheduler: str = "threads",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Encoded:
    """Encode every window of every site and write the archive `out` (.zarr or .parquet).

    width: of the vectors (`measure` tells). facts: what the archive says of itself. inputs: digests of what is read, for the
    fingerprint. An interrupted run leaves `.NAME.part` beside `out`; the same call goes on from there. Memory holds the
    windows under way and a block of vectors. Raises OutputError (no room, not writable, the rest of another run),
    FormatError where every window failed, what the encoder refuses, Cancelled from `progress`.
    """
    began, path = time.monotonic(), Path(out)
    todo = work.groups()
    windows = sum(len(group.spots) for group in todo)
    say = progress or (lambda done, total, what: None)
    known = {k: v for k, v in facts.items() if k != "sites"}
    places = [[s.name, list(s.shape), list(s.days)] for s in work.sites]
    mark = [known, inputs, places, work.window, work.by, work.patch, work.most, sorted(work.allow), width, path.name]
    store = Store(path, work, todo, width, mark, say)
    try:
        rest = [group for group in todo if group.index not in store.journal.done]
        resumed = windows - sum(len(group.spots) for group in rest)
        if scheduler == "threads":
            _by_threads(work, rest, store, workers or cores(), say, len(todo))
        else:
            from swath.predict.cluster import spread

            spread(work, rest, store, scheduler, workers, say, len(todo))  # type: ignore[arg-type]
        store.sync()
        states = [line["state"] for line in store.journal.done.values()]
        reasons = tuple(sorted(set(store.reasons.values())))
        if "done" not in states and "failed" in states:
            store.forget()
            raise FormatError(
                rule="at least one window can be read and encoded",
                got=f"{states.count('failed')} of {len(todo)} windows failed; the first: {reasons[0] if reasons else ''}",
                remedy="check the scene with swath doctor",
            )
        say(len(todo), len(todo), f"writing {path.name}")
        found = store.vectors(facts)
        scale = scaling(found)
        chance = threshold(found, scale=scale)
        about = {**facts, "scaling": scale.to_json(), "threshold": asdict(chance) | {"value": _plain(chance.value)}}
        store.vectors(about).write(path)
        count = len(found)
        failed = sum(len(todo[i].spots) for i, line in store.journal.done.items() if line["state"] == "failed")
        empty = windows - store.windows_seen() - failed
        store.forget()
        fsync_folder(path.parent)
    finally:
        store.close()
    return Encoded(
        path=path,
        vectors=count,
        width=width,
        windows=windows,
        resumed=resumed,
        empty=empty,
        failed=failed,
        reasons=reasons,
        seconds=time.monotonic() - began,
        threshold=chance.value,
        words=chance.words,
    )


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _by_threads(work: Encoding, rest: Sequence[Group], store: Store, workers: int, say: Progress, total: int) -> None:
    """Encode windows on `workers` threads; this thread alone keeps the journal. Windows under way are finished when
    anything is raised.
    """
    done, coming = total - len(rest), iter(rest)
    flying: dict[Future[tuple[str, list[int], str]], Group] = {}

    def one(spot: Group) -> tuple[str, list[int], str]:
        state, arrays, reason = work.attempt(spot)
        return state, store.put(spot, state, arrays), reason

    def take(ready: Any, *, quiet: bool = False) -> int:
        for future in ready:
            spot = flying.pop(future)
            if quiet and (future.cancelled() or future.exception() is not None):
                continue
            state, crc, reason = future.result()
            store.finish(spot, state, crc, reason)
        return len(ready)

    import rasterio

    pool = ThreadPoolExecutor(workers, "swath-encode", initializer=_alone)
    # GDAL would keep a twentieth of the machine's memory in decoded blocks; ours are kept by `Windows`.
    settings = rasterio.Env(GDAL_CACHEMAX=64 << 20)
    settings.__enter__()
    try:
        say(done, total, "encoding")
        while True:
            while len(flying) < 2 * workers and (spot := next(coming, None)) is not None:
                flying[pool.submit(one, spot)] = spot
            if not flying:
                break
            done += take(wait(flying, return_when=FIRST_COMPLETED).done)
            say(done, total, "encoding")
    except BaseException:
        for future in flying:
            future.cancel()
        take(wait(flying).done, quiet=True)
        store.sync()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        settings.__exit__()


def _alone() -> None:
    """Windows use every core already: threads inside a network would only wait for one another."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
