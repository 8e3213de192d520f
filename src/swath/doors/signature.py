"""A verb as doors see it: its types as far as a shell or a JSON schema can give them, and the words of its docstring."""

from __future__ import annotations

import builtins
import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any

__all__ = ["argument_help", "hints", "sections", "words"]


class _Foreign(type):
    """Stands for a type that only type checkers import (a cube, a frame): on the command line it is text."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return str


class _Unknown(str, metaclass=_Foreign):
    """A name that the module of a verb does not have at run time."""


class _Names(dict[str, Any]):
    """Where the words of a signature are looked up."""

    def __init__(self, module: dict[str, Any]) -> None:
        super().__init__({**vars(builtins), **module})

    def __missing__(self, name: str) -> type:
        return _Unknown


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of a verb's arguments; what only type checkers import stands as text."""
    return typing.get_type_hints(function, localns=_Names(function.__globals__))


def words(hint: Any) -> Any:
    """The type as far as a shell can give it."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kept = [words(p) for p in parts]
        lists = [k for k in kept if typing.get_origin(k) is list]
        if lists:
            return typing.Optional[lists[0]] if type(None) in parts else lists[0]  # noqa: UP045
        plain = [k for k in kept if k in (str, int, float, bool, type(None)) or typing.get_origin(k) is typing.Literal]
        return typing.Union[tuple(plain)] if plain else str  # noqa: UP007
    if origin is not None and getattr(origin, "__name__", "") in ("list", "Sequence", "Iterable", "tuple"):
        return list[str]
    if origin is typing.Literal or hint in (str, int, float, bool, type(None)):
        return hint
    return str


def sections(function: Callable[..., Any]) -> dict[str, str]:
    """The parts of a Google-style docstring by heading; the text before the first is under ""."""
    parts: dict[str, list[str]] = {"": []}
    heading = ""
    for line in (inspect.getdoc(function) or "").splitlines():
        if match := re.fullmatch(r"(Args|Returns|Raises|Examples|Example|Notes?):", line.strip()):
            heading = match.group(1)
            parts[heading] = []
        else:
            parts[heading].append(line)
    return {name: "\n".join(lines).strip("\n") for name, lines in parts.items()}


def argument_help(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of each argument."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc("\n" + sections(function).get("Args", "")).splitlines():
        if match := re.match(r"(\w+)(?: \([^)]*\))?: (.*)", line):
            name = match.group(1)
            found[name] = match.group(2).strip()
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found
