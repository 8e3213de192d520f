"""The page of a benchmark: one self-contained HTML file with the table, the differences, the curve and what to know."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from swath.cube.save import write_text

__all__ = ["Page", "write"]


@dataclass(frozen=True, slots=True)
class Page:
    """title; lead: sentences that say what came out; head and rows of the table; figures {words: PNG}; notes in groups."""

    title: str
    lead: Sequence[str]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, Path]
    notes: Mapping[str, Sequence[str]]
    simulated: bool = False


def write(path: Path, page: Page) -> Path:
    """Write the page aside, then rename; whatever comes from files is escaped."""
    style = (files("swath.report") / "style.css").read_text("utf-8")
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(page.title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        '<header class="top"><p class="brand">swath <span>bench</span></p></header>\n'
        f"<main>{_body(page)}</main></body></html>\n"
    )
    write_text(path, text)
    return path


def _body(page: Page) -> str:
    e = html.escape
    made = '<p><span class="chip warn">simulated: numbers of a made world</span></p>' if page.simulated else ""
    lead = "".join(f"<li>{e(s)}</li>" for s in page.lead)
    parts = [f'<section class="lead"><h1>Benchmark</h1><p class="headline">{e(page.title)}</p>{made}'
             f'<ul class="says">{lead}</ul></section>']  # fmt: skip
    for words, picture in page.figures.items():
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        parts.append(
            f'<section><figure><img style="max-width:100%" alt="{e(words)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{e(words)}</figcaption></figure></section>"
        )
    head = "".join(f"<th>{e(h)}</th>" for h in page.head)
    body = "".join("<tr>" + "".join(f"<td>{e(c)}</td>" for c in row) + "</tr>" for row in page.rows)
    parts.append(
        "<section><h2>All that was measured</h2>"
        f'<div class="scroll"><table class="classes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )
    for title, sentences in page.notes.items():
        if sentences:
            points = "".join(f"<li>{e(s)}</li>" for s in sentences)
            parts.append(f'<section><h2>{e(title)}</h2><ul class="notes">{points}</ul></section>')
    return "\n".join(parts)
