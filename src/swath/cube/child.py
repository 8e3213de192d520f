"""Untrusted files (`safe=True`): opened and decoded in child processes with limits on memory, time, drivers and places.

A child (see `confined.py`) answers in JSON and raw numbers only, so that nothing it says can run here. It is started anew
after a crash or a time-out. On systems without resource limits the time-out alone holds.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from swath.cube.layer import Layer
from swath.errors import FormatError

__all__ = ["admit_folders", "check_window", "numbers_from", "read_safely", "receive", "send"]

SECONDS = 30.0  # for one answer
MOST_BYTES = 2**30  # of one window
WORKERS = 2
_HEAD = 64 * 2**20
_ANSWER = 2**28
_START = "import sys; sys.path[:] = [p for p in sys.path if p]; from swath.cube.confined import serve; serve()"
_KEEP = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH")


def admit_folders(folders: Iterable[str | os.PathLike[str]]) -> None:
    """Let children read below these folders: the roots of a door. Other paths add the folder that they lie in."""
    _workers.allow(os.path.realpath(folder) for folder in folders)


def read_safely(path: str) -> list[Layer]:
    """The layers of an untrusted file or folder. Raises FormatError: other formats, harm suspected, limits reached."""
    from swath.cube.told import layers_of

    _workers.allow([os.path.dirname(os.path.realpath(path.partition("#")[0] if "#" in path else path))])
    reply, _ = _workers.answer({"do": "open", "path": path})
    return layers_of(path, reply["layers"], str(reply["version"]))


def check_window(path: str, need: int) -> None:
    """Raise FormatError for a window of more than MOST_BYTES."""
    if need > MOST_BYTES:
        raise FormatError(
            rule=f"one window of an untrusted file has at most {MOST_BYTES >> 20} MB",
            got=f"{need >> 20} MB of {path}",
            remedy="ask for a smaller --area",
        )


def numbers_from(request: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The numbers that a child answers a request with. Raises FormatError when it refuses, or they are too many."""
    need = math.prod(shape) * dtype.itemsize
    check_window(request["path"], need)
    _, raw = _workers.answer(request)
    if len(raw) != need:
        raise _refused(request["path"], "an answer of the wrong size")
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def _refused(path: str, why: str) -> FormatError:
    return FormatError(rule="an untrusted file opens within its limits", got=f"{path}: {why}", remedy="do not use it")


class _Workers:
    """Up to WORKERS children of this process, each serving one request at a time, all of them the same folders."""

    def __init__(self) -> None:
        self.pid = 0
        self.folders: tuple[str, ...] = ()
        self._reset()
        atexit.register(self.stop)

    def _reset(self) -> None:
        """Of a forked child, nothing is shared with its parent."""
        self.pid = os.getpid()
        self.idle: list[tuple[subprocess.Popen[bytes], tuple[str, ...]]] = []
        self.free = threading.BoundedSemaphore(WORKERS)
        self.lock = threading.Lock()

    def allow(self, folders: Iterable[str]) -> None:
        """Add folders that may be read; children that know of fewer end with their present request."""
        more = [f for f in folders if not any(f == own or f.startswith(own.rstrip("/") + "/") for own in self.folders)]
        if more:
            self.folders = (*self.folders, *dict.fromkeys(more))

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Ask a child; kill it when it does not answer in time. Raises FormatError."""
        if self.pid != os.getpid():
            self._reset()
        with self.free:
            worker, folders = self._take()
            try:
                reply, raw = _ask(worker, request)
            except BaseException:
                _end(worker)
                raise
            with self.lock:
                self.idle.append((worker, folders))
        if "refused" in reply:
            rule, got, remedy = (str(v) for v in reply["refused"])
            raise FormatError(rule=rule, got=got, remedy=remedy)
        return reply, raw

    def _take(self) -> tuple[subprocess.Popen[bytes], tuple[str, ...]]:
        while True:
            with self.lock:
                found = self.idle.pop() if self.idle else None
            if found is None:
                return _begin(self.folders), self.folders
            if found[0].poll() is None and found[1] == self.folders:
                return found
            _end(found[0])

    def stop(self) -> None:
        """End the children that wait."""
        if self.pid == os.getpid():
            while self.idle:
                _end(self.idle.pop()[0])


def _ask(worker: subprocess.Popen[bytes], request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    late = threading.Event()

    def kill() -> None:
        late.set()
        worker.kill()

    timer = threading.Timer(SECONDS, kill)
    timer.daemon = True
    timer.start()
    try:
        send(worker.stdin, request)
        return receive(worker.stdout)
    except (OSError, EOFError, ValueError, RecursionError, struct.error) as error:
        crashed = "the reader crashed or reached its memory or time limit"
        why = f"no answer in {SECONDS:g} s" if late.is_set() else crashed
        raise _refused(request["path"], why) from error
    finally:
        timer.cancel()


def _begin(folders: tuple[str, ...]) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if k in _KEEP}
    environment |= {"OMP_NUM_THREADS": "1", "GDAL_NUM_THREADS": "1", "GDAL_CACHEMAX": "64", "OPENBLAS_NUM_THREADS": "1"}
    environment |= {"PROJ_NETWORK": "OFF", "HDF5_PLUGIN_PRELOAD": "::", "MALLOC_ARENA_MAX": "2"}
    worker = subprocess.Popen(
        [sys.executable, "-c", _START],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    assert worker.stdin is not None
    with contextlib.suppress(OSError):  # a child that ended is seen at the first request
        send(worker.stdin, {"folders": list(folders)})
    return worker


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def send(pipe: BinaryIO | Any, head: dict[str, Any], raw: bytes = b"") -> None:
    """Write one message: two lengths, a JSON object, raw bytes."""
    text = json.dumps(head, default=_plain).encode()
    pipe.write(struct.pack("<QQ", len(text), len(raw)) + text)
    pipe.write(raw)
    pipe.flush()


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, anything else in words."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return str(value)


def receive(pipe: BinaryIO | Any) -> tuple[dict[str, Any], bytes]:
    """Read one message. Raises EOFError at its end, ValueError for one that is too long or no object."""
    head, body = struct.unpack("<QQ", _exactly(pipe, 16))
    if head > _HEAD or body > _ANSWER:
        raise ValueError("too long an answer")
    text = json.loads(_exactly(pipe, head))
    if not isinstance(text, dict):
        raise ValueError("no answer")
    return text, _exactly(pipe, body)


def _exactly(pipe: BinaryIO | Any, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) != size:
        raise EOFError
    return bytes(data)


_workers = _Workers()
