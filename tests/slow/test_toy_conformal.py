"""Conformal sets over 200 made worlds: on places never seen they hold the truth as often as they promise. Simulated."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from swath.assess import calibrate
from swath.baseline import mapper
from swath.datasets import toy
from swath.sample.places import Places
from swath.sample.window import read

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
WORLDS, SIZE, SIDE, LABELS = 200, 96, 16, 10


def coverage_of_one_world(seed):
    """Coverage per place and mean set size in the blocks of a noisy single date that hold no label; accuracy there.

    Half of the blocks give up to ten labels a class. A pixel of a class without any label counts as not covered.
    """
    place = toy.world(seed, SIZE)
    cube, truth = toy.view(place, toy.SENTINEL_2, ["2021-08-15"], cloud=0, noise=0.03, seed=seed)
    y = truth.classes[0]
    rng = np.random.default_rng([seed, 1])
    across = SIZE // SIDE
    block = (np.arange(SIZE) // SIDE)[:, None] * across + (np.arange(SIZE) // SIDE)[None]
    trained = np.zeros(across**2, bool)
    trained[rng.permutation(across**2)[: across**2 // 2]] = True
    spots = [np.argwhere(trained[block] & (y == k)) for k in range(len(truth.names))]
    row, column = np.concatenate([s[rng.permutation(len(s))[:LABELS]] for s in spots]).T
    present = np.unique(y[row, column])
    labels = SimpleNamespace(
        row=row,
        column=column,
        value=np.searchsorted(present, y[row, column]),
        names=[truth.names[k] for k in present],
        codes=list(range(1, len(present) + 1)),
        kind="class",
    )
    places = Places(block[row, column], row, column, SIDE)
    made = mapper.train({"s2": cube}, labels, places, seed=seed, fast=True, features=("spectra",))
    t = made.training
    sets = calibrate.fit(made.oof.value, t.y, t.place, scorable=made.oof.scorable, names=labels.names, simulated=True)
    probability = made(read({"s2": cube}, slice(0, SIZE), slice(0, SIZE)))["probability"][0]
    unseen = ~trained[block]
    index = np.full(len(truth.names), len(present))
    index[present] = np.arange(len(present))
    answer, wanted = probability[:, unseen].T, index[y][unseen]
    covered, size = sets.check(answer, wanted, block[unseen], simulated=True)
    return covered.value, size, (answer.argmax(1) == wanted).mean(), len(present)


def test_conformal_sets_cover_on_places_never_seen():
    rows = np.array([coverage_of_one_world(seed) for seed in range(WORLDS)])
    covered, size, accuracy, classes = rows.mean(0)
    error = rows[:, 0].std(ddof=1) / np.sqrt(WORLDS)
    print(
        f"coverage per place {covered:.3f} (standard error {error:.3f}) of nominal {calibrate.LEVEL}, "
        f"mean set size {size:.2f} of {classes:.1f} classes, accuracy {accuracy:.3f}, {WORLDS} worlds (simulated)"
    )
    assert covered >= calibrate.LEVEL - 0.02
    assert size < 0.6 * classes
