"""What a chosen forecaster says of every pixel of a window, with the intervals that were learned for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swath.assess.drawn import of_pixels
from swath.assess.foretold import Intervals
from swath.baseline.forecast import Forecaster, Said, Series
from swath.baseline.rows import Rowwise, targets
from swath.batch import Batch

__all__ = ["NEW", "NOTHING", "Answer"]

NEW, NOTHING = 7, 255
_VALUES = 1_500_000  # of series that are answered at once


@dataclass(frozen=True)
class Answer:
    """Values, intervals and reasons for the dates that are wanted, of series or of a window: what `predict.series` calls.

    task: fill or forecast. seen, alone: who answers where others saw the date, and where none did (the same for forecasts),
    fitted. reasons: (rows, columns) -> (T, h, w) flags of the cube, where it has any.
    lonely (T, C): dates of the series that too few have seen. days (L,): wanted, rising. reach: (C, 2) what the band's
    numbers can be. name: of the cube in a Batch.
    """

    task: str
    seen: Forecaster
    alone: Forecaster
    intervals: Intervals
    lonely: np.ndarray
    day: np.ndarray
    days: np.ndarray
    reach: np.ndarray
    reasons: Callable[[slice, slice], np.ndarray] | None = None
    name: str = "series"

    @property
    def planes(self) -> int:
        """How many planes of a window are held beside its pixels."""
        return 6 * len(self.days) * len(self.reach)

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """{layer: (1, dates x bands, H, W)}: values, low, high, filled; and flag (1, dates, H, W)."""
        pixels = batch.pixels[self.name]
        whole = of_pixels(pixels)
        h, w = np.asarray(pixels.values).shape[-2:]
        step = max(1, _VALUES // max(1, whole.values[0].size + len(self.days) * len(self.reach)))
        parts = [self.say(whole.rows(np.arange(a, min(a + step, h * w)))) for a in range(0, h * w, step)]
        out = {}
        for key in parts[0]:
            rows = np.concatenate([p[key] for p in parts])
            out[key] = np.moveaxis(rows.reshape(h, w, -1), -1, 0)[None]
        if self.reasons is not None and self.task == "fill":
            out["filled"] = self._why(out["filled"], batch.key[0])
        return out

    def _why(self, filled: np.ndarray, key: str) -> np.ndarray:
        """The flag of the date in the stead of 1, where it has one."""
        top, left = (int(v) for v in key.split("_"))
        h, w = filled.shape[-2:]
        flags = self.reasons(slice(top, top + h), slice(left, left + w)) if self.reasons is not None else filled[0] * 0
        bands = len(self.reach)
        out = filled.copy()
        for k, day in enumerate(self.days):
            t = int(np.searchsorted(self.day, day))
            if t < len(self.day) and self.day[t] == day:
                part = out[0, k * bands : (k + 1) * bands]
                out[0, k * bands : (k + 1) * bands] = np.where((part == 1) & (flags[t] > 0), flags[t], part)
        return out

    def say(self, series: Series) -> dict[str, np.ndarray]:
        """The same of N series: (N, L, C) each, flag (N, L)."""
        if self.task == "forecast":
            said = self._ahead(series)
            filled = np.where(np.isfinite(said.value), NEW, NOTHING).astype(np.uint8)
        else:
            said, filled = self._between(series)
        known = filled == 0
        low, high = (np.where(known, np.nan, np.clip(v, *self.reach.T)) for v in (said.low, said.high))
        value = np.where(known, said.value, np.clip(said.value, *self.reach.T))
        out = {"values": value, "low": low, "high": high, "filled": filled}
        flag = np.where((filled != NOTHING).any(-1), 0, 1).astype(np.uint8)
        return {k: v.astype(np.float32) if k in ("low", "high") else v for k, v in out.items()} | {"flag": flag}

    def _ahead(self, series: Series) -> Said:
        known = np.asarray(series.valid.any(1))
        said = self.seen.forecast(series, self.days)
        lead = np.broadcast_to((self.days - self.day[-1])[None, :, None], said.value.shape)
        half = self.intervals.half(lead, np.zeros(lead.shape, bool), _spread(said))
        value = np.where(known[:, None], said.value, np.nan)
        return Said(value, value - half, value + half, self.intervals.level)

    def _between(self, series: Series) -> tuple[Said, np.ndarray]:
        known = self._on_days(series)
        ever = np.asarray(known.valid.any(1))[:, None]
        alone = np.broadcast_to(self._alone(known.day[0])[None], known.valid.shape)
        gap = targets(known, np.zeros(known.valid.shape[:2], bool))
        value = known.values.astype(np.float32).copy()
        low, high = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
        for forecaster, mask in self._turns(alone):
            said = forecaster.fill(known, _asked(forecaster, known))
            half = self.intervals.half(gap, alone, _spread(said))
            use = mask & ~known.valid
            value = np.where(use, said.value, value)
            low, high = np.where(use, said.value - half, low), np.where(use, said.value + half, high)
        there = np.where(known.valid | ever, value, np.nan)
        here = np.searchsorted(known.day[0], self.days)
        reason = np.where(known.valid, 0, np.where(np.isfinite(there), 1, NOTHING)).astype(np.uint8)
        reason = np.where((reason == 1) & self._added(known.day[0])[None, :, None], NEW, reason)
        return Said(there[:, here], low[:, here], high[:, here], self.intervals.level), reason[:, here]

    def _turns(self, alone: np.ndarray) -> list[tuple[Forecaster, np.ndarray]]:
        if self.seen is self.alone:
            return [(self.seen, np.ones(alone.shape, bool))]
        return [(self.seen, ~alone), (self.alone, alone)]

    def _on_days(self, series: Series) -> Series:
        """The series with the wanted dates put in, nothing known on those that it lacks."""
        when = np.union1d(self.day, self.days)
        if len(when) == len(self.day):
            return series
        n, _, c = series.values.shape
        place = np.searchsorted(when, self.day)
        values, valid = np.full((n, len(when), c), np.nan, np.float32), np.zeros((n, len(when), c), bool)
        values[:, place], valid[:, place] = series.values, series.valid
        return replace(series, values=values, valid=valid, day=np.broadcast_to(when, (n, len(when))))

    def _added(self, when: np.ndarray) -> np.ndarray:
        return ~np.isin(when, self.day)

    def _alone(self, when: np.ndarray) -> np.ndarray:
        """(len(when), C): dates that were put in have been seen by none."""
        out = np.ones((len(when), self.lonely.shape[1]), bool)
        out[np.searchsorted(when, self.day)] = self.lonely
        return out

    def facts(self) -> dict[str, Any]:
        """What decides its answers, for a fingerprint."""
        return {
            "task": self.task,
            "forecasters": [self.seen.name, self.alone.name],
            "intervals": self.intervals.to_json(),
            "days": [float(d) for d in self.days],
        }


def _asked(forecaster: Forecaster, known: Series) -> np.ndarray:
    """(N, T) what to ask: methods row by row say all that is missing; others are asked for dates that lack any band."""
    if isinstance(forecaster, Rowwise):
        return np.zeros(known.valid.shape[:2], bool)
    return np.asarray(~known.valid.all(-1))


def _spread(said: Said) -> np.ndarray:
    return np.asarray((np.asarray(said.high, float) - np.asarray(said.low, float)) / 2)
