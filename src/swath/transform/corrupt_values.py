"""What noise, optics, light, air, lost lines and storage do to values; each a function of a View and its strength.

A View is one example; what is drawn comes from its generator and does not depend on the level, so that levels nest: the
same cloud grows.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.earth.sensor import Band

__all__ = ["OPTICAL", "View", "Worse", "brightness_contrast", "clouds", "clouds_and_shadow", "coarse", "compression", "gaps",
           "gaussian_blur", "gaussian_noise", "haze", "motion_blur", "salt_and_pepper"]  # fmt: skip

OPTICAL = ("reflectance", "toa_reflectance", "radiance", "digital_number")
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
RAMP = 8.0  # pixels from a cloud's edge to where it is opaque
PERIOD = 40.0  # pixels between stripes


@dataclass(frozen=True, slots=True)
class View:
    """One example. values (T, C, H, W), finite where valid; low, mean, high (T, C, 1, 1): 2 %, mean and 98 % of each band;
    full (C,): the whole number range of an 8-bit band, else NaN; day (T,).
    """

    values: Floats
    valid: Mask
    bands: tuple[Band, ...]
    low: Floats
    mean: Floats
    high: Floats
    full: NDArray[np.float64]
    rng: np.random.Generator
    level: int
    by_full_range: bool = False
    zero: bool = False

    @property
    def optical(self) -> NDArray[np.bool_]:
        """(C,): bands of light."""
        return np.array([b.quantity in OPTICAL for b in self.bands])

    @property
    def span(self) -> Floats:
        """(T, C, 1, 1) range of each band, 2-98 %, or all 255 steps of an 8-bit one where so asked."""
        own = self.high - self.low
        whole = self.full[None, :, None, None]
        return np.where(np.isfinite(whole) & self.by_full_range, whole, own).astype(np.float32)

    def filled(self) -> Floats:
        """Values with each band's mean where nothing was seen."""
        return np.where(self.valid, self.values, self.mean).astype(np.float32)


Worse = tuple[Floats, Mask]


def gaussian_noise(view: View, share: float) -> Worse:
    """Independent noise at every value."""
    drawn = view.rng.standard_normal(view.values.shape, dtype=np.float32)
    return view.values + np.float32(share) * view.span * drawn, view.valid


def salt_and_pepper(view: View, share: float) -> Worse:
    """Pixels at the largest or smallest value of their band, the same pixels in all bands of a date."""
    out = view.values.copy()
    h, w = out.shape[2:]
    ends = np.where(view.valid, out, np.inf).min((2, 3)), np.where(view.valid, out, -np.inf).max((2, 3))
    eight = np.isfinite(view.full)
    low, high = np.where(eight, 0, ends[0]), np.where(eight, 255, ends[1])
    for t in range(len(out)):
        order, salt = view.rng.permutation(h * w), view.rng.random(h * w) < 0.5
        hit = order[: _count(share, h * w, view.level)]
        flat = out[t].reshape(len(view.bands), -1)
        flat[:, hit] = np.where(salt[hit], high[t][:, None], low[t][:, None])
    return out, view.valid


def gaussian_blur(view: View, sigma: float) -> Worse:
    """Gaussian smearing of valid values."""
    from scipy.ndimage import gaussian_filter

    return _smeared(
        view, lambda a: gaussian_filter(a, (0,) * (a.ndim - 2) + (sigma, sigma), mode="reflect")
    ), view.valid


