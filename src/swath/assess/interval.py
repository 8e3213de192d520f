"""Intervals for shares and ratios from a stratified random sample that hold for rare classes and thin strata.

The estimate is R = sum_s W_s a_s/n_s / sum_s W_s (a_s+b_s)/n_s: a counts the wanted units of a stratum, b the others of
the domain, n all of them. A share of everything (an area, overall accuracy) has b = n - a; user's and producer's
accuracy are ratios over the units of one class. Estimate +- z standard errors (Wald) covers far below its level when a
class is rare or a stratum has two points: an observed share of 0 or 1 has variance 0. Two intervals without that fault:

* *recovered variances* (MOVER; Zou and Donner 2008; for ratios Donner and Zou 2012): the distance from the estimate
  to a Jeffreys limit (Brown, Cai and DasGupta 2001) in each stratum, summed as squares. Holds where one stratum
  carries the variance; too short where many strata of two points add up.
* *stratified score* (Wilson's interval for strata; Yan and Su 2010; Koopman 1984 for ratios): the values R0 that a
  test does not reject whose variance is computed under R0, with strata that were seen little drawn to R0 by an
  empirical-Bayes beta prior. Holds where many strata add up; too short where one thin stratum carries all.

`ratio_interval` gives the mean of their limits, MOVER weighted by the largest stratum's share of the variance (its
square for ratios whose units lie in all strata). The blend is our own choice, made by simulation:
tests/slow/test_area_coverage.py measures how often it holds. Over worlds drawn at random it keeps its level; in one
fixed world a share of few units jumps about it, as any interval of counts does; where a class has fewer than about
ten units in the sample it is wider than its level says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ratio_interval"]

Floats = NDArray[np.float64]
_STEPS = 30  # halvings of the search for a limit: 1e-9 of the range


@dataclass(frozen=True, slots=True)
class _Sample:
    """Counts (N, S) of N surveys over S strata, weights (S,), which strata can hold a and b, unsampled share (S,)."""

    a: Floats
    b: Floats
    n: Floats
    weight: Floats
    can_a: NDArray[np.bool_]
    can_b: NDArray[np.bool_]
    left: Floats

    @property
    def x(self) -> Floats:
        return self.a + self.b

    @property
    def whole(self) -> bool:
        """Whether the domain is everything, so that R is a share and no ratio of two random sums."""
        return bool((self.x >= self.n - 1e-9).all())

    def estimate(self) -> Floats:
        top = (self.weight * self.a / self.n).sum(1)
        bottom = (self.weight * self.x / self.n).sum(1)
        return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))


def ratio_interval(
    a: ArrayLike,
    b: ArrayLike,
    n: ArrayLike,
    weight: ArrayLike,
    *,
    level: float = 0.95,
    can_a: ArrayLike | None = None,
    can_b: ArrayLike | None = None,
    fraction: ArrayLike | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Estimate, low and high of sum W a/n / sum W (a+b)/n.

    a, b, n: (S,) counts of one survey or (N, S) of many, n >= 1. weight: (S,) shares of the strata.
    can_a, can_b: (S,) False where the map rules out that a stratum holds such units (no point of a map class outside its
    own stratum): they then add no doubt. fraction: (S,) sampled share of each stratum's units (finite population).
    NaN for a survey without any unit of the domain. Sources: module docstring.
    """
    a, b, n = (np.atleast_2d(np.asarray(v, float)) for v in (a, b, n))
    strata = a.shape[1]
    one = np.ones(strata, bool)
    can_a = one if can_a is None else np.asarray(can_a, bool)
    can_b = one if can_b is None else np.asarray(can_b, bool)
    left = np.ones(strata) if fraction is None else 1.0 - np.clip(np.asarray(fraction, float), 0, 1)
    keep = can_a | can_b
    s = _Sample(
        a[:, keep], b[:, keep], n[:, keep], np.asarray(weight, float)[keep], can_a[keep], can_b[keep], left[keep]
    )
    value = s.estimate()
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    some = np.isfinite(value)
    if some.any():
        s = _Sample(s.a[some], s.b[some], s.n[some], s.weight, s.can_a, s.can_b, s.left)
        one_low, one_high, share = _score(s, level)
        if not s.whole and (s.can_a & s.can_b).all():
            share = share**2  # within strata that hold both, the score knows the ratio given its units: trust it more
        two_low, two_high = _mover(s, level)
        low[some] = share * two_low + (1 - share) * one_low
        high[some] = share * two_high + (1 - share) * one_high
    return value, low, high


