"""The two dates of a change: opened, one date each, on one grid, with what was assumed and how far they are shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import BandError, GridError, SwathError
from swath.geometry.shift import Registration

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from swath.batch import Batch
    from swath.sample.classmap import ClassMap
    from swath.tools.scenes import Reading

__all__ = [
    "AFTER",
    "BEFORE",
    "Pair",
    "live_bands",
    "open_pair",
    "planes",
    "samples",
    "seen",
    "shared_bands",
]

BEFORE, AFTER = "before", "after"
SIDE = 256
MOST_WINDOWS = 16
SIDES = (BEFORE, AFTER)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cubes of one date each on one grid. moved: the shift that was found; corrected: whether the after date was moved.

    names: of the two scenes, for people. notes: what was understood and done. reads: files.
    """

    before: xr.DataArray
    after: xr.DataArray
    grid: GeoBox | None
    shape: tuple[int, int]
    names: tuple[str, str]
    notes: tuple[str, ...]
    reads: tuple[str, ...]
    simulated: bool = False
    moved: Registration | None = None
    corrected: bool = False

    @property
    def cubes(self) -> dict[str, xr.DataArray]:
        """{"before", "after"}: what windows are read from."""
        return {BEFORE: self.before, AFTER: self.after}

    @property
    def dates(self) -> tuple[str, str]:
        """Of both, as text; the scene's name where a date is unknown."""
        first, second = (_date(c) for c in (self.before, self.after))
        return first or self.names[0], second or self.names[1]


def open_pair(
    scenes: Any,
    reading: Reading,
    *,
    at: Sequence[str] | None = None,
    gsd: float | None = None,
    maps: Sequence[ClassMap] | None = None,
) -> Pair:
    """Open two scenes, or two dates of one stack, on one grid: the coarser of the two, where both lie.

    maps: both are class maps: their codes are never mixed.
    Raises GridError when they do not meet or have no grid in common, SwathError for another number of dates.
    """
    items = [scenes] if isinstance(scenes, (str, Path)) or hasattr(scenes, "dims") else list(scenes)
    if len(items) not in (1, 2):
        raise SwathError(
            rule="change is told between two dates",
            got=f"{len(items)} scenes",
            remedy="name two, each a file or a folder: swath change BEFORE AFTER",
        )
    notes: list[str] = []
    found = [_opened(item, reading, notes) for item in items]
    if maps is not None:
        notes.clear()  # what is said of the bands of scenes is not true of codes
        found = [(_coded(cube, made), name) for (cube, name), made in zip(found, maps, strict=True)]
    if len(found) == 1:
        dates = _dates_in_stack(found[0][0], at)
        found = [(_at(found[0][0], d), found[0][1]) for d in dates]
    else:
        wanted: Sequence[Any] = at if at is not None else (None, None)
        if len(wanted) != 2:
            raise SwathError(
                rule="--at names one date of each scene", got=", ".join(wanted), remedy="--at 2019-06-01,2021-06-03"
            )
        found = [(_one_date(cube, day, name), name) for (cube, name), day in zip(found, wanted, strict=True)]
    first, second = (cube for cube, _ in found)
    names = (found[0][1], found[1][1])
    target = _common_grid(first, second, names, gsd, notes)
    before, after = (_placed(c, target, n, s, notes) for c, n, s in zip((first, second), names, SIDES, strict=True))
    if (before.sizes["y"], before.sizes["x"]) != (after.sizes["y"], after.sizes["x"]):
        raise _sizes(before, after, names)
    _order(before, after, notes, seasons=maps is None)
    if maps is None:
        _unmasked(before, after, notes)
    if maps is None:
        before, after = _without_static(before, after, notes)
    said = [str(c.attrs.get("simulated", "")).lower() for c in (first, second)]
    return Pair(
        before=before,
        after=after,
        grid=target,
        shape=(before.sizes["y"], before.sizes["x"]),
        names=names,
        notes=tuple(dict.fromkeys(notes)),
        reads=tuple(dict.fromkeys(str(i) for i in items if isinstance(i, (str, Path)))),
        simulated=any(s in ("yes", "true", "1") for s in said),
    )


