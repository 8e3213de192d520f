"""Repeated surveys of one site along smooth loops, with the truth and an estimate that is only noisy. Simulated."""

from __future__ import annotations

import numpy as np

from swath.geometry import pose as se3
from swath.geometry.trajectory import Trajectory

__all__ = ["surveys"]


def surveys(
    seed: int, *, runs: int = 3, seconds: float = 120.0, rate: float = 10.0, noise: float = 0.02
) -> dict[int, tuple[Trajectory, Trajectory]]:
    """{run: (truth, estimate)}: loops of about 60 m, each run with a wobble of its own, a day apart.

    The estimate has the truth's stamps, noise of `noise` metres and half a degree that is correlated over a second, and a frame
    of its own: one rigid motion away, the same in all runs.
    """
    rng = np.random.default_rng(seed)
    site = rng.uniform(0, 2 * np.pi, 4)
    frame = se3.exp(np.concatenate([rng.uniform(-50, 50, 3), rng.uniform(-1, 1, 3)]))
    out = {}
    for run in range(1, runs + 1):
        t = np.arange(0, seconds, 1 / rate)
        angle = 2 * np.pi * t / seconds
        wobble = rng.uniform(0, 2 * np.pi, 2)
        x = 10 * np.cos(angle) + 2 * np.cos(3 * angle + site[0]) + 0.3 * np.sin(5 * angle + wobble[0])
        y = 7 * np.sin(angle) + 1.5 * np.sin(2 * angle + site[1]) + 0.3 * np.cos(4 * angle + wobble[1])
        z = 0.5 * np.sin(angle + site[2])
        place = np.stack([x, y, z], -1)
        ahead = np.gradient(place, axis=0)
        yaw = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
        true = se3.exp(np.concatenate([place, np.zeros((len(t), 2)), yaw[:, None]], -1))
        grain = rng.standard_normal((len(t) + 10, 6))
        smooth = np.stack([np.convolve(g, np.ones(11) / np.sqrt(11), "valid") for g in grain.T], -1)
        shake = se3.exp(smooth * np.array([noise] * 3 + [np.radians(0.5)] * 3))
        said = se3.compose(np.broadcast_to(frame, true.shape), se3.compose(true, shake))
        stamp = 86400.0 * run + t
        out[run] = (Trajectory(stamp, true), Trajectory(stamp, said))
    return out
