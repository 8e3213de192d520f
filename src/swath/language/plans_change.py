"""Sentences about change: what became what, how much and where; which classes grew and which shrank."""

from __future__ import annotations

from fractions import Fraction

from swath.language.claim import Claim
from swath.language.facts import Change
from swath.language.judging import old_of
from swath.language.north import HALVES, QUARTERS, REGIONS
from swath.language.phrases import Said, Speech, joined

__all__ = ["told"]


def told(s: Speech, style: str) -> list[Said]:
    """The change between the last two dates: all in all, the largest transitions, then net changes."""
    change = s.facts.changes[-1]
    if not change.total():
        return [
            Said(
                "the maps have no pixel with a class in common",
                (Claim("became", word="none"),),
            )
        ]
    pixels, ground = change.all_changed()
    if not pixels:
        text = s.pick("nothing changed between the two dates", "no pixel changed its class between the two dates")
        return [Said(text, (Claim("became", negated=True),))]
    share, area = s.printed_share(Fraction(pixels, change.total())), s.printed_area(ground)
    claims = (
        Claim("became", low=share.low, high=share.high, unit="%"),
        Claim("became", low=area.low, high=area.high, unit=area.unit),
    )
    text = s.pick(
        f"between the two dates {share.text} of the ground changed its class, {area.text} in all",
        f"since the earlier map {area.text} changed, {share.text} of the ground",
    )
    said = [Said(text, claims)]
    for i, j in _transitions(s, change)[: 1 if style == "short" else 4]:
        said.append(_one(s, change, i, j))
    if style != "short":
        said += _net(s, change)
    return said


def _transitions(s: Speech, change: Change) -> list[tuple[int, int]]:
    moved = change.moved.pixels.sum(0)
    pairs = [
        (i, j)
        for i in range(moved.shape[0])
        for j in range(moved.shape[1])
        if moved[i, j] >= s.facts.floor and not change.same[i, j]
    ]
    return sorted(pairs, key=lambda p: (-moved[p], p))


def _old(s: Speech, change: Change, i: int) -> str:
    """The earlier class by the noun of its later self where it has one."""
    later = [j for j in range(len(s.facts.classes)) if change.same[i, j]]
    return s.n(later[0]) if later else change.classes[i].noun


def _one(s: Speech, change: Change, i: int, j: int) -> Said:
    _, ground = change.became([i], [j])
    area = s.printed_area(ground)
    old, new = _old(s, change, i), s.n(j)
    claim = Claim("became", (i,), (j,), low=area.low, high=area.high, unit=area.unit)
    text = s.fresh(
        "became",
        f"{area.text} of {old} became {new}",
        f"{area.text} of {old} turned into {new}",
        f"{area.text} went from {old} to {new}",
    )
    region = _mostly(s, change, i, j)
    if region is None:
        return Said(text, (claim,))
    where = Claim("became", (i,), (j,), region=region, word="where")
    return Said(f"{text}, most of it in {s.place(region)}", (claim, where))


def _mostly(s: Speech, change: Change, i: int, j: int) -> str | None:
    whole = int(change.moved.pixels[:, i, j].sum())
    for regions, least in ((QUARTERS, 0.6), (HALVES, 0.7)):
        best = max(regions, key=lambda r: change.moved.pixels[list(REGIONS[r]), i, j].sum())
        if change.moved.pixels[list(REGIONS[best]), i, j].sum() >= least * whole:
            return best
    return None


def _net(s: Speech, change: Change) -> list[Said]:
    f, steps = s.facts, []
    for k in range(len(f.classes)):
        old = old_of(f, change, [k])
        then, now = float(change.counts.ground[:, old].sum()) if old else 0.0, f.ground([k])
        if abs(now - then) > 0.01 * max(then, now, 1e-12):
            steps.append((now - then, k, then))
    steps.sort(key=lambda t: (-abs(t[0]), t[1]))
    said = []
    for step, k, _ in steps[:2]:
        area = s.printed_area(abs(step))
        noun = s.noun(k)
        word = "gain" if step > 0 else "loss"
        claim = Claim("net", (k,), word=word, low=area.low, high=area.high, unit=area.unit)
        verbs = ("grew by", "gained") if step > 0 else ("shrank by", "lost")
        said.append(
            Said(f"{noun[0]} {s.fresh(word, *verbs)} {area.text}{' in all' if s.chance(0.3) else ''}", (claim,))
        )
    same = [k for k in f.ranking() if abs(f.ground([k]) - _then(s, change, k)) == 0]
    if same:
        names = joined([s.n(k) for k in same[:2]])
        plural = len(same[:2]) > 1 or s.nouns[same[0]][0][1]
        claims = tuple(Claim("net", (k,), word="same") for k in same[:2])
        said.append(Said(f"{names} {'keep their' if plural else 'keeps its'} area", claims))
    return said


def _then(s: Speech, change: Change, k: int) -> float:
    old = old_of(s.facts, change, [k])
    return float(change.counts.ground[:, old].sum()) if old else 0.0
