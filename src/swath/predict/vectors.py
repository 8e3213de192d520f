"""Vectors of many places and dates, kept with what they are of; exact search by blocks, with a threshold of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swath.errors import FormatError, SwathError
from swath.predict import archive

__all__ = ["Hits", "Scaling", "Threshold", "Vectors", "like", "nearest", "read", "scaling", "threshold"]

SAMPLE = 512
QUANTILE = 0.05
LEAST = 20


@dataclass(frozen=True, eq=False)
class Vectors:
    """N vectors. key (N,) str, lonlat (N, 2) degrees or NaN, day (N,) since 1970 or NaN, place (N,) str: what a split
    moves as a whole; vector (N, D) float32. facts: encoder, sha256 of its weights, bands, GSD, window (plain values).

    vector, key and place may lie on disk (`read(path, lazy=True)`): then rows are read when they are asked for.
    """

    key: Any
    lonlat: np.ndarray
    day: np.ndarray
    place: Any
    vector: Any
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self)
        shapes = {
            "key": tuple(np.shape(self.key)) if isinstance(self.key, (list, tuple)) else tuple(self.key.shape),
            "place": tuple(np.shape(self.place)) if isinstance(self.place, (list, tuple)) else tuple(self.place.shape),
            "lonlat": self.lonlat.shape[:1],
            "day": self.day.shape,
        }
        if len(self.vector.shape) != 2 or any(shape[0] != n for shape in shapes.values()):
            raise SwathError(
                rule="vectors, keys, places and days have one length",
                got=f"vector {tuple(self.vector.shape)}, {shapes}",
                remedy="give one of each for every row",
            )

    def __len__(self) -> int:
        return int(self.vector.shape[0])

    @property
    def width(self) -> int:
        """Numbers of a vector, D."""
        return int(self.vector.shape[1])

    def blocks(self, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, (n, D) float32) of each block of `size` rows; 4 MB by default."""
        step = size or archive.rows_a_block(self.width)
        for start in range(0, len(self), step):
            yield start, np.asarray(self.vector[start : start + step], np.float32)

    def take(self, rows: Any) -> Vectors:
        """These rows (index array), in memory."""
        rows = np.asarray(rows, np.int64)
        key, place = (
            np.asarray(c[rows] if hasattr(c, "shape") else np.asarray(c)[rows]) for c in (self.key, self.place)
        )
        vector = np.asarray(self.vector[rows], np.float32)
        return Vectors(key, self.lonlat[rows], self.day[rows], place, vector, self.facts)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write a .zarr or .parquet archive (extra `parquet`), aside first. Raises OutputError, ExtraError."""
        with archive.Writer(path, len(self), self.width, self.facts) as writer:
            for start, block in self.blocks():
                rows = slice(start, start + len(block))
                writer.add(
                    np.asarray(self.key[rows]), self.lonlat[rows], self.day[rows], np.asarray(self.place[rows]), block
                )
        return Path(path)


def read(path: str | os.PathLike[str], *, lazy: bool = False) -> Vectors:
    """The vectors of an archive; with `lazy` only places and dates are read now (32 bytes a row).

    Raises FormatError where it is none, ExtraError for Parquet without its extra.
    """
    found = archive.open_columns(Path(path))
    c = found.columns
    lonlat = np.stack([c["lon"][:], c["lat"][:]], axis=1)
    if lazy:
        return Vectors(c["key"], lonlat, c["day"][:], c["place"], c["vector"], found.facts)
    return Vectors(c["key"][:], lonlat, c["day"][:], c["place"][:], np.asarray(c["vector"][:], np.float32), found.facts)


@dataclass(frozen=True, eq=False)
class Scaling:
    """mean (D,) and deviation (D,) of an archive: what makes its numbers comparable before directions are compared."""

    mean: np.ndarray
    deviation: np.ndarray

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        """Unit vectors (n, D) float64 of the scaled (n, D); 0 where a vector is not finite or has no direction."""
        x = np.asarray(vector, np.float64)
        good = np.isfinite(x).all(axis=-1, keepdims=True)
        x = np.where(good, (np.where(good, x, 0) - self.mean) / self.deviation, 0)
        length = np.linalg.norm(x, axis=-1, keepdims=True)
        return np.asarray(x / np.where(length > 1e-9, length, np.inf))

    def cosines(self, vector: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """((n, Q) cosines of the scaled (n, D) to unit vectors (Q, D), (n,) whether the row has a direction).

        Rounded to nine digits, so that the same vectors have the same similarity in any block.
        """
        x = np.asarray(vector, np.float64) - self.mean
        x /= self.deviation
        length = np.sqrt(np.einsum("nd,nd->n", x, x))
        with np.errstate(invalid="ignore"):
            able = np.isfinite(length) & (length > 1e-9)
            near = x @ unit.T
            near /= np.where(able, length, np.inf)[:, None]
        near[~able] = -np.inf
        return np.round(near, 9, out=near), able

    @classmethod
    def none(cls, width: int) -> Scaling:
        """Vectors as they are."""
        return cls(np.zeros(width), np.ones(width))

    def to_json(self) -> dict[str, list[float]]:
        """Plain numbers."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Scaling:
        """The inverse of `to_json`."""
        return cls(np.asarray(record["mean"], float), np.asarray(record["deviation"], float))


