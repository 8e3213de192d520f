"""Heads on frozen vectors, taught by clean items and tested on damaged copies in places that they never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swath.bench import robust
from swath.bench.learners import Linear
from swath.bench.probe import choose_strength
from swath.bench.robust import CLEAN, Table
from swath.sample.split import fold_table
from swath.transform.severity import FAMILIES

__all__ = ["Look", "Task", "judged", "own"]


@dataclass(frozen=True)
class Look:
    """Vectors (n, D) of items under one corruption; source (n,): which clean item each of them is."""

    x: np.ndarray
    source: np.ndarray


@dataclass(frozen=True)
class Task:
    """y, place (m,) of the clean items; tried (m,): whether they are also made worse (the others only teach)."""

    title: str
    classes: tuple[str, ...]
    y: np.ndarray
    place: np.ndarray
    tried: np.ndarray
    measure: Any
    look: Callable[[Any, str, int], Look]
    simulated: bool = False
    words: str = ""


def judged(
    task: Task,
    looks: Mapping[tuple[str, int], Look],
    *,
    seeds: int,
    levels: Sequence[int],
    seed: int,
    augmented: bool = False,
) -> Table:
    """Heads of several seeds and folds of whole places, tested on damaged copies of places that they never saw.

    augmented: the head also learns from the copies of levels 1 to 3 of all families but the one it is tested on.
    """
    clean = looks[CLEAN].x
    families = FAMILIES.values() if augmented else [tuple(dict.fromkeys(n for n, _ in looks if n != CLEAN[0]))]
    size = (int(task.place.max()) + 1, len(task.classes))
    cells: dict[tuple[str, int], robust.Tally] = {}
    for s in range(seeds):
        fold = fold_table(task.place, task.y, min(5, size[0]), 1000 * seed + s)
        for number, family in enumerate(families):
            keys = [(n, v) for n in family for v in levels if (n, v) in looks] + ([CLEAN] if not number else [])
            for f in np.unique(fold):
                x, y, weight = _lesson(task, looks, fold != f, family if augmented else None)
                if task.measure == "balanced":
                    weight = weight * (len(y) / len(np.unique(y)) / np.bincount(y, minlength=size[1])[y])
                strength = choose_strength(clean[fold != f], task.y[fold != f], task.place[fold != f], size[1], None, s)
                head = Linear(size[1], strength).fit(x, y, weight)
                before = head.predict(clean).argmax(1)
                for key in keys:
                    at = np.flatnonzero((fold == f)[looks[key].source] & task.tried[looks[key].source])
                    found = _tally(task, looks[key].source[at], before, head.predict(looks[key].x[at]), size)
                    cells[key] = cells[key] + found if key in cells else found
    order = [CLEAN, *(k for k in looks if k in cells and k != CLEAN)]
    return Table("class", task.classes, ("1 - largest probability",), {k: cells[k] for k in order}, measure=task.measure,
                 simulated=task.simulated)  # fmt: skip


def _lesson(
    task: Task, looks: Mapping[tuple[str, int], Look], taught: np.ndarray, left_out: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a head learns from: clean items of its places, and their damaged copies unless their family is the one left out.

    The third: weights; all copies together weigh as much as the clean items.
    """
    parts = [(looks[CLEAN].x[taught], np.flatnonzero(taught))]
    for (name, level), look in looks.items():
        if left_out is not None and 1 <= level <= 3 and name not in left_out:
            at = taught[look.source]
            parts.append((look.x[at], look.source[at]))
    source = np.concatenate([s for _, s in parts])
    weight, first = np.ones(len(source)), len(parts[0][1])
    weight[first:] = first / max(1, len(source) - first)
    return np.concatenate([x for x, _ in parts]), task.y[source], weight


def _tally(
    task: Task, source: np.ndarray, before: np.ndarray, share: np.ndarray, size: tuple[int, int]
) -> robust.Tally:
    after, place = share.argmax(1), task.place[source]
    flips = np.stack(
        [np.bincount(place, weights=w, minlength=size[0]) for w in (np.ones(len(place)), after != before[source])], 1
    )
    return robust.class_tally(
        task.y[source], before[source], after, place, size, flips, 1 - share.max(1, keepdims=True)
    )


def own(task: Task, looks: Mapping[tuple[str, int], Look]) -> Table:
    """A finished classifier: its own clean answers are the reference."""
    size = (int(task.place.max()) + 1, len(task.classes))
    cells = {key: _tally(task, look.source, task.y, look.x, size) for key, look in looks.items()}
    return Table("class", task.classes, ("1 - largest probability",), cells, reference="own")
