"""What the page is told at the start."""

from __future__ import annotations


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


def test_the_page_waits_for_the_scene_that_is_being_opened(door):
    import threading

    from swath.doors.web.serve import _Opening

    begun = threading.Event()

    class Slow(_Opening):
        def run(self):
            begun.wait(5)
            super().run()

    opening = Slow(door.session, [str(door.folder / "field.tif")])
    opening.start()
    threading.Timer(0.3, begun.set).start()
    assert [s["name"] for s in door.get("/api/state").json()["scenes"]] == ["field"]
    assert opening.problem is None


def test_what_cannot_be_opened_late_is_told_on_the_terminal_and_in_the_page(door, capsys):
    from swath.doors.web.serve import _Opening

    door.session.more["serving"] = True
    (door.folder / "bad.tif").write_bytes(b"nothing")
    opening = _Opening(door.session, [str(door.folder / "bad.tif")])
    opening.run()
    assert opening.problem is not None
    assert capsys.readouterr().err.count("\n") == 1
    state = door.get("/api/state").json()
    assert state["scenes"] == []
    assert len(state["refused"]) == 1


def test_a_page_is_told_of_the_scenes_that_do_not_open_while_the_others_do(door, capsys):
    from swath.doors.web.serve import _Opening

    (door.folder / "bad.tif").write_bytes(b"nothing")
    opening = _Opening(door.session, [str(door.folder / "bad.tif"), str(door.folder / "field.tif")])
    opening.run()
    assert opening.problem is None
    state = door.get("/api/state").json()
    assert [s["name"] for s in state["scenes"]] == ["field"]
    (said,) = state["refused"]
    assert set(said) == {"rule", "got", "remedy"}
    assert str(door.folder) not in str(said)


def test_a_fault_while_opening_is_told_without_its_words(door, monkeypatch):
    from swath.doors.web import serve

    def broken(session, scenes):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(serve, "_open", broken)
    serve._Opening(door.session, ["field.tif"]).run()
    (said,) = door.get("/api/state").json()["refused"]
    assert said["got"] == "ZeroDivisionError"


def test_the_lists_of_the_state_can_be_asked_for_one_by_one(opened):
    whole = opened.get("/api/state").json()
    for name in ("scenes", "maps", "samples", "jobs"):
        assert opened.get(f"/api/{name}").json() == {name: whole[name]}
