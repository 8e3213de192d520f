"""Pictures made worse by degrees, in physical values; what is drawn comes from a key, never from the batch around it.

Twelve corruptions (those of REOBench, arXiv 2505.16793) and what else breaks maps: shadows, missing bands and dates,
misregistration, a sibling sensor, coarser pixels. How strong each level is stands in `severity`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from swath.batch import Batch, Pixels
from swath.earth.sensor import Band
from swath.earth.unit import RANGES
from swath.errors import BandError, SwathError, UnitError
from swath.transform import corrupt_sensor, corrupt_values
from swath.transform.corrupt_geometry import Move, rotation, scaling, shift
from swath.transform.corrupt_values import OPTICAL, View, Worse
from swath.transform.severity import ALL, GEOMETRIC, LIGHT, TWELVE, Scale, strength

__all__ = [
    "ALL",
    "CORRUPTIONS",
    "LEVELS",
    "Options",
    "Stretch",
    "corrupt",
    "corrupt_batch",
    "move_of",
    "stretch_of",
    "why_not",
]

LEVELS = range(6)
CORRUPTIONS = TWELVE
_VALUES: dict[str, Callable[..., Worse]] = {
    **{name: getattr(corrupt_values, name) for name in ALL if hasattr(corrupt_values, name)},
    **{name: getattr(corrupt_sensor, name) for name in ALL if hasattr(corrupt_sensor, name)},
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a band usually reads, (C,) or (T, C): 2nd percentile, mean and 98th percentile. Of the picture itself by default;
    that of the whole scene where pictures are its windows.
    """

    low: NDArray[np.float32]
    mean: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Options:
    """scale_of: whose strengths (severity). sample: how turned pictures are read between pixels. gaps: what lies in a gap.
    sibling: bands of the sensor that `sensor_swap` imitates (chosen by wavelength when empty).
    """

    scale_of: Scale = "swath"
    sample: Literal["linear", "nearest"] = "linear"
    gaps: Literal["invalid", "zero"] = "invalid"
    sibling: tuple[Band, ...] = ()
    stretch: Stretch | None = None


Key = str | int | Sequence[str | int]


def corrupt(
    what: Any,
    name: str,
    level: int,
    key: Key = 0,
    target: np.ndarray | None = None,
    *,
    bands: Sequence[Band] | None = None,
    options: Options = Options(),
) -> Any:
    """A picture made worse: level 0 is the identity bit for bit, 5 the worst; the input stays as it is.

    what: Pixels (NumPy), or an array (H, W), (C, H, W), (T, C, H, W) or (B, T, C, H, W): physical floats with NaN where missing,
    or stored whole numbers with `bands` that tell their units (they come back stored, nodata or 0 where covered). key: what the
    draws depend on beside the name, one for each of B or one for all; the level only scales the draw, so that levels nest.
    target: classes or numbers (..., H, W), moved (nearest) by rotate, scale and translate; then a pair comes back.
    What is missing stays missing unless the picture is turned; gaps, missing bands and dates take validity (NaN in values).
    Results are held within what the quantity can be (earth.unit), or the picture's own extremes where those are wider.
    Raises SwathError for an unknown name or level or whole numbers without units, BandError where the corruption has nothing
    to act on.
    """
    if name not in ALL or isinstance(level, bool | float) or level not in LEVELS:
        raise SwathError(
            rule=f"corruptions are {', '.join(ALL)}, levels 0 to 5", got=f"{name}, {level}", remedy="choose one"
        )
    if isinstance(what, Pixels):
        made: Any = _pixels(what, name, level, key, options)
    else:
        made = _array(np.asarray(what), name, level, key, bands, options)
    if target is None:
        return made
    return made, _moved(np.asarray(target), what, name, level, key)


def corrupt_batch(
    batch: Batch,
    name: str,
    level: int,
    *,
    options: Mapping[str, Options] | Options = Options(),
    keep: Sequence[str] = (),
) -> Batch:
    """A NumPy Batch made worse, each example by its own key; dense targets move with it.

    options: for all sensors or by name. keep: sensors that only move. A sensor that the corruption cannot act on stays.
    Raises BandError when it can act on none.
    """
    keys: Key = tuple(batch.key) if len(batch.key) else 0
    pixels, acted = {}, []
    for sensor, p in batch.pixels.items():
        own = options if isinstance(options, Options) else options.get(sensor, Options())
        reason = (
            "kept"
            if sensor in keep and name not in GEOMETRIC
            else why_not(name, p.bands, p.values.shape[1], own.sibling)
        )
        acted.append(reason)
        pixels[sensor] = corrupt(p, name, level, keys, options=own) if not reason else p
    if all(acted) and level:
        raise BandError(rule=f"{name} acts on some sensor", got="; ".join(dict.fromkeys(acted)), remedy="leave it out")
    target = batch.target
    if target is not None and np.ndim(target) >= 3 and name in GEOMETRIC and level:
        target = _moved(np.asarray(target), next(iter(pixels.values())), name, level, keys)
    return replace(batch, pixels=pixels, target=target)


