"""How good a change map is by reference labels: scores of change with intervals, areas where the sample was drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import LabelError
from swath.estimate import Estimate, block_bootstrap, undefined
from swath.tools.change_legend import NO_CHANGE, Legend, kinds_of

if TYPE_CHECKING:
    from swath.assess.reference import Reference
    from swath.sample.classmap import ClassMap

__all__ = ["by_folds", "by_truth", "labelled", "scores"]


def by_truth(
    folder: Path,
    legend: Legend,
    asked: Mapping[str, Any],
    say: list[str],
    *,
    simulated: bool,
    trained: tuple[Any, Any] | None = None,
) -> tuple[dict[str, Estimate], dict[str, Any] | None, str]:
    """Scores by `--truth`, the record with design-based areas where the sample allows one, and how it was judged.

    trained: rows and columns of pixels that were trained on: the truth does not judge there.
    Raises LabelError or DesignError when the truth cannot judge.
    """
    from swath.assess import reference as references
    from swath.sample.classmap import open_map

    made = open_map(folder / "change.tif")
    found = _read(asked["truth"], made, asked)
    say += found.notes
    say += [f"{n:,} units of the truth {reason}" for reason, n in found.dropped.items()]
    truth, kinds = _coded(found, legend)
    said = made.at(found.row, found.column).astype(int)
    fine = said > 0
    if not fine.any():
        raise LabelError(
            rule="truth lies where the change has an answer", got="none of it does", remedy="give other truth"
        )
    if trained is not None:
        known = np.zeros(made.shape, bool)
        known[trained] = True
        taught = fine & known[found.row, found.column]
        if (fine & ~taught).sum() == 0:
            say.append("the truth lies on the labels that were trained on: it is too good to judge by")
        elif taught.any():
            say.append(f"{int(taught.sum()):,} units of the truth lie on pixels that were trained on: not judged there")
            fine &= ~taught
    if lost := int((said == 0).sum()):
        say.append(f"{lost:,} units of the truth lie where the change has no answer")
    place, how = references.places(found, made.shape)
    codes = [NO_CHANGE, *(k.code for k in legend.kinds)] if kinds else [NO_CHANGE, 2]
    if not kinds:
        said = np.where(said > NO_CHANGE, 2, said)
        if len(legend.kinds) > 1:
            say.append("the truth tells change, not its kind: only change against no change is judged")
    got = scores(said[fine], truth[fine], place[fine], codes, how, seed=asked["seed"], simulated=simulated)
    record = None
    if (found.design is not None or asked["design"] in ("simple", "stratified")) and (kinds or len(legend.kinds) == 1):
        record = _designed(made, found, truth, legend, asked)
    return got, record, how


def _read(source: Any, made: ClassMap, asked: Mapping[str, Any]) -> Reference:
    """The truth at pixels; 0 counts in a raster whose codes have no names."""
    from swath.assess import reference as references
    from swath.sample import mask

    own = asked["labels"] is None and asked["pairs"] is None  # else --column is of the labels
    column = asked["column"] if own else None
    if isinstance(source, np.ndarray) or (isinstance(source, (str, Path)) and mask.is_mask(source)):
        title = Path(str(source)).name if isinstance(source, (str, Path)) else "the truth"
        found = mask.read(source, made.grid, made.shape, band=column, title=title)
        if not found.titles:
            found = mask.read(source, made.grid, made.shape, band=column, title=title, classes=["0"])
        value = found.value.astype(object)
        return references.Reference(
            found.row, found.column, value, np.arange(len(value)), "mask pixels", title,
            titles=dict(found.titles), notes=list(found.notes),
        )  # fmt: skip
    return references.read(labelled(source), made, column=column, xy=asked["xy"] if own else None)


def labelled(source: Any) -> Any:
    """A vector file or frame with columns `from` and `to` as a frame with a column `label`; anything else as it is."""
    if isinstance(source, (str, Path)):
        if not str(source).partition("#")[0].lower().endswith((".gpkg", ".geojson", ".json", ".shp", ".fgb")):
            return source
        import geopandas as gpd

        try:
            frame = gpd.read_file(source)
        except (OSError, RuntimeError, ValueError):
            return source  # told by the reader of labels
    elif hasattr(source, "geometry") and hasattr(source, "columns"):
        frame = source
    else:
        return source
    lower = {str(c).lower(): c for c in frame.columns}
    if not {"from", "to"} <= set(lower) or "label" in lower:
        return source
    pairs = zip(frame[lower["from"]], frame[lower["to"]], strict=True)
    named = [None if a is None or b is None or a != a or b != b else f"{a} to {b}" for a, b in pairs]
    return frame.assign(label=named).drop(columns=[lower["from"], lower["to"]])


def _coded(found: Reference, legend: Legend) -> tuple[np.ndarray, bool]:
    """(n,) codes of the change map that the truth names, and whether kinds are told (else 1 and 2)."""
    text = np.array([_text(v, found.titles) for v in found.value])
    names, where = np.unique(text, return_inverse=True)
    codes = kinds_of([str(n) for n in names], legend)
    own = {NO_CHANGE, *(k.code for k in legend.kinds)}
    kinds = len(legend.kinds) > 1 and all(c in own for c in codes) and not all(c == NO_CHANGE for c in codes)
    if not kinds:
        codes = [c if c == NO_CHANGE else 2 for c in codes]
    return np.array(codes)[np.asarray(where).ravel()], kinds


def _text(value: Any, titles: Mapping[int, str]) -> str:
    if isinstance(value, (int, float, np.number)) and float(value).is_integer():
        return titles.get(int(value), str(int(value)))
    return str(value)


def scores(
    said: np.ndarray, truth: np.ndarray, place: np.ndarray, codes: list[int], how: str, *, seed: int, simulated: bool
) -> dict[str, Estimate]:
    """F1, IoU, precision, recall of change (and SeK, F1 of kinds where there are several), by block bootstrap over places."""
    from swath.metric import pairs
    from swath.metric.classes import confusion_by_place

    at = {c: i for i, c in enumerate(codes)}
    s, t = (
        np.array([at.get(int(c), -1) for c in np.unique(v)])[np.unique(v, return_inverse=True)[1]]
        for v in (said, truth)
    )
    parts = confusion_by_place(s, t, len(codes), place=place)
    parts = parts[parts.sum((1, 2)) > 0]
    reason = pairs.why(parts.sum(0))
    wanted: dict[str, Any] = {
        "F1 of change": pairs.f1, "IoU of change": pairs.iou, "precision": pairs.precision, "recall": pairs.recall,
    }  # fmt: skip
    if len(codes) > 2:
        wanted |= {"F1 of kinds": pairs.f_semantic, "SeK": pairs.sek}
    method = f"{how}; pooled counts; not design-based"
    got: dict[str, Estimate] = {}
    for name, score in wanted.items():
        if reason:
            got[name] = undefined("1", reason, n=int(parts.sum()), method=method)
            continue
        e = block_bootstrap(parts, score, n=int(parts.sum()), method=method, seed=seed, simulated=simulated)
        if not e.defined:
            e = replace(e, reason="no change was said" if name == "precision" else "no change in the truth")
        got[name] = e
    quiet = pairs.binary(parts)[:, :, 0]
    got["false alarms"] = block_bootstrap(
        quiet, lambda m: _ratio(m[..., 1], m.sum(-1)), n=int(quiet.sum()), method=method, seed=seed, simulated=simulated
    )
    return got


def _ratio(top: Any, bottom: Any) -> np.ndarray:
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0))


def by_folds(judged: Any, codes: np.ndarray, *, seed: int, simulated: bool) -> dict[str, Estimate]:
    """Scores of labels of pairs in places that were not trained on (`judge.Judged`); codes (K,) of their classes."""
    shown = sorted({int(c) for c in codes})
    return scores(
        codes[judged.predicted], codes[judged.truth], judged.place, shown, judged.words, seed=seed, simulated=simulated
    )


def _designed(
    made: ClassMap, found: Reference, truth: np.ndarray, legend: Legend, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of `swath assess` for the change map, with areas by the sample's design."""
    from swath.tools.assess import _classes, _design

    named = replace(found, value=np.array([legend.names[int(c)] for c in truth], dtype=object), titles={})
    return _classes(made, named, _design(named, asked["design"], made), 0.95, asked["seed"], None)
