from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from swath.cube import contract
from swath.cube.blocks import Layer
from swath.errors import GridError
from swath.predict.blend import Blended
from swath.predict.run import run

LAYERS = (Layer("a", dtype="float32", nodata=float("nan"), bands=("x", "y")),)


def cube(height=150, width=110, *, holes=True, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    values = (
        0.3 + 0.1 * np.sin(y / 17) + 0.1 * np.cos(x / 13) + 0.01 * rng.standard_normal((1, 2, height, width))
    ).astype("float32")
    if holes:
        values[:, :, 40:75, :70] = np.nan
    grid = GeoBox((height, width), Affine(30, 0, 500_000, 0, -30, 5_000_000), "EPSG:32633")
    return contract.make(values, bands=["a", "b"], geobox=grid, time=["2020-01-01"], quantity="reflectance", sensor="s")


def whole(batch):
    """An answer that hangs on all of the window."""
    p = batch.pixels["s"]
    assert p.values.shape[-2:] == (32, 32)
    v = np.where(p.valid, p.values, 0.0)[0, 0]
    weight = np.linspace(0.5, 1.5, 32)[:, None] * np.linspace(1.5, 0.5, 32)
    return {"a": np.stack([v[0] + (v[0] * weight).mean(), v[1] * (1 + v[0].mean())])[None]}


def mapped(folder, function, window, scene=None):
    ran = run({"s": cube() if scene is None else scene}, function, LAYERS, folder, reach=function.reach, window=window)
    with rasterio.open(ran.paths["a"]) as file:
        return file.read()


@pytest.mark.parametrize("offset", [(0, 0), (5, 11)])
def test_any_chunks_of_the_output_give_the_same_bytes(tmp_path, offset):
    function = Blended(whole, 32, 16, offset)
    first = mapped(tmp_path / "a", function, 16)
    for window in (48, 64, 256):
        np.testing.assert_array_equal(mapped(tmp_path / str(window), function, window), first)
    assert np.isfinite(first[:, :40]).all()
    assert np.isnan(first[:, 40:75, :70]).all()


def test_blended_windows_leave_no_seams_and_touching_ones_do():
    scene = cube(160, 128, holes=False)
    from swath.sample.window import read

    batch = read({"s": scene}, slice(0, 160), slice(0, 128))

    def jump(step):
        out = Blended(whole, 32, step)(batch)["a"][0, 0].astype(float)
        out -= batch.pixels["s"].values[0, 0, 0]
        steps = np.abs(np.diff(out, axis=0)).mean(1)
        at = np.zeros(len(steps), bool)
        at[31::32] = True
        return steps[at].mean() / max(steps[~at].mean(), 1e-12), float(steps.max())

    seam, worst = jump(32)
    blended, smooth = jump(16)
    assert seam > 100
    assert blended < 1.5
    assert smooth < 0.25 * worst


def test_a_constant_stays_and_the_place_told_is_that_of_the_scene():
    from swath.sample.window import read

    told = []

    def ones(batch):
        told.append(batch.pixels["s"].lonlat.tolist())
        return {"a": np.full((1, 2, 32, 32), 3.0)}

    batch = read({"s": cube()}, slice(0, 150), slice(0, 110))
    out = Blended(ones, 32, lonlat=(8.5, 47.0))(batch)["a"]
    assert set(np.unique(out[np.isfinite(out)])) == {3.0}
    assert all(place == [[8.5, 47.0]] for place in told)


def test_parts_off_the_lattice_and_odd_steps_are_refused():
    from swath.sample.window import read

    batch = read({"s": cube()}, slice(0, 150), slice(0, 110))
    with pytest.raises(GridError, match="whole steps"):
        Blended(whole, 32)(batch, (slice(5, 40), slice(0, 40)))
    for size, step, offset in ((32, 40, (0, 0)), (32, 16, (16, 0)), (32, -1, (0, 0))):
        with pytest.raises(GridError, match="overlap"):
            Blended(whole, size, step, offset)


def test_a_window_without_any_value_gives_none():
    from swath.sample.window import read

    scene = cube(64, 64)
    scene.values[:] = np.nan
    batch = read({"s": scene}, slice(0, 64), slice(0, 64))
    assert Blended(whole, 32)(batch) == {}
