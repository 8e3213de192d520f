"""Dates of several sensors on one list of steps, for encoders that take a series of months or dates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from swath.errors import SwathError

__all__ = ["APART", "by_day", "by_month", "month_of", "nearest", "union"]

APART = 25.0  # days: steps of 30 days may fall into one calendar month, two scenes of a month may not be steps
_TURNS = 4  # steps in one month at most, so that (month, turn) is one number


def month_of(day: np.ndarray) -> np.ndarray:
    """Months since January 1970 of days since 1970, int64; -1 where the day is NaN."""
    known = np.isfinite(day)
    whole = np.where(known, np.floor(np.nan_to_num(day)), 0).astype("datetime64[D]")
    return np.where(known, whole.astype("datetime64[M]").astype(np.int64), -1)


def by_month(day: np.ndarray, *, name: str, most: int) -> np.ndarray:
    """(B, T) days -> (B, T) keys that sort as time does: the month and which of its steps; -1 for no date.

    Raises SwathError where two steps of one month lie less than 25 days apart.
    """
    month = month_of(day)
    keys = np.full(month.shape, -1, np.int64)
    for b in range(len(day)):
        order = np.argsort(day[b], kind="stable")  # NaN comes last
        last, turn = (-1, np.nan), 0
        for t in order[: int(np.isfinite(day[b]).sum())]:
            turn = turn + 1 if month[b, t] == last[0] else 0
            if turn and day[b, t] - last[1] < APART:
                n = int(np.isfinite(day[b]).sum())
                raise SwathError(
                    rule=f"{name} reads one value a month, at most {most} months",
                    got=f"{n} dates, two of them {day[b, t] - last[1]:.0f} days apart in one month",
                    remedy="make monthly medians with swath prepare, or leave dates out with --dates",
                )
            last = (month[b, t], day[b, t])
            keys[b, t] = month[b, t] * _TURNS + turn
    return keys


def by_day(day: np.ndarray) -> np.ndarray:
    """(B, T) days -> (B, T) whole days since 1970; -1 for no date."""
    return np.where(np.isfinite(day), np.floor(np.nan_to_num(day)), -1).astype(np.int64)


def union(keys: Mapping[str, np.ndarray], *, name: str, most: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One sorted list of steps for each example: (B, T) keys, -1 where an example has fewer; and each sensor's place in it.

    keys: {sensor: (B, t) keys, -1 for no date}. The places are (B, t) indices, -1 for no date. Raises SwathError where
    there are none or more than `most`.
    """
    sorted_, count = [], len(next(iter(keys.values()))) if keys else 0
    for b in range(count):
        found = np.unique(np.concatenate([k[b] for k in keys.values()]))
        sorted_.append(found[found >= 0])
    longest = max((len(s) for s in sorted_), default=0)
    if not longest or min(len(s) for s in sorted_) == 0:
        raise SwathError(
            rule=f"{name} asks for the date of what it reads", got="no date", remedy="give scenes with their dates"
        )
    if longest > most:
        raise SwathError(
            rule=f"{name} reads at most {most} steps",
            got=f"{longest} dates",
            remedy="make monthly medians with swath prepare, or leave dates out with --dates",
        )
    steps = np.full((count, longest), -1, np.int64)
    for b, found in enumerate(sorted_):
        steps[b, : len(found)] = found
    places = {
        sensor: np.stack([np.where(k[b] >= 0, np.searchsorted(sorted_[b], k[b]), -1) for b in range(count)])
        for sensor, k in keys.items()
    }
    return steps, places


def nearest(values: Tensor, height: int, width: int) -> Tensor:
    """(..., h, w) over the same ground with other pixels: (..., height, width), the nearest value."""
    for dim, wanted in ((-2, height), (-1, width)):
        size = values.shape[dim]
        if size != wanted:
            index = torch.div((torch.arange(wanted) * 2 + 1) * size, 2 * wanted, rounding_mode="floor")
            values = values.index_select(dim, index.to(values.device))
    return values
