"""What the words of a question are: classes, dates, regions, and which of the five kinds of question they make."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from swath.language.lexicon import tokens
from swath.language.plan_context import Context, Source, absent_classes, class_words, dates_in
from swath.language.plan_words import CUES, DATED, EARLIER, FIRST, GENERAL, KNOWN, PLACES, REGION_WORDS, SAID, UNITS

__all__ = ["KINDS", "Kind", "Read", "kind_of", "nearest", "read_question"]

Kind = Literal["much", "changed", "densest", "describe", "compare"]
KINDS: tuple[Kind, ...] = ("much", "changed", "densest", "describe", "compare")


@dataclass(slots=True)
class Read:
    """A question as read. text: one word each for a class (#), a date (@), a region (~)."""

    text: str = ""
    classes: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    named: list[Source] = field(default_factory=list)
    order: list[str | Source] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    mentions: int = 0
    cover: bool = False


def read_question(text: str, context: Context) -> Read:
    """Find classes, dates and regions in a question; `strange`: the words that are not understood."""
    read = Read()
    low = text.lower().replace("\u2019", "'")
    for turn, word in SAID:
        low = turn.sub(word, low)
    for i, s in enumerate(context.sources):
        stem = PurePath(s.name).stem.lower()
        for name in sorted({s.name.lower(), stem}, key=len, reverse=True):
            plain_year = re.fullmatch(r"(?:19|20)\d\d", name)
            if len(name) >= 3 and not plain_year and not name.isalpha():
                low = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w])", f" zzname{i}zz ", low)
    dated, dates = dates_in(low)
    parts = dated.split(" @ ")
    low = parts[0] + "".join(f" zzdate{i}zz {part}" for i, part in enumerate(parts[1:]))
    known, absent = class_words(context.classes), absent_classes(context.classes)
    words = tokens(low.replace("/", " ").replace("_", " "))
    longest = max((k.count(" ") + 1 for k in (*known, *absent)), default=1)
    at, out = 0, []
    while at < len(words):
        for n in range(min(longest, len(words) - at), 0, -1):
            phrase = " ".join(words[at : at + n])
            if phrase in known:
                read.classes += [c for c in known[phrase] if c not in read.classes]
                read.mentions += 1
                read.cover |= phrase.endswith(("cover", "coverage"))
                out.append("#")
                break
            if phrase in absent and phrase not in GENERAL:
                read.absent.append(phrase)
                read.mentions += 1
                out.append("#")
                break
        else:
            n = 1
            out.append(_word(words[at], read, dates, context))
        at += n
    read.text = _regions(" ".join(out), read)
    read.strange = [
        w for w in read.text.split()
        if w not in ("#", "@", "~") and w not in GENERAL and w not in KNOWN and w not in DATED and not any(w in c for c in CUES.values())
    ]  # fmt: skip
    return read


def _word(word: str, read: Read, dates: list[str], context: Context) -> str:
    if match := re.fullmatch(r"zzdate(\d+)zz", word):
        read.dates.append(dates[int(match[1])])
        read.order.append(dates[int(match[1])])
        return "@"
    if match := re.fullmatch(r"zzname(\d+)zz", word):
        read.named.append(context.sources[int(match[1])])
        read.order.append(context.sources[int(match[1])])
        return "@"
    return word


def _regions(text: str, read: Read) -> str:
    for region, words in REGION_WORDS.items():
        for word in words:
            text, n = re.subn(rf"\b{word}\b", "~", text)
            read.regions += [region] * n
    return text


