"""Ways to tell change that learn nothing: two class maps as they are, and how much a number rose or fell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import BandError, FormatError, LabelError
from swath.estimate import Estimate, block_bootstrap
from swath.tools import change_ways as ways
from swath.tools.change_legend import DIRECTION, NO_CHANGE, Legend, of_classes
from swath.tools.change_pair import BEFORE, SIDES, Pair, samples
from swath.tools.change_ways import Way

if TYPE_CHECKING:
    import xarray as xr

    from swath.batch import Batch
    from swath.sample.classmap import ClassMap

__all__ = ["are_maps", "by_index", "by_maps", "mean_difference", "open_maps"]

LEVEL = 0.95
NO_AREA = "counted where the interval of a pixel leaves out no change: one unchanged pixel in twenty is among them"
MOST_CLASSES = 90


def are_maps(items: Sequence[Any], asked: Mapping[str, Any]) -> bool:
    """Whether both scenes are class maps: told by --maps, or rasters of whole numbers with legends.

    Raises FormatError when one is and the other is not.
    """
    from swath.sample.classmap import open_map

    if asked["maps"]:
        return True
    if len(items) != 2 or any(asked[w] is not None for w in ("labels", "pairs", "model", "index")):
        return False
    found = []
    for item in items:
        try:
            path = Path(str(item))
            made = open_map(path) if isinstance(item, (str, Path)) and path.is_file() else None
        except (FormatError, OSError, ValueError):
            made = None
        found.append(made is not None and made.kind == "class" and bool(made.names))
    if found[0] != found[1]:
        raise FormatError(
            rule="two scenes or two class maps are compared, not one of each",
            got=f"{Path(str(items[0])).name} is {'a class map' if found[0] else 'a scene'}, {Path(str(items[1])).name} is not",
            remedy="map the scene first (swath map), or name two scenes",
        )
    return found[0]


def open_maps(items: Sequence[Any]) -> tuple[ClassMap, ClassMap]:
    """Both class maps with their legends. Raises FormatError."""
    from swath.sample.classmap import open_map

    made = [open_map(str(i)) for i in items]
    for one in made:
        if one.kind != "class":
            raise FormatError(
                rule="a class map holds whole numbers",
                got=f"{one.path.name} with floats",
                remedy="use --index value for numbers",
            )
    return made[0], made[1]


@dataclass(frozen=True, slots=True)
class Compare:
    """Two class maps side by side: codes to common classes (index, -1 none) on each side."""

    lookup: tuple[np.ndarray, np.ndarray]
    legend: Legend

    def classes(self, batch: Batch, side: int) -> np.ndarray:
        """(H, W) index of the common class, -1 where there is none."""
        p = batch.pixels[SIDES[side]]
        codes = np.where(p.valid[0, 0, 0], p.values[0, 0, 0], 0)
        table = self.lookup[side]
        whole = np.clip(np.rint(codes), 0, len(table) - 1).astype(int)
        return np.where(p.valid[0, 0, 0], table[whole], -1)

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """Layers of the window."""
        a, b = self.classes(batch, 0), self.classes(batch, 1)
        seen = (a >= 0) & (b >= 0)
        codes = np.where(seen, self.legend.codes()[np.maximum(a, 0), np.maximum(b, 0)], 0)
        maps = {
            side: np.where(seen, v + 1, 0).astype(np.uint8)[None, None] for side, v in zip(SIDES, (a, b), strict=True)
        }
        return {"change": codes.astype(self.legend.dtype)[None, None], **maps}


def by_maps(pair: Pair, made: tuple[ClassMap, ClassMap], asked: Mapping[str, Any], *, simulated: bool) -> Way:
    """Every pixel's class before and after; classes are the same when their names are, else when their codes are."""
    from swath.cube.blocks import Layer
    from swath.earth.colour import palette
    from swath.sample.classmap import count

    tables = [count(m) for m in made]
    names, lookup, notes = _common(made, [t.codes for t in tables])
    if len(names) > MOST_CLASSES:
        raise LabelError(
            rule=f"class maps have at most {MOST_CLASSES} classes", got=f"{len(names)}", remedy="merge classes"
        )
    legend = of_classes(names)
    painter = Compare(lookup, legend)
    tags = ways.tags_of(simulated)
    common = dict(enumerate(names, start=1))
    colours = dict(zip(common, palette(len(names)), strict=True))
    maps = [Layer(side, "uint8", 0, ("class",), classes=common, colours=colours, tags=tags) for side in SIDES]
    return Way(
        name="two class maps",
        painter=painter,
        cubes=pair.cubes,
        legend=legend,
        layers=[*legend.layers(bands=(), doubts=(), tags=tags, said={}), *maps],
        reach=0,
        class_codes=tuple(common),
        fingerprint={"way": "maps", "classes": names, "lookup": [v.tolist() for v in lookup]},
        facts={"classes": names},
        shift=_shift_of_maps(pair, painter, asked["seed"]),
        notes=tuple(
            [
                *notes,
                "errors of two maps that err apart look like change: only a reference sample of change.tif tells how many",
            ]
        ),
        has_shift=False,
        pictures=False,
    )


