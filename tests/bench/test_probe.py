from __future__ import annotations

import numpy as np
import pytest

from swath.bench import probe as p
from swath.bench.learners import Linear, Nearest, Standard, nearest
from swath.bench.shares import nested, strata
from swath.errors import LabelError, SwathError


def made(n=400, d=12, classes=4, places=20, seed=0, strength=1.0):
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, n)
    centre = random.normal(size=(classes, d)) * strength
    x = (centre[y] + random.normal(size=(n, d))) * random.uniform(0.1, 30, d) + 5
    return x.astype(np.float32), y, random.integers(0, places, n)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(("n", "d"), [(300, 12), (40, 90)])
def test_the_linear_probe_equals_scikit_learn(classes, n, d):
    from sklearn.linear_model import LogisticRegression

    x, y, _ = made(n, d, classes)
    z = Standard.of(x)(x, np.float64)
    ours = Linear(classes, 0.1).fit(x, y).predict(x)
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=5000).fit(z, y).predict_proba(z)
    assert np.abs(ours - theirs).max() < 2e-4


def test_weights_of_items_mean_the_same_as_in_scikit_learn():
    from sklearn.linear_model import LogisticRegression, Ridge

    x, y, _ = made(200, 8, 3)
    w = np.random.default_rng(1).uniform(0.2, 3, len(y))
    z = Standard.of(x)(x, np.float64)
    ours = Linear(3, 1.0).fit(x, y, w).predict(x)
    assert np.abs(ours - LogisticRegression(C=1.0, tol=1e-10).fit(z, y, w).predict_proba(z)).max() < 2e-4
    values = z[:, 0] * 3 + np.sin(z[:, 1])
    for weight in (None, w):
        ours = Linear(None, 0.1).fit(x, values, weight).predict(x)
        assert np.allclose(ours, Ridge(alpha=10.0).fit(z, values, weight).predict(z), atol=1e-8)


@pytest.mark.parametrize("n", [7, 100, 3000])
def test_neighbours_equal_scikit_learn_also_with_fewer_items_than_k(n):
    from sklearn.neighbors import KNeighborsClassifier

    x, y, _ = made(n, 10, 3)
    z = Standard.of(x)(x)
    ours = Nearest(3, k=20).fit(x, y).predict(x)
    theirs = KNeighborsClassifier(min(20, n), metric="cosine", weights=lambda d: np.exp(-d / 0.1)).fit(z, y)
    assert np.abs(ours[:, theirs.classes_] - theirs.predict_proba(z)).max() < 1e-4


def test_nearest_is_exact_and_takes_the_first_of_equals():
    bank = np.tile(np.eye(4, dtype=np.float32), (500, 1))
    index, likeness = nearest(bank, bank[:3], 5)
    assert index[0].tolist() == sorted(index[0])
    assert np.all(likeness == 1)
    assert np.all(index % 4 == np.arange(3)[:, None])
    random = np.random.default_rng(0)
    bank, query = random.normal(size=(5000, 6)).astype(np.float32), random.normal(size=(50, 6)).astype(np.float32)
    index, _ = nearest(bank, query, 9)
    assert np.array_equal(index, np.argsort(-(query @ bank.T), axis=1, kind="stable")[:, :9])


def test_shares_are_exact_nested_and_lose_no_class_nor_the_maximum():
    stratum = np.repeat([0, 1, 2], [100, 40, 3])
    tenth, half = nested(stratum, 0.1, 7), nested(stratum, 0.5, 7)
    assert np.bincount(stratum[tenth]).tolist() == [10, 4, 1]
    assert np.bincount(stratum[half]).tolist() == [50, 20, 2]
    assert set(tenth) <= set(half) <= set(nested(stratum, 1.0, 7)) == set(range(143))
    assert np.array_equal(tenth, nested(stratum, 0.1, 7))
    assert not np.array_equal(tenth, nested(stratum, 0.1, 8))
    with pytest.raises(LabelError, match="share"):
        nested(stratum, 0.0)
    numbers = np.linspace(0, 1, 50)
    assert np.bincount(strata(numbers)).tolist() == [10] * 5
    masks = np.zeros((4, 6, 6), int)
    masks[1:, :3] = 1
    masks[3] = -1
    assert len(set(strata(masks))) == 3


