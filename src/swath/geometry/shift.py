"""How far two pictures of one place are shifted against each other, to parts of a pixel; and moving a picture so far.

Found by the directions of edges, which survive another season, another stretch and even turned contrast. For each
pixel the gradient g is kept as g^2 / |g| (the doubled angle, so that dark-to-bright and bright-to-dark agree), and the
two fields are correlated in blocks; the blocks' correlations are added, so that what really changed, here and there,
votes for nothing. Sub-pixel peak: matrix Fourier transform around the whole-pixel one (Guizar-Sicairos et al. 2008,
Optics Letters 33, 156). Orientation correlation: Fitch et al. 2002, BMVC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Registration", "blocks_of", "register", "registration", "shift"]

Floats = NDArray[np.float64]
TAPS = 3  # of Lanczos' kernel on each side
SIDE = 128  # pixels of a block
ROUNDS = 3
SURE = 0.2  # confidence below which a shift is not used
LEAST = 16  # a smaller picture tells no shift
FINE = 50  # steps of a pixel


@dataclass(frozen=True, slots=True)
class Registration:
    """`shift(b, dy, dx)` lies on a. se_y, se_x: standard errors in pixels (jackknife over blocks, NaN for few).

    confidence: 0 to 1, how far the best shift stands out: 1 - (highest value elsewhere / best), 0 for what chance gives.
    blocks: how many took part.
    agreement: correlation of edge directions at the best shift. reach: largest shift that was looked for, in pixels.
    """

    dy: float
    dx: float
    confidence: float
    se_y: float
    se_x: float
    blocks: int
    agreement: float
    reach: int

    @property
    def sure(self) -> bool:
        """Whether the shift can be used: it stands out, and is known to half a pixel."""
        return bool(np.isfinite(self.length) and self.confidence >= SURE and not self.se > 0.5)

    @property
    def words(self) -> tuple[str, str]:
        """How far b lies down and right of a, signed, to two digits."""
        return f"{0.0 - round(self.dy, 2):+.2f}", f"{0.0 - round(self.dx, 2):+.2f}"

    @property
    def length(self) -> float:
        """Of the shift, in pixels."""
        return float(np.hypot(self.dy, self.dx))

    @property
    def se(self) -> float:
        """Standard error of the shift along its worse axis, in pixels."""
        return float(max(self.se_y, self.se_x)) if np.isfinite([self.se_y, self.se_x]).all() else float("nan")


NONE = Registration(float("nan"), float("nan"), 0.0, float("nan"), float("nan"), 0, 0.0, 0)


def shift(x: ArrayLike, dy: float, dx: float) -> NDArray[np.float32]:
    """The picture moved down by dy and right by dx pixels: out(r, c) = x(r - dy, c - dx), by Lanczos (3 lobes).

    x: (..., H, W); NaN is missing and takes no part; a pixel of which less than half is seen, or which comes from
    outside, is NaN. Whole-pixel shifts copy.

    >>> shift([[1.0, 2.0, 3.0]], 0, 1).tolist()
    [[nan, 1.0, 2.0]]
    """
    values = np.asarray(x, np.float64)
    seen = np.isfinite(values)
    out, weight = np.where(seen, values, 0.0), seen.astype(np.float64)
    for axis, by in ((-2, float(dy)), (-1, float(dx))):
        if by:
            out, weight = _moved(out, by, axis), _moved(weight, by, axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0.5, out / weight, np.nan).astype(np.float32)


def _moved(values: Floats, by: float, axis: int) -> Floats:
    """Sum of taps; outside counts as 0."""
    n = values.shape[axis]
    base = int(np.floor(-by))
    t = -by - base
    offsets = np.arange(-TAPS + 1, TAPS + 1) if t > 1e-9 else np.array([0])
    weights = np.sinc(t - offsets) * np.sinc((t - offsets) / TAPS) if t > 1e-9 else np.ones(1)
    moved = np.moveaxis(values, axis, -1)
    out = np.zeros_like(moved)
    for w, offset in zip(weights / weights.sum(), offsets, strict=True):
        step = base + int(offset)  # out[i] takes values[i + step]
        low, high = max(0, -step), min(n, n - step)
        if low < high:
            out[..., low:high] += w * moved[..., low + step : high + step]
    return np.moveaxis(out, -1, axis)


def register(a: ArrayLike, b: ArrayLike, *, reach: int | None = None) -> tuple[float, float, float]:
    """(dy, dx, confidence): `shift(b, dy, dx)` lies on a. See `Registration`.

    a, b: (H, W) or (C, H, W) of one size, NaN where missing; bands are taken in pairs, one by one.
    (NaN, NaN, 0) where nothing can be told: no edges, or a picture smaller than 16 pixels.
    """
    found = registration([(np.asarray(a, float), np.asarray(b, float))], reach=reach)
    return found.dy, found.dx, found.confidence


def registration(pairs: Iterable[tuple[ArrayLike, ArrayLike]], *, reach: int | None = None) -> Registration:
    """The common shift of pairs of windows, each (H, W) or (C, H, W) of one size.

    reach: the largest shift that is looked for, in pixels; a quarter of a block's side by default.
    """
    windows = [(np.asarray(a, float), np.asarray(b, float)) for a, b in pairs]
    found = first = _once(windows, reach)
    for _ in range(ROUNDS):  # what is left after moving is found without the pull to whole pixels
        if not np.isfinite(found.length) or found.confidence <= 0:
            return first
        moved = [(a, shift(b, found.dy, found.dx).astype(float)) for a, b in windows]
        rest = _once(moved, 2)
        if not np.isfinite(rest.length) or rest.length > 1:
            break
        found = replace(
            rest, dy=found.dy + rest.dy, dx=found.dx + rest.dx, confidence=first.confidence, reach=first.reach
        )
    return found


def _once(pairs: Iterable[tuple[Floats, Floats]], reach: int | None) -> Registration:
    spectra, power, side = [], [], 0
    for first, second in pairs:
        for a, b in blocks_of(first, second):
            got = None if side and a.shape[-1] != side else _cross(a, b)
            if got is not None:
                side = a.shape[-1]
                spectra.append(got[0])
                power.append(got[1])
    if not spectra:
        return NONE
    parts, strength = np.stack(spectra), np.stack(power)
    far = min(reach or side // 4, side // 2 - 2)
    whole = parts.sum(0)
    surface = np.real(np.fft.ifft2(whole))
    rows, columns, value, second_best = _peak(surface, far)
    dy, dx = _fine(whole, rows, columns)
    top = float(np.sqrt(strength[:, 0].sum() * strength[:, 1].sum()))
    confidence = float(np.clip(1 - second_best / value, 0, 1)) if value > 0 else 0.0
    se_y, se_x = _jackknife(parts, whole, rows, columns)
    return Registration(dy, dx, confidence, se_y, se_x, len(parts), float(np.clip(value / top, 0, 1)), far)


def blocks_of(a: Floats, b: Floats) -> Iterable[tuple[Floats, Floats]]:
    """Square blocks (C, s, s) of both, half overlapping; s is 128 pixels or what the picture has."""
    a, b = (v[None] if v.ndim == 2 else v for v in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"two pictures to register have one shape; got {a.shape} and {b.shape}")
    side = min(SIDE, *a.shape[-2:])
    if side < LEAST:
        return
    starts = [
        np.unique(np.linspace(0, n - side, max(1, -(-2 * (n - side) // side) + 1)).astype(int)) for n in a.shape[-2:]
    ]
    for top in starts[0]:
        for left in starts[1]:
            cut = (slice(None), slice(top, top + side), slice(left, left + side))
            yield a[cut], b[cut]


def _cross(a: Floats, b: Floats) -> tuple[np.ndarray, Floats] | None:
    """Cross-spectrum of the edge directions of a block, summed over bands, and the power of both; None without edges."""
    window = np.hanning(a.shape[-1] + 2)[1:-1]
    taper = window[:, None] * window
    total: np.ndarray | None = None
    power = np.zeros(2)
    for one, other in zip(a, b, strict=True):
        first, second = _directions(one), _directions(other)
        if first is None or second is None:
            continue
        fa, fb = np.fft.fft2(first * taper), np.fft.fft2(second * taper)
        total = fa * np.conj(fb) if total is None else total + fa * np.conj(fb)
        n = fa.size
        power += [float((np.abs(f) ** 2).sum()) / n for f in (fa, fb)]
    return None if total is None or not power.all() else (total, power)


def _directions(x: Floats) -> np.ndarray | None:
    """Doubled-angle gradient field, strong edges held back; 0 where a neighbour is missing. None without any edge."""
    x = _smoothed(
        x
    )  # squares of unsmoothed gradients would hold waves shorter than two pixels, and pull to whole shifts
    gy, gx = np.zeros_like(x), np.zeros_like(x)
    gy[1:-1], gx[:, 1:-1] = x[2:] - x[:-2], x[:, 2:] - x[:, :-2]
    g = gx + 1j * gy
    g[0], g[-1], g[:, 0], g[:, -1] = 0, 0, 0, 0
    g[~np.isfinite(g)] = 0
    size = np.abs(g)
    some = size[size > 0]
    if some.size < 0.05 * size.size:
        return None
    usual = float(np.median(some))
    return np.asarray(g * g / (size * size + usual * usual))


def _smoothed(x: Floats) -> Floats:
    """Weights 1 2 1 down and across; NaN where a neighbour is missing, edge rows repeated."""
    for axis in (0, 1):
        padded = np.pad(x, [(1, 1) if axis == k else (0, 0) for k in (0, 1)], mode="edge")
        parts = [np.take(padded, range(k, k + x.shape[axis]), axis) for k in range(3)]
        x = (parts[0] + 2 * parts[1] + parts[2]) / 4
    return x


def _peak(surface: Floats, far: int) -> tuple[int, int, float, float]:
    """Row and column shift of the highest value within reach, its height, and the height of the next peak."""
    n = surface.shape[0]
    around = np.fft.fftshift(surface)[n // 2 - far : n // 2 + far + 1, n // 2 - far : n // 2 + far + 1]
    row, column = np.unravel_index(int(around.argmax()), around.shape)
    rows, columns = np.indices(around.shape)
    near = np.hypot(rows - row, columns - column) <= max(3.5, far / 4)
    rest = around[~near]
    elsewhere = max(float(rest.max()), 5 * float(rest.std())) if rest.size else 0.0  # chance alone has 4 deviations
    return int(row) - far, int(column) - far, float(around[row, column]), elsewhere


def _fine(spectrum: np.ndarray, row: int, column: int, span: float = 1.0) -> tuple[float, float]:
    """The peak of the correlation around a whole-pixel shift, to a fiftieth of a pixel."""
    n = spectrum.shape[0]
    frequency = np.fft.fftfreq(n)
    steps = np.arange(-int(span * FINE), int(span * FINE) + 1) / FINE
    left = np.exp(2j * np.pi * np.outer(row + steps, frequency))
    right = np.exp(2j * np.pi * np.outer(frequency, column + steps))
    surface = np.real(left @ spectrum @ right)
    i, j = np.unravel_index(int(surface.argmax()), surface.shape)
    return float(row + _vertex(steps, surface[:, j], int(i))), float(column + _vertex(steps, surface[i], int(j)))


def _vertex(at: Floats, value: Floats, i: int) -> float:
    """The top of the parabola through a maximum and its neighbours."""
    if not 0 < i < len(at) - 1:
        return float(at[i])
    before, here, after = value[i - 1 : i + 2]
    bend = before - 2 * here + after
    return float(at[i] + (0.5 * (before - after) / bend if bend < 0 else 0.0) * (at[1] - at[0]))


def _jackknife(parts: np.ndarray, whole: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """Standard errors from leaving out one group of blocks after another (at most 16), NaN for fewer than 4 blocks.

    Doubled, because blocks overlap by half down and across: a quarter of them are independent.
    """
    n = len(parts)
    if n < 4:
        return float("nan"), float("nan")
    groups = min(n, 16)
    found = np.array([_fine(whole - parts[g::groups].sum(0), row, column) for g in range(groups)])
    spread = np.sqrt((groups - 1) / groups * ((found - found.mean(0)) ** 2).sum(0))
    return float(2 * spread[0]), float(2 * spread[1])
