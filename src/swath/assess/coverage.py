"""How much is answered, and how wrong the answers are: one curve for tracks, maps and rankings.

Kept is what scores at most a threshold: a map's pixels by their doubt (selective risk: El-Yaniv & Wiener 2010), a track's poses
by their error (correct rate against the error of correct poses: arXiv 1911.05603), a ranking's head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.errors import SwathError
from swath.estimate import Estimate, block_bootstrap

__all__ = ["Point", "coverage_curve"]


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold: the share kept, and the error among what is kept (undefined where nothing is)."""

    threshold: float
    coverage: Estimate
    error: Estimate

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        threshold = self.threshold if math.isfinite(self.threshold) else None
        return {"threshold": threshold, "coverage": self.coverage.to_json(), "error": self.error.to_json()}


def coverage_curve(
    error: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike,
    *,
    thresholds: Sequence[float] | None = None,
    weight: ArrayLike | None = None,
    unanswered: tuple[Sequence[str], Sequence[float]] | None = None,
    kind: Literal["mean", "rms"] = "mean",
    unit: str = "1",
    draws: int = 500,
    seed: int = 0,
    simulated: bool = False,
) -> list[Point]:
    """Share kept and error among the kept, at each threshold of `score`, with intervals over whole groups.

    error, score (M,): an undefined score is never kept, an undefined error counts as kept but not in the error. groups (M,): the
    place, block or run of each. weight (M,): what each counts for in the share (seconds, area), 1 where none is given.
    unanswered: groups and weights that belong to the whole but have no row (lost time). kind: how errors
    of the kept are summed up. thresholds: 20 quantiles of the score where none are given.
    Raises SwathError for arrays of different lengths.
    """
    e, s, g = np.asarray(error, float), np.asarray(score, float), np.asarray(groups)
    w = np.ones(len(e)) if weight is None else np.asarray(weight, float)
    if not e.shape == s.shape == g.shape == w.shape or e.ndim != 1:
        raise SwathError(
            rule="errors, scores, groups and weights are rows of equal number",
            got=f"{e.shape}, {s.shape}, {g.shape}, {w.shape}",
            remedy="give one of each for every row",
        )
    names, lost = unanswered or ((), ())
    found, index = np.unique(np.concatenate([g.astype(str), np.asarray(names, str)]), return_inverse=True)
    index, spare = index[: len(e)], index[len(e) :]
    whole = np.bincount(index, w, len(found)) + np.bincount(spare, np.asarray(lost, float), len(found))
    if thresholds is None:
        known = s[np.isfinite(s)]
        thresholds = np.unique(np.quantile(known, np.linspace(0.05, 1, 20))).tolist() if len(known) else []
    points = []
    for threshold in thresholds:
        kept = s <= threshold
        counted = kept & np.isfinite(e)
        power = e**2 if kind == "rms" else e
        parts = np.stack(
            [
                np.bincount(index[kept], w[kept], len(found)),
                whole,
                np.bincount(index[counted], power[counted], len(found)),
                np.bincount(index[counted], minlength=len(found)).astype(float),
            ],
            -1,
        )
        method = f"kept: score up to {threshold:.4g}"
        points.append(
            Point(
                float(threshold),
                block_bootstrap(parts, _share, n=len(e), method=method, draws=draws, seed=seed, simulated=simulated),
                block_bootstrap(
                    parts,
                    _rms if kind == "rms" else _mean,
                    unit=unit,
                    n=int(counted.sum()),
                    method=method,
                    draws=draws,
                    seed=seed,
                    simulated=simulated,
                ),
            )
        )
    return points


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0))


def _share(parts: NDArray[Any]) -> NDArray[np.float64]:
    return _ratio(parts[..., 0], parts[..., 1])


def _mean(parts: NDArray[Any]) -> NDArray[np.float64]:
    return _ratio(parts[..., 2], parts[..., 3])


def _rms(parts: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(_ratio(parts[..., 2], parts[..., 3])))
