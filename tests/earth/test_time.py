"""Days, spans and groups of dates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.earth.time import bins, days, from_days, span, within, year_fraction
from swath.errors import SwathError


@given(st.integers(-10_000, 40_000), st.integers(0, 86_399))
def test_days_and_dates_are_inverse(day: int, second: int):
    value = day + second / 86_400
    assert abs(days(from_days([value]))[0] - value) < 1e-6


def test_no_date_is_nan():
    assert np.isnan(days(np.array(["NaT"], "datetime64[ns]")))[0]
    assert np.isnat(from_days([np.nan]))[0]
    assert days("1970-01-02") == 1.0
    assert np.isnan(year_fraction(np.nan))


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2019", "2019-01-01", "2020-01-01"), ("2019-02", "2019-02-01", "2019-03-01"),
        ("2019-05-01", "2019-05-01", "2019-05-02"), ("20190501", "2019-05-01", "2019-05-02"),
        ("2019-05-01/2019-09-30", "2019-05-01", "2019-10-01"), ("2019-05..2019-09", "2019-05-01", "2019-10-01"),
        ("2019-05-01T10:00:00Z", "2019-05-01", "2019-05-02"), ("../2019", "1800-01-01", "2020-01-01"),
        ("2019/..", "2019-01-01", "2200-01-01"),
    ],
)  # fmt: skip
def test_spans_hold_their_last_day(text: str, first: str, after: str):
    assert [str(v)[:10] for v in span(text)] == [first, after]


@pytest.mark.parametrize("text", ["", "..", "May", "2019-13", "2019-05-01/yesterday", "2019-09/2019-05", "19"])
def test_other_words_are_refused(text: str):
    with pytest.raises(SwathError):
        span(text)


def test_within_takes_several_spans():
    time = np.array(["2019-01-15", "2019-05-15", "2020-01-15"], "datetime64[ns]")
    assert within(time, "2019-01,2020").tolist() == [True, False, True]


@pytest.mark.parametrize("every", [None, "month", "season", "year", 16, "30d"])
def test_every_date_is_in_one_group(every: str | int | None):
    time = np.datetime64("2018-11-20", "ns") + np.arange(0, 500, 9).astype("timedelta64[D]")
    groups = bins(time, every)
    assert sorted(np.concatenate([g for _, g in groups]).tolist()) == list(range(len(time)))
    starts = [s for s, _ in groups]
    assert starts == sorted(starts)
    assert all((time[g] >= s).all() for s, g in groups)


def test_seasons_begin_with_december():
    time = np.array(["2018-12-05", "2019-01-15", "2019-03-01"], "datetime64[ns]")
    assert [(str(s)[:10], g.tolist()) for s, g in bins(time, "season")] == [("2018-12-01", [0, 1]), ("2019-03-01", [2])]


def test_an_unknown_grouping_is_refused_and_no_dates_make_no_group():
    with pytest.raises(SwathError, match="every"):
        bins(np.array(["2019-01-01"], "datetime64[ns]"), "fortnight")
    assert bins(np.array([], "datetime64[ns]"), "month") == []
