"""What a report says first: sentences made from its numbers, for people who read nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swath.estimate import Estimate
    from swath.report.data import ClassRow, ReportData

__all__ = [
    "amount", "headline", "interval", "measurer", "number", "percent", "points", "scorer", "sentences", "spanner", "unit",
]  # fmt: skip


FEW = 20


def number(value: float, digits: int = 3) -> str:
    """A number as people write it: 1,234, 12.3, 0.0123; a dash where undefined."""
    if not math.isfinite(value):
        return "–"
    if (value == round(value) and abs(value) < 1e15) or abs(value) >= 10 ** (digits - 1):
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{digits}g}" if abs(value) >= 1e-3 else f"{value:.1e}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def percent(value: float, digits: int = 0) -> str:
    """A share as percent."""
    return f"{100 * value:.{digits}f} %" if math.isfinite(value) else "–"


def points(value: float) -> str:
    """A difference of shares in percentage points, signed."""
    return f"{100 * value:+.1f}".replace("-", "−")


def unit(text: str) -> str:
    """A UDUNITS text for the eye: `W m-2` as W m⁻²; nothing for 1."""
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "" if text == "1" else re.sub(r"(?<=[A-Za-z])-?\d+", lambda m: m.group().translate(raised), text)


def scorer(kind: str) -> Callable[[Estimate], str]:
    """How a score is written: accuracies in percent, R2 as a number."""
    return amount if kind == "class" else lambda e: number(e.value) if e.defined else "–"


def measurer(kind: str) -> Callable[[Estimate], str]:
    """How a measure beside the score is written: for numbers in the label's unit, which may be unknown."""
    return amount if kind == "class" else lambda e: f"{number(e.value)} {unit(e.unit)}".strip() if e.defined else "–"


def spanner(kind: str) -> Callable[[Estimate], str]:
    """How the interval of a score is written."""

    def plain(e: Estimate) -> str:
        known = math.isfinite(e.low) and math.isfinite(e.high)
        return f"{number(e.low, 2)} to {number(e.high, 2)}" if known else ""

    return interval if kind == "class" else plain


def amount(estimate: Estimate) -> str:
    """The value of an Estimate in its unit: percent for shares."""
    if not estimate.defined:
        return "–"
    return (
        percent(estimate.value) if estimate.unit == "1" else f"{number(estimate.value)} {unit(estimate.unit)}".strip()
    )


def interval(estimate: Estimate) -> str:
    """Its interval as `66–80`, empty without one."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    if estimate.unit == "1":
        return f"{100 * estimate.low:.0f}–{100 * estimate.high:.0f} %"
    return f"{number(estimate.low)} to {number(estimate.high)}"


def headline(data: ReportData) -> str:
    """The answer in one line."""
    if not data.accuracy.defined:
        return "A map whose accuracy could not be measured"
    if data.kind == "class":
        return f"{percent(data.accuracy.value)} of the checked pixels are right"
    share = data.accuracy.value
    if share <= 0:
        return "The map explains none of the variation in the checked values"
    return f"The map explains {percent(share)} of the variation in the checked values"


def sentences(data: ReportData) -> list[str]:
    """What to know beside the headline: certainty, gain over simple methods, best and worst classes, where to doubt."""
    said = [_certainty(data), _gain(data)]
    said += _classes(data) if data.kind == "class" else _errors(data)
    said.append(_doubt(data))
    return [s for s in said if s]


def _certainty(data: ReportData) -> str:
    a = data.accuracy
    if not a.defined:
        return f"Why: {a.reason or 'no reason was given'}."
    if not (math.isfinite(a.low) and math.isfinite(a.high)):
        return f"No interval is given: {a.reason or 'the places are too few for one'}."
    if data.kind == "class":
        span = f"The true share lies between {100 * a.low:.0f} and {100 * a.high:.0f} %"
    else:
        span = f"R² is {number(a.value, 2)}; its true value lies between {number(a.low, 2)} and {number(a.high, 2)}"
    return f"{span}, at {percent(a.level)} confidence."


def _gain(data: ReportData) -> str:
    known = [(n, e) for n, e in data.baselines if e.defined]
    if not known or not data.accuracy.defined or data.kind != "class":
        return ""
    name, best = max(known, key=lambda pair: pair[1].value)
    gain = data.accuracy.value - best.value
    paired = dict(data.gains).get(name)
    sure = ""
    if paired is not None and math.isfinite(paired.low):
        gain = paired.value
        sure = f" ({points(paired.low)} to {points(paired.high)})"
    if abs(gain) < 0.005:
        return f"It is no better than {name}, the best simple method tried ({percent(best.value)})."
    word = "better" if gain > 0 else "worse"
    rest = f"the best simple method tried ({percent(best.value)})"
    return f"It is {abs(100 * gain):.0f} points{sure} {word} than {name}, {rest}."


def _classes(data: ReportData) -> list[str]:
    known = [
        c for c in data.classes if c.users.defined and c.producers.defined and min(c.users.n, c.producers.n) >= FEW
    ]
    said = []
    if len(known) > 1:
        order = sorted(known, key=lambda c: (_weaker(c), c.code))
        said.append(f"Most reliable class: {_both(order[-1])}. Least: {_both(order[0])}.")
    unknown = [c.name for c in data.classes if not (c.users.defined or c.producers.defined)]
    thin = [c.name for c in data.classes if c.name not in unknown and c not in known]
    if thin and known:
        said.append(f"Checked on fewer than {FEW} pixels, so hardly known: {', '.join(thin)}.")
    if unknown:
        said.append(f"Not checked at all: {', '.join(unknown)}.")
    return said


def _both(row: ClassRow) -> str:
    return f"{row.name} ({percent(row.users.value)} of what is mapped so is right, {percent(row.producers.value)} of it is found)"


def _weaker(row: ClassRow) -> float:
    return min(row.users.value, row.producers.value)


def _errors(data: ReportData) -> list[str]:
    rmse = next((e for n, e in data.scores.items() if n.upper() == "RMSE" and e.defined), None)
    return [f"A typical error (RMSE) is {measurer('number')(rmse)}."] if rmse else []


def _doubt(data: ReportData) -> str:
    parts = []
    if math.isfinite(data.sure):
        more = 1 - data.sure
        spread = "on nearly all of the map one class is left" if more < 0.005 else ""
        parts.append(spread or f"on {percent(more)} of the map more than one class remains possible")
    if math.isfinite(data.outside):
        rest = "of the map looks unlike any label: what was measured here says nothing there"
        parts.append(f"{percent(data.outside)} {rest}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
