"""Zarr stores: both versions, folders and zips, packed values, damaged and hostile ones."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr as zarr_library

from swath.cube import zarr
from swath.errors import FormatError, SwathError

VALUES = np.arange(2 * 20, dtype="i2").reshape(2, 4, 5)


def whole(layer):
    t, b, h, w = layer.source.shape
    return pickle.loads(pickle.dumps(layer.source)).read(range(t), range(b), slice(0, h), slice(0, w))


def store(path: Path, version: int, **options) -> Path:
    data = xr.Dataset(
        {"red": (("time", "y", "x"), VALUES * 0.5 + 1, {"units": "K", "grid_mapping": "spatial_ref"})},
        coords={
            "time": np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]"),
            "y": 5000000.0 - 20 * np.arange(4),
            "x": 500000.0 + 20 * np.arange(5),
            "spatial_ref": xr.DataArray(0, attrs={"crs_wkt": "EPSG:32633"}),
        },
    )
    packing = {"red": {"dtype": "int16", "scale_factor": 0.5, "add_offset": 1.0, "_FillValue": -9}}
    data.to_zarr(path, zarr_format=version, encoding=packing, **options)
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_folders_of_both_versions_open(tmp_path, version, consolidated):
    path = str(store(tmp_path / "a.zarr", version, consolidated=consolidated))
    assert zarr.claims(path)
    (layer,) = zarr.read(path)
    band = layer.bands[0]
    assert (band.name, band.scale, band.offset, band.nodata) == ("red", 0.5, 1.0, -9)
    assert layer.geobox.affine[:6] == (20, 0, 499990, 0, -20, 5000010)
    assert layer.geobox.crs.to_epsg() == 32633
    assert [str(t)[:10] for t in layer.time] == ["2020-01-01", "2020-02-01"]
    assert (whole(layer)[:, 0] == VALUES).all()


@pytest.mark.parametrize("folder", ["", "inside/store.zarr/"])
def test_a_store_in_a_zip_opens_wherever_it_lies(tmp_path, folder):
    root = store(tmp_path / "a.zarr", 2)
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w") as file:
        for member in sorted(root.rglob("*")):
            if member.is_file():
                file.write(member, folder + str(member.relative_to(root)))
    path = str(tmp_path / "a.zarr.zip")
    assert zarr.claims(path)
    (layer,) = zarr.read(path)
    assert (whole(layer)[:, 0] == VALUES).all()


def test_a_plain_zip_is_not_claimed(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("readme.txt", "no store")
    assert not zarr.claims(str(tmp_path / "a.zip"))


def test_a_lone_array_opens_with_its_last_axes_as_rows_and_columns(tmp_path):
    zarr_library.save_array(str(tmp_path / "a.zarr"), VALUES)
    (layer,) = zarr.read(str(tmp_path / "a.zarr"))
    assert layer.source.shape == (1, 2, 4, 5)
    assert (whole(layer)[0] == VALUES).all()
    assert layer.geobox is None


def test_groups_with_grids_of_their_own_become_layers(tmp_path):
    root = zarr_library.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    for name, size, step in (("r10m", 8, 10), ("r20m", 4, 20)):
        group = root.create_group(f"measurements/{name}")
        for axis, sign in (("y", -1), ("x", 1)):
            array = group.create_array(axis, shape=(size,), dtype="f8", dimension_names=(axis,))
            array[:] = 1000 + sign * step * (np.arange(size) + 0.5)
        group.create_array("b02", shape=(size, size), dtype="u2", dimension_names=("y", "x"))[:] = step
    layers = zarr.read(str(tmp_path / "a.zarr"))
    assert sorted((layer.source.shape[2], layer.geobox.affine.a) for layer in layers) == [(4, 20.0), (8, 10.0)]
    assert {int(whole(layer).max()) for layer in layers} == {10, 20}


def test_a_damaged_chunk_is_refused_in_one_line(tmp_path):
    path = store(tmp_path / "a.zarr", 2)
    chunk = next(p for p in (path / "red").iterdir() if p.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[:5])
    (layer,) = zarr.read(str(path))
    with pytest.raises(FormatError) as caught:
        whole(layer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"zarr_format": 7}', '{"zarr_format": 2, "shape": [-1]}'])
def test_damaged_metadata_are_refused_in_one_line(tmp_path, text):
    path = store(tmp_path / "a.zarr", 2, consolidated=False)
    (path / "red" / ".zarray").write_text(text)
    with pytest.raises(SwathError) as caught:
        zarr.read(str(path))
    assert "\n" not in str(caught.value)


def test_chunks_that_no_memory_holds_are_refused(tmp_path):
    root = zarr_library.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.create_array("v", shape=(10**6, 10**6), chunks=(10**6, 10**6), dtype="u1")
    with pytest.raises(FormatError, match="chunk"):
        zarr.read(str(tmp_path / "a.zarr"))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zarr.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(".zgroup", '{"zarr_format": 2}')
        with file.open("v/0.0", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(2**20))
    with pytest.raises(FormatError, match="unpacks"):
        zarr.read(str(tmp_path / "a.zarr.zip"))


def test_the_real_store_in_a_folder_of_a_zip_opens(shared):
    path = str(shared / "awkward/zarr/sic_daily_sample.zarr.zip")
    assert zarr.claims(path)
    (layer,) = zarr.read(path)
    assert layer.source.shape == (1, 1, 961, 4320)
    assert str(layer.time[0])[:10] == "2021-01-09"
    assert layer.geobox.affine.e < 0
    assert layer.source.read([0], [0], slice(700, 961), slice(0, 2000)).max() >= 0
