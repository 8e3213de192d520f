"""Which windows of which scenes are encoded, and what an encoder makes of one: vectors with place and day."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from swath.batch import Batch, Encoder, Pixels, array
from swath.errors import Cancelled, FormatError, OutputError, SwathError
from swath.sample.loader import take
from swath.sample.window import Windows

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["BY", "Encoding", "Group", "Site", "Spot", "groups", "lonlat_of", "spots"]

By = Literal["window", "patch", "date"]
BY = ("window", "patch", "date")
TRIES = 3
PLACE = 2  # windows along a side of what a split moves as a whole
_STRIP = 2_048
_OPEN = 8
_KEPT = 96 << 20
_BATCH = 4 << 20  # values of a batch
TOGETHER = 16


class Site(Protocol):
    """Scenes of one ground: every sensor and date on one grid. Travels to other processes."""

    @property
    def name(self) -> str:
        """What its vectors are called after."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        ...

    @property
    def grid(self) -> GeoBox | None:
        """Where it lies."""
        ...

    @property
    def days(self) -> tuple[float, ...]:
        """Whole days since 1970 on which any sensor saw it, in order."""
        ...

    @property
    def bands(self) -> int:
        """How many bands all its sensors have."""
        ...

    def cubes(self) -> Mapping[str, xr.DataArray]:
        """The aligned cubes, opened anew."""
        ...


@dataclass(frozen=True, slots=True)
class Spot:
    """One window of a site, cut at the scene's edge; its vectors are the rows first to first + count."""

    index: int
    site: int
    rows: slice
    columns: slice
    first: int
    count: int


