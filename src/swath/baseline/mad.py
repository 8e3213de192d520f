"""What differs between two dates once everything that a linear change of radiometry explains is taken away.

Multivariate alteration detection: the canonical variates of the two dates and their differences, which no gain, offset
or mixing of bands changes (Nielsen, Conradsen and Simpson 1998, Remote Sensing of Environment 64, 1-19); reweighted by
how little each pixel changed (Nielsen 2007, IEEE TIP 16, 463-478). Three rounds, not until nothing moves: run to the
end, the weights lock onto one quiet kind of ground and call every other one changed (docs/change.md has the figures).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.baseline.spectral import project
from swath.baseline.threads import one_thread

__all__ = ["Mad", "Normal", "fit", "normalisation"]

ROUNDS = 3
MOST_BANDS = 12  # more of them (spectrometers) are reduced to so many principal components first
RIDGE = 1e-6  # of the mean variance, so that twins among bands do no harm
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mad:
    """Canonical variates of two dates. before (p, k), after (q, k) weights, offset_before, offset_after (k,).

    deviation (k,): of the difference of two variates where nothing changed. correlation (k,): of each pair, high to low.
    """

    before: Floats
    after: Floats
    offset_before: Floats
    offset_after: Floats
    deviation: Floats
    correlation: Floats

    def first(self, a: np.ndarray) -> NDArray[np.float32]:
        """Variates (k, ...) of the date before, of bands (p, ...), in deviations of the difference."""
        return project(a, self.before / self.deviation, self.offset_before / self.deviation)

    def second(self, b: np.ndarray) -> NDArray[np.float32]:
        """Variates (k, ...) of the date after, of bands (q, ...), in deviations of the difference."""
        return project(b, self.after / self.deviation, self.offset_after / self.deviation)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> NDArray[np.float32]:
        """(k, ...) differences of the variates, about 1 in size where nothing changed."""
        return np.asarray(self.second(b) - self.first(a), np.float32)


def fit(x: np.ndarray, y: np.ndarray, *, rounds: int = ROUNDS) -> tuple[Mad, Floats]:
    """Variates of pixels x (n, p) before and y (n, q) after, and the weight (n,) of each as unchanged, 0 to 1.

    Raises ValueError with fewer pixels than bands.
    """
    from scipy.stats import chi2

    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    n, k = len(x), min(x.shape[1], y.shape[1], MOST_BANDS)
    if n <= 2 * max(x.shape[1], y.shape[1]):
        raise ValueError(f"more pixels than bands are needed; got {n} pixels of {x.shape[1]} and {y.shape[1]} bands")
    with one_thread():
        turn_x, turn_y = _reduced(x), _reduced(y)
        x, y = x @ turn_x, y @ turn_y
        weight = np.ones(n)
        for _ in range(max(1, rounds)):
            share = weight / weight.sum()
            mean_x, mean_y = share @ x, share @ y
            a, b, correlation = _canonical(x - mean_x, y - mean_y, share, k)
            deviation = np.sqrt(np.maximum(2 * (1 - correlation), 1e-9))
            difference = ((y - mean_y) @ b - (x - mean_x) @ a) / deviation
            weight = chi2.sf((difference**2).sum(1), k) + 1e-12
    made = Mad(turn_x @ a, turn_y @ b, -(mean_x @ a), -(mean_y @ b), deviation, correlation)
    return made, weight


def _reduced(x: Floats) -> Floats:
    """A matrix to at most MOST_BANDS principal components of standardised bands; the identity for fewer bands."""
    if x.shape[1] <= MOST_BANDS:
        return np.eye(x.shape[1])
    deviation = x.std(0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    _, vectors = np.linalg.eigh(np.cov((x - x.mean(0)) * scale, rowvar=False))
    return np.asarray(scale[:, None] * vectors[:, ::-1][:, :MOST_BANDS])


def _canonical(x: Floats, y: Floats, share: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    """Weights of the canonical variates of centred x and y, unit variance, and their correlations."""
    weighted = x * share[:, None]
    sxx, syy, sxy = weighted.T @ x, (y * share[:, None]).T @ y, weighted.T @ y
    lx, ly = (_inverse_root(s) for s in (sxx, syy))
    left, correlation, right = np.linalg.svd(lx @ sxy @ ly.T)
    a, b = (lx.T @ left)[:, :k], (ly.T @ right.T)[:, :k]
    sign = np.where(np.abs(a).max(0) == a.max(0), 1.0, -1.0)
    return a * sign, b * sign, np.clip(correlation[:k], 0, 1 - 1e-12)


def _inverse_root(covariance: Floats) -> Floats:
    ridge = RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-30)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))))


@dataclass(frozen=True, slots=True)
class Normal:
    """Relative normalisation of one date to another, band by band: other * gain + offset. r (C,): how well bands agree."""

    gain: Floats
    offset: Floats
    r: Floats

    def said(self) -> str:
        """In words."""
        gains = ", ".join(f"{g:.2f}" for g in self.gain[:8]) + (" ..." if len(self.gain) > 8 else "")
        return (
            f"the after date is brought to the radiometry of the before date by pixels that did not change "
            f"(gains {gains}; correlation {self.r.min():.2f} or more)"
        )


def normalisation(reference: np.ndarray, other: np.ndarray, weight: np.ndarray) -> Normal:
    """Gain and offset of each band that bring `other` (n, C) to `reference` (n, C), by weighted orthogonal regression.

    weight (n,): how little each pixel changed, from `fit`. A band that does not agree (r below 0.2) is matched by mean
    and deviation. Source: Canty and Nielsen 2008, Remote Sensing of Environment 112, 1025-1036.
    """
    share = (weight / weight.sum())[:, None]
    x, y = np.asarray(other, np.float64), np.asarray(reference, np.float64)
    mx, my = (share * x).sum(0), (share * y).sum(0)
    sxx, syy = ((share * (v - m) ** 2).sum(0) for v, m in ((x, mx), (y, my)))
    sxy = (share * (x - mx) * (y - my)).sum(0)
    r = sxy / np.sqrt(np.maximum(sxx * syy, 1e-300))
    ratio = np.sqrt(np.divide(syy, sxx, out=np.ones_like(sxx), where=sxx > 0))
    # Orthogonal regression in units of each band's own deviation is the reduced major axis: no scale decides it.
    gain = np.where(r > 0.2, ratio, np.where(sxx > 0, ratio, 1.0))
    return Normal(gain, my - gain * mx, r)
