"""Patches of equal class, found strip by strip: what is closed is summed up at once, so that memory holds one strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Patch", "PatchList", "Patches"]

_SUMS = ("pixels", "ground", "row", "column", "rr", "cc", "rc", "side")


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch. pixels; box (top, bottom, left, right) half-open; row, column: of its centre of mass; metres2: its area.

    length, width: of the ellipse with its second moments, in metres (pixels without CRS); round: 4 pi area / perimeter^2.
    """

    pixels: int
    box: tuple[int, int, int, int]
    row: float
    column: float
    metres2: float
    length: float
    width: float
    round: float

    @property
    def ratio(self) -> float:
        """Length over width, at least 1."""
        return self.length / self.width if self.width > 0 else 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "pixels": self.pixels, "window": list(self.box), "centre": [round(self.row, 2), round(self.column, 2)],
            "length_m": round(self.length, 1), "width_m": round(self.width, 1), "ratio": round(self.ratio, 2),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PatchList:
    """Of one class: count of all patches; sizes: {pixels: how many patches of that size}, at most a few thousand entries

    (beyond 4096 pixels sizes fall into steps of 1 %); largest: the largest ones, largest first.
    """

    count: int
    sizes: dict[int, int]
    largest: tuple[Patch, ...]

    def at_least(self, pixels: int) -> int:
        """How many patches have so many pixels or more (exact up to 4096 pixels and among the largest)."""
        known = sum(1 for p in self.largest if p.pixels >= pixels)
        if known < len(self.largest) or len(self.largest) == self.count:
            return known
        return sum(n for size, n in self.sizes.items() if size >= pixels)


