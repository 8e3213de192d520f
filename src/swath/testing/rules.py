"""How rules are run: all of them, and one error that names every broken one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from swath.errors import SwathError

__all__ = ["run"]


def run(what: str, rules: Sequence[Callable[..., str]], *things: Any) -> None:
    """Raise SwathError that names every broken rule; return nothing when all are kept."""
    if broken := [f"{rule.__name__}: {text}" for rule in rules if (text := rule(*things))]:
        raise SwathError(
            rule=f"{what} keeps its {len(rules)} rules", got="; ".join(broken), remedy="see the rules' docstrings"
        )