def _opened(item: Any, reading: Reading, notes: list[str]) -> tuple[xr.DataArray, str]:
    """One scene as one cube on its finest grid, and its name."""
    from swath.cube import align, contract
    from swath.cube.open import gather

    if hasattr(item, "dims"):
        return contract.validate(item), str(item.attrs.get("sensor") or "a cube")
    got = dict(gather([str(item)], notes=notes, **reading.options()))
    name = Path(str(item)).name
    if len(got) != 1:
        raise SwathError(
            rule="each side of a change is a scene of one sensor",
            got=f"{name} with {', '.join(got)}",
            remedy="give one sensor's files",
        )
    cube = align.align(got)
    made = next(iter(cube.values()))
    if "y" not in made.dims:
        raise GridError(rule="change needs pixels on a grid", got=f"dimensions {made.dims}", remedy="give a raster")
    return made, name


def _coded(cube: xr.DataArray, made: ClassMap) -> xr.DataArray:
    """The first band of a class map as codes, so that warping takes the nearest and mixes nothing."""
    one = cube.isel(band=[0])
    nodata = float("nan") if made.nodata is None else float(made.nodata)
    return one.assign_coords(quantity=("band", ["class"]), units=("band", ["1"]), nodata=("band", [nodata]))


def _dates_in_stack(cube: xr.DataArray, at: Sequence[str] | None) -> list[Any]:
    days = [str(t)[:10] for t in cube.coords["time"].values] if "time" in cube.dims else []
    if at is not None:
        if len(at) != 2:
            raise SwathError(
                rule="--at names two dates", got=", ".join(at) or "none", remedy="--at 2019-06-01,2021-06-03"
            )
        return list(at)
    if len(days) != 2:
        have = ", ".join(days[:6]) + (" ..." if len(days) > 6 else "") if days else "an undated scene"
        raise SwathError(
            rule="change is told between two dates",
            got=f"one stack with {len(days)} dates ({have})" if days else f"one scene: {have}",
            remedy="choose two with --at DATE,DATE, or name a second scene",
        )
    return days


def _at(cube: xr.DataArray, day: str) -> xr.DataArray:
    """The one date of a stack that `day` names."""
    from swath.earth.time import within

    if "time" not in cube.dims:
        raise SwathError(rule="--at chooses dates of a stack", got="a scene without dates", remedy="leave --at out")
    which = np.flatnonzero(within(cube.coords["time"].values, str(day)))
    if len(which) != 1:
        have = [str(t)[:10] for t in cube.coords["time"].values]
        listed = ", ".join(have[:8]) + (f" ... {have[-1]}" if len(have) > 8 else "")
        raise SwathError(
            rule=f"--at {day} names one date",
            got=f"{len(which)} of {listed}",
            remedy="write the whole date of one of them",
        )
    return cube.isel(time=[int(which[0])])


def _one_date(cube: xr.DataArray, day: str | None, name: str) -> xr.DataArray:
    if day is not None:
        return _at(cube, day)
    if cube.sizes.get("time", 1) == 1:
        return cube
    days = [str(t)[:10] for t in cube.coords["time"].values]
    raise SwathError(
        rule="each side of a change is one date",
        got=f"{name} with {len(days)} ({', '.join(days[:4])}{' ...' if len(days) > 4 else ''})",
        remedy="choose with --at DATE,DATE (one of each side), or make a composite with swath prepare",
    )


