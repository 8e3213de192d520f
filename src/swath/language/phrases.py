"""The grammar's small parts: nouns with their number, places by compass or by top and left, lists, quantities."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from swath.language import numbers
from swath.language.claim import Claim
from swath.language.facts import SceneFacts
from swath.language.legend import Legend, writing_nouns
from swath.language.numbers import Printed

__all__ = ["Said", "Speech", "joined", "sentence"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence with its claims. prose: it gets a capital and a full stop; lines of lists do not."""

    text: str
    claims: tuple[Claim, ...]
    prose: bool = True


_COMPASS = {
    "north-west": ("the north-west", "the north-western quarter"), "north-east": ("the north-east", "the north-eastern quarter"),
    "south-west": ("the south-west", "the south-western quarter"), "south-east": ("the south-east", "the south-eastern quarter"),
    "north": ("the northern half", "the north"), "south": ("the southern half", "the south"),
    "west": ("the western half", "the west"), "east": ("the eastern half", "the east"),
    "middle": ("the middle", "the centre"), "scene": ("the scene", "the area"),
}  # fmt: skip
_IMAGE = {
    "north-west": ("the top left", "the upper left"), "north-east": ("the top right", "the upper right"),
    "south-west": ("the bottom left", "the lower left"), "south-east": ("the bottom right", "the lower right"),
    "north": ("the upper half", "the top half"), "south": ("the lower half", "the bottom half"),
    "west": ("the left half", "the left"), "east": ("the right half", "the right"),
    "middle": ("the middle", "the centre"), "scene": ("the scene", "the image"),
}  # fmt: skip


class Speech:
    """What one text needs: facts, a seeded choice of words, and the nouns already used."""

    def __init__(self, facts: SceneFacts, seed: int) -> None:
        self.facts, self.random = facts, random.Random(f"swath {seed}")  # noqa: S311 - words, not secrets
        self.nouns = writing_nouns(Legend(facts.classes))
        self.used: dict[int, int] = {}
        self.short = self.random.random() < 0.35  # "ha" or "hectares", the same all through a text
        self.before: dict[str, int] = {}

    def pick(self, *options: T) -> T:
        """One of several."""
        return options[self.random.randrange(len(options))]

    def fresh(self, key: str, *options: T) -> T:
        """One of several, another than the last time under this key: no two sentences in a row are built alike."""
        last = self.before.get(key, -1)
        rest = [i for i in range(len(options)) if i != last] or [0]
        at = rest[self.random.randrange(len(rest))]
        self.before[key] = at
        return options[at]

    def chance(self, share: float) -> bool:
        """True in so many of one cases."""
        return self.random.random() < share

    def noun(self, k: int) -> tuple[str, bool]:
        """A noun for a class and whether it is plural: its own name first, later perhaps another word for it."""
        words = self.nouns[k]
        times = self.used.get(k, 0)
        self.used[k] = times + 1
        if times == 0 or len(words) == 1 or self.random.random() < 0.6:
            return words[0]
        return words[1 + self.random.randrange(len(words) - 1)]

    def n(self, k: int) -> str:
        """A noun alone."""
        return self.noun(k)[0]

    def verb(self, noun: tuple[str, bool], one: str, many: str) -> str:
        """Noun and verb in agreement."""
        return f"{noun[0]} {many if noun[1] else one}"

    def place(self, region: str) -> str:
        """A region with its article."""
        table = _COMPASS if self.facts.north.kind == "north" else _IMAGE
        return self.pick(*table[region])

    def name(self, region: str) -> str:
        """A region in its first wording, without an article."""
        table = _COMPASS if self.facts.north.kind == "north" else _IMAGE
        return table[region][0].removeprefix("the ")

    def spot(self, word: str) -> str:
        """The ninth of a scene that a point lies in, with its article."""
        table = _COMPASS if self.facts.north.kind == "north" else _IMAGE
        if word in ("north", "south", "west", "east"):
            return f"the {word}" if self.facts.north.kind == "north" else {
                "north": "the top", "south": "the bottom", "west": "the left", "east": "the right"}[word]  # fmt: skip
        return table[word][0]

    def share(self, classes: Sequence[int], region: str = "scene") -> tuple[str, Claim]:
        """A share in print, and its claim."""
        p = numbers.share(self.facts.share(classes, region))
        return p.text, Claim("share", tuple(classes), region=region, low=p.low, high=p.high, unit="%")

    def whole(self) -> str:
        """What shares are of: the scene, or its mapped part where some has no class."""
        return self.pick("the mapped part", "the mapped area") if self.facts.unknown() else "the scene"

    def area(self, classes: Sequence[int], region: str = "scene") -> tuple[str, Claim]:
        """An area in print, and its claim."""
        p = self.printed_area(self.facts.ground(classes, region))
        return p.text, Claim("area", tuple(classes), region=region, low=p.low, high=p.high, unit=p.unit)

    def printed_area(self, value: float) -> Printed:
        """An area in the words of this text."""
        return numbers.area(value, self.facts.unit, short=self.short)

    def printed_share(self, value: Fraction) -> Printed:
        """A share in print."""
        return numbers.share(value)


def joined(parts: Sequence[str], word: str = "and") -> str:
    """a; a and b; a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _spelled(digits: str) -> str:
    """A small whole number at the start of a sentence in letters."""
    return numbers.number_word(int(digits)) if 0 < int(digits) <= 12 else digits


def sentence(text: str) -> str:
    """With a capital and a full stop, one space between words."""
    text = re.sub(r"\bthe (class \d)", r"\1", re.sub(r"\s+", " ", text).strip())
    text = re.sub(r"^(\d+)(?= (?:hectares?|square|patches|classes)\b)", lambda m: _spelled(m[1]), text)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
