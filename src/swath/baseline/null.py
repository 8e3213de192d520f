"""How large a difference measure gets where nothing changed, learned from a pair in which some did: a stated false-alarm rate.

The measure of unchanged pixels is taken to follow a scaled F distribution, which holds chi-squared (one noise for all)
and heavy tails (noise that differs from field to field). It is fitted to the lower part of the measure alone. How much is
taken as the lower part is not a setting: the largest part that such a distribution explains, so that what can be no
change is no change (empirical null: Efron 2004, JASA 99, 96-104; truncation: Bruzzone and Fernandez Prieto 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.errors import LabelError

__all__ = ["Null", "fit"]

PARTS = (0.99, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
CLOSE = 0.02  # largest gap between the distribution and what is there, where it explains the lower part
USED = 800  # quantiles that stand for all pixels in the fit
BINS = 60
LIGHTEST = np.array([-3.0, np.log(6.0)])  # logarithms: a tail heavier than F(., 4) would hold any change as noise
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Null:
    """No change: `scale` * F(d1, d2). part: share of the pixels that it explains; gap: how well.

    unchanged: share of all pixels that did not change, as fitted; between (low, high): as other cuts of the lower part that
    fit about as well would have it. level, odds (BINS,): probability of change by the
    logarithm of the measure. equal: the dates are the same in more than half of the pixels; any difference is change.
    """

    scale: float
    d1: float
    d2: float
    part: float
    gap: float
    unchanged: float
    level: Floats
    odds: Floats
    equal: bool = False
    between: tuple[float, float] = (1.0, 1.0)

    def threshold(self, false_alarms: float) -> float:
        """The measure that a share `false_alarms` of unchanged pixels exceeds. Raises LabelError outside 0 to 0.5."""
        if not 0 < false_alarms < 0.5:
            raise LabelError(
                rule="a false-alarm rate lies between 0 and 0.5", got=f"{false_alarms:g}", remedy="e.g. 0.01"
            )
        from scipy.stats import f

        return 1e-9 if self.equal else float(self.scale * f.isf(false_alarms, self.d1, self.d2))

    def p_value(self, measure: ArrayLike) -> Floats:
        """Share of unchanged pixels with so large a measure or larger."""
        from scipy.stats import f

        t = np.asarray(measure, float)
        return np.where(t > 1e-9, 0.0, 1.0) if self.equal else np.asarray(f.sf(t / self.scale, self.d1, self.d2))

    def probability(self, measure: ArrayLike) -> NDArray[np.float32]:
        """Probability that a pixel of this measure changed: 1 - the local false discovery rate, never falling."""
        t = np.asarray(measure, float)
        if self.equal:
            return np.where(t > 1e-9, 1.0, 0.0).astype(np.float32)
        return np.asarray(np.interp(np.log(np.maximum(t, 1e-12)), self.level, self.odds), np.float32)

    def said(self) -> str:
        """What the rate rests on, in words."""
        if self.equal:
            return "the dates are equal in more than half of the pixels: every difference counts as change"
        fine = "" if self.gap <= CLOSE else f"; it fits poorly (largest gap {self.gap:.3f}), take the rate as a guide"
        return (
            f"no-change model: F({self.d1:.1f}, {self.d2:.1f}) fitted to the lower {100 * self.part:.0f} % of the measure; "
            f"{100 * self.unchanged:.0f} % of the pixels follow it{fine}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        names = ("scale", "d1", "d2", "part", "gap", "unchanged", "equal")
        return {
            **{n: getattr(self, n) for n in names},
            "between": list(self.between),
            "level": self.level.tolist(),
            "odds": self.odds.tolist(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Null:
        """The inverse of `to_json`."""
        return cls(
            **{
                **record,
                "level": np.array(record["level"], float),
                "odds": np.array(record["odds"], float),
                "between": tuple(record["between"]),
            }
        )


def fit(measure: ArrayLike, *, degrees: int) -> Null:
    """The no-change distribution behind a measure (n,) of pixels, some of which changed.

    degrees: of freedom that the measure would have with equal noise (the number of bands); where the fit starts.
    Raises LabelError with fewer than 50 pixels.
    """
    t = np.asarray(measure, float)
    t = t[np.isfinite(t)]
    if len(t) < 50:
        raise LabelError(
            rule="a no-change model is learned from 50 pixels seen on both dates",
            got=f"{len(t)}",
            remedy="widen --area",
        )
    if np.median(t) < 1e-9:
        share = float((t < 1e-9).mean())
        return Null(1.0, 1.0, 1.0, share, 0.0, share, np.zeros(1), np.zeros(1), True, (share, share))
    ordered = np.quantile(t, (np.arange(USED) + 0.5) / USED)
    tried = [(*_truncated(ordered, part, degrees), part) for part in PARTS]
    d1, d2, scale, gap, part = next((one for one in tried if one[3] <= CLOSE), min(tried, key=lambda one: one[3]))
    unchanged, level, odds = _odds(t, d1, d2, scale, part)
    others = [_share(t, *one[:3], one[4]) for one in tried if one[3] <= max(2 * CLOSE, gap)]
    between = (min(unchanged, *others), max(unchanged, *others)) if others else (unchanged, unchanged)
    return Null(scale, d1, d2, part, gap, unchanged, level, odds, between=between)


def _share(t: Floats, d1: float, d2: float, scale: float, part: float) -> float:
    """Share of all pixels that follow the distribution, as its lower part has it."""
    from scipy.stats import f

    return float(min(1.0, part / max(float(f.cdf(float(np.quantile(t, part)) / scale, d1, d2)), 1e-12)))


def _truncated(ordered: Floats, part: float, degrees: int) -> tuple[float, float, float, float]:
    """Maximum likelihood of a scaled F below the quantile `part`: d1, d2, scale and the largest gap there."""
    from scipy.optimize import minimize
    from scipy.stats import f

    cut = float(np.quantile(ordered, part))
    x = np.maximum(ordered[ordered <= cut], 1e-9)

    def cost(p: Floats) -> float:
        d1, d2 = np.exp(np.clip(p[:2], LIGHTEST, 6))
        value = f.logpdf(x / np.exp(p[2]), d1, d2) - p[2]
        return float(f.logcdf(cut / np.exp(p[2]), d1, d2) - value.mean())

    start = [np.log(degrees), np.log(8.0), float(np.log(np.median(ordered)))]
    p = minimize(cost, start, method="Nelder-Mead", options={"maxiter": 400, "xatol": 1e-3, "fatol": 1e-5}).x
    d1, d2 = (float(v) for v in np.exp(np.clip(p[:2], LIGHTEST, 6)))
    scale = float(np.exp(p[2]))
    below = f.cdf(x / scale, d1, d2) / max(float(f.cdf(cut / scale, d1, d2)), 1e-12)
    gap = float(np.abs(below - (np.arange(len(x)) + 0.5) / len(x)).max())
    return d1, d2, scale, gap


def _odds(t: Floats, d1: float, d2: float, scale: float, part: float) -> tuple[float, Floats, Floats]:
    """Share unchanged, and the probability of change over log(t): one minus unchanged density over the density there is."""
    from scipy.stats import f
    from sklearn.isotonic import IsotonicRegression

    cut = float(np.quantile(t, part))
    unchanged = _share(t, d1, d2, scale, part)
    log = np.log(np.maximum(t, 1e-12))
    edges = np.unique(np.quantile(log, np.linspace(0, 1, BINS + 1)))
    if len(edges) < 3:
        return unchanged, np.array([log.min(), log.max() + 1e-9]), np.zeros(2)
    count = np.histogram(log, edges)[0] / len(log)
    null = unchanged * np.diff(f.cdf(np.exp(edges) / scale, d1, d2))
    null[-1] += unchanged * float(f.sf(np.exp(edges[-1]) / scale, d1, d2))
    share = np.clip(1 - null / np.maximum(count, 1e-12), 0, 1)
    middle = (edges[:-1] + edges[1:]) / 2
    share[middle <= np.log(max(cut, 1e-12))] *= part < PARTS[0]  # where all is explained, nothing below the cut changed
    rising = IsotonicRegression(y_min=0, y_max=1).fit_transform(middle, share, sample_weight=count + 1e-9)
    return unchanged, middle, np.asarray(rising, float)
