"""Untrusted files (`safe=True`): opened and decoded in a child process with limits on memory, time and drivers.

The child answers in JSON and raw numbers only, so that nothing it says can run here. It is started anew after a crash,
a time-out or too much computing. On systems without resource limits the time-out alone holds.
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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np

from swath.cube.layer import FileBand, Layer
from swath.errors import FormatError

__all__ = ["GuardedSource", "read_safely"]

MEMORY = 4 * 2**30  # address space of the child, bytes
CPU = 120  # seconds of computing in one child's life
SECONDS = 30.0  # for one answer
MOST_BYTES = 2**30  # of one window
_lock = threading.Lock()
_running: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class GuardedSource:
    """A raster (or its mask, as flags) that only the child process decodes."""

    path: str
    parts: tuple[tuple[int, str], ...]
    size: tuple[int, int]
    kind: str
    mask: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(1, B, H, W)."""
        return (1, len(self.parts), *self.size)

    @property
    def dtype(self) -> np.dtype:
        """The stored type."""
        return np.dtype(self.kind)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window. Raises FormatError when the child refuses, dies or takes too long."""
        window = [rows.start, rows.stop, columns.start, columns.stop]
        shape = (len(bands), rows.stop - rows.start, columns.stop - columns.start)
        return self._ask({"do": "window", "window": window}, dates, bands, shape)

    def coarse(self, dates: Sequence[int], bands: Sequence[int], height: int, width: int) -> np.ndarray:
        """Every k-th pixel."""
        return self._ask({"do": "coarse", "to": [height, width]}, dates, bands, (len(bands), height, width))

    def _ask(
        self, what: dict[str, Any], dates: Sequence[int], bands: Sequence[int], shape: tuple[int, ...]
    ) -> np.ndarray:
        values = numbers_from({**what, **asdict(self), "bands": [int(b) for b in bands]}, (1, *shape), self.dtype)
        return values if len(dates) == 1 else np.repeat(values, len(dates), axis=0)


def numbers_from(request: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The numbers that the child answers a request with. Raises FormatError when it refuses, or they are too many."""
    need = math.prod(shape) * dtype.itemsize
    if need > MOST_BYTES:
        raise FormatError(
            rule=f"one window of an untrusted file has at most {MOST_BYTES >> 20} MB",
            got=f"{need >> 20} MB of {request['path']}",
            remedy="ask for a smaller --area",
        )
    _, raw = _answer(request)
    if len(raw) != need:
        raise _refused(request["path"], "an answer of the wrong size")
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def read_safely(path: str) -> list[Layer]:
    """The layers of an untrusted raster or picture. Raises FormatError: other formats, harm suspected, limits reached."""
    from odc.geo.geobox import GeoBox

    if os.path.isdir(path):
        raise FormatError(rule="with --safe single files open", got=f"{path}, a folder", remedy="name the files in it")
    reply, _ = _answer({"do": "open", "path": path})
    if "packed" in reply:
        from swath.cube.packed_child import layers_of

        return layers_of(path, reply["packed"])
    layers = []
    for told in reply["layers"]:
        from affine import Affine

        size = (int(told["size"][0]), int(told["size"][1]))
        parts = tuple((int(i), str(p)) for i, p in told["parts"])
        box = told["geobox"]
        flag = GuardedSource(path, ((1, ""),), size, "uint8", mask=True) if told["masked"] else None
        layers.append(
            Layer(
                source=GuardedSource(path, parts, size, str(np.dtype(told["kind"]))),
                geobox=None if box is None else GeoBox(size, Affine(*box["affine"]), box["crs"]),
                bands=tuple(FileBand(**band) for band in told["bands"]),
                flag=flag,
                tags={str(k): str(v) for k, v in told["tags"].items()},
                notes=(*(str(n) for n in told["notes"]), "read in a child process with limits (--safe)"),
            )
        )
    return layers


