"""Everything about one corruption by level, from a Table: score, drop, classes, doubt; and the class that breaks first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swath.bench.robust import (
    Table,
    chance_of,
    class_drop,
    class_share,
    doubt_of,
    flipped,
    holm,
    jackknife_p,
    mean_drop,
    of_class,
    p_value,
    retained,
    score,
)
from swath.estimate import Estimate

__all__ = ["Curve", "curve", "curves", "first_broken"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One corruption by level. by_class: {class: drops by level}; silent: share without an answer; p: Holm over all tests."""

    name: str
    levels: tuple[int, ...]
    score: tuple[Estimate, ...]
    drop: tuple[Estimate, ...]
    mean: Estimate
    flipped: tuple[Estimate, ...]
    silent: tuple[float, ...]
    retained: tuple[float, ...]
    doubt: Mapping[str, tuple[Estimate, ...]]
    by_class: Mapping[str, tuple[Estimate, ...]]
    p: tuple[float, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is None."""
        plain = {k: [e.to_json() for e in getattr(self, k)] for k in ("score", "drop", "flipped")}
        several = {
            k: {n: [e.to_json() for e in row] for n, row in getattr(self, k).items()} for k in ("doubt", "by_class")
        }
        numbers = {k: [v if math.isfinite(v) else None for v in getattr(self, k)] for k in ("silent", "retained", "p")}
        return {"corruption": self.name, "levels": list(self.levels), "mean_drop": self.mean.to_json(), **plain, **several,
                **numbers}  # fmt: skip


def curve(table: Table, name: str, p: Sequence[float] = ()) -> Curve:
    """All numbers of one corruption."""
    levels, chance = table.levels(name), chance_of(table)
    silent = [table.cells[name, v].silent.sum() / max(1.0, table.cells[name, v].n.sum()) for v in levels]
    return Curve(
        name, levels,
        score=tuple(score(table, name, v) for v in levels),
        drop=tuple(mean_drop(table, [name], [v]) for v in levels),
        mean=mean_drop(table, [name]),
        flipped=tuple(flipped(table, name, v) for v in levels),
        silent=tuple(float(s) for s in silent),
        retained=tuple(retained(table, name, v, chance) for v in levels),
        doubt={d: tuple(doubt_of(table, name, v, i) for v in levels) for i, d in enumerate(table.doubts)},
        by_class={c: tuple(class_drop(table, k, [name], [v]) for v in levels) for k, c in enumerate(table.classes)},
        p=tuple(p),
    )  # fmt: skip


def curves(table: Table) -> list[Curve]:
    """The numbers of every corruption; p-values hold for all corruptions and levels together."""
    keys = [(n, v) for n in table.names for v in table.levels(n)]
    adjusted = dict(zip(keys, holm([p_value(table, *key) for key in keys]).tolist(), strict=True))
    return [curve(table, n, [adjusted[n, v] for v in table.levels(n)]) for n in table.names]


def first_broken(table: Table, name: str) -> tuple[str, int, Estimate] | None:
    """The class that breaks first: at the lowest level at which a class's drop is clear of 0, the one that loses most.

    Clear: above 0 with p below 0.05 after Holm's correction over all classes and levels of the corruption. None where none is.
    """
    keys = [(v, k) for v in table.levels(name) for k in range(len(table.classes))]
    p = holm([jackknife_p(of_class([table.cells[name, v]], k), class_share) for v, k in keys])
    clear = [key for key, value in zip(keys, p, strict=True) if value < 0.05]
    lost = {(v, k): class_drop(table, k, [name], [v]) for v, k in clear}
    broken = {key: e for key, e in lost.items() if e.value > 0}
    if not broken:
        return None
    level = min(v for v, _ in broken)
    worst = max((key for key in broken if key[0] == level), key=lambda key: broken[key].value)
    return table.classes[worst[1]], level, broken[worst]
