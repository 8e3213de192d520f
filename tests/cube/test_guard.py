"""What is refused, each in one clear line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

import swath
from swath.errors import FormatError, SwathError

Raster = Callable[..., Path]


def refused(path: str | Path, **options: object) -> str:
    with pytest.raises(SwathError) as error:
        swath.open(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    assert "empty" in refused(tmp_path / "empty.tif")


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    assert "spelling" in refused(tmp_path / "nothing.tif")


@pytest.mark.parametrize("order", ["front", "back"])
def test_a_truncated_tiff_is_refused(raster: Raster, order: str) -> None:
    values = np.random.default_rng(0).integers(0, 60000, (2, 256, 256)).astype(np.uint16)
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    path = raster("whole.tif", values, **options)
    if order == "front":  # the directory comes first, so that GDAL opens the file without complaint
        front = path.with_name("cog.tif")
        rasterio.shutil.copy(path, front, driver="COG", blocksize=64)
        path = front
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert "whole" in refused(path) or "cut short" in refused(path) or "open" in refused(path)


def test_a_small_file_that_declares_forty_gigapixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    options = {"sparse_ok": True, "tiled": True, "blockxsize": 16384, "blockysize": 16384, "bigtiff": "YES"}
    with rasterio.open(path, "w", driver="GTiff", width=200_000, height=200_000, count=1, dtype="uint8", **options):
        pass
    assert path.stat().st_size < 10_000
    assert "200,000 x 200,000" in refused(path)


def test_an_honest_sparse_file_opens_and_is_called_sparse(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    options = {"sparse_ok": True, "tiled": True, "blockxsize": 512, "blockysize": 512, "bigtiff": "YES"}
    with rasterio.open(path, "w", driver="GTiff", width=60_000, height=60_000, count=1, dtype="uint8", **options):
        pass
    cube = swath.open(path)
    assert cube.shape == (1, 60_000, 60_000)
    assert cube.isel(y=slice(0, 5), x=slice(59_000, 59_003)).values.max() == 0


VRT = """<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside.tif", "/vsicurl/http://127.0.0.1/a.tif", "http://127.0.0.1/a.tif"]
)
@pytest.mark.parametrize("suffix", [".vrt", ".tif"])
def test_a_vrt_that_points_elsewhere_is_refused_whatever_its_name(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / "folder" / f"v{suffix}"
    path.parent.mkdir()
    path.write_text(VRT.format(relative=0 if name.startswith("/") else 1, name=name))
    assert "VRT" in refused(path)


def test_a_vrt_with_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "code.vrt"
    path.write_text(
        "<VRTDataset><VRTRasterBand><PixelFunctionCode>import os</PixelFunctionCode></VRTRasterBand></VRTDataset>"
    )
    assert "code" in refused(path)


def test_a_vrt_over_its_neighbours_opens(raster: Raster) -> None:
    path = raster("a.tif", np.full((1, 4, 4), 3, np.uint8))
    vrt = path.with_name("v.vrt")
    vrt.write_text(VRT.format(relative=1, name="a.tif"))
    assert swath.open(vrt).values.max() == 3


@pytest.mark.parametrize("name", ["/vsizip/a.zip/b.tif", "NETCDF:a.nc:b", "<VRTDataset/>", "GTIFF_DIR:1:a.tif"])
def test_virtual_paths_and_driver_strings_are_refused(name: str) -> None:
    assert "path names a file" in refused(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    assert "pipe" in refused(tmp_path / "pipe.tif")


def test_text_with_a_raster_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("this is no picture")
    refused(tmp_path / "text.tif")
    (tmp_path / "web.tif").write_text("<html><body>not found</body></html>")
    assert "XML" in refused(tmp_path / "web.tif")


def test_safe_reading_gives_the_same_numbers_from_a_child_process(raster: Raster) -> None:
    values = np.random.default_rng(0).integers(0, 9000, (3, 40, 30)).astype(np.int16)
    path = raster("hls_l30.tif", values, nodata=-9999, descriptions=["B02", "B03", "B04"])
    safe = swath.open(path, safe=True)
    assert np.array_equal(safe.values, swath.open(path).values)
    assert safe.isel(y=slice(2, 5), x=slice(1, 9)).shape == (3, 3, 8)
    assert "fetch the file first" in refused("http://127.0.0.1:1/a.tif", safe=True)
    vrt = path.with_name("v.vrt")
    vrt.write_text(VRT.format(relative=1, name=path.name))
    assert "VRT" in refused(vrt, safe=True)


def test_a_child_that_dies_is_refused_and_the_next_file_opens(raster: Raster, monkeypatch: pytest.MonkeyPatch) -> None:
    from swath.cube import child

    path = raster("a.tif", np.ones((1, 9, 9), np.uint8))
    swath.open(path, safe=True)
    for worker, _ in child._workers.idle:
        worker.kill()
        worker.wait()
    assert swath.open(path, safe=True).values.max() == 1
    monkeypatch.setattr(child, "MOST_BYTES", 10)
    with pytest.raises(FormatError, match="untrusted"):
        _ = swath.open(path, safe=True).values
