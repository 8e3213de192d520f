"""Reference samples: how many points, how many in each stratum, which ones, and a file that remembers how it was drawn.

Size: Olofsson et al. 2014, eq. 13 (Cochran 1977, eq. 5.25). Draw: each pixel gets a key from the seed and its window;
the largest keys of a stratum are its sample (Efraimidis and Spirakis 2006: with keys u^(1/area) the chance is
proportional to ground area where pixels differ), so memory is bounded by a window and the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from swath.errors import DesignError, OutputError
from swath.sample.classmap import ClassMap, Counted, count, windows

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["COLUMNS", "Design", "Drawn", "allocate", "draw", "read_design", "sample_size", "write"]

COLUMNS = (
    "design", "stratum", "stratum_name", "stratum_area", "area_unit", "stratum_pixels", "stratum_points", "strata",
    "map_id",
)  # fmt: skip
Kind = Literal["stratified", "simple"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A reference sample: row, column, stratum (index into strata) of n points, in random order.

    strata, names: codes and names. pixels, area, points (S,): of each stratum. map_id: digest of the map that was
    counted; unit: of areas. own: strata are the map's classes.
    """

    row: np.ndarray
    column: np.ndarray
    stratum: np.ndarray
    strata: tuple[int, ...]
    names: tuple[str, ...]
    pixels: np.ndarray
    area: np.ndarray
    points: np.ndarray
    unit: str
    kind: Kind
    map_id: str
    seed: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Design:
    """How the points of a file were drawn: stratum index (n,) of each point, and of each stratum name, area, pixels."""

    kind: Kind
    stratum: np.ndarray
    codes: tuple[int, ...]
    names: tuple[str, ...]
    area: np.ndarray
    pixels: np.ndarray
    unit: str
    map_id: str


def sample_size(weight: np.ndarray, expected: np.ndarray, se: float, *, population: float = np.inf) -> int:
    """Points needed for a standard error `se` of overall accuracy (Olofsson et al. 2014, eq. 13).

    weight: (S,) shares of the strata; expected: (S,) accuracy hoped for in each. Raises DesignError for a target that
    is not between 0 and 0.5.

    >>> round(sample_size(np.array([.02, .015, .32, .645]), np.array([.7, .6, .9, .95]), 0.01), -1)
    640
    """
    if not 0 < se < 0.5:
        raise DesignError(rule="a standard error lies between 0 and 0.5", got=f"{se}", remedy="e.g. --se 0.01")
    w, u = np.asarray(weight, float), np.asarray(expected, float)
    deviation = np.sqrt(u * (1 - u))
    return max(2, int(np.ceil((w @ deviation) ** 2 / (se**2 + w @ deviation**2 / population) - 1e-9)))


