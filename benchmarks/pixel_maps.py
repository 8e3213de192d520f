"""Maps by pixel classifiers: swath over windows against scikit-learn's own predict on arrays in memory.

python benchmarks/pixel_maps.py [--trees 4000] [--boosting 1000] [--rounds 3] [--folder FOLDER] [--nodata 0.0]

Extra trees over N x N x 10 and histogram boosting over M x M x 10 (8 classes, 5,000 training pixels): the classifiers
that `swath map` fits (swath.baseline.learner), and the prediction that it uses. The yardstick is `predict` of the very
same fitted scikit-learn model, which has the pixels in memory as rows of float32 and may use all cores (n_jobs for the
forest, OpenMP for boosting), in pieces where the whole would not fit; swath reads a GeoTIFF, predicts window by window
with its own threads and writes a COG. Cases are interleaved, so only ratios count (`cpu_ratio` is of processor time:
what a busy machine spoils less). Prints a table and last one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

BANDS, CLASSES = 10, 8


def world() -> tuple[np.random.Generator, np.ndarray, np.ndarray, np.ndarray]:
    """A generator, class means, training pixels and their classes: made up."""
    rng = np.random.default_rng(0)
    means = rng.normal(1500, 500, (CLASSES, BANDS)).astype(np.float32)
    y = rng.integers(0, CLASSES, 5000)
    return rng, means, (means[y] + rng.normal(0, 250, (5000, BANDS))).astype(np.float32), y


def make_scene(path: Path, side: int, nodata: float) -> Path:
    """Fields of 20 pixels with noise, uint16; a share of whole blocks of 64 has no data (0)."""
    if path.exists():
        return path
    rng, means, _, _ = world()
    fields = rng.integers(0, CLASSES, (side // 20 + 1, side // 20 + 1))
    holes = rng.random((side // 64 + 1, side // 64 + 1)) < nodata
    profile = dict(
        driver="GTiff", width=side, height=side, count=BANDS, dtype="uint16", crs="EPSG:32633", tiled=True, nodata=0,
        transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), blockxsize=512, blockysize=512, compress="deflate",
        predictor=2, interleave="pixel", num_threads="ALL_CPUS",
    )  # fmt: skip
    aside = path.with_suffix(".part")
    with rasterio.open(aside, "w", **profile) as file:
        for top in range(0, side, 512):
            rows, columns = np.arange(top, min(side, top + 512)), np.arange(side)
            values = means[fields[np.ix_(rows // 20, columns // 20)]]
            values = (values + rng.standard_normal(values.shape, dtype=np.float32) * 250).clip(1)
            values[holes[np.ix_(rows // 64, columns // 64)]] = 0
            file.write(np.moveaxis(values.astype(np.uint16), -1, 0), window=Window(0, top, side, len(rows)))
    aside.rename(path)
    return path


class PixelClassifier:
    """A function for predict.run: shares of valid pixels by the learner of `swath map`, the largest one's code."""

    crops = True

    def __init__(self, learned: Any) -> None:
        self.learned = learned

    def __call__(self, batch: Any, inside: tuple[slice, slice]) -> dict[str, np.ndarray]:
        """Codes 1..K where every band is valid, else 0."""
        pixels = next(iter(batch.pixels.values()))
        values, valid = pixels.values[0, 0][:, *inside], pixels.valid[0, 0][:, *inside].all(axis=0)
        out = np.zeros(valid.shape, np.uint8)
        if valid.any():
            out[valid] = self.learned.predict(values[:, valid]).argmax(axis=0) + 1
        return {"classes": out[None, None]}


def machine() -> str:
    """The processor's name, cores that may be used, and the load."""
    with open("/proc/cpuinfo") as lines:
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{len(os.sched_getaffinity(0))} cores of {name}, load {os.getloadavg()[0]:.1f}"


def swath_run(path: Path, out: Path, learned: Any) -> Path:
    """The map by swath."""
    import swath
    from swath.cube.align import align
    from swath.cube.blocks import Layer
    from swath.predict.run import run

    ran = run(align([swath.open(path)]), PixelClassifier(learned), [Layer("classes")], out, restart=True)
    return ran.paths["classes"]


def rows_of(path: Path) -> np.ndarray:
    """(pixels, bands) float32: the yardstick's input."""
    with rasterio.open(path) as file:
        return np.ascontiguousarray(file.read().reshape(BANDS, -1).T, dtype=np.float32)


