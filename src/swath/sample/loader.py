"""Batches for training: windows of many scenes mixed, seeded, with what each sensor saw of the same ground."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.cube import contract
from swath.errors import GridError, LabelError
from swath.sample import reader, window

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Chips", "Loader", "Scene", "Turns", "join", "take"]


@dataclass(frozen=True, eq=False)
class Scene:
    """A Ground of aligned cubes: what every sensor saw of one place, and the target raster where there is one.

    cubes: {sensor: cube} on one grid, lazy or not. place: what a split moves as a whole. target: (H, W) numbers or
    class indices, or None. block: rows and columns that the files decode together (512 x 512 when unknown).
    """

    cubes: Mapping[str, xr.DataArray]
    place: int | str
    target: np.ndarray | None = None
    block: tuple[int, int] = (512, 512)
    allow: tuple[str, ...] = field(default=("snow",))

    def __post_init__(self) -> None:
        shapes = {(da.sizes["y"], da.sizes["x"]) for da in self.cubes.values()}
        if self.target is not None:
            shapes.add((self.target.shape[0], self.target.shape[1]))
        if len(shapes) != 1:
            raise GridError(
                rule="cubes and target of a scene share one grid",
                got=f"shapes {sorted(shapes)} at place {self.place}",
                remedy="use swath.cube.align.align",
            )

    @cached_property
    def _windows(self) -> window.Windows:
        return window.Windows(self.cubes, allow=self.allow, budget=0)

    @cached_property
    def _facts(self) -> dict[str, Pixels]:
        return {name: _facts_of(da) for name, da in self.cubes.items()}

    @cached_property
    def _to_lonlat(self) -> Any:
        from pyproj import Transformer

        box = contract.grid(next(iter(self.cubes.values())))
        if box is None or box.crs is None:
            return None
        return box.affine, Transformer.from_crs(box.crs.to_wkt(), 4326, always_xy=True)

    def _lonlat(self, row: float, column: float) -> np.ndarray:
        if self._to_lonlat is None:
            return np.full((1, 2), np.nan)
        a, transformer = self._to_lonlat
        x, y = a.a * column + a.b * row + a.c, a.d * column + a.e * row + a.f
        return np.array([transformer.transform(x, y)])

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        da = next(iter(self.cubes.values()))
        return int(da.sizes["y"]), int(da.sizes["x"])

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, ...]:
        """Stored numbers (T, C, h, w) by sensor, flags (T, h, w) after them where it has any, then the target (h, w)."""
        found = [a for name in self.cubes for a in self._windows.stored(name, rows, columns) if a is not None]
        return tuple(found) if self.target is None else (*found, self.target[rows, columns])

    def _judged(self, arrays: tuple[np.ndarray, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Stored numbers and validity (T, C, h, w) by sensor, from what `read` gives."""
        found, rest = {}, list(arrays)
        for name, da in self.cubes.items():
            stored = rest.pop(0)
            found[name] = stored, self._windows.judge(name, stored, rest.pop(0) if "flag" in da.coords else None)
        return found

    def valid_share(self, arrays: tuple[np.ndarray, ...]) -> float:
        """Share of pixels that any sensor saw validly on any date in all its bands."""
        seen = [valid.all(1).any(0) for _, valid in self._judged(arrays).values()]
        return float(np.logical_or.reduce(seen).mean())

    def batch(self, cut: reader.Cut) -> Batch:
        """The window as a Batch of one."""
        return join([self._stored(cut)])

    def _stored(self, cut: reader.Cut) -> Batch:
        """The window with its numbers as they are stored: `join` makes float32 of them where it copies them anyway."""
        size = cut.arrays[0].shape[-1]
        lonlat = self._lonlat(cut.row + size / 2, cut.column + size / 2)
        pixels = {
            name: replace(self._facts[name], values=stored[None], valid=valid[None], lonlat=lonlat)
            for name, (stored, valid) in self._judged(cut.arrays).items()
        }
        target = None if self.target is None else cut.arrays[-1][None]
        return Batch(pixels, target, key=(f"{self.place}_{cut.row}_{cut.column}",), place=(self.place,))


