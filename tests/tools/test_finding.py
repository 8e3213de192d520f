"""Places of one scene like a place in it: exact, in pixels, with or without a georeference, and nothing where nothing is alike."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from swath.cube.contract import make
from swath.errors import GridError, SwathError
from swath.tools import finding
from swath.tools.finding import similar, tile_side, tiles_of

BOX = GeoBox((256, 320), Affine(10, 0, 5e5, 0, -10, 52e5), "EPSG:32632")


def world(box=BOX, *, quantity="reflectance", bare=False):
    """Ponds and fields of 32 px in a checkered wood; one bright square that has no like. bare: without a georeference."""
    rng = np.random.default_rng(3)
    values = np.empty((3, 256, 320), np.float32)
    values[:] = np.array([0.05, 0.08, 0.35])[:, None, None] + 0.02 * rng.normal(size=(3, 256, 320))
    for row, column in ((32, 32), (32, 224), (160, 96), (192, 256)):
        values[:, row : row + 32, column : column + 32] = np.array([0.03, 0.02, 0.01])[
            :, None, None
        ] + 0.003 * rng.normal(size=(3, 32, 32))
    for row, column in ((96, 0), (96, 256), (208, 16)):
        values[:, row : row + 32, column : column + 32] = 0.3 + 0.01 * rng.normal(size=(3, 32, 32))
    values[:, 96:112, 160:176] = 0.9
    if quantity == "digital_number":
        values = np.clip(values * 200, 0, 255).astype(np.uint8)
    return {
        "scene": make(
            values,
            bands=["red", "green", "nir"],
            wavelength=[665, 560, 842],
            geobox=None if bare else box,
            quantity=quantity,
        )
    }


def kept(tmp_path):
    return lambda encoder: tmp_path / f"{encoder}.zarr"


@pytest.mark.parametrize("bare", [False, True], ids=["on a map", "without a georeference"])
def test_ponds_are_found_by_a_pond_and_its_own_place_is_left_out(tmp_path, bare):
    tiles = tiles_of(world(bare=bare), kept(tmp_path), encoder="statistics")
    assert tiles.side == 16
    found = similar(tiles, [(48, 48)], k=12)
    assert 8 <= len(found.hits) <= 16
    for _, (top, bottom, left, right), score in found.hits[:8]:
        values = world()["scene"].values[2, top:bottom, left:right]
        assert values.mean() < 0.1
        assert found.threshold.value <= score <= 1
        assert np.hypot((top + bottom) / 2 - 48, (left + right) / 2 - 48) > 11
    assert [h[2] for h in found.hits] == sorted((h[2] for h in found.hits), reverse=True)


def test_a_place_without_a_like_has_none(tmp_path):
    tiles = tiles_of(world(), kept(tmp_path), encoder="statistics")
    found = similar(tiles, [(168, 104)])
    assert not found.hits
    assert found.answer.startswith("Nothing is similar: the best tile has")
    assert found.best < found.threshold.value


def test_what_is_not_wanted_takes_its_like_away(tmp_path):
    tiles = tiles_of(world(), kept(tmp_path), encoder="statistics")
    fields = {(r, r + 16, c, c + 16) for r in (96, 112) for c in (256, 272)}
    both = similar(tiles, [(48, 48), (16, 112)], k=40)
    less = similar(tiles, [(48, 48), (16, 112)], [(272, 112)], k=40)
    assert fields <= {h[1] for h in both.hits}
    assert not fields & {h[1] for h in less.hits}
    assert less.unlike >= 1
    assert less.hits[0][1] == both.hits[0][1]


def test_a_box_stands_for_the_tiles_in_it(tmp_path):
    tiles = tiles_of(world(), kept(tmp_path), encoder="statistics")
    found = similar(tiles, [(30, 66, 30, 66)], k=12)
    assert found.yes == ((30, 66, 30, 66),)
    assert found.own == 4
    assert len(found.hits) == 12


def test_a_scene_is_embedded_once(tmp_path):
    said = []
    tiles_of(world(), kept(tmp_path), encoder="statistics", progress=lambda *a: said.append(a))
    assert any("once" in what for _, _, what in said)
    said.clear()
    tiles_of(world(), kept(tmp_path), encoder="statistics", progress=lambda *a: said.append(a))
    assert not said


def test_numbers_without_a_quantity_are_searched_by_pixel_statistics_and_it_is_said(tmp_path):
    tiles = tiles_of(world(quantity="digital_number"), kept(tmp_path))
    assert tiles.encoder == "statistics"
    assert "Pixel statistics" in tiles.notes[0]


def test_reflectance_is_searched_by_the_encoder_that_comes_with_swath(tmp_path):
    pytest.importorskip("torch")
    tiles = tiles_of(world(), kept(tmp_path), side=32)
    assert (tiles.encoder, tiles.notes, tiles.side) == ("tiny", (), 32)
    found = similar(tiles, [(48, 48)], k=3)
    tops = {h[1] for h in found.hits}
    assert tops == {(32, 64, 224, 256), (160, 192, 96, 128), (192, 224, 256, 288)}


def test_of_a_large_scene_every_other_pixel_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setitem(finding.MOST_PIXELS, "statistics", 256 * 320 // 4)
    tiles = tiles_of(world(), kept(tmp_path), encoder="statistics")
    assert (tiles.step, tiles.shape) == (2, (256, 320))
    assert "one pixel in 2" in tiles.notes[0]
    assert tiles.windows[:, 1].max() == 256
    assert similar(tiles, [(48, 48)], k=3).hits


def test_examples_lie_on_valid_pixels_of_the_scene(tmp_path):
    scene = world()
    scene["scene"].values[:, :64, 64:128] = np.nan
    tiles = tiles_of(scene, kept(tmp_path), encoder="statistics")
    assert "without a clear pixel" in tiles.notes[0]
    with pytest.raises(SwathError, match="valid pixels"):
        similar(tiles, [(96, 32)])
    with pytest.raises(GridError, match="on the scene"):
        similar(tiles, [(500, 32)])
    with pytest.raises(SwathError, match="needs an example"):
        similar(tiles, [])


def test_tiles_are_as_large_as_a_threshold_allows():
    assert tile_side((1000, 1000)) == 32
    assert tile_side((224, 224)) == 16
    assert tile_side((40, 40)) == 4
    assert tile_side((40, 40), 8) == 8


def test_evened_vectors_tell_hits_apart_and_find_the_same_classes(tmp_path, monkeypatch):
    """What docs/explore.md says of the similarity in the explorer, on one of its five made worlds."""
    rasterio = pytest.importorskip("rasterio")
    from swath.datasets.made import demo_world
    from swath.doors.web.glance import clear_share
    from swath.tools.scenes import Reading, open_scenes

    made = demo_world(tmp_path / "world", seed=0)
    with rasterio.open(made.truth) as file:
        truth = file.read(1)
    name = next(key for key in made.sensors if "2" in key)
    cubes = open_scenes([str(made.sensors[name])], Reading()).cubes
    cube = next(iter(cubes.values()))
    clearest = int(np.argmax([clear_share(cube, i) for i in range(cube.sizes["time"])]))
    one = {key: c.isel(time=[clearest]) for key, c in cubes.items()}

    def seen(mode):
        tiles = tiles_of(one, lambda used: tmp_path / f"{mode}-{used}.zarr", side=8, encoder="statistics")
        windows = np.asarray(tiles.windows, int)
        counts = [np.bincount(truth[a:b, c:d].ravel(), minlength=2)[1:] for a, b, c, d in windows]
        kind = np.array([c.argmax() if c.sum() else -1 for c in counts])
        pure = np.array([c.sum() > 0 and c.max() >= 0.6 * c.sum() for c in counts])
        x = np.asarray(tiles.found.vector, float)
        if mode == "plain":
            x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-9)
        x = (x / np.linalg.norm(x, axis=1, keepdims=True))[pure]
        middle = windows[pure].reshape(-1, 2, 2).mean(2)
        near = np.abs(middle[:, None] - middle).max(2) <= 16
        alike = np.where(near, -9, x @ x.T)
        first = np.sort(alike, axis=1)[:, ::-1]
        same = kind[pure][np.argsort(-alike, axis=1)[:, :5]] == kind[pure][:, None]
        return same.mean(), np.median(first[:, 0] - first[:, 11])

    damped = seen("damped")
    monkeypatch.setattr(finding, "_evened", lambda found: (found, lambda vector: vector))
    plain = seen("plain")
    assert abs(damped[0] - plain[0]) < 0.04
    assert damped[1] > 3 * plain[1]
