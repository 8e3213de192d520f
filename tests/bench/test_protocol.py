from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from swath.baseline.encoders import RandomConvolutions, Statistics
from swath.batch import Batch, Needs, Tokens
from swath.bench import features as f
from swath.bench import table
from swath.bench.collection import Collection
from swath.bench.decoder import Training
from swath.bench.protocol import FOREST, SCRATCH, Plan, compare
from swath.bench.sliding import merged, starts
from swath.datasets import chips, toy
from swath.errors import BandError, LabelError, SwathError
from swath.sample.loader import join
from swath.sample.pieces import pieces
from swath.sample.window import read

QUICK = Training(steps=4, channels=8, widths=(4, 8))
PLAIN = {"heads": ("knn", "linear"), "shares": (0.2, 1.0), "seeds": 2, "items": 400, "trees": 10, "training": QUICK}


def pictures(worlds=10):
    batch = chips.chips(range(100, 100 + worlds), size=8, per_class=2, world_size=96)
    return Collection("made pictures", batch, chips.CLASSES, simulated=True, folds=3)


def masks(worlds=3):
    parts = []
    for seed in range(worlds):
        place = toy.world(seed, 24)
        view, truth = toy.view(
            place, "sentinel-2a-l2a", toy.dates("2021-05-01", "2021-08-01", 40), seed=seed, cloud=0.0
        )
        b = read({"s2": view}, slice(0, 24), slice(0, 24))
        parts.append(replace(b, target=truth.classes[-1:].astype(int), key=(str(seed),), place=(str(seed),)))
    return Collection("made masks", pieces(join(parts), 8), toy.CLASSES, simulated=True, folds=3)


class Counted(Statistics):
    """Statistics that count how many examples were encoded."""

    def __init__(self, patch=1):
        super().__init__(patch)
        self.seen = []

    def encode(self, batch, levels=(-1,)):
        COUNT.extend(batch.key)
        return super().encode(batch, levels)


COUNT: list[str] = []


def test_windows_cover_an_image_evenly_and_in_whole_patches():
    assert starts(10, 16) == [0]
    assert starts(20, 8) == [0, 6, 12]
    assert starts(48, 32, 16) == [0, 16]
    for length in range(5, 60):
        at = starts(length, 8, 1)
        assert at[0] == 0
        assert at[-1] + 8 >= length
        assert all(b - a <= 8 for a, b in pairwise(at))


@pytest.mark.parametrize("size", [(13, 22), (22, 13), (16, 16), (5, 30)])
def test_merged_windows_equal_the_whole_image_for_a_function_of_pixels(size):
    height, width = size
    batch = masks(1).batch
    p = batch.pixels["s2"]
    random = np.random.default_rng(0)
    values = random.normal(size=(2, 2, 3, height, width)).astype(np.float32)
    p = replace(p, values=values, valid=random.random(values.shape) < 0.9, day=p.day[:2, :2], bands=p.bands[:3])
    batch = Batch({"s2": replace(p, lonlat=p.lonlat[:2])})

    def pixelwise(part):
        q = part.pixels["s2"]
        seen = q.valid.all(2)
        return [(np.where(q.valid, q.values, 0) ** 2 + 1, seen)]

    (whole,), (got,) = pixelwise(batch), merged(pixelwise, batch, 8)
    assert np.array_equal(got[1], whole[1])
    assert np.allclose(got[0] * got[1][:, :, None], whole[0] * whole[1][:, :, None], atol=1e-6)


def test_an_encoder_of_fixed_size_is_run_in_its_windows():
    class Fixed(RandomConvolutions):
        def encode(self, batch, levels=(-1,)):
            assert next(iter(batch.pixels.values())).values.shape[-2:] == (16, 16)
            return super().encode(batch, levels)

    one = Fixed(4, patch=4)
    one.needs = Needs(size=16)
    wide = Collection("wide", masks(1).batch, toy.CLASSES)
    found = f.features(one, wide)
    assert found.levels[0].shape[-2:] == (2, 2)
    assert found.cell == 4


