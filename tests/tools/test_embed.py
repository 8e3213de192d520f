from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import swath
from swath.cube import contract
from swath.cube.save import save
from swath.datasets import toy
from swath.errors import GridError, OutputError, SwathError
from swath.predict import vectors
from swath.tools.embed import embed


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two made worlds as GeoTIFFs: one ground seen on two dates, another on one."""
    folder = tmp_path_factory.mktemp("scenes")
    for number, days in ((1, ("2021-04-10", "2021-07-05")), (2, ("2021-05-05",))):
        place = toy.world(number, 80)
        when = np.array(days, "datetime64[ns]")
        cube, _ = toy.view(place, "sentinel-2a-l2a", when, cloud=0.0, seed=number)
        for i, day in enumerate(days):
            one = cube.isel(time=[i])
            if number == 2:
                one = one.copy(data=one.values)
                one.values[..., :32, :32] = np.nan
            path = folder / f"world{number}_S2A_{day.replace('-', '')}.tif"
            save(_moved(one, number), path)
    return folder


def _moved(cube, number):
    """The made world on a ground of its own."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    box = GeoBox(cube.shape[-2:], Affine(10, 0, 500_000 + 20_000 * number, 0, -10, 5_100_000), "EPSG:32633")
    names = ("wavelength", "fwhm", "gsd", "quantity", "units")
    about = {k: list(cube.coords[k].values) for k in names}
    return contract.make(
        cube.values,
        bands=[str(b) for b in cube.coords["band"].values],
        geobox=box,
        time=cube.coords["time"].values,
        sensor=cube.attrs["sensor"],
        **about,
    )


def files(folder, pattern="*.tif"):
    return [str(p) for p in sorted(folder.glob(pattern))]


def test_each_window_has_a_vector_with_its_true_place_date_and_key(scenes, tmp_path):
    said = []
    result = embed(
        files(scenes), encoder="statistics", out=tmp_path / "e.zarr", progress=lambda d, n, w: said.append((n, w))
    )
    got = vectors.read(tmp_path / "e.zarr")
    assert result.vectors == len(got) == 2 * 9 - 1, "the window without valid pixels is left out"
    assert result.empty == 1
    assert any(n == 0 and "windows of 32 px" in w for n, w in said), "the cost is said before"
    from pyproj import Transformer

    to = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    first = list(got.key).index("world1_S2A_20210410.tif@0,0")
    np.testing.assert_allclose(got.lonlat[first], to.transform(520_160, 5_099_840), atol=1e-9)
    assert got.day[first] == pytest.approx(np.mean(np.array(["2021-04-10", "2021-07-05"], "datetime64[D]").astype(int)))
    last = list(got.key).index("world1_S2A_20210410.tif@48,48")
    np.testing.assert_allclose(got.lonlat[last], to.transform(520_640, 5_099_360), atol=1e-9)
    assert got.facts["encoder"] == "statistics"
    record = json.loads((tmp_path / "e.zarr.run.json").read_text())
    assert record["verb"] == "embed"
    assert record["cost"]["windows"] == 18


