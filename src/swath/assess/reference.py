"""Reference data against a finished map: what was found at each unit, what the map says there, and how they were drawn.

Not `sample.labels`: here nothing is thinned, merged or left out for being rare, and every unit that is lost is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from swath.assess import missing as absent
from swath.errors import DesignError, LabelError
from swath.sample.design import COLUMNS, Design, read_design

if TYPE_CHECKING:
    from swath.sample.classmap import ClassMap, Counted

__all__ = ["Coded", "Reference", "code", "counts_by_design", "places", "read"]

Wish = Literal["simple", "stratified", "none"]
_BLOCKS = 100  # places that a map is cut into for the block bootstrap


@dataclass(frozen=True, slots=True)
class Reference:
    """Truth at n pixels. value (n,) as given (text or numbers); thing (n,) the point or polygon; form: points, polygons,
    mixed or mask pixels. design: how points were drawn, where the file tells. dropped: lost units by reason.
    missing: of a drawn sample, the points without an answer.
    """

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    thing: np.ndarray
    form: str
    title: str
    design: Design | None = None
    titles: dict[int, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: absent.Missing | None = None

    def __len__(self) -> int:
        return len(self.row)


def read(source: Any, made: ClassMap, *, column: str | None = None, xy: str | None = None) -> Reference:
    """Points, polygons (GPKG, GeoJSON, shapefile, CSV) or a raster as truth of a map.

    Raises LabelError, GridError or FormatError; LabelError when no unit has a label.
    """
    from swath.sample import mask

    title = Path(str(source).partition("#")[0]).name if isinstance(source, str | Path) else "the truth"
    if isinstance(source, np.ndarray) or (isinstance(source, str | Path) and mask.is_mask(source)):
        found = mask.read(source, made.grid, made.shape, band=column, title=title)
        use = np.ones(len(found.row), bool)
        titles = dict(found.titles)
        if found.whole and 0 not in made.names and 0 not in titles:
            use = found.value != 0
        return Reference(
            found.row[use], found.column[use], found.value[use], np.arange(int(use.sum())), "mask pixels", title,
            titles=titles, notes=list(found.notes),
        )  # fmt: skip
    return _vector(source, made, column, xy, title)


def _vector(source: Any, made: ClassMap, column: str | None, xy: str | None, title: str) -> Reference:
    import shapely

    from swath.sample import columns, placing, vector

    frame = vector.load(source, xy=xy)
    if not len(frame.data):
        raise LabelError(rule="truth has at least one unit", got=f"{title} with 0 rows", remedy="give labelled points")
    design = read_design(frame.data)
    if (made.grid is None or made.grid.crs is None) and {"pixel_row", "pixel_column"} <= set(frame.data.columns):
        row, col = (frame.data[name].to_numpy(float) + 0.5 for name in ("pixel_row", "pixel_column"))
        frame = vector.Frame(
            frame.data, np.asarray(shapely.points(col, row)), None, pixels=True
        )  # whatever CRS an editor gave it
    name: Any = column
    if design is not None and column is None and "label" in frame.data.columns:
        name = "label"
    else:
        name = columns.label(frame.data.drop(columns=[c for c in COLUMNS if c in frame.data.columns]), column, title)
    values = frame.data[name].to_numpy(dtype=object)
    blank = np.array([v is None or v != v or (isinstance(v, str) and not v.strip()) for v in values])
    placed = placing.place(frame, made.grid, made.shape, source=title)
    use, dropped = placed.use & ~blank, dict(placed.dropped)
    missing = None if design is None else absent.find(frame.data, blank, np.asarray(placed.use), design.stratum)
    if design is None and (lost := int((placed.use & blank).sum())):
        dropped["without a label"] = lost
    if not use.any():
        raise LabelError(
            rule="truth has a label at its units",
            got=f"{title} with {len(values)} rows, none labelled in {name!r}",
            remedy="fill in the column, or name another with --column",
        )
    which = np.flatnonzero(use)
    kinds = shapely.get_dimensions(placed.geometry[which])
    if (shapely.get_type_id(placed.geometry[which]) == 0).all():
        row = np.floor(shapely.get_y(placed.geometry[which])).astype(int)
        col = np.floor(shapely.get_x(placed.geometry[which])).astype(int)
        inside = (row >= 0) & (row < made.shape[0]) & (col >= 0) & (col < made.shape[1])
        row, col, which = row[inside], col[inside], which[inside]
        return Reference(
            row, col, values[which], which, "points", title, _taken(design, which), {}, dropped, list(placed.notes),
            missing,
        )  # fmt: skip
    row, col, value, thing = _burnt(placed.geometry[which], values[which], made.shape, dropped)
    form = "polygons" if (kinds == 2).all() else "mixed"
    return Reference(row, col, value, which[thing], form, title, None, {}, dropped, list(placed.notes))


def _taken(design: Design | None, which: np.ndarray) -> Design | None:
    from dataclasses import replace

    return None if design is None else replace(design, stratum=design.stratum[which])


def _burnt(
    geometry: np.ndarray, values: np.ndarray, shape: tuple[int, int], dropped: dict[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels whose centre is inside polygons (and those of points among them); pixels with two labels are dropped."""
    from swath.sample import burn

    numbers = all(isinstance(v, float) and not float(v).is_integer() for v in values)
    kinds = np.array([str(v) for v in values])
    names, index = np.unique(kinds, return_inverse=True)
    first = np.array([values[int(np.flatnonzero(index == i)[0])] for i in range(len(names))], dtype=object)
    got = burn.burn(geometry, values.astype(float) if numbers else index.astype(float), shape, numbers=numbers)
    if got.conflicts:
        dropped["pixels with two different labels"] = got.conflicts
    value = got.value.astype(object) if numbers else first[got.value.astype(int)]
    return got.row, got.column, value, got.thing


