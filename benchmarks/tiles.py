"""Map tiles of one Cloud-Optimised GeoTIFF over plain HTTP: `swath explore` against titiler, in turn on one machine.

usage: python benchmarks/tiles.py --titiler PYTHON [COG.tif] [--rounds 3] [--seconds 4] [--format png]

PYTHON: an interpreter with titiler.core and uvicorn. Without a file one of 6144 x 6144 x 4 is made (simulated fields, 16 bit,
deflate, blocks of 512, overviews). Both servers run one process each with their own defaults (titiler with the GDAL
settings that its guide recommends), serve the same file with the same bands and rescale, and are asked for random 256-px
tiles of three levels of like resolution by a process of its own with 8 kept connections. swath answers as it always does:
on the scene's own grid, in WebP, behind its cookie. titiler answers in --format (png is its default), in Web Mercator.
Rounds go swath, titiler, titiler, swath; the ratio is taken within each. A warm-up comes first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

os.environ.setdefault("OMP_NUM_THREADS", "1")
TOGETHER = 8
LO, HI = 200, 3500
LEVELS = (3, 1, 0)  # below the finest
TITILER = """
from fastapi import FastAPI
from titiler.core.errors import DEFAULT_STATUS_CODES, add_exception_handlers
from titiler.core.factory import TilerFactory