def _common_grid(
    first: xr.DataArray, second: xr.DataArray, names: tuple[str, str], gsd: float | None, notes: list[str]
) -> GeoBox | None:
    """The grid of the coarser scene, cut to where both lie; None when neither has one."""
    from swath.cube import align, contract
    from swath.earth import grid as grids

    boxes = [contract.grid(c) for c in (first, second)]
    sizes = [(c.sizes["y"], c.sizes["x"]) for c in (first, second)]
    if boxes[0] is None or boxes[1] is None or boxes[0].crs is None or boxes[1].crs is None:
        if sizes[0] != sizes[1]:
            raise _sizes(first, second, names)
        if gsd is not None:
            raise GridError(rule="--gsd needs georeference", got="none", remedy="leave --gsd out")
        known = next((b for b in boxes if b is not None and b.crs is not None), None)
        if known is not None:
            notes.append(
                "one of the scenes has no georeference: their pixels are taken to be the same ground, one by one"
            )
        return known
    metres = [grids.gsd(b) for b in boxes]
    coarse = 1 if metres[1] > 1.05 * metres[0] else 0
    target, other = boxes[coarse], boxes[1 - coarse]
    assert target is not None
    try:
        if not grids.same(target, other, 0.01):
            target = align.crop(target, other)
    except GridError as error:
        raise GridError(
            rule="both dates show the same ground",
            got=f"{names[0]} and {names[1]}, which do not overlap",
            remedy="name two scenes of one place",
        ) from error
    if coarse == 1:
        notes.append(f"compared at {metres[1]:.3g} m, the pixels of {names[1]}: {names[0]} has {metres[0]:.3g} m")
    elif metres[0] > 1.05 * metres[1]:
        notes.append(f"compared at {metres[0]:.3g} m, the pixels of {names[0]}: {names[1]} has {metres[1]:.3g} m")
    if gsd is not None:
        target = contract.grid(align.align({"x": (first, second)[coarse]}, grid=target, gsd=gsd)["x"])
        assert target is not None
    if tuple(target.shape) != sizes[coarse]:
        notes.append(f"cut to where both lie: {target.shape[0]} x {target.shape[1]} pixels")
    return target


def _placed(cube: xr.DataArray, target: GeoBox | None, name: str, side: str, notes: list[str]) -> xr.DataArray:
    from swath.cube import align

    placed = cube if target is None else align.to_grid(cube, target)
    if (said := placed.attrs.get("resampling")) and placed is not cube:
        notes.append(f"{side} ({name}) brought to the grid: {said}")
    return placed


def _sizes(first: xr.DataArray, second: xr.DataArray, names: tuple[str, str]) -> GridError:
    shapes = [f"{n} {c.sizes['y']} x {c.sizes['x']}" for n, c in zip(names, (first, second), strict=True)]
    return GridError(
        rule="scenes without georeference can be compared when they have one shape",
        got=" and ".join(shapes),
        remedy="give both a grid (swath prepare), or cut them alike",
    )


def _date(cube: xr.DataArray) -> str:
    return str(cube.coords["time"].values[0])[:10] if "time" in cube.dims else ""


