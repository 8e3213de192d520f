from __future__ import annotations

import numpy as np
import pytest

from swath.errors import FormatError, OutputError, SwathError
from swath.predict import archive, vectors
from swath.predict.vectors import Scaling, Vectors


def made(n=500, width=12, seed=0, places=25):
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=(n, width)).astype(np.float32) * np.geomspace(1e-3, 1e3, width) + 5
    lonlat = np.stack([rng.uniform(-180, 180, n), rng.uniform(-80, 80, n)], 1)
    day = np.where(rng.random(n) < 0.1, np.nan, rng.integers(15_000, 20_000, n) + 0.5)
    key = np.array([f"scène {i}" for i in range(n)])
    place = np.array([f"p{i % places}" for i in range(n)])
    return Vectors(key, lonlat, day, place, vector.astype(np.float32), {"encoder": "statistics", "weights": None})


@pytest.mark.parametrize("ending", ["zarr", "parquet"])
def test_an_archive_gives_back_what_was_written_whole_or_lazily(tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    v = made()
    v.lonlat[3] = np.nan
    v.vector[4] = np.nan
    path = v.write(tmp_path / f"e.{ending}")
    for lazy in (False, True):
        got = vectors.read(path, lazy=lazy)
        assert len(got) == 500
        assert got.width == 12
        assert got.facts["encoder"] == "statistics"
        whole = got.take(np.arange(500))
        np.testing.assert_array_equal(whole.vector, v.vector)
        np.testing.assert_array_equal(whole.lonlat, v.lonlat)
        np.testing.assert_allclose(whole.day, v.day)
        assert list(whole.key) == list(v.key)
        assert list(whole.place) == list(v.place)
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "nothing is left aside"


def test_xarray_opens_the_zarr_and_geopandas_the_parquet(tmp_path):
    import xarray as xr

    v = made(40)
    frame = xr.open_zarr(v.write(tmp_path / "e.zarr"))
    assert frame["vector"].shape == (40, 12)
    assert {"lon", "lat", "day", "key", "place"} <= set(frame.coords)
    assert frame["day"].dtype.kind == "M"
    pytest.importorskip("pyarrow")
    import geopandas

    table = geopandas.read_parquet(v.write(tmp_path / "e.parquet"))
    assert table.crs.to_epsg() in (4326, None)
    assert len(table) == 40
    np.testing.assert_allclose(table.geometry.x, v.lonlat[:, 0])
    np.testing.assert_allclose(np.stack(list(table["vector"])), v.vector)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_the_nearest_are_exact_whatever_the_block(block):
    v = made()
    v.vector[100] = v.vector[7] * 3  # same direction: a tie with row 7
    v.vector[8] = 0
    v.vector[9] = np.nan
    hits = vectors.nearest(v, v.vector[7], 10, block=block)
    x = np.nan_to_num(v.vector.astype(float))
    with np.errstate(invalid="ignore"):
        truth = (x @ x[7]) / (np.linalg.norm(x, axis=1) * np.linalg.norm(x[7]))
    truth[[8, 9]] = -np.inf
    order = np.lexsort((np.arange(len(truth)), -np.round(truth, 9)))[:10]
    assert list(hits.row) == list(order)
    assert list(hits.row[:2]) == [7, 100]
    np.testing.assert_allclose(hits.similarity, truth[order], atol=1e-6)


def test_many_queries_at_once_are_each_alone_and_where_limits_what_is_found():
    v = made()
    able = np.arange(500) % 3 == 0
    many = vectors.nearest(v, v.vector[:4], 5, where=able, block=64)
    for i in range(4):
        one = vectors.nearest(v, v.vector[i], 5, where=able)
        assert list(many.row[i]) == list(one.row)
        assert able[one.row].all()
    short = vectors.nearest(v, v.vector[:2], 9, where=np.arange(500) < 3)
    assert (short.row[:, 3:] == -1).all()
    assert np.isnan(short.similarity[:, 3:]).all()


def test_lazy_search_reads_no_more_than_a_block_at_a_time(tmp_path):
    v = vectors.read(made(3000).write(tmp_path / "e.zarr"), lazy=True)

    class Watched:
        shape, most = v.vector.shape, 0

        def __getitem__(self, rows):
            out = v.vector[rows]
            self.most = max(self.most, len(out))
            return out

    watched = Watched()
    lazy = Vectors(v.key, v.lonlat, v.day, v.place, watched, v.facts)
    hits = vectors.nearest(lazy, np.ones(12), 5, block=256)
    assert len(hits.row) == 5
    assert watched.most <= 256


def test_unwanted_examples_push_their_like_out_and_are_counted():
    rng = np.random.default_rng(0)
    centre = np.eye(8)[:3]
    v = made(300, 8)
    v.vector[:] = np.repeat(centre, 100, 0) + 0.1 * rng.normal(size=(300, 8))
    wanted = 1.2 * centre[0] + centre[1]
    both = vectors.like(v, wanted, None, 300)
    less = vectors.like(v, wanted, centre[1][None], 300)
    assert {0, 1} <= set(both.row[:200] // 100)
    assert set(less.row[:80] // 100) == {0}
    assert (less.row // 100 == 1).sum() < 20
    assert less.unlike >= 80
    any_of = vectors.like(v, centre[:2], None, 200)
    assert set(any_of.row // 100) == {0, 1}, "like any of the examples"


def test_the_threshold_is_how_near_the_archives_own_places_are():
    rng = np.random.default_rng(1)
    centre = rng.normal(size=(40, 16))
    v = made(2000, 16, places=100)
    v.vector[:] = centre[np.arange(2000) % 40] + 0.2 * rng.normal(size=(2000, 16))
    found = vectors.threshold(v, seed=0)
    assert found == vectors.threshold(v, seed=0, block=17), "whatever the block"
    assert 0.8 < found.value < 1
    assert "another place" in found.words
    mine = [vectors.nearest(v, v.vector[i], 2).similarity[1] for i in range(100)]
    assert np.mean(np.array(mine) < found.value) < 0.15, "what is in the archive is found"
    foreign = [vectors.nearest(v, rng.normal(size=16), 1).similarity[0] for _ in range(50)]
    assert np.mean(np.array(foreign) < found.value) > 0.9, "what is foreign to it is not"


def test_a_small_archive_or_one_place_has_no_threshold():
    v = made(100)
    alone = vectors.threshold(v.take(range(5)))
    assert np.isnan(alone.value)
    assert "no threshold" in alone.words
    one_place = Vectors(v.key, v.lonlat, v.day, np.full(100, "a"), v.vector, {})
    assert np.isnan(vectors.threshold(one_place).value)


def test_scaling_is_that_of_the_whole_and_a_still_component_stays():
    v = made(700, 5)
    v.vector[:, 2] = 7.0
    got = vectors.scaling(v)
    np.testing.assert_allclose(got.mean, v.vector.astype(float).mean(0), rtol=1e-6)
    np.testing.assert_allclose(np.delete(got.deviation, 2), np.delete(v.vector.astype(float).std(0), 2), rtol=1e-4)
    assert got.deviation[2] == 1
    back = Scaling.from_json(got.to_json())
    np.testing.assert_array_equal(back.mean, got.mean)


def test_what_is_no_archive_is_refused_in_a_line(tmp_path):
    with pytest.raises(FormatError, match="swath embed"):
        vectors.read(tmp_path / "none.zarr")
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(FormatError, match="archive of vectors"):
        vectors.read(tmp_path / "x.zarr")
    with pytest.raises(OutputError, match=r"\.zarr or \.parquet"):
        made(5).write(tmp_path / "e.csv")
    with pytest.raises(SwathError, match="encoder that made"):
        vectors.nearest(made(5), np.ones(3), 1)
    with pytest.raises(SwathError, match="direction"):
        vectors.nearest(made(5), np.zeros(12), 1)


def test_a_writer_that_fails_leaves_the_old_archive_and_nothing_aside(tmp_path):
    path = made(5).write(tmp_path / "e.zarr")
    v = made(10)

    def broken():
        with archive.Writer(path, 10, 12, {}) as writer:
            writer.add(v.key[:5], v.lonlat[:5], v.day[:5], v.place[:5], v.vector[:5])
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        broken()
    assert len(vectors.read(path)) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["e.zarr"]
    assert len(vectors.read(made(0).write(path))) == 0
