"""No payload gets out: nothing of a secret in any answer or file, nobody asks the counting server, no absolute path is told."""

from __future__ import annotations

from typing import Any

import pytest
from canary import SECRET
from payloads import PAYLOADS, TWINS, Payload

from conftest import Home, Said, answered

NAMED = [p for p in PAYLOADS if p.build is None]


def judged(home: Home, said: list[Said], *, refused: bool = True, paths: bool = False) -> None:
    words = "\n".join(s.words for s in said)
    assert SECRET not in words
    assert SECRET.encode() not in home.written()
    assert home.canary.hits == []
    assert paths or str(home.root.parent) not in words, "an absolute path is told"
    assert "Traceback" not in words
    if refused:
        assert all(s.refused for s in said), [s.words[:300] for s in said if not s.refused]
    else:
        assert not any(s.refused for s in said), words


def calls(payload: Payload, name: str) -> list[tuple[str, dict[str, Any]]]:
    """The verbs that take the payload."""
    if payload.how == "labels":
        return [("map", {"scenes": ["scenes/a.tif"], "labels": name, "fast": True, "out": "results/map"})]
    if payload.how == "maps":
        return [("describe", {"maps": [name]})]
    if payload.how == "archive":
        return [("search", {"archive": name, "like": "1"})]
    if payload.how == "run":
        return [("again", {"run": name, "out": "results/again"})]
    return [("info", {"paths": [name]})]


def test_there_are_enough_of_them() -> None:
    assert len(PAYLOADS) >= 60
    assert len({p.kind for p in PAYLOADS}) >= 15
    assert len({p.name for p in PAYLOADS}) == len(PAYLOADS)


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_mcp_lets_nothing_out(home: Home, mcp: Any, payload: Payload) -> None:
    name = home.put(payload)
    said = [mcp(verb, arguments) for verb, arguments in calls(payload, name)]
    if payload.build is None:
        said += [
            mcp("read", {"uri": f"swath:///{name}"}),
            mcp("map", {"scenes": ["scenes/a.tif"], "labels": name, "out": "results/m"}),
        ]
        said += [mcp("doctor", {"file": name})]
    judged(home, said)


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_the_page_lets_nothing_out(home: Home, page: Any, payload: Payload) -> None:
    name = home.put(payload)
    said = [
        answered(page.post("/api/scenes", json={"names": [name]})),
        answered(page.post("/api/labels/load", json={"name": name, "scene": "s1"})),
    ]
    for verb, arguments in calls(payload, name):
        started = page.post("/api/jobs", json={"verb": verb, "arguments": arguments})
        if started.status_code != 202:
            said.append(answered(started))
            continue
        job = page.session.jobs.get(started.json()["job"]["id"])
        assert job.over.wait(60)
        told = page.get(f"/api/jobs/{job.number}")
        said.append(Said(told.json()["job"]["state"] != "done", told.text))
    judged(home, said)


@pytest.mark.parametrize("payload", [p for p in PAYLOADS if not p.own], ids=str)
def test_the_command_line_lets_nothing_out_with_safe(home: Home, command: Any, payload: Payload) -> None:
    name = home.put(payload)
    if "\0" in name or name.startswith("-"):
        pytest.skip("no shell passes it on")
    if payload.how == "run":
        pytest.skip("a run of one's own may name one's own files")
    words = {
        "labels": ["map", "scenes/a.tif", "--labels", name, "--fast", "--out", "results/cli"],
        "maps": ["describe", name],
        "archive": ["search", name, "--like", "1"],
    }
    judged(home, [command([*words.get(payload.how, ["info", name]), "--safe"])], paths=True)


@pytest.mark.parametrize("payload", NAMED, ids=str)
def test_missing_and_forbidden_are_told_in_the_same_words(home: Home, mcp: Any, page: Any, payload: Payload) -> None:
    name = home.name(payload.name)
    missing = mcp("info", {"paths": ["nothing-of-this-name.tif"]}).record
    found = mcp("info", {"paths": [name]}).record
    assert {k: v for k, v in found.items() if k != "got"} == {k: v for k, v in missing.items() if k != "got"}
    one, other = (page.post("/api/scenes", json={"names": [n]}) for n in ("nothing-of-this-name.tif", name))
    assert (one.status_code, one.text) == (other.status_code, other.text)


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_the_harmless_twin_works(home: Home, mcp: Any, page: Any, command: Any, twin: Payload) -> None:
    name = home.put(twin)
    if twin.how == "labels":
        from swath.doors.admit import admit
        from swath.doors.roots import Roots
        from swath.sample import vector

        call = admit("map", {"scenes": ["scenes/a.tif"], "labels": name}, Roots([home.root]))
        assert len(vector.load(call.arguments["labels"]).geometry) >= 1
        return
    said = [mcp("info", {"paths": [name]}), command(["info", name, "--safe"])]
    opened = page.post("/api/scenes", json={"names": [name]})
    said.append(answered(opened))
    if opened.status_code == 201:
        page.request("DELETE", f"/api/scenes/{opened.json()['id']}")
    judged(home, said, refused=False, paths=True)
