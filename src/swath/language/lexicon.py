"""Words that the reader knows besides class names: quantities, places, relations, change. Phrase -> (kind, value)."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product

from swath.language.facts import LEVELS

__all__ = ["PHRASES", "tokens"]

INF = float("inf")
Entry = tuple[str, object]


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers and marks; spellings of units and directions made one."""
    return list(_tokens(text))


_COMPOUND = [
    (re.compile(r"\b(?:deforestation|clear-?felling|logging)\b"), "forest loss"),
    (re.compile(r"\b(?:reforestation|afforestation|forest regrowth)\b"), "forest growth"),
    (re.compile(r"\b(?:urbani[sz]ation|urban sprawl|urban expansion|urban growth)\b"), "urban growth"),
    (re.compile(r"\b(?:a number of|a couple of|a handful of|a few|a variety of)\b"), "several"),
]
"""Words that are a class and a change in one."""


@lru_cache(maxsize=16384)
def _tokens(text: str) -> tuple[str, ...]:
    t = text.lower().replace("\u2019", "'").replace("\u00b2", "2").replace("\u2013", "-").replace("\u2014", " , ")
    t = re.sub(r"(\d),(?=\d{3}\b)", r"\1", t)
    t = re.sub(r"(\d)-(?=\d)", r"\1 to ", t)
    for pattern, words in _COMPOUND:
        t = pattern.sub(words, t)
    t = re.sub(r"\b(north|south)[- ]?(east|west)(ern(?:most)?)?(?:ward|wards|erly)?\b", r"\1\2\3", t)
    t = re.sub(r"\b(?:per ?cent|percent|pct)\b", "%", t)
    t = re.sub(r"\bsquare kilomet(?:er|re)s?\b|\bsq\.? ?km\b|\bkm ?\^?2\b", "km2", t)
    t = re.sub(r"\bsquare met(?:er|re)s?\b|\bsq\.? ?m\b|\bm ?\^?2\b", "m2", t)
    t = re.sub(r"\bhectares?\b|\bha\b", "ha", t)
    t = re.sub(r"\bkilomet(?:er|re)s?\b", "km", t)
    t = re.sub(r"\bmet(?:er|re)s?\b", "m", t)
    t = re.sub(r"(\d)(ha|km2|m2|km|m|px|x)\b", r"\1 \2", t)
    t = re.sub(r"n't\b", " not", t)
    t = re.sub(r"'s\b", "", t)
    t = re.sub(r"'(?:d|ll|ve|re)\b", "", t)
    t = re.sub(r"(?<=[a-z0-9])-(?=[a-z0-9])", " ", t)
    return tuple(re.findall(r"\d+(?:\.\d+)?|%|[^\W\d_][\w']*|[,;:()/&+]", t))


def _all(kind: str, **groups: str) -> dict[str, Entry]:
    """{phrase: (kind, value)}: the keyword is the value, its phrases are separated by commas."""
    return {p.strip(): (kind, value) for value, text in groups.items() for p in text.split(",") if p.strip()}


def _list(kind: str, value: object, text: str) -> dict[str, Entry]:
    return {p.strip(): (kind, value) for p in text.split(",") if p.strip()}


_FRACTIONS = {
    "half": 50, "a half": 50, "one half": 50, "halves": 50, "a third": 100 / 3, "one third": 100 / 3, "third": 100 / 3,
    "two thirds": 200 / 3, "a quarter": 25, "one quarter": 25, "quarter": 25, "a fourth": 25, "one fourth": 25,
    "three quarters": 75, "three fourths": 75, "a fifth": 20, "one fifth": 20, "two fifths": 40, "three fifths": 60,
    "four fifths": 80, "a sixth": 100 / 6, "one sixth": 100 / 6, "five sixths": 500 / 6, "a seventh": 100 / 7, "an eighth": 12.5,
    "one eighth": 12.5, "three eighths": 37.5, "a ninth": 100 / 9, "a tenth": 10, "one tenth": 10, "three tenths": 30,
    "seven tenths": 70, "nine tenths": 90, "a twentieth": 5, "one twentieth": 5, "a hundredth": 1, "one hundredth": 1,
}  # fmt: skip

