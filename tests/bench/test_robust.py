"""Drops under corruptions: pairs by place, averages, Holm, and the class that breaks first."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from swath.bench import robust
from swath.bench.robust import CLEAN, Table, class_tally, number_tally
from swath.bench.robust_curve import curves, first_broken
from swath.recipes.reobench_rows import VHM


def table(seed: int = 0, places: int = 30, *, loss: float = 0.3) -> Table:
    """Two classes, the second of which loses `loss` under haze at level 2 and half of it at level 1."""
    rng = np.random.default_rng(seed)
    truth, place = rng.integers(0, 2, 3000), rng.integers(0, places, 3000)
    before = np.where(rng.random(3000) < 0.9, truth, 1 - truth)
    cells = {CLEAN: _tally(truth, before, before, place, places)}
    for level in (1, 2):
        gone = (truth == 1) & (rng.random(3000) < loss * level / 2)
        cells["haze", level] = _tally(truth, before, np.where(gone, 0, before), place, places)
        cells["rotate", level] = _tally(truth, before, before, place, places)
    return Table("class", ("field", "water"), ("unsure",), cells)


def _tally(truth: np.ndarray, before: np.ndarray, after: np.ndarray, place: np.ndarray, places: int) -> robust.Tally:
    flips = np.stack([np.bincount(place, w, places) for w in (np.ones(len(place)), before != after)], 1)
    doubt = np.full((len(truth), 1), 0.2)
    doubt[::7] = np.nan
    return class_tally(truth, before, after, place, (places, 2), flips, doubt)


def test_drops_are_paired_and_the_mean_is_over_levels() -> None:
    t = table()
    one, two = (robust.mean_drop(t, ["haze"], [v]) for v in (1, 2))
    both = robust.mean_drop(t, ["haze"])
    assert both.value == pytest.approx((one.value + two.value) / 2)
    assert one.low < one.value < one.high
    assert 0.03 < one.value < two.value < 0.2
    assert robust.score(t).value - robust.score(t, "haze", 2).value == pytest.approx(two.value)
    still = robust.mean_drop(t, ["rotate"])
    assert still.value == 0
    assert "all places score the same" in still.reason


def test_a_class_that_breaks_first_is_named_with_its_level() -> None:
    t = table()
    found = first_broken(t, "haze")
    assert found is not None
    assert found[:2] == ("water", 1)
    assert found[2].low > 0
    assert first_broken(t, "rotate") is None
    assert first_broken(table(loss=0.0), "haze") is None


def test_a_table_survives_its_file() -> None:
    t = table()
    back = Table.from_json(json.loads(json.dumps(t.to_json())))
    for key, cell in t.cells.items():
        for name in cell.__slots__:
            np.testing.assert_allclose(getattr(back.cells[key], name), getattr(cell, name))
    assert robust.mean_drop(back, ["haze"]) == robust.mean_drop(t, ["haze"])


def test_intervals_of_a_paired_drop_cover_it() -> None:
    """Simulated: 60 tables of which the truth is known."""
    hit = 0
    for seed in range(60):
        t = table(seed, places=24)
        expected = 0.3 * 0.5 * (0.9 * 0.5 + 0.0)  # half of class 1, of which 0.9 were right, loses 0.15
        e = robust.mean_drop(t, ["haze"], [1])
        hit += e.low <= expected <= e.high
    assert hit >= 52


def test_holm_holds_for_all_tests_together() -> None:
    np.testing.assert_allclose(robust.holm([0.01, 0.04, 0.03, math.nan]), [0.03, 0.06, 0.06, math.nan])
    assert robust.holm([]).shape == (0,)
    found = {c.name: c.p for c in curves(table())}
    assert all(p < 0.05 for p in found["haze"])
    assert found["rotate"] == (1.0, 1.0)


def test_retained_skill_and_silence() -> None:
    t = table()
    assert robust.retained(t, "rotate", 1, robust.chance_of(t)) == pytest.approx(1)
    assert 0.5 < robust.retained(t, "haze", 2, robust.chance_of(t)) < 1
    truth, place = np.zeros(12, int), np.arange(12) % 6
    quiet = _tally(truth, truth, np.full(12, -1), place, 6)
    assert quiet.silent.sum() == 12
    assert quiet.after.sum() == 0


def test_a_number_without_an_answer_is_no_skill() -> None:
    truth, place = np.linspace(0, 10, 60), np.arange(60) % 6
    flips = np.ones((6, 2))
    exact = number_tally(truth, truth, truth, place, 6, 5.0, flips, np.zeros((60, 0)))
    none = number_tally(truth, truth, np.full(60, np.nan), place, 6, 5.0, flips, np.zeros((60, 0)))
    t = Table("number", (), (), {CLEAN: exact, ("gaps", 1): none}, measure="r2")
    assert robust.score(t).value == pytest.approx(1)
    assert robust.mean_drop(t, ["gaps"]).value == pytest.approx(1)


def test_the_published_row_is_averaged_to_its_own_difference() -> None:
    """The printed 1.38 is not what the nine means give."""
    found = robust.averages(60.21, {name: [value] for name, value in VHM.items()})
    assert found.mean == pytest.approx(58.90, abs=0.005)
    assert found.drop == pytest.approx(1.31, abs=0.005)
    levels = robust.averages(60.0, {"a": [59, 57], "b": [58.0, 58.0]})
    assert levels.by_corruption == {"a": 58.0, "b": 58.0}
    assert levels.drop == 2.0
