import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.baseline import season


def draw(seed, dates=14, missing=0.4):
    random = np.random.default_rng(seed)
    day = 18_000 + np.sort(random.choice(700, dates, replace=False)).astype(float)
    values = random.random((dates, 2, 3, 4)).astype(np.float32)
    return values, random.random(values.shape) > missing, day


@given(st.integers(0, 10**6))
def test_valid_dates_come_back_as_they_are_and_gaps_lie_between_their_neighbours(seed):
    values, valid, day = draw(seed)
    out = season.interpolate(np.where(valid, values, 99), valid, day, day)
    assert np.array_equal(out[valid], values[valid])
    some = valid.any(0)
    assert np.isnan(out[:, ~some]).all()
    assert (out[:, some] < 98).all()
    for c, y, x in np.argwhere(some):
        good = valid[:, c, y, x]
        assert np.allclose(out[:, c, y, x], np.interp(day, day[good], values[good, c, y, x]), atol=1e-5)


@given(st.integers(0, 10**6))
def test_statistics_agree_with_numpy_on_the_valid_dates(seed):
    values, valid, _ = draw(seed)
    out = season.statistics(values, valid)
    for c, y, x in np.ndindex(2, 3, 4):
        good = values[valid[:, c, y, x], c, y, x]
        want = [np.mean(good), np.std(good), *np.percentile(good, [10, 50, 90])] if len(good) else [np.nan] * 5
        assert np.allclose(out[:, c, y, x], want, atol=1e-5, equal_nan=True)


def test_a_wave_is_found_through_gaps_and_uneven_dates():
    random = np.random.default_rng(3)
    day = 18_262 + np.sort(random.choice(1400, 90, replace=False)).astype(float)
    phase = 2 * np.pi * (day - np.floor(day.min() / season.YEAR) * season.YEAR) / season.YEAR
    curve = 0.5 + 0.2 * np.cos(phase) - 0.1 * np.sin(phase) + 0.05 * np.cos(2 * phase)
    valid = random.random((90, 1, 1, 1)) > 0.4
    out = season.harmonics(np.where(valid, curve[:, None, None, None], 50), valid, day)[:, 0, 0, 0]
    assert out[:5] == pytest.approx([0.5, 0.2, -0.1, 0.05, 0], abs=0.01)
    assert out[5] == pytest.approx(np.hypot(0.2, 0.1), abs=0.01)


def test_one_date_gives_its_value_and_no_wild_curve():
    values = np.full((5, 1, 1, 1), 0.3, np.float32)
    valid = np.zeros(values.shape, bool)
    valid[2] = True
    out = season.harmonics(values, valid, np.arange(5) * 40.0)[:, 0, 0, 0]
    assert np.abs(out).max() < 0.4


def test_no_date_is_not_a_number():
    nothing = np.zeros((4, 1, 1, 1), bool)
    assert np.isnan(season.harmonics(np.ones((4, 1, 1, 1)), nothing, np.arange(4.0))).all()
    assert np.isnan(season.statistics(np.ones((4, 1, 1, 1)), nothing)).all()
