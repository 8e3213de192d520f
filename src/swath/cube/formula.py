"""Formulas of spectral indices from spyndex's catalogue: read as trees, never executed as text."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from swath.earth.recognise import LETTERS
from swath.errors import BandError

__all__ = ["RADAR", "Formula", "evaluate", "formula", "parse"]

RADAR = {"VV", "VH", "HH", "HV"}
_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Formula:
    """An index of spyndex's catalogue.

    text: the formula. letters: bands that it needs. constants: {name: value}. waves: {name: letter whose centre in nm
    it stands for}. kernels: {name: (letter, letter or "L")} of k(a, b). title, reference: as the catalogue has them.
    """

    name: str
    text: str
    letters: tuple[str, ...]
    constants: tuple[tuple[str, float], ...]
    waves: tuple[tuple[str, str], ...]
    kernels: tuple[tuple[str, tuple[str, str]], ...]
    title: str
    reference: str


@cache
def formula(name: str) -> Formula:
    """The index of that name (NDVI, ndwi ...). Raises BandError with the nearest names when there is none.

    The formula is parsed, not executed: only numbers, names, + - * / ** and brackets are taken.
    """
    import spyndex

    catalogue = spyndex.indices
    key = name if name in catalogue else {k.lower(): k for k in catalogue}.get(name.strip().lower(), "")
    if not key:
        near = get_close_matches(name.upper(), catalogue, n=4, cutoff=0.5)
        raise BandError(
            rule="an index is one of spyndex's catalogue",
            got=repr(name),
            remedy=f"did you mean {', '.join(near)}?" if near else "for example NDVI, EVI, NDWI, MNDWI, NBR, NDMI",
        )
    entry = catalogue[key]
    letters: list[str] = []
    constants: list[tuple[str, float]] = []
    waves: list[tuple[str, str]] = []
    kernels: list[tuple[str, tuple[str, str]]] = []
    for symbol in _names(_tree(key, str(entry.formula))):
        if symbol in LETTERS or symbol in RADAR:
            letters.append(symbol)
        elif symbol.startswith("lambda"):
            waves.append((symbol, symbol.removeprefix("lambda")))
        elif found := re.fullmatch(r"k(RE\d|N2|S\d|[ABGNRY])(RE\d|N2|S\d|[ABGLNRY])", symbol):
            kernels.append((symbol, (found[1], found[2])))
        elif symbol in spyndex.constants and spyndex.constants[symbol].default is not None:
            constants.append((symbol, float(spyndex.constants[symbol].default)))
        else:
            raise BandError(
                rule="an index needs bands, and constants that have a usual value",
                got=f"{key} needs {symbol}, which has none",
                remedy="choose another index",
            )
    wanted = {*letters, *(x for _, x in waves), *(x for _, pair in kernels for x in pair if x != "L")}
    return Formula(
        key, str(entry.formula), tuple(sorted(wanted)), tuple(constants), tuple(waves), tuple(kernels),
        str(entry.long_name), str(entry.reference),
    )  # fmt: skip


def _tree(name: str, text: str) -> ast.expr:
    """The formula as a tree of which every node is harmless. Raises BandError for anything else."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise BandError(rule="a formula can be parsed", got=f"{name}: {text}", remedy="choose another index") from error
    for node in ast.walk(tree):
        number = isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
        plain = isinstance(node, (ast.BinOp, ast.UnaryOp, ast.USub, ast.UAdd, ast.Name, ast.Load))
        if not (number or plain or type(node) in _OPERATIONS):
            raise BandError(
                rule="a formula holds numbers, bands, + - * / ** and brackets",
                got=f"{type(node).__name__} in {name}",
                remedy="choose another index",
            )
    return tree


def _names(tree: ast.expr) -> list[str]:
    return list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


def evaluate(index: Formula, values: Mapping[str, Any]) -> Any:
    """The index of arrays or numbers by name: letters, constants, wavelengths and kernels."""
    return _evaluate(_tree(index.name, index.text), values)


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.UnaryOp):
        inner = _evaluate(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    raise TypeError(type(node).__name__)  # pragma: no cover - _tree lets nothing else through


def parse(names: str | Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """[(index, {letter: band or nm})] of what was asked: "NDVI,NDWI", or with bands named, "NDVI[N=B8A R=665]".

    >>> parse("NDVI, NDMI[S1=B11]")
    [('NDVI', {}), ('NDMI', {'S1': 'B11'})]
    """
    texts = re.findall(r"[^,\[\]]+(?:\[[^\]]*\])?", names) if isinstance(names, str) else list(names)
    asked = []
    for text in (t.strip() for t in texts):
        if not text:
            continue
        found = re.fullmatch(r"(\w+)(?:\[(.*)\])?", text)
        pairs = [p.split("=", 1) for p in re.split(r"[\s;,]+", (found[2] or "").strip())] if found else []
        if found is None or any(len(p) != 2 for p in pairs if p != [""]):
            raise BandError(
                rule="an index is asked for by name, its bands in brackets",
                got=repr(text),
                remedy="for example NDVI or NDVI[N=B8A R=665]",
            )
        asked.append((found[1], {p[0]: p[1] for p in pairs if p != [""]}))
    if not asked:
        raise BandError(rule="at least one index is named", got=repr(names), remedy="for example --index NDVI,NDWI")
    return asked
