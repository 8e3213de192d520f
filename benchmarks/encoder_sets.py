"""The labelled sets that `encoders.py` probes on: what an encoder sees, and of which places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from swath.batch import Batch, Pixels
from swath.datasets import toy
from swath.earth.sensor import Band, sensor
from swath.sample.loader import take

__all__ = ["SETS", "Task"]

LANDSCAPE = 32  # pixels: side of the blocks that are drawn again in intervals on scenes
FEWEST = 8  # labelled items of a class that counts


@dataclass(frozen=True)
class Task:
    """batches: examples. at: (batch, example, row, column) of each item, or None where each example is an item (pooled).

    folds: how many, or the fold of each item. role: "development" sets chose the design, "report" sets did not.
    """

    batches: list[Batch]
    at: np.ndarray | None
    target: np.ndarray
    place: np.ndarray
    folds: int | np.ndarray = 5
    metric: str = "accuracy"
    role: str = "report"
    simulated: bool = False
    note: str = ""


def pictures(data: Path, role: str) -> Task:
    """EuroSAT, 25 pictures a class: the first 10 for development, 15 for the report. Each picture is a place."""
    from swath.datasets import eurosat

    batch = eurosat.load(data / "eurosat_rgb", as_reflectance=True)
    target = np.asarray(batch.target)
    rank = np.concatenate([np.arange(n) for n in np.bincount(target)])
    keep = np.flatnonzero(rank < 10 if role == "development" else rank >= 10)
    note = "stretched pictures brought back to reflectance as if 255 were 0.275"
    return Task(
        [take(Batch(batch.pixels), keep)], None, target[keep], np.array(batch.place)[keep], role=role, note=note
    )


def floods(data: Path, kind: str) -> Task:
    """Sen1Floods11, two chips: trained on one country, judged on the other."""
    from swath.datasets import sen1floods11

    batch = sen1floods11.load(data / "sen1floods11", radar=kind == "S1", optical=kind == "S2")
    task = _examples(batch, 400, "balanced accuracy")
    return replace(task, note="trained on one country, judged on the other")


def slovenia(data: Path) -> Task:
    """Land use of the EOPatch on five dates of Sentinel-2 L1C; blocks of 16 pixels."""
    from swath.datasets import slovenia as rows

    batch = rows.load(data / "eopatch")
    spot = _spots(np.asarray(batch.target)[0], 350, 0)
    target = np.asarray(batch.target)[0][spot[:, 0], spot[:, 1]]
    return Task([replace(batch, target=None)], _at(spot), target, _blocks(spot, 16), metric="balanced accuracy")


def terramind(data: Path) -> Task:
    """Land cover of three tiles, Sentinel-2 L2A, each tile in turn held out. Its pictures were in the pretraining."""
    from swath.datasets import terramind as tiles

    batch = tiles.load(data / "terramind", product="S2L2A", radar=False, dem=False)
    label = np.where(np.asarray(batch.target) == 2, -1, batch.target)  # a class of one tile
    note = "each tile in turn held out; classes that a fold lacks count as wrong; the pictures were in the pretraining"
    return replace(_examples(replace(batch, target=label), 150, "accuracy"), role="development", note=note)


def potsdam(data: Path) -> Task:
    """Land cover by EnMAP, 224 bands; blocks of 16 pixels."""
    import rasterio

    with rasterio.open(data / "enmap_potsdam" / "enmap_potsdam_west.tif") as file:
        stored = file.read().astype(np.float32)
        wave = [float(text.split("(")[1].split(" ")[0]) for text in file.descriptions]
    with rasterio.open(data / "enmap_potsdam" / "enmap_potsdam_west_landcover.tif") as file:
        label = file.read(1).astype(int) - 1
    live = (stored > -32768).any((1, 2))
    values, valid = stored[live] / 10_000.0, (stored[live] > -32768).all(0)
    bands = tuple(Band(f"b{w:.0f}", w, 8.0, 30.0) for w, there in zip(wave, live, strict=True) if there)
    spot = _spots(np.where(valid, label, -1), 300, 0)
    target = label[spot[:, 0], spot[:, 1]]
    batch = _scene(np.where(valid, values, 0)[None], valid[None], bands, np.array([19197.0]), "enmap")
    return Task([batch], _at(spot), target, _blocks(spot, 16), metric="balanced accuracy")


def brazil(data: Path) -> Task:
    """MOD13Q1 NDVI series of 12 dates; blocks of one degree. Forest stands in few blocks."""
    from swath.datasets import sits_modis

    batch = sits_modis.load(data / "sits_modis")
    return Task(
        [Batch(batch.pixels)], None, np.asarray(batch.target), np.array(batch.place), metric="balanced accuracy"
    )


def mato_grosso(data: Path) -> Task:
    """MOD13Q1 NDVI, red and near infrared of 603 field seasons; blocks of 4 pixels (0.9 km)."""
    from pyproj import Transformer

    from swath.cube import contract
    from swath.cube.open import open as open_cube
    from swath.datasets import mato_grosso as rows

    folder = data / "modis_mato_grosso"
    p = rows.load(folder).pixels["modis-mod13"]
    found = rows.samples(folder)
    box = contract.grid(open_cube(str(folder / "ndvi.tif"), sensor="modis-mod13"))
    x, y = Transformer.from_crs(4326, box.crs.to_wkt(), always_xy=True).transform(*found.lonlat.T)
    column, row = ~box.affine * (x, y)
    row, column = (
        np.clip(np.floor(a).astype(int), 0, n - 1) for a, n in zip((row, column), p.values.shape[-2:], strict=True)
    )
    dates = 23
    first = [int(np.searchsorted(p.day[0], d - 8)) for d in found.from_day]
    first = [min(i, p.values.shape[1] - dates) for i in first]
    values = np.stack([p.values[0, i : i + dates, :, r, c] for i, r, c in zip(first, row, column, strict=True)])
    day = np.stack([p.day[0, i : i + dates] for i in first])
    v = values[..., None, None]
    pixels = replace(p, values=v, valid=np.isfinite(v), day=day, lonlat=np.full((len(v), 2), np.nan))
    return Task(
        [Batch({"mod13": pixels})], None, found.label, row // 4 * 1000 + column // 4, metric="balanced accuracy"
    )


def months(data: Path, name: str) -> Task:
    """Presto's own sets: radar and Sentinel-2 L1C of monthly points, a number to tell; sites, or blocks of one degree."""
    from swath.datasets import presto_eval

    batch = presto_eval.load(data / "presto_eval", name)
    kept = {k: p for k, p in batch.pixels.items() if k in ("sentinel-1", "sentinel-2-l1c")}
    target = np.asarray(batch.target, float)
    return Task([Batch(kept)], None, target, np.array(batch.place), metric="R2")


