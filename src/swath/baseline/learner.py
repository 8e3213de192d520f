"""The small honest set of classifiers and regressors behind one door: fit on rows, predict on planes.

A pixel's answer does not depend on the pixels beside it in a window nor on the number of threads: linear scores are
summed feature by feature, trees in the order they were grown. scikit-learn does the fitting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from swath.baseline.spectral import project
from swath.baseline.threads import one_openmp_thread, one_thread

__all__ = ["CLASSIFIERS", "REGRESSORS", "Learned", "fit", "tree_importances"]

TREES = 200
_ROWS = 65536


class Learned(Protocol):
    """A fitted model: planes (F, n) float32 to (K, n) class probabilities, or (1, n) values."""

    def predict(self, planes: np.ndarray) -> np.ndarray:
        """(K, n) or (1, n) float32."""
        ...


def fit(name: str, x: np.ndarray, y: np.ndarray, *, classes: int, seed: int, trees: int = TREES) -> Learned:
    """Fit one of CLASSIFIERS (classes > 0, y class indices) or REGRESSORS (classes 0, y numbers) on rows x (n, F).

    trees: how many a forest grows.
    """
    if not classes:
        return REGRESSORS[name](x, y.astype(np.float64), seed, trees)
    seen, index = np.unique(y.astype(int), return_inverse=True)
    if len(seen) == 1:
        return Constant(np.eye(classes, dtype=np.float32)[seen[0]])
    return Spread(CLASSIFIERS[name](x, index, seed, trees), seen, classes)


@dataclass(frozen=True, slots=True)
class Spread:
    """Probabilities of the classes that were seen in training, put into their places among all K."""

    inner: Learned
    seen: np.ndarray
    classes: int

    def predict(self, planes: np.ndarray) -> np.ndarray:
        """(K, n); classes that training never saw get 0."""
        out = np.zeros((self.classes, planes.shape[1]), np.float32)
        out[self.seen] = self.inner.predict(planes)
        return out


@dataclass(frozen=True, slots=True)
class Constant:
    """The same answer everywhere: class shares of the training labels, or their mean."""

    value: np.ndarray

    def predict(self, planes: np.ndarray) -> np.ndarray:
        """(K, n) copies."""
        return np.repeat(self.value[:, None].astype(np.float32), planes.shape[1], axis=1)


@dataclass(frozen=True, slots=True)
class Linear:
    """weight (F, K), offset (K,) on raw features; softmax of the scores when `shares`."""

    weight: np.ndarray
    offset: np.ndarray
    shares: bool

    def predict(self, planes: np.ndarray) -> np.ndarray:
        """(K, n) probabilities or values."""
        scores = project(planes, self.weight, self.offset)
        return softmax(scores) if self.shares else scores


@dataclass(frozen=True, slots=True)
class Forest:
    """Mean of trees, added in the order they were grown, in blocks of pixels that bound the memory."""

    model: Any
    classes: int

    def predict(self, planes: np.ndarray) -> np.ndarray:
        """(K, n) mean class shares, or (1, n) mean value."""
        out = np.empty((max(1, self.classes), planes.shape[1]), np.float32)
        trees = [(e.tree_, np.ascontiguousarray(e.tree_.value[:, 0, :])) for e in self.model.estimators_]
        for start in range(0, planes.shape[1], _ROWS):
            rows = np.ascontiguousarray(planes[:, start : start + _ROWS].T, dtype=np.float32)
            total = np.zeros((len(rows), out.shape[0]))
            one = np.empty_like(total)
            for tree, value in trees:
                total += np.take(value, tree.apply(rows), axis=0, out=one, mode="clip")
            out[:, start : start + _ROWS] = (total / len(trees)).T
        return out


@dataclass(frozen=True, slots=True)
class Boosted:
    """Histogram boosting, run on one OpenMP thread whatever the machine allows."""

    model: Any
    classes: int

    def predict(self, planes: np.ndarray) -> np.ndarray:
        """(K, n) or (1, n)."""
        rows = np.ascontiguousarray(planes.T, dtype=np.float32)
        with one_openmp_thread():
            got = self.model.predict_proba(rows).T if self.classes else self.model.predict(rows)[None]
        return np.asarray(got, np.float32)


@dataclass(frozen=True, slots=True)
class Support:
    """Support vector scores after scaling; shares are the softmax of one-against-rest scores."""

    model: Any
    mean: np.ndarray
    scale: np.ndarray

    def predict(self, planes: np.ndarray) -> np.ndarray:
        """(K, n)."""
        rows = ((planes.T - self.mean) / self.scale).astype(np.float64)
        scores = np.asarray(self.model.decision_function(rows), np.float32)
        both = np.stack([-scores, scores]) if scores.ndim == 1 else np.ascontiguousarray(scores.T)
        return softmax(both * 2)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Shares along the first axis, added in a fixed order."""
    top = scores[0].copy()
    for plane in scores[1:]:
        np.maximum(top, plane, out=top)
    shares = np.exp(scores - top)
    total = shares[0].copy()
    for plane in shares[1:]:
        total += plane
    return np.asarray(shares / total, np.float32)