class Loader:
    """Batches of windows from many scenes, each file block decoded once, the same for the same seed and epoch.

    scenes: places to draw from. size: of a window. batch: windows in one Batch. min_valid: least share
    of seen pixels. per, buffer, threads: see `sample.reader`. `keep` sets which scenes the following epochs draw from.
    superblock: pixels that are decoded together; by default as many, up to 1,024, as let the open ones fit `memory` bytes
    (long series of large blocks are then decoded in parts, more than once).
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        *,
        size: int = 256,
        batch: int = 16,
        seed: int = 0,
        per: float | None = None,
        buffer: int | None = None,
        threads: int = 2,
        min_valid: float = 0.0,
        superblock: int | None = None,
        memory: int = 1 << 30,
    ) -> None:
        self.scenes = list(scenes)
        self.size, self.size_of_batch, self.seed, self.per = size, batch, seed, per
        self.threads, self.min_valid = threads, min_valid
        self.buffer, self.superblock = _fitting(self.scenes, size, batch, buffer, threads, superblock, memory)
        if superblock is None:
            blocks = [tuple(_halved(b, size, self.superblock) for b in scene.block) for scene in self.scenes]
            self.scenes = [replace(s, block=(b[0], b[1])) for s, b in zip(self.scenes, blocks, strict=True)]
        self.kept = list(range(len(self.scenes)))

    def keep(self, indices: Sequence[int]) -> None:
        """Draw the following epochs from these scenes only. Raises LabelError when none or an unknown one is named."""
        self.kept = _checked(indices, len(self.scenes))

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch; depends on seed, number and the kept scenes alone."""
        scenes = [self.scenes[i] for i in self.kept]
        blocks = reader.plan(
            scenes, size=self.size, seed=self.seed, epoch=number, per=self.per, superblock=self.superblock
        )
        for cuts in reader.mixed(
            scenes,
            blocks,
            size=self.size,
            batch=self.size_of_batch,
            seed=(self.seed, number),
            buffer=self.buffer,
            threads=self.threads,
            min_valid=self.min_valid,
        ):
            yield join([scenes[cut.ground]._stored(cut) for cut in cuts])


