"""ChatEarthNet's way: five regions, up to three classes each, five size words; as the list its writer got, or as sentences.

Source: the prompt builders of zhu-xlab/ChatEarthNet (paper: arXiv 2402.11325). Classes under 20 pixels of a patch of
256 x 256 are not listed but count in the denominators; pixels without a class never do. The nouns after the size words
are drawn with a seed; a region without a listed class gets a sentence that says so.
"""

from __future__ import annotations

from fractions import Fraction

from swath.language.claim import Claim
from swath.language.facts import SceneFacts, level_of
from swath.language.phrases import Said, Speech, joined

__all__ = ["NOUNS", "REGION_ORDER", "listed", "prose", "top"]

NOUNS = ("fraction", "part", "portion", "amount", "quantity")
REGION_ORDER = ("north-west", "north-east", "south-west", "south-east", "middle")
_NAMES = {
    "north-west": "top left",
    "north-east": "top right",
    "south-west": "bottom left",
    "south-east": "bottom right",
    "middle": "middle",
}


def top(facts: SceneFacts, region: str, most: int = 3) -> list[tuple[int, Fraction, str]]:
    """Up to three classes of a region, most first: index, share of its pixels with a class, size word."""
    return [(k, facts.share([k], region), level_of(facts.share([k], region))) for k in facts.ranking(region)[:most]]


def listed(s: Speech) -> list[Said]:
    """The published facts: all classes, then the five regions with up to three classes and their size words."""
    f = s.facts
    order = f.ranking()
    if not order:
        return [
            Said("all classes, most first: none has enough pixels", (Claim("unknown", word="thin"),), False),
            *_unmapped(s),
        ]
    names = [f.classes[k].noun for k in order]
    ranks = tuple(Claim("dominant", (k,), word=str(i + 1)) for i, k in enumerate(order))
    lines = [Said(f"all classes, most first: {', '.join(names)}", ranks, False)]
    for region in REGION_ORDER:
        found = top(f, region)
        if not found:
            lines.append(_empty(s, region, prose=False))
            continue
        words = [f"{f.classes[k].noun} ({level} {s.pick(*NOUNS)})" for k, _, level in found]
        claims = tuple(Claim("level", (k,), region=region, word=level) for k, _, level in found)
        lines.append(Said(f"{_NAMES[region]}: {', '.join(words)}", claims, False))
    return [*lines, *_unmapped(s)]


def _unmapped(s: Speech) -> list[Said]:
    p = s.printed_share(s.facts.unknown_share())
    return [Said(f"no class: {p.text}", (Claim("unknown", low=p.low, high=p.high, unit="%"),), False)]


def _empty(s: Speech, region: str, *, prose: bool) -> Said:
    f = s.facts
    place = s.place(region) if prose else f"the {_NAMES[region]}"
    if f.known(region) + f.unknown(region) == 0:
        claim = Claim("unknown", region=region, word="tiny")
        return Said(f"the map is too small to have a part called {place.removeprefix('the ')}", (claim,), prose)
    if not f.known(region):
        claim = Claim("unknown", region=region, low=100, unit="%")
        return Said(f"nothing is mapped in {place}", (claim,), prose)
    thin = Claim("unknown", region=region, word="thin")
    return Said(f"in {place} no class has enough pixels to be listed", (thin,), prose)


def prose(s: Speech) -> list[Said]:
    """Sentences in the spatial order, size words and all, ending with the main theme."""
    f = s.facts
    order = f.ranking()
    if not f.known():
        return [
            Said("nothing is mapped here: no pixel of the scene has a class", (Claim("unknown", low=100, unit="%"),))
        ]
    said: list[Said] = []
    for region in REGION_ORDER:
        found = top(f, region)
        if not found:
            said.append(_empty(s, region, prose=True))
            continue
        parts, claims = [], []
        for k, _, level in found:
            parts.append(f"{_article(level)} {level} {s.pick(*NOUNS)} of {s.n(k)}")
            claims.append(Claim("level", (k,), region=region, word=level))
        place = s.place(region)
        text = s.pick(
            f"{place} holds {joined(parts)}", f"in {place} there is {joined(parts)}", f"{place} shows {joined(parts)}"
        )
        said.append(Said(text, tuple(claims)))
    p = s.printed_share(f.unknown_share())
    if f.unknown():
        said.append(Said(f"{p.text} of the scene has no class", (Claim("unknown", low=p.low, high=p.high, unit="%"),)))
    else:
        said.append(Said("every pixel has a class", (Claim("unknown", high=0, unit="%"),)))
    if order and sum(f.share([j]) == f.share([order[0]]) for j in order) == 1:
        lead = Claim("dominant", (order[0],), word="1")
        noun = s.noun(order[0])
        said.append(Said(f"overall, {s.verb(noun, 'is', 'are')} the main land cover", (lead,)))
    return said


def _article(word: str) -> str:
    return "an" if word[:1] in "aeiou" else "a"