@dataclass(frozen=True, slots=True)
class Coded:
    """Classes of map and truth together: names, codes (None: only in the truth), and (n,) indices of truth and map.

    mapped is -1 where the map has no answer. notes: what did not match.
    """

    names: list[str]
    codes: list[int | None]
    truth: np.ndarray
    mapped: np.ndarray
    notes: list[str]


def code(reference: Reference, made: ClassMap, table: Counted) -> Coded:
    """Match the truth's values with the map's classes, by name (case aside) or by code.

    Raises LabelError when not one value of the truth is a class of the map.
    """
    codes: list[int | None] = [*sorted({*table.codes, *made.names})]
    names = [made.name(int(c)) for c in codes if c is not None]
    by_name = {n.strip().casefold(): i for i, n in enumerate(names)}
    by_code = {int(c): i for i, c in enumerate(codes) if c is not None}
    text = np.array([_text(v, reference.titles) for v in reference.value])
    found, where = np.unique(text, return_inverse=True)
    index, strange = np.empty(len(found), int), []
    all_codes = all(_whole(t) in by_code for t in found)
    for i, t in enumerate(found):
        at = by_name.get(t.strip().casefold())
        at = by_code.get(_whole(t)) if at is None or (all_codes and not reference.titles) else at  # type: ignore[arg-type]
        if at is None:
            strange.append(str(t))
            names.append(str(t))
            codes.append(None)
            at = len(names) - 1
        index[i] = at
    if len(strange) == len(found):
        raise LabelError(
            rule="truth and map share classes, by name or by code",
            got=f"truth with {', '.join(strange[:8])}; map with {', '.join(n for n in names[: len(made.names) or 8])}",
            remedy="name the truth's classes as the map does, or another column with --column",
        )
    notes = [f"classes of the truth that the map does not have: {', '.join(strange)}"] if strange else []
    values = made.at(reference.row, reference.column)
    seen = made.valid(values)
    lookup = {int(c): i for i, c in enumerate(codes) if c is not None}
    mapped = np.array([lookup.get(int(v), -1) if s else -1 for v, s in zip(values, seen, strict=True)], int)
    return Coded(names, codes, index[np.asarray(where).ravel()], mapped, notes)


