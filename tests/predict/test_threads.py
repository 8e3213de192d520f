"""Threads are as many as asked for, and more only while reading waits."""

from __future__ import annotations

import threading
import time

import pytest

from swath.cube.blocks import Layer
from swath.predict import threads
from swath.predict.run import Work, run

from .scenes import scene


def first_band(batch):
    return {"a": batch.pixels["s"].values[0, 0][:1][None]}


@pytest.mark.parametrize(("pause", "most"), [(0.02, 4), (0.0, 2)])
def test_threads_are_added_where_reading_waits_and_at_most_twice_as_many(tmp_path, monkeypatch, pause, most):
    names, read = set(), Work.read

    def slow(work, tile):
        names.add(threading.get_ident())
        time.sleep(pause)
        return read(work, tile)

    def busy(batch):
        until = time.thread_time() + (0.0 if pause else 0.02)
        while time.thread_time() < until:
            pass
        return first_band(batch)

    monkeypatch.setattr(threads, "_ENOUGH", 0.1)
    monkeypatch.setattr(Work, "read", slow)
    layer = Layer("a", dtype="float32", nodata=None)
    ran = run({"s": scene(300, 260)}, busy, (layer,), tmp_path, window=32, workers=2)
    assert ran.computed == ran.windows == 90
    assert len(names) == most


def test_the_share_of_waiting_decides():
    assert threads._wanted(2, took=1.0, waited=0.9) == 2  # too early to tell
    assert threads._wanted(2, took=10.0, waited=1.0) == 2
    assert threads._wanted(2, took=10.0, waited=3.0) == 3
    assert threads._wanted(2, took=10.0, waited=9.9) == 4
    assert threads._wanted(8, took=10.0, waited=2.0) == 10
