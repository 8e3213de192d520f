"""Poses: composition, interpolation across a change of sign, and alignments that say what they leave open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.geometry import pose as se3


def poses(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, 5, (n, 3)), se3.normalise(rng.normal(size=(n, 4)))], -1)


def same(a: np.ndarray, b: np.ndarray, within: float = 1e-9) -> bool:
    apart = se3.compose(se3.inverse(a), b)
    return bool(np.abs(apart[..., :3]).max() < within and se3.angle(apart[..., 3:]).max() < within)


@given(st.integers(0, 10_000))
def test_a_pose_and_its_inverse_make_nothing(seed):
    p = poses(seed, 5)
    nothing = se3.compose(p, se3.inverse(p))
    assert np.abs(nothing[:, :3]).max() < 1e-9
    assert se3.angle(nothing[:, 3:]).max() < 1e-7


@given(st.integers(0, 10_000))
def test_logarithm_and_exponential_undo_one_another(seed):
    p = poses(seed, 5)
    assert same(se3.exp(se3.log(p)), p)


@given(st.integers(0, 10_000))
def test_matrices_and_quaternions_are_the_same_rotations(seed):
    q = poses(seed, 5)[:, 3:]
    r = se3.matrix(q)
    assert np.allclose(np.einsum("nij,nkj->nik", r, r), np.eye(3))
    assert (
        se3.angle(se3.multiply(se3.inverse(np.concatenate([np.zeros((5, 3)), q], -1))[:, 3:], se3.from_matrix(r))).max()
        < 1e-7
    )


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_quaternion_and_its_negative_interpolate_alike(seed, share):
    a, b = poses(seed, 2)[:, 3:]
    there = se3.slerp(a[None], b[None], [share])
    assert np.allclose(np.abs((there * se3.slerp(a[None], -b[None], [share])).sum()), 1)


def test_interpolation_turns_at_a_constant_rate():
    quarter = se3.exp(np.array([[0, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, np.pi / 2]]))
    found, there = se3.interpolate([0.0, 1.0], quarter, [0.25, 0.5, 1.5], reach=2.0)
    assert there.tolist() == [True, True, False]
    assert np.allclose(np.degrees(se3.angle(found[:2, 3:])), [22.5, 45])
    assert np.allclose(found[:2, 0], [0.25, 0.5])


def test_there_is_no_pose_in_a_gap_of_the_truth():
    at = se3.exp(np.zeros((3, 6)))
    _, there = se3.interpolate([0.0, 1.0, 5.0], at, [0.5, 3.0, 5.0], reach=0.8)
    assert there.tolist() == [True, False, True]


def test_a_half_turn_is_180_degrees_and_not_undefined():
    half = se3.exp(np.array([0, 0, 0, np.pi, 0, 0.0]))
    assert np.degrees(se3.angle(half[3:])) == pytest.approx(180)


@given(st.integers(0, 10_000), st.floats(0.2, 5))
def test_alignment_finds_a_motion_and_a_scale(seed, scale):
    p = poses(seed, 12)
    move = poses(seed + 1, 1)[0]
    target = se3.compose(np.broadcast_to(move, p.shape), p * np.array([scale] * 3 + [1] * 4))
    found = se3.align(p, target, "similarity")
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert found.determined == "all"
    assert same(found(p), target, 1e-6)


def test_points_on_a_line_leave_the_turn_about_it_open():
    line = se3.exp(np.concatenate([np.linspace(0, 9, 10)[:, None] * [1.0, 2, 0.5], np.zeros((10, 3))], -1))
    found = se3.align(line, line)
    assert found.determined == "line"
    assert np.allclose(found(line)[:, :3], line[:, :3])


def test_one_place_decides_no_rotation():
    still = se3.exp(np.zeros((4, 6)))
    assert se3.align(still, still).determined == "point"
    assert se3.align(still[:0], still[:0]).determined == "point"


def test_the_first_pose_can_be_made_equal():
    p, move = poses(3, 6), poses(4, 1)
    target = se3.compose(np.broadcast_to(move, p.shape), p)
    assert same(se3.align(p, target, "first")(p), target, 1e-7)
