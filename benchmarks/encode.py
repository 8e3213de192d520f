"""How fast scenes become vectors: `swath embed`'s own loop against the bare network on the same windows in memory.

usage: python benchmarks/encode.py [--encoders NAME,...] [--size 512] [--dates 12] [--window 128] [--threads 1]

A made scene lies in memory as a cube. The bare row gives the encoder tensors that are cut and converted beforehand, under
torch.inference_mode; the embed row reads windows from the cube, masks, encodes, pools and writes a Zarr archive, with as
many workers as threads. Both in turn, `--rounds` times, the fastest of each
by processor time (all threads, so that other programs do not count); the ratio is of one run. The last rows give the
bare network in bfloat16 (autocast), with how far its tokens lie from float32's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from swath.batch import Batch
from swath.datasets import toy
from swath.models import load
from swath.predict.encode import encode
from swath.predict.spots import Encoding
from swath.sample.window import read


@dataclass(frozen=True)
class Held:
    """A site whose cube lies in memory."""

    cube: Any
    name: str = "made"

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.cube.sizes["y"], self.cube.sizes["x"]

    @property
    def grid(self) -> Any:
        """Where it lies."""
        from swath.cube import contract

        return contract.grid(self.cube)

    @property
    def days(self) -> tuple[float, ...]:
        """Its dates."""
        return tuple(self.cube.coords["time"].values.astype("datetime64[D]").astype(float))

    @property
    def bands(self) -> int:
        """How many."""
        return int(self.cube.sizes["band"])

    def cubes(self) -> dict[str, Any]:
        """By sensor."""
        return {"sentinel-2a-l2a": self.cube}


def bare(encoder: Any, batches: list[Batch], *, half: bool = False) -> float:
    """Seconds of the processor for all windows."""
    began = time.process_time()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for batch in batches:
            encoder.encode(batch)
    return time.process_time() - began


def embed(encoder: Any, site: Held, window: int, workers: int) -> float:
    """Seconds of the processor for all windows, from the cube to an archive on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        work = Encoding((site,), encoder, window)
        began = time.process_time()
        encode(work, Path(folder) / "out.zarr", width=encoder.width, facts={"encoder": "benchmark"}, workers=workers)
        return time.process_time() - began


def apart(encoder: Any, batch: Batch) -> float:
    """Largest difference of bfloat16 tokens from float32's, in deviations of the tokens."""
    with torch.inference_mode():
        whole = encoder.encode(batch)[-1].values.float()
        with torch.autocast("cpu", torch.bfloat16):
            half = encoder.encode(batch)[-1].values.float()
    return float(((half - whole).abs() / whole.std(dim=(0, 1)).clamp(min=1e-6)).mean())


def main() -> None:
    """Read the options, measure, print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--encoders", default="tiny")
    for name, value in (("size", 512), ("dates", 12), ("window", 128), ("threads", 1), ("rounds", 3)):
        ask.add_argument(f"--{name}", type=int, default=value)
    given = ask.parse_args()
    torch.set_num_threads(given.threads)
    place = toy.world(1, given.size)
    when = toy.dates("2021-01-01", "2022-01-01", 365.0 / given.dates, seed=1)[: given.dates]
    cube, _ = toy.view(place, "sentinel-2a-l2a", when, seed=1)
    site = Held(cube)
    cuts = [slice(i, i + given.window) for i in range(0, given.size, given.window)]
    batches = [read(site.cubes(), rows, columns).to("cpu") for rows in cuts for columns in cuts]
    tokens = given.size**2
    print(
        f"A made scene of {given.size} x {given.size} pixels, {len(when)} dates of Sentinel-2 ({cube.sizes['band']} bands), "
        f"windows of {given.window}, {given.threads} thread, torch {torch.__version__}; least processor time of "
        f"{given.rounds} rounds in turn"
    )
    print("\n| encoder | way | tokens a processor second | of the bare float32 |\n|---|---|---|---|")
    for name in given.encoders.split(","):
        encoder = load(name)
        bare(encoder, batches[:1])
        rows = [(bare(encoder, batches), embed(encoder, site, given.window, given.threads), bare(encoder, batches, half=True))
                for _ in range(given.rounds)]  # fmt: skip
        best = np.min(rows, axis=0)
        for way, seconds in zip(("bare, float32", "swath embed, float32", "bare, bfloat16"), best, strict=True):
            print(f"| {name} | {way} | {tokens / seconds:,.0f} | {best[0] / seconds:.2f} |")
        print(f"\n{name}: bfloat16 tokens lie {apart(encoder, batches[0]):.3f} deviations from float32's in the mean")


if __name__ == "__main__":
    main()
