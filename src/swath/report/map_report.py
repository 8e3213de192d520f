"""The page of a map run: one self-contained HTML file, the same bytes for the same data."""

from __future__ import annotations

import math
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.earth.colour import DOUBT, SEQUENCE, hexadecimal
from swath.errors import OutputError
from swath.report import charts, figures, words
from swath.report.data import ReportData, from_assessment

if TYPE_CHECKING:
    from swath.estimate import Estimate
    from swath.report.figures import Picture

__all__ = ["ReportData", "from_assessment", "render", "write"]


def write(path: str | Path, data: ReportData) -> Path:
    """Write the page aside, then rename. Raises OutputError when it cannot be written."""
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(render(data))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OutputError(
            rule="the report goes to a file",
            got=f"{path.name}: {error.strerror}",
            remedy="check the folder and its space",
        ) from error
    return path


def render(data: ReportData) -> str:
    """The page as text. Whatever comes from files or people is escaped; nothing outside the page is asked for."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "percent": words.percent,
        "number": words.number,
        "amount": words.amount,
        "interval": words.interval,
        "hexadecimal": hexadecimal,
        "hover": _hover,
        "unit": words.unit,
        "bare": lambda e: words.interval(e).removesuffix(" %"),
    }
    source = files("swath.report")
    template = environment.from_string(source.joinpath("map.html.j2").read_text("utf-8"))
    style = source.joinpath("style.css").read_text("utf-8")
    said = {"headline": words.headline(data), "sentences": words.sentences(data)}
    shown = {
        "score": words.scorer(data.kind),
        "between": words.spanner(data.kind),
        "measure": words.measurer(data.kind),
    }
    page = template.render(d=data, style=style, **said, **shown, **_parts(data))
    return "\n".join(line.rstrip() for line in page.splitlines() if line.strip()) + "\n"


def _hover(estimate: Estimate) -> str:
    """All that is known of a number, as a tooltip."""
    if not estimate.defined:
        return f"undefined: {estimate.reason or 'no reason given'}"
    about = [f"{words.amount(estimate)}, n = {estimate.n:,}"]
    if span := words.interval(estimate):
        about.append(f"{words.percent(estimate.level)} interval {span}")
    about += [t for t in (estimate.method, estimate.reason) if t]
    return "; ".join(about)


def _parts(data: ReportData) -> dict[str, Any]:
    """What the template shows beside the data itself: pictures, charts, bars."""
    from markupsafe import Markup

    reliability = charts.reliability(data.reliability) if data.reliability is not None else ""
    pairs = data.truth is not None and data.predicted is not None
    scatter = charts.scatter(data.truth, data.predicted, data.unit) if pairs else ""  # type: ignore[arg-type]
    return {
        "views": _views(data),
        "reliability": Markup(reliability),  # noqa: S704 - made of numbers alone
        "scatter": Markup(scatter),  # noqa: S704 - made of numbers; the unit is escaped there
        "compared": _compared(data),
        "axis": _axis(data),
        "areas": _areas(data),
        "matrix": _matrix(data),
        "leakage": _leakage(data),
        "leaked": _leaked(data),
        "sequence": ", ".join(hexadecimal(c) for c in SEQUENCE),
        "doubting": ", ".join(hexadecimal(c) for c in DOUBT),
        "unmeasured": [c.name for c in data.classes if not c.users.defined and not c.producers.defined],
    }


def _views(data: ReportData) -> list[dict[str, Any]]:
    found = []
    for key, title, picture in (
        ("map", "Map", data.answer),
        ("doubt", "Doubt", data.doubt),
        ("scene", "Scene", data.scene),
    ):
        if picture is not None:
            height, width = picture.pixels.shape[:2]
            found.append(
                {
                    "key": key,
                    "title": title,
                    "words": picture.words,
                    "uri": figures.data_uri(picture.pixels, photo=key == "scene"),
                    "width": width,
                    "height": height,
                    "crisp": max(width, height) < 420,
                    "bar": _scale_bar(picture, data.pixel_m),
                }
            )
    return found


def _scale_bar(picture: Picture, pixel_m: float) -> dict[str, Any] | None:
    """A round length of about a fifth of the picture's width, and its share of that width."""
    whole = picture.pixels.shape[1] * picture.step * (pixel_m if math.isfinite(pixel_m) else 1.0)
    if whole <= 0:
        return None
    power = 10 ** math.floor(math.log10(whole / 5))
    length = max(m * power for m in (1, 2, 5) if m * power <= whole / 4)
    if not math.isfinite(pixel_m):
        text = f"{length:,.0f} pixels" if length >= 1 else ""
    else:
        text = f"{length / 1000:,.0f} km" if length >= 1000 else f"{length:,.0f} m" if length >= 1 else ""
    return {"share": 100 * length / whole, "text": text} if text else None


