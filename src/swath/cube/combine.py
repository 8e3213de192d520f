"""Pieces of one sensor made one: bands of one grid side by side, dates in order, one day's adjoining scenes a mosaic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from swath.cube.flagged import Flagged
from swath.cube.lazy import Source
from swath.cube.mask import kind_of
from swath.cube.scene import Piece, gsd_of
from swath.cube.sources import Bands, Part, Placed, Times
from swath.cube.warped import Constant, Mosaic, Warped
from swath.earth.grid import same
from swath.errors import BandError, GridError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["join", "share_flags"]

MOST_EMPTY = 100  # times the pixels that the scenes hold: a common grid beyond that is mostly nothing


def join(pieces: Sequence[Piece], notes: list[str]) -> dict[float, Piece]:
    """{gsd: piece}, the finest first; what was done is added to `notes`.

    Raises BandError where pieces of one grid size have no band in common.
    """
    groups: dict[float, list[Piece]] = {}
    for piece in _from_quality(pieces, notes):
        size = gsd_of(piece.geobox)
        key = next(
            (k for k in groups if k == size or abs(k - size) < 0.01 * k or (math.isnan(k) and math.isnan(size))), size
        )
        groups.setdefault(key, []).append(piece)
    made = {k: _one(groups[k], notes) for k in sorted(groups, key=lambda g: (math.isnan(g), g))}
    _meet(list(made.values()))
    return made


def _meet(pieces: list[Piece]) -> None:
    """Refuse several grid sizes that are not one scene's: they lie apart."""
    boxes = [p.geobox for p in pieces if p.geobox is not None and p.geobox.crs is not None]
    for box in boxes[1:]:
        if not boxes[0].extent.to_crs("EPSG:4326").intersects(box.extent.to_crs("EPSG:4326")):
            raise GridError(
                rule="scenes opened together lie on the same ground",
                got=f"{pieces[0].name} and others elsewhere with other pixel sizes",
                remedy="open them one by one",
            )


def _from_quality(pieces: Sequence[Piece], notes: list[str]) -> list[Piece]:
    """Pieces that are a quality band alone (given as a file of their own) become the flag of those beside them."""
    quality = [p for p in pieces if p.stored and len(p.bands) == 1 and kind_of(p.bands[0].name) is not None]
    rest = [p for p in pieces if not any(p is q for q in quality)]
    if not quality or not rest:
        return list(pieces)
    out = []
    for p in rest:
        found = [q for q in quality if _same_time(p.time, q.time) and p.geobox is not None and q.geobox is not None]
        sources = [
            q.source if same(p.geobox, q.geobox) else Warped.of(q.source, q.geobox, p.geobox, (0.0,))
            for q in found
            if q.geobox is not None and p.geobox is not None
        ]
        if sources:
            kinds = tuple(str(kind_of(q.bands[0].name)) for q in found)
            p = replace(p, flag=Flagged(tuple(sources), kinds, p.flag))
            notes.append(f"{', '.join(q.bands[0].name for q in found)} became the flag of each pixel")
        out.append(p)
    return out


def share_flags(pieces: Sequence[Piece]) -> list[Piece]:
    """Give the flag of one grid of a scene to its other grids (SCL is kept at 20 m only): the nearest pixel's."""
    out = []
    for piece in pieces:
        if piece.flag is None and piece.geobox is not None and piece.geobox.crs is not None:
            same = [
                p for p in pieces if p.flag is not None and p.sensor == piece.sensor and _same_time(p.time, piece.time)
            ]
            near = [
                p for p in same if p.geobox is not None and p.geobox.crs == piece.geobox.crs and p.name == piece.name
            ]
            if near and piece.time is not None and near[0].flag is not None and near[0].geobox is not None:
                piece = replace(piece, flag=Warped.of(near[0].flag, near[0].geobox, piece.geobox, (1.0,)))
        out.append(piece)
    return out


def _one(pieces: list[Piece], notes: list[str]) -> Piece:
    """One piece of pieces with one pixel size."""
    side_by_side = _by_band(pieces)
    if len(side_by_side) == 1:
        return _sorted(side_by_side[0])
    common = _same_bands(side_by_side, notes)
    _tell_apart(common)
    placed = _one_grid(common, notes)
    return _by_day(placed, notes)


