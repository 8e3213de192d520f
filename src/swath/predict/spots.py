"""Which windows of which scenes are encoded, and what an encoder makes of one: vectors with place and day."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from swath.batch import Batch, Encoder, Pixels, Tokens
from swath.errors import Cancelled, FormatError, OutputError, SwathError
from swath.sample.window import Windows

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["BY", "Encoding", "Site", "Spot", "lonlat_of", "spots"]

By = Literal["window", "patch", "date"]
BY = ("window", "patch", "date")
TRIES = 3
PLACE = 2  # windows along a side of what a split moves as a whole
_STRIP = 2_048
_OPEN = 8
_KEPT = 96 << 20


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


def _spans(n: int, window: int, *, moved: bool) -> list[slice]:
    starts = list(range(0, n, window))
    if moved and len(starts) > 1:
        starts[-1] = n - window
    return [slice(s, min(n, s + window)) for s in starts]


def lonlat_of(grid: GeoBox | None, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(n, 2) longitude and latitude of pixel positions (edges, not centres: 0.5 is the first pixel's middle); NaN without CRS."""
    if grid is None or grid.crs is None:
        return np.full((len(row), 2), np.nan)
    from pyproj import Transformer

    a = grid.affine
    x, y = a.a * column + a.b * row + a.c, a.d * column + a.e * row + a.f
    to = Transformer.from_crs(grid.crs.to_wkt(), "EPSG:4326", always_xy=True)
    out = np.stack(to.transform(x, y), axis=1)
    out[~np.isfinite(out).all(1)] = np.nan
    return np.asarray(out)


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

    def read(self, spot: Spot) -> Batch:
        """The window, as large as the encoder sees it."""
        batch = self._windows(spot.site).read(spot.rows, spot.columns)
        return replace(batch, pixels={n: self._fewer(_padded(p, self.window)) for n, p in batch.pixels.items()})

    def _fewer(self, p: Pixels) -> Pixels:
        """At most `most` dates: those with most valid values, in order of time."""
        dates = p.values.shape[1]
        if dates <= self.most or self.by == "date":
            return p
        seen = p.valid.sum(axis=(0, 2, 3, 4))
        keep = np.sort(np.argsort(-seen, kind="stable")[: self.most])
        return replace(p, values=p.values[:, keep], valid=p.valid[:, keep], day=p.day[:, keep])

    def compute(self, spot: Spot, batch: Batch) -> tuple[str, list[np.ndarray]]:
        """("done" or "empty", [vector (n, D) float32, lonlat (n, 2), day (n,), seen (n,) bool]), n rows of the spot."""
        if not any(p.valid.any() for p in batch.pixels.values()):
            return "empty", []
        site = self.sites[spot.site]
        if self.by == "patch":
            found = self._patches(spot, batch)
        else:
            parts = [batch] if self.by == "window" else _by_date(batch, site.days)
            found = self._wholes(parts)
            middle = [np.full(len(found[0]), (s.start + s.stop) / 2) for s in (spot.rows, spot.columns)]
            found = [found[0], lonlat_of(site.grid, *middle), *found[1:]]
        return ("done" if found[3].any() else "empty"), found

    def _wholes(self, parts: Sequence[Batch]) -> list[np.ndarray]:
        """One vector for each Batch: vectors, days, which are any."""
        vectors: list[np.ndarray | None] = []
        days: list[float] = []
        seen: list[bool] = []
        for part in parts:
            if not part.pixels or not any(p.valid.any() for p in part.pixels.values()):
                vectors.append(None)
                days.append(np.nan)
                seen.append(False)
                continue
            tokens = self.encoder.encode(part)[-1]
            vectors.append(_array(tokens.pooled())[0])
            days.append(_day(part))
            seen.append(bool(_array(tokens.valid).any()))
        width = next((len(v) for v in vectors if v is not None), 1)
        filled = [np.zeros(width) if v is None else v for v in vectors]
        return [np.asarray(filled, np.float32), np.asarray(days, float), np.asarray(seen, bool)]

    def _patches(self, spot: Spot, batch: Batch) -> list[np.ndarray]:
        """A vector for each patch: the mean over its valid dates."""
        tokens = self.encoder.encode(batch)[-1]
        grid, valid = _on_grid(tokens)
        side = self.window // self.patch
        if grid.shape[2:] != (side, side):
            raise SwathError(
                rule=f"a vector for each patch needs {side} x {side} tokens in a window",
                got=f"{grid.shape[2]} x {grid.shape[3]}",
                remedy="use --by window",
            )
        weight = valid[:, None].astype(np.float32)
        total = np.maximum(weight.sum(0), 1)
        mean = (np.where(valid[:, None], grid, 0) * weight).sum(0) / total
        at = (np.arange(side) + 0.5) * self.patch
        row, column = (a.ravel() for a in np.meshgrid(spot.rows.start + at, spot.columns.start + at, indexing="ij"))
        inside = (row < spot.rows.stop) & (column < spot.columns.stop)
        lonlat = lonlat_of(self.sites[spot.site].grid, row, column)
        vector = np.ascontiguousarray(mean.reshape(len(mean), -1).T, np.float32)
        return [vector, lonlat, np.full(len(row), _day(batch)), valid.any(0).ravel() & inside]

    def attempt(self, spot: Spot, batch: Batch | None = None) -> tuple[str, list[np.ndarray], str]:
        """(state, arrays, reason): up to three tries; what swath itself refuses is raised at once."""
        reason = ""
        for _ in range(TRIES):
            try:
                state, arrays = self.compute(spot, self.read(spot) if batch is None else batch)
            except (Cancelled, OutputError):
                raise
            except Exception as error:  # a window that cannot be read or encoded is counted, not fatal
                if isinstance(error, SwathError) and not isinstance(error, FormatError):
                    raise
                reason, batch = f"{type(error).__name__}: {error}", None
            else:
                return state, arrays, ""
        return "failed", [], " ".join(reason.split())

    def key(self, spot: Spot, number: int) -> tuple[str, str]:
        """(key, place) of row `number` of a spot: scene, pixel row and column, date; and the ground that belongs together."""
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


def _padded(p: Pixels, window: int) -> Pixels:
    down, right = window - p.values.shape[-2], window - p.values.shape[-1]
    if down <= 0 and right <= 0:
        return p
    pad = ((0, 0), (0, 0), (0, 0), (0, down), (0, right))
    return replace(p, values=np.pad(p.values, pad), valid=np.pad(p.valid, pad))


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
        dated = any(np.isfinite(p.day).any() and p.valid.any() for p in pixels.values())
        out.append(Batch(pixels if dated else {}, key=batch.key))
    return out


def _day(batch: Batch) -> float:
    """Mean day of the dates with any valid value; NaN where none is known."""
    days = [p.day[0][p.valid[0].any(axis=(1, 2, 3))] for p in batch.pixels.values()]
    known = np.concatenate(days)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def _on_grid(tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
    """(T, D, h, w) values and (T, h, w) whether valid. Raises SwathError where tokens lie on no grid."""
    if tokens.shape is None:
        raise SwathError(
            rule="a vector for each patch needs an encoder whose tokens lie on a grid",
            got="tokens without one",
            remedy="use --by window",
        )
    return _array(tokens.grid())[0], _array(tokens.valid)[0].reshape(tokens.shape)


def _array(values: Any) -> np.ndarray:
    detach = getattr(values, "detach", None)
    return np.asarray(values if detach is None else detach().cpu())
