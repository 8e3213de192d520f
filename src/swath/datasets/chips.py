"""Small pictures of made worlds with the class that fills most of each: many places, known truth. Simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from swath.batch import Batch, Pixels
from swath.datasets.phenology import CLASSES
from swath.datasets.view import view
from swath.datasets.world import world
from swath.sample.loader import join, take
from swath.sample.window import bands_of

if TYPE_CHECKING:
    from swath.earth.sensor import Band

__all__ = ["CLASSES", "chips", "windows"]


def chips(
    seeds: Sequence[int],
    *,
    size: int = 16,
    most: float = 0.6,
    sensor: str | Sequence[Band] = "sentinel-2a-l2a",
    dates: Sequence[str] = ("2021-07-01",),
    world_size: int = 192,
    per_class: int = 6,
    cloud: float = 0.0,
) -> Batch:
    """A Batch of chips (M, T, C, size, size), target the class index (M,), place the world's seed.

    Chips lie side by side; those kept are filled by one class to `most` or more, at most `per_class` of a class and world.
    """
    parts = []
    for seed in seeds:
        cube, truth = view(world(seed, world_size), sensor, np.array(dates, "datetime64[s]"), cloud=cloud, seed=seed)
        parts.append(_of_world(seed, cube, truth.classes[-1], size, most, per_class))
    return join([p for p in parts if p is not None])


def _of_world(seed: int, cube: object, classes: np.ndarray, size: int, most: float, per_class: int) -> Batch | None:
    import xarray as xr

    assert isinstance(cube, xr.DataArray)
    rows, columns = (n // size for n in classes.shape)
    tiles = classes[: rows * size, : columns * size].reshape(rows, size, columns, size).swapaxes(1, 2)
    share = np.stack([(tiles == k).mean((2, 3)) for k in range(len(CLASSES))], -1)
    label, full = share.argmax(-1), share.max(-1) >= most
    rng = np.random.default_rng([seed, 31])
    at = []
    for k in range(len(CLASSES)):
        found = np.argwhere(full & (label == k))
        at.extend(found[rng.permutation(len(found))[:per_class]].tolist())
    if not at:
        return None
    values = np.stack([cube.values[..., r * size : (r + 1) * size, c * size : (c + 1) * size] for r, c in at])
    valid = np.isfinite(values)
    if "flag" in cube.coords:
        flag = cube.coords["flag"].values == 0
        valid &= np.stack([flag[:, None, r * size : (r + 1) * size, c * size : (c + 1) * size] for r, c in at])
    day = cube.coords["time"].values.astype("datetime64[s]").astype(np.float64) / 86_400.0
    gsd = float(np.nanmin(cube.coords["gsd"].values))
    pixels = Pixels(values, valid, bands_of(cube), gsd, np.tile(day, (len(at), 1)), np.full((len(at), 2), np.nan))
    key = tuple(f"{seed}_{r}_{c}" for r, c in at)
    name = str(cube.attrs.get("sensor") or "made")
    return Batch({name: pixels}, np.array([label[r, c] for r, c in at]), key=key, place=(seed,) * len(at))


def windows(batch: Batch, size: int) -> tuple[Batch, np.ndarray]:
    """All examples of one size cut into windows side by side (a rim that fills none is dropped), and their row and column.

    Targets (B, H, W) are cut alike; place stays that of the example. The second: (M, 2) in windows.
    """
    h, w = next(iter(batch.pixels.values())).values.shape[-2:]
    parts, at = [], []
    for i in range(len(batch)):
        one = take(batch, [i])
        for r in range(h // size):
            for c in range(w // size):
                cut = (..., slice(r * size, (r + 1) * size), slice(c * size, (c + 1) * size))
                pixels = {n: replace(p, values=p.values[cut], valid=p.valid[cut]) for n, p in one.pixels.items()}
                target = None if one.target is None else np.asarray(one.target)[cut]
                parts.append(replace(one, pixels=pixels, target=target, key=(f"{one.key[0]}_{r}_{c}",)))
                at.append((r, c))
    return join(parts), np.array(at)