def _common(
    made: Sequence[ClassMap], codes: Sequence[Sequence[int]]
) -> tuple[list[str], tuple[np.ndarray, np.ndarray], list[str]]:
    """Names of the classes of both maps, each map's codes as indices of them, and what was assumed."""
    named = [
        {c: m.name(c) for c in sorted({*own, *m.names}) if c != m.nodata} for m, own in zip(made, codes, strict=True)
    ]
    notes = []
    bare = [m for m in made if not m.names]
    if len(bare) == 1:
        other = next(m for m in made if m.names)
        named = [{c: other.name(c) for c in n} for n in named]
        notes.append(f"{bare[0].path.name} has no legend: its codes are taken as those of {other.path.name}")
    elif bare:
        notes.append("neither map has a legend: equal codes are equal classes")
    present = [{c for c in own if c in n} for own, n in zip(codes, named, strict=True)]
    names = list(dict.fromkeys(n[c] for n, p in zip(named, present, strict=True) for c in sorted(p)))
    folded = {n.strip().casefold(): i for i, n in reversed(list(enumerate(names)))}
    names = [n for i, n in enumerate(names) if folded[n.strip().casefold()] == i]
    at = {n.strip().casefold(): i for i, n in enumerate(names)}
    tables = []
    for m, n, p in zip(made, named, present, strict=True):
        table = np.full(max([*p, 0]) + 2, -1)
        for c in p:
            if c < 0:
                raise FormatError(
                    rule="class codes are not negative", got=f"{c} in {m.path.name}", remedy="recode the map"
                )
            table[c] = at[n[c].strip().casefold()]
        tables.append(table)
    only = [
        sorted({n[c] for c in p} - {o[c] for c in q})
        for (n, p), (o, q) in zip(
            zip(named, present, strict=True), list(zip(named, present, strict=True))[::-1], strict=True
        )
    ]
    for side, missing in zip(SIDES, only, strict=True):
        if missing:
            notes.append(f"classes of the {side} map alone: {', '.join(missing[:12])}")
    return names, (tables[0], tables[1]), notes


