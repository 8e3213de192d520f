"""Change between two dates without a network: how far a pixel moved, where to cut, and a line through stacked spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.errors import LabelError

__all__ = ["Stacked", "cva", "otsu"]

Floats = NDArray[np.float64]


def cva(before: np.ndarray, after: np.ndarray, valid: np.ndarray | None = None) -> Floats:
    """Length of the change vector (change vector analysis, Malila 1980): (C, H, W) twice -> (H, W), NaN where not valid.

    Each band's difference is taken from its median and divided by 1.4826 times the median of its absolute values over the scene, so
    that light and season that lie over all of it do not count.
    """
    apart = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    seen = np.ones(apart.shape[1:], bool) if valid is None else valid
    if not seen.any():
        return np.full(apart.shape[1:], np.nan)
    apart -= np.median(apart[:, seen], axis=1)[:, None, None]
    spread = 1.4826 * np.median(np.abs(apart[:, seen]), axis=1)
    apart /= np.where(spread > 0, spread, 1.0)[:, None, None]
    return np.where(seen, np.sqrt(np.square(apart).sum(0)), np.nan)


def otsu(values: np.ndarray, bins: int = 256) -> float:
    """The threshold between two heaps of numbers with the largest variance between them (Otsu 1979); NaN without numbers."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return float("nan")
    if known.min() == known.max():
        return float(known.max())
    count, edges = np.histogram(known, bins=bins)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(count).astype(float)
    above = count.sum() - below
    mass = np.cumsum(count * middle)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * np.square(mass / below - (mass[-1] - mass) / above)
    return float(edges[1:][np.nanargmax(between)])


@dataclass(frozen=True)
class Stacked:
    """Logistic regression on the bands of both dates and their differences, pixel by pixel."""

    model: object
    mean: Floats
    deviation: Floats

    @classmethod
    def fit(cls, before: np.ndarray, after: np.ndarray, target: np.ndarray) -> Stacked:
        """before, after (n, C) of labelled pixels; target (n,) 0 or 1. Raises LabelError where one of the two is missing."""
        from sklearn.linear_model import LogisticRegression

        if len(np.unique(target)) < 2:
            raise LabelError(
                rule="pairs show both change and none", got="one of them alone", remedy="label some of the other too"
            )
        x = _stack(before, after)
        mean, deviation = x.mean(0), np.maximum(x.std(0), 1e-9)
        model = LogisticRegression(max_iter=500).fit((x - mean) / deviation, target)
        return cls(model, mean, deviation)

    def probability(self, before: np.ndarray, after: np.ndarray) -> Floats:
        """(..., C, H, W) twice -> (..., H, W)."""
        a, b = (np.moveaxis(np.asarray(v, np.float64), -3, -1) for v in (before, after))
        x = (_stack(a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])) - self.mean) / self.deviation
        found: Floats = self.model.predict_proba(x)[:, 1]  # type: ignore[attr-defined]
        return found.reshape(a.shape[:-1])


def _stack(before: np.ndarray, after: np.ndarray) -> Floats:
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    return np.concatenate([a, b, np.abs(b - a)], 1)
