"""Edge-aware smoothing of class probabilities: neighbours that look alike vote together, edges stay where they are."""

from __future__ import annotations

import math

import numpy as np

from swath.baseline.learner import softmax

__all__ = ["REACH", "smooth"]

RADIUS = 2
ROUNDS = 2
REACH = RADIUS * ROUNDS
_SIGMA = 2.0
_FLOOR = 1e-3


def smooth(probability: np.ndarray, valid: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Class probabilities (K, H, W) float32 after averaging their logarithms over like neighbours.

    valid: (H, W) bool; missing pixels neither give nor get. guide: (3, H, W), scaled so that neighbours typically
    differ by about one (`Features.guide_planes`). A neighbour weighs exp(-distance^2 / 2 sigma^2 - difference^2 / 2);
    two rounds over 5 x 5 pixels, so nothing beyond `REACH` pixels counts.
    Source: after Tomasi and Manduchi 1998, joint bilateral filter, applied to log-probabilities.
    """
    log = np.log(probability + np.float32(_FLOOR)).astype(np.float32)
    good = valid.astype(np.float32)
    offsets = [(dy, dx) for dy in range(RADIUS + 1) for dx in range(-RADIUS, RADIUS + 1) if (dy, dx) > (0, 0)]
    shifted = [(*_overlap(dy, dx, valid.shape), dy * dy + dx * dx) for dy, dx in offsets]
    weights = [_weight(guide, good, here, there, far) for here, there, far in shifted]
    total = good.copy()
    for (here, there, _), w in zip(shifted, weights, strict=True):
        total[here] += w
        total[there] += w
    total = np.where(total > 0, total, 1)
    for _ in range(ROUNDS):
        out = np.empty_like(log)
        for k, plane in enumerate(log):
            new = plane * good
            for (here, there, _), w in zip(shifted, weights, strict=True):
                new[here] += w * plane[there]
                new[there] += w * plane[here]
            out[k] = new / total
        log = out
    return np.where(valid, softmax(log), probability).astype(np.float32)


def _overlap(dy: int, dx: int, shape: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of a pixel and of its neighbour at (dy, dx), where both are inside."""
    height, width = shape
    here = (slice(0, max(0, height - dy)), slice(max(0, -dx), max(0, width - max(0, dx))))
    there = (slice(dy, max(dy, height)), slice(max(0, dx), max(0, width + min(0, dx))))
    return here, there


def _weight(
    guide: np.ndarray, good: np.ndarray, here: tuple[slice, slice], there: tuple[slice, slice], far: int
) -> np.ndarray:
    both = good[here] * good[there]
    difference = np.zeros(both.shape, np.float32)
    for plane in guide:
        difference += np.square(plane[here] - plane[there])
    near = np.float32(math.exp(-far / (2 * _SIGMA**2)))
    return np.asarray(np.exp(difference * np.float32(-0.5)) * near * both)
