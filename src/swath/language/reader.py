"""From a sentence to items: class names, quantities, places and relations, longest phrase first; the rest is kept as unread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from swath.language.facts import SceneFacts
from swath.language.lexicon import PHRASES, tokens
from swath.language.nouns import CONCEPTS, GROUPS, family_of, plain, singular
from swath.language.numbers import WORDS, bounds
from swath.language.words import SOFT

__all__ = ["Item", "Named", "Vocabulary", "read_items", "sentences_of"]

INF = float("inf")
LONGEST = 8
_UNITS = {"%": ("%", 1.0), "ha": ("ha", 1.0), "km2": ("ha", 100.0), "m2": ("ha", 1e-4), "m": ("m", 1.0), "km": ("m", 1000.0),
          "pixels": ("pixel", 1.0), "pixel": ("pixel", 1.0), "px": ("pixel", 1.0)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """A class, several, or none of the legend's (then `absent` is the word). now, then: indices on the later and earlier map.

    piece: the word means a separate piece of it ("lake").
    """

    now: tuple[int, ...]
    then: tuple[int, ...]
    absent: str = ""
    piece: bool = False


@dataclass(slots=True)
class Item:
    """kind: C class, Q quantity (low, high, unit), L level, R place, N number, or a kind of `lexicon.PHRASES`; W unread word."""

    kind: str
    value: object
    text: str
    at: int
    low: float = -INF
    high: float = INF
    unit: str = ""
    exact: float = float("nan")
    used: bool = False
    fraction: bool = False

    @property
    def named(self) -> Named:
        """The value of a class item."""
        assert isinstance(self.value, Named)
        return self.value


@dataclass
class _Entry:
    now: set[int]
    then: set[int]
    piece: bool


def _put(table: dict[str, _Entry], words: str, i: int, later: bool, piece: bool = False) -> None:
    key = " ".join(tokens(words))
    if key:
        entry = table.setdefault(key, _Entry(set(), set(), piece))
        (entry.now if later else entry.then).add(i)


def _synonyms(family: str) -> list[tuple[str, bool]]:
    """Words for a concept and for the groups it belongs to, and whether they mean a separate piece."""
    if not family:
        return []
    concept = CONCEPTS[family]
    words = [(w, False) for w in (*concept.read, *(w for w, _ in concept.write))]
    words += [(w, True) for w in concept.pieces]
    return words + [(w, False) for names, members in GROUPS.values() if family in members for w in names]


class Vocabulary:
    """Every phrase that means a class of these facts, or of none."""

    def __init__(self, facts: SceneFacts) -> None:
        self.facts = facts
        classes = [(True, i, c) for i, c in enumerate(facts.classes)]
        if facts.changes:
            classes += [(False, i, c) for i, c in enumerate(facts.changes[-1].classes)]
        own: dict[str, _Entry] = {}
        for later, i, c in classes:
            for form in _forms(c.noun, c.name):
                _put(own, form, i, later)
        more: dict[str, _Entry] = {}
        for later, i, c in classes:
            for word, piece in _synonyms(c.concept or family_of(c.name)):
                _put(more, word, i, later, piece)
        table = {**more, **own}  # a class's own name wins over what is another's synonym
        self.table = {k: Named(tuple(sorted(e.now)), tuple(sorted(e.then)), "", e.piece) for k, e in table.items()}
        for key, concept in CONCEPTS.items():  # land that this legend does not have
            for word in (*concept.read, *concept.pieces, *(w for w, _ in concept.write)):
                text = " ".join(tokens(word))
                if text not in self.table and text not in PHRASES:
                    self.table[text] = Named((), (), key, word in concept.pieces)

    def look(self, words: list[str]) -> Named | None:
        """What a run of words names."""
        return self.table.get(" ".join(words))


def _forms(noun: str, name: str) -> set[str]:
    """A class's own names, singular and plural."""
    made = set()
    for text in (noun, plain(name)):
        if text != noun and noun == f"{text} class":
            continue  # "most", "other": words of their own
        made.add(text)
        head, _, last = text.rpartition(" ")
        if len(last) > 3 and last.isalpha():
            one = singular(last)
            for form in (one, one + "s", one + "es"):
                made.add(f"{head} {form}".strip())
    return made