def allocate(size: int, weight: np.ndarray, pixels: np.ndarray, minimum: int) -> np.ndarray:
    """(S,) points of each stratum: proportional to its share, but at least `minimum` (or all its pixels) in each.

    Where the size does not allow the minimum everywhere, the minimum is half of size / S. Raises DesignError when there are
    not even two points a stratum.
    """
    w, room = np.asarray(weight, float), np.asarray(pixels, np.int64)
    strata = len(w)
    if size < np.minimum(2, room).sum():
        raise DesignError(
            rule="a stratified sample has two points in every stratum",
            got=f"{size} points for {strata} strata",
            remedy=f"--size {2 * strata} or more, or --design simple",
        )
    size = min(size, int(room.sum()))
    floor = np.minimum(np.maximum(2, min(minimum, size // (2 * strata))), room)
    points = floor.copy()
    fixed = np.zeros(strata, bool)
    while True:
        free = ~fixed
        left = size - int(points[fixed].sum())
        share = np.where(free, w / max(w[free].sum(), 1e-300), 0) * left if free.any() else np.zeros(strata)
        low, high = free & (share <= floor), free & (share >= room)
        if not low.any() and not high.any():
            break
        turn = low if low.any() else high
        points[turn] = np.where(low, floor, room)[turn]
        fixed |= turn
    whole = np.floor(share).astype(np.int64)
    points[~fixed] = whole[~fixed]
    rest = size - int(points.sum())
    order = np.argsort(-(share - whole), kind="stable")
    for s in [s for s in order if not fixed[s]][: max(0, rest)]:
        points[s] += 1
    return points


def draw(
    made: ClassMap,
    *,
    design: Kind = "stratified",
    se: float = 0.01,
    size: int | None = None,
    minimum: int = 50,
    expected: float | Mapping[str, float] = 0.9,
    strata: ClassMap | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Drawn:
    """Draw a reference sample from a map, in bounded memory.

    size: points, else from `se` and `expected` (accuracy hoped for: one number or {class: number}). minimum: points
    of a rare stratum at least. strata: another raster of whole numbers on the same grid, by default the map's classes.
    """
    table = count(made, strata=strata, progress=progress)
    source = made if strata is None else strata
    pixels, area = table.pixels.sum(1), table.area.sum(1)
    names = tuple(source.name(c) for c in table.strata)
    weight = area / area.sum()
    hoped = _expected(expected, names)
    notes = []
    if size is None:
        size = sample_size(weight, hoped, se, population=float(pixels.sum()))
        notes.append(
            f"{size} points for a standard error of {se:g}, if accuracy is {weight @ hoped:.2f} (Olofsson et al. 2014, eq. 13)"
        )
    if size < 2:
        raise DesignError(rule="a sample has two points or more", got=f"{size}", remedy="--size 100")
    if size > pixels.sum():
        notes.append(f"the map has only {int(pixels.sum()):,} pixels: all are drawn")
    if design == "simple":
        lookup, groups = np.zeros(len(table.strata), np.int64), 1
        pixels, area, names = pixels.sum(keepdims=True), area.sum(keepdims=True), ("the whole map",)
        points = np.array([min(size, int(pixels[0]))])
    else:
        lookup, groups = np.arange(len(table.strata)), len(table.strata)
        points = allocate(size, weight, pixels, minimum)
        if (least := max(2, size // (2 * groups))) < minimum:
            notes.append(f"at least {least} points a stratum: {size} points do not allow {minimum}")
    row, column, stratum = _keys(made, strata, table, lookup, points, groups, seed, progress)
    order = np.random.default_rng([seed, 1]).permutation(len(row))
    codes = table.strata if design == "stratified" else (0,)
    return Drawn(
        row[order], column[order], stratum[order], codes, names, pixels, area, points, made.unit, design,
        table.digest if strata is None else "", seed, tuple(notes),
    )  # fmt: skip


def _expected(expected: float | Mapping[str, float], names: tuple[str, ...]) -> np.ndarray:
    if isinstance(expected, Mapping):
        unknown = [n for n in expected if n not in names and n != "other"]
        if unknown:
            raise DesignError(
                rule="expected accuracies name the map's strata",
                got=", ".join(unknown),
                remedy=f"choose of {', '.join(names[:20])}, other",
            )
        hoped = np.array([float(expected.get(n, expected.get("other", 0.9))) for n in names])
    else:
        hoped = np.full(len(names), float(expected))
    if not ((hoped > 0) & (hoped <= 1)).all():
        raise DesignError(rule="an expected accuracy lies between 0 and 1", got=f"{expected}", remedy="e.g. 0.9")
    return np.clip(hoped, 0.5, 0.99) if (hoped == 1).any() else hoped


def _keys(
    made: ClassMap,
    strata: ClassMap | None,
    table: Counted,
    lookup: np.ndarray,
    points: np.ndarray,
    groups: int,
    seed: int,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and stratum of the pixels with the largest keys of their stratum."""
    codes = np.array(table.strata)
    kept: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros(0), np.zeros(0, np.int64)) for _ in range(groups)]
    parts = list(windows(made.shape))
    for i, (rows, columns) in enumerate(parts):
        if progress is not None:
            progress(i, len(parts), "drawing points")
        values = made.read(rows, columns)
        good = made.valid(values)
        group = values if strata is None else strata.read(rows, columns)
        if strata is not None:
            good &= strata.valid(group)
        key = np.random.default_rng([seed, 0, i]).random(values.shape)
        cell = made.area(rows)
        if float(np.ptp(cell)) > 0:
            key = key ** (float(cell.max()) / cell)
        y, x = np.nonzero(good)
        pixel = (y + rows.start).astype(np.int64) * made.shape[1] + x + columns.start
        which = lookup[np.searchsorted(codes, group[good].astype(np.int64))]
        key = key[good]
        for s in np.unique(which):
            here = which == s
            keys, where = np.concatenate([kept[s][0], key[here]]), np.concatenate([kept[s][1], pixel[here]])
            if len(keys) > points[s]:
                top = np.argpartition(-keys, points[s] - 1)[: points[s]]
                keys, where = keys[top], where[top]
            kept[s] = keys, where
    everything = [np.sort(where) for _, where in kept]
    pixel = np.concatenate(everything)
    stratum = np.repeat(np.arange(groups), [len(p) for p in everything])
    return pixel // made.shape[1], pixel % made.shape[1], stratum


def frame(drawn: Drawn, made: ClassMap) -> gpd.GeoDataFrame:
    """The points as a table with an empty column `label` to fill in, and how they were drawn in every row."""
    import geopandas as gpd
    import pandas as pd

    x, y = drawn.column + 0.5, drawn.row + 0.5
    crs = None
    if made.grid is not None:
        a = made.grid.affine
        x, y = a.a * x + a.b * y + a.c, a.d * x + a.e * y + a.f
        crs = None if made.grid.crs is None else made.grid.crs.to_wkt()
    data = pd.DataFrame(
        {
            "id": np.arange(1, len(drawn) + 1),
            "label": pd.Series([None] * len(drawn), dtype=object),
            "pixel_row": drawn.row,
            "pixel_column": drawn.column,
            "design": drawn.kind,
            "stratum": np.array(drawn.strata)[drawn.stratum],
            "stratum_name": np.array(drawn.names, dtype=object)[drawn.stratum],
            "stratum_area": drawn.area[drawn.stratum],
            "area_unit": drawn.unit,
            "stratum_pixels": drawn.pixels[drawn.stratum],
            "stratum_points": drawn.points[drawn.stratum],
            "strata": len(drawn.strata),
            "map_id": drawn.map_id,
        }
    )
    return gpd.GeoDataFrame(data, geometry=gpd.points_from_xy(x, y), crs=crs)


def write(drawn: Drawn, made: ClassMap, out: str | Path) -> Path:
    """Write the points as GPKG, GeoJSON or CSV (lon, lat; row, column without a CRS); whole or not at all.

    Raises OutputError when the ending is another or the place cannot be written.
    """
    import os

    path = Path(out)
    points = frame(drawn, made)
    drivers = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON", ".csv": ""}
    if path.suffix.lower() not in drivers:
        raise OutputError(
            rule="a sample is written as GPKG, GeoJSON or CSV", got=path.name, remedy="e.g. --out points.gpkg"
        )
    aside = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".csv":
            _table(points, drawn).to_csv(aside, index=False)
        elif path.suffix.lower() == ".gpkg":
            points.to_file(aside, driver="GPKG", layer=path.stem, engine="pyogrio")
        else:
            lonlat = points.to_crs("EPSG:4326") if points.crs is not None else points
            lonlat.to_file(aside, driver="GeoJSON", engine="pyogrio")
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise OutputError(
            rule="the sample is written where --out says",
            got=f"{path.name}: {error.strerror or error}",
            remedy="choose a folder that can be written and has space",
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return path


def _table(points: gpd.GeoDataFrame, drawn: Drawn) -> Any:
    import pandas as pd

    data = pd.DataFrame(points.drop(columns="geometry"))
    if points.crs is None:
        return data.rename(columns={"pixel_row": "row", "pixel_column": "column"})
    lonlat = points.to_crs("EPSG:4326").geometry
    data.insert(1, "lon", lonlat.x.round(8))
    data.insert(2, "lat", lonlat.y.round(8))
    return data


def read_design(data: Any) -> Design | None:
    """How the points of a table were drawn, from the columns that `write` gave it; None when it has not all of them.

    Raises DesignError when the rows contradict one another.
    """
    import pandas as pd

    if any(name not in data.columns for name in COLUMNS):
        return None
    rows = pd.DataFrame({name: data[name] for name in COLUMNS})
    kinds = set(rows["design"].astype(str))
    strata = rows.drop_duplicates("stratum").sort_values("stratum")
    facts = ["stratum", "stratum_area", "stratum_pixels", "area_unit"]
    if len(kinds) != 1 or not kinds <= {"stratified", "simple"} or len(rows[facts].drop_duplicates()) != len(strata):
        raise DesignError(
            rule="the columns of a drawn sample agree with one another",
            got=f"designs {sorted(kinds)} and {len(rows[facts].drop_duplicates())} facts of {len(strata)} strata",
            remedy="take the file as `swath sample` wrote it and fill in only its label column",
        )
    codes = [int(c) for c in strata["stratum"]]
    if (meant := int(rows["strata"].iloc[0])) != len(codes):
        raise DesignError(
            rule="every stratum of a drawn sample has points",
            got=f"points of {len(codes)} strata; {meant} were drawn",
            remedy="put the missing rows back: without them the whole area is not known",
        )
    identity = rows["map_id"].iloc[0]
    return Design(
        kind="stratified" if kinds == {"stratified"} else "simple",
        stratum=np.searchsorted(codes, rows["stratum"].astype(int).to_numpy()),
        codes=tuple(codes),
        names=tuple(str(n) for n in strata["stratum_name"]),
        area=strata["stratum_area"].to_numpy(float),
        pixels=strata["stratum_pixels"].to_numpy(float),
        unit=str(strata["area_unit"].iloc[0]),
        map_id="" if identity is None or identity != identity else str(identity),
    )
