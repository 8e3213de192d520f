"""Choosing among a million vectors stays under 2 GB, the mapped file of 1 GB included."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CODE = """
import resource, sys
import numpy as np
from swath.study import select
path, n, d = sys.argv[1], 1_000_000, 256
x = np.lib.format.open_memmap(path, "w+", np.float32, (n, d))
rng = np.random.default_rng(0)
centres = rng.normal(0, 3, (300, d)).astype(np.float32)
share = 1 / np.arange(1, 301)
for start in range(0, n, 50_000):
    kind = rng.choice(300, 50_000, p=share / share.sum())
    x[start : start + 50_000] = centres[kind] + rng.normal(0, 1, (50_000, d)).astype(np.float32)
x.flush()
del x
x = np.load(path, mmap_mode="r")
choice = select.choose(x, 5000, 0.5, counts=(500, 30), subset=50_000, alike=1.0)
assert len(choice.kept) == 5000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_million_vectors_are_chosen_from_within_two_gigabytes(tmp_path):
    path = tmp_path / "x.npy"
    done = subprocess.run([sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=False)
    path.unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 2000
