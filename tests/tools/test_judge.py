"""The folds that judge a map say the same whether the scene at the labels is read once or anew in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from swath.baseline import choose
from swath.baseline.features import Features
from swath.baseline.mapper import look, train
from swath.sample import labels as labelling
from swath.sample import split
from swath.tools import judge
from swath.tools.scenes import Reading, open_scenes

SIZE = 150


def made(folder: Path) -> tuple[Path, np.ndarray]:
    """Two classes of patches in three bands of reflectance, with pixels missing among them."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE]
    truth = 1 + ((np.sin(x / 9) + np.cos(y / 11)) > 0).astype(int)
    values = 0.1 * truth + np.array([0.1, 0.2, 0.3])[:, None, None] + rng.normal(0, 0.06, (3, SIZE, SIZE))
    values[:, rng.random((SIZE, SIZE)) < 0.02] = np.nan
    path = folder / "scene.tif"
    form = {"driver": "GTiff", "width": SIZE, "height": SIZE, "count": 3, "dtype": "float32", "nodata": np.nan}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=from_origin(500_000, 5_000_000, 10, 10), **form) as file:
        file.write(values.astype(np.float32))
        file.descriptions, file.units = ("B02", "B03", "B04"), ("1",) * 3
        file.update_tags(quantity="reflectance")
        for band in (1, 2, 3):
            file.update_tags(band, quantity="reflectance", units="1")
    return path, truth


@pytest.mark.parametrize("smoothed", [False, True])
def test_reading_the_scene_once_changes_no_number(tmp_path: Path, smoothed: bool, monkeypatch: pytest.MonkeyPatch):
    scene, truth = made(tmp_path)
    opened = open_scenes([str(scene)], Reading())
    rng = np.random.default_rng(1)
    row, column = rng.integers(0, SIZE, (2, 60))
    labels = labelling.read((row, column, truth[row, column]), opened.grid, shape=opened.shape)
    places = split.blocks(labels, 24)
    features = Features.fit(opened.cubes)
    one = choose.Candidate("only", "shrunk LDA", choose.AROUND, smoothed, sturdy=True)
    monkeypatch.setitem(choose.CANDIDATES, "class", (one,))
    seen = look(opened.cubes, labels, features)
    assert seen is not None
    assert not seen.good.all()
    options = {"seed": 0, "features": features, "buffer": 6}
    apart, once = (train(opened.cubes, labels, places, seen=s, **options) for s in (None, seen))
    assert apart.training.x.tobytes() == once.training.x.tobytes()
    assert apart.oof.value.tobytes() == once.oof.value.tobytes()
    assert apart.chosen == once.chosen == "only"
    judged = [
        judge.by_outer_folds(opened.cubes, labels, places, apart, features, seed=0, fast=False, buffer=6, seen=s)
        for s in (None, seen)
    ]
    assert judged[0].answer.tobytes() == judged[1].answer.tobytes()
    assert np.array_equal(judged[0].index, judged[1].index)
    for name, answer in judged[0].baseline.items():
        assert answer.tobytes() == judged[1].baseline[name].tobytes()


def test_what_would_take_too_much_memory_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from swath.baseline import mapper

    scene, truth = made(tmp_path)
    opened = open_scenes([str(scene)], Reading())
    row, column = np.random.default_rng(1).integers(0, SIZE, (2, 30))
    labels = labelling.read((row, column, truth[row, column]), opened.grid, shape=opened.shape)
    monkeypatch.setattr(mapper, "SEEN_BYTES", 1000)
    assert look(opened.cubes, labels, Features.fit(opened.cubes)) is None
