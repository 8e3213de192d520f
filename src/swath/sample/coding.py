"""What label values mean: classes with their codes, or numbers. Here: one column of values; not where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from swath.errors import LabelError

__all__ = ["Coding", "Kind", "code"]

Kind = Literal["class", "number"]
FEW = 20
MOST_CLASSES = 254
LARGEST_CODE = 65535


MOST_NAMES = 5_000


@dataclass(frozen=True, slots=True)
class Coding:
    """How values read: value (n,) float64 (class index or number; NaN = no label), names and codes of the classes."""

    kind: Kind
    value: np.ndarray
    names: list[str]
    codes: list[int]
    notes: list[str] = field(default_factory=list)
    unasked: int = 0


def code(
    values: Any,
    *,
    kind: Kind | None = None,
    classes: Sequence[str | int] | Mapping[int, str] | None = None,
    column: str = "label",
    count: np.ndarray | None = None,
    titles: Mapping[int, str] | None = None,
) -> Coding:
    """Decide whether values are classes or numbers, and number the classes.

    values: (n,) names, integers or floats; None, NaN and empty text are no label. Whole numbers with few distinct
    values (up to 20, or up to 254 that come three times on average) are classes that keep their codes; other numbers
    are numbers; names get 1..K in sorted order. classes: the only names or codes to keep, or {code: name}.
    titles: names of codes that the file itself gives. count: (n,) how many labels each value stands for (for values
    already counted once). Raises LabelError when nothing is labelled.
    """
    raw = np.asarray(values, dtype=object)
    empty = np.array([_missing(v) for v in raw], bool)
    if raw.size == 0 or empty.all():
        raise LabelError(
            rule=f"the column {column} must hold labels",
            got=f"{raw.size} rows, all empty",
            remedy="name another column with --column",
        )
    numbers = _numbers(raw, empty)
    if numbers is None:
        if kind == "number":
            text = next(str(v) for v in raw[~empty] if _as_float(v) is None)
            raise LabelError(
                rule=f"--kind number needs numbers in the column {column}",
                got=f"the text {text[:40]!r}",
                remedy="name another column with --column, or leave --kind out",
            )
        return _named(raw, empty, classes)
    whole = bool(np.all(numbers[~empty] == np.round(numbers[~empty])))
    distinct = np.unique(numbers[~empty])
    n = int((~empty).sum() if count is None else np.sum(count[~empty]))
    few = len(distinct) <= FEW or (len(distinct) <= MOST_CLASSES and 3 * len(distinct) <= n)
    if kind is None:
        kind = "class" if (whole and few) or isinstance(classes, Mapping) else "number"
        other = "number" if kind == "class" else "class"
        what = f"{len(distinct)} distinct {'whole ' if whole else ''}numbers in {column}"
        taken = "classes" if kind == "class" else "a number to estimate"
        notes = [f"{what}: taken as {taken} (--kind {other} reads them otherwise)"]
    else:
        notes = []
    if kind == "number":
        return Coding("number", np.where(empty, np.nan, numbers), [], [], notes)
    return _coded(numbers, empty, distinct, classes, notes, dict(titles or {}))


def _missing(value: Any) -> bool:
    return (
        value is None
        or value != value
        or (isinstance(value, str) and not value.strip())
        or str(value) in ("<NA>", "NaT")
    )


def _as_float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _numbers(raw: np.ndarray, empty: np.ndarray) -> np.ndarray | None:
    """The values as float64, or None when any is no number. True and false are names."""
    out = np.full(raw.size, np.nan)
    for i in np.flatnonzero(~empty):
        value = None if isinstance(raw[i], bool | np.bool_) else _as_float(raw[i])
        if value is None or not np.isfinite(value):
            return None
        out[i] = value
    return out


def _named(raw: np.ndarray, empty: np.ndarray, classes: Any) -> Coding:
    text = np.array(["" if gone else _clean(v) for v, gone in zip(raw, empty, strict=True)], dtype=object)
    names = sorted({t for t in text if t})
    if len(names) > MOST_NAMES:
        raise LabelError(
            rule=f"labels have at most {MOST_NAMES:,} classes",
            got=f"{len(names):,} names, such as {names[0][:40]!r}",
            remedy="choose the column of classes with --column, or those you mean with --classes",
        )
    codes = list(range(1, len(names) + 1))
    return _kept(text, names, codes, [*names], classes, [], empty)


def _clean(value: Any) -> str:
    return " ".join(str(value).split())


def _coded(
    numbers: np.ndarray, empty: np.ndarray, distinct: np.ndarray, classes: Any, notes: list[str], titles: dict[int, str]
) -> Coding:
    if not np.all(distinct == np.round(distinct)):
        names = [f"{v:g}" for v in distinct]
        codes = list(range(1, len(names) + 1))
        notes = [*notes, f"classes named by fractions get the codes 1..{len(names)} in sorted order"]
    else:
        whole = [int(v) for v in distinct]
        if isinstance(classes, Mapping):
            titles = titles | {int(k): str(v) for k, v in classes.items()}
        names = [_clean(titles.get(v, v)) for v in whole]
        codes, more = _storable(whole)
        notes = [*notes, *more]
    position = {float(v): name for v, name in zip(distinct, names, strict=True)}
    text = np.array(["" if gone else position[float(v)] for v, gone in zip(numbers, empty, strict=True)], dtype=object)
    keys = [f"{v:g}" if v != round(v) else str(int(v)) for v in distinct]
    return _kept(text, names, codes, keys, classes, notes, empty)


def _storable(whole: list[int]) -> tuple[list[int], list[str]]:
    """Codes that classes.tif can hold: 1..65535 kept; 0 and negative codes get the next free one; larger ones 1..K."""
    if max(whole) > LARGEST_CODE:
        said = f"classes.tif holds 1..{len(whole)} in sorted order, the names keep the codes"
        return list(range(1, len(whole) + 1)), [f"codes up to {max(whole)} do not fit 16 bits: {said}"]
    codes, notes, free = [], [], max([*whole, 0]) + 1
    for v in whole:
        if v >= 1:
            codes.append(v)
        else:
            codes.append(free)
            notes.append(f"the class {v} is stored as {free}: 0 means no data in classes.tif")
            free += 1
    return codes, notes


def _kept(
    text: np.ndarray,
    names: list[str],
    codes: list[int],
    keys: list[str],
    classes: Any,
    notes: list[str],
    empty: np.ndarray,
) -> Coding:
    """Leave out the classes that were not asked for. keys: what each class may also be called."""
    asked = None if classes is None else {_clean(c) for c in classes}
    if asked is not None:
        if unknown := sorted(asked - set(names) - set(keys)):
            raise LabelError(
                rule="--classes names classes that the labels have",
                got=f"{', '.join(unknown[:5])}; the labels have {', '.join(names[:20])}",
                remedy="mend the spelling or leave --classes out",
            )
        keep = [i for i in range(len(names)) if names[i] in asked or keys[i] in asked]
        names, codes = [names[i] for i in keep], [codes[i] for i in keep]
    index = {name: float(i) for i, name in enumerate(names)}
    value = np.array([index.get(t, np.nan) for t in text])
    return Coding("class", value, names, codes, notes, unasked=int((np.isnan(value) & ~empty).sum()))