class Chips:
    """A Loader over examples that are in memory already: the rows of one Batch in a new seeded order every epoch.

    steps: batches of an epoch, however many examples are kept (they come round again); one round by default.
    """

    def __init__(self, examples: Batch, *, batch: int = 32, seed: int = 0, steps: int | None = None) -> None:
        self.examples, self.size_of_batch, self.seed, self.steps = examples, batch, seed, steps
        self.kept = list(range(len(examples)))

    def keep(self, indices: Sequence[int]) -> None:
        """Draw the following epochs from these examples only."""
        self.kept = _checked(indices, len(self.examples))

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch; depends on seed, number and the kept examples alone."""
        rng, kept = np.random.default_rng([self.seed, number, 4]), np.asarray(self.kept)
        rounds = 1 if self.steps is None else -(-self.steps * self.size_of_batch // len(kept))
        order = np.concatenate([rng.permutation(kept) for _ in range(rounds)])
        if self.steps is not None:
            order = order[: self.steps * self.size_of_batch]
        for start in range(0, len(order), self.size_of_batch):
            yield take(self.examples, order[start : start + self.size_of_batch])


class Turns:
    """Several loaders that give their batches in turn (of different sensors, say), each to its end."""

    def __init__(self, *loaders: Loader | Chips) -> None:
        self.loaders = loaders

    @property
    def kept(self) -> list[list[int]]:
        """What each of them draws from."""
        return [loader.kept for loader in self.loaders]

    def keep(self, indices: Sequence[Sequence[int]]) -> None:
        """Draw the following epochs from these: one index set for each of them."""
        for loader, some in zip(self.loaders, indices, strict=True):
            loader.keep(some)

    def epoch(self, number: int) -> Iterator[Batch]:
        """A batch of each that has one left, again and again."""
        running = [loader.epoch(number) for loader in self.loaders]
        while running:
            for batches in list(running):
                batch = next(batches, None)
                if batch is None:
                    running.remove(batches)
                else:
                    yield batch


def take(batch: Batch, rows: Any) -> Batch:
    """Some examples of a NumPy Batch, by index, in the given order."""
    rows = np.asarray(rows)
    pixels = {
        name: replace(p, values=p.values[rows], valid=p.valid[rows], day=p.day[rows], lonlat=p.lonlat[rows])
        for name, p in batch.pixels.items()
    }

    def some(items: Sequence[Any] | None) -> Any:
        return items if items is None or not len(items) else tuple(items[int(i)] for i in rows)

    target = None if batch.target is None else batch.target[rows]
    return Batch(pixels, target, some(batch.text), some(batch.key) or (), some(batch.place) or ())


def join(batches: Sequence[Batch]) -> Batch:
    """One NumPy Batch of all examples. What a sensor or date lacks in some is invalid there, its day NaN.

    Raises GridError when one sensor comes with different bands or sizes, or only some examples have a target.
    """
    pixels = {name: _stack(name, batches) for name in dict.fromkeys(n for b in batches for n in b.pixels)}
    targets = [b.target for b in batches]
    if any(t is None for t in targets) and not all(t is None for t in targets):
        raise GridError(rule="all examples of a batch have a target, or none", got="some without", remedy="leave out")
    return Batch(
        pixels=pixels,
        target=None if targets[0] is None else np.concatenate([np.asarray(t) for t in targets]),
        text=None if any(b.text is None for b in batches) else [t for b in batches for t in b.text or ()],
        key=tuple(k for b in batches for k in b.key),
        place=tuple(p for b in batches for p in b.place),
    )


def _stack(name: str, batches: Sequence[Batch]) -> Pixels:
    parts = [b.pixels.get(name) for b in batches]
    first = next(p for p in parts if p is not None)
    for part in parts:
        if part is not None and _form(part) != _form(first):
            raise GridError(
                rule="a sensor has the same bands and window size in all examples of a batch",
                got=f"{name}: {_form(part)} beside {_form(first)}",
                remedy="name the sensors differently, or choose common bands",
            )
    longest = max(p.values.shape[1] for p in parts if p is not None)
    total = sum(len(b) for b in batches)
    c, h, w = first.values.shape[2:]
    whole = all(p is not None and p.values.shape[1] == longest for p in parts)
    new = np.empty if whole else np.zeros
    values, valid = new((total, longest, c, h, w), np.float32), new((total, longest, c, h, w), bool)
    day, lonlat = np.full((total, longest), np.nan), np.full((total, 2), np.nan)
    at = 0
    for batch, part in zip(batches, parts, strict=True):
        n = len(batch)
        if part is not None:
            t = part.values.shape[1]
            values[at : at + n, :t], valid[at : at + n, :t] = part.values, part.valid
            day[at : at + n, :t], lonlat[at : at + n] = part.day, part.lonlat
        at += n
    return Pixels(values, valid, first.bands, first.gsd, day, lonlat)


def _form(pixels: Pixels) -> tuple[Any, ...]:
    return tuple((b.name, b.quantity, b.units) for b in pixels.bands), tuple(pixels.values.shape[-2:])


def _fitting(
    scenes: Sequence[Scene],
    size: int,
    batch: int,
    buffer: int | None,
    threads: int,
    superblock: int | None,
    memory: int,
) -> tuple[int, int]:
    """How many superblocks to hold open, and their side, so that values and validity stay within `memory` bytes."""
    room = max(8, batch + batch // 2) if buffer is None else max(1, buffer)
    if superblock is not None:
        return room, superblock
    cell = max((sum(5 * _planes(da) for da in scene.cubes.values()) for scene in scenes), default=1)

    def side(count: int) -> int:
        return int((memory / ((count + 2 * threads) * cell)) ** 0.5)

    if buffer is None and side(room) < 2 * size:
        room = max(8, min(room, batch))
    return room, max(size, min(1024, side(room)))


def _halved(block: int, size: int, side: int) -> int:
    """A block, halved until superblocks of it are not much longer than `side`."""
    while block > 16 and max(-(-side // block), -(-(size + block - 1) // block)) * block > 1.5 * side:
        block = -(-block // 2)
    return block


def _planes(da: xr.DataArray) -> int:
    """Values of one pixel: dates times bands."""
    return int(np.prod([n for d, n in da.sizes.items() if d not in ("y", "x")]))


def _checked(indices: Sequence[int], n: int) -> list[int]:
    kept = [int(i) for i in indices]
    if not kept or min(kept) < 0 or max(kept) >= n:
        raise LabelError(
            rule=f"an index set names some of the {n} examples",
            got=f"{len(kept)} indices: {kept[:5]}",
            remedy="0 to n-1",
        )
    return kept


def _facts_of(da: xr.DataArray) -> Pixels:
    """Bands, GSD and days of a cube, without its pixels."""
    gsd = da.coords["gsd"].values.astype(float)
    day = np.array([np.nan])
    if "time" in da.dims:
        day = da.coords["time"].values.astype("datetime64[s]").astype(np.float64) / 86_400.0
    nothing = np.zeros(0)
    return Pixels(
        values=nothing,
        valid=nothing,
        bands=window.bands_of(da),
        gsd=float(np.nanmin(gsd)) if np.isfinite(gsd).any() else np.nan,
        day=day[None],
        lonlat=nothing,
    )
