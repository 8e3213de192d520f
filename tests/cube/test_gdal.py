"""One environment: handles of their own for threads and processes, a bounded number of them, scenes behind a URL."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rasterio.errors import RasterioIOError

import swath
from swath.cube import gdal
from swath.errors import FormatError

Raster = Callable[..., Path]


def test_a_thread_keeps_its_handle_and_shares_it_with_no_other(raster: Raster) -> None:
    path = str(raster("a.tif", np.ones((1, 4, 4), np.uint8)))
    mine = gdal.handle(path)
    others: list[object] = []
    thread = threading.Thread(target=lambda: others.append(gdal.handle(path)))
    thread.start()
    thread.join()
    assert gdal.handle(path) is mine
    assert others[0] is not mine


def test_the_number_of_open_handles_is_bounded(raster: Raster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdal, "HANDLES", 3)
    handles = [gdal.handle(str(raster(f"{i}.tif", np.ones((1, 2, 2), np.uint8)))) for i in range(6)]
    assert sum(not h.closed for h in handles) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_opens_its_own_handle(raster: Raster) -> None:
    path = str(raster("a.tif", np.ones((1, 4, 4), np.uint8)))
    mine = gdal.handle(path)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, b"1" if gdal.handle(path) is not mine else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"1"
    os.close(read)
    os.close(write)
    assert not mine.closed


def test_only_faults_that_pass_are_tried_again() -> None:
    tried: list[str] = []

    def fails(text: str) -> None:
        tried.append(text)
        raise RasterioIOError(text)

    with pytest.raises(RasterioIOError):
        gdal.retried(lambda: fails("HTTP response code: 503"), wait=0)
    with pytest.raises(RasterioIOError):
        gdal.retried(lambda: fails("not recognized as a supported file format"), wait=0)
    assert len(tried) == 4


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Files with byte ranges, as an object store serves them."""

    def send_head(self):  # type: ignore[no-untyped-def]
        path = self.translate_path(self.path)
        span = self.headers.get("Range")
        if not os.path.isfile(path) or not span:
            return super().send_head()
        first, _, last = span.removeprefix("bytes=").partition("-")
        size = os.path.getsize(path)
        end = min(int(last or size - 1), size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{end}/{size}")
        self.send_header("Content-Length", str(end - int(first) + 1))
        self.end_headers()
        with open(path, "rb") as file:
            file.seek(int(first))
            self.wfile.write(file.read(end - int(first) + 1))
        return None

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The folder of the test behind http on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Ranges, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_scene_behind_a_url_opens_as_the_file_does(raster: Raster, served: str) -> None:
    values = np.random.default_rng(0).integers(0, 4000, (3, 200, 200)).astype(np.int16)
    path = raster("HLS.L30.T32TQM.2020123T101010.v2.0.tif", values, nodata=-9999, descriptions=["B02", "B03", "B04"],
                  tiled=True, blockxsize=64, blockysize=64)  # fmt: skip
    there = swath.open(f"{served}/{path.name}")
    here = swath.open(path)
    assert there.attrs["sensor"] == "hls-l30"
    assert np.array_equal(there.isel(y=slice(10, 90)).values, here.isel(y=slice(10, 90)).values)


def test_a_url_that_leads_nowhere_is_refused_in_one_line(served: str) -> None:
    with pytest.raises(FormatError) as error:
        swath.open(f"{served}/nothing.tif")
    assert "\n" not in str(error.value)