def motion_blur(view: View, length: float) -> Worse:
    """Smearing along a line at 45 degrees, one tap a pixel of its length."""
    along = (np.arange(round(length)) - (round(length) - 1) / 2) / math.sqrt(2)
    taps: dict[tuple[int, int], float] = {}
    for a in along:
        i, f = math.floor(a), a - math.floor(a)
        for dy, wy in ((i, 1 - f), (i + 1, f)):
            for dx, wx in ((i, 1 - f), (i + 1, f)):
                if wy * wx > 1e-9:
                    taps[-dy, dx] = taps.get((-dy, dx), 0.0) + wy * wx / len(along)
    reach = max(max(abs(y), abs(x)) for y, x in taps)

    def smear(a: Floats) -> Floats:
        h, w = a.shape[-2:]
        wide = np.pad(a, [(0, 0)] * (a.ndim - 2) + [(reach, reach)] * 2, mode="symmetric")
        out = np.zeros(a.shape, np.float32)
        for (dy, dx), share in taps.items():
            out += np.float32(share) * wide[..., reach + dy : reach + dy + h, reach + dx : reach + dx + w]
        return out

    return _smeared(view, smear), view.valid


def _smeared(view: View, smear: Callable[[Floats], Floats]) -> Floats:
    """A linear smearing of valid values only."""
    if view.valid.all():
        return np.asarray(smear(view.values), np.float32)
    weight = smear(view.valid.astype(np.float32))
    total = smear(np.where(view.valid, view.values, 0).astype(np.float32))
    return np.asarray(total / np.where(weight > 1e-6, weight, 1), np.float32)


def brightness_contrast(view: View, gain: float, more: float) -> Worse:
    """Light bands towards their mean and brighter."""
    out = view.mean + np.float32(gain) * (view.values - view.mean) + np.float32(more) * (view.high - view.low)
    return _only(view, out), view.valid


def clouds(view: View, share: float) -> Worse:
    """A few soft white clouds a date, opaque inside, over the bands of light."""
    return _clouded(view, share, shadow=False), view.valid


def clouds_and_shadow(view: View, share: float) -> Worse:
    """Clouds that darken the ground beside them to 0.4 of its light."""
    return _clouded(view, share, shadow=True), view.valid


def _clouded(view: View, share: float, *, shadow: bool) -> Floats:
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    out = view.values.copy()
    t, _, h, w = out.shape
    core = _cloud_values(view)
    angle = view.rng.uniform(0, 2 * math.pi)
    for date in range(t):
        field = gaussian_filter(view.rng.standard_normal((h, w)), max(2.0, min(h, w) / 9), mode="reflect")
        there = np.zeros(h * w, bool)
        there[np.argsort(-field.ravel(), kind="stable")[: _count(share, h * w, view.level)]] = True
        inside = np.pad(there.reshape(h, w), 1, constant_values=bool(there.all()))  # a cloud that fills it has no edge
        deep = distance_transform_edt(inside)[1:-1, 1:-1] if not there.all() else np.full((h, w), RAMP)
        cover = np.minimum(deep / RAMP, 1).astype(np.float32)
        light = out[date]
        if shadow:
            away = max(3.0, min(h, w) / 9)
            dy, dx = round(away * math.sin(angle)), round(away * math.cos(angle))
            shade = _rolled(cover, dy, dx) * (1 - cover)
            light = light * (1 - np.float32(0.6) * shade)
        out[date] = light * (1 - cover) + core[date] * cover
    return _only(view, out)


def _cloud_values(view: View) -> Floats:
    """(T, C, 1, 1) what a thick cloud reads: reflectance .8, .5 beyond 1300 nm; other light a quarter of the range above
    its bright end.
    """
    bright = view.high + 0.25 * (view.high - view.low)
    known = [
        (0.5 if b.wavelength > 1300 else 0.8) if "reflectance" in b.quantity else (255.0 if full == 255 else math.nan)
        for b, full in zip(view.bands, view.full, strict=True)
    ]
    fixed = np.array(known, np.float32)[None, :, None, None]
    return np.where(np.isfinite(fixed), fixed, bright).astype(np.float32)


def _rolled(a: Floats, dy: int, dx: int) -> Floats:
    """Moved by whole pixels, nothing coming in."""
    h, w = a.shape
    out = np.zeros_like(a)
    if abs(dy) >= h or abs(dx) >= w:
        return out
    out[max(0, dy) : h + min(0, dy), max(0, dx) : w + min(0, dx)] = a[
        max(0, -dy) : h - max(0, dy), max(0, -dx) : w - max(0, dx)
    ]
    return out


