"""The page of a stress test: one self-contained HTML file."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from swath.cube.save import write_text

__all__ = ["Page", "Shown", "write"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of the page: title, words, and a picture or a table (head, rows) or both."""

    title: str
    words: str
    picture: Path | None = None
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """headline: what was tried; lead: sentences that say what came out; notes in groups {title: sentences}."""

    headline: str
    lead: Sequence[str]
    parts: Sequence[Shown]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    simulated: bool = False


def write(path: Path, page: Page) -> Path:
    """Write the page aside, then rename; whatever comes from files is escaped."""
    style = (files("swath.report") / "style.css").read_text("utf-8")
    e = html.escape
    made = '<p><span class="chip warn">simulated: numbers of a made world</span></p>' if page.simulated else ""
    lead = "".join(f"<li>{e(s)}</li>" for s in page.lead)
    parts = "\n".join(_part(p) for p in page.parts)
    notes = "".join(
        f'<section><h2>{e(title)}</h2><ul class="notes">{"".join(f"<li>{e(s)}</li>" for s in said)}</ul></section>'
        for title, said in page.notes.items()
        if said
    )
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>Stress test: {e(page.headline)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        '<header class="top"><p class="brand">swath <span>stress</span></p></header>\n'
        f'<main><section class="lead"><h1>Stress test: {e(page.headline)}</h1>{made}<ul class="says">{lead}</ul></section>\n'
        f"{parts}\n{notes}</main></body></html>\n",
    )
    return path


def _part(p: Shown) -> str:
    e = html.escape
    inside = f"<h2>{e(p.title)}</h2>"
    if p.picture is not None:
        data = base64.b64encode(p.picture.read_bytes()).decode("ascii")
        inside += (
            f'<figure><img style="max-width:100%" alt="{e(p.words)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{e(p.words)}</figcaption></figure>"
        )
    elif p.words:
        inside += f'<p class="small">{e(p.words)}</p>'
    if p.rows:
        head = "".join(f"<th>{e(h)}</th>" for h in p.head)
        body = "".join("<tr>" + "".join(f"<td>{e(c)}</td>" for c in row) + "</tr>" for row in p.rows)
        table = f'<div class="scroll"><table class="classes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        inside += f"<details><summary>{len(p.rows)} rows</summary>{table}</details>" if p.folded else table
    return f"<section>{inside}</section>"
