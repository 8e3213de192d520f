"""Parts of `ask`: what the maps are, carrying a plan out over the verbs, and the answer made of what they returned."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import FormatError, SwathError
from swath.language.answer import Number, Part, at, loose_numbers, printed
from swath.tools.job import Progress

if TYPE_CHECKING:
    from swath.language.plan import Plan
    from swath.language.plan_context import Context, Source

__all__ = [
    "ALLOWED",
    "READ",
    "READING",
    "Call",
    "answer_of",
    "carry_out",
    "check_numbers",
    "context_of",
    "names_of",
    "number",
    "raster_of",
    "source_of",
]

READING = ("describe", "info", "change")
"""Verbs that an answer may call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a verb. result: its JSON, without where it was written."""

    n: int
    verb: str
    arguments: dict[str, Any]
    result: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; the result lies beside, in calls/N.json."""
        return {"n": self.n, "verb": self.verb, "arguments": dict(self.arguments), "files": list(self.files)}


def context_of(maps: Sequence[Any], since: Any, asked: Mapping[str, Any]) -> Context:
    """The maps and scenes that a question is about; the last one is the view. Raises FormatError, LabelError."""
    from swath.language.plan_context import Context

    if not maps:
        raise FormatError(rule="a question is about a map", got="none", remedy='swath ask "QUESTION" MAP')
    earlier = [] if since is None else [since]
    legend, before = _absolute(asked["legend"]), _absolute(asked["since_legend"])
    sources = [source_of(s, before or legend, safe=asked["safe"]) for s in earlier]
    sources += _named([source_of(m, legend, safe=asked["safe"]) for m in maps], asked.get("names"))
    if len({s.path for s in sources}) < len(sources):
        raise FormatError(rule="each map is named once", got="one of them twice", remedy="leave one out")
    more: dict[str, Any] = {} if asked["area"] is None else {"area": _absolute(asked["area"])}
    more |= {k: asked[k] for k in ("offset", "scale", "sensor") if asked.get(k) is not None}
    if asked["safe"]:
        more["safe"] = True
    return Context(tuple(_apart(sources)), -1, more)


def _named(sources: list[Source], names: Any) -> list[Source]:
    """Sources under the names, and with the dates, that were given for them."""
    from dataclasses import replace

    given = [names] if isinstance(names, str) else list(names or [])
    if not given:
        return sources
    if len(given) != len(sources) or len(set(given)) != len(given):
        raise FormatError(
            rule="each map has a name of its own",
            got=f"{len(sources)} maps, {len(set(given))} names",
            remedy="give as many",
        )
    found = []
    for source, text in zip(sources, given, strict=True):
        name, _, dates = str(text).partition("=")
        days = tuple(d for d in re.split(r"\s*/\s*", dates.strip()) if d)
        if not name.strip() or not name.isprintable() or any(not _ISO.fullmatch(d) for d in days):
            raise FormatError(rule="a name is NAME or NAME=DATE", got=str(text)[:80], remedy="e.g. 'map 2=2019-06-01'")
        found.append(replace(source, name=name.strip(), dates=days or source.dates))
    return found


_ISO = re.compile(r"(?:19|20)\d\d(?:-\d\d(?:-\d\d)?)?")


def _apart(sources: Sequence[Source]) -> list[Source]:
    """Sources of one name are told apart by their folder."""
    from dataclasses import replace

    names = [s.name for s in sources]
    return [replace(s, name=f"{Path(s.path).parent.name}/{s.name}") if names.count(s.name) > 1 else s for s in sources]


def _absolute(what: Any) -> str | None:
    if what is None:
        return None
    text = str(what)
    return str(Path(text).resolve()) if os.path.exists(text) else text