def compare(
    name: str, kind: str, path: Path, folder: Path, rounds: int
) -> tuple[list[float], list[float], dict[str, Any]]:
    """Rates of both in Mpx/s, and the ratio, pixels that differ and peak memory."""
    from swath.baseline import learner

    _, _, x, y = world()
    ours = learner.fit(kind, x, y, classes=CLASSES, seed=0, trees=100)
    theirs = ours.inner.model
    if hasattr(theirs, "n_jobs"):
        theirs.set_params(n_jobs=-1)
    pixels = rows_of(path)
    mpx = len(pixels) / 1e6
    piece = 2_000_000  # a forest's probabilities of more pixels at once fall out of memory
    times: dict[str, list[float]] = {"sklearn": [], "swath": []}
    used: dict[str, list[float]] = {"sklearn": [], "swath": []}
    for turn in range(rounds):
        for who in ("sklearn", "swath") if turn % 2 == 0 else ("swath", "sklearn"):
            started, busy = time.perf_counter(), time.process_time()
            if who == "sklearn":
                expected = np.concatenate([theirs.predict(pixels[i : i + piece]) for i in range(0, len(pixels), piece)])
            else:
                written = swath_run(path, folder / f"out_{name}", ours)
            times[who].append(time.perf_counter() - started)
            used[who].append(time.process_time() - busy)
    with rasterio.open(written) as file:
        mapped = file.read(1).ravel()
    seen = mapped > 0
    ratio = statistics.median(a / b for a, b in zip(times["sklearn"], times["swath"], strict=True))
    facts = {
        f"ratio_{name}": round(ratio, 3),
        f"cpu_ratio_{name}": round(statistics.median(used["sklearn"]) / statistics.median(used["swath"]), 3),
        f"different_pixels_{name}": int((mapped[seen] != expected[seen] + 1).sum()),
    }
    return [mpx / t for t in times["sklearn"]], [mpx / t for t in times["swath"]], facts


def growth(path: Path, folder: Path) -> float:
    """Peak MB of a process that maps the scene with a small forest, over what it had with everything imported."""
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import pixel_maps as p, swath.cube.open\n"
        "from pathlib import Path; from swath.baseline import learner\n"
        "read = lambda key: next(int(l.split()[1]) / 1024 for l in open('/proc/self/status') if l.startswith(key))\n"
        "_, _, x, y = p.world(); m = learner.fit('extra trees', x, y, classes=p.CLASSES, seed=0, trees=4); before = read('VmRSS')\n"
        "p.swath_run(Path(sys.argv[2]), Path(sys.argv[3]), m); print(read('VmHWM') - before)"
    )
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        code,
        str(Path(__file__).parent),
        str(path),
        str(folder / "out_memory"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trees", type=int, default=4000)
    parser.add_argument("--boosting", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodata", type=float, default=0.0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "swath-pixel-maps")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    cases = {"trees": ("extra trees", asked.trees), "boosting": ("histogram boosting", asked.boosting)}
    result: dict[str, Any] = {"benchmark": "pixel_maps", "trees": asked.trees, "boosting": asked.boosting}
    print(f"{BANDS} bands, {CLASSES} classes, 100 trees; {machine()}")
    print("| what | Mpx/s median | min-max |\n|---|---|---|")
    for name, (kind, side) in cases.items():
        if not side:
            continue
        path = make_scene(asked.folder / f"scene_{side}_{asked.nodata}.tif", side, asked.nodata)
        theirs, ours, facts = compare(name, kind, path, asked.folder, asked.rounds)
        result |= facts
        for what, rates in ((f"scikit-learn in memory, {name}", theirs), (f"swath, file to file, {name}", ours)):
            print(
                f"| {what}, {side} px | {statistics.median(rates):.3f} | {min(rates):.3f}-{max(rates):.3f} |",
                flush=True,
            )
    sizes = sorted({asked.trees, max(asked.trees // 2, 512)} - {0})
    for side in sizes:
        path = make_scene(asked.folder / f"scene_{side}_{asked.nodata}.tif", side, asked.nodata)
        result[f"peak_mb_{side}"] = round(growth(path, asked.folder))
    print(json.dumps(result | {"load": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
