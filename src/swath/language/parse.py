"""From a sentence to claims: clauses, then relations, then quantities, places and mere mentions. One reader for all writers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swath.language import parse_change
from swath.language.claim import Claim
from swath.language.clause import INF, Clause, inherit, is_negated
from swath.language.facts import SceneFacts
from swath.language.parse_relations import compare, equal, ranks, relative, touch
from swath.language.parse_terms import amounts, mentions, where
from swath.language.reader import Item, Vocabulary, read_items

__all__ = ["Read", "parse"]

_STRONG = frozenset(
    [
        "share",
        "home",
        "area",
        "level",
        "dominant",
        "compare",
        "where",
        "touch",
        "around",
        "count",
        "patch",
        "piece",
        "shape",
        "unknown",
        "sure",
        "adjusted",
        "relative",
        "scene",
        "became",
        "net",
        "before",
    ]
)


@dataclass
class Read:
    """What was read of a sentence: claims, and words that nobody understood. blind: clauses that state something unread."""

    claims: list[Claim] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    blind: bool = False


def parse(sentence: str, facts: SceneFacts, vocabulary: Vocabulary | None = None) -> Read:
    """Read a sentence. Claims come in reading order, each once."""
    items = read_items(sentence, vocabulary or Vocabulary(facts))
    made = Read()
    subject: Item | None = None
    places: list[str] = []
    largest = False
    for part in _clauses(items):
        clause = Clause(part, facts, subject, list(places), largest=largest)
        _read(clause)
        made.claims += clause.claims
        lengths = any(x.unit == "m" for x in part)
        for x in part:  # "crosses it from north to south": only the size of the scene is told that way
            if x.kind == "ORIENT" and not lengths:
                x.kind = "BLIND"
        words = [x.text for x in part if x.kind in ("W", "BLIND") and not x.used]
        loose = [x.text for x in part if x.kind in ("N", "RATIO", "U", "REL") and not x.used and x.text not in _BARE]
        made.unread += words + loose
        strong = any(c.kind in _STRONG for c in clause.claims)
        if (words and not strong) or loose or len(words) > 3 or any(x.kind == "BLIND" for x in part):
            made.blind = True
        if any(x.kind in ("C", "Q") for x in part) and not clause.claims:
            made.blind = True
        named = [x for x in part if x.kind == "C"]
        subject = named[0] if named else subject
        places = clause.places or places
        largest = clause.largest
    made.claims = _tidy(made.claims)
    return made


_BARE = ("pixel", "pixels", "one", "%", "ha")


def _tidy(claims: list[Claim]) -> list[Claim]:
    """Each claim once; a mere mention goes where more is said of the same class."""
    unique = list(dict.fromkeys(claims))
    said = {k for c in unique if c.kind != "present" for k in (*c.classes, *c.other)}
    return [c for c in unique if not (c.kind == "present" and not c.negated and c.classes and set(c.classes) <= said)]


def _clauses(items: list[Item]) -> list[list[Item]]:
    made: list[list[Item]] = [[]]
    for x in items:
        if x.text in (";", "while", "whereas", "but", "although", "though", "however"):
            made.append([])
        else:
            made[-1].append(x)
    return [m for m in made if m]


def _read(c: Clause) -> None:
    _of_a_class(c)
    _places(c)
    for step in _STEPS:
        step(c)


def _of_a_class(c: Clause) -> None:
    """`in the middle of the town`, `north of the lake`: a place of a class, not of the scene."""
    for i, x in enumerate(c.items):
        if x.kind == "R":
            rest = [y for y in c.items[i + 1 : i + 4] if y.text != "the"]
            if len(rest) > 1 and rest[0].text == "of" and rest[1].kind == "C":
                x.kind = "BLIND"


def _places(c: Clause) -> None:
    """Places that lead the clause hold for all of it."""
    first = min((i for i, x in enumerate(c.items) if x.kind in ("C", "Q", "L", "N")), default=len(c.items))
    lead = [i for i in c.of("R") if i < first]
    if lead:
        c.places = [str(c.items[i].value) for i in lead]
        for i in lead:
            c.items[i].used = True
    elif any(c.items[i].value == "scene" for i in c.of("SCENE") if i < first) and not c.of("R"):
        c.places = [] if c.has("R") else c.places if not c.has("C") else []


# ---- steps, in order


def _adjusted(c: Clause) -> None:
    if not c.has("ADJUSTED"):
        return
    run, amounts = c.of("C"), c.of("Q")
    for word, i in zip(("value", "low", "high"), amounts, strict=False):
        x = c.items[i]
        x.used = True
        c.say("adjusted", run[:1], word=word, low=x.low, high=x.high, unit=x.unit)


def _unknown(c: Clause) -> None:
    for i in c.of("UNKNOWN"):
        x = c.items[i]
        x.used = True
        places = c.places or [str(c.items[j].value) for j in c.of("R")] or ["scene"]
        for j in c.of("R"):
            c.items[j].used = True
        amounts = c.of("Q")
        for place in places:
            if x.value == "none":
                c.claims.append(Claim("unknown", region=place, high=0, unit="%"))
            elif x.value == "all":
                c.claims.append(Claim("unknown", region=place, low=100, unit="%"))
            elif amounts:
                q = c.items[amounts[0]]
                c.claims.append(Claim("unknown", region=place, low=q.low, high=q.high, unit="%"))
            else:
                c.claims.append(Claim("unknown", region=place, word="some", negated=is_negated(c, 0, len(c.items))))
        for j in amounts[:1] if x.value == "some" else amounts:
            c.items[j].used = True


def _thin(c: Clause) -> None:
    for i in c.of("APART"):
        c.items[i].used = True
        c.claims.append(Claim("became", word="none"))
    for i in c.of("THIN", "TINY"):
        c.items[i].used = True
        places = c.places or [str(c.items[j].value) for j in c.of("R")] or ["scene"]
        c.claims += [Claim("unknown", region=r, word=c.items[i].kind.lower()) for r in places]


def _sure(c: Clause) -> None:
    for i in c.of("SURE", "UNSURE"):
        x = c.items[i]
        x.used = True
        for j in c.of("Q")[:1]:
            q = c.items[j]
            q.used = True
            low, high = (q.low, q.high) if x.kind == "SURE" else (100 - q.high, 100 - q.low)
            run = c.of("C")
            if run:
                c.say("sure", run, low=low, high=high, unit="%")
            else:
                c.claims.append(Claim("sure", low=low, high=high, unit="%"))


def _counts(c: Clause) -> None:
    """`three patches of forest`, `two lakes`, `a single patch`, `five classes`."""
    for i in c.of("SINGLE"):
        c.items[i].used = True
        run = c.before(i) or c.after(i) or inherit(c)
        if run:
            c.say("count", run, low=1, high=1, unit="count")
    for i in c.of("N"):
        x = c.items[i]
        near = [
            j
            for j in range(i + 1, min(i + 5, len(c.items)))
            if c.items[j].kind in ("PATCH", "C", "CLASSES", "P", "Q", "N")
        ]
        between = c.items[i + 1 : near[0]] if near else []
        if not near or any(
            y.text not in _ADJECTIVES and y.kind not in ("W", "CMP", "LARGEST", "SHAPE") for y in between
        ):
            if x.text == "one":
                x.used = True  # a pronoun: "one can see"
            continue
        y = c.items[near[0]]
        if y.kind == "CLASSES" and any(z.kind in ("LARGEST", "DOM", "CMP") for z in between):
            x.used = True  # "the three largest classes"
            continue
        value = x.exact
        low, high = _modified(c, i, value)
        if y.kind == "CLASSES" or (y.kind == "soft" and y.text == "classes"):
            x.used = True
            c.claims.append(Claim("scene", low=low, high=high, unit="classes"))
        elif y.kind == "PATCH":
            run = c.after(near[0]) or c.before(i) or inherit(c)
            if run:
                x.used = True
                c.say("count", run[:1], low=low, high=high, unit="count")
        elif y.kind == "C" and (y.named.piece or y.text.endswith("s")):
            x.used = True
            c.say("count", near[:1], low=low, high=high, unit="count")


_ADJECTIVES = frozenset(
    [
        "separate",
        "distinct",
        "small",
        "large",
        "big",
        "tiny",
        "different",
        "single",
        "isolated",
        "disconnected",
        "more",
        "other",
        "such",
        "major",
        "minor",
        "individual",
        "larger",
        "smaller",
        "main",
        "of",
        "the",
        "these",
        "those",
    ]
)


def _modified(c: Clause, i: int, value: float) -> tuple[float, float]:
    mod = c.items[i - 1] if i and c.items[i - 1].kind == "MOD" else None
    if mod is None:
        return value, value
    mod.used = True
    if mod.value == "more":
        return (value, INF) if "least" in mod.text else (value + 1, INF)
    if mod.value == "less":
        return (0, value) if "most" in mod.text else (0, value - 1)
    return 0.88 * value, 1.12 * value


def _largest(c: Clause) -> None:
    """The largest patch: area, length, place, shape. Also places and shapes of a single patch."""
    for i in c.of("SHAPE"):
        run = [j for j in c.of("C") if j < i] or c.of("C") or inherit(c)
        if run:
            c.items[c.items.index(c.items[i])].used = True
            c.say(
                "shape",
                run[-1:],
                word=str(next(x.value for x in c.items if x.kind == "SHAPE")),
                negated=is_negated(c, 0, len(c.items)),
            )
            for x in c.items:
                x.used = x.used or x.kind == "SHAPE"
    for x in [x for x in c.items if x.kind == "CENTRED" and not x.used]:
        i = c.items.index(x)
        places = [j for j in c.of("R") if j > i]
        run = [j for j in range(i) if c.items[j].kind == "C"][-1:] or inherit(c)
        if places and run:
            spot = next(j for j in c.of("R") if j > c.items.index(x))
            c.say("patch", run, word=str(c.items[spot].value))
            c.items[spot].used = x.used = True
    for x in [x for x in c.items if x.kind == "LARGEST" and not x.used]:
        run = [j for j, y in enumerate(c.items) if y.kind == "C"]
        i = c.items.index(x)
        run = [j for j in run if j > i][:1] or [j for j in run if j < i][-1:] or inherit(c)
        if not run:
            continue
        x.used = c.largest = True
        i = c.items.index(x)
        amounts = [j for j in c.of("Q") if j > i and not (c.items[j].unit == "%" and c.items[j].fraction)]
        for j in amounts:
            q = c.items[j]
            if q.unit in ("ha", "pixel", "m"):
                q.used = True
                c.say("patch", run, low=q.low, high=q.high, unit=q.unit)
        spots = [j for j in c.of("R") if j > i]
        if spots and not c.has("CENTRED"):
            c.items[spots[0]].used = True
            c.say("patch", run, word=str(c.items[spots[0]].value))
        c.covered |= set(run)


_STEPS: tuple[Callable[[Clause], None], ...] = (
    _adjusted, _unknown, _thin, _sure, parse_change.change, compare, touch, relative, equal, _counts, _largest, ranks,
    amounts, where, mentions,
)  # fmt: skip
