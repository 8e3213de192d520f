"""Statements about change: what became what, what grew and shrank, what stayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swath.language.claim import Claim

__all__ = ["change"]

INF = float("inf")


def change(c: Any) -> None:
    """Read a clause that speaks of change; everything in it is used up."""
    _up_from(c)
    kinds = ("BECAME", "FROM", "REPLACED", "LOST", "GAINED", "GONE", "NEW", "FACTOR", "STABLE", "CHANGED")
    if not c.has(*kinds):
        return
    verb = next(i for i, x in enumerate(c.items) if x.kind in kinds)
    kind = c.items[verb].kind
    if kind in ("LOST", "GAINED", "CHANGED") and c.has("BECAME", "REPLACED"):
        verb = next(i for i, x in enumerate(c.items) if x.kind in ("BECAME", "REPLACED"))
        kind = c.items[verb].kind
    before = [i for i in c.of("C") if i < verb]
    after = [i for i in c.of("C") if i > verb]
    if kind in ("BECAME", "FROM", "REPLACED"):
        _became(c, verb, kind, before, after)
    elif kind == "STABLE":
        _stable(c, before or after)
    elif kind == "CHANGED":
        _changed(c, verb, before or after)
    else:
        _net(c, verb, kind, before, after)
    for i in (*before, *after):
        c.covered.add(i)
    if c.claims:
        for x in c.items:
            x.used = x.used or x.kind in ("Q", "C", "R", "N", "LIES", "COVER", *kinds, "MOD", "NEG", "DOM", "CMP")


def _up_from(c: Any) -> None:
    """`5.6 % of the scene, up from 2.8 %`: the second number is of the earlier map."""
    for i in c.of("UPFROM"):
        later = [j for j in c.of("Q") if j > i]
        run = [j for j in c.of("C") if j < i][-1:]
        if later and run and c.items[run[0]].named.now:
            q, now = c.items[later[0]], c.items[run[0]].named.now
            q.used = c.items[i].used = True
            c.claims.append(Claim("before", now, low=q.low, high=q.high, unit=q.unit))
            c.claims.append(Claim("net", now, word=str(c.items[i].value)))


def _then(c: Any, run: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({k for i in run for k in c.items[i].named.then}))


def _became(c: Any, verb: int, kind: str, before: list[int], after: list[int]) -> None:
    if kind == "FROM" or (kind == "BECAME" and not before and len(after) > 1):
        old, new = after[:1], after[1:]
    elif kind == "REPLACED":
        new, old = c.run(before[-1], -1) if before else [], c.run(after[0], 1) if after else []
    else:
        old, new = c.run(before[-1], -1) if before else [], c.run(after[0], 1) if after else []
    if not old and c.subject is not None:
        c.items.append(c.subject)
        old = [len(c.items) - 1]
    if not (old or new):
        return
    was, now = _then(c, old), c.classes(new)[0]
    missing = tuple(
        c.items[i].named.absent or c.items[i].text
        for i in old
        if not c.items[i].named.then and not c.items[i].named.now
    )
    missing += c.classes(new)[1]
    if missing:
        c.claims.append(Claim("present", absent=missing))
        return
    if (old and not was and c.facts.changes) or (not now and new):
        return
    negated = any(x.kind == "NEG" for x in c.items)
    amounts = [c.items[i] for i in c.of("Q")]
    exact = [q for q in amounts if not (q.fraction and q.low == 50 and q.high == INF)]
    for q in exact:
        if q.unit in ("%", "ha", "pixel"):
            c.claims.append(Claim("became", was, now, low=q.low, high=q.high, unit=q.unit, negated=negated))
    if not exact:
        c.claims.append(Claim("became", was, now, negated=negated))
    most = any(q.fraction and q.low == 50 and q.high == INF for q in amounts)
    for i in c.of("R"):
        c.claims.append(Claim("became", was, now, region=str(c.items[i].value), word="where" if most else ""))


def _stable(c: Any, run: list[int]) -> None:
    shares = [c.items[i] for i in c.of("Q") if c.items[i].unit == "%"]
    for q in (
        c.items[i] for i in c.of("Q") if run and c.items[i].unit in ("ha", "pixel", "%") and not c.items[i].fraction
    ):
        kind = "share" if q.unit == "%" else "area"  # "remained at 5 ha"
        c.claims.append(Claim(kind, c.classes(run)[0], low=q.low, high=q.high, unit=q.unit))
    if not run and shares:  # most of the scene remained as it was
        c.claims.append(Claim("became", low=100 - shares[0].high, high=100 - shares[0].low, unit="%"))
    elif not run:
        c.claims.append(Claim("became", negated=True))
    for i in run:
        if c.items[i].named.now:
            c.claims.append(Claim("net", c.items[i].named.now, word="same"))
        else:
            c.claims.append(Claim("present", absent=(c.items[i].named.absent or c.items[i].text,)))


def _changed(c: Any, verb: int, run: list[int]) -> None:
    negated = any(x.kind == "NEG" for x in c.items) or "nothing" in [x.text for x in c.items]
    was = _then(c, run)
    places = [str(c.items[i].value) for i in c.of("R")] or c.places
    if places and c.items[verb].text.endswith(("changes", "change")):
        share = max([50.0, *(c.items[i].low for i in c.of("Q") if c.items[i].fraction)])
        share = 99.5 if c.items[verb].text == "all changes" else share
        c.claims += [Claim("became", was, region=r, word="where", low=share, negated=negated) for r in places]
        return
    for i in c.of("Q"):
        q = c.items[i]
        if q.unit in ("%", "ha", "pixel"):
            c.claims.append(Claim("became", was, low=q.low, high=q.high, unit=q.unit, negated=negated))
    if not c.of("Q"):
        if run and not was and c.facts.changes:
            return
        c.claims.append(Claim("became", was, negated=negated))


def _net(c: Any, verb: int, kind: str, before: list[int], after: list[int]) -> None:
    subject = c.run(before[-1], -1) if before else after[:1]
    rest = [i for i in after if i not in subject]
    if not subject and c.subject is not None:
        c.items.append(c.subject)
        subject = [len(c.items) - 1]
    if not subject:
        return
    now, absent = c.classes(subject)
    if absent and not now:
        c.claims.append(Claim("present", absent=absent))
        return
    negated = any(x.kind == "NEG" for x in c.items)
    if kind == "GONE":
        c.claims.append(Claim("net", now, word="loss", low=95, unit="%", negated=negated))
        return
    if kind == "FACTOR":
        _factor(c, now, verb, rest, negated)
        return
    word = "gain" if kind in ("GAINED", "NEW") else "loss"
    amounts = [i for i in c.of("Q") if c.items[i].unit in ("%", "ha", "pixel")]
    if _from_to(c, now, verb, amounts, word, negated):
        return
    if rest and any(x.text in ("to", "from") or x.kind == "COST" for x in c.items[verb:]):
        was, new = (_then(c, subject), c.classes(rest)[0]) if word == "loss" else (_then(c, rest), now)
        units = [c.items[i] for i in amounts]
        for q in units:
            c.claims.append(Claim("became", was, new, low=q.low, high=q.high, unit=q.unit, negated=negated))
        if not units:
            c.claims.append(Claim("became", was, new, negated=negated))
            c.claims.append(Claim("net", now, word=word))
        return
    if _placed(c, subject, word, amounts, negated):
        return
    for i in amounts:
        q = c.items[i]
        c.claims.append(Claim("net", now, word=word, low=q.low, high=q.high, unit=q.unit, negated=negated))
    if not amounts:
        c.claims.append(Claim("net", now, word=word, negated=negated))


def _factor(c: Any, now: tuple[int, ...], verb: int, rest: list[int], negated: bool) -> None:
    """`doubled`, `more than doubled`, `doubled at the expense of forest`."""
    value = float(str(c.items[verb].value))
    low, high = 0.88 * value, 1.12 * value
    if any(x.kind == "MOD" and x.value == "more" for x in c.items[:verb]):
        low, high = value, INF
    c.claims.append(Claim("net", now, low=low, high=high, unit="times", negated=negated))
    if rest and c.has("COST"):
        c.claims.append(Claim("became", _then(c, rest), now, negated=negated))


def _placed(c: Any, subject: Sequence[int], word: str, amounts: list[int], negated: bool) -> bool:
    """`forest was lost in the north-east`: some of it there; `most of the loss lies in the north-east`: more than half."""
    places = [str(c.items[i].value) for i in c.of("R")] or c.places
    if not places:
        return False
    now, was = c.classes(subject)[0], _then(c, subject)
    old, new = (was, ()) if word == "loss" else ((), now)
    shares = [c.items[i] for i in amounts if c.items[i].fraction]
    for place in places:
        if shares and shares[0].low >= 50:
            c.claims.append(Claim("became", old, new, region=place, word="where", low=shares[0].low, negated=negated))
        else:
            c.claims.append(Claim("became", old, new, region=place, negated=negated))
    for q in (c.items[i] for i in amounts if not c.items[i].fraction):
        c.claims.append(Claim("net", now, word=word, low=q.low, high=q.high, unit=q.unit, negated=negated))
    return True


def _from_to(c: Any, now: tuple[int, ...], verb: int, amounts: list[int], word: str, negated: bool) -> bool:
    """`from 4 to 8 hectares`, `to 8 hectares`."""
    texts = [x.text for x in c.items]
    if "to" not in texts[verb:]:
        return False
    to = len(texts) - 1 - texts[::-1].index("to")
    last = [i for i in amounts if i > to]
    if not last:
        return False
    q = c.items[last[0]]
    kind = "share" if q.unit == "%" else "area"
    c.claims.append(Claim(kind, now, low=q.low, high=q.high, unit=q.unit))
    c.claims.append(Claim("net", now, word=word, negated=negated))
    first = [i for i in amounts if i < to]
    if first:
        p = c.items[first[0]]
        c.claims.append(Claim("before", now, low=p.low, high=p.high, unit=p.unit))
        return True
    bare = [x for x in c.items[verb:to] if x.kind == "N"]
    if bare:
        value, half = bare[0].exact, bare[0].low
        factor = q.exact and (q.high - q.low) / max(1e-12, 2 * half) if half else 1.0
        factor = factor if q.unit == "ha" and factor >= 99 else 1.0
        bare[0].used = True
        c.claims.append(Claim("before", now, low=(value - half) * factor, high=(value + half) * factor, unit=q.unit))
    return True
