"""Numbers in sentences: how they are printed, and what a printed number allows the true one to be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from swath.language.facts import rounded

__all__ = ["WORDS", "Printed", "area", "bounds", "length", "number_word", "share"]

INF = math.inf
_ONES = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
WORDS = {w: i for i, w in enumerate(_ONES) if i} | {
    "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100, "dozen": 12,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as it stands in the text, and the interval it allows, in `unit` (%, ha, pixel, m)."""

    text: str
    low: float
    high: float
    unit: str


def number_word(n: int) -> str:
    """Small whole numbers in words, others in digits."""
    return _ONES[n] if 0 < n <= 12 else f"{n:,}"


def bounds(value: float, half: float, mod: str = "") -> tuple[float, float]:
    """What a printed number allows. half: half a unit of its last digit. mod: "" exact, about, nearly, just over, more, less."""
    if mod == "about":
        reach = max(half, 0.12 * abs(value))
        return value - reach, value + reach
    if mod == "nearly":
        return 0.85 * value, value + min(half, 0.02 * value)
    if mod == "just over":
        return value - min(half, 0.02 * value), max(value + half, 1.18 * value)
    if mod == "more":
        return value, INF
    if mod == "less":
        return -INF, value
    return value - half, value + half


def share(value: Fraction) -> Printed:
    """A share in per cent: whole from 10 to 99, finer at the ends, never 0% or 100% unless that is exact."""
    p = 100 * float(value)
    if value in (0, 1):
        text = "100%" if value else "0%"
        return Printed(text, p - 0.5, p + 0.5, "%")
    for digits, fits in ((0, 10 <= p < 99.5), (1, 1 <= p < 99.95), (2, 0.005 <= p < 99.995)):
        if fits:
            text = rounded(p, digits)
            low, high = bounds(float(text), 0.5 * 10.0**-digits)
            return Printed(f"{text}%", low, high, "%")
    return Printed("less than 0.01%", -INF, 0.01, "%") if p < 1 else Printed("more than 99.99%", 99.99, INF, "%")


def area(value: float, unit: str, *, short: bool = False) -> Printed:
    """An area: hectares up to 10,000, square kilometres beyond; pixels without a CRS."""
    if unit != "ha":
        n = round(value)
        return Printed(f"{n:,} pixel{'' if n == 1 else 's'}", n - 0.5, n + 0.5, unit)
    name, factor = ("ha", 1.0) if value < 10_000 else ("km²", 100.0)
    size = value / factor
    digits = 2 if size < 1 else 1 if size < 100 else 0
    if size < 0.005:
        return Printed(f"less than 0.01 {_unit(name, False, short)}", -INF, 0.01, "ha")
    text = rounded(size, digits)
    if digits == 1 and text.endswith(".0"):
        text, digits = text[:-2], 0
    low, high = bounds(float(text), 0.5 * 10.0**-digits)
    shown = f"{int(text):,}" if digits == 0 else text
    return Printed(f"{shown} {_unit(name, text == '1', short)}", low * factor, high * factor, "ha")


def _unit(name: str, one: bool, short: bool) -> str:
    if short:
        return name
    words = {"ha": "hectare", "km²": "square kilometre"}[name]
    return words if one else words + "s"


def length(metres: float, *, about: bool = False) -> Printed:
    """A length in metres or kilometres, two or three digits; `about` lets it differ by 12 %."""
    factor, name = (1000.0, "km") if metres >= 1000 else (1.0, "m")
    size = metres / factor
    digits = max(0, min(3, 1 - math.floor(math.log10(size)))) if size > 0 else 0
    if about and size >= 100:
        size = round(size, 1 - math.floor(math.log10(size)))
    text = rounded(size, digits)
    low, high = bounds(float(text), 0.5 * 10.0**-digits, "about" if about else "")
    shown = f"{int(text):,}" if digits == 0 else text
    return Printed(f"{shown} {name}", low * factor, high * factor, "m")
