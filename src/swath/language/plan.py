"""From a question to a plan, by rules: five kinds of question are understood, every other is answered by a question back.

Nothing is computed here and no number is made: a plan names a verb and its arguments. A word that is not understood is never
skipped: it may be the one that changes what was asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from swath.language.plan_context import Context, Source, matching
from swath.language.plan_read import KINDS, Kind, Read, kind_of, nearest, read_question
from swath.language.plan_words import AHEAD, EARLIER, FIRST, LAST, MANY, NEAREST

__all__ = ["KINDS", "Plan", "Question", "Refusal", "examples", "plan"]

LONGEST = 400
WINDOWS = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """A verb and its arguments. missing: what the question left open and a rule settled, in words. words: the plan as a sentence.

    classes, region: which of the numbers that the verb returns are asked for. dates: names of the sources it reads, earlier first.
    """

    kind: Kind
    verb: str
    arguments: dict[str, Any]
    missing: tuple[str, ...]
    words: str
    classes: tuple[str, ...] = ()
    region: str = "scene"
    dates: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "kind": self.kind, "verb": self.verb, "arguments": dict(self.arguments), "missing": list(self.missing),
            "words": self.words, "classes": list(self.classes), "region": self.region, "dates": list(self.dates),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """A question back. options: what may be answered. missing: what is not known ("date", "class", "map", "meaning")."""

    text: str
    options: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("meaning",)
    nearest: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "question": self.text, "options": list(self.options), "missing": list(self.missing), "nearest": self.nearest,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no map can answer. options: what can be asked instead."""

    text: str
    options: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"refusal": self.text, "options": list(self.options)}


