"""Charts as SVG text that follows the page's colours: reliability and scatter. Bars and intervals are plain HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from swath.report.words import number
from swath.report.words import unit as pretty

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["reliability", "scatter", "ticks"]

MOST_POINTS = 1500


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover a range: about `count` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count - 1, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _frame(
    size: int, left: int, bottom: int, marks: list[float], place: object, show: object, x: str, y: str
) -> list[str]:
    out = []
    for value in marks:
        at = place(value)  # type: ignore[operator]
        text = show(value)  # type: ignore[operator]
        out.append(f'<line class="grid" x1="{left}" x2="{left + size}" y1="{size - at:.1f}" y2="{size - at:.1f}"/>')
        out.append(f'<line class="grid" y1="0" y2="{size}" x1="{left + at:.1f}" x2="{left + at:.1f}"/>')
        out.append(f'<text x="{left - 6}" y="{size - at + 3.5:.1f}" text-anchor="end">{text}</text>')
        out.append(f'<text x="{left + at:.1f}" y="{size + 15}" text-anchor="middle">{text}</text>')
    out.append(f'<text class="axis" x="{left + size / 2}" y="{size + bottom - 3}" text-anchor="middle">{x}</text>')
    out.append(f'<text class="axis" transform="translate(11 {size / 2}) rotate(-90)" text-anchor="middle">{y}</text>')
    return out


def reliability(bins: Mapping[str, ArrayLike]) -> str:
    """Stated against observed, a disc a bin with area by its count; on the diagonal the map keeps its word.

    bins: edges (n + 1), stated, observed (n, NaN where empty), count (n), as `metric.reliability` gives.
    """
    stated, observed, count = (np.asarray(bins[k], float) for k in ("stated", "observed", "count"))
    size, left, bottom = 300, 52, 36
    total = max(float(np.nansum(count)), 1.0)
    body = _frame(
        size, left, bottom, [0.0, 0.25, 0.5, 0.75, 1.0], lambda v: v * size, lambda v: f"{100 * v:.0f}%",
        "probability that the map states", "share that is right",
    )  # fmt: skip
    body.append(f'<line class="ideal" x1="{left}" y1="{size}" x2="{left + size}" y2="0"/>')
    for s, o, n in zip(stated, observed, count, strict=True):
        if n > 0 and math.isfinite(s) and math.isfinite(o):
            x, y, r = left + s * size, size - o * size, 3 + 22 * math.sqrt(n / total)
            body.append(f'<line class="drop" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{size - s * size:.1f}"/>')
            words = f"stated {100 * s:.0f} %, right {100 * o:.0f} %, {n:,.0f} pixels"
            body.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"><title>{words}</title></circle>')
    return _svg(left + size + 14, size + bottom, body, "Reliability: stated probability against share that is right")


def scatter(truth: ArrayLike, predicted: ArrayLike, unit: str) -> str:
    """Estimated against true values with the line of equality; at most 1,500 points, evenly taken in order of truth."""
    t, p = np.asarray(truth, float), np.asarray(predicted, float)
    good = np.isfinite(t) & np.isfinite(p)
    t, p = t[good], p[good]
    if not len(t):
        return ""
    order = np.lexsort((p, t))
    take = order[np.unique(np.linspace(0, len(order) - 1, MOST_POINTS).astype(int))]
    t, p = t[take], p[take]
    low, high = float(min(t.min(), p.min())), float(max(t.max(), p.max()))
    high = high if high > low else low + 1.0
    pad = 0.04 * (high - low)
    low, high = low - pad, high + pad
    size, left, bottom = 300, 60, 36

    def place(v: float) -> float:
        return (v - low) / (high - low) * size

    from html import escape

    named = f" ({escape(pretty(unit))})" if pretty(unit) else ""
    body = _frame(size, left, bottom, ticks(low, high), place, number, f"true value{named}", f"estimated value{named}")
    body.append(f'<line class="ideal" x1="{left}" y1="{size}" x2="{left + size}" y2="0"/>')
    fade = 0.75 if len(t) < 200 else 0.45
    for a, b in zip(t, p, strict=True):
        body.append(
            f'<circle class="dot" cx="{left + place(a):.1f}" cy="{size - place(b):.1f}" r="3" opacity="{fade}"/>'
        )
    return _svg(left + size + 14, size + bottom, body, "Estimated against true values")


def _svg(width: int, height: int, body: list[str], title: str) -> str:
    view = f"0 -8 {width} {height + 8}"
    return f'<svg class="chart" viewBox="{view}" role="img" aria-label="{title}">{"".join(body)}</svg>'
