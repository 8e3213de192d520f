"""Made worlds: relief, objects with classes, and events that change them; everything is known and nothing is real."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.datasets.phenology import CLASSES, Traits, draw_traits
from swath.errors import SwathError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["Event", "World", "build", "cut", "flood", "grow", "smooth_field", "world"]

CODE = {name: i for i, name in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True)
class Event:
    """A change: from `day` (days since 1970) until `until` the pixels of `mask` (H, W) bool are of class `to`."""

    kind: str
    day: float
    mask: np.ndarray
    to: int
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class World:
    """A made place. height (H, W) m; classes (H, W) uint8 index into `names` before any event; objects (H, W) int32,
    one number a field, stand or quarter; bright, lush (H, W): texture inside objects, mean 0; geobox: its grid in UTM.
    """

    seed: int
    gsd: float
    height: np.ndarray
    classes: np.ndarray
    objects: np.ndarray
    bright: np.ndarray
    lush: np.ndarray
    traits: Traits
    geobox: GeoBox
    events: tuple[Event, ...] = field(default=())
    names: tuple[str, ...] = CLASSES

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        h, w = self.classes.shape
        return h, w

    def truth(self, date: Any) -> np.ndarray:
        """The classes on a date: (H, W) uint8 index into `names`, later events over earlier ones."""
        day = _day(date)
        out = self.classes.copy()
        for event in self.events:
            if event.day <= day < event.until:
                out[event.mask] = event.to
        return out

    def with_event(self, event: Event) -> World:
        """The same world with one more event."""
        return replace(self, events=(*self.events, event))


def world(seed: int, size: int | tuple[int, int] = 256, gsd: float = 10.0) -> World:
    """A world of `size` x `size` (or rows x columns) pixels of `gsd` metres; the same seed gives the same world.

    Lowland is water with a wetland rim (under 2 %), heights are wooded (conifers above, broadleaves below), a town of
    quarters lies on one side, and the rest is parcels of wheat, maize, meadow and bare ground. Parcels are 100 to 300 m
    wide. Every class occurs from about 64 x 64 pixels on. Raises SwathError for a size below 8 pixels.
    """
    h, w = (size, size) if isinstance(size, int) else size
    if min(h, w) < 8 or gsd <= 0:
        raise SwathError(
            rule="a made world has at least 8 x 8 pixels of positive size",
            got=f"{h} x {w} pixels of {gsd} m",
            remedy="ask for a larger world",
        )
    rng = np.random.default_rng([seed, 7])
    height = smooth_field((h, w), rng, slope=2.1)
    parcels = _parcels(h, w, gsd, rng)
    classes = _classes(height, parcels, rng)
    key = parcels.astype(np.int64) * len(CLASSES) + classes
    _, objects = np.unique(key.ravel(), return_inverse=True)
    objects = objects.reshape(h, w).astype(np.int32)
    return World(
        seed=seed,
        gsd=float(gsd),
        height=np.asarray(320.0 + 90.0 * height, np.float32),
        classes=classes,
        objects=objects,
        bright=_texture(h, w, rng, 0.055),
        lush=_texture(h, w, rng, 0.10),
        traits=draw_traits(int(objects.max()) + 1, rng),
        geobox=_geobox(seed, h, w, gsd),
    )


def grow(place: World, date: Any, *, share: float = 0.2, seed: int = 0) -> World:
    """Broadleaves grow on whole parcels of meadow and bare ground: `share` of their area from `date` on."""
    return _whole_objects(place, "grow", date, ("meadow", "bare"), "broadleaf", share, seed)


def build(place: World, date: Any, *, share: float = 0.1, seed: int = 0) -> World:
    """Town is built on whole parcels of fields: `share` of their area from `date` on."""
    return _whole_objects(place, "build", date, ("meadow", "wheat", "maize", "bare"), "town", share, seed)


def cut(place: World, date: Any, *, share: float = 0.2, seed: int = 0) -> World:
    """Woods are cut by whole stands: `share` of their area is bare from `date` on."""
    return _whole_objects(place, "cut", date, ("conifer", "broadleaf"), "bare", share, seed)


def flood(place: World, date: Any, *, days: float = 30.0, share: float = 0.05) -> World:
    """The lowest dry land stands under water for some `days`: `share` of all pixels."""
    now = place.truth(date)
    dry = now != CODE["water"]
    level = np.quantile(place.height[dry], min(1.0, share * dry.size / max(1, dry.sum()))) if dry.any() else -np.inf
    day = _day(date)
    return place.with_event(Event("flood", day, dry & (place.height <= level), CODE["water"], day + days))


def _whole_objects(place: World, kind: str, date: Any, was: tuple[str, ...], to: str, share: float, seed: int) -> World:
    now = place.truth(date)
    able = np.isin(now, [CODE[name] for name in was])
    size = np.bincount(place.objects[able], minlength=int(place.objects.max()) + 1)
    order = np.random.default_rng([place.seed, seed, 11]).permutation(np.flatnonzero(size))
    chosen = order[: int(np.searchsorted(np.cumsum(size[order]), share * able.sum())) + 1] if share > 0 else order[:0]
    return place.with_event(Event(kind, _day(date), able & np.isin(place.objects, chosen), CODE[to]))


def smooth_field(shape: tuple[int, int], rng: np.random.Generator, *, slope: float) -> np.ndarray:
    """A random surface (H, W) of mean 0 and deviation 1 whose amplitude falls as frequency**-slope; it wraps around."""
    h, w = shape
    noise = np.fft.rfft2(rng.standard_normal((h, w)))
    frequency = np.hypot(np.fft.fftfreq(h)[:, None] * h, np.fft.rfftfreq(w)[None] * w)
    frequency[0, 0] = np.inf
    out: np.ndarray = np.fft.irfft2(noise * frequency ** (-slope), s=(h, w))
    out /= max(float(out.std()), 1e-12)
    return out


def _texture(h: int, w: int, rng: np.random.Generator, size: float) -> np.ndarray:
    both = 0.7 * smooth_field((h, w), rng, slope=1.2) + 0.7 * rng.standard_normal((h, w))
    return np.asarray(np.clip(size * both, -3 * size, 3 * size), np.float32)


def _parcels(h: int, w: int, gsd: float, rng: np.random.Generator) -> np.ndarray:
    """Number of the nearest centre under a turned, stretched maximum norm: parcels with straight sides."""
    from scipy.spatial import cKDTree

    turn, stretch = rng.uniform(0, np.pi), rng.uniform(1.3, 2.2)
    step = max(3.0, 160.0 / gsd)
    y, x = np.mgrid[0:h, 0:w].astype(float)
    basis = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    def metric(points: np.ndarray) -> np.ndarray:
        turned: np.ndarray = points @ basis.T
        turned[:, 1] *= stretch
        return turned

    rows, columns = (np.arange(-step, n + step, step) for n in (h, w))
    centres = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    centres = centres + rng.uniform(-0.42, 0.42, centres.shape) * step
    _, near = cKDTree(metric(centres)).query(metric(np.stack([y, x], -1).reshape(-1, 2)), p=np.inf)
    return np.asarray(near).reshape(h, w).astype(np.int32)


def _classes(height: np.ndarray, parcels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    h, w = height.shape
    n = int(parcels.max()) + 1
    size = np.maximum(np.bincount(parcels.ravel(), minlength=n), 1)

    def of_parcel(values: np.ndarray) -> np.ndarray:
        return np.bincount(parcels.ravel(), weights=values.ravel(), minlength=n) / size

    wooded = of_parcel(height + 0.8 * smooth_field((h, w), rng, slope=2.0))
    y, x = np.mgrid[0:h, 0:w]
    side = rng.uniform(0, 2 * np.pi)
    urban = of_parcel(
        np.cos(side) * (y / h - 0.5) * 3 + np.sin(side) * (x / w - 0.5) * 3 + 0.5 * smooth_field((h, w), rng, slope=2.0)
    )
    crop = rng.choice([CODE["wheat"], CODE["maize"], CODE["meadow"], CODE["bare"]], n, p=[0.34, 0.28, 0.28, 0.10])
    weight = size / size.sum()
    crop[wooded > _quantile(wooded, weight, 0.70)] = CODE["broadleaf"]
    crop[wooded > _quantile(wooded, weight, 0.86)] = CODE["conifer"]
    crop[urban > _quantile(urban, weight, 0.90)] = CODE["town"]
    out: np.ndarray = crop[parcels].astype(np.uint8)
    low = height + 0.15 * smooth_field((h, w), rng, slope=1.6)
    out[low < np.quantile(low, 0.095)] = CODE["wetland"]
    out[low < np.quantile(low, 0.080)] = CODE["water"]
    return out


def _quantile(values: np.ndarray, weight: np.ndarray, q: float) -> float:
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weight[order]), q)])


def _geobox(seed: int, h: int, w: int, gsd: float) -> GeoBox:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    east = 400_000.0 + (seed % 97) * 2_000.0
    north = 5_200_000.0 + (seed % 89) * 3_000.0
    return GeoBox((h, w), Affine(gsd, 0.0, east, 0.0, -gsd, north), "EPSG:32633")


def _day(date: Any) -> float:
    if isinstance(date, (int, float)):
        return float(date)
    return float(np.datetime64(date, "s").astype(np.float64)) / 86_400.0
