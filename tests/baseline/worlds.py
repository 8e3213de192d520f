"""Small made cubes for the tests of this room."""

from __future__ import annotations

import numpy as np

from swath.cube import contract
from swath.sample.labels import Labels
from swath.sample.split import Places


def scene(height=40, width=36, bands=5, seed=0, missing=0.0, name="b", quantity="reflectance"):
    """One date of smooth fields with noise; some pixels missing."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    fields = np.stack([np.sin(y / (5 + k)) * np.cos(x / (4 + k)) for k in range(bands)])
    values = (0.3 + 0.1 * fields + 0.01 * random.standard_normal(fields.shape)).astype(np.float32)
    values[:, random.random((height, width)) < missing] = np.nan
    nm = np.linspace(490, 2200, bands)
    units = "1"
    return contract.make(
        values, bands=[f"{name}{i}" for i in range(bands)], geobox=None, wavelength=nm, quantity=quantity, units=units
    )


def season(height=30, width=28, dates=12, seed=1, missing=0.3):
    """Two bands over a year, each pixel and date missing by chance."""
    random = np.random.default_rng(seed)
    day = np.datetime64("2020-01-05") + np.sort(random.choice(360, dates, replace=False)).astype("timedelta64[D]")
    phase = np.arange(dates)[:, None, None, None] / dates * 2 * np.pi
    level = random.random((1, 2, height, width))
    values = (0.4 + 0.2 * np.sin(phase + level) + 0.02 * random.standard_normal((dates, 2, height, width))).astype("f4")
    values[np.broadcast_to((random.random((dates, 1, height, width)) < missing), values.shape)] = np.nan
    return contract.make(
        values, bands=["red", "nir"], geobox=None, time=day, wavelength=[665, 842], quantity="reflectance"
    )


def two_kinds(height=64, width=64, seed=0):
    """A scene whose two classes differ in their spectra, labels on it and 16-px places."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    truth = ((y // 8 + x // 8) % 2).astype(int)
    values = (0.2 + 0.1 * truth + 0.03 * random.standard_normal((4, height, width))).astype(np.float32)
    values[1] -= 0.15 * truth
    cube = contract.make(
        values, bands=["a", "b", "c", "d"], geobox=None, wavelength=[490, 560, 665, 842], quantity="reflectance"
    )
    at = np.sort(random.choice(height * width, 60, replace=False))
    return cube, truth, *labelled(at // width, at % width, truth[at // width, at % width], (height, width))


def labelled(row, column, value, shape, names=("dark", "bright"), kind="class"):
    """Labels and their 16-px places."""
    names, codes = (list(names), list(range(1, len(names) + 1))) if kind == "class" else ([], [])
    labels = Labels(row, column, np.asarray(value), np.arange(len(row)), names, codes, kind, shape)
    return labels, Places(row // 16 * 100 + column // 16, row, column, 16)