def _compared(data: ReportData) -> list[dict[str, Any]]:
    """Rows of the comparison: this map, then simple methods on the same check."""
    rows = [("this map", data.accuracy, "own"), *((n, e, "base") for n, e in data.baselines)]
    low, high = _axis(data)["range"]
    return [{"name": n, "estimate": e, "role": r, **_bar(e, low, high)} for n, e, r in rows]


def _axis(data: ReportData) -> dict[str, Any]:
    known = [data.accuracy, *(e for _, e in data.baselines), *(e for _, e in data.candidates)]
    lows = [v for e in known for v in (e.value, e.low) if math.isfinite(v)]
    low = 0.0 if data.kind == "class" else max(min([0.0, *lows]), -1.0)
    marks = [0.0, 0.25, 0.5, 0.75, 1.0] if low >= 0 else charts.ticks(low, 1.0)
    return {
        "range": (low, 1.0),
        "marks": [{"at": 100 * (m - low) / (1.0 - low), "text": _mark(m, data.kind)} for m in marks],
    }


def _mark(value: float, kind: str) -> str:
    return f"{100 * value:.0f} %" if kind == "class" else f"{value:g}".replace("-", "−")


def _bar(estimate: Estimate, low: float, high: float) -> dict[str, float | None]:
    def at(v: float) -> float | None:
        return round(100 * min(max((v - low) / (high - low), 0.0), 1.0), 2) if math.isfinite(v) else None

    return {"at": at(estimate.value), "from": at(estimate.low), "to": at(estimate.high)}


def _areas(data: ReportData) -> list[dict[str, Any]]:
    tops = [v for c in data.classes for v in (c.mapped, c.area.value, c.area.high) if math.isfinite(v)]
    top = max([*tops, 1e-12]) * 1.02
    total = sum(c.mapped for c in data.classes if math.isfinite(c.mapped))
    return [
        {
            "row": c,
            "share": c.mapped / total if total and math.isfinite(c.mapped) else math.nan,
            "adjusted": c.area.defined and not (c.mapped == c.area.value and math.isnan(c.area.low)),
            "mapped": round(100 * c.mapped / top, 2) if math.isfinite(c.mapped) else None,
            **_bar(c.area, 0.0, top),
        }
        for c in data.classes
    ]


def _matrix(data: ReportData) -> dict[str, Any] | None:
    if data.confusion is None:
        return None
    counts = np.asarray(data.confusion.counts, float)
    rows, columns = list(data.confusion.rows), list(data.confusion.columns)
    total = counts.sum(axis=0)
    share = counts / np.where(total > 0, total, 1.0)
    by_name = {c.name: c for c in data.classes}
    body = [
        {
            "name": name,
            "cells": [
                {"count": counts[i, j], "share": round(float(share[i, j]), 3), "right": name == columns[j]}
                for j in range(len(columns))
            ],
            "sum": counts[i].sum(),
            "users": by_name[name].users if name in by_name else None,
            "colour": by_name[name].colour if name in by_name else (128, 128, 128),
        }
        for i, name in enumerate(rows)
    ]
    foot = [by_name[c].producers if c in by_name else None for c in columns]
    return {"columns": columns, "rows": body, "totals": total.tolist(), "producers": foot, "whole": counts.sum()}


def _leaked(data: ReportData) -> str:
    """The findings of the leak check as one text."""
    said = data.leakage.get("words") or ()
    text = said if isinstance(said, str) else "; ".join(str(s) for s in said)
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def _leakage(data: ReportData) -> list[tuple[str, str]]:
    """What was looked at for leaks, in words: numbers, words and short lists as they are."""
    out = []
    for key, value in data.leakage.items():
        if key == "words":
            continue
        if isinstance(value, bool):
            text = "yes" if value else "no"
        elif isinstance(value, int | float):
            text = words.number(float(value))
        elif isinstance(value, str):
            text = value
        elif isinstance(value, list | tuple):
            text = "; ".join(str(v) for v in value[:8])
        elif isinstance(value, dict) and "value" in value:
            from swath.estimate import Estimate

            text = str(Estimate.from_json(value))
        else:
            continue
        if text:
            out.append((str(key).replace("_", " "), text))
    return out
