"""From a sentence to claims: clauses, then relations, then quantities, places and mere mentions. One reader for all writers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from swath.language import parse_change
from swath.language.claim import Claim
from swath.language.clause import Clause, is_negated, regions
from swath.language.facts import SceneFacts
from swath.language.parse_terms import amounts, mentions, where
from swath.language.reader import Item, Vocabulary, read_items

__all__ = ["Read", "parse"]

INF = float("inf")
_STRONG = frozenset(
    [
        "share",
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


def _compare(c: Clause) -> None:
    for i, x in enumerate(c.items):  # "larger than": no largest patch is meant
        if x.kind == "LARGEST" and x.text in ("larger", "bigger") and any(y.kind == "THAN" for y in c.items[i:]):
            x.kind, x.value = "CMP", "more"
    for i, x in enumerate(c.items):
        if x.used:
            continue
        if x.kind == "MOD" and x.value in ("more", "less") and "than" in x.text:
            _pair(c, i, i, 1.0, INF, str(x.value), scene="points")
        elif x.kind == "CMP" and any(y.kind == "THAN" for y in c.items[i:]):
            than = next(j for j in range(i, len(c.items)) if c.items[j].kind == "THAN")
            _pair(c, i, than, 1.0, INF, str(x.value))
        elif x.kind == "EXCEEDS":
            ratio = next((y for y in c.items[i:] if y.kind in ("RATIO", "TIMES")), None)
            low, high = _ratio(ratio)
            _pair(c, i, i, low, high, str(x.value))
        elif x.kind == "TIMES":
            than = next((j for j in range(i, len(c.items)) if c.items[j].text in ("as", "than", "of", "that")
                         and any(y.kind == "C" for y in c.items[j:]) and (j > i + 1)), i)  # fmt: skip
            low, high = _ratio(x)
            _pair(c, i, than, low, high, "more")


def _ratio(x: Item | None) -> tuple[float, float]:
    if x is None:
        return 1.0, INF
    x.used = True
    value = float(str(x.value))
    return 0.88 * value, 1.12 * value


def _pair(c: Clause, i: int, than: int, low: float, high: float, way: str, scene: str = "") -> None:
    """Two runs of classes around a comparison: `more A than B` or `A ... more than B`."""
    after = [j for j in c.of("C") if j > than]
    between = [j for j in c.of("C") if i < j < than]
    ahead = [j for j in c.of("C") if j < i]
    left = between or (c.run(ahead[-1], -1) if ahead else [])
    if not left and c.subject is not None and after:
        c.items.insert(0, c.subject)
        return _pair(c, i + 1, than + 1, low, high, way, scene)
    if not (left and after):
        return None
    right = c.run(after[0], 1)
    one, two = (c.classes(left), c.classes(right))
    c.items[i].used = c.items[than].used = True
    c.covered |= {*left, *right}
    for words in (one[1], two[1]):
        if words:
            c.claims.append(Claim("present", absent=words))
    if not (one[0] and two[0]):
        return None
    if one[0] == two[0]:  # the lake here and the lake there
        c.items.append(Item("BLIND", _text(c, i), _text(c, i), 0))
        return None
    negated = is_negated(c, left[-1] if left[-1] < i else 0, than)
    region = regions(c, right[-1])[0]
    a, b = (one[0], two[0]) if way == "more" else (two[0], one[0])
    c.claims.append(Claim("compare", a, b, region=region, low=low, high=high, negated=negated))
    for j in (*left, *right):
        c.items[j].used = True
    for j in c.of("R"):
        c.items[j].used = True
    return None


def _text(c: Clause, i: int) -> str:
    """The word at a position."""
    return c.items[i].text


def _touch(c: Clause) -> None:
    for i in c.of("TOUCH", "AROUND"):
        x = c.items[i]
        left, right = c.before(i), c.after(i)
        if not right and len(left) > 1:
            left, right = left[:1], left[1:]
        if not right:
            continue
        if not left and c.subject is not None:
            c.items.insert(0, c.subject)
            left, right, i = [0], [j + 1 for j in right], i + 1
            c.covered = {j + 1 for j in c.covered}
        if not left:
            continue
        x.used = True
        negated = is_negated(c, left[0] - 2, max(right[0], i))
        for a in left:
            for b in right:
                one, two = c.classes([a]), c.classes([b])
                c.covered |= {a, b}
                for words in (one[1], two[1]):
                    if words:
                        c.claims.append(Claim("present", absent=words, negated=negated))
                if not (one[0] and two[0]):
                    continue
                if x.kind == "AROUND":
                    inner, outer = (one[0], two[0]) if x.value == "passive" else (two[0], one[0])
                    c.claims.append(Claim("around", inner, outer, negated=negated))
                else:
                    c.claims.append(Claim("touch", one[0], two[0], negated=negated))
        for b in right:
            c.items[b].used = True


def _relative(c: Clause) -> None:
    for i in c.of("REL"):
        left, right = c.before(i), c.after(i)
        if left and right:
            one, two = c.classes(left), c.classes(right)
            c.covered |= {*left, *right}
            if one[0] and two[0]:
                c.items[i].used = True
                c.claims.append(
                    Claim("relative", one[0], two[0], word=str(c.items[i].value), negated=is_negated(c, left[-1], i))
                )
                for j in right:
                    c.items[j].used = True


def _counts(c: Clause) -> None:
    """`three patches of forest`, `two lakes`, `a single patch`, `five classes`."""
    for i in c.of("SINGLE"):
        c.items[i].used = True
        run = c.before(i) or c.after(i) or _inherit(c)
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
        value = x.exact
        low, high = _modified(c, i, value)
        if y.kind == "CLASSES" or (y.kind == "soft" and y.text == "classes"):
            x.used = True
            c.claims.append(Claim("scene", low=low, high=high, unit="classes"))
        elif y.kind == "PATCH":
            run = c.after(near[0]) or c.before(i) or _inherit(c)
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


def _inherit(c: Clause) -> list[int]:
    """The sentence's subject so far, put in front of the clause."""
    if c.subject is None:
        return []
    if c.items and c.items[0] is not c.subject:
        c.items.insert(0, c.subject)
        c.covered = {j + 1 for j in c.covered}
    return [0]


