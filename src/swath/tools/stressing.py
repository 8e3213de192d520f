"""The steps of `stress`: windows around the truth, each made worse and asked again, and what every place adds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.bench import robust
from swath.bench.robust import CLEAN, Table, Tally
from swath.errors import LabelError
from swath.tools.job import Progress
from swath.tools.stress_subjects import Subject, largest
from swath.transform.corrupt import Options, Stretch, corrupt_batch, move_of, stretch_of, why_not
from swath.transform.severity import GEOMETRIC, Scale

if TYPE_CHECKING:
    from swath.sample.labels import Labels
    from swath.tools.scenes import Opened

__all__ = ["Chip", "Plan", "chips_of", "fitting", "ground_side", "judge_all"]

WHOLE = 512  # scenes up to this side are one picture
SIDE = 256  # larger ones are cut into pictures of this side
MOST_VALUES = 24_000_000  # of a picture: bands times dates times pixels
MOST_CHIPS = 12
MOST_UNITS = 8000  # judged pixels, drawn evenly over places
MOST_GROUND = 3000  # pixels of the map that are compared with the clean map
STILL = ("elevation", "class")  # quantities that no weather, optics or storage spoils


@dataclass(frozen=True)
class Chip:
    """One picture. truth (H, W): class index (-1: none) or number (NaN); place, fold, ground (H, W) index or -1: the place and
    fold of a judged pixel, the part of the ground of a compared one.
    """

    batch: Batch
    truth: np.ndarray
    place: np.ndarray
    fold: np.ndarray
    ground: np.ndarray
    key: str

    @property
    def wanted(self) -> np.ndarray:
        """(H, W): pixels whose answer is needed."""
        return np.asarray((self.place >= 0) | (self.ground >= 0))


@dataclass(frozen=True)
class Plan:
    """What is tried. options: by sensor; keep: sensors that only move. left: {corruption: why it is not tried}."""

    names: tuple[str, ...]
    levels: tuple[int, ...]
    options: Mapping[str, Options] = field(default_factory=dict)
    keep: tuple[str, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)


def fitting(
    opened: Opened, asked: Sequence[str], levels: Sequence[int], scale_of: Scale, chips: Sequence[Chip]
) -> Plan:
    """The corruptions that have something to act on in these scenes, and why the others have not."""
    from swath.sample.window import bands_of

    bands = {name: bands_of(cube) for name, cube in opened.cubes.items()}
    dates = {name: cube.sizes.get("time", 1) for name, cube in opened.cubes.items()}
    keep = tuple(n for n, own in bands.items() if all(b.quantity in STILL for b in own))
    left = {}
    for name in asked:
        reasons = [why_not(name, own, dates[n]) for n, own in bands.items() if n not in keep or name in GEOMETRIC]
        if not reasons or all(reasons):
            left[name] = reasons[0] if reasons else "only elevation is read"
    # windows of one scene share its range, found once
    options = {n: Options(scale_of=scale_of, stretch=_stretch([c.batch.pixels[n] for c in chips])) for n in bands}
    return Plan(tuple(n for n in asked if n not in left), tuple(levels), options, keep, left)


def _stretch(parts: Sequence[Pixels]) -> Stretch:
    """Of one window, or of every fourth row and column of several together."""
    step = 1 if len(parts) == 1 else 4
    flat = [(p.values[0][..., ::step, ::step], p.valid[0][..., ::step, ::step]) for p in parts]
    values, valid = (np.concatenate([a[i].reshape(*a[i].shape[:2], -1) for a in flat], 2) for i in (0, 1))
    return stretch_of(values, valid)


def ground_side(shape: tuple[int, int]) -> int:
    """Side of the squares over which an answer without truth is resampled: about 64 of them."""
    return max(8, round(math.sqrt(shape[0] * shape[1] / 64)))


def chips_of(
    opened: Opened, subject: Subject, labels: Labels | None, place: np.ndarray | None, fold: np.ndarray | None,
    side: int, seed: int, say: list[str],
) -> list[Chip]:  # fmt: skip
    """Windows that hold all labels, or some of them where there are many; without labels some windows of the scene.

    labels: values in the subject's classes. place, fold (n,). side: of the squares of ground that intervals resample.
    """
    from swath.sample.window import Windows

    h, w = opened.shape
    rng = np.random.default_rng([seed, 56])
    truth, places, folds = _rasters(labels, place, fold, (h, w), rng, say)
    layers = sum(int(np.prod([n for d, n in c.sizes.items() if d not in ("y", "x")])) for c in opened.cubes.values())
    spots = _spots((h, w), layers, places if labels is not None else None, subject, rng, say)
    reader = Windows(opened.cubes, unit=512, budget=64 << 20)
    across = w // side + 1
    ground = np.arange(h)[:, None] // side * across + np.arange(w)[None] // side
    total = sum((r.stop - r.start) * (c.stop - c.start) for r, c, _, _ in spots)
    share = min(1.0, MOST_GROUND / total)
    made = []
    for rows, columns, outer_rows, outer_columns in spots:
        core = np.zeros((outer_rows.stop - outer_rows.start, outer_columns.stop - outer_columns.start), bool)
        top, left = rows.start - outer_rows.start, columns.start - outer_columns.start
        core[top : top + rows.stop - rows.start, left : left + columns.stop - columns.start] = True
        window = np.s_[outer_rows, outer_columns]
        some = core & (rng.random(core.shape) < share)
        batch = reader.read(outer_rows, outer_columns)
        chip = Chip(
            batch, truth[window], np.where(core, places[window], -1), folds[window],
            np.where(some, ground[window], -1), f"{rows.start}_{columns.start}",
        )  # fmt: skip
        made.append(chip)
    return _numbered(made)


def _rasters(
    labels: Labels | None, place: np.ndarray | None, fold: np.ndarray | None, shape: tuple[int, int],
    rng: np.random.Generator, say: list[str],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    places, folds = np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
    if labels is None or place is None:
        return np.full(shape, -1, np.int64), places, folds
    keep = np.arange(len(labels))
    if len(labels) > MOST_UNITS:
        keep = np.sort(rng.permutation(len(labels))[:MOST_UNITS])
        say.append(f"{MOST_UNITS:,} of {len(labels):,} reference pixels are judged, drawn by the seed")
    row, column = labels.row[keep], labels.column[keep]
    number = labels.kind == "number"
    truth = np.full(shape, np.nan if number else -1, np.float64 if number else np.int64)
    truth[row, column] = labels.value[keep]
    places[row, column] = place[keep]
    if fold is not None:
        folds[row, column] = fold[keep]
    return truth, places, folds


def _spots(
    shape: tuple[int, int],
    layers: int,
    places: np.ndarray | None,
    subject: Subject,
    rng: np.random.Generator,
    say: list[str],
) -> list[tuple[slice, slice, slice, slice]]:
    """Core rows and columns of each window, and with the reach around them. layers: bands times dates."""
    h, w = shape
    if max(h, w) <= WHOLE and layers * h * w <= MOST_VALUES:
        return [(slice(0, h), slice(0, w), slice(0, h), slice(0, w))]
    align = max(1, subject.align)
    side = SIDE
    while side > 64 and layers * side * side > MOST_VALUES:
        side //= 2
    side = -(-side // align) * align
    found = []
    for top in range(0, h, side):
        for left in range(0, w, side):
            rows, columns = slice(top, min(h, top + side)), slice(left, min(w, left + side))
            if min(rows.stop - top, columns.stop - left) < 48 and max(h, w) > side:
                continue  # a rim too thin to be a picture
            if places is None or (places[rows, columns] >= 0).any():
                outer = []
                for s, n in ((rows, h), (columns, w)):
                    low = max(0, s.start - subject.reach) // align * align
                    outer.append(slice(low, min(n, s.stop + subject.reach)))
                found.append((rows, columns, outer[0], outer[1]))
    if not found:
        raise LabelError(rule="some reference lies on the scene", got="none", remedy="give truth of this place")
    if len(found) > MOST_CHIPS:
        say.append(f"{MOST_CHIPS} of {len(found)} windows of {side} px are tried, drawn by the seed")
        found = [found[i] for i in np.sort(rng.permutation(len(found))[:MOST_CHIPS])]
    return found


def _numbered(made: list[Chip]) -> list[Chip]:
    """Places and parts of the ground numbered from 0 over all windows."""
    for name in ("place", "ground"):
        ids = np.unique(np.concatenate([getattr(c, name).ravel() for c in made]))
        ids = ids[ids >= 0]
        made = [
            _with(c, {name: np.where(getattr(c, name) >= 0, np.searchsorted(ids, getattr(c, name)), -1)}) for c in made
        ]
    return made


def judge_all(
    subject: Subject, chips: Sequence[Chip], plan: Plan, *, classes: Sequence[str], own: bool, simulated: bool,
    unit: str = "1", progress: Progress | None = None,
) -> Table:  # fmt: skip
    """Ask for every window clean, then under every corruption and level. own: the clean answers stand in for truth."""
    runs = [CLEAN, *((n, v) for n in plan.names for v in plan.levels)]
    total = len(runs) * len(chips)
    steps = _steps(progress, total)
    clean: list[_Look] = []
    for chip in chips:
        next(steps)(f"clean, window {len(clean) + 1} of {len(chips)}")
        clean.append(_looked(subject, chip, chip.batch, chip.fold, chip.wanted))
    if own:
        chips = [_own_truth(c, look) for c, look in zip(chips, clean, strict=True)]
    count = [1 + max(int(getattr(c, k).max()) for c in chips) for k in ("place", "ground")]
    book = _Book(subject, len(classes), count[0], count[1], _centre(chips, subject), _step(chips, subject))
    cells: dict[tuple[str, int], Tally] = {}
    for name, level in runs:
        tally: Tally | None = None
        for i, (chip, look) in enumerate(zip(chips, clean, strict=True)):
            if name == CLEAN[0]:
                found = book.tally(chip, look, look, name, level)
            else:
                next(steps)(f"{name.replace('_', ' ')} {level}, window {i + 1} of {len(chips)}")
                worse = corrupt_batch(_keyed(chip), name, level, options=plan.options, keep=plan.keep)
                moved = _moved(chip, name, level)
                found = book.tally(chip, look, _looked(subject, chip, worse, moved.fold, moved.wanted), name, level)
            tally = found if tally is None else tally + found
        assert tally is not None
        cells[name, level] = tally
    return Table(
        subject.kind, tuple(classes), subject.doubts, cells, reference="own" if own else "truth",
        measure="overall" if subject.kind == "class" else "r2", simulated=simulated, unit=unit,
    )  # fmt: skip


def _steps(progress: Progress | None, total: int) -> Iterator[Any]:
    for done in range(total):
        yield lambda what, done=done: None if progress is None else progress(done, total, what)


def _keyed(chip: Chip) -> Batch:
    return replace(chip.batch, key=(chip.key,), target=None)


def _moved(chip: Chip, name: str, level: int) -> Chip:
    """The truth where it lies after the corruption; the batch stays."""
    move = move_of(name, level, (chip.truth.shape[0], chip.truth.shape[1]), chip.key)
    if move.identity:
        return chip
    return _with(chip, {k: move.nearest(getattr(chip, k)) for k in ("truth", "place", "fold", "ground")})


def _with(chip: Chip, parts: dict[str, Any]) -> Chip:
    return replace(chip, **parts)


@dataclass(frozen=True)
class _Look:
    """answer (H, W) index or value at judged pixels, whole (H, W) of the whole model, doubt (D, H, W)."""

    answer: np.ndarray
    whole: np.ndarray
    doubt: np.ndarray


def _looked(subject: Subject, chip: Chip, batch: Batch, fold: np.ndarray, wanted: np.ndarray) -> _Look:
    got = subject(batch, wanted, fold)
    return _Look(largest(got.share), largest(got.whole), got.doubt)


def _own_truth(chip: Chip, look: _Look) -> Chip:
    known = (chip.ground >= 0) & (look.whole >= 0 if look.whole.dtype.kind == "i" else np.isfinite(look.whole))
    none = -1 if look.whole.dtype.kind == "i" else np.nan
    return replace(chip, truth=np.where(known, look.whole, none), place=np.where(known, chip.ground, -1))


def _centre(chips: Sequence[Chip], subject: Subject) -> float:
    if subject.kind == "class":
        return 0.0
    return float(np.mean(np.concatenate([c.truth[c.place >= 0] for c in chips])))


def _step(chips: Sequence[Chip], subject: Subject) -> float:
    """From how much on a number counts as another one: half of the interval's width, else a tenth of the deviation."""
    if subject.kind == "class":
        return 0.0
    work = getattr(subject, "work", None)
    if work is not None and work.calibration.drawn:
        return float(work.calibration.threshold[0])
    return 0.1 * float(np.std(np.concatenate([c.truth[c.place >= 0] for c in chips])))


