"""What a change map says at a pixel: no data, no change, change or which kind; names, codes, colours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swath.earth.colour import Colour, mixed, palette
from swath.errors import LabelError

if TYPE_CHECKING:
    from swath.cube.blocks import Layer

__all__ = [
    "BINARY",
    "CHANGE",
    "DIRECTION",
    "NO_CHANGE",
    "PROBABILITY_SCALE",
    "Kind",
    "Legend",
    "of_classes",
    "of_labels",
]

NO_CHANGE = 1  # code; 0 is no data, changes begin at 2
SAME = "no change"
CHANGE = "change"
PROBABILITY_SCALE = 0.004  # uint8 steps: 250 is certain, 255 no data
MOST_BANDS = 30  # kinds of change that probability.tif has a band for
_GREY: Colour = (222, 222, 214)
_RED: Colour = (196, 30, 58)
_BLUE: Colour = (33, 102, 172)
_UNCHANGED = {
    "0",
    "no change",
    "nochange",
    "no_change",
    "no-change",
    "unchanged",
    "same",
    "stable",
    "none",
    "no",
    "false",
}
_CHANGED = {"1", "255", "change", "changed", "yes", "true"}
_ARROW = re.compile(r"\s*(?:->|→|=>|>)\s*|\s+to\s+")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of change. start, end: classes before and after, "" where only the kind is known."""

    code: int
    name: str
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Legend:
    """Kinds of change in the order of their codes. classes: of from-to legends, in the order of the class maps."""

    kinds: tuple[Kind, ...]
    classes: tuple[str, ...] = ()
    shades: tuple[Colour, ...] = ()

    @property
    def names(self) -> dict[int, str]:
        """Every code that a change map holds."""
        return {NO_CHANGE: SAME, **{k.code: k.name for k in self.kinds}}

    @property
    def colours(self) -> dict[int, Colour]:
        """No change grey; one kind red; from-to kinds in the colour of what came, tinted by what was."""
        if self.shades:
            return {NO_CHANGE: _GREY, **{k.code: c for k, c in zip(self.kinds, self.shades, strict=True)}}
        if len(self.kinds) == 1:
            return {NO_CHANGE: _GREY, self.kinds[0].code: _RED}
        if not self.classes:
            return {NO_CHANGE: _GREY, **{k.code: c for k, c in zip(self.kinds, palette(len(self.kinds)), strict=True)}}
        of = dict(zip(self.classes, palette(len(self.classes)), strict=True))
        return {NO_CHANGE: _GREY, **{k.code: mixed(of[k.end], of[k.start], 0.3) for k in self.kinds}}

    @property
    def dtype(self) -> str:
        """Of change.tif."""
        return "uint8" if max(self.names) <= 254 else "uint16"

    def codes(self) -> np.ndarray:
        """(K, K) code of each pair of classes, before down, after across."""
        at = {(k.start, k.end): k.code for k in self.kinds}
        return np.array([[at.get((a, b), NO_CHANGE) for b in self.classes] for a in self.classes])

    def layers(
        self, *, bands: Sequence[str], doubts: Sequence[str], tags: dict[str, str], said: dict[str, str]
    ) -> list[Layer]:
        """change.tif, probability.tif (no such file without bands) and doubt.tif (without doubts none)."""
        from swath.cube.blocks import Layer

        made = [
            Layer("change", self.dtype, 0, ("change",), classes=self.names, colours=self.colours, tags=tags),
        ]
        if bands:
            made.append(Layer("probability", "uint8", 255, tuple(bands), units="1", scale=PROBABILITY_SCALE, tags=tags))
        if doubts:
            made.append(Layer("doubt", "uint8", 255, tuple(doubts), tags={**tags, **said}, overview="nearest"))
        return made


BINARY = Legend((Kind(2, CHANGE),))
DIRECTION = Legend((Kind(2, "decrease"), Kind(3, "increase")), shades=(_RED, _BLUE))


