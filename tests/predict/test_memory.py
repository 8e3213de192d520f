"""Memory hangs on the window, not on the scene."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, sys
import numpy as np, rasterio
from affine import Affine
import swath
from swath.cube.align import align
from swath.cube.blocks import Layer
from swath.predict.run import run

folder, side = sys.argv[1], int(sys.argv[2])
profile = dict(driver="GTiff", width=side, height=side, count=4, dtype="uint16", tiled=True, blockxsize=512, blockysize=512,
               compress="deflate", sparse_ok=True, crs="EPSG:32633", transform=Affine(10, 0, 5e5, 0, -10, 5e6))
with rasterio.open(folder + "/scene.tif", "w", **profile) as file:
    file.write(np.full((4, 512, 512), 700, "uint16"), window=((0, 512), (0, 512)))
status = lambda key: next(int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith(key))

def brightest(batch):
    return {"classes": (1 + batch.pixels["scene"].values[:, 0].max(axis=1, keepdims=True) // 100).astype("uint8")}

cubes = align({"scene": swath.open(folder + "/scene.tif")})
before = status("VmRSS")
ran = run(cubes, brightest, [Layer("classes")], folder + "/out", reach=3)
with rasterio.open(folder + "/out/classes.tif") as file:
    corner = file.read(1, window=((508, 516), (508, 516)))
print(json.dumps({"mb": status("VmHWM") - before, "windows": ran.windows, "corner": corner.tolist()}))
"""


def peak(folder, side: int) -> dict:
    folder.mkdir()
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    command = [sys.executable, "-W", "ignore", "-c", CODE, str(folder), str(side)]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_scene(tmp_path):
    small, large = peak(tmp_path / "small", 5_000), peak(tmp_path / "large", 20_000)
    assert large["windows"] == 40 * 40
    assert large["corner"][3][3:5] == [8, 1]
    assert large["mb"] < 400
    assert large["mb"] < small["mb"] * 1.3 + 30
