"""What the recipe of SChanger learns and is judged on: made cities, three LEVIR-CD pairs, and how each method answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from swath.baseline.pairwise import Stacked, cva, otsu
from swath.batch import Batch, Pixels, array
from swath.datasets import levir_cd
from swath.datasets.cities import BANDS, cities
from swath.earth.sensor import Band
from swath.metric.classes import confusion
from swath.models import schanger_input as given
from swath.models.schanger import AFTER, BEFORE, SINGLE
from swath.predict.pairs import whole
from swath.train.crops import Piece, pixels_of

__all__ = ["CITIES", "LEVIR", "Scene", "Task", "batch_of", "city_task", "counts", "cut_by_otsu", "levir_task", "line", "moved", "roofs",
           "scaling_of", "touching"]  # fmt: skip

CITIES, LEVIR = "made cities", "LEVIR-CD, three pairs"
BLOCK = 64


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A pair that is judged: before, after (3, H, W), truth (H, W) bool, known (H, W) bool: where it counts. place: its name."""

    before: np.ndarray
    after: np.ndarray
    truth: np.ndarray
    known: np.ndarray
    place: str


@dataclass(frozen=True, eq=False, slots=True)
class Task:
    """pool: blocks that may be labelled, nested: the first k are the k that are. test: what is judged. scaling: of all pictures."""

    title: str
    simulated: bool
    pool: tuple[Piece, ...]
    test: tuple[Scene, ...]
    scaling: Mapping[str, Any]


def roofs(count: int, seed: int, size: int) -> list[Piece]:
    """Single dates of made cities with their roofs: labels of one date, none of change."""
    found = cities(count, seed=seed, size=size)
    pieces = []
    for i in range(count):
        for name, drawn in ((BEFORE, found.before), (AFTER, found.after)):
            values = {SINGLE: found.batch.pixels[name].values[i, 0]}
            pieces.append(Piece(values, np.ones(drawn[i].shape, bool), drawn[i].astype(np.int8), BANDS, place=str(i)))
    return pieces


def scaling_of(pieces: Sequence[Piece]) -> dict[str, Any]:
    """One mean and deviation a band over all dates of pieces."""
    dates = [pixels_of(v[None], p.valid[None], p) for p in pieces for v in p.values.values()]
    return given.measure(dates, source=f"{len(dates)} pictures of this set").to_json()


def _order(pieces: Sequence[Piece], rng: np.random.Generator) -> list[int]:
    """A random order in which the first block holds change: a person who labels one block labels one that does."""
    order = [int(i) for i in rng.permutation(len(pieces))]
    first = next(n for n, i in enumerate(order) if pieces[i].target.mean() > 0.02)
    return [order[first], *order[:first], *order[first + 1 :]]


def city_task(teach: int, test: int, size: int, side: int, seed: int) -> Task:
    """`teach` cities of `size` pixels cut into blocks, and `test` other cities of two windows a side."""
    found = cities(teach, seed=10_000 + seed, size=size)
    changed = np.asarray(found.batch.target)
    pieces = []
    for i in range(teach):
        for y in range(0, size - BLOCK + 1, BLOCK):
            for x in range(0, size - BLOCK + 1, BLOCK):
                at = (Ellipsis, slice(y, y + BLOCK), slice(x, x + BLOCK))
                values = {d: p.values[i, 0][at] for d, p in found.batch.pixels.items()}
                target = changed[i][at].astype(np.int8)
                pieces.append(Piece(values, np.ones(target.shape, bool), target, BANDS, place=f"{i}"))
    order = _order(pieces, np.random.default_rng([seed, 1]))
    return Task(
        CITIES, True, tuple(pieces[i] for i in order), moved(test, 2 * side, seed, (0.0, 1.0)), scaling_of(pieces)
    )


def moved(count: int, size: int, seed: int, by: tuple[float, float]) -> tuple[Scene, ...]:
    """Cities that nothing learns from, the second picture moved by `by` pixels: the same cities for any shift."""
    found = cities(count, seed=20_000 + seed, size=size, misregistration=by)
    a, b = (found.batch.pixels[d].values[:, 0] for d in (BEFORE, AFTER))
    truth = np.asarray(found.batch.target) > 0
    return tuple(Scene(a[i], b[i], truth[i], np.ones_like(truth[i]), f"{seed}.{i}") for i in range(count))


def levir_task(data: Path, most: int, seed: int) -> Task | None:
    """Blocks of three real pairs; those that are not among the first `most` of the pool are judged. None without the data."""
    folder = Path(data) / levir_cd.FOLDER
    if not folder.is_dir():
        return None
    batch = levir_cd.load(folder)
    a, b = (batch.pixels[d].values[:, 0] for d in (levir_cd.BEFORE, levir_cd.AFTER))
    truth = np.asarray(batch.target) > 0
    places = [(i, y, x) for i in range(len(a)) for y in range(0, 256, BLOCK) for x in range(0, 256, BLOCK)]
    pieces = []
    for i, y, x in places:
        at = (Ellipsis, slice(y, y + BLOCK), slice(x, x + BLOCK))
        values = {BEFORE: a[i][at], AFTER: b[i][at]}
        pieces.append(Piece(values, np.ones((BLOCK, BLOCK), bool), truth[i][at].astype(np.int8), BANDS, place=str(i)))
    order = _order(pieces, np.random.default_rng([seed, 2]))
    known = np.ones(truth.shape, bool)
    for n in order[:most]:
        i, y, x = places[n]
        known[i, y : y + BLOCK, x : x + BLOCK] = False
    scenes = tuple(Scene(a[i], b[i], truth[i], known[i], str(batch.key[i])) for i in range(len(a)))
    return Task(LEVIR, False, tuple(pieces[n] for n in order), scenes, scaling_of(pieces))


