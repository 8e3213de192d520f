"""Ways to tell change by a network: a trained file as it is, or one that learns from the labels of this pair first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import BandError, FormatError, LabelError
from swath.tools import change_ways as ways
from swath.tools.change_legend import BINARY, NO_CHANGE, Kind, Legend, of_labels
from swath.tools.change_paint import SAID, ByNetwork
from swath.tools.change_pair import BEFORE, Pair
from swath.tools.change_ways import Way

if TYPE_CHECKING:
    import xarray as xr

    from swath.tools.job import Progress

__all__ = ["FILE", "by_file", "is_file", "learned"]

FILE = "change.safetensors"
NETWORKS = ("schanger",)
_DOUBTS = ("undecided", "shift", "spread")


def is_file(path: Path) -> bool:
    """Whether --model names weights of a network: a file, or the folder `model` of a run that trained one."""
    return path.is_file() or (path / FILE).is_file()


def by_file(pair: Pair, path: Path, asked: Mapping[str, Any], *, simulated: bool, said: tuple[str, ...] = ()) -> Way:
    """A network of change from its file, run in the windows that it was trained in.

    Raises FormatError when the file is no network of change, BandError and UnitError when it knows other bands or units.
    """
    from swath import models
    from swath.predict.pairs import Pairs, window_of

    path = path / FILE if path.is_dir() else path
    model = models.load(str(path)) if path.suffix == ".safetensors" else models.load("schanger", weights=path)
    if not hasattr(model, "change"):
        raise FormatError(
            rule="--model is a network of change",
            got=f"{path.name}, {type(model).__name__}",
            remedy="train one: --network schanger",
        )
    pair = _with_bands(pair, model, asked)
    names = tuple(getattr(model, "classes", ("change",)))
    legend = BINARY if len(names) == 1 else Legend(tuple(Kind(2 + i, n) for i, n in enumerate(names)))
    spectral, windows = ways.spectral_of(pair, asked["false_alarms"], asked["seed"])
    runner = Pairs(model)
    several = [k.name for k in legend.kinds] if len(legend.kinds) > 1 else []
    layers = legend.layers(
        bands=("change", *several), doubts=_DOUBTS, tags=ways.tags_of(simulated), said={n: SAID[n] for n in _DOUBTS}
    )
    about = f"a network in windows of {model.window} pixels" if model.window else "a network"
    single = getattr(model, "dates", 2) == 1
    notes = [
        *pair.notes,
        *said,
        f"by {path.name}: {about}, on two lattices; how far they lie apart is in doubt.tif (spread)",
    ]
    if single:
        notes.append(
            "the network knows one date: change is where its probabilities of both dates lie more than one half apart"
        )
    return Way(
        name=f"a network ({type(model).__name__})" + (" of one date, |after - before|" if single else ""),
        painter=ByNetwork(runner, legend, spectral),
        cubes=pair.cubes,
        legend=legend,
        layers=layers,
        reach=max(runner.reach, 3),
        window=window_of(runner),
        bands=tuple(k.code for k in legend.kinds) if several else (),
        fingerprint={
            "way": "network",
            "file": path.name,
            "bands": _names(pair.before),
            "measure": spectral.detector.to_json(),
        },
        facts={"network": type(model).__name__, "window": model.window, "file": path.name},
        shift=ways.shift_said(pair, spectral, windows),
        notes=tuple(notes),
    )


def _names(cube: xr.DataArray) -> list[str]:
    return [str(b) for b in cube.coords["band"].values]


def _with_bands(pair: Pair, model: Any, asked: Mapping[str, Any]) -> Pair:
    """The pair with the bands that the network reads, in its order; the after date under the before date's names."""
    from swath.tools.change_radiometry import fit_together

    needs = getattr(model, "needs", None)
    wanted = [str(b) for b in getattr(needs, "bands", ())]
    if _names(pair.before) != _names(pair.after):
        pair = fit_together(pair, BEFORE, "auto", asked["seed"])
    if not wanted:
        return pair
    missing = [b for b in wanted if b not in _names(pair.before)]
    if missing:
        raise BandError(
            rule=f"this network reads {', '.join(wanted)}",
            got=f"{', '.join(_names(pair.before))} (missing {', '.join(missing)})",
            remedy="give scenes with these bands, or train on what there is: --network schanger with --pairs",
        )
    before, after = (c.isel(band=[_names(c).index(b) for b in wanted]) for c in (pair.before, pair.after))
    return replace(pair, before=before, after=after)


