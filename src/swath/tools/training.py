"""What `train` learns from: labels on every ground, with an encoder's features and the bare values of their pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch
from swath.errors import BandError, LabelError
from swath.predict.planes import Planes
from swath.predict.solved import Heard
from swath.sample import split
from swath.sample.places import Places
from swath.sample.window import Windows, bands_of

if TYPE_CHECKING:
    from swath.tools.encoding import SceneSite

__all__ = [
    "Ground", "Lesson", "classes_of", "features_at", "gather", "labels_of", "read_tile", "same_sensors", "thinned", "tiles_of",
]  # fmt: skip

MOST = 6_000  # labels used, thinned by the seed beyond
FEW_OF_CLASS = 50  # that a class keeps whatever its share
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Ground:
    """One site with labels: its reader, and the labels' rows, columns and values there (n,)."""

    site: SceneSite
    windows: Windows
    row: np.ndarray
    column: np.ndarray


@dataclass(frozen=True)
class Lesson:
    """All labels: x (n, D) features, spectra (n, F) bare values, y (n,), ground (n,) index, places over all grounds.

    thing (n,): ids of the points or polygons, over all grounds.
    """

    grounds: tuple[Ground, ...]
    x: np.ndarray
    spectra: np.ndarray
    y: np.ndarray
    ground: np.ndarray
    row: np.ndarray
    column: np.ndarray
    thing: np.ndarray
    places: Places
    names: list[str]
    codes: list[int]
    kind: str
    sensors: tuple[Heard, ...]
    planes: Planes

    def take(self, which: np.ndarray) -> Lesson:
        """Only these labels."""
        parts = {n: getattr(self, n)[which] for n in ("x", "spectra", "y", "ground", "row", "column", "thing")}
        return replace(self, **parts, places=self.places.take(which))


