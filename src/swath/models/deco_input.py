"""What the decoder over pixel series reads: typed tokens in order, made from series by a prompt.

A token is a symbol (a task, a label space, the place of an answer), or what one sensor saw on one date. Each token may
*ask*: it carries sensor and date of the observation that is to be said next, so uneven dates are told, never guessed
(EarthPT's input does the same). Rows hold their tokens at the left; pads stand at the right end, where a causal model
never looks. Nothing but this file and the model knows of the order.

    crop       <task:crop> <labels:NAME> observations <answer>            says one class
    forecast   <task:forecast> observations, each asking for the next     says values; or more asks at the end
    impute     <task:impute> clear observations <ask> <ask> ...           the gaps last, so both sides are seen
    translate  <task:translate> observations of one sensor <ask> ...      dates of another
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline.series import linear
from swath.errors import SwathError

if TYPE_CHECKING:
    from swath.baseline.forecast import Series

__all__ = [
    "CONTEXT", "PAD", "SEEN", "SYMBOL", "TARGET", "TASKS", "Packed", "Sight", "Vocabulary", "crop", "forecast",
    "impute", "joined", "merged", "phase",
]  # fmt: skip

TASKS = ("crop", "forecast", "impute", "translate")
PAD, SYMBOL, SEEN = 0, 1, 2  # kinds of tokens
CONTEXT, TARGET = 1, 2  # roles; pads have 0
_BEFORE_MARCH = 59  # days of a common year up to the end of February


@dataclass(frozen=True)
class Vocabulary:
    """The symbols in order. spaces: {label space: its classes}; label sets of different spaces never collide."""

    tasks: tuple[str, ...]
    sensors: tuple[str, ...]
    spaces: Mapping[str, tuple[str, ...]]

    @property
    def symbols(self) -> list[str]:
        """All symbols; the place in the list is the id."""
        out = ["<answer>", "<ask>", *(f"<task:{t}>" for t in TASKS), *(f"<sensor:{s}>" for s in self.sensors)]
        for space, classes in self.spaces.items():
            out += [f"<labels:{space}>", *(f"<class:{space}/{c}>" for c in classes)]
        return out

    def id(self, symbol: str) -> int:
        """Its number. Raises SwathError for one that was never learned, with what is known."""
        known = self.symbols
        if symbol not in known:
            raise SwathError(rule="a prompt is made of learned symbols", got=symbol, remedy=self.knows())
        return known.index(symbol)

    def task(self, name: str) -> int:
        """The number of a task's symbol. Raises SwathError for a task that was never trained."""
        if name not in self.tasks:
            raise SwathError(rule="this file does what it was trained on", got=f"the task {name}", remedy=self.knows())
        return self.id(f"<task:{name}>")

    def space(self, name: str | None) -> str:
        """A label space by name, or the only one. Raises SwathError for one that was never trained, or several."""
        if name is None and len(self.spaces) == 1:
            return next(iter(self.spaces))
        if name not in self.spaces:
            got = "no label space named" if name is None else f"the label space {name}"
            raise SwathError(rule="this file knows the classes it was trained on", got=got, remedy=self.knows())
        return str(name)

    def classes(self, space: str) -> list[int]:
        """Numbers of the class symbols of a label space."""
        first = self.id(f"<labels:{self.space(space)}>") + 1
        return list(range(first, first + len(self.spaces[space])))

    def sensor(self, name: str) -> int:
        """The place of a sensor among those learned. Raises SwathError for another one."""
        if name not in self.sensors:
            raise SwathError(
                rule="this file reads what it was trained on", got=f"the sensor {name}", remedy=self.knows()
            )
        return self.sensors.index(name)

    def knows(self) -> str:
        """One line: tasks, sensors and label spaces."""
        spaces = "; ".join(f"{n} ({', '.join(c)})" for n, c in self.spaces.items()) or "none"
        return f"it knows the tasks {', '.join(self.tasks)}, the sensors {', '.join(self.sensors)}, the label spaces {spaces}"


