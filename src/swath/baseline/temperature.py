"""Probabilities that keep their word: one temperature, learned from labels that the model had not seen.

Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", section 4.2. The order of the
classes never changes, so neither does the map.
"""

from __future__ import annotations

import numpy as np

from swath.baseline.learner import softmax

__all__ = ["LEAST", "applied", "fit"]

LEAST = 20  # labels below which nothing is learned
FLOOR = 1e-30
_RANGE = (0.25, 100.0)


def applied(probability: np.ndarray, temperature: float, axis: int = 0) -> np.ndarray:
    """Probabilities to the power 1 / temperature, normalised along `axis`; NaN stays NaN."""
    if temperature == 1.0:
        return probability
    score = np.log(np.maximum(np.moveaxis(probability, axis, 0), np.float32(FLOOR))) / np.float32(temperature)
    return np.moveaxis(softmax(score), 0, axis)


def fit(probability: np.ndarray, truth: np.ndarray) -> float:
    """The temperature of least negative log-likelihood for (n, K) out-of-fold probabilities; 1 for too few labels.

    truth: (n,) class index. Rows that are not finite are left out.
    """
    from scipy.optimize import minimize_scalar

    fine = np.isfinite(probability).all(1)
    p, t = probability[fine].astype(np.float64), truth[fine].astype(int)
    if len(t) < LEAST or p.shape[1] < 2:
        return 1.0
    score = np.log(np.maximum(p, FLOOR))
    own = score[np.arange(len(t)), t]

    def loss(log_temperature: float) -> float:
        s = score / np.exp(log_temperature)
        top = s.max(1)
        return float((top + np.log(np.exp(s - top[:, None]).sum(1)) - own / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=(np.log(_RANGE[0]), np.log(_RANGE[1])), method="bounded")
    return round(float(np.exp(found.x)), 4)