def gather(
    sites: Sequence[SceneSite],
    source: Any,
    encoder: Any,
    options: Mapping[str, Any],
    say: list[str],
    progress: Progress | None,
) -> Lesson:
    """Labels of every site, with features and bare values of their pixels.

    Raises LabelError where no label lies on any scene, or less than two classes or places; BandError where sites have
    different sensors or bands.
    """
    found, missed = labels_of(sites, source, options, say)
    if not found:
        assert missed is not None
        raise missed
    kinds = {labels.kind for _, labels in found}
    if len(kinds) > 1:
        raise LabelError(rule="labels are classes, or numbers", got="both", remedy="say which with --kind")
    kind = kinds.pop()
    names, codes = classes_of([labels for _, labels in found]) if kind == "class" else ([], [])
    sensors: tuple[Heard, ...] | None = None
    planes: Planes | None = None
    grounds: list[Ground] = []
    parts: list[dict[str, np.ndarray]] = []
    ids: list[np.ndarray] = []
    kinds_of_dates: set[tuple[int, ...]] = set()
    rows: list[np.ndarray] = []
    sides: list[int] = []
    above = 0
    share = max(200, MOST // len(found))
    for number, (site, labels) in enumerate(found):
        if progress is not None:
            progress(number + 1, len(found), "features at the labels")
        cubes = site.cubes()
        mine = tuple(Heard(name, bands_of(cube)) for name, cube in cubes.items())
        sensors = sensors or mine
        mine, cubes = same_sensors(sensors, mine, cubes, site.name)
        windows = Windows(cubes, unit=512, budget=64 << 20)
        if planes is None:
            planes = Planes.of(encoder, _first(windows, site.shape))
        side = split.block_side(cubes, labels, seed=options["seed"])
        labels = thinned(labels, share, options["seed"], site.name, say)
        places = split.blocks(labels, side.px)
        ground = Ground(site, windows, labels.row, labels.column)
        x, bare, good = features_at(ground, planes)
        kinds_of_dates.add(tuple(cube.sizes.get("time", 1) for cube in cubes.values()))
        if not good.any():
            say.append(f"{site.name}: no label lies on valid pixels, left out")
            continue
        if not good.all():
            say.append(f"{site.name}: {int((~good).sum()):,} labels lie on missing pixels, left out")
        value = labels.value if kind == "number" else np.array([names.index(labels.names[v]) for v in labels.value])
        n = len(grounds)
        parts.append(
            {"x": x[good], "raw": bare[0][good], "brief": bare[1][good], "y": value[good], "row": labels.row[good],
             "column": labels.column[good], "ground": np.full(int(good.sum()), n), "thing": labels.thing[good]}
        )  # fmt: skip
        grounds.append(ground)
        ids.append(places.id[good])
        rows.append(labels.row[good] + above)
        sides.append(side.px)
        above += site.shape[0] + 4 * side.px + 4096
        if number < 3:
            say.append(f"{site.name}: {side.words}")
    if not parts or planes is None or sensors is None:
        raise LabelError(rule="labels must lie on pixels that were seen", got="none does", remedy="use clearer scenes")
    spectra = [p["raw" if len(kinds_of_dates) == 1 else "brief"] for p in parts]
    joined = {k: np.concatenate([p[k] for p in parts]) for k in ("x", "y", "row", "column", "ground")}
    _, thing = np.unique(
        np.stack([joined["ground"], np.concatenate([p["thing"] for p in parts])], 1), axis=0, return_inverse=True
    )
    _, place = np.unique(np.stack([joined["ground"], np.concatenate(ids)], 1), axis=0, return_inverse=True)
    places = Places(place.ravel().astype(np.int64), np.concatenate(rows), joined["column"], int(np.median(sides)))
    lesson = Lesson(tuple(grounds), spectra=np.concatenate(spectra), thing=thing.ravel(), places=places, names=names,
                    codes=codes, kind=kind, sensors=sensors, planes=planes, **joined)  # fmt: skip
    return _enough(lesson, say)


def labels_of(
    sites: Sequence[SceneSite], source: Any, options: Mapping[str, Any], say: list[str]
) -> tuple[list[tuple[SceneSite, Any]], LabelError | None]:
    """The labels of every site that has some, and the first refusal of one that has none."""
    from swath.sample import labels as labelling

    found: list[tuple[SceneSite, Any]] = []
    missed: LabelError | None = None
    more: dict[str, Any] = {**options, **({"least": 1} if len(sites) > 1 else {})}
    for site in sites:
        try:
            labels = labelling.read(source, site.grid, shape=site.shape, **more)
        except LabelError as error:
            missed = missed or error
            if len(sites) > 1:
                say.append(f"{site.name}: no labels here")
            continue
        found.append((site, labels))
        say.append(f"{site.name}: {labels}" if len(sites) > 1 else str(labels))
        say += [n for n in labels.notes if n not in say]
    return found, missed


def thinned(labels: Any, most: int, seed: int, name: str, say: list[str]) -> Any:
    """About `most` labels, drawn by the seed in proportion to their classes, so that scores mean what they say; small
    classes keep up to 50.
    """
    if len(labels) <= most:
        return labels
    group = labels.value if labels.kind == "class" else np.zeros(len(labels), int)
    rng = np.random.default_rng([seed, 13])
    keep = []
    for k in np.unique(group):
        mine = np.flatnonzero(group == k)
        quota = min(len(mine), max(FEW_OF_CLASS, round(most * len(mine) / len(labels))))
        keep.append(rng.choice(mine, quota, replace=False))
    kept = np.sort(np.concatenate(keep))
    say.append(f"{name}: {len(kept):,} of {len(labels):,} labels used, drawn in proportion to their classes")
    return labels.take(kept)


def classes_of(labels: Sequence[Any]) -> tuple[list[str], list[int]]:
    """Names and codes over all sites: the labels' own codes where they agree, else 1, 2 ... by name."""
    pairs: dict[str, set[int]] = {}
    for one in labels:
        present = set(np.unique(one.value).tolist())
        for i, (name, code) in enumerate(zip(one.names, one.codes, strict=True)):
            if i in present:
                pairs.setdefault(name, set()).add(int(code))
    names = sorted(pairs, key=lambda n: (min(pairs[n]), n))
    codes = [min(pairs[n]) for n in names]
    if any(len(c) > 1 for c in pairs.values()) or len(set(codes)) < len(codes):
        names = sorted(pairs)
        codes = list(range(1, len(names) + 1))
    return names, codes


def same_sensors(
    first: tuple[Heard, ...], mine: tuple[Heard, ...], cubes: dict[str, Any], name: str
) -> tuple[tuple[Heard, ...], dict[str, Any]]:
    """The cubes under the names of the first site, where bands and quantities are the same. Raises BandError."""

    def form(h: Heard) -> tuple[Any, ...]:
        return tuple((b.name, b.quantity, b.units) for b in h.bands)

    free = list(mine)
    out: dict[str, Any] = {}
    for wanted in first:
        same = [h for h in free if form(h) == form(wanted)]
        home = next((h for h in same if h.sensor == wanted.sensor), same[0] if same else None)
        if home is None:
            have = "; ".join(f"{h.sensor}: {', '.join(b.name for b in h.bands)[:80]}" for h in mine)
            raise BandError(
                rule=f"all scenes of a training have the sensors and bands of the first ({wanted.sensor})",
                got=f"{name} with {have}",
                remedy="choose common bands with --bands, or train for each sensor",
            )
        free.remove(home)
        out[wanted.sensor] = cubes[home.sensor]
    return first, out


def _first(windows: Windows, shape: tuple[int, int]) -> Batch:
    """A window with valid pixels, to learn the width of the features."""
    size = [min(n, 256) for n in shape]
    batch = None
    for share in (0.5, 0.25, 0.75, 0.0, 1.0):
        top, left = (int((n - s) * share) for n, s in zip(shape, size, strict=True))
        batch = windows.read(slice(top, top + size[0]), slice(left, left + size[1]))
        if any(p.valid.any() for p in batch.pixels.values()):
            break
    assert batch is not None
    return batch


def tiles_of(ground: Ground, planes: Planes, row: np.ndarray, column: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """(top, left) of each core that holds labels, and which labels those are."""
    y, x = row // planes.core * planes.core, column // planes.core * planes.core
    corners, at = np.unique(np.stack([y, x], 1), axis=0, return_inverse=True)
    at = at.ravel()
    return [(int(t), int(left), np.flatnonzero(at == i)) for i, (t, left) in enumerate(corners)]


def read_tile(ground: Ground, planes: Planes, top: int, left: int) -> tuple[Batch, int, int]:
    """The window around a core as it is read while mapping, and where the core starts in it."""
    height, width = ground.site.shape
    reach = planes.reach
    rows = slice(max(0, top - reach), min(height, top + planes.core + reach))
    columns = slice(max(0, left - reach), min(width, left + planes.core + reach))
    return ground.windows.read(rows, columns), top - rows.start, left - columns.start


def features_at(ground: Ground, planes: Planes) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """(n, D) features; bare values (n, F) of all dates and bands, and (n, G) their mean, deviation, least and most over
    dates, for grounds with other dates (NaN where missing); (n,) whether there are features.
    """
    n = len(ground.row)
    x = np.zeros((n, planes.width), np.float32)
    good = np.zeros(n, bool)
    bare: list[np.ndarray] = []
    for top, left, index in tiles_of(ground, planes, ground.row, ground.column):
        batch, y, c = read_tile(ground, planes, top, left)
        values, valid = planes.tile(batch, y, c)
        r, k = ground.row[index] - top, ground.column[index] - left
        x[index], good[index] = values[:, r, k].T, valid[r, k]
        series = [
            np.where(p.valid[0][..., y + r, c + k], p.values[0][..., y + r, c + k], np.nan)
            for p in batch.pixels.values()
        ]
        found = (
            np.concatenate([v.reshape(-1, len(index)) for v in series]).T,
            np.concatenate([_summary(v) for v in series]).T,
        )
        bare = bare or [np.full((n, f.shape[1]), np.nan, np.float32) for f in found]
        for whole, part in zip(bare, found, strict=True):
            whole[index] = part
    good &= np.isfinite(x).all(1)
    nothing = np.zeros((n, 0), np.float32)
    return x, (bare[0], bare[1]) if bare else (nothing, nothing), good


def _summary(series: np.ndarray) -> np.ndarray:
    """(4 C, n) of (T, C, n): mean, deviation, least and most over the dates."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all missing: NaN
        return np.concatenate([f(series, axis=0) for f in (np.nanmean, np.nanstd, np.nanmin, np.nanmax)])


def _enough(lesson: Lesson, say: list[str]) -> Lesson:
    if lesson.places.count < 2:
        raise LabelError(
            rule="training needs labels in two places",
            got=f"{len(lesson.y)} labels in one block of {lesson.places.side} px",
            remedy="add labels elsewhere",
        )
    if lesson.kind == "number":
        return lesson
    count = np.bincount(lesson.y, minlength=len(lesson.names))
    keep = np.flatnonzero(count > 1)
    if len(keep) < 2:
        raise LabelError(
            rule="training needs two classes with two labels each",
            got=", ".join(f"{n} {c}" for n, c in zip(lesson.names, count, strict=True)),
            remedy="add labels",
        )
    if len(keep) < len(count):
        lost = [lesson.names[i] for i in np.flatnonzero(count <= 1)]
        say.append(f"classes of one label are left out: {', '.join(lost)}")
        new = {int(old): i for i, old in enumerate(keep)}
        some = lesson.take(np.isin(lesson.y, keep))
        y = np.array([new[int(v)] for v in some.y])
        lesson = replace(some, y=y, names=[lesson.names[i] for i in keep], codes=[lesson.codes[i] for i in keep])
    return lesson
