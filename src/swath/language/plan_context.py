"""What a question can be about: maps with classes and dates, and how its words name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from swath.language.nouns import CONCEPTS, GROUPS, concept_of, family_of, plain, singular

__all__ = ["Context", "Source", "absent_classes", "class_words", "dates_in", "matching"]


@dataclass(frozen=True, slots=True)
class Source:
    """A map or scene that may be asked about. dates: its first and last day (or one), ISO, "" where the file is silent.

    classes: names as in its legend; none for a scene. legend: what has to be given to read it.
    """

    name: str
    path: str
    dates: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    legend: str | None = None

    @property
    def shown(self) -> str:
        """Name and date, for a list of choices."""
        when = " to ".join(dict.fromkeys(self.dates))
        return f"{self.name} ({when})" if when and when not in self.name else self.name


@dataclass(frozen=True, slots=True)
class Context:
    """sources: what there is, the earliest first. view: the one that "here" and "now" mean. more: arguments of every call."""

    sources: tuple[Source, ...]
    view: int = -1
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def here(self) -> Source:
        """The view."""
        return self.sources[self.view]

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class of every map, the view's first."""
        rest = (c for s in self.sources for c in s.classes)
        return tuple(dict.fromkeys((*self.here.classes, *rest)))

    def earlier(self) -> Source | None:
        """The only other source, else the nearest before the view, by date where all have one, by order otherwise; or None."""
        at = self.view % len(self.sources)
        others = [s for i, s in enumerate(self.sources) if i != at and bool(s.classes) == bool(self.here.classes)]
        if len(others) == 1:
            return others[0]
        if self.here.dates and all(s.dates for s in others):
            before = [s for s in others if s.dates[0] < self.here.dates[0]]
            return max(before, key=lambda s: s.dates[0]) if before else None
        order = [s for i, s in enumerate(self.sources) if i < at and s in others]
        return order[-1] if order else None

    def first(self) -> Source | None:
        """The earliest of all before the view."""
        others = [s for s in self.sources if s is not self.here and bool(s.classes) == bool(self.here.classes)]
        dated = [s for s in others if s.dates]
        return min(dated, key=lambda s: s.dates[0]) if dated else (others[0] if others else None)


def _spelled(phrase: str) -> set[str]:
    text = phrase.lower().replace("-", " ").replace("_", " ").replace("/", " ")
    text = " ".join(text.split())
    head, _, last = text.rpartition(" ")
    made = {text}
    if one := singular(last):
        made |= {f"{head} {one}".strip(), f"{head} {one}s".strip()}
    return made


def class_words(classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """{phrase: classes it means}: names, nouns, and the words of the kind of land that a class is."""
    table: dict[str, dict[str, None]] = {}

    def put(phrase: str, name: str) -> None:
        for words in _spelled(phrase):
            table.setdefault(words, {})[name] = None

    named: set[str] = set()
    for name in classes:
        for phrase in {plain(name), str(name)}:
            put(phrase, name)
            named |= _spelled(phrase)
    for name in classes:
        family = concept_of(name) or family_of(name)
        if not family:
            continue
        concept = CONCEPTS[family]
        for phrase in (*concept.read, *(w for w, _ in concept.write), *concept.pieces):
            if not _spelled(phrase) & named:
                put(phrase, name)
    for phrases, members in GROUPS.values():
        for name in classes:
            if (concept_of(name) or family_of(name)) in members:
                for phrase in phrases:
                    if phrase not in named:
                        put(phrase, name)
    return {phrase: tuple(names) for phrase, names in table.items()}


def absent_classes(classes: Iterable[str]) -> dict[str, str]:
    """{phrase: kind of land} of what people ask for and no class of the map is."""
    there = {concept_of(c) or family_of(c) for c in classes}
    return {
        words: key
        for key, concept in CONCEPTS.items()
        if key not in there
        for phrase in (*concept.read, *(w for w, _ in concept.write), *concept.pieces)
        for words in _spelled(phrase)
    }


_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = "|".join(f"{m[:3]}(?:{m[3:]})?" if len(m) > 3 else m for m in _MONTHS)
_DATES = re.compile(
    rf"(?P<iso>\b(?:19|20)\d\d[-/]\d\d?(?:[-/]\d\d?)?\b(?![-/\d]))|"
    rf"(?:\b(?P<day>\d\d?)(?:st|nd|rd|th)? ?(?:of )?)?\b(?P<month>{_MONTH})\b\.?,? ?"
    rf"(?:(?P<day2>\d\d?)(?:st|nd|rd|th)?,? )?(?P<year>(?:19|20)\d\d)\b|"
    rf"(?P<only>\b(?:19|20)\d\d\b)",
    re.IGNORECASE,
)
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "tenth": 10, "fifteenth": 15}


def dates_in(text: str) -> tuple[str, list[str]]:
    """The text with each date as " @ ", and the dates as YYYY, YYYY-MM or YYYY-MM-DD."""
    for word, n in _ORDINALS.items():
        text = re.sub(rf"\b(?:the )?{word} of (?=(?:{_MONTH})\b)", f"{n} ", text, flags=re.IGNORECASE)
    text = re.sub(r"\b((?:19|20)\d\d) ?[-\u2013] ?(?=(?:19|20)\d\d\b)", r"\1 to ", text)
    found: list[str] = []

    def put(match: re.Match[str]) -> str:
        if match["iso"]:
            found.append("-".join(p.zfill(2) for p in re.split("[-/]", match["iso"])))
        elif match["only"]:
            found.append(match["only"])
        else:
            month = next(i for i, m in enumerate(_MONTHS, 1) if m.startswith(match["month"].lower()[:3]))
            day = match["day"] or match["day2"]
            found.append(f"{match['year']}-{month:02d}" + (f"-{int(day):02d}" if day else ""))
        return " @ "

    return _DATES.sub(put, text), found


def matching(date: str, sources: Iterable[Source]) -> list[Source]:
    """Sources of a date: it lies within their days, at the precision that was asked."""
    found = []
    for s in sources:
        if s.dates:
            first, last = s.dates[0], s.dates[-1]
            n = min(len(date), len(first), len(last))
            if first[:n] <= date[:n] <= last[:n]:
                found.append(s)
    return found
