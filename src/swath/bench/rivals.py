"""Classifiers of pixel series that a network must stand beside, on the same pixels, dates and valid masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swath.baseline.dtw import nearest
from swath.baseline.forecast import Series
from swath.baseline.series import linear
from swath.baseline.threads import one_thread

__all__ = ["Table", "coefficients", "forest", "harmonic_logistic", "straightened", "tempcnn", "warped"]

TREES = 500


@dataclass(frozen=True)
class Table:
    """Series of n places in one table: x (n, T, C) without gaps, day (n, T)."""

    x: np.ndarray
    day: np.ndarray

    def rows(self, which: np.ndarray) -> Table:
        """Some of the places."""
        return Table(self.x[which], self.day[which])


def straightened(series: Series) -> Table:
    """Gaps on straight lines in time, bands never seen 0. All rows have as many dates; pads are not known here."""
    ok = series.valid.transpose(0, 2, 1)
    values = np.where(ok, series.values.transpose(0, 2, 1), 0)
    line = linear(values, ok, series.day[:, None])
    return Table(np.nan_to_num(np.where(ok, values, line)).transpose(0, 2, 1).astype(np.float32), series.day)


def forest(train: Table, y: np.ndarray, test: Table, classes: int, *, seed: int = 0, trees: int = TREES) -> np.ndarray:
    """(m, K) shares of a random forest on the stacked values."""
    from sklearn.ensemble import RandomForestClassifier

    flat = [t.x.reshape(len(t.x), -1) for t in (train, test)]
    with one_thread():
        found = RandomForestClassifier(trees, random_state=seed, n_jobs=1).fit(flat[0], y)
        return _whole(found.predict_proba(flat[1]), found.classes_, classes)


def warped(train: Table, y: np.ndarray, test: Table, classes: int) -> np.ndarray:
    """(m, K) of the nearest series under time warping, bands scaled alike."""
    scale = train.x.std((0, 1)) + 1e-9
    return nearest(train.x / scale, y, test.x / scale, classes)


def coefficients(table: Table, order: int = 2) -> np.ndarray:
    """(n, C (2 order + 1)) of intercept, sines and cosines of the year, by least squares with a slight ridge."""
    angle = 2 * np.pi * table.day / 365.2425
    turns = [f(k * angle) for k in range(1, order + 1) for f in (np.sin, np.cos)]
    basis = np.stack([np.ones_like(angle), *turns], -1)  # (n, T, P)
    left = np.einsum("ntp,ntq->npq", basis, basis) + 1e-2 * np.eye(basis.shape[-1])
    return np.linalg.solve(left, np.einsum("ntp,ntc->npc", basis, table.x)).reshape(len(angle), -1)


def harmonic_logistic(train: Table, y: np.ndarray, test: Table, classes: int, *, seed: int = 0) -> np.ndarray:
    """(m, K) of a logistic probe on harmonic coefficients."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with one_thread():
        found = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed))
        found.fit(coefficients(train), y)
        return _whole(found.predict_proba(coefficients(test)), found[-1].classes_, classes)


def tempcnn(
    train: Table, y: np.ndarray, test: Table, classes: int, *, parameters: int, steps: int, batch: int = 32,
    rate: float = 1e-3, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """(m, K) of a TempCNN of about as many parameters as the network it stands beside, as many steps of as many rows."""
    import torch

    from swath.nn.tempcnn import TempCNN

    mean, std = train.x.mean((0, 1)), train.x.std((0, 1)) + 1e-9
    x, z = (torch.from_numpy(((t.x - mean) / std).astype(np.float32)) for t in (train, test))
    target, rng = torch.from_numpy(np.asarray(y, np.int64)), np.random.default_rng([seed, 8])
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = TempCNN.of_size(x.shape[2], x.shape[1], classes, parameters)
        optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
        plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
        for _ in range(steps):
            rows = torch.from_numpy(rng.choice(len(x), min(batch, len(x)), replace=False))
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(net(x[rows]), target[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            plan.step()
        with torch.inference_mode():
            return np.asarray(torch.softmax(net.eval()(z), 1).numpy())


def _whole(share: np.ndarray, seen: np.ndarray, classes: int) -> np.ndarray:
    out = np.zeros((len(share), classes))
    out[:, seen] = share
    return out
