import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from swath.baseline.mapper import Mapper, train
from swath.errors import BandError, FormatError, LabelError, SwathError, UnitError
from swath.sample.window import read

from .test_features import Doubler
from .worlds import labelled, scene, season, two_kinds

CUBE, TRUTH, LABELS, PLACES = two_kinds()
CUBES = {"s": CUBE}
MAPPER = train(CUBES, LABELS, PLACES, seed=1)
EVERYTHING = (slice(0, 64), slice(0, 64))


def test_two_kinds_are_told_apart_and_the_choice_is_better_than_majority():
    out = MAPPER(read(CUBES, *EVERYTHING))
    assert (out["probability"][0].argmax(0) == TRUTH).mean() > 0.95
    scores = dict(MAPPER.candidates)
    assert scores[MAPPER.chosen].value > scores["majority"].value + 0.2
    assert np.allclose(out["probability"].sum(1), 1, atol=1e-4)
    assert out["features"].shape[1] == len(MAPPER.feature_names) == MAPPER.training.x.shape[1]
    assert MAPPER.training.weight.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["shrunk LDA on space, smoothed", "extra trees on space, smoothed"])
def test_windows_with_the_reach_map_bit_for_bit_as_the_whole_scene(name, monkeypatch):
    from swath.baseline import choose

    only = tuple(replace(c, sturdy=True) for c in choose.CANDIDATES["class"] if c.name == name)
    monkeypatch.setitem(choose.CANDIDATES, "class", only)
    cube, _, labels, places = two_kinds(96, 80)
    cube.values[:, 30:34, 20:60] = np.nan
    good = np.isfinite(cube.values[0][labels.row, labels.column])
    mapper = train({"s": cube}, labels.take(good), places.take(good))
    assert mapper.chosen == name
    whole = mapper(read({"s": cube}, slice(0, 96), slice(0, 80)))["probability"]
    r = mapper.reach
    for top, left in ((0, 0), (40, 40), (25, 60), (90, 0)):
        y, x = max(0, top - r), max(0, left - r)
        part = mapper(read({"s": cube}, slice(y, min(96, top + 8 + r)), slice(x, min(80, left + 8 + r))))["probability"]
        core = part[..., top - y : top - y + 8, left - x : left - x + 8]
        want = whole[..., top : top + 8, left : left + 8]
        assert np.array_equal(core[..., : want.shape[-2], : want.shape[-1]], want, equal_nan=True)


