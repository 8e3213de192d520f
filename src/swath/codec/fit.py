"""Weights for the walk, found by the encoder: least squares that mind the many small surprises more than the few large ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.codec.pyramid import Later
from swath.codec.walk import CLASSES, UNIT, Weights, classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit"]

ROWS = 4096  # pixels a fit looks at, at most
LEAST, DEAR = 0.003, 0.025  # share of the squared surprise that a feature must save; one that is dear to make
ROUGH = 0.01  # the same for what activity tells


def fit(
    residual: NDArray[Any],
    features: list[Any],
    activity: list[Any],
    ok: NDArray[np.bool_] | None,
    step: float,
    *,
    split: bool,
) -> Weights:
    """Weights of activity and features for what the base leaves over; two sets of the latter where `split` and enough pixels."""
    rows = np.arange(residual.size) if ok is None else np.flatnonzero(ok)
    stride = max(1, len(rows) // ROWS)
    while math.gcd(stride, residual.shape[-1]) > 1:  # else whole columns would never be looked at
        stride += 1
    rows = rows[::stride]
    y = residual.ravel()[rows].astype(np.float64)
    x, a = _columns(features, rows), _columns(activity, rows)
    if len(rows) < 4 * (x.shape[1] + a.shape[1]):
        spread = float(np.abs(y).mean()) / step if len(rows) else 1.0
        return Weights([0] * len(activity) + [_whole(spread)], 0, [[0] * (len(features) + 1)])
    floor = 0.5 * step + 3
    price = [DEAR if type(feature) is Later else LEAST for feature in features]
    weight = 1 / (floor + step * a[:, :-1].mean(1))
    solution = _solve(x, y, weight, 1e-4)
    weight = 1 / (np.abs(y - x @ solution) + floor)
    solution = _solve(x, y, weight, 1e-4, price)
    surprise = np.abs(y - x @ solution) / step
    rough = a[:, :-1].mean(1) + 0.1
    found = _solve(a, surprise, 1 / rough**2, 1e-5)
    rough = np.maximum(a @ found, 0.02)
    found = _solve(a, surprise, 1 / rough**2, 1e-5, [ROUGH] * len(activity))
    weights = Weights([_whole(value) for value in found], 0, [[_whole(value) for value in solution]])
    if split and len(rows) >= 512:
        _split(weights, x, y, a, floor, price)
    return weights


def _split(
    weights: Weights,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    a: NDArray[np.float64],
    floor: float,
    price: list[float],
) -> None:
    """A second set of weights for the rougher half, where both halves hold enough."""
    few = list(a[:, :-1].T.astype(np.float32))
    group = classes(weights.activity, few, few[0])
    cut = max(1, int(np.median(group.clip(0, CLASSES - 1))))
    for at in (cut, cut + 1):
        high = group >= at
        if min(np.count_nonzero(high), np.count_nonzero(~high)) < 20 * x.shape[1]:
            continue
        first = np.array(weights.features[0]) / UNIT
        halves = []
        for part in (~high, high):
            weight = 1 / (np.abs(y[part] - x[part] @ first) + floor)
            halves.append([_whole(value) for value in _solve(x[part], y[part], weight, 1e-4, price)])
        weights.cut, weights.features = at, halves
        return


def _columns(arrays: list[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Arrays as columns with a column of ones behind."""
    out = np.empty((len(rows), len(arrays) + 1))
    for column, array in enumerate(arrays):
        out[:, column] = (array.get() if type(array) is Later else array).ravel()[rows]
    out[:, -1] = 1
    return out


def _solve(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    ridge: float,
    price: list[float] | None = None,
) -> NDArray[np.float64]:
    """Weighted least squares with a little pull to 0; columns that save less than their price are left out, the least first."""
    weighted = x * weight[:, None]
    square, across = weighted.T @ x, weighted.T @ y
    square.flat[:: len(square) + 1] += ridge * float(square.trace()) / len(square) + 1e-9
    if price is None:
        return np.asarray(np.linalg.solve(square, across))
    inverse = np.linalg.inv(square)
    solution = inverse @ across
    left = max(float((weight * y) @ y - across @ solution), 1e-9)
    asked = np.array([*price, -np.inf]) * left
    while True:
        spread = np.diag(inverse)
        worth = np.where(spread > 0, solution**2 / np.where(spread > 0, spread, 1), np.inf) - asked
        least = int(np.argmin(worth))
        if worth[least] >= 0:
            return np.asarray(solution)
        # A column leaves: what it knew goes to the others.
        column = inverse[:, least] / inverse[least, least]
        solution = solution - column * solution[least]
        inverse = inverse - np.outer(column, inverse[least])
        solution[least] = inverse[least] = inverse[:, least] = 0


def _whole(value: float) -> int:
    """A weight as the whole number that the stream holds."""
    return max(-(1 << 20), min(round(float(value) * UNIT), 1 << 20)) if math.isfinite(value) else 0
