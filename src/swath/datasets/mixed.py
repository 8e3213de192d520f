"""Real patches in colour, as unevenly mixed as archives are: TerraMind, FiveDates, Sen1Floods11 and EuroSAT as one archive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.datasets import eurosat, sen1floods11, slovenia, terramind

__all__ = ["Mixed"]

WANTED = ("B04", "B03", "B02")
NEEDED = ("terramind", "eopatch", "sen1floods11", "eurosat_rgb")
SENSOR = "sentinel-2-l1c"


@dataclass(frozen=True, slots=True)
class Mixed:
    """Patches (N, 3, side, side) of reflectance with what they show in words, and EuroSAT's pictures.

    One date of FiveDates is there ten times, so that copies are known. mean, deviation: of each band.
    """

    values: np.ndarray
    kind: np.ndarray
    copy_of: np.ndarray
    pictures: np.ndarray
    classes: np.ndarray
    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    bands: tuple[str, ...] = WANTED

    @classmethod
    def find(cls, data: Path, *, side: int = 16, repeats: int = 10) -> Mixed | None:
        """The archive out of a folder of sets; None where one of the four is not there."""
        if not all((Path(data) / name).is_dir() for name in NEEDED):
            return None
        values: list[np.ndarray] = []
        kinds: list[str] = []
        copy_of: list[np.ndarray] = []

        def add(
            picture: np.ndarray, label: np.ndarray | None, names: tuple[str, ...], source: str, again: int = 1
        ) -> None:
            start = int(sum(map(len, values)))
            some, words = _cut(picture, label, names, source, side)
            for turn in range(again):
                values.append(some)
                kinds.extend(words)
                copy_of.append(np.full(len(some), -1) if turn == 0 else start + np.arange(len(some)))

        tiles = terramind.load(Path(data) / "terramind", radar=False, dem=False)
        for i in range(len(tiles)):
            add(_colours(tiles)[i, 0], np.asarray(tiles.target)[i], terramind.CLASSES, "land")
        patch = slovenia.load(Path(data) / "eopatch", clear=False)
        for date in range(_colours(patch).shape[1]):
            add(_colours(patch)[0, date], None, (), f"slovenia, date {date + 1}", repeats if date == 0 else 1)
        chips = sen1floods11.load(Path(data) / "sen1floods11", radar=False)
        for i in range(len(chips)):
            add(_colours(chips)[i, 0], np.asarray(chips.target)[i], sen1floods11.CLASSES, "flood")
        pictures = eurosat.load(Path(data) / "eurosat_rgb", as_reflectance=True)
        whole = np.concatenate(values)
        mean, deviation = whole.mean((0, 2, 3), dtype=np.float64), whole.std((0, 2, 3), dtype=np.float64)
        return cls(
            whole, np.array(kinds), np.concatenate(copy_of), _colours(pictures)[:, 0], np.asarray(pictures.target), side,
            tuple(float(m) for m in mean), tuple(float(d) for d in deviation),
        )  # fmt: skip

    def draw(self, seed: int) -> tuple[Batch, np.ndarray, tuple[str, ...], np.ndarray, Batch]:
        """Archive, kind (N,) index, names, copy_of (N,), and the test: half of EuroSAT's pictures, whole, with classes.

        Of the other half each picture gives four patches to the archive.
        """
        rng = np.random.default_rng([seed, 61])
        test = np.concatenate(
            [rng.permutation(np.flatnonzero(self.classes == k))[::2] for k in np.unique(self.classes)]
        )
        own = np.setdiff1d(np.arange(len(self.classes)), test)
        room = self.pictures.shape[-1] - self.side
        corner = rng.integers(0, room + 1, (len(own), 4, 2))
        cuts = np.stack([
            self.pictures[i][:, r : r + self.side, c : c + self.side] for i, at in zip(own, corner, strict=True) for r, c in at
        ])  # fmt: skip
        words = np.concatenate(
            [self.kind, np.repeat(np.array([f"EuroSAT, {eurosat.CLASSES[self.classes[i]]}" for i in own]), 4)]
        )
        copy_of = np.concatenate([self.copy_of, np.full(len(cuts), -1)])
        names, kind = np.unique(words, return_inverse=True)
        classes = tuple(f"EuroSAT, {c}" for c in eurosat.CLASSES)
        order = {n: i for i, n in enumerate((*classes, *[n for n in names.tolist() if n not in classes]))}
        index = np.array([order[n] for n in names.tolist()])[kind]
        archive = _batch(np.concatenate([self.values, cuts]), index, "patch")
        return archive, index, tuple(order), copy_of, _batch(self.pictures[test], self.classes[test], "picture")


def _colours(batch: Batch) -> np.ndarray:
    """(M, T, 3, H, W) of red, green and blue."""
    pixels = next(iter(batch.pixels.values()))
    names = [b.name for b in pixels.bands]
    return np.asarray(pixels.values[:, :, [names.index(n) for n in WANTED]], np.float32)


def _cut(
    picture: np.ndarray, label: np.ndarray | None, names: tuple[str, ...], source: str, side: int
) -> tuple[np.ndarray, list[str]]:
    """Patches (n, 3, side, side) beside one another, and what most of each is."""
    rows, columns = picture.shape[-2] // side, picture.shape[-1] // side
    places = [(side * i, side * j) for i in range(rows) for j in range(columns)]
    words = []
    for r, c in places:
        part = np.zeros(0, int) if label is None else label[r : r + side, c : c + side]
        part = part[part >= 0]
        words.append(f"{source}, {names[int(np.bincount(part).argmax())]}" if len(part) else source)
    return np.stack([picture[:, r : r + side, c : c + side] for r, c in places]), words


def _batch(values: np.ndarray, target: np.ndarray, word: str) -> Batch:
    from swath.earth.sensor import sensor

    known = {b.name: replace(b, scale=1.0, offset=0.0) for b in sensor(SENSOR).bands}
    bands = tuple(known[n] for n in WANTED)
    m = len(values)
    v = np.ascontiguousarray(values[:, None])
    pixels = Pixels(v, np.isfinite(v), bands, 10.0, np.full((m, 1), np.nan), np.full((m, 2), np.nan))
    keys = tuple(f"{word}{i}" for i in range(m))
    return Batch({SENSOR: pixels}, target, key=keys, place=keys)
