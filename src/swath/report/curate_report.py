"""The page of a curation: what was kept of which group of tiles, with pictures; one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from swath.cube.save import write_text

__all__ = ["Group", "Page", "Shown", "render", "write"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One kept tile: key, why, and a picture as a data URI or ""."""

    key: str
    reason: str
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """One cluster: how many tiles it has, how many were kept, some of those."""

    title: str
    size: int
    taken: int
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """result: CurateResult.to_json(). sizes, taken: of all clusters, the largest first. folders: (name, tiles, kept).

    copies: (tile, of which, distance). No clock and no path of the machine.
    """

    title: str
    result: Mapping[str, Any]
    sizes: tuple[int, ...]
    taken: tuple[int, ...]
    folders: Sequence[tuple[str, int, int]]
    groups: Sequence[Group]
    copies: Sequence[tuple[str, str, float]]
    command: str


def write(path: Path, page: Page) -> Path:
    """Write the page whole or not at all."""
    write_text(path, render(page))
    return path


def render(page: Page) -> str:
    """The page as text; whatever comes from files is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("swath.report")
    template = environment.from_string(source.joinpath("curate.html.j2").read_text("utf-8"))
    style = source.joinpath("style.css").read_text("utf-8")
    text = template.render(p=page, r=page.result, style=style, chart=_chart(page.sizes, page.taken))
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def _chart(sizes: Sequence[int], taken: Sequence[int], bars: int = 80) -> dict[str, Any]:
    """Bars of at most 80 clusters: shares of the archive and of the kept, as percentages of the tallest."""
    step = -(-len(sizes) // bars)
    before = [sum(sizes[i : i + step]) / max(1, sum(sizes)) for i in range(0, len(sizes), step)]
    after = [sum(taken[i : i + step]) / max(1, sum(taken)) for i in range(0, len(taken), step)]
    top = max([*before, *after, 1e-9])
    wide = 720 / max(1, len(before))
    rows = [
        {"x": round(i * wide, 2), "w": round(wide * 0.42, 2), "x2": round(i * wide + wide * 0.44, 2),
         "a": round(150 * a / top, 2), "b": round(150 * b / top, 2), "words": f"{a:.1%} of the archive, {b:.1%} of the kept"}
        for i, (a, b) in enumerate(zip(before, after, strict=True))
    ]  # fmt: skip
    return {"bars": rows, "step": step, "top": f"{top:.1%}"}
