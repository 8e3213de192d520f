"""An answer told again: its calls are carried out once more, and each of its numbers is read anew where it was read before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import FormatError, SwathError
from swath.language.answer import Number, Part
from swath.tools.asking import carry_out, check_numbers, names_of, said_by
from swath.tools.job import Progress

if TYPE_CHECKING:
    from swath.language.plan_context import Context
    from swath.tools.ask import Answer

__all__ = ["again"]

MOST = 4 << 20


def again(path: Path, question: str, context: Context, out: Path, progress: Progress | None) -> Answer:
    """The answer of an answer.json, from calls carried out now. Raises FormatError, and SwathError where a number differs."""
    from swath.language.plan import Plan, Question
    from swath.tools.ask import Answer

    record = _read(path, question)
    try:
        calls = tuple(
            carry_out(int(c["n"]), str(c["verb"]), dict(c["arguments"]), context, out, progress)
            for c in record["calls"]
        )
        parts = tuple(_part(p) for p in record["parts"])
        plan, back = record.get("plan"), record.get("back")
        planned = (
            None if plan is None else Plan(**{**plan, **{k: tuple(plan[k]) for k in ("missing", "classes", "dates")}})
        )
        asked = (
            None if back is None else Question(str(back.get("question") or back.get("refusal")), tuple(back["options"]))
        )
        found = Answer(
            question,
            str(record["planner"]),
            parts,
            calls,
            planned,
            asked,
            tuple(record["next"]),
            tuple(record["notes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _no_answer(path, f"{type(error).__name__}: {error}") from error
    try:
        check_numbers(parts, calls, [*names_of(context), *said_by(calls)])
    except SwathError as error:
        raise SwathError(
            rule="a replay returns the numbers of the answer",
            got=str(error)[:160],
            remedy="ask anew: the maps have changed",
        ) from error
    return found


def _read(path: Path, question: str) -> dict[str, Any]:
    path = path / "answer.json" if path.is_dir() else path
    try:
        if path.stat().st_size > MOST:
            raise ValueError("larger than four megabytes")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_answer(path, str(error)) from error
    if not isinstance(record, dict) or record.get("format") != 1:
        raise _no_answer(path, "another format")
    if record.get("question") != question:
        raise FormatError(
            rule="a replay is of the same question",
            got=repr(str(record.get("question")))[:80],
            remedy="give the question of the answer.json",
        )
    return record


def _no_answer(path: Path, why: str) -> FormatError:
    return FormatError(
        rule="--replay takes the answer.json of swath ask", got=f"{path.name}: {why}"[:160], remedy="name one"
    )


def _part(record: Mapping[str, Any]) -> Part:
    if "text" in record:
        return str(record["text"])
    return Number(**record["number"])
