import numpy as np
import pytest

from swath.baseline import choose, learner
from swath.baseline.choose import CANDIDATES, Candidate, Table
from swath.baseline.features import Features
from swath.baseline.patches import at_labels, smoothed_at
from swath.errors import LabelError
from swath.sample.split import Places, folds

from .worlds import scene, two_kinds


def table_of(y, x=None, place=None):
    n = len(y)
    x = np.random.default_rng(0).random((n, 5)).astype(np.float32) if x is None else x
    place = np.arange(n) % 6 if place is None else place
    at = np.arange(n)
    t = Table(x, np.asarray(y), place, at * 3, at, int(np.max(y)) + 1)
    return t, folds(Places(place, t.row, t.column, 16), t.y, 5, seed=0)


FLAT = Features.fit({"s": scene(12, 12)}, names=["spectra"])


def test_fast_offers_only_the_cheap_ones():
    offered = {c.model for c in choose.candidates_for(FLAT, "class", fast=True)}
    assert offered <= {"majority", "shrunk LDA", "logistic"}


def test_few_labels_are_asked_about_few_candidates():
    names = [c.name for c in choose.candidates_for(FLAT, "class", few=True)]
    assert names == ["majority", "shrunk LDA on spectra", "extra trees on spectra"]
    every = choose.candidates_for(FLAT, "class")
    assert {"random forest", "histogram boosting"} <= {c.model for c in every}
    assert choose.candidates_for(FLAT, "class", fast=True, few=True) == choose.candidates_for(FLAT, "class", fast=True)
    assert choose.candidates_for(FLAT, "number", few=True) == choose.candidates_for(FLAT, "number")


@pytest.mark.parametrize(
    ("labels", "places", "few"),
    [(choose.FEW - 1, 50, True), (choose.FEW, choose.FEW_PLACES, False), (5000, choose.FEW_PLACES - 1, True)],
)
def test_many_labels_in_few_places_are_few(labels, places, few):
    assert choose.too_few(labels, places) is few


class Sure:
    """Believes one feature, 0 or 1, to be the class, and gives it this share whatever it was trained on."""

    def __init__(self, column, share):
        self.column, self.share = column, share

    def predict(self, planes):
        second = np.where(planes[self.column] > 0.5, self.share, 1 - self.share).astype(np.float32)
        return np.stack([1 - second, second])


@pytest.fixture
def lucky_and_calm(monkeypatch):
    """Two candidates: one is right of three labels in four and as sure of the fourth, the other of 70 % and says so."""
    for name, believer in (("lucky", Sure(0, 0.999)), ("calm", Sure(1, 0.7))):
        monkeypatch.setitem(learner.CLASSIFIERS, name, lambda x, y, seed, trees, believer=believer: believer)
    both = tuple(Candidate(name, name, ("spectra",), sturdy=True) for name in ("lucky", "calm"))
    monkeypatch.setitem(CANDIDATES, "class", both)

    def labelled(n, places):
        y, i = np.arange(n) % 2, np.arange(n) // 2
        x = np.zeros((n, 5), np.float32)
        x[:, 0], x[:, 1] = np.where(i % 4 == 0, 1 - y, y), np.where(i % 10 < 3, 1 - y, y)
        return table_of(y, x, np.arange(n) % places)

    return labelled


def test_with_few_labels_one_that_is_luckier_but_sure_of_its_mistakes_does_not_win(lucky_and_calm):
    table, dealt = lucky_and_calm(80, 40)
    got = choose.choose(table, FLAT, [], deals=[dealt])
    scores = dict(got.scores)
    assert scores["lucky"].value == pytest.approx(0.75)
    assert scores["calm"].value == pytest.approx(0.70)
    assert got.chosen.name == "calm"
    assert "Brier score 0.420, which decides" in scores["calm"].method


def test_with_many_labels_in_many_places_the_more_accurate_wins(lucky_and_calm):
    table, dealt = lucky_and_calm(400, 40)
    got = choose.choose(table, FLAT, [], deals=[dealt])
    assert got.chosen.name == "lucky"
    assert "Brier" not in got.scores[0][1].method
    table, dealt = lucky_and_calm(400, 10)
    assert choose.choose(table, FLAT, [], deals=[dealt]).chosen.name == "calm"


def test_the_brier_score_is_that_of_its_definition():
    y = np.array([0, 1, 1])
    shares = np.array([[0.9, 0.1], [0.5, 0.5], [0.0, 0.0]], np.float32)
    shares[2] = np.nan
    table = Table(np.zeros((3, 1), np.float32), y, y, y, y, 2)
    oof = choose.OutOfFold(shares, y, np.array([True, True, False]))
    assert choose.brier(table, [oof]) == pytest.approx((0.01 + 0.01 + 0.25 + 0.25) / 2)


def test_of_two_within_one_point_the_earlier_wins(monkeypatch):
    twice = (
        Candidate("first", "shrunk LDA", ("spectra",), sturdy=True),
        Candidate("second", "logistic", ("spectra",), sturdy=True),
    )
    monkeypatch.setitem(CANDIDATES, "class", twice)
    y = np.arange(120) % 2
    x = np.random.default_rng(1).random((120, 5)).astype(np.float32) + y[:, None]
    table, dealt = table_of(y, x, np.arange(120) % 24)
    got = choose.choose(table, FLAT, [], deals=[dealt])
    values = [e.value for _, e in got.scores]
    assert got.chosen.name == ("first" if values[0] >= values[1] - 0.01 else "second")
    monkeypatch.setitem(CANDIDATES, "class", twice[::-1])
    again = choose.choose(table, FLAT, [], deals=[dealt])
    assert again.chosen.name == ("second" if values[1] >= values[0] - 0.01 else "first")


