"""A second writer for the recipe of ChatEarthNet: sentence plans that the grammar of `language` never makes, and lies in them.

They were written once, before the reader had seen any of them, and stand for what other writers say. A sentence here is a
list of statements (Claims); `spoil` changes one statement into one that the map contradicts, by the facts alone, and the
text is written anew from the changed statement: whether `check` notices is what is measured.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from swath.language.claim import Claim
from swath.language.facts import LEVELS, SceneFacts, level_of
from swath.language.judging import judge

__all__ = ["KINDS", "Plan", "spoil", "spoiled_dominant", "written"]

KINDS = ("swap two classes", "swap left and right", "raise one level", "add an absent class", "change a number", "turn a change round",
         "false neighbours", "drop the dominant class")  # fmt: skip
_PLACES = {"north-west": "northwest corner", "north-east": "northeast corner", "south-west": "southwest corner",
           "south-east": "southeast corner", "middle": "heart"}  # fmt: skip
_MIRROR = {
    "north-west": "north-east",
    "north-east": "north-west",
    "south-west": "south-east",
    "south-east": "south-west",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One sentence: which of the wordings below, the classes it names, its place and numbers."""

    form: str
    classes: tuple[int, ...]
    region: str = "scene"
    numbers: tuple[int, ...] = ()
    levels: tuple[str, ...] = ()

    def claims(self) -> tuple[Claim, ...]:
        """What it states."""
        return _FORMS[self.form][1](self)

    def text(self, facts: SceneFacts) -> str:
        """The sentence. Classes beyond the legend are called snow."""
        names = [facts.classes[k].noun if k < len(facts.classes) else "snow" for k in self.classes]
        line = _FORMS[self.form][0](self, names)
        return line[:1].upper() + line[1:] + "."


def _near(k: int, n: int, region: str = "scene") -> Claim:
    return Claim("share", (k,), region=region, low=n - 0.5, high=n + 0.5, unit="%")


_FORMS: dict[str, tuple[Callable[[Plan, list[str]], str], Callable[[Plan], tuple[Claim, ...]]]] = {
    "of every hundred": (
        lambda p, n: f"{n[0]} occupies {p.numbers[0]} percent of the picture, {n[1]} another {p.numbers[1]} percent",
        lambda p: tuple(_near(k, v) for k, v in zip(p.classes, p.numbers, strict=True)),
    ),
    "corner": (
        lambda p, n: f"turning to the {_PLACES[p.region]}, one meets {p.numbers[0]} % {n[0]}",
        lambda p: (_near(p.classes[0], p.numbers[0], p.region),),
    ),
    "levels": (
        lambda p, n: f"{_PLACES[p.region]}: "
        + " plus ".join(f"{'an' if lv[0] == 'e' else 'a'} {lv} portion of {name}" for lv, name in zip(p.levels, n, strict=True)),
        lambda p: tuple(Claim("level", (k,), region=p.region, word=lv) for k, lv in zip(p.classes, p.levels, strict=True)),
    ),
    "more": (
        lambda p, n: f"compared with {n[1]}, there is more {n[0]}" if p.numbers else f"{n[0]} outweighs {n[1]} in extent",
        lambda p: (Claim("compare", p.classes[:1], p.classes[1:], low=1),),
    ),
    "meets": (
        lambda p, n: f"along its rim, {n[0]} meets {n[1]}",
        lambda p: (Claim("touch", p.classes[:1], p.classes[1:]),),
    ),
    "first": (
        lambda p, n: f"no class is larger than {n[0]}, the prevailing cover" if p.numbers else f"the most common class is {n[0]}",
        lambda p: (Claim("dominant", p.classes, word="1"),),
    ),
    "home": (
        lambda p, n: f"the bulk of the {n[0]} sits in the {_PLACES[p.region]}",
        lambda p: (Claim("where", p.classes, region=p.region, low=50, unit="%"),),
    ),
    "there": (
        lambda p, n: f"one can also find {n[0]}",
        lambda p: (Claim("present", p.classes),) if p.classes[0] < 1000 else (Claim("present", absent=("snow",)),),
    ),
    "turned": (
        lambda p, n: f"some {n[0]} has given way to {n[1]}",
        lambda p: (Claim("became", p.classes[:1], p.classes[1:]),),
    ),
}  # fmt: skip


