"""Random training windows from tiled rasters, each file block decoded once for all windows that are cut from it.

A random window of 256 pixels touches 2.25 blocks of 512: read alone it costs nine windows' worth of decoding. Here a
superblock (whole blocks, about 1,024 pixels wide) is decoded once and as many windows are cut from it as fit its area.
The draw stays honest: the superblock grid moves by whole blocks from epoch to epoch, corners that two grids can reach
are drawn half as often from each, so that over the epochs every position comes equally often; `mixed` hands out windows
of different superblocks.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from swath.errors import FormatError, GridError

__all__ = ["Cut", "Ground", "Superblock", "Tiff", "handle", "mixed", "plan"]

_KEPT_HANDLES = 64


class Ground(Protocol):
    """Something that windows are cut from: one place on one pixel grid.

    shape (H, W) pixels; block (rows, columns) that are decoded together; `read` gives arrays whose last two axes
    are the window; `valid_share` tells how much of a window counts. Both are called from several threads.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        ...

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        ...

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, ...]:
        """Arrays (..., rows, columns) of the window."""
        ...

    def valid_share(self, arrays: tuple[np.ndarray, ...]) -> float:
        """Share of pixels of a window that count, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Superblock:
    """Pixels that are decoded together, and the corners (n, 2) of the windows to cut, relative to the ground."""

    ground: int
    rows: slice
    columns: slice
    corners: np.ndarray
    seed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A window: its arrays (..., size, size), the ground it is of, row and column of its corner, its superblock."""

    arrays: tuple[np.ndarray, ...]
    ground: int
    row: int
    column: int
    superblock: int


_local = threading.local()


def handle(path: str | Path) -> Any:
    """An open rasterio dataset of this process and thread; never shared, never carried over a fork, at most 64 kept."""
    import rasterio

    if getattr(_local, "pid", None) != os.getpid():
        _local.pid, _local.kept = os.getpid(), OrderedDict()
    kept: OrderedDict[str, Any] = _local.kept
    name = str(path)
    if name in kept:
        kept.move_to_end(name)
        return kept[name]
    try:
        kept[name] = rasterio.open(name)
    except rasterio.errors.RasterioIOError as error:
        raise FormatError(rule="a scene can be opened", got=str(error), remedy="try swath doctor on it") from error
    if len(kept) > _KEPT_HANDLES:
        kept.popitem(last=False)[1].close()
    return kept[name]


class Tiff:
    """A Ground of one or more rasters on one grid (dates, sensors): stored numbers, one array (C, h, w) a file.

    Raises GridError when the files differ in size.
    """

    def __init__(self, *paths: str | Path, indexes: Sequence[int] | None = None) -> None:
        self.paths = tuple(str(p) for p in paths)
        self.indexes = None if indexes is None else list(indexes)
        first = handle(self.paths[0])
        self.shape: tuple[int, int] = (first.height, first.width)
        self.block: tuple[int, int] = tuple(int(v) for v in first.block_shapes[0])  # type: ignore[assignment]
        self.nodata = first.nodata
        for path in self.paths[1:]:
            other = handle(path)
            if (other.height, other.width) != self.shape:
                raise GridError(
                    rule="rasters that are read together have one grid",
                    got=f"{self.shape} and {(other.height, other.width)} in {Path(path).name}",
                    remedy="align them first",
                )

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, ...]:
        """Stored numbers of the window by file."""
        from rasterio.errors import RasterioIOError
        from rasterio.windows import Window

        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        try:
            return tuple(handle(path).read(self.indexes, window=window) for path in self.paths)
        except RasterioIOError as error:
            raise FormatError(
                rule="every block of a training scene can be read",
                got=str(error),
                remedy="try swath doctor on the file",
            ) from error

    def valid_share(self, arrays: tuple[np.ndarray, ...]) -> float:
        """Share of numbers that are finite and not nodata."""
        if arrays[0].dtype.kind == "f":
            return float(np.mean([np.isfinite(a).mean() for a in arrays]))
        return 1.0 if self.nodata is None else float(np.mean([(a != self.nodata).mean() for a in arrays]))


