"""How good a map is: what it says where the truth is known, in places that training never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.baseline import choose as choosing
from swath.baseline import learner, patches
from swath.baseline import temperature as temper
from swath.baseline.features import Features
from swath.baseline.mapper import Mapper, train
from swath.predict.run import cores
from swath.sample import split
from swath.sample.window import read

if TYPE_CHECKING:
    import xarray as xr

    from swath.sample.labels import Labels
    from swath.sample.split import Places
    from swath.tools.mapping import Work

__all__ = ["Judged", "baselines", "by_outer_folds", "doubts_of", "predict_at", "spectra_at"]

Progress = Callable[[int, int, str], None]
OUTER = 5
TILE = 256
MOST_FOR_BASELINES = 20_000
MOST_AT_ONCE = 4  # outer folds trained side by side: each holds its own features
BASELINES = {
    "class": (
        choosing.Candidate("majority", "majority", ()),
        choosing.Candidate("shrunk LDA on spectra", "shrunk LDA", ("spectra",)),
        choosing.Candidate("random forest on spectra", "random forest", ("spectra",)),
    ),
    "number": (
        choosing.Candidate("mean", "mean", ()),
        choosing.Candidate("ridge on spectra", "ridge", ("spectra",)),
        choosing.Candidate("random forest on spectra", "random forest", ("spectra",)),
    ),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """Truth and prediction at n labels of places that were not trained on.

    truth (n,) class index or number; answer (n, K) probabilities or (n, 1) values; place (n,); index (n,) into the
    judged labels; scorable (n,): the class stood in the training part. words: how it was done.
    baseline: {name: answer (n, K) or (n, 1)}. row, column (n,): the pixels. seed: of the outer folds.
    """

    truth: np.ndarray
    answer: np.ndarray
    place: np.ndarray
    index: np.ndarray
    scorable: np.ndarray
    baseline: dict[str, np.ndarray]
    words: str
    row: np.ndarray
    column: np.ndarray
    seed: int = 0

    @property
    def predicted(self) -> np.ndarray:
        """(n,) class index, or the value."""
        return self.answer.argmax(1) if self.answer.shape[1] > 1 else self.answer[:, 0]


def predict_at(mapper: Mapper, cubes: Mapping[str, xr.DataArray], row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(n, K) probabilities or (n, 1) values at pixels, as the whole map would have them; NaN where nothing was seen."""
    height, width = next(iter(cubes.values())).sizes["y"], next(iter(cubes.values())).sizes["x"]
    reach, align = mapper.reach, mapper.features.align
    out = np.full((len(row), max(1, len(mapper.classes))), np.nan, np.float32)
    key = row // TILE * (width // TILE + 1) + column // TILE
    for one in np.unique(key):
        here = np.flatnonzero(key == one)
        spans = []
        for at, size in ((row, height), (column, width)):
            start = max(0, int(at[here].min()) - reach) // align * align
            spans.append(slice(start, min(size, int(at[here].max()) + 1 + reach)))
        got = mapper(read(cubes, *spans))
        planes = got["probability" if mapper.kind == "class" else "value"][0]
        out[here] = planes[:, row[here] - spans[0].start, column[here] - spans[1].start].T
    return out


