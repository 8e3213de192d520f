"""Made seasons whose right answer is known: series of a double logistic curve by class, with clouds, and a second sensor.

Each place has a class, a shift of its season and a vigour; both sensors see the same hidden state. Given the shift, all
values are a normal distribution, so the probability of every class is computed, and with it the accuracy that no method
can exceed. Simulated throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swath.earth.sensor import Band

__all__ = ["CLASSES", "Season", "bands", "posterior", "seasons"]

CLASSES = ("winter crop", "summer crop", "late crop", "meadow", "evergreen")
# Per class: day of rise, its width, day of fall, its width, mean height of the curve over its base.
_CURVES = np.array([
    [95.0, 10.0, 190.0, 9.0, 0.55], [150.0, 11.0, 250.0, 12.0, 0.55], [172.0, 11.0, 268.0, 11.0, 0.52],
    [105.0, 16.0, 285.0, 18.0, 0.42], [85.0, 25.0, 310.0, 25.0, 0.20],
])  # fmt: skip
_BASE = np.array([0.20, 0.20, 0.20, 0.26, 0.42])
SHIFT, VIGOUR = 14.0, 0.12  # deviations: days of the season's shift, share of the height
OPTICAL_NOISE, RADAR_NOISE = 0.06, 1.2  # NDVI, dB
_LAG, _GAIN, _SOIL = 8.0, 7.0, -19.0  # the radar follows 8 days later: dB at height 1, dB of bare ground
_FIRST = 17897.0  # 2019-01-01
_GRID = np.linspace(-3.5, 3.5, 57)  # shifts that the integral runs over, in deviations


@dataclass(frozen=True)
class Season:
    """Series of N places. ndvi, vh (N, T) with noise, clear, heard (N, T) bool: what is valid; day, vh_day (N, T) days since
    1970; target (N,); truth (N, T) NDVI without noise and cloud; place (N,) text.
    """

    ndvi: np.ndarray
    clear: np.ndarray
    day: np.ndarray
    vh: np.ndarray
    heard: np.ndarray
    vh_day: np.ndarray
    target: np.ndarray
    truth: np.ndarray
    place: np.ndarray


def bands() -> tuple[Band, Band]:
    """Of the optical and of the radar series."""
    return Band("NDVI", gsd=10.0, quantity="index", units="1"), Band("VH", gsd=10.0, quantity="backscatter", units="dB")


def _height(classes: np.ndarray, doy: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(N, T) curve of height about 0 to 1 for vigour 1."""
    rise, wide, fall, wane, height = (_CURVES[classes, i][:, None] for i in range(5))
    d = doy - shift[:, None]
    return np.asarray(height / (1 + np.exp(-(d - rise) / wide)) * (1 - 1 / (1 + np.exp(-(d - fall) / wane))))


def seasons(n: int, seed: int, *, dates: int = 36, cloud: float = 0.4) -> Season:
    """`n` places over one year; every date has a jitter of its own, clouds come in runs. The radar sees 18 dates, always."""
    rng = np.random.default_rng([seed, 401])
    target = rng.integers(0, len(CLASSES), n)
    shift, vigour = rng.normal(0, SHIFT, n), rng.normal(1, VIGOUR, n)
    optical = np.sort((np.arange(dates) + rng.uniform(0.1, 0.9, (n, dates))) * 365 / dates, 1)
    radar = np.sort((np.arange(18) + rng.uniform(0.1, 0.9, (n, 18))) * 365 / 18, 1)
    truth = _BASE[target][:, None] + vigour[:, None] * _height(target, optical, shift)
    weather = rng.random((n, dates))
    cloudy = (weather < cloud * 0.6) | (np.roll(weather, 1, 1) < cloud * 0.5)
    vh = _SOIL + _GAIN * vigour[:, None] * _height(target, radar - _LAG, shift)
    return Season(
        (truth + rng.normal(0, OPTICAL_NOISE, truth.shape)).astype(np.float32), ~cloudy, _FIRST + optical,
        (vh + rng.normal(0, RADAR_NOISE, vh.shape)).astype(np.float32), np.ones(vh.shape, bool), _FIRST + radar,
        target, truth.astype(np.float32), np.array([f"made {i // 20}" for i in range(n)]),
    )  # fmt: skip


def posterior(made: Season, *, radar: bool = False) -> np.ndarray:
    """(N, K) probability of each class given the clear values (with the radar's, if asked): classes alike likely beforehand.

    Given class and shift the values are normal with mean base + height and covariance noise + vigour^2 height height'; the
    shift is integrated over a grid.
    """
    n = len(made.target)
    weight = np.exp(-(_GRID**2) / 2)
    log = np.full((n, len(CLASSES), len(_GRID)), -np.inf)
    for k in range(len(CLASSES)):
        code = np.full(n, k)
        for j, z in enumerate(_GRID):
            late = np.full(n, z * SHIFT)
            shape = _height(code, made.day - _FIRST, late)
            parts = [(made.ndvi - _BASE[k], shape, made.clear, OPTICAL_NOISE)]
            if radar:
                heard = _GAIN * _height(code, made.vh_day - _FIRST - _LAG, late)
                parts.append((made.vh - _SOIL, heard, made.heard, RADAR_NOISE))
            log[:, k, j] = _normal(parts) + np.log(weight[j])
    top = log.max((1, 2), keepdims=True)
    p = np.exp(log - top).sum(2)
    return np.asarray(p / p.sum(1, keepdims=True))


def _normal(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """(N,) log density, up to a number, of values = vigour * shape + noise with vigour normal about 1 (Woodbury)."""
    left = energy = both = 0.0
    for values, shape, valid, noise in parts:
        off = np.where(valid, values - shape, 0) / noise
        s = np.where(valid, shape, 0) / noise
        left, both, energy = left + (off**2).sum(1), both + (off * s).sum(1), energy + (s**2).sum(1)
    scale = 1 + VIGOUR**2 * energy
    return np.asarray(-0.5 * (left - VIGOUR**2 * both**2 / scale) - 0.5 * np.log(scale))
