"""Rigid poses: x y z in metres and a unit quaternion x y z w, (N, 7). Compose, invert, interpolate, align.

A quaternion and its negative are the same rotation, and every function here treats them so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Alignment",
    "align",
    "angle",
    "compose",
    "exp",
    "from_matrix",
    "interpolate",
    "inverse",
    "log",
    "matrix",
    "multiply",
    "normalise",
    "rotate",
    "slerp",
]

Array = NDArray[np.float64]


def normalise(quaternion: ArrayLike) -> Array:
    """Quaternions (..., 4) x y z w of length one. NaN where the length is zero or not finite: that is no rotation."""
    q = np.asarray(quaternion, float)
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(length > 0, q / length, np.nan))


def multiply(a: ArrayLike, b: ArrayLike) -> Array:
    """Hamilton product of quaternions (..., 4) x y z w: first b, then a."""
    ax, ay, az, aw = np.moveaxis(np.asarray(a, float), -1, 0)
    bx, by, bz, bw = np.moveaxis(np.asarray(b, float), -1, 0)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        -1,
    )


def _conjugate(q: ArrayLike) -> Array:
    return np.asarray(np.asarray(q, float) * np.array([-1.0, -1.0, -1.0, 1.0]))


def rotate(quaternion: ArrayLike, vector: ArrayLike) -> Array:
    """Vectors (..., 3) turned by unit quaternions (..., 4)."""
    q, v = np.asarray(quaternion, float), np.asarray(vector, float)
    twice = 2 * np.cross(q[..., :3], v)
    return np.asarray(v + q[..., 3:] * twice + np.cross(q[..., :3], twice))


def compose(a: ArrayLike, b: ArrayLike) -> Array:
    """Poses (..., 7): b seen through a, as the product of their 4 x 4 matrices."""
    p, q = np.asarray(a, float), np.asarray(b, float)
    place = p[..., :3] + rotate(p[..., 3:], q[..., :3])
    return np.concatenate([place, multiply(p[..., 3:], q[..., 3:])], -1)


def inverse(pose: ArrayLike) -> Array:
    """The pose (..., 7) that undoes another."""
    p = np.asarray(pose, float)
    back = _conjugate(p[..., 3:])
    return np.concatenate([-rotate(back, p[..., :3]), back], -1)


def angle(quaternion: ArrayLike) -> Array:
    """Turn of unit quaternions (..., 4) in radians, 0 to pi; exact near both ends, where an arc cosine is not."""
    q = np.asarray(quaternion, float)
    return np.asarray(2 * np.arctan2(np.linalg.norm(q[..., :3], axis=-1), np.abs(q[..., 3])))


def log(pose: ArrayLike) -> Array:
    """Pose (..., 7) -> (..., 6): translation as it is, then the rotation vector in radians."""
    p = np.asarray(pose, float)
    q = np.where(p[..., 6:] < 0, -p[..., 3:], p[..., 3:])
    size = np.linalg.norm(q[..., :3], axis=-1, keepdims=True)
    turn = 2 * np.arctan2(size, q[..., 3:])
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(size > 1e-12, turn / size, 2.0)
    return np.concatenate([p[..., :3], factor * q[..., :3]], -1)


def exp(vector: ArrayLike) -> Array:
    """(..., 6) -> pose (..., 7): the inverse of `log` (translation and rotation apart, no screw)."""
    v = np.asarray(vector, float)
    turn = np.linalg.norm(v[..., 3:], axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(turn > 1e-12, np.sin(turn / 2) / turn, 0.5)
    return np.concatenate([v[..., :3], factor * v[..., 3:], np.cos(turn / 2)], -1)


def matrix(quaternion: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    q = np.asarray(quaternion, float)
    columns = [rotate(q, np.broadcast_to(axis, (*q.shape[:-1], 3))) for axis in np.eye(3)]
    return np.stack(columns, -1)


def from_matrix(rotation: ArrayLike) -> Array:
    """Unit quaternions (..., 4) of rotation matrices (..., 3, 3), by the largest of the four parts (Shepperd 1978)."""
    r = np.asarray(rotation, float)
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    rows = [
        [1 + xx - yy - zz, r[..., 1, 0] + r[..., 0, 1], r[..., 0, 2] + r[..., 2, 0], r[..., 2, 1] - r[..., 1, 2]],
        [r[..., 1, 0] + r[..., 0, 1], 1 - xx + yy - zz, r[..., 2, 1] + r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0]],
        [r[..., 0, 2] + r[..., 2, 0], r[..., 2, 1] + r[..., 1, 2], 1 - xx - yy + zz, r[..., 1, 0] - r[..., 0, 1]],
        [r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1], 1 + xx + yy + zz],
    ]
    outer = np.stack([np.stack(row, -1) for row in rows], -2)
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), -1)
    return normalise(np.take_along_axis(outer, best[..., None, None], -2)[..., 0, :])


def slerp(a: ArrayLike, b: ArrayLike, share: ArrayLike) -> Array:
    """Unit quaternions (..., 4) on the shorter arc from a (share 0) to b (share 1) (Shoemake 1985)."""
    p, q = np.asarray(a, float), np.asarray(b, float)
    w = np.asarray(share, float)[..., None]
    dot = (p * q).sum(-1, keepdims=True)
    q, dot = np.where(dot < 0, -q, q), np.abs(dot).clip(max=1)
    arc = np.arccos(dot)
    with np.errstate(invalid="ignore", divide="ignore"):
        far = (np.sin((1 - w) * arc) * p + np.sin(w * arc) * q) / np.sin(arc)
    return normalise(np.where(dot > 1 - 1e-9, (1 - w) * p + w * q, far))


def interpolate(stamp: ArrayLike, pose: ArrayLike, at: ArrayLike, *, reach: float) -> tuple[Array, NDArray[np.bool_]]:
    """Poses (M, 7) at the times `at` (M,): positions on straight lines, rotations on arcs; and where there is one (M,).

    stamp (N,): sorted, seconds. There is none outside of them, or where one of the two neighbours is `reach` seconds away
    or more. Rotations may be NaN throughout (a track of positions).
    """
    t, p, x = np.asarray(stamp, float), np.asarray(pose, float), np.asarray(at, float)
    if not len(t):
        return np.full((len(x), 7), np.nan), np.zeros(len(x), bool)
    after = np.searchsorted(t, x, side="left").clip(0, len(t) - 1)
    exact = t[after] == x
    before = np.where(exact, after, after - 1).clip(0)
    gap = np.maximum(np.abs(x - t[before]), np.abs(t[after] - x))
    there = (x >= t[0]) & (x <= t[-1]) & (gap < reach)
    span = t[after] - t[before]
    share = np.divide(x - t[before], span, out=np.zeros(len(x)), where=span > 0)
    place = p[before, :3] + share[:, None] * (p[after, :3] - p[before, :3])
    found = np.concatenate([place, slerp(p[before, 3:], p[after, 3:], share)], -1)
    return np.where(there[:, None], found, np.nan), there


@dataclass(frozen=True, slots=True)
class Alignment:
    """truth = scale * rotation @ x + shift. determined: what the positions decide.

    "all"; "line": the turn about the line on which they lie is free (positions of these points are decided, orientations
    and other points are not); "point": no rotation is decided at all. weak: the smaller extent across the line over the
    length, 0 to 1.
    """

    rotation: Array
    shift: Array
    scale: float
    determined: Literal["all", "line", "point"]
    weak: float

    def __call__(self, pose: ArrayLike) -> Array:
        """Poses (..., 7) carried over."""
        p = np.asarray(pose, float)
        place = self.scale * p[..., :3] @ self.rotation.T + self.shift
        turn = np.broadcast_to(from_matrix(self.rotation), p[..., 3:].shape)
        return np.concatenate([place, multiply(turn, p[..., 3:])], -1)


def align(
    source: ArrayLike, target: ArrayLike, kind: Literal["rigid", "similarity", "first", "none"] = "rigid"
) -> Alignment:
    """The motion that brings the poses `source` (N, 7) onto `target` (N, 7).

    rigid: least squares over positions (Kabsch 1976; Horn 1987); similarity: with one scale (Umeyama 1991, eqs. 40-43);
    first: the first poses made equal; none: nothing is moved. Says in `determined` where the points leave the rotation open.
    """
    a, b = np.asarray(source, float), np.asarray(target, float)
    if kind == "none" or not len(a):
        return Alignment(np.eye(3), np.zeros(3), 1.0, "all" if kind == "none" else "point", 1.0)
    if kind == "first":
        turn = matrix(multiply(b[0, 3:], _conjugate(a[0, 3:])))
        known = bool(np.isfinite(turn).all())
        turn = turn if known else np.eye(3)
        return Alignment(turn, b[0, :3] - turn @ a[0, :3], 1.0, "all" if known else "point", 1.0)
    x, y = a[:, :3], b[:, :3]
    centre_x, centre_y = x.mean(0), y.mean(0)
    x, y = x - centre_x, y - centre_y
    u, d, vt = np.linalg.svd(x.T @ y)
    sign = np.array([1.0, 1.0, 1.0 if np.linalg.det(u @ vt) > 0 else -1.0])
    rotation = vt.T @ np.diag(sign) @ u.T
    spread = float((x**2).sum())
    scale = float((d * sign).sum() / spread) if kind == "similarity" and spread > 0 else 1.0
    weak = min(_thinness(x), _thinness(y))
    determined: Literal["all", "line", "point"] = "all" if weak > 1e-6 else "line"
    if min(_extent(x), _extent(y)) <= 1e-9:
        rotation, scale, determined = np.eye(3), 1.0, "point"
    return Alignment(rotation, centre_y - scale * rotation @ centre_x, scale, determined, weak)


def _thinness(points: Array) -> float:
    s = np.linalg.svd(points, compute_uv=False)
    return float(s[1] / s[0]) if len(s) > 1 and s[0] > 0 else 0.0


def _extent(points: Array) -> float:
    return float(np.abs(points).max()) if len(points) else 0.0