def learned(pair: Pair, folder: Path, asked: Mapping[str, Any], progress: Progress | None, *, simulated: bool) -> Way:
    """A network that learns from `--pairs`, or from `--labels` of one date, kept in `folder`/model; then as `by_file`.

    Raises LabelError when the labels cannot teach it, ExtraError without torch.
    """
    from swath.errors import need
    from swath.tools.change_radiometry import fit_together

    need("torch", extra="nn", why="a network of change")
    if asked["network"] not in NETWORKS:
        raise LabelError(
            rule=f"--network is one of {', '.join(NETWORKS)}", got=str(asked["network"]), remedy="--network schanger"
        )
    from swath.train import pairs as training

    side = asked["labels_of"] if asked["labels"] is not None else BEFORE
    pair = fit_together(pair, side, asked["normalise"], asked["seed"])
    path = folder / "model" / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "out": path, "course": training.Course(steps=asked["steps"]), "seed": asked["seed"], "simulated": simulated,
        "window": _window(pair.shape), "progress": progress,
    }  # fmt: skip
    if asked["pairs"] is not None:
        found = training.fit_pairs(pair.before, pair.after, _changed(pair, asked), start=asked["start"], **options)
    else:
        some = asked["classes"] or []
        target, name = _one_class(pair, asked, some[0] if len(some) == 1 else None)
        found = training.fit_single(pair.cubes[side], target, positive=name, **options)
    held = f", F1 {found.f1:.2f} in {found.windows[1]} windows held out" if np.isfinite(found.f1) else ""
    said = (f"trained in {asked['steps']} steps on {found.windows[0]} windows{held}", *found.notes)
    way = by_file(pair, path, asked, simulated=simulated, said=said)
    return replace(way, written=(path,))


def _window(shape: tuple[int, int]) -> int:
    """256 pixels as published; less for a smaller scene, so that several windows can be held out."""
    return next((w for w in (256, 128, 64) if min(shape) >= 1.5 * w), 32)


def _read(source: Any, pair: Pair, asked: Mapping[str, Any], **more: Any) -> Any:
    from swath.sample import labels as labelling
    from swath.tools.change_truth import labelled

    options = {n: asked[n] for n in ("column", "xy", "crs", "seed")}
    return labelling.read(labelled(source), pair.grid, shape=pair.shape, kind="class", **options, **more)


def _changed(pair: Pair, asked: Mapping[str, Any]) -> np.ndarray:
    """(H, W) int8: 1 changed, 0 not, -1 unknown."""
    found = _read(asked["pairs"], pair, asked, classes=asked["classes"])
    _, codes = of_labels(found.names)
    out = np.full(pair.shape, -1, np.int8)
    out[found.row, found.column] = codes[found.value] != NO_CHANGE
    return out


def _one_class(pair: Pair, asked: Mapping[str, Any], positive: str | None) -> tuple[np.ndarray, str]:
    """(H, W) int8 of one class: 1 it, 0 another, -1 unknown (0 where only this class is labelled), and its name."""
    found = _read(asked["labels"], pair, asked, least=1, alone=True)
    if positive is None and len(found.names) > 1:
        raise LabelError(
            rule="a network of one date learns one class",
            got=", ".join(found.names),
            remedy=f"choose it, e.g. --classes {found.names[0]}",
        )
    name = positive or found.names[0]
    if name not in found.names:
        raise LabelError(
            rule="--classes names a class of the labels", got=name, remedy=f"one of {', '.join(found.names)}"
        )
    out = np.full(pair.shape, 0 if len(found.names) == 1 else -1, np.int8)
    out[found.row, found.column] = found.value == found.names.index(name)
    return out, name