def _without_static(before: xr.DataArray, after: xr.DataArray, notes: list[str]) -> tuple[xr.DataArray, xr.DataArray]:
    """Without bands that are the same on both dates, as heights in a stack are: they tell no change, and hide a shift."""
    shared = [
        (i, j)
        for i, j in shared_bands(before, after)
        if before.coords["band"].values[i] == after.coords["band"].values[j]
    ]
    height, width = before.sizes["y"], before.sizes["x"]
    spots = [
        (slice(r, r + 64), slice(c, c + 64))
        for r in range(0, height, max(64, height // 4))
        for c in range(0, width, max(64, width // 4))
    ]
    same = []
    for i, j in shared:
        pairs = [(_values(before, i, s), _values(after, j, s)) for s in spots]
        if all(np.array_equal(a, b, equal_nan=True) for a, b in pairs) and any(np.isfinite(a).any() for a, _ in pairs):
            same.append((i, j))
    left = [
        [k for k in range(c.sizes["band"]) if k not in [s[side] for s in same]]
        for side, c in enumerate((before, after))
    ]
    if not same or not left[0] or not left[1]:
        return before, after
    names = ", ".join(str(before.coords["band"].values[i]) for i, _ in same)
    notes.append(f"the same on both dates, so they tell no change and are left out: {names}")
    return before.isel(band=left[0]), after.isel(band=left[1])


def _values(cube: xr.DataArray, band: int, spot: tuple[slice, slice]) -> np.ndarray:
    part = cube.variable.isel({"band": band, "y": spot[0], "x": spot[1]}).values
    return np.asarray(part, float)


def _order(before: xr.DataArray, after: xr.DataArray, notes: list[str], *, seasons: bool) -> None:
    first, second = _date(before), _date(after)
    if first and second and first > second:
        notes.append(f"the before date ({first}) is the later one: change is told backwards in time, as asked")
    if first and second and seasons:
        days = abs((np.datetime64(first) - np.datetime64(second)).astype(int))
        apart = min(days % 365.25, 365.25 - days % 365.25)
        if apart > 45:
            notes.append(
                f"the dates lie {apart:.0f} days apart within the year: another season looks like change where plants grow"
            )


def _unmasked(before: xr.DataArray, after: xr.DataArray, notes: list[str]) -> None:
    bare = [s for s, c in zip(SIDES, (before, after), strict=True) if "flag" not in c.coords and _optical(c)]
    if bare:
        notes.append(
            f"no cloud mask is known for the {' and '.join(bare)} date: a cloud or its shadow would count as change"
        )


def _optical(cube: xr.DataArray) -> bool:
    nm = cube.coords["wavelength"].values
    return bool((np.isfinite(nm) & (nm < 3000)).any())


def shared_bands(before: xr.DataArray, after: xr.DataArray) -> list[tuple[int, int]]:
    """Pairs of band numbers that mean the same: by name and quantity, else by wavelength (within 5 %) or polarisation."""
    from swath.cube.contract import bands_of

    first, second = bands_of(before), bands_of(after)
    pairs, used = [], set()
    for i, one in enumerate(first):
        same = [j for j, other in enumerate(second) if other.name == one.name and _like(one, other)]
        if not same and np.isfinite(one.wavelength):
            near = [(abs(o.wavelength - one.wavelength), j) for j, o in enumerate(second) if np.isfinite(o.wavelength)]
            same = [j for far, j in sorted(near) if far <= 0.05 * one.wavelength]
        if not same and one.polarisation:
            same = [j for j, other in enumerate(second) if other.polarisation == one.polarisation]
        free = [j for j in same if j not in used]
        if free:
            used.add(free[0])
            pairs.append((i, free[0]))
    return pairs


def _like(one: Any, other: Any) -> bool:
    waves = one.wavelength, other.wavelength
    return not np.isfinite(waves).all() or abs(waves[0] - waves[1]) <= 0.05 * waves[0]


def samples(pair: Pair, seed: int = 0, most: int = MOST_WINDOWS) -> list[Batch]:
    """Windows of both dates (256 pixels or the whole): all of a small scene, else drawn over it by the seed."""
    from swath.sample.window import read

    height, width = pair.shape
    starts = [(y, x) for y in range(0, height, SIDE) for x in range(0, width, SIDE)]
    if height * width <= most * SIDE * SIDE:
        if height * width <= 4 * SIDE * SIDE or len(starts) > most:
            return [read(pair.cubes, slice(0, height), slice(0, width))]
    elif len(starts) > most:
        chosen = np.random.default_rng([seed, 61]).permutation(len(starts))
        starts = [starts[i] for i in chosen]
    found: list[Any] = []
    for y, x in starts:
        batch = read(pair.cubes, slice(y, min(y + SIDE, height)), slice(x, min(x + SIDE, width)))
        if all(p.valid.any() for p in batch.pixels.values()):
            found.append(batch)
        if len(found) == most:
            break
    return found


def live_bands(batches: Sequence[Batch]) -> tuple[list[int], list[int]]:
    """Of each date the bands that have a value anywhere in the windows. Raises BandError where a date has none."""
    found = []
    for name in SIDES:
        live = (
            np.any([b.pixels[name].valid[0, 0].any((1, 2)) for b in batches], axis=0) if batches else np.zeros(0, bool)
        )
        if not live.any():
            raise BandError(rule="both dates hold values where they overlap", got=f"none {name}", remedy="check nodata")
        found.append(np.flatnonzero(live).tolist())
    return found[0], found[1]


def seen(batch: Batch, bands: tuple[list[int], list[int]]) -> np.ndarray:
    """(H, W) pixels that both dates saw, in all of these bands."""
    before, after = (batch.pixels[n].valid[0, 0][b].all(0) for n, b in zip(SIDES, bands, strict=True))
    return np.asarray(before & after)


def planes(batch: Batch, bands: tuple[list[int], list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bands before (p, H, W) and after (q, H, W), and where both dates were seen (H, W)."""
    a, b = (batch.pixels[n].values[0, 0][i] for n, i in zip(SIDES, bands, strict=True))
    return a, b, seen(batch, bands)
