"""Puts what benchmarks printed into the pages: `<!-- table: NAME -->` becomes docs/tables/NAME.txt, kept from a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parent / "tables"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return re.sub(r"<!-- table: ([a-z_]+) -->", lambda m: _table(m[1]), markdown)


def _table(name: str) -> str:
    file = TABLES / f"{name}.txt"
    if not file.exists():
        return f"*No run is kept here yet.* `python benchmarks/{name}.py | tee docs/tables/{name}.txt` keeps one."
    return f"```text\n{file.read_text().rstrip()}\n```"