_ABBREVIATION = re.compile(r"\b(ca|approx|e\.g|i\.e|cf|vs|sq|etc|fig|st|nr)\.$", re.IGNORECASE)


def sentences_of(text: str) -> list[str]:
    """Sentences of a text: split at full stops (not in numbers or after abbreviations), marks and line ends."""
    found: list[str] = []
    for line in text.splitlines():
        line = re.sub(r"^\s*(?:[-*\u2022]|\d+[.)])\s+", "", line).strip()
        start = 0
        for match in re.finditer(r"[.!?]+(?=\s|$)", line):
            piece = line[start : match.end()]
            if _ABBREVIATION.search(piece.rstrip()):
                continue
            found.append(piece.strip())
            start = match.end()
        found.append(line[start:].strip())
    return [s for s in found if re.search(r"\w", s)]


def read_items(
    sentence: str, vocabulary: Vocabulary, phrases: Mapping[str, tuple[str, object]] = PHRASES
) -> list[Item]:
    """Items of a sentence in order."""
    words = tokens(sentence)
    items: list[Item] = []
    at = 0
    while at < len(words):
        item, step = _next(words, at, vocabulary, phrases)
        items.append(item)
        at += step
    return _quantities(items)


def _next(
    words: list[str], at: int, vocabulary: Vocabulary, phrases: Mapping[str, tuple[str, object]]
) -> tuple[Item, int]:
    for n in range(min(LONGEST, len(words) - at), 0, -1):
        run = words[at : at + n]
        text = " ".join(run)
        named = vocabulary.look(run)
        if named is not None and not (named.absent and text in phrases):
            return Item("C", named, text, at), n
        if text in phrases:
            kind, value = phrases[text]
            return Item(kind, value, text, at), n
    word = words[at]
    if re.fullmatch(r"\d+(?:\.\d+)?", word):
        digits = len(word.partition(".")[2])
        return Item("N", float(word), word, at, low=0.5 * 10.0**-digits), 1
    if word in WORDS:
        return Item("N", float(WORDS[word]), word, at, low=0.5), 1
    if word in _UNITS:
        return Item("U", word, word, at), 1
    if word in ",;:()/&+":
        return Item("P", word, word, at), 1
    return Item("W" if word not in SOFT else "soft", word, word, at), 1


def _quantities(items: list[Item]) -> list[Item]:
    """Numbers with units, fractions and modifiers become quantities."""
    made: list[Item] = []
    i = 0
    while i < len(items):
        item = items[i]
        if item.kind == "N":
            value, half, step = _number(items, i)
            if (side := _sides(items, i + step)) is not None:
                _modified(made, item, value * side[1], half * side[1], side[0])
                made.append(item)
                i += step
                continue
            if (taken := _range(items, i, made)) is not None:
                i += taken
                continue
            after = items[i + step] if i + step < len(items) else None
            if after is not None and after.kind == "U":
                unit, factor = _UNITS[str(after.value)]
                _modified(made, item, value * factor, half * factor, unit)
                made.append(item)
                i += step + 1
                continue
            if (share := _of(items, i, value, step)) is not None:
                _modified(made, item, share[0], 0.02 * share[0], "%")
                made.append(item)
                i += share[1]
                continue
            item.value, item.exact, item.low = value, value, half
            if (ratio := _to_one(items, i + step)) is not None:
                item.kind, item.value = "RATIO", value
                step += ratio
            made.append(item)
            i += step
            continue
        if item.text == "third" and (i + 1 >= len(items) or items[i + 1].text != "of"):
            item.kind, item.value = "DOM", 3  # "cropland comes second, grassland third"
            made.append(item)
        elif item.kind == "F":
            value = float(str(item.value))
            if i + 1 < len(items) and items[i + 1].kind == "U" and str(items[i + 1].value) != "%":
                unit, factor = _UNITS[str(items[i + 1].value)]  # half a hectare
                _modified(made, item, value / 100 * factor, 0.05 * value / 100 * factor, unit)
                i += 1
            else:
                _modified(made, item, value, min(5.0, 0.1 * value), "%")
                item.fraction = True
            made.append(item)
        elif item.kind == "S":
            item.low, item.high = item.value  # type: ignore[misc]
            item.kind, item.unit, item.fraction = "Q", "%", True
            made.append(item)
        else:
            made.append(item)
        i += 1
    return made


