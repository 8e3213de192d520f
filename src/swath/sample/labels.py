"""Labels on the pixels of a grid: from points, polygons, tables, masks or arrays, in any CRS.

Here: what labels are and how a source becomes them. Reading files: `vector`, `mask`; polygons to pixels: `burn`;
values: `coding`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import LabelError
from swath.sample import burn, coding, columns, mask, placing, vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from odc.geo.geobox import GeoBox

    from swath.sample.coding import Coding, Kind

__all__ = ["Labels", "read"]


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known on n pixels of a grid, sorted by row and column.

    row, column (n,) pixel indices; value (n,) int64 class index into `names`, or float64 number; thing (n,) id of the
    point or polygon (each pixel its own in a mask). names, codes: of the classes, codes as in classes.tif. kind:
    class or number. dropped: labels or pixels not used, by reason. time (n,) datetime64 and score (n,) where the
    source has them.
    """

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    thing: np.ndarray
    names: list[str]
    codes: list[int]
    kind: Kind
    shape: tuple[int, int]
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    crs_note: str = ""
    label_column: str = ""
    form: str = "points"
    time: np.ndarray | None = None
    score: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.row)

    @property
    def things(self) -> int:
        """How many points, polygons or mask pixels the labels come from."""
        return len(np.unique(self.thing))

    @property
    def support(self) -> dict[str, tuple[int, int]]:
        """Of each class: labelled pixels, and the things (points, polygons) they come from."""
        found = {}
        for i, name in enumerate(self.names):
            here = self.value == i
            found[name] = (int(here.sum()), len(np.unique(self.thing[here])))
        return found

    def take(self, which: np.ndarray) -> Labels:
        """Only these labels (bool or index array); classes and codes stay."""
        return replace(
            self,
            row=self.row[which],
            column=self.column[which],
            value=self.value[which],
            thing=self.thing[which],
            time=None if self.time is None else self.time[which],
            score=None if self.score is None else self.score[which],
        )

    def thin(self, most: int, *, seed: int = 0) -> Labels:
        """At most `most` pixels of each class (of all, for numbers), chosen by place and seed: the same in any
        process.
        """
        group = self.value if self.kind == "class" else np.zeros(len(self))
        keep = burn.thinned(self.row * self.shape[1] + self.column, group, most, seed)
        if len(keep) == len(self):
            return self
        dropped = {**self.dropped, f"beyond {most} pixels a class": len(self) - len(keep)}
        return replace(self.take(keep), dropped=dropped)

    def raster(self) -> np.ndarray:
        """(H, W): codes of the classes with 0 = unlabelled, or numbers with NaN."""
        if self.kind == "number":
            out = np.full(self.shape, np.nan)
            out[self.row, self.column] = self.value
            return out
        codes = np.array([*self.codes, 0])
        out = np.zeros(self.shape, np.uint8 if codes.max() <= 254 else np.uint16)
        out[self.row, self.column] = codes[self.value]
        return out

    def to_json(self) -> dict[str, Any]:
        """What a record of the run says of the labels: counts, not pixels."""
        record: dict[str, Any] = {
            "kind": self.kind,
            "pixels": len(self),
            "things": self.things,
            "form": self.form,
            "column": self.label_column,
            "crs": self.crs_note,
            "dropped": self.dropped,
            "notes": self.notes,
        }
        if self.kind == "class":
            support = self.support
            record["classes"] = [
                {"name": n, "code": c, "pixels": support[n][0], "things": support[n][1]}
                for n, c in zip(self.names, self.codes, strict=True)
            ]
        return record

    def __str__(self) -> str:
        what = f"{len(self):,} labelled pixels of {self.things:,} {'things' if self.form == 'mixed' else self.form}"
        if self.kind == "class":
            what += f" in {len(self.names)} classes: " + ", ".join(f"{n} {p:,}" for n, (p, _) in self.support.items())
        elif len(self):
            what += f", values {self.value.min():.4g} to {self.value.max():.4g}"
        gone = "; ".join(f"{n:,} {reason}" for reason, n in self.dropped.items())
        return what + (f"; left out: {gone}" if gone else "")


