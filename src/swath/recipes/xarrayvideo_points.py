"""What a coder costs and loses on a cube at one setting, and its rate at a quality between settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.codec import rivals
from swath.recipes.xarrayvideo_sets import Cube

__all__ = ["COLUMNS", "Point", "at", "plain", "point", "turn"]


@dataclass(frozen=True, slots=True)
class Point:
    """What one setting costs and loses: bits a value, PSNR in dB, root mean square, largest error and bias in stored
    numbers, mean spectral angle (rad), root mean square error of NDVI, seconds to code and to decode.
    """

    setting: str
    bits: float
    psnr: float
    rmse: float
    worst: float
    bias: float
    angle: float
    ndvi: float
    seconds: tuple[float, float]


def point(name: str, setting: Any, cube: Cube) -> Point:
    """Code, decode and compare."""
    done = rivals.code(name, cube.values, cube.valid, setting)
    off = np.where(cube.valid, done.values - cube.values, 0.0)
    mse = float((off * off).sum() / cube.count)
    psnr = 10 * math.log10(cube.peak**2 / mse) if mse else math.inf
    return Point(
        str(setting), 8.0 * done.size / cube.count, psnr, math.sqrt(mse), float(np.abs(off).max()),
        float(off.sum() / cube.count), _angle(cube, done.values), _ndvi(cube, done.values), done.seconds,
    )  # fmt: skip


def _angle(cube: Cube, back: np.ndarray) -> float:
    """Mean angle between spectra before and after, where all bands count; NaN of a single band."""
    if cube.values.shape[1] < 2:
        return math.nan
    a, b = cube.values.astype(float), back
    norm = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    good = (norm > 0) & (cube.valid.all(1) if cube.values.shape[1] < 100 else cube.valid.any(1))
    return float(np.arccos(np.clip((a * b).sum(1)[good] / norm[good], -1, 1)).mean()) if good.any() else math.nan


def _ndvi(cube: Cube, back: np.ndarray) -> float:
    if cube.pair is None:
        return math.nan
    red, near = cube.pair
    good = cube.valid[:, red] & cube.valid[:, near]
    both = [
        ((v[:, near] - v[:, red]) / np.maximum(v[:, near] + v[:, red], 1))[good]
        for v in (cube.values.astype(float), back)
    ]
    return float(np.sqrt(np.mean((both[0] - both[1]) ** 2)))


def at(points: Sequence[Point], x: str, y: str, where: float) -> float:
    """`y` at `x` = where, between settings: linear, in the logarithm of bits and errors; NaN outside what was measured."""
    pairs = sorted((getattr(p, x), getattr(p, y)) for p in points if math.isfinite(getattr(p, x)))
    xs, ys = (np.array([q[i] for q in pairs], float) for i in (0, 1))
    xs, where = (np.log(np.maximum(xs, 0.1)), math.log(where)) if x == "worst" else (xs, where)
    return (
        float(np.exp(np.interp(where, xs, np.log(ys))))
        if len(xs) > 1 and xs[0] - 1e-9 <= where <= xs[-1] + 1e-9
        else math.nan
    )


def turn(ours: Sequence[Point], video: Sequence[Point]) -> str:
    """Between which qualities the paper's way is smaller than ours."""
    if len(ours) < 2 or len(video) < 2:
        return ""
    low, high = (
        f(min(p.psnr for p in ps) if f is max else max(p.psnr for p in ps) for ps in (ours, video)) for f in (max, min)
    )
    if not low < high:
        return "the qualities measured of both do not meet"
    grid = np.linspace(low, high, 60)
    wins = [q for q in grid if at(video, "psnr", "bits", q) < at(ours, "psnr", "bits", q)]
    span = f"{low:.0f} to {high:.0f} dB"
    if not wins:
        return f"video by the paper's way is nowhere smaller from {span}"
    if len(wins) == len(grid):
        return f"video by the paper's way is smaller everywhere from {span}"
    return f"of {span}, video by the paper's way is smaller from {min(wins):.0f} to {max(wins):.0f} dB"


COLUMNS = ("setting", "bits", "psnr", "rmse", "worst", "bias", "angle", "ndvi")


def plain(p: Point) -> list[Any]:
    """The point as COLUMNS, without its clocks; what is no number is null."""
    return [
        v if isinstance(v, str) else float(f"{v:.4g}") if math.isfinite(v) else None
        for v in (getattr(p, n) for n in COLUMNS)
    ]