def scaling(vectors: Vectors) -> Scaling:
    """Mean and deviation of every component over the archive, block by block; a component that never moves has 1.

    Without it the components that are large everywhere decide, and everything looks alike.
    """
    count, total, square = 0, np.zeros(vectors.width), np.zeros(vectors.width)
    shift: np.ndarray | None = None
    for _, block in vectors.blocks():
        x = block[np.isfinite(block).all(1)].astype(np.float64)
        if not len(x):
            continue
        shift = x[0].copy() if shift is None else shift
        x -= shift
        count, total, square = count + len(x), total + x.sum(0), square + (x * x).sum(0)
    if shift is None:
        return Scaling.none(vectors.width)
    mean = total / count
    variance = np.maximum(square / count - mean**2, 0)
    size = np.maximum(np.abs(shift + mean), 1e-12)
    deviation = np.where(np.sqrt(variance) > 1e-6 * size, np.sqrt(variance), 1.0)
    return Scaling(shift + mean, deviation)


@dataclass(frozen=True, eq=False)
class Hits:
    """The k best rows, best first. row (k,), similarity (k,): cosine, 1 for the same direction. unlike: rows left out
    because they are nearer to what was not wanted.
    """

    row: np.ndarray
    similarity: np.ndarray
    unlike: int = 0


def nearest(
    vectors: Vectors,
    query: np.ndarray,
    k: int,
    where: np.ndarray | None = None,
    *,
    block: int | None = None,
    scale: Scaling | None = None,
) -> Hits:
    """The k rows whose direction is nearest to that of `query`, exactly, holding one block at a time.

    query (D,), or (Q, D): then row and similarity are (Q, k). where (N,) bool: rows that may be found. block: rows at
    once. scale: how vectors are scaled first (`scaling`; as they are by default). Equal ones come in order of rows; fewer than k
    where there are fewer; rows that are not finite or 0 are never found. With (Q, D) missing ones are row -1, NaN.
    Raises SwathError for a query of another width or k < 1.
    """
    scale = scale or Scaling.none(vectors.width)
    one = np.ndim(query) == 1
    wanted = _directions(vectors, np.atleast_2d(query), k, scale)
    found = _best(vectors, wanted, k, where, block, scale)
    if one:
        row, similarity, _ = found[0]
        return Hits(row, similarity)
    rows, values = np.full((len(found), k), -1), np.full((len(found), k), np.nan)
    for i, (row, similarity, _) in enumerate(found):
        rows[i, : len(row)], values[i, : len(row)] = row, similarity
    return Hits(rows, values)


def like(
    vectors: Vectors,
    wanted: np.ndarray,
    unwanted: np.ndarray | None = None,
    k: int = 20,
    where: np.ndarray | None = None,
    *,
    block: int | None = None,
    scale: Scaling | None = None,
) -> Hits:
    """The k rows most like any of the examples `wanted` (m, D) and less like each of `unwanted` (u, D).

    Similarity is the cosine to the nearest of the wanted ones; a row that is as near or nearer to any unwanted one is left out
    and counted. Exact, and raises, as `nearest`.
    """
    scale = scale or Scaling.none(vectors.width)
    good = _directions(vectors, np.atleast_2d(wanted), k, scale)
    against = None if unwanted is None or not len(unwanted) else _directions(vectors, np.atleast_2d(unwanted), k, scale)
    row, similarity, left = _best(vectors, good, k, where, block, scale, against, together=True)[0]
    return Hits(row, similarity, left)


