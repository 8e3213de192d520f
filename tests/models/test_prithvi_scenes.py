"""Prithvi on scenes as people have them: files in three units, dates and place from the file, maps in windows."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

torch = pytest.importorskip("torch")

from swath.cube.align import align  # noqa: E402
from swath.cube.blocks import Layer  # noqa: E402
from swath.cube.open import open as open_cube  # noqa: E402
from swath.errors import BandError  # noqa: E402
from swath.models.prithvi import Prithvi  # noqa: E402
from swath.models.prithvi_input import calendar, place_of  # noqa: E402
from swath.predict.blend import Blended  # noqa: E402
from swath.predict.embed import Embedding  # noqa: E402
from swath.predict.run import run  # noqa: E402
from swath.sample.window import read  # noqa: E402

NAMES = ("B02", "B03", "B04", "B8A", "B11", "B12")
SMALL = {"dim": 32, "depth": 2, "heads": 4, "patch": 8, "image": 32, "decoder_dim": 32, "decoder_depth": 1,
         "decoder_heads": 4, "codes": ("time", "place")}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Prithvi("tiny", **SMALL).eval()


def written(path, values, names=NAMES):
    values = np.asarray(values)
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[2], height=values.shape[1], count=len(values), dtype=values.dtype,
        crs="EPSG:32633", transform=Affine(10, 0, 465_000, 0, -10, 5_080_000),
    ) as file:  # fmt: skip
        file.write(values)
        file.descriptions = names
    return str(path)


def test_files_in_three_units_give_the_same_tokens_with_dates_and_place_of_their_own(tmp_path, model):
    stored = np.random.default_rng(0).integers(200, 5000, (6, 40, 32)).astype("uint16")
    cubes = [
        open_cube(
            written(tmp_path / "a_20210615.tif", stored / np.float32(10_000)),
            sensor="sentinel-2a-l2a",
            offset=0,
            scale=1,
        ),
        open_cube(written(tmp_path / "b_20210615.tif", stored), sensor="sentinel-2a-l2a", offset=0, scale=1e-4),
        open_cube(
            written(tmp_path / "c_20210615.tif", stored + np.uint16(1000)),
            sensor="sentinel-2a-l2a",
            offset=-1000,
            scale=1e-4,
        ),
    ]
    found = []
    for cube in cubes:
        batch = read({"s2": cube}, slice(0, 40), slice(0, 32))
        np.testing.assert_allclose(batch.pixels["s2"].values[0, 0], stored / 1e4, atol=1e-6)
        seen = model.seen(batch)
        assert seen.time[0, 0].tolist() == [2021.0, 165.0]
        np.testing.assert_allclose(seen.place[0].numpy(), [45.87, 14.55], atol=0.02)
        found.append(model.encode(batch)[0].values)
    np.testing.assert_allclose(found[1], found[0], atol=2e-5)
    np.testing.assert_allclose(found[2], found[0], atol=2e-5)


def test_a_scene_without_short_wave_infrared_is_refused_with_a_remedy(tmp_path, model):
    values = np.full((4, 32, 32), 0.2, np.float32)
    cube = open_cube(written(tmp_path / "a.tif", values, NAMES[:4]), sensor="sentinel-2a-l2a", offset=0, scale=1)
    with pytest.raises(BandError, match="no SWIR_1, SWIR_2") as caught:
        model.encode(read({"s2": cube}, slice(0, 32), slice(0, 32)))
    assert "bands=" in caught.value.remedy


def test_a_map_of_tokens_is_the_same_for_any_chunks_and_no_data_where_nothing_was_seen(tmp_path, model):
    values = np.random.default_rng(1).uniform(0.02, 0.5, (6, 120, 90)).astype(np.float32)
    values[:, 30:95, :60] = np.nan
    cube = open_cube(written(tmp_path / "a.tif", values), sensor="sentinel-2a-l2a", offset=0, scale=1)
    cubes = align({"s2": cube})
    layer = Layer("embedding", dtype="float32", nodata=float("nan"), bands=tuple(str(i) for i in range(32)))
    function = Blended(Embedding(model, 32), 32, lonlat=(14.55, 45.87))
    maps = []
    for window in (48, 160):
        ran = run(cubes, function, [layer], tmp_path / str(window), reach=function.reach, window=window)
        with rasterio.open(ran.paths["embedding"]) as file:
            maps.append(file.read())
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.isnan(maps[0][:, 30:95, :60]).all()
    assert np.isfinite(maps[0][:, :30]).all()
    moved = Blended(Embedding(model, 32), 32, offset=(8, 8), lonlat=(14.55, 45.87))
    batch = read(cubes, slice(0, 120), slice(0, 90))
    apart = np.abs(moved(batch)["embedding"][0] - maps[0])[:, :30]
    assert 0 < float(np.median(apart)) < float(np.std(maps[0][:, :30]))


def test_one_date_of_difference_in_counting_the_days_is_known():
    assert calendar(torch.tensor([[0.0, 364.0, 365.0]]))[0].tolist() == [[1970, 0], [1970, 364], [1971, 0]]
    assert place_of(torch.tensor([[170.0, -45.0]])).tolist() == [[-45.0, 170.0]]
