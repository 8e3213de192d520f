"""The series that SITS-DECO's recipe learns from: labelled places first, each in the place that a fold moves whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from swath.baseline.forecast import Series
from swath.datasets import double_logistic, mato_grosso, presto_eval, sits_modis, slovenia
from swath.models.deco import Deco
from swath.sample.split import fold_table
from swath.train.series import Plan, fit_series

__all__ = ["Labelled", "algae", "farm", "farm_pixels", "few", "gaps", "made", "patch", "sits", "stacked", "together"]


@dataclass(frozen=True)
class Labelled:
    """A set: series {sensor: Series} of the same places, labelled rows first; y (n,) of labelled rows; classes."""

    series: dict[str, Series]
    y: np.ndarray
    classes: tuple[str, ...]

    @property
    def main(self) -> Series:
        """The first sensor's series of labelled rows."""
        return next(iter(self.series.values())).rows(np.arange(len(self.y)))

    @property
    def place(self) -> np.ndarray:
        """Of all rows."""
        return np.asarray(next(iter(self.series.values())).place)

    def folds(self, k: int, seed: int, *, random: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
        """(train, test) indices of labelled rows: whole places, or (as a warning) any rows."""
        ids = np.unique(self.place[: len(self.y)], return_inverse=True)[1]
        fold = np.random.default_rng(seed).permutation(len(self.y)) % k if random else fold_table(ids, self.y, k, seed)
        return [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in np.unique(fold)]

    def learn(self, plan: Plan, train: np.ndarray, held: np.ndarray) -> Deco:
        """A decoder of the labels `train`; other prompts see every row of places that none of `held` lies in."""
        n = len(self.place)
        target = np.full(n, -1)
        target[train] = self.y[train]
        pool = np.flatnonzero(~np.isin(self.place, self.place[held]))
        crop = "crop" in plan.tasks
        return fit_series(
            self.series, plan, target=target if crop else None, classes=self.classes if crop else (), pool=pool
        )[0]

    def probability(self, model: Deco, rows: np.ndarray) -> np.ndarray:
        """(m, K) of some rows."""
        return model.classify({k: s.rows(rows) for k, s in self.series.items()})


def few(y: np.ndarray, rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` rows of each class (all for 0), drawn; the same draw holds the smaller ones."""
    if not count:
        return rows
    order = np.random.default_rng([seed, 3]).permutation(rows)
    return np.sort(np.concatenate([order[y[order] == k][:count] for k in np.unique(y)]))


def sits(data: Path, extra: int, seed: int) -> Labelled:
    """1,218 MODIS series of 12 NDVI values in blocks of 1 degree, and unlabelled pixels of the cube at Sinop."""
    batch, scene = sits_modis.load(data / "sits_modis"), sits_modis.cube(data / "sits_modis")
    p, q = batch.pixels["modis-mod13"], scene.pixels["modis-mod13"]
    at = np.random.default_rng(seed).choice(q.values[0, 0, 0].size, extra, replace=False)
    flat, seen = (a[0].reshape(*a.shape[1:3], -1)[..., at].transpose(2, 0, 1) for a in (q.values, q.valid))
    series = Series(
        np.concatenate([p.values[..., 0, 0], flat]), np.concatenate([p.valid[..., 0, 0], seen]),
        np.concatenate([p.day, np.repeat(q.day, extra, 0)]), np.array([*batch.place, *["-56,-12"] * extra]), p.bands,
    )  # fmt: skip
    return Labelled({"modis": series}, np.asarray(batch.target), sits_modis.CLASSES)


def farm(data: Path, step: int = 1, *, shuffled: int | None = None, band: slice = slice(None)) -> Labelled:
    """603 labelled seasons of 22 dates at Mato Grosso in blocks of 6 pixels; every `step`-th date, or in random order."""
    folder = data / "modis_mato_grosso"
    known = mato_grosso.samples(folder)
    p = mato_grosso.load(folder).pixels["modis-mod13"]
    row, column = mato_grosso.pixels(folder, known)
    first = np.searchsorted(p.day[0], known.from_day)
    at = first[:, None] + np.arange(0, 22, step)
    values = p.values[0][at, :, row[:, None], column[:, None]][..., band]
    if shuffled is not None:
        order = np.random.default_rng(shuffled).random(at.shape).argsort(1)
        values = np.take_along_axis(values, order[..., None], 1)
    place = np.array([f"{r // 6},{c // 6}" for r, c in zip(row, column, strict=True)])
    series = Series(values, np.isfinite(values), p.day[0][at], place, p.bands[band])
    return Labelled({"modis": series}, known.label, mato_grosso.CLASSES)


def farm_pixels(data: Path) -> Series:
    """Every second pixel of the farm, 137 dates, in the same blocks."""
    p = mato_grosso.load(data / "modis_mato_grosso").pixels["modis-mod13"]
    row, column = (a.ravel()[::2] for a in np.indices(p.values.shape[-2:]))
    values = p.values[0][:, :, row, column].transpose(2, 0, 1)
    place = np.array([f"{r // 6},{c // 6}" for r, c in zip(row, column, strict=True)])
    return Series(values, np.isfinite(values), np.repeat(p.day, len(row), 0), place, p.bands)


def patch(data: Path, count: int, seed: int, *, five: bool = False) -> tuple[Labelled, np.ndarray]:
    """Pixels of the Slovenian patch: NDVI on 68 dates under its cloud mask (and 13 bands on five dates), and their quadrant."""
    ndvi = slovenia.series(data / "eopatch")
    (p,) = ndvi.pixels.values()
    truth = np.asarray(ndvi.target)[0]
    at = np.sort(np.random.default_rng(seed).choice(np.flatnonzero(truth.ravel() >= 0), count, replace=False))
    row, column = at // truth.shape[1], at % truth.shape[1]
    place = np.array([f"{r // 12},{c // 12}" for r, c in zip(row, column, strict=True)])

    def of(q: Any) -> Series:
        flat, seen = (a[0][:, :, row, column].transpose(2, 0, 1) for a in (q.values, q.valid))
        return Series(flat, seen, np.repeat(q.day, len(at), 0), place, q.bands)

    series = {"ndvi": of(p)}
    if five:
        (q,) = slovenia.load(data / "eopatch").pixels.values()
        series["reflectance"] = of(q)
    quadrant = (row >= truth.shape[0] // 2) * 2 + (column >= truth.shape[1] // 2)
    return Labelled(series, truth.ravel()[at], slovenia.CLASSES), quadrant


def algae(data: Path) -> dict[str, Series]:
    """Radar and optical months at 1,122 lakes of the USA, places of 1 degree."""
    batch = presto_eval.load(data / "presto_eval")
    return {
        name: Series(p.values[..., 0, 0], p.valid[..., 0, 0], p.day, np.array(batch.place), p.bands)
        for name, p in batch.pixels.items() if name in ("sentinel-1", "sentinel-2-l1c")
    }  # fmt: skip


def made(n: int, seed: int, *, radar: bool = False) -> tuple[Labelled, double_logistic.Season]:
    """Simulated seasons with their truth."""
    s = double_logistic.seasons(n, seed)
    optical, heard = double_logistic.bands()
    series = {"ndvi": Series(s.ndvi[..., None], s.clear[..., None], s.day, s.place, (optical,))}
    if radar:
        series["radar"] = Series(s.vh[..., None], s.heard[..., None], s.vh_day, s.place, (heard,))
    return Labelled(series, s.target, double_logistic.CLASSES), s


def together(seasons: Labelled, pixels: Series) -> Labelled:
    """Labelled seasons and whole series of pixels as one set; the shorter rows end in dates never seen."""
    s = seasons.main
    more = pixels.values.shape[1] - s.values.shape[1]
    pad = ((0, 0), (0, more), (0, 0))
    day = np.pad(s.day, pad[:2], constant_values=np.nan)
    longer = replace(s, values=np.pad(s.values, pad), valid=np.pad(s.valid, pad), day=day)
    return replace(seasons, series={"modis": stacked(longer, pixels)})


def stacked(*parts: Series) -> Series:
    """Series of as many dates one under another."""
    names = ("values", "valid", "day", "place")
    whole: dict[str, Any] = {n: np.concatenate([getattr(p, n) for p in parts]) for n in names}
    return replace(parts[0], **whole)


def gaps(shape: tuple[int, int], seed: int) -> np.ndarray:
    """(N, T) bool: single dates, and runs of up to six."""
    rng = np.random.default_rng([seed, 21])
    n, t = shape
    single = rng.random(shape) < 0.08
    first, length = rng.integers(0, t, n), rng.integers(2, 7, n)
    run = (np.arange(t) >= first[:, None]) & (np.arange(t) < (first + length)[:, None])
    return np.asarray(single | run)
