"""Forecasters of series: what each must say where the answer is known, and what none may look at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.baseline.forecast import Forecaster, Series
from swath.baseline.methods import AHEAD, BETWEEN
from swath.baseline.modes import Modes
from swath.baseline.plain import Climatology, LastValue, Line, OtherYears, Smoother, Trend
from swath.baseline.rows import around, gap, runs, targets
from swath.earth.sensor import Band
from swath.errors import SwathError

YEAR = 365.2425
DAY = np.cumsum(np.random.default_rng(0).integers(5, 16, 90)).astype(float) + 16_000


def series(values: np.ndarray, valid: np.ndarray | None = None, day: np.ndarray = DAY) -> Series:
    """(N, T) values of one band, each series its own place."""
    values = np.asarray(values, np.float32)[..., None]
    ok = np.ones(values.shape, bool) if valid is None else np.asarray(valid, bool)[..., None]
    n, t = values.shape[:2]
    days = np.broadcast_to(day[:t], (n, t)) if day.ndim == 1 else day
    return Series(values, ok, days, np.arange(n).astype(str), (Band("NDVI", quantity="index"),))


def seasons(n: int = 40, noise: float = 0.02, seed: int = 1) -> np.ndarray:
    """(n, T): waves of the year, each series its own, with a departure that all share."""
    random = np.random.default_rng(seed)
    phase = 2 * np.pi * DAY / YEAR
    shared = 0.05 * random.standard_normal(len(DAY))
    share = random.uniform(0.5, 1.5, (n, 1))
    curve = 0.5 + random.uniform(0.1, 0.3, (n, 1)) * np.cos(phase - random.uniform(0, 1, (n, 1)))
    return curve + share * shared + noise * random.standard_normal((n, len(DAY)))


@pytest.mark.parametrize("table", [BETWEEN, AHEAD], ids=["between", "ahead"])
def test_every_method_is_a_forecaster_with_its_own_name(table: dict) -> None:
    for name, make in table.items():
        assert isinstance(make(), Forecaster)
        assert make().name == name


@pytest.mark.parametrize("name", list(BETWEEN))
def test_hidden_values_never_reach_the_answer_and_clear_ones_stay_bit_for_bit(name: str) -> None:
    whole = series(seasons())
    asked = runs((40, len(DAY)), 5)
    other = series(np.where(asked, 77.0, whole.values[..., 0]))
    said = BETWEEN[name]().fit(whole.without(asked)).fill(whole, asked)
    again = BETWEEN[name]().fit(other.without(asked)).fill(other, asked)
    np.testing.assert_array_equal(said.value, again.value)
    assert said.value[~asked].tobytes() == whole.values[~asked].tobytes()
    assert np.isfinite(said.value).all()


@pytest.mark.parametrize("name", list(AHEAD))
def test_what_comes_later_never_reaches_a_forecast(name: str) -> None:
    whole = series(seasons(24))
    past = whole.dates(slice(0, 60))
    said = AHEAD[name]().fit(past).forecast(past, DAY[60:66])
    assert said.value.shape == (24, 6, 1)
    assert np.isfinite(said.value).all()
    late = whole.without(np.broadcast_to(np.arange(len(DAY)) >= 60, (24, len(DAY))))
    np.testing.assert_allclose(AHEAD[name]().fit(past).forecast(late.dates(slice(0, 60)), DAY[60:66]).value, said.value)


@pytest.mark.parametrize("name", list(BETWEEN))
def test_a_series_is_answered_the_same_alone_and_among_others(name: str) -> None:
    whole = series(seasons(20))
    asked = runs((20, len(DAY)), 6)
    fitted = BETWEEN[name]().fit(whole.without(asked))
    together = fitted.fill(whole, asked).value
    alone = np.concatenate([fitted.fill(whole.rows(np.array([i])), asked[[i]]).value for i in range(20)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in BETWEEN if n not in ("shared modes",)])
def test_series_with_calendars_of_their_own_are_answered(name: str) -> None:
    day = np.stack([DAY + 3 * i for i in range(6)])
    one = Series(
        series(seasons(6)).values,
        np.ones((6, len(DAY), 1), bool),
        day,
        np.arange(6).astype(str),
        series(seasons(6)).bands,
    )
    asked = runs((6, len(DAY)), 2)
    said = BETWEEN[name]().fit(one.without(asked)).fill(one, asked)
    assert np.isfinite(said.value).all()


def test_straight_lines_are_found_again_between_clear_dates() -> None:
    line = 0.1 + 0.001 * (DAY - DAY[0])
    whole = series(np.stack([line, 2 * line]))
    asked = np.zeros((2, len(DAY)), bool)
    asked[:, 3:7] = asked[:, 20] = True
    said = Line().fill(whole, asked).value[..., 0]
    np.testing.assert_allclose(said, whole.values[..., 0], rtol=1e-5)
    np.testing.assert_allclose(Smoother().fill(whole, asked).value[..., 0], whole.values[..., 0], atol=2e-3)
    ahead = Trend().forecast(whole.dates(slice(0, 80)), DAY[40:42]).value[..., 0]
    np.testing.assert_allclose(ahead, whole.values[:, 40:42, 0], rtol=1e-4)


def test_last_clear_value_skips_clouds_and_other_years_find_the_same_season() -> None:
    values = np.arange(len(DAY))[None] * 1.0
    valid = np.ones((1, len(DAY)), bool)
    valid[0, 10:13] = False
    said = LastValue().fill(series(values, valid), np.zeros((1, len(DAY)), bool)).value[0, :, 0]
    assert said[10:13].tolist() == [9, 9, 9]
    wave = np.cos(2 * np.pi * DAY / YEAR)[None]
    one = OtherYears()
    one.ahead = True
    past = series(wave).dates(slice(0, 70))
    np.testing.assert_allclose(one.forecast(past, DAY[70:75]).value[0, :, 0], wave[0, 70:75], atol=0.05)


def test_a_climatology_of_the_past_does_not_know_a_season_it_never_saw() -> None:
    past = series(np.full((1, 9), 0.4), day=DAY)
    said = Climatology().fit(past).forecast(past, DAY[:9] + 180)
    np.testing.assert_allclose(said.value, 0.4, atol=1e-6)  # the mean of what is known stands in


def test_whole_years_shift_nothing() -> None:
    whole = seasons(12)
    asked = runs((12, len(DAY)), 8)
    for name in ("climatology", "harmonic regression", "season and fading departure", "same date last year"):
        found = [
            BETWEEN[name]().fit(s.without(asked)).fill(s, asked).value
            for s in (series(whole), series(whole, day=DAY + 4 * YEAR))
        ]
        np.testing.assert_allclose(found[0], found[1], atol=2e-4)


def test_modes_use_what_others_show_on_the_date_and_lines_cannot() -> None:
    whole = series(seasons(200))
    asked = runs((200, len(DAY)), 4)
    off = {}
    for name in ("linear in time", "harmonic regression", "shared modes"):
        said = BETWEEN[name]().fit(whole.without(asked)).fill(whole, asked)
        off[name] = float(np.sqrt(np.mean((said.value - whole.values)[asked] ** 2)))
    assert off["shared modes"] < 0.6 * min(off["linear in time"], off["harmonic regression"])


def test_modes_answer_dates_that_nobody_saw_and_dates_put_in_between() -> None:
    whole = series(seasons(60))
    asked = np.zeros((60, len(DAY)), bool)
    asked[:, 30:32] = True
    fitted = Modes().fit(whole.without(asked))
    said = fitted.fill(whole, asked)
    assert np.isfinite(said.value).all()
    assert np.sqrt(np.mean((said.value - whole.values)[asked] ** 2)) < 0.12
    put = np.insert(whole.values, 40, np.nan, axis=1)
    more = Series(
        put, np.isfinite(put), np.broadcast_to(np.insert(DAY, 40, DAY[40] - 2), put.shape[:2]), whole.place, whole.bands
    )
    between = fitted.fill(more, np.zeros(put.shape[:2], bool)).value
    assert np.isfinite(between).all()
    np.testing.assert_array_equal(np.delete(between, 40, axis=1), whole.values)


@pytest.mark.parametrize("name", ["harmonic regression", "season and fading departure", "shared modes"])
def test_spreads_hold_about_nine_tenths_of_what_is_hidden(name: str) -> None:
    whole = series(seasons(150))
    asked = runs((150, len(DAY)), 9)
    said = BETWEEN[name]().fit(whole.without(asked)).fill(whole, asked)
    inside = ((said.low <= whole.values) & (whole.values <= said.high))[asked].mean()
    assert 0.80 < inside < 0.98


def test_one_value_is_one_draw() -> None:
    with pytest.raises(SwathError, match="one value"):
        LastValue().forecast(series(seasons(2)), DAY[-1:] + 5, draws=8)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=3, max_size=20), st.integers(0, 10_000))
def test_gaps_are_counted_between_the_clear_dates_around(clear: list[bool], seed: int) -> None:
    ok = np.array([clear])
    day = np.cumsum(np.random.default_rng(seed).integers(1, 30, len(clear))).astype(float)
    low, high = around(ok, day, day)
    wide = gap(ok, day, day)
    for t in range(len(clear)):
        before = [i for i in range(t + 1) if clear[i]]
        after = [i for i in range(t + 1, len(clear)) if clear[i]]
        assert low[0, t] == (before[-1] if before else -1)
        assert high[0, t] == (after[0] if after else len(clear))
        if not before and not after:
            assert np.isinf(wide[0, t])
        elif before and after:
            assert wide[0, t] == day[after[0]] - day[before[-1]]
        else:
            assert wide[0, t] == 2 * abs(day[t] - day[before[-1] if before else after[0]])


def test_known_values_have_no_gap() -> None:
    one = series(seasons(3))
    asked = np.zeros((3, len(DAY)), bool)
    asked[0, 5] = True
    found = targets(one, asked)
    assert found[0, 5, 0] == DAY[6] - DAY[4]
    assert (found > 0).sum() == 1


def test_shapes_that_do_not_fit_are_refused() -> None:
    one = series(seasons(3))
    with pytest.raises(SwathError, match="valid of series"):
        Series(one.values, one.valid[:2], one.day, one.place, one.bands)
    with pytest.raises(SwathError, match="bands are described"):
        Series(one.values, one.valid, one.day, one.place, ())
