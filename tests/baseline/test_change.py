from __future__ import annotations

import numpy as np
import pytest

from swath.baseline import change, joint, mad, null
from swath.datasets import toy
from swath.errors import LabelError
from swath.geometry.shift import shift


def world_pair(seed: int, *, share: float = 0.0, size: int = 128, gain: bool = False):
    """A made place seen twice on one date of the year, with woods cut in between; bands (C, H, W) and the truth."""
    place = toy.world(seed, size)
    later = toy.cut(place, "2020-06-01", share=share, seed=seed) if share else place
    one, first = toy.view(place, "sentinel-2a-l2a", ["2021-06-20"], cloud=0, seed=seed)
    two, second = toy.view(later, "sentinel-2a-l2a", ["2021-06-20"], cloud=0, seed=seed + 1000)
    a, b = (np.asarray(c.values)[0] for c in (one, two))
    if gain:
        b = b * np.linspace(0.6, 1.5, len(b), dtype=np.float32)[:, None, None] + 0.05
    return a, b, first.classes[0] != second.classes[0]


def seen_all(a: np.ndarray) -> np.ndarray:
    return np.ones(a.shape[1:], bool)


@pytest.mark.parametrize("gain", [False, True])
def test_pairs_without_change_keep_the_stated_false_alarm_rate(gain):
    rates = {0.01: [], 0.05: []}
    for seed in (31, 32):
        a, b, _ = world_pair(seed, size=96, gain=gain)
        for rate, found in rates.items():
            detector = change.fit([(a, b, seen_all(a))], false_alarms=rate)
            found.append(float((detector.measure(a, b, seen_all(a)) > detector.threshold).mean()))
    for rate, found in rates.items():
        assert 0.4 * rate < np.mean(found) < 1.6 * rate


def test_a_date_against_itself_has_no_change():
    a, _, _ = world_pair(3)
    detector = change.fit([(a, a, seen_all(a))])
    assert not (detector.measure(a, a, seen_all(a)) > detector.threshold).any()
    assert not detector.null.probability(detector.measure(a, a, seen_all(a))).any()


def test_equal_dates_but_for_a_patch_show_the_patch():
    a, _, _ = world_pair(4)
    b = a.copy()
    b[:, 40:60, 40:60] += 0.2
    detector = change.fit([(a, b, seen_all(a))])
    hit = detector.measure(a, b, seen_all(a)) > detector.threshold
    assert hit[42:58, 42:58].all()
    assert not hit[:35].any()


def test_cut_woods_are_found_whatever_the_gain():
    for gain in (False, True):
        a, b, truth = world_pair(21, share=0.2, gain=gain)
        detector = change.fit([(a, b, seen_all(a))])
        hit = detector.measure(a, b, seen_all(a)) > detector.threshold
        assert hit[truth].mean() > 0.9
        assert hit[~truth].mean() < 0.12


def test_missing_pixels_have_no_answer():
    a, b, _ = world_pair(5)
    seen = seen_all(a)
    seen[:20] = False
    b[:, :20] = np.nan
    detector = change.fit([(a, b, seen)])
    measure = detector.measure(a, b, seen)
    assert np.isnan(measure[:20]).all()
    assert np.isfinite(measure[20:]).all()


def test_windows_give_what_the_whole_gives():
    a, b, _ = world_pair(6, share=0.1)
    detector = change.fit([(a, b, seen_all(a))])
    whole = detector.measure(a, b, seen_all(a))
    part = detector.measure(a[:, 30:80, 20:90], b[:, 30:80, 20:90], seen_all(a)[30:80, 20:90])
    np.testing.assert_array_equal(part[2:-2, 2:-2], whole[32:78, 22:88])


def test_a_larger_shift_makes_more_look_changed():
    a, b, _ = world_pair(7)
    detector = change.fit([(a, b, seen_all(a))])
    made = [detector.made_by([(a, b, seen_all(a))], s, s) for s in (0.0, 0.5, 1.5, 3.0)]
    assert made[0] == 0.0
    assert made == sorted(made)
    assert made[-1] > 0.1


def test_change_that_is_a_shift_by_one_pixel_is_marked():
    a, b, _ = world_pair(8)
    moved = np.nan_to_num(shift(b, 0, 1), nan=0)
    seen = seen_all(a)
    seen[:, :2] = False
    detector = change.fit([(a, b, seen_all(a))])
    changed = np.nan_to_num(detector.measure(a, moved, seen)) > detector.threshold
    marked = detector.by_shift(a, moved, seen, changed)
    assert marked.sum() > 0.8 * changed.sum()
    assert not (marked & ~changed).any()


