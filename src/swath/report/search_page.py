"""The page of a search: the example, the places like it with pictures, and the threshold; one self-contained file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from swath.cube.save import write_text

__all__ = ["Page", "Shown", "render", "write"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture: its words, its key, and a data URI or ""."""

    words: str
    key: str
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """asked: (name, "like" or "not", picture). cards: (rank, similarity, picture). No clock and no path of the machine."""

    title: str
    answer: str
    threshold: str
    encoder: str
    searched: int
    asked: Sequence[tuple[str, str, Shown]]
    cards: Sequence[tuple[int, str, Shown]]
    notes: Sequence[str] = ()


def write(path: Path, page: Page) -> Path:
    """Write the page whole or not at all."""
    write_text(path, render(page))
    return path


def render(page: Page) -> str:
    """The page as text; whatever comes from files is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("swath.report")
    template = environment.from_string(source.joinpath("search.html.j2").read_text("utf-8"))
    text = template.render(p=page, style=source.joinpath("style.css").read_text("utf-8"))
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"
