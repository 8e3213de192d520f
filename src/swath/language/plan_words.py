"""Words of questions: which mean a kind of question, which mean nothing of their own; every other word is not understood."""

from __future__ import annotations

import re

__all__ = [
    "AHEAD",
    "CUES",
    "DATED",
    "EARLIER",
    "FIRST",
    "GENERAL",
    "KNOWN",
    "LAST",
    "MANY",
    "NEAREST",
    "PLACES",
    "REGION_WORDS",
    "SAID",
    "UNITS",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GENERAL = _words(
    "a an the this that these those it its is are was were be been being am i me we us you your my our one can could would may "
    "do does did has have had get got give gives show shows tell tells say let make makes please kindly hello hi thanks of in on "
    "at for to from by with and out up down as so here there where what which how much many any some all now today current "
    "currently present presently view map maps scene image picture place places area areas region regions land ground landscape "
    "site tile location spot spots part parts bit corner window surface find found see seen look looking looks lies lie lying "
    "located want like know need around across over see , : ' ? just exactly really altogether overall total in whole entire "
    "every each kind kinds type types class classes cover covers covered covering land-cover use used "
    "between both two since until till i'd let's also then something anything should question question: "
    "wonder wondering able help work point take go bring zoom interested approximately roughly about actually currently he'd "
    "of its their them they terms itself screen within display displayed"
)
"""Words that restrict nothing: a question may hold any of them."""

CUES: dict[str, frozenset[str]] = {
    "much": _words(
        "much lot area areas share % percentage percentages fraction proportion ratio extent extents hectares ha km2 m2 size sizes big "
        "large extensive widespread acreage amount measure space occupy occupies occupied fill fills quantity total sum many pixels "
        "pixel part portion bits calculate compute work acres acre common take takes up cover covers covered covering consist "
        "consists contain contains hold holds amounts coverage pct sq count"
    ),
    "changed": _words(
        "change changes changed changing differ differs different differences difference turned turn turns into lost lose loses loss "
        "losses gained gain gains grow grows grown grew growth growing shrink shrinks shrank shrunk shrinking expand expands expanded "
        "expansion increase increased increases decrease decreased decreases decline declined disappear disappeared disappears "
        "vanished appeared appear new newly converted conversion conversions convert became become becomes replaced replace cleared "
        "clearing clearance happened happening happen evolved evolve evolution transition transitions removed gone cut developed "
        "development altered transformed spread retreated retreat reduced reduction rise fall risen fallen time times"
    ),
    "densest": _words(
        "densest dense denser density densities most mostly highest high greatest largest biggest concentrated concentration "
        "concentrations concentrate concentrates thickest maximum max peak heaviest heavily dominate dominates dominated "
        "dominating dominant abundant richest greenest strongest predominant predominantly predominates mainly packed hotspot hotspots "
        "greatest tightest tightly cluster clusters clustered"
    ),
    "describe": _words(
        "describe describes described description summary summarise summarize summarised overview caption captions words word put "
        "short brief briefly explain characterise characterize breakdown composition composed statistics stats list made shown "
        "visible contain contains consist consists walk through main common dominates dominate dominant dominating prevalent "
        "prevails write shares share report inventory what's sort sorts content contents comprise comprises into "
        "account gist outline quick quickly"
    ),
    "compare": _words(
        "compare compares compared comparing comparison comparisons versus vs against side beside next contrast contrasted "
        "relative than same alongside then-and-now back hold set put check more less fewer larger smaller bigger similar "
        "differ differs different difference differences same opposite shares juxtapose situation left"
    ),
}
"""Words that may stand in a question of a kind, besides the general ones and those of the other kinds that it allows."""

DATED = _words("date dates year years month day")
"""Words that stand beside a date."""
UNITS = re.compile(r"how many (?:ha|hectares?|km2|m2|pixels?|acres?|%|square \w+)\b|how many (?:percent|per cent)\b")
SAID = ((re.compile(r"\bright now\b"), "now"), (re.compile(r"\bbreak(?:s|ing)? down\b"), "breakdown"),
        (re.compile(r"\b(?:a few|few|several) words\b"), "words"))  # fmt: skip
"""Turns of phrase, and the word that stands for each."""
AHEAD = re.compile(
    r"\b(?:will|shall|won't|going to|gonna|predict\w*|forecast\w*|expect\w*|future|tomorrow|next (?:year|month|decade|season)|"
    r"coming (?:year|month|decade)s?|in \d+ years)\b"
)
"""Words of what is to come: no map shows it."""

EARLIER = re.compile(
    r"\b(?:the )?(?:earlier|previous|prior|older|other|former|last) (?:map|date|image|scene|picture|view|one|state)\b"
    r"|\b(?:earlier|previously|before|past|back then|formerly|then)\b"
)
LAST = re.compile(r"\blast (?:map|date|image|scene|picture|view|one|state)\b")
"""The one before, or the newest: nobody knows which is meant."""
FIRST = re.compile(r"\b(?:the )?(?:first|earliest|oldest|original) (?:map|date|image|scene|picture|view|one|state)\b")
PLACES = re.compile(
    r"\b(?:where|which (?:part|area|region|place|spot|corner|window|location|bit|section|side)|what (?:part|spot|place|area|region)|"
    r"place|spot|part|area|location|window|corner|zoom|find|locate|show|take me|point out|bit|pinpoint|hotspots?)\b"
)
KNOWN = _words(
    "later earlier previous previously before past prior older other former last first earliest oldest original back ago state "
    "half top north northern south southern east eastern west western middle centre center central northwest northwestern "
    "northeast northeastern southwest southwestern southeast southeastern locate pinpoint got cleared say it's where's"
)

REGION_WORDS: dict[str, tuple[str, ...]] = {
    "north-west": ("north west", "northwest", "north western", "northwestern"),
    "north-east": ("north east", "northeast", "north eastern", "northeastern"),
    "south-west": ("south west", "southwest", "south western", "southwestern"),
    "south-east": ("south east", "southeast", "south eastern", "southeastern"),
    "north": ("north", "northern"),
    "south": ("south", "southern"),
    "west": ("west", "western"),
    "east": ("east", "eastern"),
    "middle": ("middle", "centre", "center", "central"),
}

NEAREST = {
    "much": "How much {class} is here?",
    "changed": "What changed since the earlier date?",
    "densest": "Where is the highest share of {class}?",
    "describe": "Describe this view",
    "compare": "Compare with the earlier date",
}
MANY = "How much of this is {class}?"
"""The five kinds of question, as they are offered back; the first of a class in the plural."""
