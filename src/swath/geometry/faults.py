"""What goes wrong with tracks, at graded levels: drop-outs, drift, jumps, frozen poses, clocks that are off, early deaths.

The contract of picture corruptions: level 0 is the identity bit for bit, 5 the worst, the seed comes from key and name only.
The levels are swath's own choice; no paper gives them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from swath.errors import SwathError
from swath.geometry import pose as se3
from swath.geometry.trajectory import Trajectory

__all__ = ["FAULTS", "LEVELS", "fault"]

LEVELS = range(6)


def fault(track: Trajectory, name: str, level: int, key: str | int = 0) -> Trajectory:
    """The track made worse. name: one of FAULTS; level: 0 to 5. Raises SwathError for any other.

    dropout: 5 to 60 % of the time without poses, in stretches of about 3 s · drift: 0.2 to 5 % of the path, and a turn of 0.1 to 2
    degrees per 10 m · jump: from half way on displaced by 0.5 to 20 m and turned by up to 90 degrees · frozen: the pose
    repeats itself in 5 to 60 % of the time · late: stamps off by 0.02 to 1 s · death: no poses after 90 to 20 % of the time.
    """
    if name not in FAULTS or level not in LEVELS:
        raise SwathError(
            rule=f"faults are {', '.join(FAULTS)}, levels 0 to 5", got=f"{name}, {level}", remedy="choose one"
        )
    if level == 0 or len(track.stamp) < 2:
        return track
    digest = hashlib.sha256(f"{key} {name}".encode()).digest()
    return FAULTS[name](track, level - 1, np.random.default_rng(int.from_bytes(digest[:8], "little")))


_SHARES = (0.05, 0.1, 0.2, 0.4, 0.6)


def _stretches(track: Trajectory, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(N,): True in stretches of about 3 s that make up the share; those of a lower share lie inside those of a higher."""
    cell = ((track.stamp - track.stamp[0]) // 3.0).astype(int)
    rank = rng.permutation(cell[-1] + 1)
    return np.asarray(rank[cell] < max(1, round(share * (cell[-1] + 1))))


def _dropout(track: Trajectory, level: int, rng: np.random.Generator) -> Trajectory:
    kept = ~_stretches(track, _SHARES[level], rng)
    return Trajectory(track.stamp[kept], track.pose[kept], track.dropped)


def _frozen(track: Trajectory, level: int, rng: np.random.Generator) -> Trajectory:
    stuck = _stretches(track, _SHARES[level], rng)
    stuck[0] = False
    source = np.maximum.accumulate(np.where(stuck, 0, np.arange(len(stuck))))
    return Trajectory(track.stamp, track.pose[source], track.dropped)


def _death(track: Trajectory, level: int, rng: np.random.Generator) -> Trajectory:
    share = (0.9, 0.75, 0.5, 0.35, 0.2)[level]
    kept = track.stamp <= track.stamp[0] + share * (track.stamp[-1] - track.stamp[0])
    return Trajectory(track.stamp[kept], track.pose[kept], track.dropped)


def _late(track: Trajectory, level: int, rng: np.random.Generator) -> Trajectory:
    return Trajectory(track.stamp + (0.02, 0.05, 0.15, 0.4, 1.0)[level], track.pose, track.dropped)


def _direction(rng: np.random.Generator) -> NDArray[np.float64]:
    v = rng.standard_normal(3)
    return np.asarray(v / np.linalg.norm(v))


def _drift(track: Trajectory, level: int, rng: np.random.Generator) -> Trajectory:
    """Each step is a little too long in one direction and turned a little about the vertical."""
    share, turn = (0.002, 0.005, 0.01, 0.02, 0.05)[level], np.radians((0.1, 0.2, 0.5, 1.0, 2.0)[level]) / 10
    aside, sign = _direction(rng), rng.choice([-1.0, 1.0])
    step = se3.compose(se3.inverse(track.pose[:-1]), track.pose[1:])
    length = np.linalg.norm(step[:, :3], axis=1)
    yaw = np.concatenate([[0.0], np.cumsum(sign * turn * length)])
    moved = se3.rotate(track.pose[:-1, 3:], step[:, :3]) + share * length[:, None] * aside
    about = np.stack([np.zeros_like(yaw), np.zeros_like(yaw), np.sin(yaw / 2), np.cos(yaw / 2)], -1)
    place = track.pose[0, :3] + np.concatenate([np.zeros((1, 3)), np.cumsum(se3.rotate(about[:-1], moved), axis=0)])
    return Trajectory(track.stamp, np.concatenate([place, se3.multiply(about, track.pose[:, 3:])], -1), track.dropped)


def _jump(track: Trajectory, level: int, rng: np.random.Generator) -> Trajectory:
    far, turn = (0.5, 1.0, 3.0, 8.0, 20.0)[level], np.radians((5, 10, 25, 45, 90)[level])
    away, after = _direction(rng) * far, len(track.stamp) // 2
    about = np.array([0.0, 0.0, np.sin(turn / 2), np.cos(turn / 2)])
    centre = track.pose[after, :3]
    pose = track.pose.copy()
    pose[after:, :3] = centre + away + se3.rotate(about, pose[after:, :3] - centre)
    pose[after:, 3:] = se3.multiply(np.broadcast_to(about, pose[after:, 3:].shape), pose[after:, 3:])
    return Trajectory(track.stamp, pose, track.dropped)


FAULTS: dict[str, Callable[[Trajectory, int, np.random.Generator], Trajectory]] = {
    "dropout": _dropout,
    "drift": _drift,
    "jump": _jump,
    "frozen": _frozen,
    "late": _late,
    "death": _death,
}