def made_chips(data: Path, role: str) -> Task:
    """Chips of made worlds, one date of Sentinel-2, each world a place."""
    from swath.datasets.chips import chips

    batch = chips(range(8_000, 8_008) if role == "development" else range(9_000, 9_010), per_class=4)
    return Task(
        [replace(batch, target=None)], None, np.asarray(batch.target), np.array(batch.place), role=role, simulated=True
    )


def made_series(data: Path, role: str) -> Task:
    """Series of pixels of made worlds, Sentinel-2 with clouds and Sentinel-1, each world a place."""
    from swath.train.tiny import series

    batch = series(range(8_100, 8_106) if role == "development" else range(9_100, 9_108), 100, every=30.0)
    return Task(
        [replace(batch, target=None)], None, np.asarray(batch.target), np.array(batch.place), role=role, simulated=True
    )


def made_maps(data: Path, role: str) -> Task:
    """Pixels of made worlds on three dates of Landsat 8 at 30 m, each world a place."""
    seeds = range(8_200, 8_206) if role == "development" else range(9_200, 9_208)
    batches, at, target, place = [], [], [], []
    for number, seed in enumerate(seeds):
        world = toy.world(seed, 64, 30.0)
        cube, truth = toy.view(
            world, "landsat-8-c2-l2", toy.dates("2021-04-01", "2021-10-01", 61, seed=seed), seed=seed
        )
        keep = [i for i, q in enumerate(cube.coords["quantity"].values) if q == "reflectance"]
        valid = cube.coords["flag"].values == 0
        day = cube.coords["time"].values.astype("datetime64[s]").astype(float) / 86_400.0
        bands = tuple(b for b in sensor("landsat-8-c2-l2").bands if b.name in cube.coords["band"].values[keep])
        batches.append(_scene(cube.values[:, keep], valid, bands, day, "landsat-8"))
        spot = _spots(np.where(valid.any(0), truth.classes[-1].astype(int), -1), 20, seed)
        at.append(np.column_stack([np.full(len(spot), number), np.zeros(len(spot), int), spot]))
        target.append(truth.classes[-1][spot[:, 0], spot[:, 1]].astype(int))
        place.append(np.full(len(spot), seed))
    parts = [np.concatenate(a) for a in (at, target, place)]
    return Task(batches, *parts, role=role, simulated=True)


