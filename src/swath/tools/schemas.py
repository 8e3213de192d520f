"""JSON schemas of the calls that a question may make, from the verbs' own signatures and docstrings; and arguments held to them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swath.errors import SwathError
from swath.tools import SUMMARIES

__all__ = ["checked", "offer"]

_PLAIN = {"int": "integer", "float": "number", "bool": "boolean"}


def offer(verb: str, names: Iterable[str], files: Sequence[str], reads: frozenset[str]) -> dict[str, Any]:
    """A verb as a function that a chat model may call. names: the arguments offered; reads: those that name one of `files`."""
    import swath

    function = getattr(swath, verb)
    about = _about(inspect.getdoc(function) or "")
    properties, required = {}, []
    for name, p in inspect.signature(function).parameters.items():
        if name not in names:
            continue
        found = _kind(str(p.annotation))
        if name in reads:
            (found["items"] if found["type"] == "array" else found)["enum"] = list(files)
        properties[name] = {**found, "description": about.get(name, "")}
        if p.default is p.empty:
            required.append(name)
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"type": "function", "function": {"name": verb, "description": SUMMARIES[verb], "parameters": parameters}}


def _kind(annotation: str) -> dict[str, Any]:
    """The schema of an annotation as it is written; what is not plain is text."""
    text = annotation.replace(" ", "")
    if text == "Style":
        return {"type": "string", "enum": ["plain", "places", "short", "list"]}
    if text.startswith("list["):
        return {"type": "array", "items": {"type": "string"}}
    return {"type": next((kind for name, kind in _PLAIN.items() if re.match(rf"{name}\b", text)), "string")}


def _about(doc: str) -> dict[str, str]:
    part = doc.split("Args:")[-1].split("Returns:")[0] if "Args:" in doc else ""
    joined = re.sub(r"\n {5,}", " ", part)
    return {m[1]: " ".join(m[2].split()) for m in re.finditer(r"^ {4}(\w+): (.+)$", joined, re.MULTILINE)}


_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


def checked(offered: Mapping[str, Any], arguments: Any) -> dict[str, Any]:
    """The arguments, if the schema allows them. Raises SwathError that says what it allows."""
    schema = offered["function"]["parameters"]
    known = schema["properties"]
    if not isinstance(arguments, dict):
        raise _wrong("arguments are one JSON object", type(arguments).__name__)
    for name in schema["required"]:
        if name not in arguments:
            raise _wrong(f"{offered['function']['name']} needs {name}", "none")
    made: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in known:
            raise _wrong(f"arguments are {', '.join(known)}", str(name)[:60])
        if value is None:
            continue
        kind = known[name]
        items = value if isinstance(value, list) and kind["type"] == "array" else [value]
        inner = kind["items"] if kind["type"] == "array" else kind
        for item in items:
            right = isinstance(item, _TYPES[inner["type"]]) and (
                inner["type"] == "boolean" or not isinstance(item, bool)
            )
            if not right or ("enum" in inner and item not in inner["enum"]):
                raise _wrong(f"{name} is {inner.get('enum', inner['type'])}", str(item)[:60])
        made[name] = items if kind["type"] == "array" else value
    return made


def _wrong(rule: str, got: str) -> SwathError:
    return SwathError(rule=rule, got=got, remedy="call again")
