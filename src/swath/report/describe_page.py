"""The page of a description: the map beside its sentences; the window that a sentence speaks of lights up under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from swath.cube.save import write_text

__all__ = ["Judged", "Key", "Page", "Told", "render", "told", "write"]


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence; verdict as a CSS class; why: shown on hover; its window in per cent of the picture."""

    text: str
    why: str
    verdict: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Key:
    """A class in the legend."""

    name: str
    colour: str
    share: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A foreign sentence and what came of it."""

    sentence: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows. uri: the picture; questions: objects with text, options, key and blind."""

    title: str
    headline: str
    uri: str
    width: int
    height: int
    sentences: Sequence[Told]
    keys: Sequence[Key]
    places: str
    picture: str
    hint: str
    lines: bool = False
    notes: Sequence[str] = ()
    judged: Sequence[Judged] = ()
    judged_title: str = ""
    omitted: Sequence[str] = ()
    transitions: Sequence[tuple[str, str, str]] = ()
    questions: Sequence[object] = ()
    simulated: bool = False


def told(text: str, why: str, window: tuple[int, int, int, int], shape: tuple[int, int], verdict: str = "") -> Told:
    """A sentence with its pixel window (top, bottom, left, right) on a map of `shape`."""
    top, bottom, left, right = window
    h, w = shape
    return Told(
        text, why, verdict.replace(" ", "-"), round(100 * left / w, 3), round(100 * top / h, 3),
        round(100 * (right - left) / w, 3), round(100 * (bottom - top) / h, 3),
    )  # fmt: skip


def write(path: Path, page: Page) -> Path:
    """Write the page whole or not at all."""
    write_text(path, render(page))
    return path


def render(page: Page) -> str:
    """The page as text; whatever comes from files is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("swath.report")
    template = environment.from_string(source.joinpath("describe.html.j2").read_text("utf-8"))
    text = template.render(p=page, style=source.joinpath("style.css").read_text("utf-8"))
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"
