"""The recipe of OpenLORIS-Scene: the rules of a recipe, which score sees which fault, and the evaluator's own rows."""

from __future__ import annotations

import math

import pytest

from swath import testing
from swath.recipes import lifelong_slam


@pytest.fixture(scope="module")
def outcome():
    return testing.check_recipe(lifelong_slam)


def value(outcome, fault, method, metric):
    return next(
        r.estimate.value for r in outcome.rows if r.data.endswith(fault) and r.method == method and r.metric == metric
    )


def test_an_early_death_is_seen_by_the_correct_rate_and_not_by_the_error(outcome):
    assert value(outcome, "death", "death", "CR") == pytest.approx(0.5, abs=0.02)
    assert value(outcome, "death", "death", "ATE, m") < 1.1 * value(outcome, "death", "no fault", "ATE, m")


def test_a_jump_is_seen_by_both_and_the_correct_half_stays_exact(outcome):
    assert value(outcome, "jump", "jump", "ATE, m") > 1
    assert value(outcome, "jump", "jump", "C-ATE, m") < 0.1
    assert all(r.estimate.simulated for r in outcome.rows)


def test_the_published_tracks_are_judged_as_the_evaluator_does(shared, tmp_path):
    found = lifelong_slam.run("test", tmp_path, data=shared)
    gaps = [r.estimate.value for r in found.rows if "corrected" in r.method]
    assert len(gaps) == 8
    assert max(gaps) < 1e-5
    assert any("prints an error of 0.000" in v for v in found.verdicts)
    assert math.isfinite(next(r for r in found.rows if r.metric == "CR").estimate.value)
