"""Change between two dates without any training: a difference measure with a stated false-alarm rate.

Steps: differences of canonical variates (`mad`: no gain, offset or other band set is change); the median of 3 x 3 pixels
of each (noise and half-pixel shifts go, edges stay); centre and spread within spectral classes of each date apart, so that
wheat that ripened as all wheat did is no change; the sum of squares, the mean of both dates' classes; its no-change
distribution (`null`). Figures of what each step is worth on made worlds are in docs/change.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.baseline import mad as mads
from swath.baseline import null as nulls
from swath.baseline.threads import one_thread
from swath.errors import LabelError

__all__ = ["Classes", "Detector", "Window", "fit"]

KINDS = 6  # spectral classes of a date
LEAST = 200  # pixels of a class that tell its centre and spread
CALM = 0.2  # weight of a pixel that changed for sure, where one that did not has about 0.5
PIXELS = 40_000
REACH = 2  # the median looks one pixel around, the question whether a shift explains it one further
NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1))
Window = tuple[np.ndarray, np.ndarray, np.ndarray]  # bands before (p, H, W), after (q, H, W), seen on both dates (H, W)


@dataclass(frozen=True, slots=True)
class Classes:
    """Spectral classes of one date: mean, scale (C,), centres (K, C); centre, spread (K, k) of the differences in each."""

    mean: np.ndarray
    scale: np.ndarray
    centres: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def of(self, bands: np.ndarray) -> NDArray[np.int64]:
        """(H, W) the nearest class of each pixel."""
        x = (bands - self.mean[:, None, None]) * self.scale[:, None, None]
        best, near = np.zeros(x.shape[1:], np.int64), np.full(x.shape[1:], np.inf, np.float32)
        for k, centre in enumerate(self.centres):
            far = np.zeros_like(near)
            for plane, value in zip(x, centre, strict=True):
                far += (plane - value) ** 2
            closer = far < near
            best[closer], near[closer] = k, far[closer]
        return best

    def squares(self, differences: np.ndarray, kind: np.ndarray) -> NDArray[np.float32]:
        """(H, W) sum of squared differences (k, H, W), each centred and scaled within its class."""
        out = np.zeros(kind.shape, np.float32)
        for i, plane in enumerate(differences):
            out += ((plane - self.centre[kind, i]) / self.spread[kind, i]) ** 2
        return out


@dataclass(frozen=True, slots=True)
class Detector:
    """A fitted difference measure. false_alarms: share of unchanged pixels above `threshold`."""

    mad: mads.Mad
    before: Classes
    after: Classes
    null: nulls.Null
    false_alarms: float
    threshold: float

    def measure(self, a: np.ndarray, b: np.ndarray, seen: np.ndarray) -> NDArray[np.float32]:
        """(H, W) how much each pixel changed; NaN where a date is missing. a (p, H, W), b (q, H, W)."""
        return self._measure(self.mad.first(_clean(a, seen)), self.mad.second(_clean(b, seen)), a, b, seen)

    def _measure(
        self, first: np.ndarray, second: np.ndarray, a: np.ndarray, b: np.ndarray, seen: np.ndarray
    ) -> NDArray[np.float32]:
        differences = _median(np.where(seen, second - first, 0))
        both = self.before.squares(differences, self.before.of(_clean(a, seen)))
        both += self.after.squares(differences, self.after.of(_clean(b, seen)))
        return np.where(seen, both / 2, np.nan).astype(np.float32)

    def least(self, a: np.ndarray, b: np.ndarray, seen: np.ndarray) -> NDArray[np.float32]:
        """(H, W) the smallest measure when the after date stays or moves by one pixel: what no such shift explains."""
        first, second = self.mad.first(_clean(a, seen)), self.mad.second(_clean(b, seen))
        best = self._measure(first, second, a, b, seen)
        for dy, dx in NEIGHBOURS:
            there = np.roll(seen, (dy, dx), (0, 1)) & seen
            other = self._measure(first, np.roll(second, (dy, dx), (1, 2)), a, np.roll(b, (dy, dx), (1, 2)), there)
            best = np.fmin(best, other)
        return np.asarray(np.where(seen, best, np.nan), np.float32)

    def by_shift(self, a: np.ndarray, b: np.ndarray, seen: np.ndarray, changed: np.ndarray) -> np.ndarray:
        """(H, W) changed pixels whose difference is gone when the after date is moved by one pixel in some direction."""
        gone = np.zeros(changed.shape, bool)
        if not changed.any():
            return gone
        first, second = self.mad.first(_clean(a, seen)), self.mad.second(_clean(b, seen))
        differs = self._measure(first, second, a, b, seen) > self.threshold
        for dy, dx in NEIGHBOURS:
            moved, there = np.roll(second, (dy, dx), (1, 2)), np.roll(seen, (dy, dx), (0, 1)) & seen
            other = np.roll(b, (dy, dx), (1, 2))
            gone |= self._measure(first, moved, a, other, there) <= self.threshold
        return np.asarray(gone & differs & changed)

    def made_by(self, windows: Sequence[Window], dy: float, dx: float) -> float:
        """Share of the pixels without change that a shift (pixels) of the before date against itself makes look changed.

        The noise of the pair stays: the shift's difference is added to what unchanged pixels differ by. NaN without any.
        """
        from swath.geometry.shift import shift

        flagged = count = 0
        for a, b, seen in windows:
            first, second = self.mad.first(_clean(a, seen)), self.mad.second(_clean(b, seen))
            quiet = seen & (self._measure(first, second, a, b, seen) <= self.threshold)
            step = shift(np.where(seen, first, np.nan), dy, dx)
            good = quiet & np.isfinite(step).all(0)
            moved = self._measure(first, second + np.where(good, step - first, 0), a, b, seen)
            flagged += int((moved[good] > self.threshold).sum())
            count += int(good.sum())
        return flagged / count if count else float("nan")

    def to_json(self) -> dict[str, Any]:
        """What a record of the run says of it."""
        return {
            "measure": "canonical differences within spectral classes",
            "correlation": [round(float(r), 4) for r in self.mad.correlation],
            "false_alarms": self.false_alarms,
            "threshold": self.threshold,
            "null": self.null.to_json(),
        }


def fit(windows: Sequence[Window], *, false_alarms: float = 0.01, seed: int = 0) -> Detector:
    """Learn variates, classes and the no-change distribution from windows of the pair.

    Raises LabelError when too few pixels were seen on both dates.
    """
    counts = [int(seen.sum()) for _, _, seen in windows]
    bands = max(windows[0][0].shape[0], windows[0][1].shape[0]) if windows else 1
    if sum(counts) < max(50, 4 * bands):
        raise LabelError(
            rule=f"a difference measure is learned from {max(50, 4 * bands)} pixels seen on both dates",
            got=f"{sum(counts)}",
            remedy="widen --area, or take dates with fewer clouds",
        )
    keep = _thin(windows, counts, seed)
    x, y = (np.concatenate([w[i][:, m].T for w, m in zip(windows, keep, strict=True)]) for i in (0, 1))
    made, calm = mads.fit(x, y)
    smooth = [_median(np.where(seen, made(_clean(a, seen), _clean(b, seen)), 0)) for a, b, seen in windows]
    differences = np.concatenate([d[:, m].T for d, m in zip(smooth, keep, strict=True)])
    before, after = (_classes(v, differences, calm + CALM, seed) for v in (x, y))
    bare = Detector(made, before, after, nulls.Null(1, 1, 1, 1, 0, 1, np.zeros(1), np.zeros(1)), false_alarms, 0.0)
    measure = np.concatenate([bare.measure(*w)[m] for w, m in zip(windows, keep, strict=True)])
    null = nulls.fit(measure, degrees=made.before.shape[1])
    return Detector(made, before, after, null, false_alarms, null.threshold(false_alarms))


def _thin(windows: Sequence[Window], counts: Sequence[int], seed: int) -> list[np.ndarray]:
    """Of each window a mask (H, W) of the pixels that are used: at most PIXELS in all, drawn evenly."""
    share = min(1.0, PIXELS / max(1, sum(counts)))
    random = np.random.default_rng([seed, 53])
    return [seen if share == 1 else seen & (random.random(seen.shape) < share) for _, _, seen in windows]


def _clean(bands: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.where(seen, bands, 0).astype(np.float32, copy=False)


def _median(planes: np.ndarray) -> np.ndarray:
    """The median of 3 x 3 pixels of each plane (k, H, W), edges repeated: columns sorted, then their ranks combined.

    The median of nine is the median of the largest of the low, the median of the middle and the smallest of the high.
    """
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    above, here, below = (padded[:, i : i + planes.shape[1]] for i in range(3))
    low, high = np.minimum(above, here), np.maximum(above, here)
    middle = np.maximum(low, np.minimum(high, below))
    lowest, highest = np.minimum(low, below), np.maximum(high, below)
    width = planes.shape[2]

    def columns(ranks: np.ndarray) -> list[np.ndarray]:
        return [ranks[:, :, i : i + width] for i in range(3)]

    first = np.maximum.reduce(columns(lowest))
    third = np.minimum.reduce(columns(highest))
    return _of_three(first, _of_three(*columns(middle)), third)


def _of_three(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c)))


def _classes(bands: np.ndarray, differences: np.ndarray, weight: np.ndarray, seed: int) -> Classes:
    """Spectral classes of pixels (n, C), and centre and spread of the differences (n, k) within each.

    weight (n,): pixels that changed little by the whole scene's measure count more, so that a class of which more than
    half was cut is centred on what was left; where all of a class differs, all count alike.
    """
    from sklearn.cluster import KMeans

    mean, deviation = bands.mean(0), bands.std(0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation, float), where=deviation > 0)
    x = ((bands - mean) * scale).astype(np.float64)
    count = int(np.clip(len(x) // LEAST, 1, KINDS))
    some = x if len(x) <= 10_000 else x[np.random.default_rng([seed, 59]).choice(len(x), 10_000, replace=False)]
    with one_thread():
        centres = (
            KMeans(min(count, len(np.unique(some, axis=0))), n_init=3, random_state=seed).fit(some).cluster_centers_
        )
    near = (
        ((x[:, None] - centres[None]) ** 2).sum(2).argmin(1)
        if len(x) * len(centres) * x.shape[1] < 5e7
        else _near(x, centres)
    )
    usual, whole = _centre_spread(differences, weight)
    whole = np.maximum(whole, 1e-6)
    centre, spread = np.tile(usual, (len(centres), 1)), np.tile(whole, (len(centres), 1))
    for k in range(len(centres)):
        inside = near == k
        if inside.sum() >= LEAST:
            centre[k], own = _centre_spread(differences[inside], weight[inside])
            spread[k] = np.maximum(own, 0.1 * whole)
    return Classes(mean, scale, centres, centre.astype(np.float32), spread.astype(np.float32))


def _near(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.concatenate([((part[:, None] - centres[None]) ** 2).sum(2).argmin(1) for part in np.array_split(x, 20)])


def _centre_spread(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted median, and median absolute deviation scaled to a normal deviation, of each column (n, k)."""
    centre = _middle(values, weight)
    return centre, 1.4826 * _middle(np.abs(values - centre), weight)


def _middle(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(weight[order], axis=0)
    at = (reached < reached[-1] / 2).sum(0)
    return np.asarray(np.take_along_axis(np.take_along_axis(values, order, 0), at[None], 0)[0])