def _examples(batch: Batch, most: int, metric: str) -> Task:
    """Pixels of scenes that are examples of one Batch; each scene a fold, blocks of it places."""
    target = np.asarray(batch.target)
    valid = np.any([p.valid.any((1, 2)) for p in batch.pixels.values()], axis=0)
    at, label, place, fold = [], [], [], []
    for number in range(len(batch)):
        spot = _spots(np.where(valid[number], target[number], -1), most, number)
        at.append(np.column_stack([np.zeros(len(spot), int), np.full(len(spot), number), spot]))
        label.append(target[number][spot[:, 0], spot[:, 1]])
        place.append(_blocks(spot, LANDSCAPE) + 10_000 * number)
        fold.append(np.full(len(spot), number))
    parts = [np.concatenate(a) for a in (at, label, place, fold)]
    return Task([replace(batch, target=None)], *parts, metric=metric)


def _scene(values: np.ndarray, valid: np.ndarray, bands: tuple[Band, ...], day: np.ndarray, name: str) -> Batch:
    """(T, C, H, W), (T, H, W) as a Batch of one."""
    whole = np.broadcast_to(valid[:, None], values.shape)[None].copy()
    pixels = Pixels(values[None].astype(np.float32), whole, bands, bands[0].gsd, day[None], np.full((1, 2), np.nan))
    return Batch({name: pixels})


def _spots(label: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Rows and columns (n, 2) of up to `most` pixels of each class that is 0 or more."""
    rng = np.random.default_rng([seed, 17])
    out = []
    for code in np.unique(label[label >= 0]):
        spot = np.argwhere(label == code)
        if len(spot) >= FEWEST:
            out.append(spot[rng.permutation(len(spot))[:most]])
    return np.concatenate(out)


def _blocks(spot: np.ndarray, side: int) -> np.ndarray:
    return spot[:, 0] // side * 1000 + spot[:, 1] // side


def _at(spot: np.ndarray) -> np.ndarray:
    return np.column_stack([np.zeros((len(spot), 2), int), spot])


SETS: dict[str, Callable[[Path], Task]] = {
    "made chips, development": lambda d: made_chips(d, "development"),
    "made series, development": lambda d: made_series(d, "development"),
    "made maps, development": lambda d: made_maps(d, "development"),
    "terramind land cover": terramind,
    "eurosat, development": lambda d: pictures(d, "development"),
    "eurosat": lambda d: pictures(d, "report"),
    "sen1floods11 S2": lambda d: floods(d, "S2"),
    "sen1floods11 S1": lambda d: floods(d, "S1"),
    "eopatch land use": slovenia,
    "enmap potsdam": potsdam,
    "sits NDVI series": brazil,
    "mato grosso series": mato_grosso,
    "algae": lambda d: months(d, "algae_blooms"),
    "fuel moisture": lambda d: months(d, "fuel_moisture"),
    "made chips": lambda d: made_chips(d, "report"),
    "made series": lambda d: made_series(d, "report"),
    "made maps": lambda d: made_maps(d, "report"),
}
