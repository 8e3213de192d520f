"""Quantities, size words, places and mere mentions: what is left of a clause after its relations were read."""

from __future__ import annotations

from collections.abc import Sequence

from swath.language.claim import Claim
from swath.language.clause import Clause, is_negated, regions
from swath.language.reader import Item

__all__ = ["amounts", "mentions", "where"]


def amounts(c: Clause) -> None:
    """Quantities and size words with the classes they belong to."""
    targets = _targets(c)
    several = [i for i in targets if len(targets[i]) > 1]
    for i, run in targets.items():
        q = c.items[i]
        q.used = True
        if _of_nothing_known(c, i):
            continue
        if not run:
            _of_scene(c, q)
            continue
        if q.kind == "L":
            for region in _between(c, i, run) or regions(c, max(i, run[-1])):
                c.say("level", run[-1:], word=str(q.value), region=region)
            continue
        if _portion(c, i, run):
            continue
        groups = [[j] for j in run] if c.has("EACH") and i in several else [run]
        for group in groups:
            _amount(c, q, group, max(i, run[-1]))


_MAINLY = ("mainly", "primarily", "predominantly", "chiefly", "largely", "principally", "the lion share")
_SIZES = frozenset(
    [
        "long",
        "wide",
        "across",
        "broad",
        "length",
        "width",
        "by",
        "breadth",
        "measuring",
        "large",
        "size",
        "in",
        "between",
    ]
)


def _of_nothing_known(c: Clause, i: int) -> bool:
    """`mostly oak`, `12 m deep`: a quantity of something that no map of classes tells."""
    q = c.items[i]
    after = c.items[i + 1 : i + 4]
    adverb = q.fraction and q.text.endswith("ly") and bool(after) and after[0].kind == "W"
    length = q.unit == "m" and not c.has("SHAPE", "ORIENT", "LARGEST") and not any(x.text in _SIZES for x in c.items)
    if adverb or length:
        c.items.append(Item("BLIND", q.text, q.text, q.at))
    return adverb or length


def _of_scene(c: Clause, q: Item) -> None:
    """A quantity without a class: of the scene itself."""
    if q.unit == "m":
        pixel = c.has("U") and any(x.text in ("pixel", "pixels") for x in c.items)
        c.claims.append(Claim("scene", low=q.low, high=q.high, unit="pixel m" if pixel else "m"))
    elif q.unit in ("ha", "pixel") and (c.has("SCENE") or not c.has("W")):
        c.claims.append(Claim("scene", low=q.low, high=q.high, unit=q.unit))
    else:
        c.items.append(Item("BLIND", q.text, q.text, q.at))


def _between(c: Clause, i: int, run: Sequence[int]) -> list[str]:
    """Places between a quantity and the class that follows it: `47 % of the north-west is forest`."""
    return [str(c.items[j].value) for j in range(i, run[0]) if c.items[j].kind == "R"] if run[0] > i else []


def _amount(c: Clause, q: Item, run: Sequence[int], at: int) -> None:
    no = is_negated(c, c.items.index(q) - 1, c.items.index(q))
    piece = all(c.items[j].named.piece for j in run) and q.unit in ("ha", "pixel") and not c.places
    for region in _between(c, c.items.index(q), run) or regions(c, at):
        if q.unit == "%":
            word = "mainly" if q.text in _MAINLY else ""
            c.say("share", run, low=q.low, high=q.high, unit="%", region=region, word=word, negated=no)
        elif q.unit in ("ha", "pixel"):
            c.say(
                "piece" if piece else "area",
                run,
                low=q.low,
                high=q.high,
                unit=q.unit,
                region="scene" if piece else region,
            )
        elif q.unit == "m":
            c.say("patch", run, low=q.low, high=q.high, unit="m")
        if piece:
            break


