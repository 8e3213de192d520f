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

SHIPPED: dict[str, Any] = {"dim": 64, "depth": 2, "heads": 4, "width": 160, "steps": [1, 2]}
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


def teach(
    data: str | Path | None,
    *,
    start: str | Path,
    frozen: bool,
    grounds: int = 160,
    epochs: int = 16,
    stop: int | None = None,
    steps: int = 100,
    seed: int = 0,
    rate: float = 3e-4,
    config: dict[str, Any] | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Tiny:
    """Train one of the networks whose mean ships: on made grounds through every sensor there is, and on the real ones.

    start: weights of the first version (the transformer over dates alone, trained by hiding values of made series), which
    this one goes on from; frozen: they stay as they are, and only what is new learns. epochs: over which the rate falls;
    stop: after so many, 0 for none. steps: batches an epoch. folder: where the state is kept, to go on after a stop.
    """
    import torch

    from swath.models import build
    from swath.models.tiny import SURROUNDINGS
    from swath.objective.hiding import Hiding
    from swath.train.fit import Epoch, Rules, fit
    from swath.train.grounds import Sheets, see, statistics

    found = see(grounds, data, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Tiny = build("tiny", **(SHIPPED if config is None else config), statistics=statistics(found))
        begin(model, start)
    source = Sheets(found, steps, seed=seed, real=0.4 if data is not None else 0.0)
    settle(model, source)
    if frozen:
        for part in (model.bands, model.day, model.vit, model.read):
            part.requires_grad_(False)
        model.summary.requires_grad_(False)
        model.fading.requires_grad_(False)

    def enough(epoch: Epoch) -> None:
        epoch.stop = stop is not None and epoch.number + 1 >= stop

    rules = Rules(epochs=epochs, rate=rate, warmup=100, seed=seed, bf16=True)
    if stop != 0:
        fit(model, source, Hiding(SURROUNDINGS), rules, folder=folder, on_epoch=enough, progress=progress)
    return model


def mean(models: Sequence[Tiny], weights: Sequence[float]) -> Tiny:
    """The weighted mean of networks that began alike (Wortsman et al. 2022, "Model soups"); changes the first."""
    states = [model.state_dict() for model in models]
    models[0].load_state_dict({k: sum(w * s[k] for w, s in zip(weights, states, strict=True)) for k in states[0]})
    return models[0].eval()


def settle(model: Tiny, source: Any, batches: int = 80, pixels: int = 400) -> None:
    """Turn what is linear in the values to the main axes of what the source shows, each of deviation 1 (small ones less)."""
    import itertools

    import torch

    found = []
    with torch.no_grad():
        for batch in itertools.islice(source.epoch(10_000), batches):
            s = model._sequences(model._checked(batch.to("cpu")))
            x = (s.plain / s.seen.sum(1, keepdim=True).clamp(min=1))[s.seen.any(1)]
            found.append(x[:: max(1, len(x) // pixels)])
        spread, axes = torch.linalg.eigh(torch.cov(torch.cat(found).T))
        spread, axes = spread.flip(0)[: model.plain], axes.flip(1)[:, : model.plain]
        model.mix.weight.copy_((axes / (spread + 1e-3 * spread[0]).sqrt()).T)


def begin(model: Tiny, path: str | Path) -> None:
    """Take over what the first version learned: how bands and days are told, the transformer over dates, how it is read.

    Its scaling comes along where both know a quantity, since its numbers mean nothing without it.
    """
    import torch

    from swath.models import weights
    from swath.models.scaling import DESCRIBED, QUANTITIES

    old, facts = weights.read(path)
    dim, new = model.dim, model.state_dict()
    first = old["bands.0.weight"]
    at = DESCRIBED - 4 - (len(QUANTITIES) - 6)  # indices came later: a column of their own
    old["bands.0.weight"] = torch.cat(
        [first[:, :at], 0.1 * torch.randn(dim, DESCRIBED - first.shape[1]), first[:, at:]], 1
    )
    for name in ("bands.2.weight", "bands.2.bias"):
        old[name] = torch.cat([old[name][: 4 * dim], old[name][-1:]])
    old["read.0.weight"] = old["read.0.weight"].clone()
    taken = {name: value for name, value in old.items() if name in new and value.shape == new[name].shape}
    model.load_state_dict({**new, **taken})
    with torch.no_grad():
        for layer in (model.ask, model.when):
            layer.weight *= 0.1
            layer.bias.zero_()
    known = {k: facts.statistics[k] for k in ("reflectance", "temperature")}
    radar = facts.statistics["backscatter"]
    radar = {"VV": radar["VV"], "VH": radar["VH"], "HH": radar["VV"], "HV": radar["VH"]}
    model.statistics = {**model.statistics, **known, "backscatter": radar}


def write(model: Tiny, path: str | Path, *, trained_on: str, simulated: bool = True) -> None:
    """Write trained weights as float16 with their facts."""
    from swath.models import weights
    from swath.models.tiny import QUANTITIES

    facts = weights.Facts(
        model="tiny",
        config=model.config,
        statistics=model.statistics,
        quantity=QUANTITIES,
        trained_on=trained_on,
        simulated=simulated,
        source="swath.train.tiny",
    )
    weights.write(path, {name: value.half() for name, value in model.state_dict().items()}, facts)


# What ships is the mean of three: not trained further, all weights trained for half of the epochs, the new ones alone.
PARTS: dict[str, dict[str, Any]] = {
    "begun": {"frozen": True, "stop": 0},
    "whole": {"frozen": False, "epochs": 16, "stop": 8, "rate": 3e-4},
    "new": {"frozen": True, "epochs": 10, "rate": 1e-3},
}
SHARES = (0.4, 0.3, 0.3)
TRAINED_ON = (
    "made grounds (swath.datasets.toy) through 52 sensors, and the real scenes naip, landsat_pucallpa, landsat_c2, "
    "landsat8_new_york, hls_l30_texas and terramind; before that series of made worlds alone"
)


def main() -> None:
    """Train the weights that come with swath: python -m swath.train.tiny FILE DATA START STATE (under an hour on a core).

    START are the weights of the first version; STATE is a folder that holds what an interrupted training goes on from.
    """
    import sys

    import torch

    torch.set_num_threads(1)
    file, data, start, state = sys.argv[1:]
    parts = []
    for name, options in PARTS.items():
        parts.append(
            teach(
                data,
                start=start,
                folder=Path(state) / name,
                progress=lambda i, n, what, name=name: print(name, i, n, what, flush=True),  # type: ignore[misc]
                **options,
            )
        )
    write(mean(parts, SHARES), file, trained_on=TRAINED_ON, simulated=False)


if __name__ == "__main__":
    main()
