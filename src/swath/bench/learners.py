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
    """Weights (D, K) and intercepts (K,). Two classes as one score (half to each class, with opposite signs)."""
    from scipy.optimize import minimize

    n, r = axes.coordinates.shape
    w = np.full(n, 1.0 / n) if weight is None else np.asarray(weight, float) / n
    total = n * float(w.sum())
    columns = 1 if classes == 2 else classes
    chance = 0.25 if classes == 2 else (classes - 1) / classes**2
    ridge = 1.0 / (strength * n)
    curve = np.sqrt(np.r_[chance * axes.power + ridge, chance * total / n])
    z = np.concatenate([axes.coordinates, np.ones((n, 1))], axis=1) / curve
    penalty = np.r_[np.full(r, ridge), 0.0] / curve**2
    loss = _binary(z, (y == 1).astype(float), w, penalty) if columns == 1 else _softmax(z, y, w, penalty, classes)
    first = np.zeros((r + 1, columns))
    if start is not None:
        inner = axes.axes.T @ start[0]
        first = np.concatenate([inner, start[1][None]]) * curve[:, None]
        first = first[:, 1:] - first[:, :1] if columns == 1 else first
    found = minimize(
        loss, first.ravel(), jac=True, method="L-BFGS-B",
        options={"gtol": tolerance, "ftol": 0.0, "maxiter": steps, "maxcor": 20},
    )  # fmt: skip
    inner = found.x.reshape(r + 1, columns) / curve[:, None]
    if columns == 1:
        inner = np.concatenate([-inner / 2, inner / 2], axis=1)
    else:
        inner[-1] -= inner[-1].mean()
    return axes.axes @ inner[:-1], inner[-1]


def _binary(z: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: np.ndarray) -> Any:
    sign = 2 * y - 1

    def loss(u: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (z @ u)
        gentle = np.exp(-np.abs(margin))
        value = w @ (np.log1p(gentle) + np.maximum(-margin, 0)) + 0.5 * (penalty * u) @ u
        miss = np.where(margin > 0, gentle, 1.0) / (1.0 + gentle)
        return float(value), -(z.T @ (w * sign * miss)) + penalty * u

    return loss


def _softmax(z: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: np.ndarray, classes: int) -> Any:
    rows = np.arange(len(y))
    even = bool((w == w[0]).all())

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        u = flat.reshape(-1, classes)
        scores = z @ u
        scores -= scores.max(1, keepdims=True)
        own = scores[rows, y]
        np.exp(scores, out=scores)
        total = scores.sum(1)
        value = w @ (np.log(total) - own) + 0.5 * (penalty[:, None] * u * u).sum()
        scores /= total[:, None]
        scores[rows, y] -= 1.0
        if even:
            gradient = (z.T @ scores) * w[0]
        else:
            scores *= w[:, None]
            gradient = z.T @ scores
        gradient += penalty[:, None] * u
        return float(value), gradient.ravel()

    return loss


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