_SHARES: dict[str, tuple[float, float]] = {}
for _words, _range in (
    ("most, the majority, majority, a majority, mostly, mainly, largely, predominantly, chiefly, primarily, for the most part, "
     "the bulk, bulk, the lion share, the greater part, the better part, the larger part, principally", (50.0, INF)),
    ("almost all, nearly all, virtually all, practically all, almost entirely, nearly entirely, almost completely, almost wholly, "
     "almost exclusively, almost everything, nearly everything, almost the whole, almost the entire, nearly the whole, "
     "nearly the entire, all but entirely, almost everywhere", (90.0, INF)),
    ("all, the entire, entire, entirely, whole, the whole, wholly, completely, exclusively, everything, nothing but, purely, "
     "nothing other than, fully, every bit, everywhere, in its entirety, given over to, taken up by", (99.5, INF)),
    ("the vast majority, vast majority, overwhelmingly, the overwhelming majority, a large majority, the great majority", (70.0, INF)),
    ("hardly any, barely any, scarcely any, almost no", (0.0, 5.0)),
    ("a minority, the minority, a small minority, less than half", (0.0, 50.0)),
    ("much", (30.0, INF)),
):  # fmt: skip
    _SHARES |= {w.strip(): _range for w in _words.split(",")}
_SHARES["given over to"] = _SHARES["taken up by"] = (50.0, INF)
del _SHARES["less than half"]

_SIDES = {
    "northwest": "north-west", "northeast": "north-east", "southwest": "south-west", "southeast": "south-east",
    "north": "north", "south": "south", "west": "west", "east": "east",
}  # fmt: skip
_REGION_TAIL = ("quarter", "quadrant", "part", "corner", "half", "side", "section", "portion", "third", "edge", "end", "area", "margin",
                "rim", "sector", "border", "reaches", "parts", "zone", "fringe")  # fmt: skip


def _regions() -> dict[str, Entry]:
    words: dict[str, str] = {}
    for key, value in _SIDES.items():
        for form in (key, key + "ern", key + "ernmost"):
            words[form] = value
    pairs = {"top": "north", "upper": "north", "bottom": "south", "lower": "south", "left": "west", "right": "east",
             "left hand": "west", "right hand": "east", "topmost": "north", "leftmost": "west", "rightmost": "east"}  # fmt: skip
    words |= pairs
    for up, side in product(("top", "upper", "bottom", "lower"), ("left", "right", "left hand", "right hand")):
        words[f"{up} {side}"] = f"{pairs[up]}-{pairs[side]}"
    middle = "middle, centre, center, central, heart, core, central part, central area, middle part"
    words |= {w.strip(): "middle" for w in middle.split(",")}
    made: dict[str, Entry] = {}
    for word, value in words.items():
        made[word] = ("R", value)
        for tail in _REGION_TAIL:
            made[f"{word} {tail}"] = ("R", value)
    made |= {f"{a} and {b}": ("ORIENT", "") for a, b in (("north", "nothing"),)}
    for a, b in product(_SIDES, _SIDES):
        made[f"from {a} to {b}"] = ("ORIENT", "")
        made[f"from the {a} to the {b}"] = ("ORIENT", "")
    for a, b in (("left", "right"), ("right", "left"), ("top", "bottom"), ("bottom", "top")):
        made[f"from {a} to {b}"] = made[f"from the {a} to the {b}"] = ("ORIENT", "")
    for a in (*_SIDES, "left", "right"):
        value = words[a]
        for form in (f"{a} of", f"to the {a} of", f"lies {a} of"):
            made[form] = ("REL", value)
    made["above"] = ("WORD", "")
    made["right next to"] = ("TOUCH", "")
    return made


