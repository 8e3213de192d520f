"""Places, folds and blocks: whole places move, buffers hold, the same split anywhere."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.cube import contract
from swath.errors import LabelError
from swath.sample import blockside, split
from swath.sample.labels import Labels


def made(rows, columns, classes, shape=(64, 64), form="points", thing=None) -> Labels:
    """Labels at these pixels."""
    value = np.asarray(classes)
    names = [f"c{i}" for i in range(int(value.max()) + 1)] if value.dtype.kind in "iu" else []
    kind = "class" if names else "number"
    thing = np.arange(len(value)) if thing is None else np.asarray(thing)
    row, column = np.asarray(rows), np.asarray(columns)
    codes = list(range(1, len(names) + 1))
    return Labels(row, column, value, thing, names, codes, kind, shape, form=form)


@st.composite
def scattered(draw) -> Labels:
    """Any labels on a 64 x 64 grid."""
    n = draw(st.integers(4, 80))
    seed = draw(st.integers(0, 10_000))
    g = np.random.default_rng(seed)
    return made(g.integers(0, 64, n), g.integers(0, 64, n), g.integers(0, draw(st.integers(1, 6)), n))


@given(scattered(), st.integers(1, 40), st.integers(2, 6), st.integers(0, 5))
def test_whole_places_move(labels, side, k, seed):
    places = split.blocks(labels, side)
    if places.count < 2:
        with pytest.raises(LabelError, match="two places"):
            split.folds(places, labels.value, k, seed=seed)
        return
    got = split.folds(places, labels.value, k, seed=seed)
    assert all(len(np.unique(got.fold[places.id == p])) == 1 for p in np.unique(places.id))
    assert set(got.fold) == set(range(got.k))


@given(scattered(), st.integers(4, 32), st.integers(0, 20), st.integers(0, 5))
def test_training_and_test_labels_are_further_apart_than_the_buffer(labels, side, buffer, seed):
    places = split.blocks(labels, side)
    if places.count < 2:
        return
    got = split.folds(places, labels.value, 4, seed=seed, buffer=buffer)
    assert got.buffer == min(buffer, side // 4)
    for train, test in got:
        if not len(train) or not got.buffer:
            continue
        gap = np.maximum(
            np.abs(labels.row[train][:, None] - labels.row[test]),
            np.abs(labels.column[train][:, None] - labels.column[test]),
        )
        assert gap.min() > got.buffer


@given(scattered(), st.integers(4, 32), st.integers(0, 5))
def test_each_label_is_tested_once_and_never_trained_where_tested(labels, side, seed):
    places = split.blocks(labels, side)
    if places.count < 2:
        return
    tested = np.zeros(len(labels), int)
    for train, test in split.folds(places, labels.value, 5, seed=seed, buffer=2):
        tested[test] += 1
        assert not set(train) & set(test)
        assert not set(places.id[train]) & set(places.id[test])
    assert (tested == 1).all()


@given(st.integers(0, 200), st.integers(4, 30))
def test_polygons_are_never_cut(seed, side):
    g = np.random.default_rng(seed)
    rows, columns, things = [], [], []
    for t in range(12):
        r, c, h, w = g.integers(0, 40), g.integers(0, 40), g.integers(1, 20), g.integers(1, 20)
        y, x = np.mgrid[r : r + h, c : c + w]
        rows += y.ravel().tolist()
        columns += x.ravel().tolist()
        things += [t] * y.size
    labels = made(rows, columns, np.array(things) % 3, form="polygons", thing=things)
    places = split.blocks(labels, side)
    assert all(len(np.unique(places.id[labels.thing == t])) == 1 for t in range(12))


def test_a_polygon_goes_to_the_block_that_holds_most_of_it():
    labels = made([0] * 10, range(12, 22), [0] * 10, form="polygons", thing=[7] * 10)
    places = split.blocks(labels, 16)
    assert places.id[0] == split.blocks(made([0], [20], [0]), 16).id[0]
    assert places.moved == 1
    assert "whole" in places.notes[0]


SCRIPT = """
import numpy as np
from swath.sample import split
g = np.random.default_rng(3)
places = split.Places(g.integers(0, 40, 300), g.integers(0, 99, 300), g.integers(0, 99, 300), 16)
y = g.integers(0, 5, 300)
f = split.folds(places, y, 5, seed=11, buffer=3)
h = split.holdout(places, y, seed=11, buffer=2, per_class=10)
print(f.fold.tolist(), [a.tolist() for a in h])
"""


def test_the_same_split_comes_out_of_another_process():
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": str(n)}
        ).stdout
        for n in (1, 2)
    ]
    assert runs[0] == runs[1] != ""


def test_the_order_of_labels_does_not_matter():
    g = np.random.default_rng(0)
    labels = made(g.integers(0, 64, 60), g.integers(0, 64, 60), g.integers(0, 4, 60))
    other = g.permutation(60)
    first = split.folds(split.blocks(labels, 8), labels.value, 5, seed=2).fold
    second = split.folds(split.blocks(labels.take(other), 8), labels.value[other], 5, seed=2).fold
    assert (first[other] == second).all()


def test_seeds_give_different_folds():
    g = np.random.default_rng(0)
    labels = made(g.integers(0, 64, 200), g.integers(0, 64, 200), g.integers(0, 4, 200))
    places = split.blocks(labels, 8)
    found = {tuple(split.folds(places, labels.value, 5, seed=s).fold) for s in range(5)}
    assert len(found) == 5


def test_classes_spread_over_the_folds():
    rows, columns = np.mgrid[0:64:4, 0:64:4]
    labels = made(rows.ravel(), columns.ravel(), (rows.ravel() // 32 * 2 + columns.ravel() // 32))
    got = split.folds(split.blocks(labels, 8), labels.value, 4, seed=0)
    table = np.array([np.bincount(labels.value[got.fold == f], minlength=4) for f in range(4)])
    assert (table == 16).all()


def test_numbers_are_spread_by_their_size():
    g = np.random.default_rng(1)
    labels = made(g.integers(0, 64, 300), g.integers(0, 64, 300), g.gamma(2.0, 1.0, 300))
    got = split.folds(split.blocks(labels, 8), labels.value, 5, seed=0)
    means = [labels.value[test].mean() for _, test in got]
    assert max(means) - min(means) < 0.8


def test_holdout_gives_both_halves_each_class_and_keeps_the_buffer():
    g = np.random.default_rng(5)
    labels = made(g.integers(0, 128, 900), g.integers(0, 128, 900), g.integers(0, 6, 900), shape=(128, 128))
    places = split.blocks(labels, 16)
    train, test = split.holdout(places, labels.value, seed=4, buffer=2, per_class=10)
    assert np.bincount(labels.value[train]).tolist() == [10] * 6
    assert set(labels.value[test]) == set(range(6))
    assert not set(places.id[train]) & set(places.id[test])
    gap = np.maximum(
        abs(labels.row[train][:, None] - labels.row[test]), abs(labels.column[train][:, None] - labels.column[test])
    )
    assert gap.min() > 2


def test_only_labels_of_trained_classes_can_be_scored():
    y = np.array([0, 0, 1, 2])
    assert split.scorable(y, np.array([0]), np.array([1, 2, 3])).tolist() == [1]


@given(scattered(), st.integers(0, 9), st.integers(0, 9))
def test_many_labels_have_the_same_neighbours_as_few(labels, buffer, seed):
    places = split.blocks(labels, 16)
    test = np.random.default_rng(seed).random(len(labels)) < 0.4
    few = split.near(places, test, buffer)
    before, split.DENSE = split.DENSE, 0
    try:
        assert (split.near(places, test, buffer) == few).all()
    finally:
        split.DENSE = before


def test_a_share_outside_0_and_1_is_refused():
    places = split.Places(np.arange(4), np.arange(4), np.arange(4), 8)
    with pytest.raises(LabelError, match="between 0 and 1"):
        split.holdout(places, np.zeros(4, int), share=1.5)


def test_a_side_below_one_is_refused():
    with pytest.raises(LabelError, match="at least one pixel"):
        split.blocks(made([0], [0], [0]), 0)


def patchy(shape, range_px, seed=0, bands=3):
    """A cube of smooth noise with a known range."""
    from scipy.ndimage import gaussian_filter

    g = np.random.default_rng(seed)
    field = gaussian_filter(g.normal(size=shape), range_px)
    values = np.stack([field * (i + 1) + 0.01 * g.normal(size=shape) * field.std() for i in range(bands)])
    return contract.make(
        values.astype(np.float32), bands=[f"b{i}" for i in range(bands)], geobox=None, quantity="radiance"
    )


def spread(shape, classes=4, n=200, seed=0):
    g = np.random.default_rng(seed)
    return made(g.integers(0, shape[0], n), g.integers(0, shape[1], n), g.integers(0, classes, n), shape=shape)


def test_autocorrelation_of_white_noise_falls_at_once_and_a_smooth_field_as_its_formula():
    g = np.random.default_rng(0)
    assert abs(blockside.autocorrelation([g.normal(size=(80, 90))])[1:]).max() < 0.05
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(g.normal(size=(400, 400)), 6, mode="wrap")
    lag = np.arange(10)
    assert blockside.autocorrelation([smooth], 9) == pytest.approx(np.exp(-(lag**2) / (4 * 36)), abs=0.06)


def test_autocorrelation_leaves_missing_values_out():
    g = np.random.default_rng(0)
    field = np.add.outer(np.sin(np.arange(60) / 9), np.cos(np.arange(60) / 7))
    holes = np.where(g.random(field.shape) < 0.3, np.nan, field)
    assert blockside.autocorrelation([holes], 10) == pytest.approx(blockside.autocorrelation([field], 10), abs=0.08)


def test_the_side_is_the_distance_at_which_the_scene_forgets_itself():
    shape = (300, 300)
    side = blockside.block_side({"a": patchy(shape, 10)}, spread(shape))
    expected = 2 * 10 * np.sqrt(np.log(10))  # exp(-d^2 / 4 s^2) = 0.1
    assert side.px == pytest.approx(expected, rel=0.25)
    assert "falls below 0.1" in side.words


def test_the_side_is_never_below_sixteen_or_eight_in_a_small_scene():
    big = blockside.block_side({"a": patchy((200, 200), 0.5)}, spread((200, 200)))
    small = blockside.block_side({"a": patchy((40, 40), 0.5)}, spread((40, 40)))
    assert (big.px, small.px) == (16, 8)
    assert "never below 8 px in so small a scene" in small.words


def test_blocks_are_made_smaller_until_classes_stand_in_two_and_it_is_said():
    shape = (200, 200)
    rows = [10, 10, 60, 60, 110, 110, 20, 20]
    columns = [10, 35, 10, 35, 10, 35, 150, 151]
    labels = made(rows, columns, [0, 0, 1, 1, 2, 2, 3, 3], shape=shape)
    side = blockside.block_side({"a": patchy(shape, 20)}, labels)
    assert side.px == 16
    assert "made smaller" in side.words
    assert side.alone == ["c3"]
    assert "c3" in side.words


def test_a_constant_or_tiny_scene_still_has_blocks():
    flat = contract.make(np.ones((2, 30, 30), np.float32), bands=["a", "b"], geobox=None, quantity="radiance")
    assert blockside.block_side({"a": flat}, spread((30, 30))).px == 8
    one = contract.make(np.ones((1, 1, 1), np.float32), bands=["a"], geobox=None, quantity="radiance")
    assert blockside.block_side({"a": one}, made([0], [0], [0], shape=(1, 1))).px == 8


def test_reading_few_rows_at_a_time_changes_nothing(monkeypatch):
    shape = (90, 70)
    cubes, labels = {"a": patchy(shape, 6), "b": patchy(shape, 9, seed=1)}, spread(shape)
    whole = blockside.block_side(cubes, labels)
    monkeypatch.setattr(blockside, "VALUES_AT_ONCE", 1000)
    assert blockside.block_side(cubes, labels).words == whole.words