@pytest.mark.parametrize("kind", p.KINDS)
@pytest.mark.parametrize("numbers", [False, True])
def test_a_probe_learns_and_knows_its_doubt(kind, numbers):
    x, y, place = made(300, 8, 3, strength=1.5)
    target = x[:, 0] * 2.0 + x[:, 1] if numbers else y
    found = p.probe(x, target.astype(float) if numbers else y, place, kind=kind, seeds=range(2), trees=30)
    e = found.estimate("R2" if numbers else "")
    assert 0.5 < e.value <= 1
    assert e.low <= e.value <= e.high
    assert "20 places" in e.method
    assert found.parts.shape[:2] == (20, 2)
    assert found.per_place().shape == (20, 2)
    assert np.array_equal(
        found.predicted,
        p.probe(x, target.astype(float) if numbers else y, place, kind=kind, seeds=range(2), trees=30).predicted,
    )


def test_labels_without_meaning_score_as_chance():
    x, _, place = made(400, 10)
    y = np.random.default_rng(5).integers(0, 4, 400)
    values = [p.probe(x, y, place, kind=kind, seeds=range(3), trees=20).estimate().value for kind in p.KINDS]
    assert all(0.17 < v < 0.3 for v in values)


def test_no_place_lies_on_both_sides():
    x, y, place = made(100, 4, 2, places=7)
    for train, test in p.splits(place, y, 5, 0):
        assert not set(place[train]) & set(place[test])
    with pytest.raises(LabelError, match="never in both"):
        p.probe(x, y, place, folds=np.arange(100) < 50)
    with pytest.raises(LabelError, match="never saw"):
        p.probe(x, y, np.zeros(100))
    own = p.probe(x, y, place, folds=place < 3, seeds=(0,))
    assert set(own.place) == {0, 1, 2}
    assert (own.predicted[0, place >= 3] == -1).all()


def test_a_difference_is_paired_and_of_an_encoder_with_itself_nothing():
    x, y, place = made(500, 10, 3, strength=0.5)
    noise = np.concatenate([x[:, :2], np.random.default_rng(0).normal(size=(500, 8))], axis=1)
    ours, theirs = p.probe(x, y, place), p.probe(noise, y, place)
    gain = p.difference(ours, theirs)
    assert gain.low > 0
    assert abs(gain.value - (ours.estimate().value - theirs.estimate().value)) < 1e-12
    assert gain.high - gain.low < (ours.estimate().high - ours.estimate().low) + (
        theirs.estimate().high - theirs.estimate().low
    )
    assert p.difference(ours, ours).value == 0
    with pytest.raises(SwathError, match="same places"):
        p.difference(ours, p.probe(x, y, place, seeds=range(3)))


def test_few_labels_are_counted_and_classes_never_lost():
    x, y, place = made(400, 6, 4, places=30)
    found = p.probe(x, y, place, share=0.05, seeds=range(3), kind="knn")
    assert not found.absent
    assert 12 <= found.labels.mean() <= 20
    rare = np.where(place == 3, 4, y)
    assert p.probe(x, rare, place, seeds=(0,), kind="knn").parts.shape[-1] == 5


def test_strange_input_is_refused_in_a_line():
    x, y, place = made(50)
    with pytest.raises(SwathError, match="finite"):
        p.probe(np.where(x > x.max() - 1, np.nan, x), y, place)
    with pytest.raises(SwathError, match="probes are"):
        p.probe(x, y, place, kind="svm")
    with pytest.raises(SwathError, match="balanced accuracy"):
        p.probe(x, y, place, kind="knn", seeds=(0,)).estimate("RMSE")


def test_frozen_means_the_same_bytes():
    class Fixed:
        def __init__(self):
            self.weights = np.ones(3)

    one = Fixed()
    with p.frozen(one):
        _ = one.weights.sum()
    with pytest.raises(SwathError, match="stays as it is"), p.frozen(one):
        one.weights[0] = 2
