"""How long a person waits for `swath explore`: link, scene, click, label, first map. No browser: what the server needs.

usage: python benchmarks/explorer.py [SCENE.tif] [--side 1000] [--labels 48] [--rounds 3]

Without a file a scene of 1,000 x 1,000 x 4 is made (simulated fields). Labels are drawn at random from three kinds of field
(or thirds of the first band). Times are by the clock, one request at a time, as a page asks. The first map comes from the
quick classifiers, as in the page; `first tile` is when the first finished window can be asked for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from tiles import make, swath_server


def main() -> None:
    """Measure and print a table; last, one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--side", type=int, default=1000)
    parser.add_argument("--labels", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as home:
        path = options.file or make(Path(home) / "fields.tif", options.side)
        for number in range(options.rounds):
            folder = Path(home) / str(number)
            folder.mkdir()
            began = time.perf_counter()
            with swath_server(path, folder) as ((port, _), cookie):
                waits = {"link and scene": time.perf_counter() - began}
                rows.append({**waits, **story(Door(port, cookie), path, options.labels)})
    print("| what | seconds, median | min-max |\n|---|---|---|")
    for name in rows[0]:
        values = [r[name] for r in rows]
        print(f"| {name} | {statistics.median(values):.3f} | {min(values):.3f}-{max(values):.3f} |")
    print(
        json.dumps({"benchmark": "explorer", **{k: round(statistics.median(r[k] for r in rows), 3) for k in rows[0]}})
    )


class Door:
    """Requests as the page makes them."""

    def __init__(self, port: int, cookie: dict[str, str]) -> None:
        self.base, self.cookie = f"http://127.0.0.1:{port}/", cookie

    def ask(self, route: str, body: Any = None) -> Any:
        """The JSON of a route; a body makes it a POST."""
        headers = {**self.cookie, "X-Swath": "1", "Origin": self.base.rstrip("/"), "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.base + route, data, headers), timeout=300) as said:
            return json.load(said)

    def timed(self, route: str, times: int = 1, body: Any = None) -> float:
        """Median seconds of a request."""
        found = []
        for _ in range(times):
            began = time.perf_counter()
            self.ask(route, body)
            found.append(time.perf_counter() - began)
        return statistics.median(found)


def story(door: Door, path: Path, count: int) -> dict[str, float]:
    """Click, label, map; seconds each."""
    scene = door.ask("api/state")["scenes"][0]
    found = {
        "state": door.timed("api/state", 5),
        "first click": door.timed(f"api/point?scene={scene['id']}&col=500.5&row=400.5"),
        "click": statistics.median(
            door.timed(f"api/point?scene={scene['id']}&col={c}.5&row={r}.5") for c, r in ((10, 20), (300, 900), (77, 5))
        ),
    }
    ops = label_ops(scene, path, count)
    late = []
    for k, op in enumerate(ops):
        began = time.perf_counter()
        door.ask("api/labels/ops", {"scene": scene["id"], "base": k, "ops": [op]})
        late.append(time.perf_counter() - began)
    found["label on disk, p95"] = sorted(late)[int(0.95 * len(late))]
    began = time.perf_counter()
    job = door.ask("api/maps", {"scene": scene["id"], "window": None, "better": False})["job"]
    while job["state"] in ("waiting", "running"):
        if "first tile" not in found and job["what"].lower().startswith("mapping") and job["done"]:
            found["first tile"] = time.perf_counter() - began
        time.sleep(0.05)
        job = door.ask(f"api/jobs/{job['id']}")["job"]
    if job["state"] != "done":
        raise SystemExit(f"the map ended {job['state']}: {job['error']}")
    found["first map with its card"] = time.perf_counter() - began
    found.setdefault("first tile", found["first map with its card"])
    return found


def label_ops(scene: dict[str, Any], path: Path, count: int) -> list[dict[str, Any]]:
    """Three classes by thirds of the first band, and points drawn at random."""
    with rasterio.open(path) as file:
        band, affine = file.read(1), file.transform
    low, high = np.percentile(band[band > 0], [33, 67])
    names = ["Dark field", "Field", "Bright field"]
    classes = [
        {"id": str(uuid.uuid4()), "op": "class-add", "class": {"id": f"c{k}", "name": n, "colour": c, "hotkey": ""}}
        for k, (n, c) in enumerate(zip(names, ("#4676c6", "#00520e", "#f5e05d"), strict=True))
    ]
    draw = np.random.default_rng(0)
    labels = []
    for _ in range(count):
        r, c = (int(v) for v in draw.integers(0, band.shape))
        kind = int(band[r, c] > low) + int(band[r, c] > high)
        x, y = affine * (c + 0.5, r + 0.5)
        label = {"id": str(uuid.uuid4()), "class": f"c{kind}", "geometry": {"type": "Point", "coordinates": [x, y]}}
        labels.append({"id": str(uuid.uuid4()), "op": "add", "label": {**label, "crs": scene["grid"]["crs"]}})
    return classes + labels


if __name__ == "__main__":
    main()
