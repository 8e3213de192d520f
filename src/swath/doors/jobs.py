"""Verbs carried out in threads for doors that wait: a bounded number, with progress, cancellation and results."""

from __future__ import annotations

import inspect
import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from swath.errors import Cancelled, SwathError

__all__ = ["Full", "Job", "Jobs"]

State = Literal["waiting", "running", "done", "refused", "cancelled", "failed"]


class Full(SwathError):  # noqa: N818 - what the door says, not a fault
    """No more work is taken before some of it is done."""


@dataclass
class Job:
    """One call of a verb. progress: (done, total, what); result: what the verb gave; error: in one line."""

    number: int
    verb: str
    arguments: Mapping[str, Any]
    state: State = "waiting"
    progress: tuple[int, int, str] = (0, 0, "waiting")
    result: Any = None
    error: SwathError | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    begins: threading.Lock = field(default_factory=threading.Lock)

    def cancel(self) -> None:
        """Ask it to end at its next step; what is finished of a map is kept. One that still waits is over at once."""
        self.stop.set()
        with self.begins:
            if self.state == "waiting":
                self.state = "cancelled"
                self.over.set()


class Jobs:
    """At most `running` at once and `waiting` more. Threads are daemons: a closed door waits for none."""

    def __init__(self, running: int = 2, waiting: int = 8) -> None:
        self.running, self.waiting = running, waiting
        self._limit = running + waiting
        self._numbers = itertools.count(1)
        self._queue: queue.SimpleQueue[tuple[Job, Callable[..., Any], Callable[[Job], None] | None]] = (
            queue.SimpleQueue()
        )
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()
        for _ in range(running):
            threading.Thread(target=self._work, daemon=True).start()

    def start(
        self,
        verb: str,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        tell: Callable[[Job], None] | None = None,
    ) -> Job:
        """Queue a call; `tell` is called, from the job's thread, at every change. Raises Full."""
        with self._lock:
            open_ = sum(not job.over.is_set() for job in self._jobs.values())
            if open_ >= self._limit:
                raise Full(
                    rule=f"at most {self._limit} calls run or wait",
                    got=f"{open_} already",
                    remedy="wait, or cancel one",
                )
            job = Job(next(self._numbers), verb, dict(arguments))
            self._jobs[job.number] = job
            for old in [n for n, j in self._jobs.items() if j.over.is_set()][:-64]:
                del self._jobs[old]
        self._queue.put((job, function, tell))
        return job

    def get(self, number: int) -> Job | None:
        """The job of this number, or None."""
        return self._jobs.get(number)

    def all(self) -> list[Job]:
        """The jobs that are remembered: those that are open, and the last 64 that are over."""
        with self._lock:
            return list(self._jobs.values())

    def _work(self) -> None:
        while True:
            job, function, tell = self._queue.get()
            try:
                self._run(job, function, tell or (lambda job: None))
            finally:
                job.over.set()

    def _run(self, job: Job, function: Callable[..., Any], tell: Callable[[Job], None]) -> None:
        def progress(done: int, total: int, what: str) -> None:
            if job.stop.is_set():
                raise Cancelled
            job.progress = (done, total, what)
            tell(job)

        with job.begins:
            if job.stop.is_set():
                job.state = "cancelled"
                tell(job)
                return
            job.state = "running"
        try:
            progress(0, 0, "begins")
            told = {"progress": progress} if "progress" in inspect.signature(function).parameters else {}
            job.result = function(**job.arguments, **told)
            job.state = "done"
        except Cancelled:
            job.state = "cancelled"
        except SwathError as error:
            job.state, job.error = "refused", error
        except Exception as error:
            # A bug of ours must not end the door; it is told as one, without a path or a line of code.
            words = f"{type(error).__name__} in swath {job.verb}"
            job.state = "failed"
            job.error = SwathError(
                rule="a verb ends or refuses", got=words, remedy="please report it; the log has the rest"
            )
            import logging

            logging.getLogger("swath.doors").exception("swath %s", job.verb)
        tell(job)
