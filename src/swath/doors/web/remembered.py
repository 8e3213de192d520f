"""Which scenes were open: written into the workspace, so that the next run goes on where this one ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.doors.web.scenes import OpenScene

__all__ = ["remember", "remembered"]


def remember(folder: Path, scenes: Sequence[OpenScene]) -> None:
    """Write down what is open. Raises OutputError."""
    from swath.tools.job import write_text

    rows = [
        {"paths": [str(p) for p in s.paths], "options": s.options, "trusted": s.trusted, "name": s.name} for s in scenes
    ]
    write_text(folder / "cache" / "scenes.json", json.dumps(rows))


def remembered(folder: Path) -> list[tuple[list[Path], dict[str, Any], bool, str]]:
    """(paths, options, trusted, name) of each scene that was open and is still there."""
    try:
        rows = json.loads((folder / "cache" / "scenes.json").read_text("utf-8"))
        found = [([Path(p) for p in r["paths"]], dict(r["options"]), bool(r["trusted"]), str(r["name"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [one for one in found if all(p.exists() for p in one[0])]