def read(
    source: Any,
    grid: GeoBox | None,
    *,
    shape: tuple[int, int],
    column: str | None = None,
    xy: str | None = None,
    classes: Sequence[str | int] | Mapping[int, str] | None = None,
    kind: Kind | None = None,
    crs: str | None = None,
    per_class: int | None = None,
    least: int = 2,
    alone: bool = False,
    seed: int = 0,
) -> Labels:
    """Labels of `source` on a grid of `shape` (H, W).

    source: GeoJSON, GPKG (`file#layer`), shapefile, GeoParquet, CSV, a raster mask (integers are classes with 0 =
    unlabelled, floats numbers), an (H, W) array, a GeoDataFrame or (rows, columns, values). grid: None for a scene
    without georeference, then coordinates are pixels (x = column, y = row). column: of the label; found by name when
    None. xy: columns of x and y in a table; `lat,lon` swaps the axes of a file with geometry. classes: the names or
    codes to keep, or {code: name}. per_class: at most so many pixels a class. least: a class with fewer labels is
    left out and named. alone: one class is enough (a map needs two).

    Points on one pixel with the same class are one label, with different classes none; polygons hold the pixels whose
    centre is inside. Raises LabelError, GridError, FormatError in the form rule, got, remedy.
    """
    title = Path(str(source).partition("#")[0]).name if isinstance(source, str | Path) else "the labels"
    if isinstance(source, tuple):
        found = _from_arrays(source, shape, kind, classes, per_class, seed)
    elif isinstance(source, np.ndarray) or (isinstance(source, str | Path) and mask.is_mask(source)):
        found = _from_mask(source, grid, shape, column, kind, classes, per_class, seed, title)
    else:
        found = _from_frame(source, grid, shape, column, xy, classes, kind, crs, per_class, seed, title)
    return _checked(found, least, title, 1 if alone else 2)


def _from_arrays(
    source: tuple[Any, ...], shape: tuple[int, int], kind: Any, classes: Any, most: int | None, seed: int
) -> Labels:
    import shapely

    row, column, values = (np.asarray(a).ravel() for a in source)
    coded = coding.code(values, kind=kind, classes=classes, column="values")
    points = shapely.points(np.stack([column.astype(float), row.astype(float)], axis=1) + 0.5)
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    dropped = {"outside the scene": int((~inside).sum())} if not inside.all() else {}
    return _burnt(coded, np.asarray(points, dtype=object), inside, shape, dropped, most, seed, form="points")


def _from_mask(
    source: Any, grid: Any, shape: Any, column: Any, kind: Any, classes: Any, most: int | None, seed: int, title: str
) -> Labels:
    found = mask.read(source, grid, shape, band=column, title=title, kind=kind, classes=classes, seed=seed)
    values, position, counts = np.unique(found.value, return_inverse=True, return_counts=True)
    if kind is None:
        kind = "class" if found.titles and found.whole else None if found.whole else "number"
    coded = coding.code(values, kind=kind, classes=classes, column=title, count=counts, titles=found.titles)
    value = coded.value[position]
    keep = np.isfinite(value)
    key = found.row * shape[1] + found.column
    if most is not None:
        chosen = burn.thinned(
            key[keep], value[keep] if coded.kind == "class" else np.zeros(int(keep.sum())), most, seed
        )
        keep = np.flatnonzero(keep)[chosen]
    row, col = found.row[keep], found.column[keep]
    return Labels(
        row, col, _typed(value[keep], coded), np.arange(len(row)), coded.names, coded.codes, coded.kind, shape,
        {}, [*found.notes, *coded.notes], found.crs_note, found.band, "mask pixels",
    )  # fmt: skip


