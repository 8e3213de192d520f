"""A made sea under radar: waves of known height and direction, ten kinds of scene of which most are rare. Simulated.

Ten kinds after the classes of TenGeoP (Wang et al. 2019); a wave spectrum after Pierson and Moskowitz 1964 with a cosine
spread; backscatter that grows with the wind and with the slope towards the radar; multiplicative gamma speckle
(Ulaby and Long 2014). Nothing here was fitted to measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band

__all__ = ["KINDS", "SENSOR", "Sea", "sea", "zipf"]

KINDS = (
    "waves", "wind streaks", "convective cells", "low wind", "slicks", "rain cells", "atmospheric front", "oceanic front",
    "sea ice", "icebergs",
)  # fmt: skip
SENSOR = "sentinel-1-wave"
BAND = Band("VV", gsd=50.0, quantity="backscatter", units="1", polarisation="VV")


@dataclass(frozen=True, slots=True)
class Sea:
    """N scenes with their truth: kind (N,) index into KINDS, height (N,) significant wave height m, direction (N,) rad,
    wind (N,) m/s, mode (N,) 0 or 1 (near or far incidence: a nuisance), copy_of (N,): index of the same scene, or -1.

    batch: one band of backscatter (linear, VV), place = the pass a scene lies on, target = kind.
    """

    batch: Batch
    kind: np.ndarray
    height: np.ndarray
    direction: np.ndarray
    wind: np.ndarray
    mode: np.ndarray
    copy_of: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


def zipf(kinds: int = len(KINDS), exponent: float = 2.9) -> np.ndarray:
    """Shares i^-exponent: with 2.9 the commonest of ten has 82 %, the rarest 0.1 %; with 0 all are equal."""
    share = np.arange(1, kinds + 1, dtype=float) ** -exponent
    return np.asarray(share / share.sum())


def sea(
    n: int,
    *,
    seed: int = 0,
    size: int = 32,
    shares: Sequence[float] | np.ndarray | None = None,
    duplicates: float = 0.0,
    looks: float = 4.0,
    per_pass: int = 20,
) -> Sea:
    """Draw `n` scenes of `size` pixels of 50 m. shares: of the ten kinds, `zipf()` by default; each has one at least.

    duplicates: share of the n that repeat another scene bit by bit. looks: of the speckle. per_pass: scenes that follow
    each other on a pass (one place), with one wind and swell.
    """
    rng = np.random.default_rng([seed, 41])
    own = n - round(n * duplicates)
    share = zipf() if shares is None else np.asarray(shares, float)
    kind = rng.choice(len(share), own, p=share / share.sum())
    if own >= 2 * len(share):
        kind[rng.permutation(own)[: len(share)]] = np.arange(len(share))
    passes = np.arange(own) // per_pass
    count = int(passes.max()) + 1
    wind = np.clip(rng.gamma(6.0, 1.3, count)[passes] + rng.normal(0, 0.5, own), 3.0, 18.0)
    wind = np.where(kind == KINDS.index("low wind"), rng.uniform(0.5, 2.0, own), wind)
    height = np.clip(0.022 * wind**2 + rng.gamma(3.0, 0.5, count)[passes] + rng.normal(0, 0.1, own), 0.3, 9.0)
    direction = (rng.uniform(0, 2 * np.pi, count)[passes] + rng.normal(0, 0.2, own)) % (2 * np.pi)
    mode = rng.integers(0, 2, own)
    values = np.stack([
        _scene(rng, KINDS[kind[i]], height[i], direction[i], wind[i], int(mode[i]), size, looks) for i in range(own)
    ]).astype(np.float32)  # fmt: skip
    again = rng.integers(own, size=n - own)
    rows = np.concatenate([np.arange(own), again])
    copy_of = np.concatenate([np.full(own, -1), again])
    order = rng.permutation(n)
    where = np.empty(n, np.int64)
    where[order] = np.arange(n)
    rows, copy_of = rows[order], copy_of[order]
    copy_of = np.where(copy_of >= 0, where[np.maximum(copy_of, 0)], -1)
    lonlat = np.stack(
        [-150.0 + 2.0 * (passes % 60), -50.0 + 1.5 * (passes // 60) + 0.03 * (np.arange(own) % per_pass)], 1
    )
    pixels = Pixels(
        values=values[rows][:, None, None],
        valid=np.ones((n, 1, 1, size, size), bool),
        bands=(BAND,),
        gsd=50.0,
        day=18_000.0 + passes[rows, None].astype(float),
        lonlat=lonlat[rows],
    )
    batch = Batch(
        {SENSOR: pixels},
        target=kind[rows],
        key=tuple(f"scene{i}" for i in range(n)),
        place=tuple(f"pass{seed}_{p}" for p in passes[rows]),
    )
    return Sea(batch, kind[rows], height[rows], direction[rows], wind[rows], mode[rows], copy_of)


def _scene(
    rng: np.random.Generator,
    kind: str,
    height: float,
    direction: float,
    wind: float,
    mode: int,
    size: int,
    looks: float,
) -> np.ndarray:
    """Backscatter (size, size), linear."""
    slope = _waves(rng, height, direction, size)
    level = (0.18 if mode == 0 else 0.035) * (wind / 7.0) ** (0.6 if mode == 0 else 1.4)
    field = np.maximum(1 + (2.0 if mode == 0 else 3.0) * slope, 0.05)
    field = field * np.exp(_PATTERNS[kind](rng, size, direction, wind))
    return np.asarray(level * field * rng.gamma(looks, 1 / looks, (size, size)))


def _waves(rng: np.random.Generator, height: float, direction: float, size: int) -> np.ndarray:
    """Slope along the look of a random sea whose elevation has the given significant height; waves of 150 to 600 m."""
    k = np.fft.fftfreq(size, 50.0) * 2 * np.pi
    kx, ky = np.meshgrid(k, k)
    size_k = np.hypot(kx, ky)
    peak = 2 * np.pi / (120.0 + 60.0 * height)
    with np.errstate(divide="ignore", invalid="ignore"):
        spectrum = np.where(size_k > 0, size_k**-4 * np.exp(-1.25 * (peak / size_k) ** 2), 0.0)
    spectrum *= np.cos((np.arctan2(ky, kx) - direction) / 2) ** 12
    noise = np.fft.fft2(rng.normal(size=(size, size)))
    amplitude = np.sqrt(spectrum) * noise
    elevation = np.fft.ifft2(amplitude).real
    scale = height / 4 / max(float(elevation.std()), 1e-12)
    return np.fft.ifft2(1j * (kx + 0.3 * ky) * amplitude).real * scale


def _grid(size: int, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across an angle, -1 to 1."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _smooth(rng: np.random.Generator, size: int, length: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.normal(size=(size, size)), length, mode="wrap")
    return np.asarray(field / max(float(field.std()), 1e-12))


def _blobs(rng: np.random.Generator, size: int, count: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size]
    out = np.zeros((size, size))
    for row, column in rng.uniform(0, size, (count, 2)):
        r = radius * rng.uniform(0.6, 1.5)
        out = np.maximum(out, np.exp(-0.5 * ((y - row) ** 2 + (x - column) ** 2) / r**2))
    return out


def _streaks(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    _, across = _grid(size, direction)
    return 0.25 * np.sin(2 * np.pi * (across * rng.uniform(2, 4) + rng.random()) + 0.3 * _smooth(rng, size, 4))


def _cells(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    return np.asarray(0.3 * np.abs(_smooth(rng, size, size / 12)) - 0.2)


def _rain(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    inner, outer = _blobs(rng, size, int(rng.integers(1, 4)), size / 16), _smooth(rng, size, size / 10)
    return np.asarray(1.3 * inner - 0.4 * (inner > 0.2) * np.abs(outer))


def _slicks(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    lines = np.abs(_smooth(rng, size, size / 8)) < 0.12
    return np.asarray(-1.2 * lines)


def _front(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    along, _ = _grid(size, rng.uniform(0, 2 * np.pi))
    return rng.uniform(0.5, 0.9) * np.tanh((along + 0.15 * _smooth(rng, size, size / 6) + rng.uniform(-0.4, 0.4)) * 8)


def _line(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    along, _ = _grid(size, rng.uniform(0, 2 * np.pi))
    away = along + 0.2 * _smooth(rng, size, size / 6) + rng.uniform(-0.4, 0.4)
    return np.asarray(rng.choice([-1.0, 1.0]) * 1.1 * np.exp(-0.5 * (away / 0.06) ** 2))


def _ice(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    floes = _smooth(rng, size, size / 14)
    return np.where(floes > 0.1, 0.9 + 0.2 * _smooth(rng, size, 1), -0.6)


def _bergs(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    return 2.6 * (_blobs(rng, size, int(rng.integers(1, 4)), 0.9) > 0.4)


def _low(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    return -0.5 + 0.5 * _smooth(rng, size, size / 7)


def _none(rng: np.random.Generator, size: int, direction: float, wind: float) -> np.ndarray:
    return np.zeros((size, size))


_PATTERNS = dict(zip(KINDS, (_none, _streaks, _cells, _low, _slicks, _rain, _front, _line, _ice, _bergs), strict=True))
