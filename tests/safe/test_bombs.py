"""Small files that would take all memory or time: refused in one line within seconds, and the door answers afterwards."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
from bombs import BOMBS, Bomb

from conftest import Home, Said, answered

SECONDS = 60.0
MEMORY = 1.25 * 2**30
"""What a bomb may add to this process at most."""
_START: list[float] = []


@pytest.fixture(scope="session")
def pit(home: Home) -> Path:
    (home.root / "bombs").mkdir()
    return home.root / "bombs"


def put(pit: Path, bomb: Bomb, *, good: bool = False) -> str:
    folder = pit / ("good-" if good else "bad-") / bomb.name.replace(".", "-")
    if not folder.exists():
        folder.mkdir(parents=True)
        (bomb.twin if good else bomb.make)(folder / bomb.name)
    return (folder / bomb.name).relative_to(pit.parent).as_posix()


@pytest.fixture(autouse=True)
def own_memory():
    """The peak is counted from here: other tests of this process have theirs."""
    _START.clear()
    with contextlib.suppress(OSError):  # not on Linux
        Path("/proc/self/clear_refs").write_text("5")
        _START.append(status_of("self", "VmRSS"))


def status_of(process: int | str, what: str) -> float:
    """Bytes that the kernel tells of a process; 0 where it tells none."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith(what)), 0.0)


def peaks() -> tuple[float, list[float]]:
    """Bytes at most taken: by this process since the test began, by each of its children that read."""
    from swath.cube import child

    mine = status_of("self", "VmHWM") - _START[0] if _START else 0.0
    return mine, [status_of(worker.pid, "VmHWM") for worker, _ in child._workers.idle]


def judged(bomb: Bomb, said: list[Said], seconds: float, *, root: str = "") -> None:
    for one in said:
        assert one.refused or bomb.survived, one.words[:500]
        told = one.record["got"] if one.record else one.words.strip()
        assert not one.refused or (len(told.splitlines()) == 1 and len(told) < 1500), told[:500]
        assert "Traceback" not in one.words
        assert not root or root not in one.words
    assert seconds < SECONDS * max(1, len(said))
    mine, theirs = peaks()
    assert mine < MEMORY, f"{mine / 2**20:.0f} MB"
    assert all(peak < MEMORY for peak in theirs), theirs


def call(bomb: Bomb, name: str) -> tuple[str, dict[str, Any]]:
    if bomb.how == "labels":
        return "map", {
            "scenes": ["scenes/a.tif"],
            "labels": name,
            "crs": "EPSG:32633",
            "fast": True,
            "out": "results/bomb",
        }
    return "info", {"paths": [name]}


def marked(bomb: Bomb) -> Any:
    return pytest.param(bomb, marks=[pytest.mark.slow] if bomb.slow else [], id=str(bomb))


ALL = [marked(b) for b in BOMBS]


@pytest.mark.parametrize("bomb", ALL)
def test_mcp_refuses_it_and_answers_afterwards(home: Home, pit: Path, mcp: Any, bomb: Bomb) -> None:
    verb, arguments = call(bomb, put(pit, bomb))
    start = time.monotonic()
    said = mcp(verb, arguments)
    judged(bomb, [said], time.monotonic() - start, root=str(home.root.parent))
    assert not mcp("info", {"paths": ["scenes/a.tif"]}).refused


@pytest.mark.parametrize("bomb", ALL)
def test_the_page_refuses_it_and_answers_afterwards(home: Home, pit: Path, page: Any, bomb: Bomb) -> None:
    verb, arguments = call(bomb, put(pit, bomb))
    start = time.monotonic()
    said = []
    if bomb.how == "scene":
        said.append(answered(page.post("/api/scenes", json={"names": arguments["paths"]})))
    elif bomb.name.endswith("json"):
        said.append(answered(page.post("/api/labels/load", json={"name": arguments["labels"], "scene": "s1"})))
    started = page.post("/api/jobs", json={"verb": verb, "arguments": arguments})
    if started.status_code == 202:
        job = page.session.jobs.get(started.json()["job"]["id"])
        assert job.over.wait(60)
        told = page.get(f"/api/jobs/{job.number}")
        ended = told.json()["job"]
        said.append(Said(ended["state"] != "done" and " in swath " not in told.text, told.text, ended["error"]))
    else:
        said.append(answered(started))
    judged(bomb, said, time.monotonic() - start, root=str(home.root.parent))
    assert page.get("/api/health").json() == {"ok": True}
    assert page.get("/api/state").status_code == 200


@pytest.mark.parametrize("bomb", ALL)
def test_the_command_line_refuses_it(home: Home, pit: Path, command: Any, bomb: Bomb) -> None:
    name = put(pit, bomb)
    words = ["info", name, "--safe"]
    if bomb.how == "labels":
        words = [
            "map",
            "scenes/a.tif",
            "--labels",
            name,
            "--crs",
            "EPSG:32633",
            "--fast",
            "--out",
            "results/cli",
            "--safe",
        ]
    start = time.monotonic()
    judged(bomb, [command(words)], time.monotonic() - start)


@pytest.mark.parametrize("bomb", ALL)
def test_its_harmless_twin_works(home: Home, pit: Path, mcp: Any, bomb: Bomb) -> None:
    name = put(pit, bomb, good=True)
    if bomb.how == "scene":
        said = mcp("info", {"paths": [name]})
        assert not said.refused, said.words
        return
    from swath.doors.admit import admit
    from swath.doors.roots import Roots
    from swath.sample import vector

    made = admit("map", {"scenes": ["scenes/a.tif"], "labels": name}, Roots([home.root]))
    if name.endswith(".npy.gz"):
        import gzip

        import numpy as np

        with gzip.open(made.arguments["labels"]) as file:
            assert np.load(file).shape == (48, 48)
        return
    assert len(vector.load(made.arguments["labels"]).geometry) >= 1


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"names": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"offset": ' + b"9" * 100_000 + b', "names": ["scenes/a.tif"]}',
        b'{"names": ["' + b"a" * 5_000_000 + b'"]}',
        b'{"names": [' + b'"a",' * 500_000 + b'"a"]}',
        b'{"names": ["scenes/a.tif"], "offset": NaN}',
        b"\xff\xfe{",
        b"",
    ],
    ids=["deep", "deeper", "digits", "long", "names", "NaN", "bytes", "nothing"],
)
def test_bodies_that_ask_for_too_much_are_refused(page: Any, body: bytes) -> None:
    start = time.monotonic()
    for route in ("/api/scenes", "/api/jobs", "/api/labels/ops", "/api/labels/load"):
        found = page.post(route, content=body, headers={"content-type": "application/json"})
        assert 400 <= found.status_code < 500, found.text
    assert time.monotonic() - start < SECONDS
    assert page.get("/api/health").status_code == 200