def _text(value: Any, titles: dict[int, str]) -> str:
    whole = _whole(value)
    if whole is not None:
        return titles.get(whole, str(whole))
    return str(value)


def _whole(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def places(reference: Reference, shape: tuple[int, int]) -> tuple[np.ndarray, str]:
    """(n,) place of each unit for the block bootstrap, and how they were made: about 100 squares; polygons stay whole."""
    from swath.sample.labels import Labels
    from swath.sample.places import blocks

    side = max(16, math.ceil(math.sqrt(shape[0] * shape[1] / _BLOCKS)))
    labels = Labels(
        reference.row, reference.column, np.zeros(len(reference), np.int64), reference.thing, ["truth"], [1], "class",
        shape, form=reference.form,
    )  # fmt: skip
    made = blocks(labels, side)
    return made.id, f"{len(reference):,} {reference.form} of {reference.title} in {made.count} blocks of {side} px"


def counts_by_design(
    reference: Reference, coded: Coded, table: Counted, kind: Wish, notes: list[str]
) -> tuple[np.ndarray, dict[str, Any]]:
    """(S, K, K) counts and the arguments of `area.design_based` for a probability sample.

    Strata: those of the file, else the map's classes (stratified) or the whole map (simple).
    Raises DesignError when the truth is polygons, or the file was drawn otherwise.
    """
    from swath.assess.area import from_points

    if reference.form not in ("points", "mask pixels"):
        raise DesignError(
            rule="a probability sample is made of points",
            got=f"{reference.form} of {reference.title}",
            remedy="--design none, or draw points with swath sample",
        )
    k, design = len(coded.names), reference.design
    own = {int(c): i for i, c in enumerate(coded.codes) if c is not None}
    mapped_area, mapped_pixels = np.zeros(k), np.zeros(k)
    for j, c in enumerate(table.codes):
        mapped_area[own[c]], mapped_pixels[own[c]] = table.area[:, j].sum(), table.pixels[:, j].sum()
    fine = coded.mapped >= 0
    if kind == "simple":
        whole = design is not None and design.map_id != table.digest
        area = float(design.area.sum()) if design is not None and whole else float(mapped_area.sum())
        pixels = float(design.pixels.sum()) if design is not None and whole else float(mapped_pixels.sum())
        counts = from_points(np.zeros(int(fine.sum()), int), coded.mapped[fine], coded.truth[fine], 1, k)
        mapped = None if whole else mapped_area[None]
        return counts, {"stratum_area": [area], "mapped": mapped, "fraction": [fine.sum() / pixels], "strata": ["map"]}
    if design is None:
        n = np.bincount(coded.mapped[fine], minlength=k)
        counts = from_points(coded.mapped[fine], coded.mapped[fine], coded.truth[fine], k, k)
        notes.append("strata are the map's classes (Olofsson et al. 2014)")
        more = {"stratum_area": mapped_area, "mapped": np.diag(mapped_area), "strata": coded.names}
        return counts, more | {"fraction": n / np.maximum(mapped_pixels, 1)}
    s = len(design.codes)
    n = np.bincount(design.stratum[fine], minlength=s)
    counts = from_points(design.stratum[fine], coded.mapped[fine], coded.truth[fine], s, k)
    mapped = None
    if design.map_id and design.map_id == table.digest:
        mapped = np.zeros((s, k))
        for i, c in enumerate(design.codes):
            mapped[i, own[c]] = design.area[i]
        notes.append("strata are this map's classes, as the sample was drawn (Olofsson et al. 2014)")
    else:
        notes.append("strata are not this map's classes: areas and accuracies by ratios (Stehman 2014)")
    more = {"stratum_area": design.area, "mapped": mapped, "strata": list(design.names)}
    return counts, more | {"fraction": n / np.maximum(design.pixels, 1)}