@dataclass(frozen=True)
class _Book:
    """Keeps the tallies: classes, places, parts of the ground, what stands for a missing number, when a number differs."""

    subject: Subject
    classes: int
    places: int
    grounds: int
    centre: float
    step: float

    def tally(self, chip: Chip, clean: _Look, now: _Look, name: str, level: int) -> Tally:
        """One window under one corruption."""
        move = move_of(name, level, (chip.truth.shape[0], chip.truth.shape[1]), chip.key)
        there = _moved(chip, name, level)
        before, whole = move.nearest(clean.answer), move.nearest(clean.whole)
        at = there.place >= 0
        truth, place = there.truth[at], there.place[at]
        doubt = now.doubt[:, at].T if len(now.doubt) else np.zeros((len(truth), 0))
        flips = self._flips(there.ground, whole, now.whole)
        if self.subject.kind == "class":
            return robust.class_tally(
                truth.astype(int), before[at], now.answer[at], place, (self.places, self.classes), flips, doubt
            )
        return robust.number_tally(truth, before[at], now.answer[at], place, self.places, self.centre, flips, doubt)

    def _flips(self, ground: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        known = before >= 0 if before.dtype.kind == "i" else np.isfinite(before)
        at = (ground >= 0) & known
        other = before[at] != after[at]
        if before.dtype.kind == "f":
            other = ~(np.abs(before[at] - after[at]) <= self.step)
        pair = (np.ones(int(at.sum())), other)
        return np.stack([np.bincount(ground[at], weights=v, minlength=self.grounds) for v in pair], 1)
