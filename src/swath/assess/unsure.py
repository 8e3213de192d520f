"""How unsure an embedding is: a small head on a frozen encoder that learned to rank a task's losses.

It ranks; it has no unit and no coverage: thresholds do not carry over to other encoders or sensors, and it is no
probability. Source: "On the Generalization of Representation Uncertainty in Earth Observation" (arXiv 2503.07082).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swath.errors import LabelError, need

if TYPE_CHECKING:
    from swath.batch import Tokens

__all__ = ["Unsure", "fit", "read"]


@dataclass(frozen=True, slots=True)
class Unsure:
    """The head, ready to ask. mean, scale: (D,) of the vectors that it learned from; module: nn.prednet.PredNet."""

    module: Any
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __call__(self, vectors: ArrayLike) -> NDArray[np.float32]:
        """(..., D) -> (...): larger is more unsure; NaN where a vector is not finite."""
        import torch

        v = np.asarray(vectors, np.float32)
        fine: NDArray[np.bool_] = np.all(np.isfinite(v), axis=-1, keepdims=True)
        scaled = np.where(fine, (v - self.mean) / self.scale, 0).astype(np.float32)
        with torch.no_grad():
            said = self.module(torch.from_numpy(scaled)).numpy()
        return np.where(fine[..., 0], said, np.nan).astype(np.float32)

    def of_tokens(self, tokens: Tokens) -> NDArray[np.float32]:
        """Each token of a grid asked alone: (B, T, h, w), NaN where not valid.

        The head learned from pooled vectors, so a map of tokens is an extrapolation; say so on a figure.
        """
        grid = np.moveaxis(np.asarray(tokens.grid()), 2, -1)
        said = self(grid)
        return np.where(np.asarray(tokens.valid).reshape(said.shape), said, np.nan).astype(np.float32)


class _Cached:
    """Vectors and losses in seeded pairs, for `train.fit`."""

    def __init__(self, vectors: Any, losses: Any, batch: int, seed: int) -> None:
        self.vectors, self.losses, self.batch, self.seed = vectors, losses, batch, seed

    def epoch(self, number: int) -> Iterator[Any]:
        from swath.objective.order import Kept

        n = len(self.vectors) // 2 * 2
        deal = np.random.default_rng([self.seed, number]).permutation(len(self.vectors))[:n]
        for start in range(0, n, self.batch):
            part = deal[start : start + self.batch]
            yield Kept(self.vectors[part], self.losses[part])


def fit(
    vectors: ArrayLike,
    losses: ArrayLike,
    *,
    kind: Literal["order", "mse"] = "order",
    seed: int = 0,
    epochs: int = 60,
    width: int = 512,
    depth: int = 2,
    rate: float = 1e-3,
    batch: int = 64,
) -> Unsure:
    """Train a head on kept vectors (M, D) and the losses (M,) of a task that they were never trained on.

    The losses must come from examples that the task's own classifier did not learn from (out of fold), else they say how
    well it remembers. Raises LabelError for fewer than 8 examples or losses that are all equal, ExtraError without torch.
    """
    need("torch", extra="nn", why="a head that says how unsure an embedding is")
    import torch

    from swath.nn.prednet import PredNet
    from swath.objective.order import Ordered
    from swath.train.fit import Rules
    from swath.train.fit import fit as train

    v, target = np.asarray(vectors, np.float32), np.asarray(losses, np.float32)
    fine = np.isfinite(v).all(1) & np.isfinite(target)
    v, target = v[fine], target[fine]
    if len(v) < 8 or float(np.ptp(target)) == 0:
        raise LabelError(
            rule="a head learns to rank from 8 or more examples of different loss",
            got=f"{len(v)} examples" if len(v) < 8 else "losses that are all equal",
            remedy="give more labelled examples",
        )
    mean, scale = v.mean(0), np.maximum(v.std(0), 1e-6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = PredNet(v.shape[1], width=width, depth=depth)
    source = _Cached(torch.from_numpy((v - mean) / scale), torch.from_numpy(target), batch, seed)
    train(module, source, Ordered(kind), Rules(epochs=epochs, rate=rate, warmup=10, decay=0.1, seed=seed))  # type: ignore[arg-type]
    return Unsure(module.eval(), mean, scale)


def read(path: str, dim: int, *, depth: int = 2, width: int = 512) -> Unsure:
    """A published head: its keys `unc_module.unc_module.{0,2,4}`, beside the encoder's own, which are left alone.

    Raises FormatError that lists what is missing, extra or reshaped. It takes the vectors as they are.
    """
    from swath.models.weights import load_strict, state
    from swath.nn.prednet import PredNet

    module = PredNet(dim, depth=depth, width=width)
    tensors = {k.removeprefix("unc_module."): t for k, t in state(path).items() if k.startswith("unc_module.")}
    load_strict(module, tensors, name=f"uncertainty head of {dim} values")
    return Unsure(module.eval(), np.zeros(dim, np.float32), np.ones(dim, np.float32))