def test_by_date_and_by_patch_tell_when_and_where(scenes, tmp_path):
    one = files(scenes, "world1*")
    by_date = embed(one, encoder="statistics", by="date", out=tmp_path / "d.zarr")
    got = vectors.read(by_date.out)
    assert len(got) == 18
    assert set(got.day) == {18727.0, 18813.0}
    assert got.key[1].endswith("/2021-07-05")
    same = [str(k).partition("/")[0] for k in got.key]
    assert len(set(same)) == 9
    patches = embed(one, encoder="statistics", by="patch", out=tmp_path / "p.zarr")
    got = vectors.read(patches.out)
    step = vectors.read(patches.out).facts["patch"]
    assert len(got) == (80 // step) ** 2, "cut at the edge, none twice"
    assert len(set(got.key)) == len(got)


def test_whole_and_window_by_window_agree_with_the_encoder_itself(scenes, tmp_path):
    from swath.models import load
    from swath.sample.window import read
    from swath.tools.scenes import Reading, open_scenes

    one = files(scenes, "world1*")
    got = vectors.read(embed(one, encoder="statistics", out=tmp_path / "e.zarr").out)
    cubes = open_scenes(one, Reading()).cubes
    tokens = load("statistics").encode(read(cubes, slice(0, 32), slice(32, 64)))[-1]
    np.testing.assert_allclose(
        got.vector[list(got.key).index("world1_S2A_20210410.tif@0,32")], tokens.pooled()[0], rtol=1e-6
    )


def test_windows_taken_together_are_as_they_are_alone(scenes, tmp_path, monkeypatch):
    from swath.predict import spots

    together = embed(files(scenes), encoder="statistics", by="date", window=16, out=tmp_path / "a.zarr")
    monkeypatch.setattr(spots, "TOGETHER", 1)
    alone = embed(files(scenes), encoder="statistics", by="date", window=16, out=tmp_path / "b.zarr")
    a, b = vectors.read(together.out), vectors.read(alone.out)
    assert list(a.key) == list(b.key)
    np.testing.assert_array_equal(a.lonlat, b.lonlat)
    np.testing.assert_array_equal(a.day, b.day)
    np.testing.assert_allclose(a.vector, b.vector, rtol=1e-5, atol=1e-6)
    assert together.empty == alone.empty == 4


def test_the_same_bytes_by_again_and_by_dask(scenes, tmp_path):
    pytest.importorskip("distributed")
    a = embed(files(scenes), encoder="statistics", out=tmp_path / "a" / "e.zarr")
    b = embed(files(scenes), encoder="statistics", out=tmp_path / "b" / "e.zarr", scheduler="dask", workers=1)
    x, y = vectors.read(a.out), vectors.read(b.out)
    assert x.vector.tobytes() == y.vector.tobytes()
    assert list(x.key) == list(y.key)
    found = swath.again(tmp_path / "a" / "e.zarr.run.json", out=tmp_path / "c")
    assert not found.different, found


def test_a_plan_costs_nothing_and_writes_nothing(scenes, tmp_path):
    cost = embed(files(scenes), encoder="statistics", out=tmp_path / "e.zarr", plan=True)
    assert cost.windows == 18
    assert cost.seconds > 0
    assert "tokens" in str(cost)
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_is_refused_in_a_line(scenes, tmp_path):
    with pytest.raises(OutputError, match="zarr"):
        embed(files(scenes), encoder="statistics", out=tmp_path / "e.csv")
    with pytest.raises(SwathError, match="statistics"):
        embed(files(scenes), encoder="no-such-thing", out=tmp_path / "e.zarr")
    with pytest.raises(GridError, match="multiple"):
        embed(files(scenes), encoder="statistics", window=30, out=tmp_path / "e.zarr")
    assert not list(tmp_path.iterdir())


def test_broken_files_among_many_are_left_out_and_told(scenes, tmp_path):
    bad = tmp_path / "broken.tif"
    bad.write_bytes(b"II*\0 not really")
    result = embed([*files(scenes), str(bad)], encoder="statistics", out=tmp_path / "e.zarr")
    assert result.vectors == 17
    assert result.left_out[0][0] == str(bad)
    assert result.exit_code == 3
    with pytest.raises(SwathError):
        embed([str(bad)], encoder="statistics", out=tmp_path / "f.zarr")


def test_a_folder_of_pictures_without_crs_keeps_file_and_pixel(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for kind in ("field", "town"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for i in range(3):
            values = rng.integers(0, 255, (40, 33, 3), dtype=np.uint8)
            Image.fromarray(values).save(tmp_path / "pictures" / kind / f"{i}.png")
    result = embed([str(tmp_path / "pictures")], encoder="statistics", out=tmp_path / "e.zarr")
    got = vectors.read(result.out)
    assert len(got) == 6 * 4
    assert np.isnan(got.lonlat).all()
    assert np.isnan(got.day).all()
    assert "field/0.png@8,1" in list(got.key)


def test_one_pixel_is_a_scene_too(tmp_path):
    from odc.geo.geobox import GeoBox

    box = GeoBox.from_bbox((15, 46, 15.001, 46.001), crs="EPSG:4326", shape=(1, 1))
    cube = contract.make(
        np.full((1, 2, 1, 1), 0.3), bands=["red", "nir"], geobox=box, time=["2020-01-01"], quantity="reflectance"
    )
    result = embed([cube], encoder="statistics", out=tmp_path / "e.zarr")
    got = vectors.read(result.out)
    np.testing.assert_allclose(got.lonlat[0], [15.0005, 46.0005], atol=1e-9)
    assert len(got) == 1


VICTIM = """
import sys, time
from swath.baseline.encoders import Statistics
slow = Statistics.encode
def encode(self, *a, **k):
    time.sleep(0.05)
    return slow(self, *a, **k)
Statistics.encode = encode
from swath.tools.embed import embed
embed(sys.argv[2:], encoder="statistics", out=sys.argv[1], window=16, workers=1)
"""


def test_a_killed_run_goes_on_to_the_same_bytes_and_refuses_other_parameters(scenes, tmp_path):
    whole = embed(files(scenes), encoder="statistics", window=16, out=tmp_path / "whole" / "e.zarr")
    out = tmp_path / "killed" / "e.zarr"
    out.parent.mkdir()
    child = subprocess.Popen([sys.executable, "-c", VICTIM, str(out), *files(scenes)], env={**os.environ})
    journal = out.parent / ".e.zarr.part" / "journal"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"\n") < 8):
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    done = journal.read_bytes().count(b'"window"')
    assert 4 <= done < 50, "it was killed on the way"
    with pytest.raises(OutputError, match="same parameters"):
        embed(files(scenes), encoder="statistics", window=8, out=out)
    result = embed(files(scenes), encoder="statistics", window=16, out=out)
    assert not (out.parent / ".e.zarr.part").exists()
    a, b = vectors.read(whole.out), vectors.read(result.out)
    assert a.vector.tobytes() == b.vector.tobytes()
    assert list(a.key) == list(b.key)


def test_a_network_encodes_too(scenes, tmp_path):
    pytest.importorskip("torch")
    result = embed(files(scenes, "world1*"), encoder="swath-tiny", out=tmp_path / "e.zarr", window=16, workers=2)
    got = vectors.read(result.out)
    assert got.facts["encoder"] == "tiny"
    assert len(got.facts["weights"]) == 64
    twin = embed(files(scenes, "world1*"), encoder="random:tiny", out=tmp_path / "r.zarr", window=16)
    assert not np.allclose(vectors.read(twin.out).vector, got.vector)
