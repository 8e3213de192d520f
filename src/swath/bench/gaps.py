"""Ways to fill gaps beside one another: the same gaps, the same values counted, parts by place for intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from swath import estimate
from swath.batch import Batch
from swath.bench.verdict import than
from swath.estimate import Estimate
from swath.metric.regression import rmse
from swath.report.outcome import Row
from swath.report.plots import Line, lines
from swath.task.restore import Filler, Restore, scores

__all__ = [
    "BINS",
    "Filled",
    "compare",
    "crop_shapes",
    "each_date",
    "gap_figure",
    "hidden_patches",
    "rows_of",
    "verdict_of",
]


@dataclass(frozen=True)
class Filled:
    """What each way scored. error {way: (B, C, 6)} moments, alike {way: (B, C, 2)} sum and count of SSIM, gap (B,) share
    of the window that was asked, place (B,); answers {way: (B, T, C, H, W)}; unsaid: share of asked values that some way
    could not say, left out for all.
    """

    error: dict[str, np.ndarray]
    alike: dict[str, np.ndarray]
    gap: np.ndarray
    place: np.ndarray
    answers: dict[str, np.ndarray]
    unsaid: float
    peak: float
    simulated: bool

    def rmse(self, way: str, *, gap: tuple[float, float] = (0.0, 1.0), bands: slice = slice(None)) -> Estimate:
        """Root mean squared error over the gaps whose share lies in (low, high], intervals over places."""
        parts = self._parts(self.error[way][:, bands].sum(1), gap)
        return estimate.block_bootstrap(parts, rmse, simulated=self.simulated, method="RMSE in reflectance")

    def ssim(self, way: str, *, gap: tuple[float, float] = (0.0, 1.0)) -> Estimate:
        """Mean structural similarity over asked pixels and bands."""
        parts = self._parts(self.alike[way].sum(1), gap)
        return estimate.block_bootstrap(parts, _ratio, simulated=self.simulated, method=f"SSIM, peak {self.peak:g}")

    def better(self, ours: str, theirs: str, *, gap: tuple[float, float] = (0.0, 1.0)) -> Estimate:
        """RMSE of ours minus RMSE of theirs on the same gaps: below 0 ours is better."""
        parts = np.stack([self._parts(self.error[way].sum(1), gap) for way in (ours, theirs)], 1)
        return estimate.block_bootstrap(
            parts, lambda s: rmse(s[..., 0, :]) - rmse(s[..., 1, :]), simulated=self.simulated, method="paired by place"
        )

    def best_but(self, ours: str) -> str:
        """The way with the smallest RMSE among the others."""
        return min((way for way in self.error if way != ours), key=lambda way: self.rmse(way).value)

    def _parts(self, values: np.ndarray, gap: tuple[float, float]) -> np.ndarray:
        """Sums of each place over its gaps of that size."""
        chosen = (self.gap > gap[0]) & (self.gap <= gap[1])
        ids, where = np.unique(self.place[chosen], return_inverse=True)
        out = np.zeros((len(ids), values.shape[-1]))
        np.add.at(out, where, values[chosen])
        return out


BINS = ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0))
"""Gap sizes that are told apart, as shares of the window: (low, high]."""


def rows_of(data: str, filled: Filled, ours: str, *, claim: str = "", bins: bool = True) -> list[Row]:
    """RMSE over all gaps and by gap size and SSIM of every way, and the difference to the best of the others."""
    rows = []
    for way in filled.error:
        role: Any = "ours" if way == ours else "baseline"
        rows.append(Row(data, way, role, "RMSE, all gaps", filled.rmse(way)))
        for low, high in BINS if bins else ():
            size = f"{low:.0%} to {high:.0%}" if high < 1 else f"over {low:.0%}"
            rows.append(Row(data, way, role, f"RMSE, gaps of {size}", filled.rmse(way, gap=(low, high))))
        rows.append(
            Row(data, way, role, f"SSIM in gaps (peak {filled.peak:g})", filled.ssim(way), claim * (way == ours))
        )
    best = filled.best_but(ours)
    rows.append(Row(data, f"{ours} - {best}", "ours", "RMSE, difference", filled.better(ours, best)))
    return rows


def verdict_of(data: str, filled: Filled, ours: str) -> str:
    """In words how ours stands against the best of the others."""
    best = filled.best_but(ours)
    gap = filled.better(ours, best)
    return f"{data}: {ours} is {than(gap, lower_is_better=True)} {best}, the best plain way (RMSE {gap.value:+.4f})."


def gap_figure(filled: Mapping[str, Filled], path: Path) -> Path:
    """RMSE by gap size of every way, a panel a set, with bands of 95 %."""
    panels: dict[str, dict[str, Line]] = {}
    for name, one in filled.items():
        panel = panels.setdefault(name + (" (simulated)" if one.simulated else ""), {})
        for way in one.error:
            found = [one.rmse(way, gap=b) for b in BINS]
            value, low, high = ([100 * getattr(e, part) for e in found] for part in ("value", "low", "high"))
            panel[way] = Line([5, 20, 45], value, low, high)
    return lines(panels, path, x="gap, % of the window", y="RMSE in gaps, % reflectance", share_y=False)


def compare(
    ways: Mapping[str, Filler], batch: Batch, asked: np.ndarray, *, peak: float, simulated: bool = False, step: int = 16
) -> Filled:
    """Fill the same gaps in every way and score what was asked and is valid in the Batch of one sensor.

    asked (B, T, H, W) bool. Values that some way cannot say (no clear date) are left out for all, and counted. peak: of SSIM,
    in the unit of the values. step: examples that are filled together.
    """
    from swath.sample.loader import take

    ((name, pixels),) = batch.pixels.items()
    answers: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    for start in range(0, len(batch), step):
        rows = np.arange(start, min(start + step, len(batch)))
        for way, filler in ways.items():
            found = Restore(filler).restore(take(batch, rows), {name: asked[rows]})
            answers[way].append(found[name][0])
    whole = {way: np.concatenate(parts) for way, parts in answers.items()}
    said = np.all([np.isfinite(a) for a in whole.values()], axis=0)
    wanted = asked[:, :, None] & pixels.valid
    valid = pixels.valid & (said | ~asked[:, :, None])
    error, alike = {}, {}
    for way, answer in whole.items():
        error[way], alike[way] = scores(answer[None], pixels.values, valid, asked, peak=peak)
    place = np.asarray(batch.place if len(batch.place) == len(batch) else np.arange(len(batch)))
    share = asked.any(1).mean((1, 2))
    return Filled(
        error, alike, share, place, whole, float((wanted & ~said).sum() / max(1, wanted.sum())), peak, simulated
    )


def crop_shapes(
    masks: np.ndarray, size: tuple[int, int], count: int, *, seed: int = 0, share: tuple[float, float] = (0.03, 0.6)
) -> np.ndarray:
    """Windows of real cloud masks (K, H, W) bool, turned and flipped, with a share of cloud in between: (count, h, w)."""
    rng = np.random.default_rng([seed, 23])
    some = masks[(masks.mean((1, 2)) > 0.02) & (masks.mean((1, 2)) < 0.98)]
    out: list[np.ndarray] = []
    while len(out) < count:
        mask = np.rot90(some[int(rng.integers(len(some)))], int(rng.integers(4)))
        y, x = (int(rng.integers(n - s + 1)) for n, s in zip(mask.shape, size, strict=True))
        part = mask[y : y + size[0], x : x + size[1]]
        if share[0] <= part.mean() <= share[1]:
            out.append(part)
    return np.stack(out)


def _ratio(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1e-12))


def hidden_patches(batch: Batch, patch: int, seed: int, ratio: float = 0.75) -> np.ndarray:
    """Whole patches hidden at random on every date: (B, T, H, W) bool."""
    b, t, _, h, w = next(iter(batch.pixels.values())).values.shape
    rows, columns = -(-h // patch), -(-w // patch)
    rank = np.random.default_rng([seed, 43]).random((b, t * rows * columns)).argsort(1).argsort(1)
    part = (rank >= int(t * rows * columns * (1 - ratio))).reshape(b, t, rows, columns)
    return part.repeat(patch, 2).repeat(patch, 3)[..., :h, :w]


def each_date(filler: Filler) -> Filler:
    """A filler that sees each date for itself."""

    def fill(batch: Batch, draws: int = 1) -> dict[str, np.ndarray]:
        ((name, p),) = batch.pixels.items()
        b, t = p.values.shape[:2]
        values, valid = (a.reshape(b * t, 1, *a.shape[2:]) for a in (p.values, p.valid))
        one = replace(p, values=values, valid=valid, day=p.day.reshape(-1, 1), lonlat=p.lonlat.repeat(t, 0))
        return {name: np.asarray(filler(Batch({name: one}))[name]).reshape(1, *p.values.shape)}

    return fill
