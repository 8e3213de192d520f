"""Fetching from a STAC service: a small one on this machine whose assets are local files."""

from __future__ import annotations

import http.server
import json
import re
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from swath.cube import stac
from swath.errors import FormatError, OutputError, SwathError
from swath.tools.get import get

pytest.importorskip("pystac_client")
VALUES = np.random.default_rng(0).integers(1, 5000, (2, 100, 120), dtype="u2")
AREA = "15.002,45.148,15.006,45.152"
CONFORMS = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search",
            "https://api.stacspec.org/v1.0.0/item-search#query", "https://api.stacspec.org/v1.0.0/collections"]  # fmt: skip


def raster(path, band, gsd, size):
    profile = {"width": size[1], "height": size[0], "count": 1, "dtype": "uint16", "crs": "EPSG:32633", "nodata": 0}
    place = from_origin(500000, 5000000, gsd, gsd)
    with rasterio.open(path, "w", driver="COG", BLOCKSIZE=128, transform=place, **profile) as file:
        file.write(VALUES[band, : size[0], : size[1]], 1)


def item(base, name, day, cloud):
    def asset(key, **more):
        words = {
            "eo:bands": [{"name": key, "common_name": key}],
            "raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}],
        }
        return {
            "href": f"{base}/{key}.tif",
            "type": "image/tiff; application=geotiff",
            "roles": ["data"],
            **words,
            **more,
        }

    ring = [[14.99, 45.1], [15.1, 45.1], [15.1, 45.2], [14.99, 45.2], [14.99, 45.1]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [14.99, 45.1, 15.1, 45.2], "links": [],
        "properties": {"datetime": f"{day}T10:00:00Z", "platform": "sentinel-2b", "eo:cloud_cover": cloud},
        "assets": {"red": asset("red"), "swir": asset("swir"), "thumbnail": {"href": f"{base}/t.png", "roles": ["thumbnail"]}},
    }  # fmt: skip


class Service(http.server.SimpleHTTPRequestHandler):
    """A STAC API of four paths, and a file server with ranges."""

    collections = ("sentinel-2-l2a",)
    broken: tuple[str, ...] = ()
    fetched: list[str] = []

    def log_message(self, *_):
        pass

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def search(self, cloud, interval):
        days = [("a", "2022-06-01", 5), ("b", "2022-06-11", 80), ("c", "2022-07-01", 10)]
        first, last = (text[:10] for text in interval.split("/"))
        found = [item(self.base, f"S2B_33TWL_{n}", d, c) for n, d, c in days if first <= d <= last and c <= cloud]
        self.answer({"type": "FeatureCollection", "features": found, "links": []})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.search(asked.get("query", {}).get("eo:cloud_cover", {}).get("lte", 100), asked["datetime"])

    def do_HEAD(self):
        self.serve(head=True)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/":
            links = [{"rel": rel, "href": self.base} for rel in ("self", "root")]
            links += [{"rel": "data", "href": f"{self.base}/collections"}]
            search = {"rel": "search", "href": f"{self.base}/search", "type": "application/geo+json"}
            links += [search | {"method": method} for method in ("GET", "POST")]
            self.answer(
                {
                    "type": "Catalog",
                    "stac_version": "1.0.0",
                    "id": "c",
                    "description": "d",
                    "conformsTo": CONFORMS,
                    "links": links,
                }
            )
        elif url.path == "/collections":
            extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
            common = {
                "type": "Collection",
                "stac_version": "1.0.0",
                "description": "d",
                "license": "x",
                "extent": extent,
                "links": [],
            }
            self.answer({"collections": [common | {"id": name} for name in self.collections], "links": []})
        elif url.path == "/search":
            self.search(100, parse_qs(url.query)["datetime"][0])
        else:
            self.serve()

    def serve(self, head=False):
        path = Path(self.translate_path(self.path))
        if not path.is_file() or path.name in self.broken:
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, stop = (int(asked[1]), int(asked[2] or len(content) - 1)) if asked else (0, len(content) - 1)
        part = content[start : stop + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(content)}")
        self.end_headers()
        if not head:
            Service.fetched.append(path.name)
            self.wfile.write(part)


