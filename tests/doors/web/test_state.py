"""What the page is told at the start."""

from __future__ import annotations

import time


def test_the_state_tells_what_there_is_and_what_can_be_done(opened):
    state = opened.get("/api/state").json()
    assert {"version", "roots", "abilities", "limits", "scenes", "maps", "samples", "jobs", "events"} <= set(state)
    assert state["roots"] == ["work", "scenes"]
    assert "map" in state["abilities"]["verbs"]
    assert "get" not in state["abilities"]["verbs"]
    assert {"name": "pixel statistics", "ready": True} in state["abilities"]["encoders"]
    assert state["limits"] == {"upload_mb": 2048, "running": 2, "waiting": 8}
    assert [s["id"] for s in state["scenes"]] == ["s1"]
    assert str(opened.folder) not in str(state)


def test_the_state_comes_at_once(opened):
    opened.get("/api/state")
    began = time.monotonic()
    for _ in range(5):
        opened.get("/api/state")
    assert (time.monotonic() - began) / 5 < 0.25