def _largest(c: Clause) -> None:
    """The largest patch: area, length, place, shape. Also places and shapes of a single patch."""
    for i in c.of("SHAPE"):
        run = [j for j in c.of("C") if j < i] or c.of("C") or _inherit(c)
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
        run = [j for j in range(i) if c.items[j].kind == "C"][-1:] or _inherit(c)
        if places and run:
            spot = next(j for j in c.of("R") if j > c.items.index(x))
            c.say("patch", run, word=str(c.items[spot].value))
            c.items[spot].used = x.used = True
    for x in [x for x in c.items if x.kind == "LARGEST" and not x.used]:
        run = [j for j, y in enumerate(c.items) if y.kind == "C"]
        i = c.items.index(x)
        run = [j for j in run if j > i][:1] or [j for j in run if j < i][-1:] or _inherit(c)
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


def _ranks(c: Clause) -> None:
    for x in [x for x in c.items if x.kind == "RANKLIST"]:
        x.used = True
        for n, i in enumerate(c.of("C")):
            c.say("dominant", [i], word=str(n + 1))
            c.items[i].used = True
        for i in c.of("Q"):
            c.items[i].used = True
    for x in [x for x in c.items if x.kind == "DOM" and not x.used]:
        i = c.items.index(x)
        passive = x.text in ("dominated by",)
        run = c.after(i) if passive else c.before(i) or c.after(i)
        if x.text in ("main", "dominant", "principal", "prevailing", "main land cover", "leading") and not c.before(i):
            run = c.after(i)
        run = run or _inherit(c)
        if not run:
            continue
        x.used = True
        i = c.items.index(x)
        negated = is_negated(c, run[-1] if run[-1] < i else i - 2, max(i, run[0]))
        region = (c.places or [str(c.items[j].value) for j in c.of("R") if not c.has("LIES", "TOUCH")] or ["scene"])[0]
        word = int(str(x.value))
        together = len(run) > 1 and not negated and word == 1
        for n, j in enumerate(run if not together else [run[0]]):
            c.say(
                "dominant",
                run if together else [j],
                word=str(word + n if word > 0 else word),
                region=region,
                negated=negated,
            )
        for j in c.of("R"):
            c.items[j].used = not c.has("LIES") or c.items[j].used
        for y in [y for y in c.items if y.kind == "FOLLOWED"]:
            y.used = True
            for n, j in enumerate(c.after(c.items.index(y))):
                c.say("dominant", [j], word=str(word + 1 + n), region=region)


_STEPS: tuple[Callable[[Clause], None], ...] = (
    _adjusted, _unknown, _thin, _sure, parse_change.change, _compare, _touch, _relative, _counts, _largest, _ranks,
    amounts, where, mentions,
)  # fmt: skip