@dataclass(frozen=True)
class Sight:
    """Observations of B places in order of time, several sensors together, dates without any valid band left out.

    sensor (B, T) place in the vocabulary, -1 behind the end; values, valid (B, T, C) of the widest sensor's C; day (B, T).
    """

    sensor: np.ndarray
    values: np.ndarray
    valid: np.ndarray
    day: np.ndarray

    def __len__(self) -> int:
        return len(self.sensor)

    @property
    def there(self) -> np.ndarray:
        """(B, T) bool: which are observations rather than the end of a row."""
        return self.sensor >= 0

    def rows(self, which: np.ndarray) -> Sight:
        """Some of the places."""
        return Sight(self.sensor[which], self.values[which], self.valid[which], self.day[which])

    def only(self, keep: np.ndarray) -> Sight:
        """Those observations that are kept (B, T) bool, moved to the left."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return Sight(**_left(parts, keep & self.there, {"sensor": -1}))


@dataclass(frozen=True)
class Packed:
    """Sequences of B rows of N tokens.

    kind, role (B, N): PAD, SYMBOL or SEEN; 0 for pads, CONTEXT or TARGET. symbol: number, 0 where none. sensor: which one
    saw it, else 0. values, valid (B, N, C) physical. phase: where in the year, 0 to 1, NaN for none; elapsed: days since
    the row's first observation. ask: sensor whose observation is to be said next, -1 for none, with ask_phase and
    ask_elapsed. anchor, anchored (B, N, C): a plain answer to what is asked. wanted (B, N): symbol that is right, else -1.
    target, targeted (B, N, C): values that are right, and which count.
    """

    kind: Any
    role: Any
    symbol: Any
    sensor: Any
    values: Any
    valid: Any
    phase: Any
    elapsed: Any
    ask: Any
    ask_phase: Any
    ask_elapsed: Any
    anchor: Any
    anchored: Any
    wanted: Any
    target: Any
    targeted: Any

    def __len__(self) -> int:
        return len(self.kind)

    def to(self, device: str) -> Packed:
        """The same as torch tensors on a device."""
        import torch

        return Packed(**{f.name: torch.as_tensor(getattr(self, f.name)).to(device) for f in fields(self)})

    def rows(self, which: Any) -> Packed:
        """Some of the rows."""
        return Packed(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    @property
    def last(self) -> Any:
        """(B,) the place of each row's last token."""
        return (self.kind != PAD).sum(1) - 1


_FLOATS = ("values", "phase", "elapsed", "ask_phase", "ask_elapsed", "anchor", "target")
_BITS = ("valid", "anchored", "targeted")
_WIDE = ("values", "valid", "anchor", "anchored", "target", "targeted")
_EMPTY = {"phase": np.nan, "ask_phase": np.nan, "ask": -1, "wanted": -1}


def blank(rows: int, n: int, width: int) -> dict[str, np.ndarray]:
    """The fields of a Packed of rows x n tokens in which nothing stands yet; width: bands of the widest sensor."""
    out: dict[str, np.ndarray] = {}
    for f in fields(Packed):
        kind = np.float32 if f.name in _FLOATS else bool if f.name in _BITS else np.int64
        shape = (rows, n, width) if f.name in _WIDE else (rows, n)
        out[f.name] = np.full(shape, _EMPTY.get(f.name, 0), kind)
    return out