def plan(
    grounds: Sequence[Ground],
    *,
    size: int,
    seed: int,
    epoch: int,
    per: float | None = None,
    superblock: int = 1024,
) -> list[Superblock]:
    """The superblocks of one epoch in the order they are read, with the windows to cut from each.

    size: of a window in pixels. per: windows that a superblock's area gives; by default as many as show every pixel
    once an epoch on average. Every place gives its share by area. Over the epochs the position of windows is uniform
    over all that fit, rims included.
    Raises GridError when a ground is smaller than a window.
    """
    out: list[Superblock] = []
    for number, ground in enumerate(grounds):
        if min(ground.shape) < size:
            raise GridError(
                rule="a window fits its scene",
                got=f"{size} px in {ground.shape} (scene {number})",
                remedy="smaller size",
            )
        rng = np.random.default_rng([seed, epoch, number, 1])
        steps = _shift(seed, number, epoch)
        axes = [
            _spans(n, b, size, superblock, step) for n, b, step in zip(ground.shape, ground.block, steps, strict=True)
        ]
        area = ground.shape[0] * ground.shape[1] / size**2
        if per is not None:
            sides = [_blocks(n, b, size, superblock) * b for n, b in zip(ground.shape, ground.block, strict=True)]
            area *= per * size**2 / (sides[0] * sides[1])
        density = area / ((ground.shape[0] - size + 1) * (ground.shape[1] - size + 1))
        owed = rng.random()
        for r, (rows, row_corner, row_weight) in enumerate(axes[0]):
            for c, (columns, column_corner, column_weight) in enumerate(axes[1]):
                owed += density * float(row_weight.sum() * column_weight.sum())
                count = int(owed)
                owed -= count
                if count:
                    corners = np.stack([_pick(row_corner, row_weight, count, rng),
                                        _pick(column_corner, column_weight, count, rng)], axis=1)  # fmt: skip
                    out.append(Superblock(number, rows, columns, corners, (seed, epoch, number, r, c)))
    order = np.random.default_rng([seed, epoch, 2]).permutation(len(out))
    return [out[i] for i in order]