@pytest.fixture
def service(tmp_path, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    served = tmp_path / "served"
    served.mkdir()
    raster(served / "red.tif", 0, 10, (100, 120))
    raster(served / "swir.tif", 1, 20, (50, 60))
    handler = lambda *args: Service(*args, directory=str(served))  # noqa: E731
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Service.collections, Service.broken = ("sentinel-2-l2a",), ()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_scenes_are_cropped_on_their_own_grid_and_keep_their_words(service, tmp_path):
    out = tmp_path / "out"
    got = get(stac=service, area=AREA, dates="2022-06/2022-07", cloud=30, out=out)
    assert (len(got.items), len(got.files), got.kept, got.exit_code) == (2, 4, 0, 0)
    assert got.dates == ["2022-06-01", "2022-07-01"]
    with (
        rasterio.open(out / "S2B_33TWL_a/S2B_33TWL_a_red.tif") as file,
        rasterio.open(tmp_path / "served/red.tif") as whole,
    ):
        assert (file.scales[0], file.offsets[0], file.nodata, file.descriptions[0]) == (0.0001, -0.1, 0, "red")
        assert file.tags()["date"].startswith("2022-06-01")
        row, column = (round(v) for v in (~whole.transform @ (file.transform.c, file.transform.f))[::-1])
        assert file.width < 60
        assert (file.read(1) == VALUES[0, row : row + file.height, column : column + file.width]).all()


def test_the_folder_opens_as_a_series_of_scenes(service, tmp_path):
    out = tmp_path / "out"
    get(stac=service, area=AREA, dates="2022-06/2022-07", cloud=30, out=out)
    assert stac.claims(str(out))
    layers = stac.read(str(out))
    assert sorted((str(x.time[0])[:10], x.geobox.resolution.x) for x in layers) == [
        ("2022-06-01", 10), ("2022-06-01", 20), ("2022-07-01", 10), ("2022-07-01", 20),
    ]  # fmt: skip
    assert {(b.scale, b.offset) for x in layers for b in x.bands} == {(0.0001, -0.1)}
    assert {x.sensor for x in layers} == {"sentinel-2b-l2a"}


def test_what_is_there_is_not_fetched_again(service, tmp_path):
    out = tmp_path / "out"
    first = get(stac=service, area=AREA, dates="2022-06", bands=["red"], cloud=30, out=out)
    before = {p: p.read_bytes() for p in first.files}
    Service.fetched.clear()
    again = get(stac=service, area=AREA, dates="2022-06/2022-07", bands=["red"], cloud=30, out=out)
    assert (again.kept, len(again.files)) == (1, 2)
    assert all(p.read_bytes() == content for p, content in before.items())
    with pytest.raises(OutputError, match="one cut"):
        get(stac=service, area="15.002,45.148,15.004,45.150", dates="2022-06", bands=["red"], cloud=30, out=out)


def test_another_run_adds_bands_to_the_same_items(service, tmp_path):
    out = tmp_path / "out"
    for band in ("red", "swir"):
        get(stac=service, area=AREA, dates="2022-06-01", bands=[band], out=out)
    assert sorted(b.name for layer in stac.read(str(out)) for b in layer.bands) == ["red", "swir"]


def test_a_file_that_fails_is_named_and_the_rest_is_kept(service, tmp_path):
    Service.broken = ("swir.tif",)
    got = get(stac=service, area=AREA, dates="2022-06-01", out=tmp_path / "out")
    assert got.exit_code == 3
    assert [name for name, _ in got.failed] == ["S2B_33TWL_a_swir.tif"]
    assert [p.name for p in got.files] == ["S2B_33TWL_a_red.tif"]
    assert not [p for p in (tmp_path / "out").rglob("*.part")]


def test_what_cannot_be_asked_is_refused_in_one_line(service, tmp_path):
    asked = {"stac": service, "area": AREA, "dates": "2022-06", "out": tmp_path / "out"}
    for change, text in (
        ({"dates": "2001"}, "at least one item"),
        ({"bands": ["blue"]}, "red, swir"),
        ({"area": "over there"}, "west,south,east,north"),
        ({"stac": service + "/nothing"}, "must answer"),
    ):
        with pytest.raises(SwathError, match=text) as caught:
            get(**asked | change)
        assert "\n" not in str(caught.value)
    Service.collections = ("one", "two")
    with pytest.raises(SwathError, match="one, two"):
        get(**asked)


def test_a_service_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FormatError, match="must answer"):
        get(stac="http://127.0.0.1:9", area=AREA, dates="2022", out=tmp_path)
