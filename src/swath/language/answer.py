"""Answers in parts: text, and numbers that say which call returned them and which pixels they count."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from swath.language import numbers

__all__ = ["Number", "Part", "at", "loose_numbers", "printed", "text_of"]


@dataclass(frozen=True, slots=True)
class Number:
    """One number of an answer. call: the number of the call that returned it; pointer: where in that call's result, as
    `facts/classes/1/area`.

    unit: `1` for shares, `ha`, `pixel`, ...; low, high: its interval where the tool gave one. evidence: the map, the pixel
    window (top, bottom, left, right) and the codes of the classes that it counts. text: as printed.
    """

    value: float
    unit: str
    call: int
    pointer: str
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "value": self.value, "unit": self.unit, "low": self.low, "high": self.high, "call": self.call,
            "pointer": self.pointer, "text": self.text, "evidence": dict(self.evidence),
        }  # fmt: skip


Part = str | Number


def at(record: Any, pointer: str) -> Any:
    """The value at a place in a result, its steps joined by / as in a JSON pointer (without the first, which looks like a path).

    KeyError, IndexError or ValueError where there is none.
    """
    for step in pointer.removeprefix("/").split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        record = record[int(key)] if isinstance(record, list) else record[key]
    return record


def printed(value: float, unit: str) -> str:
    """A number with its unit, as answers print it."""
    if unit == "1":
        return numbers.share(Fraction(value).limit_denominator(1_000_000)).text
    if unit in ("ha", "pixel"):
        return numbers.area(value, unit).text
    if unit == "m":
        return numbers.length(value).text
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
    return f"{text} {unit}".strip() if math.isfinite(value) else "not known"


def text_of(parts: Sequence[Part]) -> str:
    """The parts as one text."""
    return "".join(p if isinstance(p, str) else p.text for p in parts)


_SPELLED = frozenset(
    [
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "hundreds",
        "thousand",
        "thousands",
        "million",
        "millions",
        "dozen",
        "dozens",
        "half",
        "halves",
        "third",
        "thirds",
        "quarter",
        "quarters",
        "twice",
        "double",
        "doubled",
        "doubles",
        "triple",
        "tripled",
        "tripling",
        "thrice",
        "halved",
        "doubling",
        "fifth",
        "tenth",
        "percent",
    ]
)


_ONE = re.compile(
    r"\b(?:one|an?|single) (?:hectare|ha|pixel|km|square|kilomet|met(?:er|re)|acre|per ?cent|patch|time)\w*"
)


def loose_numbers(parts: Sequence[Part], names: Iterable[str] = (), *, spelled: bool = False) -> list[str]:
    """Numerals that stand in the text of an answer without a call behind them; names (of maps, dates, classes) are not numbers.

    spelled: numbers in words count too.
    """
    found: list[str] = []
    known = sorted({n for n in names if n}, key=len, reverse=True)
    for part in parts:
        if isinstance(part, Number):
            continue
        text = part
        for name in known:
            text = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w])", " ", text)
        found += [w for w in text.split() if "%" in w or any(c.isnumeric() for c in w)]
        if spelled:
            found += [w for w in re.findall(r"[a-z]+", text.lower()) if w in _SPELLED]
            found += _ONE.findall(text.lower())
    return found


_NUMERAL = re.compile(
    r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?: ?(?:%|hectares?|ha|square kilometres?|km²|km|m|pixels?))?(?!\w)"
)
_FACTOR = {"hectare": ("ha", 1.0), "ha": ("ha", 1.0), "square kilometre": ("ha", 100.0), "km²": ("ha", 100.0),
           "km": ("m", 1000.0), "m": ("m", 1.0), "%": ("%", 1.0), "pixel": ("pixel", 1.0)}  # fmt: skip


def linked(
    sentence: str, claims: Mapping[int, Mapping[str, Any]], call: int, what: Mapping[str, Any], pointer: str
) -> list[Part]:
    """A sentence of `describe` as parts: each numeral is a Number that points to its claim, {place in the list: claim}.

    A numeral that is no claim's (a date, a name) points to the sentence itself, at `pointer`.
    """
    parts: list[Part] = []
    last = 0
    for match in _NUMERAL.finditer(sentence):
        text = match[0]
        digits = re.match(r"[\d,.]+", text)
        value = float(digits[0].rstrip(",.").replace(",", "")) if digits else float(numbers.WORDS[text.lower()])
        word = re.sub(r"^[\d,.]+ ?", "", text).rstrip("s") if digits else ""
        unit, factor = _FACTOR.get(word, ("", 1.0))
        for i, claim in claims.items():
            low, high = claim.get("low"), claim.get("high")
            fits = (low is None or low - 1e-9 <= value * factor) and (high is None or value * factor <= high + 1e-9)
            if (low is not None or high is not None) and fits and claim.get("unit", "") in (unit, ""):
                made = value * factor / (100 if unit == "%" else 1)
                evidence = {**what, "window": claim.get("window"), "classes": list(claim.get("class", []))}
                parts += [sentence[last : match.start()]]
                parts += [Number(made, "1" if unit == "%" else unit, call, f"claims/{i}", text, evidence)]
                break
        else:
            made = value * factor / (100 if unit == "%" else 1)
            window = next((c["window"] for c in claims.values() if c.get("window")), None)
            seen = {**what, "window": window} if window else dict(what)
            parts += [
                sentence[last : match.start()],
                Number(made, "1" if unit == "%" else unit, call, pointer, text, seen),
            ]
        last = match.end()
    return [*parts, sentence[last:]]
