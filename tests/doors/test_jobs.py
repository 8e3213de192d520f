"""Jobs of a door: a bounded number, cancelled at their next step, and a bug ends one job, not the door."""

from __future__ import annotations

import threading

import pytest

from swath.doors.jobs import Full, Jobs
from swath.errors import SwathError


def test_a_job_tells_its_progress_and_gives_its_result():
    told = []

    def verb(x, progress):
        progress(1, 2, "half")
        return x + 1

    job = Jobs(1, 1).start("verb", verb, {"x": 1}, lambda j: told.append((j.state, j.progress)))
    assert job.over.wait(5)
    assert (job.state, job.result) == ("done", 2)
    assert ("running", (1, 2, "half")) in told


def test_a_cancelled_job_ends_at_its_next_step():
    begun, go = threading.Event(), threading.Event()

    def verb(progress):
        begun.set()
        go.wait(5)
        progress(1, 2, "half")
        return 1

    job = Jobs(1, 1).start("verb", verb, {})
    assert begun.wait(5)
    job.cancel()
    go.set()
    assert job.over.wait(5)
    assert job.state == "cancelled"
    assert job.result is None


def test_more_than_the_bound_is_refused():
    go = threading.Event()
    jobs = Jobs(1, 1)
    kept = [jobs.start("verb", lambda progress: go.wait(5), {}) for _ in range(2)]
    with pytest.raises(Full, match="at most 2"):
        jobs.start("verb", lambda progress: None, {})
    go.set()
    assert all(job.over.wait(5) for job in kept)


def test_refusals_and_bugs_are_told_in_one_line():
    def refuses(progress):
        raise SwathError(rule="a", got="b", remedy="c")

    def breaks(progress):
        raise ZeroDivisionError("/secret/path")

    jobs = Jobs(1, 2)
    first, second = jobs.start("verb", refuses, {}), jobs.start("verb", breaks, {})
    assert first.over.wait(5)
    assert second.over.wait(5)
    assert (first.state, str(first.error)) == ("refused", "a; got b; c")
    assert second.state == "failed"
    assert "secret" not in str(second.error)
