"""What is swapped for a link after it was looked at: nothing of the secret is told, written or shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import pytest
from canary import SECRET

from conftest import Home, answered


@pytest.fixture
def swap(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Path], None]:
    """Let a path become a link to a secret as soon as a door has admitted a call."""
    from swath.doors import admit as admitting
    from swath.doors import mcp as assistants
    from swath.doors.web import opening

    plan: list[tuple[Path, Path]] = []

    def strike() -> None:
        for path, secret in plan:
            path.unlink()
            path.symlink_to(secret)
        plan.clear()

    for module, name in ((admitting, "admit"), (assistants, "admit"), (opening, "opened")):
        real = getattr(module, name)
        if name == "admit":
            monkeypatch.setattr(module, name, lambda *a, real=real: (real(*a), strike())[0])
        else:
            monkeypatch.setattr(module, name, lambda *a, real=real, **k: (strike(), real(*a, **k))[1])
    return lambda path, secret: plan.append((path, secret))


def nothing(home: Home, words: str) -> None:
    assert SECRET not in words
    assert SECRET.encode() not in home.written()
    assert "137" not in words
    assert home.canary.hits == []


def test_a_scene_that_becomes_a_link_is_not_told_of(home: Home, mcp: Any, page: Any, swap: Any) -> None:
    path = builders.tif(home.root / "race.tif")
    swap(path, home.out / "secret.tif")
    said = mcp("info", {"paths": ["race.tif"]})
    assert said.refused
    nothing(home, said.words)
    path.unlink()
    builders.tif(path)
    swap(path, home.out / "secret.tif")
    told = answered(page.post("/api/scenes", json={"names": ["race.tif"]}))
    assert told.refused
    nothing(home, told.words)


def test_a_chunk_that_becomes_a_link_is_not_read(home: Home, mcp: Any, swap: Any) -> None:
    builders.zarr("own")(home.root / "race.zarr", home.out, 0)
    swap(home.root / "race.zarr" / "red" / "0.0", home.out / "secret.bin")
    said = mcp("info", {"paths": ["race.zarr"]})
    assert said.refused
    nothing(home, said.words)


def test_labels_that_become_a_link_leave_no_results(home: Home, mcp: Any, swap: Any) -> None:
    path = home.root / "race.csv"
    rows = [
        f"{500000 + 10 * x + 5},{5000000 - 10 * y - 5},{'abc'[(x + y) % 3]}"
        for y in range(2, 48, 6)
        for x in range(2, 48, 6)
    ]
    path.write_text("x,y,label\n" + "\n".join(rows) + "\n")
    secret = home.out / "many.csv"
    secret.write_text(path.read_text().replace(",a", f",{SECRET}"))
    swap(path, secret)
    arguments = {
        "scenes": ["scenes/a.tif"],
        "labels": "race.csv",
        "crs": "EPSG:32633",
        "fast": True,
        "out": "results/race",
    }
    said = mcp("map", arguments)
    assert said.refused
    nothing(home, said.words)
    assert not (home.root / "results" / "race").exists()


def test_an_open_scene_that_becomes_a_link_shows_nothing(home: Home, page: Any) -> None:
    path = builders.tif(home.root / "shown.tif")
    opened = page.post("/api/scenes", json={"names": ["shown.tif"]})
    assert opened.status_code == 201, opened.text
    scene = opened.json()
    where = scene["layer"]["tiles"].format(z=0, x=0, y=0)
    assert page.get(f"/{where}").status_code == 200
    path.unlink()
    path.symlink_to(home.out / "secret.tif")
    other = page.get(f"/{where.replace(scene['rev'], 'other')}?lo=0&hi=250")
    point = page.get("/api/point", params={"scene": scene["id"], "col": 3, "row": 3})
    assert other.status_code >= 400 or b"137" not in other.content
    nothing(home, point.text)
    page.request("DELETE", f"/api/scenes/{scene['id']}")


def test_a_resource_that_becomes_a_link_is_not_handed_over(
    home: Home, mcp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home.root / "race.txt"
    path.write_text("fine")
    real = Path.read_bytes

    def late(self: Path) -> bytes:
        if self.name == "race.txt":
            self.unlink()
            self.symlink_to(home.out / "secret.txt")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", late)
    said = mcp("read", {"uri": "swath:///race.txt"})
    assert said.refused
    nothing(home, said.words)


def test_the_harmless_twin_without_a_swap_works(home: Home, mcp: Any) -> None:
    shutil.copy(home.root / "scenes" / "a.tif", home.root / "still.tif")
    assert not mcp("info", {"paths": ["still.tif"]}).refused
    (home.root / "still.txt").write_text("fine")
    assert "fine" in mcp("read", {"uri": "swath:///still.txt"}).words
