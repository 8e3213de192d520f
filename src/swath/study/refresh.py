"""An archive that is pruned anew while a network trains on it: embed all of it, cluster, choose, go on with the chosen.

Source: arXiv 2504.06962. A pruned example may return: every refresh looks at the whole archive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.study.select import Choice, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Refresh", "Refreshed", "directions"]


def directions(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of length 1, about the archive's mean: what self-distillation compares."""
    x = np.asarray(vectors, np.float32)
    x = x - x.mean(0)
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One refresh: after which epoch, which rows were kept, what the clusters were, seconds of embedding and clustering."""

    epoch: int
    kept: tuple[int, ...]
    size: tuple[int, ...]
    taken: tuple[int, ...]
    embedding: float
    clustering: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, for run.json."""
        return {
            "epoch": self.epoch, "kept": list(self.kept), "clusters": {"size": list(self.size), "kept": list(self.taken)},
            "seconds": {"embedding": round(self.embedding, 3), "clustering": round(self.clustering, 3)},
        }  # fmt: skip


@dataclass
class Refresh:
    """Give it to `train.fit` as `on_epoch`: after `warm` epochs, and every `every` epochs from then on (0: never again),
    it sets what the source draws from.

    embed: (Epoch) -> (N, D), a vector for every example of the archive, from the network as it is then. share: of the
    archive to keep; spread, counts: as in `choose`. What is kept depends on the vectors, the seed and the epoch alone, and
    fit saves it with the run: stopped anywhere, in a refresh too, a training goes on to the same lists. `done` tells of
    the refreshes of this process.
    """

    embed: Callable[[Any], NDArray[Any]]
    share: float
    warm: int = 1
    every: int = 1
    spread: float = 0.5
    seed: int = 0
    counts: tuple[int, ...] | None = None
    alike: float = 1e-4
    done: list[Refreshed] = field(default_factory=list)

    def __call__(self, now: Any) -> None:
        """What fit calls after each epoch (a train.fit.Epoch)."""
        age = now.number + 1 - self.warm
        if age < 0 or (age > 0 and (self.every <= 0 or age % self.every)):
            return
        began = time.perf_counter()
        vectors = directions(self.embed(now))
        between = time.perf_counter()
        choice = self.choice(vectors, now.number)
        now.source.keep(choice.kept.tolist())
        self.done.append(
            Refreshed(
                now.number,
                tuple(int(i) for i in choice.kept),
                tuple(int(s) for s in choice.size),
                tuple(int(t) for t in choice.taken),
                between - began,
                time.perf_counter() - between,
            )
        )

    def choice(self, vectors: NDArray[Any], epoch: int) -> Choice:
        """What is kept of these vectors after that epoch."""
        total = max(1, round(self.share * len(vectors)))
        seed = self.seed * 10_007 + epoch
        return choose(vectors, total, self.spread, seed, counts=self.counts, alike=self.alike)
