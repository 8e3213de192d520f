"""Jobs of the page: any offered verb in the background, followed, called off, never more than a bounded number."""

from __future__ import annotations

import threading
import time

import pytest

from swath.errors import LabelError


def wait_for(true, seconds=5.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    assert true()


def test_a_verb_is_carried_out_and_its_result_has_no_path(door):
    job = door.done(door.post("/api/jobs", {"verb": "info", "arguments": {"paths": ["field.tif"]}}))
    assert job["state"] == "done"
    assert job["error"] is None
    assert job["result"]["shape"]["y"] == 64
    assert str(door.folder) not in str(job)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("get", {"service": "x"}),
        ("nothing", {}),
        ("info", {"paths": ["/etc/passwd"]}),
        ("info", {"paths": ["../work/cache/keys.json"]}),
        ("info", {"paths": ["field.tif"], "safe": False}),
        ("info", {}),
        ("info", "text"),
        ("map", {"scenes": ["field.tif"], "labels": "no.csv"}),
    ],
)
def test_what_is_not_offered_is_refused_at_once(door, verb, arguments):
    answer = door.post("/api/jobs", {"verb": verb, "arguments": arguments})
    assert answer.status_code in (400, 404)
    assert set(answer.json()) >= {"rule", "got", "remedy"}
    assert door.session.jobs.all() == []


def test_a_refusal_of_a_verb_is_told_in_its_words(door):
    answer = door.post("/api/jobs", {"verb": "info", "arguments": {"paths": ["field.tif"], "bands": ["swir"]}})
    job = door.done(answer)
    assert job["state"] == "failed"
    assert set(job["error"]) == {"rule", "got", "remedy"}


def test_a_bug_is_told_as_one_without_a_path(door):
    def broken():
        raise RuntimeError("/secret/place")

    number = door.session.job("x", broken, {})["job"]["id"]
    assert door.session.jobs.get(number).over.wait(5)
    job = door.get(f"/api/jobs/{number}").json()["job"]
    assert job["state"] == "failed"
    assert "secret" not in str(job)
    assert "RuntimeError" in job["error"]["got"]


def test_progress_is_told_and_a_running_job_stops_when_asked(door):
    begun = threading.Event()

    def slow(n, progress):
        for i in range(n):
            progress(i, n, "Mapping")
            begun.set()
            time.sleep(0.01)

    number = door.session.job("map", slow, {"n": 1000})["job"]["id"]
    assert begun.wait(5)
    job = door.get(f"/api/jobs/{number}").json()["job"]
    assert (job["state"], job["total"], job["what"]) == ("running", 1000, "Mapping")
    assert door.delete(f"/api/jobs/{number}").status_code == 202
    assert door.session.jobs.get(number).over.wait(5)
    job = door.get(f"/api/jobs/{number}").json()["job"]
    assert job["state"] == "cancelled"
    assert job["seconds"] > 0
    kinds = [kind for _, kind, _ in door.session.events.since(f"{door.session.events.run}-0")[0]]
    assert kinds.count("job") >= 2


def test_two_run_eight_wait_and_the_next_is_told_to_come_back(door):
    stop = threading.Event()
    numbers = [door.session.job("x", stop.wait, {})["job"]["id"] for _ in range(10)]
    try:
        wait_for(lambda: sum(j.state == "running" for j in door.session.jobs.all()) == 2)
        answer = door.post("/api/jobs", {"verb": "list", "arguments": {}})
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert door.delete(f"/api/jobs/{numbers[-1]}").json()["job"]["state"] == "cancelled"  # it only waited
        assert door.post("/api/jobs", {"verb": "list", "arguments": {}}).status_code == 202
    finally:
        stop.set()


def test_a_result_is_made_by_its_own_words_before_the_job_is_done(door):
    seen = []
    record = door.session.job("x", lambda a: a + 1, {"a": 1}, done=lambda v: seen.append(v) or {"map": v})
    number = record["job"]["id"]
    assert door.session.jobs.get(number).over.wait(5)
    assert door.get(f"/api/jobs/{number}").json()["job"]["result"] == {"map": 2}
    assert seen == [2]


def test_what_fails_while_the_result_is_made_is_a_failed_job(door):
    def no(_):
        raise LabelError(rule="a", got="b", remedy="c")

    number = door.session.job("x", lambda: 1, {}, done=no)["job"]["id"]
    assert door.session.jobs.get(number).over.wait(5)
    assert door.get(f"/api/jobs/{number}").json()["job"]["error"] == {"rule": "a", "got": "b", "remedy": "c"}


@pytest.mark.parametrize("word", ["0", "99", "x", "-1", "1e3", "²", "9" * 40, "%2e%2e"])
def test_jobs_of_nobody_are_missing(door, word):
    answer = door.get(f"/api/jobs/{word}")
    assert answer.status_code == 404
    assert door.delete(f"/api/jobs/{word}").status_code == 404


def test_the_state_tells_jobs_and_their_bounds(door):
    door.done(door.post("/api/jobs", {"verb": "list", "arguments": {}}))
    state = door.get("/api/state").json()
    assert state["limits"]["running"] == 2
    assert state["limits"]["waiting"] == 8
    assert [j["verb"] for j in state["jobs"]] == ["list"]


def test_what_a_verb_wrote_can_be_fetched(opened):
    arguments = {"scenes": ["field.tif"], "out": "prepared.tif"}
    job = opened.done(opened.post("/api/jobs", {"verb": "prepare", "arguments": arguments}), 120)
    assert job["state"] == "done", job["error"]
    assert job["result"]["written"]
    for one in job["result"]["written"]:
        assert opened.get("/" + one["href"]).status_code == 200
    assert (opened.session.folder / "prepared.tif").exists(), "results go into the workspace, not among the scenes"
