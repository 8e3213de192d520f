"""Puts what was measured into the pages: `<!-- table: NAME -->` becomes docs/tables/NAME.txt, kept from a benchmark's run;
`<!-- outcome: SLUG -->` becomes docs/outcomes/SLUG/outcome.json, kept from `swath run SLUG`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parent / "tables"
OUTCOMES = Path(__file__).parent / "outcomes"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    markdown = re.sub(r"<!-- table: ([a-z_]+) -->", lambda m: _table(m[1]), markdown)
    return re.sub(r"<!-- outcome: ([a-z0-9-]+) -->", lambda m: _outcome(m[1]), markdown)


def _outcome(slug: str) -> str:
    from swath.report.outcome import Outcome
    from swath.report.outcome_page import markdown

    file = OUTCOMES / slug / "outcome.json"
    if not file.exists():
        return f"*No run is kept here yet.* `swath run {slug} --out docs/outcomes/{slug}` makes one."
    return markdown(Outcome.from_json(json.loads(file.read_text("utf-8"))), f"../outcomes/{slug}")


def _table(name: str) -> str:
    file = TABLES / f"{name}.txt"
    if not file.exists():
        return f"*No run is kept here yet.* `python benchmarks/{name}.py | tee docs/tables/{name}.txt` keeps one."
    return f"```text\n{file.read_text().rstrip()}\n```"
