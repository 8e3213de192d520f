"""Places of one scene like a place in it: windows embedded once, compared exactly, told in the scene's own pixels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import BandError, ExtraError, GridError, SwathError, UnitError
from swath.predict.spots import Encoding, Group, Spot
from swath.predict.vectors import Threshold, Vectors
from swath.tools.job import Progress

if TYPE_CHECKING:
    import xarray as xr

    from swath.tools.encoding import SceneSite
    from swath.tools.searching import Wish

__all__ = ["FIRST", "PLAIN", "Found", "Tiles", "Window", "similar", "tile_side", "tiles_of"]

Window = tuple[int, int, int, int]
"""First row, row behind the last, first column, column behind the last."""
FIRST = "tiny"
"""The encoder that is tried first, by its catalogue name swath-tiny."""
PLAIN = "statistics"
"""What is used without torch, or where the first one cannot read the numbers."""
SIDES = (32, 28, 24, 20, 16, 12, 8, 4)
ENOUGH = 150
MOST_PIXELS = {FIRST: 4_000_000, PLAIN: 25_000_000}
MOST_EXAMPLES = 64
OWN = 0.75  # of a tile: nearer ones are the example's own place


@dataclass(frozen=True)
class Tiles:
    """A scene of one date by one encoder, ready to search. side: of a tile in pixels of the scene; step: one pixel in `step`
    along each side was looked at. notes: why this encoder, what was left out. even: brings a vector of the encoder among `found`.
    """

    found: Vectors
    even: Callable[[np.ndarray], np.ndarray]
    work: Encoding
    encoder: str
    side: int
    step: int
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of what was looked at, in pixels of the scene."""
        rows, columns = self.work.sites[0].shape
        return rows * self.step, columns * self.step

    @property
    def windows(self) -> np.ndarray:
        """(N, 4) window of each vector, in pixels of the scene."""
        at = np.array([_spot(str(key)) for key in self.found.key], np.int64).reshape(-1, 2) * self.step
        end = np.minimum(at + self.side, self.shape)
        return np.stack([at[:, 0], end[:, 0], at[:, 1], end[:, 1]], axis=1)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search in a scene gave. hits: (key, window, score), the most alike first; score: cosine of the evened vectors.

    best: the highest score, whether above the threshold or not. unlike: tiles left out for what was not wanted. yes, no:
    windows that stood for the examples.
    """

    hits: tuple[tuple[str, Window, float], ...]
    threshold: Threshold
    best: float
    own: int
    unlike: int
    searched: int
    yes: tuple[Window, ...]
    no: tuple[Window, ...]

    @property
    def answer(self) -> str:
        """The result in one sentence."""
        if self.hits:
            one = len(self.hits) == 1
            return f"{len(self.hits)} place{'' if one else 's'} {'is' if one else 'are'} similar"
        if self.best != self.best:
            return "Nothing is similar: no other tile is left"
        return f"Nothing is similar: the best tile has {self.best:.2f}, below {self.threshold.value:.2f}"


def tile_side(shape: tuple[int, int], patch: int = 1) -> int:
    """Pixels along a tile's side, whole patches: the largest that gives enough tiles for a threshold to be told."""
    able = [s for s in SIDES if not s % patch] or [patch]
    return next((s for s in able if (shape[0] // s) * (shape[1] // s) >= ENOUGH), able[-1])


def tiles_of(
    cubes: Mapping[str, xr.DataArray],
    path: Callable[[str], Path],
    *,
    side: int | None = None,
    encoder: str | None = None,
    progress: Progress | None = None,
) -> Tiles:
    """The tiles of a scene as vectors: read where `path(encoder)` holds them, embedded and written there otherwise.

    cubes: aligned, of one date. side: of a tile, by default as `tile_side` says. encoder: swath-tiny by default, pixel
    statistics without torch or where the numbers are none that it reads. Raises what `embed` raises.
    """
    try:
        return _tiles(cubes, path, encoder or FIRST, side, (), progress)
    except ExtraError as error:
        if encoder is not None:
            raise
        note = f"Pixel statistics are used until an encoder is installed: {error.remedy}"
    except (UnitError, BandError) as error:
        if encoder is not None:
            raise
        note = f"Pixel statistics are used: swath-tiny cannot read this scene ({error.got.replace('_', ' ')})"
    return _tiles(cubes, path, PLAIN, side, (note,), progress)


def _shape(cubes: Mapping[str, xr.DataArray]) -> tuple[int, int]:
    first = next(iter(cubes.values()))
    return int(first.sizes["y"]), int(first.sizes["x"])


def _tiles(
    cubes: Mapping[str, xr.DataArray],
    path: Callable[[str], Path],
    encoder: str,
    side: int | None,
    notes: tuple[str, ...],
    progress: Progress | None,
) -> Tiles:
    from swath.predict import vectors as keeping
    from swath.tools.embed import embed, patch_of, window_of
    from swath.tools.encoding import encoder_of, sites_of
    from swath.tools.scenes import Reading

    network, record = encoder_of(encoder)
    shape = _shape(cubes)
    step = int(np.ceil(np.sqrt(shape[0] * shape[1] / MOST_PIXELS.get(encoder, MOST_PIXELS[FIRST]))))
    if step > 1:
        cubes = {name: c.isel(y=slice(0, None, step), x=slice(0, None, step)) for name, c in cubes.items()}
        notes = (*notes, f"Of this large scene one pixel in {step} along each side is looked at")
    grouped = sites_of(list(cubes.values()), Reading())
    if len(grouped.sites) != 1:
        raise GridError(
            rule="tiles are of one ground", got=f"{len(grouped.sites)} grounds", remedy="open the scenes one by one"
        )
    site: SceneSite = grouped.sites[0]
    patch = patch_of(network)
    asked = None if network.needs.size else max(1, side // step) if side else tile_side(site.shape, patch)
    window = window_of(network, asked, record["encoder"])
    work = Encoding((site,), network, window, "window", patch, max(1, int(network.needs.dates[1])))
    there = path(record["encoder"])
    if not there.exists():
        embed(list(cubes.values()), encoder=encoder, out=there, window=window, progress=_worded(progress, site))
    found = keeping.read(there)
    keeping.same_encoder(found, record)
    empty = len(work.groups()) and _count(work) - len(found)
    if empty:
        notes = (
            *notes,
            f"{empty:,} tile{'s' * (empty != 1)} without a clear pixel {'are' if empty > 1 else 'is'} left out",
        )
    evened, even = _evened(found)
    return Tiles(evened, even, work, encoder, window * step, step, notes)


def _evened(found: Vectors) -> tuple[Vectors, Callable[[np.ndarray], np.ndarray]]:
    """The vectors with what many of their numbers say together made smaller, and the threshold measured anew.

    Each direction is divided by the fourth root of its variance. Without it brightness, which nearly every number follows,
    decides alone, and everything is alike to two digits.
    """
    from swath.predict import vectors as keeping

    scale = keeping.scaling(found)
    x = (np.asarray(found.vector, np.float64) - scale.mean) / scale.deviation
    x = np.where(np.isfinite(x).all(1, keepdims=True), x, 0)
    size, turn = np.linalg.eigh(x.T @ x / max(1, len(x)))
    kept = size > 1e-9 * max(float(size.sum()), 1e-30)
    if not kept.any():
        kept[-1] = True
    turn = turn[:, kept] / np.maximum(size[kept] + 1e-6 * size.sum(), 1e-12) ** 0.25

    def even(vector: np.ndarray) -> np.ndarray:
        return np.asarray(((np.asarray(vector, np.float64) - scale.mean) / scale.deviation) @ turn, np.float32)

    known = ("scaling", "threshold")
    facts = {k: v for k, v in found.facts.items() if k not in known}
    plain = keeping.Scaling.none(turn.shape[1])
    made = replace(found, vector=even(found.vector), facts={**facts, "scaling": plain.to_json()})
    chance = keeping.threshold(made, scale=plain)
    told = {"value": chance.value if chance.value == chance.value else None, "rows": chance.rows, "words": chance.words}
    return replace(made, facts={**made.facts, "threshold": told}), even


def _count(work: Encoding) -> int:
    return sum(len(group.spots) for group in work.groups())


def _worded(progress: Progress | None, site: SceneSite) -> Progress | None:
    """Progress of an embedding in words for the one who waits."""
    if progress is None:
        return None
    return lambda done, total, what: progress(done, total, "Looking at the scene once, tile by tile" if total else what)


def similar(tiles: Tiles, yes: Sequence[Any], no: Sequence[Any] = (), k: int = 12) -> Found:
    """The k tiles most like any of the examples `yes` and less like each of `no`; none below the scene's own threshold.

    An example is (col, row) in pixels of the scene, or a window. A place stands for a tile around it; a larger window for the
    tiles whose middles it holds. The examples' own places are left out. Exact.
    Raises GridError: outside of the scene. SwathError: no example, no valid pixel there.
    """
    from swath.tools import searching

    if not yes or k < 1:
        raise SwathError(rule="a search needs an example", got="none", remedy="click a place, or draw a box")
    windows = tiles.windows
    good, good_at = _wishes(tiles, yes, windows)
    bad, bad_at = _wishes(tiles, no, windows)
    measured = searching.scale_of(tiles.found)
    chance = searching.chance_of(tiles.found, measured)
    own = np.unique(np.concatenate([w.rows for w in (*good, *bad)]))
    where = np.ones(len(tiles.found), bool)
    where[own] = False
    if not where.any():
        return Found((), chance, float("nan"), len(own), 0, 0, good_at, bad_at)
    unwanted = np.concatenate([w.vector for w in bad]) if bad else None
    wanted = np.concatenate([w.vector for w in good])
    hits, unlike, best = searching.find(tiles.found, wanted, unwanted, k, where, scale=measured, least=chance.value)
    told = tuple((h.key, _whole(windows[h.row]), float(h.similarity)) for h in hits)
    return Found(told, chance, best, len(own), unlike, int(where.sum()), good_at, bad_at)


def _whole(window: Any) -> Window:
    a, b, c, d = (int(v) for v in window)
    return a, b, c, d


def _wishes(tiles: Tiles, examples: Sequence[Any], windows: np.ndarray) -> tuple[list[Wish], tuple[Window, ...]]:
    wishes, places = [], []
    for one in examples:
        wish, place = _wish(tiles, one, windows)
        wishes.append(wish)
        places.append(place)
    return wishes, tuple(places)


def _wish(tiles: Tiles, example: Any, windows: np.ndarray) -> tuple[Wish, Window]:
    """The vectors of an example, the rows that are its own place, and its window."""
    from swath.tools.searching import Wish

    values = [float(v) for v in example]
    if len(values) == 2:
        column, row = values
        box = (row, row, column, column)
    else:
        box = (values[0], values[1], values[2], values[3])
    height, width = tiles.shape
    middle = ((box[0] + box[1]) / 2, (box[2] + box[3]) / 2)
    if not (0 <= middle[0] <= height and 0 <= middle[1] <= width):
        raise GridError(
            rule="an example lies on the scene",
            got=f"row {middle[0]:.0f}, column {middle[1]:.0f} of {height} x {width}",
            remedy="click inside of it",
        )
    nowhere = (float("nan"), float("nan"))
    centre = np.stack([(windows[:, 0] + windows[:, 1]) / 2, (windows[:, 2] + windows[:, 3]) / 2], axis=1)
    if max(box[1] - box[0], box[3] - box[2]) > 1.5 * tiles.side:
        inside = (centre >= (box[0], box[2])).all(1) & (centre <= (box[1], box[3])).all(1)
        rows = np.flatnonzero(inside)
        if len(rows):
            few = rows[np.unique(np.linspace(0, len(rows) - 1, MOST_EXAMPLES).astype(int))]
            return Wish(tiles.found.take(few).vector, nowhere, rows, "box"), _whole(np.round(box))
    away = np.hypot(*(centre - middle).T)
    at = _around(middle, tiles)
    return Wish(_vector(tiles, at), nowhere, np.flatnonzero(away < OWN * tiles.side), "place"), at


def _around(middle: tuple[float, float], tiles: Tiles) -> Window:
    """The tile around a place, moved back onto the scene."""
    spans = []
    for at, size in zip(middle, tiles.shape, strict=True):
        first = int(np.clip(round(at - tiles.side / 2), 0, max(0, size - tiles.side)))
        spans += [first, min(size, first + tiles.side)]
    return spans[0], spans[1], spans[2], spans[3]


def _vector(tiles: Tiles, at: Window) -> np.ndarray:
    """(1, D) of a window by the archive's own encoder."""
    top, _, left, _ = (v // tiles.step for v in at)
    height, width = tiles.work.sites[0].shape
    side = tiles.work.window
    spot = Spot(0, 0, slice(top, min(height, top + side)), slice(left, min(width, left + side)), 0, 1)
    work = replace(tiles.work, _open=tiles.work._open)
    state, arrays, reason = work.attempt(Group(0, (spot,)))
    if state == "done":
        return tiles.even(arrays[0][arrays[3]])
    raise SwathError(
        rule="an example has valid pixels",
        got=reason or f"none around row {at[0]}, column {at[2]} on this date",
        remedy="choose another place or date",
    )


def _spot(key: str) -> tuple[int, int]:
    """Row and column of a key."""
    match = re.search(r"@(\d+),(\d+)(?:/[-\d]+)?$", key)
    if match is None:
        raise SwathError(rule="a key ends in ROW,COLUMN", got=key[:80], remedy="embed the scene anew")
    return int(match[1]), int(match[2])
