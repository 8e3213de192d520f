"""A small conv net over a big scene: swath against the best forward on arrays in memory, and against terratorch.

python benchmarks/prediction.py [--side 10000] [--big 20000] [--rounds 3] [--folder FOLDER] [--terratorch-file PATH]
       [--install-peers] [--corner 4096] [--only-terratorch]

The scene is a tiled deflate GeoTIFF (uint16, 4 bands, 512 blocks); swath reads it, runs the net in pieces with halo and
writes a COG of classes; `prepared` is the same scene as `swath prepare` writes it (Zstandard). The yardstick has the
scene in memory as float32 in channels-last order, already scaled, and only runs the net and takes the largest class, in
the way that proves fastest of several. Cases are interleaved, so only ratios count (`cpu_ratio` is of processor time:
what a busy machine spoils less). `--big N` also runs N x N x 6 (0: not) and reports its peak memory over the interpreter
with torch and rasterio imported.

--terratorch-file names terratorch/tasks/tiled_inference.py of a copy of terratorch; its function `tiled_inference` runs
unchanged, with its defaults (224 px, stride 192, border 8, blended, batches of 16), over a corner of the same scene with
the same net in float32: rasterio reads the corner whole, the largest of the answers is taken, nothing is written.
--install-peers asks pip for terratorch in an environment of its own (several GB) and takes the file from there. The last
figures are kept in FOLDER.
Prints a table and last one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
import types
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window

BLOCK, SCALE = 512, 1e-4


def machine() -> str:
    """The processor's name, cores that may be used, and the load."""
    with open("/proc/cpuinfo") as lines:
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{len(os.sched_getaffinity(0))} cores of {name}, load {os.getloadavg()[0]:.1f} when it ended"


def net(bands: int) -> torch.nn.Module:
    """bands-16-16-5, 3 x 3 convolutions; two of them, so a pixel sees two others on each side.

    The last layer is scaled so that over random spectra its five outputs win about equally often.
    """
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(bands, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, padding=1),
        torch.nn.ReLU(), torch.nn.Conv2d(16, 5, 1),
    ).eval()  # fmt: skip
    with torch.no_grad():
        layers[0].weight.mul_(4.0)
        layers[0].bias.zero_()
        layers[4].bias.zero_()
        spectra = torch.nn.functional.interpolate(0.03 + 0.29 * torch.rand(1, bands, 32, 32), scale_factor=8)
        scores = layers(spectra)[0].flatten(1)
        layers[4].weight.div_(scores.std(1)[:, None, None, None])
        layers[4].bias.copy_(-scores.mean(1) / scores.std(1))
    return layers


