"""Ways to tell change that learn from labels: two classifications of one mapper, and labels of pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import FormatError
from swath.estimate import Estimate
from swath.tools import change_ways as ways
from swath.tools.change_legend import MOST_BANDS, NO_CHANGE, Kind, Legend, of_classes, of_labels
from swath.tools.change_paint import SAID, ByLabels, ByTwoMaps
from swath.tools.change_pair import AFTER, BEFORE, SIDES, Pair, samples, shared_bands
from swath.tools.change_radiometry import fit_together
from swath.tools.change_ways import Way

if TYPE_CHECKING:
    import xarray as xr

    from swath.tools.job import Progress
    from swath.tools.mapping import Work
    from swath.tools.scenes import Opened

__all__ = ["by_labels", "by_model", "by_pairs"]

NAME = "scene"  # of the date a mapper learns on
DIFFERENCE = "difference"
RARE = 0.0005  # share of the scene below which a pair of classes has no band of its own
_SMALL = 30_000_000
_DOUBTS = ("undecided", "shift", "outside")


def _opened(pair: Pair, cubes: Mapping[str, xr.DataArray]) -> Opened:
    from swath.tools.scenes import Opened

    return Opened(dict(cubes), pair.grid, pair.shape, (), pair.reads, pair.simulated)


def by_labels(pair: Pair, source: Any, asked: Mapping[str, Any], progress: Progress | None, *, simulated: bool) -> Way:
    """Both dates classified by a mapper that learned from labels of one; from-to by the joint probability."""
    from swath.tools import mapping

    side = asked["labels_of"]
    pair = fit_together(pair, side, asked["normalise"], asked["seed"])
    say: list[str] = []
    opened = _opened(pair, {NAME: pair.cubes[side]})
    options = {**asked, "kind": "class", "unsure": False}
    work = mapping.learn(opened, source, options, None, say, progress, simulated=simulated)
    say.insert(0, f"labels are of the {side} date")
    return _two_maps(pair, work, asked, say, simulated=simulated)


def _two_maps(pair: Pair, work: Work, asked: Mapping[str, Any], say: list[str], *, simulated: bool) -> Way:
    from swath.baseline import joint

    mapper = work.mapper
    k = len(mapper.classes)
    share = np.bincount(mapper.training.y.astype(int), minlength=k) + 0.5
    share = share / share.sum()
    legend = of_classes(mapper.classes)
    spectral, windows = ways.spectral_of(pair, asked["false_alarms"], asked["seed"])
    painter = ByTwoMaps(mapper, NAME, work.applicability, np.full((k, k), 1 / k**2), share, legend, (), spectral)
    shares = [_class_shares(painter, b) for b in samples(pair, asked["seed"], most=6)]
    a, b = (np.concatenate([s[i] for s in shares]) for i in (0, 1))
    step = max(1, len(a) // 40_000)
    prior = joint.prior(a[::step], b[::step], share)
    common = [(i, j) for i in range(k) for j in range(k) if i != j and prior[i, j] >= RARE]
    common = sorted(sorted(common, key=lambda p: -prior[p])[:MOST_BANDS])
    painter = replace(painter, prior=prior, shown=tuple(common))
    names = [f"{mapper.classes[i]} to {mapper.classes[j]}" for i, j in common]
    codes = legend.codes()
    layers = legend.layers(
        bands=("change", *names), doubts=_DOUBTS, tags=ways.tags_of(simulated), said={n: SAID[n] for n in _DOUBTS}
    )
    say += _law(mapper, k, a[::step], b[::step])
    record = mapper.record()
    known = mapper.oof.scorable
    guessed = mapper.oof.value[known].argmax(1)
    return Way(
        name="labels of one date: both classified, and judged together",
        painter=painter,
        cubes=pair.cubes,
        legend=legend,
        layers=[*layers, *_class_layers(mapper, simulated)],
        reach=max(mapper.reach, 3),
        bands=tuple(int(codes[i, j]) for i, j in common),
        class_codes=tuple(mapper.codes),
        fingerprint={
            "way": "labels",
            "mapper": record,
            "prior": prior.round(9).tolist(),
            "measure": spectral.detector.to_json(),
        },
        facts={"classes": mapper.classes, "chosen": mapper.chosen, "pairs_of_classes": prior.round(6).tolist()},
        shift=(*ways.shift_said(pair, spectral, windows), *_flips(painter, pair, asked["seed"])),
        notes=(*pair.notes, *say),
        candidates=mapper.candidates,
        kept=({**record, "calibration": work.calibration.to_json(), "change": {"way": "labels"}}, mapper.arrays()),
        margin=np.sqrt(2) * _margin(work, guessed == mapper.training.y[known]),
    )


def _class_shares(painter: ByTwoMaps, batch: Any) -> tuple[np.ndarray, np.ndarray]:
    """(n, K) class probabilities before and after, where both dates were seen."""
    both = [painter.of(batch, side) for side in SIDES]
    seen = both[0]["valid"][0] & both[1]["valid"][0]
    first, second = (g["probability"][0][:, seen].T for g in both)
    return first, second


def _law(mapper: Any, k: int, a: np.ndarray, b: np.ndarray) -> list[str]:
    """What two maps that err apart would show as change, beside what the two maps show."""
    from swath.baseline import joint

    best = [e for n, e in mapper.candidates if n == mapper.chosen and e.defined]
    apart = float((a.argmax(1) != b.argmax(1)).mean()) if len(a) else float("nan")
    said = [f"the two class maps differ at {100 * apart:.1f} % of the pixels before they are judged together"]
    if best and k > 1:
        law = joint.false_change(best[0].value, k)
        said.append(
            f"with an accuracy of {100 * best[0].value:.0f} % a date and errors independent between dates, {100 * law:.0f} % of "
            "unchanged ground would differ: how common each pair of classes is, is learned from the scene and weighs against that"
        )
    return said


def _flips(painter: Any, pair: Pair, seed: int) -> tuple[str, ...]:
    """How much of the answer hangs on the shift that was found."""
    from swath.geometry.shift import shift

    found = pair.moved
    if found is None or not found.sure or pair.corrected or found.length < 0.05:
        return ()
    changed = same = count = 0
    for batch in samples(pair, seed, most=2):
        p = batch.pixels[AFTER]
        values = np.where(p.valid, p.values, np.nan)
        moved = shift(values, found.dy, found.dx)
        good = np.isfinite(moved)
        other = replace(batch, pixels={**batch.pixels, AFTER: replace(p, values=np.where(good, moved, 0), valid=good)})
        first, second = (painter(b)["change"][0, 0] for b in (batch, other))
        both = (first > 0) & (second > 0)
        changed += int(((first > NO_CHANGE) & both).sum())
        same += int(((second > NO_CHANGE) & both).sum())
        count += int(both.sum())
    if not count:
        return ()
    return (
        f"with the after date moved back, {100 * same / count:.1f} % would be called changed instead of {100 * changed / count:.1f} %",
    )


def _margin(work: Work, right: np.ndarray) -> float:
    """How much larger the share of errors may be than it was among the labels, given how many independent ones they are.

    right (n,): bool of the labels that were predicted out of fold. The upper 0.975 limit (Clopper and Pearson) less the share.
    """
    from scipy.special import betaincinv

    worth = float(work.calibration.worth) if np.isfinite(work.calibration.worth) else 0.0
    n = max(1.0, min(len(right), worth if worth > 0 else len(np.unique(work.mapper.training.place))))
    wrong = float(1 - right.mean()) if len(right) else 0.5
    upper = 1.0 if wrong >= 1 else float(betaincinv(wrong * n + 1, n - wrong * n, 0.975))
    return upper - wrong


def _class_layers(mapper: Any, simulated: bool) -> list[Any]:
    from swath.cube.blocks import Layer
    from swath.earth.colour import palette

    names = dict(zip(mapper.codes, mapper.classes, strict=True))
    colours = dict(zip(mapper.codes, palette(len(mapper.codes)), strict=True))
    kind = "uint8" if max(mapper.codes) <= 254 else "uint16"
    tags = ways.tags_of(simulated)
    return [Layer(side, kind, 0, ("class",), classes=names, colours=colours, tags=tags) for side in SIDES]


@dataclass(frozen=True)
class Difference:
    """A Source of what differs between both dates of a pair, read and computed by window: see `bands`."""

    before: xr.DataArray
    after: xr.DataArray
    spectral: Any
    shared: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(1, B, H, W)."""
        return 1, len(self.bands), self.before.sizes["y"], self.before.sizes["x"]

    @property
    def bands(self) -> list[str]:
        """Differences of bands that both have, canonical differences, and the measure that forgives a pixel of shift."""
        names = [f"after - before {self.before.coords['band'].values[i]}" for i, _ in self.shared]
        return [
            *names,
            *(f"canonical {i + 1}" for i in range(len(self.spectral.detector.mad.correlation))),
            "measure",
            "least measure",
        ]

    @property
    def dtype(self) -> np.dtype:
        """Float32."""
        return np.dtype(np.float32)

    def read(self, dates: Sequence[int], bands: Sequence[int], rows: slice, columns: slice) -> np.ndarray:
        """The window, with two pixels around it."""
        from swath.sample.window import read

        far = 3
        height, width = self.shape[2:]
        outer = [slice(max(0, s.start - far), min(n, s.stop + far)) for s, n in ((rows, height), (columns, width))]
        batch = read({BEFORE: self.before, AFTER: self.after}, *outer)
        stack, _ = _stacked(batch, self.spectral, self.shared)
        inner = tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip((rows, columns), outer, strict=True))
        return np.ascontiguousarray(stack[list(bands)][(slice(None), *inner)])[None]


