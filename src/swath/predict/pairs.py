"""Change over whole scenes, by models that see a window at once: windows of one size on fixed lattices, blended.

SChanger weighs channels by their mean over its window and draws its coarse maps up by the window's size: the same pixel
gets another answer in another window, and tiled never equals whole. So it is always run in the window it was trained in,
on two lattices half a step apart. Where they agree the place of the window did not matter; how far they lie apart is
part of the doubt.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from swath.batch import Batch, Pixels, array
from swath.cube import contract
from swath.cube.blocks import Layer
from swath.errors import GridError, SwathError
from swath.predict.blend import Blended
from swath.predict.run import Ran, run

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PROBABILITY", "SPREAD", "ChangeModel", "Pairs", "layers_of", "pair_windows", "whole"]

PROBABILITY, SPREAD = "probability", "spread"
BEFORE, AFTER = "before", "after"


class ChangeModel(Protocol):
    """What says change between two dates on one grid, (B, K, H, W) in 0 to 1.

    window: side in pixels that it must be run in, or None where a pixel's answer depends on `reach` pixels around it alone.
    """

    window: int | None
    classes: tuple[str, ...]

    def change(self, before: Pixels, after: Pixels) -> Any:
        """Probabilities, float32."""
        ...


@dataclass(frozen=True)
class Pairs:
    """A function for `predict.run` over cubes {"before", "after"} on one grid: {"probability", "spread"}, each (1, K, H, W).

    probability: the mean of two lattices of windows, each blended over its overlaps; spread: half of how far the two lie
    apart (0 for models without a window). step: pixels between windows, half a window by default. names: of the two
    layers. Beyond the scene windows see it mirrored. Pixels that are not valid on both dates are NaN in both layers.
    """

    model: ChangeModel
    step: int = 0
    names: tuple[str, str] = (PROBABILITY, SPREAD)
    crops: ClassVar[bool] = True

    @property
    def lattices(self) -> tuple[Blended, ...]:
        """The two ways of laying windows; none for a model of bounded reach."""
        size = self.model.window
        if size is None:
            return ()
        step = self.step or max(1, size // 2)
        offsets = ((0, 0), (step // 2, step // 2)) if step > 1 else ((0, 0),)
        return tuple(Blended(self._answer, size, step, offset, edge="mirror") for offset in offsets)

    @property
    def reach(self) -> int:
        """Pixels around a window of the output that are read."""
        lattices = self.lattices
        return lattices[0].reach if lattices else int(getattr(self.model, "reach", 0))

    @property
    def planes(self) -> int:
        """Planes that are made of a window, for the choice of its size."""
        return 8 * len(self.model.classes)

    def _answer(self, batch: Batch) -> Mapping[str, np.ndarray]:
        """What the model says of one window, float32."""
        before, after = batch.pixels[BEFORE], batch.pixels[AFTER]
        found = array(self.model.change(before, after)).astype(np.float32, copy=False)
        shape = (len(before.values), len(self.model.classes), *before.values.shape[-2:])
        if found.shape != shape:
            raise SwathError(
                rule=f"a model of change gives {shape} for this window", got=str(found.shape), remedy="keep its size"
            )
        return {PROBABILITY: found}

    def __call__(self, batch: Batch, inside: tuple[slice, slice] | None = None) -> dict[str, np.ndarray]:
        """Both layers of a window, or of the part `inside` of it, which begins on a whole step."""
        height, width = batch.pixels[BEFORE].values.shape[-2:]
        rows, columns = inside or (slice(0, height), slice(0, width))
        lattices = self.lattices
        if lattices:
            first, *others = (one(batch, (rows, columns))[PROBABILITY] for one in lattices)
            second = others[0] if others else first
            probability, spread = (first + second) / 2, np.abs(first - second) / 2
        else:
            probability = self._answer(batch)[PROBABILITY][..., rows, columns]
            spread = np.zeros_like(probability)
        seen = np.logical_and(*(p.valid[0].any(0).all(0)[rows, columns] for p in batch.pixels.values()))
        hidden = np.where(seen, np.float32(0), np.float32(np.nan))
        return dict(zip(self.names, (probability + hidden, spread + hidden), strict=True))


def layers_of(model: ChangeModel, names: tuple[str, str] = (PROBABILITY, SPREAD), **tags: str) -> list[Layer]:
    """The two float32 layers, a band for each class of the model."""
    bands = tuple(model.classes)
    about = {"window": str(model.window), **tags}
    return [Layer(name, "float32", float("nan"), bands, units="1", tags=about) for name in names]


def pair_windows(
    model: ChangeModel,
    before: xr.DataArray,
    after: xr.DataArray,
    out: str | os.PathLike[str],
    *,
    step: int = 0,
    names: tuple[str, str] = (PROBABILITY, SPREAD),
    fingerprint: Any = "",
    workers: int | None = None,
    restart: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Ran:
    """Write `out/probability.tif` and `out/spread.tif` (a band for each class of the model, float32, NaN where a date is missing).

    before, after: cubes of one date each on one grid (`cube.align.align({"before": a, "after": b})`), lazy or not: memory is
    bounded by the window. step, names: as in `Pairs`. fingerprint: whatever decides the model (its file's sha256): an
    interrupted run goes on only with the same one, and gives the same bytes. For other layers beside these give
    `Pairs(model)` to `predict.run.run` inside a function of your own (`reach` and `window_of` say how).
    Raises GridError for two grids, SwathError for more than one date, and what the model refuses.
    """
    _one_grid(before, after)
    pairs = Pairs(model, step, names)
    return run(
        {BEFORE: before, AFTER: after}, pairs, layers_of(model, names), out, reach=pairs.reach, window=window_of(pairs),
        fingerprint={"pairs": 1, "step": step, "model": fingerprint}, workers=workers, restart=restart, progress=progress,
    )  # fmt: skip


def window_of(pairs: Pairs) -> int | None:
    """Side of the output's windows: a multiple of the step near 256 pixels; None where any will do."""
    lattices = pairs.lattices
    if not lattices:
        return None
    step = lattices[0].step
    return max(1, 256 // step) * step if step >= 16 else -(-16 // step) * step


def whole(model: ChangeModel, before: Pixels, after: Pixels, *, step: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(probability, spread), each (B, K, H, W), of pixels in memory: the numbers that `pair_windows` writes."""
    pairs = Pairs(model, step)
    found = []
    for i in range(len(before.values)):
        one = {name: _example(p, i) for name, p in ((BEFORE, before), (AFTER, after))}
        found.append(pairs(Batch(one)))
    probability, spread = (np.concatenate([f[name] for f in found]) for name in pairs.names)
    return probability, spread


def _example(p: Pixels, i: int) -> Pixels:
    part = slice(i, i + 1)
    return replace(
        p,
        values=array(p.values)[part],
        valid=array(p.valid)[part],
        day=array(p.day)[part],
        lonlat=array(p.lonlat)[part],
    )


def _one_grid(before: xr.DataArray, after: xr.DataArray) -> None:
    boxes = [contract.grid(da) for da in (before, after)]
    sizes = [(da.sizes.get("y", 0), da.sizes.get("x", 0)) for da in (before, after)]
    apart = sizes[0] != sizes[1] or (boxes[0] is None) != (boxes[1] is None)
    if not apart and boxes[0] is not None and boxes[1] is not None:
        a, b = boxes[0].affine, boxes[1].affine
        scale = max(abs(a.a), abs(a.b))
        apart = boxes[0].crs != boxes[1].crs or any(abs(x - y) > 1e-3 * scale for x, y in zip(a, b, strict=True))
    if apart:
        said = [f"{size} in {'no CRS' if box is None else box.crs}" for size, box in zip(sizes, boxes, strict=True)]
        raise GridError(
            rule="both dates of a pair lie on one grid",
            got=" and ".join(said),
            remedy="swath.cube.align.align brings them there",
        )
    for name, da in ((BEFORE, before), (AFTER, after)):
        if da.sizes.get("time", 1) != 1:
            raise SwathError(
                rule="a pair is one date before and one after",
                got=f"{da.sizes['time']} dates {name}",
                remedy="choose one with --dates, or make a composite",
            )
