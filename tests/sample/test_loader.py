from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swath.datasets import toy
from swath.errors import GridError, LabelError
from swath.sample.loader import Chips, Loader, Scene, join, take
from swath.sample.window import read

WHEN = toy.dates("2021-05-01", "2021-07-01", 20)


def scene(seed, *, size=96, radar=True, when=WHEN):
    place = toy.world(seed, size)
    optical, truth = toy.view(place, "sentinel-2a-l2a", when, seed=seed)
    cubes = {"s2": optical}
    if radar:
        cubes["s1"] = toy.view(place, toy.SENTINEL_1, when[:2], seed=seed)[0]
    return Scene(cubes, place=f"world{seed}", target=truth.classes[-1], block=(32, 32))


def loader(scenes, **options):
    return Loader(scenes, **{"size": 16, "batch": 6, "superblock": 32, **options})


def test_a_batch_holds_every_sensor_of_the_same_ground_and_its_target():
    scenes = [scene(1), scene(2)]
    batch = next(loader(scenes).epoch(0))
    s2, s1 = batch.pixels["s2"], batch.pixels["s1"]
    assert s2.values.shape == (6, len(WHEN), 12, 16, 16)
    assert s1.values.shape == (6, 2, 2, 16, 16)
    assert batch.target.shape == (6, 16, 16)
    assert set(batch.place) == {"world1", "world2"}
    for i, key in enumerate(batch.key):
        name, row, column = key.split("_")
        source = scenes[int(name[-1]) - 1]
        rows, columns = slice(int(row), int(row) + 16), slice(int(column), int(column) + 16)
        alone = read(source.cubes, rows, columns)
        np.testing.assert_array_equal(s2.values[i], alone.pixels["s2"].values[0])
        np.testing.assert_array_equal(s2.valid[i], alone.pixels["s2"].valid[0])
        np.testing.assert_array_equal(batch.target[i], source.target[rows, columns])
        np.testing.assert_allclose(s2.lonlat[i], alone.pixels["s2"].lonlat[0], atol=1e-4)
        np.testing.assert_array_equal(s2.day[i], alone.pixels["s2"].day[0])


def test_a_sensor_that_a_scene_lacks_and_dates_it_lacks_are_invalid():
    batch = join(list(loader([scene(1), scene(2, radar=False, when=WHEN[:2])]).epoch(0)))
    first = np.array([p == "world1" for p in batch.place])
    assert batch.pixels["s1"].valid[first].all()
    assert not batch.pixels["s1"].valid[~first].any()
    assert not batch.pixels["s2"].valid[~first, 2:].any()
    assert np.isnan(batch.pixels["s2"].day[~first, 2:]).all()


def test_the_same_epoch_is_the_same_and_another_is_not():
    a, b = loader([scene(1), scene(2)], threads=1), loader([scene(1), scene(2)], threads=3)
    keys = [[k for batch in x.epoch(n) for k in batch.key] for x, n in ((a, 0), (b, 0), (a, 1))]
    assert keys[0] == keys[1] != keys[2]


def test_a_kept_index_set_rules_the_following_epochs():
    source = loader([scene(1), scene(2), scene(3)])
    source.keep([2])
    assert {p for batch in source.epoch(1) for p in batch.place} == {"world3"}
    for wrong in ([], [5], [-1]):
        with pytest.raises(LabelError):
            source.keep(wrong)


def test_what_is_open_at_once_fits_the_memory_that_is_given():
    scenes = [replace(scene(seed), block=(512, 512)) for seed in (1, 2)]
    rich = Loader(scenes, size=16, batch=4, memory=1 << 40)
    poor = Loader(scenes, size=16, batch=4, memory=4_000_000)
    assert rich.superblock == 1024
    assert poor.superblock < 64
    cell = 5 * (4 * 12 + 2 * 2)
    largest = []
    for source in poor.scenes:
        read_plain = source.read

        def read_counted(rows, columns, read_plain=read_plain):
            largest.append((rows.stop - rows.start) * (columns.stop - columns.start) * cell)
            return read_plain(rows, columns)

        object.__setattr__(source, "read", read_counted)
    keys = [k for batch in poor.epoch(0) for k in batch.key]
    assert len(keys) == pytest.approx(2 * 96 * 96 / 16**2, rel=0.2)
    assert max(largest) * (poor.buffer + 2 * poor.threads) < 2.5 * 4_000_000


def test_chips_show_every_kept_example_once_an_epoch():
    examples = join([b for b in loader([scene(1), scene(2)]).epoch(0)])
    chips = Chips(examples, batch=5, seed=1)
    keys = [k for b in chips.epoch(0) for k in b.key]
    assert sorted(keys) == sorted(examples.key)
    assert keys != list(examples.key)
    assert keys == [k for b in chips.epoch(0) for k in b.key]
    chips.keep(range(4))
    assert sorted(k for b in chips.epoch(1) for k in b.key) == sorted(examples.key[:4])


def test_take_and_join_are_inverse():
    examples = next(loader([scene(1)]).epoch(0))
    again = join([take(examples, [i]) for i in range(len(examples))])
    assert again.key == examples.key
    np.testing.assert_array_equal(again.pixels["s2"].values, examples.pixels["s2"].values)
    np.testing.assert_array_equal(again.target, examples.target)


def test_different_bands_under_one_name_are_refused():
    a = next(loader([scene(1)]).epoch(0))
    p = a.pixels["s1"]
    b = replace(a, pixels={**a.pixels, "s1": replace(p, bands=p.bands[::-1])})
    with pytest.raises(GridError, match="same bands"):
        join([a, b])
    with pytest.raises(GridError, match="share one grid"):
        Scene({"s2": toy.view(toy.world(1, 16), toy.SENTINEL_2, WHEN)[0]}, 1, target=np.zeros((8, 8)))