_COMPARE = re.compile(
    r"\b(?:compar\w+|versus|vs|against|side by side|next to|beside|contrast\w*|relative to|alongside|look back|same as|then and now)\b"
    r"|\b(?:more|less|fewer|larger|smaller|bigger)\b.*\bthan\b|\bhow\b.*\bdiffer(?:s|ent)?\b.*\bfrom\b"
)
_WHAT_DIFFERS = re.compile(r"\b(?:what|which|anything)\b.*\b(?:differ\w*|chang\w*)\b")
_CHANGE = CUES["changed"] - {"into", "cut", "rise", "fall", "spread", "development", "happen", "time", "times"}
_MOST = r"(?:share|proportion|concentration|amount|density|densities|percentage|fraction)s?"
_DENSE = re.compile(
    rf"\b(?:highest|greatest|largest|biggest|maximum|max|peak|high|most|strongest) (?:of )?{_MOST}\b|"
    rf"\b{_MOST}\b.*\b(?:highest|greatest|largest)\b|"
    r"\b(?:densest|denser?|density|densities|most|mostly|concentrat\w*|thickest|heaviest|dominat\w*|abundant|richest|greenest|"
    r"predominant(?:ly)?|mainly|packed|hotspots?|tightest|tightly|cluster(?:s|ed)?)\b"
)
_ASIDE = re.compile(
    r"\bwhat (?:can|do|are|would|should|is) (?:you|i|we|me|my|your)\b(?! (?:see|have|looking|find|look))|\bwhat up\b|"
    r"\b(?:sizes?|how big|how large|extent|ha|hectares|total|pixels)\b"
)
"""What is no description although it asks what: of the asker, or of the size of everything."""
_MUCH = re.compile(
    r"\b(?:how much|how (?:big|large|extensive|widespread)|areas?|shares?|percentages?|fraction|proportion|ratio|extent|size|acreage|"
    r"amount|measure|a lot|coverage|space|(?:what|which) (?:part|portion)|covered (?:by|with|in) #|"
    r"(?:is|are) there (?:any |much )?#|how # (?:is|was)|^any #|"
    r"total|quantity|take up|occup\w+|hectares?|ha|km2|pixels|much)(?!\w)|%"
)
_DESCRIBE = re.compile(
    r"\b(?:describ\w+|description|summar\w+|overview|captions?|explain|characteri[sz]e|"
    r"what(?: else)? (?:is|are|do|does|can|am|s|was|were|did)\b|which (?:class|classes|kinds?|types?|land cover|cover)|"
    r"what (?:class|classes|kinds?|types?|land cover|covers|cover)|"
    r"tell (?:me |us )?(?:what|about)|land cover|composition|composed|made up|look(?:s|ed)? like|words|breakdown|statistics|stats|list|"
    r"land used|about this|something about|through|contents?|report|inventory|most common|dominates|gist|outline|sum up|what)\b"
)


def kind_of(read: Read) -> Kind | None:
    """Which of the five a question is; None when it is none of them, or two at once."""
    text, words = read.text, set(read.text.split())
    earlier = bool(EARLIER.search(text) or FIRST.search(text))
    dated = "@" in words or earlier
    compare, dense = bool(_COMPARE.search(text)), bool(_DENSE.search(text)) or (read.cover and "highest" in words)
    plain = re.sub(
        r"\bdifferent (?=kinds|types|class|classes|land|cover|sorts)", "", text
    )  # kinds that differ from one another
    change = bool(set(plain.split()) & (_CHANGE if dated else _CHANGE - {"new", "newly"}))
    has = read.mentions > 0
    if has and re.search(r"how many\b", text) and not UNITS.search(text):
        return None  # single things are not counted
    if re.search(r"\b(?:between|of) (?:the )?# (?:and|to) (?:the )?#", text) and not dated and change:
        return None  # how two classes differ, not two dates
    if compare and not (_WHAT_DIFFERS.search(text)):
        found: Kind | None = "compare" if dated or not has else None
    elif change and (has or not dense or not words & {"where"}):
        found = None if dense and has and "where" in words else "changed"
    elif dense and has:
        how = re.search(r"\bhow much\b|\bwhat (?:share|percentage|fraction|proportion)\b|\bhow (?:big|large)\b", text)
        found = "densest" if PLACES.search(text) or words & _SURE else None
        found = None if how else found
    elif has:
        found = "much" if _MUCH.search(text) else None
    else:
        found = "describe" if _DESCRIBE.search(text) and not _ASIDE.search(text) else None
    return found if found and _fits(found, words, read) else None


_SURE = frozenset(("densest", "density", "concentration", "hotspot", "hotspots"))
_ALSO: dict[str, tuple[str, ...]] = {
    "much": (), "changed": ("much", "describe", "compare"), "densest": ("much",),
    "describe": ("much", "densest"), "compare": ("much", "describe", "changed"),
}  # fmt: skip


def _fits(kind: str, words: set[str], read: Read) -> bool:
    """Every word may stand in a question of this kind, and classes and regions are joined in a way that is understood."""
    allowed = GENERAL | KNOWN | CUES[kind] | {"#", "@", "~"}
    if "@" in words or kind in ("changed", "compare") or EARLIER.search(read.text) or FIRST.search(read.text):
        allowed |= DATED
    for other in _ALSO[kind]:
        allowed |= CUES[other]
    if words - allowed or len(read.regions) > (1 if kind == "much" else 0):
        return False
    if kind in ("much", "densest", "compare") and read.mentions > 1:
        return bool(
            re.search(r"#(?: ?(?:,|and|,? and|plus) (?:how much )?(?:the )?#)+", read.text)
        ) and read.text.count("#") == (len(re.findall(r"(?:,|and|plus) (?:how much )?(?:the )?#", read.text)) + 1)
    return True


def nearest(text: str) -> str:
    """The kind that most of the words belong to."""
    words = set(text.split())
    score = {k: len(words & CUES[k]) for k in KINDS}
    score["much"] += 2 * ("#" in words)
    score["densest"] += 2 * bool(words & _SURE)
    score["describe"] += "#" not in words and bool(_DESCRIBE.search(text))
    return max(KINDS, key=lambda k: score[k])