class Patches:
    """Accumulates patches of classes 0..K-1 (negative: no class) from strips of rows that follow one another."""

    def __init__(
        self, shape: tuple[int, int], width: np.ndarray, height: np.ndarray, *, connectivity: int = 4, kept: int = 40
    ) -> None:
        self.shape, self.width, self.height = shape, width, height
        self.connectivity, self.kept = connectivity, kept
        self.open: dict[str, np.ndarray] = {}
        self.last: np.ndarray | None = None  # class of the last row
        self.last_id: np.ndarray | None = None  # open patch of each of its pixels, -1 where none
        self.counts: dict[int, int] = {}
        self.sizes: dict[int, dict[int, int]] = {}
        self.best: dict[int, list[tuple[float, ...]]] = {}

    def add(self, at: np.ndarray, first: int) -> None:
        """The next rows: (n, W) class indices, negative where there is none."""
        from skimage.measure import label

        reach = 1 if self.connectivity == 4 else 2
        labels = np.asarray(label(np.maximum(at, -1).astype(np.int32) + 1, background=0, connectivity=reach))
        found = self._measure(at, labels, first)
        merged = self._merge(found, at, labels)
        self._close(merged)

    def _measure(self, at: np.ndarray, labels: np.ndarray, first: int) -> dict[str, np.ndarray]:
        """Sums over each label of this strip."""
        n = int(labels.max())
        inside = labels > 0
        flat = labels[inside]
        rows, columns = np.nonzero(inside)
        rows = rows + first
        pixel = self.width * self.height
        size = np.bincount(flat, minlength=n + 1)[1:].astype(float)
        found = {"pixels": size, "ground": np.bincount(flat, pixel[rows], n + 1)[1:]}
        found["row"], found["column"] = np.bincount(flat, rows, n + 1)[1:], np.bincount(flat, columns, n + 1)[1:]
        y, x = rows.astype(float), columns.astype(float)
        found["rr"], found["cc"], found["rc"] = (np.bincount(flat, v, n + 1)[1:] for v in (y * y, x * x, y * x))
        found["side"] = self._outline(at, labels, first, n)
        order = np.argsort(flat, kind="stable")
        starts = np.searchsorted(flat[order], np.arange(1, n + 1))
        found["class"] = at[inside][order][starts] if n else np.zeros(0, at.dtype)
        for name, values in (("top", rows), ("left", columns)):
            found[name] = np.minimum.reduceat(values[order], starts) if n else np.zeros(0)
        for name, values in (("bottom", rows), ("right", columns)):
            found[name] = np.maximum.reduceat(values[order], starts) if n else np.zeros(0)
        return found

    def _outline(self, at: np.ndarray, labels: np.ndarray, first: int, n: int) -> np.ndarray:
        """Length of the outline of each label within the strip; sides along a seam are settled when strips are merged."""
        rows = np.arange(first, first + len(at))
        wide, high = self.width[rows][:, None], self.height[rows][:, None]
        total = np.zeros(n + 1)
        padded = np.pad(at, ((0, 0), (1, 1)), constant_values=-9)
        for other in (padded[:, :-2], padded[:, 2:]):
            differ = (other != at) & (labels > 0)
            total += np.bincount(labels[differ], np.broadcast_to(high, at.shape)[differ], n + 1)
        padded = np.pad(at, ((1, 1), (0, 0)), constant_values=-9)
        for other in (padded[:-2], padded[2:]):
            differ = (other != at) & (labels > 0)
            total += np.bincount(labels[differ], np.broadcast_to(wide, at.shape)[differ], n + 1)
        self._seam = float(self.width[first])
        return np.asarray(total[1:])

    def _merge(self, found: dict[str, np.ndarray], at: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """Join open patches with this strip's where they touch; gives all, with who still touches the last row."""
        n_open, n_new = (len(self.open["pixels"]) if self.open else 0), len(found["pixels"])
        everything = {k: np.concatenate([self.open[k], v]) if n_open else v for k, v in found.items()}
        pairs = self._touching(at, labels, n_open)
        group = np.arange(n_open + n_new)
        if len(pairs[0]):
            from scipy.sparse import coo_array
            from scipy.sparse.csgraph import connected_components

            n = n_open + n_new
            graph = coo_array((np.ones(len(pairs[0])), (pairs[0], pairs[1])), shape=(n, n))
            _, group = connected_components(graph, directed=False)
            shared: Any = np.bincount(group[pairs[0]], pairs[2], int(group.max()) + 1)
        else:
            shared = np.zeros(n_open + n_new)
        m = int(group.max()) + 1 if len(group) else 0
        made: dict[str, Any] = {k: np.bincount(group, everything[k], m) for k in _SUMS}
        made["side"] = made["side"] - 2 * shared[:m]
        made["class"] = np.zeros(m, np.int64)
        made["class"][group] = everything["class"]
        for k, start, least in (
            ("top", 1 << 40, True),
            ("left", 1 << 40, True),
            ("bottom", -1, False),
            ("right", -1, False),
        ):
            made[k] = np.full(m, start, np.int64)
            (np.minimum if least else np.maximum).at(made[k], group, everything[k].astype(np.int64))
        bottom = labels[-1].astype(np.int64)
        self.last = at[-1].copy()
        at_bottom = np.minimum(n_open + np.maximum(bottom, 1) - 1, max(len(group) - 1, 0))
        self.last_id = np.where(bottom > 0, group[at_bottom] if len(group) else 0, -1)
        return made

    def _touching(self, at: np.ndarray, labels: np.ndarray, n_open: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(open, new, length of the side they share) of neighbours across the seam; corners too with connectivity 8."""
        if self.last is None or self.last_id is None or not n_open:
            return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
        w = at.shape[1]
        one: list[np.ndarray] = []
        two: list[np.ndarray] = []
        side: list[np.ndarray] = []
        for step in (0,) if self.connectivity == 4 else (0, -1, 1):
            a = slice(max(0, -step), w - max(0, step))
            b = slice(max(0, step), w - max(0, -step))
            hit = (self.last[a] == at[0][b]) & (self.last_id[a] >= 0)
            one.append(self.last_id[a][hit])
            two.append(n_open + labels[0][b][hit].astype(np.int64) - 1)
            side.append(np.full(int(hit.sum()), self._seam if step == 0 else 0.0))
        return np.concatenate(one), np.concatenate(two), np.concatenate(side)

    def _close(self, made: dict[str, Any]) -> None:
        """Sum up what does not reach the last row; keep the rest open."""
        m = len(made["pixels"])
        still = np.zeros(m, bool)
        if self.last_id is not None and m:
            still[self.last_id[self.last_id >= 0]] = True
        self._sum_up({k: v[~still] for k, v in made.items()})
        number = np.cumsum(still) - 1
        self.open = {k: v[still] for k, v in made.items()}
        if self.last_id is not None and m:
            self.last_id = np.where(self.last_id >= 0, number[np.maximum(self.last_id, 0)], -1)

    def _sum_up(self, done: dict[str, Any]) -> None:
        for c in np.unique(done["class"]).tolist():
            here = np.flatnonzero(done["class"] == c)
            self.counts[c] = self.counts.get(c, 0) + len(here)
            size = done["pixels"][here].astype(np.int64)
            table = self.sizes.setdefault(c, {})
            for value, number in zip(*np.unique(_stepped(size), return_counts=True), strict=True):
                table[int(value)] = table.get(int(value), 0) + int(number)
            best = here[np.argsort(-size, kind="stable")][: self.kept]
            names = (*_SUMS, "top", "bottom", "left", "right")
            rows = [tuple(float(done[k][i]) for k in names) for i in best]
            kept = self.best.setdefault(c, [])
            kept.extend(rows)
            kept.sort(key=lambda r: (-r[0], r[8], r[10]))
            del kept[self.kept :]

    def finish(self, classes: int) -> list[PatchList]:
        """One PatchList a class."""
        if self.open:
            self._sum_up(self.open)
            self.open = {}
        return [
            PatchList(
                self.counts.get(c, 0),
                dict(sorted(self.sizes.get(c, {}).items())),
                tuple(map(self._patch, self.best.get(c, []))),
            )
            for c in range(classes)
        ]

    def _patch(self, r: tuple[float, ...]) -> Patch:
        n, ground, row, column, rr, cc, rc, side = r[:8]
        y, x = row / n, column / n
        at = min(len(self.width) - 1, round(y))
        wide, high = float(self.width[at]), float(self.height[at])
        # Second moments of the pixels as squares, not points: each adds a twelfth of its side squared.
        vy, vx, vxy = (
            (rr / n - y * y + 1 / 12) * high**2,
            (cc / n - x * x + 1 / 12) * wide**2,
            (rc / n - x * y) * wide * high,
        )
        half, root = (vx + vy) / 2, float(np.hypot((vx - vy) / 2, vxy))
        length, width = (float(np.sqrt(12 * max(v, 0.0))) for v in (half + root, half - root))
        box = (int(r[8]), int(r[9]) + 1, int(r[10]), int(r[11]) + 1)
        return Patch(
            int(n), box, y, x, float(ground), length, width, float(4 * np.pi * ground / side**2) if side > 0 else 0.0
        )


def _stepped(size: np.ndarray) -> np.ndarray:
    """Sizes as they are up to 4096 pixels, then the floor of steps of one per cent."""
    large = size > 4096
    if not large.any():
        return size
    step = np.floor(np.log(size[large] / 4096) / np.log(1.01))
    size = size.copy()
    size[large] = np.floor(4096 * 1.01**step).astype(np.int64)
    return size