def _spans(n: int, block: int, size: int, superblock: int, step: float) -> list[tuple[slice, np.ndarray, np.ndarray]]:
    """Along one axis: the pixels of each superblock, the corners that fit in it, and the weight of each corner.

    Of n possible grids, m reach a corner: its weight is n/m, so that over the grids all corners weigh the same. An axis
    that one superblock covers has one grid.
    """
    blocks = _blocks(n, block, size, superblock)
    side = blocks * block
    if side >= n:
        return [(slice(0, n), np.arange(n - size + 1), np.ones(n - size + 1))]
    spans = []
    for start in range(-int(step * blocks) * block, n, side):
        corner = np.arange(max(0, start), min(start + side, n) - size + 1)
        if len(corner):
            touched = -(-(corner + size) // block) - corner // block
            spans.append((slice(max(0, start), min(start + side, n)), corner, blocks / (blocks - touched + 1)))
    return spans


def _shift(seed: int, number: int, epoch: int) -> tuple[float, float]:
    """How far the grid moves in this epoch, as shares of a superblock, spread evenly over the epochs.

    A random start, then steps of the two-dimensional golden ratio (M. Roberts 2018, the R2 sequence).
    """
    start = np.random.default_rng([seed, number, 6]).random(2)
    row, column = (start + epoch * np.array([0.7548776662466927, 0.5698402909980532])) % 1.0
    return float(row), float(column)


def _blocks(n: int, block: int, size: int, superblock: int) -> int:
    """How many blocks a superblock is long: about `superblock` pixels, and so many that every window fits some grid."""
    blocks = max(1, -(-superblock // block))
    return blocks if blocks * block >= n else max(blocks, -(-(size + block - 1) // block))


def _pick(corner: np.ndarray, weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` corners by weight, spread evenly (one in each equal share of the weight), in random order."""
    edge = np.cumsum(weight)
    at = (np.arange(count) + rng.random(count)) / count * edge[-1]
    found: np.ndarray = corner[np.minimum(np.searchsorted(edge, at, side="right"), len(corner) - 1)]
    return found[rng.permutation(count)]


def mixed(
    grounds: Sequence[Ground],
    blocks: Sequence[Superblock],
    *,
    size: int,
    batch: int,
    seed: int | Sequence[int],
    buffer: int | None = None,
    threads: int = 2,
    min_valid: float = 0.0,
) -> Iterator[list[Cut]]:
    """Windows in lists of `batch`, each list from different superblocks while there are enough of them.

    buffer: superblocks that are open at once, at least 8 and by default one and a half times `batch`; memory is that of
    so many superblocks and two a thread. threads: that decode; the order does not depend on them. min_valid: a window
    with a smaller valid share is drawn again in its superblock up to four times, then left out. The last list may be
    shorter. The caller may stop at any time.
    """
    rng = np.random.default_rng([*np.atleast_1d(seed).tolist(), 3])
    room = max(8, batch + batch // 2) if buffer is None else max(1, buffer)
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="swath-read") as pool:
        coming: deque[Future[_Open]] = deque()
        source = enumerate(blocks)
        more = _feeder(coming, source, pool, lambda i, b: _decode(grounds[b.ground], b, i, size, min_valid))
        open_now: list[_Open] = []
        more(2 * max(1, threads))
        try:
            while True:
                while len(open_now) < room and coming:
                    block = coming.popleft().result()
                    more(1)
                    if block.left:
                        open_now.append(block)
                if not open_now:
                    return
                yield [_cut(block, size) for block in _choose(open_now, batch, rng)]
                open_now = [b for b in open_now if b.left]
        finally:
            for future in coming:
                future.cancel()


@dataclass(slots=True)
class _Open:
    block: Superblock
    number: int
    arrays: tuple[np.ndarray, ...]
    left: list[tuple[int, int]]


def _feeder(
    coming: deque[Future[_Open]],
    source: Iterator[tuple[int, Superblock]],
    pool: ThreadPoolExecutor,
    decode: Callable[[int, Superblock], _Open],
) -> Callable[[int], None]:
    def more(count: int) -> None:
        for _ in range(count):
            item = next(source, None)
            if item is None:
                return
            coming.append(pool.submit(decode, *item))

    return more


def _decode(ground: Ground, block: Superblock, number: int, size: int, min_valid: float) -> _Open:
    arrays = ground.read(block.rows, block.columns)
    corners = [(int(r) - block.rows.start, int(c) - block.columns.start) for r, c in block.corners]
    if min_valid > 0:
        rng = np.random.default_rng(block.seed)
        corners = [c for c in (_good(ground, arrays, corner, size, min_valid, rng) for corner in corners) if c]
    return _Open(block, number, arrays, corners)


def _good(
    ground: Ground,
    arrays: tuple[np.ndarray, ...],
    corner: tuple[int, int],
    size: int,
    min_valid: float,
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    h, w = arrays[0].shape[-2:]
    for _ in range(5):
        r, c = corner
        if ground.valid_share(tuple(a[..., r : r + size, c : c + size] for a in arrays)) >= min_valid:
            return corner
        corner = (int(rng.integers(h - size + 1)), int(rng.integers(w - size + 1)))
    return None


def _choose(open_now: list[_Open], batch: int, rng: np.random.Generator) -> list[_Open]:
    """Which superblocks give the next windows: different ones, fuller ones sooner; repeats only if too few."""
    chosen: list[_Open] = []
    left = np.array([len(b.left) for b in open_now], float)
    while len(chosen) < batch and left.any():
        able = np.flatnonzero(left)
        take = min(batch - len(chosen), len(able))
        picked = rng.choice(able, take, replace=False, p=left[able] / left[able].sum())
        left[picked] -= 1
        chosen += [open_now[i] for i in picked]
    return chosen


def _cut(block: _Open, size: int) -> Cut:
    r, c = block.left.pop()
    arrays = tuple(a[..., r : r + size, c : c + size] for a in block.arrays)
    return Cut(arrays, block.block.ground, block.block.rows.start + r, block.block.columns.start + c, block.number)
