"""What a recipe keeps: a card that says all, rows beside a baseline with their intervals, and a run that can be repeated."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swath.report.outcome import Card, Outcome, save
from swath.testing.rules import run

__all__ = ["RULES", "check_recipe"]


def has_a_card_that_says_all(recipe: Any, outcome: Outcome) -> str:
    """CARD is a Card with source, code, licence, claims, what was built and what was not."""
    card = getattr(recipe, "CARD", None)
    if not isinstance(card, Card):
        return "no CARD of type swath.report.outcome.Card"
    empty = [
        n
        for n in ("slug", "title", "source", "code", "licence", "claims", "built", "not_built")
        if not getattr(card, n)
    ]
    return f"the card is silent on {', '.join(empty)}" if empty else ""


def has_its_scales(recipe: Any, outcome: Outcome) -> str:
    """SCALES holds small, paper and test."""
    lost = {"small", "paper", "test"} - set(getattr(recipe, "SCALES", {}))
    return f"no scale {', '.join(sorted(lost))}" if lost else ""


def stands_beside_a_baseline(recipe: Any, outcome: Outcome) -> str:
    """Every set and metric with a row of ours has a baseline or a reference beside it; differences need none."""
    roles: dict[tuple[str, str], set[str]] = {}
    for r in outcome.rows:
        roles.setdefault((r.data, r.metric), set()).add(r.role)
    if not any("baseline" in kinds for kinds in roles.values()):
        return "no row of a baseline"
    difference = {(r.data, r.metric) for r in outcome.rows if " - " in r.method or "difference" in r.metric}
    alone = [f"{d}: {m}" for (d, m), kinds in roles.items() if kinds == {"ours"} and (d, m) not in difference]
    return f"nothing beside ours in {'; '.join(alone)}" if alone else ""


def gives_intervals_or_reasons(recipe: Any, outcome: Outcome) -> str:
    """Every estimate has an interval, or says in words why it has none."""
    bare = [
        f"{r.data}, {r.method}, {r.metric}"
        for r in outcome.rows
        if not (math.isfinite(r.estimate.low) and math.isfinite(r.estimate.high)) and not r.estimate.reason
    ]
    return f"no interval and no reason: {'; '.join(bare[:5])}" if bare else ""


def calls_made_worlds_simulated(recipe: Any, outcome: Outcome) -> str:
    """Run without real data, every row is simulated, or of the reference."""
    real = [f"{r.data}, {r.method}" for r in outcome.rows if not r.estimate.simulated and r.role != "reference"]
    return f"real rows without real data: {'; '.join(real[:5])}" if real else ""


def says_what_it_left_out(recipe: Any, outcome: Outcome) -> str:
    """There are verdicts: without real data they say so."""
    return "" if outcome.verdicts else "no verdict in words"


def comes_back_from_its_file(recipe: Any, outcome: Outcome) -> str:
    """outcome.json is strict JSON and reads back to the same rows."""
    record = json.loads(json.dumps(outcome.to_json(), allow_nan=False))
    same = Outcome.from_json(record).to_json() == outcome.to_json()
    return "" if same else "outcome.json does not read back to the same"


RULES: tuple[Callable[[Any, Outcome], str], ...] = (
    has_a_card_that_says_all, has_its_scales, stands_beside_a_baseline, gives_intervals_or_reasons,
    calls_made_worlds_simulated, says_what_it_left_out, comes_back_from_its_file,
)  # fmt: skip


def check_recipe(recipe: Any) -> Outcome:
    """Run a recipe (a module with CARD, SCALES, run) at its scale `test` without real data, and RULES over what it gives.

    Raises SwathError that names every broken rule. Returns the outcome.
    """
    with tempfile.TemporaryDirectory() as folder:
        outcome: Outcome = recipe.run("test", Path(folder), data=None, seed=0)
        save(outcome, folder)
        run(f"the recipe {recipe.__name__.rpartition('.')[2]}", RULES, recipe, outcome)
    return outcome
