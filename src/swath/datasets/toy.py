"""Worlds with known truth: `world` makes a place, events change it, `view` shows it through a sensor. All simulated.

>>> from swath.datasets import toy
>>> place = toy.cut(toy.world(seed=3, size=64), "2021-06-01", share=0.5)
>>> cube, truth = toy.view(place, "sentinel-2a-l2a", toy.dates("2021-05-01", "2021-08-01", 20), cloud=0.2, seed=1)
>>> cube.dims, truth.names[int(truth.classes[0, 0, 0])] in toy.CLASSES
(('time', 'band', 'y', 'x'), True)
"""

from __future__ import annotations

from swath.datasets.made import MadeFiles, demo_world
from swath.datasets.phenology import CLASSES
from swath.datasets.view import SENTINEL_1, SENTINEL_2, Truth, dates, elevation, view
from swath.datasets.world import Event, World, build, cut, flood, grow, smooth_field, world

__all__ = [
    "CLASSES",
    "SENTINEL_1",
    "SENTINEL_2",
    "Event",
    "MadeFiles",
    "Truth",
    "World",
    "build",
    "cut",
    "dates",
    "demo_world",
    "elevation",
    "flood",
    "grow",
    "smooth_field",
    "view",
    "world",
]
