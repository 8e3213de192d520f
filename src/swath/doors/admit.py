"""What a verb may be asked through a door that others reach: its JSON schema, and its arguments with every path inside the roots."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swath.doors import signature
from swath.doors.remote import Remote, is_url
from swath.doors.roots import Admitted, Roots
from swath.doors.straight import straight
from swath.errors import SwathError
from swath.tools import VERBS
from swath.tools.job import FILES, WRITES

__all__ = ["Call", "admit", "offered", "schema"]

CLOSED = frozenset({"get"})
"""Verbs that reach beyond this machine: not offered."""
READING = frozenset({"info", "list", "doctor", "describe", "ask", "assess"})
"""Verbs that write nothing unless `out` is given."""
WORDS = {
    "model": re.compile(r"sen2lcz"),
    "legend": re.compile(r"[a-z]+"),
    "since_legend": re.compile(r"[a-z]+"),
    "area": re.compile(r"labels|[\d.,eE+\-]+"),
    "like": re.compile(r"[\d.,eE+\-]+"),
}
"""What these arguments may be besides a file."""
HIDDEN = frozenset({"progress", "writer", "safe", "scheduler", "endpoint"})
_GUARDED = frozenset({"paths", "scenes", "since"})
"""Arguments that the guarded reader opens."""
_ENCODER = re.compile(r"(random:)?[A-Za-z0-9_\-]+(,(random:)?[A-Za-z0-9_\-]+)*")


@dataclass(frozen=True, slots=True)
class Call:
    """A verb with arguments that may be carried out, and the files that it reads. out: where it writes, or None."""

    verb: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    reads: tuple[Admitted, ...]
    out: Path | None

    def unchanged(self, roots: Roots) -> bool:
        """Whether what was read is what was admitted; if not, nothing may be told, and what was written is taken away."""
        try:
            for one in self.reads:
                if not roots.still(one):
                    break
                straight(one.path, roots)
            else:
                return True
        except (SwathError, OSError):
            pass  # what has changed so that it would be refused now
        self._withdraw()
        return False

    def _withdraw(self) -> None:
        import shutil

        for name in WRITES:
            path = Path(str(self.arguments[name])) if self.arguments.get(name) else None
            if path is None or path.is_symlink():
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def offered() -> list[str]:
    """The verbs that a door offers."""
    return [verb for verb in VERBS if verb not in CLOSED]


def schema(verb: str) -> dict[str, Any]:
    """JSON schema of a verb's arguments, from its signature; descriptions from its docstring."""
    function = _function(verb)
    types, about = signature.hints(function), signature.argument_help(function)
    properties: dict[str, Any] = {}
    required = []
    for name, p in inspect.signature(function).parameters.items():
        if name in HIDDEN or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL):
            continue
        found = _schema_of(signature.words(types.get(name, str)))
        if p.default is p.empty:
            required.append(name)
        elif p.default is not None and isinstance(p.default, (str, int, float, bool)):
            found["default"] = p.default
        properties[name] = {**found, **({"description": about[name]} if name in about else {})}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema_of(hint: Any) -> dict[str, Any]:
    origin, parts = typing.get_origin(hint), [p for p in typing.get_args(hint) if p is not type(None)]
    if origin is typing.Literal:
        return {"enum": list(typing.get_args(hint))}
    if origin is list:
        return {"type": "array", "items": {"type": "string"}}
    if origin is not None and parts:
        kinds = [_schema_of(p) for p in parts]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    names = {str: "string", int: "integer", float: "number", bool: "boolean"}
    return {"type": names.get(hint, "string")}


def _function(verb: str) -> Callable[..., Any]:
    from swath import (
        __getattr__ as lookup,  # a room may have the verb's name, and then stands in the package's attribute
    )

    if verb not in offered():
        raise SwathError(rule=f"a verb is one of {', '.join(offered())}", got=repr(verb)[:80], remedy="choose one")
    function: Callable[..., Any] = lookup(verb)
    return function


def admit(verb: str, arguments: Mapping[str, Any], roots: Roots, remote: Remote | None = None) -> Call:
    """The call with every path inside the roots. Raises SwathError, in one line, for anything that is not allowed.

    remote: fetches files of the hosts that were named at start; without it, URLs are names that are not there.
    """
    function = _function(verb)
    known = inspect.signature(function).parameters
    strange = [name for name in arguments if name not in known or name in HIDDEN]
    if strange:
        raise SwathError(
            rule=f"{verb} takes {', '.join(n for n in known if n not in HIDDEN)}",
            got=", ".join(map(str, strange))[:200],
            remedy="leave it out",
        )
    lost = [n for n, p in known.items() if p.default is p.empty and arguments.get(n) is None and n not in HIDDEN]
    if lost:
        raise SwathError(rule=f"{verb} needs {', '.join(lost)}", got="nothing", remedy="give it")
    reads: list[Admitted] = []
    ready: dict[str, Any] = {}
    for name, value in arguments.items():
        ready[name] = _argument(name, value, roots, reads, remote)
        if name in WRITES - {"out"} and value is not None:
            ready[name] = str(roots.place(str(value)))
    out = _where(verb, known, ready, roots)
    if out is not None:
        ready["out"] = str(out)
    if "safe" in known:
        ready["safe"] = True
    return Call(verb, function, ready, tuple(reads), out)


def _where(verb: str, known: Mapping[str, inspect.Parameter], ready: Mapping[str, Any], roots: Roots) -> Path | None:
    if "out" not in known:
        return None
    wanted = ready.get("out", known["out"].default)
    if wanted is None or wanted is inspect.Parameter.empty:
        return None
    return roots.place(str(wanted))


def _argument(name: str, value: Any, roots: Roots, reads: list[Admitted], remote: Remote | None) -> Any:
    if isinstance(value, list):
        return [_argument(name, part, roots, reads, remote) for part in value]
    if not isinstance(value, str):
        if value is None or (isinstance(value, (bool, int, float)) and name not in FILES | WRITES):
            return value
        raise SwathError(
            rule="arguments are texts, numbers, lists of texts",
            got=f"{name}: a {type(value).__name__}",
            remedy="give one",
        )
    if name not in FILES and ("\0" in value or len(value) > 20_000):
        raise SwathError(rule="texts are plain", got=f"{name}: {len(value)} characters", remedy="give a shorter one")
    if name == "encoder" and not _ENCODER.fullmatch(value):
        raise SwathError(
            rule="an encoder is called by its name", got=repr(value)[:80], remedy="tiny, presto, statistics ..."
        )
    if name not in FILES or (name in WORDS and WORDS[name].fullmatch(value)):
        return value
    if remote is not None and is_url(value):
        value = str(remote.fetch(value))
    found = roots.admit(value)
    straight(found.path, roots, scene=name in _GUARDED)
    reads.append(found)
    return str(found.path)
