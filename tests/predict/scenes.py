"""A small scene on disk-like lazy pixels, and a function whose answer at a pixel hangs on its neighbours."""

from __future__ import annotations

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from swath.cube import contract
from swath.cube.blocks import Layer
from swath.cube.lazy import ArraySource, lazy

LAYERS = (
    Layer("classes", classes={1: "low", 2: "high"}, colours={1: (200, 0, 0), 2: (0, 0, 200)}),
    Layer("probability", nodata=255, bands=("low", "high"), scale=0.004),
)


def scene(height=300, width=260, *, seed=0, holes=True):
    """(1, 3, H, W) float32 with a hole of missing values."""
    values = np.random.default_rng(seed).normal(1, 1, (1, 3, height, width)).astype("float32")
    if holes:
        values[:, :, : height // 2, : width // 2] = np.nan
    grid = GeoBox((height, width), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")
    return contract.make(
        lazy(ArraySource(values)), bands=["a", "b", "c"], geobox=grid, time=["2020-01-01"], quantity="reflectance"
    )


def neighbours(batch, reach=2):
    """Class and probability from the mean over (2 reach + 1) squared pixels; missing neighbours count as 0."""
    pixels = batch.pixels["s"]
    values = np.where(pixels.valid, pixels.values, 0)[0, 0].sum(axis=0)
    padded = np.pad(values, reach)
    total = np.zeros_like(values)
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            total += padded[i : i + values.shape[0], j : j + values.shape[1]]
    share = 1 / (1 + np.exp(-total / 10))
    return {
        "classes": (1 + (share > 0.5)).astype("uint8")[None, None],
        "probability": np.stack([1 - share, share])[None],
    }