def by_outer_folds(
    cubes: Mapping[str, xr.DataArray],
    labels: Labels,
    places: Places,
    mapper: Mapper,
    features: Features,
    *,
    seed: int,
    fast: bool,
    buffer: int,
    seen: patches.Seen | None = None,
    progress: Progress | None = None,
) -> Judged:
    """The labels judge themselves: outer folds of whole places, the choice of classifier repeated inside each.

    The features (components of the scene, no labels) are fitted once and given. Training labels nearer than `buffer` pixels to a
    judged one are left out. seen: of `mapper.look` for these labels, else the scene is read anew in each fold.
    """
    y = labels.value
    folds = split.folds(places, y, OUTER, seed=seed + 1, buffer=buffer)
    answer = np.full((len(labels), max(1, len(mapper.classes))), np.nan, np.float32)
    scorable = np.zeros(len(labels), bool)
    others = {c.name: answer.copy() for c in BASELINES[labels.kind]}

    def one(split_of: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
        inside, outside = split_of
        part, held = labels.take(inside), labels.take(outside)
        if not _trainable(part, places.take(inside)):
            return None
        part_seen = None if seen is None else seen.take(inside)
        options: dict[str, Any] = {"seed": seed, "fast": fast, "features": features, "buffer": buffer, "weigh": False}
        made = train(cubes, part, places.take(inside).id, seen=part_seen, **options)
        at = held.row, held.column
        got = predict_at(made, cubes, *at) if seen is None else _predict_seen(made, features, seen.take(outside))
        spectra = None
        if seen is not None:
            at_spectra = features.columns(["spectra"])
            spectra = [(seen.x[which][:, at_spectra], seen.good[which]) for which in (inside, outside)]
        return got, _fit_baselines(cubes, features, part, held, len(mapper.classes), seed, spectra)

    parts = list(folds)
    with ThreadPoolExecutor(max_workers=min(cores(), MOST_AT_ONCE)) as pool:
        for k, ((inside, outside), found) in enumerate(zip(parts, pool.map(one, parts), strict=True)):
            if progress is not None:
                progress(k + 1, folds.k, "judging in places left out")
            if found is None:
                continue
            answer[outside] = found[0]
            for name, got in found[1].items():
                others[name][outside] = got
            scorable[outside] = np.isin(y[outside], np.unique(y[inside])) if labels.kind == "class" else True
    fine = np.isfinite(answer).all(1)
    n = len(np.unique(places.id))
    return Judged(
        truth=y[fine],
        answer=answer[fine],
        place=places.id[fine],
        index=np.flatnonzero(fine),
        scorable=scorable[fine],
        baseline={name: got[fine] for name, got in others.items()},
        words=f"{folds.k} outer folds of {n} places ({places.side}-px blocks), the choice repeated inside each, "
        f"buffer {folds.buffer} px",
        row=labels.row[fine],
        column=labels.column[fine],
        seed=seed + 1,
    )


def _predict_seen(mapper: Mapper, features: Features, seen: patches.Seen) -> np.ndarray:
    """As `predict_at`, from what was read of the scene at the labels, with all of `features`."""
    columns = features.columns(mapper.candidate.groups)
    out = np.full((len(seen.x), max(1, len(mapper.classes))), np.nan, np.float32)
    if mapper.candidate.smoothed:
        out[seen.good] = patches.smoothed_at(seen.around, seen.good, columns, mapper.model.predict, out.shape[1])[
            seen.good
        ]
    elif seen.good.any():
        out[seen.good] = mapper.model.predict(np.ascontiguousarray(seen.x[np.ix_(seen.good, columns)].T)).T
    if mapper.kind == "class":
        out[seen.good] = temper.applied(out[seen.good], mapper.temperature, axis=1)
    return out


def baselines(
    cubes: Mapping[str, xr.DataArray], labels: Labels, truth: Labels, features: Features, *, classes: int, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Answers of the simple methods, trained on the same labels, at (at most 20,000, seeded) pixels of the truth."""
    index = np.arange(len(truth))
    if len(index) > MOST_FOR_BASELINES:
        index = np.sort(np.random.default_rng(seed).choice(index, MOST_FOR_BASELINES, replace=False))
    return index, _fit_baselines(cubes, features, labels, truth.take(index), classes, seed)


def _trainable(part: Labels, places: Places) -> bool:
    if places.count < 2:
        return False
    return part.kind == "number" or len(np.unique(part.value)) > 1


def _fit_baselines(
    cubes: Mapping[str, xr.DataArray],
    fitted: Features,
    part: Labels,
    held: Labels,
    classes: int,
    seed: int,
    spectra: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
) -> dict[str, np.ndarray]:
    if spectra is None:
        spectra = [spectra_at(cubes, fitted, where.row, where.column) for where in (part, held)]
    (x, good), (at, seen) = spectra
    out = {}
    for candidate in BASELINES[part.kind]:
        columns = slice(None) if candidate.groups else slice(0, 0)
        model = learner.fit(candidate.model, x[good][:, columns], part.value[good], classes=classes, seed=seed)
        got = np.full((len(held), max(1, classes)), np.nan, np.float32)
        got[seen] = np.asarray(model.predict(at[seen][:, columns].T)).T
        out[candidate.name] = got
    return out


def spectra_at(
    cubes: Mapping[str, xr.DataArray], features: Features, row: np.ndarray, column: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n, F) spectra at pixels and (n,) whether they were seen."""
    x, good, _ = patches.at_labels(cubes, features.only(["spectra"]), row, column, around=False)
    return x, good


def doubts_of(work: Work, seed: int, simulated: bool) -> list[tuple[str, Any]]:
    """How well each doubt of the map ranks its errors at labels of places that were not seen."""
    from swath.assess import doubts

    assert work.ranks is not None
    mapper = work.mapper
    share, t = mapper.oof.value, mapper.training
    wrong = np.where(mapper.oof.scorable, share.argmax(1) != t.y, np.nan)
    size = work.calibration.set_size(share.T).astype(float)
    found = {
        "1 - largest probability": 1 - share.max(1),
        "distance to the labels": work.applicability.training,
        "head on the features": work.ranks.own,
    }
    if work.calibration.drawn:
        found = {"size of the conformal set": size, **found}
    return doubts.compare(wrong, found, t.place, seed=seed, simulated=simulated)