def written(facts: SceneFacts, seed: int = 0) -> list[Plan]:
    """A true text in held-out wordings: shares, every quarter, the middle, an order, a comparison, neighbours, places."""
    rng = random.Random(f"held out {seed}")  # noqa: S311
    order = facts.ranking()
    if not order:
        return []
    made = [Plan("first", (order[0],), numbers=())]
    if len(order) > 1 and facts.share([order[0]]) == facts.share([order[1]]):
        made = []
    whole = {k: _whole(facts.share([k])) for k in order}
    if len(order) > 1:
        a, b = order[0], order[1 + rng.randrange(len(order) - 1)]
        made.append(Plan("of every hundred", (a, b), numbers=(whole[a], whole[b])))
        if facts.share([a]) > facts.share([b]):
            made.append(Plan("more", (a, b)))
        touching = [(i, j) for i in order for j in order if i != j and facts.touch([i], [j])]
        made += [Plan("meets", rng.choice(touching))] if touching else []
    for region in _PLACES:
        found = facts.ranking(region)[:3]
        if found:
            k = found[0]
            levels = tuple(level_of(facts.share([j], region)) for j in found)
            made.append(Plan("levels", tuple(found), region, levels=levels) if rng.random() < 0.6 else
                        Plan("corner", (k,), region, (_whole(facts.share([k], region)),)))  # fmt: skip
    for k in order[:3]:
        home = [r for r in _MIRROR if facts.within([k], r) > Fraction(1, 2)]
        made += [Plan("home", (k,), home[0])] if home else []
    made.append(Plan("there", (rng.choice(order),)))
    if facts.changes:
        moved = facts.changes[-1].moved.pixels.sum(0)
        pairs = [
            (i, j)
            for i in range(moved.shape[0])
            for j in range(moved.shape[1])
            if moved[i, j] and not facts.changes[-1].same[i, j]
        ]
        made += [Plan("turned", rng.choice(pairs))] if pairs else []
    return made


def _whole(share: Fraction) -> int:
    return int(100 * share + Fraction(1, 2))


def _false(plan: Plan, facts: SceneFacts) -> bool:
    return any(judge(c, facts)[0] is False for c in plan.claims())


def spoil(text: list[Plan], facts: SceneFacts, kind: str, seed: int = 0) -> list[Plan] | None:
    """The text with one lie of a kind, false by the facts; None where the text gives no occasion for it."""
    rng = random.Random(f"{kind} {seed}")  # noqa: S311
    made: list[list[Plan]] = []
    for i, p in enumerate(text):
        made += [[*text[:i], q, *text[i + 1 :]] for q in _LIES[kind](p, facts) if _false(q, facts)]
    return rng.choice(made) if made else None


def spoiled_dominant(text: list[Plan], facts: SceneFacts) -> list[Plan] | None:
    """The text without any word of the leading class: entries go, and sentences that are about it alone."""
    order = facts.ranking()
    if len(order) < 2 or facts.share([order[0]]) == facts.share([order[1]]):
        return None
    lead, made = order[0], []
    for p in text:
        if lead not in p.classes:
            made.append(p)
        elif p.form == "levels" and len(p.classes) > 1:
            keep = [i for i, k in enumerate(p.classes) if k != lead]
            made.append(replace(p, classes=tuple(p.classes[i] for i in keep), levels=tuple(p.levels[i] for i in keep)))
    return made if made and made != text else None


def _swapped(p: Plan, facts: SceneFacts) -> list[Plan]:
    if p.form == "turned":
        return []
    others = facts.ranking()
    made = [replace(p, classes=p.classes[::-1])] if len(p.classes) == 2 else []
    return made + [replace(p, classes=(k, *p.classes[1:])) for k in others if k not in p.classes]


def _mirrored(p: Plan, facts: SceneFacts) -> list[Plan]:
    return [replace(p, region=_MIRROR[p.region])] if p.region in _MIRROR else []


def _raised(p: Plan, facts: SceneFacts) -> list[Plan]:
    made = []
    for i, lv in enumerate(p.levels):
        if lv != LEVELS[-1]:
            made.append(replace(p, levels=(*p.levels[:i], LEVELS[LEVELS.index(lv) + 1], *p.levels[i + 1 :])))
    return made


def _added(p: Plan, facts: SceneFacts) -> list[Plan]:
    absent = [k for k in range(len(facts.classes)) if not facts.pixels([k])]
    known = any(c.concept == "snow" for c in facts.classes)
    return [replace(p, classes=(k,)) for k in (absent or ([] if known else [1000]))] if p.form == "there" else []


def _renumbered(p: Plan, facts: SceneFacts) -> list[Plan]:
    return (
        [replace(p, numbers=(n, *p.numbers[1:])) for n in (p.numbers[0] + 3, p.numbers[0] - 4) if 0 < n <= 100]
        if p.numbers
        else []
    )


def _turned(p: Plan, facts: SceneFacts) -> list[Plan]:
    return [replace(p, classes=p.classes[::-1])] if p.form == "turned" else []


def _strangers(p: Plan, facts: SceneFacts) -> list[Plan]:
    return (
        [replace(p, classes=(p.classes[0], k)) for k in facts.ranking() if k not in p.classes]
        if p.form == "meets"
        else []
    )


_LIES: dict[str, Callable[[Plan, SceneFacts], list[Plan]]] = {
    "swap two classes": _swapped, "swap left and right": _mirrored, "raise one level": _raised, "add an absent class": _added,
    "change a number": _renumbered, "turn a change round": _turned, "false neighbours": _strangers,
}  # fmt: skip
