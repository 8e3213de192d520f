from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import swath.testing as testing
from swath.batch import Batch, Needs, Tokens
from swath.datasets import indian_pines, toy
from swath.errors import SwathError
from swath.sample.loader import Chips, Loader, Scene, Turns, join
from swath.sample.window import read
from swath.testing import cube as cube_rules
from swath.testing import dataset, encoder, objective, source, transform
from swath.transform.augment import Dihedral
from swath.transform.standardise import Standardise

WHEN = toy.dates("2021-04-01", "2021-09-01", 40)


def cubes(seed):
    place = toy.world(seed, 32)
    return {
        "s2": toy.view(place, "sentinel-2a-l2a", WHEN, seed=seed)[0],
        "s1": toy.view(place, "sentinel-1-grd", WHEN, seed=seed)[0],
    }


@pytest.fixture(scope="module")
def batch():
    parts = [read(cubes(seed), slice(0, 8), slice(8, 16)) for seed in (1, 2, 3)]
    return replace(join(parts), target=np.zeros((3, 8, 8), int), key=("a", "b", "c"), place=(1, 2, 3))


class Means:
    """The simplest Encoder: mean of a pixel's valid reflectances over bands and dates."""

    needs = Needs(quantity=("reflectance", "backscatter"))
    wild = order = False

    def encode(self, batch, levels=(-1,)):
        from swath.models.weights import check

        check(batch, self.needs, name="means")
        p = next(iter(batch.pixels.values()))
        b, _, _, h, w = p.values.shape
        valid = np.ones_like(p.valid) if self.wild else p.valid
        mean = np.where(valid, p.values, 0).sum((1, 2)) / np.maximum(valid.sum((1, 2)), 1)
        if self.order:
            mean = np.where(p.valid[:, 0, 0], p.values[:, 0, 0], 0)
        seen = p.valid.any((1, 2)).reshape(b, -1)
        return [Tokens(mean.reshape(b, -1, 1), seen, np.full((b, h * w), np.nan), np.zeros((b, h * w, 2)), (1, h, w))]


def encoders(batch):
    """(encoder, batch that suits it) of everything that has a name, as each family's `example` gives it."""
    from importlib import import_module

    from swath.models import CLASSICAL, MODELS, WEIGHTS, load

    yield Means(), batch
    for target in CLASSICAL.values():
        module, _, attribute = target.partition(":")
        yield getattr(import_module(module), attribute).example()
    pytest.importorskip("torch")
    for target in MODELS.values():
        module, _, attribute = target.partition(":")
        family = getattr(import_module(module), attribute)
        if hasattr(family, "encode") and hasattr(family, "example"):  # networks of pairs or series are no encoders
            yield family.example()
    for name in WEIGHTS:
        yield load(name), batch


def test_every_encoder_keeps_the_rules(batch):
    for one, suits in encoders(batch):
        testing.check_encoder(one, suits)


@pytest.mark.parametrize(
    ("fault", "rule"), [("wild", encoder.ignores_what_is_not_valid), ("order", encoder.follows_the_bands)]
)
def test_a_faulty_encoder_is_found_out(batch, fault, rule):
    broken = Means()
    setattr(broken, fault, True)
    assert rule(broken, batch)
    with pytest.raises(SwathError, match=rule.__name__):
        testing.check_encoder(broken, batch)


def test_every_objective_keeps_the_rules_and_a_faulty_one_is_found_out(batch):
    torch = pytest.importorskip("torch")
    from swath.models.tiny import Tiny
    from swath.objective.loss import Loss, total
    from swath.objective.mask import Masked

    names = set()
    for one, model, suits in objective.objectives():
        testing.check_objective(one, model, suits)
        names.add(type(one).__name__)
    assert {"Masked", "MaskedPatches", "Supervise", "Distil"} <= names
    tiny, suits = Tiny.example()
    testing.check_objective(total({"a": (1.0, Masked())}), tiny, suits)

    def careless(model, batch):
        values = next(iter(batch.to("cpu").pixels.values())).values
        return Loss({"all": (torch.cat([p.flatten() for p in model.parameters()]).sum() - values).square().mean()})

    assert objective.ignores_what_is_not_valid(careless, tiny, suits)