def why_not(name: str, bands: Sequence[Band], dates: int = 1, sibling: tuple[Band, ...] = ()) -> str:
    """Why a corruption has nothing to act on in these bands and dates, or ""."""
    if name in LIGHT and not any(b.quantity in OPTICAL for b in bands):
        return f"{name} lies in bands of light; these are {', '.join(dict.fromkeys(b.quantity for b in bands))}"
    if name == "sensor_swap":
        return corrupt_sensor.why_no_swap(tuple(bands), sibling)
    if name == "missing_bands" and len(bands) < 2:
        return "missing bands need two bands or more; there is one"
    if name == "missing_dates" and dates < 2:
        return "missing dates need two dates or more; there is one"
    return ""


def move_of(name: str, level: int, shape: tuple[int, int], key: str | int = 0) -> Move:
    """The movement of rotate, scale or translate for an (H, W) picture; the identity for all else. Also for boxes."""
    if name not in GEOMETRIC or level == 0:
        return Move()
    (value,) = strength(name, level)
    if name == "rotate":
        return rotation(value)
    if name == "scale":
        return scaling(value)
    down, right = np.where(_generator(key, name).random(2) < 0.5, -1, 1)
    # whole pixels of a share of each side: sensors of other pixel sizes move alike
    return shift(int(down) * max(level, round(value * shape[0])), int(right) * max(level, round(value * shape[1])))


def stretch_of(values: np.ndarray, valid: np.ndarray) -> Stretch:
    """2nd percentile, mean and 98th percentile of values (T, C, ...) where valid, each (T, C); 0 where nothing is."""
    t, c = values.shape[:2]
    found = np.zeros((3, t, c), np.float32)
    for i in range(t):
        for j in range(c):
            seen = values[i, j][valid[i, j]]
            if seen.size:
                low, high = np.percentile(seen, [2, 98])
                found[:, i, j] = low, seen.mean(dtype=np.float64), high
    return Stretch(*found)


def _pixels(p: Pixels, name: str, level: int, key: Key, options: Options) -> Pixels:
    wrong = [b.name for b in p.bands if b.quantity == "class"]
    if wrong:
        raise UnitError(rule="measured values are made worse, classes are not", got=f"classes in {', '.join(wrong)}",
                        remedy="give them as the target: they move with the picture")  # fmt: skip
    if level == 0:
        return p
    if reason := why_not(name, p.bands, p.values.shape[1], options.sibling):
        raise BandError(rule=f"{name} needs something to act on", got=reason, remedy="leave it out")
    values, valid = np.array(p.values, np.float32), np.array(p.valid, bool)
    for i in range(len(values)):
        own = _own(key, i, len(values))
        values[i], valid[i] = _example(values[i], valid[i], p.bands, name, level, own, options)
    return replace(p, values=values, valid=valid)


def _own(key: Key, i: int, count: int) -> str | int:
    if isinstance(key, (str, int)):
        return key
    if len(key) != count:
        raise SwathError(
            rule="there is a key for each example, or one for all", got=f"{len(key)} for {count}", remedy="count them"
        )
    return key[i]


def _example(
    values: np.ndarray,
    valid: np.ndarray,
    bands: tuple[Band, ...],
    name: str,
    level: int,
    key: str | int,
    options: Options,
) -> tuple[np.ndarray, np.ndarray]:
    """(T, C, H, W) made worse."""
    if name in GEOMETRIC:
        move = move_of(name, level, (values.shape[-2], values.shape[-1]), key)
        if options.sample == "nearest":
            return move.nearest(values), move.nearest(valid)
        return move.linear(values, valid)
    seen = valid & np.isfinite(values)
    s = options.stretch or stretch_of(values, seen)
    low, mean, high = (
        np.broadcast_to(a, values.shape[:2])[..., None, None].astype(np.float32) for a in (s.low, s.mean, s.high)
    )
    full = np.array([255.0 if _eight_bit(b, values[:, j], seen[:, j]) else np.nan for j, b in enumerate(bands)])
    rng = _generator(key, name, *(b.name for b in bands))
    clean = np.where(seen, values, mean).astype(np.float32)
    view = View(
        clean, seen, bands, low, mean, high, full, rng, level, options.scale_of == "imagenet_c", options.gaps == "zero"
    )
    numbers = strength(name, level, options.scale_of)
    more = {"to": options.sibling} if name == "sensor_swap" else {}
    out, left = _VALUES[name](view, *numbers, **more)
    left = left & valid
    ends = _limits(clean, seen, bands, full)
    held = np.clip(out, ends[0][:, None, None], ends[1][:, None, None])
    kept = np.where(valid & ~left, np.float32(np.nan), values)
    return np.where(left & seen, held, kept).astype(np.float32), left