def source_of(what: Any, legend: str | None = None, *, safe: bool = False) -> Source:
    """A map (a raster of classes, or the folder of a map run) or a scene, with its dates and classes.

    Raises FormatError where it is not there, LabelError for codes without names.
    """
    from swath.language.plan_context import Source
    from swath.language.source import open_raster
    from swath.sample.classmap import open_map

    path = Path(str(what))
    if not path.exists():
        raise FormatError(rule="a question is about files", got=f"{path} is not there", remedy="name a map or scene")
    given = path
    if path.is_dir():
        if not (path / "classes.tif").is_file():
            return Source(path.name, str(path.resolve()), _days(path.name, {}))
        path = path / "classes.tif"
    if _is_scene(path, safe, open_map):
        return Source(given.name, str(given.resolve()), _days(given.name, {}))
    raster = open_raster(path, legend, safe=safe)
    classes = tuple(c.name for c in raster.legend.classes)
    return Source(given.name, str(given.resolve()), _days(given.name, raster.meta), classes, legend)


def _is_scene(path: Path, safe: bool, open_map: Any) -> bool:
    """Numbers or many bands: a scene; whole numbers in one band (or two): a map."""
    try:
        made = open_map(path, safe=safe)
    except FormatError:
        return True
    return bool(made.kind == "number" or len(made.bands) > 2 or path.suffix.lower() in (".jpg", ".jpeg"))


_DAY = re.compile(r"(?<![\dvV.])((?:19|20)\d\d)(?:[-_]?(0[1-9]|1[0-2])(?:[-_]?(0[1-9]|[12]\d|3[01]))?)?(?!\d)")


