"""Which samples of an archive to keep: balanced over clusters, spread inside them, copies left out, each with its reason.

Source: hierarchical k-means with resampling and balanced sampling, Vo et al. 2024 (arXiv 2405.15613); an archive that is
pruned while a network trains on it, arXiv 2504.06962. Everything is seeded: the same vectors give the same list.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.errors import DesignError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Choice", "Clusters", "choose", "clusters", "effective", "levels_for", "near_duplicates", "quota"]

_BYTES = 64 << 20  # of one block of distances
_WITHIN = 50_000  # beyond so many rows near-duplicates are looked for inside clusters
Progress = Callable[[int, int, str], None]


def quota(sizes: ArrayLike, total: int, *, seed: int = 0) -> NDArray[np.int64]:
    """How many to take of each group so that the result is as even as the groups allow (water filling).

    sizes: (K,) members of each. The result sums to `total`, exceeds no size, and no group could get one more without
    taking it from a group that has no more than it. Groups that are drawn to get one of the last are seeded.
    Raises DesignError when `total` is negative or more than there are.
    """
    size = np.asarray(sizes, np.int64)
    if size.ndim != 1 or (size < 0).any() or not 0 <= total <= int(size.sum()):
        raise DesignError(
            rule="as many are kept as there are, or fewer",
            got=f"{total} of {int(size.sum())}",
            remedy="keep fewer",
        )
    order = np.sort(size)
    groups = len(size)
    before = np.concatenate([[0], np.cumsum(order)])
    filled = before[:-1] + order * np.arange(groups, 0, -1)  # sum of min(t, size) at t = order[i]
    whole = int(np.searchsorted(filled, total, side="right"))  # so many groups are kept whole
    if whole == groups:
        return size.copy()
    level = (total - int(before[whole])) // (groups - whole)
    out = np.minimum(size, level)
    more = np.flatnonzero(size > level)
    out[np.random.default_rng([seed, 17]).permutation(more)[: total - int(out.sum())]] += 1
    return out


def effective(counts: ArrayLike) -> float:
    """How many equally large groups would be as even as these: exp of the entropy of their shares. 0 where all are empty."""
    share = np.asarray(counts, float)
    if share.sum() <= 0:
        return 0.0
    share = share[share > 0] / share.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


@dataclass(frozen=True, slots=True)
class Clusters:
    """label: (N, L) int32, cluster of each row at each level, the finest first; centres: one (K, D) a level; distance (N,)
    of each row to its finest centre.
    """

    label: NDArray[np.int32]
    centres: tuple[NDArray[np.float32], ...]
    distance: NDArray[np.float32]


def levels_for(rows: int) -> tuple[int, ...]:
    """How many clusters at each level suit so many rows: a twentieth, at most 1,000, and their root above them."""
    finest = min(1000, max(1, rows // 20))
    return (finest, max(2, round(1.5 * finest**0.5))) if finest >= 16 else (finest,)


def clusters(
    vectors: Any,
    counts: Sequence[int] | None = None,
    *,
    seed: int = 0,
    subset: int = 100_000,
    resamplings: int = 3,
    iterations: int = 15,
    progress: Progress | None = None,
) -> Clusters:
    """Hierarchical k-means whose centres follow the ground that the vectors cover, not how densely they lie there.

    vectors: (N, D), an array or anything that gives NumPy rows when sliced (a memory map, a Zarr array): read in blocks.
    counts: clusters at each level, the finest first; each level clusters the centres below it. At each level, several
    times, k-means is run anew on the members nearest each centre alone, and all are assigned anew: that flattens density.
    k-means runs on at most `subset` random rows; all others go to the nearest centre. Fewer distinct rows give fewer
    clusters. Raises DesignError for an empty archive or values that are not finite.
    """
    n = len(vectors)
    if n == 0:
        raise DesignError(rule="clusters are made of at least one vector", got="none", remedy="look at the archive")
    rng = np.random.default_rng([seed, 5])
    some = np.sort(rng.permutation(n)[:subset]) if n > subset else np.arange(n)
    points = np.array(vectors[:] if len(some) == n else _rows(vectors, some), np.float32)
    if not np.isfinite(points).all():
        raise DesignError(rule="vectors are finite", got="NaN or infinity", remedy="screen the archive first")
    centres: list[NDArray[np.float32]] = []
    wanted = tuple(levels_for(n) if counts is None else counts)
    for number, count in enumerate(wanted):
        points = _level(points, max(1, min(int(count), len(points))), rng, resamplings, iterations)
        centres.append(points)
        if progress is not None:
            progress(number + 1, len(wanted) + 1, f"{len(points)} clusters at level {number + 1}")
    label, distance = _nearest(vectors, centres[0])
    if not np.isfinite(distance).all():
        raise DesignError(rule="vectors are finite", got="NaN or infinity", remedy="screen the archive first")
    columns = [label]
    for below, above in itertools.pairwise(centres):
        columns.append(_nearest(below, above)[0][columns[-1]])
    if progress is not None:
        progress(len(wanted) + 1, len(wanted) + 1, "all assigned")
    return Clusters(np.stack(columns, 1), tuple(centres), distance)


def _level(
    points: NDArray[np.float32], count: int, rng: np.random.Generator, resamplings: int, iterations: int
) -> NDArray[np.float32]:
    """Centres (K, D) of one level, K at most `count`."""
    centres = _means(points, count, rng, iterations)
    share = max(2, len(points) // (2 * count))
    for _ in range(resamplings if len(points) > 2 * count else 0):
        label, distance = _nearest(points, centres)
        order = np.lexsort((distance, label))
        first = np.searchsorted(label[order], np.arange(len(centres)))
        rank = np.arange(len(points)) - first[label[order]]
        centres = _means(points[np.sort(order[rank < share])], count, rng, iterations)
    return centres


def _means(points: NDArray[np.float32], count: int, rng: np.random.Generator, iterations: int) -> NDArray[np.float32]:
    """Lloyd's k-means from a k-means++ start; clusters that end without members are left out."""
    from scipy.sparse import csr_matrix

    n = len(points)
    centres = _start(points, count, rng)
    label = np.full(n, -1, np.int32)
    for _ in range(iterations):
        new, _ = _nearest(points, centres)
        if np.array_equal(new, label):
            break
        label = new
        size = np.bincount(label, minlength=len(centres))
        order = np.argsort(label, kind="stable")
        member = csr_matrix((np.ones(n, np.float32), order, np.concatenate([[0], np.cumsum(size)])))
        sums = np.asarray(member @ points, np.float32)[: len(centres)]
        centres = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centres).astype(np.float32)
    return centres[np.bincount(label, minlength=len(centres)) > 0]