def _from_frame(
    source: Any,
    grid: Any,
    shape: Any,
    column: Any,
    xy: Any,
    classes: Any,
    kind: Any,
    crs: Any,
    most: Any,
    seed: int,
    title: str,
) -> Labels:
    frame = vector.load(source, xy=xy, crs=crs)
    if not len(frame.data):
        raise LabelError(
            rule="a label file holds labels", got=f"{title} with 0 rows", remedy="give a file with points or polygons"
        )
    name = columns.label(frame.data, column, title)
    coded = coding.code(frame.data[name].to_numpy(dtype=object), kind=kind, classes=classes, column=str(name))
    placed = placing.place(frame, grid, shape, source=title)
    dropped = dict(placed.dropped)
    unlabelled = int((np.isnan(coded.value) & placed.use).sum()) - coded.unasked
    if unlabelled > 0:
        dropped["without a label"] = unlabelled
    if coded.unasked:
        dropped["of classes not asked for"] = coded.unasked
    kinds = {
        "points" if d == 0 else "polygons" if d == 2 else "lines" for d in _dimensions(placed.geometry[placed.use])
    }
    form = kinds.pop() if len(kinds) == 1 else "mixed"
    found = _burnt(coded, placed.geometry, placed.use, shape, dropped, most, seed, form=form)
    lower = {str(c).lower(): c for c in frame.data.columns}
    return replace(
        found,
        notes=[*placed.notes, *found.notes],
        crs_note=placed.crs_note,
        label_column=str(name),
        time=columns.times(frame.data, lower, found.thing),
        score=columns.scores(frame.data, lower, found.thing),
    )


def _dimensions(geometry: np.ndarray) -> list[int]:
    import shapely

    return sorted(set(shapely.get_dimensions(geometry).tolist()))


def _burnt(
    coded: Coding,
    geometry: np.ndarray,
    use: np.ndarray,
    shape: Any,
    dropped: dict[str, int],
    most: Any,
    seed: int,
    *,
    form: str,
) -> Labels:
    use = use & np.isfinite(coded.value)
    which = np.flatnonzero(use)
    got = burn.burn(geometry[which], coded.value[which], shape, numbers=coded.kind == "number", most=most, seed=seed)
    notes = list(coded.notes)
    if got.conflicts:
        dropped = {**dropped, "pixels with two different labels": got.conflicts}
    if got.averaged:
        notes.append(f"{got.averaged} pixels hold several numbers: their mean is used")
    if most is None:
        missed = len(which) - len(np.unique(got.thing)) if form != "points" else 0
        if missed > 0 and not got.conflicts:
            notes.append(f"{missed} of {len(which)} {form} hold no pixel centre of their own and give no label")
    thing = which[got.thing] if len(which) else got.thing
    value = _typed(got.value, coded)
    names, codes = coded.names, coded.codes
    return Labels(
        got.row, got.column, value, thing, names, codes, coded.kind, tuple(shape), dropped, notes, form=form
    )  # fmt: skip


def _typed(value: np.ndarray, coded: Coding) -> np.ndarray:
    return value.astype(np.int64) if coded.kind == "class" else value.astype(np.float64)


def _checked(labels: Labels, least: int, title: str, classes: int) -> Labels:
    """Leave out classes with too few labels or none, and refuse what cannot teach anything."""
    if labels.kind == "number":
        if len(np.unique(labels.value)) < 2:
            raise LabelError(
                rule="numbers to learn from must differ",
                got=f"{len(labels)} labels of {title} on the scene with {len(np.unique(labels.value))} values",
                remedy="add labels, or name another column with --column",
            )
        return labels
    count = np.bincount(labels.value, minlength=len(labels.names))
    keep, notes, dropped = count >= max(least, 1), list(labels.notes), dict(labels.dropped)
    few = [n for n, c, k in zip(labels.names, count, keep, strict=True) if c and not k]
    none = [n for n, c in zip(labels.names, count, strict=True) if not c]
    if few:
        notes.append(f"left out, with fewer than {least} labels: {', '.join(few)} (a class needs two labels or more)")
        dropped["of classes with too few labels"] = int(count[~keep].sum())
    if none:
        notes.append(f"no usable label on the scene: {', '.join(none[:20])}")
    if keep.sum() < classes:
        have = ", ".join(f"{n} {c}" for n, c in zip(labels.names, count, strict=True)) or "none"
        gone = "; left out: " + "; ".join(f"{n} {reason}" for reason, n in dropped.items()) if dropped else ""
        raise LabelError(
            rule="a map needs two classes with two labels each" if classes > 1 else "at least one class has labels",
            got=f"{have}{gone}",
            remedy="add labels of another class, or mend --column",
        )
    new = np.cumsum(keep) - 1
    stay = keep[labels.value]
    kept = labels.take(stay)
    return replace(
        kept,
        value=new[kept.value].astype(np.int64),
        names=[n for n, k in zip(labels.names, keep, strict=True) if k],
        codes=[c for c, k in zip(labels.codes, keep, strict=True) if k],
        notes=notes,
        dropped=dropped,
    )