def haze(view: View, transmission: float) -> Worse:
    """Light of the air before the bands of light, more in the blue: v * t + A * (1 - t), A = 0.9 of the bright end.

    The transmission of a band is t to the power (550 / wavelength) ** 1.3, as an aerosol's (Angstrom 1929).
    """
    nm = np.array([b.wavelength if math.isfinite(b.wavelength) else 550.0 for b in view.bands])
    t = (transmission ** ((550.0 / nm) ** 1.3)).astype(np.float32)[None, :, None, None]
    return _only(view, view.values * t + np.float32(0.9) * view.high * (1 - t)), view.valid


def gaps(view: View, width: float) -> Worse:
    """Diagonal stripes without values, as a scanner without its line corrector leaves them; one runs through the picture.

    Each date has its own: the next overpass loses other ground.
    """
    t, _, h, w = view.values.shape
    diagonal = np.arange(h)[:, None] + np.arange(w)[None]
    start = np.asarray(view.rng.integers(h, size=t) + view.rng.integers(w, size=t))
    period = PERIOD * math.sqrt(2)
    apart = np.abs((diagonal - start[:, None, None, None] + period / 2) % period - period / 2)
    lost = apart <= width * math.sqrt(2) / 2
    if view.zero:
        return np.where(lost, np.float32(0), view.values), view.valid
    return np.where(lost, np.float32(np.nan), view.values), view.valid & ~lost


def compression(view: View, quality: float) -> Worse:
    """JPEG of three bands at a time, from their least to their largest value (8-bit bands as they are)."""
    from PIL import Image

    x = view.filled()
    out = x.copy()
    low, high = x.min((2, 3), keepdims=True), x.max((2, 3), keepdims=True)
    eight = np.isfinite(view.full)[None, :, None, None]
    low, high = np.where(eight, 0, low), np.where(eight, 255, high)
    span = np.where(high > low, high - low, 1).astype(np.float32)
    steps = np.rint((x - low) / span * 255).clip(0, 255).astype(np.uint8)
    for t, date in enumerate(steps):
        for c in range(0, len(date), 3):
            some = date[c : c + 3]
            picture = some[0] if len(some) == 1 else np.moveaxis(some[[0, 1, -1]], 0, -1)
            stream = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(picture)).save(stream, "JPEG", quality=round(quality))
            back = np.asarray(Image.open(stream), np.float32)
            back = back[None] if back.ndim == 2 else np.moveaxis(back, -1, 0)[: len(some)]
            out[t, c : c + 3] = back
    return np.asarray(out / 255 * span + low, np.float32), view.valid


def coarse(view: View, side: float) -> Worse:
    """Means over squares of pixels at the old size: what a coarser instrument would have seen."""
    h, w = view.values.shape[2:]
    factor = round(side)
    columns = np.arange(w) // factor
    cell = (np.arange(h)[:, None] // factor * (columns[-1] + 1) + columns).ravel()
    weight = view.valid.reshape(-1, h * w)
    flat = np.where(weight, view.values.reshape(-1, h * w), 0)
    total = np.stack([np.bincount(cell, plane) for plane in flat])
    count = np.stack([np.bincount(cell, plane) for plane in weight.astype(float)])
    mean = (total / np.maximum(count, 1))[:, cell]
    return np.asarray(mean.reshape(view.values.shape), np.float32), view.valid


def _only(view: View, out: Floats) -> Floats:
    """The bands of light changed, the others as they were."""
    return np.where(view.optical[None, :, None, None], out, view.values).astype(np.float32)


def _count(share: float, n: int, level: int) -> int:
    """How many of n: the share, at least one more for every level."""
    return min(n, max(level, round(share * n)))