def of_classes(classes: Sequence[str]) -> Legend:
    """Every change from one class to another: code 2 on, before by before."""
    pairs = [(a, b) for a in classes for b in classes if a != b]
    kinds = tuple(Kind(2 + i, f"{a} to {b}", a, b) for i, (a, b) in enumerate(pairs))
    return Legend(kinds, tuple(classes))


def of_labels(names: Sequence[str]) -> tuple[Legend, np.ndarray]:
    """The legend that labels of pairs tell, and the code (K,) of each label class.

    names: "no change" (or 0, unchanged, stable), "change" (or 1, 255), kinds by any name, or "FOREST to FIELD"; numbers from 1 on
    without 0 are the codes of a change map (1 no change).
    Raises LabelError where no class means no change, or none change.
    """
    if _own_codes(names):
        names = [SAME if n == "1" else CHANGE if len(names) == 2 else n for n in names]
    parts = [_parsed(n) for n in names]
    same = [p is None for p in parts]
    if not any(same) or all(same):
        raise LabelError(
            rule="labels of pairs hold places that changed and places that did not",
            got=", ".join(names),
            remedy="label places without change too, as 'no change', 0 or FOREST to FOREST",
        )
    changes = [(n, p) for n, p in zip(names, parts, strict=True) if p is not None]
    if len(changes) == 1 and changes[0][0].strip().casefold() in _CHANGED:
        return BINARY, np.array([NO_CHANGE if s else 2 for s in same])
    if all(p[0] for _, p in changes):
        unchanged = [p[1] for n in names if (p := _stays(n)) is not None]
        classes = tuple(dict.fromkeys([c for _, p in changes for c in p] + unchanged))
        kinds = tuple(Kind(2 + i, f"{p[0]} to {p[1]}", *p) for i, (_, p) in enumerate(changes))
        legend = Legend(kinds, classes)
    else:
        legend = Legend(tuple(Kind(2 + i, n) for i, (n, _) in enumerate(changes)))
    codes, k = [], 0
    for s in same:
        codes.append(NO_CHANGE if s else legend.kinds[k].code)
        k += not s
    return legend, np.array(codes)


def _own_codes(names: Sequence[str]) -> bool:
    """Whether bare numbers are the codes of a change map: 1 (no change) and 2 or more, without 0."""
    return (
        len(names) > 1 and all(n.isdigit() for n in names) and "1" in names and "0" not in names and "255" not in names
    )


def _parsed(name: str) -> tuple[str, str] | None:
    """(from, to), ("", name) for a kind without them, None for no change."""
    plain = name.strip().casefold()
    if plain in _UNCHANGED:
        return None
    parts = [p.strip() for p in _ARROW.split(name.strip()) if p.strip()]
    if len(parts) == 2:
        return None if parts[0].casefold() == parts[1].casefold() else (parts[0], parts[1])
    return "", name


def _stays(name: str) -> tuple[str, str] | None:
    """The class of "FOREST to FOREST"."""
    parts = [p.strip() for p in _ARROW.split(name.strip()) if p.strip()]
    return (parts[0], parts[0]) if len(parts) == 2 and parts[0].casefold() == parts[1].casefold() else None


def kinds_of(names: Sequence[str], legend: Legend) -> list[int]:
    """The code that each value of the truth means: 1 no change, a kind's code, or -1 for change of a kind not in the legend."""
    if _own_codes(names):
        return [int(n) if int(n) in legend.names else -1 for n in names]
    return [_kind_of(n, legend) for n in names]


def _kind_of(name: str, legend: Legend) -> int:
    parsed = _parsed(name)
    if parsed is None:
        return NO_CHANGE
    plain = name.strip().casefold()
    for kind in legend.kinds:
        same = parsed[0] and (parsed[0].casefold(), parsed[1].casefold()) == (
            kind.start.casefold(),
            kind.end.casefold(),
        )
        if plain == kind.name.casefold() or same:
            return kind.code
    return -1
