"""Intervals: shares, block bootstrap, paired differences, means over seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from swath.estimate import MIN_PLACES, Estimate, block_bootstrap, mean, paired, proportion, undefined


def share(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


@given(st.integers(1, 60), st.data(), st.sampled_from([0.9, 0.95]))
def test_share_intervals_agree_with_scipy(n, data, level):
    x = data.draw(st.integers(0, n))
    test = stats.binomtest(x, n)
    for kind, name in (("exact", "exact"), ("score", "wilson")):
        want, got = test.proportion_ci(level, method=name), proportion(x, n, level=level, kind=kind)
        assert (got.low, got.high) == pytest.approx((want.low, want.high), abs=1e-9)
        assert got.low <= got.value <= got.high
    jeffreys = proportion(x, n, level=level, kind="jeffreys")
    assert 0 <= jeffreys.low <= jeffreys.value <= jeffreys.high <= 1


def test_a_share_of_nothing_is_undefined_and_an_impossible_count_refused():
    assert not proportion(0, 0).defined
    with pytest.raises(ValueError, match="between 0 and n"):
        proportion(3, 2)


def test_the_block_bootstrap_widens_with_alike_pixels():
    rng = np.random.default_rng(0)
    apart = np.stack([rng.binomial(10, 0.7, 40), np.full(40, 10)], 1)
    alike = np.stack([10 * rng.binomial(1, 0.7, 40), np.full(40, 10)], 1)
    one, two = block_bootstrap(apart, share, n=400), block_bootstrap(alike, share, n=400)
    assert two.high - two.low > 2 * (one.high - one.low)
    assert one.n == 400
    assert "40 places" in one.method


def test_the_block_bootstrap_is_seeded():
    parts = np.stack([np.arange(20.0), np.full(20, 20.0)], 1)
    assert block_bootstrap(parts, share, seed=3) == block_bootstrap(parts, share, seed=3)
    assert block_bootstrap(parts, share, seed=3) != block_bootstrap(parts, share, seed=4)


def test_few_places_give_the_value_and_the_reason_instead_of_an_interval():
    parts = np.stack([np.arange(3.0), np.full(3, 5.0)], 1)
    got = block_bootstrap(parts, share)
    assert got.value == pytest.approx(0.2)
    assert math.isnan(got.low)
    assert f"{MIN_PLACES} or more" in got.reason
    assert got.to_json()["low"] is None
    assert not block_bootstrap(np.zeros((0, 2)), share).defined


def test_places_that_all_score_the_same_give_no_interval_of_zero_width():
    got = block_bootstrap(np.stack([np.full(20, 5.0), np.full(20, 5.0)], 1), share)
    assert got.value == 1
    assert math.isnan(got.low)
    assert "no spread" in got.reason


def test_the_block_bootstrap_covers_near_its_level_with_ten_places():
    rng = np.random.default_rng(1)
    held = 0
    for i in range(400):
        rate = rng.beta(7, 3, 10)
        parts = np.stack([rng.binomial(50, rate), np.full(10, 50)], 1)
        got = block_bootstrap(parts, share, seed=i, draws=400)
        held += got.low <= 0.7 <= got.high
    assert held / 400 == pytest.approx(0.95, abs=0.04)


def test_means_and_paired_differences_use_students_t():
    a, b = [0.7, 0.8, 0.75, 0.9], [0.6, 0.75, 0.7, 0.7]
    want = stats.ttest_rel(a, b).confidence_interval(0.95)
    got = paired(a, b)
    assert (got.low, got.high) == pytest.approx((want.low, want.high))
    assert got.n == 4
    assert mean(a).value == pytest.approx(np.mean(a))


def test_undefined_values_are_left_out_and_counted():
    got = mean([0.5, math.nan, 0.7])
    assert got.value == pytest.approx(0.6)
    assert got.n == 2
    assert "1 of 3 undefined" in got.reason
    assert not mean([math.nan]).defined
    assert "no spread" in mean([0.5]).reason
    with pytest.raises(ValueError, match="one length"):
        paired([1.0], [])


@given(st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=5))
def test_an_estimate_survives_json(value, reason):
    e = Estimate(value, "1", reason=reason) if math.isfinite(value) else undefined("1", reason or "none")
    back = Estimate.from_json(e.to_json())
    assert back.to_json() == e.to_json()
