"""What is written can be read again by others: grid, names, units, classes; and never half a file."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

import swath
from swath.cube import contract
from swath.cube.blocks import BlockFile, Layer, to_stored
from swath.cube.save import save, save_array
from swath.errors import OutputError

UTM = GeoBox((30, 20), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")


def grids():
    """Grids as they come: rotated, flipped, non-square, small, with and without CRS."""
    number = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 3))
    size = st.floats(0.01, 100).map(lambda v: round(v, 4))

    def make(shape, corner, steps, flip, turn, crs):
        affine = (
            Affine.translation(*corner)
            * Affine.rotation(turn)
            * Affine.scale(steps[0], steps[1] if flip else -steps[1])
        )
        return GeoBox(shape, affine, crs)

    return st.builds(
        make, st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(number, number), st.tuples(size, size),
        st.booleans(), st.sampled_from([0, 0, 30]), st.sampled_from(["EPSG:32633", "EPSG:4326", "EPSG:3035", None]),
    )  # fmt: skip


@given(grid=grids())
def test_the_grid_comes_back_exactly(grid, tmp_path_factory):
    path = tmp_path_factory.mktemp("g") / "a.tif"
    save_array(np.zeros(grid.shape, "uint8"), path, grid=grid, layer=Layer("a"))
    with rasterio.open(path) as file:
        assert tuple(file.transform) == pytest.approx(tuple(grid.affine), rel=1e-14, abs=1e-9)
        assert (file.crs is None) == (grid.crs is None)
        back = GeoBox(file.shape, file.transform, file.crs)
        assert back.crs == grid.crs


def test_a_map_of_classes_carries_names_colours_and_a_style(tmp_path):
    layer = Layer("m", classes={1: "water", 2: "wood & field"}, colours={1: (0, 0, 255), 2: (0, 128, 0)})
    values = np.random.default_rng(0).integers(0, 3, (30, 20)).astype("uint8")
    path = save_array(values, tmp_path / "m.tif", grid=UTM, layer=layer)
    with rasterio.open(path) as file:
        assert file.tags()["class_2"] == "wood & field"
        assert file.tags()["swath"] == swath.__version__
        assert file.colormap(1)[2] == (0, 128, 0, 255)
        assert file.nodata == 0
        assert (file.block_shapes[0], file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"]) == ((512, 512), "COG")
        np.testing.assert_array_equal(file.read(1), values)
    assert 'label="wood &amp; field"' in (tmp_path / "m.qml").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.qml", "m.tif"]


def test_scale_units_and_descriptions_are_kept_for_each_band(tmp_path):
    layer = Layer("p", nodata=255, bands=("water", "wood"), scale=0.004, units="1")
    stored = to_stored(layer, np.array([[[0.0, 1.0], [0.5, np.nan]]] * 2))
    assert stored[0].tolist() == [[0, 250], [125, 255]]
    with rasterio.open(save_array(stored, tmp_path / "p.tif", grid=None, layer=layer)) as file:
        assert file.descriptions == ("water", "wood")
        assert file.scales == (0.004, 0.004)
        assert file.units == ("1", "1")
        assert file.crs is None


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(OutputError, match="must fit uint8"):
        to_stored(Layer("a"), np.array([300.0]))


def series(flag=None, dtype="float32"):
    values = np.random.default_rng(0).normal(1, 1, (3, 2, 30, 20)).astype(dtype)
    dates = np.array(["2020-01-01T10:00", "2020-02-01", "2020-03-01"], "datetime64[ns]")
    return contract.make(
        values, bands=["B02", "B03"], geobox=UTM, time=dates, wavelength=[490, 560], quantity="reflectance", sensor="s2",
        flag=flag,
    )  # fmt: skip


def test_a_cube_of_dates_becomes_bands_that_say_name_and_date(tmp_path):
    with rasterio.open(save(series(), tmp_path / "c.tif")) as file:
        assert file.count == 6
        assert file.descriptions[3] == "B03 2020-02-01T00:00:00"
        assert file.tags(1)["wavelength"] == "490"
        assert file.tags()["sensor"] == "s2"
        assert np.isnan(file.nodata)


def test_a_zarr_store_opens_in_xarray_with_grid_dates_and_flags(tmp_path):
    flag = np.zeros((3, 30, 20), "uint8")
    flag[1, :3] = 2
    cube = series(flag)
    path = save(cube, tmp_path / "c.zarr", name="reflectance")
    with xr.open_zarr(path, decode_coords="all") as back:
        da = back["reflectance"]
        np.testing.assert_array_equal(da.values, cube.values)
        np.testing.assert_array_equal(da.time.values, cube.time.values)
        np.testing.assert_array_equal(back["flag"].values, flag)
        assert contract.grid(da) == UTM
        assert contract.check(da) == ""
        assert [str(q) for q in da.quantity.values] == ["reflectance"] * 2
    assert [p.name for p in tmp_path.iterdir()] == ["c.zarr"]


def test_an_older_store_is_replaced_whole(tmp_path):
    save(series(), tmp_path / "c.zarr")
    save(series() * 0 + 1, tmp_path / "c.zarr")
    with xr.open_zarr(tmp_path / "c.zarr") as back:
        assert float(back["values"].max()) == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["c.zarr"]


@given(
    shape=st.tuples(st.integers(1, 1100), st.integers(1, 700)), bands=st.integers(1, 3), seed=st.integers(0, 99),
    dtype=st.sampled_from(["uint8", "int16", "float32"]),
)  # fmt: skip
def test_blocks_written_in_any_order_give_the_same_file(shape, bands, seed, dtype, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("b"), np.random.default_rng(seed)
    values = rng.integers(0, 100, (bands, *shape)).astype(dtype)
    layer = Layer("a", dtype=dtype, bands=("",) * bands)
    windows = [
        (slice(i, min(shape[0], i + 256)), slice(j, min(shape[1], j + 256)))
        for i in range(0, shape[0], 256)
        for j in range(0, shape[1], 256)
    ]
    contents = []
    for n in range(2):
        file = BlockFile(folder / f"{n}.tif", layer, shape, create=True)
        for k in rng.permutation(len(windows)):
            y, x = windows[k]
            assert file.write(y, x, values[:, y, x]) == file.crc(y, x)
        file.close()
        with rasterio.open(folder / f"{n}.tif") as back:
            np.testing.assert_array_equal(back.read(), values)
        contents.append((folder / f"{n}.tif").read_bytes())
    assert contents[0] == contents[1]


def test_a_file_in_the_place_of_the_folder_is_refused_in_one_line(tmp_path):
    (tmp_path / "out").write_text("not a folder")
    with pytest.raises(OutputError) as caught:
        save_array(np.zeros((5, 5), "uint8"), tmp_path / "out" / "a.tif", grid=None, layer=Layer("a"))
    assert "\n" not in str(caught.value)


FULL = """
import resource, signal, sys, numpy as np
from swath.cube.blocks import Layer
from swath.cube.save import save_array, save
from swath.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
values = np.random.default_rng(0).integers(0, 60000, (1500, 1500)).astype("uint16")
try:
    save_array(values, sys.argv[1] + "/a.tif", grid=None, layer=Layer("a", dtype="uint16"))
except OutputError as error:
    print("REFUSED", error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no file size limit on this system")
@pytest.mark.parametrize("limit", [100_000, 5_000_000])
def test_a_full_disk_leaves_the_older_file_and_nothing_else(limit, tmp_path):
    (tmp_path / "a.tif").write_bytes(b"older")
    text = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FULL, str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert text.stdout.startswith("REFUSED"), text.stderr
    assert "disk full" in text.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    assert (tmp_path / "a.tif").read_bytes() == b"older"