def _stacked(batch: Any, spectral: Any, shared: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """The bands of a `Difference` in a window (B, H, W), NaN where a date is missing, and where both were seen."""
    from swath.tools.change_pair import planes

    a, b, seen = planes(batch, spectral.bands)
    detector = spectral.detector
    parts = [batch.pixels[AFTER].values[0, 0][j] - batch.pixels[BEFORE].values[0, 0][i] for i, j in shared]
    parts += [*detector.mad(np.where(seen, a, 0), np.where(seen, b, 0))]
    parts += [np.log1p(detector.measure(a, b, seen)), np.log1p(detector.least(a, b, seen))]
    return np.where(seen, np.stack(parts), np.nan).astype(np.float32), seen


def _differences(pair: Pair, spectral: Any) -> xr.DataArray:
    """The cube of a `Difference`, lazily."""
    from swath.cube import contract
    from swath.cube.lazy import lazy

    source = Difference(pair.before, pair.after, spectral, tuple(shared_bands(pair.before, pair.after)))
    import xarray as xr

    values = xr.Variable(("time", "band", "y", "x"), lazy(source)).isel(time=0)._data
    if int(np.prod(source.shape)) <= _SMALL:  # read many times while learning: computed once
        height, width = source.shape[2:]
        values = source.read([0], range(len(source.bands)), slice(0, height), slice(0, width))[0]
    return contract.make(
        values, bands=source.bands, geobox=pair.grid, quantity="other", units="1", nodata=np.nan,
        attrs={"long_name": "differences between two dates"},
    )  # fmt: skip


def by_pairs(pair: Pair, source: Any, asked: Mapping[str, Any], progress: Progress | None, *, simulated: bool) -> Way:
    """A mapper that learns change from labels of pairs, on both dates, their differences and what lies around."""
    from swath.tools import change_truth, judge, mapping

    spectral, windows = ways.spectral_of(pair, asked["false_alarms"], asked["seed"])
    cubes = {**pair.cubes, DIFFERENCE: _differences(pair, spectral)}
    say: list[str] = []
    options = {**asked, "kind": "class", "unsure": False}
    work = mapping.learn(
        _opened(pair, cubes), change_truth.labelled(source), options, None, say, progress, simulated=simulated
    )
    legend, codes = of_labels(work.mapper.classes)
    scores: dict[str, Estimate] = {}
    if work.places is not None and work.places.count >= 2 and work.labels is not None and work.features is not None:
        judged = judge.by_outer_folds(
            cubes, work.labels, work.places, work.mapper, work.features, seed=asked["seed"], fast=asked["fast"],
            buffer=work.buffer, progress=progress,
        )  # fmt: skip
        if len(judged.truth):
            scores = change_truth.by_folds(judged, codes, seed=asked["seed"], simulated=simulated)
    else:
        say.append("all labels stand in one place: nothing is left to judge the change in")
    way = _pairs_way(pair, cubes, work, legend, codes, spectral, windows, asked, say, simulated=simulated)
    trained = None if work.labels is None else (work.labels.row, work.labels.column)
    return replace(way, scores=scores, trained=trained)


def _pairs_way(
    pair: Pair, cubes: Any, work: Work, legend: Legend, codes: np.ndarray, spectral: Any, windows: Any,
    asked: Mapping[str, Any], say: list[str], *, simulated: bool,
) -> Way:  # fmt: skip
    mapper = work.mapper
    painter = ByLabels(mapper, work.applicability, codes, legend, spectral)
    several = [k.name for k in legend.kinds] if len(legend.kinds) > 1 else []
    layers = legend.layers(
        bands=("change", *several), doubts=_DOUBTS, tags=ways.tags_of(simulated), said={n: SAID[n] for n in _DOUBTS}
    )
    known = mapper.oof.scorable
    guessed = mapper.oof.value[known].argmax(1)
    record = mapper.record()
    kept = {
        "way": "pairs",
        "codes": codes.tolist(),
        "classes": list(legend.classes),
        "kinds": [[k.code, k.name, k.start, k.end] for k in legend.kinds],
    }
    return Way(
        name="labels of pairs",
        painter=painter,
        cubes=cubes,
        legend=legend,
        layers=layers,
        reach=max(mapper.reach, 3),
        bands=tuple(k.code for k in legend.kinds) if several else (),
        fingerprint={"way": "pairs", "mapper": record, "measure": spectral.detector.to_json()},
        facts={"classes": mapper.classes, "chosen": mapper.chosen},
        shift=(
            *ways.shift_said(pair, spectral, windows),
            *_flips(_Live(painter, spectral, tuple(shared_bands(pair.before, pair.after))), pair, asked["seed"]),
        ),
        notes=(*pair.notes, *say),
        candidates=mapper.candidates,
        kept=({**record, "calibration": work.calibration.to_json(), "change": kept}, mapper.arrays()),
        margin=_margin(work, (codes[guessed] > NO_CHANGE) == (codes[mapper.training.y[known]] > NO_CHANGE)),
    )


@dataclass(frozen=True)
class _Live:
    """A painter of pairs whose differences are computed anew from what a window holds."""

    painter: ByLabels
    spectral: Any
    shared: tuple[tuple[int, int], ...]

    def __call__(self, batch: Any) -> dict[str, np.ndarray]:
        from swath.batch import Pixels

        bands = next(s for s in self.painter.mapper.features.sensors if s.sensor == DIFFERENCE).bands
        stack, seen = _stacked(batch, self.spectral, self.shared)
        values = np.nan_to_num(stack)[None, None]
        first = batch.pixels[BEFORE]
        more = Pixels(
            values, np.broadcast_to(seen, values.shape), bands, first.gsd, np.full((1, 1), np.nan), first.lonlat
        )
        return self.painter(replace(batch, pixels={**batch.pixels, DIFFERENCE: more}))


def by_model(pair: Pair, folder: Path, asked: Mapping[str, Any], progress: Progress | None, *, simulated: bool) -> Way:
    """The model of an earlier change: out/model. Raises FormatError for another folder."""
    from swath.tools import mapping

    try:
        kept = json.loads((folder / "model.json").read_text("utf-8"))["change"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            rule="--model is a network of change or the folder `model` of an earlier change",
            got=f"{folder.name} without what a change run keeps",
            remedy="give out/model of swath change, or a file of swath train --family schanger",
        ) from error
    work = mapping.recall(folder, None)
    say = [*work.mapper.notes, f"by the model that an earlier change kept ({kept['way']})"]
    if kept["way"] == "labels":
        pair = fit_together(pair, BEFORE, asked["normalise"], asked["seed"])
        return _two_maps(pair, work, asked, say, simulated=simulated)
    spectral, windows = ways.spectral_of(pair, asked["false_alarms"], asked["seed"])
    cubes = {**pair.cubes, DIFFERENCE: _differences(pair, spectral)}
    legend = Legend(tuple(Kind(int(c), n, s, e) for c, n, s, e in kept["kinds"]), tuple(kept["classes"]))
    return _pairs_way(
        pair, cubes, work, legend, np.array(kept["codes"]), spectral, windows, asked, say, simulated=simulated
    )