def _left(parts: Mapping[str, np.ndarray], keep: np.ndarray, empty: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Arrays (B, N, ...) with the kept entries at the left, in order, cut to the longest row; the rest is empty."""
    count = keep.sum(1)
    most = max(1, int(count.max(initial=0)))
    order = np.argsort(~keep, axis=1, kind="stable")[:, :most]
    there = np.arange(most) < count[:, None]
    out = {}
    for name, a in parts.items():
        at = order if a.ndim == 2 else order[..., None]
        moved = np.take_along_axis(a, at, 1)
        moved[~there] = empty.get(name, 0)
        out[name] = moved
    return out


def phase(day: np.ndarray) -> np.ndarray:
    """Where in the year a day lies, 0 to 1, float32: the same month and day give the same number in every year.

    29 February lies half-way between its neighbours; NaN for no date.
    """
    whole = np.floor(np.nan_to_num(np.asarray(day, np.float64)))
    date = whole.astype("datetime64[D]")
    year = date.astype("datetime64[Y]")
    number = (date - year.astype("datetime64[D]")).astype(float)
    y = year.astype(int) + 1970
    leap = (y % 4 == 0) & ((y % 100 != 0) | (y % 400 == 0))
    number = np.where(leap & (number > _BEFORE_MARCH), number - 1, number)
    number = np.where(leap & (date == year.astype("datetime64[M]") + 1 + np.timedelta64(28, "D")), 58.5, number)
    return np.where(np.isfinite(day), (number + day - whole) / 365.0, np.nan).astype(np.float32)


def merged(series: Mapping[str, Series], vocabulary: Vocabulary, width: int) -> Sight:
    """The same places seen by several sensors, in order of time. Raises SwathError for an unknown sensor."""
    parts: list[Sight] = []
    for name, one in series.items():
        n, t, c = one.values.shape
        valid = one.valid & np.isfinite(one.values) & np.isfinite(one.day)[..., None]
        values, wide = np.zeros((n, t, width), np.float32), np.zeros((n, t, width), bool)
        values[..., :c], wide[..., :c] = np.where(valid, one.values, 0), valid
        there = valid.any(-1)
        number = np.where(there, vocabulary.sensor(name), -1)
        parts.append(Sight(number, values, wide, np.where(there, one.day, np.inf)))
    whole = {f.name: np.concatenate([getattr(p, f.name) for p in parts], 1) for f in fields(Sight)}
    order = np.argsort(whole["day"], axis=1, kind="stable")
    moved = {k: np.take_along_axis(a, order if a.ndim == 2 else order[..., None], 1) for k, a in whole.items()}
    moved["day"] = np.where(np.isfinite(moved["day"]), moved["day"], 0.0)
    return Sight(**_left(moved, moved["sensor"] >= 0, {"sensor": -1}))


def _observations(sight: Sight, first: np.ndarray) -> dict[str, np.ndarray]:
    b, t, width = sight.values.shape
    out = blank(b, t, width)
    there = sight.there
    out["kind"][there], out["role"][there] = SEEN, CONTEXT
    out["sensor"] = np.where(there, sight.sensor, 0)
    out["values"], out["valid"] = np.where(sight.valid, sight.values, np.float32(0)), sight.valid
    out["phase"] = np.where(there, phase(sight.day), np.float32(np.nan))
    out["elapsed"] = np.where(there, sight.day - first[:, None], 0).astype(np.float32)
    return out


def _symbols(rows: int, ids: Sequence[int], width: int) -> dict[str, np.ndarray]:
    out = blank(rows, len(ids), width)
    out["kind"][:], out["role"][:], out["symbol"][:] = SYMBOL, CONTEXT, list(ids)
    return out


def _packed(parts: Sequence[Mapping[str, np.ndarray]]) -> Packed:
    whole = {f.name: np.concatenate([p[f.name] for p in parts], 1) for f in fields(Packed)}
    return Packed(**_left(whole, whole["kind"] != PAD, _EMPTY))


def first_day(sight: Sight) -> np.ndarray:
    """(B,) day of each row's first observation; 0 without any."""
    day = np.where(sight.there, sight.day, np.inf).min(1, initial=np.inf)
    return np.where(np.isfinite(day), day, 0.0)


def crop(
    sight: Sight, vocabulary: Vocabulary, space: str, target: np.ndarray | None = None, *, task: int | None = None,
    labels: bool = True, random: np.random.Generator | None = None,
) -> Packed:  # fmt: skip
    """The prompt that asks for the class. target (B,) class of the space, negative where unknown.

    task: another task's symbol in its place, labels: with the label space's symbol (both to see what the prompt does);
    random: put the observations in random order, each with its date.
    """
    b, _, width = sight.values.shape
    classes = np.asarray(vocabulary.classes(space))
    first = first_day(sight)
    ids = [vocabulary.task("crop") if task is None else task] + ([classes[0] - 1] if labels else [])
    seen = _observations(sight, first)
    if random is not None:
        order = np.argsort(random.random(sight.sensor.shape) + ~sight.there, 1)
        seen = {k: np.take_along_axis(a, order if a.ndim == 2 else order[..., None], 1) for k, a in seen.items()}
    answer = _symbols(b, [vocabulary.id("<answer>")], width)
    answer["elapsed"][:, 0] = seen["elapsed"].max(1, initial=0)
    if target is not None:
        known = np.asarray(target) >= 0
        answer["wanted"][:, 0] = np.where(known, classes[np.maximum(target, 0)], -1)
        answer["role"][known, 0] = TARGET
    return _packed([_symbols(b, ids, width), seen, answer])


def forecast(sight: Sight, vocabulary: Vocabulary, then: tuple[np.ndarray, np.ndarray] | None = None) -> Packed:
    """Every token asks for the observation after it. then: (sensor (B,), day (B,)) that the last one asks for, if any."""
    b, _, width = sight.values.shape
    first = first_day(sight)
    whole = _packed([_symbols(b, [vocabulary.task("forecast")], width), _observations(sight, first)])
    out = {f.name: getattr(whole, f.name) for f in fields(Packed)}
    n = out["kind"].shape[1]
    follows = out["kind"][:, 1:] == SEEN
    for name, source in (("ask_phase", "phase"), ("ask_elapsed", "elapsed"), ("target", "values")):
        out[name][:, :-1][follows] = out[source][:, 1:][follows]
    out["targeted"][:, :-1] = out["valid"][:, 1:] & follows[..., None]
    out["ask"][:, :-1] = np.where(follows, out["sensor"][:, 1:], -1)
    out["role"][:, :-1][follows] = TARGET
    if then is not None:
        row, last = np.arange(b), whole.last
        out["ask"][row, last], out["ask_phase"][row, last] = then[0], phase(then[1])
        out["ask_elapsed"][row, last] = then[1] - first
    values, valid, sensor = out["values"], out["valid"], out["sensor"]
    for number in range(len(vocabulary.sensors)):
        mine = valid & (sensor == number)[..., None]
        at = np.maximum.accumulate(np.where(mine, np.arange(n)[:, None], -1), 1)
        asked = (out["ask"] == number)[..., None] & (at >= 0)
        out["anchor"] = np.where(asked, np.take_along_axis(values, np.maximum(at, 0), 1), out["anchor"])
        out["anchored"] |= asked
    return Packed(**out)


def impute(
    sight: Sight, vocabulary: Vocabulary, sensor: np.ndarray, day: np.ndarray, *, task: str = "impute",
    target: tuple[np.ndarray, np.ndarray] | None = None,
) -> Packed:  # fmt: skip
    """What is known, then one <ask> for each (sensor, day) (B, L): -1 for none. target: values and valid (B, L, C).

    The plain answer is the straight line between the asked sensor's nearest observations, beyond the ends their value.
    """
    b, length = sensor.shape
    width = sight.values.shape[-1]
    first = first_day(sight)
    ask = _symbols(b, [vocabulary.id("<ask>")] * length, width)
    there = sensor >= 0
    ask["kind"][~there], ask["role"][~there] = PAD, 0
    ask["ask"] = np.where(there, sensor, -1)
    ask["elapsed"] = np.where(there, day - first[:, None], 0).astype(np.float32)
    ask["ask_elapsed"], ask["ask_phase"] = ask["elapsed"], np.where(there, phase(day), np.float32(np.nan))
    for number in range(len(vocabulary.sensors)):
        if (sensor == number).any():
            line = _line(sight, number, day)
            mine = (sensor == number)[..., None] & np.isfinite(line)
            ask["anchor"], ask["anchored"] = np.where(mine, line, ask["anchor"]), ask["anchored"] | mine
    if target is not None:
        values, valid = target
        ask["targeted"] = valid & there[..., None]
        ask["target"] = np.where(ask["targeted"], values, np.float32(0)).astype(np.float32)
        ask["role"][ask["targeted"].any(-1)] = TARGET
    return _packed([_symbols(b, [vocabulary.task(task)], width), _observations(sight, first), ask])


def _line(sight: Sight, number: int, day: np.ndarray) -> np.ndarray:
    """(B, L, C): on the straight line between a sensor's observations at `day` (B, L); NaN without any."""
    t, length = sight.sensor.shape[1], day.shape[1]
    mine = sight.valid & (sight.sensor == number)[..., None]
    when = np.concatenate([np.where(sight.there, sight.day, np.inf), day], 1)
    order = np.argsort(when, axis=1, kind="stable")
    back = np.argsort(order, axis=1, kind="stable")[:, t:]
    pad = np.zeros((len(day), length, mine.shape[-1]), bool)
    values = np.take_along_axis(np.concatenate([sight.values, pad.astype(np.float32)], 1), order[..., None], 1)
    valid = np.take_along_axis(np.concatenate([mine, pad], 1), order[..., None], 1)
    when = np.take_along_axis(np.where(np.isfinite(when), when, 0.0), order, 1)
    said = linear(values.transpose(0, 2, 1), valid.transpose(0, 2, 1), when[:, None])
    return np.take_along_axis(said, back[:, None], 2).transpose(0, 2, 1).astype(np.float32)


def joined(parts: Sequence[Packed]) -> Packed:
    """Rows of several prompts together, the shorter ones with more pads at the right."""
    most = max(p.kind.shape[1] for p in parts)
    out = {}
    for f in fields(Packed):
        grown = []
        for p in parts:
            a = getattr(p, f.name)
            more = [(0, 0), (0, most - a.shape[1])] + [(0, 0)] * (a.ndim - 2)
            grown.append(np.pad(a, more, constant_values=_EMPTY.get(f.name, 0)))
        out[f.name] = np.concatenate(grown)
    return Packed(**out)


def without_answers(packed: Packed) -> Packed:
    """The same prompts with nothing that is to be said."""
    blank = {"wanted": np.full_like(packed.wanted, -1), "target": np.zeros_like(packed.target)}
    return replace(packed, **blank, targeted=np.zeros_like(packed.targeted))
