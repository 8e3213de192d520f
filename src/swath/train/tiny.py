"""How swath-tiny is trained: the series of pixels of made worlds, some dates and bands hidden. Simulated data only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.datasets import toy
from swath.sample.loader import Chips, Turns, join
from swath.sample.window import bands_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from swath.models.tiny import Tiny

__all__ = ["pretrain", "series", "write"]

OPTICAL_RADAR_RELIEF = ("sentinel-2a-l2a", "sentinel-1-grd", "dem")


def series(
    seeds: Sequence[int],
    pixels: int = 200,
    *,
    sensors: Sequence[str] = ("sentinel-2a-l2a", "sentinel-1-grd"),
    every: float = 15.0,
    year: int = 2021,
    years: int = 1,
    size: int = 96,
    cloud: float = 0.4,
) -> Batch:
    """Series of random pixels of made worlds over some years: a Batch of len(seeds) * pixels examples of 1 x 1 pixel.

    target: class index of each; place: the world's seed; key: world, row, column.
    """
    return join([_of_world(seed, pixels, sensors, every, (year, year + years), size, cloud) for seed in seeds])


def _of_world(
    seed: int, pixels: int, sensors: Sequence[str], every: float, years: tuple[int, int], size: int, cloud: float
) -> Batch:
    place = toy.world(seed, size)
    rng = np.random.default_rng([seed, 41])
    at = np.unravel_index(rng.choice(size * size, pixels, replace=False), (size, size))
    seen = {}
    truth = None
    for number, sensor in enumerate(sensors):
        step = every if number == 0 else every * 1.6
        when = toy.dates(f"{years[0]}-01-01", f"{years[1]}-01-01", step, seed=seed + number)
        if sensor == "dem":
            seen[sensor] = _points(toy.elevation(place).expand_dims("time"), at)
            continue
        cube, truth = toy.view(place, sensor, when, cloud=cloud, seed=seed + number)
        seen[sensor] = _points(cube, at)
    assert truth is not None
    return Batch(
        pixels=seen,
        target=truth.classes[-1][at].astype(np.int64),
        key=tuple(f"{seed}_{r}_{c}" for r, c in zip(*at, strict=True)),
        place=(seed,) * pixels,
    )


def _points(cube: xr.DataArray, at: tuple[np.ndarray, ...]) -> Pixels:
    values = cube.values[:, :, at[0], at[1]].transpose(2, 0, 1)[..., None, None]
    valid = np.ones(values.shape, bool)
    if "flag" in cube.coords:
        valid &= (cube.coords["flag"].values[:, at[0], at[1]] == 0).T[:, :, None, None, None]
    day = np.array([np.nan])
    if "time" in cube.coords:
        day = cube.coords["time"].values.astype("datetime64[s]").astype(np.float64) / 86_400.0
    n = len(at[0])
    gsd = float(np.nanmin(cube.coords["gsd"].values))
    unknown = np.full((n, 2), np.nan)
    return Pixels(np.ascontiguousarray(values), valid, bands_of(cube), gsd, np.tile(day, (n, 1)), unknown)


def pretrain(
    *,
    worlds: int = 24,
    pixels: int = 200,
    epochs: int = 12,
    seed: int = 0,
    batch: int = 96,
    rate: float = 2e-3,
    config: dict[str, Any] | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Tiny:
    """Train a network from scratch on worlds of seeds from 1,000 on.

    Half of the worlds are seen by Sentinel-2 and Sentinel-1 over a year, a quarter over two years and with their heights,
    a quarter by Landsat 8, and half a quarter more by a sensor of four bands.
    """
    import torch

    from swath.models import build
    from swath.models.tiny import measure
    from swath.objective.mask import Masked
    from swath.train.fit import Rules, fit

    quarter = max(1, worlds // 4)
    parts = [
        series(range(1000, 1000 + worlds - 2 * quarter), pixels),
        series(range(2000, 2000 + quarter), pixels, sensors=OPTICAL_RADAR_RELIEF, every=28.0, year=2020, years=2),
        series(range(3000, 3000 + quarter), pixels, sensors=("landsat-8-c2-l2",), every=16.0),
        series(range(4000, 4000 + max(1, quarter // 2)), pixels, sensors=("planetscope-4-sr",), every=12.0),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Tiny = build("tiny", **(config or {}), statistics=measure(parts))
    source = Turns(*(Chips(part, batch=batch, seed=seed + i) for i, part in enumerate(parts)))
    rules = Rules(epochs=epochs, rate=rate, seed=seed)
    objective = Masked(ratio=(0.35, 0.15), unit=("token", "group"), loss="huber")
    fit(model, source, objective, rules, folder=folder, progress=progress)
    return model


def write(model: Tiny, path: str | Path, *, trained_on: str) -> None:
    """Write trained weights with their facts."""
    from swath.models import weights
    from swath.models.tiny import QUANTITIES

    facts = weights.Facts(
        model="tiny",
        config=model.config,
        statistics=model.statistics,
        quantity=QUANTITIES,
        trained_on=trained_on,
        simulated=True,
        source="swath.train.tiny",
    )
    weights.write(path, model.state_dict(), facts)


def main() -> None:
    """Train the weights that come with swath: python -m swath.train.tiny FILE (about 10 minutes on one core)."""
    import sys

    model = pretrain(worlds=80, pixels=240, epochs=24, progress=lambda done, n, what: print(done, n, what, flush=True))
    write(
        model, sys.argv[1], trained_on="21,600 pixel series of 90 made worlds (swath.datasets.toy), seeds 1000 to 4009"
    )


if __name__ == "__main__":
    main()
