"""What a map says, counted: shares by region, patches, neighbours, change. Everything a sentence may state is read from here."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.earth.grid import area_unit, cell_area
from swath.errors import FormatError
from swath.language.counting import Counts, Moved, count, count_pair, same_class
from swath.language.legend import Class, Legend
from swath.language.north import HALVES, QUARTERS, REGIONS, North, north_of
from swath.language.source import Raster, on_grid, open_raster

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["FLOOR", "LEVELS", "Change", "SceneFacts", "facts", "level_of", "percent"]

FLOOR = Fraction(20, 256 * 256)
"""Classes below this share of the scene's pixels are not spoken of one by one: 20 pixels of a 256 x 256 patch."""
LEVELS = ("extra small", "small", "medium", "large", "extra large")
_EDGES = (10, 20, 50, 80)
Window = tuple[int, int, int, int]
Progress = Callable[[int, int, str], None]


def percent(part: int | Fraction, whole: int) -> int:
    """A share as a whole per cent, halves upwards, exactly: 19 of 200 is 10."""
    return int(Fraction(part) * 100 / whole + Fraction(1, 2)) if whole else 0


def level_of(share: float | Fraction) -> str:
    """The size word of a share: 0-9 % extra small, 10-19 small, 20-49 medium, 50-79 large, 80-100 extra large.

    The share is first rounded to a whole per cent, halves upwards (a float counts as the decimal number it prints as).
    The published script rounds a float and then truncates, which loses a per cent at 0.29, 0.57 and 0.58; no edge moves.
    """
    exact = share if isinstance(share, Fraction) else Fraction(str(Decimal(repr(float(share)))))
    whole = int(exact * 100 + Fraction(1, 2))
    return LEVELS[sum(whole >= e for e in _EDGES)]


