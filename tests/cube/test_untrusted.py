"""Strangers' folders, stores and containers open in the child process with the same numbers; what leads elsewhere does not."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

import swath
from swath.cube import landlock, untrusted
from swath.cube.open import understand
from swath.errors import FormatError, SwathError

VALUES = np.arange(2 * 12 * 10, dtype="f4").reshape(2, 12, 10)


def dataset() -> xr.Dataset:
    return xr.Dataset(
        {"red": (("time", "y", "x"), VALUES, {"units": "K", "standard_name": "surface_temperature"})},
        coords={
            "time": np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]"),
            "y": 5_000_000.0 - 20 * np.arange(12),
            "x": 500_000.0 + 20 * np.arange(10),
        },
    )


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    import h5py

    (tmp_path / "outside").mkdir()
    (tmp_path / "home").mkdir()
    with h5py.File(tmp_path / "outside" / "secret.h5", "w") as file:
        file["red"] = VALUES[0]
    (tmp_path / "outside" / "secret.bin").write_bytes(VALUES[0].tobytes())
    return tmp_path / "outside"


@pytest.mark.parametrize("form", ["a.zarr", "a.nc", "a3.nc", "a.h5", "a.zarr.zip"])
def test_containers_open_with_the_same_numbers(tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    if form == "a.zarr":
        dataset().to_zarr(path)
    elif form == "a.zarr.zip":
        dataset().to_zarr(tmp_path / "b.zarr")
        with zipfile.ZipFile(path, "w") as file:
            for member in sorted((tmp_path / "b.zarr").rglob("*")):
                if member.is_file():
                    file.write(member, member.relative_to(tmp_path / "b.zarr"))
    else:
        dataset().to_netcdf(path, format="NETCDF3_64BIT" if form == "a3.nc" else "NETCDF4", engine=None)
    plain, safe = understand(path), understand(path, safe=True)
    assert [b.name for b in safe.bands] == [b.name for b in plain.bands] == ["red"]
    (a,), (b,) = plain.cubes.values(), safe.cubes.values()
    assert np.array_equal(a.values, b.values)
    assert np.array_equal(a.time.values, b.time.values)
    assert a.isel(y=slice(2, 5), x=slice(1, 4)).equals(b.isel(y=slice(2, 5), x=slice(1, 4)))
    assert any("child process" in note for note in safe.notes)


def test_a_folder_of_images_opens(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    for name in ("B02", "B03"):
        with rasterio.open(tmp_path / f"T32TQM_20220601_{name}.tif", "w", **profile) as file:
            file.write(np.full((1, 8, 8), 7, np.uint8))
    assert understand(tmp_path, safe=True).bands == understand(tmp_path).bands


def refused(path: Path | str) -> str:
    with pytest.raises(SwathError) as error:
        [cube.values for cube in understand(path, safe=True).cubes.values()]
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("how", ["external link", "external storage", "virtual dataset", "link of the group"])
def test_hdf5_that_reads_other_files_is_refused(outside: Path, how: str) -> None:
    import h5py

    path = outside.parent / "home" / "a.h5"
    with h5py.File(path, "w") as file:
        if how == "external link":
            file["red"] = h5py.ExternalLink(str(outside / "secret.h5"), "/red")
        elif how == "link of the group":
            file.create_group("deep/er")["all"] = h5py.ExternalLink("../outside/secret.h5", "/")
        elif how == "external storage":
            file.create_dataset("red", (12, 10), "f4", external=[(str(outside / "secret.bin"), 0, 480)])
        else:
            layout = h5py.VirtualLayout((12, 10), "f4")
            layout[:] = h5py.VirtualSource(str(outside / "secret.h5"), "red", (12, 10))
            file.create_virtual_dataset("red", layout)
    assert "elsewhere" in refused(path)
    os.rename(path, path.with_suffix(".nc"))
    assert "elsewhere" in refused(path.with_suffix(".nc"))


def test_a_store_with_a_link_that_leads_out_is_refused_and_one_with_a_link_inside_opens(outside: Path) -> None:
    home = outside.parent / "home"
    dataset().to_zarr(home / "a.zarr")
    (home / "a.zarr" / "again").symlink_to(home / "a.zarr" / "zarr.json")
    assert swath.open(home / "a.zarr", safe=True).shape == (2, 1, 12, 10)
    (home / "a.zarr" / "more").symlink_to(outside / "secret.bin")
    assert "link that leads out" in refused(home / "a.zarr")


def test_a_folder_with_a_pipe_is_refused_without_waiting(outside: Path) -> None:
    home = outside.parent / "home"
    dataset().to_zarr(home / "a.zarr")
    os.mkfifo(home / "a.zarr" / "pipe")
    assert "pipe" in refused(home / "a.zarr")


@pytest.mark.parametrize(
    "change",
    [
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "pickle"}]},
        {"shape": [10**6, 10**6]},
        {"chunks": [1, 1], "shape": [10**4, 10**4]},
        {"shape": [40_000, 40_000], "chunks": [40_000, 40_000]},
        {"shape": "none"},
    ],
)
def test_a_store_whose_metadata_ask_for_too_much_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "a.zarr" / "red").mkdir(parents=True)
    (tmp_path / "a.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    told = {"zarr_format": 2, "shape": [4, 4], "chunks": [4, 4], "dtype": "<f4", "compressor": None, "filters": None}
    told |= {"fill_value": 0, "order": "C"}
    (tmp_path / "a.zarr" / "red" / ".zarray").write_text(json.dumps(told))
    assert understand(tmp_path / "a.zarr", safe=True).bands
    (tmp_path / "a.zarr" / "red" / ".zarray").write_text(json.dumps(told | change))
    refused(tmp_path / "a.zarr")


@pytest.mark.parametrize("name", ["../../../../{outside}/secret.tif", "/etc/x.tif", "a/../../b.tif", "{{x}}/b.tif"])
@pytest.mark.parametrize("safe", [True, False])
def test_members_of_archives_that_climb_out_are_refused(outside: Path, name: str, safe: bool) -> None:
    profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 1, "dtype": "uint8"}
    with rasterio.open(outside / "secret.tif", "w", **profile) as file:
        file.write(np.full((1, 8, 8), 7, np.uint8))
    path = outside.parent / "home" / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo(name.format(outside=str(outside)[1:])), (outside / "secret.tif").read_bytes())
    with pytest.raises(FormatError, match="inside it"):
        understand(path, safe=safe)


def test_an_overview_beside_an_image_that_is_no_tiff_is_refused(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(np.ones((1, 64, 64), np.uint8))
    assert understand(tmp_path / "a.tif", safe=True).bands
    (tmp_path / "a.tif.ovr").write_text("<VRTDataset/>")
    assert "a.tif.ovr" in refused(tmp_path / "a.tif")
    (tmp_path / "a.tif.ovr").unlink()
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/x</MDI></Metadata></PAMDataset>'
    )
    assert "names other files" in refused(tmp_path / "a.tif")


def test_an_image_whose_own_tags_name_overviews_elsewhere_is_refused(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(np.ones((1, 64, 64), np.uint8))
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/x/secret.tif")
    assert "overviews" in refused(tmp_path / "a.tif") or "other files" in refused(tmp_path / "a.tif")


def test_modules_in_the_working_folder_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from swath.cube import child

    child._workers.stop()
    for name in ("rasterio", "json", "numpy", "swath"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'taken')!r}, 'w')")
    dataset().to_zarr(tmp_path / "a.zarr")
    monkeypatch.chdir(tmp_path)
    assert swath.open(tmp_path / "a.zarr", safe=True).shape == (2, 1, 12, 10)
    assert not (tmp_path / "taken").exists()


def test_a_wrong_kind_of_file_is_told_what_opens(tmp_path: Path) -> None:
    (tmp_path / "a.hdf").write_bytes(b"\x0e\x03\x13\x01" + bytes(20))
    assert "with --safe these open" in refused(tmp_path / "a.hdf")


def test_what_the_kernel_narrows_cannot_be_read_any_more(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    code = (
        "import sys, socket\nfrom swath.cube.landlock import narrow\n"
        f"narrowed = narrow([{str(tmp_path / 'in')!r}])\n"
        f"assert open({str(tmp_path / 'in' / 'a')!r}).read() == 'a'\n"
        "if not narrowed: print('none'); sys.exit()\n"
        f"for mode in 'rw':\n    try: open({str(tmp_path / 'b')!r}, mode); print('open')\n    except PermissionError: pass\n"
        "print('narrow')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    if said == "none":
        pytest.skip("this kernel has no Landlock")
    assert said == "narrow"
    assert landlock.__doc__
    assert "geotiff" in untrusted.READERS
