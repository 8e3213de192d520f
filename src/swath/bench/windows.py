"""A large made scene filled window by window: what chunks, seams and the choice of the lattice do to the answer. Simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath import estimate
from swath.baseline.gaps import linear
from swath.batch import Batch
from swath.cube.blocks import Layer
from swath.datasets import hls_toy
from swath.datasets.view import dates, view
from swath.datasets.world import smooth_field, world
from swath.estimate import Estimate
from swath.metric.regression import moments_by_place, rmse
from swath.predict.blend import Blended
from swath.predict.run import run
from swath.report.outcome import Row

__all__ = ["FilledScene", "fill_scene", "rows_of"]

_DATE = 1


@dataclass(frozen=True)
class FilledScene:
    """rmse {way: in the gaps}; same: whether all chunks gave the same bytes; spread: median and 95th percentile of the
    difference between two lattices in the gaps; seam {way: jump across window borders over jump elsewhere}; windows of the
    model, seconds; share of the date that was hidden.
    """

    rmse: dict[str, Estimate]
    better: Estimate
    same: bool
    spread: tuple[float, float]
    seam: dict[str, float]
    seconds: float
    hidden: float


def fill_scene(
    fill: Callable[[Batch], Mapping[str, Any]], shape: tuple[int, int], size: int, folder: Path, seed: int = 0
) -> FilledScene:
    """Fill the clouds on the second of three dates of a made six-band scene of `shape` in windows of `size` pixels.

    fill: Batch -> {sensor: (1, B, T, C, H, W)}. The maps of every way are left in `folder`.
    """
    cube, _ = view(
        world(4000 + seed, shape), hls_toy.BANDS, dates("2021-05-01", "2021-07-30", 30.0), cloud=0.0, seed=seed
    )
    truth = np.array(cube.values[_DATE], np.float64)
    field = smooth_field((2 * shape[0], 2 * shape[1]), np.random.default_rng([seed, 37]), slope=1.9)[
        : shape[0], : shape[1]
    ]
    gap = field > np.quantile(field, 0.7)
    flag = np.zeros((cube.sizes["time"], *shape), np.uint8)
    flag[_DATE][gap] = 2
    seen = cube.assign_coords(flag=(("time", "y", "x"), flag))
    layer = Layer("filled", dtype="float32", nodata=float("nan"), bands=tuple(b.name for b in hls_toy.BANDS))
    half = size // 2

    def mapped(name: str, function: Blended, window: int) -> tuple[np.ndarray, float]:
        import rasterio

        ran = run({hls_toy.NAME: seen}, function, [layer], folder / name, reach=function.reach, window=window)
        with rasterio.open(ran.paths["filled"]) as file:
            return np.asarray(file.read()), ran.seconds

    one = _Filled(fill)
    blended, seconds = mapped("blended", Blended(one, size), 16 * half)
    again, _ = mapped("other-chunks", Blended(one, size), 22 * half)
    moved, _ = mapped("other-lattice", Blended(one, size, offset=(half // 2, half // 2)), 22 * half)
    touching, _ = mapped("touching", Blended(one, size, size), 8 * size)
    plain = _linear(seen)
    ways = {"blended windows": blended, "touching windows": touching, "linear in time": plain}
    block = np.add.outer(np.arange(shape[0]) // 64 * 10_000, np.arange(shape[1]) // 64)
    parts = {
        way: np.stack([moments_by_place(a[i], truth[i], place=block, valid=gap) for i in range(len(a))]).sum(0)
        for way, a in ways.items()
    }
    apart = np.abs(blended - moved)[:, gap]
    return FilledScene(
        rmse={way: estimate.block_bootstrap(p, rmse, simulated=True, method="blocks of 64 pixels") for way, p in parts.items()},
        better=estimate.block_bootstrap(
            np.stack([parts["blended windows"], parts["touching windows"]], 1),
            lambda s: rmse(s[..., 0, :]) - rmse(s[..., 1, :]), simulated=True, method="blocks of 64 pixels, paired",
        ),
        same=bool(np.array_equal(blended, again, equal_nan=True)),
        spread=(float(np.median(apart)), float(np.quantile(apart, 0.95))),
        seam={way: _seam(a - truth, gap, size) for way, a in ways.items()},
        seconds=seconds,
        hidden=float(gap.mean()),
    )  # fmt: skip


def rows_of(data: str, found: FilledScene) -> tuple[list[Row], str, dict[str, Any]]:
    """Rows of the ways, what was seen in words, and the figures behind it."""
    ours = "blended windows"
    rows = [Row(data, w, "ours" if w == ours else "baseline", "RMSE in gaps", e) for w, e in found.rmse.items()]
    rows.append(Row(data, f"{ours} - touching windows", "ours", "RMSE, difference", found.better))
    words = (
        f"{data}: {'the same bytes' if found.same else 'OTHER BYTES'} for other chunks of the output; two lattices of windows "
        f"differ by {found.spread[0]:.4f} (median) and {found.spread[1]:.4f} (95th percentile) reflectance in the gaps; the "
        f"error jumps {found.seam[ours]:.2f} times as much across window borders as elsewhere "
        f"({found.seam['touching windows']:.2f} times where windows only touch)."
    )
    facts = {
        "same bytes": found.same,
        "spread": list(found.spread),
        "seam": found.seam,
        "seconds": round(found.seconds, 1),
    }
    return rows, words, {"scene": facts}


@dataclass(frozen=True)
class _Filled:
    """One window with its hidden date said: observed values stay."""

    fill: Callable[[Batch], Mapping[str, Any]]

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """{"filled": (1, C, H, W)}."""
        pixels = batch.pixels[hls_toy.NAME]
        said = np.asarray(self.fill(batch)[hls_toy.NAME])[0, :, _DATE]
        return {"filled": np.where(pixels.valid[:, _DATE], pixels.values[:, _DATE], said)}


def _linear(cube: Any) -> np.ndarray:
    from swath.sample.window import read

    batch = read({hls_toy.NAME: cube}, slice(0, cube.sizes["y"]), slice(0, cube.sizes["x"]))
    return np.asarray(_Filled(linear)(batch)["filled"][0])


def _seam(error: np.ndarray, gap: np.ndarray, size: int) -> float:
    """How much the error jumps from row to row (column to column) across borders of touching windows, over elsewhere."""
    over: list[np.ndarray] = []
    rest: list[np.ndarray] = []
    for axis in (1, 2):
        jump = np.abs(np.diff(error, axis=axis))
        both = gap[1:] & gap[:-1] if axis == 1 else gap[:, 1:] & gap[:, :-1]
        at = (np.arange(jump.shape[axis]) + 1) % size == 0
        line = at[:, None] & both if axis == 1 else at & both
        other = ~at[:, None] & both if axis == 1 else ~at & both
        over.append(jump[:, line].ravel())
        rest.append(jump[:, other].ravel())
    border, inside = np.concatenate(over), np.concatenate(rest)
    return float(border.mean() / inside.mean()) if len(border) and len(inside) else float("nan")
