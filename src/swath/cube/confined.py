"""The child process for untrusted files: narrows itself, then opens and decodes what its parent asks for (see `child.py`)."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import OrderedDict
from typing import Any

import numpy as np

from swath.cube.child import receive, send
from swath.errors import FormatError, SwathError

__all__ = ["serve"]

MEMORY = 3 * 2**29  # bytes of memory that the child may take (not of files that it maps)
SPACE = 2**36  # address space, mapped files and libraries among it
CPU = 40  # seconds of computing for one answer
KEPT = 8  # files whose layers are kept
_opened: OrderedDict[tuple[str, str], list[Any]] = OrderedDict()


def serve() -> None:
    """The child's loop: read a request, answer it, until the pipe closes."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    try:
        folders = receive(source)[0]["folders"]
        _harden([str(f) for f in folders])
    except (EOFError, KeyError):
        return
    while True:
        try:
            request, _ = receive(source)
        except EOFError:
            return
        _limit_computing()
        raw: bytes = b""
        try:
            head, raw = _carry_out(request)
        except SwathError as error:
            head = {"refused": [error.rule, error.got, error.remedy]}
        except Exception as error:
            # Whatever a hostile file provokes is told to the parent, which refuses the file.
            why = f"{os.path.basename(str(request.get('path')))}: {type(error).__name__}"
            head = {"refused": ["an untrusted file opens within its limits", why, "do not use it"]}
        send(sink, head, raw)


def _harden(folders: list[str]) -> None:
    from swath.cube import gdal, guard, landlock

    gdal.harden()
    guard.FOLDERS = tuple(folders)
    _limit()
    for name in ("h5py", "h5netcdf", "zarr", "scipy.io", "odc.geo.geobox", "pyproj", "zlib", "lzma", "bz2"):
        try:
            __import__(name)
        except ImportError:
            continue
    own = [p for p in sys.path if os.path.exists(p)]
    own += [sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), "/usr/lib", "/usr/share", "/lib", "/lib64"]
    own += ["/dev/null", "/dev/urandom", "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system/cpu"]
    landlock.narrow([*own, *folders])


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _limit_computing() -> None:
    """CPU seconds from now on."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _carry_out(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    path = str(request["path"])
    if request["do"] == "open":
        from swath.cube.told import told

        version, layers = _layers(path)
        return {"layers": told(layers), "version": version}, b""
    from swath.cube import sources

    layer = _again(path, str(request["version"]))[int(request["number"])]
    source = layer.flag if request["flag"] else layer.source
    dates, bands = request["dates"], request["bands"]
    if (step := int(request.get("step", 1))) > 1:
        from swath.cube.zoom import zoom

        source = zoom(source, min(step, 2**16))
    if "window" in request:
        top, bottom, left, right = request["window"]
        values = source.read(dates, bands, slice(top, bottom), slice(left, right))
    else:
        values = sources.coarse(source, dates, bands, *request["to"])
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    return {}, values.tobytes()


def _layers(path: str) -> tuple[str, list[Any]]:
    """The state of a path and its layers, checked before its reader sees it; the layers of the last ones are kept."""
    from swath.cube import formats, untrusted

    version = untrusted.check(path)
    found = _opened.get((path, version))
    if found is None:
        _forget()
        found = _opened[path, version] = formats.reader_of(path).read(path)
        while len(_opened) > KEPT:
            _opened.popitem(last=False)
    _opened.move_to_end((path, version))
    return version, found


def _forget() -> None:
    """Stores that this process holds open: a folder's time does not tell that something in it was replaced."""
    from swath.cube import zarr

    zarr.forget()


def _again(path: str, version: str) -> list[Any]:
    """The layers of a path that was opened before, here or in another child. Raises FormatError when it has changed."""
    from swath.cube import untrusted

    found = _opened.get((path, version))
    same = found is not None and (os.path.isdir(path) or untrusted.version_of(path) == version)
    now, found = (version, found) if same else _layers(path)
    if found is None or now != version:
        raise FormatError(rule="an untrusted file stays what it was while it is read", got=path, remedy="open it again")
    return found
