"""What a recipe gives back: rows of numbers beside their baseline and the paper's claim, figures, and what was built."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from swath.cube.save import write_text
from swath.errors import SwathError
from swath.estimate import Estimate
from swath.report.table import table

__all__ = ["Card", "Outcome", "Row", "save"]

ROLES = ("ours", "baseline", "reference")


@dataclass(frozen=True, slots=True)
class Card:
    """A published system in words. slug: its name here; number: among the 56; source: title, year and arXiv number.

    code, licence: where its own code is and under which terms; claims: {what is claimed: value and where it stands}.
    built, not_built: what of it is in swath, and what is not and why.
    """

    slug: str
    number: int
    title: str
    source: str
    code: str
    licence: str
    claims: Mapping[str, str]
    built: tuple[str, ...]
    not_built: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One number. data: the set it was measured on; method; role; metric; claim: what the paper says of it, or "".

    An ours-row of a difference names both methods in `method` ("dynamic - random").
    """

    data: str
    method: str
    role: Literal["ours", "baseline", "reference"]
    metric: str
    estimate: Estimate
    claim: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise SwathError(rule=f"roles are {', '.join(ROLES)}", got=self.role, remedy="choose one")

    def to_json(self) -> dict[str, Any]:
        """Plain values; `simulated` as the estimate says."""
        return {
            "data": self.data,
            "method": self.method,
            "role": self.role,
            "metric": self.metric,
            "estimate": self.estimate.to_json(),
            "claim": self.claim,
            "simulated": self.estimate.simulated,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of a recipe measured. figures: {file name: what is seen}, files that lie in the output folder.

    verdicts: in words what agrees with the paper, what did not reproduce and why. facts: anything else that was measured
    (seconds, parameter counts, seeds), plain values.
    """

    card: Card
    scale: str
    rows: tuple[Row, ...]
    figures: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The content of outcome.json."""
        c = self.card
        return {
            "format": 1,
            "slug": c.slug,
            "number": c.number,
            "title": c.title,
            "source": c.source,
            "code": c.code,
            "licence": c.licence,
            "claims": dict(c.claims),
            "built": list(c.built),
            "not_built": list(c.not_built),
            "scale": self.scale,
            "rows": [r.to_json() for r in self.rows],
            "figures": dict(self.figures),
            "verdicts": list(self.verdicts),
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Outcome:
        """The inverse of `to_json`."""
        card = Card(
            **{k: record[k] for k in ("slug", "number", "title", "source", "code", "licence", "claims")},
            built=tuple(record["built"]),
            not_built=tuple(record["not_built"]),
        )
        rows = tuple(
            Row(r["data"], r["method"], r["role"], r["metric"], Estimate.from_json(r["estimate"]), r["claim"])
            for r in record["rows"]
        )
        return cls(card, record["scale"], rows, record["figures"], tuple(record["verdicts"]), record["facts"])

    def __str__(self) -> str:
        lines = [f"{self.card.number} {self.card.title} ({self.scale})", f"  {self.card.source}", "", self.table()]
        lines += ["", *(f"- {v}" for v in self.verdicts)] if self.verdicts else []
        return "\n".join(lines)

    def table(self) -> str:
        """The rows for a terminal, grouped as they come."""
        cells = [(r.data, r.metric, r.method, r.role, _short(r.estimate), r.claim or "-") for r in self.rows]
        return table(("data", "metric", "method", "role", "estimate", "the paper's claim"), cells)


def _short(estimate: Estimate) -> str:
    text = str(estimate)
    bare = estimate.defined and not (math.isfinite(estimate.low) and math.isfinite(estimate.high))
    return f"{text} (no interval)" if bare else text


def save(outcome: Outcome, folder: str | Path, *, more: Iterable[Path] = ()) -> list[Path]:
    """Write outcome.json; the figures must lie there already. Gives all files. Raises SwathError for a missing figure."""
    home = Path(folder)
    lost = [name for name in outcome.figures if not (home / name).is_file()]
    if lost:
        raise SwathError(
            rule="an outcome's figures lie in its folder", got=f"no {', '.join(lost)}", remedy="save them first"
        )
    if not outcome.rows:
        raise SwathError(rule="an outcome has rows", got="none", remedy="measure something")
    text = json.dumps(outcome.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    path = home / "outcome.json"
    write_text(path, text)
    return [path, *(home / name for name in outcome.figures), *more]


def best(rows: Sequence[Row], metric: str, role: str) -> Row | None:
    """The row of a role with the largest value of a metric; None where there is none."""
    found = [r for r in rows if r.metric == metric and r.role == role and r.estimate.defined]
    return max(found, key=lambda r: r.estimate.value, default=None)