def _targets(c: Clause) -> dict[int, list[int]]:
    """{position of a quantity: positions of its classes}."""
    events = c.of("C", "Q", "L")
    amounts = [i for i in events if c.items[i].kind != "C"]
    made: dict[int, list[int]] = {}
    taken: set[int] = set()
    zipped = _zipped(c, events)
    for n, i in enumerate(amounts):
        if i in zipped:
            made[i] = zipped[i]
            taken |= set(zipped[i])
            continue
        previous = amounts[n - 1] if n else None
        if previous is not None and previous in made and made[previous] and _adjacent(c, previous, i):
            made[i] = made[previous]
            continue
        ahead = [
            j
            for j in events
            if j < i and c.items[j].kind == "C" and j not in taken and (previous is None or j > previous)
        ]
        following = [j for j in events if j > i]
        nxt = next((j for j in following if c.items[j].kind == "C"), None)
        direct = nxt is not None and all(
            c.items[k].kind != "C" and (c.items[k].kind not in ("Q", "L") or _adjacent(c, i, k))
            for k in range(i + 1, nxt)
        )
        if ahead and not (direct and nxt is not None and _bound_forward(c, i, nxt)):
            made[i] = c.run(ahead[-1], -1)
            made[i] = [j for j in made[i] if j not in taken]
        elif direct and nxt is not None:
            made[i] = c.run(nxt, 1) if not _more_amounts(c, nxt, i) else [nxt]
        else:
            back = [j for j in range(i) if c.items[j].kind == "C"]
            made[i] = (
                [back[-1]]
                if back
                else (_inherited(c) if (c.subject is not None and not c.has("SCENE")) or c.has("IT") else [])
            )
        taken |= set(made[i])
    return made


def _inherited(c: Clause) -> list[int]:
    """The subject as a last item, so that positions stay."""
    if c.subject is None:
        return []
    c.items.append(c.subject)
    return [len(c.items) - 1]


def _bound_forward(c: Clause, i: int, nxt: int) -> bool:
    """`47 % forest`, `68 ha of forest`, `a large part of forest`: a quantity right before its class."""
    between = [x for x in c.items[i + 1 : nxt]]
    return all(
        x.text in ("of", "the", "its", "is", "are", "all", ":") or x.kind in ("SCENE", "R", "COVER") or x.used
        for x in between
    ) and (not between or between[0].text in ("of", "is", "are", ":") or len(between) == 0)


def _more_amounts(c: Clause, nxt: int, i: int) -> bool:
    """Whether another quantity stands within the run of classes that follows."""
    run = c.run(nxt, 1)
    return any(c.items[k].kind in ("Q", "L") for k in range(nxt, run[-1]))


def _adjacent(c: Clause, one: int, other: int) -> bool:
    """Two quantities of different units with nothing but separators between: `47 % (68 ha)`."""
    if c.items[one].unit == c.items[other].unit and c.items[one].fraction == c.items[other].fraction:
        return False
    between = c.items[one + 1 : other]
    return all(x.kind in ("P", "MOD", "SCENE") or x.text in _SEPARATORS for x in between)


_SEPARATORS = ("or", "in", "all", "in all", "of", "it", "that", "is", "the", "scene", "a", "total")


def _zipped(c: Clause, events: list[int]) -> dict[int, list[int]]:
    """`forest and crops cover 47 % and 33 %`: as many quantities in a row as classes before them."""
    made: dict[int, list[int]] = {}
    n = 0
    while n < len(events):
        run = []
        while n < len(events) and c.items[events[n]].kind == "C":
            run.append(events[n])
            n += 1
        amounts = []
        while n < len(events) and c.items[events[n]].kind == "Q":
            amounts.append(events[n])
            n += 1
        if n < len(events) and c.items[events[n]].kind == "L":
            n += 1
            continue
        same = len({c.items[i].unit for i in amounts}) == 1
        if len(run) > 1 and len(run) == len(amounts) and same and c.run(run[-1], -1) == run:
            made |= {i: [j] for i, j in zip(amounts, run, strict=True)}
        if not run and not amounts:
            break
    return made


