"""Networks of change from a person's own labels: a segmenter of one date, and a network of two dates that may begin from it.

How SChanger is trained (arXiv 2503.20734): labels of one date are far more common than labels of change, so the network
first learns what a building (or a pond) is on single dates, then, with 40 new tensors, which of them came or went.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import LabelError, OutputError, SwathError
from swath.models import build, load
from swath.models import schanger_input as given
from swath.models.schanger import AFTER, BEFORE, SINGLE, SChanger, begin, hold_prior
from swath.models.weights import Facts, sha256, write
from swath.train.course import Course, held_f1, learn
from swath.train.crops import Piece, pieces_of, pixels_of

if TYPE_CHECKING:
    import xarray as xr

    from swath.sample.labels import Labels

__all__ = ["Course", "Trained", "binary", "fit_pairs", "fit_single"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained file. sha256: of the file; new: tensors that began anew (40 where a single-date file was given, else none).

    f1: of held-out windows at the threshold 0.5 (NaN where none were held out or none changed); windows: how many taught
    and how many were held out. history: a row of loss terms for each eight steps.
    """

    path: Path
    sha256: str
    model: SChanger
    new: tuple[str, ...]
    f1: float
    windows: tuple[int, int]
    history: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def fit_single(
    cube: xr.DataArray | Sequence[xr.DataArray],
    labels: Any,
    *,
    out: str | os.PathLike[str],
    positive: str | None = None,
    size: str = "small",
    window: int = 256,
    course: Course | None = None,
    hold_out: float = 0.2,
    widths: Sequence[int] | None = None,
    seed: int = 0,
    simulated: bool = False,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Trained:
    """A segmenter of one class from labels of single dates, written to `out` (.safetensors): SChanger's single-date form.

    cube: one date each; or several cubes, then as many labels. labels, positive: as `binary` takes them, on the cube's grid. size,
    widths, window: of the network. hold_out: share of windows that never teach, for the F1 in the file. folder: keeps the state,
    so that an interrupted run goes on to the same numbers. simulated: the pictures come from a made world; the file says so.
    `models.load(out)` gives it back; its `change(before, after)` is |p(after) - p(before)|, change without any pair label.
    Raises LabelError, GridError, SwathError.
    """
    cubes, given_labels = _lists(cube, labels)
    pieces = []
    for i, (one, label) in enumerate(zip(cubes, given_labels, strict=True)):
        target, name = binary(label, one, positive)
        positive = positive or name
        pieces += pieces_of({SINGLE: _one_date(one)}, target, side=window, seed=seed, place=str(i))
    course = course or Course()
    options = {"size": size, "widths": widths, "window": window, "dates": 1, "classes": [positive or "class"]}
    return _trained(pieces, None, options, Path(out), course, hold_out, seed, simulated, folder, progress, ())


def fit_pairs(
    before: xr.DataArray | Sequence[xr.DataArray],
    after: xr.DataArray | Sequence[xr.DataArray],
    labels: Any,
    *,
    out: str | os.PathLike[str],
    start: str | os.PathLike[str] | None = None,
    positive: str | None = None,
    size: str = "small",
    window: int = 256,
    course: Course | None = None,
    fusion: str = "difference",
    hold_out: float = 0.2,
    widths: Sequence[int] | None = None,
    seed: int = 0,
    simulated: bool = False,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Trained:
    """A network of change from labels of pairs, written to `out` (.safetensors); `models.load(out)` gives it back.

    before, after: cubes of one date each on one grid (`cube.align.align`), with the same bands in the same units; or lists of
    as many cubes, then as many labels. labels: what changed, as `binary` takes it. start: a single-date file (of `fit_single`, or a
    published `schanger_small_pretrain.pth`) from which all but the 40 tensors of fusion are taken; then size, widths and window are its
    own. fusion: these begin as "difference" (equal dates give one value: the share of change among the labels) or "random".
    Both dates are scaled by one mean and deviation a band, those of `start` where it is a file of swath, else measured on the labelled
    windows of both dates. The file carries bands, units, these numbers, classes, window and what it began from (sha256).
    hold_out, folder, simulated: as in `fit_single`. The same seed on the same machine gives the same bytes.
    Raises LabelError (nothing changed or nothing did not), GridError, BandError, UnitError, FormatError.
    """
    befores, given_labels = _lists(before, labels)
    afters, _ = _lists(after, labels)
    if len(befores) != len(afters):
        raise SwathError(
            rule="every picture before has one after", got=f"{len(befores)} and {len(afters)}", remedy="give pairs"
        )
    begun, said = _begun(start)
    window = begun.window if begun is not None else window
    pieces = []
    for i, (a, b, label) in enumerate(zip(befores, afters, given_labels, strict=True)):
        pair = {BEFORE: _one_date(a), AFTER: _one_date(b)}
        target, _ = binary(label, a, positive)
        pieces += pieces_of(pair, target, side=window, seed=seed, place=str(i))
    course = course or Course()
    options = {"size": size, "widths": widths, "window": window, "dates": 2, "fusion": fusion}
    return _trained(pieces, begun, options, Path(out), course, hold_out, seed, simulated, folder, progress, said)


def binary(labels: Any, cube: xr.DataArray, positive: str | None = None) -> tuple[np.ndarray, str | None]:
    """Labels on the grid of a cube as (H, W) int8, 1 yes, 0 no, -1 unknown, and the name of what is "yes".

    labels: an (H, W) array of these numbers (bool too), a `sample.labels.Labels`, or anything that `sample.labels.read` takes.
    positive: the class that counts; by default the only class there is, or of two the one that is not called unchanged, no
    change, background, same, none, other or 0. One class alone: the rest of the windows that it touches is "no".
    Raises LabelError for numbers, or where it is not clear which class counts.
    """
    from swath.cube import contract
    from swath.sample.labels import Labels, read

    shape = (cube.sizes["y"], cube.sizes["x"])
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "biu" and labels.shape == shape:
        found = np.where(labels < 0, -1, labels > 0) if labels.dtype.kind == "i" else labels > 0
        return found.astype(np.int8), positive
    known = (
        labels if isinstance(labels, Labels) else read(labels, contract.grid(cube), shape=shape, least=1, alone=True)
    )
    if known.kind != "class":
        raise LabelError(rule="a network of change learns classes", got="numbers", remedy="name a column of classes")
    name = positive or _yes(known.names)
    if name not in known.names:
        raise LabelError(
            rule="one class says what counts",
            got=f"{positive or 'no choice'} of {', '.join(known.names)}",
            remedy="name it (positive=)",
        )
    return _raster(known, name), name


_NO = {"unchanged", "no change", "no_change", "nochange", "no-change", "background", "same", "none", "other", "0", "no"}


def _yes(names: Sequence[str]) -> str | None:
    some = [n for n in names if n.strip().lower() not in _NO]
    return some[0] if len(some) == 1 and len(names) <= 2 else None


def _raster(labels: Labels, name: str) -> np.ndarray:
    out = np.full(labels.shape, 0 if len(labels.names) == 1 else -1, np.int8)
    out[labels.row, labels.column] = labels.value == labels.names.index(name)
    return out


def _lists(cubes: Any, labels: Any) -> tuple[list[Any], list[Any]]:
    if hasattr(cubes, "dims"):
        return [cubes], [labels]
    many = list(cubes)
    if not isinstance(labels, (list, tuple)) or len(labels) != len(many):
        raise LabelError(
            rule="every scene has its labels",
            got=f"{len(many)} scenes, {len(labels) if isinstance(labels, (list, tuple)) else 1} labels",
            remedy="give a list of as many",
        )
    return many, list(labels)


def _one_date(cube: xr.DataArray) -> xr.DataArray:
    if cube.sizes.get("time", 1) != 1:
        raise SwathError(
            rule="a network of change learns from one date before and one after",
            got=f"{cube.sizes['time']} dates",
            remedy="choose one with --dates, or make a composite",
        )
    return cube


def _begun(start: str | os.PathLike[str] | None) -> tuple[SChanger | None, tuple[str, ...]]:
    """The single-date network of a file, and where it comes from in words."""
    if start is None:
        return None, ()
    path = Path(start)
    model = load(str(path)) if path.suffix == ".safetensors" else load("schanger", weights=path)
    if not isinstance(model, SChanger) or model.dates != 1:
        raise SwathError(
            rule="a network of pairs begins from a single-date SChanger",
            got=path.name,
            remedy="train one with fit_single",
        )
    return model, (f"began from {path.name}, sha256 {sha256(path)}",)


def _parted(pieces: list[Piece], share: float, seed: int) -> tuple[list[Piece], list[Piece]]:
    """Pieces that teach and those held out; none are held out of fewer than five."""
    count = int(share * len(pieces)) if len(pieces) >= 5 else 0
    order = np.random.default_rng([seed, 23]).permutation(len(pieces))
    return [pieces[i] for i in sorted(order[count:])], [pieces[i] for i in sorted(order[:count])]


def _trained(
    pieces: list[Piece],
    begun: SChanger | None,
    options: Mapping[str, Any],
    out: Path,
    course: Course,
    hold_out: float,
    seed: int,
    simulated: bool,
    folder: Any,
    progress: Progress | None,
    said: tuple[str, ...],
) -> Trained:
    """Split, build, train, score, write."""
    if out.suffix != ".safetensors":
        raise OutputError(rule="a model is written to .safetensors", got=str(out), remedy=f"{out.stem}.safetensors")
    teaching, held = _parted(pieces, hold_out, seed)
    known = np.concatenate([p.target[p.target >= 0] for p in teaching])
    share = float(known.mean()) if len(known) else 0.0
    if not 0 < share < 1:
        raise LabelError(
            rule="labels show both what counts and what does not",
            got=f"{100 * share:.0f} % of {len(known)} labelled pixels of the windows that teach count",
            remedy="label some of the other too",
        )
    model, new = _built(teaching, begun, options, share, course.dropout, seed)
    history = learn(model, teaching, course, side=int(options["window"]), seed=seed, folder=folder, progress=progress)
    model.symmetric = False
    notes = (
        *said,
        f"{course.steps} steps of {course.batch} crops, {len(teaching)} windows taught, {len(held)} held out",
    )
    score = held_f1(model, held) if held else float("nan")
    if score == score:
        notes += (f"F1 {score:.3f} on windows held out, which may touch those that taught",)
    facts = Facts(
        model="schanger", config=model.config, statistics=model.statistics, quantity=model.needs.quantity,
        bands=model.needs.bands, gsd=_gsd(teaching), trained_on="; ".join(notes), simulated=simulated, source="swath.train.pairs",
    )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    write(out, model.state_dict(), facts)
    model.facts = facts
    return Trained(out, sha256(out), model, tuple(new), score, (len(teaching), len(held)), tuple(history), notes)


def _gsd(pieces: Sequence[Piece]) -> tuple[float, float] | None:
    known = [p.gsd for p in pieces if np.isfinite(p.gsd)]
    return (min(known), max(known)) if known else None


def _built(
    pieces: Sequence[Piece], begun: SChanger | None, options: Mapping[str, Any], share: float, dropout: float, seed: int
) -> tuple[SChanger, list[str]]:
    """The network to train and its new tensors."""
    dates = [pixels_of(v[None], p.valid[None], p) for p in pieces for v in p.values.values()]
    if begun is None or begun.facts is None or begun.facts.source != "swath.train.pairs":
        table = given.measure(dates, source=f"{len(pieces)} labelled windows").to_json()
    else:
        table = begun.statistics
        given.Scaling.from_json(table).columns(pieces[0].bands)  # refuses other bands and units before training
    bands = len(table["bands"])
    if begun is None:
        config = {k: v for k, v in options.items() if k != "fusion"} | {"dropout": dropout}
        model: SChanger = build("schanger", seed=seed, channels=bands, statistics=table, **config)
        hold_prior(model, share)
        return model, []
    if bands != begun.channels:
        raise SwathError(
            rule=f"the single-date network reads {begun.channels} bands", got=f"{bands}", remedy="choose the bands"
        )
    prior = share if options["fusion"] == "difference" else None
    model, new = begin(begun, start=options["fusion"], prior=prior, dropout=dropout, seed=seed)
    model.scaling = given.Scaling.from_json(table)
    return model, new