def make_scene(path: Path, side: int, bands: int) -> Path:
    """Fields and noise as uint16 reflectance times 10,000; deflate packs it about 1.9 fold."""
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    profile = dict(
        driver="GTiff", width=side, height=side, count=bands, dtype="uint16", crs="EPSG:32633", tiled=True,
        transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), blockxsize=BLOCK, blockysize=BLOCK, compress="deflate",
        predictor=2, zlevel=6 if side <= 10_000 else 1, interleave="pixel", num_threads="ALL_CPUS", bigtiff="if_safer",
    )  # fmt: skip
    colour = rng.integers(300, 3200, (bands, 12)).astype(np.float32)
    fields = rng.integers(0, 12, (side // 37 + 2, side // 37 + 2))
    noise = [rng.standard_normal((BLOCK, side + 4096), dtype=np.float32) * 12 for _ in range(2)]
    aside = path.with_suffix(".part")
    with rasterio.open(aside, "w", **profile) as file:
        for top in range(0, side, BLOCK):
            rows, columns = np.arange(top, min(side, top + BLOCK)), np.arange(side)
            kind = fields[np.ix_(rows // 37, columns // 37)]
            part = np.empty((bands, len(rows), side), np.uint16)
            for band in range(bands):
                shift = int(rng.integers(4096))
                speckle = noise[band % 2][: len(rows), shift : shift + side]
                part[band] = np.clip(colour[band][kind] + speckle, 1, 12_000)
            file.write(part, window=Window(0, top, side, len(rows)))
    aside.rename(path)
    print(f"made {path.name}: {path.stat().st_size / 1e6:.0f} MB", file=sys.stderr, flush=True)
    return path


def prepared(path: Path) -> Path:
    """The scene as `swath prepare` writes it, made once."""
    import swath

    home = path.with_name(f"{path.stem}_prepared")
    if not (home / "run.json").exists():
        swath.prepare([str(path)], out=home)
    return next(home.glob("*.tif"))


def in_memory(path: Path) -> np.ndarray:
    """(H, W, C) float32, scaled: the yardstick's input."""
    with rasterio.open(path) as file:
        out = np.empty((file.height, file.width, file.count), np.float32)
        for top in range(0, file.height, BLOCK):
            height = min(BLOCK, file.height - top)
            part = file.read(window=Window(0, top, file.width, height))
            np.multiply(np.moveaxis(part, 0, -1), np.float32(SCALE), out=out[top : top + height])
    return out


def forward(scene: np.ndarray, module: torch.nn.Module, kind: torch.dtype, tile: int, threads: int) -> np.ndarray:
    """Classes of the whole scene: tiles with a halo of 2, `threads` of ours with one of torch's each, or one with all."""
    height, width, _ = scene.shape
    out = np.empty((height, width), np.uint8)

    def one(spot: tuple[int, int]) -> None:
        i, j = spot
        top, left = max(0, i - 2), max(0, j - 2)
        part = scene[top : min(height, i + tile + 2), left : min(width, j + tile + 2)]
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(part)).to(kind).permute(2, 0, 1)[None]
            y = module(x)[0].contiguous().float().numpy()
        best, where = y[0].copy(), np.zeros(y.shape[1:], np.uint8)
        for k in range(1, len(y)):
            np.copyto(where, np.uint8(k), where=y[k] > best)
            np.maximum(best, y[k], out=best)
        core = where[i - top : i - top + tile, j - left : j - left + tile]
        out[i : i + core.shape[0], j : j + core.shape[1]] = core

    spots = [(i, j) for i in range(0, height, tile) for j in range(0, width, tile)]
    before = torch.get_num_threads()
    if threads == 1:
        for spot in spots:
            one(spot)
    else:
        torch.set_num_threads(1)
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(one, spots))
        torch.set_num_threads(before)
    return out


def best_way(scene: np.ndarray, module: torch.nn.Module, kind: torch.dtype) -> tuple[int, int]:
    """(tile, threads) of the fastest forward on a corner of the scene."""
    corner = np.ascontiguousarray(scene[:2048, :2048])
    times: dict[tuple[int, int], list[float]] = {}
    for _ in range(3):
        for tile in (128, 256, 512):
            for threads in (1, len(os.sched_getaffinity(0))):
                started = time.perf_counter()
                forward(corner, module, kind, tile, threads)
                times.setdefault((tile, threads), []).append(time.perf_counter() - started)
    return min(times, key=lambda way: min(times[way]))


def swath_run(path: Path, out: Path, bands: int, precision: str) -> dict[str, Any]:
    """Open, map and write with swath; seconds and the file."""
    import swath
    from swath.cube.align import align
    from swath.cube.blocks import Layer
    from swath.predict.network import Network
    from swath.predict.run import run

    network = Network.measured(net(bands), bands, deviation=[1 / SCALE] * bands, precision=precision, first_code=0)
    started, busy = time.perf_counter(), time.process_time()
    cubes = align([swath.open(path)])
    layer = Layer("classes", nodata=None, classes={k: f"class {k}" for k in range(5)})
    ran = run(cubes, network, [layer], out, reach=network.reach, restart=True)
    cpu = time.process_time() - busy
    return {
        "seconds": time.perf_counter() - started,
        "cpu": cpu,
        "path": str(ran.paths["classes"]),
        "reach": network.reach,
    }


def memory(path: Path, out: Path, bands: int, precision: str) -> dict[str, float]:
    """Peak MB of a process that maps the scene, over what it had with torch and rasterio imported, and its seconds."""
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import torch, rasterio, prediction as p; from pathlib import Path\n"
        "read = lambda key: next(int(l.split()[1]) / 1024 for l in open('/proc/self/status') if l.startswith(key))\n"
        "before = read('VmRSS')\n"
        "done = p.swath_run(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])\n"
        "print(json.dumps({'before_mb': before, 'peak_mb': read('VmHWM'), 'seconds': done['seconds']}))"
    )
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        code,
        str(Path(__file__).parent),
        str(path),
        str(out),
        str(bands),
        precision,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def tiled_inference(file: Path) -> Callable[..., torch.Tensor]:
    """Terratorch's function from its file. What the file imports but does not need here (progress bar, padding) is empty."""
    for name, parts in {
        "tqdm": {"tqdm": lambda items, **_: items},
        "terratorch": {}, "terratorch.models": {}, "terratorch.models.utils": {"pad_images": None},
    }.items():  # fmt: skip
        if name not in sys.modules:
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(parts)
    found: Callable[..., torch.Tensor] = runpy.run_path(str(file), run_name="tiled_inference")["tiled_inference"]
    return found


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the clock, seconds of processor time, and the answer."""
    started, busy = time.perf_counter(), time.process_time()
    answer = work()
    return time.perf_counter() - started, time.process_time() - busy, answer


def against_terratorch(file: Path, path: Path, folder: Path, side: int, rounds: int) -> dict[str, Any]:
    """Mpx/s of both over a corner, in turn; theirs with one thread and with all, the better of which counts."""
    theirs, module, part = tiled_inference(file), net(4), corner_of(path, folder, side)

    def peer(threads: int) -> np.ndarray:
        torch.set_num_threads(threads)
        with rasterio.open(part) as data:
            picture = torch.from_numpy(data.read().astype(np.float32)).mul_(SCALE)[None]
        found: np.ndarray = theirs(module, picture)[0].argmax(0).to(torch.uint8).numpy()
        return found

    cores = len(os.sched_getaffinity(0))
    ways = {f"terratorch_{n}": (lambda n=n: peer(n)) for n in sorted({1, cores})}
    for name in ("float32", "fast"):
        ways[f"swath_{name}"] = lambda name=name: swath_run(part, folder / f"out_corner_{name}", 4, name)
    times: dict[str, list[tuple[float, float]]] = {}
    answers: dict[str, Any] = {}
    for turn in range(-1, rounds):  # the first one is not counted
        for name, work in ways.items():
            clock, busy, answers[name] = timed(work)
            if turn >= 0:
                times.setdefault(name, []).append((clock, busy))
    torch.set_num_threads(cores)
    with rasterio.open(answers["swath_float32"]["path"]) as data:
        different = int((data.read(1) != answers["terratorch_1"]).sum())
    mpx = side**2 / 1e6
    kept: dict[str, Any] = {"side": side, "load": round(os.getloadavg()[0], 1), "different_pixels_float32": different}
    for name, pairs in times.items():
        kept[f"{name}_mpx_s"] = round(mpx / statistics.median(p[0] for p in pairs), 2)
        kept[f"{name}_mpx_cpu_s"] = round(mpx / statistics.median(p[1] for p in pairs), 2)
    for unit in ("mpx_s", "mpx_cpu_s"):
        best = max(v for k, v in kept.items() if k.startswith("terratorch") and k.endswith(unit))
        for name in ("float32", "fast"):
            kept[f"{name}_over_terratorch_{unit}"] = round(kept[f"swath_{name}_{unit}"] / best, 2)
    return kept


def install(folder: Path) -> Path:
    """Terratorch in an environment of its own, several GB; its file."""
    home = folder / "terratorch"
    if not (home / "bin" / "python").exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "terratorch"], check=True)
    return next(home.glob("lib/python*/site-packages/terratorch/tasks/tiled_inference.py"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--big", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "swath-prediction")
    parser.add_argument("--install-peers", action="store_true")
    parser.add_argument("--terratorch-file", type=Path)
    parser.add_argument("--corner", type=int, default=4096)
    parser.add_argument("--only-terratorch", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    path = make_scene(asked.folder / f"scene_{asked.side}_4.tif", asked.side, 4)
    kept = asked.folder / "terratorch.json"
    file = install(asked.folder) if asked.install_peers else asked.terratorch_file
    if file:
        compared = against_terratorch(file, path, asked.folder, min(asked.side, asked.corner), asked.rounds)
        kept.write_text(json.dumps(compared))
        if asked.only_terratorch:
            print(json.dumps(compared))
            return
    scene, mpx = in_memory(path), asked.side**2 / 1e6
    result: dict[str, Any] = {"benchmark": "prediction", "side": asked.side, "cores": len(os.sched_getaffinity(0))}
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    rows: list[tuple[str, list[float]]] = []
    for name, kind in kinds.items():
        module = net(4).to(kind).to(memory_format=torch.channels_last)
        tile, threads = best_way(scene, module, kind)
        ways = {"swath": path, "prepared": prepared(path)}
        times: dict[str, list[float]] = {"forward": [], **{who: [] for who in ways}}
        used: dict[str, list[float]] = {"forward": [], **{who: [] for who in ways}}
        expected, finished = np.empty(0), dict[str, str]()
        for turn in range(asked.rounds):
            for who in list(times) if turn % 2 == 0 else list(times)[::-1]:
                if who == "forward":
                    started, busy = time.perf_counter(), time.process_time()
                    expected = forward(scene, module, kind, tile, threads)
                    times[who].append(time.perf_counter() - started)
                    used[who].append(time.process_time() - busy)
                else:
                    done = swath_run(
                        ways[who], asked.folder / f"out_{name}{'' if who == 'swath' else '_prepared'}", 4, name
                    )
                    finished[who] = done["path"]
                    times[who].append(done["seconds"])
                    used[who].append(done["cpu"])
        different = 0
        for path_ in finished.values():
            with rasterio.open(path_) as file:
                different += int((file.read(1) != expected).sum())
        rows.append(
            (f"best forward in memory, {name} (tile {tile}, {threads} threads)", [mpx / t for t in times["forward"]])
        )
        for who, end in (("swath", ""), ("prepared", "_prepared")):
            rows.append((f"swath, {who if end else 'deflate'} file to file, {name}", [mpx / t for t in times[who]]))
            ratio = statistics.median(a / b for a, b in zip(times["forward"], times[who], strict=True))
            cpu = statistics.median(used["forward"]) / statistics.median(used[who])
            result |= {f"ratio_{name}{end}": round(ratio, 3), f"cpu_ratio_{name}{end}": round(cpu, 3)}
        result |= {f"different_pixels_{name}": different, "load": round(os.getloadavg()[0], 1)}
    result["different_from_one_pass"] = against_one_pass(
        scene, Path(done["path"]).parent.parent / "out_float32" / "classes.tif"
    )
    del scene
    for side in (asked.side // 2, asked.side):
        part = make_scene(asked.folder / f"scene_{side}_4.tif", side, 4)
        held = memory(part, asked.folder / "out_memory", 4, "fast")
        result[f"peak_mb_{side}"] = round(held["peak_mb"] - held["before_mb"])
    if asked.big:
        large = make_scene(asked.folder / f"scene_{asked.big}_6.tif", asked.big, 6)
        used = memory(large, asked.folder / "out_big", 6, "fast")
        result |= {
            f"peak_mb_{asked.big}": round(used["peak_mb"] - used["before_mb"]),
            f"seconds_{asked.big}": round(used["seconds"], 1),
        }
    if kept.exists():
        last = json.loads(kept.read_text())
        result["terratorch"] = last
        for name in ("terratorch_1", f"terratorch_{result['cores']}", "swath_float32", "swath_fast"):
            rows.append((f"{name}, corner of {last['side']} px, last measured", [last[f"{name}_mpx_s"]]))
    print(
        f"one scene of {asked.side} x {asked.side} x 4 uint16, deflate, blocks of {BLOCK}; torch {torch.__version__}, {machine()}"
    )
    print("| what | Mpx/s median | min-max |\n|---|---|---|")
    for what, rates in rows:
        print(f"| {what} | {statistics.median(rates):.2f} | {min(rates):.2f}-{max(rates):.2f} |")
    if not kept.exists():
        print("terratorch's tiled inference: not run here (--terratorch-file, or --install-peers: several GB)")
    print(json.dumps(result))


def corner_of(path: Path, folder: Path, side: int) -> Path:
    """The scene's first `side` pixels each way as a file of their own."""
    part = folder / f"corner_{side}.tif"
    if not part.exists():
        with rasterio.open(path) as file:
            profile = {**file.profile, "width": side, "height": side}
            with rasterio.open(part, "w", **profile) as out:
                out.write(file.read(window=Window(0, 0, side, side)))
    return part


def against_one_pass(scene: np.ndarray, path: Path, side: int = 2048) -> int:
    """Pixels of a corner in which swath's float32 map differs from one pass of the net over that corner."""
    edge = 0 if min(scene.shape[:2]) <= side else 4
    with torch.inference_mode(), rasterio.open(path) as file:
        x = torch.from_numpy(np.ascontiguousarray(scene[:side, :side])).permute(2, 0, 1)[None]
        whole = net(scene.shape[-1])(x).argmax(1)[0].numpy()
        ours = file.read(1, window=Window(0, 0, whole.shape[1], whole.shape[0]))
    core = slice(0, whole.shape[0] - edge), slice(0, whole.shape[1] - edge)
    return int((ours[core] != whole[core]).sum())


if __name__ == "__main__":
    main()
