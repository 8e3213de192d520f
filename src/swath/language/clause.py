"""A clause under reading: its items, what it inherits, and the claims read from it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from swath.language.claim import Claim
from swath.language.facts import SceneFacts
from swath.language.reader import Item

__all__ = ["INF", "Clause", "inherit", "is_negated", "regions"]

INF = float("inf")


@dataclass
class Clause:
    """Items of a clause and what it inherits: the subject so far and the place that leads the sentence."""

    items: list[Item]
    facts: SceneFacts
    subject: Item | None = None
    places: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    covered: set[int] = field(default_factory=set)
    largest: bool = False

    def of(self, *kinds: str) -> list[int]:
        """Positions of unused items of these kinds."""
        return [i for i, x in enumerate(self.items) if x.kind in kinds and not x.used]

    def has(self, *kinds: str) -> bool:
        """Whether there is one."""
        return any(x.kind in kinds for x in self.items)

    def before(self, i: int, kind: str = "C") -> list[int]:
        """The run of classes that ends nearest before an item: "forest and crops" before a verb."""
        found = [j for j in self.of(kind) if j < i]
        return self.run(found[-1], -1) if found else []

    def after(self, i: int, kind: str = "C") -> list[int]:
        """The run of classes that begins nearest after an item."""
        found = [j for j in self.of(kind) if j > i]
        return self.run(found[0], 1) if found else []

    def run(self, i: int, step: int) -> list[int]:
        """Classes joined by and, or, commas and articles, from one on in a direction."""
        made, j = [i], i + step
        while 0 <= j < len(self.items):
            x = self.items[j]
            if x.kind == "C" and not x.used:
                made.append(j)
            elif not (
                x.kind == "AND"
                or x.text in (",", "the", "a", "an", "both", "then", "nor", "also", "neither", "some")
                or (x.kind == "NEG" and x.text in ("nor", "neither"))
            ):
                break
            j += step
        return sorted(made)

    def classes(self, run: Sequence[int]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Indices of a run's classes together, and words for what the legend lacks."""
        now = sorted({k for i in run for k in self.items[i].named.now})
        return tuple(now), tuple(
            self.items[i].named.absent or self.items[i].text for i in run if not self.items[i].named.now
        )

    def say(self, kind: str, run: Sequence[int], **more: object) -> None:
        """Note a claim about a run of classes."""
        classes, absent = self.classes(run)
        self.covered |= set(run)
        if absent and not classes:
            more = {k: v for k, v in more.items() if k in ("negated", "region")}
            self.claims.append(Claim("present", absent=absent, **more))  # type: ignore[arg-type]
            return
        if absent:
            self.claims.append(Claim("present", absent=absent))
        self.claims.append(Claim(kind, classes, **more))  # type: ignore[arg-type]


def regions(c: Clause, at: int) -> list[str]:
    """Places of what is said at a position: those that follow before the next statement, else those that lead."""
    after = []
    stop = next(
        (i for i in range(at + 1, len(c.items)) if c.items[i].kind in ("C", "Q", "L") and _place_between(c, at, i)),
        len(c.items),
    )
    for i in range(at + 1, stop):
        x = c.items[i]
        if x.kind == "R" and not x.used:
            after.append(str(x.value))
        elif x.kind == "SCENE" and x.value == "scene" and not after:
            return ["scene"]
    if after:
        return after
    later = [str(c.items[i].value) for i in c.of("R") if i > at]
    if later and not c.places:
        first = next(i for i in c.of("R") if i > at)
        return [str(c.items[first].value)]
    return c.places or ["scene"]


def _place_between(c: Clause, one: int, other: int) -> bool:
    return any(c.items[i].kind in ("R", "SCENE") for i in range(one + 1, other))


def is_negated(c: Clause, low: int, high: int) -> bool:
    """Whether a negation stands between two positions (or right before the first)."""
    for i in range(max(0, low), min(high, len(c.items))):
        if c.items[i].kind == "NEG":
            c.items[i].used = True
            return True
    return False


def inherit(c: Clause) -> list[int]:
    """The sentence's subject so far, put in front of the clause."""
    if c.subject is None:
        return []
    if c.items and c.items[0] is not c.subject:
        c.items.insert(0, c.subject)
        c.covered = {j + 1 for j in c.covered}
    return [0]