def rounded(value: float, digits: int) -> str:
    """A number in print, halves upwards."""
    return str(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


@dataclass(frozen=True)
class Change:
    """From one date to a later one on one grid. names: the classes of the earlier map; counts: of that map alone.

    moved: what became what, where both have a class. same (K0, K1): which classes are one.
    """

    classes: tuple[Class, ...]
    counts: Counts
    moved: Moved
    same: np.ndarray
    before: str = ""
    after: str = ""

    def total(self) -> int:
        """Pixels with a class on both dates."""
        return int(self.moved.pixels.sum())

    def became(self, old: Sequence[int], new: Sequence[int], cells: Sequence[int] | None = None) -> tuple[int, float]:
        """Pixels and ground that went from any of the old classes to any of the new ones (a class to itself left out)."""
        where = np.zeros(self.same.shape, bool)
        where[np.ix_(list(old), list(new))] = True
        where &= ~self.same
        pixels = self.moved.pixels if cells is None else self.moved.pixels[list(cells)]
        return int(pixels[:, where].sum()), float(self.moved.ground[where].sum())

    def all_changed(self) -> tuple[int, float]:
        """Pixels and ground whose class differs."""
        everything = range(self.same.shape[0]), range(self.same.shape[1])
        return self.became(*everything)


@dataclass(frozen=True)
class SceneFacts:
    """The facts of one map (and of its change). K classes, regions of `language.north.REGIONS`; see `to_json`.

    counts: pixels and ground by cell and class. floor: pixels a class needs to be spoken of. connectivity: 4 (sides) or 8
    (corners too) of patches; neighbours always share sides. unit: "ha", or "pixel" without CRS. sure: share of the judged
    pixels that a doubt layer calls sure, with the rule in words. areas: {noun: Estimate record} of an assessment.
    meta: date, sensor and the like, from the file alone.
    """

    classes: tuple[Class, ...]
    shape: tuple[int, int]
    counts: Counts
    north: North
    unit: str
    floor: int
    connectivity: int
    size_m: tuple[float, float]
    pixel_m: tuple[float, float]
    weighted: bool = False
    scene_ground: float = 0.0
    sure_rule: str = ""
    areas: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    legend: str = ""
    name: str = ""
    simulated: bool = False

    def pixels(self, classes: Sequence[int], region: str = "scene") -> int:
        """Pixels of classes in a region."""
        return int(self.counts.pixels[np.ix_(REGIONS[region], list(classes))].sum()) if len(classes) else 0

    def ground(self, classes: Sequence[int], region: str = "scene") -> float:
        """Hectares (pixels without CRS) of classes in a region."""
        return float(self.counts.ground[np.ix_(REGIONS[region], list(classes))].sum()) if len(classes) else 0.0

    def known(self, region: str = "scene") -> int:
        """Pixels with a class."""
        return int(self.counts.pixels[list(REGIONS[region])].sum())

    def unknown(self, region: str = "scene") -> int:
        """Pixels without one."""
        return int(self.counts.unknown[list(REGIONS[region])].sum())

    def share(self, classes: Sequence[int], region: str = "scene") -> Fraction:
        """Share of the region's pixels with a class (of its ground where pixels differ in size by over 1 %); 0 of nothing."""
        if self.weighted:
            whole = float(self.counts.ground[list(REGIONS[region])].sum())
            return Fraction(self.ground(classes, region)) / Fraction(whole) if whole else Fraction(0)
        whole_pixels = self.known(region)
        return Fraction(self.pixels(classes, region), whole_pixels) if whole_pixels else Fraction(0)

    def unknown_share(self, region: str = "scene") -> Fraction:
        """Share of all the region's pixels that have no class."""
        everything = self.known(region) + self.unknown(region)
        return Fraction(self.unknown(region), everything) if everything else Fraction(1)

    def ranking(self, region: str = "scene", floor: int | None = None) -> list[int]:
        """Classes from most to least in a region; below the floor (of the whole scene) left out. Ties in the legend's order."""
        least = self.floor if floor is None else floor
        there = [k for k in range(len(self.classes)) if self.pixels([k]) >= max(1, least) and self.pixels([k], region)]
        return sorted(there, key=lambda k: (-self.share([k], region), k))

    def traces(self) -> list[int]:
        """Classes that occur, below the floor."""
        return [k for k in range(len(self.classes)) if 0 < self.pixels([k]) < self.floor]

    def within(self, classes: Sequence[int], region: str) -> Fraction:
        """Which share of the pixels of classes lies in a region; 0 when there are none."""
        everything = self.pixels(classes)
        return Fraction(self.pixels(classes, region), everything) if everything else Fraction(0)

    def touch(self, one: Sequence[int], other: Sequence[int]) -> int:
        """Pixel sides that classes share."""
        return int(self.counts.edges[np.ix_(list(one), list(other))].sum()) if len(one) and len(other) else 0

    def border(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Length of their common border in metres along pixel sides (sides without CRS)."""
        return float(self.counts.border[np.ix_(list(one), list(other))].sum())

    def enclosed(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Share of the borders of `one` with other classes that is with `other`; NaN when it borders nothing."""
        outside = [k for k in range(len(self.classes)) if k not in one]
        whole = self.touch(one, outside)
        return self.touch(one, [k for k in other if k not in one]) / whole if whole else math.nan

    def window(self, region: str = "scene") -> Window:
        """Rows and columns (top, bottom, left, right), half-open, that hold a region; of rotated rasters its bounds."""
        boxes = self.counts.boxes[[c for c in REGIONS[region] if self.counts.boxes[c][1] > 0]]
        if not len(boxes):
            return 0, 0, 0, 0
        return int(boxes[:, 0].min()), int(boxes[:, 1].max()), int(boxes[:, 2].min()), int(boxes[:, 3].max())

    def class_window(self, classes: Sequence[int]) -> Window:
        """The pixel bounds of classes; the whole scene when they are absent."""
        boxes = self.counts.box[[k for k in classes if self.counts.box[k][1] > 0]]
        if not len(boxes):
            return 0, self.shape[0], 0, self.shape[1]
        return int(boxes[:, 0].min()), int(boxes[:, 1].max()), int(boxes[:, 2].min()), int(boxes[:, 3].max())

    def centre(self, classes: Sequence[int]) -> tuple[float, float]:
        """Mean row and column of classes; NaN when absent."""
        n = self.pixels(classes)
        row, column = self.counts.centre[list(classes)].sum(0)
        return (row / n, column / n) if n else (math.nan, math.nan)

    def patch_ground(self, patch: Any) -> float:
        """A patch's area in the scene's unit."""
        return float(patch.metres2) / 10_000 if self.unit == "ha" else float(patch.pixels)

    def sure(self, region: str = "scene", classes: Sequence[int] | None = None) -> Fraction | None:
        """Share of the judged pixels that are sure; None without a doubt layer."""
        if self.counts.sure is None or self.counts.judged is None:
            return None
        which = list(range(len(self.classes))) if classes is None else list(classes)
        cells = np.ix_(REGIONS[region], which)
        judged = int(self.counts.judged[cells].sum())
        return Fraction(int(self.counts.sure[cells].sum()), judged) if judged else None

    def places(self) -> str:
        """The words of places: "north" when compass directions are meant, "image" when top, left and so on are."""
        return self.north.kind

    def to_json(self) -> dict[str, Any]:
        """Everything in plain values: what description.json holds."""
        return {
            "map": self.name, "legend": self.legend, "simulated": self.simulated, "meta": dict(self.meta),
            "shape": list(self.shape), "unit": self.unit, "scene_area": round(self.scene_ground, 4),
            "size_m": [_finite(v) for v in self.size_m], "pixel_m": [_finite(v) for v in self.pixel_m],
            "places": {"named_by": self.north.kind, "words": self.north.words, "top_points": round(self.north.turned, 2)},
            "shares_of": "ground" if self.weighted else "pixels with a class",
            "floor_pixels": self.floor, "connectivity": self.connectivity,
            "unknown": {"pixels": self.unknown(), "share": _six(self.unknown_share())},
            "classes": [self._class(k) for k in range(len(self.classes))],
            "regions": {r: self._region(r) for r in REGIONS if r != "scene"},
            "neighbours": self._neighbours(),
            "sure": None if self.sure() is None else {"share": _six(self.sure() or Fraction(0)), "rule": self.sure_rule},
            "change": [self._change(c) for c in self.changes],
        }  # fmt: skip

    def _class(self, k: int) -> dict[str, Any]:
        c, n = self.classes[k], self.pixels([k])
        record = {**c.to_json(), "pixels": n, "share": _six(self.share([k])), "area": round(self.ground([k]), 4)}
        if n:
            patches = self.counts.patches[k]
            row, column = self.centre([k])
            record |= {
                "window": list(self.class_window([k])), "centre": self.north.place(row, column),
                "spoken_of": n >= self.floor, "patches": patches.count, "patches_at_floor": patches.at_least(self.floor),
                "largest": {**patches.largest[0].to_json(), "area": round(self.patch_ground(patches.largest[0]), 4),
                            "place": self.north.place(patches.largest[0].row, patches.largest[0].column)},
            }  # fmt: skip
        if (sure := self.sure("scene", [k])) is not None:
            record["sure"] = _six(sure)
        if c.name in self.areas:
            record["adjusted_area"] = self.areas[c.name]
        return record

    def _region(self, region: str) -> dict[str, Any]:
        there = [k for k in range(len(self.classes)) if self.pixels([k], region)]
        return {
            "window": list(self.window(region)), "pixels": self.known(region), "unknown": self.unknown(region),
            "classes": {self.classes[k].name: {"pixels": self.pixels([k], region), "share": _six(self.share([k], region))} for k in there},
        }  # fmt: skip

    def _neighbours(self) -> list[dict[str, Any]]:
        names = [c.name for c in self.classes]
        edges = self.counts.edges
        metre = "metres" if self.unit == "ha" else "pixel_sides"
        return [
            {"classes": [names[i], names[j]], "sides": int(edges[i, j]), metre: round(float(self.counts.border[i, j]), 1)}
            for i in range(len(names)) for j in range(i + 1, len(names)) if edges[i, j]
        ]  # fmt: skip

    def _earlier(self, c: Change) -> list[dict[str, Any]]:
        """The earlier map's own classes on the later one's grid: its pixels, share and area of each."""
        known, ground = int(c.counts.pixels.sum()), float(c.counts.ground.sum())
        made = []
        for k, named in enumerate(c.classes):
            n, area = int(c.counts.pixels[:, k].sum()), float(c.counts.ground[:, k].sum())
            if n:
                share = area / ground if self.weighted and ground else n / known
                made.append({**named.to_json(), "pixels": n, "share": round(share, 6), "area": round(area, 4),
                             "window": [int(v) for v in c.counts.box[k]]})  # fmt: skip
        return made

    def _moved(self, c: Change) -> dict[str, dict[str, Any]]:
        """Of each class: what it lost to others and gained from others, where both maps have a class."""
        old, new = [k.name for k in c.classes], [k.name for k in self.classes]
        every = range(len(old)), range(len(new))
        made: dict[str, dict[str, Any]] = {}
        for name in dict.fromkeys((*old, *new)):
            lost = c.became([old.index(name)], every[1]) if name in old else (0, 0.0)
            gained = c.became(every[0], [new.index(name)]) if name in new else (0, 0.0)
            if lost[0] or gained[0]:
                made[name] = {"lost": {"pixels": lost[0], "area": round(lost[1], 4)},
                              "gained": {"pixels": gained[0], "area": round(gained[1], 4)}}  # fmt: skip
        return made

    def _change(self, c: Change) -> dict[str, Any]:
        old, new = [k.name for k in c.classes], [k.name for k in self.classes]
        pixels = c.moved.pixels.sum(0)
        changed, ground = c.all_changed()
        return {
            "before": c.before, "after": c.after, "pixels_compared": c.total(), "not_compared": c.moved.unknown,
            "earlier": self._earlier(c), "moved": self._moved(c),
            "changed": {"pixels": changed, "area": round(ground, 4), "share": _six(Fraction(changed, c.total() or 1))},
            "transitions": [
                {"from": old[i], "to": new[j], "pixels": int(pixels[i, j]), "area": round(float(c.moved.ground[i, j]), 4),
                 "same": bool(c.same[i, j])}
                for i in range(len(old)) for j in range(len(new)) if pixels[i, j]
            ],
        }  # fmt: skip


def _six(value: Fraction) -> float:
    return round(float(value), 6)


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def facts(
    what: Any,
    legend: Any = None,
    *,
    grid: GeoBox | None = None,
    floor: int | None = None,
    connectivity: int = 4,
    since_legend: Any = None,
    sure: Callable[[int, int], tuple[np.ndarray, np.ndarray]] | None = None,
    sure_rule: str = "",
    areas: dict[str, dict[str, Any]] | None = None,
    meta: dict[str, Any] | None = None,
    safe: bool = False,
    progress: Progress | None = None,
) -> SceneFacts:
    """The facts of a map, or of several dates of it in order (the last is described, every step compared).

    what: a path, an array (H, W) of codes, a DataArray, or a sequence of them. legend: as `legend.read_legend` takes it.
    floor: pixels; 20 of a 256 x 256 patch, scaled, by default. sure(first, last): (sure, judged) of a doubt layer.
    Raises LabelError (no names, floats), FormatError, GridError.
    """
    series = list(what) if isinstance(what, (list, tuple)) else [what]
    if not series:
        raise FormatError(rule="a description needs a map", got="none", remedy="name one")
    if connectivity not in (4, 8):
        raise FormatError(
            rule="patches join by sides (4) or corners too (8)", got=str(connectivity), remedy="choose one"
        )
    last = open_raster(series[-1], legend, grid=grid, safe=safe)
    earlier = []
    for item in series[:-1]:
        made = open_raster(item, since_legend or legend, grid=grid, safe=safe)
        earlier.append(
            on_grid(made, Path(item), last) if isinstance(item, (str, os.PathLike)) else _checked(made, last)
        )
    north = north_of(last.grid, last.shape)
    counts = count(last, north, connectivity=connectivity, sure=sure, progress=progress)
    rasters = [*earlier, last]
    changes = tuple(_compared(a, b, north, connectivity, progress) for a, b in pairwise(rasters))
    cells = cell_area(last.grid if last.grid is not None and last.grid.crs is not None else None, None, last.shape)
    size, pixel = _sizes(last, north)
    return SceneFacts(
        classes=last.legend.classes, shape=last.shape, counts=counts, north=north, unit=area_unit(last.grid),
        floor=max(1, math.ceil(FLOOR * last.shape[0] * last.shape[1])) if floor is None else max(1, floor), connectivity=connectivity,
        size_m=size, pixel_m=pixel, weighted=bool(cells.max() > 1.01 * cells.min()),
        scene_ground=float(cells.sum()) * (last.shape[1] if cells.shape[1] == 1 else 1),
        sure_rule=sure_rule, areas=dict(areas or {}), changes=changes, meta={**last.meta, **(meta or {})},
        legend=last.legend.source, name=last.name, simulated=last.simulated,
    )  # fmt: skip


def _checked(made: Raster, last: Raster) -> Raster:
    if made.shape != last.shape:
        raise FormatError(
            rule="arrays of two dates have one shape", got=f"{made.shape} and {last.shape}", remedy="crop them alike"
        )
    return made


def _compared(before: Raster, after: Raster, north: North, connectivity: int, progress: Progress | None) -> Change:
    return Change(
        classes=before.legend.classes,
        counts=count(before, north, connectivity=connectivity, progress=progress),
        moved=count_pair(before, after, north, connectivity=connectivity, progress=progress),
        same=same_class(before, after),
        before=str(before.meta.get("date") or before.name),
        after=str(after.meta.get("date") or after.name),
    )


def _sizes(raster: Raster, north: North) -> tuple[tuple[float, float], tuple[float, float]]:
    """(east-west, north-south) of the scene and (height, width) of a pixel, in metres at the centre; NaN without CRS."""
    if raster.grid is None or raster.grid.crs is None:
        return (math.nan, math.nan), (math.nan, math.nan)
    from swath.earth.grid import pixel_size

    down, right = pixel_size(raster.grid)
    h, w = raster.shape
    return (right * w, down * h), (down, right)


def legend_from(classes: Sequence[Class]) -> Legend:
    """A legend of the same classes."""
    return Legend(tuple(classes))


DIRECTIONS = (*QUARTERS, *HALVES, "middle")
