from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swath.baseline.encoders import RandomConvolutions, Statistics
from swath.batch import Batch
from swath.bench import sets
from swath.bench.collection import Collection
from swath.bench.decoder import Training
from swath.bench.features import DataScaled
from swath.bench.protocol import Plan, compare
from swath.errors import SwathError

QUICK = Plan(heads=("knn",), shares=(1.0,), seeds=1, items=200, trees=5, training=Training(steps=1, widths=(4, 8)))


def test_an_unknown_or_missing_set_is_refused(tmp_path):
    with pytest.raises(SwathError, match="known name"):
        sets.named("imagenet", tmp_path)
    with pytest.raises(SwathError, match="lies in a folder eurosat_rgb"):
        sets.named("eurosat", tmp_path)


@pytest.mark.parametrize("name", ["land-use", "ndvi", "sen1floods11", "levir-cd", "eurosat", "sits-modis"])
def test_real_sets_come_with_classes_places_and_folds(shared, name):
    c = sets.named(name, shared)
    items = c.items(500)
    assert c.notes
    assert set(np.unique(items.target)) <= set(range(len(c.classes)))
    assert len(set(items.place)) >= 25
    assert c.digest == sets.named(name, shared).digest
    assert not c.simulated
    folds = c.fold_of(items)
    if not isinstance(folds, int):
        for fold in np.unique(folds):
            assert not set(items.place[folds == fold]) & set(items.place[folds != fold])


def test_monthly_means_are_those_of_the_month_and_of_valid_values():
    _, batch = Statistics.example()
    p = batch.pixels["sentinel-2a-l2a"]
    day = np.tile(np.array([18_000.0, 18_003.0, 18_040.0, 18_041.0, 18_080.0]), (3, 1))
    p = replace(p, day=day)

    class Kept(Statistics):
        def encode(self, batch, levels=(-1,)):
            SEEN.append(batch)
            return super().encode(batch, levels)

    sets.Monthly(Kept(4)).encode(Batch({"s": p}))
    q = SEEN[-1].pixels["s"]
    assert q.values.shape[1] == 3
    both = p.valid[:, :2].all(1)
    assert np.allclose(q.values[:, 0][both], p.values[:, :2].mean(1)[both])
    assert np.array_equal(q.valid[:, 2], p.valid[:, 4])
    assert q.day[0, 0] == 18_001.5


def test_each_example_is_pooled_by_its_own_dates_and_single_dates_are_left_alone():
    _, batch = Statistics.example()
    p = batch.pixels["sentinel-2a-l2a"]
    day = p.day.copy()
    day[1] += 200
    day[2, 2:] = np.nan
    q = sets.Monthly._monthly(replace(p, day=day))
    assert np.isfinite(q.day).sum(1).tolist() == [len(set((d * 86_400).astype("datetime64[s]").astype("datetime64[M]")))
                                                  for d in (day[0], day[1], day[2, :2])]  # fmt: skip
    one = replace(p, values=p.values[:, :1], valid=p.valid[:, :1], day=day[:, :1])
    assert sets.Monthly._monthly(one) is one


SEEN: list[Batch] = []


def test_the_scaling_of_the_data_is_put_in_the_stead_of_the_encoders_own():
    _, batch = RandomConvolutions.example()
    p = batch.pixels["sentinel-2a-l2a"]
    plain = Statistics(4)

    class Scaled(Statistics):
        def scaling(self, bands):
            return np.full(len(bands), 5.0), np.full(len(bands), 2.0)

    got = DataScaled(Scaled(100), batch).encode(batch)[0].values.reshape(3, 4, 8)
    first = p.values[:, :, 0][p.valid[:, :, 0]]
    one = p.values[0, :, 0][p.valid[0, :, 0]]
    assert np.allclose(got[0, 0, 0], 5 + 2 * (one.mean() - first.mean()) / first.std(), atol=1e-3)
    with pytest.raises(SwathError, match="tell their own"):
        DataScaled(plain, batch)


def test_classes_without_a_label_are_counted_and_named():
    c = sets.seasons(3, 16, 4)
    more = Collection(c.name, c.batch, (*c.classes, "glacier"), simulated=True, folds=3)
    found = compare(more, {}, QUICK)
    assert any("glacier" in n and "count in no mean" in n for n in found.notes)


def test_scores_equal_scikit_learn_where_classes_are_missing():
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

    from swath.bench.scores import METRICS
    from swath.metric import classes as m

    random = np.random.default_rng(0)
    truth, said = random.choice([0, 1, 4], 300), random.choice([0, 1, 2, 4], 300)
    matrix = m.confusion(said, truth, 6)
    assert np.array_equal(matrix, confusion_matrix(truth, said, labels=range(6)).T)
    known = [0, 1, 2, 4]
    assert METRICS["F1"][1](matrix) == pytest.approx(
        f1_score(truth, said, labels=known, average="macro", zero_division=0)
    )
    assert METRICS["balanced accuracy"][1](matrix) == pytest.approx(
        balanced_accuracy_score(truth, said, adjusted=False)
    )
    for ours, theirs in ((m.users, precision_score), (m.producers, recall_score)):
        values = ours(matrix)
        expected = theirs(truth, said, labels=range(6), average=None, zero_division=np.nan)
        assert np.allclose(values, expected, equal_nan=True)
    assert np.isnan(m.iou(matrix)[[3, 5]]).all()


def test_the_folder_of_real_data_is_only_needed_for_real_sets():
    assert sets.named("toy", None).simulated
    assert {n for n, (_, below) in sets.NAMES.items() if not below} == {"toy", "toy-masks"}
    assert not Path("toy").exists()