def _eight_bit(band: Band, values: np.ndarray, seen: np.ndarray) -> bool:
    """Whether a band holds whole digital numbers of 0 to 255."""
    if band.quantity != "digital_number" or not seen.any():
        return False
    v = values[seen]
    return bool(v.min() >= 0 and 1 < v.max() <= 255 and (v == np.rint(v)).all())


def _limits(values: np.ndarray, seen: np.ndarray, bands: Sequence[Band], full: np.ndarray) -> np.ndarray:
    """(2, C) least and largest value that each band can have: by its quantity, wider where the picture is."""
    ends = np.empty((2, len(bands)), np.float32)
    for j, band in enumerate(bands):
        low, high = RANGES.get((band.quantity, band.units), (-np.inf, np.inf))
        if band.quantity == "digital_number":
            low, high = 0.0, 255.0 if np.isfinite(full[j]) else np.inf
        v = values[:, j][seen[:, j]]
        ends[:, j] = (min(low, v.min()), max(high, v.max())) if v.size else (low, high)
    return ends


def _generator(*parts: str | int) -> np.random.Generator:
    digest = hashlib.sha256(" ".join(str(p) for p in parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _array(
    a: np.ndarray, name: str, level: int, key: Key, bands: Sequence[Band] | None, options: Options
) -> np.ndarray:
    if not 2 <= a.ndim <= 5 or a.dtype.kind not in "fiu":
        raise SwathError(rule="a picture is an array of 2 to 5 axes of numbers", got=f"{a.ndim} axes of {a.dtype}",
                         remedy="give (C, H, W)")  # fmt: skip
    if a.dtype.kind in "iu" and bands is None:
        raise UnitError(
            rule="whole numbers are classes, or stored values whose units are known", got=f"{a.dtype} without bands",
            remedy="give bands=..., or classes as the target: they move with the picture",
        )  # fmt: skip
    count = a.shape[-3] if a.ndim > 2 else 1
    own = tuple(bands) if bands is not None else tuple(Band(f"band{i + 1}") for i in range(count))
    if len(own) != count:
        raise BandError(rule="there is a Band for each band", got=f"{len(own)} for {count}", remedy="count them")
    wide = a.reshape((1,) * (5 - a.ndim) + a.shape)
    scale, offset, nodata = (
        np.array([getattr(b, what) for b in own])[:, None, None] for what in ("scale", "offset", "nodata")
    )
    stored = a.dtype.kind in "iu"
    valid = (wide != nodata) if stored else np.isfinite(wide)
    physical = np.where(valid, wide * scale + offset if stored else wide, 0)
    none = np.full((len(wide), wide.shape[1]), np.nan)
    p = Pixels(physical.astype(np.float32), valid, own, np.nan, none, np.full((len(wide), 2), np.nan))
    if level == 0:
        _pixels(p, name, level, key, options)
        return a
    worse = _pixels(p, name, level, key, options)
    if not stored:
        return np.where(worse.valid, worse.values, np.nan).astype(a.dtype).reshape(a.shape)
    info = np.iinfo(a.dtype)
    back = np.rint((worse.values.astype(np.float64) - offset) / scale)
    empty = np.where(np.isfinite(nodata) & (nodata >= info.min) & (nodata <= info.max), np.nan_to_num(nodata), 0)
    back = np.where(worse.valid, np.nan_to_num(back.clip(info.min, info.max)), np.broadcast_to(empty, back.shape))
    return np.asarray(back.astype(a.dtype).reshape(a.shape))


def _moved(target: np.ndarray, what: Any, name: str, level: int, key: Key) -> np.ndarray:
    """A dense target moved with its picture; labels of whole pictures stay."""
    values = what.values if isinstance(what, Pixels) else np.asarray(what)
    shape = values.shape[-2:]
    if name not in GEOMETRIC or level == 0 or target.ndim < 2 or target.shape[-2:] != shape:
        return target
    if isinstance(key, (str, int)) or target.ndim == 2:
        return move_of(name, level, (shape[0], shape[1]), _own(key, 0, 1)).nearest(target)
    return np.stack(
        [move_of(name, level, (shape[0], shape[1]), _own(key, i, len(target))).nearest(t) for i, t in enumerate(target)]
    )
