"""From labels to something that maps: features fitted, a candidate chosen, the model kept so that it can be made again.

A saved mapper holds its training rows, not the fitted model: loading fits it anew in seconds, to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline import choose as choosing
from swath.baseline import learner, patches, smooth
from swath.baseline import temperature as temper
from swath.baseline.features import GROUPS, Features
from swath.baseline.sampling import shape_of
from swath.batch import Batch, Encoder
from swath.errors import FormatError, LabelError
from swath.estimate import Estimate
from swath.sample.split import Places, folds

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Mapper", "Training", "look", "train"]

FORMAT = 1
FOLDS = 5
MOST = 4000  # labels used, thinned by the seed beyond
PATCH_VALUES = 100_000_000
SEEN_BYTES = 128 << 20
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Training:
    """What the model was fitted on: x (n, F) of the chosen features, y (n,), place, row, column, fold (n,).

    index (n,): which of the labels that were given. weight (F,): how much trees rely on each feature, summing to 1.
    """

    x: np.ndarray
    y: np.ndarray
    place: np.ndarray
    row: np.ndarray
    column: np.ndarray
    fold: np.ndarray
    index: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class Mapper:
    """Maps a Batch: class probabilities, or values. Threads may share it; Dask may pickle it.

    kind: class or number. classes, codes: of the labels, in the order of the probabilities. candidates: (name, score)
    in order of cost. oof: what the chosen candidate predicted for labels of places it had not seen. temperature: of
    the probabilities, learned from oof (above 1: the model was too sure of itself).
    """

    features: Features
    model: learner.Learned
    columns: np.ndarray
    candidate: choosing.Candidate
    candidates: list[tuple[str, Estimate]]
    oof: choosing.OutOfFold
    training: Training
    classes: list[str]
    codes: list[int]
    kind: str
    seed: int
    notes: tuple[str, ...]
    temperature: float = 1.0

    @property
    def chosen(self) -> str:
        """Name of the candidate that won."""
        return self.candidate.name

    @property
    def reach(self) -> int:
        """Pixels around a window that must be read: the features' reach, and the smoothing's on top."""
        more = smooth.REACH if self.candidate.smoothed else 0
        align = self.features.align
        return -(-(self.features.reach + more) // align) * align

    @property
    def feature_names(self) -> list[str]:
        """Names of the features that the model reads, in the order of `training.x`."""
        names = self.features.names
        return [names[i] for i in self.columns]

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """Class probability (B, K, H, W) or value (B, 1, H, W), NaN where missing; valid (B, H, W); features.

        features (B, F, H, W) are those that the model reads. Within `reach` of a window's edge the numbers are not
        those of the whole scene. Raises BandError or UnitError when the Batch is not what was learned.
        """
        values, valid = self.features(batch)
        guide = self.features.guide_planes(values) if self.candidate.smoothed else None
        read = values[:, self.columns] if len(self.columns) != values.shape[1] else values
        out = np.full((len(read), max(1, len(self.classes)), *valid.shape[1:]), np.nan, np.float32)
        for i, (planes, good) in enumerate(zip(read, valid, strict=True)):
            if good.any():
                out[i][:, good] = self.model.predict(planes[:, good])
                if guide is not None:
                    out[i] = smooth.smooth(np.where(good, out[i], 0), good, guide[i])
                    out[i][:, ~good] = np.nan
        if self.kind == "class":
            out = temper.applied(out, self.temperature, axis=1)
        return {"probability" if self.kind == "class" else "value": out, "valid": valid, "features": read}

    def save(self, folder: str | Path) -> None:
        """Write model.json and training.npz into a folder, each aside first and then renamed."""
        from swath.baseline.keeping import write

        write(self.record(), self.arrays(), Path(folder))

    def record(self) -> dict[str, Any]:
        """What model.json holds."""
        import sklearn

        features, _ = self.features.state()
        c = self.candidate
        return {
            "format": FORMAT,
            "kind": self.kind,
            "classes": self.classes,
            "codes": self.codes,
            "chosen": {"name": c.name, "model": c.model, "groups": list(c.groups), "smoothed": c.smoothed},
            "candidates": [{"name": n, "score": e.to_json()} for n, e in self.candidates],
            "seed": self.seed,
            "temperature": self.temperature,
            "reach": self.reach,
            "feature_names": self.feature_names,
            "features": features,
            "notes": list(self.notes),
            "scikit_learn": sklearn.__version__,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """What training.npz holds."""
        _, fitted = self.features.state()
        rows = {f"training_{k}": getattr(self.training, k) for k in Training.__slots__}
        folds = {"oof_value": self.oof.value, "oof_fold": self.oof.fold, "oof_scorable": self.oof.scorable}
        return {**rows, **folds, **{f"features_{k}": v for k, v in fitted.items()}}

    @classmethod
    def load(cls, folder: str | Path, *, encoder: Encoder | None = None) -> Mapper:
        """Make a mapper again from `save`'s folder; the model is fitted anew on the kept rows.

        With another version of scikit-learn a note says so. Raises FormatError when files are missing, damaged or of
        another format, SwathError when the encoder that it used is not given.
        """
        from swath.baseline.keeping import read

        record, arrays = read(Path(folder), FORMAT)
        try:
            return cls._from(record, arrays, encoder)
        except (KeyError, TypeError) as error:
            raise FormatError(
                rule="model.json and training.npz belong together", got=f"{error}", remedy="train again"
            ) from error

    @classmethod
    def _from(cls, record: dict[str, Any], arrays: Mapping[str, np.ndarray], encoder: Encoder | None) -> Mapper:
        import sklearn

        fitted = {k.removeprefix("features_"): v for k, v in arrays.items() if k.startswith("features_")}
        features = Features.from_state(record["features"], fitted, encoder=encoder)
        training = Training(**{k: arrays[f"training_{k}"] for k in Training.__slots__})
        chosen = record["chosen"]
        candidate = choosing.Candidate(
            chosen["name"], chosen["model"], tuple(chosen["groups"]), bool(chosen["smoothed"])
        )
        model = learner.fit(
            candidate.model, training.x, training.y, classes=len(record["classes"]), seed=int(record["seed"])
        )
        notes = list(record["notes"])
        if record["scikit_learn"] != sklearn.__version__:
            notes.append(
                f"fitted with scikit-learn {record['scikit_learn']}, now {sklearn.__version__}: bytes may differ"
            )
        return cls(
            features=features,
            model=model,
            columns=features.columns(candidate.groups),
            candidate=candidate,
            candidates=[(c["name"], Estimate.from_json(c["score"])) for c in record["candidates"]],
            oof=choosing.OutOfFold(arrays["oof_value"], arrays["oof_fold"], arrays["oof_scorable"]),
            training=training,
            classes=list(record["classes"]),
            codes=[int(c) for c in record["codes"]],
            kind=record["kind"],
            seed=int(record["seed"]),
            notes=tuple(notes),
            temperature=float(record["temperature"]),
        )


def train(
    cubes: Mapping[str, xr.DataArray],
    labels: Any,
    places: Any,
    *,
    seed: int = 0,
    fast: bool = False,
    encoder: Encoder | None = None,
    features: Features | Sequence[str] | None = None,
    buffer: int | None = None,
    seen: patches.Seen | None = None,
    weigh: bool = True,
    progress: Progress | None = None,
) -> Mapper:
    """Fit features to the scene, choose a candidate by spatial cross-validation over places, fit it on all labels.

    cubes: aligned, by sensor name. labels: `sample.labels.Labels` or anything with row, column, value (n,), names,
    codes and kind. places: `sample.split.Places`, or a place id (n,) of each label. features: fitted ones, or names of
    groups. buffer: pixels between training and held-out labels while choosing; by default the features' reach, at
    most a quarter of the blocks' side (none for bare place ids). seen: of `look`, for these features and labels.
    weigh: find out how much trees rely on each feature (`training.weight`, for what is like the labels); else all alike.
    Raises LabelError when fewer than two classes, places or usable labels are left.
    """
    kind = str(getattr(labels, "kind", "class"))
    classes = [str(n) for n in labels.names] if kind == "class" else []
    fitted = (
        features if isinstance(features, Features) else Features.fit(cubes, names=features, seed=seed, encoder=encoder)
    )
    notes: list[str] = []
    row, column = np.asarray(labels.row), np.asarray(labels.column)
    if not isinstance(places, Places):
        places = Places(np.asarray(places), row, column, 4 * (buffer or 0))
    value = np.asarray(labels.value, np.int64 if kind == "class" else np.float64)
    index = _thin(value if kind == "class" else np.zeros(len(value), int), places.id, _most(fitted, cubes), seed)
    if len(index) < len(value):
        notes.append(f"{len(index):,} of {len(value):,} labels used, drawn evenly over classes and places")
    if seen is not None and len(index) == len(value):
        x, good, around = seen.x, seen.good, seen.around
    else:
        x, good, around = patches.at_labels(cubes, fitted, row[index], column[index], progress=progress)
    if not good.all():
        notes.append(f"{int((~good).sum()):,} labels lie on missing pixels and were left out")
        index, x, around = index[good], x[good], patches.without(around, good)
    if not len(index):
        raise LabelError(rule="labels must lie on pixels that were seen", got="none does", remedy="use a clearer scene")
    places = places.take(index)
    table = choosing.Table(x, value[index], places.id, row[index], column[index], len(classes))
    if table.classes:
        notes += _lonely(table, classes)
    if table.classes and not fast and choosing.too_few(len(table.y), len(np.unique(table.place))):
        notes.append(
            f"fewer than {choosing.FEW} labels or {choosing.FEW_PLACES} places cannot tell many classifiers apart: only "
            "the sturdy were judged, by the Brier score of their probabilities"
        )
    space = fitted.reach if buffer is None else buffer
    count = choosing.deals_for(len(table.y))
    deals = [folds(places, table.y, FOLDS, seed=seed + 1000 * k, buffer=space) for k in range(count)]
    notes += deals[0].notes
    choice = choosing.choose(table, fitted, around, deals=deals, seed=seed, fast=fast, progress=progress)
    notes += [choice.tokens] if choice.tokens else []
    groups = set(choice.chosen.groups) | ({"components"} if choice.chosen.smoothed else set())
    kept = fitted.only([g for g in GROUPS if g in groups] or ["spectra"])
    used = x[:, fitted.columns(choice.chosen.groups)]
    model = learner.fit(choice.chosen.model, used, table.y, classes=table.classes, seed=seed)
    weight = np.full(used.shape[1], 1 / max(1, used.shape[1]))
    if weigh:
        weight = learner.tree_importances(used, table.y, classes=table.classes, seed=seed)
    oof, warmth = choice.oof, 1.0
    if table.classes:
        warmth = temper.fit(oof.value[oof.scorable], table.y[oof.scorable])
        oof = replace(oof, value=temper.applied(oof.value, warmth, axis=1))
    return Mapper(
        features=kept,
        model=model,
        columns=kept.columns(choice.chosen.groups),
        candidate=choice.chosen,
        candidates=choice.scores,
        oof=oof,
        training=Training(used, table.y, table.place, table.row, table.column, deals[0].fold, index, weight),
        classes=classes,
        codes=[int(c) for c in labels.codes] if kind == "class" else [],
        kind=kind,
        seed=seed,
        notes=tuple(notes),
        temperature=warmth,
    )


def look(
    cubes: Mapping[str, xr.DataArray], labels: Any, features: Features, *, progress: Progress | None = None
) -> patches.Seen | None:
    """What `train` reads of the scene, read once for several fits on parts of the labels: the fits come out the same.

    None where there are so many labels that each fit draws its own, or where keeping it would take too much memory.
    """
    n = len(labels.row)
    if features.tokens is not None or n > _most(features, cubes) or n * len(features.names) * 4 > SEEN_BYTES:
        return None
    seen = patches.Seen(*patches.at_labels(cubes, features, labels.row, labels.column, progress=progress))
    return seen if seen.bytes <= SEEN_BYTES else None


def _most(features: Features, cubes: Mapping[str, xr.DataArray]) -> int:
    """How many labels the memory for their surroundings allows."""
    if features.flat or patches.whole_is_small(features, shape_of(cubes)):
        return MOST
    around = (2 * smooth.REACH + 1) ** 2 * max(1, len(features.names))
    return int(np.clip(PATCH_VALUES // around, 500, MOST))


def _thin(group: np.ndarray, place: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Indices of at most `most` labels, taken in turns over classes and, within a class, over places."""
    if len(group) <= most:
        return np.arange(len(group))
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(group))
    _, place_id = np.unique(place, return_inverse=True)
    turn = _rank(group[shuffled] * (place_id.max() + 1) + place_id[shuffled])
    by_turn = np.argsort(turn, kind="stable")
    round_of = np.empty(len(group), int)
    round_of[by_turn] = _rank(group[shuffled][by_turn])
    return np.sort(shuffled[np.argsort(round_of, kind="stable")[:most]])


def _rank(key: np.ndarray) -> np.ndarray:
    """How many equal keys stood before each."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    start = np.maximum.accumulate(np.where(first, np.arange(len(key)), 0))
    out = np.empty(len(key), int)
    out[order] = np.arange(len(key)) - start
    return out


def _lonely(table: choosing.Table, classes: list[str]) -> list[str]:
    """Notes on classes that stand in one place only: no place is left to judge them on."""
    alone = [c for k, c in enumerate(classes) if len(np.unique(table.place[table.y == k])) == 1]
    return [f"labelled in one place only, so not judged in the choice: {', '.join(alone)}"] if alone else []
