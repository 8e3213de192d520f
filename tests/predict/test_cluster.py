"""The same windows over Dask: the same bytes, also when a worker dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from swath.errors import SwathError
from swath.predict.run import run

from .scenes import LAYERS, neighbours, scene

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster():
    # Workers find the functions of these tests by the names that they have here.
    before = list(sys.path)
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": "CRITICAL"}
    with distributed.LocalCluster(**options) as it:
        yield it
    sys.path[:] = before


def bytes_of(out):
    return [(out / f"{layer.name}.tif").read_bytes() for layer in LAYERS]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    out = tmp_path_factory.mktemp("reference")
    run({"s": scene()}, neighbours, LAYERS, out, reach=2, window=32)
    return bytes_of(out)


def test_dask_gives_the_same_bytes_as_threads(cluster, reference, tmp_path):
    ran = run({"s": scene()}, neighbours, LAYERS, tmp_path, reach=2, window=32, scheduler=cluster.scheduler_address)
    assert bytes_of(tmp_path) == reference
    assert ran.exit_code == 0


def slow(batch):
    import time

    time.sleep(0.02)
    return neighbours(batch)


def test_windows_of_a_worker_that_dies_are_done_by_others(cluster, reference, tmp_path):
    import signal

    victims = []

    def kill(done, total, what):
        if done >= 10 and not victims:
            victims.append(next(iter(cluster.workers.values())).pid)
            os.kill(victims[0], signal.SIGKILL)

    ran = run(
        {"s": scene()}, slow, LAYERS, tmp_path, reach=2, window=32, scheduler=cluster.scheduler_address, progress=kill
    )
    assert victims
    assert ran.exit_code == 0
    assert bytes_of(tmp_path) == reference


def broken(batch):
    if batch.key == ("192_192",):
        raise ValueError("cannot")
    return neighbours(batch)


def test_a_failing_window_is_counted_there_too(cluster, tmp_path):
    ran = run({"s": scene()}, broken, LAYERS, tmp_path, window=64, scheduler=cluster.scheduler_address)
    assert ran.failed == ((192, 192, 64, 64),)
    assert "cannot" in ran.reasons[0]


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SwathError, match="must answer"):
        run({"s": scene()}, neighbours, LAYERS, tmp_path, scheduler="tcp://127.0.0.1:9")


def test_a_scheduler_of_another_kind_is_refused(tmp_path):
    with pytest.raises(SwathError, match="threads, dask or the address"):
        run({"s": scene()}, neighbours, LAYERS, tmp_path, scheduler="slurm")


@pytest.mark.slow
def test_a_cluster_of_its_own(cluster, reference, tmp_path):
    run({"s": scene()}, neighbours, LAYERS, tmp_path, reach=2, window=32, scheduler="dask", workers=2)
    assert bytes_of(tmp_path) == reference