def test_labels_of_a_class_in_one_place_are_not_scored_and_no_error():
    y = np.r_[np.arange(40) % 2, [2, 2, 2]]
    place = np.r_[np.arange(40) % 6, [9, 9, 9]]
    table, dealt = table_of(y, place=place)
    got = choose.choose(table, FLAT, [], deals=[dealt], fast=True)
    assert not got.oof.scorable[-3:].any()
    assert np.isnan(got.oof.value[-3:]).all()
    assert got.scores[0][1].n == 40


def test_one_class_is_refused():
    table, dealt = table_of(np.zeros(20, int))
    with pytest.raises(LabelError, match="two classes"):
        choose.choose(table, FLAT, [], deals=[dealt])


def test_the_score_is_pooled_and_has_an_interval_over_places():
    y = np.arange(90) % 3
    x = np.random.default_rng(2).random((90, 5)).astype(np.float32) + y[:, None] / 3
    table, dealt = table_of(y, x)
    got = choose.choose(table, FLAT, [], deals=[dealt], fast=True)
    score = dict(got.scores)[got.chosen.name]
    ok = got.oof.scorable
    assert score.value == pytest.approx((got.oof.value[ok].argmax(1) == y[ok]).mean(), abs=1e-9)
    assert score.low < score.value < score.high
    assert "places" in score.method


def test_smoothing_around_labels_equals_smoothing_the_whole_scene():
    from swath.baseline import smooth
    from swath.sample.window import read

    cube, _, labels, _ = two_kinds()
    cubes = {"s": cube}
    fitted = Features.fit(cubes)
    values, valid = fitted(read(cubes, slice(0, 64), slice(0, 64)))
    x, good, patches = at_labels(cubes, fitted, labels.row, labels.column)
    assert good.all()
    assert np.array_equal(x, values[0][:, labels.row, labels.column].T)
    model = learner.fit("shrunk LDA", x, labels.value, classes=2, seed=0)
    whole = model.predict(values[0].reshape(len(values[0]), -1)).reshape(2, 64, 64)
    want = smooth.smooth(whole, valid[0], fitted.guide_planes(values)[0])[:, labels.row, labels.column].T
    half = np.arange(len(labels)) % 2 == 0
    got = smoothed_at(patches, half, np.arange(x.shape[1]), model.predict, 2)
    assert np.array_equal(got[half], want[half])


def test_patches_of_a_large_scene_hold_the_same_numbers(monkeypatch):
    from swath.baseline import patches as module

    cube, _, labels, _ = two_kinds(150, 140)
    fitted = Features.fit({"s": cube})
    x, _, whole = at_labels({"s": cube}, fitted, labels.row, labels.column)
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "TILE", 32)
    y, _, tiled = at_labels({"s": cube}, fitted, labels.row, labels.column)
    assert len(tiled) > 1 == len(whole)
    assert np.array_equal(x, y)
    model = learner.fit("shrunk LDA", x, labels.value, classes=2, seed=0)
    every = np.ones(len(labels), bool)
    a, b = (smoothed_at(p, every, np.arange(x.shape[1]), model.predict, 2) for p in (whole, tiled))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("name", list(learner.CLASSIFIERS))
def test_every_classifier_gives_shares_of_all_classes_and_the_same_for_a_pixel_alone(name):
    random = np.random.default_rng(0)
    x, y = random.random((50, 6)).astype(np.float32), np.r_[np.arange(49) % 3, 4]
    model = learner.fit(name, x + y[:, None] / 4, y, classes=6, seed=1)
    planes = random.random((6, 700)).astype(np.float32) * 2
    shares = model.predict(planes)
    assert shares.shape == (6, 700)
    assert np.allclose(shares.sum(0), 1, atol=1e-4)
    assert (shares[[3, 5]] == 0).all()
    assert np.array_equal(model.predict(planes[:, 123:124]), shares[:, 123:124])


@pytest.mark.parametrize("name", list(learner.REGRESSORS))
def test_every_regressor_gives_a_number_and_the_same_for_a_pixel_alone(name):
    random = np.random.default_rng(0)
    x = random.random((80, 4)).astype(np.float32)
    model = learner.fit(name, x, 3 * x[:, 0] + x[:, 1], classes=0, seed=1)
    planes = random.random((4, 300)).astype(np.float32)
    values = model.predict(planes)
    assert values.shape == (1, 300)
    assert np.array_equal(model.predict(planes[:, 7:8]), values[:, 7:8])
    if name != "mean":
        assert np.corrcoef(values[0], 3 * planes[0] + planes[1])[0, 1] > 0.8


def test_a_forest_is_the_mean_of_its_trees_as_scikit_learn_gives_it():
    from sklearn.ensemble import ExtraTreesClassifier

    random = np.random.default_rng(0)
    x, y = random.random((80, 5)).astype(np.float32), np.arange(80) % 3
    peer = ExtraTreesClassifier(learner.TREES, random_state=4).fit(x, y)
    planes = random.random((5, 100)).astype(np.float32)
    got = learner.fit("extra trees", x, y, classes=3, seed=4).predict(planes)
    assert np.allclose(got, peer.predict_proba(planes.T).T, atol=1e-6)
