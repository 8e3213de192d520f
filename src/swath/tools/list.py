"""Which of the 56 published systems are in swath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swath.report.table import table
from swath.tools.shown import Shown
from swath.tools.systems import SYSTEMS, System

__all__ = ["Listing", "list"]


@dataclass(frozen=True, slots=True)
class Listing(Shown):
    """The systems that were asked for, in the order of their numbers."""

    systems: tuple[System, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        built = sum(bool(s.recipe) for s in self.systems)
        found = [{"number": s.number, "slug": s.slug, "title": s.title, "built": bool(s.recipe)} for s in self.systems]
        return {"systems": found, "built": built}

    def __str__(self) -> str:
        rows = [(s.number, s.slug, "yes" if s.recipe else "not yet", s.title) for s in self.systems]
        count = sum(bool(s.recipe) for s in self.systems)
        last = (
            f"{count} of {len(rows)} are built; run one with  swath run SLUG" if count else "none of them is built yet"
        )
        return "\n".join([table(("no.", "slug", "built", "what it is"), rows, right=(0,)), "", last])


def list(*, built: bool = False) -> Listing:
    """List the 56 published systems, a line each: what is built, what is not.

    Args:
        built: only those that `swath run` can run.

    Returns:
        Number, slug, title and whether it is built, of each.

    Examples:
        swath list
        swath list --built --json
    """
    return Listing(tuple(s for s in SYSTEMS if s.recipe or not built))
