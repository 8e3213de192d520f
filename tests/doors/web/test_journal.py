"""Labels are on disk before anybody is told so, whatever is sent twice, and whoever dies in between."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.doors.web import journal as journals
from swath.doors.web.journal import Journal
from swath.errors import LabelError, OutputError

LABELS, CLASSES = [f"l{i}" for i in range(5)], [f"c{i}" for i in range(3)]


def class_add(op: str, one: str, name: str) -> dict:
    return {"id": op, "op": "class-add", "class": {"id": one, "name": name, "colour": "#4676C6", "hotkey": "1"}}


def add(op: str, one: str, kind: str, x: float = 1.0) -> dict:
    point = {"type": "Point", "coordinates": [x, 2.0]}
    return {"id": op, "op": "add", "label": {"id": one, "class": kind, "geometry": point, "made": "now", "by": "tab"}}


def state_of(path: Path) -> dict:
    return Journal(path).to_json()


@st.composite
def operations(draw: st.DrawFn) -> list[dict]:
    out = []
    for n in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(journals.KINDS))
        one, c = draw(st.sampled_from(LABELS)), draw(st.sampled_from(CLASSES))
        if kind == "add":
            out.append(add(f"o{n}", one, c, float(n)))
        elif kind == "change":
            out.append({"id": f"o{n}", "op": kind, "label": {"id": one, "class": c}})
        elif kind == "delete":
            out.append({"id": f"o{n}", "op": kind, "label": {"id": one}})
        elif kind == "class-add":
            out.append(class_add(f"o{n}", c, draw(st.sampled_from(["Water", "water ", "Wood"]))))
        elif kind == "class-change":
            out.append({"id": f"o{n}", "op": kind, "class": {"id": c, "name": f"name {n}"}})
        else:
            out.append({"id": f"o{n}", "op": kind, "class": {"id": c}})
    return out


@given(ops=operations(), data=st.data())
def test_whatever_is_sent_again_and_whenever_the_labels_are_the_same(ops: list[dict], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        once = Journal(Path(folder) / "once.jsonl")
        once.take(ops)
        again = Journal(Path(folder) / "again.jsonl")
        sent = 0
        while sent < len(ops):
            first = data.draw(st.integers(0, sent))
            last = data.draw(st.integers(sent + 1, len(ops)))
            again.take(ops[first:last])
            if data.draw(st.booleans()):
                again = Journal(again.path)
            start = data.draw(st.integers(0, last))
            again.take(ops[start:last])
            sent = last
        assert again.to_json() == once.to_json() == state_of(again.path)
        assert again.revision == len(ops)


@given(ops=operations(), cut=st.integers(0, 400))
def test_a_line_torn_anywhere_costs_that_operation_alone(ops: list[dict], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        Journal(path).take(ops)
        whole = path.read_bytes()
        last = len(whole.rstrip(b"\n").rpartition(b"\n")[0]) + (len(ops) > 1)
        at = last + cut % (len(whole) - last)
        path.write_bytes(whole[:at])
        back = Journal(path)
        fewer = Journal(Path(folder) / "b.jsonl")
        fewer.take(ops[:-1])
        assert back.to_json()["labels"] == fewer.to_json()["labels"]
        assert (back.kept is not None) == (at > last)
        back.take(ops)
        other = Journal(Path(folder) / "c.jsonl")
        other.take(ops)
        assert back.to_json() == other.to_json()


@given(ops=operations(), data=st.data())
def test_two_tabs_see_the_same_in_the_end(ops: list[dict], data: st.DataObject) -> None:
    """Each tab has its own queue, in order; both write through handles of their own on one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "two.jsonl"
        tabs = [Journal(path), Journal(path)]
        for op in ops:
            tabs[data.draw(st.integers(0, 1))].take([op])
        assert tabs[0].to_json() == tabs[1].to_json() == state_of(path)


def test_what_is_deleted_stays_deleted_whatever_arrives_later(tmp_path: Path) -> None:
    j = Journal(tmp_path / "a.jsonl")
    j.take([class_add("1", "c", "Water"), add("2", "l", "c"), {"id": "3", "op": "delete", "label": {"id": "l"}}])
    j.take([{"id": "4", "op": "change", "label": {"id": "l", "class": "c"}}, add("5", "l", "c")])
    assert j.to_json()["labels"] == []


def test_a_class_of_a_name_that_is_there_stands_for_it(tmp_path: Path) -> None:
    j = Journal(tmp_path / "a.jsonl")
    j.take([class_add("1", "a", "Water"), class_add("2", "b", "water"), add("3", "l", "b")])
    got = j.to_json()
    assert [c["id"] for c in got["classes"]] == ["a"]
    assert got["labels"][0]["class"] == "a"


