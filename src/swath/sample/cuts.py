"""Short series cut from long ones that are in memory: a few dates and a window of a few pixels each, seeded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from swath.batch import Batch
from swath.errors import SwathError
from swath.sample.loader import join, take

__all__ = ["between", "cuts", "joined", "tiled"]


def cuts(
    batch: Batch,
    *,
    dates: int,
    size: int | tuple[int, int],
    count: int,
    seed: int = 0,
    least: float = 0.5,
    gap: tuple[int, int] = (1, 1),
) -> Batch:
    """`count` examples of `dates` usable dates in order and `size` pixels, from the series of one sensor.

    least: share of a window that is valid on each of its dates; gap: smallest and largest step from one usable date to
    the next. Targets (B, H, W) are cut alike; keys name example, first date, row and column. Raises SwathError where a
    window of so many dates is not found in 200 tries.
    """
    (name, pixels), *others = batch.pixels.items()
    b, _, _, height, width = pixels.values.shape
    h, w = (size, size) if isinstance(size, int) else size
    if others or h > height or w > width:
        raise SwathError(
            rule=f"series of one sensor, windows of up to {height} x {width} pixels",
            got=f"{len(batch.pixels)} sensors, {h} x {w}",
            remedy="name one sensor, or a smaller window",
        )
    rng = np.random.default_rng([seed, 17])
    found: list[Batch] = []
    tries = 0
    while len(found) < count:
        tries += 1
        if tries > 200 * count:
            raise SwathError(
                rule=f"windows of {h} x {w} with {dates} dates, {least:.0%} of each valid",
                got=f"{len(found)} in {tries} tries",
                remedy="fewer dates, a smaller share or longer series",
            )
        i, y, x = int(rng.integers(b)), int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        window = (slice(None), slice(y, y + h), slice(x, x + w))
        usable = np.flatnonzero(pixels.valid[i].any(1)[window].mean((1, 2)) >= least)
        steps = rng.integers(gap[0], gap[1] + 1, dates - 1)
        span = int(steps.sum())
        if len(usable) <= span:
            continue
        at = usable[int(rng.integers(len(usable) - span)) + np.concatenate([[0], np.cumsum(steps)]).astype(int)]
        one = take(batch, [i])
        p = one.pixels[name]
        pick = replace(
            p,
            values=p.values[:, at][..., window[1], window[2]],
            valid=p.valid[:, at][..., window[1], window[2]],
            day=p.day[:, at],
        )
        target = None if one.target is None else np.asarray(one.target)[..., window[1], window[2]]
        place = one.place or (i,)
        found.append(Batch({name: pick}, target, key=(f"{place[0]}_{at[0]}_{y}_{x}",), place=place))
    return join(found)


def between(batch: Batch, part: slice) -> Batch:
    """Some of the dates of a Batch of one sensor."""
    ((name, p),) = batch.pixels.items()
    p = replace(p, values=p.values[:, part], valid=p.valid[:, part], day=p.day[:, part])
    return replace(batch, pixels={name: p})


def tiled(batch: Batch, size: int) -> Batch:
    """One example as windows of `size` pixels side by side, row by row, as examples; an incomplete rim is dropped."""
    ((name, p),) = batch.pixels.items()

    def cut(a: np.ndarray) -> np.ndarray:
        rows, columns = a.shape[-2] // size, a.shape[-1] // size
        a = a[0, ..., : rows * size, : columns * size]
        a = a.reshape(*a.shape[:-2], rows, size, columns, size)
        a = np.moveaxis(a, (-4, -2), (0, 1))
        return a.reshape(rows * columns, *a.shape[2:])

    values, valid = cut(np.asarray(p.values)), cut(np.asarray(p.valid))
    count = len(values)
    p = replace(p, values=values, valid=valid, day=p.day.repeat(count, 0), lonlat=p.lonlat.repeat(count, 0))
    target = None if batch.target is None else cut(np.asarray(batch.target))
    return Batch({name: p}, target, key=tuple(str(i) for i in range(count)), place=tuple(batch.place) * count)


def joined(windows: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The inverse of `tiled` for one value a pixel: (n, size, size) -> (H, W), of whole windows."""
    size = windows.shape[-1]
    rows, columns = shape[0] // size, shape[1] // size
    return np.asarray(windows.reshape(rows, columns, size, size).swapaxes(1, 2).reshape(rows * size, columns * size))