def _days(name: str, meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The date that the file tells, else the first and last in its name."""
    if meta.get("date"):
        return (str(meta["date"]),)
    found = sorted("-".join(p for p in m.groups() if p) for m in _DAY.finditer(name))
    return (found[0], found[-1]) if len(found) > 1 else tuple(found)


def carry_out(
    n: int, verb: str, arguments: Mapping[str, Any], context: Context, out: Path, progress: Progress | None
) -> Call:
    """Call a verb: only one that reads, only over the sources of the question. Raises SwathError."""
    import swath

    if verb not in READING:
        raise SwathError(
            rule=f"a question may call {', '.join(READING)}", got=str(verb)[:60], remedy="call one of them"
        )
    _only_sources(verb, arguments, context)
    extra: dict[str, Any] = {"progress": progress}
    files: tuple[str, ...] = ()
    if verb == "change":
        extra["out"] = str(out / f"change-{n}")
    result = getattr(swath, verb)(**arguments, **extra)
    record = result[0].to_json() if isinstance(result, list) else result.to_json()
    if verb == "change":
        files = tuple(f"change-{n}/{name}" for name in record["files"])
    record = {k: v for k, v in record.items() if k not in ("out", "files")}
    return Call(n, verb, dict(arguments), record, files)


READ = frozenset({"maps", "since", "scenes", "paths"})
ALLOWED = {
    "describe": {"maps", "since", "legend", "since_legend", "style", "windows", "area", "safe", "floor", "connectivity", "seed"},
    "info": {"paths", "area", "safe", "offset", "scale", "sensor"},
    "change": {"scenes", "area", "safe", "offset", "scale", "sensor", "register", "false_alarms", "smallest"},
}  # fmt: skip


def _only_sources(verb: str, arguments: Mapping[str, Any], context: Context) -> None:
    """Files that a call reads are the maps and scenes of the question; legends and the area are those that were given."""
    known = {s.path for s in context.sources}
    strange = [name for name in arguments if name not in ALLOWED[verb]]
    if strange:
        raise SwathError(
            rule=f"{verb} is called with {', '.join(sorted(ALLOWED[verb]))}", got=strange[0][:60], remedy="leave it out"
        )
    given = {s.legend for s in context.sources} | {context.more.get("area")}
    for name, value in arguments.items():
        for item in value if isinstance(value, list) else [value]:
            if name in READ and isinstance(item, str) and item not in known:
                raise SwathError(
                    rule="a call reads the maps of the question", got=f"{name}: {item}"[:120], remedy="name one of them"
                )
            if name in ("legend", "since_legend") and item is not None and item not in given:
                raise SwathError(rule="a legend is the one that was given", got=str(item)[:80], remedy="leave it out")
            if name == "area" and item not in given and not re.fullmatch(r"[\d.,eE+\- ]+", str(item)):
                raise SwathError(
                    rule="an area is west,south,east,north", got=str(item)[:80], remedy="give four numbers"
                )


def raster_of(path: Any) -> str:
    """The raster that a path means: itself, or the classes.tif of a map run."""
    from swath.tools.describing import map_file

    return str(map_file(path) or path)


def number(
    call: Call, pointer: str, unit: str, evidence: Mapping[str, Any], low: str | None = None, high: str | None = None
) -> Number:
    """The number that a call returned at a pointer."""
    value = float(at(call.result, pointer))
    ends = [None if p is None or at(call.result, p) is None else float(at(call.result, p)) for p in (low, high)]
    text = printed(value, unit)
    if ends[0] is not None and ends[1] is not None:
        text += f" ({printed(ends[0], unit)} to {printed(ends[1], unit)})"
    return Number(value, unit, call.n, pointer, text, dict(evidence), ends[0], ends[1])


def answer_of(plan: Plan, calls: Sequence[Call], context: Context) -> list[Part]:
    """The answer to a plan in parts; every number is one that a call returned."""
    from swath.tools import asking_said as said

    call = calls[0]
    if call.verb == "info":
        return said.scene(call, plan)
    if call.verb == "change":
        return said.change(call, plan)
    return {
        "much": said.much, "densest": said.densest, "describe": said.described, "changed": said.changed, "compare": said.compared,
    }[plan.kind](call, plan)  # fmt: skip


def names_of(context: Context) -> list[str]:
    """What may stand in a text with digits: names, dates, classes."""
    made: list[str] = []
    for s in context.sources:
        made += [s.name, Path(s.name).stem, *s.dates, *s.classes, *(c.replace("_", " ").lower() for c in s.classes)]
    return made


def said_by(calls: Sequence[Call]) -> list[str]:
    """Names and dates with digits that a call returned."""
    made: list[str] = []
    for call in calls:
        if call.verb == "describe":
            facts = call.result["facts"]
            every = (*facts["classes"], *(c for change in facts["change"] for c in change["earlier"]))
            made += [*(c["noun"] for c in every), *(c["name"] for c in every), *map(str, facts["meta"].values())]
            made += [v[:1].upper() + v[1:] for v in made]
        if call.verb == "info":
            made += [str(call.result.get("sensor") or ""), *map(str, call.result.get("dates") or [])]
            made += [str(b.get("name", "")) for b in call.result.get("bands") or []]
    return made


def check_numbers(parts: Sequence[Part], calls: Sequence[Call], names: Sequence[str], *, spelled: bool = False) -> None:
    """Refuse an answer with a number that no call returned, or that is not the one at its pointer. Raises SwathError."""
    loose = loose_numbers(parts, names, spelled=spelled)
    by_number = {c.n: c for c in calls}
    for part in parts:
        if isinstance(part, Number) and not _stands(part, by_number.get(part.call)):
            loose.append(part.text)
    if loose:
        raise SwathError(
            rule="an answer holds only numbers that a call returned",
            got=", ".join(loose[:5]),
            remedy="ask in another way",
        )


def _stands(part: Number, call: Call | None) -> bool:
    if call is None:
        return False
    try:
        found = at(call.result, part.pointer)
    except (KeyError, IndexError, ValueError, TypeError):
        return False
    if isinstance(found, str):  # a sentence of the verb's own
        return part.text in found
    if isinstance(found, dict):  # a claim: the numbers that it allows
        low, high = found.get("low"), found.get("high")
        value = part.value * (100 if part.unit == "1" else 1)
        return (low is None or low - 1e-6 <= value) and (high is None or value <= high + 1e-6)
    return isinstance(found, (int, float)) and float(found) == part.value


def plain(record: Any) -> Any:
    """A record as strict JSON gives it back."""
    return json.loads(json.dumps(record, allow_nan=False))
