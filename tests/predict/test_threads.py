"""Threads are as many as asked for, and more only while reading waits."""

from __future__ import annotations

import math
import threading
import time

import pytest

from swath.cube.blocks import Layer
from swath.predict import threads
from swath.predict.run import Work, run

from .scenes import scene


def first_band(batch):
    return {"a": batch.pixels["s"].values[0, 0][:1][None]}


@pytest.mark.parametrize(("enough", "least", "most"), [(0.1, 3, 4), (math.inf, 1, 2)])
def test_threads_are_added_once_reading_is_known_to_wait_and_at_most_twice_as_many(
    tmp_path, monkeypatch, enough, least, most
):
    names, read = set(), Work.read

    def slow(work, tile):
        names.add(threading.get_ident())
        time.sleep(0.02)
        return read(work, tile)

    monkeypatch.setattr(threads, "_ENOUGH", enough)
    monkeypatch.setattr(Work, "read", slow)
    layer = Layer("a", dtype="float32", nodata=None)
    ran = run({"s": scene(300, 260)}, first_band, (layer,), tmp_path, window=32, workers=2)
    assert ran.computed == ran.windows == 90
    assert least <= len(names) <= most


def test_the_share_of_waiting_decides():
    assert threads._wanted(2, took=1.0, waited=0.9) == 2  # too early to tell
    assert threads._wanted(2, took=10.0, waited=1.0) == 2
    assert threads._wanted(2, took=10.0, waited=3.0) == 3
    assert threads._wanted(2, took=10.0, waited=9.9) == 4
    assert threads._wanted(8, took=10.0, waited=2.0) == 10
