"""Labels as they were drawn: a file that only grows, one line an operation, on disk before anybody is told so.

Several pages write at once, retry what they are not sure of, and the server may die in the middle of a line. The state is what
the lines say in their order: an operation counts once, what was deleted stays deleted, and classes are known by their id.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swath.cube.blocks import fsync_folder, refuse
from swath.doors.web import appended
from swath.errors import LabelError

__all__ = ["MOST_CLASSES", "MOST_LABELS", "MOST_OPS", "MOST_PLACES", "Journal", "State", "geometry_of"]

MOST_OPS = 5_000
MOST_LABELS = 50_000
MOST_CLASSES = 200
MOST_PLACES = 10_000
MOST_NAME = 60
KINDS = ("add", "change", "delete", "class-add", "class-change", "class-delete")
Record = dict[str, Any]


def _wrong(got: str, rule: str = "an operation on labels has an id, a kind and what it is about") -> LabelError:
    return LabelError(rule=rule, got=got[:120], remedy=f"kinds are {', '.join(KINDS)}")


def _name(value: Any, what: str, most: int = MOST_NAME) -> str:
    if not isinstance(value, str) or not (text := " ".join(value.split())) or len(text) > most:
        got = f"{len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"
        raise LabelError(rule=f"{what} is a text of 1 to {most} characters", got=got, remedy="give a shorter one")
    return text


def _place(pair: Any) -> list[float]:
    fine = isinstance(pair, (list, tuple)) and len(pair) >= 2
    fine = fine and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in pair[:2])
    if not fine or not all(math.isfinite(v) and abs(v) < 1e12 for v in pair[:2]):
        raise LabelError(rule="a place is two finite numbers", got=repr(pair), remedy="give x and y")
    return [float(pair[0]), float(pair[1])]


def geometry_of(given: Any) -> Record:
    """A Point or a Polygon, cleaned: numbers finite, rings closed. Raises LabelError."""
    kind = given.get("type") if isinstance(given, Mapping) else None
    rule = "a label is a point or a polygon"
    if kind == "Point":
        return {"type": "Point", "coordinates": _place(given.get("coordinates"))}
    rings = given.get("coordinates") if isinstance(given, Mapping) else None
    if kind != "Polygon" or not isinstance(rings, (list, tuple)) or not rings:
        raise LabelError(rule=rule, got=str(kind or type(given).__name__), remedy="draw one of the two")
    if sum(len(ring) if isinstance(ring, (list, tuple)) else 0 for ring in rings) > MOST_PLACES:
        raise LabelError(rule=f"a polygon has at most {MOST_PLACES} corners", got="more", remedy="draw it more simply")
    out = []
    for ring in rings:
        places = [_place(p) for p in ring] if isinstance(ring, (list, tuple)) else []
        if places and places[0] != places[-1]:
            places.append(places[0])
        if len(places) < 4:
            raise LabelError(rule="a polygon has three corners", got=f"{len(places)} places", remedy="add corners")
        out.append(places)
    return {"type": "Polygon", "coordinates": out}


def checked(op: Any) -> Record:
    """The operation with only what it may carry. Raises LabelError."""
    if not isinstance(op, Mapping) or op.get("op") not in KINDS:
        raise _wrong(repr(op.get("op")) if isinstance(op, Mapping) else type(op).__name__)
    kind = str(op["op"])
    out: Record = {"id": _name(op.get("id"), "the id of an operation", 64), "op": kind}
    key = "class" if kind.startswith("class-") else "label"
    about = op.get(key)
    if isinstance(about, str):
        about = {"id": about}
    if not isinstance(about, Mapping):
        raise _wrong(f"{kind} without its {key}")
    made: Record = {"id": _name(about.get("id"), f"the id of a {key}", 64)}
    if key == "class":
        _class_parts(about, made, whole=kind == "class-add")
    elif kind != "delete":
        _label_parts(about, made, whole=kind == "add")
    if isinstance(op.get("by"), str):
        out["by"] = op["by"][:40]
    return {**out, key: made}


def _class_parts(about: Mapping[str, Any], made: Record, *, whole: bool) -> None:
    if whole or "name" in about:
        made["name"] = _name(about.get("name"), "the name of a class")
    if "colour" in about:
        colour = str(about["colour"])
        if len(colour) != 7 or colour[0] != "#" or not all(c in "0123456789abcdefABCDEF" for c in colour[1:]):
            raise LabelError(rule="a colour is written #rrggbb", got=repr(colour)[:40], remedy="give one like #4676c6")
        made["colour"] = colour.lower()
    if isinstance(about.get("hotkey"), (str, int)) and not isinstance(about["hotkey"], bool):
        made["hotkey"] = str(about["hotkey"])[:2]


def _label_parts(about: Mapping[str, Any], made: Record, *, whole: bool) -> None:
    if whole or "class" in about:
        made["class"] = _name(about.get("class"), "the class of a label", 64)
    if whole or "geometry" in about:
        made["geometry"] = geometry_of(about.get("geometry"))
    for key in ("made", "by", "date_seen"):
        if isinstance(about.get(key), str):
            made[key] = about[key][:40]


@dataclass
class State:
    """What the operations so far amount to. classes, labels: by id, in the order in which they came.

    aliases: classes that had the name of one that was there, and stand for it. gone: ids that were deleted.
    """

    classes: dict[str, Record] = field(default_factory=dict)
    labels: dict[str, Record] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def apply(self, op: Record) -> None:
        """Take one operation; what is about something deleted or unknown changes nothing."""
        getattr(self, "_" + op["op"].replace("-", "_"))(op)

    def known(self, one: str) -> str:
        """The class that this id stands for."""
        return self.aliases.get(one, one)

    def _class_add(self, op: Record) -> None:
        one = op["class"]
        if one["id"] in self.gone or one["id"] in self.classes or one["id"] in self.aliases:
            return
        same = next((c["id"] for c in self.classes.values() if c["name"].casefold() == one["name"].casefold()), None)
        if same is not None:
            self.aliases[one["id"]] = same
            return
        self.classes[one["id"]] = {"colour": "#742c92", "hotkey": "", **one}

    def _class_change(self, op: Record) -> None:
        one = self.classes.get(self.known(op["class"]["id"]))
        if one is not None:
            one.update({k: v for k, v in op["class"].items() if k != "id"})

    def _class_delete(self, op: Record) -> None:
        one = self.known(op["class"]["id"])
        self.classes.pop(one, None)
        lost = [i for i, label in self.labels.items() if self.known(label["class"]) == one]
        for i in lost:
            del self.labels[i]
        self.gone |= {one, op["class"]["id"], *lost}

    def _add(self, op: Record) -> None:
        one = op["label"]
        if one["id"] not in self.gone and one["id"] not in self.labels:
            self.labels[one["id"]] = dict(one)

    def _change(self, op: Record) -> None:
        one = self.labels.get(op["label"]["id"])
        if one is not None:
            one.update({k: v for k, v in op["label"].items() if k != "id"})

    def _delete(self, op: Record) -> None:
        self.labels.pop(op["label"]["id"], None)
        self.gone.add(op["label"]["id"])

    def to_json(self) -> dict[str, list[Record]]:
        """Classes, and the labels whose class there is, as the page has them."""
        labels = [{**one, "class": self.known(one["class"])} for one in self.labels.values()]
        return {"classes": list(self.classes.values()), "labels": [x for x in labels if x["class"] in self.classes]}


class Journal:
    """The labels of one scene. Threads, and other processes on the same file, may share it.

    kept: where the end of a torn line was put aside, if one was found.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there; nothing is made before the first operation. Raises OutputError, LabelError."""
        self.path = path
        self.kept: Path | None = None
        self._lock = threading.RLock()
        self._start()
        with self._held():
            self._catch_up()

    def _start(self) -> None:
        self._at, self._ops, self._ids, self.state = 0, list[Record](), dict[str, int](), State()

    @property
    def revision(self) -> int:
        """How many operations there are."""
        return len(self._ops)

    def to_json(self) -> Record:
        """Revision, classes and labels."""
        with self._held():
            self._catch_up()
            return {"revision": self.revision, **self.state.to_json()}

    def since(self, revision: int) -> list[Record]:
        """Operations after a revision, each with its own."""
        with self._lock:
            return [{**op, "revision": n} for n, op in enumerate(self._ops[max(0, revision) :], max(0, revision) + 1)]

    def take(self, ops: Sequence[Any]) -> tuple[int, list[str]]:
        """Write operations down and carry them out: all, or none. Gives the revision, and the ids that were new.

        They are on disk when this returns. Raises LabelError for what is no operation, OutputError when the disk refuses.
        """
        if not isinstance(ops, (list, tuple)) or len(ops) > MOST_OPS:
            got = f"{len(ops)}" if isinstance(ops, (list, tuple)) else type(ops).__name__
            raise LabelError(rule=f"operations come as a list of at most {MOST_OPS}", got=got, remedy="send fewer")
        ready = [checked(op) for op in ops]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse(error, self.path.parent) from error
        with self._held():
            self._catch_up()
            new: dict[str, Record] = {}
            for op in ready:
                if op["id"] not in self._ids:
                    new.setdefault(op["id"], op)
            self._room(list(new.values()))
            if new:
                self._write(list(new.values()))
            return self.revision, list(new)

    def _room(self, new: list[Record]) -> None:
        for kind, there, most in (
            ("add", len(self.state.labels), MOST_LABELS),
            ("class-add", len(self.state.classes), MOST_CLASSES),
        ):
            more = sum(op["op"] == kind for op in new)
            if more and there + more > most:
                what = "labels" if kind == "add" else "classes"
                raise LabelError(rule=f"a scene has at most {most} {what}", got=f"{there + more}", remedy="delete some")

    def _write(self, new: list[Record]) -> None:
        when = round(time.time(), 3)
        data = b"".join(_line({**op, "at": when}) for op in new)
        try:
            appended.append(self.path, data, self._at)
        except OSError as error:
            raise refuse(error, self.path) from error
        for op in new:
            self._accept(op)
        self._at += len(data)

    def _accept(self, op: Record) -> None:
        self._ops.append(op)
        self._ids[op["id"]] = len(self._ops)
        self.state.apply(op)

    def _catch_up(self) -> None:
        """Read what others have written since, and cut what a crash has left of a line."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self._at:
            self._start()
        if size == self._at:
            return
        with open(self.path, "rb") as file:
            file.seek(self._at)
            data = file.read(size - self._at)
        at, bad = self._at, b""
        for line in data.splitlines(keepends=True):
            op = _parsed(line)
            if op is None:
                bad += line
            elif op["id"] not in self._ids:
                self._accept(op)
            at += len(line)
        if not bad:
            self._at = at
            return
        self._mend(data, bad)

    def _mend(self, data: bytes, bad: bytes) -> None:
        """Lines that say nothing go into a file beside; the journal keeps the others."""
        whole = b"".join(line for line in data.splitlines(keepends=True) if _parsed(line) is not None)
        try:
            aside = appended.put_aside(self.path, bad)
            if data.startswith(whole):
                os.truncate(self.path, self._at + len(whole))
            else:
                with open(self.path, "rb") as file:
                    whole = file.read(self._at) + whole
                fresh = self.path.with_suffix(".new")
                with open(fresh, "wb") as file:
                    file.write(whole)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(fresh, self.path)
                fsync_folder(self.path.parent)
        except OSError as error:
            raise refuse(error, self.path) from error
        self.kept = aside
        self._at = self.path.stat().st_size

    def _held(self) -> AbstractContextManager[None]:
        return appended.alone(self.path, self._lock)


def _line(op: Record) -> bytes:
    """One operation as it stands in the file: a checksum, then JSON."""
    text = json.dumps(op, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return f"{zlib.crc32(text):08x} ".encode() + text + b"\n"


def _parsed(line: bytes) -> Record | None:
    """The operation of a whole line, None of anything else."""
    if not line.endswith(b"\n") or line[8:9] != b" ":
        return None
    text = line[9:-1]
    try:
        if int(line[:8], 16) != zlib.crc32(text):
            return None
        op = json.loads(text)
    except ValueError:
        return None
    return op if isinstance(op, dict) and op.get("op") in KINDS else None
