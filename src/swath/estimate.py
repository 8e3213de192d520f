"""A number with its interval, and where the interval comes from. Arrays in, Estimates out; no files.

Exact and score intervals for shares, block bootstrap over places, paired differences and means over seeds.
Intervals of stratified samples are in `assess.interval`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Estimate", "MIN_PLACES", "block_bootstrap", "mean", "paired", "proportion", "undefined"]

MIN_PLACES = 6
"""Fewer places than this give no block-bootstrap interval: their spread is not known."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number that can be checked.

    value: NaN when undefined, then `n` is 0 or what there was, and `reason` says why.
    unit: UDUNITS text (`1` for shares, `ha`, `K`). low, high: interval at `level`; NaN when refused (`reason` says why).
    n: sample units behind it. method: how it was got; names the places. simulated: from a made world.
    """

    value: float
    unit: str
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    n: int = 0
    method: str = ""
    simulated: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high", "level"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "n", int(self.n))

    @property
    def defined(self) -> bool:
        """Whether there is a value at all."""
        return math.isfinite(self.value)

    def to_json(self) -> dict[str, Any]:
        """A dict for strict JSON: what is not finite becomes None (then `reason` says why)."""
        record = asdict(self)
        for name in ("value", "low", "high"):
            if not math.isfinite(record[name]):
                record[name] = None
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Estimate:
        """The inverse of `to_json`."""
        known: dict[str, Any] = dict(record)
        for name in ("value", "low", "high"):
            known[name] = math.nan if known[name] is None else known[name]
        return cls(**known)

    def __str__(self) -> str:
        if not self.defined:
            return f"undefined ({self.reason or 'no reason given'})"
        share = self.unit == "1"
        show = (lambda x: f"{100 * x:.1f} %") if share else (lambda x: f"{x:,.4g}")
        text = show(self.value) + ("" if share else f" {self.unit}")
        if math.isfinite(self.low) and math.isfinite(self.high):
            text += f" [{show(self.low)}, {show(self.high)}]"
        return text + (" (simulated)" if self.simulated else "")


def undefined(unit: str, reason: str, *, n: int = 0, method: str = "", level: float = 0.95) -> Estimate:
    """An Estimate without a value: `reason` says why in words."""
    return Estimate(math.nan, unit, level=level, n=n, method=method, reason=reason)


def proportion(
    count: float,
    n: float,
    *,
    level: float = 0.95,
    kind: Literal["score", "jeffreys", "exact"] = "score",
    method: str = "",
    simulated: bool = False,
) -> Estimate:
    """A share of independent units, `count` of `n`, with its interval.

    kind: `score` (Wilson 1927, covers its level on average), `jeffreys` (Brown, Cai and DasGupta 2001) or `exact`
    (Clopper and Pearson 1934, covers at least its level). n = 0 is undefined. Raises ValueError unless 0 <= count <= n.
    """
    if n <= 0:
        return undefined("1", "no unit to count", method=method, level=level)
    if not 0 <= count <= n:
        raise ValueError(f"a count lies between 0 and n; got {count} of {n}")
    low, high = _share_limits(float(count), float(n), level, kind)
    words = {
        "score": "score interval (Wilson)",
        "jeffreys": "Jeffreys interval",
        "exact": "exact interval (Clopper-Pearson)",
    }
    text = f"{method}; {words[kind]}" if method else words[kind]
    return Estimate(count / n, "1", low, high, level, int(n), text, simulated)


def _share_limits(x: float, n: float, level: float, kind: str) -> tuple[float, float]:
    from scipy.special import betaincinv, ndtri

    tail = (1 - level) / 2
    if kind == "score":
        z = float(ndtri(1 - tail))
        centre, half = (x + z * z / 2) / (n + z * z), z * math.sqrt(x * (n - x) / n + z * z / 4) / (n + z * z)
        return (0.0 if x == 0 else max(0.0, centre - half)), (1.0 if x == n else min(1.0, centre + half))
    extra = 0.5 if kind == "jeffreys" else 0.0
    low = 0.0 if x == 0 else float(betaincinv(x + extra, n - x + (extra or 1.0), tail))
    high = 1.0 if x == n else float(betaincinv(x + (extra or 1.0), n - x + extra, 1 - tail))
    return low, high


def block_bootstrap(
    parts: ArrayLike,
    statistic: Callable[[NDArray[Any]], NDArray[Any]],
    *,
    unit: str = "1",
    level: float = 0.95,
    n: int | None = None,
    method: str = "",
    draws: int = 2000,
    seed: int = 0,
    minimum: int = MIN_PLACES,
    simulated: bool = False,
) -> Estimate:
    """A score with an interval that resamples whole places, because pixels of one place are no independent units.

    parts: (P, ...) what each place adds (a confusion matrix, sums of errors): a resample is a sum of parts.
    statistic: (..., same) -> (...), applied to the whole and to all resamples at once; NaN where undefined.
    n: units behind the value (P when not given). Below `minimum` places the interval is refused, with the reason.
    Percentile interval widened for few places: Hesterberg 2015, "What teachers should know about the bootstrap",
    section 5.3: quantiles of Student's t with P - 1 degrees of freedom times sqrt(P / (P - 1)).
    """
    import numpy as np

    values = np.asarray(parts, float)
    places = len(values)
    units = places if n is None else int(n)
    name = f"{method}; " if method else ""
    if not places:
        return undefined(unit, "no place to score", method=method, level=level)
    value = float(statistic(values.sum(0)))
    if not math.isfinite(value):
        return undefined(unit, "undefined on these units", n=units, method=method, level=level)
    bare = Estimate(value, unit, level=level, n=units, method=f"{name}{places} places", simulated=simulated)
    if places < minimum:
        return replace(
            bare, reason=f"no interval: {places} places are too few to resample ({minimum} or more are needed)"
        )
    picks = np.random.default_rng(seed).multinomial(places, np.full(places, 1 / places), size=draws)
    resampled = np.tensordot(picks.astype(float), values, axes=1)
    scores = np.asarray(statistic(resampled), float)
    scores = scores[np.isfinite(scores)]
    if len(scores) < 0.9 * draws:
        return replace(bare, reason="no interval: the score is undefined in more than a tenth of the resamples")
    tail = _widened_tail(places, level)
    low, high = np.quantile(scores, [tail, 1 - tail])
    if high - low <= 1e-12 * max(1.0, abs(value)):
        return replace(bare, reason="no interval: all places score the same, so resampling them tells no spread")
    text = f"{name}block bootstrap over {places} places"
    return replace(bare, low=min(float(low), value), high=max(float(high), value), method=text)


def _widened_tail(places: int, level: float) -> float:
    from scipy.special import ndtr, stdtrit

    return float(ndtr(math.sqrt(places / (places - 1)) * stdtrit(places - 1, (1 - level) / 2)))


def mean(
    values: Sequence[float] | NDArray[Any],
    *,
    unit: str = "1",
    level: float = 0.95,
    method: str = "mean over seeds",
    simulated: bool = False,
) -> Estimate:
    """Mean of independent runs with Student's t-interval; undefined values are left out and counted in `reason`."""
    given = [float(v) for v in values]
    kept = [v for v in given if math.isfinite(v)]
    lost = f"{len(given) - len(kept)} of {len(given)} undefined, left out" if len(kept) < len(given) else ""
    if not kept:
        return undefined(unit, lost or "no value to average", method=method, level=level)
    centre = math.fsum(kept) / len(kept)
    if len(kept) < 2:
        reason = "; ".join(filter(None, ("no interval: one value has no spread", lost)))
        return Estimate(centre, unit, level=level, n=1, method=method, simulated=simulated, reason=reason)
    from scipy.special import stdtrit

    spread = math.sqrt(math.fsum((v - centre) ** 2 for v in kept) / (len(kept) - 1))
    half = float(stdtrit(len(kept) - 1, (1 + level) / 2)) * spread / math.sqrt(len(kept))
    text = f"{method}; t-interval over {len(kept)}"
    return Estimate(centre, unit, centre - half, centre + half, level, len(kept), text, simulated, lost)


def paired(
    ours: Sequence[float] | NDArray[Any],
    theirs: Sequence[float] | NDArray[Any],
    *,
    unit: str = "1",
    level: float = 0.95,
    method: str = "paired difference on the same splits",
    simulated: bool = False,
) -> Estimate:
    """Mean of ours - theirs over the same splits or seeds, with Student's t-interval of the differences.

    Pairs with an undefined member are left out and counted. Raises ValueError when lengths differ.
    """
    a, b = [float(v) for v in ours], [float(v) for v in theirs]
    if len(a) != len(b):
        raise ValueError(f"pairs have one length; got {len(a)} and {len(b)}")
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return mean(differences, unit=unit, level=level, method=method, simulated=simulated)