def test_other_bands_on_the_other_date_can_be_compared():
    a, b, truth = world_pair(9, share=0.2)
    detector = change.fit([(a[:4], b[3:], seen_all(a))])
    hit = detector.measure(a[:4], b[3:], seen_all(a)) > detector.threshold
    assert hit[truth].mean() > hit[~truth].mean() + 0.3


def test_canonical_differences_do_not_hear_a_change_of_radiometry():
    a, b, _ = world_pair(10)
    x, y = (v.reshape(len(v), -1).T for v in (a, b))
    first, _ = mad.fit(x, y)
    second, _ = mad.fit(3 * x + 1, y @ np.diag(np.linspace(0.5, 2, y.shape[1])) - 0.3)
    one = np.abs(first(x.T, y.T))
    two = np.abs(second((3 * x + 1).T, (y @ np.diag(np.linspace(0.5, 2, y.shape[1])) - 0.3).T))
    assert np.median(np.abs(one - two)) < 0.05


def test_normalisation_finds_gain_and_offset_through_change():
    a, b, truth = world_pair(11, share=0.2)
    x, y = (v.reshape(len(v), -1).T for v in (a, 0.5 * b - 0.1))
    _, weight = mad.fit(x, y)
    made = mad.normalisation(x, y, weight)
    assert np.abs(made.gain - 2).max() < 0.25
    assert np.abs((made.gain * y + made.offset - x)[~truth.ravel()].mean(0)).max() < 0.02


def test_the_no_change_model_reads_through_a_tenth_of_change():
    rng = np.random.default_rng(0)
    quiet = rng.chisquare(5, 9000)
    found = null.fit(np.concatenate([quiet, rng.uniform(60, 200, 1000)]), degrees=5)
    assert 0.005 < (quiet > found.threshold(0.01)).mean() < 0.02
    assert abs(found.unchanged - 0.9) < 0.04
    assert found.between[0] <= found.unchanged <= found.between[1]
    assert found.probability(150.0) > 0.95
    assert found.probability(3.0) < 0.1
    again = null.Null.from_json(found.to_json())
    assert again.threshold(0.05) == found.threshold(0.05)


def test_rates_outside_a_half_and_too_few_pixels_are_refused():
    with pytest.raises(LabelError, match="false-alarm rate"):
        null.fit(np.random.default_rng(0).chisquare(3, 100), degrees=3).threshold(0.7)
    with pytest.raises(LabelError, match="50 pixels"):
        null.fit(np.ones(10), degrees=3)


def test_false_change_follows_the_law_where_errors_are_independent_and_falls_with_their_correlation():
    rng = np.random.default_rng(0)
    n, k, accuracy = 200_000, 10, 0.6
    truth = rng.integers(0, k, n)

    def classified(shared: np.ndarray) -> np.ndarray:
        own = rng.random(n) < accuracy
        wrong = (truth + rng.integers(1, k, n)) % k
        return np.where(shared, first, np.where(own, truth, wrong))

    first = np.where(rng.random(n) < accuracy, truth, (truth + rng.integers(1, k, n)) % k)
    rates = [(first != classified(rng.random(n) < r)).mean() for r in (0.0, 0.4, 0.8)]
    assert rates[0] == pytest.approx(joint.false_change(accuracy, k), abs=0.005)
    assert rates[0] > rates[1] > rates[2]


def test_joint_judgement_learns_how_rare_change_is():
    rng = np.random.default_rng(1)
    n = 4000
    before = rng.integers(0, 3, n)
    after = before.copy()
    after[:200] = (before[:200] + 1) % 3
    noisy = [np.eye(3)[v] + rng.normal(0, 0.45, (n, 3)) for v in (before, after)]
    shares = [np.exp(v / 0.45**2) / np.exp(v / 0.45**2).sum(1, keepdims=True) for v in noisy]
    even = np.full(3, 1 / 3)
    prior = joint.prior(*shares, even)
    assert prior.sum() == pytest.approx(1)
    assert 1 - np.trace(prior) == pytest.approx(0.05, abs=0.02)
    together = joint.posterior(shares[0].T, shares[1].T, prior, even)
    apart = (shares[0].argmax(1) != shares[1].argmax(1))[200:].mean()
    assert ((1 - np.trace(together)) > 0.5)[200:].mean() < 0.3 * apart
    assert together.sum((0, 1)) == pytest.approx(np.ones(n), abs=1e-4)


def test_the_median_of_nine_is_scipys():
    from scipy.ndimage import median_filter

    planes = np.random.default_rng(0).normal(size=(3, 17, 23)).astype(np.float32)
    wanted = np.stack([median_filter(p, 3, mode="nearest") for p in planes])
    np.testing.assert_array_equal(change._median(planes), wanted)