def _search(estimate: Floats, inside: Floats, rejected: object) -> Floats:
    """The limit between `estimate` and `inside` (0 or 1): halving; `rejected(r)` says (N,) bool."""
    near, far = estimate.copy(), inside.copy()
    for _ in range(_STEPS):
        middle = (near + far) / 2
        out = rejected(middle)  # type: ignore[operator]
        far, near = np.where(out, middle, far), np.where(out, near, middle)
    return np.asarray((near + far) / 2)


def _jeffreys(x: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = np.where(x <= 0, 0.0, betaincinv(x + 0.5, n - x + 0.5, tail))
    high = np.where(x >= n, 1.0, betaincinv(x + 0.5, n - x + 0.5, 1 - tail))
    return low, high


def _mover(s: _Sample, level: float) -> tuple[Floats, Floats]:
    """Limits from recovered variances: the r at which sum W (a(1-r) - b r)/n is its own interval's half width."""
    pa, pb = s.a / s.n, s.b / s.n
    (la, ua), (lb, ub) = _jeffreys(s.a, s.n, level), _jeffreys(s.b, s.n, level)
    la, ua = np.where(s.can_a, la, 0.0), np.where(s.can_a, ua, 0.0)
    lb, ub = np.where(s.can_b, lb, 0.0), np.where(s.can_b, ub, 0.0)
    spread = np.sqrt(np.clip(pa * (1 - pa) * pb * (1 - pb), 0, None))
    together = -np.divide(pa * pb, spread, out=np.zeros_like(pa), where=spread > 0)  # correlation of the two counts
    together = np.where(s.x >= s.n - 1e-9, -1.0, together)
    estimate = s.estimate()

    def gap(r: Floats, da: Floats, db: Floats) -> tuple[Floats, Floats]:
        r = r[:, None]
        square = ((1 - r) * da) ** 2 + (r * db) ** 2 - 2 * r * (1 - r) * together * da * db
        mean = (s.weight * ((1 - r) * pa - r * pb)).sum(1)
        return mean, np.sqrt(np.clip((s.weight**2 * s.left * square).sum(1), 0, None))

    def below(r: Floats) -> NDArray[np.bool_]:
        mean, half = gap(r, pa - la, ub - pb)
        return np.asarray(mean > half)

    def above(r: Floats) -> NDArray[np.bool_]:
        mean, half = gap(r, ua - pa, pb - lb)
        return np.asarray(-mean > half)

    return _search(estimate, np.zeros_like(estimate), below), _search(estimate, np.ones_like(estimate), above)


def _prior_size(a: Floats, x: Floats) -> Floats:
    """(N, 1): pseudo-counts of a beta prior over strata for a/x, by the method of moments, between 1 and 30.

    Strata that differ no more than chance get a strong prior (30), strata that differ a weak one (1).
    """
    total, has = x.sum(1, keepdims=True), x > 0
    strata = has.sum(1, keepdims=True)
    p = (a.sum(1, keepdims=True) + 0.5) / (total + 1)
    share = np.divide(a, x, out=np.zeros_like(a), where=has)
    chi = (x * (share - p) ** 2).sum(1, keepdims=True) / (p * (1 - p))
    size = np.divide(total - np.divide((x**2).sum(1, keepdims=True), np.maximum(total, 1)), np.maximum(strata - 1, 1))
    can = (strata >= 2) & (size > 1 + 1e-6)
    alike = np.divide(chi / np.maximum(strata - 1, 1) - 1, size - 1, out=np.zeros_like(chi), where=can)
    return np.asarray(1 / np.clip(alike, 1 / 31, 1 / 2) - 1)


def _score(s: _Sample, level: float) -> tuple[Floats, Floats, Floats]:
    """Limits of the stratified score interval, and the largest stratum's share of the variance at the estimate."""
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    estimate = s.estimate()
    null = _Null(s)
    tilt = np.zeros_like(estimate)

    def below(r: Floats) -> NDArray[np.bool_]:
        nonlocal tilt
        mean, variance, tilt = null(r, tilt)
        return np.asarray(mean > z * np.sqrt(variance.sum(1)))

    def above(r: Floats) -> NDArray[np.bool_]:
        nonlocal tilt
        mean, variance, tilt = null(r, tilt)
        return np.asarray(-mean > z * np.sqrt(variance.sum(1)))

    _, variance, _ = null(np.clip(estimate, 0.02, 0.98), tilt)
    total = variance.sum(1)
    share = np.divide(variance.max(1), total, out=np.ones_like(total), where=total > 0)
    low = _search(estimate, np.zeros_like(estimate), below)
    tilt = np.zeros_like(estimate)
    return low, _search(estimate, np.ones_like(estimate), above), share


class _Null:
    """The variance of sum W (a(1-r) - b r)/n when R is r, with every stratum as near to its counts as that allows.

    Each stratum has a share xi of domain units and, among them, a share rho of wanted ones: counts drawn to a prior,
    then tilted together (logit rho + t W/n; xi where a stratum can hold only a or only b) until the sum is 0.
    """

    def __init__(self, s: _Sample) -> None:
        self.s, self.both = s, s.can_a & s.can_b
        if s.whole:
            self.xi = np.ones_like(s.n)
        else:
            units = s.n.sum(1, keepdims=True)
            pooled = ((s.weight * s.x / s.n).sum(1, keepdims=True) / s.weight.sum() * units + 0.5) / (units + 1)
            size = _prior_size(s.x, s.n)
            self.xi = (s.x + size * pooled) / (s.n + size)
        self.size = _prior_size(np.where(self.both, s.a, 0.0), np.where(self.both, s.x, 0.0))
        reach = s.weight / s.n
        self.reach = reach / reach.max(1, keepdims=True)

    def __call__(self, r: Floats, tilt: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean (N,), variance of each stratum (N, S) and the tilt (N,) at R = r."""
        s, r = self.s, np.clip(r, 1e-9, 1 - 1e-9)[:, None]
        rho = np.where(self.both, (s.a + self.size * r) / (s.x + self.size), np.where(s.can_a, 1.0, 0.0))
        tilt, rho, xi = self._settle(r, _logit(rho), np.clip(tilt, -100, 100))
        mean = xi * (rho - r)
        square = xi * (rho * (1 - r) ** 2 + (1 - rho) * r**2)
        variance = s.weight**2 / s.n * s.left * np.clip(square - mean**2, 0, None)
        return (s.weight * (s.a * (1 - r) - s.b * r) / s.n).sum(1), variance, tilt

    def _settle(self, r: Floats, logit: Floats, tilt: Floats) -> tuple[Floats, Floats, Floats]:
        """Newton with halving for the tilt that makes the sum 0."""
        s, base = self.s, _logit(self.xi)
        low, high = np.full(len(tilt), -500.0), np.full(len(tilt), 500.0)
        for _ in range(60):
            step = tilt[:, None] * self.reach
            tilted = _logistic(logit + step)
            rho = np.where(self.both, tilted, np.where(s.can_a, 1.0, 0.0))
            xi = np.where(self.both, self.xi, _logistic(base + step * np.where(s.can_a, 1 - r, -r)))
            slope = np.where(self.both, xi * tilted * (1 - tilted), xi * (1 - xi) * np.where(s.can_a, 1 - r, r) ** 2)
            off = (s.weight * xi * (rho - r)).sum(1)
            high, low = np.where(off > 0, np.minimum(high, tilt), high), np.where(off < 0, np.maximum(low, tilt), low)
            new = tilt - off / np.maximum((s.weight * self.reach * slope).sum(1), 1e-300)
            new = np.where((new <= low) | (new >= high), (low + high) / 2, new)
            moved = float(np.max(np.abs(new - tilt)))
            tilt = new
            if moved < 1e-6:
                break
        return tilt, rho, xi


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(p) - np.log1p(-p))


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))