def _rows(vectors: Vectors, queries: int) -> int:
    """Rows of a block: few enough that their similarities to all queries take no more memory than the vectors."""
    return max(64, min(archive.rows_a_block(vectors.width), (2 << 20) // max(1, queries)))


def _directions(vectors: Vectors, query: np.ndarray, k: int, scale: Scaling) -> np.ndarray:
    if query.ndim != 2 or query.shape[1] != vectors.width or k < 1:
        raise SwathError(
            rule=f"a search takes vectors of {vectors.width} numbers and at least one answer",
            got=f"shape {query.shape}, k {k}",
            remedy="use the encoder that made the archive",
        )
    unit = scale(query)
    if not np.linalg.norm(unit, axis=1).all():
        raise SwathError(
            rule="a query has a direction",
            got="a vector of zeros or NaN, or the very mean of the archive",
            remedy="choose another example",
        )
    return unit


def _best(
    vectors: Vectors,
    wanted: np.ndarray,
    k: int,
    where: np.ndarray | None,
    block: int | None,
    scale: Scaling,
    against: np.ndarray | None = None,
    *,
    together: bool = False,
) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """For each of (Q, D) unit vectors (or the nearest of them, `together`): rows, similarities, and how many were left
    out for what is not wanted.
    """
    kept = [(np.empty(0, np.int64), np.empty(0), 0) for _ in (wanted[:1] if together else wanted)]
    for start, part in vectors.blocks(block or _rows(vectors, len(wanted))):
        both = wanted if against is None else np.concatenate([wanted, against])
        cosine, able = scale.cosines(part, both)
        if where is not None:
            able &= np.asarray(where[start : start + len(part)], bool)
        if not able.any():
            continue
        near = cosine[:, : len(wanted)]
        near = near.max(1, keepdims=True) if together else near
        unlike = np.zeros(len(part), bool) if against is None else None
        far = None if against is None else cosine[:, len(wanted) :].max(1)
        for q, (row, similarity, left) in enumerate(kept):
            out = unlike if far is None else far >= near[:, q]
            index = np.flatnonzero(able & ~np.asarray(out))
            left += int((able & np.asarray(out)).sum())
            rows = np.concatenate([row, start + index])
            values = np.concatenate([similarity, near[index, q]])
            first = np.argsort(-values, kind="stable")[:k]
            kept[q] = (rows[first], values[first], left)
    return kept


@dataclass(frozen=True, slots=True)
class Threshold:
    """Below `value` nothing is similar; NaN where the archive is too small to tell. words: where it comes from."""

    value: float
    rows: int
    words: str


def threshold(
    vectors: Vectors,
    *,
    quantile: float = QUANTILE,
    scale: Scaling | None = None,
    seed: int = 0,
    sample: int = SAMPLE,
    block: int | None = None,
) -> Threshold:
    """How alike a row and the nearest one of another place at least are, for all but a `quantile` of seeded rows.

    An answer below it is further away than this archive's own places are from one another: nothing in it is similar. (Quantiles
    of random pairs would not do: where a tenth of all pairs show the same thing, the top of them is a copy.)
    Exact, block by block; needs 20 rows and two places.
    """
    scale = scale or Scaling.none(vectors.width)
    n = len(vectors)
    rows = np.arange(n) if n <= sample else np.sort(np.random.default_rng([seed, 7]).choice(n, sample, replace=False))
    some = vectors.take(rows)
    unit = scale(some.vector)
    names, own = np.unique(some.place, return_inverse=True)
    number = {str(name): i for i, name in enumerate(names)}
    best = np.full(len(rows), -np.inf)
    for start, part in vectors.blocks(block or _rows(vectors, len(rows))):
        near, _ = scale.cosines(part, unit)
        place = np.array([number.get(str(p), -1) for p in np.asarray(vectors.place[start : start + len(part)])])
        near[place[:, None] == own] = -np.inf
        best = np.maximum(best, near.max(0, initial=-np.inf))
    best = best[unit.any(1) & np.isfinite(best)]
    if len(best) < LEAST:
        few = f"{len(best)} rows of {len(names)} place{'s' * (len(names) != 1)} have one of another place beside them"
        return Threshold(float("nan"), len(best), f"no threshold: {few}, {LEAST} are needed")
    value = float(np.quantile(best, quantile))
    words = (
        f"{1 - quantile:.0%} of this archive's places have one elsewhere that is more alike "
        f"(nearest of another place, {len(best):,} rows)"
    )
    return Threshold(value, len(best), words)


def same_encoder(vectors: Vectors, facts: Mapping[str, Any], *, names: Sequence[str] = ("encoder", "weights")) -> None:
    """Refuse vectors of another encoder. Raises FormatError."""
    other = [n for n in names if vectors.facts.get(n) != facts.get(n)]
    if other:
        raise FormatError(
            rule="a query is made by the encoder that made the archive",
            got="; ".join(f"{n} {facts.get(n)}, in the archive {vectors.facts.get(n)}" for n in other),
            remedy="name that encoder and its weights file",
        )
