"""A reference sample as a person walks through it: places in random order, answers on disk before anybody is told so.

The file of answers only grows, one line an answer or a step back; what a crash left of a line is cut. The map's class of a
place is in the file of the design and in nothing that `Walk.record` tells before the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swath.cube.blocks import fsync_folder, refuse
from swath.doors.web import appended
from swath.doors.web.answers import Clash, Missing
from swath.errors import DesignError, SwathError

__all__ = ["REASONS", "Place", "Walk", "steps_of"]

REASONS = ("cloud", "mixed pixel", "too coarse", "other")
"""Why a place cannot be told."""
AGAIN = 0.1
"""Share of the places that come back, unannounced."""
MOST_OPS = 100_000


def steps_of(places: int, seed: int) -> list[int]:
    """Which place is shown at each step: all in their (random) order, and a tenth of them once more a while later.

    >>> sorted(steps_of(30, 1)) == sorted([*range(30), *(p for p in steps_of(30, 1) if steps_of(30, 1).count(p) == 2)])
    True
    """
    count = round(AGAIN * places)
    gap = max(1, min(15, places // 4))
    rng = np.random.default_rng([seed, 2])
    early = max(count, places - 3 * gap)
    back: dict[int, list[int]] = {}
    for place in sorted(rng.choice(early, count, replace=False).tolist()) if count else []:
        behind = min(places, place + 1 + int(rng.integers(gap, 3 * gap + 1)))
        back.setdefault(behind, []).append(place)
    steps = []
    for place in range(places):
        steps += [place, *back.get(place + 1, [])]
    return steps


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the sample: column and row of its centre on the scene's grid, and its stratum (never told)."""

    col: float
    row: float
    stratum: str


@dataclass(frozen=True, slots=True)
class _Given:
    step: int
    answer: str | None
    why: str | None