def test_a_saved_mapper_maps_the_same_bytes_and_its_files_are_the_same_each_time(tmp_path):
    MAPPER.save(tmp_path / "a")
    MAPPER.save(tmp_path / "b")
    for name in ("model.json", "training.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["model.json", "training.npz"]
    again = Mapper.load(tmp_path / "a")
    batch = read(CUBES, *EVERYTHING)
    assert again(batch)["probability"].tobytes() == MAPPER(batch)["probability"].tobytes()
    assert (again.chosen, again.reach, again.classes, again.codes) == (
        MAPPER.chosen,
        MAPPER.reach,
        ["dark", "bright"],
        [1, 2],
    )
    assert again.notes == MAPPER.notes
    assert np.array_equal(again.oof.value, MAPPER.oof.value, equal_nan=True)


def test_training_again_gives_the_same_files(tmp_path):
    train(CUBES, LABELS, PLACES, seed=1, fast=True).save(tmp_path / "a")
    train(CUBES, LABELS, PLACES, seed=1, fast=True).save(tmp_path / "b")
    for name in ("model.json", "training.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_damaged_or_foreign_models_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"model\.json"):
        Mapper.load(tmp_path)
    MAPPER.save(tmp_path)
    text = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(FormatError, match="99"):
        Mapper.load(tmp_path)
    (tmp_path / "model.json").write_text(text[: len(text) // 2])
    with pytest.raises(FormatError):
        Mapper.load(tmp_path)
    (tmp_path / "model.json").write_text(text)
    np.savez(tmp_path / "training.npz", training_x=np.array([{}], object))
    with pytest.raises(FormatError):
        Mapper.load(tmp_path)


def test_pickles_and_threads_share_it():
    twin = pickle.loads(pickle.dumps(MAPPER))
    batches = [read(CUBES, slice(0, 64), slice(0, 20 + k)) for k in range(6)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(twin, batches))
    for batch, one in zip(batches, got, strict=True):
        assert one["probability"].tobytes() == MAPPER(batch)["probability"].tobytes()


def test_other_bands_or_units_are_refused():
    with pytest.raises(BandError):
        MAPPER(read({"s": scene(9, 9, bands=4)}, slice(0, 9), slice(0, 9)))
    radiance = CUBE.assign_coords(quantity=("band", ["radiance"] * 4))
    with pytest.raises(UnitError):
        MAPPER(read({"s": radiance}, slice(0, 9), slice(0, 9)))


def test_numbers_are_mapped_by_regression():
    cube = scene(48, 48, bands=4)
    random = np.random.default_rng(0)
    at = np.sort(random.choice(48 * 48, 120, replace=False))
    row, column = at // 48, at % 48
    truth = 100 * cube.values[0] + 10 * cube.values[1]
    labels, places = labelled(row, column, truth[row, column].astype(float), (48, 48), kind="number")
    mapper = train({"s": cube}, labels, places)
    out = mapper(read({"s": cube}, slice(0, 48), slice(0, 48)))
    assert out["value"].shape == (1, 1, 48, 48)
    assert np.corrcoef(out["value"][0, 0].ravel(), truth.ravel())[0, 1] > 0.95
    assert dict(mapper.candidates)[mapper.chosen].value > 0.8
    assert mapper.oof.value.shape == (120, 1)
    assert "R2" in mapper.candidates[0][1].method


def test_labels_on_missing_pixels_are_left_out_and_said():
    cube = CUBE.copy(deep=True)
    cube.values[:, LABELS.row[:3], LABELS.column[:3]] = np.nan
    mapper = train({"s": cube}, LABELS, PLACES, fast=True)
    assert any("3 labels lie on missing pixels" in n for n in mapper.notes)
    assert len(mapper.training.y) == 57
    assert mapper.training.index.tolist() == list(range(3, 60))
    missing = mapper(read({"s": cube}, *EVERYTHING))
    assert np.isnan(missing["probability"][0][:, LABELS.row[0], LABELS.column[0]]).all()


def test_all_labels_missing_is_refused():
    cube = CUBE.copy(deep=True)
    cube.values[:, LABELS.row, LABELS.column] = np.nan
    with pytest.raises(LabelError, match="seen"):
        train({"s": cube}, LABELS, PLACES, fast=True)


def test_many_labels_are_thinned_evenly(monkeypatch):
    from swath.baseline import mapper as module

    monkeypatch.setattr(module, "MOST", 20)
    mapper = train(CUBES, LABELS, PLACES, fast=True)
    assert len(mapper.training.y) == 20
    assert np.bincount(mapper.training.y).tolist() == [10, 10]
    assert any("20 of 60 labels used" in n for n in mapper.notes)


def test_points_over_a_season_are_mapped():
    cube = season(1, 80, missing=0.1).isel(y=0).rename(x="place").drop_vars("y")
    value = (np.nanmean(cube.values[:, 0], 0) > np.median(np.nanmean(cube.values[:, 0], 0))).astype(int)
    place = np.arange(80) // 8
    labels, _ = labelled(np.zeros(80, int), np.arange(80), value, (1, 80))
    mapper = train({"m": cube}, labels, place, fast=True)
    assert mapper.reach == 0


def test_an_encoders_tokens_take_part_and_the_encoder_is_asked_for_again(tmp_path):
    mapper = train(CUBES, LABELS, PLACES, encoder=Doubler(), features=["tokens"], fast=True)
    assert mapper.feature_names == ["token1", "token2", "token3", "token4"]
    mapper.save(tmp_path)
    with pytest.raises(SwathError, match="--encoder"):
        Mapper.load(tmp_path)
    batch = read(CUBES, *EVERYTHING)
    again = Mapper.load(tmp_path, encoder=Doubler())
    assert again(batch)["probability"].tobytes() == mapper(batch)["probability"].tobytes()


def test_progress_may_call_it_off():
    from swath.errors import Cancelled

    def stop(done, total, what):
        raise Cancelled(what)

    with pytest.raises(Cancelled):
        train(CUBES, LABELS, PLACES, progress=stop)
