"""What one run of the explorer holds: folders, open scenes, layers, jobs, news."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.doors.jobs import Job, Jobs
from swath.doors.roots import Roots
from swath.errors import OutputError

if TYPE_CHECKING:
    from swath.doors.web.events import Events
    from swath.doors.web.files import Handed
    from swath.doors.web.layers import Layers
    from swath.doors.web.scenes import Scenes

__all__ = ["FOLDERS", "Session", "start"]

FOLDERS = ("labels", "maps", "samples", "compare", "asks", "exports", "uploads", "demo", "cache")
"""What the workspace holds."""
_OFTEN = 0.1  # seconds between two messages on the progress of one job


@dataclass
class Session:
    """One run. roots: folders that may be read and written, the workspace among them; folder: the workspace.

    files: files handed out by token. more: what a piece keeps, under its name.
    """

    roots: Roots
    folder: Path
    jobs: Jobs
    events: Events
    scenes: Scenes
    layers: Layers
    files: Handed
    more: dict[str, Any] = field(default_factory=dict)
    _clocks: dict[int, dict[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def job(
        self,
        verb: str,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        *,
        done: Callable[[Any], dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Queue a call of `function(**arguments)`, with `progress` where it takes one; {"job": record}, for a 202.

        done: makes the job's JSON result, in the job's thread, before the job is told to be done. Raises Full.
        """
        takes = "progress" in inspect.signature(function).parameters

        def carried(progress: Any) -> Any:
            told = {"progress": progress} if takes else {}
            result = function(**arguments, **told)
            return done(result) if done is not None else result

        asked = time.monotonic()
        job = self.jobs.start(verb, carried, {}, self.tell)
        with self._lock:
            clock = self._clocks.setdefault(job.number, {})
            clock.setdefault("asked", asked)
            for old in [n for n in self._clocks if self.jobs.get(n) is None]:
                del self._clocks[old]
        return {"job": self.job_record(job)}

    def job_record(self, job: Job) -> dict[str, Any]:
        """A job as the page sees it. state: waiting, running, done, cancelled, failed; seconds: since it began to run."""
        clock = self._clocks.get(job.number, {})
        end = clock.get("ended", time.monotonic())
        from swath.doors.web.answers import error_record

        finished, total, what = job.progress
        error = job.error
        record = {
            "id": job.number,
            "verb": job.verb,
            "state": "failed" if job.state == "refused" else job.state,
            "done": finished,
            "total": total,
            "what": what,
            "seconds": round(end - clock["began"], 2) if "began" in clock else 0.0,
            "result": job.result if job.state == "done" else None,
            "error": None if error is None else error_record(error),
        }
        return dict(self.roots.hide(record))

    def tell(self, job: Job) -> None:
        """News of a job: every change of its state, its progress ten times a second."""
        now = time.monotonic()
        with self._lock:
            clock = self._clocks.setdefault(job.number, {})
            if job.state in ("waiting", "running"):
                clock.setdefault("began", now)
                if now - clock.get("told", 0.0) < _OFTEN and clock.get("running"):
                    return
                clock["told"] = now
                clock["running"] = float(job.state == "running")
            else:
                clock.setdefault("ended", now)
        self.events.send("job", self.job_record(job))


def start(roots: Sequence[str | Path], folder: str | Path, *, jobs: Jobs | None = None) -> Session:
    """A session over these folders; makes the workspace. Raises OutputError, FormatError."""
    from swath.doors.web.events import Events
    from swath.doors.web.files import Handed
    from swath.doors.web.layers import Layers
    from swath.doors.web.scenes import Scenes

    place = Path(folder)
    try:
        for name in FOLDERS:
            (place / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            rule="the explorer keeps labels and maps in a folder that can be written",
            got=f"{folder}: {error.strerror or error}",
            remedy="name another with --out",
        ) from error
    place = place.resolve()
    known = Roots([place, *roots])  # results without a folder of their own go into the first
    scenes = Scenes(known, place)
    return Session(
        roots=known,
        folder=place,
        jobs=jobs or Jobs(),
        events=Events(),
        scenes=scenes,
        layers=Layers(scenes),
        files=Handed(known),
    )