def _sides(items: list[Item], j: int) -> tuple[str, float] | None:
    """`2.2 by 2.2 km`: the unit of a number that stands before `by` and another with a unit."""
    if j + 2 < len(items) and items[j].text in ("by", "x", "times") and items[j + 1].kind == "N":
        _, _, step = _number(items, j + 1)
        k = j + 1 + step
        if k < len(items) and items[k].kind == "U":
            return _UNITS[str(items[k].value)]
    return None


def _range(items: list[Item], i: int, made: list[Item]) -> int | None:
    """`between 5 and 6 %`, `5 to 6 %`: a quantity from the lower to the upper number; how many items it takes."""
    value, half, step = _number(items, i)
    j = i + step
    if j < len(items) and items[j].kind == "U":
        j += 1
    link = items[j].text if j < len(items) else ""
    word = made[-1].text if made else ""
    if not ((link == "and" and word == "between") or (link in ("to", "and") and word != "from" and link == "to")):
        return None
    if j + 1 >= len(items) or items[j + 1].kind != "N":
        return None
    top, more, wide = _number(items, j + 1)
    k = j + 1 + wide
    if k >= len(items) or items[k].kind != "U" or top <= value:
        return None
    unit, factor = _UNITS[str(items[k].value)]
    item = items[i]
    item.kind, item.unit, item.exact = "Q", unit, value * factor
    item.low, item.high = (value - half) * factor, (top + more) * factor
    made.append(item)
    return k + 1 - i


def _number(items: list[Item], i: int) -> tuple[float, float, int]:
    """A number of one or several words: value, half a unit of its last digit, how many items."""
    value, half, step = float(str(items[i].value)), items[i].low, 1
    while i + step < len(items):
        nxt = items[i + step]
        if nxt.text in ("thousand", "million") or (nxt.text == "hundred" and nxt.kind == "N"):
            factor = {"hundred": 100, "thousand": 1000, "million": 1_000_000}[nxt.text]
            value, half, step = value * factor, half * factor, step + 1
        elif (
            nxt.kind == "N"
            and nxt.text in WORDS
            and items[i].text in WORDS
            and value >= 20
            and float(str(nxt.value)) < 10
        ):
            value, step = value + float(str(nxt.value)), step + 1
        else:
            break
    return value, half, step


def _of(items: list[Item], i: int, value: float, step: int) -> tuple[float, int] | None:
    """`three out of ten`, `one in five`: a share and how many items it takes."""
    rest = [x.text for x in items[i + step : i + step + 3]]
    for words in (["out", "of"], ["in", "every"], ["in"]):
        n = len(words)
        if rest[:n] == words and i + step + n < len(items) and items[i + step + n].kind == "N":
            whole, _, more = _number(items, i + step + n)
            after = items[i + step + n + more] if i + step + n + more < len(items) else None
            pixels = after is not None and after.text in ("pixels", "pixel")
            if 0 < value <= whole and whole > 1 and (pixels or after is None or after.kind not in ("U", "PATCH", "C")):
                return 100 * value / whole, step + n + more + pixels
    return None


def _to_one(items: list[Item], i: int) -> int | None:
    """`to one`, `: 1` after a number."""
    if (
        i + 1 < len(items)
        and items[i].text in ("to", ":")
        and items[i + 1].kind == "N"
        and float(str(items[i + 1].value)) == 1
    ):
        return 2
    return None


def _modified(made: list[Item], item: Item, value: float, half: float, unit: str) -> None:
    """Turn an item into a quantity, with the modifier that stands right before it."""
    mod = ""
    back = len(made) - 1
    while back >= 0 and made[back].text in ("the", "a", "an", "as", "of", "just", "only", "but"):
        back -= 1
    if back >= 0 and made[back].kind == "MOD":
        mod = str(made[back].value)
        made[back].used = True
        if mod == "less" and back and made[back - 1].text == "each on":
            made[back - 1].used = True
    name = {"over": "just over"}.get(mod, mod)
    if item.kind == "F" and name == "nearly":
        item.low, item.high = 0.84 * value, value
    elif item.kind == "F" and name == "just over":
        item.low, item.high = value, 1.2 * value
    else:
        item.low, item.high = bounds(value, half, name)
    item.kind, item.unit, item.exact = "Q", unit, value