def _scaling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, deviation = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    return mean, np.where(deviation > 1e-12, deviation, 1.0)


def _unscaled(weight: np.ndarray, offset: np.ndarray, mean: np.ndarray, scale: np.ndarray, shares: bool) -> Linear:
    """Linear on raw features from weights (F, K) that belong to scaled ones."""
    raw = weight / scale[:, None]
    return Linear(raw.astype(np.float32), (offset - mean @ raw).astype(np.float32), shares)


def _majority(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    return Constant(np.bincount(y) / len(y))


def _shrunk_lda(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    """Linear discriminants; one covariance pooled over classes, shrunk after Ledoit and Wolf 2004."""
    from sklearn.covariance import ledoit_wolf

    mean, scale = _scaling(x)
    z = (x - mean) / scale
    centre = np.stack([z[y == k].mean(0) for k in range(y.max() + 1)])
    with one_thread():
        covariance, _ = ledoit_wolf(z - centre[y], assume_centered=True)
        covariance = covariance * len(z) / max(1, len(z) - len(centre))
        jitter = 1e-9 * max(float(np.trace(covariance)) / len(covariance), 1e-9)
        weight = np.linalg.solve(covariance + jitter * np.eye(len(covariance)), centre.T)
    prior = np.log(np.bincount(y) / len(y))
    return _unscaled(weight, prior - 0.5 * (centre.T * weight).sum(0), mean, scale, True)


def _logistic(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.linear_model import LogisticRegression

    mean, scale = _scaling(x)
    with one_thread():
        model = LogisticRegression(C=1.0, max_iter=200, tol=1e-3).fit((x - mean) / scale, y)
    weight, offset = model.coef_.T, model.intercept_
    if weight.shape[1] == 1:
        weight, offset = np.hstack([-weight / 2, weight / 2]), np.hstack([-offset / 2, offset / 2])
    return _unscaled(weight, offset, mean, scale, True)


def _extra_trees(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.ensemble import ExtraTreesClassifier

    return Forest(ExtraTreesClassifier(trees, random_state=seed).fit(x, y), int(y.max()) + 1)


def _random_forest(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.ensemble import RandomForestClassifier

    return Forest(RandomForestClassifier(trees, random_state=seed).fit(x, y), int(y.max()) + 1)


def _boosting(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=8, min_samples_leaf=5, learning_rate=0.2, early_stopping=False, random_state=seed
    )
    with one_thread():
        return Boosted(model.fit(x, y), int(y.max()) + 1)


def _support(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.svm import SVC

    mean, scale = _scaling(x)
    return Support(SVC(C=10.0).fit((x - mean) / scale, y), mean.astype(np.float32), scale.astype(np.float32))


def _mean(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    return Constant(np.array([y.mean()]))


def _ridge(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.linear_model import RidgeCV

    mean, scale = _scaling(x)
    with one_thread():
        model = RidgeCV(alphas=np.logspace(-1, 4, 11)).fit((x - mean) / scale, y)
    return _unscaled(model.coef_.reshape(-1, 1), np.array([model.intercept_]), mean, scale, False)


def _extra_trees_value(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.ensemble import ExtraTreesRegressor

    return Forest(ExtraTreesRegressor(trees, min_samples_leaf=2, max_features=0.4, random_state=seed).fit(x, y), 0)


def _random_forest_value(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.ensemble import RandomForestRegressor

    return Forest(RandomForestRegressor(trees, min_samples_leaf=2, max_features=0.4, random_state=seed).fit(x, y), 0)


def _boosting_value(x: np.ndarray, y: np.ndarray, seed: int, trees: int) -> Learned:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        max_iter=60, max_leaf_nodes=8, min_samples_leaf=5, early_stopping=False, random_state=seed
    )
    with one_thread():
        return Boosted(model.fit(x, y), 0)


_Fit = Callable[[np.ndarray, np.ndarray, int, int], Learned]

CLASSIFIERS: dict[str, _Fit] = {
    "majority": _majority,
    "shrunk LDA": _shrunk_lda,
    "logistic": _logistic,
    "extra trees": _extra_trees,
    "random forest": _random_forest,
    "histogram boosting": _boosting,
    "SVM": _support,
}
REGRESSORS: dict[str, _Fit] = {
    "mean": _mean,
    "ridge": _ridge,
    "extra trees": _extra_trees_value,
    "random forest": _random_forest_value,
    "histogram boosting": _boosting_value,
}


def tree_importances(x: np.ndarray, y: np.ndarray, *, classes: int, seed: int) -> np.ndarray:
    """(F,) share of impurity that extra trees take out with each feature; sums to 1 (or all equal where none helps)."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    if not x.shape[1]:
        return np.zeros(0)
    maker = ExtraTreesClassifier if classes else ExtraTreesRegressor
    share = maker(TREES, random_state=seed).fit(x, y.astype(int) if classes else y).feature_importances_
    return np.asarray(share if share.sum() > 0 else np.full(x.shape[1], 1 / x.shape[1]))
