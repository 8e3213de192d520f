"""Distances between training and test, and between labels and map."""

from __future__ import annotations

import numpy as np
import pytest

from swath.errors import LabelError
from swath.sample import distance, split


def test_the_least_distance_is_found_and_a_broken_buffer_refused():
    train, test = np.array([[0, 0], [10, 10]]), np.array([[4, 3], [20, 20]])
    assert distance.check(train, test, 3) == 4
    with pytest.raises(LabelError, match="more than 4 px"):
        distance.check(train, test, 4)


def folded(row, column, side, buffer=0):
    y = np.arange(len(row)) % 2
    places = split.Places(row // side * 1000 + column // side, row, column, side)
    return split.folds(places, y, 5, seed=0, buffer=buffer)


def test_labels_over_the_whole_scene_make_the_check_harder_than_the_map():
    g = np.random.default_rng(0)
    got = distance.diagnose(folded(g.integers(0, 200, 800), g.integers(0, 200, 800), 40), (200, 200))
    assert got.gap > 2
    assert "harder" in got.words


def test_labels_in_one_corner_make_the_check_too_easy():
    g = np.random.default_rng(0)
    got = distance.diagnose(folded(g.integers(0, 50, 300), g.integers(0, 50, 300), 10), (400, 400))
    assert got.gap < -50
    assert "flatter" in got.words
    assert got.to_json()["gap_px"] == got.gap


def test_the_diagnosis_sees_that_the_buffer_is_kept():
    g = np.random.default_rng(0)
    got = distance.diagnose(folded(g.integers(0, 200, 800), g.integers(0, 200, 800), 40, buffer=6), (200, 200))
    assert got.closest > 6
