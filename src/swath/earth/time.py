"""Time as numbers: days since 1970, spans that people type, months and years to group dates by.

Dates written in names and tags are found in cube/dates.py.
"""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np

from swath.errors import SwathError

__all__ = ["bins", "days", "from_days", "span", "within", "year_fraction"]


def days(time: Any) -> np.ndarray:
    """Days since 1970-01-01 UTC, float64, of datetime64 or ISO text; NaN for no date."""
    moment = np.asarray(time, dtype="datetime64[ms]")
    out = moment.astype(np.int64) / 86_400_000.0
    return np.where(np.isnat(moment), np.nan, out)


def from_days(day: Any) -> np.ndarray:
    """datetime64[ns] of days since 1970-01-01; NaT for NaN."""
    values = np.asarray(day, np.float64)
    whole = np.round(np.nan_to_num(values) * 86_400_000.0).astype(np.int64).astype("datetime64[ms]")
    return np.where(np.isfinite(values), whole, np.datetime64("NaT", "ms")).astype("datetime64[ns]")


def year_fraction(day: Any) -> np.ndarray:
    """Where in its year a day lies, 0 to 1 (year of 365.2425 days counted from 1970-01-01); NaN for no date."""
    return np.asarray(np.mod(np.asarray(day, np.float64) / 365.2425, 1.0))


def span(text: str) -> tuple[np.datetime64, np.datetime64]:
    """Half-open span [first, last) of text: 2019, 2019-05, 2019-05-01, or FIRST/LAST or FIRST..LAST, both within.

    An empty or ".." end is open. Raises SwathError for anything else and for a span that runs backwards.

    >>> [str(v)[:10] for v in span("2019-05/2019-09")]
    ['2019-05-01', '2019-10-01']
    """
    parts = text.strip().split("/" if "/" in text else "..", 1)
    try:
        first = _one(parts[0])[0] if parts[0].strip(" .") else np.datetime64("1800-01-01", "ns")
        last = _one(parts[-1])[1] if parts[-1].strip(" .") else np.datetime64("2200-01-01", "ns")
        if not text.strip(" ./"):
            raise ValueError("empty")
    except ValueError as error:
        raise SwathError(
            rule="dates are written 2019-05-01, 2019-05, 2019 or FIRST/LAST",
            got=repr(text),
            remedy="for example --dates 2019-05-01/2019-09-30",
        ) from error
    if first >= last:
        raise SwathError(rule="a span of dates runs forwards", got=repr(text), remedy="put the earlier date first")
    return first, last


def _one(text: str) -> tuple[np.datetime64, np.datetime64]:
    """First moment of a date, month or year, and of the next one."""
    text = text.strip()
    if re.fullmatch(r"\d{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if not re.fullmatch(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d){0,2}Z?)?)?)?", text):
        raise ValueError(text)
    moment = np.datetime64(text.rstrip("Z"))
    unit = np.datetime_data(moment.dtype)[0]
    if unit in ("h", "m", "s"):
        moment, unit = moment.astype("datetime64[D]"), "D"
    after = moment + np.timedelta64(1, cast(Any, unit))
    return moment.astype("datetime64[ns]"), after.astype("datetime64[ns]")


def within(time: np.ndarray, texts: str | list[str]) -> np.ndarray:
    """(T,) bool: dates inside any of the spans (a list, or one text with commas)."""
    moments = np.asarray(time, dtype="datetime64[ns]")
    keep = np.zeros(moments.shape, bool)
    for text in texts.split(",") if isinstance(texts, str) else texts:
        first, last = span(text)
        keep |= (moments >= first) & (moments < last)
    return keep


def bins(time: np.ndarray, every: str | int | None) -> list[tuple[np.datetime64, np.ndarray]]:
    """Groups of dates: (first day of the group, indices of its dates), in order, empty groups left out.

    every: "month", "year", "season" (December to February, March to May ...), a number of days counted from the first
    date, or None for one group that starts at the first date.
    """
    moments = np.asarray(time, dtype="datetime64[ns]")
    if not len(moments):
        return []
    day = moments.astype("datetime64[D]")
    month = moments.astype("datetime64[M]").astype(np.int64)
    if every is None:
        start = np.full(len(day), day.min())
    elif every == "month":
        start = month.astype("datetime64[M]").astype("datetime64[D]")
    elif every == "year":
        start = moments.astype("datetime64[Y]").astype("datetime64[D]")
    elif every == "season":
        start = ((month + 1) // 3 * 3 - 1).astype("datetime64[M]").astype("datetime64[D]")
    elif (step := _step(every)) > 0:
        passed = (day - day.min()).astype(np.int64) // step
        start = day.min() + (passed * step).astype("timedelta64[D]")
    else:
        raise SwathError(
            rule="dates are grouped by month, season, year or a number of days",
            got=repr(every),
            remedy="for example --every month or --every 16",
        )
    return [(first.astype("datetime64[ns]"), np.flatnonzero(start == first)) for first in np.unique(start)]


def _step(every: str | int) -> int:
    try:
        return int(str(every).removesuffix("d"))
    except ValueError:
        return 0
