"""Conformal sets and intervals: what they promise per place, and what they do with few labels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from swath.assess.calibrate import Calibration, fit


def answers(rng: np.random.Generator, n: int, k: int = 3, sharp: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that come true and the truth drawn from them."""
    p = rng.dirichlet(np.ones(k) / sharp, n)
    return p, (p.cumsum(1) > rng.random((n, 1))).argmax(1)


NAMES = ["a", "b", "c"]


def test_sets_cover_their_level_where_labels_are_independent():
    rng = np.random.default_rng(0)
    p, t = answers(rng, 2000)
    c = fit(p, t, np.arange(2000), names=NAMES)
    q, u = answers(rng, 20_000)
    coverage, size = c.check(q, u, np.arange(20_000) // 50)
    assert 0.89 < coverage.value < 0.92
    assert 1 < size < 3
    assert c.class_wise
    assert c.places == 2000


def test_below_nine_labels_no_set_is_drawn_and_the_words_say_how_many_are_missing():
    rng = np.random.default_rng(0)
    p, t = answers(rng, 6)
    c = fit(p, t, np.arange(6), names=NAMES)
    assert not c.drawn
    assert c.needed == 3
    assert "3 more are needed" in c.words
    assert (c.set_size(np.full((3, 2, 2), 1 / 3)) == 255).all()
    p, t = answers(rng, 9)
    assert fit(p, t, np.arange(9), names=NAMES).drawn


def test_classes_are_pooled_until_each_has_twenty_labels():
    rng = np.random.default_rng(1)
    p, t = answers(rng, 300)
    few = np.flatnonzero(t == 2)[19:]
    keep = np.setdiff1d(np.arange(300), few)
    assert not fit(p[keep], t[keep], keep, names=NAMES).class_wise
    keep = np.append(keep, few[0])
    assert fit(p[keep], t[keep], keep, names=NAMES).class_wise


def test_labels_whose_class_was_not_trained_are_counted_and_named():
    rng = np.random.default_rng(2)
    p, t = answers(rng, 60)
    scorable = t != 1
    c = fit(p, t, np.arange(60), scorable=scorable, names=NAMES)
    assert c.left_out == {"b": int((t == 1).sum())}
    assert "b " in c.words
    assert c.labels == int(scorable.sum())


def test_many_labels_of_one_place_count_as_little_as_they_tell():
    rng = np.random.default_rng(3)
    p, t = answers(rng, 40)
    alone = fit(p, t, np.arange(40), names=NAMES)
    again = fit(np.repeat(p, 25, 0), np.repeat(t, 25), np.repeat(np.arange(40), 25), names=NAMES)
    assert again.worth == pytest.approx(40, abs=1)
    assert alone.worth == pytest.approx(40)
    assert again.class_wise  # each class has twenty labels, in few places: the words say what they are worth
    assert "worth 40" in again.words


def test_too_few_places_for_a_promise_per_place_are_said():
    rng = np.random.default_rng(4)
    p, t = answers(rng, 4)
    c = fit(np.repeat(p, 10, 0), np.repeat(t, 10), np.repeat(np.arange(4), 10), names=NAMES)
    assert "per label, not per place" in c.words


def test_the_most_probable_class_is_always_in_the_set_and_missing_pixels_are_255():
    c = fit(np.tile([0.98, 0.01, 0.01], (100, 1)), np.zeros(100, int), np.arange(100), names=NAMES)
    size = c.set_size(np.array([[0.4, 0.98, np.nan], [0.35, 0.01, 0.5], [0.25, 0.01, 0.5]]))
    assert size.tolist() == [1, 1, 255]
    assert size.dtype == np.uint8


def test_intervals_of_numbers_cover_and_keep_the_shape():
    rng = np.random.default_rng(5)
    t = rng.normal(10, 3, 500)
    c = fit(t + rng.normal(0, 1, 500), t, np.arange(500) // 2)
    low, high = c.interval(np.zeros((4, 5), np.float32))
    assert low.shape == (4, 5)
    assert (high - low)[0, 0] / 2 == pytest.approx(1.645, rel=0.15)
    new = rng.normal(10, 3, 5000)
    coverage, width = c.check(new + rng.normal(0, 1, 5000), new, np.arange(5000) // 10)
    assert coverage.value == pytest.approx(0.9, abs=0.03)
    assert width == pytest.approx(2 * c.threshold[0])


def test_it_comes_back_from_json_the_same():
    rng = np.random.default_rng(6)
    p, t = answers(rng, 60)
    c = fit(p, t, np.arange(60) // 3, names=NAMES)
    text = json.dumps(c.to_json(), allow_nan=False)
    back = Calibration.from_json(json.loads(text))
    assert back == c
    assert (back.set_size(p.T) == c.set_size(p.T)).all()
    none = fit(p[:3], t[:3], np.arange(3), names=NAMES)
    assert not Calibration.from_json(json.loads(json.dumps(none.to_json(), allow_nan=False))).drawn


def simulated_world(rng: np.random.Generator, places: int, per: tuple[int, int]):
    """Places with their own shift and mix of classes; probabilities of the best guess that ignores the shift."""
    centre = rng.normal(0, 1.2, (4, 3))

    def draw(count: int, low: int, high: int):
        x, y, where = [], [], []
        for place in range(count):
            n = int(rng.integers(low, high))
            t = rng.choice(4, n, p=rng.dirichlet(np.full(4, 0.5)))
            x.append(centre[t] + rng.normal(0, 0.8, 3) + rng.normal(0, 1, (n, 3)))
            y.append(t)
            where.append(np.full(n, place))
        x, y = np.concatenate(x), np.concatenate(y)
        score = np.exp(-((x[:, None] - centre) ** 2).sum(2) / 2)
        return score / score.sum(1, keepdims=True), y, np.concatenate(where)

    return draw(places, *per), draw(25, 100, 101)


def test_sets_cover_per_place_in_places_never_seen():
    rng = np.random.default_rng(7)
    for places, per in ((30, (1, 12)), (12, (8, 20)), (15, (1, 4))):
        covered = []
        for _ in range(60):
            (p, t, where), (q, u, there) = simulated_world(rng, places, per)
            covered.append(fit(p, t, where, names=[*"abcd"]).check(q, u, there)[0].value)
        assert np.mean(covered) > 0.88, (places, per)
