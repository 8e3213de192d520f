"""One statement about a map in a form that can be judged: what the grammar writes and what the reader reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from swath.language.facts import SceneFacts, level_of
from swath.language.north import REGIONS

__all__ = ["INF", "Claim", "largest", "window_of"]

INF = math.inf


@dataclass(frozen=True, slots=True)
class Claim:
    """kind: which statement (see `judge`). classes, other: indices into the facts' classes. region: where.

    low, high: what the printed number allows, in `unit` (per cent, ha, pixel, m, count). word: a level, shape or place.
    negated: the opposite is said. absent: words for classes that the legend does not have.
    """

    kind: str
    classes: tuple[int, ...] = ()
    other: tuple[int, ...] = ()
    region: str = "scene"
    low: float = -INF
    high: float = INF
    unit: str = ""
    word: str = ""
    negated: bool = False
    absent: tuple[str, ...] = ()
    window: tuple[int, int, int, int] | None = field(default=None, compare=False)
    sentence: int = field(default=-1, compare=False)

    def __post_init__(self) -> None:
        """Bounds to ten digits, so that the same number written and read is the same claim."""
        for name in ("low", "high"):
            object.__setattr__(self, name, float(f"{getattr(self, name):.10g}"))

    def to_json(self, facts: SceneFacts) -> dict[str, Any]:
        """Plain values with class names; `true` is judged anew."""
        names = [c.name for c in facts.classes]
        record: dict[str, Any] = {"kind": self.kind, "sentence": self.sentence}
        if self.classes or self.absent:
            record["class"] = [names[k] for k in self.classes] + list(self.absent)
        if self.other:
            record["other"] = [names[k] for k in self.other] if self.kind not in ("became",) else self._new(facts)
        if self.kind in ("became", "net", "before"):
            record |= self._changing(facts)
        record |= {"region": self.region}
        if self.word:
            record["word"] = self.word
        if self.unit:
            record |= {"low": _plain(self.low), "high": _plain(self.high), "unit": self.unit}
        if self.negated:
            record["negated"] = True
        if self.classes and self.kind in ("share", "level", "area", "present", "dominant"):
            share = facts.share(self.classes, self.region)
            record |= {"fraction": round(float(share), 6), "level": level_of(share)}
        record["window"] = list(self.window or window_of(self, facts))
        return record

    def _new(self, facts: SceneFacts) -> list[str]:
        return [facts.classes[k].name for k in self.other]

    def _changing(self, facts: SceneFacts) -> dict[str, Any]:
        change = facts.changes[-1] if facts.changes else None
        if change is None or self.kind != "became":
            return {}
        return {"class": [change.classes[k].name for k in self.classes], "other": self._new(facts)}


def _plain(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def window_of(claim: Claim, facts: SceneFacts) -> tuple[int, int, int, int]:
    """The pixel window a claim speaks of: its region; without one the bounds of its classes or of the change."""
    if claim.window is not None:
        return claim.window
    if claim.region in REGIONS and claim.region != "scene":
        return facts.window(claim.region)
    if claim.kind == "became" and facts.changes:
        boxes = [p.box for key, pieces in facts.changes[-1].moved.pieces.items()
                 if key[0] in claim.classes and key[1] in claim.other for p in pieces.largest]  # fmt: skip
        if boxes:
            return (
                min(b[0] for b in boxes),
                max(b[1] for b in boxes),
                min(b[2] for b in boxes),
                max(b[3] for b in boxes),
            )
    if claim.kind in ("patch", "shape", "piece") and claim.classes:
        best = largest(facts, claim.classes)
        if best is not None:
            return best.box  # type: ignore[no-any-return]
    if claim.classes and claim.kind not in ("became", "net", "before"):
        return facts.class_window((*claim.classes, *claim.other))
    return 0, facts.shape[0], 0, facts.shape[1]


def largest(facts: SceneFacts, classes: Sequence[int]) -> Any:
    """The largest patch of any of these classes, None where there is none."""
    found = [p for k in classes for p in facts.counts.patches[k].largest[:1]]
    return max(found, key=lambda p: p.metres2, default=None)
