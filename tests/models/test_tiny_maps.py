from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from swath.baseline.mapper import Mapper, train
from swath.datasets import toy
from swath.errors import SwathError, UnitError
from swath.models import load
from swath.sample.window import read

SIZE, SIDE = 64, 16


@pytest.fixture(scope="module")
def world():
    place = toy.world(8, SIZE)
    cube, truth = toy.view(place, "sentinel-2a-l2a", toy.dates("2021-03-15", "2021-10-15", 30), seed=8)
    y = truth.classes[-1]
    block = (np.arange(SIZE) // SIDE)[:, None] * (SIZE // SIDE) + np.arange(SIZE)[None] // SIDE
    rng = np.random.default_rng(0)
    spots = [np.argwhere((block % 2 == 0) & (y == k)) for k in range(9)]
    row, column = np.concatenate([s[rng.permutation(len(s))[:10]] for s in spots]).T
    names = [truth.names[k] for k in np.unique(y[row, column])]
    value = np.searchsorted(np.unique(y[row, column]), y[row, column])
    codes = list(range(1, len(names) + 1))
    labels = SimpleNamespace(row=row, column=column, value=value, names=names, codes=codes, kind="class")
    return {"s2": cube}, labels, block[row, column], y, block


def test_a_map_from_its_tokens_alone_is_right_on_places_never_seen_and_survives_saving(world, tmp_path):
    cubes, labels, places, y, block = world
    mapper = train(cubes, labels, places, encoder=load("tiny"), features=["tokens"], fast=True)
    window = read(cubes, slice(0, SIZE), slice(0, SIZE))
    probability = mapper(window)["probability"][0]
    known = np.isin(np.array(toy.CLASSES)[y], labels.names) & (block % 2 == 1)
    said = np.array(labels.names)[probability.argmax(0)]
    right = (said == np.array(toy.CLASSES)[y])[known].mean()
    assert right > 0.7, right
    mapper.save(tmp_path)
    with pytest.raises(SwathError, match="encoder tiny"):
        Mapper.load(tmp_path)
    again = Mapper.load(tmp_path, encoder=load("tiny"))
    np.testing.assert_allclose(again(window)["probability"][0], probability, atol=1e-5)


def test_scenes_whose_units_nothing_tells_are_refused(world):
    cubes, labels, places, _, _ = world
    stored = (cubes["s2"] * 10_000).round().astype(np.uint16)
    stored = stored.assign_coords(
        quantity=("band", ["digital_number"] * stored.sizes["band"]), nodata=("band", [0.0] * 12)
    )
    with pytest.raises(UnitError, match="digital_number"):
        train({"s2": stored}, labels, places, encoder=load("tiny"), features=["tokens"], fast=True)


def test_the_report_says_whether_its_tokens_were_of_use(tmp_path):
    import swath
    from swath.datasets.made import demo_world

    made = demo_world(tmp_path / "world", seed=3, size=64, every=90.0, per_class=8)
    found = swath.map(made.sensors["sentinel-2"], labels=made.labels, encoder="tiny", out=tmp_path / "out", fast=True)
    (said,) = [note for note in found.notes if "encoder's tokens" in note]
    assert "spatial cross-validation" in said
    page = next((tmp_path / "out").glob("*.html")).read_text(encoding="utf-8")
    assert "tokens are not used" in page or "tokens won their place" in page
    assert ("are not used" in said) == ("with tokens" not in found.chosen)
