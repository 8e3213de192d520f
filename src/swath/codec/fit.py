"""Weights for the walk, found by the encoder: least squares that mind the many small surprises more than the few large ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.walk import UNIT, Weights, classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit"]

ROWS = 6144  # pixels a fit looks at, at most
Floats = "NDArray[np.float64]"


def fit(
    residual: NDArray[Any],
    features: list[NDArray[Any]],
    activity: list[NDArray[Any]],
    ok: NDArray[np.bool_] | None,
    step: float,
    *,
    split: bool,
) -> Weights:
    """Weights of activity and features for what the base leaves over; two sets of the latter where `split` and enough pixels."""
    rows = np.arange(residual.size) if ok is None else np.flatnonzero(ok)
    rows = rows[:: max(1, len(rows) // ROWS)]
    y = residual.ravel()[rows].astype(np.float64)
    x = _columns(features, rows)
    a = _columns(activity, rows)
    if len(rows) < 4 * (x.shape[1] + a.shape[1]):
        spread = float(np.abs(y).mean()) / step if len(rows) else 1.0
        return Weights([0] * len(activity) + [_whole(spread)], 0, [[0] * (len(features) + 1)])
    floor = 0.5 * step + 3
    weight = 1 / (floor + step * a[:, :-1].mean(1))
    solution = _solve(x, y, weight, 1e-4)
    weight = 1 / (np.abs(y - x @ solution) + floor)
    solution = _solve(x, y, weight, 1e-4)
    surprise = np.abs(y - x @ solution) / step
    rough = a[:, :-1].mean(1) + 0.1
    for _ in range(2):
        found = _solve(a, surprise, 1 / rough**2, 1e-5)
        rough = np.maximum(a @ found, 0.02)
    weights = Weights([_whole(value) for value in found], 0, [[_whole(value) for value in solution]])
    if split and len(rows) >= 512:
        _split(weights, x, y, activity, rows, floor)
    return weights


def _split(
    weights: Weights,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    activity: list[NDArray[Any]],
    rows: NDArray[np.intp],
    floor: float,
) -> None:
    """A second set of weights for the rougher half, where both halves hold enough."""
    few = [rough.ravel()[rows] for rough in activity]
    group = classes(weights.activity, few, few[0])
    cut = int(np.median(group))
    for at in (cut, cut + 1):
        high = group >= at
        if min(np.count_nonzero(high), np.count_nonzero(~high)) < 20 * x.shape[1]:
            continue
        first = np.array(weights.features[0]) / UNIT
        halves = []
        for part in (~high, high):
            weight = 1 / (np.abs(y[part] - x[part] @ first) + floor)
            halves.append([_whole(value) for value in _solve(x[part], y[part], weight, 1e-4)])
        weights.cut, weights.features = at, halves
        return


def _columns(arrays: list[NDArray[Any]], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Arrays as columns with a column of ones behind."""
    out = np.empty((len(rows), len(arrays) + 1))
    for column, array in enumerate(arrays):
        out[:, column] = array.ravel()[rows]
    out[:, -1] = 1
    return out


def _solve(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Weighted least squares with a little pull to 0."""
    weighted = x * weight[:, None]
    square = weighted.T @ x
    square[np.diag_indices_from(square)] += ridge * np.trace(square) / len(square) + 1e-9
    return np.asarray(np.linalg.solve(square, weighted.T @ y))


def _whole(value: float) -> int:
    """A weight as the whole number that the stream holds."""
    return int(np.clip(np.rint(value * UNIT), -(1 << 20), 1 << 20)) if np.isfinite(value) else 0
