"""Windows of a scene for fitting and for labels: a seeded sample, and pixels around labels read once each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.batch import Batch
from swath.sample.window import read

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Sample", "lay", "sample_windows", "shape_of"]

BUDGET = 8_000_000  # values read for fitting
SIDE = 128
KEEP = 20_000  # spectra kept of them


@dataclass(frozen=True, slots=True)
class Sample:
    """Windows read from a scene, and a seeded way to thin rows."""

    batches: list[Batch]
    seed: int

    def thin(self, rows: np.ndarray) -> np.ndarray:
        """At most KEEP rows, drawn by the seed, in their order."""
        if len(rows) <= KEEP:
            return rows
        chosen = np.random.default_rng(self.seed).choice(len(rows), KEEP, replace=False)
        return rows[np.sort(chosen)]


def lay(cubes: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Cubes of points laid out as one row of pixels; others as they are."""
    out = {}
    for name, da in cubes.items():
        if "place" in da.dims:
            da = da.reset_coords([c for c in ("lon", "lat") if c in da.coords], drop=True)
            da = da.rename({"place": "x"}).expand_dims("y", axis=-2)
        out[name] = da
    return out


def shape_of(cubes: Mapping[str, xr.DataArray]) -> tuple[int, int]:
    """Rows and columns of the common grid."""
    first = next(iter(lay(cubes).values()))
    return first.sizes["y"], first.sizes["x"]


def sample_windows(cubes: Mapping[str, xr.DataArray], seed: int) -> Sample:
    """The whole scene where it is small, else whole windows drawn over it until the budget of values is spent."""
    height, width = shape_of(cubes)
    layers = sum(da.sizes["band"] * da.sizes.get("time", 1) for da in cubes.values())
    if height * width * layers <= BUDGET:
        return Sample([read(cubes, slice(0, height), slice(0, width))], seed)
    starts = [(y, x) for y in range(0, height, SIDE) for x in range(0, width, SIDE)]
    count = max(4, min(64, BUDGET // (layers * SIDE * SIDE)))
    order = np.random.default_rng(seed).permutation(len(starts))
    batches: list[Batch] = []
    for k in order:
        y, x = starts[k]
        batch = read(cubes, slice(y, min(y + SIDE, height)), slice(x, min(x + SIDE, width)))
        if all(p.valid.any() for p in batch.pixels.values()):
            batches.append(batch)
        if len(batches) == count:
            break
    return Sample(batches or [batch], seed)
