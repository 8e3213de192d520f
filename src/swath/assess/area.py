"""Areas and accuracies from a probability sample: adjusted for the map's own errors, with intervals that hold.

Strata may be the map's classes (Olofsson et al. 2014, eqs. 1-11) or anything else (Stehman 2014); a simple random
sample is one stratum. Where the truth is no probability sample nothing here applies: see `assess.record`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.assess.interval import ratio_interval
from swath.errors import DesignError
from swath.estimate import Estimate, undefined

__all__ = ["DesignBased", "area_by_class", "design_based", "from_points", "intervals"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
FEW = 10  # units of a class below which intervals are found to be wider than their level
THIN = 5  # sample units of a stratum below which intervals of all classes are found to be wider
SOURCE = "Olofsson et al. 2014; Stehman 2014; interval: stratified score and recovered variances"


@dataclass(frozen=True, slots=True)
class DesignBased:
    """What a probability sample says of a map, class by class (K).

    areas: adjusted for the map's errors. mapped: what the map itself shows (K,), same unit; NaN when not known.
    confusion: (K, K) sample counts, rows = map. share: (K, K) estimated shares of the whole area, rows = map.
    """

    overall: Estimate
    users: list[Estimate]
    producers: list[Estimate]
    areas: list[Estimate]
    mapped: Floats
    confusion: Floats
    share: Floats


def area_by_class(
    confusion: ArrayLike, mapped: ArrayLike, *, unit: str, level: float = 0.95, simulated: bool = False
) -> list[Estimate]:
    """Area of each class, adjusted for the map's own errors, from a sample drawn per map class.

    confusion: (K, K) counts, rows = map, columns = truth. mapped: (K,) mapped areas in `unit`.
    Source: Olofsson et al. 2014, eqs. 2, 9-11. Raises DesignError if a mapped class has fewer than 2 sample units.

    >>> tuple(round(e.value) for e in area_by_class([[9, 1], [0, 10]], [10.0, 90.0], unit="ha"))
    (9, 91)
    """
    c = np.asarray(confusion, float)
    k = len(c)
    counts = np.zeros((k, k, k))
    counts[np.arange(k), np.arange(k)] = c
    areas = np.asarray(mapped, float)
    return design_based(counts, areas, mapped=np.diag(areas), unit=unit, level=level, simulated=simulated).areas


def from_points(
    stratum: ArrayLike, mapped: ArrayLike, truth: ArrayLike, strata: int, classes: int
) -> NDArray[np.float64]:
    """(S, K, K) counts from one index a sample unit: stratum 0..S-1, map class and truth class 0..K-1."""
    s, m, t = (np.asarray(v, np.int64) for v in (stratum, mapped, truth))
    flat = (s * classes + m) * classes + t
    return np.bincount(flat, minlength=strata * classes**2).reshape(strata, classes, classes).astype(float)


def design_based(
    counts: ArrayLike,
    stratum_area: ArrayLike,
    *,
    unit: str,
    level: float = 0.95,
    mapped: ArrayLike | None = None,
    fraction: ArrayLike | None = None,
    strata: Sequence[str] | None = None,
    simulated: bool = False,
) -> DesignBased:
    """Areas, overall, user's and producer's accuracy of a stratified (or simple random: one stratum) sample.

    counts: (S, K, K) sample units by stratum, map class and truth class. stratum_area: (S,) in `unit`.
    mapped: (S, K) area of each map class in each stratum where known: it gives the mapped areas and rules out units
    that cannot be. fraction: (S,) sampled share of each stratum. strata: names for errors.
    Estimators: Olofsson et al. 2014 eqs. 1-4 and 9; ratios for other strata: Stehman 2014 eqs. 2, 9, 27.
    Raises DesignError when a stratum that has area holds fewer than 2 sample units and is not known whole.
    """
    c = np.asarray(counts, float)
    area = np.asarray(stratum_area, float)
    if c.ndim != 3 or c.shape[1] != c.shape[2] or area.shape != c.shape[:1]:
        raise DesignError(
            rule="counts are (strata, map classes, truth classes) with one area a stratum",
            got=f"{c.shape} and {area.shape}",
            remedy="use from_points to count",
        )
    n = c.sum((1, 2))
    names = [str(s) for s in (strata if strata is not None else range(len(area)))]
    _enough(n, area, names, None if fraction is None else np.asarray(fraction, float))
    used = area > 0
    thin = [f"{int(k)} in {name}" for name, k, a in zip(names, n, area, strict=True) if a > 0 and k < THIN]
    sparse = f"interval may be wider than its level: few sample units ({', '.join(thin)})" if thin else ""
    c, n, weight = c[used], n[used], area[used] / area.sum()
    table = None if mapped is None else np.asarray(mapped, float)[used]
    part = None if fraction is None else np.asarray(fraction, float)[used]
    total, units, kinds = float(area.sum()), int(n.sum()), c.shape[1]
    how = f"{'stratified' if len(n) > 1 else 'simple'} random sample, {len(n)} {'strata' if len(n) > 1 else 'stratum'}"
    got = intervals(c[None], weight, level=level, has=None if table is None else table > 0, fraction=part)

    def estimate(name: str, why: str) -> Estimate:
        value, low, high, domain = (float(v[0]) for v in got[name])
        if not np.isfinite(value):
            return undefined("1", f"no sample unit {why}", method=how, level=level)
        few = f"interval wider than its level: {int(domain)} sample units" if domain < FEW else sparse
        return Estimate(value, "1", low, high, level, int(domain), f"{how}; {SOURCE}", simulated, few)

    def area_of(k: int) -> Estimate:
        e, found = estimate(f"area {k}", ""), int(c[:, :, k].sum())
        few = f"interval wider than its level: {found} sample units of this class" if found < FEW else sparse
        return replace(e, value=e.value * total, low=e.low * total, high=e.high * total, unit=unit, n=units, reason=few)

    users = [estimate(f"user's {k}", "lies in this map class") for k in range(kinds)]
    producers = [estimate(f"producer's {k}", "has this class as truth") for k in range(kinds)]
    areas = [area_of(k) for k in range(kinds)]
    shares = np.einsum("s,smt->mt", weight / n, c)
    shown = np.full(kinds, np.nan) if table is None else table.sum(0)
    return DesignBased(estimate("overall", ""), users, producers, areas, shown, c.sum(0), shares)


def intervals(
    counts: ArrayLike,
    weight: ArrayLike,
    *,
    level: float = 0.95,
    has: ArrayLike | None = None,
    fraction: ArrayLike | None = None,
) -> dict[str, tuple[Floats, Floats, Floats, Floats]]:
    """Shares and accuracies of many surveys at once: {name: (value, low, high, units)}, each (N,).

    counts: (N, S, K, K) by stratum, map class, truth class. weight: (S,) shares of the strata. has: (S, K) bool, which
    map classes a stratum holds. Names: overall, and `area k`, `user's k`, `producer's k` of each class.
    """
    c, w = np.asarray(counts, float), np.asarray(weight, float)
    n = c.sum((2, 3))
    held: Mask | None = None if has is None else np.asarray(has, bool)
    right, of_map, of_truth = np.einsum("nskk->nsk", c), c.sum(3), c.sum(2)

    def one(a: Floats, x: Floats, can_a: Mask | None, can_b: Mask | None) -> tuple[Floats, Floats, Floats, Floats]:
        limits = ratio_interval(a, x - a, n, w, level=level, can_a=can_a, can_b=can_b, fraction=fraction)
        return *limits, x.sum(1)

    out = {"overall": one(right.sum(2), n, None, None)}
    for k in range(c.shape[2]):
        own = None if held is None else held[:, k]
        other = None if held is None else np.asarray(np.delete(held, k, axis=1).any(axis=1))
        out[f"area {k}"] = one(of_truth[:, :, k], n, None, None)
        out[f"user's {k}"] = one(right[:, :, k], of_map[:, :, k], own, own)
        out[f"producer's {k}"] = one(right[:, :, k], of_truth[:, :, k], own, other)
    return out


def _enough(n: Floats, area: Floats, names: list[str], fraction: Floats | None) -> None:
    """A stratum of one pixel that was looked at is known whole: it needs no second."""
    whole = np.zeros(len(n), bool) if fraction is None else fraction >= 1
    thin = [
        f"{name} ({int(k)})"
        for name, k, a, known in zip(names, n, area, whole, strict=True)
        if a > 0 and k < 2 and not known
    ]
    if thin:
        raise DesignError(
            rule="every stratum that has area needs 2 or more sample units",
            got=f"fewer in {', '.join(thin)}",
            remedy="label more points there, or merge strata before drawing",
        )