def _refused(path: str, why: str) -> FormatError:
    return FormatError(rule="an untrusted file opens within its limits", got=f"{path}: {why}", remedy="do not use it")


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Ask the child; kill it when it does not answer in time."""
    with _lock:
        worker = _worker()
        assert worker.stdin is not None
        assert worker.stdout is not None
        timer = threading.Timer(SECONDS, worker.kill)
        timer.start()
        try:
            _send(worker.stdin, request)
            reply, raw = _receive(worker.stdout)
        except (OSError, EOFError, ValueError, struct.error) as error:
            _stop()
            late = not timer.is_alive()
            why = f"no answer in {SECONDS:g} s" if late else "the reader crashed or reached its memory or time limit"
            raise _refused(request["path"], why) from error
        finally:
            timer.cancel()
    if "refused" in reply:
        rule, got, remedy = (str(v) for v in reply["refused"])
        raise FormatError(rule=rule, got=got, remedy=remedy)
    return reply, raw


def _worker() -> subprocess.Popen[bytes]:
    worker = _running.get(os.getpid())
    if worker is not None and worker.poll() is None:
        return worker
    _stop()
    keep = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
    environment = {k: v for k, v in os.environ.items() if k in keep}
    environment |= {"OMP_NUM_THREADS": "1", "GDAL_NUM_THREADS": "1", "GDAL_CACHEMAX": "64", "OPENBLAS_NUM_THREADS": "1"}
    worker = subprocess.Popen(
        [sys.executable, "-c", "from swath.cube.child import serve; serve()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    atexit.register(_stop)
    _running[os.getpid()] = worker
    return worker


def _stop() -> None:
    worker = _running.pop(os.getpid(), None)
    if worker is not None:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _send(pipe: BinaryIO | Any, head: dict[str, Any], raw: bytes = b"") -> None:
    text = json.dumps(head).encode()
    pipe.write(struct.pack("<QQ", len(text), len(raw)) + text + raw)
    pipe.flush()


def _receive(pipe: BinaryIO | Any) -> tuple[dict[str, Any], bytes]:
    head, body = struct.unpack("<QQ", _exactly(pipe, 16))
    if head > 64 * 2**20 or body > MOST_BYTES:
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


def serve() -> None:
    """The child's loop: read a request, answer it, until the pipe closes."""
    _limit()
    from swath.cube import gdal
    from swath.errors import SwathError

    gdal.STRICT = True
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        try:
            request, _ = _receive(source)
        except EOFError:
            return
        try:
            head, raw = _carry_out(request)
        except SwathError as error:
            head, raw = {"refused": [error.rule, error.got, error.remedy]}, b""
        except Exception as error:
            # Whatever a hostile file provokes is told to the parent, which refuses the file.
            why = f"{os.path.basename(str(request.get('path')))}: {type(error).__name__}"
            head, raw = {"refused": ["an untrusted file opens within its limits", why, "do not use it"]}, b""
        _send(sink, head, raw)


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _carry_out(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    path = request["path"]
    if request["do"] == "open":
        return _told(path), b""
    if request["do"] == "packed":
        from swath.cube import packed_child

        return {}, packed_child.carry_out(request)
    from swath.cube.geotiff import MaskSource, RasterSource

    size = (request["size"][0], request["size"][1])
    parts = tuple((i, p) for i, p in request["parts"])
    source = MaskSource(path, size) if request["mask"] else RasterSource(path, parts, size, request["kind"])
    if request["do"] == "window":
        top, bottom, left, right = request["window"]
        values = source.read([0], request["bands"], slice(top, bottom), slice(left, right))
    else:
        values = source.coarse([0], request["bands"], *request["to"])
    return {}, np.ascontiguousarray(values[0]).tobytes()


def _told(path: str) -> dict[str, Any]:
    from swath.cube import packed, packed_child

    if packed.claims(path):
        return {"packed": packed_child.told(path)}
    return {"layers": _open(path)}


def _open(path: str) -> list[dict[str, Any]]:
    from swath.cube import gdal
    from swath.cube.geotiff import RasterSource, layer_of
    from swath.cube.guard import check_declared, check_file

    check_file(path, safe=True)
    dataset = gdal.handle(path)
    layer = layer_of(path, dataset, check_declared(path, dataset, safe=True))
    source = layer.source
    assert isinstance(source, RasterSource)
    box = layer.geobox
    told = {
        "size": source.size,
        "parts": source.parts,
        "kind": source.kind,
        "masked": layer.flag is not None,
        "geobox": None
        if box is None
        else {"affine": list(box.affine)[:6], "crs": box.crs.to_wkt() if box.crs else None},
        "bands": [asdict(band) for band in layer.bands],
        "tags": layer.tags,
        "notes": layer.notes,
    }
    return [told]
