"""Tables for terminals: columns that line up, numbers to the right."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["table"]


def table(head: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = (), indent: int = 0) -> str:
    """Lines of a table under its head; `right`: columns to align to the right. Wide characters count as two."""
    cells = [[_plain(c) for c in row] for row in [head, *rows]]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for k, row in enumerate(cells):
        parts = []
        for i, text in enumerate(row):
            pad = " " * (widths[i] - _width(text))
            parts.append(pad + text if i in right else text + pad)
        lines.append(" " * indent + "  ".join(parts).rstrip())
        if k == 0:
            lines.append(" " * indent + "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def _plain(cell: object) -> str:
    """One line without control characters, so that text from files cannot steer a terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(cell))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)