def _start(points: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """k-means++ (Arthur and Vassilvitskii 2007): each next centre by its squared distance from those before."""
    chosen = [int(rng.integers(len(points)))]
    away = ((points - points[chosen[0]]) ** 2).sum(1, dtype=np.float64)
    while len(chosen) < count:
        mass = np.cumsum(away)
        if mass[-1] <= 0:  # no other distinct point
            break
        chosen.append(min(int(np.searchsorted(mass, rng.random() * mass[-1], side="right")), len(points) - 1))
        np.minimum(away, ((points - points[chosen[-1]]) ** 2).sum(1, dtype=np.float64), out=away)
    return points[chosen]


def _nearest(vectors: Any, centres: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Nearest centre of each row, and how far it is; by blocks of rows."""
    n = len(vectors)
    label, distance = np.empty(n, np.int32), np.empty(n, np.float32)
    middle = centres.mean(0)
    shifted = centres - middle  # differences keep their digits when the common part is taken off
    square = (shifted**2).sum(1)
    step = max(1, min(1 << 14, _BYTES // (4 * max(len(centres), centres.shape[1]))))
    for start in range(0, n, step):
        x = np.asarray(vectors[start : start + step], np.float32) - middle
        found = (square - 2.0 * (x @ shifted.T)).argmin(1)
        label[start : start + step] = found
        distance[start : start + step] = np.sqrt(((x - shifted[found]) ** 2).sum(1))
    return label, distance


def _rows(vectors: Any, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Some rows, in ascending order, read by blocks."""
    out = np.empty((len(rows), vectors.shape[1]), np.float32)
    step = 1 << 16
    for start in range(0, len(vectors), step):
        low, high = np.searchsorted(rows, [start, start + step])
        if high > low:
            out[low:high] = np.asarray(vectors[start : start + step], np.float32)[rows[low:high] - start]
    return out


def near_duplicates(
    vectors: Any, threshold: float = 0.0, *, group: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of which row each row is a copy, or -1, and how far it is from it.

    Rows within `threshold` of a row that stays are its copies; those that stay lie farther apart than that. Rows with the
    same bytes are found everywhere; near ones by all distances, in blocks, or inside the same `group` (N,) only.
    """
    n = len(vectors)
    same, far = np.full(n, -1, np.int64), np.zeros(n, np.float32)
    digest = _digests(vectors)
    _, first, which = np.unique(digest, return_index=True, return_inverse=True)
    same[:] = np.where(first[which] == np.arange(n), -1, first[which])
    if threshold <= 0:
        return same, far
    alone = np.flatnonzero(same < 0)
    label = np.zeros(n, np.int64) if group is None else np.asarray(group)
    order = alone[np.argsort(label[alone], kind="stable")]
    cuts = np.flatnonzero(np.diff(label[order])) + 1
    for rows in np.split(order, cuts):
        _leaders(_pick(vectors, rows), rows, threshold, same, far)
    root = same[same]
    same = np.where((same >= 0) & (root >= 0), root, same)  # a copy of what turned out to be a copy itself
    return same, far


def _leaders(
    x: NDArray[np.float32], rows: NDArray[np.int64], threshold: float, same: NDArray[np.int64], far: NDArray[np.float32]
) -> None:
    """Write into `same` and `far` which of `rows` lie within the threshold of an earlier one that stays."""
    x = x - x.mean(0)
    square = (x**2).sum(1)
    free = np.ones(len(rows), bool)
    step = max(1, _BYTES // (4 * max(1, len(rows))))
    for start in range(0, len(rows), step):
        block = np.arange(start, min(start + step, len(rows)))
        close = square[block, None] + square[None, start:] - 2.0 * (x[block] @ x[start:].T)
        slack = 1e-5 * (square[block, None] + square[None, start:])
        near = close <= threshold**2 + slack
        for i in block:
            if not free[i]:
                continue
            found = np.flatnonzero(near[i - start]) + start
            found = found[(found > i) & free[found]]
            away = np.sqrt(((x[found] - x[i]) ** 2).sum(1))
            found, away = found[away <= threshold], away[away <= threshold]
            free[found] = False
            same[rows[found]], far[rows[found]] = rows[i], away


def _digests(vectors: Any) -> NDArray[Any]:
    from hashlib import blake2b

    out = np.empty(len(vectors), "S32")
    for start in range(0, len(vectors), 1 << 14):
        part = np.ascontiguousarray(vectors[start : start + (1 << 14)]) + 0.0  # -0.0 is 0.0
        out[start : start + len(part)] = [blake2b(row.tobytes(), digest_size=16).hexdigest() for row in part]
    return out


def _pick(vectors: Any, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Rows in any order."""
    if isinstance(vectors, np.ndarray):
        return np.asarray(vectors[rows], np.float32)
    order = np.argsort(rows, kind="stable")
    out = np.empty((len(rows), vectors.shape[1]), np.float32)
    out[order] = _rows(vectors, rows[order])
    return out


@dataclass(frozen=True, slots=True)
class Choice:
    """What was kept of N rows, and why.

    kept (n,) rows, ascending; reason: of each in words; clusters: as they were found; size, taken (K,): rows and kept rows
    of each finest cluster; copy_of (N,): the row that a row is a copy of, or -1; far (N,): how far it is from it;
    weight (n,): how many rows of its cluster a kept row stands for (to bring shares of classes back to the archive's).
    """

    kept: NDArray[np.int64]
    reason: tuple[str, ...]
    clusters: Clusters
    size: NDArray[np.int64]
    taken: NDArray[np.int64]
    copy_of: NDArray[np.int64]
    far: NDArray[np.float32]
    weight: NDArray[np.float64]

    def table(self) -> pd.DataFrame:
        """A row for each kept one: row, cluster, cluster_size, cluster_kept, distance, copies, weight, reason."""
        import pandas as pd

        label = self.clusters.label[self.kept, 0]
        copies = np.bincount(self.copy_of[self.copy_of >= 0], minlength=len(self.copy_of))[self.kept]
        return pd.DataFrame(
            {
                "row": self.kept,
                "cluster": label,
                "cluster_size": self.size[label],
                "cluster_kept": self.taken[label],
                "distance": self.clusters.distance[self.kept],
                "copies": copies,
                "weight": self.weight,
                "reason": self.reason,
            }
        )


def choose(
    vectors: Any,
    total: int,
    spread: float = 0.5,
    seed: int = 0,
    *,
    counts: Sequence[int] | None = None,
    alike: float = 0.0,
    subset: int = 100_000,
    progress: Progress | None = None,
) -> Choice:
    """Keep `total` of N rows: an even share of every cluster, from the top level down; copies only when all else is kept.

    spread: inside a cluster 0 takes the rows nearest its centre, 1 rows far from those taken before, between: both.
    counts, subset: as in `clusters`. alike: rows at this distance or less count as copies (0: only equal ones); beyond
    50,000 rows near copies are looked for inside clusters. Raises DesignError for a total or spread that cannot be.
    """
    n = len(vectors)
    if not 0 < total <= n or not 0.0 <= spread <= 1.0:
        raise DesignError(
            rule="one or more are kept, at most all, with a spread from 0 to 1",
            got=f"{total} of {n}, spread {spread:g}",
            remedy="change --keep or --spread",
        )
    found = clusters(vectors, counts, seed=seed, subset=subset, progress=progress)
    finest = found.label[:, 0]
    same, far = near_duplicates(vectors, alike, group=finest if n > _WITHIN else None)
    own = np.flatnonzero(same < 0)
    first = min(total, len(own))
    taken = _down(found.label[own], first, seed, len(found.centres[0]))
    kept: list[NDArray[np.int64]] = []
    why: dict[int, str] = {}
    for number in np.flatnonzero(taken):
        rows = own[finest[own] == number]
        order = _inside(vectors, rows, found.centres[0][number], int(taken[number]), spread)
        kept.append(rows[order])
        why |= dict(zip(rows[order].tolist(), _words(int(taken[number]), len(rows), int(number), spread), strict=True))
    if total > first:
        copies = np.flatnonzero(same >= 0)
        more = _down(found.label[copies], total - first, seed + 1, len(found.centres[0]))
        for number in np.flatnonzero(more):
            extra = copies[finest[copies] == number][: more[number]]
            kept.append(extra)
            why |= {int(i): f"copy of row {same[i]}: all that differ are kept already" for i in extra}
    rows = np.sort(np.concatenate(kept))
    size = np.bincount(finest, minlength=len(found.centres[0]))
    count = np.bincount(finest[rows], minlength=len(size))
    weight = (size / np.maximum(count, 1))[finest[rows]]
    return Choice(rows, tuple(why[int(i)] for i in rows), found, size, count, same, far, weight)


def _down(label: NDArray[np.int32], total: int, seed: int, finest: int) -> NDArray[np.int64]:
    """Quota of each finest cluster (K,), shared out evenly level by level from the top."""
    out = np.zeros(finest, np.int64)

    def share(rows: NDArray[np.int64], level: int, amount: int) -> None:
        names, size = np.unique(label[rows, level], return_counts=True)
        for name, part in zip(names, quota(size, amount, seed=seed), strict=True):
            if level == 0:
                out[name] = part
            elif part:
                share(rows[label[rows, level] == name], level - 1, int(part))

    if total:
        share(np.arange(len(label)), label.shape[1] - 1, total)
    return out


def _inside(
    vectors: Any, rows: NDArray[np.int64], centre: NDArray[np.float32], amount: int, spread: float
) -> NDArray[np.int64]:
    """Which of `rows` to take, in the order of taking: the nearest to the centre first, then by spread."""
    x = _pick(vectors, rows)
    near = np.sqrt(((x - centre) ** 2).sum(1))
    if spread <= 0 or amount >= len(rows):
        return np.argsort(near, kind="stable")[:amount]
    near /= max(float(near.max()), 1e-12)
    chosen = [int(near.argmin())]
    away = np.sqrt(((x - x[chosen[0]]) ** 2).sum(1))
    scale = max(float(away.max()), 1e-12)
    free = np.ones(len(rows), bool)
    free[chosen[0]] = False
    while len(chosen) < amount:
        score = np.where(free, spread * away / scale - (1 - spread) * near, -np.inf)
        chosen.append(int(score.argmax()))
        free[chosen[-1]] = False
        np.minimum(away, np.sqrt(((x - x[chosen[-1]]) ** 2).sum(1)), out=away)
    return np.asarray(chosen)


def _words(taken: int, size: int, number: int, spread: float) -> list[str]:
    """Why each of `taken` rows of a cluster of `size` was kept, in the order of taking."""
    if taken == size:
        return [f"cluster {number} is small ({size}): kept whole"] * taken
    share = f"{taken} of {size} distinct ones kept"
    rest = "next nearest to the centre" if spread <= 0 else "unlike those kept before"
    return [
        f"nearest to the centre of cluster {number} ({share})",
        *[f"{rest} in cluster {number} ({share})"] * (taken - 1),
    ]