app = FastAPI()
app.include_router(TilerFactory().router)
add_exception_handlers(app, DEFAULT_STATUS_CODES)
"""
ADVISED = {
    "GDAL_CACHEMAX": "200",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": "5000000",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument(
        "--titiler", help="interpreter with titiler.core and uvicorn; without it swath alone is measured"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--format", default="png", choices=["png", "webp", "jpg"])
    parser.add_argument("--side", type=int, default=6144, help="pixels a side of the file that is made")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        print(json.dumps(asyncio.run(load(*options.client))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or make(Path(folder) / "fields.tif", options.side)
        with swath_server(path, Path(folder)) as (ours, headers):
            run(path, ours, headers, options, Path(folder))


def run(path: Path, ours: tuple[int, list[str]], headers: dict[str, str], options: Any, folder: Path) -> None:
    """Measure and print."""
    sides: dict[str, tuple[int, list[str], dict[str, str]]] = {"swath": (*ours, headers)}
    if not options.titiler:
        report({"swath": [measure("swath", sides, options, folder) for _ in range(options.rounds)]})
        return
    with titiler_server(options.titiler, folder) as port:
        sides["titiler"] = (port, titiler_tiles(path, options.format), {})
        for name in sides:
            measure(name, sides, options, folder)
        found: dict[str, list[dict[str, float]]] = {"swath": [], "titiler": []}
        for number in range(options.rounds):
            order = (
                ("swath", "titiler", "titiler", "swath")
                if number % 2 == 0
                else ("titiler", "swath", "swath", "titiler")
            )
            for name in order:
                found[name].append(measure(name, sides, options, folder))
                print(number + 1, name, found[name][-1], flush=True)
        report(found)


def measure(name: str, sides: Any, options: Any, folder: Path) -> dict[str, float]:
    """Requests a second and percentiles of one server over some seconds, by a client process."""
    port, urls, headers = sides[name]
    asked = folder / f"{name}.json"
    asked.write_text(json.dumps({"urls": urls, "headers": headers}))
    client = [sys.executable, __file__, "--client", str(port), str(asked), str(options.seconds)]
    said = subprocess.run(client, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(said.stdout)
    return found


def report(found: dict[str, list[dict[str, float]]]) -> None:
    """A table of medians, and the ratios round by round."""
    print("\n| server | requests/s | p50 ms | p95 ms | kB a tile | not 200 or 204 |\n|---|---|---|---|---|---|")
    for name, rows in found.items():
        median = {k: statistics.median(r[k] for r in rows) for k in rows[0]}
        print(
            f"| {name} | {median['rps']:.1f} ({min(r['rps'] for r in rows):.1f}-{max(r['rps'] for r in rows):.1f}) | "
            f"{median['p50']:.1f} | {median['p95']:.1f} | {median['kb']:.1f} | {sum(r['bad'] for r in rows):.0f} |"
        )
    if "titiler" in found:
        pairs = list(zip(pairwise(found["swath"]), pairwise(found["titiler"]), strict=True))
        faster = [a["rps"] / b["rps"] for a, b in pairs]
        late = [a["p95"] / b["p95"] for a, b in pairs]
        print(f"\nrequests/s, swath : titiler = {statistics.median(faster):.2f} ({min(faster):.2f}-{max(faster):.2f})")
        print(f"p95, swath : titiler = {statistics.median(late):.3f} ({min(late):.3f}-{max(late):.3f})")


def pairwise(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """Means of the two measurements of each round."""
    return [{k: (a[k] + b[k]) / 2 for k in a} for a, b in zip(rows[::2], rows[1::2], strict=True)]


async def load(port: str, file: str, seconds: str) -> dict[str, float]:
    """Ask for random tiles over kept connections; latencies in ms."""
    asked = json.loads(Path(file).read_text())
    more = "".join(f"{k}: {v}\r\n" for k, v in asked["headers"].items())
    requests = [
        f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n{more}\r\n".encode() for url in asked["urls"]
    ]
    end = time.perf_counter() + float(seconds)
    late: list[float] = []
    size, bad, full = 0, 0, 0

    async def one(seed: int) -> None:
        nonlocal size, bad, full
        draw = random.Random(seed)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        while (start := time.perf_counter()) < end:
            writer.write(draw.choice(requests))
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            length = re.search(rb"content-length: (\d+)", head, re.I)
            body = await reader.readexactly(int(length[1])) if length else b""
            late.append((time.perf_counter() - start) * 1000)
            size += len(body)
            full += bool(body)
            bad += status not in (200, 204)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one(int(time.time() * 1000) + k) for k in range(TOGETHER)))
    took = time.perf_counter() - began
    late.sort()
    return {
        "rps": round(len(late) / took, 2),
        "p50": round(late[len(late) // 2], 2),
        "p95": round(late[int(len(late) * 0.95)], 2),
        "kb": round(size / max(full, 1) / 1000, 1),
        "bad": bad,
    }


@contextmanager
def swath_server(path: Path, folder: Path) -> Iterator[tuple[tuple[int, list[str]], dict[str, str]]]:
    """`swath explore` on a free port: its tiles' addresses and the cookie."""
    command = [sys.executable, "-m", "swath", "explore", str(path), "--no-browser", "--port", str(free_port())]
    server = subprocess.Popen([*command, "--out", str(folder / "explore")], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address is not None
        base, _, _ = address[0].partition("?")
        port = int(re.search(r":(\d+)", base)[1])  # type: ignore[index]
        jar: dict[str, str] = {}

        class Keep(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *given: Any) -> None:  # type: ignore[override]
                jar["Cookie"] = given[4]["Set-Cookie"].partition(";")[0]

        with suppress(urllib.error.HTTPError):  # a redirect that is not followed
            urllib.request.build_opener(Keep).open(address[0], timeout=60)
        for _ in range(120):
            asked = urllib.request.Request(f"{base}api/state", headers=jar)
            with urllib.request.urlopen(asked, timeout=60) as said:
                scenes = json.load(said)["scenes"]
            if scenes:
                break
            time.sleep(0.5)
        yield (port, swath_tiles(scenes[0])), jar
    finally:
        server.terminate()
        server.wait()


def swath_tiles(scene: dict[str, Any]) -> list[str]:
    """Addresses of random tiles of three levels."""
    draw = random.Random(0)
    bands = ",".join(b["id"] for b in (scene["bands"][2], scene["bands"][1], scene["bands"][0]))
    urls = []
    for below in LEVELS:
        z = scene["levels"] - below
        side = 256 * 2**below
        across, down = -(-scene["grid"]["width"] // side), -(-scene["grid"]["height"] // side)
        for _ in range(200):
            place = scene["layer"]["tiles"].format(z=z, x=draw.randrange(across), y=draw.randrange(down))
            urls.append(f"/{place}?bands={quote(bands)}&lo={LO}&hi={HI}")
    return urls


def titiler_tiles(path: Path, kind: str) -> list[str]:
    """Addresses of random tiles of the Web Mercator levels with the nearest pixel sizes."""
    import math

    import rasterio
    from rasterio.warp import transform_bounds

    with rasterio.open(path) as file:
        west, south, east, north = transform_bounds(file.crs, "EPSG:4326", *file.bounds)
        metres = file.res[0]
    scale = math.cos(math.radians((south + north) / 2))
    finest = round(math.log2(156543.03392804097 * scale / metres))
    draw = random.Random(0)
    urls = []
    for below in LEVELS:
        n = 2 ** (finest - below)
        columns = [int((lon + 180) / 360 * n) for lon in (west, east)]
        rows = [int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n) for lat in (north, south)]
        query = f"url={quote(str(path.resolve()), safe='')}&bidx=3&bidx=2&bidx=1&rescale={LO},{HI}"
        for _ in range(200):
            x, y = draw.randint(*columns), draw.randint(*rows)
            urls.append(f"/tiles/WebMercatorQuad/{finest - below}/{x}/{y}.{kind}?{query}")
    return urls


@contextmanager
def titiler_server(python: str, folder: Path) -> Iterator[int]:
    """Titiler's tile routes under uvicorn on a free port."""
    (folder / "titiler_app.py").write_text(TITILER)
    port = free_port()
    command = [python, "-m", "uvicorn", "titiler_app:app", "--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=folder, env={**os.environ, **ADVISED})
    try:
        for _ in range(240):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.25)
        yield port
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make(path: Path, side: int) -> Path:
    """A file of simulated fields: 4 bands of 16 bit, EPSG:32633, 10 m, deflate, blocks of 512, overviews."""
    import numpy as np
    import rasterio
    from rasterio.shutil import copy
    from rasterio.transform import from_origin

    draw = np.random.default_rng(1)
    fields = draw.integers(0, 6, (side // 96 + 1, side // 96 + 1))
    raw = path.with_suffix(".raw.tif")
    profile: dict[str, Any] = {"driver": "GTiff", "width": side, "height": side, "count": 4, "dtype": "uint16"}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(400000, 5400000, 10, 10), "nodata": 0}
    with rasterio.open(raw, "w", tiled=True, blockxsize=512, blockysize=512, interleave="pixel", **profile) as out:
        for top in range(0, side, 512):
            for left in range(0, side, 512):
                high, wide = min(512, side - top), min(512, side - left)
                y, x = np.arange(top, top + high)[:, None], np.arange(left, left + wide)[None]
                relief = 200 * np.sin(x / 301) * np.cos(y / 207)
                ground = 600 + 250 * fields[y // 96, x // 96] + relief
                bands = np.stack([ground * (1 + b / 4) + draw.normal(0, 12, (high, wide)) for b in range(4)])
                out.write(np.clip(bands, 1, 9000).astype("uint16"), window=((top, top + high), (left, left + wide)))
    options = {"driver": "COG", "compress": "deflate", "predictor": "YES", "blocksize": 512}
    copy(raw, path, overview_resampling="average", **options)
    raw.unlink()
    return path


if __name__ == "__main__":
    main()