class _OpenError(Exception):
    """Something is missing: carries the question back."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.text)
        self.question = question


def examples(context: Context, first: str = "", about: str = "", skip: str = "") -> tuple[str, ...]:
    """The five kinds as questions about these maps; `first` stands first; with `skip`, of the others those that can be answered."""
    name = _said(about or (context.here.classes or ("[class]",))[0])
    order = sorted(KINDS, key=lambda k: k != first)
    return tuple(
        (MANY if k == "much" and _many(name) else NEAREST[k]).format(**{"class": name})
        for k in order
        if k != skip and (not skip or k not in ("changed", "compare") or context.earlier())
    )


def _many(name: str) -> bool:
    return name.endswith("s") and not name.endswith(("ss", "us"))


def plan(question: str, context: Context) -> Plan | Refusal | Question:
    """What to call for a question about these maps; a question back where it is not clear; a refusal where no map can tell."""
    text = " ".join(str(question).split())
    if not text:
        return Question("Ask about this view.", examples(context))
    if len(text) > LONGEST or re.search(r"[{}\[\]<>=;`$\\|*]", text):
        return _not_understood(context, "")
    if AHEAD.search(text.lower()):
        return Refusal("No map shows what is to come, so nothing is said about it.", examples(context, "changed"))
    read = read_question(text, context)
    kind = kind_of(read)
    if read.strange or kind is None:
        return _not_understood(context, kind or nearest(read.text), read.classes[0] if read.classes else "")
    try:
        return _planned(kind, read, context)
    except _OpenError as found:
        return found.question


def _not_understood(context: Context, nearest: str, about: str = "") -> Question:
    offered = examples(context, nearest, about)
    return Question(f"I understand five kinds of question. Nearest: {offered[0]}", offered, ("meaning",), nearest)


def _said(name: str) -> str:
    return name.replace("_", " ").lower() if not any(c.isdigit() for c in name) else "[class]"


def _planned(kind: Kind, read: Read, context: Context) -> Plan:
    if read.absent and not context.classes:
        raise _OpenError(_scene(context.here, kind))
    if read.absent and not read.classes:
        raise _OpenError(
            Question(f"No map here has a class {read.absent[0]}. Which of its classes is meant?", tuple(context.classes), ("class",), kind)
        )  # fmt: skip
    if read.absent:
        raise _OpenError(
            Question(
                f"No map here has a class {read.absent[0]}. Ask without it?", examples(context, kind), ("class",), kind
            )
        )
    if kind in ("changed", "compare"):
        return _of_two(kind, read, context)
    return _of_one(kind, read, context)


def _at(date: str | Source, context: Context, kind: str) -> Source:
    if isinstance(date, Source):
        return date
    found = matching(date, context.sources)
    stem = [s for s in context.sources if PurePath(s.name).stem == date]
    found = found or stem
    if len(found) == 1:
        return found[0]
    words = "Several maps are of that date. Which one?" if found else "No map here is of that date. Which one is meant?"
    raise _OpenError(Question(words, tuple(s.shown for s in (found or context.sources)), ("date",), kind))


def _of_one(kind: Kind, read: Read, context: Context) -> Plan:
    asked = [_at(d, context, kind) for d in read.order]
    asked = list({s.path: s for s in asked}.values())
    if len(asked) > 1:
        raise _OpenError(Question("Which of the dates is meant?", tuple(s.shown for s in asked), ("date",), kind))
    source = asked[0] if asked else context.here
    if not asked and len(context.sources) > 1 and LAST.search(read.text):
        raise _OpenError(Question("Which one is meant?", tuple(s.shown for s in context.sources), ("date",), kind))
    if not asked and (EARLIER.search(read.text) or FIRST.search(read.text)):
        before = context.first() if FIRST.search(read.text) else context.earlier()
        if before is None or not re.search(r"\b(?:map|date|image|scene|picture|view)\b", read.text):
            raise _OpenError(Question("Which date is meant?", tuple(s.shown for s in context.sources), ("date",), kind))
        source = before
    if not source.classes:
        if kind == "describe":
            return Plan(
                kind,
                "info",
                {"paths": [source.path], **_area(context)},
                (),
                f"say what {source.name} holds",
                dates=(source.name,),
            )
        raise _OpenError(_scene(source, kind))
    lost = [c for c in read.classes if c not in source.classes]
    if lost and len(lost) == len(read.classes):
        raise _OpenError(
            Question(
                f"{source.name} has no such class. Which of its classes is meant?", source.classes, ("class",), kind
            )
        )
    classes = tuple(c for c in read.classes if c in source.classes)
    region = read.regions[0] if read.regions else "scene"
    arguments: dict[str, Any] = {"maps": [source.path], **_legend(source), **_part(context)}
    if kind == "densest":
        arguments["windows"] = WINDOWS
    part = "" if region == "scene" else f" in the {region}"
    names = " and ".join(classes)
    words = {
        "much": f"count the classes of {source.name} and read {names}{part}",
        "densest": f"count {source.name} window by window and take the one with the highest share of {names}",
        "describe": f"describe {source.name}",
    }[kind]
    return Plan(kind, "describe", arguments, (), words, classes, region, (source.name,))


def _of_two(kind: Kind, read: Read, context: Context) -> Plan:
    missing: list[str] = []
    asked = list({s.path: s for s in (_at(d, context, kind) for d in read.order)}.values())
    if len(asked) > 2:
        raise _OpenError(Question("Which two of the dates are meant?", tuple(s.shown for s in asked), ("date",), kind))
    if len(asked) == 2:
        one, two = asked
        if one.dates and two.dates and one.dates[0] > two.dates[0]:
            one, two = two, one
    elif (
        len(asked) == 1 and asked[0] is not context.here and not (kind == "changed" and re.search(r"\bin @", read.text))
    ):
        one, two = asked[0], context.here
        if kind == "changed" and one.dates and two.dates and one.dates[0] > two.dates[0]:
            one, two = two, one
    elif kind == "compare" and not asked and not (EARLIER.search(read.text) or FIRST.search(read.text)):
        raise _OpenError(_which(context, kind))
    else:
        before = context.first() if FIRST.search(read.text) else context.earlier()
        if before is None or asked:
            raise _OpenError(_which(context, kind))
        one, two = before, context.here
        if kind == "changed" and one.dates and two.dates and one.dates[0] > two.dates[0]:
            one, two = two, one
        missing.append(f"no two dates were named: {one.name} is the nearest before {two.name}")
    if bool(one.classes) != bool(two.classes):
        raise _OpenError(Question("One of these is a map, the other a scene. Which two belong together?",
                             tuple(s.shown for s in context.sources), ("date",), kind))  # fmt: skip
    names = (one.name, two.name)
    if not two.classes:
        if kind == "compare" or read.classes:
            raise _OpenError(Question("These are scenes, not maps of classes. Ask what changed, or make maps first (swath map).",
                                 examples(context, "changed")[:1], ("map",), kind))  # fmt: skip
        arguments = {"scenes": [one.path, two.path], **_area(context)}
        return Plan(
            kind, "change", arguments, tuple(missing), f"find what changed from {one.name} to {two.name}", dates=names
        )
    arguments = {"maps": [two.path], "since": one.path, **_legend(two), **_part(context)}
    if one.legend is not None and one.legend != two.legend:
        arguments["since_legend"] = one.legend
    of = f", {' and '.join(read.classes)}" if read.classes else ""
    words = (
        f"count what became what from {one.name} to {two.name}{of}"
        if kind == "changed"
        else f"count {two.name} and, on the same ground, {one.name}{of}"
    )
    return Plan(kind, "describe", arguments, tuple(missing), words, tuple(read.classes), "scene", names)


def _scene(source: Source, kind: str) -> Question:
    text = f"{source.name} is a scene, not a map of classes. Make a map of it first (swath map)."
    return Question(text, (), ("map",), kind)


def _which(context: Context, kind: str) -> Question:
    others = tuple(s.shown for s in context.sources if s is not context.here)
    if not others:
        return Question(
            "There is one map here. Which earlier one should it be held against (--since)?", (), ("date",), kind
        )
    return Question("Which date should it be held against?", others, ("date",), kind)


def _legend(source: Source) -> dict[str, Any]:
    return {} if source.legend is None else {"legend": source.legend}


def _part(context: Context) -> dict[str, Any]:
    return {k: context.more[k] for k in ("area", "safe") if k in context.more}


def _area(context: Context) -> dict[str, Any]:
    return {k: context.more[k] for k in ("area", "safe", "offset", "scale", "sensor") if k in context.more}
