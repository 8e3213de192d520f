"""Scores of tracks: what a perfect, a half, a lost and a shifted one get, and what never changes them."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.datasets.surveys import surveys
from swath.errors import SwathError
from swath.geometry import pose as se3
from swath.geometry.faults import FAULTS, LEVELS, fault
from swath.geometry.trajectory import Limits, Trajectory, clean, match, relative, scene, scores


def judged(truth: Trajectory, said: Trajectory, limits: Limits | None = None, kind: str = "rigid"):
    m = match(truth, said)
    return scores(m.aligned(se3.align(m.estimate, m.truth, kind), own=True), limits)


@pytest.fixture(scope="module")
def survey():
    return surveys(0)[1]


def cut(track: Trajectory, kept: np.ndarray) -> Trajectory:
    return Trajectory(track.stamp[kept], track.pose[kept])


def test_a_perfect_track_that_starts_late_waits_and_errs_nowhere(survey):
    truth, _ = survey
    wait = 30.0
    late = cut(truth, truth.stamp >= truth.stamp[0] + wait)
    found = judged(truth, late)
    assert found.ate < 1e-9
    assert found.cr == pytest.approx(1 - wait / found.duration)
    assert found.cr_t == pytest.approx(1)
    assert found.c_rs == pytest.approx(math.exp(-wait / 60))


def test_half_a_perfect_track_is_exact_and_half_correct(survey):
    truth, _ = survey
    found = judged(truth, cut(truth, truth.stamp < truth.stamp[0] + 60))
    assert found.ate < 1e-9
    assert found.cr == pytest.approx(0.5, abs=0.02)


def test_a_lost_run_has_no_error_and_tracks_nothing(survey):
    truth, said = survey
    for lost in (cut(said, said.stamp < 0), Trajectory(said.stamp + 1e6, said.pose)):
        found = scores(match(truth, lost))
        assert math.isnan(found.ate)
        assert math.isnan(found.c_ate)
        assert (found.cr, found.cr_t, found.c_rs) == (0, 0, 0)
        assert found.reloc == math.inf


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_one_motion_of_the_whole_estimate_changes_nothing(survey, seed):
    truth, said = survey
    rng = np.random.default_rng(seed)
    move = se3.exp(rng.normal(0, 3, 6))
    moved = Trajectory(said.stamp, se3.compose(np.broadcast_to(move, said.pose.shape), said.pose))
    limits = Limits(0.05, 1.0)
    a, b = judged(truth, said, limits), judged(truth, moved, limits)
    assert b.ate == pytest.approx(a.ate, rel=1e-6)
    assert b.aoe == pytest.approx(a.aoe, rel=1e-5)
    assert b.cr == pytest.approx(a.cr)


def test_a_scale_changes_nothing_once_it_is_aligned(survey):
    truth, said = survey
    small = Trajectory(said.stamp, said.pose * np.array([0.3] * 3 + [1] * 4))
    assert judged(truth, small, kind="similarity").ate == pytest.approx(judged(truth, said, kind="similarity").ate)
    assert judged(truth, small).ate > 10 * judged(truth, said).ate


def test_moving_the_second_visit_alone_is_an_error():
    site = surveys(1)
    first, second = match(*site[1]), match(*site[2])
    move = se3.align(first.estimate, first.truth)
    fine = scores(second.aligned(move, own=False), Limits(1.0, 20.0))
    shifted = Trajectory(site[2][1].stamp, site[2][1].pose + np.array([3.0, 0, 0, 0, 0, 0, 0]))
    wrong = scores(match(site[2][0], shifted).aligned(move, own=False), Limits(1.0, 20.0))
    assert fine.cr > 0.99
    assert wrong.cr == 0
    assert wrong.c_rs == 0


@given(st.integers(0, 300), st.sampled_from(sorted(FAULTS)), st.sampled_from(LEVELS))
@settings(max_examples=40, deadline=None)
def test_rates_stay_between_nothing_and_one_and_grow_with_what_is_allowed(survey, key, name, level):
    truth, said = survey
    m = match(truth, clean(fault(said, name, level, key).stamp, fault(said, name, level, key).pose))
    m = m.aligned(se3.align(m.estimate, m.truth), own=True)
    before = 0.0
    for factor in (0.05, 0.3, 1, 5):
        found = scores(m, Limits(0.1 * factor, 2 * factor, factor))
        assert 0 <= found.cr <= found.cr_t <= 1
        assert found.cr >= before
        assert not found.c_ate > 0.1 * factor
        before = found.cr


def test_the_sign_of_quaternions_does_not_matter(survey):
    truth, said = survey
    sign = np.where(np.arange(len(said.stamp)) % 3 == 0, -1.0, 1.0)[:, None]
    flipped = Trajectory(said.stamp, np.concatenate([said.pose[:, :3], sign * said.pose[:, 3:]], -1))
    other = Trajectory(truth.stamp, np.concatenate([truth.pose[:, :3], -sign * truth.pose[:, 3:]], -1))
    assert judged(other, flipped).aoe == pytest.approx(judged(truth, said).aoe, rel=1e-9)


def test_rows_are_sorted_doubles_and_gaps_in_numbers_dropped_and_counted():
    pose = se3.exp(np.arange(30.0).reshape(5, 6) / 10)
    pose[3, 0] = np.nan
    found = clean([3.0, 1.0, 2.0, 5.0, 1.0], pose)
    assert found.stamp.tolist() == [1, 2, 3]
    assert dict(found.dropped) == {"without a number": 1, "out of order, sorted": 2, "with the stamp of another": 1}


def test_a_frozen_tracker_is_silent_and_a_truth_that_stands_still_is_not():
    pose = se3.exp(np.array([[float(x)] + [0.0] * 5 for x in (0, 0, 0, 1, 2)]))
    assert clean([0.0, 0.1, 0.2, 0.3, 0.4], pose, repeated=True).stamp.tolist() == [0.0, 0.3, 0.4]
    assert len(clean([0.0, 1.0, 2.0, 3.0, 4.0], pose, repeated=True, still=0.5).stamp) == 5
    assert clean([5.0], pose[:1], repeated=True, before=pose[0]).stamp.tolist() == []


def test_quaternions_need_not_be_of_length_one_but_need_a_length():
    pose = se3.exp(np.zeros((3, 6)))
    pose[1, 3:] *= 7
    pose[2, 3:] = 0
    found = clean([0.0, 1.0, 2.0], pose)
    assert np.allclose(np.linalg.norm(found.pose[:, 3:], axis=1), 1)
    assert dict(found.dropped) == {"without a rotation": 1}
    with pytest.raises(SwathError, match="N x 7"):
        clean([0.0], np.zeros((1, 6)))


def test_positions_alone_have_distances_and_no_turns(survey):
    truth, said = survey
    bare = Trajectory(said.stamp, np.concatenate([said.pose[:, :3], np.full((len(said.stamp), 4), np.nan)], -1))
    found = judged(truth, bare)
    assert found.ate == pytest.approx(judged(truth, said).ate)
    assert math.isnan(found.aoe)


def test_a_track_on_a_line_has_an_error_of_position_and_none_of_rotation():
    t = np.linspace(0, 20, 201)
    line = Trajectory(t, se3.exp(np.stack([t, 2 * t, 0 * t, 0 * t, 0 * t, 0 * t], -1)))
    found = judged(line, line)
    assert found.ate < 1e-9
    assert math.isnan(found.aoe)


def test_relative_errors_are_of_the_motion_and_not_of_the_place(survey):
    truth, _ = survey
    drifted = fault(truth, "drift", 3, "k")
    m = match(truth, drifted)
    m = m.aligned(se3.align(m.estimate, m.truth, "first"), own=True)
    for step in ((1.0, "s"), (2.0, "m"), (10, "frame")):
        _, metres, degrees = relative(m, *step)
        assert 0 < np.sqrt(np.mean(metres**2)) < 0.2 * scores(m).ate
        assert np.isfinite(degrees).all()
    perfect = match(truth, truth)
    assert relative(perfect, 1.0)[1].max() < 1e-9


def test_scene_totals_count_lost_runs_with_their_duration(survey):
    truth, said = survey
    fine, lost = judged(truth, said), scores(match(truth, cut(said, said.stamp < 0)))
    total = scene([fine, lost])
    assert total["cr"] == pytest.approx(fine.cr / 2)
    assert total["cr_t"] == pytest.approx(fine.cr_t)
    assert total["c_ate"] == pytest.approx(fine.c_ate)


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_of_level_0_is_the_same_track_and_a_key_gives_the_same_fault(survey, name):
    _, said = survey
    assert fault(said, name, 0) is said
    a, b = fault(said, name, 4, "k"), fault(said, name, 4, "k")
    assert np.array_equal(a.pose, b.pose)
    assert not (
        len(a.stamp) == len(said.stamp) and np.array_equal(a.pose, said.pose) and np.array_equal(a.stamp, said.stamp)
    )
    with pytest.raises(SwathError, match="levels 0 to 5"):
        fault(said, name, 6)


def test_a_hundred_thousand_poses_take_moments():
    t = np.arange(100_000) / 100
    pose = se3.exp(np.stack([np.cos(t), np.sin(2 * t), t / 100, 0 * t, 0 * t, t % 3], -1))
    began = time.process_time()
    judged(Trajectory(t, pose), Trajectory(t + 0.003, pose))
    assert time.process_time() - began < 10  # 0.3 s here; a quadratic way takes minutes