def test_the_protocol_runs_with_honest_company_and_encodes_each_example_once(tmp_path):
    collection = masks()
    COUNT.clear()
    first = compare(collection, {"mine": Counted()}, Plan(**PLAIN), folder=tmp_path)
    counted = [k for k in COUNT if COUNT.count(k) == 1]
    assert len(set(COUNT)) == 27
    assert len(counted) >= 25  # two examples are seen again to find unused bands
    assert {e.encoder for e in first.entries} >= {"pixel statistics", "random convolutions", "mine", FOREST}
    COUNT.clear()
    again = compare(collection, {"mine": Counted()}, Plan(**PLAIN), folder=tmp_path)
    assert len(set(COUNT)) <= 2  # read back from disk
    for a, b in zip(first.entries, again.entries, strict=True):
        assert np.array_equal(a.scores.predicted, b.scores.predicted)
    assert any("exactly the same answers" in text and "mine" in text for text in first.alarms)
    assert all(e.scores.simulated and e.scores.estimate().simulated for e in first.entries)
    labels = {e.share: e.scores.labels.mean() for e in first.entries}
    assert labels[0.2] < labels[1.0]


def test_the_decoder_and_the_network_from_scratch_learn_on_maps():
    pytest.importorskip("torch")
    training = Training(steps=25, channels=16, widths=(8, 16), rate=5e-3)
    plan = Plan(**{**PLAIN, "heads": ("linear", "decoder"), "shares": (1.0,), "training": training}, turns=1)
    found = compare(masks(), {}, plan)
    decoder = next(e for e in found.entries if e.head == "decoder")
    assert decoder.scores.estimate("accuracy").value > 0.3
    assert decoder.parameters[1] > 10_000
    assert any(e.encoder == SCRATCH and e.parameters[1] > 1000 for e in found.entries)


def test_pictures_of_one_class_each_and_numbers_can_be_asked_for():
    collection = pictures()
    found = compare(collection, {}, Plan(**PLAIN))
    forest = next(e for e in found.entries if e.encoder == FOREST and e.share == 1.0)
    assert forest.scores.estimate().value > 0.3
    level = collection.batch.pixels["sentinel-2a-l2a"].values.mean((1, 2, 3, 4)).astype(float)
    numbers = Collection("mean", replace(collection.batch, target=level), simulated=True, folds=3)
    scores = compare(numbers, {}, Plan(**{**PLAIN, "shares": (1.0,)}))
    linear = next(e for e in scores.entries if e.head == "linear")
    assert linear.scores.estimate("R2").value > 0.8


def test_a_change_is_read_from_the_difference_or_from_both():
    base = masks().batch
    p = base.pixels["s2"]
    random = np.random.default_rng(0)
    changed = random.random(base.target.shape) < 0.3
    after = replace(p, values=p.values + np.where(changed, 0.3, 0)[:, None, None].astype(np.float32))
    batch = Batch({"before": p, "after": after}, changed.astype(int), key=base.key, place=base.place)
    collection = Collection("change", batch, ("same", "changed"), simulated=True, folds=3, pair=("before", "after"))
    for how in ("difference", "concat"):
        found = compare(collection, {}, Plan(**PLAIN, pair=how))
        best = max(e.scores.estimate().value for e in found.entries if e.head == "linear")
        assert best > 0.9, how


def test_an_encoder_that_cannot_take_the_data_is_named_with_its_reason():
    class Picky:
        needs = Needs(bands=("B99",))

        def encode(self, batch, levels=(-1,)):
            raise BandError(rule="picky needs B99", got="without", remedy="choose another encoder")

    found = compare(pictures(4), {"picky": Picky()}, Plan(**PLAIN))
    assert "B99" in found.refused["picky"]
    assert all(e.encoder != "picky" for e in found.entries)


