"""The page of a change: both dates, what changed, how sure, how much, and how far the dates are shifted; one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.save import write_text
from swath.earth.colour import Colour, hexadecimal
from swath.report import figures

if TYPE_CHECKING:
    from swath.estimate import Estimate
    from swath.report.figures import Picture

__all__ = ["Matrix", "Page", "Row", "render", "share_picture", "write"]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of change: colour, name, area as counted, area with its interval."""

    colour: Colour
    name: str
    mapped: float
    area: Estimate


@dataclass(frozen=True, slots=True)
class Matrix:
    """Areas by class before (down) and after (across)."""

    names: Sequence[str]
    areas: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Page:
    """headline, says: what came out. views: {title: picture}. rows: kinds of change. scores: (name, Estimate) by the truth.

    shift, doubts, assumed: sentences. No clock and no path of the machine.
    """

    title: str
    headline: str
    says: Sequence[str]
    views: Mapping[str, Picture]
    rows: Sequence[Row]
    unit: str
    facts: Sequence[tuple[str, str]]
    shift: Sequence[str] = ()
    matrix: Matrix | None = None
    scores: Sequence[tuple[str, Estimate]] = ()
    judged: str = ""
    candidates: Sequence[tuple[str, Estimate]] = ()
    doubts: Sequence[str] = ()
    assumed: Sequence[str] = ()
    remarks: Sequence[str] = ()
    files: Sequence[tuple[str, str]] = ()
    version: str = ""
    simulated: bool = False
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write(path: Path, page: Page) -> Path:
    """Write the page whole or not at all."""
    write_text(path, render(page))
    return path


def render(page: Page) -> str:
    """The page as text; whatever comes from files is escaped; nothing outside the page is asked for."""
    from jinja2 import Environment, StrictUndefined

    from swath.report import words

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": words.number,
        "amount": words.amount,
        "interval": words.interval,
        "percent": words.percent,
        "unit": words.unit,
        "hexadecimal": hexadecimal,
    }
    source = files("swath.report")
    template = environment.from_string(source.joinpath("change.html.j2").read_text("utf-8"))
    style = source.joinpath("style.css").read_text("utf-8")
    text = template.render(d=page, style=style, views=[_view(i, t, p) for i, (t, p) in enumerate(page.views.items())])
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def _view(i: int, title: str, picture: Picture) -> dict[str, Any]:
    height, width = picture.pixels.shape[:2]
    return {
        "key": f"w{i}",
        "title": title,
        "words": picture.words,
        "uri": figures.data_uri(picture.pixels, photo=title in ("Before", "After")),
        "width": width,
        "height": height,
        "crisp": max(width, height) < 420,
    }


def share_picture(path: Path, band: int, words: str, *, top: int = 250, hatch: int = 0) -> Picture:
    """A band of stored shares from pale (0) to deep red (`top`); hatch: a band whose 1 is hatched over it (0: none)."""
    from swath.earth.colour import ramp

    values, valid, step = figures.read_band(path, band)
    shades = np.array(ramp("doubt", 256), np.uint8)
    rgb = shades[np.clip(values.astype(float) / top * 255, 0, 255).astype(int)]
    image = figures.with_alpha(rgb, valid)
    if hatch:
        over, there, _ = figures.read_band(path, hatch)
        image = figures.hatched(image, (over == 1) & there)
    return figures.Picture(image, step, words)
