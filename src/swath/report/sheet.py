"""A page of sections: words, tables and figures in one self-contained HTML file. What most verbs need and no more."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from swath.cube.save import write_text

__all__ = ["Section", "Sheet", "Table", "write"]


@dataclass(frozen=True, slots=True)
class Table:
    """head, rows: text; the columns numbered in `right` are aligned to the right. caption: below it."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """title, sentences, a table, and figures {PNG file: what is seen}, in this order."""

    title: str
    words: Sequence[str] = ()
    table: Table | None = None
    figures: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """verb: beside the name at the top; headline: the answer in a sentence. No clock and no path of the machine belong here."""

    verb: str
    title: str
    headline: str
    says: Sequence[str] = ()
    notes: Sequence[str] = ()
    sections: Sequence[Section] = ()
    simulated: bool = False


def write(path: str | Path, sheet: Sheet) -> Path:
    """Write the page whole or not at all; text from files is escaped, figures are put inside."""
    path = Path(path)
    e = html.escape
    style = (files("swath.report") / "style.css").read_text("utf-8")
    mark = ' <span class="chip warn">simulated</span>' if sheet.simulated else ""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        f"<title>{e(sheet.title)}</title>\n<style>\n{style}</style></head>\n<body>",
        f'<header class="top"><p class="brand">swath <span>{e(sheet.verb)}</span></p></header>\n<main>',
        f'<section class="lead"><h1>{e(sheet.title)}{mark}</h1><p class="headline">{e(sheet.headline)}</p>',
        _list("says", sheet.says) + _list("notes", sheet.notes) + "</section>",
        *(_section(s) for s in sheet.sections),
        "</main></body></html>\n",
    ]
    write_text(path, "\n".join(parts))
    return path


def _list(kind: str, items: Sequence[str]) -> str:
    inside = "".join(f"<li>{html.escape(i)}</li>" for i in items)
    return f'<ul class="{kind}">{inside}</ul>' if inside else ""


def _section(section: Section) -> str:
    e = html.escape
    parts = [f"<section><h2>{e(section.title)}</h2>", *(f"<p>{e(w)}</p>" for w in section.words)]
    if section.table is not None:
        parts.append(_table(section.table))
    for path, words in section.figures.items():
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        parts.append(
            f'<figure><img alt="{e(words)}" src="data:image/png;base64,{data}"><figcaption>{e(words)}</figcaption></figure>'
        )
    return "\n".join([*parts, "</section>"])


def _table(table: Table) -> str:
    e = html.escape

    def shown(cell: str) -> str:
        """An interval stands below its value, on a line of its own."""
        value, bracket, rest = cell.partition(" [")
        return f"{e(value)}<br><small>[{e(rest)}</small>" if bracket else e(cell)

    def row(cells: Sequence[str], kind: str) -> str:
        side = [
            ' style="text-align:right;padding-left:1rem;white-space:nowrap"' if i in table.right else ""
            for i in range(len(cells))
        ]
        return "<tr>" + "".join(f"<{kind}{s}>{shown(c)}</{kind}>" for s, c in zip(side, cells, strict=True)) + "</tr>"

    body = "".join(row(r, "td") for r in table.rows)
    caption = f'<p class="small">{e(table.caption)}</p>' if table.caption else ""
    return f'<div class="scroll"><table class="plain"><thead>{row(table.head, "th")}</thead><tbody>{body}</tbody></table></div>{caption}'