PHRASES: dict[str, Entry] = {
    **_all(
        "MOD",
        about="about, around, roughly, approximately, some, circa, ca, approx, close to, near, in the region of, "
        "in the order of, an estimated",
        nearly="nearly, almost, just under, slightly less than, slightly under, a little under, a little less than, not quite, "
        "just short of, just below, barely",
        over="just over, slightly more than, slightly over, a little over, a little more than, a bit over, a bit more than, "
        "slightly above",
        more="more than, over, at least, exceeding, upwards of, no less than, in excess of, well over, greater than",
        less="less than, under, below, at most, up to, fewer than, no more than, well under, smaller than",
    ),
    **{p: ("F", v) for p, v in _FRACTIONS.items()},
    **{p: ("S", v) for p, v in _SHARES.items()},
    **{f"{lv} {n}": ("L", lv) for lv in LEVELS for n in ("fraction", "part", "portion", "amount", "quantity", "proportion")},
    **_list(
        "DOM", 1,
        "dominates, dominate, dominated by, characterised by, characterized by, marked by, dominant, dominating, dominated, "
        "predominates, predominate, predominant, prevails, prevail, "
        "prevailing, main, main land cover, main cover, main theme, main class, most extensive, most common, most widespread, "
        "most abundant, most frequent, largest part, largest share, largest portion, largest fraction, largest class, largest area, "
        "largest cover, biggest part, biggest share, biggest class, biggest area, leads, lead, leading, ranks first, rank first, "
        "comes first, come first, is first, are first, principal, most prominent, most prevalent, commonest, top spot, "
        "first place, most plentiful, "
        "largest single, largest of all, in the majority, widest cover, foremost, largest land cover, number one, "
        "tops the list, more than any other class, more than any other, larger than any other class, larger than any other, "
        "more than all others",
    ),
    **_list("DOM", 2, "second most common, second most extensive, second most widespread, second largest, comes second, come second, "
            "ranks second, second place, second biggest, runner up, second most abundant, second most frequent, in second place"),
    **_list("DOM", 3, "third most common, third largest, comes third, ranks third, third most extensive, third place, third biggest"),
    **_list("DOM", -1, "rarest, least common, least extensive, least widespread, smallest class, smallest share, smallest part, "
            "scarcest, smallest area, least abundant, least frequent, smallest cover, least prevalent, smallest of all, least of all, "
            "smallest fraction, smallest portion, comes last, in last place"),
    **_list("FOLLOWED", "", "followed by, ahead of all others then"),
    **_list("RANKLIST", "", "most first, most to least, from most to least, in descending order, largest first"),
    **_list("NEG", "", "no, not, without, never, neither, nor, none, lacks, lack, lacking, absent, absence of, free of, free from, "
            "devoid of, nowhere, cannot, missing, not a single, not one, zero, non existent, nothing like"),
    **_list("TOUCH", "", "borders, border, bordering, bordered by, borders on, border on, bordering on, touch, touches, "
    "touching, touched by, "
            "adjoin, adjoins, adjoining, adjoined by, adjacent to, adjacent, next to, beside, abut, abuts, abutting, meets, "
            "meet, neighbour, "
            "neighbours, neighbouring, neighbor, neighbors, neighboring, shares a border with, share a border with, "
            "shares a boundary with, share a boundary with, share a boundary, share a border, shares a boundary, shares a border, "
            "share a long boundary, share a long border, share a common border, share a common boundary, shares an edge with, "
            "share an edge, "
            "share an edge with, in contact with, side by side with, alongside, flanks, flank, flanked by, fringes, fringed by, "
            "bounded by, lined by, lined with, runs along, run along, directly against, contiguous with, joins, are neighbours, "
            "a common border, a common boundary, a long boundary, a long border, edged by, shares its edge with, hard by"),
    **_list("AROUND", "passive", "surrounded by, ringed by, enclosed by, encircled by, hemmed in by, embedded in, framed by, "
            "borders mainly on, border mainly on, enclosed in, nestled in, set in, within, inside, amid, amidst, in the midst of, "
            "mostly bordered by, surrounded on all sides by, set among"),
    **_list("AROUND", "active", "surrounds, surround, rings, encloses, enclose, encircles, encircle, frames, surrounding"),
    **_list("CMP", "more", "more, greater, larger, bigger, wider, higher, more extensive, more common, more widespread, more abundant"),
    **_list("CMP", "less", "less, fewer, smaller, scarcer, rarer, less extensive, less common, less widespread, less abundant"),
    **_list("THAN", "", "than"),
    **_list("EXCEEDS", "more", "exceeds, exceed, outweighs, outweigh, outnumbers, outnumber, surpasses, surpass, outstrips, "
    "dwarfs, tops, "
            "outranks, comes ahead of, is ahead of, are ahead of"),
    **_list("EXCEEDS", "less", "falls short of, trails, trail, lags behind, is outweighed by, comes behind, is exceeded by"),
    **_list("TIMES", 2.0, "twice, two times, double the"), **_list("TIMES", 3.0, "three times, thrice, triple the"),
    **_list("TIMES", 4.0, "four times"), **_list("TIMES", 5.0, "five times"), **_list("TIMES", 10.0, "ten times"),
    **_list("TIMES", 0.5, "half as much, half as many, half as large, half as extensive, half the size of, half the area of"),
    **_list("TIMES", 1.0, "as much, as many, as large"),
    **_list("PATCH", "", "patch, patches, piece, pieces, parcel, parcels, tract, tracts, fragment, fragments, clump, clumps, "
            "separate areas, distinct areas, separate parts, disconnected areas, disconnected parts, block, blocks, plot, plots"),
    **_list("SINGLE", "", "single patch, single piece, single block, one patch, one piece, single continuous patch, "
    "one continuous patch, "
            "one single patch, one connected patch"),
    **_list("LARGEST", "", "largest, larger of, biggest, larger of them, largest of them, largest patch, larger patch, biggest patch, "
            "largest piece, bigger of, largest of these, larger one, largest one, larger, bigger of them"),
    **_list("CENTRED", "", "centred in, centered in, centred on, centered on, centre lies in, whose centre lies in, centred, centered"),
    **_list("SHAPE", "elongated", "elongated, long and narrow, long and thin, ribbon shaped, strip like, stretched out, narrow strip"),
    **_list("SHAPE", "compact", "compact, roundish, blocky, compact in shape"),
    **_list("UNKNOWN", "some", "no data, nodata, unmapped, not mapped, has no class, have no class, without a class, without class, "
            "unclassified, missing data, not classified, unlabelled, unlabeled, no class, no class is known for, "
            "not covered by the map, no label, no information, left blank, gaps in the map"),
    **_list("UNKNOWN", "all", "nothing is mapped, has no class anywhere, no pixel has a class, "
    "no pixel of the scene has a class, map is empty"),
    **_list("UNKNOWN", "none", "every pixel has a class, every pixel of the map has a class, "
    "every pixel of the map carries a class, every pixel carries a class, all of the scene is mapped, no pixel lacks a class, "
    "no pixel is without a class, fully mapped, no gaps, no data gaps, "
            "all pixels have a class, every pixel is classified, nothing is unmapped, no missing data, no unmapped pixels"),
    **_list("THIN", "", "no class has enough pixels to be listed, none has enough pixels, no class has enough pixels"),
    **_list("APART", "", "have no pixel with a class in common"),
    **_list("TINY", "", "too small to have a part called"),
    **_list("SURE", "", "sure of, sure, confident, certain, confidence, certainty"),
    **_list("UNSURE", "", "unsure, uncertain, in doubt, doubtful, not sure"),
    **_list("ADJUSTED", "", "adjusted for the map own errors, adjusted for errors, error adjusted, adjusted"),
    **_list("BECAME", "", "became, become, turned into, turned to, changed to, changed into, converted to, converted into, gave way to, "
            "given way to, replaced by, lost to, transformed into, made way for, cleared for, cleared to make way for, turned over to, "
            "developed into, giving way to, ceded to, taken over by, taken by, swallowed by, swallowed up by, built over by, "
            "is now, are now, "
            "fell to, cut down for, has been made into, ploughed into, reverted to, flooded by, yielded to"),
    **_list("FROM", "", "went from, changed from, moved from, passed from, switched from, shifted from, turned from"),
    **_list("REPLACED", "", "replaced, displaced, took over, took the place of, expanded into, encroached on, encroached upon, "
            "spread into, swallowed, consumed, devoured, ate, ate into, ate up, encroaches on, has replaced, supplanted, "
            "advanced into, grew into"),
    **_list("LOST", "", "lost, loses, shrank, shrunk, shrunken, declined, decreased, retreated, dwindled, fell, dropped, "
    "contracted, receded, "
            "diminished, decline, loss, loss of, was reduced, were reduced, shrinks, gave up, reduction, decrease, reduced"),
    **_list("GAINED", "", "gained, gains, grew, grown, expanded, increased, rose, advanced, won, growth, gain, increase, "
    "expansion, spread, "
            "extended its area, enlarged, added"),
    **_list("GONE", "", "dried up, disappeared, vanished, disappeared completely, is gone, are gone, was removed entirely, ran dry, "
            "was wiped out, were wiped out"),
    **_list("NEW", "", "appeared, emerged, sprang up, newly built, is new, are new"),
    **_list("FACTOR", 2.0, "doubled, has doubled, twofold"), **_list("FACTOR", 3.0, "tripled, trebled"),
    **_list("FACTOR", 0.5, "halved, was halved, were halved"), **_list("FACTOR", 4.0, "quadrupled"),
    **_list("STABLE", "", "did not change, does not change, has not changed, have not changed, unchanged, no change, "
    "no changes, nothing changed, "
            "nothing has changed, remained the same, stayed the same, kept its area, keeps its area, keep their area, kept their area, "
            "no pixel changed its class, stable, constant, remained stable, not changed, stayed as it was, held steady, "
            "is as large as before, "
            "kept its extent, no difference, nothing is different, without change"),
    **_list("CHANGED", "", "changes, the changes, the change, all changes, changed, changed its class, change, has changed, "
    "have changed, altered, is different, "
    "are different, was altered"),
    **_list("UPFROM", "gain", "up from, a rise from, an increase from"),
    **_list("UPFROM", "loss", "down from, a fall from, a decrease from, a drop from"),
    **_list("COST", "", "at the expense of, at the cost of"),
    **_list("THEN", "", "before, previously, formerly, at first, used to be, at the earlier date, on the earlier map, "
    "in the earlier map, once"),
    **_list("SCENE", "scene", "scene, mapped part, mapped area, mapped ground, mapped part of the scene, map, image, picture, "
    "landscape, tile, view, territory, total, patch of land, "
    "study area, total area, "
            "whole scene, what you see, what is mapped, mapped pixels, place"),
    **_list("SCENE", "loose", "area, ground, terrain, surface, extent, region, land, land area, land surface, cover, land cover"),
    **_list("ZERO", "", "since the earlier map, since the first date, between the two dates, between the dates, over time, "
    "all in all, in all, "
            "on the whole, overall, in total, in the meantime, meanwhile, as a whole, or so, not only, in general, "
            "at first sight, of all kinds, all kinds of, "
            "since then, over the period, during this time, of the rest, the rest, the remainder, as well as, as well, no matter"),
    **_list("COVER", "", "spreads over, spread over, extends over, extend over, stretches over, stretch over, spreads across, "
    "extends across, "
            "stretches across, spread across, covers, cover, covering, covered by, covered with, occupies, occupy, occupying, "
            "accounts for, account for, "
            "accounting for, makes up, make up, making up, takes up, take up, taking up, fills, fill, comprises, constitutes, "
            "represents, holds, hold, "
            "blankets, blanket, carpets, measures, measure, amounts to, stands at, stand at, claims, claim, spans, "
            "contributes, consists of, "
            "is composed of, composed of, is made up of, reaches, forms, form, forming, under, clothed in, cloaked in"),
    **_list("LIES", "firm", "lies, lie, lying, sits, sit, sitting, located, situated, is situated, concentrated, clusters, "
    "clustered, stands, "
            "concentrates, confined to, restricted to, limited to, found only in, occupies most of, lies mainly, hugs"),
    **_list("LIES", "loose", "found, occurs, occur, appears, appear, seen, present, exists, exist, visible, find, see, "
    "spotted, is in, are in, "
            "dot, dots, scattered, mapped, there is, there are"),
    **_list("EQUAL", "", "equal shares, nearly equal shares, nearly equal, similar shares, similar extent, similar area, "
    "about the same area, the same share, equally large, equally extensive, about equally large, roughly equal, "
    "much the same area, similar in extent"),
    **_list("EACH", "", "each, apiece, respectively"), **_list("TOGETHER", "", "together, combined, jointly, taken together, in sum"),
    **_list("AND", "", "and, or, plus, as well as"),
    **_list("IT", "", "it, them, its"),
    **_list("CLASSES", "", "classes, kinds of cover, kinds of land cover, land cover classes, types of land cover, "
    "cover types, land cover types"),
    **_regions(),
}  # fmt: skip

PHRASES = {" ".join(tokens(p)): e for p, e in PHRASES.items()}
PHRASES |= {
    p: ("ZERO", "")
    for p in (
        "the rest",
        "make up the rest",
        "makes up the rest",
        "all in all",
        "in all",
        "on the whole",
    )
}