def _same_time(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return len(a) == len(b) and bool((a == b).all())


def _by_band(pieces: list[Piece]) -> list[Piece]:
    """Pieces of the same grid and dates with other bands become one."""
    out: list[Piece] = []
    for piece in pieces:
        names = {b.name for b in piece.bands}
        for k, other in enumerate(out):
            fits = same(other.geobox, piece.geobox) and other.source.shape[2:] == piece.source.shape[2:]
            if not fits or not _same_time(other.time, piece.time) or names & {b.name for b in other.bands}:
                continue
            a, b = _alike(other, piece)
            out[k] = replace(
                a, source=Bands((a.source, b.source)), bands=a.bands + b.bands, flag=a.flag or b.flag, stored=a.stored
            )
            break
        else:
            out.append(piece)
    return out


def _alike(a: Piece, b: Piece) -> tuple[Piece, Piece]:
    """Both stored or both physical: stored numbers beside physical ones become floats of quantity `other` or `class`."""
    if a.stored == b.stored:
        return a, b
    return (_floating(a), b) if a.stored else (a, _floating(b))


def _floating(piece: Piece) -> Piece:
    from swath.cube.sources import Physical

    n = len(piece.bands)
    bands = tuple(replace(b, quantity="other" if b.quantity == "digital_number" else b.quantity) for b in piece.bands)
    source = Physical(piece.source, (1.0,) * n, (0.0,) * n, tuple(b.nodata for b in piece.bands))
    return replace(piece, source=source, bands=bands, stored=False)


def _tell_apart(pieces: list[Piece]) -> None:
    """Refuse undated images of one grid: a mosaic would show the first and hide the rest."""
    undated = [p for p in pieces if p.time is None]
    for k, p in enumerate(undated):
        for other in undated[:k]:
            if p.source.shape[2:] == other.source.shape[2:] and same(p.geobox, other.geobox):
                raise GridError(
                    rule="images of one place need dates to be stacked",
                    got=f"{other.name} and {p.name} without one, on the same grid with the same bands",
                    remedy="put the dates (2020-07-17) into the file names, or open them one by one",
                )


def _same_bands(pieces: list[Piece], notes: list[str]) -> list[Piece]:
    """All pieces with the bands that all have, in the first's order."""
    if any(p.stored for p in pieces) and not all(p.stored for p in pieces):
        pieces = [_floating(p) if p.stored else p for p in pieces]
    first = [b.name for b in pieces[0].bands]
    shared = [n for n in first if all(n in {b.name for b in p.bands} for p in pieces)]
    if not shared:
        other = next(p for p in pieces if not {b.name for b in p.bands} & set(first))
        raise BandError(
            rule="scenes opened together share a band",
            got=f"{pieces[0].name} with {', '.join(first[:6])} and {other.name} with {', '.join(b.name for b in other.bands[:6])}",
            remedy="open them apart, or as scenes of their own on the same grid",
        )
    left = sorted({b.name for p in pieces for b in p.bands} - set(shared))
    if left:
        notes.append(f"bands that not every scene has are left out: {', '.join(left[:8])}")
    out = []
    for p in pieces:
        names = [b.name for b in p.bands]
        if names != shared:
            index = [names.index(n) for n in shared]
            p = replace(p, source=Part.of(p.source, bands=index), bands=tuple(p.bands[i] for i in index))
        out.append(p)
    return out


def _one_grid(pieces: list[Piece], notes: list[str]) -> list[Piece]:
    """All pieces on the smallest grid, of the first one's CRS and lattice, that holds them."""
    first = pieces[0].geobox
    if all(same(first, p.geobox) and p.source.shape[2:] == pieces[0].source.shape[2:] for p in pieces):
        return pieces
    if first is None or any(p.geobox is None for p in pieces):
        raise BandError(
            rule="scenes without a georeference must have one size and other bands or dates to be opened together",
            got=", ".join(f"{p.name} {p.source.shape[2]} x {p.source.shape[3]}" for p in pieces[:4]),
            remedy="open them one by one",
        )
    boxes = [_on_lattice(first, p.geobox) for p in pieces]
    top, left = min(b[0] for b in boxes), min(b[1] for b in boxes)
    bottom, right = max(b[2] for b in boxes), max(b[3] for b in boxes)
    from affine import Affine
    from odc.geo.geobox import GeoBox

    covered = sum(p.source.shape[2] * p.source.shape[3] for p in pieces)
    if (bottom - top) * (right - left) > max(MOST_EMPTY * covered, 10_000_000):
        raise GridError(
            rule="scenes opened together adjoin or overlap",
            got=f"{len(pieces)} scenes that need a grid of {bottom - top:,} x {right - left:,} pixels",
            remedy="open them in groups that lie together",
        )
    whole = GeoBox((bottom - top, right - left), first.affine @ Affine.translation(left, top), first.crs)
    out, warped = [], []
    for p, (r0, c0, r1, c1) in zip(pieces, boxes, strict=True):
        at = (r0 - top, c0 - left)
        fits = p.geobox is not None and p.geobox.crs == first.crs and _on_it(first, p.geobox)
        source, flag = p.source, p.flag or Constant((*p.source.shape[:1], 1, *p.source.shape[2:]), 0, "uint8")
        if not fits:
            window = whole[at[0] : at[0] + r1 - r0, at[1] : at[1] + c1 - c0]
            source, flag = Warped.of(source, p.geobox, window, p.empty), Warped.of(flag, p.geobox, window, (1.0,))
            warped.append(p.name)
        fill = p.empty[0] if not p.stored or not math.isnan(p.empty[0]) else 0.0
        out.append(
            replace(
                p,
                source=Placed(source, (whole.shape[0], whole.shape[1]), at, fill),
                flag=Placed(flag, (whole.shape[0], whole.shape[1]), at, 1),
                geobox=whole,
            )
        )
    notes.append(
        f"{len(pieces)} scenes of several extents lie on one grid of {whole.shape[0]} x {whole.shape[1]} pixels"
    )
    if warped:
        notes.append(
            f"{len(warped)} of them warped (nearest pixel) to the first one's CRS and lattice: {warped[0]} ..."
        )
    return out


def _on_lattice(first: GeoBox, other: GeoBox) -> tuple[int, int, int, int]:
    """Rows and columns (top, left, bottom, right) of the first grid's lattice that the other covers."""
    height, width = other.shape
    t = np.linspace(0.0, 1.0, 33)
    edge_x = np.concatenate([t, t, 0 * t, 0 * t + 1]) * width
    edge_y = np.concatenate([0 * t, 0 * t + 1, t, t]) * height
    x, y = other.affine @ (edge_x, edge_y)
    if other.crs != first.crs:
        from pyproj import Transformer

        x, y = Transformer.from_crs(other.crs.to_wkt(), first.crs.to_wkt(), always_xy=True).transform(x, y)
    columns, rows = ~first.affine @ (np.asarray(x), np.asarray(y))
    near = 1e-3
    return (
        math.floor(float(np.min(rows)) + near), math.floor(float(np.min(columns)) + near),
        math.ceil(float(np.max(rows)) - near), math.ceil(float(np.max(columns)) - near),
    )  # fmt: skip


def _on_it(first: GeoBox, other: GeoBox) -> bool:
    """Whether the other's pixels are the first's, shifted by whole pixels."""
    same = all(abs(x - y) <= 1e-6 * abs(first.affine.a) for x, y in zip(
        (first.affine.a, first.affine.b, first.affine.d, first.affine.e),
        (other.affine.a, other.affine.b, other.affine.d, other.affine.e), strict=True))  # fmt: skip
    column, row = ~first.affine @ (other.affine.c, other.affine.f)
    return same and abs(column - round(column)) < 1e-2 and abs(row - round(row)) < 1e-2


def _by_day(pieces: list[Piece], notes: list[str]) -> Piece:
    """Dates in order; scenes of one day are mosaicked: the first usable value wins, in the order given."""
    if any(p.time is None for p in pieces):
        if all(p.time is None for p in pieces):
            return _mosaic(pieces, notes, "undated scenes")
        raise BandError(
            rule="scenes opened together all have a date, or none has",
            got=", ".join(f"{p.name} {'without' if p.time is None else 'with'} a date" for p in pieces[:4]),
            remedy="put the date (2020-07-17) into the names of the files that lack it",
        )
    days: dict[np.datetime64, list[Piece]] = {}
    for p in pieces:
        assert p.time is not None
        for t, moment in enumerate(p.time):
            one = replace(
                p, source=Part.of(p.source, dates=[t]), flag=None if p.flag is None else Part.of(p.flag, dates=[t]),
                time=p.time[t : t + 1],
            ) if len(p.time) > 1 else p  # fmt: skip
            days.setdefault(moment.astype("datetime64[D]"), []).append(one)
    merged = [_mosaic(days[d], notes, str(d)) if len(days[d]) > 1 else days[d][0] for d in sorted(days)]
    flags = None
    if any(p.flag is not None for p in merged):
        shape = merged[0].source.shape
        flags = Times(tuple(p.flag or Constant((1, 1, shape[2], shape[3]), 0, "uint8") for p in merged))
    times = np.concatenate([p.time for p in merged if p.time is not None])
    return replace(merged[0], source=Times(tuple(p.source for p in merged)), flag=flags, time=times)


def _mosaic(pieces: list[Piece], notes: list[str], when: str) -> Piece:
    shape = pieces[0].source.shape
    values = tuple(p.source for p in pieces)
    flags: tuple[Source, ...] = tuple(p.flag or Constant((shape[0], 1, shape[2], shape[3]), 0, "uint8") for p in pieces)
    notes.append(f"{len(pieces)} scenes of {when} are one: at each pixel the first usable value wins")
    flagged = any(p.flag is not None for p in pieces)
    return replace(
        pieces[0],
        source=Mosaic(values, flags if flagged else (), pieces[0].empty, "values"),
        flag=Mosaic(values, flags, pieces[0].empty, "flags") if flagged else None,
    )


def _sorted(piece: Piece) -> Piece:
    """Dates in rising order, each once (the first of one moment is kept)."""
    if piece.time is None or len(piece.time) < 2:
        return piece
    order = np.argsort(piece.time, kind="stable")
    order = order[np.concatenate([[True], np.diff(piece.time[order]).astype(np.int64) > 0])]
    if (order == np.arange(len(piece.time))).all():
        return piece
    dates = order.tolist()
    flag = None if piece.flag is None else Part.of(piece.flag, dates=dates)
    return replace(piece, source=Part.of(piece.source, dates=dates), flag=flag, time=piece.time[order])