def spots(sites: Sequence[Site], window: int, by: By, patch: int = 1) -> list[Spot]:
    """All windows of all sites, those of one part of a scene together.

    Windows lie side by side from the first pixel on; the last of a row is moved back so that it is whole (for patches it
    is cut instead, so that none comes twice).
    """
    found: list[Spot] = []
    first = 0
    for number, site in enumerate(sites):
        count = {"window": 1, "date": max(1, len(site.days)), "patch": (window // patch) ** 2}[by]
        rows, columns = (_spans(n, window, moved=by != "patch") for n in site.shape)
        where = [(r, c) for r in rows for c in columns]
        where.sort(key=lambda rc: (rc[1].start // _STRIP, rc[0].start, rc[1].start))
        for r, c in where:
            found.append(Spot(len(found), number, r, c, first, count))
            first += count
    return found


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring windows of one row that are read and encoded together; its vectors are the rows first to first + count."""

    index: int
    spots: tuple[Spot, ...]

    @property
    def site(self) -> int:
        """Number of the site."""
        return self.spots[0].site

    @property
    def first(self) -> int:
        """Its first row."""
        return self.spots[0].first

    @property
    def count(self) -> int:
        """How many rows it has."""
        return sum(spot.count for spot in self.spots)


def groups(sites: Sequence[Site], window: int, by: By, patch: int = 1, *, most: int = 1) -> list[Group]:
    """The spots in groups of at most `most` that lie side by side: the same whoever does them."""
    found: list[Group] = []
    kept: list[Spot] = []
    for spot in spots(sites, window, by, patch):
        beside = kept and kept[-1].site == spot.site and kept[-1].rows == spot.rows
        if kept and not (beside and len(kept) < most and spot.columns.stop - kept[0].columns.start <= most * window):
            found.append(Group(len(found), tuple(kept)))
            kept = []
        kept.append(spot)
    if kept:
        found.append(Group(len(found), tuple(kept)))
    return found


def _spans(n: int, window: int, *, moved: bool) -> list[slice]:
    starts = list(range(0, n, window))
    if moved and len(starts) > 1:
        starts[-1] = n - window
    return [slice(s, min(n, s + window)) for s in starts]


def lonlat_of(grid: GeoBox | None, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(n, 2) longitude and latitude of pixel positions (edges, not centres: 0.5 is the first pixel's middle); NaN without CRS."""
    if grid is None or grid.crs is None:
        return np.full((len(row), 2), np.nan)
    a = grid.affine
    x, y = a.a * column + a.b * row + a.c, a.d * column + a.e * row + a.f
    out = np.stack(_to_lonlat(grid.crs.to_wkt()).transform(x, y), axis=1)
    out[~np.isfinite(out).all(1)] = np.nan
    return np.asarray(out)


@lru_cache(maxsize=64)
def _to_lonlat(crs: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


@dataclass(frozen=True)
class Encoding:
    """One window's work, the same in a thread and on a cluster.

    window: pixels a side that the encoder sees, filled up with invalid ones where a scene is smaller. most: dates of a sensor
    that it takes; of more the clearest are kept.
    """

    sites: tuple[Site, ...]
    encoder: Encoder
    window: int
    by: By = "window"
    patch: int = 1
    most: int = 10_000
    allow: tuple[str, ...] = ("snow",)
    _open: OrderedDict[int, Windows] = field(default_factory=OrderedDict, compare=False, repr=False)
    _lock: Any = field(default_factory=threading.Lock, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Encoding, (self.sites, self.encoder, self.window, self.by, self.patch, self.most, self.allow)

    def groups(self) -> list[Group]:
        """All windows of all sites, as many together as keep a batch within a few megabytes."""
        planes = max((s.bands * max(1, len(s.days)) for s in self.sites), default=1)
        most = int(np.clip(_BATCH // (max(1, planes) * self.window**2), 1, TOGETHER))
        return groups(self.sites, self.window, self.by, self.patch, most=most)

    def _windows(self, site: int) -> Windows:
        """The reader of a site; the last few stay open."""
        with self._lock:
            if site not in self._open:
                cubes = self.sites[site].cubes()
                self._open[site] = Windows(cubes, allow=self.allow, unit=512, budget=_KEPT)
                while len(self._open) > _OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(site)
            return self._open[site]

    def read(self, group: Group) -> Batch:
        """The windows, B of them, each as large as the encoder sees it."""
        first, last = group.spots[0], group.spots[-1]
        left = first.columns.start
        whole = self._windows(group.site).read(first.rows, slice(left, last.columns.stop))
        pixels = {name: self._cut(p, group, left) for name, p in whole.pixels.items()}
        return Batch(pixels, key=tuple(f"{s.rows.start}_{s.columns.start}" for s in group.spots))

    def _cut(self, p: Pixels, group: Group, left: int) -> Pixels:
        """(B, T, C, window, window) from the strip that holds them all; what lies beyond it is invalid."""
        shape = (len(group.spots), *p.values.shape[1:3], self.window, self.window)
        values, valid = np.zeros(shape, np.float32), np.zeros(shape, bool)
        height = p.values.shape[-2]
        for i, spot in enumerate(group.spots):
            columns = slice(spot.columns.start - left, spot.columns.stop - left)
            width = columns.stop - columns.start
            good = p.valid[0, ..., columns]
            values[i, ..., :height, :width] = np.where(good, p.values[0, ..., columns], 0)
            valid[i, ..., :height, :width] = good
        day = np.repeat(p.day, len(values), axis=0)
        lonlat = _centres(self.sites[group.site].grid, group.spots)
        values, valid, day = self._fewer(values, valid, day)
        return replace(p, values=values, valid=valid, day=day, lonlat=lonlat)

    def _fewer(self, values: np.ndarray, valid: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, ...]:
        """At most `most` dates of each window: those with most valid values, in order of time."""
        if values.shape[1] <= self.most or self.by == "date":
            return values, valid, day
        seen = valid.sum(axis=(2, 3, 4))
        keep = np.sort(np.argsort(-seen, axis=1, kind="stable")[:, : self.most], axis=1)
        rows = np.arange(len(values))[:, None]
        return values[rows, keep], valid[rows, keep], day[rows, keep]

    def compute(self, group: Group, batch: Batch) -> tuple[str, list[np.ndarray]]:
        """("done" or "empty", [vector (n, D) float32, lonlat (n, 2), day (n,), seen (n,) bool]), n rows of the group."""
        if not any(p.valid.any() for p in batch.pixels.values()):
            return "empty", []
        days = self.sites[group.site].days
        if self.by == "patch":
            vectors, seen, when = self._patches(batch)
            lonlat = np.concatenate([self._patch_centres(s) for s in group.spots])
            seen &= np.concatenate([self._patches_inside(s) for s in group.spots])
        else:
            parts = [batch] if self.by == "window" else _by_date(batch, days)
            vectors, seen, when = self._wholes(parts)
            lonlat = np.repeat(_centres(self.sites[group.site].grid, group.spots), len(parts), axis=0)
        return ("done" if seen.any() else "empty"), [vectors, lonlat, when, seen]

    def _wholes(self, parts: Sequence[Batch]) -> tuple[np.ndarray, ...]:
        """Vectors (B * P, D), which are any, and days, of P Batches of the same B windows; those of a window together."""
        many = max(len(part) for part in parts if part.pixels)
        vectors: list[np.ndarray | None] = []
        seen, days = np.zeros((many, len(parts)), bool), np.full((many, len(parts)), np.nan)
        for k, part in enumerate(parts):
            some = _seen(part, dated=self.by == "date") if part.pixels else np.zeros(many, bool)
            vectors.append(None)
            if not some.any():
                continue
            few = take(part, np.flatnonzero(some))
            tokens = self.encoder.encode(few)[-1]
            found = array(tokens.pooled())
            whole = np.zeros((many, found.shape[1]), np.float32)
            whole[some] = found
            vectors[-1] = whole
            seen[some, k], days[some, k] = array(tokens.valid).any(1), _days(few)
        width = next((v.shape[1] for v in vectors if v is not None), 1)
        filled = [np.zeros((many, width), np.float32) if v is None else v for v in vectors]
        return np.stack(filled, axis=1).reshape(-1, width), seen.ravel(), days.ravel()

    def _patches(self, batch: Batch) -> tuple[np.ndarray, ...]:
        """A vector for each patch of each window: the mean over its valid dates; which are any; days."""
        tokens = self.encoder.encode(batch)[-1]
        side = self.window // self.patch
        if tokens.shape is None or tokens.shape[1:] != (side, side):
            raise SwathError(
                rule=f"a vector for each patch needs {side} x {side} tokens on a grid",
                got=f"{tokens.shape}",
                remedy="use --by window",
            )
        grid = array(tokens.grid())
        valid = array(tokens.valid).reshape(len(grid), *tokens.shape)[:, :, None]
        weight = valid.astype(np.float32)
        mean = (np.where(valid, grid, 0) * weight).sum(1) / np.maximum(weight.sum(1), 1)
        vectors = mean.reshape(*mean.shape[:2], -1).transpose(0, 2, 1).reshape(-1, mean.shape[1])
        return (
            np.ascontiguousarray(vectors, np.float32),
            valid.any((1, 2)).ravel(),
            np.repeat(_days(batch), side * side),
        )

    def _patch_centres(self, spot: Spot) -> np.ndarray:
        return lonlat_of(self.sites[spot.site].grid, *self._patch_places(spot))

    def _patches_inside(self, spot: Spot) -> np.ndarray:
        row, column = self._patch_places(spot)
        return np.asarray((row < spot.rows.stop) & (column < spot.columns.stop))

    def _patch_places(self, spot: Spot) -> tuple[np.ndarray, np.ndarray]:
        at = (np.arange(self.window // self.patch) + 0.5) * self.patch
        row, column = np.meshgrid(spot.rows.start + at, spot.columns.start + at, indexing="ij")
        return row.ravel(), column.ravel()

    def attempt(self, group: Group, batch: Batch | None = None) -> tuple[str, list[np.ndarray], str]:
        """(state, arrays, reason): up to three tries; what swath itself refuses is raised at once."""
        reason = ""
        for _ in range(TRIES):
            try:
                state, arrays = self.compute(group, self.read(group) if batch is None else batch)
            except (Cancelled, OutputError):
                raise
            except Exception as error:  # a window that cannot be read or encoded is counted, not fatal
                if isinstance(error, SwathError) and not isinstance(error, FormatError):
                    raise
                reason, batch = f"{type(error).__name__}: {error}", None
            else:
                return state, arrays, ""
        return "failed", [], " ".join(reason.split())

    def key(self, group: Group, number: int) -> tuple[str, str]:
        """(key, place) of row `number` of a group: scene, pixel row and column, date; the ground that belongs together."""
        each = group.spots[0].count
        spot, number = group.spots[number // each], number % each
        site = self.sites[spot.site]
        row, column = spot.rows.start, spot.columns.start
        side = self.window * (1 if self.by == "patch" else PLACE)
        place = f"{site.name}#{row // side},{column // side}"
        if self.by == "patch":
            down, right = divmod(number, self.window // self.patch)
            row, column = row + down * self.patch, column + right * self.patch
        key = f"{site.name}@{row},{column}"
        if self.by == "date" and site.days:
            key += f"/{np.datetime64(int(site.days[number]), 'D')}"
        return key, place


def _centres(grid: GeoBox | None, some: Sequence[Spot]) -> np.ndarray:
    """(B, 2) longitude and latitude of the middles of windows."""
    row, column = (
        np.array([(s.start + s.stop) / 2 for s in spans])
        for spans in ([s.rows for s in some], [s.columns for s in some])
    )
    return lonlat_of(grid, row, column)


def _seen(batch: Batch, *, dated: bool) -> np.ndarray:
    """(B,) whether any value is valid; with `dated` of the sensors that have dates, where any has."""
    some = [p for p in batch.pixels.values() if np.isfinite(p.day).any()] if dated else []
    parts = [p.valid.any(axis=(1, 2, 3, 4)) for p in some or batch.pixels.values()]
    return np.asarray(np.logical_or.reduce(parts))


def _by_date(batch: Batch, days: Sequence[float]) -> list[Batch]:
    """A Batch for each day with what was seen then; what has no date belongs to all."""
    if not days:
        return [batch]
    out = []
    for day in days:
        pixels = {}
        for name, p in batch.pixels.items():
            known = np.isfinite(p.day[0])
            here = np.flatnonzero(np.floor(p.day[0]) == day) if known.any() else np.arange(len(known))
            if len(here):
                pixels[name] = replace(p, values=p.values[:, here], valid=p.valid[:, here], day=p.day[:, here])
        dated = any(np.isfinite(p.day).any() for p in pixels.values())
        out.append(Batch(pixels if dated else {}, key=batch.key))
    return out


def _days(batch: Batch) -> np.ndarray:
    """(B,) mean day of the dates with any valid value; NaN where none is known."""
    parts = [np.where(p.valid.any(axis=(2, 3, 4)), p.day, np.nan) for p in batch.pixels.values()]
    days = np.concatenate(parts, axis=1)
    known = np.isfinite(days)
    count = known.sum(1)
    return np.where(count > 0, np.where(known, days, 0).sum(1) / np.maximum(count, 1), np.nan)
