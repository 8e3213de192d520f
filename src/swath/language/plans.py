"""Plans of a paragraph: what is told first, what follows, and in which of several wordings. One function a kind of sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from swath.language import numbers
from swath.language.claim import Claim
from swath.language.judging import SHAPES
from swath.language.north import HALVES, QUARTERS
from swath.language.phrases import Said, Speech, joined

__all__ = ["as_list", "paragraph"]

_MOST, _NEAR = Fraction(6, 10), Fraction(9, 10)
_MUCH = Fraction(4, 10)  # what leads with less does not dominate
_PARTS = {"about half": Fraction(1, 2), "about a third": Fraction(1, 3), "about a quarter": Fraction(1, 4),
          "about two thirds": Fraction(2, 3), "about three quarters": Fraction(3, 4)}  # fmt: skip


def paragraph(s: Speech, style: str) -> list[Said]:
    """The sentences of a style: plain, places or short. What is told is settled by the facts; the seed chooses words and order."""
    f = s.facts
    if not f.known():
        return [_nothing(s)]
    order = f.ranking() or f.ranking("scene", 1)
    if style == "short":
        return [*_opening(s, order), *_rest(s, order[1:4], order)][:2]
    head = [*_opening(s, order), *_rest(s, order[1:], order), *_traces(s)]
    size = _scene(s)
    said = [*size, *head] if s.chance(0.5) else [head[0], *size, *head[1:]]
    if f.share([order[0]]) == 1:  # nothing else to tell of one class
        return [*said, *_unknown(s), *_doubt(s), *_adjusted(s)]
    said += _quarters(s) if style == "places" else _where(s, order)
    if min(f.shape) >= 4:
        said += _patches(s, order) + _neighbours(s, order)
    said += _unknown(s) + _doubt(s) + _adjusted(s)
    return said + (_theme(s, order) if style == "places" else [])


def as_list(s: Speech) -> list[Said]:
    """One line a class, most first: name, share, area."""
    f = s.facts
    if not f.known():
        return [_nothing(s)]
    lines = []
    for k in f.ranking("scene", 1):
        share, one = s.share([k])
        area, two = s.area([k])
        lines.append(Said(f"{f.classes[k].noun}: {share}, {area}", (one, two), False))
    p = s.printed_share(f.unknown_share())
    lines.append(Said(f"no class: {p.text}", (Claim("unknown", low=p.low, high=p.high, unit="%"),), False))
    return lines


def _nothing(s: Speech) -> Said:
    text = s.pick("nothing is mapped here: no pixel of the scene has a class", "the map is empty: no pixel has a class")
    return Said(text, (Claim("unknown", low=100, unit="%"),))


def _scene(s: Speech) -> list[Said]:
    """How large the scene is; nothing without a CRS."""
    f = s.facts
    if f.unit != "ha":
        return []
    area = s.printed_area(f.scene_ground)
    claim = Claim("scene", low=area.low, high=area.high, unit=area.unit)
    word = s.pick("the scene covers", "this map shows", "the scene measures", "the scene extends over")
    if f.north.kind == "north" and f.north.aligned:
        wide, high = f.size_m if f.north.along()[0] == "column" else f.size_m[::-1]
        one, two = numbers.length(wide), numbers.length(high)
        claims = (claim, *(Claim("scene", low=p.low, high=p.high, unit="m") for p in (one, two)))
        return [Said(f"{word} {area.text}, {one.text} from west to east and {two.text} from north to south", claims)]
    return [Said(f"{word} {area.text}", (claim,))]


def _opening(s: Speech, order: Sequence[int]) -> list[Said]:
    f, k = s.facts, order[0]
    share = f.share([k])
    noun = s.noun(k)
    if share == 1:
        text = s.pick(
            f"the whole scene is {noun[0]}",
            f"{s.verb(noun, 'covers', 'cover')} the whole scene",
            f"nothing but {noun[0]} is mapped here",
        )
        return [Said(text, (Claim("share", (k,), low=99.5, unit="%"),))]
    shown, one = s.share([k])
    area, two = s.area([k])
    covers, takes = s.verb(noun, "covers", "cover"), s.verb(noun, "takes", "take")
    for words, part in _PARTS.items():
        low, high = numbers.bounds(100 * float(part), 0.1 * 100 * float(part), "about")
        if abs(share - part) <= Fraction(3, 100):
            rough = Claim("share", (k,), low=low, high=high, unit="%")
            text = s.pick(
                f"{words} of {s.whole()} is {noun[0]}: {shown}, or {area}",
                f"{covers} {words} of {s.whole()}: {shown}, or {area}",
                f"{takes} up {words} of {s.whole()} ({shown}, or {area})",
            )
            return [Said(text, (rough, one, two))]
    if sum(f.share([j]) == share for j in order) > 1:
        text = s.pick(
            f"{covers} {shown} of {s.whole()}, or {area}",
            f"{takes} up {shown} of {s.whole()} ({area})",
        )
        return [Said(text, (one, two))]
    main = Claim("dominant", (k,), word="1")
    text = s.pick(
        f"{s.verb(noun, 'is', 'are')} the most extensive cover, with {shown} of {s.whole()} ({area})",
        f"at {shown} of {s.whole()} or {area}, {s.verb(noun, 'is', 'are')} the main land cover"
        if s.facts.unknown()
        else f"at {shown} or {area}, {s.verb(noun, 'is', 'are')} the main land cover here",
        f"{s.verb(noun, 'leads', 'lead')} with {shown} of {s.whole()}, or {area}",
        f"the most common cover is {noun[0]}, with {shown} of {s.whole()} ({area})",
        f"{s.verb(noun, 'dominates', 'dominate')} {s.whole()} with {shown} ({area})"
        if share >= _MUCH
        else f"{s.verb(noun, 'comes', 'come')} first with {shown} of {s.whole()} ({area})",
    )
    return [Said(text, (main, one, two))]


def _rest(s: Speech, others: Sequence[int], order: Sequence[int]) -> list[Said]:
    """The classes after the first: the next two or three with area, the others by share."""
    if not others:
        return []
    f, said = s.facts, []
    first, more = others[:2], others[2:]
    parts, claims = [], []
    for i, k in enumerate(first):
        shown, one = s.share([k])
        area, two = s.area([k])
        noun = s.noun(k)
        lead = s.pick(
            f"{s.verb(noun, 'follows', 'follow')} with",
            f"next {'come' if noun[1] else 'comes'} {noun[0]} with",
            f"{s.verb(noun, 'comes', 'come')} next with",
        )
        parts.append(f"{lead if i == 0 else noun[0] + ' with'} {shown} ({area})")
        claims += [one, two]
    said.append(Said(", then ".join(parts), tuple(claims)))
    while more:
        group, more = more[:4], more[4:]
        listed, claims = [], []
        for k in group:
            shown, one = s.share([k])
            listed.append(f"{s.n(k)} ({shown})")
            claims.append(one)
        last = not more and not f.traces() and len(order) == len(f.ranking("scene", 1))
        plural = len(group) > 1 or s.nouns[group[0]][0][1]
        ends = (
            (" make up the rest" if plural else " makes up the rest")
            if last
            else (" occur as well" if plural else " occurs as well")
        )
        said.append(Said(joined(listed) + ends, tuple(claims)))
    return said


def _traces(s: Speech) -> list[Said]:
    few = s.facts.traces()
    if not few:
        return []
    most = max(100 * float(s.facts.share([k])) for k in few)
    limit = next((v for v in ("0.1", "1", "5") if most < float(v)), "")
    plural = len(few) > 1 or s.nouns[few[0]][0][1]
    names = joined([s.n(k) for k in few])
    if not limit:
        return [Said(f"{names} {'occur' if plural else 'occurs'} too", tuple(Claim("present", (k,)) for k in few))]
    claims = tuple(Claim("share", (k,), high=float(limit), unit="%") for k in few)
    each = "each on less" if len(few) > 1 else "on less"
    return [Said(f"{names} {'occur' if plural else 'occurs'} too, {each} than {limit}% of {s.whole()}", claims)]


def _where(s: Speech, order: Sequence[int]) -> list[Said]:
    """Where classes lie that are concentrated in a quarter or a half."""
    f, said = s.facts, []
    if min(f.shape) < 2:
        return []
    found = {k: home for k in order[:4] if (home := _concentrated(s, k)) is not None}
    done: set[int] = set()
    for k, (region, inside) in found.items():
        if k in done:
            continue
        noun, place = s.noun(k), s.place(region)
        lies, it = ("lie", "them") if noun[1] else ("lies", "it")
        if inside == 1:
            fellow = next((j for j, other in found.items() if j not in (k, *done) and other == (region, inside)), None)
            whole = Claim("where", (k,), region=region, low=99.5, unit="%")
            if fellow is not None:
                done.add(fellow)
                also = Claim("where", (fellow,), region=region, low=99.5, unit="%")
                said.append(Said(f"both the {noun[0]} and the {s.n(fellow)} lie entirely in {place}", (whole, also)))
                continue
            text = s.fresh(
                "all", f"all of the {noun[0]} {lies} in {place}", f"the {noun[0]} {lies} entirely in {place}"
            )
            said.append(Said(text, (whole,)))
            continue
        p = s.printed_share(inside)
        claim = Claim("where", (k,), region=region, low=50, unit="%")
        exact = Claim("where", (k,), region=region, low=p.low, high=p.high, unit="%")
        text = s.fresh(
            "where",
            f"most of the {noun[0]} {lies} in {place}, {p.text} of {it}",
            f"the {s.verb(noun, 'is', 'are')} found mainly in {place} ({p.text} of {it})",
            f"the {noun[0]} {lies} mostly in {place}, {p.text} of {it}",
            f"the {s.verb(noun, 'is', 'are')} concentrated in {place}, with {p.text} of {it}",
        )
        said.append(Said(text, (claim, exact)))
    return said


def _concentrated(s: Speech, k: int) -> tuple[str, Fraction] | None:
    f = s.facts
    for regions, least in ((QUARTERS, _MOST), (("middle",), Fraction(3, 4)), (HALVES, Fraction(7, 10))):
        best = max(regions, key=lambda r: f.within([k], r))
        inside = f.within([k], best)
        if inside >= least and f.share([k]) < _NEAR:
            return best, inside
    return None


def _quarters(s: Speech) -> list[Said]:
    """A sentence for every quarter and the middle, in reading order."""
    f = s.facts
    if min(f.shape) < 4:
        return []
    said = []
    for region in (*QUARTERS, "middle"):
        place = s.place(region)
        order = f.ranking(region, 1)
        if not order:
            text = s.pick(f"nothing is mapped in {place}", f"{place} has no class anywhere")
            said.append(Said(text, (Claim("unknown", region=region, low=100, unit="%"),)))
            continue
        k = order[0]
        noun = s.noun(k)
        shown, one = s.share([k], region)
        share = f.share([k], region)
        if share == 1:
            whole = Claim("share", (k,), region=region, low=99.5, unit="%")
            said.append(
                Said(s.pick(f"{place} is entirely {noun[0]}", f"in {place} there is nothing but {noun[0]}"), (whole,))
            )
            continue
        if share >= _NEAR:
            near = Claim("share", (k,), region=region, low=90, unit="%")
            said.append(Said(f"{place} is almost entirely {noun[0]} ({shown})", (near, one)))
            continue
        second = order[1]
        other = s.noun(second)
        more, two = s.share([second], region)
        lead = Claim("dominant", (k,), region=region, word="1")
        pairs = [
            f"{place} is {shown} {noun[0]} and {more} {other[0]}",
            f"in {place}, {s.verb(noun, 'covers', 'cover')} {shown} and {other[0]} {more}",
            f"{place} holds {shown} {noun[0]} and {more} {other[0]}",
        ]
        if share == f.share([second], region):
            said.append(Said(s.pick(*pairs), (one, two)))
            continue
        text = s.fresh(
            "quarter",
            f"in {place}, {s.verb(noun, 'leads', 'lead')} with {shown}, ahead of {other[0]} with {more}",
            f"in {place}, {s.verb(noun, 'comes', 'come')} first with {shown}, then {other[0]} with {more}",
            f"in {place}, {s.verb(noun, 'dominates', 'dominate')} with {shown}; {s.verb(other, 'covers', 'cover')} {more}"
            if share >= _MUCH
            else f"in {place}, {s.verb(noun, 'is', 'are')} first with {shown}; {s.verb(other, 'covers', 'cover')} {more}",
            f"in {place} the most common cover is {noun[0]} ({shown}), then {other[0]} ({more})",
        )
        said.append(Said(text, (lead, one, two)))
    return said


def _patches(s: Speech, order: Sequence[int]) -> list[Said]:
    """How many pieces, how large the largest, where its centre is, what shape."""
    f, said = s.facts, []
    picked = [k for k in order if f.share([k]) < _NEAR and f.counts.patches[k].count]
    for k in dict.fromkeys((picked[-1], picked[len(picked) // 2])) if picked else ():
        patches = f.counts.patches[k]
        best, noun = patches.largest[0], s.noun(k)
        area = s.printed_area(f.patch_ground(best))
        large = Claim("patch", (k,), low=area.low, high=area.high, unit=area.unit)
        spot = f.north.place(best.row, best.column)
        at = Claim("patch", (k,), word=spot)
        shape, shaped = _shape(s, k)
        if patches.count == 1:
            text = f"the {s.verb(noun, 'forms', 'form')} a single patch, centred in {s.spot(spot)}{shape}"
            said.append(Said(text, (Claim("count", (k,), low=1, high=1, unit="count"), at, *shaped)))
        elif patches.count == patches.at_least(f.floor) and patches.count <= 40:
            many = numbers.number_word(patches.count)
            n = Claim("count", (k,), low=patches.count, high=patches.count, unit="count")
            which = "larger" if patches.count == 2 else "largest"
            if patches.largest[1].pixels == best.pixels:
                said.append(Said(f"the {s.verb(noun, 'lies', 'lie')} in {many} separate patches", (n,)))
                continue
            options = [
                (
                    f"the {s.verb(noun, 'lies', 'lie')} in {many} separate patches; the {which} covers {area.text}{shape}",
                    (n, large, *shaped),
                ),
                (
                    f"there are {many} patches of {noun[0]}, the {which} of them covering {area.text}{shape}",
                    (n, large, *shaped),
                ),
            ]
            said.append(Said(*s.fresh("patches", *options)))
        else:
            options = [
                (
                    f"the largest patch of {noun[0]} covers {area.text} and is centred in {s.spot(spot)}{shape}",
                    (large, at, *shaped),
                ),
                (
                    f"the largest patch of {noun[0]}, centred in {s.spot(spot)}, covers {area.text}{shape}",
                    (at, large, *shaped),
                ),
            ]
            said.append(Said(*s.fresh("patches", *options)))
    return said


def _shape(s: Speech, k: int) -> tuple[str, tuple[Claim, ...]]:
    """A clause for a largest patch that is clearly longer than wide, measured in metres; else nothing."""
    f = s.facts
    patch = f.counts.patches[k].largest[0]
    if f.unit != "ha" or patch.pixels < 20 or patch.ratio < SHAPES["elongated"][0] * 1.02:
        return "", ()
    long, wide = numbers.length(patch.length, about=True), numbers.length(patch.width, about=True)
    claims = (
        Claim("shape", (k,), word="elongated"),
        *(Claim("patch", (k,), low=p.low, high=p.high, unit="m") for p in (long, wide)),
    )
    return f"; it is long and narrow, about {long.text} by about {wide.text}", claims


def _neighbours(s: Speech, order: Sequence[int]) -> list[Said]:
    """Which classes share a border, which is enclosed, which pair of large ones does not meet."""
    f, said = s.facts, []
    listed = list(order[:6])
    if len(listed) < 2:
        return []
    small = [k for k in listed[1:] if f.touch([k], [j for j in listed if j != k])]
    for k in small[-1:]:
        near = sorted((j for j in listed if j != k and f.touch([k], [j])), key=lambda j: -f.border([k], [j]))[:3]
        noun = s.noun(k)
        verb = s.pick(("borders", "border"), ("touches", "touch"), ("adjoins", "adjoin"), ("is next to", "are next to"))
        around = next((j for j in near if f.enclosed([k], [j]) >= 0.5), None)
        if around is None or len(near) < 2:
            text = f"{s.verb(noun, *verb)} {joined([s.n(j) for j in near])}"
            said.append(Said(text, tuple(Claim("touch", (k,), (j,)) for j in near)))
            continue
        rest = [j for j in near if j != around]
        also = s.pick("touches", "adjoins") if not noun[1] else s.pick("touch", "adjoin")
        text = f"{s.verb(noun, 'borders', 'border')} mainly on {s.n(around)} and also {also} {joined([s.n(j) for j in rest])}"
        claims = (Claim("around", (k,), (around,)), *(Claim("touch", (k,), (j,)) for j in rest))
        said.append(Said(text, claims))
    apart = [(a, b) for i, a in enumerate(listed[:4]) for b in listed[i + 1 : 4] if not f.touch([a], [b])]
    for a, b in apart[:1]:
        noun = s.noun(a)
        text = s.pick(
            f"{s.verb(noun, 'does', 'do')} not touch {s.n(b)}",
            f"{noun[0]} and {s.n(b)} do not touch",
            f"nowhere {'do' if noun[1] else 'does'} {noun[0]} border {s.n(b)}",
        )
        said.append(Said(text, (Claim("touch", (a,), (b,), negated=True),)))
    return said


def _unknown(s: Speech) -> list[Said]:
    p = s.printed_share(s.facts.unknown_share())
    if s.facts.unknown() == 0:
        return [
            Said(
                s.pick("every pixel has a class", "no pixel is without a class"), (Claim("unknown", high=0, unit="%"),)
            )
        ]
    text = s.pick(
        f"{p.text} of the scene has no class",
        f"no class is known for {p.text} of the scene",
        f"{p.text} of the scene is unmapped",
    )
    return [Said(text, (Claim("unknown", low=p.low, high=p.high, unit="%"),))]


def _doubt(s: Speech) -> list[Said]:
    f = s.facts
    sure = f.sure()
    if sure is None:
        return []
    p = s.printed_share(sure)
    claim = Claim("sure", low=p.low, high=p.high, unit="%")
    said = [
        Said(
            s.pick(f"the map is sure of {p.text} of what it shows", f"of what it shows, the map is sure of {p.text}"),
            (claim,),
        )
    ]
    order = [k for k in f.ranking() if f.sure("scene", [k]) is not None]
    if len(order) > 1 and sure:
        least = min(order, key=lambda k: f.sure("scene", [k]) or Fraction(0))
        q = s.printed_share(f.sure("scene", [least]) or Fraction(0))
        said.append(
            Said(
                f"of the {s.n(least)} it is sure of {q.text}",
                (Claim("sure", (least,), low=q.low, high=q.high, unit="%"),),
            )
        )
    return said


def _adjusted(s: Speech) -> list[Said]:
    """Areas adjusted for the map's errors, where an assessment gives them with an interval."""
    said = []
    for k, c in enumerate(s.facts.classes):
        record = s.facts.areas.get(c.name)
        if not record or record.get("low") is None or record.get("unit") != "ha" or not math.isfinite(record["value"]):
            continue
        value, low, high = (s.printed_area(float(record[n])) for n in ("value", "low", "high"))
        text = f"adjusted for the map's own errors, {s.verb(s.noun(k), 'covers', 'cover')} {value.text}, between {low.text} and {high.text}"
        claims = tuple(
            Claim("adjusted", (k,), word=w, low=p.low, high=p.high, unit=p.unit)
            for w, p in (("value", value), ("low", low), ("high", high))
        )
        said.append(Said(text, claims))
    return said


def _theme(s: Speech, order: Sequence[int]) -> list[Said]:
    f, k = s.facts, order[0]
    share = f.share([k])
    if sum(f.share([j]) == share for j in order) > 1:
        return []
    noun = s.noun(k)
    lead = Claim("dominant", (k,), word="1")
    if len(order) > 1 and (len(order) == 2 or f.share([order[1]]) > f.share([order[2]])):
        second = Claim("dominant", (order[1],), word="2")
        text = s.pick(
            f"on the whole, {s.verb(noun, 'leads', 'lead')}, followed by {s.n(order[1])}",
            f"all in all, {s.verb(noun, 'dominates', 'dominate')} the scene, followed by {s.n(order[1])}"
            if share >= _MUCH
            else f"all in all, {s.verb(noun, 'comes', 'come')} first, followed by {s.n(order[1])}",
            f"overall, {s.verb(noun, 'is', 'are')} the main land cover, followed by {s.n(order[1])}",
        )
        return [Said(text, (lead, second))]
    text = s.pick(
        f"overall, {s.verb(noun, 'is', 'are')} the main land cover",
        f"all in all, {s.verb(noun, 'dominates', 'dominate')} the scene",
    )
    return [Said(text, (lead,))]
