"""What every verb shares: progress by one callback, and the run.json that lets anything run again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swath import __version__
from swath.errors import OutputError

__all__ = [
    "FORMAT",
    "FILES",
    "Job",
    "Progress",
    "WRITES",
    "can_be_written",
    "digest",
    "inputs_of",
    "write_json",
    "write_text",
]

FORMAT = 1
FILES = frozenset(
    (
        *(
            "archive",
            "area",
            "check",
            "data",
            "estimates",
            "file",
            "folder",
            "frames",
            "labels",
            "legend",
            "like",
            "like_image",
        ),
        *(
            "map",
            "maps",
            "model",
            "not_",
            "packed",
            "pairs",
            "paths",
            "replay",
            "run",
            "scenes",
            "since",
            "since_legend",
        ),
        *("start", "strata", "times", "truth", "unlabelled", "weights"),
    )
)
"""Arguments of verbs that name files or folders to read."""
WRITES = frozenset({"out", "quicklook"})
"""Arguments that name what is written."""
Progress = Callable[[int, int, str], None]
_WHOLE = 256 * 2**20  # files up to this size are hashed whole, larger ones by their size and sixteen blocks


def can_be_written(folder: Path) -> None:
    """Refuse an output folder that cannot be written before the long work starts; nothing is made. Raises OutputError."""
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            rule="results go into a folder that can be written",
            got=f"{folder}: {there} is {'not writable' if there.is_dir() else 'a file'}",
            remedy="choose another --out",
        )


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all: aside, flushed to disk, then renamed. Raises OutputError."""
    from swath.cube.save import write_text as write

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            rule="results are written where --out says",
            got=f"{path.parent}: {error.strerror or error}",
            remedy="choose a folder that can be written",
        ) from error
    write(path, text)
    return path


def write_json(path: Path, record: Mapping[str, Any]) -> Path:
    """Write strict JSON (NaN and infinity are refused: they must be None with a reason)."""
    return write_text(path, json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def digest(path: Path) -> str:
    """`sha256:` of a file (beyond 256 MB of its size and sixteen blocks, `sampled:`) or of all files in a folder."""
    if path.is_dir():
        whole = hashlib.sha256()
        for part in sorted(p for p in path.rglob("*") if p.is_file()):
            whole.update(f"{part.relative_to(path).as_posix()} {digest(part)}\n".encode())
        return f"folder:{whole.hexdigest()}"
    size = path.stat().st_size
    content = hashlib.sha256()
    with open(path, "rb") as file:
        if size <= _WHOLE:
            while block := file.read(1 << 20):
                content.update(block)
            return f"sha256:{content.hexdigest()}"
        content.update(str(size).encode())
        for step in range(16):
            file.seek(step * (size - (1 << 20)) // 15)
            content.update(file.read(1 << 20))
    return f"sampled:{content.hexdigest()}"


def inputs_of(paths: Iterable[Any]) -> list[dict[str, Any]]:
    """What a run read: path, digest and bytes of each local file; other sources by their address or as in memory."""
    found: list[dict[str, Any]] = []
    for item in paths:
        if not isinstance(item, (str, os.PathLike)):
            found.append({"path": None, "note": f"in memory: {type(item).__name__}"})
            continue
        path = Path(item)
        if not path.exists():
            found.append({"path": str(item), "note": "not a local file"})
            continue
        bytes_ = sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
        found.append({"path": str(path.resolve()), "digest": digest(path), "bytes": bytes_})
    return found


def _peak_memory_mb() -> float | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 1024), 1)


@dataclass
class Job:
    """One run of a verb: `start` it, `finish` it with the files it wrote, and run.json tells the whole story.

    arguments: the verb's own, as plain values; paths in them are made absolute so that `again` finds them.
    """

    verb: str
    arguments: dict[str, Any]
    inputs: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.time)

    @classmethod
    def start(cls, verb: str, arguments: Mapping[str, Any], reads: Iterable[Any] = ()) -> Job:
        """Begin: `reads` are the files, folders or objects that the run depends on."""
        plain = {k: _plain(v, k in FILES or k in WRITES) for k, v in arguments.items() if k != "progress"}
        return cls(verb=verb, arguments=plain, inputs=inputs_of(reads))

    def record(self, outputs: Iterable[Path], out: Path, **more: Any) -> dict[str, Any]:
        """The content of run.json; outputs are named relative to `out`."""
        return {
            "format": FORMAT,
            "swath": __version__,
            "verb": self.verb,
            "arguments": self.arguments,
            "inputs": self.inputs,
            "outputs": [{"path": p.relative_to(out).as_posix(), "digest": digest(p)} for p in sorted(outputs)],
            "environment": environment(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
            "seconds": round(time.time() - self.started, 2),
            "peak_memory_mb": _peak_memory_mb(),
            **more,
        }

    def finish(self, out: Path, outputs: Iterable[Path], **more: Any) -> Path:
        """Write `out/run.json`."""
        return write_json(out / "run.json", self.record(outputs, out, **more))


def environment() -> dict[str, Any]:
    """Versions that decide results, and the number of threads."""
    from importlib.metadata import PackageNotFoundError, version

    versions: dict[str, str] = {}
    for name in ("numpy", "scipy", "scikit-learn", "rasterio", "xarray", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "threads": os.cpu_count(),
        "packages": versions,
    }


def _plain(value: Any, file: bool) -> Any:
    """A value JSON can hold; local paths become absolute, words stay even where a file has their name."""
    if isinstance(value, (list, tuple)):
        return [_plain(v, file) for v in value]
    if isinstance(value, os.PathLike) or (file and isinstance(value, str) and len(value) < 4096 and _exists(value)):
        return str(Path(value).resolve())
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return f"in memory: {type(value).__name__}"


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False