def _portion(c: Clause, i: int, run: Sequence[int]) -> bool:
    """`most of the forest lies in the west`, `lies mostly in the west, 74 % of it`: a share of the class, not of the place."""
    q = c.items[i]
    if q.unit != "%":
        return False
    places = [j for j in c.of("R")]
    if not places:
        return False
    after = c.items[i + 1 : i + 4]
    words = [x.text for x in after]
    of_it = words[:1] == ["of"] and len(words) > 1 and after[1].kind == "IT"
    of_class = (run[0] > i and all(x.text in ("of", "the", "all", "its") for x in c.items[i + 1 : run[0]]) and "of" in words[:2]) or (
        q.text in ("all", "all of") and run[0] > i and c.has("LIES"))  # fmt: skip
    lies = next((j for j, x in enumerate(c.items) if x.kind == "LIES" or x.text in ("is", "are", "in")), None)
    verb = any(x.kind == "LIES" for x in c.items[: places[0]])
    adverb = (
        verb and run[-1] < i and q.fraction and places[0] > i and not any(x.kind in ("COVER",) for x in c.items[:i])
    )
    plain = (
        q.text in ("all", "entirely", "wholly", "exclusively", "mostly", "mainly")
        and run[-1] < i
        and words[:1] in (["in"], ["within"])
    )
    plain = plain and after[1].text == "the" and not c.has("COVER")
    adverb = adverb or plain
    if not (of_it or of_class or adverb) or lies is None:
        return False
    if any(x.kind == "COVER" for x in c.items[: places[0]]) and not verb:
        return False
    spots = places if of_it else [j for j in places if j > i]
    if not spots:
        return False
    each = c.has("EACH") or any(x.text == "both" for x in c.items)
    for j in spots:
        for group in [[k] for k in run] if each else [run]:
            c.say("where", group, low=q.low, high=q.high, unit="%", region=str(c.items[j].value))
    q.used = True
    c.portion = spots  # type: ignore[attr-defined]
    return True


_FILLING = ("occupies", "occupy", "occupying", "fills", "fill", "covers", "cover", "takes", "take")


def where(c: Clause) -> None:
    """`the town lies in the north-east`: more than half of it, when nothing else was said of the place."""
    firm = [x for x in c.items if x.kind == "LIES" and x.value == "firm"]
    places = c.of("R")
    if places and not firm and not c.has("Q", "L"):  # "the town occupies the north-east"
        verbs = [x for x in c.items[: places[0]] if x.kind == "COVER" and x.text.split()[0] in _FILLING and not x.used]
        firm = [x for x in verbs if all(y.kind == "soft" for y in c.items[c.items.index(x) + 1 : places[0]])]
    if not places or not firm:
        return
    verb = c.items.index(firm[0])
    run = c.before(verb) or ([] if c.subject is None or c.of("C") else _inherited(c))
    run = [
        j
        for j in run
        if firm[0].text.startswith("concentrate")
        or not any(k.kind == "where" and set(c.classes([j])[0]) <= set(k.classes) for k in c.claims)
    ]
    if not run:
        return
    indefinite = (run[0] and c.items[run[0] - 1].text in ("a", "an", "some")) or any(
        x.text in ("a", "an", "some") for x in c.items[max(0, run[0] - 3) : run[0]]
    )
    none = run[0] and any(x.kind == "NEG" for x in c.items[max(0, run[0] - 2) : run[0]])
    for j in places:
        region = str(c.items[j].value)
        if none:  # no house stands in the west
            c.say("present", run, region=region, negated=True)
            is_negated(c, run[0] - 2, run[0])
        elif indefinite:
            c.say("present", run, region=region, negated=is_negated(c, run[0], verb + 1))
        else:
            c.say("where", run, low=50, unit="%", region=region, negated=is_negated(c, run[-1], j))
        c.items[j].used = True
    firm[0].used = True


def mentions(c: Clause) -> None:
    """What is left: a class that is there, or is not."""
    negations = [i for i, x in enumerate(c.items) if x.kind == "NEG" and not x.used]
    left = [i for i in c.of("C") if i not in c.covered]
    for i in left:
        before = [n for n in negations if n < i]
        after = [n for n in negations if n > i and not any(j > n for j in left)]
        negated = bool(before or after)
        for region in regions(c, i):
            c.say("present", [i], region=region, negated=negated)
    for n in negations:
        c.items[n].used = True