def test_bands_that_an_encoder_ignores_or_lacks_are_named():
    batch = masks(1).batch

    class Blind(Statistics):
        facts = type("Facts", (), {"bands": ("B2", "B4", "thermal")})()

        def __init__(self):
            super().__init__(1)
            self.facts = type(self).facts

        def encode(self, batch, levels=(-1,)):
            p = batch.pixels["s2"]
            return super().encode(
                Batch({"s2": replace(p, values=p.values[:, :, :3], valid=p.valid[:, :, :3], bands=p.bands[:3])})
            )

    names = [b.name for b in batch.pixels["s2"].bands]
    assert f.unused(Blind(), batch) == names[3:]
    assert f.lacking(Blind(), batch) == ["thermal"]
    assert f.unused(Statistics(1), batch) == []


def test_an_encoder_that_changes_while_it_is_used_is_found_out():
    class Drifting(RandomConvolutions):
        def encode(self, batch, levels=(-1,)):
            self.threshold = self.threshold + 1
            return super().encode(batch, levels)

    with pytest.raises(SwathError, match="stays as it is"):
        f.features(Drifting(4), pictures(3))


def test_vectors_of_pixels_are_read_between_token_centres():
    ramp = np.arange(4, dtype=np.float32)
    values = np.broadcast_to(ramp[None, None, None, :, None], (1, 1, 1, 4, 4)).copy()
    found = f.Features((values,), (np.ones((1, 1, 4, 4), bool),), (np.zeros((1, 1)),), np.zeros((1, 1)), 4, 0.0)
    target = np.zeros((1, 16, 16), int)
    p = masks(1).batch.pixels["s2"]
    fake = replace(p, values=np.zeros((1, 1, 1, 16, 16), np.float32), valid=np.ones((1, 1, 1, 16, 16), bool))
    items = Collection("x", Batch({"s2": fake}, target, place=("a",)), ("a",)).items(10_000)
    got = found.vectors(items)[:, 0]
    assert np.allclose(got, np.clip((items.row + 0.5) / 4 - 0.5, 0, 3))


def test_tokens_on_no_grid_become_one_cell():
    tokens = Tokens(np.ones((2, 5, 3), np.float32), np.ones((2, 5), bool), np.zeros((2, 5)), np.zeros((2, 5, 2)))
    values, valid, day = f.on_grid(tokens)
    assert values.shape == (2, 1, 3, 1, 1)
    assert valid.all()
    assert np.isnan(day).all()


def test_ranks_come_with_their_critical_difference():
    random = np.random.default_rng(0)
    scores = random.normal(size=(20, 4)) + np.array([3, 0, 0, 0])
    found = table.ranks(scores, ["best", "b", "c", "d"])
    assert found.mean["best"] < 1.3
    assert abs(found.critical - 2.569 * np.sqrt(4 * 5 / (6 * 20))) < 0.01
    assert found.p < 0.01
    assert table.ranks(scores, ["best", "b", "c", "d"], sign=-1).mean["best"] > 3.5
    assert not table.ranks(scores[:1], ["best", "b", "c", "d"]).mean


def test_the_table_names_differences_only_where_they_are_sure(tmp_path):
    found = compare(masks(), {"filters": RandomConvolutions(16, 1, seed=5)}, Plan(**PLAIN),
                    twins={"filters": RandomConvolutions(16, 1, seed=6)})  # fmt: skip
    text = table.text(found)
    assert "balanced accuracy" in text
    assert "filters (random weights)" in text
    (answer,) = table.worth(found)
    assert answer.startswith("filters (")
    assert "the best without it" in answer
    words = table.verdicts(found)
    assert words
    assert all("better than" in w or "not told apart" in w or "worse than" in w for w in words)
    for gap in table.gaps(found):
        if gap.sure:
            assert gap.estimate.low > 0 or gap.estimate.high < 0
    assert table.curves([found], tmp_path / "curves.png").stat().st_size > 10_000
    assert table.ranks_over_places(found, "linear", 1.0).n > 3


def test_a_collection_without_labels_is_refused():
    one = masks(1)
    empty = Collection("none", replace(one.batch, target=np.full_like(one.batch.target, -1)), one.classes)
    with pytest.raises(LabelError, match="needs labels"):
        empty.items()