class Walk:
    """One sample, from its folder: design.json, sample.gpkg, answers.jsonl. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Raises Missing when the folder holds no sample that was drawn whole."""
        self.folder = folder
        try:
            self.design: dict[str, Any] = json.loads((folder / "design.json").read_text("utf-8"))
            self.places = [Place(*p) for p in self.design["places"]]
            self.steps: list[int] = [int(s) for s in self.design["steps"]]
            self.pixels: dict[str, int] = {str(k): int(v) for k, v in self.design["pixels"].items()}
            self.classes: list[dict[str, Any]] = list(self.design["classes"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Missing(
                rule="a reference sample is one of this folder", got="no such sample", remedy="draw one from a map"
            ) from error
        self._lock = threading.Lock()
        self._given: list[_Given] = []
        self._ops: set[str] = set()
        self._at = 0
        self._read()

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """The file of answers."""
        return self.folder / "answers.jsonl"

    @property
    def finished(self) -> bool:
        """Whether every step has an answer."""
        return len(self._given) >= len(self.steps)

    def answer(self, op: str, step: int, answer: str | None, why: str | None = None) -> None:
        """The answer at the step that is shown: a class, or None and one of REASONS. An op that was taken changes nothing.

        Raises SwathError (an answer that is none), Clash (another step is shown: another page answered).
        """
        if answer is not None and answer not in {c["name"] for c in self.classes}:
            raise SwathError(rule="an answer is one of the classes", got=repr(answer)[:60], remedy="choose one of them")
        if answer is None and why not in REASONS:
            raise SwathError(
                rule=f"what cannot be told has a reason: {', '.join(REASONS)}",
                got=repr(why)[:60],
                remedy="choose one of them",
            )
        with self._held():
            if op in self._ops:
                return
            self._is_shown(step, len(self._given) + 1)
            self._write({"op": op, "step": step, "answer": answer, "why": None if answer is not None else why})

    def back(self, op: str, step: int) -> None:
        """Take the answer of the last step back. Raises Clash when it is not the last one."""
        with self._held():
            if op in self._ops:
                return
            self._is_shown(step, len(self._given))
            self._write({"op": op, "step": step, "undo": True})

    def _is_shown(self, step: int, wanted: int) -> None:
        if len(self._ops) >= MOST_OPS:
            raise DesignError(rule="a sample ends some time", got=f"{MOST_OPS} answers", remedy="draw another")
        if step != wanted or not 1 <= step <= len(self.steps):
            raise Clash(
                rule="answers come one after the other",
                got=f"one for step {step}; {len(self._given)} of {len(self.steps)} are answered",
                remedy="go on with what is shown now",
                sample=self.record(),
            )

    def answers(self) -> dict[int, tuple[str | None, str | None]]:
        """{place: (class or None, reason or None)}: the first answer at each place counts."""
        found: dict[int, tuple[str | None, str | None]] = {}
        for one in list(self._given):
            found.setdefault(self.steps[one.step - 1], (one.answer, one.why))
        return found

    def agreement(self) -> dict[str, int]:
        """How many places were asked twice, and at how many of them both answers were the same."""
        first: dict[int, str | None] = {}
        asked = same = 0
        for one in list(self._given):
            place = self.steps[one.step - 1]
            if place in first:
                asked += 1
                same += first[place] == one.answer
            first.setdefault(place, one.answer)
        return {"same": same, "asked": asked}

    def has(self) -> dict[str, int]:
        """Places of each mapped class that have an answer; those that cannot be told have none."""
        told = Counter(self.places[p].stratum for p, (answer, _) in self.answers().items() if answer is not None)
        return {name: told[name] for name in self.pixels}

    def needs(self) -> dict[str, int]:
        """Answers that each mapped class still needs before its area can have an interval: two, or all its pixels."""
        lacking = {name: min(2, self.pixels[name]) - number for name, number in self.has().items()}
        return {name: number for name, number in lacking.items() if number > 0}

    def record(self, *, stopping: bool = False) -> dict[str, Any]:
        """What the page is told. needs, has and agreement only when `stopping` or at the end: they speak of the map's classes."""
        given, done = list(self._given), self.finished
        at = len(given)
        told = self.answers()
        point = None
        if not done:
            place = self.places[self.steps[at]]
            point = {"id": at + 1, "col": place.col, "row": place.row}
        say = stopping or done
        return {
            "id": self.id,
            "map": self.design["map"],
            "scene_key": self.design["scene_key"],
            "size": len(self.places),
            "steps": len(self.steps),
            "answered": at,
            "seed": self.design["seed"],
            "classes": self.classes,
            "reasons": list(REASONS),
            "point": point,
            "finished": done,
            "cannot": sum(answer is None for answer, _ in told.values()),
            "needs": self.needs() if say else None,
            "has": {name: self.has()[name] for name in self.needs()} if say else None,
            "agreement": self.agreement() if say else None,
            "assessed": (self.folder / "assess" / "assessment.json").is_file(),
        }

    def _write(self, line: Mapping[str, Any]) -> None:
        """Append one line and wait until it is on the disk."""
        data = (json.dumps({**line, "at": _now()}, ensure_ascii=False, allow_nan=False) + "\n").encode()
        try:
            self._cut()
            appended.append(self.path, data, self._at)
        except OSError as error:
            raise refuse(error, self.path) from error
        self._take(line)
        self._at += len(data)

    def _cut(self) -> None:
        """Keep what follows the last whole line in a file beside, and cut it: a crash left it, or a disk."""
        if not self.path.exists() or self.path.stat().st_size <= self._at:
            return
        with open(self.path, "rb") as file:
            file.seek(self._at)
            rest = file.read()
        appended.put_aside(self.path, rest)
        os.truncate(self.path, self._at)

    def _take(self, line: Mapping[str, Any]) -> None:
        self._ops.add(str(line["op"]))
        step = int(line["step"])
        if line.get("undo"):
            self._given = [g for g in self._given if g.step != step]
        elif step == len(self._given) + 1:
            self._given = [*self._given, _Given(step, line.get("answer"), line.get("why"))]

    def _read(self) -> None:
        """Take the lines that are new since the last look; the rest of a broken last line is not counted."""
        if not self.path.exists():
            self._given, self._ops, self._at = [], set(), 0
            return
        if self.path.stat().st_size < self._at:
            self._given, self._ops, self._at = [], set(), 0
        with open(self.path, "rb") as file:
            file.seek(self._at)
            data = file.read()
        for text in data.splitlines(keepends=True):
            try:
                line = json.loads(text) if text.endswith(b"\n") else None
            except ValueError:
                line = None
            if not isinstance(line, dict) or "op" not in line or not isinstance(line.get("step"), int):
                break
            self._take(line)
            self._at += len(text)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Alone with the answers; what others wrote is read first."""
        with appended.alone(self.path, self._lock):
            self._read()
            yield


def truth(walk: Walk, out: Path) -> Path:
    """Write the sample with its answers as the file that `swath assess` reads, whole or not at all.

    label: the class; why: the reason where there is none; what was not looked at has neither. Raises OutputError.
    """
    import geopandas as gpd

    points = gpd.read_file(walk.folder / "sample.gpkg", engine="pyogrio")
    told = walk.answers()
    order = [int(i) - 1 for i in points["id"]]
    points["label"] = _texts([told.get(i, (None, None))[0] for i in order])
    points["why"] = _texts([told.get(i, (None, None))[1] for i in order])
    aside = out.with_name(f".{out.stem}.{os.getpid()}.part.gpkg")
    try:
        points.to_file(aside, driver="GPKG", layer=out.stem, engine="pyogrio")
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, out)
        fsync_folder(out.parent)
    except OSError as error:
        raise refuse(error, out) from error
    finally:
        aside.unlink(missing_ok=True)
    return out


def _texts(values: Sequence[str | None]) -> Any:
    import pandas as pd

    return pd.Series(list(values), dtype=object)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
