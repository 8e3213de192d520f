"""Object stores against a local S3 server, and plain HTTP: Zarr and GeoTIFF by ranges, clear errors."""

from __future__ import annotations

import http.server
import logging
import pickle
import re
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import from_origin

from swath.cube import formats, geotiff, remote, zarr
from swath.cube.open import understand
from swath.errors import FormatError

obstore = pytest.importorskip("obstore")
VALUES = np.random.default_rng(0).integers(0, 255, (2, 600, 700), dtype="u1")


@pytest.fixture(scope="module")
def server():
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    for key, value in (
        ("AWS_ENDPOINT_URL", server),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(key, value)
    urllib.request.urlopen(urllib.request.Request(f"{server}/bucket", method="PUT")).read()
    return remote.store_of("s3://bucket")


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"width": 700, "height": 600, "count": 2, "dtype": "uint8", "crs": "EPSG:32633", "tiled": True}
    place = from_origin(500000, 5000000, 10, 10)
    with rasterio.open(path, "w", driver="GTiff", blockxsize=256, blockysize=256, transform=place, **profile) as file:
        file.write(VALUES)
        file.descriptions = ("red", "nir")
    return path


def test_a_geotiff_in_a_bucket_opens_and_is_read_by_threads(bucket, raster):
    obstore.put(bucket, "scenes/a.tif", raster.read_bytes())
    path = "s3://bucket/scenes/a.tif"
    assert formats.reader_of(path) is geotiff
    (layer,) = geotiff.read(path)
    assert [b.name for b in layer.bands] == ["red", "nir"]
    assert layer.geobox.crs.to_epsg() == 32633
    source = pickle.loads(pickle.dumps(layer.source))
    good = []

    def work(band):
        window = source.read([0], [band], slice(90, 580), slice(13, 699))
        good.append((window[0, 0] == VALUES[band, 90:580, 13:699]).all())

    threads = [threading.Thread(target=work, args=(i % 2,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert good == [True] * 4


def test_a_scene_in_a_bucket_opens_as_any_other(bucket, raster):
    obstore.put(bucket, "S2B_33TWL_20220601.tif", raster.read_bytes())
    scene = understand("s3://bucket/S2B_33TWL_20220601.tif", area="15.0,45.149,15.004,45.152")
    (cube,) = scene.cubes.values()
    assert str(cube.time.values[0])[:10] == "2022-06-01"
    assert cube.sizes["y"] < 60
    assert np.isfinite(cube.values.astype(float)).all()


@pytest.mark.parametrize("name", ["cube.zarr", "cube"])
def test_a_zarr_store_in_a_bucket_opens(bucket, tmp_path, name):
    data = xr.Dataset(
        {"v": (("y", "x"), VALUES[0, :40, :50])}, coords={"y": 400.0 - 10 * np.arange(40), "x": 10.0 * np.arange(50)}
    )
    data.to_zarr(tmp_path / "local.zarr", zarr_format=2)
    for file in sorted((tmp_path / "local.zarr").rglob("*")):
        if file.is_file():
            obstore.put(bucket, f"{name}/{file.relative_to(tmp_path / 'local.zarr')}", file.read_bytes())
    path = f"s3://bucket/{name}"
    assert formats.reader_of(path) is zarr
    (layer,) = zarr.read(path)
    source = pickle.loads(pickle.dumps(layer.source))
    assert (source.read([0], [0], slice(3, 30), slice(0, 50))[0, 0] == VALUES[0, 3:30, :50]).all()


def test_what_is_not_there_is_named(bucket):
    with pytest.raises(FormatError, match="object must exist"):
        geotiff.read("s3://bucket/none.tif")
    with pytest.raises(FormatError):
        zarr.read("s3://bucket/none.zarr")
    with pytest.raises(FormatError) as caught:
        geotiff.read("s3://no-such-bucket/none.tif")
    assert "\n" not in str(caught.value)


def test_ranges_are_read_as_a_file_is(bucket):
    content = np.random.default_rng(1).bytes(3 * 2**18 + 77)
    obstore.put(bucket, "x.bin", content)
    file = remote.RangeFile("s3://bucket/x.bin")
    for start, count in ((0, 10), (2**18 - 5, 10), (len(content) - 3, 99), (5, 2 * 2**18)):
        file.seek(start)
        assert file.read(count) == content[start : start + count]
    file.seek(-4, 2)
    assert file.read() == content[-4:]
    assert file.read(5) == b""


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A file server that answers range requests, as those of object stores do."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not asked or not path.is_file():
            return super().do_GET()
        content = path.read_bytes()
        start, stop = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop}/{len(content)}")
        self.send_header("Content-Length", str(stop - start + 1))
        self.end_headers()
        self.wfile.write(content[start : stop + 1])
        return None


@pytest.fixture
def web(tmp_path):
    handler = lambda *args: Ranges(*args, directory=str(tmp_path))  # noqa: E731
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_geotiff_and_a_consolidated_zarr_open_over_http(web, raster, tmp_path):
    (layer,) = geotiff.read(f"{web}/a.tif")
    assert (layer.source.read([0], [1], slice(5, 9), slice(3, 8))[0, 0] == VALUES[1, 5:9, 3:8]).all()
    data = xr.Dataset(
        {"v": (("y", "x"), VALUES[0, :40, :50])}, coords={"y": 400.0 - 10 * np.arange(40), "x": 10.0 * np.arange(50)}
    )
    data.to_zarr(tmp_path / "b.zarr", zarr_format=2, consolidated=True)
    (cube,) = zarr.read(f"{web}/b.zarr")
    assert (cube.source.read([0], [0], slice(0, 40), slice(0, 50))[0, 0] == VALUES[0, :40, :50]).all()


def test_without_the_extra_the_remedy_names_it(monkeypatch):
    import sys

    from swath.errors import ExtraError

    monkeypatch.setitem(sys.modules, "obstore.store", None)
    remote._store.cache_clear()
    with pytest.raises(ExtraError, match=r"swath\[s3\]"):
        remote.store_of("s3://elsewhere")
