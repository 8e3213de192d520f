"""Places and moments resampled together (Owen 2007, "The pigeonhole bootstrap"), for sums that they add."""

from __future__ import annotations

import math

import numpy as np

from swath.estimate import MIN_PLACES

__all__ = ["DRAWS", "ends_of", "resampled", "units_of"]

DRAWS = 1000
_COLUMNS = 256


def resampled(parts: np.ndarray, seed: int) -> np.ndarray | None:
    """(D, ...) sums of parts (P, G, ...) with places and moments drawn anew; one of the two alone where the other is few."""
    random = np.random.default_rng([seed, 61])
    p, g = parts.shape[:2]
    seen_p, seen_g = parts.any(tuple(range(1, parts.ndim))), parts.any((0, *range(2, parts.ndim)))
    parts = parts[seen_p][:, seen_g]
    p, g = parts.shape[:2]
    if max(p, g) < MIN_PLACES:
        return None
    by_p = random.multinomial(p, np.full(p, 1 / p), DRAWS) if p >= MIN_PLACES else np.ones((DRAWS, p))
    by_g = random.multinomial(g, np.full(g, 1 / g), DRAWS) if g >= MIN_PLACES else np.ones((DRAWS, g))
    flat = parts.reshape(p, g, -1)
    out = np.empty((DRAWS, flat.shape[-1]))
    for first in range(0, flat.shape[-1], _COLUMNS):  # a few at a time: draws x moments x columns would be large
        some = flat[..., first : first + _COLUMNS]
        half = (by_p.astype(float) @ some.reshape(p, -1)).reshape(DRAWS, g, -1)
        out[:, first : first + _COLUMNS] = np.einsum("dg,dgx->dx", by_g.astype(float), half)
    return out.reshape(DRAWS, *parts.shape[2:])


def units_of(parts: np.ndarray) -> int:
    """How many units the fewer of places and moments has, of those that are enough to resample."""
    seen = (int(parts.any(tuple(range(1, parts.ndim))).sum()), int(parts.any((0, *range(2, parts.ndim))).sum()))
    return min([s for s in seen if s >= MIN_PLACES] or [MIN_PLACES])


def ends_of(values: np.ndarray, units: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile ends, widened for few units (Hesterberg 2015, section 5.3)."""
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(math.sqrt(units / (units - 1)) * stdtrit(units - 1, (1 - level) / 2)))
    values = values[np.isfinite(values)]
    if len(values) < 0.9 * DRAWS:
        return math.nan, math.nan
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
