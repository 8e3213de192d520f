"""Random 256-px training windows from tiled deflate GeoTIFFs: swath against the machine's limit and against torchgeo.

python benchmarks/sampling.py [--scenes FOLDER] [--side 10000] [--files 3] [--rounds 5] [--install-peers] [--peer PYTHON]

The limit is rasterio reading whole aligned blocks of 512 with two threads and a handle each. Cases are interleaved in one
run, so only ratios count. torchgeo runs in an environment of its own (made by --install-peers, about 3 GB with its
dependencies, or named by --peer). Prints a table, proof that the draw is honest, and last one line of JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("GDAL_CACHEMAX", "256")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

import swath
from swath.sample import reader
from swath.sample.loader import Loader, Scene

SIZE, BLOCK, BATCH = 256, 512, 16
LIMIT = "rasterio, whole blocks, 2 threads (limit)"


def make_scenes(folder: Path, side: int, files: int) -> list[Path]:
    """Plausible uint16 scenes: fields, relief and 12 numbers of noise (deflate packs them about 1.9 fold)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"s{i}_{side}.tif" for i in range(files)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        profile = dict(
            driver="GTiff", width=side, height=side, count=4, dtype="uint16", crs="EPSG:32633", tiled=True,
            transform=Affine(10, 0, 500_000 + number * side * 10, 0, -10, 5_000_000), blockxsize=BLOCK, blockysize=BLOCK,
            compress="deflate", predictor=2, interleave="pixel", num_threads="ALL_CPUS", bigtiff="if_safer",
        )  # fmt: skip
        colour = rng.integers(300, 3200, (4, 12))
        fields = rng.integers(0, 12, (side // 37 + 2, side // 37 + 2))
        relief = rng.normal(0, 150, (side // 60 + 2, side // 60 + 2)).astype(np.float32)
        aside = path.with_suffix(".part")
        with rasterio.open(aside, "w", **profile) as file:
            for top in range(0, side, BLOCK):
                rows = np.arange(top, min(side, top + BLOCK))
                columns = np.arange(side)
                kind = fields[np.ix_(rows // 37, columns // 37)]
                y, x = rows / 60, columns / 60
                i, j = y.astype(int), x.astype(int)
                fy, fx = (y - i)[:, None].astype(np.float32), (x - j)[None].astype(np.float32)
                part = relief[np.ix_(i, j)] * (1 - fy) * (1 - fx) + relief[np.ix_(i + 1, j)] * fy * (1 - fx)
                part = part + relief[np.ix_(i, j + 1)] * (1 - fy) * fx + relief[np.ix_(i + 1, j + 1)] * fy * fx
                for band in range(4):
                    noise = rng.standard_normal(part.shape, dtype=np.float32) * 12
                    values = colour[band][kind] + part * (0.6 + 0.2 * band) + noise
                    stored = np.clip(values, 1, 12_000).astype(np.uint16)
                    file.write(stored, band + 1, window=Window(0, top, side, len(rows)))
        aside.rename(path)
        print(f"made {path.name}: {path.stat().st_size / 1e6:.0f} MB", file=sys.stderr, flush=True)
    return paths


def whole_blocks(paths: list[Path], side: int, n: int, pool: ThreadPoolExecutor, rng: np.random.Generator) -> int:
    count = side // BLOCK
    spots = [(paths[rng.integers(len(paths))], *rng.integers(0, count, 2).tolist()) for _ in range(n // 4)]

    def one(spot: tuple[Path, int, int]) -> int:
        a = reader.handle(spot[0]).read(window=Window(spot[2] * BLOCK, spot[1] * BLOCK, BLOCK, BLOCK))
        return (a.shape[1] // SIZE) * (a.shape[2] // SIZE)

    return sum(pool.map(one, spots))


def random_reads(paths: list[Path], side: int, n: int, pool: ThreadPoolExecutor, rng: np.random.Generator) -> int:
    spots = [(paths[rng.integers(len(paths))], *rng.integers(0, side - SIZE, 2).tolist()) for _ in range(n)]

    def one(spot: tuple[Path, int, int]) -> int:
        return reader.handle(spot[0]).read(window=Window(spot[2], spot[1], SIZE, SIZE)).shape[0] // 4

    return sum(pool.map(one, spots))


class Stream:
    """Batches without end, epoch after epoch, as a training would take them."""

    def __init__(self, epoch: Callable[[int], Iterator[int]]) -> None:
        self.run = (n for number in itertools.count() for n in epoch(number))

    def take(self, n: int) -> int:
        """Take at least n windows; how many."""
        done = 0
        while done < n:
            done += next(self.run)
        return done


def stored_numbers(paths: list[Path]) -> Stream:
    """Arrays (16, 4, 256, 256) of what the files hold."""
    grounds = [reader.Tiff(p) for p in paths]

    def epoch(number: int) -> Iterator[int]:
        blocks = reader.plan(grounds, size=SIZE, seed=0, epoch=number)
        for cuts in reader.mixed(grounds, blocks, size=SIZE, batch=BATCH, seed=(0, number), threads=2):
            yield len(np.stack([c.arrays[0] for c in cuts]))

    return Stream(epoch)


def whole_batches(paths: list[Path]) -> Stream:
    """What a model is trained on: Batch of float32 values with validity, from cubes that swath.open opened."""
    scenes = [Scene({"scene": swath.open(p)}, place=p.stem, block=(BLOCK, BLOCK)) for p in paths]
    loader = Loader(scenes, size=SIZE, batch=BATCH, threads=2)
    return Stream(lambda number: (len(batch) for batch in loader.epoch(number)))


PEER = """
import sys, time, json, warnings
warnings.filterwarnings("ignore")
from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import RandomGeoSampler
import torchgeo
class Scenes(RasterDataset):
    filename_glob = "s*.tif"
    is_image = True
folder, workers, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = Scenes(folder)
loader = DataLoader(data, batch_size=16, sampler=RandomGeoSampler(data, size=256, length=n), num_workers=workers,
                    collate_fn=stack_samples, persistent_workers=workers > 0)
for _ in loader:
    break
print(json.dumps({"version": torchgeo.__version__}), flush=True)
for line in sys.stdin:
    start = time.perf_counter(); done = sum(len(b["image"]) for b in loader)
    print(json.dumps({"rate": done / (time.perf_counter() - start)}), flush=True)
"""


class Peer:
    """torchgeo's loader in a process of its own environment; asked for one timed pass at a time."""

    def __init__(self, python: str, folder: Path, workers: int, n: int) -> None:
        command = [python, "-c", PEER, str(folder), str(workers), str(n)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self.answer()["version"]

    def answer(self) -> dict:
        """The next line of the other process."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"torchgeo's process ended with {self.process.wait()}")
        return json.loads(line)

    def rate(self) -> float:
        """Windows a second in one pass."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.answer()["rate"]

    def close(self) -> None:
        """Let the process end."""
        self.process.stdin.close()
        self.process.wait()


def peers(arguments: argparse.Namespace, folder: Path, n: int) -> dict[str, Peer]:
    python = arguments.peer
    if arguments.install_peers:
        home = Path(arguments.scenes or tempfile.gettempdir()) / "torchgeo-environment"
        python = str(home / "bin" / "python")
        if not Path(python).exists():
            venv.create(home, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "torchgeo", "requests"], check=True)
    if not python:
        return {}
    return {f"torchgeo, {w} workers": Peer(python, folder, w, n) for w in (0, 2)}


def honest(paths: list[Path], epochs: int = 40) -> dict[str, float]:
    """Chi-square of positions over epochs, and pairs of one superblock in a batch against pure chance."""
    from scipy.stats import chisquare

    grounds = [reader.Tiff(p) for p in paths]
    at, of = [], []
    for epoch in range(epochs):
        for block in reader.plan(grounds, size=SIZE, seed=0, epoch=epoch):
            at.append(block.corners)
            of.append(np.full(len(block.corners), block.ground))
    corners, ground = np.concatenate(at), np.concatenate(of)
    fits = grounds[0].shape[0] - SIZE + 1
    bins = 10
    counts = np.stack(
        [
            np.histogram2d(*corners[ground == g].T, bins=bins, range=((0, fits), (0, fits)))[0]
            for g in range(len(grounds))
        ]
    )
    cells = np.histogram(np.arange(fits), bins=bins, range=(0, fits))[0]
    expected = np.broadcast_to(np.outer(cells, cells) / cells.sum() ** 2 / len(grounds), counts.shape) * counts.sum()
    inside = np.bincount(corners[:, 0] % BLOCK // 32, minlength=BLOCK // 32)
    expected_inside = np.bincount(np.arange(fits) % BLOCK // 32, minlength=BLOCK // 32) / fits * len(corners)
    blocks = reader.plan(grounds, size=SIZE, seed=0, epoch=0)
    size = np.array([len(b.corners) for b in blocks], float)
    chance = float((size * (size - 1)).sum() / (size.sum() * (size.sum() - 1)))
    same = pairs = 0

    class Light(reader.Tiff):
        def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, ...]:
            return (np.zeros((1, rows.stop - rows.start, columns.stop - columns.start), np.uint8),)

    light = [Light(p) for p in paths]
    for cuts in reader.mixed(light, blocks, size=SIZE, batch=BATCH, seed=0):
        number = np.array([c.superblock for c in cuts])
        same += int((number[:, None] == number[None]).sum() - len(number)) // 2
        pairs += len(number) * (len(number) - 1) // 2
    return {
        "windows_drawn": len(corners),
        "position_p": float(chisquare(counts.ravel(), expected.ravel()).pvalue),
        "position_in_block_p": float(chisquare(inside, expected_inside).pvalue),
        "pairs_of_one_superblock": same / pairs,
        "by_chance": chance,
        "pairs_over_chance": (same / pairs) / chance,
    }


def machine() -> str:
    """What the processor calls itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--scenes", help="folder for the test scenes (kept); a temporary one by default")
    parse.add_argument("--side", type=int, default=10_000)
    parse.add_argument("--files", type=int, default=3)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--windows", type=int, default=1600, help="windows per case and round")
    parse.add_argument("--install-peers", action="store_true")
    parse.add_argument("--peer", help="python of an environment that has torchgeo")
    arguments = parse.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.scenes or temporary) / f"scenes_{arguments.side}"
        paths = make_scenes(folder, arguments.side, arguments.files)
        run(arguments, paths, folder)


def run(arguments: argparse.Namespace, paths: list[Path], folder: Path) -> None:
    n, side, rng = arguments.windows, arguments.side, np.random.default_rng(0)
    pool = ThreadPoolExecutor(2)
    stored, floats = stored_numbers(paths), whole_batches(paths)
    cases = {
        LIMIT: lambda: whole_blocks(paths, side, n, pool, rng),
        "rasterio, random windows, 2 threads": lambda: random_reads(paths, side, n // 8, pool, rng),
        "swath, batches of stored numbers": lambda: stored.take(n),
        "swath.Loader, Batch of float32 with validity": lambda: floats.take(n),
    }
    others = peers(arguments, folder, n // 8)
    rates: dict[str, list[float]] = {name: [] for name in [*cases, *others]}
    for turn in range(-1, arguments.rounds):
        order = [*cases, *others] if turn % 2 else [*reversed(list(others)), *reversed(list(cases))]
        for name in order:
            start = time.perf_counter()
            rate = others[name].rate() if name in others else cases[name]() / (time.perf_counter() - start)
            if turn >= 0:
                rates[name].append(rate)
    for peer in others.values():
        peer.close()
    median = {name: statistics.median(values) for name, values in rates.items()}
    print(f"{arguments.files} scenes of {side} x {side} x 4 uint16, deflate, blocks of {BLOCK}; rasterio "
          f"{rasterio.__version__}, GDAL {rasterio.__gdal_version__}, {os.cpu_count()} cores of {machine()}")  # fmt: skip
    print("| what | windows/s median | min-max | ratio to the limit |\n|---|---|---|---|")
    for name, values in rates.items():
        print(
            f"| {name} | {median[name]:.1f} | {min(values):.1f}-{max(values):.1f} | {median[name] / median[LIMIT]:.3f} |"
        )
    proof = honest(paths)
    print(f"\npositions flat: p = {proof['position_p']:.3f} over scenes, {proof['position_in_block_p']:.3f} inside blocks "
          f"({proof['windows_drawn']} windows); pairs of one superblock in a batch: {proof['pairs_of_one_superblock']:.5f}, "
          f"by chance {proof['by_chance']:.5f}")  # fmt: skip
    ours = median["swath, batches of stored numbers"]
    result = {
        "benchmark": "sampling",
        "of_limit": round(ours / median[LIMIT], 3),
        "of_limit_float32": round(median["swath.Loader, Batch of float32 with validity"] / median[LIMIT], 3),
        "over_torchgeo": round(ours / max(median[name] for name in others), 2) if others else None,
        **{k: round(v, 5) for k, v in proof.items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
