"""Killed, crowded, out of room or refused: nothing is lost, nothing is torn, and the words are plain."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swath.cube.blocks import BlockFile
from swath.errors import OutputError
from swath.predict.journal import Journal
from swath.predict.run import run

from .scenes import LAYERS, neighbours

HERE = Path(__file__).parent
NAMES = ("classes.tif", "probability.tif", "classes.qml")


def start(out: Path, log: Path, pause: float = 0.004, **more: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", **more}
    command = [sys.executable, "-W", "ignore", str(HERE / "victim.py"), str(out), str(log), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def contents(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in NAMES]


def journalled(out: Path) -> set[str]:
    """Keys of the windows that the journal calls finished."""
    path = out / ".classes.part" / "journal"
    if not path.exists():
        return set()
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    found = [json.loads(line)["window"] for line in whole[1:] if b'"window"' in line and b'"done"' in line]
    across = -(-260 // 32)
    return {f"{max(0, n // across * 32 - 2)}_{max(0, n % across * 32 - 2)}" for n in found}


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> list[bytes]:
    from .scenes import scene

    out = tmp_path_factory.mktemp("reference")
    run({"s": scene()}, neighbours, LAYERS, out, reach=2, window=32, fingerprint="victim")
    return contents(out)


def kill_and_go_on(tmp_path: Path, reference: list[bytes], seed: int) -> None:
    rng = random.Random(seed)
    out, log = tmp_path / "out", tmp_path / "log"
    process = start(out, log)
    part = out / ".classes.part" / "journal"
    until = time.monotonic() + 30
    while not part.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    time.sleep(rng.random() * 0.35)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = journalled(out)
    published = (out / "probability.tif").exists() and not part.exists()
    before = len(log.read_text().split()) // 2 if log.exists() else 0
    again = start(out, log, pause=0.0)
    text, errors = again.communicate(timeout=60)
    assert text.startswith("DONE"), errors
    lines = [line.split() for line in log.read_text().splitlines()][before:]
    repeated = {key for _, key in lines} & finished
    assert published or not repeated
    assert contents(out) == reference
    assert sorted(p.name for p in out.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_a_random_point_the_same_command_gives_the_same_bytes(seed, tmp_path, reference):
    kill_and_go_on(tmp_path, reference, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_killed_at_many_random_points(seed, tmp_path, reference):
    kill_and_go_on(tmp_path, reference, seed)


def test_two_processes_on_one_output_take_turns(tmp_path, reference):
    out = tmp_path / "out"
    both = [start(out, tmp_path / f"log{n}") for n in range(2)]
    texts = [process.communicate(timeout=60) for process in both]
    assert all(text.startswith("DONE") for text, _ in texts), texts
    assert contents(out) == reference
    assert sorted(p.name for p in out.iterdir()) == sorted(NAMES)


class PowerCut(BaseException):
    """Ends the run where nobody catches it."""


@pytest.mark.parametrize("step", range(1, 8))
def test_cut_between_any_two_steps_of_the_ending_nothing_is_lost(step, tmp_path, cubes, reference, monkeypatch):
    from swath.predict import store

    left = [step]

    def cut(name):
        real = getattr(os, name)

        def maybe(*a, **k):
            left[0] -= 1
            if left[0] == 0:
                raise PowerCut
            return real(*a, **k)

        return maybe

    computed = []

    def count(batch):
        computed.append(batch.key)
        return neighbours(batch)

    def arm(done, total, what):
        if what.startswith("writing") and done == 0:
            monkeypatch.setattr(store.os, "replace", cut("replace"))
            monkeypatch.setattr(store.os, "fsync", cut("fsync"))

    options = {"reach": 2, "window": 32, "fingerprint": "victim"}
    with contextlib.suppress(PowerCut):
        run(cubes, count, LAYERS, tmp_path, progress=arm, **options)
    monkeypatch.undo()
    computed.clear()
    run(cubes, count, LAYERS, tmp_path, **options)
    assert contents(tmp_path) == reference
    assert len(computed) in (0, 90 - 20)  # nothing, or all where the first run had ended entirely
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("failing", range(1, 60, 7))
def test_a_full_disk_is_told_and_the_same_call_goes_on(failing, tmp_path, cubes, reference, monkeypatch):
    real, left = os.pwrite, [failing]

    def full(handle, data, place):
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data, place)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OutputError, match="disk full") as caught:
        run(cubes, neighbours, LAYERS, tmp_path, reach=2, window=32, fingerprint="victim")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "classes.tif").exists()
    monkeypatch.undo()
    run(cubes, neighbours, LAYERS, tmp_path, reach=2, window=32, fingerprint="victim")
    assert contents(tmp_path) == reference


def test_no_room_for_the_file_aside_is_told_before_anything_is_computed(tmp_path, cubes, monkeypatch):
    def full(*a):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="disk full"):
        run(cubes, lambda b: pytest.fail("computed"), LAYERS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, cubes):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="writable"):
        run(cubes, neighbours, LAYERS, tmp_path / "out" / "deeper")


def test_a_read_only_folder_is_refused(tmp_path, cubes, monkeypatch):
    def refuse(path, *a, **k):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="writable"):
        run(cubes, neighbours, LAYERS, tmp_path)


def test_after_a_power_cut_only_windows_whose_pixels_are_there_count_as_done(tmp_path, cubes, reference):
    from swath.errors import Cancelled

    def stop(done, total, what):
        if done >= 40:
            raise Cancelled

    options = {"reach": 2, "window": 32, "fingerprint": "victim"}
    with pytest.raises(Cancelled):
        run(cubes, neighbours, LAYERS, tmp_path, progress=stop, **options)
    part = tmp_path / ".classes.part"
    lines = [line for line in (part / "journal").read_text().splitlines() if "synced" not in line]
    (part / "journal").write_text("\n".join(lines) + "\n" + '{"window": 8')  # and a line that was torn
    file = BlockFile(part / "classes.blocks.tif", LAYERS[0], (300, 260), create=False)
    done = next(json.loads(line)["window"] for line in lines if '"done"' in line)
    rows, columns = slice(done // 9 * 32, done // 9 * 32 + 1), slice(done % 9 * 32, done % 9 * 32 + 1)
    file.write(rows, columns, 9 - file.read(rows, columns))
    file.close()
    ran = run(cubes, neighbours, LAYERS, tmp_path, **options)
    assert ran.resumed == len([line for line in lines if '"window"' in line]) - 1
    assert contents(tmp_path) == reference


def test_a_journal_of_a_later_format_is_refused(tmp_path):
    path = tmp_path / "journal"
    path.write_text('{"swath_journal": 99, "fingerprint": "x"}\n')
    with pytest.raises(OutputError, match="same parameters"):
        Journal.resume(path, "x", lambda index, line: True)
