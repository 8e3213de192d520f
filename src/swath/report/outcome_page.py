"""The page of a recipe's outcome: one self-contained HTML file, and the same as Markdown for the documentation."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from swath.cube.save import write_text
from swath.report.outcome import Outcome, Row

__all__ = ["body", "markdown", "write"]

FIRST = 12  # sentences shown before the rest is folded away


def write(path: str | Path, outcome: Outcome) -> Path:
    """Write the page beside the figures that it shows, aside first, then renamed."""
    path = Path(path)
    style = (files("swath.report") / "style.css").read_text("utf-8")
    title = html.escape(f"{outcome.card.number} {outcome.card.title}")
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>\n{style}</style></head>\n<body>\n"
        f'<header class="top"><p class="brand">swath <span>recipe {outcome.card.number}</span></p></header>\n'
        f"<main>{body(outcome, path.parent)}</main></body></html>\n"
    )
    write_text(path, page)
    return path


def body(outcome: Outcome, folder: Path) -> str:
    """The inside of the page: what it is, the table, figures, verdicts, what was built and not."""
    card, e = outcome.card, html.escape
    parts = [
        f'<section class="lead"><h1>{e(card.source)}</h1><p class="headline">{e(card.title)}</p>'
        f'<p class="small">Scale: {e(outcome.scale)}. Code of the paper: {e(card.code)} ({e(card.licence)}).</p></section>',
    ]
    if outcome.verdicts:
        points = [f"<li>{e(v)}</li>" for v in outcome.verdicts]
        first, rest = "".join(points[:FIRST]), points[FIRST:]
        more = (
            f'<details><summary>{len(rest)} more</summary><ul class="notes">{"".join(rest)}</ul></details>'
            if rest
            else ""
        )
        title = "<h2>What agrees, and what did not reproduce</h2>"
        parts.append(f'<section>{title}<ul class="notes">{first}</ul>{more}</section>')
    for name, words in outcome.figures.items():
        data = base64.b64encode((folder / name).read_bytes()).decode("ascii")
        parts.append(
            f'<section><figure><img alt="{e(words)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{e(words)}</figcaption></figure></section>"
        )
    parts.append(f'<section><h2>What was measured</h2><div class="scroll">{_table(outcome.rows)}</div></section>')
    claims = "".join(f"<tr><th>{e(k)}</th><td>{e(v)}</td></tr>" for k, v in card.claims.items())
    lists = [("Built", card.built), ("Not built", card.not_built)]
    built = "".join(
        f"<h3>{title}</h3><ul class='notes'>{''.join(f'<li>{e(i)}</li>' for i in items)}</ul>"
        for title, items in lists
        if items
    )
    parts.append(f'<section><h2>The paper\'s claims</h2><table class="plain">{claims}</table>{built}</section>')
    if outcome.facts:
        facts = "".join(f"<tr><th>{e(str(k))}</th><td>{e(_fact(v))}</td></tr>" for k, v in outcome.facts.items())
        parts.append(f'<section><h2>Facts of this run</h2><table class="plain">{facts}</table></section>')
    return "\n".join(parts)


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_fact(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_fact(v) for v in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(rows: Sequence[Row]) -> str:
    e, lines = html.escape, []
    for (data, metric), group in groupby(rows, key=lambda r: (r.data, r.metric)):
        members = [*group]
        mark = ' <span class="chip warn">simulated</span>' if members[0].estimate.simulated else ""
        lines.append(f'<tr class="group"><td colspan="4">{e(data)}: {e(metric)}{mark}</td></tr>')
        for r in members:
            value, between = _words(r)
            lines.append(
                f'<tr class="{r.role}"><td>{e(r.method)}</td><td>{r.role}</td>'
                f'<td title="{e(r.estimate.method)}">{e(value)} <small>{e(between)}</small></td><td class="claim">{e(r.claim)}</td></tr>'
            )
    head = "<tr><th>method</th><th>role</th><th>estimate and interval</th><th>the paper's claim</th></tr>"
    return f'<table class="outcome"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table>'


def _words(row: Row) -> tuple[str, str]:
    e = row.estimate
    if not e.defined:
        return "undefined", e.reason
    share = e.unit == "1"
    show = (lambda x: f"{x:.3f}") if share else (lambda x: f"{x:,.4g}")
    unit = "" if share else f" {e.unit}"
    if math.isfinite(e.low) and math.isfinite(e.high):
        return f"{show(e.value)}{unit}", f"[{show(e.low)}, {show(e.high)}]"
    return f"{show(e.value)}{unit}", "no interval"


def markdown(outcome: Outcome, figures: str) -> str:
    """The same for the documentation; figures: the folder of the figures as the page sees it."""
    card = outcome.card
    lines = [
        f"# {card.number} {card.title}",
        "",
        f"{card.source}. Code: {card.code} ({card.licence}). `swath run {card.slug}` makes this page's numbers; scale: {outcome.scale}.",
        "",
    ]
    if outcome.verdicts:
        first, rest = outcome.verdicts[:FIRST], outcome.verdicts[FIRST:]
        lines += ["", "## What agrees, and what did not reproduce", "", *(f"- {v}" for v in first)]
        if rest:
            lines += ["", f'??? note "{len(rest)} more"', "", *(f"    - {v}" for v in rest)]
    for name, words in outcome.figures.items():
        lines += ["", f"![{words}]({figures}/{name})", "", f"*{words}*"]
    lines += ["", "## What was measured"]
    for data in dict.fromkeys(r.data for r in outcome.rows):
        lines += _group(data, [r for r in outcome.rows if r.data == data], folded=len(outcome.rows) > 40)
    lines += ["", "## The paper's claims", "", "| claim | value and where |", "|---|---|"]
    lines += [f"| {k.replace('|', '/')} | {v.replace('|', '/')} |" for k, v in card.claims.items()]
    for title, items in (("Built", card.built), ("Not built", card.not_built)):
        if items:
            lines += ["", f"## {title}", "", *(f"- {i}" for i in items)]
    return "\n".join(lines) + "\n"


def _group(data: str, rows: Sequence[Row], *, folded: bool) -> list[str]:
    """The rows of one set as a table; folded away where there are many."""
    simulated = all(r.estimate.simulated for r in rows) and "simulated" not in data
    title = (data + (" (simulated)" if simulated else "")).replace('"', "'")
    claims = any(r.claim for r in rows)
    head = ["metric", "method", "role", "estimate, 95 % interval", *(["the paper's claim"] if claims else [])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    last = ""
    for r in rows:
        value, between = _words(r)
        role = "**ours**" if r.role == "ours" else r.role
        cells = [
            "" if r.metric == last else r.metric,
            r.method,
            role,
            f"{value} {between}",
            *([r.claim] if claims else []),
        ]
        last = r.metric
        lines.append("| " + " | ".join(c.replace("|", "/") for c in cells) + " |")
    if folded:
        return ["", f'??? abstract "{title}: {len(rows)} numbers"', "", *(f"    {line}" for line in lines)]
    return ["", f"### {title}", "", *lines]
