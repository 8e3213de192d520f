"""One sensor's part of a Batch as finished layers: bands that live, dates put in place, gaps filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.baseline import season, spectral
from swath.batch import Pixels
from swath.earth.sensor import Band
from swath.errors import BandError, UnitError

__all__ = ["MANY", "Layers", "fit_layers"]

MANY = 300  # layers of one sensor beyond which statistics over time stand in for single dates
SEASON_DATES = 8  # from here on dates make a season


@dataclass(frozen=True, slots=True)
class Layers:
    """What was learned of one sensor, and how its Pixels become layers.

    bands: all of them, in order. live: indices of bands with any value. day (T,): the fit's dates, NaN for one
    unknown date. fill: per live band the value for pixels that a band never saw. dates: single dates are layers.
    """

    sensor: str
    bands: tuple[Band, ...]
    live: tuple[int, ...]
    day: np.ndarray
    fill: np.ndarray

    @property
    def dates(self) -> bool:
        """Whether each date has its own layers (else statistics over time do)."""
        return len(self.day) * len(self.live) <= MANY or len(self.day) < SEASON_DATES

    @property
    def seasonal(self) -> bool:
        """Whether there are dates enough for statistics over time."""
        return len(self.day) >= SEASON_DATES

    def check(self, pixels: Pixels) -> None:
        """Refuse other bands (BandError) or other quantities and units (UnitError)."""
        want, got = [b.name for b in self.bands], [b.name for b in pixels.bands]
        if want != got:
            raise BandError(
                rule=f"{self.sensor} must have the bands that were learned: {', '.join(want)}",
                got=f"{', '.join(got)} (missing {', '.join(b for b in want if b not in got) or 'none'})",
                remedy="open it with --bands in this order, or train on the bands there are",
            )
        for a, b in zip(self.bands, pixels.bands, strict=True):
            if (a.quantity, a.units) != (b.quantity, b.units):
                raise UnitError(
                    rule=f"{self.sensor} band {a.name} was learned as {a.quantity} in {a.units}",
                    got=f"{b.quantity} in {b.units}",
                    remedy="settle the unit with --scale and --offset, or train on these units",
                )

    def series(self, pixels: Pixels, example: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Series (T, C, H, W), valid, day (T,) of the live bands; not-finite values are missing."""
        values = pixels.values[example][:, list(self.live)]
        valid = pixels.valid[example][:, list(self.live)] & np.isfinite(values)
        day = np.asarray(pixels.day[example], float)
        if not np.isfinite(day).all():
            day = np.arange(len(day), dtype=float)
        return np.where(valid, values, 0).astype(np.float32, copy=False), valid, day

    def seen(self, valid: np.ndarray) -> np.ndarray:
        """(H, W): pixels of which at least half of the live bands were seen on at least one date."""
        return np.asarray(2 * valid.any(0).sum(0) >= valid.shape[1])

    def stack(self, values: np.ndarray, valid: np.ndarray, day: np.ndarray) -> np.ndarray:
        """(L, H, W): every date's bands with gaps filled in time, or statistics over time where dates are many."""
        if not self.dates:
            return self.filled(season.statistics(values, valid)).reshape(-1, *values.shape[2:])
        wanted = self.wanted(day)
        return self.filled(season.interpolate(values, valid, day, wanted)).reshape(-1, *values.shape[2:])

    def wanted(self, day: np.ndarray) -> np.ndarray:
        """The fit's dates, moved by whole years to lie nearest to these."""
        if len(self.day) == 1:
            return day if len(day) == 1 else np.array([np.median(day)])
        if not np.isfinite(self.day).all():
            return np.arange(len(self.day), dtype=float)
        years = round(float(np.median(day) - np.median(self.day)) / season.YEAR)
        return np.asarray(self.day + np.round(years * season.YEAR))

    def filled(self, planes: np.ndarray) -> np.ndarray:
        """(N, C, H, W) with the band's usual value where NaN."""
        return np.where(np.isnan(planes), self.fill[:, None, None], planes).astype(np.float32)

    def told(self, stacked: np.ndarray) -> np.ndarray:
        """`stack` as models read it: a season of dates as mean, difference of each date from it, and steps in between.

        Trees cut along one feature at a time; level and shape apart spare them many cuts.
        """
        if not (self.dates and self.seasonal):
            return stacked
        series = stacked.reshape(len(self.day), -1, *stacked.shape[1:])
        mean = series[0].copy()
        for date in series[1:]:
            mean += date
        mean /= np.float32(len(series))
        return np.concatenate([mean[None], series - mean, series[1:] - series[:-1]]).reshape(-1, *stacked.shape[1:])

    def layer_names(self) -> list[str]:
        """Names of what `told` gives, in order."""
        bands = [f"{self.sensor}:{self.bands[i].name}" for i in self.live]
        if not self.dates:
            return [f"{b}:{s}" for s in season.STATISTIC_NAMES for b in bands]
        if len(self.day) == 1:
            return bands
        if not self.seasonal:
            return [f"{b}:{d}" for d in self._labels() for b in bands]
        parts = [
            "series mean",
            *(f"{d} - series mean" for d in self._labels()),
            *(f"step to {d}" for d in self._labels()[1:]),
        ]
        return [f"{b}:{part}" for part in parts for b in bands]

    def _labels(self) -> list[str]:
        if not np.isfinite(self.day).all():
            return [f"date{i + 1}" for i in range(len(self.day))]
        return [str(d) for d in (self.day * 86400).astype("int64").astype("datetime64[s]").astype("datetime64[D]")]

    def index_layers(self, stacked: np.ndarray) -> np.ndarray:
        """(P, H, W) normalised differences, of each date or of the statistics over time."""
        pairs = self.pairs()
        per = stacked.reshape(-1, len(self.live), *stacked.shape[1:])
        rows = [spectral.normalised_difference(step[a], step[b]) for step in per for _, a, b in pairs]
        return np.array(rows, np.float32).reshape(-1, *stacked.shape[1:])

    def index_names(self) -> list[str]:
        """Names of what `index_layers` gives."""
        steps = [""] if len(self.day) == 1 else [f":{d}" for d in self._labels()]
        steps = steps if self.dates else [f":{s}" for s in season.STATISTIC_NAMES]
        return [f"{self.sensor}:{name}{step}" for step in steps for name, _, _ in self.pairs()]

    def pairs(self) -> list[tuple[str, int, int]]:
        """Normalised differences that the live bands allow, by position among them."""
        return spectral.index_pairs(tuple(self.bands[i] for i in self.live))

    def season_layers(self, values: np.ndarray, valid: np.ndarray, day: np.ndarray) -> np.ndarray:
        """(S, H, W): statistics and harmonics over the dates, of each live band and of the first index (greenness)."""
        fill = self.fill
        if pairs := self.pairs()[:1]:
            _, a, b = pairs[0]
            green = spectral.normalised_difference(values[:, a], values[:, b])[:, None]
            values = np.concatenate([values, green], 1)
            valid = np.concatenate([valid, (valid[:, a] & valid[:, b])[:, None]], 1)
            fill = np.append(fill, spectral.normalised_difference(fill[a], fill[b]))
        parts = np.concatenate([season.statistics(values, valid), season.harmonics(values, valid, day)])
        parts[-5:] = np.nan_to_num(parts[-5:], nan=0.0)
        parts[1] = np.nan_to_num(parts[1], nan=0.0)
        parts = np.where(np.isnan(parts), fill[:, None, None], parts)
        return parts.reshape(-1, *values.shape[2:]).astype(np.float32)

    def season_names(self) -> list[str]:
        """Names of what `season_layers` gives."""
        bands = [self.bands[i].name for i in self.live] + [name for name, _, _ in self.pairs()[:1]]
        return [f"{self.sensor}:{b}:{s}" for s in (*season.STATISTIC_NAMES, *season.HARMONIC_NAMES) for b in bands]

    def state(self) -> dict[str, Any]:
        """A JSON-able record."""
        kept = ("name", "wavelength", "fwhm", "gsd", "quantity", "units", "common", "polarisation")
        number = lambda v: None if isinstance(v, float) and not np.isfinite(v) else v  # noqa: E731
        return {
            "sensor": self.sensor,
            "bands": [{k: number(getattr(b, k)) for k in kept} for b in self.bands],
            "live": list(self.live),
            "day": [number(float(d)) for d in self.day],
            "fill": [float(f) for f in self.fill],
        }

    @classmethod
    def from_state(cls, record: dict[str, Any]) -> Layers:
        """The inverse of `state`."""
        known: list[dict[str, Any]] = [{k: np.nan if v is None else v for k, v in b.items()} for b in record["bands"]]
        bands = tuple(Band(**b) for b in known)
        day = np.array([np.nan if d is None else d for d in record["day"]], float)
        return cls(record["sensor"], bands, tuple(record["live"]), day, np.array(record["fill"], np.float32))


def fit_layers(sensor: str, windows: list[Pixels]) -> Layers:
    """Learn one sensor from sampled windows: which bands live, the dates, the usual value of each band.

    Raises BandError when no band holds a value.
    """
    first = windows[0]
    valid = [w.valid & np.isfinite(w.values) for w in windows]
    live = tuple(c for c in range(len(first.bands)) if any(v[:, :, c].any() for v in valid))
    if not live:
        raise BandError(
            rule=f"{sensor} must have values", got="no valid value in any band", remedy="widen --area or --dates"
        )
    fill = [
        float(np.median(np.concatenate([w.values[:, :, c][v[:, :, c]] for w, v in zip(windows, valid, strict=True)])))
        for c in live
    ]
    return Layers(sensor, first.bands, live, np.asarray(first.day[0], float), np.array(fill, np.float32))
