"""Leakage between training and test: shared pixels, near ones, twins."""

from __future__ import annotations

import json

import numpy as np

from swath.assess.leak import check


def test_shared_pixels_and_places_are_found():
    found = check([[0, 0], [5, 5]], [[5, 5], [40, 40]], buffer=3, train_place=[0, 1], test_place=[1, 2])
    assert found.shared_pixels == 1
    assert found.shared_places == 1
    assert found.found
    assert "too good" in found.words[0]


def test_a_clean_split_says_how_far_it_is():
    found = check([[0, 0], [5, 5]], [[5, 30], [40, 40]], buffer=8, train_place=[0, 0], test_place=[1, 2])
    assert not found.found
    assert found.nearest_px == 25
    assert found.words == ("no test pixel was trained on; the nearest training pixel is 25 px away (buffer 8 px)",)


def test_pixels_within_the_buffer_are_counted():
    found = check([[0, 0]], [[0, 4], [0, 9]], buffer=5)
    assert found.within_buffer == 1
    assert found.found


def test_near_duplicate_spectra_are_counted():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 6)), rng.normal(size=(100, 6))
    rows, there = np.stack([np.arange(200), np.zeros(200)], 1), np.stack([np.arange(100), np.full(100, 500)], 1)
    assert check(rows, there, train_values=a, test_values=b).near_duplicates == 0
    b[:30] = a[:30] + 1e-6
    found = check(rows, there, train_values=a, test_values=b)
    assert found.near_duplicates == 30
    assert found.found


def test_folds_compare_only_across_folds():
    rows = np.array([[0, 0], [0, 1], [50, 50], [50, 51]])
    fold = np.array([0, 0, 1, 1])
    found = check(rows, rows, buffer=5, fold=(fold, fold), train_place=[0, 0, 1, 1], test_place=[0, 0, 1, 1])
    assert found.shared_pixels == 0
    assert found.shared_places == 0
    assert found.nearest_px == 50
    mixed = np.array([0, 1, 0, 1])
    assert check(rows, rows, buffer=5, fold=(mixed, mixed), kept_apart=0).within_buffer == 4
    left_out = check(rows, rows, buffer=5, fold=(mixed, mixed))
    assert left_out.within_buffer == 0


def test_its_record_is_strict_json_even_without_positions():
    record = check(np.zeros((0, 2)), np.zeros((0, 2))).to_json()
    assert json.loads(json.dumps(record, allow_nan=False))["nearest_px"] is None
    assert "not known" in record["words"][0]