def test_transforms_keep_the_rules_and_a_faulty_one_is_found_out(batch):
    from swath.transform.speckle import Speckle

    standard = Standardise.fit([batch])
    for one in (Dihedral(), Speckle()):
        testing.check_transform(one, batch)
    testing.check_transform(lambda b, rng: b, batch)
    assert not transform.keeps_shapes_and_names(lambda b, rng: standard(b), batch)

    def careless(b, rng):
        return replace(b, pixels={n: replace(p, values=p.values[..., ::-1]) for n, p in b.pixels.items()})

    with pytest.raises(SwathError, match="moves_validity"):
        testing.check_transform(careless, batch)


def test_sources_keep_the_rules_and_a_faulty_one_is_found_out(batch):
    scenes = [Scene(cubes(seed), place=seed, block=(16, 16)) for seed in (1, 2)]
    loader = Loader(scenes, size=8, batch=4, superblock=16)
    chips = Chips(join([batch] * 4), batch=4)
    for one in (loader, chips, Turns(loader, chips)):
        testing.check_source(one)

    class Careless(Chips):
        def epoch(self, number):
            self.seed += 1
            return super().epoch(number)

    assert source.an_epoch_is_the_same_again(Careless(join([batch] * 4), batch=4))


def test_data_sets_keep_the_rules_and_a_faulty_one_is_found_out():
    testing.check_dataset(lambda: (cubes(3), toy.world(3, 32).classes))
    assert dataset.truth_lies_on_the_grid(lambda: (cubes(3), np.zeros((5, 5))))
    assert dataset.comes_the_same_twice(lambda: (cubes(np.random.randint(1 << 30)), None))
    pytest.importorskip("tensorly")
    scene = indian_pines.load()
    assert not dataset.truth_lies_on_the_grid(lambda: ({"aviris": scene.cube}, scene.truth))
    assert not dataset.cubes_keep_the_contract(lambda: ({"aviris": scene.cube}, scene.truth))


def test_cubes_keep_the_rules_and_a_faulty_one_is_found_out():
    for one in (*cubes(1).values(), toy.elevation(toy.world(1, 16))):
        testing.check_cube(one)
    wrong = cubes(1)["s2"] * 10_000
    wrong.attrs = cubes(1)["s2"].attrs
    assert cube_rules.values_are_possible(wrong)
    with pytest.raises(SwathError, match="values_are_possible"):
        testing.check_cube(wrong)


def test_an_unknown_check_is_named():
    with pytest.raises(AttributeError, match="check_cube"):
        _ = testing.check_word


def test_a_batch_of_other_quantities_is_refused_by_rule(batch):
    assert not encoder.refuses_digital_numbers(Means(), Batch(batch.pixels))


def test_every_collection_that_is_at_hand_keeps_the_rules(shared):
    from swath.testing.collection import check_collection, collections

    names = [module.__name__.rpartition(".")[2] for module in collections()]
    assert len(names) >= 10
    for module in collections():
        check_collection(module, shared)


def test_a_collection_with_impossible_values_is_found_out(batch):
    from types import SimpleNamespace

    from swath.testing import collection

    module = SimpleNamespace(CLASSES=("a",), FOLDER="f", LICENCE="l", SOURCE="s", __name__="made")
    made = replace(batch, target=np.zeros(len(batch), int))
    assert not any(rule(module, made) for rule in collection.RULES)
    hot = {n: replace(p, values=p.values * np.float32(10_000)) for n, p in batch.pixels.items()}
    assert "as reflectance" in collection.has_values_that_can_be(module, replace(made, pixels=hot))
    assert collection.has_targets_that_it_names(module, replace(made, target=np.full(len(batch), 3)))
    assert collection.has_keys_and_places(module, replace(made, key=("x",) * len(batch)))
