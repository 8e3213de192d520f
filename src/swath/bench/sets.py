"""Named collections for the protocol: each real set with its classes, places and folds. Adding one is one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from swath.batch import Batch, Pixels
from swath.bench.collection import Collection
from swath.errors import SwathError

__all__ = ["NAMES", "Monthly", "named", "seasons"]


def _eurosat(home: Path) -> Collection:
    from swath.datasets import eurosat

    notes = (
        "each picture is a place: they say not where they lie, so neighbours may be on both sides of a split",
        "8-bit colours taken for reflectance by an assumed linear stretch (0 to 2750 of DN / 10000)",
    )
    batch = eurosat.load(home / "eurosat_rgb", as_reflectance=True)
    return Collection("EuroSAT colour pictures", batch, eurosat.CLASSES, licence=eurosat.LICENCE, notes=notes)


def _land_use(home: Path) -> Collection:
    from swath.datasets import slovenia
    from swath.sample.pieces import pieces

    batch = pieces(slovenia.load(home / "eopatch"), 20)
    target = np.where(np.asarray(batch.target) > 0, np.asarray(batch.target) - 1, -1)
    notes = (
        "one square kilometre, cut into 25 blocks: nothing is claimed about elsewhere",
        "cultivated (11 pixels) is left out; forest is three quarters of the labels",
    )
    return Collection(
        "Slovenian land use", replace(batch, target=target), slovenia.CLASSES[1:], licence=slovenia.LICENCE, notes=notes,
        folds=3,
    )  # fmt: skip


def _ndvi(home: Path) -> Collection:
    from swath.datasets import slovenia
    from swath.sample.pieces import pieces

    batch = pieces(slovenia.series(home / "eopatch"), 20)
    target = np.where(np.asarray(batch.target) > 0, np.asarray(batch.target) - 1, -1)
    notes = ("68 dates of NDVI alone, on the same square kilometre",)
    return Collection(
        "Slovenian land use, NDVI series", replace(batch, target=target), slovenia.CLASSES[1:],
        licence=slovenia.LICENCE, notes=notes, folds=3,
    )  # fmt: skip


def _floods(home: Path) -> Collection:
    from swath.datasets import sen1floods11
    from swath.sample.pieces import pieces

    batch = pieces(sen1floods11.load(home / "sen1floods11"), 32)
    country = np.unique(sen1floods11.countries(batch), return_inverse=True)[1].ravel()
    notes = (
        "trained in one country, tested in the other; places are pieces of 32 pixels of two chips, so an interval says "
        "nothing about further countries",
    )
    return Collection(
        "Sen1Floods11, across countries", batch, sen1floods11.CLASSES, licence=sen1floods11.LICENCE, notes=notes,
        folds=country,
    )  # fmt: skip


def _levir(home: Path) -> Collection:
    from swath.datasets import levir_cd
    from swath.sample.pieces import pieces

    batch = pieces(levir_cd.load(home / "levir_cd", as_reflectance=True), 32)
    pair = np.unique([k.split("/")[0] for k in batch.key], return_inverse=True)[1].ravel()
    notes = (
        "three pairs, tested pair by pair; places are pieces of 32 pixels, which are not independent",
        "stretched colours taken for reflectance (255 as 0.3): an assumption",
    )
    return Collection(
        "LEVIR-CD, change", batch, levir_cd.CLASSES, licence=levir_cd.LICENCE, notes=notes, folds=pair,
        pair=(levir_cd.BEFORE, levir_cd.AFTER),
    )  # fmt: skip


def _series(home: Path) -> Collection:
    from swath.datasets import sits_modis

    batch = sits_modis.load(home / "sits_modis")
    notes = ("NDVI of 12 dates at points of Mato Grosso; a place is a block of 1 degree",)
    return Collection("MODIS series, Mato Grosso", batch, sits_modis.CLASSES, licence=sits_modis.LICENCE, notes=notes)


def _toy(home: Path) -> Collection:
    from swath.datasets import chips

    batch = chips.chips(
        range(500, 520), size=16, per_class=3, dates=("2021-04-15", "2021-06-15", "2021-09-15"), world_size=128
    )
    return Collection("made worlds", batch, chips.CLASSES, simulated=True, notes=("20 made places, three dates",))


def seasons(worlds: int = 10, side: int = 24, dates: int = 8, *, seed: int = 0) -> Collection:
    """Made worlds through Sentinel-2 over a year, clouds and all, with a class for every pixel; a world is a place."""
    from swath.datasets import toy
    from swath.sample.loader import join
    from swath.sample.pieces import pieces
    from swath.sample.window import read

    days = np.linspace(15, 350, dates).astype(int)
    when = np.datetime64("2021-01-01", "s") + days.astype("timedelta64[D]")
    parts = []
    for number in range(900 + 100 * seed, 900 + 100 * seed + worlds):
        cube, truth = toy.view(toy.world(number, side), "sentinel-2a-l2a", when, cloud=0.3, seed=number)
        one = read({"sentinel-2a-l2a": cube}, slice(0, side), slice(0, side), allow=())
        parts.append(replace(one, target=truth.classes[-1:].astype(int), key=(str(number),), place=(str(number),)))
    batch = pieces(join(parts), side // 2, place="image")
    return Collection("made seasons", batch, toy.CLASSES, simulated=True, folds=3)


NAMES: dict[str, tuple[Callable[[Path], Collection], str]] = {
    "eurosat": (_eurosat, "eurosat_rgb"),
    "land-use": (_land_use, "eopatch"),
    "ndvi": (_ndvi, "eopatch"),
    "sen1floods11": (_floods, "sen1floods11"),
    "levir-cd": (_levir, "levir_cd"),
    "sits-modis": (_series, "sits_modis"),
    "toy": (_toy, ""),
    "toy-masks": (lambda home: seasons(), ""),
}
"""Name -> (function of the data folder, the set's folder in it)."""


def named(name: str, home: Path | None) -> Collection:
    """A collection by name from a folder that holds the sets. Raises SwathError for another name, or where it is not there."""
    if name not in NAMES:
        raise SwathError(
            rule="a collection is a folder or has a known name", got=name, remedy=f"one of {', '.join(NAMES)}"
        )
    make, below = NAMES[name]
    if below and (home is None or not (home / below).is_dir()):
        raise SwathError(
            rule=f"the collection {name} lies in a folder {below}",
            got="no folder of data" if home is None else f"none in {home}",
            remedy="name the folder that holds it with --folder",
        )
    return make(home or Path())


class Monthly:
    """An encoder that takes one value a month, shown the mean of each month's valid values at every pixel."""

    def __init__(self, encoder: Any) -> None:
        self.encoder, self.needs, self.facts = encoder, encoder.needs, getattr(encoder, "facts", None)
        self.patch, self.width = getattr(encoder, "patch", 1), getattr(encoder, "width", 0)
        self.parts = getattr(encoder, "parts", ())

    def parameters(self) -> Any:
        """Those of the encoder."""
        return self.encoder.parameters()

    def encode(self, batch: Batch, levels: Any = (-1,)) -> Any:
        """Tokens of the monthly means, each example by its own dates; single dates and unknown ones are left as they are."""
        pixels = {name: self._monthly(p) for name, p in batch.pixels.items()}
        return self.encoder.encode(replace(batch, pixels=pixels), levels=levels)

    @staticmethod
    def _monthly(p: Pixels) -> Pixels:
        day = np.asarray(p.day, float)
        if p.values.shape[1] < 2 or not np.isfinite(day).any(1).all():
            return p
        month = (
            np.where(np.isfinite(day), np.nan_to_num(day) * 86_400, 0).astype("datetime64[s]").astype("datetime64[M]")
        )
        kinds = [np.unique(m[np.isfinite(d)]) for m, d in zip(month, day, strict=True)]
        shape = (len(day), max(len(k) for k in kinds), *p.values.shape[2:])
        values, valid = np.zeros(shape, np.float32), np.zeros(shape, bool)
        days = np.full(shape[:2], np.nan)
        for i, own in enumerate(kinds):
            for j, kind in enumerate(own):
                mine = (month[i] == kind) & np.isfinite(day[i])
                seen = p.valid[i, mine]
                values[i, j] = np.where(seen, p.values[i, mine], 0).sum(0) / np.maximum(seen.sum(0), 1)
                valid[i, j], days[i, j] = seen.any(0), day[i, mine].mean()
        return replace(p, values=values, valid=valid, day=days)