def touching(model: Any, scene: Scene, side: int) -> np.ndarray:
    """Probability (H, W) in touching windows of `side` pixels, as published; the scene is mirrored at its end."""
    height, width = scene.truth.shape
    rows, columns = -(-height // side), -(-width // side)
    more = ((0, 0), (0, rows * side - height), (0, columns * side - width))

    def cut(values: np.ndarray) -> Pixels:
        whole = np.pad(values, more, mode="reflect").reshape(len(values), rows, side, columns, side)
        windows = np.ascontiguousarray(whole.transpose(1, 3, 0, 2, 4).reshape(-1, len(values), side, side))
        return pixels_of(windows, np.ones((len(windows), side, side), bool), _LIKE)

    found = array(model.change(cut(scene.before), cut(scene.after)))[:, 0].reshape(rows, columns, side, side)
    return np.asarray(found.swapaxes(1, 2).reshape(rows * side, columns * side)[:height, :width])


_LIKE = Piece({}, np.ones((1, 1), bool), np.zeros((1, 1), np.int8), BANDS)


def counts(said: Sequence[np.ndarray], scenes: Sequence[Scene]) -> np.ndarray:
    """(S, 2, 2): what was said (bool maps) against the truth, a matrix a scene."""
    pairs = zip(said, scenes, strict=True)
    return np.stack([confusion(m.astype(int), s.truth.astype(int), 2, valid=s.known) for m, s in pairs])


def cut_by_otsu(scenes: Sequence[Scene]) -> list[np.ndarray]:
    """Change vectors longer than each scene's own Otsu threshold."""
    lengths = [cva(s.before, s.after) for s in scenes]
    return [x > otsu(x) for x in lengths]


def line(pool: Sequence[Piece], scenes: Sequence[Scene]) -> list[np.ndarray]:
    """Logistic regression on stacked spectra of labelled blocks, weighed by nothing, cut at 0.5."""
    before, after = (np.concatenate([p.values[d].reshape(3, -1).T for p in pool]) for d in (BEFORE, AFTER))
    model = Stacked.fit(before, after, np.concatenate([p.target.ravel() for p in pool]))
    return [model.probability(s.before, s.after) > 0.5 for s in scenes]


def batch_of(scene: Scene) -> Batch:
    """A scene as a Batch of one."""
    seen = np.ones((1, *scene.truth.shape), bool)
    return Batch({d: pixels_of(v[None], seen, _LIKE) for d, v in ((BEFORE, scene.before), (AFTER, scene.after))})


WATERS = {
    "prairie wetlands, NAIP": (
        "naip/m_4709963_se_14_1_20100629.tif",
        "naip/m_4709963_se_14_1_20200831.tif",
        (1, 3),
        (0, 1, 2),
    ),
    "Pucallpa, Landsat": ("landsat_pucallpa/1985.tif", "landsat_pucallpa/2020.tif", (3, 0), (0, 1, 2)),
}


def waters(data: Path, learn: Callable[[Sequence[Piece]], Any]) -> dict[str, list[np.ndarray]]:
    """Maps without a score, {place: pictures (h, w, 3) of both dates, where an index calls only one date water, |p1 - p2|}.

    Two real pairs of four bands have no change mask. A network of one date learns what a water index above its Otsu threshold
    calls water on both dates: pseudo-labels, from which |p1 - p2| follows, in blended windows. learn: makes it of pieces.
    """
    import rasterio

    found = {}
    for place, (first, last, (up, down), shown) in WATERS.items():
        paths = [Path(data) / name for name in (first, last)]
        if not all(p.is_file() for p in paths):
            continue
        dates = []
        for path in paths:
            with rasterio.open(path) as file:
                dates.append(file.read().astype(np.float32))
        index = [(d[up] - d[down]) / np.maximum(d[up] + d[down], 1.0) for d in dates]
        level = otsu(np.stack(index))
        bands = tuple(Band(f"band {i + 1}", quantity="digital_number", units="1") for i in range(len(dates[0])))
        seen = np.ones(index[0].shape, bool)
        model = learn(
            [Piece({SINGLE: d}, seen, (i > level).astype(np.int8), bands) for d, i in zip(dates, index, strict=True)]
        )
        pixels = [pixels_of(d[None], seen[None], replace(_LIKE, bands=bands)) for d in dates]
        pictures = [np.clip(d[list(shown), ::2, ::2].transpose(1, 2, 0) / 255, 0, 1) for d in dates]
        apart = (index[0] > level) != (index[1] > level)
        found[place] = [*pictures, apart.astype(float), whole(model, *pixels)[0][0, 0]]
    return found