def _shift_of_maps(pair: Pair, painter: Compare, seed: int) -> tuple[str, ...]:
    """What the shift that was found, or one of a pixel, does to the comparison of a map with itself."""
    found = pair.moved
    sure = found is not None and found.sure
    dy, dx = (round(found.dy), round(found.dx)) if sure and found is not None else (0, 0)
    said = []
    if found is not None and sure:
        said.append(
            f"edges of the after map lie {found.words[0]} pixels down and {found.words[1]} right of those of the before map "
            f"(confidence {found.confidence:.2f} of 1)"
        )
    else:
        said.append("whether the maps are shifted cannot be told from their edges")
    steps = [(dy, dx)] if (dy, dx) != (0, 0) else []
    for step in [*steps, (1, 0)]:
        differ = total = 0
        for batch in samples(pair, seed):
            a = painter.classes(batch, 0)
            moved = np.roll(a, step, (0, 1))
            both = (a >= 0) & (moved >= 0)
            both[: abs(step[0]) or None if step[0] else 0] = False
            differ, total = differ + int((both & (a != moved)).sum()), total + int(both.sum())
        if total:
            said.append(
                f"a shift of {abs(step[0])} pixels down and {abs(step[1])} across alone would make {100 * differ / total:.1f} % of the "
                "before map differ from itself"
            )
    return tuple(said)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much a number rose: after - before, with half the width of its interval where the maps do not bring their own."""

    half: float
    own: bool

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """Layers of the window."""
        (a, ha), (b, hb) = (self._side(batch, side) for side in SIDES)
        difference = b - a
        half = np.sqrt(ha**2 + hb**2) if self.own else np.full_like(difference, self.half)
        seen = np.isfinite(difference) & np.isfinite(half)
        codes = np.where(difference > half, 3, np.where(difference < -half, 2, NO_CHANGE))
        layer = np.where(seen, np.stack([difference, difference - half, difference + half]), np.nan)
        return {
            "change": np.where(seen, codes, 0).astype(np.uint8)[None, None],
            "difference": layer.astype(np.float32)[None],
        }

    def _side(self, batch: Batch, side: str) -> tuple[np.ndarray, np.ndarray]:
        p = batch.pixels[side]
        values = np.where(p.valid[0, 0], p.values[0, 0], np.nan)
        half = (values[2] - values[1]) / 2 if self.own else np.zeros(values.shape[1:])
        return values[0], half


def by_index(pair: Pair, index: str, asked: Mapping[str, Any], *, simulated: bool) -> Way:
    """How much a spectral index or a number rose or fell, with an interval for every pixel.

    Raises BandError, UnitError when the index cannot be had of both dates.
    """
    from swath.cube.blocks import Layer

    cubes, own, unit = _numbers(pair, index)
    pair = replace(pair, before=cubes[0], after=cubes[1])
    half = 0.0
    notes = list(pair.notes)
    if own:
        notes.append("intervals of both maps are put together as independent ones, at their own level")
    else:
        half = _noise(pair, asked["seed"])
        notes.append(
            f"an interval reaches {half:.3g} to both sides: so far do 95 % of the differences lie from the median of 5 x 5 pixels "
            "around them (noise and shift; what moves a whole neighbourhood, as a season does, counts as difference)"
        )
    tags = {**ways.tags_of(simulated), "index": index}
    layers = DIRECTION.layers(bands=(), doubts=(), tags=tags, said={})
    layers.append(Layer("difference", "float32", float("nan"), ("difference", "low", "high"), units=unit, tags=tags))
    return Way(
        name=f"difference of {index}" if index != "value" else "difference of two maps of numbers",
        painter=Difference(half, own),
        cubes=pair.cubes,
        legend=DIRECTION,
        layers=layers,
        reach=0,
        fingerprint={"way": "index", "index": index, "half": half, "own": own},
        facts={"index": index, "half_width": half if not own else None, "level": LEVEL},
        shift=_plain_shift(pair, half, own, asked["seed"]),
        notes=tuple(notes),
        has_shift=False,
        number=unit or "1",
        reason=NO_AREA,
    )


def _numbers(pair: Pair, index: str) -> tuple[tuple[xr.DataArray, xr.DataArray], bool, str]:
    """Cubes of the number on both dates (value, or value, low, high), whether they bring their intervals, and the unit."""
    if index.casefold() != "value":
        from swath.cube.index import compute

        first, second = (compute(c, index) for c in (pair.before, pair.after))
        return (first, second), False, "index"
    made = []
    for name, cube in zip(pair.names, (pair.before, pair.after), strict=True):
        bands = [str(b) for b in cube.coords["band"].values]
        if len(bands) == 1:
            made.append((cube, False))
        elif {"value", "low", "high"} <= set(bands):
            made.append((cube.isel(band=[bands.index(b) for b in ("value", "low", "high")]), True))
        else:
            raise BandError(
                rule="--index value compares maps of one number",
                got=f"{name} with {', '.join(bands[:8])}",
                remedy="choose one with --bands",
            )
    own = all(o for _, o in made)
    cubes = [c if own else c.isel(band=[0]) for c, _ in made]
    units = {str(c.coords["units"].values[0]) for c in cubes}
    if len(units) > 1:
        raise BandError(
            rule="both numbers have one unit", got=", ".join(sorted(units)), remedy="settle them with --scale"
        )
    indices = all(str(c.coords["quantity"].values[0]) == "index" for c in cubes)
    return (cubes[0], cubes[1]), own, "index" if indices else units.pop()


def _noise(pair: Pair, seed: int) -> float:
    """How far 95 % of the differences lie from the median of their neighbourhood."""
    from scipy.ndimage import median_filter

    rest = []
    for batch in samples(pair, seed):
        a, b = (np.where(batch.pixels[s].valid[0, 0, 0], batch.pixels[s].values[0, 0, 0], np.nan) for s in SIDES)
        d = b - a
        seen = np.isfinite(d)
        if seen.any():
            smooth = median_filter(np.where(seen, d, np.median(d[seen])), 5, mode="nearest")
            rest.append(np.abs(d - smooth)[seen])
    if not rest:
        raise LabelError(rule="a difference needs pixels seen on both dates", got="none", remedy="widen --area")
    return float(np.quantile(np.concatenate(rest), LEVEL))


def _plain_shift(pair: Pair, half: float, own: bool, seed: int) -> tuple[str, ...]:
    from swath.geometry.shift import shift

    found = pair.moved
    if found is None or not found.sure:
        return ("the shift between the dates cannot be told",)
    said = [
        f"the after date lies {found.words[0]} pixels down and {found.words[1]} right of the before date (confidence "
        f"{found.confidence:.2f} of 1)"
    ]
    if own:
        return tuple(said)
    over = count = 0
    for batch in samples(pair, seed):
        p = batch.pixels[BEFORE]
        a = np.where(p.valid[0, 0, 0], p.values[0, 0, 0], np.nan)
        step = np.abs(shift(a, found.dy, found.dx) - a)
        over, count = over + int((step > half).sum()), count + int(np.isfinite(step).sum())
    if count:
        said.append(
            f"{'corrected by --register; left alone it' if pair.corrected else 'a shift of that size'} would alone take "
            f"{100 * over / count:.1f} % of the pixels out of their interval"
        )
    return tuple(said)


def mean_difference(folder: Path, shape: tuple[int, int], unit: str, *, seed: int, simulated: bool) -> Estimate:
    """Mean difference over the scene; interval by block bootstrap over squares of 64 pixels."""
    import rasterio
    from rasterio.windows import Window

    side = 64
    parts = []
    with rasterio.open(folder / "difference.tif") as file:
        for top in range(0, shape[0], side):
            for left in range(0, shape[1], side):
                values = file.read(1, window=Window(left, top, min(side, shape[1] - left), min(side, shape[0] - top)))
                good = np.isfinite(values)
                if good.any():
                    parts.append((float(values[good].sum()), float(good.sum())))
    return block_bootstrap(
        np.array(parts).reshape(-1, 2), lambda m: np.divide(m[..., 0], m[..., 1]), unit=unit, n=int(sum(p[1] for p in parts)),
        method="mean of the pixels' differences; squares of 64 pixels", seed=seed, simulated=simulated,
    )  # fmt: skip