def test_labels_of_a_deleted_class_go_with_it_also_those_on_their_way(tmp_path: Path) -> None:
    j = Journal(tmp_path / "a.jsonl")
    j.take([class_add("1", "a", "Water"), add("2", "l", "a"), {"id": "3", "op": "class-delete", "class": {"id": "a"}}])
    j.take([add("4", "m", "a")])
    assert j.to_json()["labels"] == []
    assert j.to_json()["classes"] == []


def test_a_batch_with_one_wrong_operation_leaves_nothing(tmp_path: Path) -> None:
    j = Journal(tmp_path / "a.jsonl")
    with pytest.raises(LabelError):
        j.take([class_add("1", "a", "Water"), {"id": "2", "op": "explode"}])
    assert j.revision == 0
    assert not j.path.exists()


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
        {"type": "Point", "coordinates": [float("nan"), 1]},
        {"type": "Point", "coordinates": ["1", "2"]},
        {"type": "Point", "coordinates": [True, 2]},
        {"type": "Point", "coordinates": [1e300, 2]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Polygon", "coordinates": [[[0, 0]] * (journals.MOST_PLACES + 1)]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": "all"},
    ],
)
def test_what_is_no_point_or_polygon_is_refused(geometry: object, tmp_path: Path) -> None:
    j = Journal(tmp_path / "a.jsonl")
    with pytest.raises(LabelError):
        j.take([{"id": "1", "op": "add", "label": {"id": "l", "class": "c", "geometry": geometry}}])


def test_rings_are_closed_and_heights_left_out() -> None:
    made = journals.geometry_of({"type": "Polygon", "coordinates": [[[0, 0, 5], [4, 0, 5], [4, 4, 5]]]})
    assert made["coordinates"] == [[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 0.0]]]


def test_more_labels_than_a_scene_may_have_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MOST_LABELS", 2)
    j = Journal(tmp_path / "a.jsonl")
    j.take([class_add("0", "c", "Water"), add("1", "a", "c"), add("2", "b", "c")])
    with pytest.raises(LabelError, match="at most 2 labels"):
        j.take([add("3", "d", "c")])
    j.take([add("2", "b", "c")])  # a retry is no new label
    assert j.revision == 3


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    j = Journal(tmp_path / "a.jsonl")
    j.take([class_add("0", "c", "Water")])
    before = j.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk full"):
        j.take([add("1", "a", "c")])
    monkeypatch.undo()
    assert j.path.read_bytes() == before
    assert j.revision == 1
    j.take([add("1", "a", "c")])
    assert state_of(j.path) == j.to_json()


def test_a_damaged_line_in_the_middle_is_put_aside_and_the_rest_kept(tmp_path: Path) -> None:
    j = Journal(tmp_path / "a.jsonl")
    j.take([class_add("0", "c", "Water"), add("1", "a", "c"), add("2", "b", "c")])
    lines = j.path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"now", b"ThEn")
    j.path.write_bytes(b"".join(lines))
    back = Journal(j.path)
    assert [x["id"] for x in back.to_json()["labels"]] == ["b"]
    assert back.kept is not None
    assert b"ThEn" in back.kept.read_bytes()
    assert Journal(j.path).kept is None


def test_a_killed_server_loses_no_label_that_it_had_said_yes_to(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from swath.doors.web.journal import Journal
j = Journal(Path(sys.argv[1]))
j.take([{"id": "c", "op": "class-add", "class": {"id": "c", "name": "Water"}}])
for n in range(20):
    j.take([{"id": f"o{n}", "op": "add", "label": {"id": f"l{n}", "class": "c", "geometry": {"type": "Point", "coordinates": [n, n]}}}])
    print(n, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "a.jsonl"
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    said = [int(line) for line in done.stdout.split()]
    assert said
    there = {label["id"] for label in state_of(path)["labels"]}
    assert {f"l{n}" for n in said} <= there


def test_operations_since_a_revision_carry_their_own(tmp_path: Path) -> None:
    j = Journal(tmp_path / "a.jsonl")
    j.take([class_add("0", "c", "Water"), add("1", "a", "c")])
    j.take([add("2", "b", "c")])
    got = j.since(2)
    assert [(op["id"], op["revision"]) for op in got] == [("2", 3)]
    assert json.dumps(got)
    same = copy.deepcopy(j.to_json())
    got[0]["label"]["class"] = "other"
    del same
