"""Relations between classes: more and less, neighbours, directions, equal shares, ranks."""

from __future__ import annotations

from collections.abc import Sequence

from swath.language.claim import Claim
from swath.language.clause import INF, Clause, inherit, is_negated, regions
from swath.language.reader import Item

__all__ = ["compare", "equal", "ranks", "relative", "touch"]


def compare(c: Clause) -> None:
    """`more A than B`, `A exceeds B`, `twice as much A as B`."""
    for i, x in enumerate(c.items):  # "larger than": no largest patch is meant
        if x.kind == "LARGEST" and x.text in ("larger", "bigger") and any(y.kind == "THAN" for y in c.items[i:]):
            x.kind, x.value = "CMP", "more"
    for i, x in enumerate(c.items):
        if x.used:
            continue
        if x.kind == "TIMES" and x.value == 1.0 and i and c.items[i - 1].kind == "TIMES":
            x.used = True  # "twice as large": the number is told by its first word
            continue
        if x.kind == "MOD" and x.value in ("more", "less") and "than" in x.text:
            _pair(c, i, i, 1.0, INF, str(x.value), scene="points")
        elif x.kind == "CMP" and any(y.kind == "THAN" for y in c.items[i:]):
            than = next(j for j in range(i, len(c.items)) if c.items[j].kind == "THAN")
            _pair(c, i, than, 1.0, INF, str(x.value))
        elif x.kind == "EXCEEDS":
            ratio = next((y for y in c.items[i:] if y.kind in ("RATIO", "TIMES")), None)
            low, high = _ratio(ratio)
            by = next(
                (j for j in c.of("Q") if j > i and c.items[j - 1].text in ("by", "about") and not c.items[j].fraction),
                None,
            )
            said = len(c.claims)
            _pair(c, i, i, low, high, str(x.value))
            if by is not None and len(c.claims) > said and c.claims[-1].kind == "compare":
                q, last = c.items[by], c.claims[-1]
                q.used = True
                unit = "points" if q.unit == "%" else q.unit
                c.claims.append(
                    Claim("compare", last.classes, last.other, region=last.region, low=q.low, high=q.high, unit=unit)
                )
        elif x.kind == "TIMES" and c.has("THEN") and c.before(i) and not c.after(i):
            x.used = True
            low, high = _ratio(x)
            c.say("net", c.before(i), low=low, high=high, unit="times")
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


def touch(c: Clause) -> None:
    """Neighbours, and what is enclosed by what."""
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


def relative(c: Clause) -> None:
    """`A lies north of B`."""
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


def _most_common_in(c: Clause, i: int, run: Sequence[int]) -> str | None:
    """`trees are most common in the north`: where there is most of a class, not which class leads."""
    places = [j for j in c.of("R") if j > i]
    if run[-1] < i and places and c.items[i].text.startswith("most ") and c.items[i - 1].text not in ("the", "its"):
        c.items[places[0]].used = True
        return str(c.items[places[0]].value)
    return None


def equal(c: Clause) -> None:
    """`rangeland and water have nearly equal shares`."""
    for i in c.of("EQUAL"):
        run = [j for j in c.of("C") if j < i]
        if len(run) == 2:
            one, two = c.classes(run[:1])[0], c.classes(run[1:])[0]
            if one and two:
                c.items[i].used = True
                c.covered |= set(run)
                c.claims.append(Claim("compare", one, two, low=0.83, high=1.2, negated=is_negated(c, run[-1], i)))


_PASSIVE = ("dominated by", "characterised by", "characterized by", "marked by")


def ranks(c: Clause) -> None:
    """Which class leads, which comes second, which is the rarest; lists from most to least."""
    for x in [x for x in c.items if x.kind == "RANKLIST"]:
        x.used = True
        for n, i in enumerate(c.of("C")):
            c.say("dominant", [i], word=str(n + 1))
            c.items[i].used = True
        for i in c.of("Q"):
            c.items[i].used = True
    for x in [x for x in c.items if x.kind == "DOM" and not x.used]:
        i = c.items.index(x)
        passive = x.text in _PASSIVE
        run = c.after(i) if passive else c.before(i) or c.after(i)
        if x.text in ("main", "dominant", "principal", "prevailing", "main land cover", "leading") and not c.before(i):
            run = c.after(i)
        run = run or inherit(c)
        if not run:
            continue
        x.used = True
        i = c.items.index(x)
        if (spot := _most_common_in(c, i, run)) is not None:
            c.say("home", run, region=spot)
            continue
        negated = is_negated(c, run[-1] if run[-1] < i else i - 2, max(i, run[0]))
        end = next(
            (j for j in range(i + 1, len(c.items)) if c.items[j].kind == "DOM" and not c.items[j].used), len(c.items)
        )
        later = [j for j in c.of("R") if i < j < end] if not c.has("LIES", "TOUCH") else []
        earlier = [j for j in c.of("R") if j < i] if not c.has("LIES", "TOUCH") else []
        region = (
            [str(c.items[j].value) for j in later] or c.places or [str(c.items[j].value) for j in earlier] or ["scene"]
        )[0]
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
        for j in (*later, *earlier):
            c.items[j].used = True
        for y in [y for y in c.items if y.kind == "FOLLOWED"]:
            y.used = True
            for n, j in enumerate(c.after(c.items.index(y))):
                c.say("dominant", [j], word=str(word + 1 + n), region=region)
