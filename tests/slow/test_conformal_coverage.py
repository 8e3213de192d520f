"""200 made worlds: conformal sets at 0.90 cover at least 88 % per place, in places that nothing touched. Simulated."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from swath.assess.calibrate import fit
from swath.datasets import toy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
WORLDS, SIZE, SIDE, PER_CLASS = 200, 96, 12, 24


def judged(seed: int) -> tuple[float, float, bool]:
    """Coverage per place and mean set size in one world: labels in half of its blocks, judged in the other half."""
    rng = np.random.default_rng(seed)
    world = toy.world(seed=seed, size=SIZE)
    cube, truth = toy.view(world, "sentinel-2a-l2a", np.array(["2021-07-05"], "datetime64[D]"), cloud=0.0, seed=seed)
    x = np.asarray(cube.values, float)[0].reshape(cube.sizes["band"], -1).T
    y = truth.classes[0].ravel().astype(int)
    block = (np.arange(SIZE) // SIDE)[:, None] * (SIZE // SIDE) + np.arange(SIZE)[None] // SIDE
    where = block.ravel()
    order = rng.permutation(where.max() + 1)
    half = np.isin(where, order[: len(order) // 2]) & np.isfinite(x).all(1)
    label = np.concatenate(
        [rng.permutation(np.flatnonzero(half & (y == k)))[: rng.integers(5, PER_CLASS + 12)] for k in np.unique(y)]
    )
    kinds, t = np.unique(y[label], return_inverse=True)
    fold = rng.permutation(where.max() + 1)[where[label]] % 5
    out = np.full((len(label), len(kinds)), np.nan)
    scorable = np.zeros(len(label), bool)
    for f in np.unique(fold):
        train, test = fold != f, fold == f
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x[label][train], t[train])
        out[test] = 0
        out[np.ix_(test, model.classes_)] = model.predict_proba(x[label][test])
        scorable[test] = np.isin(t[test], model.classes_)
    made = fit(out, t, where[label], scorable=scorable, names=[str(k) for k in kinds], seed=seed, simulated=True)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x[label], t)
    other = np.flatnonzero(~np.isin(where, order[: len(order) // 2]) & np.isfinite(x).all(1) & np.isin(y, kinds))
    coverage, size = made.check(
        model.predict_proba(x[other]), np.searchsorted(kinds, y[other]), where[other], simulated=True
    )
    return coverage.value, size, made.class_wise


def test_sets_cover_per_place_in_places_never_seen():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with one label in a fold
        found = np.array([judged(seed) for seed in range(WORLDS)])
    print(
        f"coverage per place {found[:, 0].mean():.3f}, mean set size {found[:, 1].mean():.2f}, class-wise in {found[:, 2].mean():.2f}"
    )
    assert found[:, 0].mean() >= 0.88
