"""Packing reads a few windows at a time: memory does not grow with the scene."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import resource, sys
import numpy as np
from swath.cube import packing
from swath.earth.sensor import Band

class Made:
    shape, dtype = (1, 2, int(sys.argv[1]), int(sys.argv[1])), np.dtype(np.uint16)

    def read(self, dates, bands, rows, columns):
        y, x = np.mgrid[rows, columns]
        return np.stack([(1500 + 300 * np.sin(x / 40 + k) + y % 97 + (x * y) % 13).astype(np.uint16) for k in bands])[None]

bands = tuple(Band(name=f"b{k}", quantity="digital_number", units="1") for k in range(2))
packing.write(sys.argv[2], [packing.Part(Made(), bands, None, None, error=(5.0, 5.0))], workers=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak(side: int, path) -> float:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(side), str(path)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return float(done.stdout)


def test_memory_is_bounded_by_the_windows(tmp_path):
    small, large = peak(1024, tmp_path / "small.swath"), peak(4096, tmp_path / "large.swath")
    assert large < small + 150
    assert large < 700
