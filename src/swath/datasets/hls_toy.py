"""Six-band series as Landsat and Sentinel-2 give them, of made worlds with seasons and places. Simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from swath.batch import Batch, Pixels
from swath.datasets.phenology import CLASSES
from swath.datasets.view import dates, view
from swath.datasets.world import smooth_field, world
from swath.earth.sensor import sensor
from swath.sample.loader import join

__all__ = ["BANDS", "CLASSES", "NAME", "cloud_shapes", "series"]

NAME = "hls-l30"
_SIX = ("B02", "B03", "B04", "B05", "B06", "B07")
BANDS = tuple(replace(b, gsd=10.0) for b in sensor(NAME).bands if b.name in _SIX)


def series(
    seeds: Sequence[int],
    *,
    size: int = 96,
    start: str = "2020-01-01",
    end: str = "2022-01-01",
    every: float = 20.0,
    cloud: float = 0.3,
) -> Batch:
    """A world a seed: (P, T, 6, size, size) reflectance at 10 m, target the classes (P, size, size), place the seed.

    cloud: mean share of a date under cloud or shadow, where values are not valid; 0 shows the truth (with noise).
    """
    parts = []
    for seed in seeds:
        place = world(seed, size)
        cube, truth = view(place, BANDS, dates(start, end, every), cloud=cloud, seed=seed)
        values = np.asarray(cube.values, np.float32)[None]
        clear = np.ones(values.shape[1:2] + values.shape[3:], bool)
        if "flag" in cube.coords:
            clear = np.asarray(cube.coords["flag"].values == 0)
        valid = np.isfinite(values) & clear[None, :, None]
        day = cube.coords["time"].values.astype("datetime64[s]").astype(np.float64) / 86_400.0
        centre = place.geobox.center_pixel.geographic_extent.centroid.coords[0]
        pixels = Pixels(values, valid, BANDS, 10.0, day[None], np.array([centre], float))
        target = truth.classes[-1][None].astype(np.int64)
        parts.append(Batch({NAME: pixels}, target, key=(str(seed),), place=(seed,)))
    return join(parts)


def cloud_shapes(count: int, size: int, *, seed: int = 0, share: tuple[float, float] = (0.03, 0.6)) -> np.ndarray:
    """Cloud-like shapes: (count, size, size) bool, each over an evenly drawn share of the window."""
    rng = np.random.default_rng([seed, 29])
    field = smooth_field((4 * size, 4 * size), rng, slope=1.9)
    out = np.empty((count, size, size), bool)
    for i in range(count):
        y, x = rng.integers(0, 3 * size, 2)
        part = field[y : y + size, x : x + size]
        out[i] = part > np.quantile(part, 1 - rng.uniform(*share))
    return out
