"""What reads frozen vectors: nearest neighbours, a linear readout, a forest. NumPy on BLAS, exact, deterministic.

All have `fit(x, y, weight)` and `predict(x)`: (n, K) probabilities for classes, (n,) for numbers. Vectors are set to
mean 0 and deviation 1 by what was trained on, so that no unit of a feature decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Forest", "Linear", "Nearest", "Standard", "nearest"]

Array = Any
_BLOCK = 32 * 2**20  # bytes of likenesses that are looked at together
_GROUP = 32
_FIRST = 12  # steps before the curvature is measured anew


@dataclass
class Standard:
    """Mean and deviation of training vectors; features that never change are left at 0."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Standard:
        """Measure (n, D)."""
        mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
        # What varies by rounding alone must not be blown up to deviation 1.
        flat = deviation <= np.maximum(1e-6 * np.abs(mean), 1e-7 * deviation.max(initial=1e-12))
        return cls(mean, np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, deviation)))

    def __call__(self, x: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
        """(n, D) in deviations."""
        return np.asarray((x - self.mean) * self.scale, dtype)


def nearest(bank: np.ndarray, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (m, k) and cosines (m, k) of the k most alike rows of a bank, best first; of equals the first ones.

    bank (n, D), query (m, D): rows of length 1. Exact: by blocks of one matrix product; the k best groups of columns
    are found first, since every one of the k best values lies in them.
    """
    n, k = len(bank), min(k, len(bank))
    step = max(1, _BLOCK // max(1, 4 * n))
    index = np.empty((len(query), k), np.int64)
    likeness = np.empty((len(query), k), np.float32)
    groups = n // _GROUP
    for start in range(0, len(query), step):
        found = query[start : start + step] @ bank.T
        rows = np.arange(len(found))[:, None]
        if groups > 4 * k:
            best = found[:, : groups * _GROUP].reshape(len(found), groups, _GROUP).max(-1)
            column = np.argpartition(best, groups - k, axis=1)[:, groups - k :]
            column = (column[:, :, None] * _GROUP + np.arange(_GROUP)).reshape(len(found), -1)
            if n > groups * _GROUP:
                rest = np.broadcast_to(np.arange(groups * _GROUP, n), (len(found), n - groups * _GROUP))
                column = np.concatenate([column, rest], axis=1)
        else:
            column = np.broadcast_to(np.arange(n), (len(found), n))
        value = found[rows, column]
        if value.shape[1] > k:
            part = np.argpartition(value, value.shape[1] - k, axis=1)[:, value.shape[1] - k :]
            column, value = column[rows, part], value[rows, part]
        order = np.lexsort((column, -value), axis=-1)
        index[start : start + step] = column[rows, order]
        likeness[start : start + step] = value[rows, order]
    return index, likeness


@dataclass
class Nearest:
    """k nearest by cosine, weights exp(cosine / temperature) (Wu et al. 2018, "Unsupervised feature learning via
    non-parametric instance discrimination"); fewer items than k: all of them.
    """

    classes: int | None
    k: int = 20
    temperature: float = 0.1
    _standard: Any = field(default=None, repr=False)
    _bank: Any = field(default=None, repr=False)
    _value: Any = field(default=None, repr=False)

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Nearest:
        """Keep (n, D) vectors with classes or numbers; `weight` is each item's vote."""
        self._standard = Standard.of(x)
        self._bank = _unit(self._standard(x))
        votes = np.ones(len(y)) if weight is None else np.asarray(weight, float)
        self._value = (np.eye(self.classes)[y] if self.classes is not None else np.asarray(y, float)[:, None], votes)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Shares of the votes (m, K), or the weighted mean (m,)."""
        index, likeness = nearest(self._bank, _unit(self._standard(x)), self.k)
        vote = np.exp((likeness.astype(np.float64) - likeness[:, :1]) / self.temperature) * self._value[1][index]
        vote /= vote.sum(1, keepdims=True)
        if self.classes is None:
            return np.asarray((vote * self._value[0][index, 0]).sum(1))
        return np.asarray(np.einsum("mk,mkc->mc", vote, self._value[0][index]))


def _unit(x: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.einsum("nd,nd->n", x, x))[:, None]
    return np.asarray(x / np.where(length > 0, length, 1.0), np.float32)


@dataclass
class Linear:
    """Logistic regression (several classes: softmax) or ridge on standardised vectors, intercept free.

    strength: C of scikit-learn, that is 1 / alpha of ridge. The solver works in the principal axes of the training
    vectors, each scaled by its curvature, where the problem is nearly round: a few tens of steps instead of hundreds.
    """

    classes: int | None
    strength: float = 1.0
    tolerance: float = 1e-5
    steps: int = 500
    weights: Any = field(default=None, repr=False)
    intercept: Any = field(default=None, repr=False)
    _standard: Any = field(default=None, repr=False)

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Linear:
        """(n, D) vectors with class indices or numbers."""
        self._standard = Standard.of(x)
        axes = Axes.of(self._standard(x, np.float64))
        return self.fit_axes(axes, y, weight)

    def fit_axes(
        self, axes: Axes, y: np.ndarray, weight: np.ndarray | None = None, start: Linear | None = None
    ) -> Linear:
        """The same from axes that are known already; `start`: a readout of another strength on the same axes."""
        if self.classes is None:
            self.weights, self.intercept = _ridge(axes, np.asarray(y, float), self.strength, weight)
            return self
        self.weights, self.intercept = _logistic(
            axes, y, self.classes, self.strength, weight, self.tolerance, self.steps,
            None if start is None else (start.weights, start.intercept),
        )  # fmt: skip
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (m, K), or values (m,)."""
        scores = self._standard(x, np.float64) @ self.weights + self.intercept
        return _answer(scores, self.classes)


def _answer(scores: np.ndarray, classes: int | None) -> np.ndarray:
    if classes is None:
        return np.asarray(scores[:, 0])
    scores = scores - scores.max(1, keepdims=True)
    np.exp(scores, out=scores)
    return np.asarray(scores / scores.sum(1, keepdims=True))


@dataclass
class Axes:
    """Vectors in their principal axes: coordinates (n, r), axes (D, r), mean square along each (r,)."""

    coordinates: np.ndarray
    axes: np.ndarray
    power: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Axes:
        """Of standardised vectors (n, D); by the smaller of the two Gram matrices."""
        n, d = x.shape
        if n >= d:
            value, axes = np.linalg.eigh(x.T @ x)
            keep = value > max(value[-1], 1e-300) * 1e-12
            axes = axes[:, keep]
            return cls(x @ axes, axes, value[keep] / n)
        value, left = np.linalg.eigh(x @ x.T)
        keep = value > max(value[-1], 1e-300) * 1e-12
        length = np.sqrt(value[keep])
        left = left[:, keep]
        return cls(left * length, (x.T @ left) / length, value[keep] / n)


def _ridge(axes: Axes, y: np.ndarray, strength: float, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    z = axes.coordinates
    if weight is None:
        mean = y.mean()
        inner = (z.T @ (y - mean)) / (len(y) * axes.power + 1.0 / strength)
        return axes.axes @ inner[:, None], np.array([mean])
    w = weight / weight.sum()
    centre, mean = w @ z, float(w @ y)
    c = z - centre
    left = (c * weight[:, None]).T @ c + np.eye(z.shape[1]) / strength
    inner = np.linalg.solve(left, (c * weight[:, None]).T @ (y - mean))
    return axes.axes @ inner[:, None], np.array([mean - centre @ inner])


def _logistic(
    axes: Axes,
    y: np.ndarray,
    classes: int,
    strength: float,
    weight: np.ndarray | None,
    tolerance: float,
    steps: int,
    start: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (D, K) and intercepts (K,). Two classes as one score (half to each class, with opposite signs).

    L-BFGS in three stages: a few steps in float32 with the curvature of even odds, then with that of the odds found so
    far, then the last ones in float64.
    """
    from scipy.optimize import minimize

    n, r = axes.coordinates.shape
    w = np.full(n, 1.0 / n) if weight is None else np.asarray(weight, float) / n
    columns = 1 if classes == 2 else classes
    fine = np.concatenate([axes.coordinates, np.ones((n, 1))], axis=1)
    coarse = fine.astype(np.float32)
    ridge = np.r_[np.full(r, 1.0 / (strength * n)), 0.0][:, None]
    slope = _Binary(y, w) if columns == 1 else _Softmax(y, w, classes)
    inner = np.zeros((r + 1, columns))
    if start is not None:
        inner = np.concatenate([axes.axes.T @ start[0], start[1][None]])
        inner = inner[:, 1:] - inner[:, :1] if columns == 1 else inner
    stages = [(coarse, _FIRST, 0.0), (coarse, steps, max(tolerance, 1e-4)), (fine, steps, tolerance)]
    for number, (z, most, until) in enumerate(stages if tolerance < 1e-4 else stages[:2]):
        if number == 0:
            chance = 0.25 if columns == 1 else (classes - 1) / classes**2
            curve = chance * float(w.sum()) * np.r_[axes.power, 1.0][:, None] + ridge
        elif number == 1:
            curve = (coarse * coarse).T @ slope.spread(coarse @ inner.astype(np.float32)) + ridge
        unit = np.sqrt(np.maximum(np.broadcast_to(curve, inner.shape), 1e-9))

        def loss(flat: np.ndarray, z: np.ndarray = z, unit: np.ndarray = unit) -> tuple[float, np.ndarray]:
            a = flat.reshape(unit.shape) / unit
            value, miss = slope(z @ a.astype(z.dtype))
            gradient = z.T @ miss + ridge * a
            return value + 0.5 * float((ridge * a * a).sum()), (gradient / unit).ravel()

        options = {"gtol": until, "ftol": 0.0, "maxiter": most, "maxcor": 20}
        found = minimize(loss, (inner * unit).ravel(), jac=True, method="L-BFGS-B", options=options)
        inner = found.x.reshape(inner.shape) / unit
    if columns == 1:
        inner = np.concatenate([-inner / 2, inner / 2], axis=1)
    else:
        inner[-1] -= inner[-1].mean()
    return axes.axes @ inner[:-1], inner[-1]


class _Binary:
    """Log loss of scores (n, 1) for class 1 against 0, and its slope."""

    def __init__(self, y: np.ndarray, w: np.ndarray) -> None:
        self.sign, self.w = np.where(y == 1, 1.0, -1.0)[:, None], w[:, None]

    def __call__(self, scores: np.ndarray) -> tuple[float, np.ndarray]:
        margin = self.sign * scores
        gentle = np.exp(-np.abs(margin))
        value = float((self.w * (np.log1p(gentle) + np.maximum(-margin, 0))).sum())
        miss = -self.w * self.sign * np.where(margin > 0, gentle, 1.0) / (1.0 + gentle)
        return value, miss.astype(scores.dtype)

    def spread(self, scores: np.ndarray) -> np.ndarray:
        """Weight of each item in the curvature: w p (1 - p)."""
        p = 1.0 / (1.0 + np.exp(-np.clip(scores, -30, 30)))
        return np.asarray(self.w * p * (1 - p))


class _Softmax:
    """Log loss of scores (n, K), and its slope."""

    def __init__(self, y: np.ndarray, w: np.ndarray, classes: int) -> None:
        self.y, self.w, self.rows = y, w[:, None], np.arange(len(y))
        self.even = bool((w == w[0]).all())

    def __call__(self, scores: np.ndarray) -> tuple[float, np.ndarray]:
        scores -= scores.max(1, keepdims=True)
        own = scores[self.rows, self.y].astype(float)
        np.exp(scores, out=scores)
        total = scores.sum(1, keepdims=True)
        value = float(self.w[:, 0] @ (np.log(total[:, 0].astype(float)) - own))
        scores /= total
        scores[self.rows, self.y] -= 1.0
        scores *= scores.dtype.type(self.w[0, 0]) if self.even else self.w.astype(scores.dtype)
        return value, scores

    def spread(self, scores: np.ndarray) -> np.ndarray:
        """Weight of each item and class in the curvature: w p (1 - p)."""
        p = _answer(scores, len(scores[0]))
        return np.asarray(self.w * p * (1 - p))


@dataclass
class Forest:
    """A random forest of scikit-learn with its defaults: what needs no scaling and no choice."""

    classes: int | None
    trees: int = 200
    seed: int = 0
    _forest: Any = field(default=None, repr=False)

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Forest:
        """(n, D) vectors with class indices or numbers."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        kind = RandomForestRegressor if self.classes is None else RandomForestClassifier
        more = {"max_features": 1.0 / 3.0} if self.classes is None else {}
        self._forest = kind(n_estimators=self.trees, random_state=self.seed, n_jobs=1, **more)
        self._forest.fit(np.asarray(x, np.float32), y, sample_weight=weight)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (m, K) over all classes, or values (m,)."""
        x = np.asarray(x, np.float32)
        if self.classes is None:
            return np.asarray(self._forest.predict(x), float)
        out = np.zeros((len(x), self.classes))
        out[:, self._forest.classes_] = self._forest.predict_proba(x)
        return out
